//! Applying a plan: its steps run side by side, as wide as their edges allow.
//!
//! A step that fails stops what depends on it and nothing else. Nothing is rolled back: the next run goes on from what
//! is there.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use super::{
    address::Address,
    event::{Event, Observer, Outcome},
    lock::Lease,
    plan::{Action, Change, Plan, differences, of_kind},
    properties::{has_unknown, resolve},
    resource::{Attributes, Context, Observed, Owner, Replacement, Resource},
    scope::Scope,
    stack::Stack,
    survey::Survey,
};
use crate::aws::{Aws, Class, Error};

/// Steps under way at once; the rate limits of [`Aws`] do the rest.
const WIDTH: usize = 32;
/// How long a create whose answer is lost each time, and whose resource isn't there afterwards, waits for the next try.
const CREATE_DELAYS_S: [u64; 4] = [1, 4, 15, 30];
/// How soon a step that waits notices that it's to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(250);

/// Asks a running apply to begin no further step.
#[derive(Debug, Default)]
pub struct Stop {
    is_requested: AtomicBool,
    requests: Notify,
}

impl Stop {
    /// Asks.
    pub fn request(&self) {
        self.is_requested.store(true, Ordering::SeqCst);
        self.requests.notify_waiters();
    }

    /// Whether anybody asked.
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }

    /// Waits until somebody asks.
    pub async fn requested(&self) {
        // Made before the look, so that a request between the two is heard.
        let request = self.requests.notified();
        if !self.is_requested() {
            request.await;
        }
    }
}

/// What everything needs that changes the cloud.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// Whose stage it is.
    pub scope: &'a Scope,
    /// What the stage is to have.
    pub stack: &'a Stack,
    /// The resource types.
    pub types: &'a [&'a dyn Resource],
    /// Who is told what happens.
    pub observer: Observer<'a>,
    /// Whether to begin no further step.
    pub stop: &'a Stop,
    /// Whether what holds data may be deleted with it.
    pub allow_data_loss: bool,
}

/// How each step ended.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// In the order in which they ended.
    pub steps: Vec<AppliedStep>,
    /// The attributes of every resource that's there.
    pub attributes: BTreeMap<Address, Attributes>,
}

/// How a step ended.
#[derive(Clone, Debug)]
pub struct AppliedStep {
    /// Whose step.
    pub address: Address,
    /// What it did.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

impl Applied {
    /// What is there before any step of `plan` is taken.
    pub fn before(plan: &Plan) -> Self {
        let attributes = plan
            .changes
            .iter()
            .filter(|change| matches!(change.action, Action::Keep | Action::Update))
            .filter_map(|change| {
                Some((
                    change.address.clone(),
                    change.observed.as_ref()?.attributes.clone(),
                ))
            })
            .collect();
        Self {
            steps: Vec::new(),
            attributes,
        }
    }

    /// Whether every step is done.
    pub fn is_complete(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step.outcome, Outcome::Done))
    }
}

/// A part of a change: most changes are one step, a replacement under a new name is two.
struct Step<'p> {
    change: &'p Change,
    resource: &'p dyn Resource,
    work: Work,
    after: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Create, update, or delete and create.
    Make,
    /// Delete.
    Remove,
    /// Take away what only the old state needed.
    Tighten,
    /// Nothing: it goes with its parent.
    GoneWithParent,
}

impl Step<'_> {
    fn action(&self) -> Action {
        match self.work {
            Work::Make => self.change.action,
            Work::Tighten => Action::Tighten,
            Work::Remove | Work::GoneWithParent => Action::Delete,
        }
    }
}

impl Engine<'_> {
    /// Applies `plan`, and changes nothing once `lease` is over.
    pub async fn apply(&self, plan: &Plan, lease: &Lease) -> Applied {
        let steps = steps(plan, self.stack, self.types);
        let mut outcomes: Vec<Option<Outcome>> = vec![None; steps.len()];
        let mut begun = vec![false; steps.len()];
        let mut settled_at: Vec<Option<Instant>> = vec![None; steps.len()];
        let mut applied = Applied::before(plan);
        let mut running = FuturesUnordered::new();
        loop {
            let mut ended_early = false;
            for index in 0..steps.len() {
                if begun[index] || running.len() >= WIDTH {
                    continue;
                }
                let step = &steps[index];
                if let Some(verdict) = self.may_begin(step, &steps, &outcomes) {
                    begun[index] = true;
                    match verdict {
                        Ok(()) => {
                            let desired = self.resolved(step, &applied.attributes);
                            let not_before = step
                                .after
                                .iter()
                                .filter_map(|&before| settled_at[before])
                                .max();
                            running.push(async move {
                                (index, self.take(step, desired, not_before, lease).await)
                            });
                        }
                        Err(outcome) => {
                            self.note(step, outcome.clone(), Duration::ZERO, &mut applied);
                            outcomes[index] = Some(outcome);
                            ended_early = true;
                        }
                    }
                }
            }
            let Some((index, (taken, elapsed))) = running.next().await else {
                // What was held back by a step that ended in this round without running is looked at again.
                if ended_early {
                    continue;
                }
                break;
            };
            let step = &steps[index];
            let outcome = match taken {
                Ok(changed) => {
                    if step.work == Work::Make {
                        settled_at[index] = Some(Instant::now() + self.settling_time(step));
                        applied
                            .attributes
                            .entry(step.change.address.clone())
                            .or_default()
                            .extend(changed);
                    }
                    Outcome::Done
                }
                Err(outcome) => outcome,
            };
            self.note(step, outcome.clone(), elapsed, &mut applied);
            outcomes[index] = Some(outcome);
        }
        applied
    }

    /// `None`: not yet. Otherwise whether to run, or how it ends without running.
    fn may_begin(
        &self,
        step: &Step<'_>,
        steps: &[Step<'_>],
        outcomes: &[Option<Outcome>],
    ) -> Option<Result<(), Outcome>> {
        let mut waiting = false;
        for &before in &step.after {
            match &outcomes[before] {
                None => waiting = true,
                Some(Outcome::Done) => {}
                Some(Outcome::Stopped) => return Some(Err(Outcome::Stopped)),
                Some(Outcome::NotBegun(cause)) => {
                    return Some(Err(Outcome::NotBegun(cause.clone())));
                }
                Some(Outcome::Failed(_) | Outcome::HoldsData(_)) => {
                    return Some(Err(Outcome::NotBegun(steps[before].change.address.clone())));
                }
            }
        }
        if self.stop.is_requested() {
            return Some(Err(Outcome::Stopped));
        }
        (!waiting).then_some(Ok(()))
    }

    fn note(&self, step: &Step<'_>, outcome: Outcome, elapsed: Duration, applied: &mut Applied) {
        (self.observer)(Event::Finished {
            address: step.change.address.clone(),
            action: step.action(),
            outcome: outcome.clone(),
            elapsed,
        });
        applied.steps.push(AppliedStep {
            address: step.change.address.clone(),
            action: step.action(),
            outcome,
            elapsed,
        });
    }

    fn resolved(&self, step: &Step<'_>, attributes: &BTreeMap<Address, Attributes>) -> Value {
        self.stack
            .get(&step.change.address)
            .map_or(Value::Null, |desired| {
                resolve(&desired.properties, &|reference| {
                    attributes
                        .get(&reference.address)?
                        .get(&reference.attribute)
                        .cloned()
                })
            })
    }

    /// How long AWS may act on what was there before the step. An endpoint of one's own acts at once.
    fn settling_time(&self, step: &Step<'_>) -> Duration {
        if self.aws.has_own_endpoint() {
            Duration::ZERO
        } else {
            step.resource.settling_time()
        }
    }

    /// Takes a step, but what removes something not before `not_before`.
    async fn take(
        &self,
        step: &Step<'_>,
        desired: Value,
        not_before: Option<Instant>,
        lease: &Lease,
    ) -> (Result<Attributes, Outcome>, Duration) {
        let started = Instant::now();
        let address = &step.change.address;
        (self.observer)(Event::Started {
            address: address.clone(),
            action: step.action(),
        });
        let notify = |waits_for: &str| {
            (self.observer)(Event::Waiting {
                address: address.clone(),
                waits_for: waits_for.to_owned(),
            });
        };
        let context = Context {
            aws: self.aws,
            scope: self.scope,
            notify: &notify,
            lease,
        };
        if matches!(step.work, Work::Remove | Work::Tighten)
            && let Some(not_before) = not_before.filter(|not_before| *not_before > Instant::now())
        {
            notify("AWS to have moved over everywhere");
            while Instant::now() < not_before {
                if self.stop.is_requested() {
                    return (Err(Outcome::Stopped), started.elapsed());
                }
                sleep_until(not_before.min(Instant::now() + STOP_INTERVAL)).await;
            }
        }
        let result = match (step.work, &step.change.observed) {
            (Work::Make, _) => self.make(&context, step, desired).await,
            (Work::Remove, Some(observed)) => self
                .remove(&context, step.resource, observed)
                .await
                .map(|()| Attributes::new()),
            (Work::Tighten, Some(observed)) => step
                .resource
                .tighten(&context, observed, &desired)
                .await
                .map(|()| Attributes::new())
                .map_err(Outcome::from),
            _ => Ok(Attributes::new()),
        };
        (result, started.elapsed())
    }

    /// Deletes, unless data came since the plan was made and nobody said that it may go.
    async fn remove(
        &self,
        context: &Context<'_>,
        resource: &dyn Resource,
        observed: &Observed,
    ) -> Result<(), Outcome> {
        if !self.allow_data_loss
            && let Some(lost) = resource.data_at_risk(context, observed).await?
        {
            return Err(Outcome::HoldsData(lost));
        }
        Ok(resource.delete(context, observed).await?)
    }

    async fn make(
        &self,
        context: &Context<'_>,
        step: &Step<'_>,
        desired: Value,
    ) -> Result<Attributes, Outcome> {
        let resource = step.resource;
        if has_unknown(&desired) {
            return Err(Error::internal(format!(
                "{} needs an attribute that nobody gave",
                step.change.address
            ))
            .into());
        }
        match (step.change.action, &step.change.observed) {
            (Action::Update, Some(observed)) => {
                let fields = differences(resource, Some(observed), &desired);
                if fields.is_empty() && !step.change.fields.is_empty() {
                    // What wasn't known when planning turned out to be what it was.
                    return Ok(Attributes::new());
                }
                Ok(resource
                    .update(context, observed, &desired, &fields)
                    .await?)
            }
            (Action::Replace, Some(observed))
                if resource.replacement() == Replacement::DeleteFirst =>
            {
                self.remove(context, resource, observed).await?;
                Ok(self.create(context, step, &desired).await?)
            }
            _ => Ok(self.create(context, step, &desired).await?),
        }
    }

    /// Creates; or, when AWS says that it's there or the answer was lost, looks for it and takes it over.
    async fn create(
        &self,
        context: &Context<'_>,
        step: &Step<'_>,
        desired: &Value,
    ) -> Result<Attributes, Error> {
        let mut delays = CREATE_DELAYS_S.into_iter().map(Duration::from_secs);
        loop {
            let error = match step.resource.create(context, desired).await {
                Ok(attributes) => return Ok(attributes),
                Err(error) => error,
            };
            if !matches!(error.class(), Class::Ambiguous | Class::AlreadyExists) {
                return Err(error);
            }
            (context.notify)("what the call may have made");
            if let Some(found) = self
                .find(&step.change.address, step.change.observed.as_ref())
                .await?
            {
                if found.owner == Owner::SomebodyElse {
                    return Err(error);
                }
                let fields = differences(step.resource, Some(&found), desired);
                let mut attributes = found.attributes.clone();
                if !fields.is_empty() {
                    attributes.extend(
                        step.resource
                            .update(context, &found, desired, &fields)
                            .await?,
                    );
                }
                return Ok(attributes);
            }
            let Some(delay) = delays.next().filter(|_| error.class() == Class::Ambiguous) else {
                return Err(error);
            };
            sleep(delay).await;
        }
    }

    /// The resource at `address` as the cloud has it now, other than the one that it's to replace.
    async fn find(
        &self,
        address: &Address,
        but: Option<&Observed>,
    ) -> Result<Option<Observed>, Error> {
        let survey = Survey::new(self.aws, self.scope, self.stack, self.types);
        let listing = survey.of(address.kind()).await?;
        Ok(listing
            .iter()
            .find(|found| found.address == *address && but.is_none_or(|but| but.id != found.id))
            .cloned())
    }
}

/// The steps of a plan, and what each comes after.
fn steps<'p>(plan: &'p Plan, stack: &Stack, types: &'p [&'p dyn Resource]) -> Vec<Step<'p>> {
    let mut steps: Vec<Step<'p>> = Vec::new();
    for change in plan.effective() {
        let Some(resource) = of_kind(types, change.address.kind()) else {
            continue;
        };
        let mut push = |work| {
            steps.push(Step {
                change,
                resource,
                work,
                after: Vec::new(),
            });
        };
        match change.action {
            Action::Delete if change.deleted_with.is_some() => push(Work::GoneWithParent),
            Action::Delete => push(Work::Remove),
            Action::Replace if resource.replacement() == Replacement::CreateFirst => {
                push(Work::Make);
                push(Work::Remove);
            }
            Action::Update if resource.narrows(&change.fields) => {
                push(Work::Make);
                push(Work::Tighten);
            }
            _ => push(Work::Make),
        }
    }
    let edges: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| before(step, &steps, stack))
        .collect();
    for (step, after) in steps.iter_mut().zip(edges) {
        step.after = after;
    }
    steps
}

/// The steps that must be done before `step`.
fn before(step: &Step<'_>, steps: &[Step<'_>], stack: &Stack) -> Vec<usize> {
    let needs = stack
        .get(&step.change.address)
        .map(super::stack::Desired::needs)
        .unwrap_or_default();
    let precedes = |other: &Step<'_>| {
        let kind = other.change.address.kind();
        match step.work {
            Work::Make => {
                (other.work == Work::Make && needs.contains(&other.change.address))
                    || (matches!(other.work, Work::Remove | Work::GoneWithParent)
                        && step.resource.follows_deletions_of().contains(&kind))
            }
            Work::Remove => {
                step.resource.deleted_after().contains(&kind)
                    // The old one of a replacement goes when the new one is there and whoever needs it has moved.
                    || (step.change.action == Action::Replace
                        && other.work == Work::Make
                        && (other.change.address == step.change.address
                            || stack.get(&other.change.address).is_some_and(|desired| {
                                desired.needs().contains(&step.change.address)
                            })))
            }
            Work::Tighten => {
                step.resource.deleted_after().contains(&kind)
                    || (other.work == Work::Make && other.change.address == step.change.address)
            }
            Work::GoneWithParent => {
                other.work == Work::Remove
                    && step.change.deleted_with.as_ref() == Some(&other.change.address)
            }
        }
    };
    steps
        .iter()
        .enumerate()
        .filter(|(_, other)| !std::ptr::eq(*other, step) && precedes(other))
        .map(|(index, _)| index)
        .collect()
}
