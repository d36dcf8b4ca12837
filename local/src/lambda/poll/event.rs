//! The event that a function gets: a batch of messages as Lambda writes it. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::sqs::Received;

/// The most that a batch's event may be: an invocation's 6 MB.
pub(super) const MOST: usize = 6 * 1024 * 1024;
/// What a record has besides the message itself, at most.
const RECORD: usize = 1024;

/// Where a batch comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub queue_arn: &'a str,
    pub region: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: &'a BTreeMap<String, String>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
    string_list_values: [&'a str; 0],
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

fn record<'a>(source: Source<'a>, message: &'a Received) -> Record<'a> {
    Record {
        message_id: &message.message_id,
        receipt_handle: &message.receipt_handle,
        body: &message.body,
        attributes: &message.attributes,
        message_attributes: message
            .message_attributes
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, members)| (name.as_str(), attribute(members)))
            .collect(),
        md5_of_message_attributes: message.attributes_md5.as_deref(),
        md5_of_body: &message.body_md5,
        event_source: "aws:sqs",
        event_source_arn: source.queue_arn,
        aws_region: source.region,
    }
}

fn attribute(members: &Value) -> Attribute<'_> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    Attribute {
        string_value: text("StringValue"),
        binary_value: text("BinaryValue"),
        string_list_values: [],
        binary_list_values: [],
        data_type: text("DataType").unwrap_or("String"),
    }
}

/// The event of these messages.
pub(super) fn of(source: Source<'_>, messages: &[Received]) -> Bytes {
    let records = messages
        .iter()
        .map(|message| record(source, message))
        .collect();
    // It's made of texts only, which can always be written.
    Bytes::from(serde_json::to_vec(&Event { records }).unwrap_or_default())
}

/// A message as filters see it.
pub(super) fn value(source: Source<'_>, message: &Received) -> Value {
    serde_json::to_value(record(source, message)).unwrap_or_else(|_| Value::Object(Map::new()))
}

/// What a message takes of an event, at most.
pub(super) fn size(message: &Received) -> usize {
    // As JSON a character of a text may take six.
    let written = |text: &str| {
        text.len()
            + text
                .bytes()
                .filter(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
                .count()
                * 5
    };
    let attributes = match &message.message_attributes {
        Value::Object(all) if all.is_empty() => 0,
        all => all.to_string().len() * 2,
    };
    RECORD + written(&message.body) + attributes
}

/// How many of the first messages fit an event; at least one.
pub(super) fn fitting(messages: &[Received]) -> usize {
    let mut all = 0;
    messages
        .iter()
        .take_while(|message| {
            all += size(message);
            all <= MOST
        })
        .count()
        .max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn message(body: &str) -> Received {
        Received {
            message_id: "059f36b4-87a3-44ab-83d2-661975830a7d".to_owned(),
            receipt_handle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".to_owned(),
            body: body.into(),
            body_md5: "098f6bcd4621d373cade4e832627b4f6".to_owned(),
            attributes_md5: None,
            attributes: BTreeMap::from([("ApproximateReceiveCount".to_owned(), "1".to_owned())]),
            message_attributes: json!({}),
        }
    }

    const SOURCE: Source<'_> = Source {
        queue_arn: "arn:aws:sqs:us-east-2:123456789012:my-queue",
        region: "us-east-2",
    };

    #[test]
    fn an_event_is_as_the_developer_guide_shows_it() {
        let mut received = message("test");
        received.attributes_md5 = Some("12ab".to_owned());
        received.message_attributes = json!({
            "myAttribute": {"StringValue": "myValue", "DataType": "String"},
            "raw": {"BinaryValue": "AAEC", "DataType": "Binary"},
        });
        let event: Value = serde_json::from_slice(&of(SOURCE, &[received])).unwrap();
        assert_eq!(
            event,
            json!({"Records": [{
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": "test",
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {
                    "myAttribute": {
                        "stringValue": "myValue",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "String",
                    },
                    "raw": {
                        "binaryValue": "AAEC",
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": "Binary",
                    },
                },
                "md5OfMessageAttributes": "12ab",
                "md5OfBody": "098f6bcd4621d373cade4e832627b4f6",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
                "awsRegion": "us-east-2",
            }]})
        );
    }

    #[test]
    fn a_batch_is_no_larger_than_an_invocation_may_be() {
        for body in ["x".repeat(1 << 20), "\u{1}".repeat(1 << 19)] {
            let messages: Vec<_> = (0..10).map(|_| message(&body)).collect();
            let fits = fitting(&messages);
            assert!((1..10).contains(&fits), "{fits}");
            assert!(of(SOURCE, &messages[..fits]).len() <= MOST);
        }
        let small: Vec<_> = (0..10).map(|_| message("small")).collect();
        assert_eq!(fitting(&small), 10);
    }
}
