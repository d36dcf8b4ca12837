//! A handshake's request: whether it's one, and what of it events tell.

use std::sync::Arc;

use hyper::{HeaderMap, Method, Request, StatusCode, header};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::event::raw;
use crate::wire::Peer;

/// The names of a request's headers as they were sent: `wire` puts it among a request's extensions if it knows, since hyper
/// keeps them to itself. Without it, names are written the way most clients do.
#[derive(Clone, Debug, Default)]
pub struct SentNames(Arc<[Box<str>]>);

impl SentNames {
    /// Those of what a connection begins with, if it's a handshake.
    pub fn of_handshake(head: &[u8]) -> Option<Self> {
        let end = head
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .unwrap_or(head.len());
        let head = std::str::from_utf8(head.get(..end)?).ok()?;
        let names: Vec<Box<str>> = head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name.into())
            .collect();
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case("Sec-WebSocket-Key"))
            .then(|| Self(names.into()))
    }
}

/// URLs are at most so long [DG websocket-limits].
const URL: usize = 4096;

/// A request to open a connection.
#[derive(Debug)]
pub(super) struct Opening {
    /// `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The subprotocols that are offered.
    pub protocols: Vec<String>,
    pub headers: Pairs,
    pub query: Pairs,
    pub source_ip: String,
    pub user_agent: Option<String>,
}

/// Names and values, in order; a name may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(pub Vec<(String, String)>);

/// Why a request isn't a handshake: the status, what's wrong, and a header that says what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHandshake {
    pub status: StatusCode,
    pub message: &'static str,
    pub header: Option<(header::HeaderName, &'static str)>,
}

impl Opening {
    /// Reads a request's head.
    pub fn read<B>(request: &Request<B>) -> Result<Self, NoHandshake> {
        let bad = |message| {
            Err(NoHandshake {
                status: StatusCode::BAD_REQUEST,
                message,
                header: None,
            })
        };
        let headers = request.headers();
        if !says(headers, &header::UPGRADE, "websocket") {
            return Err(NoHandshake {
                status: StatusCode::UPGRADE_REQUIRED,
                message: "Upgrade Required",
                header: Some((header::UPGRADE, "websocket")),
            });
        }
        if request.method() != Method::GET || !says(headers, &header::CONNECTION, "upgrade") {
            return bad("Bad Request");
        }
        if text(headers, &header::SEC_WEBSOCKET_VERSION).as_deref() != Some("13") {
            return Err(NoHandshake {
                status: StatusCode::UPGRADE_REQUIRED,
                message: "Upgrade Required",
                header: Some((header::SEC_WEBSOCKET_VERSION, "13")),
            });
        }
        let Some(key) = text(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key)) else {
            return bad("Bad Request");
        };
        let uri = request.uri();
        if uri.to_string().len() > URL {
            return Err(NoHandshake {
                status: StatusCode::URI_TOO_LONG,
                message: "URI Too Long",
                header: None,
            });
        }
        let source_ip = request
            .extensions()
            .get::<Peer>()
            .map_or_else(|| "127.0.0.1".to_owned(), |peer| peer.0.ip().to_string());
        let sent = request.extensions().get::<SentNames>();
        Ok(Self {
            accept: derive_accept_key(key.as_bytes()),
            protocols: headers
                .get_all(header::SEC_WEBSOCKET_PROTOCOL)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .map(|protocol| protocol.trim().to_owned())
                .collect(),
            headers: shown(headers, sent, &source_ip),
            query: Pairs(
                form_urlencoded::parse(uri.query().unwrap_or("").as_bytes())
                    .into_owned()
                    .collect(),
            ),
            user_agent: text(headers, &header::USER_AGENT),
            source_ip,
        })
    }

    /// A header, however its name is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .0
            .iter()
            .rev()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A query parameter; the last, if there are more.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .0
            .iter()
            .rev()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The headers as events show them: without what's between the client and the gateway only, with what the gateway adds.
fn shown(headers: &HeaderMap, sent: Option<&SentNames>, source_ip: &str) -> Pairs {
    let mut pairs = Vec::with_capacity(headers.len() + 4);
    for (name, value) in headers {
        if name == header::CONNECTION || name == header::UPGRADE {
            continue;
        }
        let written = sent
            .and_then(|sent| {
                sent.0
                    .iter()
                    .find(|sent| sent.eq_ignore_ascii_case(name.as_str()))
            })
            .map_or_else(|| usual(name.as_str()), ToString::to_string);
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        pairs.push((written, value));
    }
    let now = crate::clock::Millis::now().0 / 1000;
    let random: u128 = rand::random();
    let trace = format!("Root=1-{now:08x}-{:024x}", random >> 32);
    for (name, value) in [
        ("X-Amzn-Trace-Id", trace),
        ("X-Forwarded-For", source_ip.to_owned()),
        ("X-Forwarded-Port", "443".to_owned()),
        ("X-Forwarded-Proto", "https".to_owned()),
    ] {
        pairs.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        pairs.push((name.to_owned(), value));
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    Pairs(pairs)
}

/// `Sec-WebSocket-Key`, `User-Agent`.
fn usual(name: &str) -> String {
    name.split('-')
        .map(|part| match part {
            "websocket" => "WebSocket".to_owned(),
            part => {
                let mut letters = part.chars();
                letters.next().map_or_else(String::new, |first| {
                    format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
                })
            }
        })
        .collect::<Vec<_>>()
        .join("-")
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether a header that is a list holds a word.
fn says(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// 16 bytes in base64.
fn is_key(key: &str) -> bool {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == 16)
}

impl Pairs {
    /// `headers` and `queryStringParameters`: the last of each name.
    pub fn single(&self) -> Box<RawValue> {
        raw(&Single(self))
    }

    /// `multiValueHeaders` and `multiValueQueryStringParameters`: all.
    pub fn multi(&self) -> Box<RawValue> {
        raw(&Multi(self))
    }

    /// Each name once, with its values.
    fn grouped(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, value) in &self.0 {
            match groups.iter_mut().find(|(there, _)| there == name) {
                Some((_, values)) => values.push(value),
                None => groups.push((name, vec![value])),
            }
        }
        groups
    }
}

struct Single<'a>(&'a Pairs);
struct Multi<'a>(&'a Pairs);

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let groups = self.0.grouped();
        let mut map = serializer.serialize_map(Some(groups.len()))?;
        for (name, values) in groups {
            map.serialize_entry(name, values.last().unwrap_or(&""))?;
        }
        map.end()
    }
}

impl Serialize for Multi<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.grouped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> hyper::http::request::Builder {
        Request::builder()
            .uri("/dev?token=a%20b&x=1&x=2")
            .header("Host", "api1.execute-api.localhost:4510")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    #[test]
    fn a_handshake_is_read_with_names_as_they_were_sent() {
        let mut request = request()
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Protocol", "a, b")
            .header("x-lower", "1")
            .header("X-Forwarded-For", "6.6.6.6")
            .body(())
            .unwrap();
        request.extensions_mut().insert(
            SentNames::of_handshake(
                b"GET / HTTP/1.1\r\nx-lower: 1\r\nSEC-websocket-key: x\r\n\r\nno: 1",
            )
            .unwrap(),
        );
        let opening = Opening::read(&request).unwrap();
        // The example of RFC 6455.
        assert_eq!(opening.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(opening.protocols, ["a", "b"]);
        assert_eq!(opening.parameter("token"), Some("a b"));
        assert_eq!(opening.parameter("x"), Some("2"));
        assert_eq!(opening.header("X-LOWER"), Some("1"));
        let headers = opening.headers.single().to_string();
        assert!(
            headers.contains(r#""SEC-websocket-key":"dGhl"#),
            "{headers}"
        );
        assert!(
            headers.contains(r#""Sec-WebSocket-Version":"13""#),
            "{headers}"
        );
        assert!(headers.contains(r#""x-lower":"1""#), "{headers}");
        assert!(
            headers.contains(r#""X-Forwarded-For":"127.0.0.1""#),
            "{headers}"
        );
        assert!(!headers.contains("Upgrade"), "{headers}");
        assert_eq!(opening.query.single().get(), r#"{"token":"a b","x":"2"}"#);
        assert_eq!(
            opening.query.multi().get(),
            r#"{"token":["a b"],"x":["1","2"]}"#
        );
    }

    #[test]
    fn what_is_no_handshake_is_told_what_it_lacks() {
        let status = |request: hyper::http::request::Builder| {
            Opening::read(&request.body(()).unwrap())
                .unwrap_err()
                .status
                .as_u16()
        };
        assert_eq!(status(Request::builder().uri("/dev")), 426);
        assert_eq!(status(request()), 426);
        assert_eq!(status(request().header("Sec-WebSocket-Version", "8")), 426);
        assert_eq!(
            status(
                request()
                    .header("Sec-WebSocket-Version", "13")
                    .method("POST")
            ),
            400
        );
        let keyless = Request::builder()
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13");
        assert_eq!(status(keyless), 400);
        let long = request()
            .header("Sec-WebSocket-Version", "13")
            .uri(format!("/dev?x={}", "y".repeat(4096)));
        assert_eq!(status(long), 414);
    }
}
