//! What the binary printed, and what tests say of it.

use std::fmt;
use std::path::Path;

use regex_lite::Regex;

/// The end of one run of the binary.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for failures.
    pub command: String,
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    pub(super) paths: Vec<(String, &'static str)>,
}

impl Output {
    /// It ended well.
    #[track_caller]
    #[must_use]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// It ended with this code.
    #[track_caller]
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}\n{self}");
        self
    }

    /// Standard output has this text.
    #[track_caller]
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "{text:?} isn't on standard output\n{self}"
        );
        self
    }

    /// Standard error has this text.
    #[track_caller]
    #[must_use]
    pub fn warns(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} isn't on standard error\n{self}"
        );
        self
    }

    /// Neither stream has this text.
    #[track_caller]
    #[must_use]
    pub fn never_says(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "{text:?} shouldn't be printed\n{self}");
        self
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error} in {line:?}\n{self}"))
            })
            .collect()
    }

    /// The first `ws://` or `wss://` address on either stream.
    #[track_caller]
    pub fn address(&self) -> String {
        let address = Regex::new(r#"wss?://[^\s"'<>]+"#).expect("a pattern");
        let found = [&self.stdout, &self.stderr]
            .into_iter()
            .find_map(|text| address.find(text));
        let Some(found) = found else {
            panic!("no WebSocket address was printed\n{self}");
        };
        found.as_str().to_owned()
    }

    /// Standard output for a snapshot: what differs from run to run is named instead.
    pub fn stdout_redacted(&self) -> String {
        redact(&self.without_paths(&self.stdout))
    }

    /// Standard error for a snapshot.
    pub fn stderr_redacted(&self) -> String {
        redact(&self.without_paths(&self.stderr))
    }

    fn without_paths(&self, text: &str) -> String {
        self.paths
            .iter()
            .fold(text.to_owned(), |text, (path, name)| {
                text.replace(path, name)
            })
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "$ {}\nexit code {}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

/// Puts names in place of ids, times, ports, hashes and colours.
pub fn redact(text: &str) -> String {
    // In this order: what is longer goes before what could be a part of it.
    const RULES: &[(&str, &str)] = &[
        (r"\x1b\[[0-9;]*[A-Za-z]", ""),
        (
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            "[UUID]",
        ),
        (
            r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?",
            "[TIME]",
        ),
        (r"\b[0-9a-f]{64}\b", "[SHA256]"),
        (r"\b[0-9a-z]{8,10}(\.execute-api\.)", "[API]$1"),
        (r"(127\.0\.0\.1|localhost):\d+", "$1:[PORT]"),
        (r"\b\d+(\.\d+)?\s?(ms|µs|s)\b", "[DURATION]"),
        (r"\b\d+m\s\[DURATION\]", "[DURATION]"),
    ];
    RULES.iter().fold(text.to_owned(), |text, (pattern, name)| {
        let pattern = Regex::new(pattern).expect("a redaction's pattern");
        pattern.replace_all(&text, *name).into_owned()
    })
}

/// The longest path first, so that a folder's name doesn't hide what is in it.
pub(super) fn known_paths(paths: &[(&Path, &'static str)]) -> Vec<(String, &'static str)> {
    let mut known: Vec<_> = paths
        .iter()
        .map(|(path, name)| (path.display().to_string(), *name))
        .collect();
    known.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    known
}
