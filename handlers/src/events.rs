//! The events that Lambda hands to a function: only the fields we use, and tolerant of what's absent, null or of another
//! type. Emulators differ in all of it (header case, null maps, headers on messages, numbers as text).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Any of the events: an SQS batch has `records`, a WebSocket event a `request_context`, an authorizer's both that
/// and a `method_arn`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(rename = "Records")]
    pub records: Option<Vec<Record>>,
    pub request_context: Option<RequestContext>,
    #[serde(default, deserialize_with = "map")]
    pub headers: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "map")]
    pub query_string_parameters: Option<Map<String, Value>>,
    pub body: Option<String>,
    pub method_arn: Option<String>,
}

/// One message of an SQS batch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    #[serde(default, deserialize_with = "text")]
    pub message_id: String,
    #[serde(default, deserialize_with = "text")]
    pub body: String,
    #[serde(default, deserialize_with = "map")]
    pub attributes: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "map")]
    pub message_attributes: Option<Map<String, Value>>,
    #[serde(default, rename = "eventSourceARN", deserialize_with = "text")]
    pub event_source_arn: String,
}

impl Record {
    /// A string message attribute, as the mapping template of the API wrote it.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let value = self.message_attributes.as_ref()?.get(name)?;
        value
            .get("stringValue")?
            .as_str()
            .filter(|text| !text.is_empty())
    }

    /// The FIFO group; empty on standard queues.
    pub fn group(&self) -> &str {
        let group = self
            .attributes
            .as_ref()
            .and_then(|all| all.get("MessageGroupId"));
        group.and_then(Value::as_str).unwrap_or_default()
    }

    /// When the queue got it, in epoch milliseconds.
    pub fn sent(&self) -> Option<u64> {
        let sent = self.attributes.as_ref()?.get("SentTimestamp")?;
        sent.as_str()?.parse().ok()
    }

    /// How long it waited in the queue, in milliseconds, where that's known.
    pub fn waited_ms(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let now = u64::try_from(now.as_millis()).ok()?;
        Some(now.saturating_sub(self.sent()?))
    }

    /// The so-manieth try, if it isn't the first.
    pub fn attempt(&self) -> Option<u32> {
        let count = self.attributes.as_ref()?.get("ApproximateReceiveCount")?;
        count.as_str()?.parse().ok().filter(|count| *count > 1)
    }

    pub fn is_fifo(&self) -> bool {
        std::path::Path::new(&self.event_source_arn)
            .extension()
            .is_some_and(|extension| extension == "fifo")
    }
}

/// What API Gateway tells of a WebSocket event.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext {
    #[serde(default, deserialize_with = "text")]
    pub connection_id: String,
    #[serde(default, deserialize_with = "text")]
    pub request_id: String,
    #[serde(default, deserialize_with = "text")]
    pub route_key: String,
    #[serde(default, deserialize_with = "text")]
    pub event_type: String,
    #[serde(default, deserialize_with = "text")]
    pub stage: String,
    #[serde(default, deserialize_with = "integer")]
    pub connected_at: Option<u64>,
    #[serde(default, deserialize_with = "integer")]
    pub request_time_epoch: Option<u64>,
    #[serde(default, deserialize_with = "integer")]
    pub disconnect_status_code: Option<u64>,
    #[serde(default, deserialize_with = "text")]
    pub disconnect_reason: String,
    #[serde(default, deserialize_with = "map")]
    pub identity: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "map")]
    pub authorizer: Option<Map<String, Value>>,
}

impl RequestContext {
    pub fn source_ip(&self) -> Option<String> {
        self.identity
            .as_ref()?
            .get("sourceIp")?
            .as_str()
            .map(str::to_owned)
    }

    pub fn principal(&self) -> Option<String> {
        self.authorizer
            .as_ref()?
            .get("principalId")?
            .as_str()
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
    }
}

/// Now, in epoch milliseconds.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

/// A time given in epoch milliseconds.
pub(crate) fn time(epoch_ms: Option<u64>) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(epoch_ms?))
}

/// A text; null, absent or anything else is the empty one.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        _ => String::new(),
    })
}

/// A whole number, given as a number or as text.
fn integer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// An object; anything else is none.
fn map<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Map<String, Value>>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Object(object) => Some(object),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_an_emulator_with_nulls_and_texts_is_read() {
        let event: Event = serde_json::from_str(
            r#"{"headers":null,"queryStringParameters":null,"body":"","isBase64Encoded":false,"requestContext":
               {"connectionId":"ab12","routeKey":"$connect","eventType":"CONNECT","stage":"dev","requestId":null,
                "connectedAt":"1700000000000","requestTimeEpoch":1700000000001,"identity":{"sourceIp":"127.0.0.1"},
                "authorizer":null}}"#,
        )
        .unwrap();
        let context = event.request_context.unwrap();
        assert_eq!(context.connected_at, Some(1_700_000_000_000));
        assert_eq!(context.request_id, "");
        assert_eq!(context.source_ip().as_deref(), Some("127.0.0.1"));
        assert!(context.principal().is_none());
        assert!(event.records.is_none());
    }

    #[test]
    fn a_record_is_read_with_its_attributes() {
        let event: Event = serde_json::from_str(
            r#"{"Records":[{"messageId":"m","body":"hi","attributes":{"MessageGroupId":"a=","SentTimestamp":"1700000000000"},
               "messageAttributes":{"connectionId":{"stringValue":"a=","dataType":"String"},"empty":{"stringValue":""}},
               "eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-west-1:1:q.fifo"}]}"#,
        )
        .unwrap();
        let record = &event.records.unwrap()[0];
        assert_eq!(
            (record.attribute("connectionId"), record.attribute("empty")),
            (Some("a="), None)
        );
        assert_eq!((record.group(), record.is_fifo()), ("a=", true));
        assert_eq!(record.sent(), Some(1_700_000_000_000));
        let bare: Record =
            serde_json::from_str(r#"{"messageId":"m","body":null,"messageAttributes":{}}"#)
                .unwrap();
        assert_eq!(
            (
                bare.body.as_str(),
                bare.attribute("connectionId"),
                bare.is_fifo()
            ),
            ("", None, false)
        );
        assert_eq!(bare.sent(), None);
    }
}
