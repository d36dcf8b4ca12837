//! S3: buckets and objects, with conditional writes.

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct S3 {}

impl S3 {
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
    Err(AwsError::unknown_operation("s3", &call.operation))
}
