//! Reading a running system: where it is, what its functions logged, what its queues hold, what its figures came to, why
//! it doesn't work. Changes nothing, prints nothing.
//!
//! Everything is found by the stage's names, as the engine names them; no record is asked.

mod alarms;
pub mod doctor;
pub mod drift;
pub mod follow;
mod gateway;
mod handshake;
mod logs;
mod moment;
mod open;
mod probe;
mod queues;
pub mod series;
pub mod status;
pub mod window;

pub use self::{
    alarms::{Alarm, AlarmState},
    gateway::{Gateway, gateway},
    handshake::is_signed,
    logs::{
        ACCESS_LOG, Content, Follow, History, Kind, Level, LogLine, Query, Source, Told, Wanted,
        recent,
    },
    moment::Moment,
    open::{CountedBy, Open},
    probe::Probe,
    queues::{QueueDepth, queues},
};
use crate::{
    engine::{resource::Permission, scope::Scope},
    resource::{log_group, table},
    stack::ROOM_INDEX,
};

/// What `status`, `metrics`, `logs` and `doctor` must be allowed beside what a plan reads: that covers queues, alarms and the API.
pub fn permissions(scope: &Scope) -> Vec<Permission> {
    let index = format!(
        "table/{}/index/{ROOM_INDEX}",
        scope.name(table::CONNECTIONS)
    );
    vec![
        // Neither has a resource to be narrowed down to [SAR Amazon CloudWatch, AWS Lambda].
        Permission::anywhere("cloudwatch", &["GetMetricData"]),
        Permission::anywhere("lambda", &["GetAccountSettings"]),
        Permission::on("dynamodb", &["Query"], [scope.arn("dynamodb", &index)]),
        Permission::on(
            "logs",
            &["FilterLogEvents", "StartLiveTail"],
            log_group::arns(scope),
        ),
    ]
}
