//! What keeps a version's processes: starts them as they're needed, lets those go that are idle for long or replaced.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{pool::Pool, supervise};
use crate::cloud::{Cloud, Region};

/// How often it's looked whether waiting invocations need another process.
const TICK: Duration = Duration::from_millis(5);

/// Keeps a pool until its version is no longer the function's and all is done.
pub(super) async fn keep(cloud: Arc<Cloud>, region: Arc<Region>, pool: Arc<Pool>) {
    let limits = region.lambda.runner.limits();
    let cores = super::cores();
    let idle = cloud.delays.scaled(limits.idle);
    let look = limits.look.min(idle / 4).max(TICK);
    let mut look_at = Instant::now() + look;
    while !pool.close_if_done() {
        let is_crowded = region.lambda.runner.crowd.is_there();
        let (wanted, waiting) = pool.wanted(limits.processes, cores, is_crowded);
        for _ in 0..wanted {
            supervise::start(&cloud, &region, &pool);
        }
        if waiting {
            tokio::time::sleep(TICK).await;
        } else {
            let _ = tokio::time::timeout_at(look_at, pool.wake.notified()).await;
        }
        if Instant::now() >= look_at {
            pool.reap(idle);
            if limits.looks && is_replaced(&region, &pool) {
                pool.retire();
            }
            look_at = Instant::now() + look;
        }
    }
    region.lambda.runner.forget(&pool);
}

/// Whether the function, or the version, is gone or another by now.
fn is_replaced(region: &Region, pool: &Pool) -> bool {
    let version = &pool.version;
    match region
        .lambda
        .resolve(&format!("{}:{}", version.function_arn, version.version))
    {
        Ok(target) => target.version.revision != version.revision,
        // An update that is under way is an error too, but no end.
        Err(error) => error.status == hyper::StatusCode::NOT_FOUND,
    }
}
