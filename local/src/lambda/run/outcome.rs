//! What Lambda answers in a function's place when it failed. Pure.

use std::process::ExitStatus;

use bytes::Bytes;
use serde_json::json;

use crate::error::AwsError;

/// The most that a function may return: 6 MB and 100 bytes (the limit that AWS names in its message).
pub(super) const MOST_RETURNED: usize = 6_291_556;

/// How an invocation ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The function returned.
    Returned(Bytes),
    /// The function reported an error, with its type.
    Reported {
        /// `Lambda-Runtime-Function-Error-Type`.
        kind: String,
        /// The document.
        payload: Bytes,
    },
    /// Lambda ended it.
    Failed(Failure),
    /// It couldn't be run at all.
    Refused(AwsError),
}

/// Why Lambda ended an invocation, or a process that never got one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// The process ended.
    Exited(String),
    /// There's no program to start, or it can't be started.
    Entrypoint(String),
    /// The function's time was up.
    TimedOut(std::time::Duration),
    /// What it returned is too large.
    TooLarge,
}

impl Failure {
    /// How a process's end reads.
    pub fn exit(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        Self::Exited(match (status.code(), status.signal()) {
            (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => {
                format!("Runtime exited with error: signal: {}", signal_name(signal))
            }
            (None, None) => "Runtime exited with error".to_owned(),
        })
    }

    /// AWS's name of it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exited(_) => "Runtime.ExitError",
            Self::Entrypoint(_) => "Runtime.InvalidEntrypoint",
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::TooLarge => "Function.ResponseSizeTooLarge",
        }
    }

    /// The document that the caller gets.
    pub fn payload(&self, request: &str) -> Bytes {
        let message = match self {
            Self::TooLarge => format!(
                "Response payload size exceeded maximum allowed payload size ({MOST_RETURNED} bytes)."
            ),
            _ => format!("RequestId: {request} Error: {}", self.words()),
        };
        Bytes::from(json!({"errorType": self.kind(), "errorMessage": message}).to_string())
    }

    /// AWS's words for it.
    pub fn words(&self) -> String {
        match self {
            Self::Exited(words) | Self::Entrypoint(words) => words.clone(),
            Self::TimedOut(after) => {
                format!("Task timed out after {:.2} seconds", after.as_secs_f64())
            }
            Self::TooLarge => "Response payload size exceeded".to_owned(),
        }
    }
}

impl Outcome {
    /// What AWS calls the failure, if it's one.
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Returned(_) => None,
            Self::Reported { kind, .. } => Some(kind),
            Self::Failed(failure) => Some(failure.kind()),
            Self::Refused(error) => Some(&error.code),
        }
    }
}

/// Go's names of signals, in which Lambda's own runtime manager speaks.
fn signal_name(signal: i32) -> String {
    match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        other => return format!("signal {other}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, time::Duration};

    use super::*;

    #[test]
    fn failures_read_as_awss_do() {
        let text = |failure: Failure| String::from_utf8(failure.payload("5a1d").to_vec()).unwrap();
        assert_eq!(
            text(Failure::exit(ExitStatus::from_raw(101 << 8))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 5a1d Error: Runtime exited with error: exit status 101"}"#
        );
        assert_eq!(
            text(Failure::exit(ExitStatus::from_raw(9))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 5a1d Error: Runtime exited with error: signal: killed"}"#
        );
        assert_eq!(
            text(Failure::exit(ExitStatus::from_raw(0))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 5a1d Error: Runtime exited without providing a reason"}"#
        );
        assert_eq!(
            text(Failure::TimedOut(Duration::from_secs(3))),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 5a1d Error: Task timed out after 3.00 seconds"}"#
        );
        assert_eq!(
            text(Failure::TooLarge),
            r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#
        );
    }
}
