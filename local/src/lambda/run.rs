//! Running functions: processes that ask for work over the Runtime API, and whom an invocation gives it to.
//!
//! In: a [`Target`] and a payload. Out: what the function returned, or what Lambda says when it couldn't. A process is the
//! zip's `bootstrap`, started as a real process of this machine in a group of its own, with AWS's environment. It runs one
//! invocation at a time and is kept for the next one. What it writes goes to its log group, if its role allows that.
//!
//! Where AWS differs: memory isn't limited here, and a function gets at most [`Limits::processes`] processes, started as
//! `scale` sees fit: a burst of short invocations is queued for the processes that there are, where AWS would start one
//! for each invocation. Concurrency is counted as AWS counts it all the same: queued invocations are under way.

mod admission;
mod api;
pub(super) mod crowd;
mod environment;
mod keeper;
mod log;
mod meters;
mod outcome;
mod output;
mod pool;
mod process;
mod report;
mod scale;
mod supervise;
#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::{sync::oneshot, time::Instant};

pub use self::api::{runtime_api, too_large};
use self::{
    admission::Function,
    crowd::Crowd,
    pool::{Pool, Work},
    process::Process,
};
use crate::{
    cloud::{Cloud, Region},
    error::{AwsError, Result},
    lambda::{Invoked, model::Target},
};

/// Times and counts that bound what running functions costs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a process may take to ask for its first work: Lambda's init phase has 10 s.
    pub init: Duration,
    /// How long an idle process is kept. AWS doesn't say; minutes are what is seen.
    pub idle: Duration,
    /// How often it's looked whether a process's version is still the function's.
    pub look: Duration,
    /// Whether that is looked at.
    pub looks: bool,
    /// Processes of one version.
    pub processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = cores();
        Self {
            init: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            look: Duration::from_secs(1),
            looks: true,
            processes: cores.saturating_mul(32).clamp(128, 512),
        }
    }
}

/// What is running in a region.
#[derive(Debug, Default)]
pub struct Runner {
    functions: RwLock<HashMap<String, Arc<Function>>>,
    /// By the number in their ids.
    processes: RwLock<HashMap<u128, Arc<Process>>>,
    /// Invocations under way of functions without reserved concurrency.
    unreserved: Arc<AtomicU32>,
    limits: RwLock<Limits>,
    /// Whether processors are short.
    pub(super) crowd: Arc<Crowd>,
    /// Whether the region's event source mappings are polled.
    pub(super) polls: AtomicBool,
}

/// An invocation that was run, and how long the function itself took.
#[derive(Debug)]
pub struct Ran {
    /// What it came to.
    pub invoked: Invoked,
    /// From when the process got it to when it answered.
    pub took: Duration,
}

impl Runner {
    /// Sets the bounds for processes that are started from now on.
    pub fn limit(&self, limits: Limits) {
        *self.limits.write() = limits;
    }

    fn limits(&self) -> Limits {
        *self.limits.read()
    }

    /// The ids of the operating system's processes there are.
    pub fn pids(&self) -> Vec<u32> {
        let processes = self.processes.read();
        processes.values().filter_map(|one| one.pid()).collect()
    }

    /// Whether invocations of a function wait for one of its processes.
    pub(super) fn waits(&self, function: &str) -> bool {
        let functions = self.functions.read();
        functions
            .get(function)
            .is_some_and(|function| function.pools.read().values().any(|pool| pool.waits()))
    }

    fn function(&self, name: &str) -> Arc<Function> {
        if let Some(function) = self.functions.read().get(name) {
            return Arc::clone(function);
        }
        let mut functions = self.functions.write();
        Arc::clone(functions.entry(name.to_owned()).or_default())
    }

    /// Lets go of a pool that is closed.
    fn forget(&self, pool: &Arc<Pool>) {
        let function = self.function(&pool.version.function);
        let mut pools = function.pools.write();
        if let Some(held) = pools.get(&pool.version.version)
            && Arc::ptr_eq(held, pool)
        {
            pools.remove(&pool.version.version);
        }
    }

    fn process(&self, number: u128) -> Option<Arc<Process>> {
        self.processes.read().get(&number).cloned()
    }
}

/// Runs a function and waits for what it returns.
///
/// `function` is a name or an ARN, with or without a qualifier. Throttled (`TooManyRequestsException`) if its concurrency
/// is used up: whoever calls decides whether to try again. An invocation whose caller doesn't wait any longer runs on.
pub async fn invoke(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    function: &str,
    payload: Bytes,
) -> Result<Invoked> {
    let target = region.lambda.resolve(function)?;
    perform(cloud, region, &target, payload)
        .await
        .map(|ran| ran.invoked)
}

/// Runs what a name was resolved to.
pub async fn perform(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    target: &Target,
    payload: Bytes,
) -> Result<Ran> {
    perform_by(cloud, region, target, payload, None).await
}

/// The same for what must begin by a certain time: it's throttled if no process was free until then, as AWS would have done
/// at once.
pub async fn perform_by(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    target: &Target,
    payload: Bytes,
    latest: Option<Instant>,
) -> Result<Ran> {
    let runner = &region.lambda.runner;
    let function = runner.function(&target.version.function);
    let (reply, outcome) = oneshot::channel();
    let mut pool = pool_of(cloud, region, &function, target);
    let meters = pool.meters(region, &target.invoked_arn);
    let permit = match function.admit(&runner.unreserved, target.reserved_concurrency) {
        Ok(permit) => permit,
        Err(error) => {
            meters.throttled();
            return Err(error);
        }
    };
    meters.began(permit.under_way());
    let mut work = Work::new(
        target.invoked_arn.as_str().into(),
        payload,
        latest,
        permit,
        meters,
        reply,
    );
    // A pool that has just been closed gives the work back; the next one is new.
    while let Err(back) = pool.submit(work) {
        work = *back;
        pool = pool_of(cloud, region, &function, target);
    }
    match outcome.await {
        Ok(ran) => ran,
        Err(_) => Err(AwsError::new(
            500,
            "ServiceException",
            "The cloud ended before the function answered.",
        )),
    }
}

/// The processes of a version; those of an earlier revision of it are let go.
fn pool_of(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    function: &Arc<Function>,
    target: &Target,
) -> Arc<Pool> {
    let version = &target.version;
    let usable = |pool: &Arc<Pool>| pool.version.revision == version.revision && !pool.is_closed();
    if let Some(pool) = function.pools.read().get(&version.version)
        && usable(pool)
    {
        return Arc::clone(pool);
    }
    let mut pools = function.pools.write();
    if let Some(pool) = pools.get(&version.version) {
        if usable(pool) {
            return Arc::clone(pool);
        }
        pool.retire();
    }
    let pool = Arc::new(Pool::new(Arc::clone(version)));
    pools.insert(version.version.clone(), Arc::clone(&pool));
    cloud.spawn(keeper::keep(
        Arc::clone(cloud),
        Arc::clone(region),
        Arc::clone(&pool),
    ));
    pool
}

/// How many processors there are.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
