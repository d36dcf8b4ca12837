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
