//! What happens while a plan is applied, as it happens: for progress and for machines.

use std::time::Duration;

use super::{address::Address, plan::Action};
use crate::aws::Error;

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
    /// It wasn't begun, since this failed or wasn't begun.
    NotBegun(Address),
    /// It wasn't begun, since the run was stopped.
    Stopped,
}

/// Who is told of events.
pub type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);
