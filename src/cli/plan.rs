//! `wsless plan`: what deploy would do, field by field. Changes nothing.

use super::{Failure, Global, exit, work};
use crate::{
    engine::apply::{Engine, Stop},
    report::Report,
    resource,
};

/// Show what deploying would change
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless plan --stage prod\n  wsless plan --detailed-exitcode --output json"
)]
pub struct Plan {
    /// Exit with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
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
        work::show(&look.plan, report);
        let changes = !look.plan.is_empty();
        Ok(if changes && self.detailed_exitcode {
            exit::CHANGES
        } else {
            exit::DONE
        })
    }
}
