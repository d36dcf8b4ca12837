//! The messages of the results queue.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::percent_encode;
use crate::aws::sqs::Entry;

/// The largest text that API Gateway sends to a client: 128 KiB (API Gateway quotas; PostToConnection's model).
pub const MAX_DATA_BYTES: usize = 128 * 1024;

/// The only version there is.
const VERSION: u32 = 1;
/// SQS's limit of a message group's id.
const GROUP_CHARS: usize = 128;

/// One message of the results queue: a text, and whom the built-in `push` handler is to send it to.
///
/// Any back end may write it, whatever it's written in and wherever it runs: the body of the SQS message is this
/// object as JSON. On a FIFO queue the message group should be the connection's id, `room:NAME` or `all`.
///
/// ```json
/// {"version": 1, "to": {"connection": "L0SM9cOFvHcCIhw="}, "data": "hello"}
/// ```
///
/// - `version`: 1. `push` refuses others, so that a newer writer's message waits in the dead-letter queue instead of
///   being misread.
/// - `to`: one of `{"connection": ID}`, `{"connections": [ID, ...]}`, `{"room": NAME}`, `{"all": true}`. A room and
///   all need the connection registry.
/// - `data`: the text of the frame, at most 128 KiB as UTF-8.
/// - `retained` (optional, false): of a message to a room, that its text is kept for a day, or until another is kept
///   for the same room, and given to handlers that ask for it ([`Registry::retained`](crate::Registry::retained)).
///   Other messages' texts aren't kept.
/// - `request`, `route` (optional): what this answers; they appear in `push`'s log lines.
/// - `received` (optional): when API Gateway received the frame that this answers, in epoch milliseconds. From then on
///   `push` counts the metric `MessageLatency`.
/// - `tries` (optional, 0): how often `push` has tried in vain to reach those that `to` names. Only `push` writes it, when
///   it puts a message back for those who missed it; it gives them up after the fifth time.
///
/// Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResultMessage {
    version: u32,
    /// Whom it is for.
    pub to: To,
    /// The text.
    pub data: String,
    /// Whether the room's text is kept for who joins later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retained: bool,
    /// The request that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The route that the request came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// When the frame that this answers was received, in epoch milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// How often those that it's for were tried in vain, in messages before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) tries: u32,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum To {
    /// One connection, by its id.
    Connection(String),
    /// Each of these connections.
    Connections(Vec<String>),
    /// Every connection that has joined the room.
    Room(String),
    /// Every open connection. The value is `true`.
    All(bool),
}

/// Why a text isn't a message of the results queue.
#[derive(Debug)]
pub(crate) enum FormatError {
    Json(serde_json::Error),
    Version(u32),
    Nobody,
    TooLarge(usize),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(e) => write!(f, "not a result message: {e}"),
            Self::Version(version) => write!(
                f,
                "result message of version {version}; this one knows {VERSION}"
            ),
            Self::Nobody => write!(f, "result message to nobody: \"to\" names no one"),
            Self::TooLarge(bytes) => write!(
                f,
                "{bytes} bytes; a client is sent at most {MAX_DATA_BYTES}"
            ),
        }
    }
}

impl std::error::Error for FormatError {}

impl ResultMessage {
    /// A message.
    pub fn new(to: To, data: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            to,
            data: data.into(),
            retained: false,
            request: None,
            route: None,
            received: None,
            tries: 0,
        }
    }

    /// The same message, with its text kept for who joins the room later.
    #[must_use]
    pub fn retained(mut self) -> Self {
        self.retained = true;
        self
    }

    /// The room whose last text this is, if it's to be kept.
    pub(crate) fn kept_room(&self) -> Option<&str> {
        match &self.to {
            To::Room(room) if self.retained => Some(room),
            _ => None,
        }
    }

    /// Reads a message's body.
    pub(crate) fn parse(body: &str) -> Result<Self, FormatError> {
        // The version is looked at first: a newer version's other fields may be anything.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(body).map_err(FormatError::Json)?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let message: Self = serde_json::from_str(body).map_err(FormatError::Json)?;
        match &message.to {
            To::All(false) => Err(FormatError::Nobody),
            To::Connection(id) | To::Room(id) if id.is_empty() => Err(FormatError::Nobody),
            _ => Ok(message),
        }
    }

    /// Refuses what can't be delivered to anyone.
    pub(crate) fn check_size(&self) -> Result<(), FormatError> {
        if self.data.len() > MAX_DATA_BYTES {
            Err(FormatError::TooLarge(self.data.len()))
        } else {
            Ok(())
        }
    }

    /// The message as an entry for the queue. `key` is what makes it the same message when it's sent again.
    pub(crate) fn entry(&self, key: String) -> Entry {
        let body = serde_json::to_string(self).unwrap_or_default();
        Entry {
            body,
            group: self.group(),
            deduplication: key,
            delay: Duration::ZERO,
        }
    }

    /// The FIFO group. SQS takes ASCII letters, digits and punctuation, at most 128: other names are encoded, and cut,
    /// which at worst puts two rooms into one group's order.
    fn group(&self) -> String {
        let mut group = match &self.to {
            To::Connection(id) => plain(id),
            To::Connections(ids) => ids.first().map(|id| plain(id)).unwrap_or_default(),
            To::Room(name) => format!("room:{}", plain(name)),
            To::All(_) => "all".to_owned(),
        };
        group.truncate(GROUP_CHARS);
        group
    }
}

fn plain(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        name.to_owned()
    } else {
        percent_encode(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_forms_are_read() {
        for (to, expected) in [
            (r#"{"connection":"a="}"#, To::Connection("a=".into())),
            (
                r#"{"connections":["a=","b="]}"#,
                To::Connections(vec!["a=".into(), "b=".into()]),
            ),
            (r#"{"room":"lobby"}"#, To::Room("lobby".into())),
            (r#"{"all":true}"#, To::All(true)),
        ] {
            let body = format!(r#"{{"version":1,"to":{to},"data":"x","later":"ignored"}}"#);
            assert_eq!(ResultMessage::parse(&body).unwrap().to, expected);
        }
    }

    #[test]
    fn what_is_written_is_what_is_documented() {
        let mut message = ResultMessage::new(To::Room("lobby".into()), "hi");
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"version":1,"to":{"room":"lobby"},"data":"hi"}"#
        );
        message.request = Some("r=".into());
        message.received = Some(1_700_000_000_000);
        message.to = To::All(true);
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(
            text,
            r#"{"version":1,"to":{"all":true},"data":"hi","request":"r=","received":1700000000000}"#
        );
        assert_eq!(ResultMessage::parse(&text).unwrap(), message);
        message.tries = 2;
        let text = serde_json::to_string(&message).unwrap();
        assert!(text.ends_with(r#","tries":2}"#), "{text}");
        assert_eq!(ResultMessage::parse(&text).unwrap(), message);
    }

    #[test]
    fn only_a_rooms_text_is_kept_and_only_if_the_message_says_so() {
        let kept = ResultMessage::new(To::Room("ACME".into()), "1").retained();
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(
            text,
            r#"{"version":1,"to":{"room":"ACME"},"data":"1","retained":true}"#
        );
        assert_eq!(ResultMessage::parse(&text).unwrap(), kept);
        assert_eq!(kept.kept_room(), Some("ACME"));
        let passing = ResultMessage::new(To::Room("ACME".into()), "1");
        assert_eq!(passing.kept_room(), None);
        let all = ResultMessage::new(To::All(true), "1").retained();
        assert_eq!(all.kept_room(), None);
    }

    #[test]
    fn another_version_and_nobody_are_refused() {
        for body in [
            r#"{"version":2,"target":"new"}"#,
            r#"{"to":{"all":true},"data":"x"}"#,
            r#"{"version":1,"to":{"all":false},"data":"x"}"#,
            r#"{"version":1,"to":{"room":""},"data":"x"}"#,
            r#"{"version":1,"to":{"everyone":true},"data":"x"}"#,
            r#"{"version":1,"to":{"connection":"a"}}"#,
            "hello",
            "",
        ] {
            assert!(ResultMessage::parse(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_group_is_what_sqs_takes() {
        let group = |to| ResultMessage::new(to, "x").group();
        assert_eq!(group(To::Connection("a-b_c=".into())), "a-b_c=");
        assert_eq!(group(To::All(true)), "all");
        assert_eq!(group(To::Room("lobby".into())), "room:lobby");
        assert_eq!(
            group(To::Room("two words \u{e9}".into())),
            "room:two%20words%20%C3%A9"
        );
        assert_eq!(group(To::Room("\u{1f600}".repeat(128))).len(), 128);
    }

    #[test]
    fn the_limit_is_api_gateways() {
        assert!(
            ResultMessage::new(To::All(true), "x".repeat(131_072))
                .check_size()
                .is_ok()
        );
        assert!(
            ResultMessage::new(To::All(true), "x".repeat(131_073))
                .check_size()
                .is_err()
        );
    }
}
