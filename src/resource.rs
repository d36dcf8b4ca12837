//! The cloud's resource types: one file each, all behind the trait [`Resource`].
//!
//! A file holds the type's properties (a struct that says what is desired and what was observed, in one shape), how it
//! is listed, created, updated and deleted, and what AWS demands of it. What differs from file to file is AWS's
//! difference. To add a type: one file here, one line in [`ALL`], its place in `stack`, its test.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::engine::resource::{
    Attributes, Context, ErrorMetadata, Observed, Owner, Permission, Replacement, Resource,
    SdkError, to_value,
};
use crate::{
    aws::{Error, Operation},
    engine::plan::FieldChange,
};

pub mod account_logging;
pub mod alarm;
pub mod alias;
pub mod api;
mod api_gateway;
pub mod authorizer;
pub mod dashboard;
pub mod deployment;
pub mod event_source_mapping;
pub mod function;
pub mod function_policy;
pub mod integration;
pub mod integration_response;
pub mod log_group;
pub mod queue;
pub mod role;
pub mod route;
pub mod route_response;
pub mod stage;
pub mod table;

/// Every resource type, in the order in which plans list them.
pub const ALL: &[&dyn Resource] = &[
    &role::Roles,
    &log_group::LogGroups,
    &table::Tables,
    &queue::Queues,
    &function::Functions,
    &alias::Aliases,
    &function_policy::FunctionPolicies,
    &event_source_mapping::EventSourceMappings,
    &alarm::Alarms,
    &dashboard::Dashboards,
    &account_logging::AccountLoggings,
    &api::Apis,
    &authorizer::Authorizers,
    &integration::Integrations,
    &integration_response::IntegrationResponses,
    &route::Routes,
    &route_response::RouteResponses,
    &deployment::Deployments,
    &stage::Stages,
];

/// The properties of a type, from what the engine resolved.
pub fn parse<T: DeserializeOwned>(desired: &Value) -> Result<T, Error> {
    T::deserialize(desired).map_err(|error| {
        Error::internal(format!(
            "the desired properties don't fit their type: {error}"
        ))
    })
}

/// What was looked up, or nothing if it's gone since it was listed.
pub fn unless_gone<T>(looked_up: Result<T, Error>) -> Result<Option<T>, Error> {
    match looked_up {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings a resource's tags from what is observed to what is desired.
///
/// `tag` gets those to set, `untag` the keys to remove; each is called only if there are any.
pub async fn retag<T, E, F, U, V, G>(
    context: &Context<'_>,
    [tagging, untagging]: [Operation; 2],
    observed: &Observed,
    desired: &BTreeMap<String, String>,
    mut tag: impl FnMut(HashMap<String, String>) -> F,
    mut untag: impl FnMut(Vec<String>) -> G,
) -> Result<(), Error>
where
    F: Future<Output = Result<T, SdkError<E>>>,
    E: ErrorMetadata,
    G: Future<Output = Result<U, SdkError<V>>>,
    V: ErrorMetadata,
{
    let (set, gone) = tag_changes(&observed.properties, desired);
    if !set.is_empty() {
        context.call(tagging, || tag(set.clone())).await?;
    }
    if !gone.is_empty() {
        context.call(untagging, || untag(gone.clone())).await?;
    }
    Ok(())
}

/// The tags to set and the keys to remove, to get from what is observed to what is desired.
fn tag_changes(
    observed: &Value,
    desired: &BTreeMap<String, String>,
) -> (HashMap<String, String>, Vec<String>) {
    let old = observed.get("tags").and_then(Value::as_object);
    let had = |key: &str| old.and_then(|old| old.get(key)).and_then(Value::as_str);
    let set = desired
        .iter()
        .filter(|(key, value)| had(key) != Some(value.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let gone = old
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .filter(|key| !desired.contains_key(*key))
        .cloned()
        .collect();
    (set, gone)
}

/// Whether any of the changed fields is `path` or lies under it.
pub fn touches(fields: &[FieldChange], path: &str) -> bool {
    fields.iter().any(|field| {
        field
            .path
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// Whether the changes at or under `path` do more than add.
pub fn takes_away(fields: &[FieldChange], path: &str) -> bool {
    fields
        .iter()
        .filter(|field| touches(std::slice::from_ref(field), path))
        .any(|field| match (&field.before, &field.after) {
            (None, _) => false,
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                before.iter().any(|value| !after.contains(value))
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_that_only_grows_takes_nothing_away() {
        let change = |before: Value, after: Value| {
            [FieldChange {
                path: "policy".into(),
                before: Some(before),
                after: Some(after),
                secret: false,
                is_outside: false,
            }]
        };
        assert!(!takes_away(
            &change(json!(["a"]), json!(["a", "b"])),
            "policy"
        ));
        assert!(takes_away(
            &change(json!(["a", "b"]), json!(["b"])),
            "policy"
        ));
        assert!(takes_away(&change(json!("a"), json!("b")), "policy"));
        assert!(!takes_away(&change(json!("a"), json!("b")), "tags"));
    }

    #[test]
    fn every_kind_that_a_type_names_is_a_type() {
        let kinds: Vec<&str> = ALL.iter().map(|resource| resource.kind()).collect();
        for resource in ALL {
            let named = [
                resource.deleted_after(),
                resource.follows_deletions_of(),
                resource.renewed_by(),
            ];
            for kind in named
                .into_iter()
                .flatten()
                .copied()
                .chain(resource.parent())
            {
                assert!(kinds.contains(&kind), "{} names `{kind}`", resource.kind());
            }
        }
    }
}
