//! Rules that make calls fail, in the shape that the service's protocol gives to errors.

use std::fmt;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;

use super::Call;

/// One rule: which calls of an operation, and what becomes of them.
///
/// `Fault::on("CreateRole").skip(1).times(2).error(400, "Throttling", "Rate exceeded")`
#[derive(Debug, Clone)]
pub struct Fault {
    operation: String,
    containing: String,
    skip: usize,
    times: usize,
    action: Action,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Answer(Reply),
    Delay(Duration),
    LoseRequest,
    LoseResponse,
}

/// An answer that doesn't come from the emulator.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Error {
        status: u16,
        code: String,
        message: String,
    },
    Body {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
}

impl Fault {
    /// A rule for the next call of an operation; without more it loses the request.
    pub fn on(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            containing: String::new(),
            skip: 0,
            times: 1,
            action: Action::LoseRequest,
        }
    }

    /// Only calls with this text in their path, query or body.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        text.clone_into(&mut self.containing);
        self
    }

    /// Leaves the first `count` calls alone.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// Is in effect for `count` calls.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = count;
        self
    }

    /// Is in effect for all calls.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Answers with an AWS error; the emulator isn't asked.
    #[must_use]
    pub fn error(mut self, status: u16, code: &str, message: &str) -> Self {
        self.action = Action::Answer(Reply::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        });
        self
    }

    /// Answers with this body; the emulator isn't asked.
    #[must_use]
    pub fn answer(mut self, status: u16, content_type: &str, body: &[u8]) -> Self {
        self.action = Action::Answer(Reply::Body {
            status,
            content_type: content_type.to_owned(),
            body: body.to_vec(),
        });
        self
    }

    /// Passes the call on after a time.
    #[must_use]
    pub fn delay(mut self, time: Duration) -> Self {
        self.action = Action::Delay(time);
        self
    }

    /// Closes the connection; the emulator isn't asked.
    #[must_use]
    pub fn lose_request(mut self) -> Self {
        self.action = Action::LoseRequest;
        self
    }

    /// The emulator does it, but the connection is closed before the answer.
    #[must_use]
    pub fn lose_response(mut self) -> Self {
        self.action = Action::LoseResponse;
        self
    }

    /// True once it has been in effect as often as it should; a rule for all calls, always.
    pub(super) fn is_used_up(&self) -> bool {
        self.times == 0 || self.times > usize::MAX / 2
    }

    /// What it does to this call; counts the call.
    pub(super) fn applies_to(&mut self, call: &Call) -> Option<Action> {
        if self.times == 0 || self.operation != call.operation || !self.is_contained_in(call) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.action.clone())
    }

    fn is_contained_in(&self, call: &Call) -> bool {
        let wanted = self.containing.as_str();
        call.path.contains(wanted) || call.query.contains(wanted) || call.text().contains(wanted)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?}, {} left",
            self.operation, self.action, self.times
        )
    }
}

impl Reply {
    pub(super) fn to_response(&self, call: &Call) -> Response<Full<Bytes>> {
        let response = Response::builder().header("x-amzn-requestid", "injected-by-the-recorder");
        let response = match self {
            Self::Body {
                status,
                content_type,
                body,
            } => {
                let response = response
                    .status(*status)
                    .header("content-type", content_type);
                let response = if content_type == "application/cbor" {
                    response.header("smithy-protocol", "rpc-v2-cbor")
                } else {
                    response
                };
                response.body(Full::new(Bytes::from(body.clone())))
            }
            Self::Error {
                status,
                code,
                message,
            } => {
                let (headers, body) = error_body(call, code, message);
                let mut response = response.status(*status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Full::new(Bytes::from(body)))
            }
        };
        response.expect("a response of a fault")
    }
}

/// The error in the shape that the call's protocol has.
fn error_body(call: &Call, code: &str, message: &str) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let content_type = |value: &str| ("content-type", value.to_owned());
    let xml = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    if call.header("smithy-protocol") == Some("rpc-v2-cbor") {
        let mut body = vec![0xa2];
        for text in ["__type", code, "message", message] {
            cbor_text(&mut body, text);
        }
        let headers = vec![
            content_type("application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor".to_owned()),
            ("x-amzn-query-error", format!("{code};Sender")),
        ];
        return (headers, body);
    }
    if call.service == "s3" {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message><RequestId>injected</RequestId></Error>",
            xml(message)
        );
        return (vec![content_type("application/xml")], body.into_bytes());
    }
    let is_form = call
        .header("content-type")
        .is_some_and(|found| found.starts_with("application/x-www-form-urlencoded"));
    if is_form {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error><RequestId>injected</RequestId></ErrorResponse>",
            xml(message)
        );
        return (vec![content_type("text/xml")], body.into_bytes());
    }
    let body = serde_json::json!({ "__type": code, "message": message });
    let mut headers = vec![
        content_type("application/json"),
        ("x-amzn-errortype", code.to_owned()),
    ];
    if call.service == "sqs" {
        headers.push(("x-amzn-query-error", format!("{code};Sender")));
    }
    (headers, body.to_string().into_bytes())
}

/// A CBOR text string, its length in two bytes (RFC 8949, 3.1).
fn cbor_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a short text");
    body.push(0x79);
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
}
