//! The console: one page at `/`, and the few JSON calls that it lives on.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};

use crate::cloud::Cloud;

/// Answers at `/` and below `/_wsless/`. Pages of other origins were refused before.
#[allow(
    clippy::unused_async,
    reason = "what answers will read requests' bodies"
)]
pub async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let _ = (cloud, request);
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
