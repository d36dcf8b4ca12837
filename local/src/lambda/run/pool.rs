//! One version's processes, and the invocations that wait for one of them.
//!
//! A process asks for work (`next`) and gets the oldest invocation that waits, or waits itself; an invocation goes to the
//! process that was busy last. The lock is held for a push or a pop and never across an await; none is taken under it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{
    Ran,
    admission::{self, Permit},
    meters::Meters,
    process::Process,
    scale::{self, Load},
};
use crate::{cloud::Region, error::Result, lambda::model::Version};

/// Aliases of a version whose metrics' handles are kept; more than a person makes.
const METERS: usize = 64;

/// An invocation on its way to a process.
#[derive(Debug)]
pub(super) struct Work {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request: String,
    /// The ARN as it was invoked.
    pub arn: Arc<str>,
    /// The event.
    pub payload: Bytes,
    /// Since when it waits.
    pub since: Instant,
    /// No process gets it after this.
    pub latest: Option<Instant>,
    /// Its place among the concurrent ones.
    pub permit: Permit,
    /// Where it's counted.
    pub meters: Arc<Meters>,
    /// Who waits for it.
    pub reply: oneshot::Sender<Result<Ran>>,
}

/// One version's processes.
pub(super) struct Pool {
    /// The version.
    pub version: Arc<Version>,
    state: Mutex<State>,
    /// Told when there is something for the pool's keeper to do.
    pub wake: Notify,
    /// Set under the state's lock.
    closed: AtomicBool,
    meters: RwLock<HashMap<String, Arc<Meters>>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    /// Those that wait for work; the one that was busy last is on top.
    idle: Vec<Idle>,
    members: Vec<Arc<Process>>,
    /// Starts that failed since one was well.
    failures: u32,
    /// No start before this.
    pause: Option<Instant>,
    /// No longer the function's: what waits is still done, then it ends.
    retired: bool,
    mean: Duration,
    least: Duration,
}

struct Idle {
    process: Arc<Process>,
    since: Instant,
    give: oneshot::Sender<Work>,
}

/// What a process that asks for work gets.
pub(super) enum Next {
    /// Work.
    Now(Box<Work>),
    /// Work, when there's some.
    Later(oneshot::Receiver<Work>),
    /// Nothing any more: its version was replaced.
    Never,
}

impl Work {
    /// An invocation with a new request id.
    pub fn new(
        arn: Arc<str>,
        payload: Bytes,
        latest: Option<Instant>,
        permit: Permit,
        meters: Arc<Meters>,
        reply: oneshot::Sender<Result<Ran>>,
    ) -> Self {
        Self {
            request: uuid::Builder::from_random_bytes(rand::random())
                .into_uuid()
                .to_string(),
            arn,
            payload,
            since: Instant::now(),
            latest,
            permit,
            meters,
            reply,
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        formatter
            .debug_struct("Pool")
            .field("function", &self.version.function)
            .field("version", &self.version.version)
            .field("processes", &state.members.len())
            .field("queued", &state.queue.len())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool without processes.
    pub fn new(version: Arc<Version>) -> Self {
        Self {
            version,
            state: Mutex::default(),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
            meters: RwLock::default(),
        }
    }

    /// Where invocations by this ARN are counted.
    pub fn meters(&self, region: &Region, arn: &str) -> Arc<Meters> {
        if let Some(meters) = self.meters.read().get(arn) {
            return Arc::clone(meters);
        }
        let mut all = self.meters.write();
        if all.len() >= METERS {
            all.clear();
        }
        Arc::clone(
            all.entry(arn.to_owned())
                .or_insert_with(|| Arc::new(Meters::new(region, &self.version, arn))),
        )
    }

    /// Gives work to the process that was busy last, or lets it wait. Given back if the pool is closed.
    pub fn submit(&self, work: Work) -> Result<(), Box<Work>> {
        let mut state = self.state.lock();
        if self.is_closed() {
            return Err(Box::new(work));
        }
        let mut work = work;
        while let Some(idle) = state.idle.pop() {
            match idle.give.send(work) {
                Ok(()) => return Ok(()),
                // Whoever asked has gone.
                Err(back) => work = back,
            }
        }
        state.queue.push_back(work);
        let first = state.queue.len() == 1;
        drop(state);
        if first {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Puts work back that no process began.
    pub fn put_back(&self, work: Work) {
        let mut state = self.state.lock();
        state.queue.push_front(work);
        // An idle process may have come meanwhile.
        while let Some(idle) = state.idle.pop() {
            let Some(work) = state.pop() else {
                state.idle.push(idle);
                break;
            };
            if let Err(back) = idle.give.send(work) {
                state.queue.push_front(back);
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    /// A process asks for work; `took` is how long its last one was.
    pub fn next(&self, process: &Arc<Process>, took: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        if let Some(took) = took {
            state.learn(took);
        }
        if let Some(work) = state.pop() {
            return Next::Now(Box::new(work));
        }
        if state.retired {
            return Next::Never;
        }
        // A runtime that asks again has given its first question up.
        state
            .idle
            .retain(|idle| !Arc::ptr_eq(&idle.process, process));
        let (give, later) = oneshot::channel();
        state.idle.push(Idle {
            process: Arc::clone(process),
            since: Instant::now(),
            give,
        });
        Next::Later(later)
    }

    /// A process is being started.
    pub fn add(&self, process: Arc<Process>) {
        self.state.lock().members.push(process);
    }

    /// A process is well: it has asked for work for the first time.
    pub fn started(&self) {
        let mut state = self.state.lock();
        state.failures = 0;
        state.pause = None;
    }

    /// A process has ended.
    pub fn remove(&self, process: &Arc<Process>) {
        let mut state = self.state.lock();
        state.members.retain(|one| !Arc::ptr_eq(one, process));
        state
            .idle
            .retain(|idle| !Arc::ptr_eq(&idle.process, process));
        drop(state);
        self.wake.notify_one();
    }

    /// A start failed. Returns the work that fails with it.
    ///
    /// As on AWS a first failure isn't the invocation's: the start is tried again for it, unless it's hopeless. Where
    /// other processes are well it's one invocation that fails, else all that waited for this start.
    pub fn start_failed(&self, hopeless: bool, began: Instant) -> Vec<Work> {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < 2 && !hopeless {
            return Vec::new();
        }
        // A function that can't start mustn't be all that this machine does.
        let factor = 1_u32 << state.failures.min(5);
        let pause = Duration::from_millis(50).saturating_mul(factor);
        state.pause = Some(Instant::now() + pause.min(Duration::from_secs(1)));
        if state.members.iter().any(|process| process.is_well()) {
            return state.queue.pop_front().into_iter().collect();
        }
        let waited = state
            .queue
            .iter()
            .take_while(|work| work.since <= began)
            .count()
            .max(1)
            .min(state.queue.len());
        state.queue.drain(..waited).collect()
    }

    /// Whether invocations wait for a process.
    pub fn waits(&self) -> bool {
        !self.state.lock().queue.is_empty()
    }

    /// How often in a row starting has failed.
    pub fn failures(&self) -> u32 {
        self.state.lock().failures
    }

    /// How many processes are to be started now, and whether anything waits.
    pub fn wanted(&self, most: usize, cores: usize, is_crowded: bool) -> (usize, bool) {
        let state = self.state.lock();
        let now = Instant::now();
        let waiting = !state.queue.is_empty();
        if state.pause.is_some_and(|pause| now < pause) {
            return (0, waiting);
        }
        let mut load = Load {
            queued: state.queue.len(),
            waited: state
                .queue
                .front()
                .map_or(Duration::ZERO, |work| now - work.since),
            mean: state.mean,
            least: state.least,
            most,
            cores,
            ..Load::default()
        };
        if load.queued > 0 {
            let slow = scale::slow(is_crowded);
            for process in &state.members {
                if process.is_starting() {
                    load.starting += 1;
                } else {
                    load.ready += 1;
                    load.slow += usize::from(process.busy_for().is_some_and(|busy| busy > slow));
                }
            }
        }
        // A start that fails is tried alone.
        let wanted = scale::starts(&load);
        let wanted = if state.failures > 0 {
            wanted.min(1_usize.saturating_sub(load.starting))
        } else {
            wanted
        };
        (wanted, waiting)
    }

    /// Ends those that have been idle for too long.
    pub fn reap(&self, idle_for: Duration) {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.idle.retain(|idle| {
            let stays = now - idle.since < idle_for;
            if !stays {
                idle.process.stop();
            }
            stays
        });
    }

    /// Lets its processes go when they have done what waits.
    pub fn retire(&self) {
        let mut state = self.state.lock();
        state.retired = true;
        for idle in state.idle.drain(..) {
            idle.process.stop();
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Closes a retired pool that has nothing left to do.
    pub fn close_if_done(&self) -> bool {
        let state = self.state.lock();
        let done = state.retired && state.queue.is_empty() && state.members.is_empty();
        if done {
            self.closed.store(true, Ordering::Release);
        }
        done
    }

    /// Whether it takes no work any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl State {
    /// The oldest invocation that may still begin. Those that may not are given back to their callers.
    fn pop(&mut self) -> Option<Work> {
        let now = Instant::now();
        while let Some(work) = self.queue.pop_front() {
            if work.latest.is_none_or(|latest| now < latest) {
                return Some(work);
            }
            drop(work.permit);
            let _ = work.reply.send(Err(admission::throttled(false)));
        }
        None
    }

    /// Keeps how long invocations take: on the whole, and the quickest of late.
    fn learn(&mut self, took: Duration) {
        if self.mean.is_zero() {
            (self.mean, self.least) = (took, took);
            return;
        }
        self.mean = (self.mean * 15 + took) / 16;
        self.least = (self.least + self.least / 256 + Duration::from_nanos(1)).min(took);
    }
}
