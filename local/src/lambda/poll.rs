//! Event source mappings at work: taking messages from queues and running functions with them.
//!
//! One poller a mapping, told by `Lambda::mappings` what there is to poll. A poller waits for the queue to say that there is
//! something, takes a batch when there's a place for one, and lets it run by itself: the function is invoked, and what it
//! doesn't report as failed is deleted. What isn't deleted comes back by the queue's own means.
//!
//! `event`, `filter` and `verdict` decide, purely; `poller` and `batch` act.

mod batch;
mod event;
mod filter;
mod poller;
mod slots;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use tokio_util::sync::CancellationToken;

use crate::{
    cloud::{Cloud, Region},
    lambda::model::Mapping,
};

/// Lets a region's mappings be polled from now on; nothing if they are already.
pub fn start(cloud: &Arc<Cloud>, region: &Arc<Region>) {
    if !region.lambda.runner.polls.swap(true, Ordering::AcqRel) {
        cloud.spawn(supervise(Arc::clone(cloud), Arc::clone(region)));
    }
}

/// A poller for each mapping; one that changes gets a new one. A poller that is stopped lets its batches finish.
async fn supervise(cloud: Arc<Cloud>, region: Arc<Region>) {
    let mut mappings = region.lambda.mappings();
    let mut pollers: HashMap<String, (Mapping, CancellationToken)> = HashMap::new();
    loop {
        let wanted = Arc::clone(&mappings.borrow_and_update());
        pollers.retain(|_, (mapping, stop)| {
            let stays = wanted.contains(mapping);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for mapping in wanted.iter() {
            pollers.entry(mapping.uuid.clone()).or_insert_with(|| {
                let stop = CancellationToken::new();
                cloud.spawn(poller::run(
                    Arc::clone(&cloud),
                    Arc::clone(&region),
                    Arc::new(mapping.clone()),
                    stop.clone(),
                ));
                (mapping.clone(), stop)
            });
        }
        if mappings.changed().await.is_err() {
            return;
        }
    }
}
