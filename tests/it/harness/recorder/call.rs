//! One recorded call: which service, which operation, and whether it could change anything.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use hyper::http::request::Parts;

use super::names;

/// One request to AWS and what became of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The signing name: `lambda`, `apigateway` (v1 and v2), `sqs`, `monitoring`. Empty for a call without a signature.
    pub service: String,
    /// `CreateRole`; for a REST path that isn't in our table, the method and the path.
    pub operation: String,
    /// The HTTP method.
    pub method: String,
    /// The path as sent, escapes included.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, unchanged.
    pub body: Vec<u8>,
    /// The status answered; `None` while there is no answer, or when the connection was closed instead.
    pub status: Option<u16>,
    /// When it arrived, since the recorder's start.
    pub began: Duration,
    /// When it was answered.
    pub ended: Option<Duration>,
    /// It's kept waiting by `hold_after_mutations`.
    pub held: bool,
}

impl Call {
    pub(super) fn new(parts: &Parts, body: &[u8], began: Duration) -> Self {
        let headers: Vec<_> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let mut call = Self {
            service: String::new(),
            operation: String::new(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body: body.to_vec(),
            status: None,
            began,
            ended: None,
            held: false,
        };
        call.service = call.signing_name().unwrap_or_default().to_owned();
        call.operation = names::operation(&call);
        call
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it isn't.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// True unless the operation only reads. What we don't know counts as a mutation.
    pub fn is_mutation(&self) -> bool {
        !names::only_reads(&self.method, &self.operation)
    }

    /// The service in `Credential=AKID/date/region/service/aws4_request`.
    fn signing_name(&self) -> Option<&str> {
        let authorization = self.header("authorization")?;
        let credential = authorization.split_once("Credential=")?.1;
        credential.split(['/', ',']).nth(3)
    }

    /// One line for the model checker; the body is base64, since CBOR isn't text.
    pub(super) fn to_json(&self) -> String {
        serde_json::json!({
            "service": self.service,
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": base64::engine::general_purpose::STANDARD.encode(&self.body),
            "status": self.status,
        })
        .to_string()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or("-".to_owned(), |code| code.to_string());
        write!(
            f,
            "{status:>3} {} {} ({} {})",
            self.service, self.operation, self.method, self.path
        )
    }
}

/// Some calls of the record, in order.
#[derive(Debug, Clone)]
pub struct Calls(Vec<Call>);

impl Calls {
    pub(super) fn new(calls: Vec<Call>) -> Self {
        Self(calls)
    }

    /// Those of one service, by its signing name.
    #[must_use]
    pub fn of(&self, service: &str) -> Self {
        self.filter(|call| call.service == service)
    }

    /// Those of all services but one.
    #[must_use]
    pub fn except(&self, service: &str) -> Self {
        self.filter(|call| call.service != service)
    }

    /// Those of one operation.
    #[must_use]
    pub fn named(&self, operation: &str) -> Self {
        self.filter(|call| call.operation == operation)
    }

    /// Those that could change something.
    #[must_use]
    pub fn mutations(&self) -> Self {
        self.filter(Call::is_mutation)
    }

    /// `service Operation` of each.
    pub fn names(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect()
    }

    /// The calls themselves.
    pub fn iter(&self) -> std::slice::Iter<'_, Call> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Panics with the list unless it's empty.
    #[track_caller]
    pub fn assert_none(&self) {
        assert!(self.is_empty(), "calls that shouldn't be:\n{self}");
    }

    fn filter(&self, keep: impl Fn(&Call) -> bool) -> Self {
        Self(self.0.iter().filter(|call| keep(call)).cloned().collect())
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for call in &self.0 {
            writeln!(f, "{call}")?;
        }
        Ok(())
    }
}
