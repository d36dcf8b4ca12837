//! A message, what a sender may put into it, and the digests that clients check it by.
//!
//! Pure. Limits: 1 byte to 1 MiB of body and attributes together, ten attributes, XML's characters [SQS model].

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::{
    errors,
    input::{self, Members},
};
use crate::{clock::Millis, error::Result};

/// The most attributes of a message.
const ATTRIBUTES: usize = 10;
/// The longest name or type of an attribute, in bytes.
const NAME: usize = 256;
/// The digits that a number may have.
const DIGITS: usize = 38;
/// The only system attribute that a sender may give.
const TRACE: &str = "AWSTraceHeader";
/// The first sequence number; AWS's have twenty digits.
const SEQUENCE: u128 = 18_850_000_000_000_000_000;

/// An MD5 digest.
pub type Digest16 = [u8; 16];

/// A sender's attributes, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// One attribute of a sender's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    data_type: String,
    value: Content,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Content {
    /// A string, or a number as it was written.
    Text(String),
    /// Bytes in base64, as they were sent.
    Binary(String),
}

/// A message that a queue holds. Cheap to clone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: Arc<str>,
    /// Its body.
    pub body: Arc<str>,
    /// The body's digest.
    pub body_md5: Digest16,
    /// The sender's attributes.
    pub attributes: Option<Arc<Attributes>>,
    /// Their digest.
    pub attributes_md5: Option<Digest16>,
    /// The trace header.
    pub trace: Option<Arc<str>>,
    /// Who sent it.
    pub sender: Arc<str>,
    /// When it was sent.
    pub sent: Millis,
    /// When its time to be kept began: when it was sent, or came to a FIFO dead-letter queue [SQSG].
    pub enqueued: Millis,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// What it's known as a duplicate by.
    pub dedup: Option<Arc<str>>,
    /// Its place in a FIFO queue.
    pub sequence: Option<u64>,
    /// The ARN of the queue that it couldn't be handled from.
    pub source: Option<Arc<str>>,
    /// How often it was received, in all queues.
    pub received: u32,
    /// When it was received first.
    pub first_received: Option<Millis>,
    /// The bytes of body and attributes.
    pub size: usize,
}

/// What a sender asks for.
#[derive(Debug)]
pub struct Sending {
    /// The body.
    pub body: Arc<str>,
    /// Its digest.
    pub body_md5: Digest16,
    /// The attributes.
    pub attributes: Option<Arc<Attributes>>,
    /// Their digest.
    pub attributes_md5: Option<Digest16>,
    /// The trace header.
    pub trace: Option<Arc<str>>,
    /// The digest of the system attributes.
    pub system_md5: Option<Digest16>,
    /// Seconds that nobody is to receive it.
    pub delay: Option<u32>,
    /// The group.
    pub group: Option<Arc<str>>,
    /// The deduplication id.
    pub dedup: Option<Arc<str>>,
    /// The bytes of body and attributes.
    pub size: usize,
}

/// What a queue lets its senders do.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether it's a FIFO queue.
    pub fifo: bool,
    /// Whether it takes a body's digest for a deduplication id.
    pub content_based: bool,
    /// The most bytes of a message.
    pub largest: usize,
}

impl Sending {
    /// Reads a message, or a batch's entry. A batch words one error its own way [LS snapshot].
    pub fn read(members: &Members, rules: Rules, batch: bool) -> Result<Self> {
        let body = input::required(members, "MessageBody")?;
        let attributes = match input::map(members, "MessageAttributes", "MessageAttribute")? {
            Some(map) if !map.is_empty() => Some(read_attributes(map)?),
            _ => None,
        };
        let size = body.len() + attributes.as_ref().map_or(0, attributes_size);
        if size > rules.largest {
            let what = if batch {
                "cannot be validated"
            } else {
                "are invalid"
            };
            return Err(errors::invalid(format!(
                "One or more parameters {what}. Reason: Message must be shorter than {} bytes.",
                rules.largest
            )));
        }
        if !is_printable(body) {
            return Err(errors::bad_contents());
        }
        let (trace, system_md5) = read_system(members)?;
        let group = read_id(members, "MessageGroupId")?;
        let dedup = read_id(members, "MessageDeduplicationId")?;
        let delay = read_delay(members)?;
        if rules.fifo {
            if let Some(delay) = delay.filter(|delay| *delay > 0) {
                return Err(errors::invalid_value(delay, "DelaySeconds", NOT_HERE));
            }
            // Zero means the queue's own delay [LS snapshot].
            if group.is_none() {
                return Err(errors::missing("MessageGroupId"));
            }
            if dedup.is_none() && !rules.content_based {
                return Err(errors::invalid(NO_DEDUPLICATION));
            }
        } else if let Some(dedup) = &dedup {
            return Err(errors::invalid_value(
                dedup,
                "MessageDeduplicationId",
                "The request includes a parameter that is not valid for this queue type.",
            ));
        }
        Ok(Self {
            body: Arc::from(body),
            body_md5: Md5::digest(body.as_bytes()).into(),
            attributes_md5: attributes.as_ref().map(|map| digest(map.iter())),
            attributes: attributes.map(Arc::new),
            trace,
            system_md5,
            delay: if rules.fifo { None } else { delay },
            group,
            dedup,
            size,
        })
    }
}

/// Why a FIFO queue doesn't take a parameter [LS snapshot].
pub const NOT_HERE: &str = "The request include parameter that is not valid for this queue type.";
/// What a FIFO queue says of a message without a deduplication id [LS snapshot].
pub const NO_DEDUPLICATION: &str = "The queue should either have ContentBasedDeduplication enabled or \
     MessageDeduplicationId provided explicitly";

/// The bytes that an entry of a batch counts for, as far as they can be counted.
pub fn size_of(members: &Members) -> usize {
    let body = members
        .get("MessageBody")
        .and_then(Value::as_str)
        .map_or(0, str::len);
    let attributes = input::map(members, "MessageAttributes", "MessageAttribute")
        .ok()
        .flatten()
        .and_then(|map| read_attributes(map).ok());
    body + attributes.as_ref().map_or(0, attributes_size)
}

impl Message {
    /// What SQS has of it, of what is wanted: `SentTimestamp`, `MessageGroupId`…
    pub fn system(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let mut system = Vec::new();
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value {
                system.push((name, value));
            }
        };
        let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        if wanted("SenderId") {
            add("SenderId", Some(self.sender.to_string()));
        }
        if wanted("ApproximateFirstReceiveTimestamp") {
            add(
                "ApproximateFirstReceiveTimestamp",
                self.first_received.map(|at| at.0.to_string()),
            );
        }
        if wanted("ApproximateReceiveCount") {
            add("ApproximateReceiveCount", Some(self.received.to_string()));
        }
        if wanted("SentTimestamp") {
            add("SentTimestamp", Some(self.sent.0.to_string()));
        }
        if wanted("SequenceNumber") {
            add("SequenceNumber", self.sequence.map(sequence_number));
        }
        if wanted("MessageDeduplicationId") {
            add("MessageDeduplicationId", text(&self.dedup));
        }
        if wanted("MessageGroupId") {
            add("MessageGroupId", text(&self.group));
        }
        if wanted(TRACE) {
            add(TRACE, text(&self.trace));
        }
        if wanted("DeadLetterQueueSourceArn") {
            add("DeadLetterQueueSourceArn", text(&self.source));
        }
        system
    }

    /// The sender's attributes that are wanted, and the digest of just those [LS snapshot].
    pub fn attributes(&self, wanted: impl Fn(&str) -> bool) -> Option<(Value, Digest16)> {
        let all = self.attributes.as_deref()?;
        let chosen: Vec<_> = all.iter().filter(|(name, _)| wanted(name)).collect();
        if chosen.is_empty() {
            return None;
        }
        let md5 = match self.attributes_md5 {
            Some(md5) if chosen.len() == all.len() => md5,
            _ => digest(chosen.iter().copied()),
        };
        let members = chosen
            .into_iter()
            .map(|(name, attribute)| (name.clone(), attribute.members()))
            .collect();
        Some((Value::Object(members), md5))
    }
}

impl Attribute {
    fn members(&self) -> Value {
        let (name, value) = match &self.value {
            Content::Text(text) => ("StringValue", text),
            Content::Binary(base64) => ("BinaryValue", base64),
        };
        let mut members = Map::new();
        members.insert(name.to_owned(), value.clone().into());
        members.insert("DataType".to_owned(), self.data_type.clone().into());
        Value::Object(members)
    }
}

/// A sequence number as it's shown: twenty digits, growing.
pub fn sequence_number(sequence: u64) -> String {
    (SEQUENCE + u128::from(sequence) * 256).to_string()
}

/// A new message's id.
pub fn new_id() -> String {
    uuid::Builder::from_random_bytes(rand::random())
        .into_uuid()
        .to_string()
}

/// What a body is known by where its content is its deduplication id.
pub fn body_sha256(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

/// A digest in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// MD5 over the attributes in the order of their names: each part with its length before it, and 1 or 2 before a value
/// that's a string or binary [SQSG, Calculating the MD5 message digest for message attributes].
fn digest<'a>(attributes: impl Iterator<Item = (&'a String, &'a Attribute)>) -> Digest16 {
    fn part(md5: &mut Md5, bytes: &[u8]) {
        md5.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        md5.update(bytes);
    }
    let mut md5 = Md5::new();
    for (name, attribute) in attributes {
        part(&mut md5, name.as_bytes());
        part(&mut md5, attribute.data_type.as_bytes());
        match &attribute.value {
            Content::Text(text) => {
                md5.update([1]);
                part(&mut md5, text.as_bytes());
            }
            Content::Binary(base64) => {
                md5.update([2]);
                part(&mut md5, &STANDARD.decode(base64).unwrap_or_default());
            }
        }
    }
    md5.finalize().into()
}

fn attributes_size(attributes: &Attributes) -> usize {
    attributes
        .iter()
        .map(|(name, attribute)| {
            let value = match &attribute.value {
                Content::Text(text) => text.len(),
                Content::Binary(base64) => base64.trim_end_matches('=').len() * 3 / 4,
            };
            name.len() + attribute.data_type.len() + value
        })
        .sum()
}

fn read_attributes(map: &Members) -> Result<Attributes> {
    if map.len() > ATTRIBUTES {
        return Err(errors::invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES}].",
            map.len()
        )));
    }
    map.iter()
        .map(|(name, value)| {
            check_name(name)?;
            let members = value
                .as_object()
                .ok_or_else(|| errors::not_read("MessageAttributes"))?;
            Ok((name.clone(), read_attribute(name, members, "user")?))
        })
        .collect()
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME {
        return Err(errors::invalid(
            "Message (user) attribute names must be shorter than 256 Bytes",
        ));
    }
    // Letters of all scripts are taken [LS test on AWS].
    if !name
        .chars()
        .all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
    {
        return Err(errors::invalid(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, \
             hyphens and underscores. ",
        ));
    }
    let lower = name.to_lowercase();
    if lower.starts_with("aws.")
        || lower.starts_with("amazon.")
        || lower.starts_with('.')
        || lower.ends_with('.')
        || lower.contains("..")
    {
        return Err(errors::invalid(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. \
             These strings are reserved for internal use. Additionally, they cannot start or end with '.'.",
        ));
    }
    Ok(())
}

fn read_attribute(name: &str, members: &Members, kind: &str) -> Result<Attribute> {
    let data_type = input::text(members, "DataType")?.unwrap_or_default();
    if data_type.is_empty() {
        return Err(errors::invalid(format!(
            "Message ({kind}) attribute '{name}' must contain a non-empty attribute type."
        )));
    }
    if data_type.len() > NAME {
        return Err(errors::invalid(
            "Message (user) attribute types must be shorter than 256 Bytes",
        ));
    }
    let base = data_type
        .split_once('.')
        .map_or(data_type, |(base, _)| base);
    if !matches!(base, "String" | "Number" | "Binary") {
        return Err(errors::invalid(format!(
            "The type of message ({kind}) attribute '{name}' is invalid. \
             You must use only the following supported type prefixes: Binary, Number, String."
        )));
    }
    for list in ["StringListValues", "BinaryListValues"] {
        let given = members
            .get(list)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty());
        if given {
            return Err(errors::invalid(
                "Message attribute list values in SendMessage operation are not supported.",
            ));
        }
    }
    let member = if base == "Binary" {
        "BinaryValue"
    } else {
        "StringValue"
    };
    let value = input::text(members, member)?.unwrap_or_default();
    if value.is_empty() {
        return Err(errors::invalid(format!(
            "Message ({kind}) attribute '{name}' must contain a non-empty value of type '{base}'."
        )));
    }
    let value = match base {
        "Binary" => {
            STANDARD
                .decode(value)
                .map_err(|_| errors::not_read("BinaryValue"))?;
            Content::Binary(value.to_owned())
        }
        "Number" if !is_number(value) => {
            return Err(errors::invalid(format!(
                "Can't cast the value of message ({kind}) attribute '{name}' to a number."
            )));
        }
        // Here it's another error than a body's [LS test on AWS].
        _ if !is_printable(value) => return Err(errors::invalid(errors::BAD_CHARACTERS)),
        _ => Content::Text(value.to_owned()),
    };
    Ok(Attribute {
        data_type: data_type.to_owned(),
        value,
    })
}

fn read_system(members: &Members) -> Result<(Option<Arc<str>>, Option<Digest16>)> {
    let map = input::map(members, "MessageSystemAttributes", "MessageSystemAttribute")?;
    let Some(map) = map.filter(|map| !map.is_empty()) else {
        return Ok((None, None));
    };
    let mut system = Attributes::new();
    for (name, value) in map {
        // The words for another name aren't recorded.
        let members = value.as_object().filter(|_| name == TRACE).ok_or_else(|| {
            errors::invalid(format!(
                "Message system attribute name '{name}' is invalid."
            ))
        })?;
        system.insert(name.clone(), read_attribute(name, members, "system")?);
    }
    let trace = system.values().find_map(|trace| match &trace.value {
        Content::Text(text) => Some(Arc::from(text.as_str())),
        Content::Binary(_) => None,
    });
    let md5 = digest(system.iter());
    Ok((trace, Some(md5)))
}

fn read_id(members: &Members, name: &str) -> Result<Option<Arc<str>>> {
    let Some(id) = input::text(members, name)? else {
        return Ok(None);
    };
    if input::is_id(id) {
        return Ok(Some(Arc::from(id)));
    }
    Err(errors::invalid_value(
        id,
        name,
        format!(
            "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        ),
    ))
}

fn read_delay(members: &Members) -> Result<Option<u32>> {
    let Some(delay) = input::number(members, "DelaySeconds")? else {
        return Ok(None);
    };
    match u32::try_from(delay) {
        Ok(delay @ 0..=900) => Ok(Some(delay)),
        _ => Err(errors::invalid_value(
            delay,
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        )),
    }
}

/// Whether XML can carry it [SQS model, SendMessage].
fn is_printable(text: &str) -> bool {
    let control = text
        .bytes()
        .any(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    !control && !text.contains(['\u{FFFE}', '\u{FFFF}'])
}

/// Whether it's a number of at most 38 digits [SQSG].
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let shaped = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    shaped && (1..=DIGITS).contains(&digits) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests;
