//! The console: one page at `/`, and the few JSON calls that it lives on.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};

use crate::cloud::Cloud;

/// Answers at `/` and below `/_wsless/`. Pages of other origins were refused before.
#[allow(
    clippy::unused_async,
    reason = "what answers will read requests' bodies"
)]
pub async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        // Who finds a note of a cloud asks whether it's this one.
        (&Method::GET, "/_wsless/health") => json(
            StatusCode::OK,
            &json!({ "id": cloud.id, "version": env!("CARGO_PKG_VERSION") }),
        ),
        _ => json(StatusCode::NOT_FOUND, &json!({ "message": "Not found" })),
    }
}

fn json(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
