//! Operations on groups: making, deleting and describing them, their retention, their tags.

use serde_json::{Value, json};

use super::{
    group_arn,
    input::{Members, bad_token, invalid, resource},
    store::{Facts, Group},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloudwatch::page,
    error::{AwsError, Result},
    iam::Permission,
};

const CLASSES: [&str; 4] = ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"];
const STANDARD: &str = "STANDARD";

/// CreateLogGroup.
pub fn create(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = members.group()?;
    if name.to_ascii_lowercase().starts_with("aws/") {
        return Err(invalid(
            "Log groups starting with AWS/ are reserved for AWS.",
        ));
    }
    if members.get("kmsKeyId").is_some() {
        return Err(invalid("wsless's embedded cloud doesn't have KMS keys"));
    }
    let tags = members.tags()?;
    if tags.is_some() {
        call.cloud.iam.authorize(
            call,
            &Permission {
                action: "logs:TagResource".to_owned(),
                resource: group_arn(&call.region, name),
            },
        )?;
    }
    let facts = Facts {
        retention: None,
        class: members
            .word("logGroupClass", &CLASSES)?
            .unwrap_or(STANDARD)
            .to_owned(),
        protected: members
            .truth("deletionProtectionEnabled")?
            .unwrap_or_default(),
        tags: tags.unwrap_or_default(),
    };
    call.region
        .logs
        .store()
        .create(name, facts, Millis::now())?;
    Ok(json!({}).into())
}

/// DeleteLogGroup.
pub fn delete(call: &Call) -> Result<Answer> {
    let name = Members::of(&call.input).group()?;
    call.region.logs.store().delete(name)?;
    Ok(json!({}).into())
}

/// A list of something that nothing here has any of; a group that is named must be there.
pub fn none_of(call: &Call, list: &str) -> Result<Answer> {
    if let Some(name) = Members::of(&call.input).text("logGroupName")? {
        call.region.logs.store().group(name)?;
    }
    Ok(json!({ list: [] }).into())
}

/// DescribeLogGroups.
pub fn describe(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let prefix = members.text("logGroupNamePrefix")?;
    let pattern = members.text("logGroupNamePattern")?;
    if prefix.is_some() && pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    for (text, name) in [
        (prefix, "logGroupNamePrefix"),
        (
            pattern.filter(|text| !text.is_empty()),
            "logGroupNamePattern",
        ),
    ] {
        if let Some(text) = text {
            super::input::check_group(text, name)?;
        }
    }
    let class = members.word("logGroupClass", &CLASSES)?;
    let identifiers = members
        .texts("logGroupIdentifiers", 50)?
        .map(|list| {
            list.iter()
                .map(|text| super::input::identified(&call.region, text, "logGroupIdentifiers"))
                .collect::<Result<Vec<_>>>()
        })
        .transpose()?;
    let limit = members.limit(50)?;
    let groups = call.region.logs.store().all();
    let groups = groups.iter().filter(|group| {
        prefix.is_none_or(|prefix| group.name.starts_with(prefix))
            && pattern.is_none_or(|pattern| group.name.contains(pattern))
            && class.is_none_or(|class| group.facts().class == class)
            && identifiers
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| **name == *group.name))
    });
    let (page, next) = page::cut(groups, members.text("nextToken")?, limit, |group| {
        group.name.to_string()
    })
    .ok_or_else(bad_token)?;
    let mut answer = json!({
        "logGroups": page
            .iter()
            .map(|group| shown(call, group, pattern.is_some()))
            .collect::<Vec<_>>(),
    });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer.into())
}

/// A search by pattern leaves out what takes AWS longer to find [localstack's snapshots of AWS, test_logs_groups].
fn shown(call: &Call, group: &Group, short: bool) -> Value {
    let facts = group.facts();
    let arn = group_arn(&call.region, &group.name);
    let mut shown = json!({
        "logGroupName": &*group.name,
        "creationTime": group.created.0,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "logGroupClass": facts.class,
        "logGroupArn": arn,
    });
    if let Some(days) = facts.retention {
        shown["retentionInDays"] = days.into();
    }
    if !short {
        shown["storedBytes"] = group.stored().into();
        shown["deletionProtectionEnabled"] = facts.protected.into();
    }
    shown
}

/// PutRetentionPolicy.
pub fn put_retention(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let (name, days) = (members.group()?, members.retention()?);
    let group = call.region.logs.store().group(name)?;
    group.change(|facts| facts.retention = Some(days));
    Ok(json!({}).into())
}

/// DeleteRetentionPolicy.
pub fn delete_retention(call: &Call) -> Result<Answer> {
    let name = Members::of(&call.input).group()?;
    let group = call.region.logs.store().group(name)?;
    group.change(|facts| facts.retention = None);
    Ok(json!({}).into())
}

/// PutLogGroupDeletionProtection.
pub fn protect(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = super::input::identified(
        &call.region,
        members.required("logGroupIdentifier")?,
        "logGroupIdentifier",
    )?;
    let protected = members
        .truth("deletionProtectionEnabled")?
        .ok_or_else(|| invalid("deletionProtectionEnabled must be specified"))?;
    let group = call.region.logs.store().group(&name)?;
    group.change(|facts| facts.protected = protected);
    Ok(json!({}).into())
}

/// TagResource and TagLogGroup.
pub fn tag(call: &Call, older: bool) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = named(call, older)?;
    let tags = members
        .tags()?
        .ok_or_else(|| invalid("1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"))?;
    let group = call.region.logs.store().group(&name)?;
    group.change(|facts| {
        let mut all = facts.tags.clone();
        all.extend(tags);
        if all.len() > 50 {
            return Err(if older {
                invalid("Tag limit exceeded: a log group can have 50 tags at most.")
            } else {
                AwsError::new(
                    400,
                    "TooManyTagsException",
                    "A resource can have no more than 50 tags.",
                )
                .member("resourceName", name.clone())
            });
        }
        facts.tags = all;
        Ok(json!({}).into())
    })
}

/// UntagResource and UntagLogGroup.
pub fn untag(call: &Call, older: bool) -> Result<Answer> {
    let name = named(call, older)?;
    let keys = Members::of(&call.input)
        .texts(if older { "tags" } else { "tagKeys" }, 50)?
        .unwrap_or_default();
    let group = call.region.logs.store().group(&name)?;
    group.change(|facts| facts.tags.retain(|key, _| !keys.contains(key)));
    Ok(json!({}).into())
}

/// ListTagsForResource and ListTagsLogGroup.
pub fn list_tags(call: &Call, older: bool) -> Result<Answer> {
    let name = named(call, older)?;
    let group = call.region.logs.store().group(&name)?;
    Ok(json!({ "tags": group.facts().tags }).into())
}

/// The group that a call on tags means: the older ones name it, the newer ones give its ARN.
fn named(call: &Call, older: bool) -> Result<String> {
    let members = Members::of(&call.input);
    if older {
        members.group().map(str::to_owned)
    } else {
        resource(&call.region, members)
    }
}
