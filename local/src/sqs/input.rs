//! Reading a call's members, which come from whoever likes to send them.
//!
//! Both protocols' names are taken: `AttributeNames` of the JSON protocol is `AttributeName` in the query protocol's
//! flattened lists [botocore's two SQS models]. A number may be a string, as it is in a form.

use serde_json::{Map, Value};

use super::errors;
use crate::{ACCOUNT, error::Result};

/// A structure's members.
pub type Members = Map<String, Value>;

/// A string, if it's there.
pub fn text<'a>(members: &'a Members, name: &str) -> Result<Option<&'a str>> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(errors::not_read(name)),
    }
}

/// A string that must be there.
pub fn required<'a>(members: &'a Members, name: &str) -> Result<&'a str> {
    text(members, name)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| errors::missing(name))
}

/// A whole number, if it's there.
pub fn number(members: &Members, name: &str) -> Result<Option<i64>> {
    let number = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number.map(Some).ok_or_else(|| errors::not_read(name))
}

/// A list, by either of its names; nothing if it isn't there.
pub fn list<'a>(members: &'a Members, name: &str, flat: &str) -> Result<Vec<&'a Value>> {
    match members.get(name).or_else(|| members.get(flat)) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.iter().collect()),
        // A form's list of one can look like the thing itself.
        Some(one @ (Value::String(_) | Value::Object(_))) => Ok(vec![one]),
        Some(_) => Err(errors::not_read(name)),
    }
}

/// A list of strings.
pub fn texts<'a>(members: &'a Members, name: &str, flat: &str) -> Result<Vec<&'a str>> {
    list(members, name, flat)?
        .into_iter()
        .map(|value| value.as_str().ok_or_else(|| errors::not_read(name)))
        .collect()
}

/// A map, by either of its names; nothing if it isn't there.
pub fn map<'a>(members: &'a Members, name: &str, flat: &str) -> Result<Option<&'a Members>> {
    match members.get(name).or_else(|| members.get(flat)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(errors::not_read(name)),
    }
}

/// A map from strings to strings, in the order that it was sent in.
pub fn text_map<'a>(
    members: &'a Members,
    name: &str,
    flat: &str,
) -> Result<Vec<(&'a str, &'a str)>> {
    let Some(map) = map(members, name, flat)? else {
        return Ok(Vec::new());
    };
    map.iter()
        .map(|(key, value)| {
            let value = value.as_str().ok_or_else(|| errors::not_read(name))?;
            Ok((key.as_str(), value))
        })
        .collect()
}

/// The name of the queue in a `QueueUrl`: its path counts, whatever the host. A bare name is taken too [LS snapshot].
pub fn queue_in(url: &str) -> Option<&str> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url,
    };
    let path = path.split(['?', '#']).next()?.trim_matches('/');
    match path.rsplit_once('/') {
        Some((before, name)) => {
            let account = before.rsplit('/').next()?;
            (account == ACCOUNT && !name.is_empty()).then_some(name)
        }
        None => (!path.is_empty() && !url.contains("://")).then_some(path),
    }
}

/// The name of the queue of this ARN, if it's one of this region's.
pub fn queue_of_arn<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let mut parts = arn.split(':');
    let ours = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| !partition.is_empty())
        && parts.next() == Some("sqs")
        && parts.next() == Some(region)
        && parts.next() == Some(ACCOUNT);
    let name = parts.next()?;
    (ours && parts.next().is_none() && !name.is_empty()).then_some(name)
}

/// Whether these are letters of SQS's ids: 1 to 128, alphanumeric or punctuation [SQS model].
pub fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_url_counts_by_its_path() {
        for url in [
            "http://127.0.0.1:4510/000000000000/jobs",
            "https://sqs.eu-west-1.amazonaws.com/000000000000/jobs",
            "http://localhost/000000000000/jobs/",
            "/000000000000/jobs",
            "jobs",
        ] {
            assert_eq!(queue_in(url), Some("jobs"), "{url}");
        }
        for url in [
            "http://127.0.0.1:4510",
            "http://127.0.0.1:4510/",
            "http://127.0.0.1:4510/jobs",
            "http://127.0.0.1:4510/111111111111/jobs",
            "",
        ] {
            assert_eq!(queue_in(url), None, "{url}");
        }
    }

    #[test]
    fn an_arn_of_another_region_names_no_queue_here() {
        let arn = "arn:aws:sqs:eu-west-1:000000000000:jobs";
        assert_eq!(queue_of_arn(arn, "eu-west-1"), Some("jobs"));
        assert_eq!(queue_of_arn(arn, "us-east-1"), None);
        assert_eq!(queue_of_arn("dummy", "us-east-1"), None);
    }
}
