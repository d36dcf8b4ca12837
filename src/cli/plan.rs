//! `wsless plan`: what deploy would do, field by field. Changes nothing.

use std::path::PathBuf;

use super::{Failure, Global, exit, work};
use crate::{
    diagnostic::Diagnostic,
    engine::apply::{Engine, Stop},
    observe::drift::{self, Outside},
    project::Project,
    report::Report,
    resource,
};

/// Show what deploying would change
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless plan --stage prod\n  wsless plan --detailed-exitcode --output json\n  wsless plan --output markdown > comment.md\n  wsless plan --drift --stage prod"
)]
pub struct Plan {
    /// Exit with 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Keep the plan in this file, for `wsless deploy --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show only what somebody changed outside since the last deployment, without building; exit with 2 if anything was
    #[arg(long, conflicts_with = "out")]
    drift: bool,
}

impl Plan {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        if self.drift {
            return drift(&project, global, report).await;
        }
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

async fn drift(project: &Project, global: &Global, report: &Report) -> Result<u8, Failure> {
    let (aws, scope) = work::connect(project, global).await?;
    let phase = report.phase("Looking at the cloud");
    let outside = drift::outside(&aws, &scope, &project.manifest).await;
    let _ = phase.done(if outside.is_ok() { "seen" } else { "failed" });
    let Some(Outside { plan, last }) = outside? else {
        return Err(Diagnostic::error(
            "plan::not-recorded",
            format!("no deployment of {} is recorded", scope.stage),
        )
        .help("deploy first: `wsless deploy`")
        .into());
    };
    if plan.is_empty() && !report.is_json() {
        report.say(&format!(
            "Nothing was changed outside since deployment {} ({}).",
            last.number, last.started_at
        ));
    } else {
        work::show(&plan, &scope, report);
    }
    Ok(if plan.is_empty() {
        exit::DONE
    } else {
        report.note("Deploying puts this back: wsless deploy");
        exit::CHANGES
    })
}
