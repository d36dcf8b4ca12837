//! STS: who is calling, and roles' sessions.

use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
};

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("sts", &call.operation))
}
