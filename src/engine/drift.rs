//! What somebody changed outside wsless, told apart from what the manifest changed.
//!
//! The record keeps what each resource was meant to be. What is meant the same now as then, and is otherwise in the cloud,
//! was changed there. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    address::Address,
    apply::Applied,
    event::Outcome,
    plan::{Action, Change, Plan, child, moved, of_kind},
    properties::{has_unknown, is_unknown, resolve},
    record::Record,
    resource::{Attributes, Resource},
    stack::Stack,
};

/// What each resource was meant to be, by address. Without secrets.
pub type Meant = BTreeMap<String, Value>;

/// Marks what was changed outside since the last deployment.
///
/// Secrets aren't in the record, so that no change of one can be told to be from outside.
pub fn mark(plan: &mut Plan, stack: &Stack, last: &Record) {
    let attributes = Applied::before(plan).attributes;
    for change in &mut plan.changes {
        let (Some(meant), Some(desired)) = (
            last.meant.get(&change.address.to_string()),
            stack.get(&change.address),
        ) else {
            continue;
        };
        if change.action == Action::Create {
            change.is_gone = true;
            continue;
        }
        let manifest = moved(meant, &resolved(&desired.properties, &attributes));
        for field in &mut change.fields {
            // What only an update will tell is its consequence.
            field.is_outside = !field.secret
                && !field.after.as_ref().is_some_and(is_unknown)
                && !manifest.iter().any(|path| touch(path, &field.path));
        }
    }
}

/// What of a plan mends what was changed outside, and nothing else.
#[must_use]
pub fn only(plan: &Plan) -> Plan {
    let changes = plan
        .changes
        .iter()
        .map(|change| {
            let mut change = change.clone();
            if !change.is_outside() {
                change.action = Action::Keep;
            }
            if !change.is_gone {
                change.fields.retain(|field| field.is_outside);
            }
            change
        })
        .filter(|change| change.observed.is_some() || change.is_outside())
        .collect();
    Plan { changes }
}

/// What the record is to say that each resource is meant to be. Of those whose steps weren't all taken: what it said before.
pub fn meant(
    stack: &Stack,
    applied: &Applied,
    types: &[&dyn Resource],
    last: Option<&Record>,
) -> Meant {
    let mut all = Meant::new();
    for desired in &stack.resources {
        let address = &desired.address;
        let key = address.to_string();
        let is_done = applied
            .steps
            .iter()
            .filter(|step| step.address == *address)
            .all(|step| matches!(step.outcome, Outcome::Done));
        let now = resolved(&desired.properties, &applied.attributes);
        if is_done && applied.attributes.contains_key(address) && !has_unknown(&now) {
            if let Some(resource) = of_kind(types, address.kind()) {
                all.insert(key, without_secrets("", &now, resource));
            }
        } else if let Some(before) = last.and_then(|last| last.meant.get(&key)) {
            all.insert(key, before.clone());
        }
    }
    all
}

fn resolved(properties: &Value, attributes: &BTreeMap<Address, Attributes>) -> Value {
    resolve(properties, &|reference| {
        attributes
            .get(&reference.address)?
            .get(&reference.attribute)
            .cloned()
    })
}

fn without_secrets(path: &str, value: &Value, resource: &dyn Resource) -> Value {
    let Value::Object(object) = value else {
        return value.clone();
    };
    let kept: Map<String, Value> = object
        .iter()
        .map(|(key, value)| (key, child(path, key), value))
        .filter(|(_, path, _)| !resource.is_secret(path))
        .map(|(key, path, value)| (key.clone(), without_secrets(&path, value, resource)))
        .collect();
    kept.into()
}

/// Whether two paths are the same, or one is within the other.
fn touch(one: &str, other: &str) -> bool {
    let within = |whole: &str, part: &str| {
        part.strip_prefix(whole)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(one, other) || within(other, one)
}

impl Change {
    /// Whether any of it mends what somebody did outside.
    pub fn is_outside(&self) -> bool {
        self.is_gone || self.fields.iter().any(|field| field.is_outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_touches_itself_and_what_is_within_it() {
        for (one, other, is_so) in [
            ("tags", "tags", true),
            ("tags", "tags.team", true),
            ("list[0].a", "list", true),
            ("tag", "tags", false),
            ("tags.team", "tags.phase", false),
        ] {
            assert_eq!(touch(one, other), is_so, "{one} {other}");
            assert_eq!(touch(other, one), is_so, "{other} {one}");
        }
    }
}
