//! `wsless schema`: the manifest's JSON Schema, for editors.

use std::io::Write;

use super::{Failure, exit};
use crate::manifest;

/// Print the JSON Schema of wsless.toml, for editors
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless schema > wsless.schema.json\n\nThen put `#:schema ./wsless.schema.json` \
                        in the first line of wsless.toml."
)]
pub struct Schema {}

pub(super) fn run() -> Result<u8, Failure> {
    let mut text = serde_json::to_string_pretty(&manifest::schema()).unwrap_or_default();
    text.push('\n');
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit::DONE)
}
