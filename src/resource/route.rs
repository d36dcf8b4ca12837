//! Routes: which integration gets which messages.
//!
//! Limits: 300 routes an API; only `$connect` can have an authorizer; a route that is to answer needs both a response
//! selection and a route response [DG limits, websocket-api-lambda-auth, websocket-api-route-response].

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{AuthorizationType, Route as AwsRoute};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Resource, api, api_gateway, integration_response, parse,
    route_response,
};
use crate::{
    aws::{Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, survey::Survey},
};

/// The kind of [`Routes`].
pub const KIND: &str = "route";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetRoutes");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateRoute");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateRoute");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteRoute");

/// `Invalid Integration identifier specified …` right after the integration was made [field].
const NEW_INTEGRATION: Settle = Settle {
    fragment: "Invalid Integration identifier",
    waits_for: "the integration to be visible",
    budget: Duration::from_secs(30),
};

/// A route's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The API's id.
    pub api_id: Text,
    /// What the API's route selection must give; `$connect`, `$disconnect` and `$default` are AWS's own.
    pub key: String,
    /// `integrations/{id}`.
    pub target: Text,
    /// `NONE`, or `CUSTOM` for an authorizer.
    pub authorization: String,
    /// The authorizer's id, if the authorization is `CUSTOM`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub authorizer_id: Option<Text>,
    /// `$default`, if the route answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub response_selection: Option<String>,
}

/// The API's routes. Attributes: `id`, `api_id`.
pub struct Routes;

#[async_trait]
impl Resource for Routes {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let Some(api_id) = &api_gateway::id(survey).await? else {
            return Ok(Vec::new());
        };
        let aws = survey.aws;
        let routes = api_gateway::pages(
            aws,
            LIST,
            |token| {
                aws.apigatewayv2
                    .get_routes()
                    .api_id(api_id)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.items, page.next_token),
        )
        .await?;
        Ok(routes.iter().map(|route| observe(api_id, route)).collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let route: Route = parse(desired)?;
        let api_id = route.api_id.to_string();
        let created = context
            .settle(CREATE, &[NEW_INTEGRATION], || {
                context
                    .aws
                    .apigatewayv2
                    .create_route()
                    .api_id(&api_id)
                    .route_key(&route.key)
                    .target(route.target.to_string())
                    .authorization_type(AuthorizationType::from(route.authorization.as_str()))
                    .set_authorizer_id(route.authorizer_id.as_ref().map(Text::to_string))
                    .set_route_response_selection_expression(route.response_selection.clone())
                    .send()
            })
            .await?;
        Ok(api_gateway::attributes(
            &api_id,
            created.route_id().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let route: Route = parse(desired)?;
        let (api_id, id) = api_gateway::ids(observed);
        let selection = api_gateway::or_emptied(
            route.response_selection.clone(),
            observed,
            "response_selection",
        );
        context
            .settle(UPDATE, &[NEW_INTEGRATION], || {
                context
                    .aws
                    .apigatewayv2
                    .update_route()
                    .api_id(api_id)
                    .route_id(id)
                    .target(route.target.to_string())
                    // NONE detaches the authorizer by itself [TF].
                    .authorization_type(AuthorizationType::from(route.authorization.as_str()))
                    .set_authorizer_id(route.authorizer_id.as_ref().map(Text::to_string))
                    .set_route_response_selection_expression(selection.clone())
                    .send()
            })
            .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, id) = api_gateway::ids(observed);
        let client = &context.aws.apigatewayv2;
        context
            .remove(DELETE, &[], || {
                client.delete_route().api_id(api_id).route_id(id).send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "api_id"
    }

    /// Responses are only looked for while the route says that it answers: they must go first, or a run that is cut off
    /// between the two leaves them behind unseen.
    fn follows_deletions_of(&self) -> &'static [&'static str] {
        &[route_response::KIND, integration_response::KIND]
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

fn observe(api_id: &str, route: &AwsRoute) -> Observed {
    let id = route.route_id().unwrap_or_default();
    let key = route.route_key().unwrap_or_default();
    let authorization = route
        .authorization_type()
        .map_or("NONE", AuthorizationType::as_str);
    let properties = Route {
        api_id: api_id.into(),
        key: key.to_owned(),
        target: route.target().unwrap_or_default().into(),
        authorization: authorization.to_owned(),
        // A detached authorizer's id may still be told.
        authorizer_id: api_gateway::text(route.authorizer_id())
            .filter(|_| authorization != "NONE")
            .map(Text::from),
        response_selection: api_gateway::text(route.route_response_selection_expression()),
    };
    let mut observed = Observed::new(Address::new(KIND, key), id, &properties);
    observed.attributes = api_gateway::attributes(api_id, id);
    observed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::to_value;

    fn desired() -> Route {
        Route {
            api_id: "a1".into(),
            key: "$connect".into(),
            target: "integrations/i1".into(),
            authorization: "NONE".into(),
            authorizer_id: None,
            response_selection: None,
        }
    }

    #[test]
    fn a_route_without_authorizer_and_answer_reads_back_without_both() {
        let answer = AwsRoute::builder()
            .route_id("r1")
            .route_key("$connect")
            .target("integrations/i1")
            .authorization_type(AuthorizationType::None)
            .authorizer_id("left-over")
            .route_response_selection_expression("")
            .build();
        let observed = observe("a1", &answer);
        assert_eq!(observed.properties, to_value(&desired()));
        assert_eq!(observed.address, Address::new(KIND, "$connect"));
        assert_eq!(api_gateway::ids(&observed), ("a1", "r1"));
    }

    #[test]
    fn an_authorizer_and_an_answer_are_seen() {
        let answer = AwsRoute::builder()
            .route_id("r1")
            .route_key("$connect")
            .target("integrations/i1")
            .authorization_type(AuthorizationType::Custom)
            .authorizer_id("z1")
            .route_response_selection_expression("$default")
            .build();
        let expected = Route {
            authorization: "CUSTOM".into(),
            authorizer_id: Some("z1".into()),
            response_selection: Some("$default".into()),
            ..desired()
        };
        assert_eq!(observe("a1", &answer).properties, to_value(&expected));
    }
}
