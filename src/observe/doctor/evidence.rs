//! What the doctor looks at: gathered once, side by side, and from then on a value. Reads only.
//!
//! What can't be looked at is missing in it, and named in [`Evidence::unseen`]: the rest is told all the same.

mod figures;
mod logs;
mod states;

use std::collections::BTreeMap;

use futures::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use self::{
    figures::Figures,
    logs::{Closed, Failed},
    states::{
        AccountState, AlarmState, ApiState, FunctionState, MappingState, QueueState, TableState,
    },
};
use super::probe::Probed;
use crate::{
    aws::{Aws, Error},
    diagnostic::Diagnostic,
    engine::{
        address::Address,
        bucket::Bucket,
        lock::{self, Holder, LockError},
        plan::{Foreign, Plan, plan},
        properties::resolve,
        record::{self, Record},
        resource::{Observed, Owner},
        scope::Scope,
        stack::{Desired, Stack},
        survey::{Observation, Survey},
    },
    manifest::{HandlerName, Manifest},
    observe::LogLine,
    project::Project,
    resource::{self, function},
    stack::{Code, Codes, builtins},
};

/// How far back logs and figures are read, unless the last deployment is younger.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How long after a deployment API Gateway may answer by the one before: some 75 to 85 s were seen [STK], aws-facts 1.8b.
const MOVING: SignedDuration = SignedDuration::from_mins(2);

/// Everything that is known of a stage.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Whose stage.
    pub scope: Scope,
    /// The arguments by which a command finds it.
    pub place: String,
    /// What it's to be.
    pub manifest: Manifest,
    /// From when on logs and figures were read.
    pub since: Timestamp,
    /// What it's to be made of; the code is taken to be what is there.
    pub stack: Stack,
    /// What is there.
    pub observation: Observation,
    /// How the two differ.
    pub plan: Plan,
    /// What bears the stage's names and is somebody else's.
    pub foreign: Vec<Foreign>,
    /// The last deployment.
    pub last: Option<Record>,
    /// Who deploys now.
    pub lock: Option<Holder>,
    /// The API and its stage, beyond what the plan compares.
    pub api: ApiState,
    /// The functions, by handler.
    pub functions: BTreeMap<String, FunctionState>,
    /// The event source mappings, by handler.
    pub mappings: BTreeMap<String, MappingState>,
    /// The queues, by name.
    pub queues: BTreeMap<String, QueueState>,
    /// The registry's table, if there's one.
    pub table: Option<TableState>,
    /// The alarms, by name.
    pub alarms: BTreeMap<String, AlarmState>,
    /// What was logged that tells of trouble, in order.
    pub logs: Vec<LogLine>,
    /// How connections ended that didn't end in order.
    pub closed: Vec<Closed>,
    /// CloudWatch's figures.
    pub figures: Figures,
    /// What API Gateway's access log says failed.
    pub failed: Vec<Failed>,
    /// What the account brings.
    pub account: AccountState,
    /// Whether API Gateway may still be moving over to the last deployment: then old and new answer in turn.
    pub is_moving: bool,
    /// What would build the handlers; or why nothing would.
    pub toolchain: Result<String, Vec<Diagnostic>>,
    /// What became of messages that were sent to try it out.
    pub probed: Option<Probed>,
    /// What couldn't be looked at.
    pub unseen: Vec<Error>,
}

impl Evidence {
    /// Looks at everything. `place` are the arguments by which another command finds the stage; `since` says from when on logs and figures count, if not from the last deployment.
    pub async fn gather(
        aws: &Aws,
        project: &Project,
        place: String,
        since: Option<Timestamp>,
        probed: Option<Probed>,
    ) -> Result<Self, Diagnostic> {
        let scope = project.scope(aws.identity());
        let manifest = &project.manifest;
        let now = Timestamp::now();
        // Names don't depend on the code, and more isn't needed to look.
        let named = project.stack(&codes(manifest, &[]), &scope)?;
        let bucket = || Bucket::new(aws, &scope);
        let (((resources, hidden), toolchain), (last, lock)) = join(
            Box::pin(join(survey(aws, &scope, &named), project.toolchain())),
            Box::pin(join(record::last(bucket()), lock::read(bucket()))),
        )
        .await;
        let mut unseen = Vec::new();
        let (last, _) = seen(last, &mut unseen);
        // What stands there and isn't a lock stops a deployment, not the system.
        let lock = match lock {
            Err(LockError::Aws(error)) => seen(Err(error), &mut unseen),
            lock => lock.unwrap_or_default(),
        };
        let lock = lock.map(|(holder, _)| holder);
        let since = since.unwrap_or_else(|| beginning(now, last.as_ref()));

        let stack = project.stack(&codes(manifest, &resources), &scope)?;
        let comparable = comparable(&stack, &hidden);
        let observation = Observation { resources };
        let (plan, foreign) = match plan(&comparable, &observation, resource::ALL) {
            Ok(plan) => (plan, Vec::new()),
            Err(foreign) => (Plan::default(), foreign),
        };

        let look = states::Look {
            aws,
            scope: &scope,
            resources: &observation.resources,
        };
        let things: Vec<&str> = functions(manifest).collect();
        let (states, figures, logs, closed, failed) = futures::join!(
            look.everything(),
            figures::read(aws, &scope, &observation.resources, since, now),
            logs::troubles(aws, &scope, &things, since),
            logs::closings(aws, &scope, closer(manifest), since),
            logs::failures(aws, &scope, since),
        );
        let (states, errors) = states;
        for error in hidden.into_iter().map(|(_, error)| error).chain(errors) {
            note(error, &mut unseen);
        }
        let figures = seen(figures, &mut unseen);
        let logs = seen(logs, &mut unseen);
        let closed = seen(closed, &mut unseen);
        let failed = seen(failed, &mut unseen);
        let is_moving = !aws.has_own_endpoint()
            && last
                .as_ref()
                .is_some_and(|last| now.duration_since(done(last)) < MOVING);
        Ok(Self {
            scope,
            place,
            manifest: manifest.clone(),
            since,
            stack,
            observation,
            plan,
            foreign,
            last,
            lock,
            api: states.api,
            functions: states.functions,
            mappings: states.mappings,
            queues: states.queues,
            table: states.table,
            alarms: states.alarms,
            logs,
            closed,
            failed,
            figures,
            account: states.account,
            is_moving,
            toolchain: toolchain.map_err(|error| error.diagnostics()),
            probed,
            unseen,
        })
    }

    /// A command for this stage, as one types it.
    pub fn command(&self, what: &str) -> String {
        format!("`wsless {what} {}`", self.place)
    }

    /// The stage's own resource at an address.
    pub fn observed(&self, address: &Address) -> Option<&Observed> {
        self.observation
            .resources
            .iter()
            .find(|found| found.address == *address && found.owner == Owner::Us)
    }

    /// What a resource is to be, with what is known of others put in.
    pub fn desired(&self, address: &Address) -> Option<Value> {
        let desired = self.stack.get(address)?;
        Some(resolve(&desired.properties, &|reference| {
            self.observed(&reference.address)?
                .attributes
                .get(&reference.attribute)
                .cloned()
        }))
    }

    /// The address that clients connect to.
    pub fn endpoint(&self) -> Option<String> {
        let attributes = self
            .observation
            .resources
            .iter()
            .filter(|found| found.owner == Owner::Us)
            .map(|found| (found.address.clone(), found.attributes.clone()))
            .collect();
        crate::project::endpoint(&attributes, &self.scope.stage)
    }
}

/// The handlers of a stage, the built-in ones among them.
pub fn functions(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let handlers = manifest.handlers.keys().map(HandlerName::as_str);
    handlers.chain(builtins(manifest))
}

/// The handler that hears of closed connections.
fn closer(manifest: &Manifest) -> &str {
    let own = manifest
        .routes
        .iter()
        .find(|(key, _)| key.as_str() == "$disconnect");
    own.map_or(crate::stack::builtin::DISCONNECT, |(_, route)| {
        route.handler.as_str()
    })
}

/// From when on trouble counts: since the last deployment was done, and an hour at most.
fn beginning(now: Timestamp, last: Option<&Record>) -> Timestamp {
    let earliest = now - WINDOW;
    let deployed = last.filter(|last| last.complete).map(done);
    deployed.map_or(earliest, |deployed| deployed.clamp(earliest, now))
}

/// When a deployment was done.
fn done(last: &Record) -> Timestamp {
    let took = SignedDuration::try_from_secs_f64(last.seconds).unwrap_or_default();
    last.started_at + took
}

/// Each function's code as it is: whether it's what the project would build isn't the question.
fn codes(manifest: &Manifest, resources: &[Observed]) -> Codes {
    functions(manifest)
        .map(|thing| {
            let there = resources.iter().find(|found| {
                found.address == Address::new(function::KIND, thing) && found.owner == Owner::Us
            });
            let sha256 = there.and_then(|found| found.properties["code_sha256"].as_str());
            let code = Code {
                sha256: sha256.unwrap_or_default().to_owned(),
                package: String::new(),
            };
            (thing.to_owned(), code)
        })
        .collect()
}

/// All that the stage owns, kind by kind: one that can't be listed doesn't hide the others.
async fn survey(
    aws: &Aws,
    scope: &Scope,
    stack: &Stack,
) -> (Vec<Observed>, Vec<(&'static str, Error)>) {
    let survey = &Survey::new(aws, scope, stack, resource::ALL);
    let kinds = resource::ALL
        .iter()
        .filter(|resource| !resource.is_shared() || survey.names(resource.kind()).next().is_some());
    let listings = kinds.map(|resource| async move {
        let kind = resource.kind();
        (kind, survey.of(kind).await)
    });
    let (mut resources, mut failed) = (Vec::new(), Vec::new());
    for (kind, listing) in join_all(listings).await {
        match listing {
            Ok(found) => resources.extend(found.iter().cloned()),
            Err(error) => failed.push((kind, error)),
        }
    }
    (resources, failed)
}

/// The stack without what couldn't be looked at: what isn't seen isn't missing.
fn comparable(stack: &Stack, hidden: &[(&'static str, Error)]) -> Stack {
    let is_seen = |desired: &&Desired| {
        !hidden
            .iter()
            .any(|(kind, _)| *kind == desired.address.kind())
    };
    Stack {
        resources: stack.resources.iter().filter(is_seen).cloned().collect(),
    }
}

/// What was looked up; why not, if it wasn't, is kept once.
fn seen<T: Default>(looked_up: Result<T, Error>, unseen: &mut Vec<Error>) -> T {
    match looked_up {
        Ok(found) => found,
        Err(error) if error.is_not_found() => T::default(),
        Err(error) => {
            note(error, unseen);
            T::default()
        }
    }
}

fn note(error: Error, unseen: &mut Vec<Error>) {
    if !unseen
        .iter()
        .any(|known| known.to_string() == error.to_string())
    {
        unseen.push(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(started_at: Timestamp, complete: bool) -> Record {
        Record {
            schema: 1,
            number: 1,
            command: "deploy".into(),
            complete,
            started_at,
            seconds: 30.0,
            identity: String::new(),
            run: None,
            commit: None,
            wsless: String::new(),
            resources: BTreeMap::new(),
            meant: BTreeMap::new(),
            changes: BTreeMap::new(),
        }
    }

    #[test]
    fn trouble_counts_from_the_last_deployments_end_and_an_hour_at_most() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let hour_ago = now - SignedDuration::from_hours(1);
        assert_eq!(beginning(now, None), hour_ago);
        let recent = record(now - SignedDuration::from_mins(10), true);
        assert_eq!(
            beginning(now, Some(&recent)),
            now - SignedDuration::from_secs(570)
        );
        let old = record(now - SignedDuration::from_hours(9), true);
        assert_eq!(beginning(now, Some(&old)), hour_ago);
        let cut_off = record(now - SignedDuration::from_mins(10), false);
        assert_eq!(beginning(now, Some(&cut_off)), hour_ago);
    }
}
