//! AWS's slowness: how long what was changed takes to be so everywhere.
//!
//! Services ask [`Delays`] how long a change of theirs takes. The answer is nothing in an instant cloud.

use std::time::Duration;

/// How much of AWS's slowness a cloud has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// Everything is so at once.
    #[default]
    Instant,
    /// As AWS: roles that can't be assumed yet, functions that are pending, names of deleted queues that are taken.
    Aws,
}

/// A wait of AWS's; the figures' sources are in the docs of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Until a new role, or a new permission of one, works: recorded failing at 8.2 s, working at 10.7 s.
    Role,
    /// Until a function, or a version, is active after its creation.
    FunctionPending,
    /// Until a function's update is done.
    FunctionUpdate,
    /// Until an event source mapping has gone from one state to the next.
    Mapping,
    /// For how long the name of a deleted queue is taken: 60 s (QueueDeletedRecently).
    QueueTombstone,
    /// Until a new queue is found by everybody: at least 1 s.
    QueueCreated,
    /// Until a new deployment of an API is what connections meet: recorded 75 to 85 s.
    Deployment,
    /// Until a deployment's status is DEPLOYED.
    DeploymentPending,
    /// Until a table is ACTIVE, or gone.
    Table,
    /// Until what was written shows in a list.
    Listing,
    /// Until a log event can be read: recorded 2.7 to 9 s.
    LogEvent,
}

/// The delays of one cloud.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    fidelity: Fidelity,
    scale: f64,
}

impl Delays {
    /// Those of a cloud.
    pub fn new(fidelity: Fidelity, scale: f64) -> Self {
        Self { fidelity, scale }
    }

    /// Whether the cloud is as slow and as strict about rates as AWS.
    pub fn are_real(self) -> bool {
        self.fidelity == Fidelity::Aws
    }

    /// How long it takes here.
    pub fn of(self, delay: Delay) -> Duration {
        if self.fidelity == Fidelity::Instant {
            return Duration::ZERO;
        }
        let aws = match delay {
            Delay::Role => Duration::from_secs(10),
            Delay::FunctionPending => Duration::from_secs(3),
            Delay::FunctionUpdate => Duration::from_secs(2),
            Delay::Mapping => Duration::from_secs(8),
            Delay::QueueTombstone => Duration::from_mins(1),
            Delay::Deployment => Duration::from_secs(80),
            Delay::Table | Delay::LogEvent => Duration::from_secs(5),
            Delay::QueueCreated | Delay::Listing | Delay::DeploymentPending => {
                Duration::from_secs(1)
            }
        };
        self.scaled(aws)
    }

    /// A limit that AWS has in every fidelity, such as a connection's two hours, at this cloud's pace.
    pub fn scaled(self, limit: Duration) -> Duration {
        limit.mul_f64(self.scale)
    }
}
