//! The data plane's side of the wire: the functions' processes, handshakes, the management API.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::Either;
use hyper::{Request, Response, body::Incoming};

use super::{Body, Cut, Peer, aws, body, plain};
use crate::{
    DEFAULT_REGION,
    cloud::{Cloud, Region},
    error::Result,
};

/// The most that a function's process may send: 6 MB of payload, and what is around it.
const RUNTIME_BYTES: usize = 8 * 1024 * 1024;

/// An API's stage, and the region that it's in.
#[derive(Debug)]
pub struct Target {
    /// The region; refused if the host named one that can't be.
    pub region: Result<Arc<Region>>,
    /// The API's id.
    pub api: String,
    /// The stage's name.
    pub stage: String,
}

impl Target {
    /// Finds the region of an API: the one that the host names, else the one whose gateway has the stage, else the default.
    pub fn find(cloud: &Cloud, api: &str, stage: &str, region: Option<&str>) -> Self {
        let region = match region {
            Some(name) => cloud.region(name),
            None => cloud
                .regions()
                .into_iter()
                .find(|region| region.gateway.live(api, stage).is_some())
                .map_or_else(|| cloud.region(DEFAULT_REGION), Ok),
        };
        Self {
            region,
            api: api.to_owned(),
            stage: stage.to_owned(),
        }
    }
}

/// Hands a request of a function's process to the functions.
pub async fn runtime(
    cloud: &Arc<Cloud>,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = match body::read(body, RUNTIME_BYTES).await {
        Ok(body) => body,
        Err(body::Unread::TooLarge) => {
            return Ok(crate::lambda::run::too_large(cloud, path).map(Either::Left));
        }
        Err(_) => return Err(Cut),
    };
    let response =
        crate::lambda::runtime_api(cloud, &parts.method, path, &parts.headers, body).await;
    Ok(response.map(Either::Left))
}

/// Hands a handshake to the sockets.
pub async fn socket(
    cloud: &Arc<Cloud>,
    target: Target,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let region = match target.region {
        Ok(region) => region,
        Err(error) => return plain(error.status, &error.message),
    };
    request.extensions_mut().insert(Peer(peer));
    crate::sockets::handshake(cloud, &region, &target.api, &target.stage, request)
        .await
        .map(Either::Left)
}

/// Answers the management API.
pub async fn connections(
    cloud: &Arc<Cloud>,
    target: Target,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    aws::managed(cloud, target, path, request).await
}
