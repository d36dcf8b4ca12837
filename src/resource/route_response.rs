//! Route responses: with one, what a route's integration returns is sent to the client.
//!
//! Its one key is `$default`, and it does nothing unless the route's response selection is set too
//! [DG websocket-api-route-response].

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, Context, Observed, Resource, api, api_gateway, parse, route};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, survey::Survey},
};

/// The kind of [`RouteResponses`].
pub const KIND: &str = "route-response";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetRouteResponses");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateRouteResponse");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateRouteResponse");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteRouteResponse");

/// A route response's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteResponse {
    /// The API's id.
    pub api_id: Text,
    /// The route's id.
    pub route_id: Text,
    /// `$default`.
    pub key: String,
}

/// The routes' responses, each at the address name of its route. Attributes: `id`, `api_id`.
pub struct RouteResponses;

#[async_trait]
impl Resource for RouteResponses {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let routes = survey.of(route::KIND).await?;
        // A call a route is dear at 10 a second: only those that answer are asked.
        let answering = routes
            .iter()
            .filter(|route| route.properties.get("response_selection").is_some());
        let found = try_join_all(answering.map(|route| async move {
            let (api_id, route_id) = api_gateway::ids(route);
            let responses = api_gateway::pages(
                aws,
                LIST,
                |token| {
                    aws.apigatewayv2
                        .get_route_responses()
                        .api_id(api_id)
                        .route_id(route_id)
                        .set_next_token(token)
                        .send()
                },
                |page| (page.items, page.next_token),
            )
            .await?;
            Ok::<_, Error>(
                responses
                    .iter()
                    .map(|response| {
                        observe(
                            route,
                            response.route_response_id().unwrap_or_default(),
                            response.route_response_key().unwrap_or_default(),
                        )
                    })
                    .collect::<Vec<_>>(),
            )
        }))
        .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let response: RouteResponse = parse(desired)?;
        let api_id = response.api_id.to_string();
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .apigatewayv2
                    .create_route_response()
                    .api_id(&api_id)
                    .route_id(response.route_id.to_string())
                    .route_response_key(&response.key)
                    .send()
            })
            .await?;
        Ok(api_gateway::attributes(
            &api_id,
            created.route_response_id().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let response: RouteResponse = parse(desired)?;
        let (api_id, id) = api_gateway::ids(observed);
        context
            .call(UPDATE, || {
                context
                    .aws
                    .apigatewayv2
                    .update_route_response()
                    .api_id(api_id)
                    .route_id(response.route_id.to_string())
                    .route_response_id(id)
                    .route_response_key(&response.key)
                    .send()
            })
            .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, id) = api_gateway::ids(observed);
        let route_id = observed.properties["route_id"].as_str().unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .apigatewayv2
                    .delete_route_response()
                    .api_id(api_id)
                    .route_id(route_id)
                    .route_response_id(id)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        matches!(path, "api_id" | "route_id")
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

fn observe(route: &Observed, id: &str, key: &str) -> Observed {
    let (api_id, route_id) = api_gateway::ids(route);
    let properties = RouteResponse {
        api_id: api_id.into(),
        route_id: route_id.into(),
        key: key.to_owned(),
    };
    let mut observed = Observed::new(Address::new(KIND, route.address.name()), id, &properties);
    observed.attributes = api_gateway::attributes(api_id, id);
    observed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_response_has_its_routes_name_and_refers_to_it() {
        let mut route = Observed::new(Address::new(route::KIND, "ping"), "r1", &json!({}));
        route.attributes = api_gateway::attributes("a1", "r1");
        let observed = observe(&route, "x1", "$default");
        assert_eq!(observed.address, Address::new(KIND, "ping"));
        assert_eq!(
            observed.properties,
            json!({ "api_id": "a1", "route_id": "r1", "key": "$default" })
        );
        assert_eq!(api_gateway::ids(&observed), ("a1", "x1"));
    }
}
