//! Tags of APIs and stages: nothing else in an API has any [BC].

use serde_json::json;

use super::{
    Input, arn, demand, in_path,
    model::Strings,
    refusal::{bad, not_found},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// As many as a resource has at most [DG].
const TAGS: usize = 50;

/// What an ARN names.
struct Tagged<'a> {
    api_id: &'a str,
    stage: Option<&'a str>,
}

pub(super) fn get(call: &Call) -> Result<Answer> {
    let tagged = tagged(call)?;
    call.region.gateway.read(tagged.api_id, |entry| {
        let tags = match tagged.stage {
            None => Some(&entry.api.tags),
            Some(name) => entry.api.stages.get(name).map(|stage| &stage.tags),
        };
        let tags = tags.ok_or_else(nothing)?;
        Ok(json!({ "tags": tags }).into())
    })
}

pub(super) fn tag(call: &Call) -> Result<Answer> {
    let added = sent(call)?;
    change(call, |tags| {
        let mut changed = tags.clone();
        changed.extend(added);
        check_count(&changed)?;
        *tags = changed;
        Ok(())
    })?;
    Ok(Answer::members(201, json!({})))
}

pub(super) fn untag(call: &Call) -> Result<Answer> {
    let keys = Input::of(call).list("tagKeys")?.unwrap_or_default();
    change(call, |tags| {
        tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })?;
    Ok(Answer::empty(204))
}

/// The tags of a thing that is to be created. Whoever sends some must be allowed to tag [DG].
pub(super) fn sent_at_creation(call: &Call) -> Result<Strings> {
    let tags = sent(call)?;
    if !tags.is_empty() {
        let tagged = in_path(&arn(call, "/apis/*"));
        demand(
            call,
            "apigateway:POST",
            &arn(call, &format!("/tags/{tagged}")),
        )?;
    }
    Ok(tags)
}

fn sent(call: &Call) -> Result<Strings> {
    let tags = Input::of(call).strings("tags", 256)?.unwrap_or_default();
    for key in tags.keys() {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(bad("Invalid tag key: the length must be between 1 and 128"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(bad(
                "aws: prefixed tag key names are not allowed for external use.",
            ));
        }
    }
    check_count(&tags)?;
    Ok(tags)
}

fn check_count(tags: &Strings) -> Result<()> {
    if tags.len() > TAGS {
        return Err(bad(format!("Too many tags: there may be {TAGS} at most")));
    }
    Ok(())
}

fn change(call: &Call, change: impl FnOnce(&mut Strings) -> Result<()>) -> Result<()> {
    let tagged = tagged(call)?;
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, tagged.api_id, |edit| {
        match tagged.stage {
            None => change(&mut edit.api.tags),
            Some(name) => {
                let stage = edit.api.stages.get_mut(name).ok_or_else(nothing)?;
                change(&mut stage.tags)?;
                stage.updated = Millis::now();
                Ok(())
            }
        }
    })
}

fn tagged(call: &Call) -> Result<Tagged<'_>> {
    let named = Input::of(call).required("resource-arn")?;
    let path = named
        .strip_prefix(&arn(call, "/apis/"))
        .ok_or_else(nothing)?;
    let mut parts = path.split('/');
    let api_id = parts.next().filter(|id| !id.is_empty());
    let tagged = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some(None),
        (Some("stages"), Some(name), None) => Some(Some(name)),
        _ => None,
    };
    match (api_id, tagged) {
        (Some(api_id), Some(stage)) => Ok(Tagged { api_id, stage }),
        _ => Err(nothing()),
    }
}

fn nothing() -> crate::error::AwsError {
    not_found("Invalid resource identifier specified")
}
