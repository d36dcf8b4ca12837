//! `wsless status`: what is deployed, whether it answers, and how it runs.

use std::{ops::RangeInclusive, time::Duration};

use jiff::Timestamp;

use super::{Failure, Global, exit, watch, work};
use crate::{
    diagnostic::{Diagnostic, Severity},
    observe::{
        Moment, Probe,
        status::{self, Reading},
        window::{Window, WindowError},
    },
    project::Project,
    report::Report,
};

/// What --watch may be told.
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// Show what is deployed, whether it answers, and how it runs
///
/// Connections, messages, errors, handlers, queues and alarms over a window of time. Opens a connection to see whether
/// the endpoint answers. Exits with 1 if the stage isn't deployed, doesn't answer, or couldn't be read in full.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless status --stage prod --since 15m\n  wsless status --watch --interval 30s\n  wsless status --output json"
)]
pub struct Status {
    /// How far to look back: a duration such as 15m, 2h, 1d, or a time such as 2026-11-27T10:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "1h")]
    since: Moment,
    /// Don't open a connection to see whether the endpoint answers
    #[arg(long)]
    no_probe: bool,
    /// Keep showing it, live; needs a terminal
    #[arg(long, short)]
    watch: bool,
    /// How often --watch looks anew, such as 30s
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "watch", value_parser = interval)]
    interval: Duration,
}

impl Status {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        if self.watch && !report.is_on_terminal() {
            let error =
                Diagnostic::error("cli::no-terminal", "--watch needs a terminal to draw on").help(
                    "leave --watch out, or follow the figures as lines: `wsless metrics --follow`",
                );
            return Err(Failure::usage(error));
        }
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let phase = report.phase("Looking at the stage");
        let stage = status::stage(&aws, &scope, &project.manifest).await?;
        let Some(stage) = stage else {
            return Err(not_deployed(&project).into());
        };
        if self.watch {
            phase.done("found");
            let watch = watch::Watch {
                aws: &aws,
                manifest: &project.manifest,
                stage: &stage,
                since: self.since,
                interval: self.interval,
            };
            watch.run(report).await?;
            return Ok(exit::DONE);
        }
        let reading = Reading {
            window: window(self.since, None, status::lag(&aws))?,
            period_s: None,
            probes: !self.no_probe,
        };
        let status = Box::pin(status::status(&aws, &project.manifest, stage, &reading)).await;
        phase.done("seen");
        report.status(&status);
        report.diagnostics(&warnings(&status.pulse.troubles));
        let answers = status.probe.as_ref().is_none_or(Probe::answers);
        Ok(if answers && status.pulse.troubles.is_empty() {
            exit::DONE
        } else {
            exit::FAILED
        })
    }
}

/// The window that is asked for; one that can't be is wrong usage.
pub(super) fn window(
    since: Moment,
    until: Option<Moment>,
    lag: Duration,
) -> Result<Window, Failure> {
    Window::new(since, until, Timestamp::now(), lag).map_err(|error: WindowError| {
        Failure::usage(
            Diagnostic::error("cli::window", error.to_string())
                .help("choose another --since or --until"),
        )
    })
}

pub(super) fn not_deployed(project: &Project) -> Diagnostic {
    let (name, stage) = (&project.manifest.project.name, &project.stage);
    Diagnostic::error(
        "observe::not-deployed",
        format!("the stage {stage} of {name} isn't deployed here"),
    )
    .help(format!(
        "run `wsless deploy --stage {stage}`, or name another --stage, --region or --profile"
    ))
}

/// What couldn't be read doesn't keep the rest from being shown.
pub(super) fn warnings(troubles: &[Diagnostic]) -> Vec<Diagnostic> {
    let warning = |trouble: &Diagnostic| Diagnostic {
        severity: Severity::Warning,
        ..trouble.clone()
    };
    troubles.iter().map(warning).collect()
}

fn interval(text: &str) -> Result<Duration, String> {
    match text.parse()? {
        Moment::Ago(interval) if INTERVALS.contains(&interval) => Ok(interval),
        _ => Err("an interval is a duration between 1s and 1h".to_owned()),
    }
}
