//! `wsless.toml` -> [`Manifest`]: parsed once, checked against AWS's limits, every error with its place in the file.
//!
//! In: the text of one file and the stage that is meant. Out: a [`Manifest`] in which nothing needs checking again,
//! or all that is wrong with the file at once. Knows nothing of AWS's calls, of building, or of the network.

mod model;

pub use model::*;
