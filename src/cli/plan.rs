//! `wsless plan`: what deploy would do, field by field. Changes nothing.

use std::path::PathBuf;

use super::{Failure, Global, exit, work};
use crate::{
    engine::apply::{Engine, Stop},
    report::Report,
    resource,
};

/// Show what deploying would change
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless plan --stage prod\n  wsless plan --detailed-exitcode --output json\n  wsless plan --output markdown > comment.md"
)]
pub struct Plan {
    /// Exit with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Keep the plan in this file, for `wsless deploy --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Plan {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let prepared = work::prepare(&project, global, report).await?;
        let engine = Engine {
            aws: &prepared.aws,
            scope: &prepared.scope,
            stack: &prepared.stack,
            types: resource::ALL,
            observer: &|_| (),
            stop: &Stop::default(),
            allow_data_loss: false,
        };
        let (look, _) = work::look(&engine, report).await?;
        work::show(&look.plan, engine.scope, report);
        if let Some(out) = &self.out {
            let kept = work::plan_file(&project, &prepared.scope, &look.plan).await;
            kept.write(out)?;
            report.note(&format!(
                "Deploy exactly this: wsless deploy --plan {}",
                out.display()
            ));
        }
        let changes = !look.plan.is_empty();
        Ok(if changes && self.detailed_exitcode {
            exit::CHANGES
        } else {
            exit::DONE
        })
    }
}
