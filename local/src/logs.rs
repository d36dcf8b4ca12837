//! CloudWatch Logs: groups, streams, events, live tail.

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Logs {}

impl Logs {
    /// Makes a stream in a group that is there; nothing if the stream is there already.
    pub fn create_stream(&self, group: &str, stream: &str) -> Result<()> {
        let _ = (group, stream);
        Ok(())
    }

    /// Writes events; lines in CloudWatch's embedded metric format become metrics of the region.
    pub fn put(
        &self,
        region: &Region,
        group: &str,
        stream: &str,
        events: Vec<(Millis, String)>,
    ) -> Result<()> {
        let _ = (region, group, stream, events);
        Ok(())
    }

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

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("logs", &call.operation))
}
