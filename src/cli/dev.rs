//! `wsless dev`: the embedded cloud with this project in it, rebuilt and redeployed at each change.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{
    Failure, Global, exit,
    local::{CloudArgs, Here},
    signals::Signals,
    work,
};
use crate::{
    build,
    dev::{Deployed, Target, Watch},
    diagnostic::Diagnostic,
    engine::apply::Stop,
    observe::{Kind, LogLine},
    project::{self, Project},
    report::{Report, Summary, Times},
};

/// Run the project on this machine, and redeploy what changes
///
/// Starts the embedded cloud, deploys to it and watches the project: a changed handler is rebuilt and swapped while
/// clients stay connected, a changed manifest is applied. All handlers' logs are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wsless dev\n  wsless dev --port 4600 --keep .cloud")]
pub struct Dev {
    #[command(flatten)]
    cloud: CloudArgs,
    /// The cargo profile that handlers are built with
    #[arg(long, value_name = "NAME", default_value = "dev")]
    build_profile: String,
}

impl Dev {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let manifest = project::locate(global.manifest.as_deref())?;
        let folder = manifest
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
            .canonicalize()?;
        let mut signals = Signals::listen()?;
        let here = self.cloud.start(Some(folder.clone()), report).await?;
        let stop = Stop::default();
        let ended = {
            let mut work = Box::pin(self.work(global, report, &here, &folder, &stop));
            tokio::select! {
                ended = &mut work => ended,
                () = signals.received() => {
                    report.note("Ending.");
                    stop.request();
                    // What is being deployed frees its lock first: with --keep, the next run would find it held.
                    tokio::select! {
                        ended = &mut work => ended,
                        () = signals.received() => Ok(()),
                    }
                }
            }
        };
        let stopped = here.cloud.stop().await;
        ended?;
        stopped.map_err(|error| Diagnostic::error("local::stop", error.to_string()))?;
        Ok(exit::DONE)
    }

    /// Round after round, until it's asked to stop. Ends otherwise only if files can't be watched.
    async fn work(
        &self,
        global: &Global,
        report: &Report,
        here: &Here,
        folder: &Path,
        stop: &Stop,
    ) -> Result<(), Failure> {
        let folders: Vec<PathBuf> = build::source_folders(folder).await.into_iter().collect();
        let mut watch = Watch::new(&folders).map_err(|error| {
            Diagnostic::error("dev::watch", error.to_string()).note(error.source.to_string())
        })?;
        let mut is_first = true;
        // Ends with this function.
        let mut following = JoinSet::new();
        loop {
            tokio::select! {
                // A change while building begins anew; what is being deployed is deployed to its end.
                built = self.build(global, report) => match built {
                    Ok((project, artifacts, build)) => {
                        let began = Instant::now();
                        match Self::deploy(global, here, &project, &artifacts, stop).await {
                            Ok(deployed) => {
                                show(report, here, &deployed, began, build, is_first);
                                if following.is_empty() {
                                    follow(&mut following, report, here, &deployed, &project);
                                }
                                is_first &= !deployed.is_complete();
                            }
                            Err(diagnostics) => report.diagnostics(&diagnostics),
                        }
                    }
                    Err(failure) => {
                        report.diagnostics(&failure.diagnostics);
                        report.note("Waiting for a change.");
                    }
                },
                path = watch.changed() => {
                    changed(report, folder, &path);
                    continue;
                }
                () = stop.requested() => return Ok(()),
            }
            tokio::select! {
                path = watch.changed() => changed(report, folder, &path),
                () = stop.requested() => return Ok(()),
            }
        }
    }

    async fn build(
        &self,
        global: &Global,
        report: &Report,
    ) -> Result<(Project, build::Artifacts, Duration), Failure> {
        let mut project = work::open(global, report)?.here();
        project
            .manifest
            .build
            .profile
            .clone_from(&self.build_profile);
        let (artifacts, took) = work::build(&project, report).await?;
        Ok((project, artifacts, took))
    }

    async fn deploy(
        global: &Global,
        here: &Here,
        project: &Project,
        artifacts: &build::Artifacts,
        stop: &Stop,
    ) -> Result<Deployed, Vec<Diagnostic>> {
        let region = global
            .region
            .as_deref()
            .or(project.manifest.project.region.as_deref());
        let target = Target::connect(&here.cloud.endpoint(), region)
            .await
            .map_err(|error| vec![error.diagnostic()])?;
        target.deploy(project, artifacts, stop).await
    }
}

/// Shows what all handlers log from now on, in one stream. What Lambda itself writes is shown with `-v`.
fn follow(
    following: &mut JoinSet<()>,
    report: &Report,
    here: &Here,
    deployed: &Deployed,
    project: &Project,
) {
    let Ok(region) = here.cloud.cloud().region(&deployed.region) else {
        return;
    };
    let mut follower = region.logs.follow();
    let report = report.clone();
    let functions = format!(
        "/aws/lambda/{}-{}-",
        project.manifest.project.name, project.stage
    );
    following.spawn(async move {
        let mut lines = report.log([], Times::None);
        loop {
            let followed = follower.next().await;
            if followed.missed > 0 {
                report.note(&format!(
                    "{} log lines were too many to show",
                    followed.missed
                ));
            }
            let logged = followed.lines.into_iter().filter_map(|line| {
                let handler = line.group.strip_prefix(&functions)?;
                let at = Timestamp::from_millisecond(line.at.0).unwrap_or_default();
                let line = LogLine::new(at, handler, &*line.message);
                let is_wanted = match line.content.kind {
                    Kind::Own => true,
                    Kind::Frame | Kind::Report => report.verbose() > 0 || !line.content.is_noise(),
                    Kind::Metric => false,
                };
                is_wanted.then_some(line)
            });
            lines.show(&logged.collect::<Vec<_>>());
        }
    });
}

fn changed(report: &Report, folder: &Path, path: &Path) {
    let shown = path.strip_prefix(folder).unwrap_or(path);
    report.note(&format!("{} changed", shown.display()));
}

/// What a round came to: all of it the first time, a line when something changed later.
fn show(
    report: &Report,
    here: &Here,
    deployed: &Deployed,
    began: Instant,
    build: Duration,
    is_first: bool,
) {
    let timings = vec![
        ("build".to_owned(), build),
        ("deploy".to_owned(), deployed.elapsed),
    ];
    report.diagnostics(&deployed.troubles);
    report.summary(&Summary {
        command: "dev",
        done: match (is_first, deployed.plan.is_empty()) {
            (true, _) => "Running",
            (false, false) => "Redeployed",
            (false, true) => "Nothing to change",
        },
        applied: &deployed.applied,
        elapsed: build + began.elapsed(),
        timings: if is_first { timings } else { Vec::new() },
        endpoint: deployed.endpoint.clone().filter(|_| is_first),
        next: if is_first {
            vec![format!("open {}/ in a browser", here.cloud.endpoint())]
        } else {
            Vec::new()
        },
    });
    if is_first {
        report.note("Watching for changes; Ctrl-C ends it.");
    }
}
