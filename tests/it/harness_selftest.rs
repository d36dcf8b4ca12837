//! The harness can be believed: it cleans up, it records what was sent, it says what is wrong.

mod clouds;
mod models;
mod processes;
mod projects;
mod recording;
