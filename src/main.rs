//! Arguments in, exit code out; nothing else.

use std::process::ExitCode;

/// A tenth of the embedded cloud's time went to the system's allocator; this one takes less of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // cargo starts this very program as its linker when it builds handlers.
    match wsless::build::embedded_tool(std::env::args_os()) {
        Some(code) => code,
        None => wsless::cli::main(),
    }
}
