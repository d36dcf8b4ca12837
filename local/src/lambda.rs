//! Lambda: functions, versions, aliases, event source mappings, and the processes that run them.

pub mod model;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    call::{Answer, Call},
    cloud::{Cloud, Region},
    error::{AwsError, Result},
    iam::Permission,
    wire::rest::Route,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Lambda {}

impl Lambda {
    /// What is to be kept.
    pub fn keep(&self) -> Value {
        Value::Null
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        let _ = kept;
        Ok(())
    }
}

/// What an invocation came to.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// The version that ran.
    pub version: String,
    /// What the function returned, or the error document.
    pub payload: Bytes,
    /// `Unhandled` if the function failed (an error it reported, a crash, a timeout).
    pub error: Option<String>,
    /// The end of its log, at most 4 KB.
    pub log_tail: String,
}

/// Whom a service invokes a function for: what the function's resource policy is asked about.
#[derive(Clone, Debug)]
pub struct Principal<'a> {
    /// `apigateway.amazonaws.com`.
    pub service: &'a str,
    /// `arn:aws:execute-api:{region}:{account}:{api}/{stage}/{route}`.
    pub source_arn: &'a str,
}

/// Runs a function and waits for what it returns.
///
/// `function` is a name or an ARN, with or without a qualifier. Throttled (`TooManyRequestsException`) if its concurrency
/// is used up: whoever calls decides whether to try again.
pub async fn invoke(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    function: &str,
    payload: Bytes,
) -> Result<Invoked> {
    let _ = (cloud, region, function, payload);
    Err(AwsError::unknown_operation("lambda", "Invoke"))
}

/// Whether the resource policy of the function, alias or version lets a service invoke it.
pub fn permits(region: &Region, function: &str, principal: &Principal<'_>) -> bool {
    let _ = (region, function, principal);
    true
}

/// Answers a function's process: the Runtime API under `/_runtime/{process}/2018-06-01/runtime/`.
///
/// `path` is what follows `/_runtime/`. `next` waits as long as it takes.
pub async fn runtime_api(
    cloud: &Arc<Cloud>,
    method: &hyper::Method,
    path: &str,
    headers: &hyper::HeaderMap,
    body: Bytes,
) -> hyper::Response<http_body_util::Full<Bytes>> {
    let _ = (cloud, method, path, headers, body);
    hyper::Response::new(http_body_util::Full::new(Bytes::new()))
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("lambda", &call.operation))
}

/// The operations' places.
pub const ROUTES: &[Route] = &[Route::new(
    "POST",
    "/2015-03-31/functions",
    "CreateFunction",
)];
