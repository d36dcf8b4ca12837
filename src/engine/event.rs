//! What happens while a plan is applied, as it happens: for progress and for machines.

use std::time::Duration;

use super::{address::Address, plan::Action};
use crate::{aws::Error, diagnostic::Diagnostic};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step has begun.
    Started {
        /// Whose.
        address: Address,
        /// What it does.
        action: Action,
    },
    /// A step waits for AWS.
    Waiting {
        /// Whose.
        address: Address,
        /// What for.
        waits_for: String,
    },
    /// A step has ended.
    Finished {
        /// Whose.
        address: Address,
        /// What it did.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        elapsed: Duration,
    },
}

/// How a step ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As planned.
    Done,
    /// AWS refused, or didn't answer.
    Failed(Error),
    /// It holds data that came since the plan was made, such as `3 messages`, and nobody said that it may go.
    HoldsData(String),
    /// It wasn't begun, since this failed or wasn't begun.
    NotBegun(Address),
    /// It wasn't begun, since the run was stopped.
    Stopped,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Outcome {
    /// Why the step failed, if it was begun and failed.
    pub fn trouble(&self) -> Option<Diagnostic> {
        match self {
            Self::Failed(error) => Some(error.diagnostic()),
            Self::HoldsData(data) => Some(
                Diagnostic::error("engine::data-loss", format!("it holds {data}"))
                    .note("they came since the plan was made")
                    .help("deploy again when they're consumed, or pass `--allow-data-loss` if they may go"),
            ),
            Self::Done | Self::NotBegun(_) | Self::Stopped => None,
        }
    }
}

/// Who is told of events.
pub type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);
