//! Python environments for the tests, made on first use in `target/oracles/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{shared_dir, source_dir};

/// A virtual environment with pinned packages.
#[derive(Debug, Clone)]
pub struct Venv {
    dir: PathBuf,
}

impl Venv {
    /// The emulator ministack. Each thing has its own environment: their pins of botocore exclude each other.
    pub fn ministack() -> Self {
        Self::ensure("ministack")
    }

    /// The emulator moto (317 MB; made only when a test asks).
    pub fn moto() -> Self {
        Self::ensure("moto")
    }

    /// botocore's service models, boto3, and cbor2.
    pub fn boto() -> Self {
        Self::ensure("boto")
    }

    /// The AWS CLI.
    pub fn awscli() -> Self {
        Self::ensure("awscli")
    }

    /// The linter of IAM policies.
    pub fn parliament() -> Self {
        Self::ensure("parliament")
    }

    /// Playwright, which drives a browser, and axe, which looks at what a page is like for everybody.
    pub fn browser() -> Self {
        Self::ensure("browser")
    }

    /// The Autobahn test suite's cases, with a runner.
    pub fn kosoku() -> Self {
        Self::ensure("kosoku")
    }

    /// zig as a linker (340 MB; made only when a test asks).
    pub fn zig() -> Self {
        Self::ensure("zig")
    }

    /// The path of an executable in it.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// Its Python.
    pub fn python(&self) -> PathBuf {
        self.bin("python")
    }

    fn ensure(name: &str) -> Self {
        let root = shared_dir("oracles");
        let requirements = source_dir().join(format!("requirements/{name}.txt"));
        let wanted = fs::read_to_string(&requirements).expect("a requirements file");
        let dir = root.join(name);
        ensure_in(&dir, &wanted, |dir| install(dir, &requirements));
        Self { dir }
    }
}

/// Makes `dir` by `make` unless it's there whole and for these requirements. One process makes, the others wait.
pub fn ensure_in(dir: &Path, wanted: &str, make: impl FnOnce(&Path)) {
    let stamp = dir.join("made-for");
    let mark = format!("{:x}", Sha256::digest(wanted));
    let whole = || fs::read_to_string(&stamp).is_ok_and(|found| found == mark);
    if whole() {
        return;
    }
    let lock = File::create(dir.with_extension("lock")).expect("a lock file in target/");
    lock.lock().expect("the lock of a shared folder");
    if whole() {
        return;
    }
    if dir.exists() {
        fs::remove_dir_all(dir).expect("a half-made folder is removed");
    }
    make(dir);
    // Last, so that a folder with this file is whole.
    fs::write(&stamp, mark).expect("the stamp of a shared folder");
}

fn install(dir: &Path, requirements: &Path) {
    must(Command::new("python3").args(["-m", "venv"]).arg(dir));
    must(
        Command::new(dir.join("bin/pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(requirements),
    );
}

fn must(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} didn't start: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
