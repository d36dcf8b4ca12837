//! `wsless init`: writes a project that builds and runs at once.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Failure, exit};
use crate::{
    report::Report,
    template::{self, Template},
};

/// Write a new project from a template
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wsless init my-echo\n  wsless init my-chat --template chat")]
pub struct Init {
    /// The folder to write to; it must be empty or not there
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// What to begin with
    #[arg(long, short, value_enum, default_value_t = Template::Echo)]
    template: Template,
    /// The project's name [default: the folder's]
    #[arg(long)]
    name: Option<String>,
}

impl Init {
    pub(super) fn run(&self, report: &Report) -> Result<u8, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => folder_name(&self.dir)?,
        };
        let files = template::write(self.template, &name, &self.dir)?;
        let dir = self.dir.display();
        report.say(&format!("Wrote {} files to {dir}:", files.len()));
        for file in &files {
            report.say(&format!("  {}", file.display()));
        }
        report.say("\nNext:");
        if self.dir != Path::new(".") {
            report.say(&format!("  cd {dir}"));
        }
        report.say("  cargo test        test the handlers, without a cloud\n  wsless dev        run it on this machine, without an account\n  wsless plan       see what deploying would make\n  wsless deploy     deploy it");
        report.result("init", json!({ "name": name, "template": self.template.as_str(), "dir": self.dir, "files": files }));
        Ok(exit::DONE)
    }
}

/// The last part of the folder's path, wherever `.` is.
fn folder_name(dir: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(dir)?;
    Ok(absolute
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default())
}
