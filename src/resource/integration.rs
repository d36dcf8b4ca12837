//! Integrations: what gets a route's messages, a function or a queue.
//!
//! A function is called as `AWS_PROXY`. A queue is called as the service it is, `AWS`: with a role, with a template
//! that makes the request, and with passthrough `NEVER`, so that nothing gets by the template [SLP, ASC]. Limits: 300
//! an API, and that can't be raised; a timeout of 50 to 29,000 ms [DG limits, BC TimeoutInMillis].

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{
    ConnectionType, Integration as AwsIntegration, IntegrationType, PassthroughBehavior,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Resource, alias::LIVE, api, api_gateway, integration_response,
    parse, route,
};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Integrations`].
pub const KIND: &str = "integration";

/// The only method that functions and SQS take [BC IntegrationMethod].
const METHOD: &str = "POST";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetIntegrations");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateIntegration");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateIntegration");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteIntegration");

/// An integration's properties. The method is always POST, the connection the internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// The API's id.
    pub api_id: Text,
    /// `AWS_PROXY` for a function, `AWS` for a queue.
    pub integration_type: String,
    /// What is called: [`function_uri`] or [`queue_uri`].
    pub uri: String,
    /// The role for the call; a function needs none, since its own policy lets the API in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credentials_arn: Option<String>,
    /// What becomes of a message without a template: `NEVER` refuses it. `WHEN_NO_MATCH` is AWS's default, and said
    /// by saying nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passthrough: Option<String>,
    /// Headers and the like of the request, such as `integration.request.header.Content-Type`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub request_parameters: BTreeMap<String, String>,
    /// The request's bodies by template key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub request_templates: BTreeMap<String, String>,
    /// The expression that picks a template; `\$default` always picks `$default`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub template_selection: Option<String>,
    /// Milliseconds after which AWS gives up; at most 29,000.
    pub timeout_ms: u32,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub description: String,
}

/// The URI of the stage's function for `thing`, called through its alias.
pub fn function_uri(scope: &Scope, thing: &str) -> String {
    let identity = &scope.identity;
    format!(
        "arn:{}:apigateway:{}:lambda:path/2015-03-31/functions/{}:{LIVE}/invocations",
        identity.partition,
        identity.region,
        scope.function_arn(thing)
    )
}

/// The URI of the queue named `queue`, with its `.fifo` if it has one.
pub fn queue_uri(scope: &Scope, queue: &str) -> String {
    let identity = &scope.identity;
    format!(
        "arn:{}:apigateway:{}:sqs:path/{}/{queue}",
        identity.partition, identity.region, identity.account
    )
}

/// The API's integrations, found by what they call: `function:{thing}`, `queue:{thing}`, else the id.
///
/// Attributes: `id`, `api_id`.
pub struct Integrations;

#[async_trait]
impl Resource for Integrations {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let Some(api_id) = &api_gateway::id(survey).await? else {
            return Ok(Vec::new());
        };
        let aws = survey.aws;
        let integrations = api_gateway::pages(
            aws,
            LIST,
            |token| {
                aws.apigatewayv2
                    .get_integrations()
                    .api_id(api_id)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.items, page.next_token),
        )
        .await?;
        Ok(integrations
            .iter()
            .map(|integration| observe(survey.scope, api_id, integration))
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let integration: Integration = parse(desired)?;
        let api_id = integration.api_id.to_string();
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .apigatewayv2
                    .create_integration()
                    .api_id(&api_id)
                    .integration_type(integration.aws_type())
                    .integration_uri(&integration.uri)
                    .integration_method(METHOD)
                    .connection_type(ConnectionType::Internet)
                    .set_credentials_arn(integration.credentials_arn.clone())
                    .set_passthrough_behavior(integration.aws_passthrough())
                    .set_request_parameters(api_gateway::unsorted(&integration.request_parameters))
                    .set_request_templates(api_gateway::unsorted(&integration.request_templates))
                    .set_template_selection_expression(integration.template_selection.clone())
                    .timeout_in_millis(integration.aws_timeout())
                    .set_description(api_gateway::text(Some(&integration.description)))
                    .send()
            })
            .await?;
        Ok(api_gateway::attributes(
            &api_id,
            created.integration_id().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let integration: Integration = parse(desired)?;
        let (api_id, id) = api_gateway::ids(observed);
        let credentials = api_gateway::or_emptied(
            integration.credentials_arn.clone(),
            observed,
            "credentials_arn",
        );
        let selection = api_gateway::or_emptied(
            integration.template_selection.clone(),
            observed,
            "template_selection",
        );
        let passthrough = integration.aws_passthrough().or_else(|| {
            observed
                .properties
                .get("passthrough")
                .map(|_| PassthroughBehavior::WhenNoMatch)
        });
        let parameters = parameters_with_removals(&integration.request_parameters, observed);
        context
            .call(UPDATE, || {
                context
                    .aws
                    .apigatewayv2
                    .update_integration()
                    .api_id(api_id)
                    .integration_id(id)
                    // Said each time, as other deployers do [TF].
                    .integration_type(integration.aws_type())
                    .integration_uri(&integration.uri)
                    .integration_method(METHOD)
                    .connection_type(ConnectionType::Internet)
                    .set_credentials_arn(credentials.clone())
                    .set_passthrough_behavior(passthrough.clone())
                    .set_request_parameters(parameters.clone())
                    .set_request_templates(api_gateway::unsorted(&integration.request_templates))
                    .set_template_selection_expression(selection.clone())
                    .timeout_in_millis(integration.aws_timeout())
                    .description(&integration.description)
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
                    .delete_integration()
                    .api_id(api_id)
                    .integration_id(id)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "api_id"
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[route::KIND, integration_response::KIND]
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

impl Integration {
    fn aws_type(&self) -> IntegrationType {
        IntegrationType::from(self.integration_type.as_str())
    }

    fn aws_passthrough(&self) -> Option<PassthroughBehavior> {
        self.passthrough.as_deref().map(PassthroughBehavior::from)
    }

    fn aws_timeout(&self) -> i32 {
        i32::try_from(self.timeout_ms).unwrap_or(i32::MAX)
    }
}

fn observe(scope: &Scope, api_id: &str, integration: &AwsIntegration) -> Observed {
    let id = integration.integration_id().unwrap_or_default();
    let uri = integration.integration_uri().unwrap_or_default();
    let integration_type = integration
        .integration_type()
        .map_or("", IntegrationType::as_str);
    let is_proxy = integration_type == IntegrationType::AwsProxy.as_str();
    let passthrough = integration.passthrough_behavior();
    let properties = Integration {
        api_id: api_id.into(),
        integration_type: integration_type.to_owned(),
        uri: uri.to_owned(),
        credentials_arn: api_gateway::text(integration.credentials_arn()),
        // A proxy passes everything through, whatever it's told.
        passthrough: passthrough
            .filter(|behavior| !is_proxy && **behavior != PassthroughBehavior::WhenNoMatch)
            .map(|behavior| behavior.as_str().to_owned()),
        request_parameters: api_gateway::sorted(integration.request_parameters()),
        request_templates: api_gateway::sorted(integration.request_templates()),
        template_selection: api_gateway::text(integration.template_selection_expression()),
        timeout_ms: integration
            .timeout_in_millis()
            .and_then(|timeout| u32::try_from(timeout).ok())
            .unwrap_or_default(),
        description: integration.description().unwrap_or_default().to_owned(),
    };
    let mut observed = Observed::new(
        Address::new(KIND, &address_name(scope, uri, id)),
        id,
        &properties,
    );
    observed.attributes = api_gateway::attributes(api_id, id);
    if passthrough.is_none() && !is_proxy {
        // AWS always says how it passes messages through. Who doesn't forgets how it was told to call the service.
        observed = observed.unreadable(&["credentials_arn", "passthrough", "template_selection"]);
    }
    observed
}

/// An integration's address name, from what it calls.
fn address_name(scope: &Scope, uri: &str, id: &str) -> String {
    let function = || {
        let (_, arn) = uri.split_once(":lambda:path/2015-03-31/functions/")?;
        let arn = arn.strip_suffix("/invocations")?.strip_suffix(LIVE)?;
        let (_, name) = arn.strip_suffix(':')?.rsplit_once(":function:")?;
        scope.thing(name).map(|thing| format!("function:{thing}"))
    };
    let queue = || {
        let (_, path) = uri.split_once(":sqs:path/")?;
        let (_, name) = path.split_once('/')?;
        let name = name.strip_suffix(".fifo").unwrap_or(name);
        scope.thing(name).map(|thing| format!("queue:{thing}"))
    };
    function().or_else(queue).unwrap_or_else(|| id.to_owned())
}

/// The parameters to send: those to go are sent empty, which removes them [BC RequestParameters].
fn parameters_with_removals(
    desired: &BTreeMap<String, String>,
    observed: &Observed,
) -> Option<HashMap<String, String>> {
    let had = observed.properties["request_parameters"].as_object();
    let mut parameters: BTreeMap<String, String> = had
        .into_iter()
        .flatten()
        .map(|(key, _)| (key.clone(), String::new()))
        .collect();
    parameters.extend(desired.clone());
    api_gateway::unsorted(&parameters)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::to_value;

    fn queue() -> Integration {
        Integration {
            api_id: "a1".into(),
            integration_type: "AWS".into(),
            uri: queue_uri(&Scope::example(), "chat-dev-echo.fifo"),
            credentials_arn: Some("arn:aws:iam::123456789012:role/r".into()),
            passthrough: Some("NEVER".into()),
            request_parameters: BTreeMap::from([(
                "integration.request.header.Content-Type".into(),
                "'application/x-www-form-urlencoded'".into(),
            )]),
            request_templates: BTreeMap::from([("$default".into(), "Action=SendMessage".into())]),
            template_selection: Some("\\$default".into()),
            timeout_ms: 29_000,
            description: String::new(),
        }
    }

    fn answer(
        integration: &Integration,
    ) -> aws_sdk_apigatewayv2::types::builders::IntegrationBuilder {
        AwsIntegration::builder()
            .integration_id("i1")
            .integration_type(integration.aws_type())
            .integration_uri(&integration.uri)
            .set_credentials_arn(integration.credentials_arn.clone())
            .set_passthrough_behavior(integration.aws_passthrough())
            .set_request_parameters(api_gateway::unsorted(&integration.request_parameters))
            .set_request_templates(api_gateway::unsorted(&integration.request_templates))
            .set_template_selection_expression(integration.template_selection.clone())
            .timeout_in_millis(integration.aws_timeout())
    }

    #[test]
    fn an_integration_is_known_by_what_it_calls() {
        let scope = Scope::example();
        let name = |uri: &str| address_name(&scope, uri, "i1");
        assert_eq!(name(&function_uri(&scope, "echo")), "function:echo");
        assert_eq!(name(&queue_uri(&scope, "chat-dev-echo")), "queue:echo");
        assert_eq!(name(&queue_uri(&scope, "chat-dev-echo.fifo")), "queue:echo");
        // Another stage's, another alias, no alias, another service.
        assert_eq!(name(&queue_uri(&scope, "chat-prod-echo")), "i1");
        let function = function_uri(&scope, "echo");
        assert_eq!(name(&function.replace(":live/", ":canary/")), "i1");
        assert_eq!(name(&function.replace(":live/", "/")), "i1");
        assert_eq!(name("https://example.com"), "i1");
        assert_eq!(name(""), "i1");
    }

    #[test]
    fn a_queues_integration_reads_back_as_it_was_desired() {
        let observed = observe(&Scope::example(), "a1", &answer(&queue()).build());
        assert_eq!(observed.properties, to_value(&queue()));
        assert!(observed.unreadable.is_empty());
    }

    #[test]
    fn a_functions_integration_reads_back_without_the_defaults_that_aws_adds() {
        let function = Integration {
            integration_type: "AWS_PROXY".into(),
            uri: function_uri(&Scope::example(), "echo"),
            credentials_arn: None,
            passthrough: None,
            request_parameters: BTreeMap::new(),
            request_templates: BTreeMap::new(),
            template_selection: None,
            ..queue()
        };
        let answer = answer(&function)
            .passthrough_behavior(PassthroughBehavior::WhenNoMatch)
            .build();
        let observed = observe(&Scope::example(), "a1", &answer);
        assert_eq!(observed.properties, to_value(&function));
    }

    #[test]
    fn lost_credentials_are_seen_unless_the_answer_lacks_what_aws_always_says() {
        let lost = answer(&queue()).set_credentials_arn(None);
        let observed = observe(&Scope::example(), "a1", &lost.clone().build());
        assert!(observed.unreadable.is_empty());
        let silent = lost.set_passthrough_behavior(None).build();
        let observed = observe(&Scope::example(), "a1", &silent);
        assert!(observed.unreadable.contains(&"credentials_arn"));
    }

    #[test]
    fn a_parameter_that_is_to_go_is_sent_empty() {
        let observed = Observed::new(
            Address::new(KIND, "x"),
            "i1",
            &json!({ "request_parameters": { "a": "1", "b": "2" } }),
        );
        let sent = parameters_with_removals(&BTreeMap::from([("b".into(), "3".into())]), &observed);
        let expected = HashMap::from([("a".into(), String::new()), ("b".into(), "3".into())]);
        assert_eq!(sent, Some(expected));
    }
}
