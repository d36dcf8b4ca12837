//! A plan: how the cloud differs from the stack, field by field. Pure: two values in, one out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::resource::{Attributes, Observed, Owner, Replacement, Resource};
use super::{
    address::Address,
    properties::{has_unknown, is_unknown, resolve, unknown},
    stack::Stack,
    survey::Observation,
};

/// What is to happen to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It's made.
    Create,
    /// It's changed in place.
    Update,
    /// It's made anew, since AWS can't change it in place.
    Replace,
    /// It's deleted.
    Delete,
    /// It's as it should be.
    Keep,
    /// What only its old state needed is taken away: the last part of an update, never planned by itself.
    Tighten,
}

impl Action {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Tighten => "tighten",
        }
    }
}

/// A property that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Where in the properties, as `environment.GREETING`.
    pub path: String,
    /// What the cloud has; nothing if it has none.
    pub before: Option<Value>,
    /// What is desired; may be unknown until applied; nothing if it's to be removed.
    pub after: Option<Value>,
    /// Whether the values must not be shown.
    pub secret: bool,
    /// Whether the manifest means the same as when it was last deployed, so that somebody changed the cloud.
    pub is_outside: bool,
}

/// What happens to one resource, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which resource.
    pub address: Address,
    /// What happens.
    pub action: Action,
    /// What differs; for a create, everything that is set.
    pub fields: Vec<FieldChange>,
    /// What the cloud has.
    pub observed: Option<Observed>,
    /// For a delete: the resource whose deletion includes this one.
    pub deleted_with: Option<Address>,
    /// What would be lost, such as `12 messages`; found out after planning.
    pub data_at_risk: Option<String>,
    /// For a create: whether the last deployment had it, so that somebody deleted it.
    pub is_gone: bool,
}

/// All changes: the desired resources in the stack's order, then what is deleted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// With those that change nothing.
    pub changes: Vec<Change>,
}

impl Plan {
    /// The changes that change something.
    pub fn effective(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.action != Action::Keep)
    }

    /// Whether the cloud is as the stack says.
    pub fn is_empty(&self) -> bool {
        self.effective().next().is_none()
    }

    /// How many changes have this action.
    pub fn count(&self, action: Action) -> usize {
        self.changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    }
}

/// A resource that bears our name and isn't ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it would be in the stack.
    pub address: Address,
    /// AWS's name of it.
    pub id: String,
}

/// Compares `stack` with `observation`.
///
/// Fails with every resource that bears a name that the stack needs and belongs to somebody else.
pub fn plan(
    stack: &Stack,
    observation: &Observation,
    types: &[&dyn Resource],
) -> Result<Plan, Vec<Foreign>> {
    let mut observed: BTreeMap<&Address, Vec<&Observed>> = BTreeMap::new();
    let mut foreign = Vec::new();
    for found in &observation.resources {
        match found.owner {
            Owner::Us => observed.entry(&found.address).or_default().push(found),
            Owner::SomebodyElse if stack.get(&found.address).is_some() => foreign.push(Foreign {
                address: found.address.clone(),
                id: found.id.clone(),
            }),
            Owner::SomebodyElse => {}
        }
    }
    foreign.retain(|found| !observed.contains_key(&found.address));
    if !foreign.is_empty() {
        return Err(foreign);
    }

    let mut deleted: Vec<Change> = observation
        .resources
        .iter()
        .filter(|found| found.owner == Owner::Us && stack.get(&found.address).is_none())
        .filter_map(|found| deletion(found, types))
        .collect();
    let mut known: BTreeMap<Address, Attributes> = BTreeMap::new();
    let mut planned = Vec::with_capacity(stack.resources.len());
    for desired in &stack.resources {
        let Some(resource) = of_kind(types, desired.address.kind()) else {
            continue;
        };
        let wanted = resolve(&desired.properties, &|reference| {
            known
                .get(&reference.address)?
                .get(&reference.attribute)
                .cloned()
        });
        let twins = observed
            .get(&desired.address)
            .map_or(&[][..], Vec::as_slice);
        let found = closest(resource, twins, &wanted);
        deleted.extend(
            twins
                .iter()
                .filter(|twin| found.is_none_or(|found| !std::ptr::eq(**twin, found)))
                .filter_map(|twin| deletion(twin, types)),
        );
        let fields = differences(resource, found, &wanted);
        let stale = resource.renewed_by().iter().any(|kind| {
            planned.iter().chain(&deleted).any(|change: &Change| {
                change.action != Action::Keep && change.address.kind() == *kind
            })
        });
        let change = match found {
            None => change(desired.address.clone(), Action::Create, fields, None),
            Some(found) => {
                let action = if fields
                    .iter()
                    .any(|field| resource.is_replaced_by(&field.path))
                {
                    Action::Replace
                } else if fields.is_empty() && !stale {
                    Action::Keep
                } else {
                    Action::Update
                };
                let mut attributes = found.attributes.clone();
                match action {
                    Action::Keep => {}
                    Action::Update => attributes
                        .retain(|name, _| !resource.changing_attributes().contains(&name.as_str())),
                    _ => attributes.clear(),
                }
                known.insert(desired.address.clone(), attributes);
                change(desired.address.clone(), action, fields, Some(found.clone()))
            }
        };
        planned.push(change);
    }
    settle_deletions(&mut deleted, observation, types);
    planned.append(&mut deleted);
    Ok(Plan { changes: planned })
}

/// Of several at one address, the one that needs the least work: a run that was cut off while it replaced a resource may
/// have left two.
fn closest<'a>(
    resource: &dyn Resource,
    twins: &[&'a Observed],
    wanted: &Value,
) -> Option<&'a Observed> {
    if let [only] = twins {
        return Some(only);
    }
    twins.iter().copied().min_by_key(|twin| {
        let fields = differences(resource, Some(twin), wanted);
        let replaced = fields
            .iter()
            .any(|field| resource.is_replaced_by(&field.path));
        (replaced, fields.len())
    })
}

fn deletion(found: &Observed, types: &[&dyn Resource]) -> Option<Change> {
    let resource = of_kind(types, found.address.kind())?;
    let address = found.address.clone();
    (!resource.is_shared())
        .then(|| change(address, Action::Delete, Vec::new(), Some(found.clone())))
}

fn change(
    address: Address,
    action: Action,
    fields: Vec<FieldChange>,
    observed: Option<Observed>,
) -> Change {
    Change {
        address,
        action,
        fields,
        observed,
        deleted_with: None,
        data_at_risk: None,
        is_gone: false,
    }
}

/// Orders deletions, users before what they use, and finds those that go with their parent.
fn settle_deletions(deleted: &mut [Change], observation: &Observation, types: &[&dyn Resource]) {
    let order = |address: &Address| {
        types
            .iter()
            .position(|resource| resource.kind() == address.kind())
    };
    deleted.sort_by(|a, b| (order(&b.address), &b.address).cmp(&(order(&a.address), &a.address)));
    // By address too: a function, its alias and its policy may have one id.
    let gone: BTreeSet<(Address, String)> = deleted
        .iter()
        .filter_map(|change| {
            let id = change.observed.as_ref()?.id.clone();
            Some((change.address.clone(), id))
        })
        .collect();
    for change in deleted.iter_mut() {
        let parent = of_kind(types, change.address.kind()).and_then(Resource::parent);
        change.deleted_with = parent.and_then(|kind| {
            let id = change.observed.as_ref()?.attributes.get(kind)?;
            observation
                .resources
                .iter()
                .find(|found| {
                    found.address.kind() == kind
                        && found.id == *id
                        && gone.contains(&(found.address.clone(), found.id.clone()))
                })
                .map(|found| found.address.clone())
        });
    }
}

/// The type of a kind.
pub fn of_kind<'a>(types: &[&'a dyn Resource], kind: &str) -> Option<&'a dyn Resource> {
    types
        .iter()
        .copied()
        .find(|resource| resource.kind() == kind)
}

/// The fields in which `wanted` differs from what was found.
pub fn differences(
    resource: &dyn Resource,
    found: Option<&Observed>,
    wanted: &Value,
) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let before = found.map_or(&Value::Null, |found| &found.properties);
    compare("", before, wanted, &mut fields);
    if let Some(found) = found {
        fields.retain(|field| {
            let top = field.path.split(['.', '[']).next().unwrap_or_default();
            !found.unreadable.contains(&top)
        });
        if resource.replacement() == Replacement::DeleteFirst {
            // A name that isn't known yet can't differ from one of the same form: nothing is deleted on a guess.
            fields.retain(|field| {
                !(resource.is_replaced_by(&field.path)
                    && field.after.as_ref().is_some_and(is_unknown))
            });
        }
    }
    for field in &mut fields {
        field.secret = resource.is_secret(&field.path);
    }
    fields
}

/// The paths at which two trees of properties differ.
pub fn moved(before: &Value, after: &Value) -> Vec<String> {
    let mut fields = Vec::new();
    compare("", before, after, &mut fields);
    fields.into_iter().map(|field| field.path).collect()
}

/// The path of a key below `path`.
pub fn child(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn compare(path: &str, before: &Value, after: &Value, fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let join = |key: &str| child(path, key);
    match (before, after) {
        (_, Value::Object(after))
            if !is_unknown(&Value::Object(after.clone()))
                && (before.is_object() || before.is_null()) =>
        {
            let none = serde_json::Map::new();
            let before = before.as_object().unwrap_or(&none);
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                compare(
                    &join(key),
                    before.get(key).unwrap_or(&Value::Null),
                    after.get(key).unwrap_or(&Value::Null),
                    fields,
                );
            }
        }
        (Value::Object(before), Value::Null) if !path.is_empty() => {
            for (key, value) in before {
                compare(&join(key), value, &Value::Null, fields);
            }
        }
        (Value::Array(before), Value::Array(after))
            if before.len() == after.len()
                && after.iter().any(Value::is_object)
                && !after.iter().any(is_unknown) =>
        {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}[{index}]"), before, after, fields);
            }
        }
        _ => fields.push(FieldChange {
            path: path.to_owned(),
            before: Some(before.clone()).filter(|value| !value.is_null()),
            after: match after {
                Value::Null => None,
                after if has_unknown(after) => Some(unknown()),
                after => Some(after.clone()),
            },
            secret: false,
            is_outside: false,
        }),
    }
}
