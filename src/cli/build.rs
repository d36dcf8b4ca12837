//! `wsless build`: the zips, and what is in them.

use serde_json::{Value, json};

use super::{Failure, Global, exit, work};
use crate::{build::Artifact, report::Report};

/// Build the handlers and show their packages
#[derive(Debug, clap::Args)]
pub struct Build {}

impl Build {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (artifacts, _) = work::build(&project, report).await?;
        let all: Vec<&Artifact> = artifacts
            .handlers
            .values()
            .chain(artifacts.builtins.values())
            .collect();
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|artifact| {
                vec![
                    artifact.name.clone(),
                    artifact.architecture.as_str().to_owned(),
                    artifact
                        .glibc
                        .as_ref()
                        .map_or_else(|| "static".to_owned(), ToString::to_string),
                    kib(artifact.unzipped_bytes),
                    kib(artifact.zip_bytes),
                    artifact.zip_path.display().to_string(),
                ]
            })
            .collect();
        report.table(
            &["binary", "processor", "glibc", "size", "zip", "package"],
            &rows,
        );
        let packages: Vec<Value> = all
            .iter()
            .map(|artifact| {
                json!({
                    "binary": artifact.name,
                    "architecture": artifact.architecture.as_str(),
                    "glibc": artifact.glibc.as_ref().map(ToString::to_string),
                    "size_bytes": artifact.unzipped_bytes,
                    "zip_bytes": artifact.zip_bytes,
                    "sha256": artifact.sha256_base64,
                    "package": artifact.zip_path,
                })
            })
            .collect();
        report.result("build", json!({ "packages": packages }));
        Ok(exit::DONE)
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
