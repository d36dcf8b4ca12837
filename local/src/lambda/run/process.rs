//! One process of a function as the Runtime API sees it: what it may say when, and the invocation that it has.
//!
//! The order is the Runtime API's: it starts, asks for work, gets it, answers, asks again. Whoever takes the invocation out
//! of the state finishes it, so that of the answer, the timeout and the process's end one does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Ran,
    admission::Permit,
    meters::Meters,
    outcome::{Failure, Outcome},
    output::Output,
    pool::{Pool, Work},
    report::{self, Figures},
};
use crate::{clock::Millis, error::Result, lambda::Invoked};

/// How old the figure of the memory that a process used may be.
const MEMORY_AGE: Duration = Duration::from_secs(1);

/// One process.
#[derive(Debug)]
pub(super) struct Process {
    /// The number in its id, which nobody can guess.
    pub number: u128,
    /// Whose it is.
    pub pool: Arc<Pool>,
    /// What it writes.
    pub output: Output,
    /// When its start began.
    pub began: Instant,
    /// Whether the start before it failed.
    pub again: bool,
    state: Mutex<State>,
    started: AtomicBool,
    ended: AtomicBool,
    /// Nanoseconds since `began` at which its invocation began, plus one; 0: it has none.
    busy: AtomicU64,
    pid: AtomicU32,
    memory: Mutex<Memory>,
    ending: CancellationToken,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// How long the start took, until an invocation has reported it.
    init: Option<Duration>,
    /// The last invocation that was answered.
    last: String,
}

#[derive(Debug)]
enum Phase {
    Starting,
    /// It has asked for work.
    Asking,
    Running(Box<Running>),
    /// It has answered and not asked again.
    Answered(Duration),
    /// It said that it can't start.
    Failed(Outcome),
    Ended,
}

#[derive(Debug, Default)]
struct Memory {
    mib: u64,
    read: Option<Instant>,
}

/// An invocation that a process has.
#[derive(Debug)]
pub(super) struct Running {
    request: String,
    began: Instant,
    /// Of the process's first one: how long the start took.
    init: Option<Duration>,
    permit: Permit,
    meters: Arc<Meters>,
    reply: oneshot::Sender<Result<Ran>>,
}

/// What a process is told of its invocation.
#[derive(Debug)]
pub(super) struct Given {
    pub request: String,
    pub arn: Arc<str>,
    pub payload: Bytes,
    pub deadline: Millis,
}

/// Why the Runtime API refuses what a process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// That isn't the invocation it has.
    Request,
    /// Not now; the state that it is in, in the words of Lambda's runtime manager.
    State(&'static str),
}

/// What the process's watch finds.
#[derive(Debug)]
pub(super) enum Watch {
    /// All is well; nothing to look at until then.
    Until(Instant),
    /// Its invocation's time is up.
    TimedOut(Box<Running>),
    /// Its start took too long.
    NotStarted,
}

impl Process {
    /// A process that is about to be started.
    pub fn new(number: u128, pool: Arc<Pool>, output: Output, again: bool) -> Self {
        Self {
            number,
            pool,
            output,
            began: Instant::now(),
            again,
            state: Mutex::new(State {
                phase: Phase::Starting,
                init: None,
                last: String::new(),
            }),
            started: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            memory: Mutex::default(),
            ending: CancellationToken::new(),
        }
    }

    /// The operating system's id of it, while it's there.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// It runs.
    pub fn set_pid(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
    }

    /// Asks its watch to end it.
    pub fn stop(&self) {
        self.ending.cancel();
    }

    /// Resolves when it's to end.
    pub async fn stopped(&self) {
        self.ending.cancelled().await;
    }

    /// Whether it hasn't asked for work yet.
    pub fn is_starting(&self) -> bool {
        !self.started.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed)
    }

    /// Whether it has asked for work and not ended.
    pub fn is_well(&self) -> bool {
        self.started.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed)
    }

    /// For how long its invocation has run.
    pub fn busy_for(&self) -> Option<Duration> {
        let since = self.busy.load(Ordering::Relaxed).checked_sub(1)?;
        self.began
            .elapsed()
            .checked_sub(Duration::from_nanos(since))
    }

    /// It asks for work: how long its last invocation took, if it had one.
    pub fn ask(&self) -> Result<Option<Duration>, Wrong> {
        let mut state = self.state.lock();
        let took = match &state.phase {
            Phase::Starting => {
                state.init = Some(self.began.elapsed());
                self.started.store(true, Ordering::Relaxed);
                state.phase = Phase::Asking;
                drop(state);
                self.pool.started();
                return Ok(None);
            }
            Phase::Asking => None,
            Phase::Answered(took) => Some(*took),
            Phase::Running(_) => return Err(Wrong::State("Running")),
            Phase::Failed(_) => return Err(Wrong::State("InitError")),
            Phase::Ended => return Err(Wrong::State("Exited")),
        };
        state.phase = Phase::Asking;
        Ok(took)
    }

    /// It gets work. Given back if it isn't waiting for any (any more).
    pub fn begin(&self, work: Work) -> Result<Given, Box<Work>> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Asking) {
            return Err(Box::new(work));
        }
        let began = Instant::now();
        let since = (began - self.began).as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1);
        self.busy.store(since.saturating_add(1), Ordering::Relaxed);
        self.output.begin(&work.request, &self.pool.version.version);
        let given = Given {
            request: work.request.clone(),
            arn: work.arn,
            payload: work.payload,
            deadline: Millis::now().after(self.pool.version.timeout),
        };
        let init = state.init.take();
        state.phase = Phase::Running(Box::new(Running {
            request: work.request,
            began,
            init,
            permit: work.permit,
            meters: work.meters,
            reply: work.reply,
        }));
        Ok(given)
    }

    /// It answers.
    pub fn answer(&self, request: &str, outcome: Outcome) -> Result<(), Wrong> {
        let mut state = self.state.lock();
        let running = match std::mem::replace(&mut state.phase, Phase::Ended) {
            Phase::Running(running) if running.request == request => running,
            other => {
                let wrong = match &other {
                    Phase::Answered(_) | Phase::Asking if state.last == request => {
                        Wrong::State("RuntimeResponseSentState")
                    }
                    _ => Wrong::Request,
                };
                state.phase = other;
                return Err(wrong);
            }
        };
        let took = running.began.elapsed();
        state.phase = Phase::Answered(took);
        request.clone_into(&mut state.last);
        self.busy.store(0, Ordering::Relaxed);
        drop(state);
        self.finish(*running, outcome, took);
        Ok(())
    }

    /// It says that it can't start.
    pub fn fail(&self, outcome: Outcome) -> Result<(), Wrong> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Starting => {
                state.phase = Phase::Failed(outcome);
                drop(state);
                self.stop();
                Ok(())
            }
            Phase::Asking => Err(Wrong::State("Ready")),
            Phase::Running(_) => Err(Wrong::State("Running")),
            Phase::Answered(_) => Err(Wrong::State("RuntimeResponseSentState")),
            Phase::Failed(_) => Err(Wrong::State("InitError")),
            Phase::Ended => Err(Wrong::State("Exited")),
        }
    }

    /// Whether its invocation has run for too long, or its start. `init` is what a start may take.
    pub fn watch(&self, init: Duration) -> Watch {
        let timeout = self.pool.version.timeout;
        let now = Instant::now();
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Starting if now >= self.began + init => Watch::NotStarted,
            Phase::Starting => Watch::Until((self.began + init).min(now + timeout)),
            Phase::Running(running) if now < running.began + timeout => {
                Watch::Until(running.began + timeout)
            }
            Phase::Running(_) => {
                match std::mem::replace(&mut state.phase, Phase::Ended) {
                    Phase::Running(running) => Watch::TimedOut(running),
                    // It was, a line above, under the same lock.
                    other => {
                        state.phase = other;
                        Watch::Until(now + timeout)
                    }
                }
            }
            // An invocation that begins from now on ends after that.
            _ => Watch::Until(now + timeout),
        }
    }

    /// It has ended: the invocation that it had, or why it didn't start.
    pub fn end(&self) -> (Option<Box<Running>>, Option<Outcome>) {
        self.ended.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.phase, Phase::Ended) {
            Phase::Running(running) => (Some(running), None),
            Phase::Failed(outcome) => (None, Some(outcome)),
            _ => (None, None),
        }
    }

    /// Whether something that it has said may change how its end is told.
    pub fn may_still_answer(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Running(_) | Phase::Starting)
    }

    /// Lambda ends an invocation in the function's place.
    pub fn give_up(&self, running: Running, failure: Failure) {
        let took = match failure {
            // AWS's figure is the timeout itself.
            Failure::TimedOut(timeout) => timeout,
            _ => running.began.elapsed(),
        };
        self.finish(running, Outcome::Failed(failure), took);
    }

    /// An invocation that waited for this start fails with it.
    pub fn refuse(&self, work: Work, outcome: Outcome) {
        self.output.begin(&work.request, &self.pool.version.version);
        let took = match outcome {
            Outcome::Failed(Failure::TimedOut(timeout)) => timeout,
            _ => work.since.elapsed(),
        };
        let running = Running {
            request: work.request,
            began: work.since,
            init: None,
            permit: work.permit,
            meters: work.meters,
            reply: work.reply,
        };
        self.finish(running, outcome, took);
    }

    /// Tells everybody how an invocation ended; the caller last.
    fn finish(&self, running: Running, outcome: Outcome, took: Duration) {
        let version = &self.pool.version;
        let figures = Figures {
            took,
            init: running.init,
            memory_mib: version.memory_mib,
            used_mib: self.measure(),
        };
        let log_tail = self
            .output
            .end(report::end(&running.request, &outcome, &figures));
        running.meters.ended(took, outcome.kind().is_some());
        let (payload, error) = match outcome {
            Outcome::Returned(payload) => (payload, None),
            Outcome::Reported { payload, .. } => (payload, Some("Unhandled".to_owned())),
            Outcome::Failed(failure) => (
                failure.payload(&running.request),
                Some("Unhandled".to_owned()),
            ),
            Outcome::Refused(error) => {
                drop(running.permit);
                let _ = running.reply.send(Err(error));
                return;
            }
        };
        // The place is free before the caller knows: it may call again at once.
        drop(running.permit);
        // Nobody waits if the caller has given up.
        let _ = running.reply.send(Ok(Ran {
            invoked: Invoked {
                version: version.version.clone(),
                payload,
                error,
                log_tail,
            },
            took,
        }));
    }

    /// The most memory that it had, in MiB; looked at once a second at most.
    pub fn measure(&self) -> u64 {
        let mut memory = self.memory.lock();
        if memory.read.is_none_or(|read| read.elapsed() > MEMORY_AGE)
            && let Some(mib) = self.pid().and_then(peak_mib)
        {
            *memory = Memory {
                mib,
                read: Some(Instant::now()),
            };
        }
        memory.mib
    }
}

/// The most memory that a process had, where the operating system tells.
fn peak_mib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}
