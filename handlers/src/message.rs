//! What a handler is given.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What came in: a client's text, or the opening or closing of its connection.
///
/// Handlers of `$connect` find the request in [`Message::handshake`], those of `$disconnect` the reason in
/// [`Message::close`]; their text is empty.
#[derive(Clone, Debug, Default)]
pub struct Message {
    text: String,
    handshake: Option<Handshake>,
    close: Option<Close>,
}

impl Message {
    /// A client's text: for tests of handlers.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            handshake: None,
            close: None,
        }
    }

    pub(crate) fn connect(handshake: Handshake) -> Self {
        Self {
            text: String::new(),
            handshake: Some(handshake),
            close: None,
        }
    }

    pub(crate) fn disconnect(close: Close) -> Self {
        Self {
            text: String::new(),
            handshake: None,
            close: Some(close),
        }
    }

    /// The frame as the client sent it, at most 128 KiB.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The frame read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// The request that opens a connection, on `$connect`.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// Why the connection closed, on `$disconnect`.
    pub fn close(&self) -> Option<&Close> {
        self.close.as_ref()
    }
}

/// Why a connection closed. The client writes both: don't trust them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Close {
    /// The WebSocket close code, such as 1000 (normal), 1001 (idle for 10 minutes, or a closed tab), 1005 (none given).
    pub code: Option<u16>,
    /// The reason's text, often empty.
    pub reason: String,
}

/// The HTTP request that opens a connection. Only `$connect` has one: what later messages need of it must be kept.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    source_ip: Option<String>,
}

impl Handshake {
    /// A request: for tests of handlers.
    pub fn for_tests(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Self {
        let own = |pairs: &[(&str, &str)], lower: bool| {
            pairs
                .iter()
                .map(|(k, v)| {
                    (
                        if lower {
                            k.to_ascii_lowercase()
                        } else {
                            (*k).to_owned()
                        },
                        (*v).to_owned(),
                    )
                })
                .collect()
        };
        Self {
            headers: own(headers, true),
            query: own(query, false),
            source_ip: None,
        }
    }

    pub(crate) fn new(
        headers: Option<&Map<String, Value>>,
        query: Option<&Map<String, Value>>,
        source_ip: Option<String>,
    ) -> Self {
        let texts = |map: Option<&Map<String, Value>>| -> Vec<(String, String)> {
            map.into_iter()
                .flatten()
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect()
        };
        Self {
            headers: texts(headers)
                .into_iter()
                .map(|(k, v)| (k.to_ascii_lowercase(), v))
                .collect(),
            query: texts(query).into_iter().collect(),
            source_ip,
        }
    }

    /// A header's value, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(&name.to_ascii_lowercase())
            .map(String::as_str)
    }

    /// A query parameter's value; of a repeated one the last.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The client's address, as API Gateway saw it.
    pub fn source_ip(&self) -> Option<&str> {
        self.source_ip.as_deref()
    }

    /// The subprotocols that the client offers, the one it likes best first.
    pub fn subprotocols(&self) -> Vec<&str> {
        let offered = self.header("sec-websocket-protocol").unwrap_or_default();
        offered
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case() {
        let handshake =
            Handshake::for_tests(&[("SEC-WebSocket-Protocol", "v2, v1 ,")], &[("token", "t")]);
        assert_eq!(handshake.subprotocols(), ["v2", "v1"]);
        assert_eq!(handshake.header("sec-websocket-protocol"), Some("v2, v1 ,"));
        assert_eq!(handshake.query("token"), Some("t"));
        assert_eq!(handshake.query("Token"), None);
    }

    #[test]
    fn a_message_reads_as_json_or_says_why_not() {
        #[derive(serde::Deserialize)]
        struct Say {
            text: String,
        }
        assert_eq!(
            Message::new(r#"{"text":"hi","more":1}"#)
                .json::<Say>()
                .unwrap()
                .text,
            "hi"
        );
        assert!(Message::new("hi").json::<Say>().is_err());
    }
}
