//! Recorded requests against AWS's own service models, by `python/model_check.py`.

use std::path::Path;
use std::process::Command;

use super::{Recorder, Venv, source_dir};

/// What the checker found.
#[derive(Debug, Clone)]
pub struct ModelCheck {
    /// One line a violation: `service.Operation: path: what`.
    pub violations: Vec<String>,
    /// How many requests of each operation were checked, `service.Operation`.
    pub checked: Vec<(String, usize)>,
    /// What couldn't be checked, such as a pattern that isn't understood.
    pub unchecked: Vec<String>,
}

impl ModelCheck {
    /// Panics with the violations, or when something wasn't checked.
    #[track_caller]
    pub fn assert_valid(&self) {
        assert!(!self.checked.is_empty(), "no request was checked");
        assert!(
            self.violations.is_empty(),
            "requests that AWS's models don't allow:\n{}",
            self.violations.join("\n")
        );
        assert!(self.unchecked.is_empty(), "{}", self.unchecked.join("\n"));
    }

    /// How many requests of an operation were checked: `iam.CreateRole`.
    pub fn count(&self, operation: &str) -> usize {
        self.checked
            .iter()
            .find(|(name, _)| name == operation)
            .map_or(0, |(_, count)| *count)
    }
}

impl Recorder {
    /// Checks all recorded requests.
    #[track_caller]
    pub fn check_against_models(&self) -> ModelCheck {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("calls.jsonl");
        self.write_jsonl(&file);
        check_against_models(&file)
    }
}

/// Checks a file of recorded requests.
#[track_caller]
pub fn check_against_models(calls: &Path) -> ModelCheck {
    let output = Command::new(Venv::boto().python())
        .arg(source_dir().join("python/model_check.py"))
        .arg(calls)
        .output()
        .expect("the checker starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "the checker broke: {}\n{stdout}\n{stderr}",
        output.status
    );
    let violations: Vec<_> = stderr.lines().map(str::to_owned).collect();
    assert_eq!(
        output.status.code() == Some(1),
        !violations.is_empty(),
        "the checker's code and its words differ:\n{stderr}"
    );
    let unchecked = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(str::to_owned)
        .collect();
    let checked = stdout
        .lines()
        .filter_map(|line| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect();
    ModelCheck {
        violations,
        checked,
        unchecked,
    }
}
