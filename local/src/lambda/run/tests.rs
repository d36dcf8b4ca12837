//! Real processes (python3 as the runtime) against the Runtime API over a real socket.

mod failures;
pub(in crate::lambda) mod machine;
mod processes;
mod protocol;
mod telling;
mod writing;
