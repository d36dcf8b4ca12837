//! Reading a running system: where it is, what its functions logged, what its queues hold, what its figures came to.
//! Changes nothing, prints nothing.
//!
//! Everything is found by the stage's names, as the engine names them; no record is asked.

mod alarms;
mod drift;
pub mod follow;
mod gateway;
mod logs;
mod open;
mod probe;
mod queues;
pub mod series;
pub mod status;
pub mod window;

pub use self::{
    alarms::{Alarm, AlarmState},
    gateway::{Gateway, gateway},
    logs::{LogLine, recent},
    open::{Open, Source},
    probe::Probe,
    queues::{QueueDepth, queues},
};
