//! What every integration test stands on: a cloud, a project, a client.
//!
//! ```ignore
//! let cloud = Cloud::ministack();
//! let project = Project::init("echo", &cloud);
//! let deployed = project.wsless(["deploy", "--yes"]).succeeds();
//! ```
//!
//! Tests are plain functions: what must be awaited is awaited here, on one runtime (`run`), whose own
//! threads also serve the recorder, so a test may block on a child process while that child talks through it.
//! `cargo nextest` gives each test a process. What tests share (virtual environments, built dependencies) is
//! therefore made once under a file lock in `target/`; all else belongs to one test and ends with it.
#![allow(
    dead_code,
    unused_imports,
    reason = "a harness has more than the tests of today use"
)]

mod bare;
mod client;
mod cloud;
mod emulator;
mod guarded;
mod inventory;
mod models;
mod output;
mod project;
mod queue;
mod recorder;
mod venv;

pub use bare::Bare;
pub use client::{Client, Connect, Refusal};
pub use cloud::{Cloud, Credentials, REGION};
pub use emulator::{Emulator, Kind, MinistackOptions};
pub use inventory::Inventory;
pub use models::{ModelCheck, check_against_models};
pub use output::{Output, redact};
pub use project::{Project, Running};
pub use queue::{ClientMessage, put_client_message};
pub use recorder::{Call, Calls, Fault, Mark, Recorder};
pub use venv::{Venv, ensure_in};

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the tests")
});

/// Awaits a future on the tests' runtime.
pub fn run<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Asks until there is an answer, and panics with what was waited for when the bound has passed.
pub fn wait_for<T>(what: &str, bound: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + bound;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {bound:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The target folder that this test binary was built into.
fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's tmp folder is in its target folder")
}

/// A folder in `target/` that all tests share; made if it's missing.
pub fn shared_dir(name: &str) -> PathBuf {
    let dir = target_dir().join(name);
    std::fs::create_dir_all(&dir).expect("a folder in target/");
    dir
}

/// The folder of this test binary's own sources.
pub fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

/// The running test's name, as a file name.
fn test_name() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("unnamed").replace("::", ".")
}
