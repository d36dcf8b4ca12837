//! Reading a running system: where it is, what its functions logged, what its queues hold. Changes nothing, prints
//! nothing.
//!
//! Everything is found by the stage's names, as the engine names them; no record is asked.

mod gateway;
mod logs;
mod queues;

pub use self::{
    gateway::{Gateway, gateway},
    logs::{
        ACCESS_LOG, Follow, History, Kind, Level, LogLine, Query, Source, Told, Wanted, recent,
    },
    queues::{QueueDepth, queues},
};
