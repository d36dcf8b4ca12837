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
    ///
    /// Where no region is named, an API's name does for its id if only one API has it: an address that stays as it is
    /// when an API is made anew. AWS has no such thing, and no such path.
    pub fn find(cloud: &Cloud, api: &str, stage: &str, region: Option<&str>) -> Self {
        let target = |region, api: &str| Self {
            region,
            api: api.to_owned(),
            stage: stage.to_owned(),
        };
        if let Some(name) = region {
            return target(cloud.region(name), api);
        }
        let regions = cloud.regions();
        let live = regions
            .iter()
            .find(|region| region.gateway.live(api, stage).is_some());
        if let Some(region) = live {
            return target(Ok(Arc::clone(region)), api);
        }
        if let Some((region, id)) = named(&regions, api) {
            return target(Ok(region), &id);
        }
        target(cloud.region(DEFAULT_REGION), api)
    }
}

/// The one API of a name, unless the name is an API's id, too.
fn named(regions: &[Arc<Region>], name: &str) -> Option<(Arc<Region>, String)> {
    if regions.iter().any(|region| region.gateway.has_api(name)) {
        return None;
    }
    let mut found = regions.iter().flat_map(|region| {
        let ids = region.gateway.named(name);
        ids.into_iter().map(|id| (Arc::clone(region), id))
    });
    let only = found.next()?;
    found.next().is_none().then_some(only)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Options, call::Service, wire::tests::call};

    async fn api(cloud: &Arc<Cloud>, region: &str, name: &str) -> String {
        let mut call = call(Service::ApiGateway, "CreateApi");
        call.cloud = Arc::clone(cloud);
        call.region = cloud.region(region).unwrap();
        let input = json!({
            "name": name,
            "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        });
        call.input = input.as_object().unwrap().clone();
        crate::cloud::perform(&call).await.unwrap();
        call.region.gateway.named(name).pop().unwrap()
    }

    fn found(cloud: &Cloud, api: &str, region: Option<&str>) -> (String, String) {
        let target = Target::find(cloud, api, "dev", region);
        (target.region.unwrap().name.clone(), target.api)
    }

    #[tokio::test]
    async fn an_api_is_found_by_its_name_if_only_one_has_it() {
        let cloud = Cloud::for_test(Options::default());
        let id = api(&cloud, "eu-west-1", "chat-dev").await;
        let there = ("eu-west-1".to_owned(), id.clone());
        assert_eq!(found(&cloud, "chat-dev", None), there);
        let nowhere = |name: &str| (DEFAULT_REGION.to_owned(), name.to_owned());
        assert_eq!(found(&cloud, "chat", None), nowhere("chat"));
        // Who names a region means an id, as on AWS.
        let said = ("eu-west-1".to_owned(), "chat-dev".to_owned());
        assert_eq!(found(&cloud, "chat-dev", Some("eu-west-1")), said);
        // An id is no other API's name.
        api(&cloud, "us-east-1", &id).await;
        assert_eq!(found(&cloud, &id, None), nowhere(&id));
        api(&cloud, "us-east-1", "chat-dev").await;
        assert_eq!(found(&cloud, "chat-dev", None), nowhere("chat-dev"));
    }
}
