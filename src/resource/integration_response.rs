//! Integration responses: what becomes of what an integration answers.
//!
//! A route that answers, and `$connect`, need one with the key `$default` if a service gets their messages; where a
//! function does, as a proxy, the route response is enough [DG websocket-api-integration-responses, ASC, SLS].

use async_trait::async_trait;
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, Context, Observed, Resource, api, api_gateway, integration, parse, route};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, survey::Survey},
};

/// The kind of [`IntegrationResponses`].
pub const KIND: &str = "integration-response";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetIntegrationResponses");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateIntegrationResponse");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateIntegrationResponse");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteIntegrationResponse");

/// An integration response's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationResponse {
    /// The API's id.
    pub api_id: Text,
    /// The integration's id.
    pub integration_id: Text,
    /// `$default`, or a pattern of status codes such as `/4\d\d/`.
    pub key: String,
}

/// The integrations' responses, each at the address name of its integration. Attributes: `id`, `api_id`.
///
/// Only those are listed that the stack wants or that a route which answers needs; others go with their integration.
pub struct IntegrationResponses;

#[async_trait]
impl Resource for IntegrationResponses {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let (integrations, routes) =
            try_join(survey.of(integration::KIND), survey.of(route::KIND)).await?;
        // A call an integration is dear at 10 a second: only those whose response matters are asked.
        let asked = integrations.iter().filter(|integration| {
            survey.wants(KIND, integration.address.name()) || answers(&routes, &integration.id)
        });
        let found = try_join_all(asked.map(|integration| async move {
            let (api_id, integration_id) = api_gateway::ids(integration);
            let responses = api_gateway::pages(
                aws,
                LIST,
                |token| {
                    aws.apigatewayv2
                        .get_integration_responses()
                        .api_id(api_id)
                        .integration_id(integration_id)
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
                            integration,
                            response.integration_response_id().unwrap_or_default(),
                            response.integration_response_key().unwrap_or_default(),
                        )
                    })
                    .collect::<Vec<_>>(),
            )
        }))
        .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let response: IntegrationResponse = parse(desired)?;
        let api_id = response.api_id.to_string();
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .apigatewayv2
                    .create_integration_response()
                    .api_id(&api_id)
                    .integration_id(response.integration_id.to_string())
                    .integration_response_key(&response.key)
                    .send()
            })
            .await?;
        Ok(api_gateway::attributes(
            &api_id,
            created.integration_response_id().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let response: IntegrationResponse = parse(desired)?;
        let (api_id, id) = api_gateway::ids(observed);
        context
            .call(UPDATE, || {
                context
                    .aws
                    .apigatewayv2
                    .update_integration_response()
                    .api_id(api_id)
                    .integration_id(response.integration_id.to_string())
                    .integration_response_id(id)
                    .integration_response_key(&response.key)
                    .send()
            })
            .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, id) = api_gateway::ids(observed);
        let integration_id = observed.properties["integration_id"]
            .as_str()
            .unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .apigatewayv2
                    .delete_integration_response()
                    .api_id(api_id)
                    .integration_id(integration_id)
                    .integration_response_id(id)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        matches!(path, "api_id" | "integration_id")
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

/// Whether a route that answers leads to the integration.
fn answers(routes: &[Observed], integration_id: &str) -> bool {
    let target = format!("integrations/{integration_id}");
    routes.iter().any(|route| {
        route.properties["target"] == target.as_str()
            && route.properties.get("response_selection").is_some()
    })
}

fn observe(integration: &Observed, id: &str, key: &str) -> Observed {
    let (api_id, integration_id) = api_gateway::ids(integration);
    let properties = IntegrationResponse {
        api_id: api_id.into(),
        integration_id: integration_id.into(),
        key: key.to_owned(),
    };
    let address = Address::new(KIND, integration.address.name());
    let mut observed = Observed::new(address, id, &properties);
    observed.attributes = api_gateway::attributes(api_id, id);
    observed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_route_that_answers_leads_to_is_asked_for_responses() {
        let route = |properties| Observed::new(Address::new(route::KIND, "x"), "r", &properties);
        let routes = [
            route(json!({ "target": "integrations/i1", "response_selection": "$default" })),
            route(json!({ "target": "integrations/i2" })),
        ];
        assert!(answers(&routes, "i1"));
        assert!(!answers(&routes, "i2"));
        assert!(!answers(&routes, "i"));
    }

    #[test]
    fn a_response_has_its_integrations_name_and_refers_to_it() {
        let address = Address::new(integration::KIND, "queue:echo");
        let mut integration = Observed::new(address, "i1", &json!({}));
        integration.attributes = api_gateway::attributes("a1", "i1");
        let observed = observe(&integration, "x1", "$default");
        assert_eq!(observed.address, Address::new(KIND, "queue:echo"));
        assert_eq!(
            observed.properties,
            json!({ "api_id": "a1", "integration_id": "i1", "key": "$default" })
        );
        assert_eq!(api_gateway::ids(&observed), ("a1", "x1"));
    }
}
