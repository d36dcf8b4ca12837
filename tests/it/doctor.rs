//! `wsless doctor`: a healthy system is broken in one way at a time, the doctor names that and nothing else, the mend that
//! it says is done, and then it finds nothing again.
//!
//! The ways are in three tests, each on a system of its own, so that they run side by side.

mod api;
mod hands;
mod observed;
mod ward;
mod work;
