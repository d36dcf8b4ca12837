//! Tags of functions and of event source mappings.

use std::{collections::BTreeMap, sync::LazyLock};

use regex_lite::Regex;
use serde_json::json;

use super::{
    arn::{self, Shape},
    check::{Members, invalid, not_found},
    control,
    settings::whole,
    state::State,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// The most tags of a resource.
const MOST: usize = 50;
const ARN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(ARN));

/// Reads `Tags`, noting what breaks the model's constraints.
pub(super) fn read(members: &mut Members<'_>) -> Result<BTreeMap<String, String>> {
    let tags = members.text_map("Tags")?.unwrap_or_default();
    for (key, value) in &tags {
        members.length("tags", key, 1, 128);
        members.length("tags", value, 0, 256);
        for text in [key, value] {
            if !text.chars().all(is_allowed) {
                members.violate(
                    "tags",
                    text,
                    r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
                );
            }
        }
    }
    Ok(tags
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect())
}

fn is_allowed(letter: char) -> bool {
    letter.is_alphanumeric()
        || letter == ' '
        || (letter.is_whitespace() && !letter.is_control())
        || "_.:/=+-@".contains(letter)
}

/// Refuses tags that a resource can't have.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > MOST {
        return Err(invalid("Number of tags exceeds resource tag limit."));
    }
    if tags
        .keys()
        .any(|key| key.to_ascii_lowercase().starts_with("aws:"))
    {
        return Err(invalid(
            "aws: prefixed tag key names are not allowed for external use.",
        ));
    }
    Ok(())
}

/// `TagResource`.
pub(super) fn tag(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let resource = resource(&mut members)?;
    let tags = read(&mut members)?;
    if members.value("Tags").is_none() {
        members.missing("tags");
    }
    members.finish()?;
    change(call, resource, |held| {
        if tags.is_empty() {
            return Err(invalid(
                "An error occurred and the request cannot be processed.",
            ));
        }
        let mut together = held.clone();
        together.extend(tags);
        check(&together)?;
        *held = together;
        Ok(())
    })?;
    Ok(Answer::empty(204))
}

/// `UntagResource`.
pub(super) fn untag(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let resource = resource(&mut members)?;
    let keys = match members.texts("tagKeys")? {
        Some(keys) => Some(keys),
        None => members.texts("TagKeys")?,
    }
    .unwrap_or_default();
    if keys.is_empty() {
        members.missing("tagKeys");
    }
    members.finish()?;
    change(call, resource, |held| {
        held.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    })?;
    Ok(Answer::empty(204))
}

/// `ListTags`.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let resource = resource(&mut members)?;
    members.finish()?;
    let mut tags = BTreeMap::new();
    change(call, resource, |held| {
        tags.clone_from(held);
        Ok(())
    })?;
    Ok(json!({ "Tags": tags }).into())
}

fn resource<'a>(members: &mut Members<'a>) -> Result<&'a str> {
    let arn = members.required("Resource")?;
    if let Some(shape) = &*SHAPE
        && !arn.is_empty()
    {
        members.pattern("resource", arn, shape, ARN);
    }
    Ok(arn)
}

fn change(
    call: &Call,
    arn: &str,
    act: impl FnOnce(&mut BTreeMap<String, String>) -> Result<()>,
) -> Result<()> {
    let mut state = control::of(call).state.write();
    act(tags_of(call, &mut state, arn)?)
}

fn tags_of<'a>(
    call: &Call,
    state: &'a mut State,
    arn: &str,
) -> Result<&'a mut BTreeMap<String, String>> {
    // First: a function's ARN may lack `function:`, and a mapping's reads like one.
    let now = Millis::now();
    let own = call.region.arn("lambda", "event-source-mapping:");
    if let Some(uuid) = arn.strip_prefix(&own) {
        return state
            .mappings
            .get_mut(uuid)
            .filter(|mapping| !mapping.is_gone(now))
            .map(|mapping| &mut mapping.tags)
            .ok_or_else(|| not_found(format!("Event source mapping not found: {arn}")));
    }
    if let Some(named) = arn::parse(arn, Shape::Plain) {
        arn::within(&named, &call.region.name)?;
        if named.qualifier.is_some() {
            return Err(invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            ));
        }
        return state
            .functions
            .get_mut(named.name)
            .map(|function| &mut function.tags)
            .ok_or_else(|| not_found(format!("Function not found: {arn}")));
    }
    Err(not_found(format!("Resource not found: {arn}")))
}
