//! `wsless deploy`: builds, and brings the cloud to what the manifest says.

use std::{path::PathBuf, time::Instant};

use super::{Failure, Global, exit, work};
use crate::{
    engine::{
        apply::{Applied, Engine, Stop},
        run::About,
    },
    plan_file::PlanFile,
    project,
    report::{Report, Summary},
    resource,
};

/// Build the handlers and deploy everything
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless deploy\n  wsless deploy --stage prod --yes --output json"
)]
pub struct Deploy {
    /// Delete or replace queues that hold messages and a table that holds items
    #[arg(long)]
    allow_data_loss: bool,
    /// Deploy exactly what this file of `wsless plan --out` says, without asking; refuse if it isn't so any more
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
}

impl Deploy {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let started = Instant::now();
        let project = work::open(global, report)?;
        let kept = self.plan.as_deref().map(PlanFile::read).transpose()?;
        let prepared = work::prepare(&project, global, report).await?;
        let engine = Engine {
            aws: &prepared.aws,
            scope: &prepared.scope,
            stack: &prepared.stack,
            types: resource::ALL,
            observer: &|_| (),
            stop: &Stop::default(),
            allow_data_loss: self.allow_data_loss,
        };
        let (look, looked) = work::look(&engine, report).await?;
        if let Some(kept) = &kept {
            kept.check_scope(&prepared.scope)?;
            let now = work::plan_file(&project, &prepared.scope, &look.plan).await;
            kept.check_same(&now)?;
        }
        let timings = vec![
            ("build".to_owned(), prepared.build),
            ("look".to_owned(), looked),
        ];
        if look.plan.is_empty() && engine.is_recorded(&look) {
            // Nothing is written, not even a lock: the cloud is as the manifest says.
            let applied = Applied::before(&look.plan);
            report.summary(&Summary {
                command: "deploy",
                done: "Nothing to change",
                applied: &applied,
                elapsed: started.elapsed(),
                timings,
                endpoint: project::endpoint(&applied.attributes, &project.stage),
                next: Vec::new(),
            });
            return Ok(exit::DONE);
        }
        // With nothing to change, what is left to do is the record that a run which was cut off didn't write.
        if !look.plan.is_empty() {
            work::show(&look.plan, engine.scope, report);
        }
        let task = work::Task {
            about: About {
                command: "deploy".to_owned(),
                commit: project.commit().await,
            },
            done: if look.plan.is_empty() {
                "Nothing to change, and recorded now"
            } else {
                "Deployed"
            },
            is_approved: self.plan.is_some(),
            always_ask: false,
            question: format!(
                "Deploy this to {} of {} in {}?",
                project.stage, project.manifest.project.name, prepared.scope.identity.region
            ),
            started,
            timings,
        };
        Box::pin(work::carry_out(&engine, look, task, global, report)).await
    }
}
