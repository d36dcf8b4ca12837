//! What IAM's operations take: members checked as IAM checks them, and pages.
//!
//! The query protocol has only texts; numbers and truths come as such or as texts.

use serde_json::{Map, Value, json};

use super::state::Tags;
use crate::{
    call::{Call, timestamp},
    clock::Millis,
    error::{AwsError, Result},
};

/// Tags that a role or a policy may have [IAM quotas].
const TAGS: usize = 50;

/// `ValidationError`.
pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

fn constraint(value: &str, member: &str, constraint: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: {constraint}",
        camel(member)
    ))
}

/// A value that isn't of a pattern.
pub fn unfit(member: &str, value: &str, pattern: &str) -> AwsError {
    let words = format!("Member must satisfy regular expression pattern: {pattern}");
    constraint(value, member, &words)
}

/// `roleName`: messages name members so.
fn camel(member: &str) -> String {
    let mut chars = member.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_lowercase().to_string() + chars.as_str()
    })
}

/// A member, if it was given.
pub fn optional<'c>(call: &'c Call, member: &str) -> Option<&'c str> {
    call.input.get(member).and_then(Value::as_str)
}

/// A member that must be given.
pub fn required<'c>(call: &'c Call, member: &str) -> Result<&'c str> {
    optional(call, member).ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must not be null",
            camel(member)
        ))
    })
}

/// The same, of a length.
pub fn length<'c>(member: &str, value: &'c str, least: usize, most: usize) -> Result<&'c str> {
    let length = value.chars().count();
    if length < least {
        let words = format!("Member must have length greater than or equal to {least}");
        return Err(constraint(value, member, &words));
    }
    if length > most {
        let words = format!("Member must have length less than or equal to {most}");
        return Err(constraint(value, member, &words));
    }
    Ok(value)
}

/// A name of a role, a policy or a user.
pub fn name<'c>(call: &'c Call, member: &str, most: usize) -> Result<&'c str> {
    let value = length(member, required(call, member)?, 1, most)?;
    let is_name = value
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char));
    if !is_name {
        return Err(invalid(format!(
            "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: \
             +=,.@_-",
            camel(member)
        )));
    }
    Ok(value)
}

/// The name of a role.
pub fn role_name(call: &Call) -> Result<&str> {
    name(call, "RoleName", 64)
}

/// A path; without one it's `/`.
pub fn path(call: &Call) -> Result<&str> {
    let Some(path) = optional(call, "Path") else {
        return Ok("/");
    };
    length("Path", path, 1, 512)?;
    let is_path = path == "/"
        || path.len() > 2
            && path.starts_with('/')
            && path.ends_with('/')
            && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if !is_path {
        return Err(invalid(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ));
    }
    Ok(path)
}

/// A path that what is listed begins with.
pub fn path_prefix(call: &Call) -> Result<&str> {
    let prefix = optional(call, "PathPrefix").unwrap_or("/");
    length("PathPrefix", prefix, 1, 512)?;
    if !prefix.starts_with('/') {
        return Err(invalid(
            "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters \
             and/or / characters.",
        ));
    }
    Ok(prefix)
}

/// A policy's document, not yet read.
pub fn document<'c>(call: &'c Call, member: &str) -> Result<&'c str> {
    let text = length(member, required(call, member)?, 1, 131_072)?;
    let is_clean = text
        .chars()
        .all(|char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}'));
    if !is_clean {
        return Err(invalid(format!(
            "The specified value for {} is invalid. It must contain only printable ASCII characters.",
            camel(member)
        )));
    }
    Ok(text)
}

/// The characters of a document that count: those that aren't white space [IAM quotas].
pub fn size(document: &str) -> usize {
    document
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .count()
}

/// A description.
pub fn description(call: &Call) -> Result<Option<String>> {
    let Some(text) = optional(call, "Description") else {
        return Ok(None);
    };
    length("Description", text, 0, 1000)?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A number within bounds.
pub fn number(call: &Call, member: &str, least: i64, most: i64) -> Result<Option<i64>> {
    let value = match call.input.get(member) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    let Some(value) = value else {
        return Err(AwsError::new(
            400,
            "MalformedInput",
            format!("{member} must be a number"),
        ));
    };
    if value < least {
        let words = format!("Member must have value greater than or equal to {least}");
        return Err(constraint(&value.to_string(), member, &words));
    }
    if value > most {
        let words = format!("Member must have value less than or equal to {most}");
        return Err(constraint(&value.to_string(), member, &words));
    }
    Ok(Some(value))
}

/// A truth, which is false if it isn't given.
pub fn truth(call: &Call, member: &str) -> bool {
    match call.input.get(member) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The tags in a call.
pub fn tags(call: &Call) -> Result<Tags> {
    let mut tags = Tags::new();
    let list = match call.input.get("Tags") {
        Some(Value::Array(list)) => list.as_slice(),
        _ => &[],
    };
    for (at, tag) in list.iter().enumerate() {
        let member = |part: &str| format!("tags.{}.member.{part}", at + 1);
        let text = |part: &str| tag.get(part).and_then(Value::as_str);
        let Some(key) = text("Key") else {
            return Err(required_in(&member("key")));
        };
        let Some(value) = text("Value") else {
            return Err(required_in(&member("value")));
        };
        length(&member("key"), key, 1, 128)?;
        length(&member("value"), value, 0, 256)?;
        for (part, text) in [("key", key), ("value", value)] {
            let is_clean = text
                .chars()
                .all(|char| char.is_alphanumeric() || char == ' ' || "_.:/=+-@".contains(char));
            if !is_clean {
                let pattern = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+";
                return Err(constraint(text, &member(part), pattern));
            }
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(AwsError::new(
                400,
                "InvalidInput",
                "Tag keys beginning with aws: are reserved for internal AWS use",
            ));
        }
        if has_tag(&tags, key) {
            return Err(AwsError::new(
                400,
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    if tags.len() > TAGS {
        return Err(too_many_tags());
    }
    Ok(tags)
}

fn required_in(member: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

fn has_tag(tags: &Tags, key: &str) -> bool {
    tags.iter()
        .any(|(found, _)| found.eq_ignore_ascii_case(key))
}

fn too_many_tags() -> AwsError {
    limit("The number of tags has reached the maximum limit.")
}

/// Adds tags to others; a key's case doesn't matter.
pub fn add_tags(tags: &mut Tags, new: Tags) -> Result<()> {
    let unmatched = new.iter().filter(|(key, _)| !has_tag(tags, key)).count();
    if tags.len() + unmatched > TAGS {
        return Err(too_many_tags());
    }
    for (key, value) in new {
        match tags
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(&key))
        {
            Some((_, old)) => *old = value,
            None => tags.push((key, value)),
        }
    }
    Ok(())
}

/// The keys of tags that are to go.
pub fn tag_keys(call: &Call) -> Result<Vec<&str>> {
    match call.input.get("TagKeys") {
        Some(Value::Array(keys)) => Ok(keys.iter().filter_map(Value::as_str).collect()),
        _ => Err(required_in("tagKeys")),
    }
}

/// Tags as an answer has them.
pub fn shown_tags(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// A moment as IAM and STS give it: in whole seconds.
pub fn moment(at: Millis) -> Value {
    timestamp(Millis(at.0.div_euclid(1000) * 1000))
}

/// `LimitExceeded`.
pub fn limit(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "LimitExceeded", message)
}

/// `NoSuchEntity`.
pub fn missing(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "NoSuchEntity", message)
}

/// A page of things that are sorted by a name, as `member` of an answer. A marker is the last name of the page before.
pub fn page<T>(
    call: &Call,
    member: &str,
    things: impl IntoIterator<Item = (String, T)>,
    mut show: impl FnMut(T) -> Value,
) -> Result<Map<String, Value>> {
    let most = number(call, "MaxItems", 1, 1000)?.unwrap_or(100);
    let most = usize::try_from(most).unwrap_or(100);
    let after = match optional(call, "Marker") {
        None => None,
        Some(marker) => Some(parse_marker(marker)?),
    };
    let mut rest = things
        .into_iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after));
    let mut shown = Vec::new();
    let mut last = None;
    for (name, thing) in rest.by_ref().take(most) {
        shown.push(show(thing));
        last = Some(name);
    }
    let mut page = Map::new();
    page.insert(member.to_owned(), Value::Array(shown));
    let is_truncated = rest.next().is_some();
    page.insert("IsTruncated".to_owned(), is_truncated.into());
    if let (true, Some(last)) = (is_truncated, last) {
        page.insert("Marker".to_owned(), marker(&last).into());
    }
    Ok(page)
}

const MARKER: &str = "v1/";

fn marker(name: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{MARKER}{name}"))
}

fn parse_marker(marker: &str) -> Result<String> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(MARKER).map(str::to_owned))
        .ok_or_else(|| invalid(format!("Invalid Marker: {marker}")))
}
