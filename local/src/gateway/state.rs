//! A region's APIs and how they change: one change of one API at a time, whole or not at all.
//!
//! What connections meet is made ready with each change ([`Served`]), so that looking at it is a read lock and two
//! counts. Listings leave out what is too new to show, where the cloud is as slow as AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::model::{Api, Live, Snapshot, Stage};
use crate::{
    clock::Millis,
    fidelity::{Delay, Delays},
};

/// A region's APIs, and its setting for logs.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    /// By id.
    pub apis: BTreeMap<String, Entry>,
    /// The account's role for logs.
    pub logging_role: Option<String>,
    /// The last revision that was given. Whoever remembers one doesn't outlive the cloud.
    #[serde(skip)]
    pub revision: u64,
    #[serde(skip)]
    pub unlisted: Unlisted,
}

/// An API and what is derived from it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Entry {
    pub api: Api,
    #[serde(skip)]
    served: BTreeMap<String, Served>,
    #[serde(skip)]
    pub unlisted: Unlisted,
}

/// What connections to a stage meet.
#[derive(Debug)]
struct Served {
    stage: Arc<Stage>,
    snapshot: Arc<Snapshot>,
    /// Of the stage with `snapshot`; one less is that of the stage with what it served before.
    revision: u64,
}

/// What isn't in listings yet, and when it will be.
#[derive(Debug, Default)]
pub(super) struct Unlisted(BTreeMap<String, Millis>);

impl Unlisted {
    /// Something new: it's listed when a listing's delay is over.
    pub fn add(&mut self, id: &str, now: Millis, delays: Delays) {
        self.0.retain(|_, listed| *listed > now);
        let listed = now.after(delays.of(Delay::Listing));
        if listed > now {
            self.0.insert(id.to_owned(), listed);
        }
    }

    /// Whether a listing shows it.
    pub fn shows(&self, id: &str, now: Millis) -> bool {
        self.0.get(id).is_none_or(|listed| *listed <= now)
    }
}

/// An API that is being changed.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    /// What may be changed.
    pub api: &'a mut Api,
    /// Since when the change is.
    pub now: Millis,
    /// How slow the cloud is.
    pub delays: Delays,
    /// Whether what deployments freeze was changed.
    pub configured: bool,
    unlisted: &'a mut Unlisted,
}

impl<'a> Edit<'a> {
    /// One that starts now.
    pub fn new(entry: &'a mut Entry, now: Millis, delays: Delays) -> Self {
        for stage in entry.api.stages.values_mut() {
            // Nobody meets it any more: it needn't be held, or kept.
            stage.before.take_if(|_| stage.moves_at <= now);
        }
        Self {
            api: &mut entry.api,
            now,
            delays,
            configured: false,
            unlisted: &mut entry.unlisted,
        }
    }

    /// Something new in the API: listings show it later.
    pub fn added(&mut self, id: &str) {
        self.unlisted.add(id, self.now, self.delays);
    }

    /// Points a stage to a deployment. Connections meet it when it has spread.
    pub fn move_stage(&mut self, stage_name: &str, deployment_id: &str) {
        let Some(stage) = self.api.stages.get(stage_name) else {
            return;
        };
        if stage.deployment_id.as_deref() == Some(deployment_id) {
            return;
        }
        let moves_at = self.now.after(self.delays.of(Delay::Deployment));
        let before = self.met(stage).filter(|_| moves_at > self.now);
        if let Some(stage) = self.api.stages.get_mut(stage_name) {
            stage.deployment_id = Some(deployment_id.to_owned());
            // Nothing was there before: there's nothing that the new could be late for.
            stage.moves_at = if before.is_some() { moves_at } else { self.now };
            stage.before = before;
            stage.updated = self.now;
        }
    }

    /// What connections to a stage meet now.
    fn met(&self, stage: &Stage) -> Option<Arc<Snapshot>> {
        if let Some(before) = stage.before.as_ref().filter(|_| stage.moves_at > self.now) {
            return Some(Arc::clone(before));
        }
        deployed(self.api, stage)
    }
}

impl Entry {
    /// An API that is new or was kept.
    pub fn new(api: Api) -> Self {
        Self {
            api,
            ..Self::default()
        }
    }

    /// Makes ready what connections meet. What is as it was keeps its revision.
    pub fn refresh(&mut self, revision: &mut u64) {
        let mut old = std::mem::take(&mut self.served);
        for (name, stage) in &self.api.stages {
            let Some(snapshot) = deployed(&self.api, stage) else {
                continue;
            };
            let kept = old.remove(name).filter(|served| {
                Arc::ptr_eq(&served.snapshot, &snapshot) && same_stage(&served.stage, stage)
            });
            let served = kept.unwrap_or_else(|| {
                *revision += 2;
                Served {
                    stage: Arc::new(stage.clone()),
                    snapshot,
                    revision: *revision,
                }
            });
            self.served.insert(name.clone(), served);
        }
    }

    /// What connections to a stage meet.
    pub fn live(&self, stage: &str) -> Option<Live> {
        let served = self.served.get(stage)?;
        // The clock is looked at only while the stage moves.
        let before = served
            .stage
            .before
            .as_ref()
            .filter(|_| served.stage.moves_at > Millis::now());
        let (snapshot, revision) = match before {
            Some(before) => (before, served.revision - 1),
            None => (&served.snapshot, served.revision),
        };
        Some(Live {
            api_id: self.api.api_id.clone(),
            stage: Arc::clone(&served.stage),
            snapshot: Arc::clone(snapshot),
            revision,
        })
    }
}

/// Whether two states of a stage are the same, without looking into what it served before.
fn same_stage(a: &Stage, b: &Stage) -> bool {
    let before = match (&a.before, &b.before) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    let without = |stage: &Stage| Stage {
        before: None,
        ..stage.clone()
    };
    before && without(a) == without(b)
}

fn deployed(api: &Api, stage: &Stage) -> Option<Arc<Snapshot>> {
    let deployment = api.deployments.get(stage.deployment_id.as_deref()?)?;
    Some(Arc::clone(&deployment.snapshot))
}

/// An id as AWS's: lowercase letters and digits.
pub(super) fn new_id(length: usize, is_taken: impl Fn(&str) -> bool) -> String {
    const CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    loop {
        let id: String = (0..length)
            .filter_map(|_| CHARACTERS.get(rand::random_range(0..CHARACTERS.len())))
            .map(|character| char::from(*character))
            .collect();
        if !is_taken(&id) {
            return id;
        }
    }
}

/// Which APIs are being changed: AWS refuses a second change of the same one meanwhile.
#[derive(Debug, Default)]
pub(super) struct Busy(parking_lot::Mutex<BTreeSet<String>>);

/// An API's mark, gone when it's dropped.
#[derive(Debug)]
pub(super) struct Mark<'a> {
    busy: &'a Busy,
    api_id: &'a str,
}

impl Busy {
    /// Marks an API, unless it's marked.
    pub fn mark<'a>(&'a self, api_id: &'a str) -> Option<Mark<'a>> {
        let is_free = self.0.lock().insert(api_id.to_owned());
        // Made only if it's free: a mark that is dropped takes the other one's away.
        is_free.then(|| Mark { busy: self, api_id })
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.busy.0.lock().remove(self.api_id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Fidelity;

    #[test]
    fn what_is_new_is_listed_when_the_delay_is_over() {
        let delays = Delays::new(Fidelity::Aws, 1.0);
        let start = Millis(1_000);
        let mut unlisted = Unlisted::default();
        unlisted.add("a", start, delays);
        assert!(!unlisted.shows("a", start));
        assert!(unlisted.shows("b", start));
        let later = start.after(delays.of(Delay::Listing));
        assert!(!unlisted.shows("a", Millis(later.0 - 1)));
        assert!(unlisted.shows("a", later));
        unlisted.add("b", later.after(Duration::from_secs(9)), delays);
        assert_eq!(unlisted.0.len(), 1, "what is listed is forgotten");
        let instant = Delays::new(Fidelity::Instant, 1.0);
        unlisted.add("c", later, instant);
        assert!(unlisted.shows("c", later));
    }

    #[test]
    fn a_mark_is_gone_when_its_change_is_done() {
        let busy = Busy::default();
        let mark = busy.mark("a");
        assert!(mark.is_some());
        assert!(busy.mark("a").is_none());
        assert!(busy.mark("a").is_none(), "a refused one took nothing away");
        assert!(busy.mark("b").is_some());
        drop(mark);
        assert!(busy.mark("a").is_some());
    }

    #[test]
    fn ids_are_new() {
        let id = new_id(6, |id| id.starts_with('a'));
        assert_eq!(id.len(), 6);
        assert!(!id.starts_with('a'));
    }
}
