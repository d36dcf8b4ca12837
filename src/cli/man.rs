//! `wsless man`: manual pages, one a command.

use std::path::PathBuf;

use clap::CommandFactory;
use serde_json::json;

use super::{Cli, Failure, exit};
use crate::report::Report;

/// Write manual pages, one a command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wsless man ~/.local/share/man/man1\n  man wsless-deploy")]
pub struct Man {
    /// The folder to write to, made if it isn't there; pages of these names are replaced
    dir: PathBuf,
}

impl Man {
    pub(super) fn run(&self, report: &Report) -> Result<u8, Failure> {
        std::fs::create_dir_all(&self.dir)?;
        let mut command = Cli::command();
        // Gives each command its full name and the options that every command takes.
        command.build();
        let mut files = Vec::new();
        write(&command, "wsless", &self.dir, &mut files)?;
        report.say(&format!(
            "Wrote {} pages to {}.",
            files.len(),
            self.dir.display()
        ));
        report.result("man", json!({ "dir": self.dir, "files": files }));
        Ok(exit::DONE)
    }
}

fn write(
    command: &clap::Command,
    name: &str,
    dir: &std::path::Path,
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .render(&mut page)?;
    let path = dir.join(format!("{name}.1"));
    std::fs::write(&path, page)?;
    files.push(path);
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        write(below, &format!("{name}-{}", below.get_name()), dir, files)?;
    }
    Ok(())
}
