//! An error as AWS gives it: a code, a message, a status.

use std::borrow::Cow;

use hyper::StatusCode;
use serde_json::{Map, Value};

/// An error as AWS gives it. Which protocol's clothes it wears is `wire`'s matter.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsError {
    /// AWS's code, such as `ResourceConflictException`; in the JSON protocols the shape's name.
    pub code: Cow<'static, str>,
    /// AWS's words.
    pub message: String,
    /// The HTTP status.
    pub status: StatusCode,
    /// The code of the query protocol where it differs from the shape's name (SQS's `x-amzn-query-error`).
    pub query_code: Option<&'static str>,
    /// Further members of the error's shape.
    pub members: Box<Map<String, Value>>,
}

/// What most of the crate returns.
pub type Result<T, E = AwsError> = std::result::Result<T, E>;

impl AwsError {
    /// An error that is the caller's fault.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            query_code: None,
            members: Box::default(),
        }
    }

    /// The same, with the query protocol's own code.
    #[must_use]
    pub fn query(mut self, code: &'static str) -> Self {
        self.query_code = Some(code);
        self
    }

    /// The same, with a further member.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// An operation that this cloud doesn't have.
    pub fn unknown_operation(service: &str, operation: &str) -> Self {
        Self::new(
            400,
            "UnknownOperationException",
            format!("wsless's embedded cloud doesn't have {service}:{operation}"),
        )
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}
