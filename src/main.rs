//! Arguments in, exit code out; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // cargo starts this very program as its linker when it builds handlers.
    match wsless::build::embedded_tool(std::env::args_os()) {
        Some(code) => code,
        None => wsless::cli::main(),
    }
}
