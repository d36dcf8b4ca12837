//! Reading a running system: where it is, what its functions logged, what its queues hold, why it doesn't work. Changes
//! nothing, prints nothing.
//!
//! Everything is found by the stage's names, as the engine names them; no record is asked.

pub mod doctor;
mod gateway;
mod handshake;
mod logs;
mod queues;

pub use self::{
    gateway::{Gateway, gateway},
    handshake::is_signed,
    logs::{LogLine, recent},
    queues::{QueueDepth, queues},
};
use crate::{
    engine::{resource::Permission, scope::Scope},
    resource::log_group,
};

/// What `doctor` must be allowed beside what a plan reads.
pub fn permissions(scope: &Scope) -> Vec<Permission> {
    vec![
        // Neither has a resource to be narrowed down to [SAR Amazon CloudWatch, AWS Lambda].
        Permission::anywhere("cloudwatch", &["GetMetricData"]),
        Permission::anywhere("lambda", &["GetAccountSettings"]),
        Permission::on("logs", &["FilterLogEvents"], log_group::arns(scope)),
    ]
}
