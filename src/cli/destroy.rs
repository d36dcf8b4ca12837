//! `wsless destroy`: takes all of a stage away.

use std::time::Instant;

use super::{Failure, Global, exit, work};
use crate::{
    engine::{
        apply::{Applied, Engine, Stop},
        run::About,
        stack::Stack,
    },
    report::{Report, Summary},
    resource,
};

/// Take away everything that the stage owns
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless destroy --stage test\n  wsless destroy --stage test --yes"
)]
pub struct Destroy {
    /// Delete queues that hold messages and a table that holds items
    #[arg(long)]
    allow_data_loss: bool,
}

impl Destroy {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let started = Instant::now();
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let engine = Engine {
            aws: &aws,
            scope: &scope,
            stack: &Stack::default(),
            types: resource::ALL,
            observer: &|_| (),
            stop: &Stop::default(),
            allow_data_loss: self.allow_data_loss,
        };
        let (look, looked) = work::look(&engine, report).await?;
        let timings = vec![("look".to_owned(), looked)];
        let about = About {
            command: "destroy".to_owned(),
            commit: None,
        };
        if look.plan.is_empty() {
            engine.forget(&about).await?;
            report.summary(&Summary {
                command: "destroy",
                done: "Nothing to destroy",
                applied: &Applied::before(&look.plan),
                elapsed: started.elapsed(),
                timings,
                endpoint: None,
                next: Vec::new(),
            });
            return Ok(exit::DONE);
        }
        work::show(&look.plan, engine.scope, report);
        let task = work::Task {
            about,
            done: "Destroyed",
            is_approved: false,
            always_ask: true,
            question: format!(
                "Destroy {} of {} in {}? This can't be undone.",
                project.stage, project.manifest.project.name, scope.identity.region
            ),
            started,
            timings,
        };
        Box::pin(work::carry_out(&engine, look, task, global, report)).await
    }
}
