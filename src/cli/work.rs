//! What the commands that touch the cloud share: opening the project, building it, looking, asking, applying.

use std::time::{Duration, Instant};

use super::{Global, arguments::duration, exit, failure::Failure, signals::Signals};
use crate::{
    aws::{Aws, Options},
    build::{Artifacts, Event, Part},
    diagnostic::Diagnostic,
    engine::{
        address::Address,
        apply::{AppliedStep, Engine},
        lock::{Lock, LockError},
        plan::{Action, Plan, of_kind},
        run::{About, Look, RunError},
        scope::Scope,
        stack::Stack,
    },
    local,
    plan_file::PlanFile,
    project::{self, Project},
    report::{Confirm, Report, Summary, json},
    resource,
};

/// Opens the project and shows what is odd about it.
pub fn open(global: &Global, report: &Report) -> Result<Project, Failure> {
    let project = Project::open(global.manifest.as_deref(), &global.stage)?;
    report.diagnostics(&project.warnings);
    Ok(if global.local {
        project.here()
    } else {
        project
    })
}

/// Builds the handlers and shows cargo at work.
pub async fn build(project: &Project, report: &Report) -> Result<(Artifacts, Duration), Failure> {
    let handlers = project.binaries().len();
    let phase = report.phase(&format!(
        "Building {handlers} handler{}",
        if handlers == 1 { "" } else { "s" }
    ));
    let built = project
        .build(report.stderr_color(), &|event| match event {
            Event::CargoLine(line) => phase.line(&line),
            Event::Waiting { lock } => {
                phase.line(&format!("waiting for another build ({})", lock.display()));
            }
            Event::Started {
                part: Part::Builtins,
                ..
            } => phase.line("building the built-in handlers, once"),
            _ => {}
        })
        .await;
    let took = phase.done(if built.is_ok() { "built" } else { "failed" });
    Ok((built?, took))
}

/// The region that the user asked for, on the command line or in the manifest.
pub fn region(project: &Project, global: &Global) -> Option<String> {
    let manifests = project.manifest.project.region.as_ref();
    global.region.as_ref().or(manifests).cloned()
}

/// The way to AWS.
pub async fn connect(project: &Project, global: &Global) -> Result<(Aws, Scope), Failure> {
    let endpoint_url = if global.local {
        Some(local::find(Some(&project.dir)).await?.endpoint)
    } else {
        global.endpoint_url.clone()
    };
    let aws = Aws::connect(&Options {
        region: region(project, global),
        profile: global.profile.clone(),
        endpoint_url,
        local: global.local,
    })
    .await?;
    let scope = project.scope(aws.identity());
    Ok((aws, scope))
}

/// Everything a plan is made from.
pub struct Prepared {
    pub aws: Aws,
    pub scope: Scope,
    pub stack: Stack,
    pub build: Duration,
}

/// Builds and connects side by side, and makes the stack.
pub async fn prepare(
    project: &Project,
    global: &Global,
    report: &Report,
) -> Result<Prepared, Failure> {
    let ((aws, scope), (artifacts, build)) =
        futures::future::try_join(connect(project, global), build(project, report)).await?;
    let codes = project.codes(&artifacts)?;
    let stack = project.stack(&codes, &scope)?;
    Ok(Prepared {
        aws,
        scope,
        stack,
        build,
    })
}

/// Looks at the cloud.
pub async fn look(engine: &Engine<'_>, report: &Report) -> Result<(Look, Duration), Failure> {
    let phase = report.phase("Looking at the cloud");
    let look = engine.look().await;
    let took = phase.done(if look.is_ok() { "seen" } else { "failed" });
    Ok((look?, took))
}

/// Shows a plan, and what it would cost that isn't for use.
pub fn show(plan: &Plan, scope: &Scope, report: &Report) {
    let title = format!(
        "{} of {} in {}",
        scope.stage, scope.project, scope.identity.region
    );
    report.plan(plan, &forces, &title);
    let makes_dashboard = plan.effective().any(|change| {
        change.address.kind() == resource::dashboard::KIND && change.action == Action::Create
    });
    if makes_dashboard {
        report
            .note("An account's first three dashboards cost nothing, each further one $3 a month.");
    }
}

/// Whether a change of a field makes a replacement necessary.
fn forces(address: &Address, path: &str) -> bool {
    of_kind(resource::ALL, address.kind()).is_some_and(|resource| resource.is_replaced_by(path))
}

/// A plan as it's kept in a file.
pub async fn plan_file(project: &Project, scope: &Scope, plan: &Plan) -> PlanFile {
    PlanFile::new(scope, project.commit().await, &json::plan(plan, &forces))
}

/// What the command that applies a plan is about.
pub struct Task<'a> {
    pub about: About,
    /// The word for having done it.
    pub done: &'a str,
    /// Whether to ask before anything that isn't a deletion.
    pub always_ask: bool,
    pub question: String,
    /// Whether exactly this plan was approved: then nothing is asked, and another one is refused.
    pub is_approved: bool,
    /// How long to wait for a lock that somebody else holds.
    pub wait: Option<Duration>,
    pub started: Instant,
    pub timings: Vec<(String, Duration)>,
}

/// Refuses what would lose data, and asks about what would be deleted.
fn approve(
    plan: &Plan,
    allow_data_loss: bool,
    task: &Task<'_>,
    global: &Global,
    report: &Report,
) -> Result<bool, Failure> {
    let lost: Vec<&str> = plan
        .changes
        .iter()
        .filter_map(|change| change.data_at_risk.as_deref())
        .collect();
    if !lost.is_empty() && !allow_data_loss {
        let diagnostics = plan
            .changes
            .iter()
            .filter_map(|change| {
                let lost = change.data_at_risk.as_ref()?;
                Some(
                    Diagnostic::error(
                        "engine::data-loss",
                        format!(
                            "{} {} would lose {lost}",
                            change.action.as_str(),
                            change.address
                        ),
                    )
                    .help("pass `--allow-data-loss` if they may go"),
                )
            })
            .collect::<Vec<_>>();
        return Err(diagnostics.into());
    }
    let destructive = plan.count(Action::Delete) + plan.count(Action::Replace) > 0;
    if global.yes || task.is_approved || !(destructive || task.always_ask) {
        return Ok(true);
    }
    match report.confirm(&task.question) {
        Confirm::Yes => Ok(true),
        Confirm::No => Ok(false),
        Confirm::NoTerminal => Err(Failure::unanswered(&task.question, "--yes")),
    }
}

/// How long to wait when somebody else deploys.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Wait for somebody else's deployment to end, for so long at most
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30m",
        value_parser = duration
    )]
    pub wait: Option<Duration>,
}

/// Takes the lock; waits for its holder if it's to.
async fn lock<'a>(
    engine: &'a Engine<'_>,
    look: &Look,
    task: &Task<'_>,
    report: &Report,
) -> Result<(Lock<'a>, Option<Look>), RunError> {
    let until = task.wait.map(|wait| Instant::now() + wait);
    let mut told = None;
    loop {
        let (holder, left) = match (engine.lock(look, &task.about).await, until) {
            (Err(RunError::Lock(LockError::Held { holder, .. })), Some(until))
                if Instant::now() < until && !engine.stop.is_requested() =>
            {
                (holder, until.saturating_duration_since(Instant::now()))
            }
            (taken, _) => return taken,
        };
        if told.as_ref() != Some(&holder.id) {
            report.note(&format!(
                "Waiting for {} on {}, who has held the stage's lock for `{}` since {}.",
                holder.identity, holder.host, holder.command, holder.acquired_at
            ));
            told = Some(holder.id);
        }
        let _ = tokio::time::timeout(left.min(LOCK_LOOK), engine.stop.requested()).await;
    }
}

/// How often to look whether a lock is free that is waited for.
const LOCK_LOOK: Duration = Duration::from_secs(2);

/// Asks, takes the lock, applies, and shows what came of it.
pub async fn carry_out(
    engine: &Engine<'_>,
    mut look: Look,
    mut task: Task<'_>,
    global: &Global,
    report: &Report,
) -> Result<u8, Failure> {
    let approved = |look: &Look| approve(&look.plan, engine.allow_data_loss, &task, global, report);
    if !approved(&look)? {
        report.note("Nothing was changed.");
        return Ok(exit::FAILED);
    }
    // From here on a signal must not leave the stage locked.
    let mut signals = Signals::listen()?;
    let lock = loop {
        let (lock, again) = {
            let locking = std::pin::pin!(lock(engine, &look, &task, report));
            signals.heed(locking, engine.stop, report).await?
        };
        if engine.stop.is_requested() {
            lock.release().await?;
            report.note("Nothing was changed.");
            return Ok(exit::FAILED);
        }
        let Some(again) = again else { break lock };
        let same = again.plan == look.plan;
        look = again;
        if same {
            break lock;
        }
        // Nobody keeps a stage locked while a person thinks.
        lock.release().await?;
        if task.is_approved {
            return Err(Diagnostic::error(
                "plan::moved",
                "somebody else deployed since the plan was made",
            )
            .help("plan again: `wsless plan --out FILE`")
            .into());
        }
        report.note("Somebody else deployed meanwhile. What is to be done now:");
        show(&look.plan, engine.scope, report);
        if !approved(&look)? {
            report.note("Nothing was changed.");
            return Ok(exit::FAILED);
        }
    };
    let began = Instant::now();
    let progress = report.progress(&look.plan);
    let outcomes = {
        let observer = |event| progress.event(&event);
        let engine = Engine {
            observer: &observer,
            ..*engine
        };
        let run = std::pin::pin!(engine.run(lock, &look, &task.about));
        signals.heed(run, engine.stop, report).await
    };
    progress.finish();
    task.timings.push(("apply".to_owned(), began.elapsed()));
    report.diagnostics(&outcomes.troubles);
    let complete = outcomes.applied.is_complete() && outcomes.troubles.is_empty();
    let endpoint = project::endpoint(&outcomes.applied.attributes, &engine.scope.stage);
    report.summary(&Summary {
        command: &task.about.command,
        done: task.done,
        applied: &outcomes.applied,
        elapsed: task.started.elapsed(),
        timings: task.timings,
        next: if complete {
            next(endpoint.as_deref(), global)
        } else {
            vec![format!("wsless {} {}", task.about.command, global.place())]
        },
        endpoint,
    });
    let moves = |step: &AppliedStep| {
        step.address.kind() == resource::stage::KIND && step.action != Action::Delete
    };
    if complete && !engine.aws.has_own_endpoint() && outcomes.applied.steps.iter().any(moves) {
        report.note("API Gateway moves over within two minutes: until then old and new routes may answer in turn.");
    }
    Ok(if complete { exit::DONE } else { exit::FAILED })
}

/// What to try next.
fn next(endpoint: Option<&str>, global: &Global) -> Vec<String> {
    endpoint
        .map(|_| format!("wsless connect {}", global.place()))
        .into_iter()
        .collect()
}
