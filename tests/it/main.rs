//! The tests that run the real binary against clouds that this project didn't write.

mod bad_input;
mod browser;
mod clients;
mod conformance;
mod connect;
mod doctor;
mod embedded;
mod failures;
mod golden;
mod harness;
mod harness_selftest;
mod hostile;
mod logs;
mod moto;
mod pipeline;
mod requests;
mod stories;
mod watching;
mod zig;
