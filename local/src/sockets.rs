//! The WebSocket data plane: connections, routes, integrations, @connections.

mod ids;
mod json_path;
mod selection;
mod template;
mod throttle;

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
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
pub struct Sockets {}

impl Sockets {
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

/// Answers a handshake: `GET /{stage}` of an API, with or without `Upgrade: websocket`.
///
/// `wire` finds the API from the host (`{api}.execute-api.…`) or the path (`/_aws/execute-api/{api}/{stage}`).
/// On 101 the connection is served until it ends.
pub async fn handshake(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    api_id: &str,
    stage: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let _ = (cloud, region, api_id, stage, request);
    Response::new(Full::new(Bytes::new()))
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("execute-api", &call.operation))
}

/// The management API's operations, below the stage. `wire` adds the members `apiId` and `stage` to the input.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/@connections/{connectionId}", "PostToConnection"),
    Route::new("GET", "/@connections/{connectionId}", "GetConnection"),
    Route::new("DELETE", "/@connections/{connectionId}", "DeleteConnection"),
];
