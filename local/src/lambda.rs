//! Lambda: functions, versions, aliases, event source mappings, and the processes that run them.

pub mod model;
pub mod poll;
pub mod run;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    call::{Answer, Call},
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
    wire::rest::Route,
};

pub use self::run::{invoke, runtime_api};

/// The service's state.
#[derive(Debug, Default)]
pub struct Lambda {
    /// What is running.
    pub runner: run::Runner,
}

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

/// Whether the resource policy of the function, alias or version lets a service invoke it.
pub fn permits(region: &Region, function: &str, principal: &Principal<'_>) -> bool {
    let _ = (region, function, principal);
    true
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
