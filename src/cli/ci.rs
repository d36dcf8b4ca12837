//! `wsless ci`: what a CI service needs to plan and deploy.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Failure, Global, exit, work};
use crate::{
    ci::{self, Workflow},
    diagnostic::Diagnostic,
    report::Report,
};

/// Where GitHub looks for it.
const GITHUB: &str = ".github/workflows/wsless.yml";

/// Write a CI workflow: plan on pull requests, deploy on the main branch
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wsless ci github --stage prod")]
pub struct Ci {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// For GitHub Actions: .github/workflows/wsless.yml, with OpenID Connect and no stored keys
    Github(Github),
}

#[derive(Debug, clap::Args)]
struct Github {
    /// The branch whose pushes deploy
    #[arg(long, default_value = "main", value_parser = name)]
    branch: String,
    /// The name of the role that deploys; `-plan` after it is that of the role that plans
    #[arg(long, default_value = "wsless-ci", value_parser = name)]
    role: String,
    /// The file to write, from the project's folder
    #[arg(long, value_name = "FILE", default_value = GITHUB)]
    file: PathBuf,
}

/// What can stand in YAML and in a shell as it is.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits and any of `-_./`".to_owned())
    }
}

impl Ci {
    pub(super) fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let Service::Github(github) = &self.service;
        let project = work::open(global, report)?;
        let workflow = Workflow {
            stage: project.stage.clone(),
            branch: github.branch.clone(),
            role: github.role.clone(),
        };
        let text = ci::github(&workflow)
            .map_err(|error| Diagnostic::error("ci::template", error.to_string()))?;
        let path = project.dir.join(&github.file);
        let failed = |error: std::io::Error| {
            let told =
                Diagnostic::error("ci::io", format!("can't write {}: {error}", path.display()));
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                told.help("nothing is written over: remove it first, or name another with --file")
            } else {
                told.help("check the folder, or name another file with --file")
            }
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        report.say(&format!(
            "Wrote {}. What is to be done once in the account stands at its beginning.",
            path.display()
        ));
        report.result("ci github", json!({ "file": path }));
        Ok(exit::DONE)
    }
}
