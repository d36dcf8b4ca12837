//! Real processes (python3 as the runtime) against the Runtime API over a real socket.

mod failures;
mod machine;
mod processes;
mod protocol;
mod writing;
