//! The tests that run the real binary against clouds that this project didn't write.

mod bad_input;
mod clients;
mod embedded;
mod failures;
mod golden;
mod harness;
mod harness_selftest;
mod moto;
mod requests;
mod stories;
mod watching;
mod zig;
