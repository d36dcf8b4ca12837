//! `wsless metrics`: a stage's figures over time, as a table, a picture, CSV or JSON.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Failure, Global, exit,
    signals::Signals,
    status::{not_deployed, window},
    work,
};
use crate::{
    aws::{Aws, Error},
    diagnostic::Diagnostic,
    observe::{
        Moment,
        follow::Follow,
        series::{Ask, Cost, read},
        status::{self, Measured},
        window::Window,
    },
    report::{Curves, Report},
    stack::figures::{Figure, Unknown, choose},
};

/// Periods of a window, unless --period says how long one is.
const PERIODS: u32 = 60;
/// More than so many are nothing to look at, and AWS has a limit of 100,800 values a call.
const MOST_PERIODS: u32 = 1440;

/// Show figures over time: a table, a picture, CSV or JSON
///
/// The figures of `wsless status`, period by period. Without names: connections, messages and errors.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless metrics --list\n  wsless metrics messages-in messages-out --since 6h --plot\n  wsless metrics echo --csv > echo.csv\n  wsless metrics --svg figures.svg --since 1d\n  wsless metrics message-latency-p95 --follow"
)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and clap keeps them from meeting"
)]
pub struct Metrics {
    /// Figures such as messages-in or echo.errors, or a handler's or queue's name for all of its own
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Show which figures there are
    #[arg(long, conflicts_with_all = ["names", "csv", "plot", "svg", "follow"])]
    list: bool,
    /// Where the window begins: a duration such as 15m, 2h, 1d, or a time such as 2026-11-27T10:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "1h")]
    since: Moment,
    /// Where the window ends [default: where CloudWatch's values end]
    #[arg(long, value_name = "WHEN")]
    until: Option<Moment>,
    /// The length of one period, whole minutes such as 5m [default: what makes up to 60 of the window]
    #[arg(long, value_name = "TIME", value_parser = period)]
    period: Option<u32>,
    /// As CSV
    #[arg(long, conflicts_with_all = ["plot", "svg"])]
    csv: bool,
    /// As a picture in the terminal
    #[arg(long, conflicts_with = "follow")]
    plot: bool,
    /// As a picture in this file, as SVG
    #[arg(long, value_name = "FILE", conflicts_with_all = ["follow", "plot"])]
    svg: Option<PathBuf>,
    /// Go on with each period that ends, until Ctrl-C
    #[arg(long, short, conflicts_with = "until")]
    follow: bool,
}

impl Metrics {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let (aws, scope) = work::connect(&project, global).await?;
        let phase = report.phase("Looking at the stage");
        let found = status::figures_of(&aws, &scope, &project.manifest).await?;
        let Some(figures) = found else {
            return Err(not_deployed(&project).into());
        };
        if self.list {
            phase.done("found");
            report.figures(&figures);
            return Ok(exit::DONE);
        }
        let chosen = choose(&figures, &self.names).map_err(|unknown| odd_name(&unknown))?;
        let lag = status::lag(&aws);
        let window = window(self.since, self.until, lag)?;
        let period_s = self.period(&window)?;
        let window = if self.follow {
            // What is still going on is told when it's over.
            window.closed(period_s, Timestamp::now(), lag)
        } else {
            window
        };
        let (curves, cost) = curves(&aws, &chosen, window, period_s).await?;
        phase.done("seen");
        match &self.svg {
            Some(path) => {
                let title = format!("{} {}", scope.project, scope.stage);
                std::fs::write(path, report.svg(&curves, &title)).map_err(|error| {
                    Diagnostic::error("io", format!("can't write {}: {error}", path.display()))
                })?;
                report.note(&format!("Written to {}.", path.display()));
            }
            None if self.csv => report.csv(&curves, true),
            None if self.plot => report.plot(&curves),
            None if self.follow => report.growing_curves(&curves, true),
            None => report.curves(&curves),
        }
        report.cost(cost);
        if self.follow {
            self.go_on(&aws, &chosen, &curves, lag, report).await?;
        }
        Ok(exit::DONE)
    }

    fn period(&self, window: &Window) -> Result<u32, Failure> {
        let now = Timestamp::now();
        let Some(period_s) = self.period else {
            return Ok(window.period(now, PERIODS));
        };
        let finest = window.finest(now);
        if period_s % finest != 0 {
            let error = Diagnostic::error(
                "cli::period",
                format!("CloudWatch keeps what is that old in periods of {finest} s only"),
            );
            return Err(Failure::usage(
                error.help("choose a multiple of it with --period"),
            ));
        }
        if window.seconds().div_ceil(period_s) > MOST_PERIODS {
            let error = Diagnostic::error(
                "cli::period",
                format!("the window has more than {MOST_PERIODS} such periods"),
            );
            return Err(Failure::usage(
                error.help("choose a longer --period or a later --since"),
            ));
        }
        Ok(period_s)
    }

    /// Each period once, when it's over and CloudWatch knows of it.
    async fn go_on(
        &self,
        aws: &Aws,
        chosen: &[Figure],
        first: &Curves,
        lag: Duration,
        report: &Report,
    ) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        let mut follow = Follow::after(&first.window, first.period_s, lag);
        loop {
            tokio::select! {
                () = tokio::time::sleep(follow.wait(Timestamp::now())) => {}
                () = signals.received() => return Ok(()),
            }
            let Some(window) = follow.due(Timestamp::now()) else {
                continue;
            };
            let (curves, _) = curves(aws, chosen, window, first.period_s).await?;
            if self.csv {
                report.csv(&curves, false);
            } else {
                report.growing_curves(&curves, false);
            }
        }
    }
}

async fn curves(
    aws: &Aws,
    chosen: &[Figure],
    window: Window,
    period_s: u32,
) -> Result<(Curves, Cost), Error> {
    let asks: Vec<Ask<'_>> = chosen
        .iter()
        .map(|figure| Ask::figure(figure, period_s))
        .collect();
    let (points, cost) = read(aws, &asks, &window).await?;
    let figures = chosen.iter().cloned().zip(points);
    let figures = figures.map(|(figure, points)| Measured {
        figure,
        value: None,
        points,
    });
    let curves = Curves {
        window,
        period_s,
        figures: figures.collect(),
    };
    Ok((curves, cost))
}

fn odd_name(unknown: &Unknown) -> Failure {
    let error = Diagnostic::error(
        "cli::figure",
        format!("there is no figure, handler or queue `{}`", unknown.name),
    );
    Failure::usage(match &unknown.nearest {
        Some(nearest) => error.help(format!("did you mean `{nearest}`?")),
        None => error.help("`wsless metrics --list` shows which there are"),
    })
}

fn period(text: &str) -> Result<u32, String> {
    let expected = || "a period is whole minutes, such as 1m, 5m, 1h, up to a day".to_owned();
    match text.parse()? {
        Moment::Ago(period) if period.subsec_nanos() == 0 => u32::try_from(period.as_secs())
            .ok()
            .filter(|seconds| seconds % 60 == 0 && (60..=86_400).contains(seconds))
            .ok_or_else(expected),
        Moment::Ago(_) | Moment::At(_) => Err(expected()),
    }
}
