//! Starting a process, and watching it until it has ended.
//!
//! Whatever ends the watch (the process's end, a timeout, the cloud's end), the process's whole group is killed, its folder
//! is deleted and its invocation is answered.

use std::{
    io::{ErrorKind, PipeWriter},
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::unix::pipe::Receiver,
    process::{Child, Command},
    time::Instant,
};

use super::{
    environment::{self, Place},
    log::Log,
    outcome::{Failure, Outcome},
    output::Output,
    pool::Pool,
    process::{Process, Running, Watch},
    report,
};
use crate::{
    cloud::{Cloud, Region},
    error::AwsError,
    iam::Caller,
    lambda::model::Version,
};

/// How long lines wait to be stored together.
const TOGETHER: Duration = Duration::from_millis(40);
/// How long a process may write before it's read again.
const PAUSE: Duration = Duration::from_millis(5);
/// What a process answered just before it ended may come after the news of its end.
const AFTERMATH: Duration = Duration::from_millis(50);
/// A program that was unpacked a moment ago may still be open for writing in a process that is just being started.
const BUSY: Duration = Duration::from_millis(10);
/// How often it's tried then.
const BUSY_TRIES: u32 = 50;

/// A process's place among those that there are. Dropped, it kills whatever is left of it.
struct Life {
    region: Arc<Region>,
    process: Arc<Process>,
    group: Option<rustix::process::Pid>,
    temporary: Option<tempfile::TempDir>,
}

/// What ended a watch.
enum End {
    Exited(std::io::Result<ExitStatus>),
    Stopped,
    TimedOut(Box<Running>),
    NotStarted,
}

impl Life {
    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // Gone already, if it fails.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.kill();
        let _ = self.process.end();
        let runner = &self.region.lambda.runner;
        runner.processes.write().remove(&self.process.number);
        self.process.pool.remove(&self.process);
    }
}

/// Starts a process of a pool and watches it from then on.
pub(super) fn start(cloud: &Arc<Cloud>, region: &Arc<Region>, pool: &Arc<Pool>) {
    let number: u128 = rand::random();
    let (output, writer) = match pipe() {
        Ok((reader, writer)) => (Output::new(Some(reader)), Ok(writer)),
        Err(error) => (Output::new(None), Err(error)),
    };
    let again = pool.failures() > 0;
    let process = Arc::new(Process::new(number, Arc::clone(pool), output, again));
    pool.add(Arc::clone(&process));
    let all = &region.lambda.runner.processes;
    all.write().insert(number, Arc::clone(&process));
    let life = Life {
        region: Arc::clone(region),
        process,
        group: None,
        temporary: None,
    };
    let own = Arc::clone(cloud);
    cloud.spawn(async move { live(&own, life, writer).await });
}

/// A process's life.
async fn live(cloud: &Arc<Cloud>, mut life: Life, writer: std::io::Result<PipeWriter>) {
    let process = Arc::clone(&life.process);
    let version = &process.pool.version;
    process
        .output
        .add(report::init_start(&version.runtime, &life.region.name));
    let mut log = Log::new(version);
    let caller = cloud
        .iam
        .assume(&version.role, "lambda.amazonaws.com", &version.function);
    let child = match (caller, writer) {
        (Ok(caller), Ok(writer)) => {
            let child = launch(cloud, &mut life, &log.stream, &caller, &writer).await;
            log.caller = Some(caller);
            child
        }
        (Err(_), _) => Err(Outcome::Refused(AwsError::new(
            403,
            "AccessDeniedException",
            "The role defined for the function cannot be assumed by Lambda.",
        ))),
        (_, Err(error)) => Err(Outcome::Refused(out_of(&error))),
    };
    match child {
        Ok(child) => {
            let end = watch(cloud, &life, &mut log, child).await;
            conclude(&mut life, end).await;
        }
        Err(outcome) => not_started(&process, &outcome, true),
    }
    log.store(cloud, &life.region, process.output.take(true))
        .await;
}

async fn launch(
    cloud: &Cloud,
    life: &mut Life,
    log_stream: &str,
    caller: &Caller,
    writer: &PipeWriter,
) -> Result<Child, Outcome> {
    let version = Arc::clone(&life.process.pool.version);
    let temporary = tempfile::Builder::new()
        .prefix("tmp-")
        .tempdir_in(cloud.work())
        .map_err(|error| Outcome::Refused(out_of(&error)))?;
    let variables = environment::variables(
        &version,
        &Place {
            address: cloud.address,
            id: &format!("{}.{:032x}", life.region.name, life.process.number),
            region: &life.region.name,
            log_stream,
            credentials: &cloud.iam.credentials(caller),
            temporary: temporary.path(),
        },
    );
    life.temporary = Some(temporary);
    let child = spawn(&version, &variables, writer).await?;
    let pid = child.id().unwrap_or_default();
    life.group = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    life.process.set_pid(pid);
    Ok(child)
}

/// Starts the program; it leads a process group of its own.
async fn spawn(
    version: &Version,
    variables: &[(String, String)],
    writer: &PipeWriter,
) -> Result<Child, Outcome> {
    let bootstrap = version.code.join("bootstrap");
    if !bootstrap.is_file() {
        return Err(entrypoint(
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ));
    }
    let mut tries = 0;
    loop {
        let error = match spawn_once(&bootstrap, &version.code, variables, writer) {
            Ok(child) => return Ok(child),
            Err(error) => error,
        };
        let words = match (error.kind(), error.raw_os_error()) {
            (ErrorKind::ExecutableFileBusy, _) if tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY).await;
                continue;
            }
            (ErrorKind::PermissionDenied, _) => "permission denied",
            (ErrorKind::NotFound, _) => "no such file or directory",
            // ENOEXEC: the wrong architecture, or no program at all.
            (_, Some(8)) => "exec format error",
            _ => return Err(Outcome::Refused(out_of(&error))),
        };
        return Err(entrypoint(&format!(
            "fork/exec /var/task/bootstrap: {words}"
        )));
    }
}

fn spawn_once(
    bootstrap: &Path,
    code: &Path,
    variables: &[(String, String)],
    writer: &PipeWriter,
) -> std::io::Result<Child> {
    Command::new(bootstrap)
        .current_dir(code)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer.try_clone()?)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Until something ends it: its log is stored meanwhile.
async fn watch(cloud: &Arc<Cloud>, life: &Life, log: &mut Log, mut child: Child) -> End {
    let process = &life.process;
    let output = &process.output;
    // The second try of a start is a part of the invocation, and has its time (developer guide, "Lambda execution
    // environment lifecycle").
    let init = if process.again {
        process.pool.version.timeout
    } else {
        life.region.lambda.runner.limits().init
    };
    // Looked at once in a timeout's time, nothing can run for longer: no timer for each invocation.
    let look = tokio::time::sleep(init.min(process.pool.version.timeout));
    tokio::pin!(look);
    let mut store_at: Option<Instant> = None;
    let mut read_at = Instant::now();
    loop {
        tokio::select! {
            status = child.wait() => return End::Exited(status),
            () = process.stopped() => return End::Stopped,
            () = &mut look => match process.watch(init) {
                Watch::Until(at) => look.as_mut().reset(at),
                Watch::TimedOut(running) => return End::TimedOut(running),
                Watch::NotStarted => return End::NotStarted,
            },
            () = output.wake.notified() => {
                // Told twice before anything was stored: there's much.
                store_at = Some(store_at.map_or_else(|| Instant::now() + TOGETHER, |_| Instant::now()));
            }
            () = at(store_at) => {
                store_at = None;
                log.store(cloud, &life.region, output.take(false)).await;
            }
            () = async {
                tokio::time::sleep_until(read_at).await;
                output.readable().await;
            } => {
                // A process that writes little may wait, one that fills the pipe not.
                if !output.read() {
                    read_at = Instant::now() + PAUSE;
                }
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Ends what is left, and tells whoever waited.
async fn conclude(life: &mut Life, end: End) {
    let process = Arc::clone(&life.process);
    process.measure();
    let failure = match end {
        End::Exited(status) => {
            let until = Instant::now() + AFTERMATH;
            while Instant::now() < until && process.may_still_answer() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            status.map_or_else(
                |error| Failure::Exited(format!("Runtime exited with error: {error}")),
                Failure::exit,
            )
        }
        End::TimedOut(running) => {
            life.kill();
            let timeout = process.pool.version.timeout;
            process.give_up(*running, Failure::TimedOut(timeout));
            return;
        }
        End::NotStarted => Failure::TimedOut(process.pool.version.timeout),
        End::Stopped => Failure::Exited("Runtime exited with error: signal: killed".to_owned()),
    };
    life.kill();
    let stopped = process.is_well();
    match process.end() {
        (Some(running), _) => process.give_up(*running, failure),
        (None, Some(outcome)) => not_started(&process, &outcome, false),
        (None, None) if !stopped => not_started(&process, &Outcome::Failed(failure), false),
        (None, None) => {}
    }
}

/// A start failed: says so in the log, and to the invocations that fail with it.
fn not_started(process: &Arc<Process>, outcome: &Outcome, hopeless: bool) {
    let (status, kind) = match outcome {
        Outcome::Failed(Failure::TimedOut(_)) => ("timeout", None),
        other => ("error", other.kind()),
    };
    let took = process.began.elapsed();
    process
        .output
        .add(report::init_report(took, process.again, status, kind));
    for work in process.pool.start_failed(hopeless, process.began) {
        process.refuse(work, outcome.clone());
    }
}

fn entrypoint(words: &str) -> Outcome {
    Outcome::Failed(Failure::Entrypoint(words.to_owned()))
}

/// The machine's fault, not the function's.
fn out_of(error: &std::io::Error) -> AwsError {
    AwsError::new(
        500,
        "ServiceException",
        format!("This machine can't start another process: {error}"),
    )
}

fn pipe() -> std::io::Result<(Receiver, PipeWriter)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((Receiver::from_owned_fd(OwnedFd::from(reader))?, writer))
}
