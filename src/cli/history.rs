//! `wsless history`: what was done to a stage.

use std::time::Duration;

use serde_json::json;

use super::{Failure, Global, exit, work};
use crate::{
    engine::{
        bucket::Bucket,
        record::{self, Record},
    },
    report::{Report, text},
};

/// List the stage's deployments, the newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless history --stage prod\n  wsless history -n 50 --output json"
)]
pub struct History {
    /// How many
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    most: u16,
}

impl History {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let records = record::history(Bucket::new(&aws, &scope), usize::from(self.most)).await?;
        if records.is_empty() {
            report.say(&format!("Nothing was deployed to {} yet.", scope.stage));
        } else {
            let headers = [
                "number", "when", "took", "command", "outcome", "commit", "changes", "who",
            ];
            report.table(&headers, &records.iter().map(row).collect::<Vec<_>>());
        }
        report.result("history", json!({ "deployments": records }));
        Ok(exit::DONE)
    }
}

fn row(record: &Record) -> Vec<String> {
    let changes: Vec<String> = record
        .changes
        .iter()
        .map(|(action, addresses)| format!("{} {action}", addresses.len()))
        .collect();
    vec![
        record.number.to_string(),
        record.started_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        text::elapsed(Duration::try_from_secs_f64(record.seconds).unwrap_or_default()),
        record.command.clone(),
        if record.complete {
            "complete"
        } else {
            "incomplete"
        }
        .to_owned(),
        record.commit.as_deref().map_or_else(String::new, short),
        if changes.is_empty() {
            "none".to_owned()
        } else {
            changes.join(", ")
        },
        // The end of the ARN says who: the role's session, or the user.
        record.run.clone().unwrap_or_else(|| {
            let who = record.identity.rsplit(':').next();
            who.unwrap_or_default().to_owned()
        }),
    ]
}

/// The first digits of a commit, and the mark of a changed tree.
fn short(commit: &str) -> String {
    let digits: String = commit.chars().take(8).collect();
    let mark = if commit.ends_with('+') { "+" } else { "" };
    format!("{digits}{mark}")
}
