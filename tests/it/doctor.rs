//! `wsless doctor`: a healthy system is broken in a few ways at a time, none of which follows from another. The doctor
//! names each and nothing else, the mend that it says is done, and then nothing is left of it.
//!
//! A file has one system, since deploying takes longest.

mod api;
mod hands;
mod observed;
mod ward;
mod work;
