//! Calls to AWS: signed, with time limits and bounded retries. Three services, a handful of operations.
//!
//! Nothing is connected before the first call. Every call here may be repeated: DynamoDB's are idempotent, and a queue
//! or a socket that got a message twice is what at-least-once delivery means anyway (SQS would repeat the whole
//! message otherwise).

pub(crate) mod dynamodb;
pub(crate) mod http;
pub(crate) mod retry;
pub(crate) mod sqs;

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use serde_json::Value;

use self::http::{Answer, Http};
use self::retry::Backoff;
use crate::environment::Environment;

/// One attempt's time limit. SQS, DynamoDB and @connections answer in tens of milliseconds.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How often a call to SQS or DynamoDB is tried.
const ATTEMPTS: u32 = 4;

/// The AWS services that a function may call.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    http: Http,
    environment: Arc<Environment>,
}

/// Why a call wasn't done.
#[derive(Debug)]
pub(crate) enum CallError {
    /// AWS answered with an error.
    Refused {
        call: String,
        status: u16,
        code: String,
        message: String,
    },
    /// No answer.
    Unreachable { call: String, reason: String },
    /// The environment lacks what the call needs.
    NotConfigured(&'static str),
}

impl CallError {
    /// Whether the same call may succeed a moment later. AWS's throttling answers of the JSON protocols have status 400.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                *status == 429
                    || *status >= 500
                    || [
                        "Throttl",
                        "ThroughputExceeded",
                        "LimitExceeded",
                        "RequestThrottled",
                    ]
                    .iter()
                    .any(|word| code.contains(word))
            }
            Self::Unreachable { .. } => true,
            Self::NotConfigured(_) => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                call,
                status,
                code,
                message,
            } => write!(f, "{call}: {status} {code}: {message}"),
            Self::Unreachable { call, reason } => write!(f, "{call}: no answer: {reason}"),
            Self::NotConfigured(what) => write!(f, "{what} isn't set"),
        }
    }
}

impl std::error::Error for CallError {}

impl Aws {
    pub fn new(http: Http, environment: Arc<Environment>) -> Self {
        Self { http, environment }
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Calls an operation of a JSON service (SQS, DynamoDB), with retries.
    pub async fn json(
        &self,
        service: &str,
        target: &str,
        input: &Value,
    ) -> Result<Value, CallError> {
        let url = self
            .environment
            .endpoint(service)
            .ok_or(CallError::NotConfigured("AWS_REGION"))?;
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target),
        ];
        let body = Bytes::from(input.to_string());
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            let result = match self.post(service, &url, &headers, body.clone()).await {
                Ok(answer) if answer.status == 200 => {
                    Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
                }
                Ok(answer) => Err(refusal(target, &answer)),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.is_transient() && backoff.attempts() + 1 < ATTEMPTS => {
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                done => return done,
            }
        }
    }

    /// Signs and sends one POST, once. Any HTTP status is an answer.
    pub async fn post(
        &self,
        service: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, CallError> {
        let signed = self.sign(service, url, headers, &body)?;
        let all: Vec<(&str, &str)> = headers
            .iter()
            .copied()
            .chain(signed.iter().map(|(n, v)| (n.as_ref(), v.as_str())))
            .collect();
        self.http
            .post(url, &all, body, ATTEMPT)
            .await
            .map_err(|reason| CallError::Unreachable {
                call: url.to_owned(),
                reason,
            })
    }

    /// The headers that sign a request (Signature Version 4).
    fn sign(
        &self,
        service: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Vec<(Cow<'static, str>, String)>, CallError> {
        let region = self
            .environment
            .region
            .as_deref()
            .ok_or(CallError::NotConfigured("AWS_REGION"))?;
        let credentials = self
            .environment
            .credentials
            .clone()
            .ok_or(CallError::NotConfigured("AWS_ACCESS_KEY_ID"))?;
        let failed = |reason: String| CallError::Unreachable {
            call: url.to_owned(),
            reason,
        };
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| failed(e.to_string()))?
            .into();
        let request = SignableRequest::new(
            "POST",
            url,
            headers.iter().copied(),
            SignableBody::Bytes(body),
        )
        .map_err(|e| failed(e.to_string()))?;
        let (instructions, _) = sign(request, &parameters)
            .map_err(|e| failed(e.to_string()))?
            .into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (Cow::Owned(name.to_owned()), value.to_owned()))
            .collect())
    }
}

/// An answer that isn't 200, as an error. The code is the part after `#` of `__type`.
pub(crate) fn refusal(call: &str, answer: &Answer) -> CallError {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = text("__type")
        .rsplit('#')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut message = text("message").to_owned();
    if message.is_empty() {
        text("Message").clone_into(&mut message);
    }
    if message.is_empty() {
        message = String::from_utf8_lossy(&answer.body)
            .chars()
            .take(200)
            .collect();
    }
    CallError::Refused {
        call: call.to_owned(),
        status: answer.status,
        code,
        message,
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986: a connection id as a path segment.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &'static str) -> CallError {
        refusal(
            "T.Op",
            &Answer {
                status,
                headers: hyper::HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            },
        )
    }

    #[test]
    fn throttling_is_known_by_its_code_where_the_status_is_400() {
        let throttled = refused(
            400,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"m"}"#,
        );
        assert!(throttled.is_transient());
        assert!(!refused(400, r#"{"__type":"ValidationException","message":"m"}"#).is_transient());
        assert!(!refused(403, "").is_transient());
        assert!(refused(503, "<html>").is_transient());
    }

    #[test]
    fn an_answer_that_is_not_json_is_quoted() {
        let text = refused(403, "nope").to_string();
        assert_eq!(text, "T.Op: 403 : nope");
    }

    #[test]
    fn a_connection_id_becomes_one_path_segment() {
        assert_eq!(
            percent_encode("gbgBnI-Y3QAYKEhwpA=="),
            "gbgBnI-Y3QAYKEhwpA%3D%3D"
        );
        assert_eq!(percent_encode("a/b+c\u{e9}"), "a%2Fb%2Bc%C3%A9");
    }
}
