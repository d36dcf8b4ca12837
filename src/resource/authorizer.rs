//! Authorizers: functions that let clients in or not, when they connect.
//!
//! A WebSocket API knows only the type REQUEST, and only on `$connect`. Cached results, simple responses and payload
//! formats are for HTTP APIs, and must not be sent [BC CreateAuthorizer, DG websocket-api-lambda-auth]. Limit: 10 an
//! API. That API Gateway may call the function is the function's policy, not a role.

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Authorizer as AwsAuthorizer, AuthorizerType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, Context, Observed, Resource, api, api_gateway, parse, route};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Authorizers`].
pub const KIND: &str = "authorizer";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetAuthorizers");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateAuthorizer");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateAuthorizer");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteAuthorizer");

/// An authorizer's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorizer {
    /// The API's id.
    pub api_id: Text,
    /// Its name.
    pub name: String,
    /// The function, as in [`function_uri`](super::integration::function_uri).
    pub uri: String,
    /// What a client must send to be looked at at all, such as `route.request.header.Auth`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub identity_sources: Vec<String>,
}

/// The API's authorizers. Attributes: `id`, `api_id`.
pub struct Authorizers;

#[async_trait]
impl Resource for Authorizers {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let Some(api_id) = &api_gateway::id(survey).await? else {
            return Ok(Vec::new());
        };
        let aws = survey.aws;
        let authorizers = api_gateway::pages(
            aws,
            LIST,
            |token| {
                aws.apigatewayv2
                    .get_authorizers()
                    .api_id(api_id)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.items, page.next_token),
        )
        .await?;
        Ok(authorizers
            .iter()
            .map(|authorizer| observe(survey.scope, api_id, authorizer))
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let authorizer: Authorizer = parse(desired)?;
        let api_id = authorizer.api_id.to_string();
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .apigatewayv2
                    .create_authorizer()
                    .api_id(&api_id)
                    .authorizer_type(AuthorizerType::Request)
                    .name(&authorizer.name)
                    .authorizer_uri(&authorizer.uri)
                    // Required, though it may be empty [BC].
                    .set_identity_source(Some(authorizer.identity_sources.clone()))
                    .send()
            })
            .await?;
        Ok(api_gateway::attributes(
            &api_id,
            created.authorizer_id().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let authorizer: Authorizer = parse(desired)?;
        let (api_id, id) = api_gateway::ids(observed);
        context
            .call(UPDATE, || {
                context
                    .aws
                    .apigatewayv2
                    .update_authorizer()
                    .api_id(api_id)
                    .authorizer_id(id)
                    .authorizer_type(AuthorizerType::Request)
                    .name(&authorizer.name)
                    .authorizer_uri(&authorizer.uri)
                    .set_identity_source(Some(authorizer.identity_sources.clone()))
                    .send()
            })
            .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, id) = api_gateway::ids(observed);
        let client = &context.aws.apigatewayv2;
        context
            .remove(DELETE, &[api_gateway::STILL_REFERENCED], || {
                client
                    .delete_authorizer()
                    .api_id(api_id)
                    .authorizer_id(id)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "api_id"
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[route::KIND]
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

fn observe(scope: &Scope, api_id: &str, authorizer: &AwsAuthorizer) -> Observed {
    let id = authorizer.authorizer_id().unwrap_or_default();
    let name = authorizer.name().unwrap_or_default();
    let properties = Authorizer {
        api_id: api_id.into(),
        name: name.to_owned(),
        uri: authorizer.authorizer_uri().unwrap_or_default().to_owned(),
        identity_sources: authorizer.identity_source().to_vec(),
    };
    let thing = scope.thing(name).unwrap_or(name);
    let mut observed = Observed::new(Address::new(KIND, thing), id, &properties);
    observed.attributes = api_gateway::attributes(api_id, id);
    observed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::to_value;

    #[test]
    fn an_authorizer_reads_back_without_what_is_for_http_apis() {
        let scope = Scope::example();
        let desired = Authorizer {
            api_id: "a1".into(),
            name: "chat-dev-auth".into(),
            uri: super::super::integration::function_uri(&scope, "auth"),
            identity_sources: vec!["route.request.querystring.token".into()],
        };
        let answer = AwsAuthorizer::builder()
            .authorizer_id("z1")
            .authorizer_type(AuthorizerType::Request)
            .name(&desired.name)
            .authorizer_uri(&desired.uri)
            .identity_source("route.request.querystring.token")
            .authorizer_payload_format_version("2.0")
            .authorizer_result_ttl_in_seconds(300)
            .build();
        let observed = observe(&scope, "a1", &answer);
        assert_eq!(observed.properties, to_value(&desired));
        assert_eq!(observed.address, Address::new(KIND, "auth"));
        assert_eq!(api_gateway::ids(&observed), ("a1", "z1"));
    }
}
