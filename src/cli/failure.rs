//! How a command fails: what to tell the user, and the exit code.

use super::exit;
use crate::{
    aws::{ConnectError, Error},
    build,
    diagnostic::Diagnostic,
    engine::{
        lock::LockError,
        run::{LookError, RunError},
    },
};

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    /// What to tell.
    pub diagnostics: Vec<Diagnostic>,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// Arguments that don't fit.
    pub fn usage(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostics: vec![diagnostic],
            code: exit::USAGE,
        }
    }

    /// A question that nobody is there to answer, and the argument that answers it.
    pub fn unanswered(question: &str, argument: &str) -> Self {
        Self {
            diagnostics: vec![
                Diagnostic::error(
                    "cli::no-terminal",
                    format!("{question} There is no terminal to ask on"),
                )
                .help(format!("pass `{argument}`")),
            ],
            code: exit::USAGE,
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        vec![diagnostic].into()
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            diagnostics,
            code: exit::FAILED,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Diagnostic::error("io", error.to_string()).into()
    }
}

impl From<build::Error> for Failure {
    fn from(error: build::Error) -> Self {
        error.diagnostics().into()
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        error.diagnostic().into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.diagnostic().into()
    }
}

impl From<LookError> for Failure {
    fn from(error: LookError) -> Self {
        error.diagnostics().into()
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self {
            code: if matches!(error, LockError::Held { .. } | LockError::AnotherId { .. }) {
                exit::LOCKED
            } else {
                exit::FAILED
            },
            diagnostics: vec![error.diagnostic()],
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Lock(error) => error.into(),
            RunError::Look(error) => error.into(),
        }
    }
}
