//! The engine against resource types that live in memory: its laws, without a cloud.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    address::Address,
    apply::{Applied, Engine, Stop},
    drift,
    event::Outcome,
    lock::Lease,
    plan::{Action, FieldChange, Plan, plan},
    properties::{Text, is_unknown},
    record::Record,
    resource::{Attributes, Context, Observed, Owner, Replacement, Resource},
    scope::Scope,
    stack::{Builder, Stack, StackError},
    survey::{Observation, Survey},
};
use crate::aws::{Aws, Error, Identity, Operation, Service};

const OPERATION: Operation = Operation::create(Service::Sts, "Test");

/// A type whose resources are a map, with a log of what was done to them.
struct Things {
    kind: &'static str,
    cloud: &'static Cloud,
    deleted_after: &'static [&'static str],
    follows_deletions_of: &'static [&'static str],
    renewed_by: &'static [&'static str],
    parent: Option<&'static str>,
    replacement: Replacement,
    settling_time: Duration,
    holds: Option<&'static str>,
}

#[derive(Default)]
struct Cloud {
    there: Mutex<BTreeMap<Address, Vec<Observed>>>,
    log: Mutex<Vec<String>>,
    failing: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cloud {
    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    fn put(&self, observed: Observed) {
        lock(&self.there)
            .entry(observed.address.clone())
            .or_default()
            .push(observed);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.log))
    }

    fn note(&self, what: &str, address: &Address) -> Result<(), Error> {
        let line = format!("{what} {address}");
        let fails = lock(&self.failing).contains(&line);
        lock(&self.log).push(line);
        if fails {
            Err(Error::unexpected(OPERATION, "no"))
        } else {
            Ok(())
        }
    }

    fn observation(&self) -> Observation {
        Observation {
            resources: lock(&self.there).values().flatten().cloned().collect(),
        }
    }
}

impl Things {
    fn new(kind: &'static str, cloud: &'static Cloud) -> Self {
        Self {
            kind,
            cloud,
            deleted_after: &[],
            follows_deletions_of: &[],
            renewed_by: &[],
            parent: None,
            replacement: Replacement::DeleteFirst,
            settling_time: Duration::ZERO,
            holds: None,
        }
    }

    fn address(&self, desired: &Value) -> Address {
        Address::new(self.kind, desired["name"].as_str().unwrap_or_default())
    }
}

#[async_trait]
impl Resource for Things {
    fn kind(&self) -> &'static str {
        self.kind
    }

    async fn list(&self, _survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let there = lock(&self.cloud.there);
        Ok(there
            .values()
            .flatten()
            .filter(|found| found.address.kind() == self.kind)
            .cloned()
            .collect())
    }

    async fn create(&self, _context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let address = self.address(desired);
        self.cloud.note("create", &address)?;
        tokio::task::yield_now().await;
        let id = format!("id-of-{address}");
        self.cloud
            .put(Observed::new(address, id.clone(), desired).with("id", id.clone()));
        Ok(Attributes::from([("id".to_owned(), id)]))
    }

    async fn update(
        &self,
        _context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        self.cloud.note("update", &observed.address)?;
        let id = format!("{}-next", observed.id);
        let next =
            Observed::new(observed.address.clone(), id.clone(), desired).with("id", id.clone());
        lock(&self.cloud.there).insert(observed.address.clone(), vec![next]);
        Ok(Attributes::from([("id".to_owned(), id)]))
    }

    async fn delete(&self, _context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        self.cloud.note("delete", &observed.address)?;
        if let Some(there) = lock(&self.cloud.there).get_mut(&observed.address) {
            there.retain(|found| found.id != observed.id);
        }
        Ok(())
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "fixed"
    }

    fn narrows(&self, fields: &[FieldChange]) -> bool {
        fields.iter().any(|field| field.path == "allows")
    }

    async fn tighten(
        &self,
        _context: &Context<'_>,
        observed: &Observed,
        _desired: &Value,
    ) -> Result<(), Error> {
        self.cloud.note("tighten", &observed.address)
    }

    fn settling_time(&self) -> Duration {
        self.settling_time
    }

    async fn data_at_risk(
        &self,
        _context: &Context<'_>,
        _observed: &Observed,
    ) -> Result<Option<String>, Error> {
        Ok(self.holds.map(str::to_owned))
    }

    fn replacement(&self) -> Replacement {
        self.replacement
    }

    fn changing_attributes(&self) -> &'static [&'static str] {
        &["id"]
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        self.deleted_after
    }

    fn follows_deletions_of(&self) -> &'static [&'static str] {
        self.follows_deletions_of
    }

    fn renewed_by(&self) -> &'static [&'static str] {
        self.renewed_by
    }

    fn parent(&self) -> Option<&'static str> {
        self.parent
    }

    fn is_secret(&self, path: &str) -> bool {
        path == "secret"
    }
}

fn scope() -> Scope {
    Scope {
        project: "p".into(),
        stage: "s".into(),
        identity: Identity {
            account: "123456789012".into(),
            partition: "aws".into(),
            region: "eu-west-1".into(),
            arn: "arn:aws:iam::123456789012:user/x".into(),
        },
    }
}

async fn apply(stack: &Stack, plan: &Plan, types: &[&dyn Resource], stop: &Stop) -> Applied {
    let scope = scope();
    let aws = Aws::offline(&scope.identity);
    let engine = Engine {
        aws: &aws,
        scope: &scope,
        stack,
        types,
        observer: &|_| (),
        stop,
        allow_data_loss: false,
    };
    engine.apply(plan, &Lease::unlimited()).await
}

fn actions(plan: &Plan) -> Vec<String> {
    plan.effective()
        .map(|change| format!("{} {}", change.action.as_str(), change.address))
        .collect()
}

/// `b` refers to `a`.
fn pair(size: u32) -> Stack {
    let mut builder = Builder::default();
    let a = builder.add("x", "a", &json!({ "name": "a", "size": size }));
    builder.add(
        "y",
        "b",
        &json!({ "name": "b", "a": Text::reference(&a, "id") }),
    );
    builder.build().unwrap()
}

#[test]
fn a_stack_is_ordered_by_need_whatever_order_it_is_written_in() {
    let mut builder = Builder::default();
    let later = Address::new("x", "later");
    builder.add(
        "x",
        "first",
        &json!({ "of": Text::reference(&later, "id") }),
    );
    builder.add("x", "later", &json!({}));
    let names: Vec<String> = builder
        .build()
        .unwrap()
        .resources
        .iter()
        .map(|desired| desired.address.to_string())
        .collect();
    assert_eq!(names, ["x/later", "x/first"]);
}

#[test]
fn circles_twins_and_loose_ends_are_no_stack() {
    let mut circle = Builder::default();
    circle.add_after("x", "a", &json!({}), [Address::new("x", "b")]);
    circle.add_after("x", "b", &json!({}), [Address::new("x", "a")]);
    assert!(matches!(circle.build(), Err(StackError::Circle(_))));
    let mut twins = Builder::default();
    twins.add("x", "a", &json!({}));
    twins.add("x", "a", &json!({}));
    assert!(matches!(twins.build(), Err(StackError::Twice(_))));
    let mut loose = Builder::default();
    loose.add_after("x", "a", &json!({}), [Address::new("x", "b")]);
    assert!(matches!(loose.build(), Err(StackError::Dangling(..))));
}

#[tokio::test]
async fn a_second_run_of_the_same_stack_changes_nothing() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let stack = pair(1);
    let first = plan(&stack, &cloud.observation(), &types).unwrap();
    assert_eq!(actions(&first), ["create x/a", "create y/b"]);
    let unknown = first.changes[1]
        .fields
        .iter()
        .find(|field| field.path == "a")
        .unwrap();
    assert!(is_unknown(unknown.after.as_ref().unwrap()));
    assert!(
        apply(&stack, &first, &types, &Stop::default())
            .await
            .is_complete()
    );
    assert_eq!(cloud.log(), ["create x/a", "create y/b"]);
    assert!(
        plan(&stack, &cloud.observation(), &types)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_refers_to_a_changing_attribute_follows_the_change() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let first = plan(&pair(1), &cloud.observation(), &types).unwrap();
    apply(&pair(1), &first, &types, &Stop::default()).await;
    cloud.log();
    let second = plan(&pair(2), &cloud.observation(), &types).unwrap();
    assert_eq!(actions(&second), ["update x/a", "update y/b"]);
    assert_eq!(second.changes[0].fields[0].path, "size");
    apply(&pair(2), &second, &types, &Stop::default()).await;
    assert_eq!(cloud.log(), ["update x/a", "update y/b"]);
    assert_eq!(
        cloud.observation().resources[1].properties["a"],
        "id-of-x/a-next"
    );
}

/// A record of what was applied.
fn record(
    stack: &Stack,
    applied: &Applied,
    types: &[&dyn Resource],
    last: Option<&Record>,
) -> Record {
    let text = r#"{"schema":1,"number":1,"command":"deploy","complete":true,"started_at":"2026-01-02T03:04:05Z",
        "seconds":1.0,"identity":"me","wsless":"0"}"#;
    let mut record: Record = serde_json::from_str(text).unwrap();
    record.meant = drift::meant(stack, applied, types, last);
    record
}

#[tokio::test]
async fn what_was_changed_outside_is_told_from_what_the_manifest_changed() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let first = plan(&pair(1), &cloud.observation(), &types).unwrap();
    let applied = apply(&pair(1), &first, &types, &Stop::default()).await;
    let recorded = record(&pair(1), &applied, &types, None);
    let look = |stack: &Stack| {
        let mut plan = plan(stack, &cloud.observation(), &types).unwrap();
        drift::mark(&mut plan, stack, &recorded);
        plan
    };
    let told = |plan: &Plan| -> Vec<(String, String, bool)> {
        plan.effective()
            .flat_map(|change| {
                change.fields.iter().map(|field| {
                    (
                        change.address.to_string(),
                        field.path.clone(),
                        field.is_outside,
                    )
                })
            })
            .collect()
    };
    let row =
        |address: &str, path: &str, is_outside| (address.to_owned(), path.to_owned(), is_outside);

    // The manifest changes; what follows from that isn't from outside either.
    assert_eq!(
        told(&look(&pair(2))),
        [row("x/a", "size", false), row("y/b", "a", false)]
    );
    // Somebody changes the cloud: the same field differs, and the manifest means what it meant.
    let address = Address::new("x", "a");
    lock(&cloud.there).get_mut(&address).unwrap()[0].properties["size"] = json!(7);
    let drifted = look(&pair(1));
    assert_eq!(told(&drifted)[0], row("x/a", "size", true));
    assert_eq!(actions(&drift::only(&drifted)), ["update x/a"]);
    // Both: then the manifest counts.
    assert_eq!(told(&look(&pair(2)))[0], row("x/a", "size", false));
    assert!(drift::only(&look(&pair(2))).is_empty());
    // Somebody deletes.
    let b = Address::new("y", "b");
    lock(&cloud.there).remove(&b);
    let drifted = look(&pair(1));
    let gone = drifted
        .changes
        .iter()
        .find(|change| change.address == b)
        .unwrap();
    assert!(gone.is_gone);
    assert_eq!(
        actions(&drift::only(&drifted)),
        ["update x/a", "create y/b"]
    );
}

#[tokio::test]
async fn the_record_says_what_was_meant_without_secrets_and_of_a_failed_step_what_it_said_before() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let stack = |size: u32| {
        let mut builder = Builder::default();
        builder.add(
            "x",
            "a",
            &json!({ "name": "a", "size": size, "secret": "hunter2" }),
        );
        builder.build().unwrap()
    };
    let first = plan(&stack(1), &cloud.observation(), &types).unwrap();
    let applied = apply(&stack(1), &first, &types, &Stop::default()).await;
    let one = record(&stack(1), &applied, &types, None);
    assert_eq!(one.meant["x/a"], json!({ "name": "a", "size": 1 }));
    assert!(!serde_json::to_string(&one).unwrap().contains("hunter2"));

    lock(&cloud.failing).insert("update x/a".to_owned());
    let second = plan(&stack(2), &cloud.observation(), &types).unwrap();
    let applied = apply(&stack(2), &second, &types, &Stop::default()).await;
    assert!(!applied.is_complete());
    let two = record(&stack(2), &applied, &types, Some(&one));
    assert_eq!(two.meant, one.meant);
}

#[tokio::test]
async fn a_failed_step_stops_what_needs_it_and_nothing_else_and_the_next_run_goes_on() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let mut builder = Builder::default();
    let a = builder.add("x", "a", &json!({ "name": "a" }));
    let b = builder.add(
        "y",
        "b",
        &json!({ "name": "b", "a": Text::reference(&a, "id") }),
    );
    builder.add(
        "y",
        "c",
        &json!({ "name": "c", "b": Text::reference(&b, "id") }),
    );
    builder.add("x", "free", &json!({ "name": "free" }));
    let stack = builder.build().unwrap();
    lock(&cloud.failing).insert("create x/a".into());
    let first = plan(&stack, &cloud.observation(), &types).unwrap();
    let applied = apply(&stack, &first, &types, &Stop::default()).await;
    let outcome = |name: &str| {
        applied
            .steps
            .iter()
            .find(|step| step.address.name() == name)
            .map(|step| step.outcome.clone())
            .unwrap()
    };
    assert!(matches!(outcome("a"), Outcome::Failed(_)));
    assert!(matches!(outcome("b"), Outcome::NotBegun(cause) if cause == a));
    assert!(matches!(outcome("c"), Outcome::NotBegun(cause) if cause == a));
    assert!(matches!(outcome("free"), Outcome::Done));
    lock(&cloud.failing).clear();
    cloud.log();
    let second = plan(&stack, &cloud.observation(), &types).unwrap();
    assert!(
        apply(&stack, &second, &types, &Stop::default())
            .await
            .is_complete()
    );
    assert_eq!(cloud.log(), ["create x/a", "create y/b", "create y/c"]);
}

#[tokio::test]
async fn what_the_stack_dropped_is_deleted_after_whoever_used_it() {
    let cloud = Cloud::new();
    let x = Things {
        deleted_after: &["y"],
        ..Things::new("x", cloud)
    };
    let y = Things::new("y", cloud);
    let types: [&dyn Resource; 2] = [&x, &y];
    let first = plan(&pair(1), &cloud.observation(), &types).unwrap();
    apply(&pair(1), &first, &types, &Stop::default()).await;
    cloud.log();
    let nothing = Stack::default();
    let second = plan(&nothing, &cloud.observation(), &types).unwrap();
    assert!(
        apply(&nothing, &second, &types, &Stop::default())
            .await
            .is_complete()
    );
    assert_eq!(cloud.log(), ["delete y/b", "delete x/a"]);
    assert!(cloud.observation().resources.is_empty());
}

#[tokio::test]
async fn a_snapshot_is_renewed_after_a_part_of_it_is_deleted() {
    let cloud = Cloud::new();
    let part = Things::new("part", cloud);
    let snapshot = Things {
        renewed_by: &["part"],
        follows_deletions_of: &["part"],
        ..Things::new("snapshot", cloud)
    };
    let types: [&dyn Resource; 2] = [&part, &snapshot];
    cloud.put(Observed::new(
        Address::new("part", "old"),
        "1",
        &json!({ "name": "old" }),
    ));
    cloud.put(Observed::new(
        Address::new("snapshot", "now"),
        "2",
        &json!({ "name": "now" }),
    ));
    let mut builder = Builder::default();
    builder.add("snapshot", "now", &json!({ "name": "now" }));
    let stack = builder.build().unwrap();
    let changed = plan(&stack, &cloud.observation(), &types).unwrap();
    assert!(
        apply(&stack, &changed, &types, &Stop::default())
            .await
            .is_complete()
    );
    assert_eq!(cloud.log(), ["delete part/old", "update snapshot/now"]);
}

#[tokio::test]
async fn children_go_with_their_parent_without_calls_of_their_own() {
    let cloud = Cloud::new();
    let parent = Things::new("api", cloud);
    let child = Things {
        parent: Some("api"),
        ..Things::new("route", cloud)
    };
    let types: [&dyn Resource; 2] = [&parent, &child];
    cloud.put(Observed::new(
        Address::new("api", "main"),
        "a1",
        &json!({ "name": "main" }),
    ));
    cloud.put(
        Observed::new(
            Address::new("route", "ping"),
            "r1",
            &json!({ "name": "ping" }),
        )
        .with("api", "a1"),
    );
    let nothing = Stack::default();
    let all_gone = plan(&nothing, &cloud.observation(), &types).unwrap();
    assert_eq!(all_gone.count(Action::Delete), 2);
    assert!(
        apply(&nothing, &all_gone, &types, &Stop::default())
            .await
            .is_complete()
    );
    assert_eq!(cloud.log(), ["delete api/main"]);
}

#[test]
fn a_child_with_its_parents_id_is_deleted_by_itself_if_the_parent_stays() {
    let cloud = Cloud::new();
    let parents = Things::new("parent", cloud);
    let children = Things {
        parent: Some("parent"),
        ..Things::new("child", cloud)
    };
    let types: Vec<&dyn Resource> = vec![&parents, &children];
    let mut builder = Builder::default();
    builder.add("parent", "p", &json!({ "name": "p" }));
    let stack = builder.build().expect("a stack");
    cloud.put(Observed::new(
        Address::new("parent", "p"),
        "same",
        &json!({ "name": "p" }),
    ));
    cloud.put(
        Observed::new(Address::new("child", "c"), "same", &json!({ "name": "c" }))
            .with("parent", "same"),
    );
    let plan = plan(&stack, &cloud.observation(), &types).expect("a plan");
    assert_eq!(actions(&plan), ["delete child/c"]);
    assert_eq!(plan.changes[1].deleted_with, None);
}

#[tokio::test]
async fn a_replacement_comes_in_the_order_that_its_type_says() {
    for (replacement, expected) in [
        (
            Replacement::DeleteFirst,
            ["delete x/a", "create x/a", "update y/b"],
        ),
        (
            Replacement::CreateFirst,
            ["create x/a", "update y/b", "delete x/a"],
        ),
    ] {
        let cloud = Cloud::new();
        let x = Things {
            replacement,
            ..Things::new("x", cloud)
        };
        let y = Things::new("y", cloud);
        let types: [&dyn Resource; 2] = [&x, &y];
        cloud.put(
            Observed::new(
                Address::new("x", "a"),
                "old",
                &json!({ "name": "a", "fixed": 1 }),
            )
            .with("id", "old"),
        );
        cloud.put(Observed::new(
            Address::new("y", "b"),
            "b",
            &json!({ "name": "b", "a": "old" }),
        ));
        let mut builder = Builder::default();
        let a = builder.add("x", "a", &json!({ "name": "a", "fixed": 2 }));
        builder.add(
            "y",
            "b",
            &json!({ "name": "b", "a": Text::reference(&a, "id") }),
        );
        let stack = builder.build().unwrap();
        let changed = plan(&stack, &cloud.observation(), &types).unwrap();
        assert_eq!(actions(&changed), ["replace x/a", "update y/b"]);
        assert!(
            apply(&stack, &changed, &types, &Stop::default())
                .await
                .is_complete()
        );
        assert_eq!(cloud.log(), expected, "{replacement:?}");
    }
}

#[test]
fn a_second_copy_is_deleted_and_what_is_somebody_elses_is_refused() {
    let cloud = Cloud::new();
    let x = Things::new("x", cloud);
    let y = Things::new("y", cloud);
    let types: [&dyn Resource; 2] = [&x, &y];
    let found = |id: &str| {
        Observed::new(
            Address::new("x", "a"),
            id,
            &json!({ "name": "a", "size": 1 }),
        )
    };
    let twins = Observation {
        resources: vec![found("1").with("id", "1"), found("2")],
    };
    let changed = plan(&pair(1), &twins, &types).unwrap();
    assert_eq!(actions(&changed), ["create y/b", "delete x/a"]);
    assert_eq!(
        changed
            .changes
            .last()
            .and_then(|change| change.observed.clone())
            .unwrap()
            .id,
        "2"
    );
    let foreign = Observation {
        resources: vec![found("1").owned_by(Owner::SomebodyElse)],
    };
    assert_eq!(plan(&pair(1), &foreign, &types).unwrap_err()[0].id, "1");
    // One that the stack doesn't need is nobody's business.
    assert!(
        plan(&Stack::default(), &foreign, &types)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn secrets_are_marked_and_what_cannot_be_read_back_is_not_compared() {
    let cloud = Cloud::new();
    let x = Things::new("x", cloud);
    let types: [&dyn Resource; 1] = [&x];
    let mut builder = Builder::default();
    builder.add(
        "x",
        "a",
        &json!({ "name": "a", "secret": "new", "blind": 1 }),
    );
    let stack = builder.build().unwrap();
    let observed = Observed::new(
        Address::new("x", "a"),
        "1",
        &json!({ "name": "a", "secret": "old" }),
    )
    .unreadable(&["blind"]);
    let changed = plan(
        &stack,
        &Observation {
            resources: vec![observed],
        },
        &types,
    )
    .unwrap();
    let fields = &changed.changes[0].fields;
    assert_eq!(fields.len(), 1);
    assert!(fields[0].secret);
}

#[tokio::test]
async fn a_stopped_run_begins_nothing_more() {
    let cloud = Cloud::new();
    let (x, y) = (Things::new("x", cloud), Things::new("y", cloud));
    let types: [&dyn Resource; 2] = [&x, &y];
    let stop = Stop::default();
    stop.request();
    let first = plan(&pair(1), &cloud.observation(), &types).unwrap();
    let applied = apply(&pair(1), &first, &types, &stop).await;
    assert!(
        applied
            .steps
            .iter()
            .all(|step| matches!(step.outcome, Outcome::Stopped))
    );
    assert_eq!(applied.steps.len(), 2);
    assert!(cloud.log().is_empty());
}

/// A stage leads to a queue by way of a role; the next one doesn't need the queue.
fn moved() -> (Stack, Observation) {
    let observed = |kind: &str, name: &str, properties: Value| {
        Observed::new(Address::new(kind, name), name, &properties).with("id", name)
    };
    let resources = vec![
        observed(
            "role",
            "gateway",
            json!({ "name": "gateway", "allows": "old" }),
        ),
        observed("stage", "dev", json!({ "name": "dev", "size": 1 })),
        observed("queue", "old", json!({ "name": "old" })),
    ];
    let mut builder = Builder::default();
    let role = builder.add(
        "role",
        "gateway",
        &json!({ "name": "gateway", "allows": "new" }),
    );
    builder.add_after("stage", "dev", &json!({ "name": "dev", "size": 2 }), [role]);
    (builder.build().unwrap(), Observation { resources })
}

#[tokio::test(start_paused = true)]
async fn what_the_old_state_needs_goes_only_when_it_is_out_of_use_everywhere() {
    let cloud = Cloud::new();
    let settling_time = Duration::from_mins(2);
    let role = Things {
        deleted_after: &["stage"],
        ..Things::new("role", cloud)
    };
    let stage = Things {
        settling_time,
        ..Things::new("stage", cloud)
    };
    let queue = Things {
        deleted_after: &["stage"],
        ..Things::new("queue", cloud)
    };
    let types: [&dyn Resource; 3] = [&role, &stage, &queue];
    let (stack, observation) = moved();
    let changed = plan(&stack, &observation, &types).unwrap();
    let started = tokio::time::Instant::now();
    let applied = apply(&stack, &changed, &types, &Stop::default()).await;
    assert!(applied.is_complete());
    assert!(started.elapsed() >= settling_time);
    assert!(started.elapsed() < settling_time + Duration::from_secs(1));
    let log = cloud.log();
    assert_eq!(log[..2], ["update role/gateway", "update stage/dev"]);
    let mut last = log[2..].to_vec();
    last.sort();
    assert_eq!(last, ["delete queue/old", "tighten role/gateway"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_the_old_state() {
    let cloud = Cloud::new();
    let role = Things {
        deleted_after: &["stage"],
        ..Things::new("role", cloud)
    };
    let stage = Things {
        settling_time: Duration::from_mins(2),
        ..Things::new("stage", cloud)
    };
    let queue = Things {
        deleted_after: &["stage"],
        ..Things::new("queue", cloud)
    };
    let types: [&dyn Resource; 3] = [&role, &stage, &queue];
    let (stack, observation) = moved();
    let changed = plan(&stack, &observation, &types).unwrap();
    let stop = Stop::default();
    let started = tokio::time::Instant::now();
    let (applied, ()) = futures::future::join(apply(&stack, &changed, &types, &stop), async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stop.request();
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(11));
    assert!(!applied.is_complete());
    assert_eq!(cloud.log(), ["update role/gateway", "update stage/dev"]);
}

#[tokio::test]
async fn data_that_came_since_the_plan_is_not_deleted_unasked() {
    let cloud = Cloud::new();
    let queue = Things {
        holds: Some("3 messages"),
        ..Things::new("queue", cloud)
    };
    let types: [&dyn Resource; 1] = [&queue];
    let observation = Observation {
        resources: vec![Observed::new(
            Address::new("queue", "old"),
            "old",
            &json!({ "name": "old" }),
        )],
    };
    let nothing = Stack::default();
    let changed = plan(&nothing, &observation, &types).unwrap();
    let applied = apply(&nothing, &changed, &types, &Stop::default()).await;
    assert!(matches!(&applied.steps[0].outcome, Outcome::HoldsData(data) if data == "3 messages"));
    assert!(cloud.log().is_empty());
}
