//! API Gateway's control plane: WebSocket APIs, and what their deployments froze.

pub mod model;

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
    wire::rest::Route,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Gateway {}

impl Gateway {
    /// What connections to a stage meet; nothing if there is no such stage, or nothing is deployed on it.
    pub fn live(&self, api_id: &str, stage: &str) -> Option<model::Live> {
        let _ = (api_id, stage);
        None
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
    Err(AwsError::unknown_operation("apigateway", &call.operation))
}

/// The control plane's operations, v1's account among them.
pub const ROUTES: &[Route] = &[Route::new("POST", "/v2/apis", "CreateApi")];
