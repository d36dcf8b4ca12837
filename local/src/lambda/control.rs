//! The control plane's state behind its lock, and what others see of it: the mappings that are to be polled.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{code::Packages, model::Mapping, rates::Rates, state::State};
use crate::{call::Call, clock::Millis};

/// One region's control plane.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) region: String,
    pub(super) state: RwLock<State>,
    pub(super) packages: Arc<Packages>,
    pub(super) polled: watch::Sender<Arc<Vec<Mapping>>>,
    /// What the pollers saw last, by the mapping's UUID.
    pub(super) results: Mutex<HashMap<String, String>>,
    pub(super) rates: Mutex<Rates>,
    /// How many bytes of events wait for their asynchronous invocation.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Control {
    pub(super) fn new(region: &str, work: PathBuf, kept: Option<PathBuf>) -> Self {
        Self {
            region: region.to_owned(),
            state: RwLock::default(),
            packages: Arc::new(Packages::new(work, kept)),
            polled: watch::channel(Arc::default()).0,
            results: Mutex::default(),
            rates: Mutex::default(),
            waiting: Arc::default(),
        }
    }

    /// Tells the pollers what there is to be polled, if that changed.
    pub(super) fn tell_pollers(&self) {
        // Reading within the channel's lock: the last to tell is the last to have read.
        self.polled.send_if_modified(|told| {
            let now = Millis::now();
            let mut state = self.state.write();
            state.forget_gone(now);
            let polled: Vec<Mapping> = state
                .mappings
                .values()
                .filter(|mapping| mapping.is_polled(now) && state.has(&mapping.function_arn))
                .map(Mapping::from)
                .collect();
            let is_new = **told != polled;
            if is_new {
                *told = Arc::new(polled);
            }
            is_new
        });
    }
}

/// Tells the pollers now, and again when what was begun is done.
pub(super) fn tell_pollers(call: &Call, takes: Duration) {
    call.region.lambda.control.tell_pollers();
    if takes.is_zero() {
        return;
    }
    let region = Arc::clone(&call.region);
    call.cloud.spawn(async move {
        tokio::time::sleep(takes.saturating_add(Duration::from_millis(1))).await;
        region.lambda.control.tell_pollers();
    });
}

/// The control plane that a call is for.
pub(super) fn of(call: &Call) -> &Control {
    &call.region.lambda.control
}
