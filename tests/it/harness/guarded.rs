//! A child process that can't outlive the test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{shared_dir, source_dir, test_name, wait_for};

/// A program that runs under `python/guard.py`: it ends when this value is dropped, and when the test's process ends.
#[derive(Debug)]
pub struct Guarded {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Guarded {
    /// Starts `program` with exactly the environment given. What it prints goes to a file in `target/oracles/logs/`.
    pub fn start(
        python: &Path,
        name: &str,
        program: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        // A test may start several; the next run of the test overwrites them.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = shared_dir("oracles/logs").join(format!("{}.{name}-{number}.log", test_name()));
        let output = File::create(&log).expect("a log file");
        let child = Command::new(python)
            // Isolated and without site packages: the guard starts at once.
            .args(["-I", "-S"])
            .arg(source_dir().join("python/guard.py"))
            .args(program)
            .env_clear()
            .envs(environment.iter().map(|(key, value)| (key, value)))
            // Its end is the other end of this pipe, closed by the kernel if we are killed.
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle of the log"))
            .stderr(output)
            // A runner that kills the test's process group must not kill the guard before it has swept.
            .process_group(0)
            .spawn()
            .expect("the guard starts");
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// False once the program has ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// The guard's process id; the program is its child.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map_or_else(
            |error| format!("{}: {error}", self.log.display()),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// Ends the program and all that it started.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        wait_for("a guarded process to end", Duration::from_secs(10), || {
            self.child.try_wait().ok().flatten()
        });
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            eprintln!(
                "--- {}, its last lines; all of it is in {}\n{}\n---",
                self.name,
                self.log.display(),
                last.join("\n")
            );
        }
        // A panic here would abort a test that already fails, so a process that lingers is only waited for.
        let _ = self.child.wait();
    }
}
