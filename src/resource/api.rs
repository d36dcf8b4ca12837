//! The WebSocket API.
//!
//! Names aren't unique and CreateApi has no token that would make it repeatable: an API is ours by its tags alone
//! [BC apigatewayv2]. Deleting it deletes all that's in it [DG]. Changes of it are live only with a new deployment.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Api as AwsApi, ProtocolType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api_gateway, parse, stage, touches,
};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, scope::Scope, survey::Survey},
};

/// The kind of [`Apis`].
pub const KIND: &str = "api";

/// The address name of a stage's one API.
pub const NAME: &str = "websocket";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetApis");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateApi");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateApi");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteApi");

/// An API's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Its name, for people.
    pub name: String,
    /// The expression that picks a message's route, such as `$request.body.action`.
    pub route_selection: String,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// The stage's API.
///
/// Attributes: `id`; `endpoint`, as AWS gives it, without a stage; `client_url` and `callback_url`, the same for
/// clients (`wss://` or `ws://`) and for `@connections` (`https://` or `http://`), without a slash at the end.
pub struct Apis;

#[async_trait]
impl Resource for Apis {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        let on = |verbs: &[&str], path: &str| {
            Permission::on("apigateway", verbs, [scope.api_gateway_arn(path)])
        };
        vec![
            on(&["GET", "POST"], "/apis"),
            // All that's in an API goes by these too: the ids in the paths are API Gateway's own.
            on(&["DELETE", "GET", "PATCH", "POST"], "/apis/*"),
            on(&["DELETE", "POST"], "/tags/*"),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let (aws, scope) = (survey.aws, survey.scope);
        let mut apis = api_gateway::pages(
            aws,
            LIST,
            |token| aws.apigatewayv2.get_apis().set_next_token(token).send(),
            |page| (page.items, page.next_token),
        )
        .await?;
        apis.retain(|api| {
            api.protocol_type() == Some(&ProtocolType::Websocket)
                && scope.owns(&api_gateway::sorted(api.tags()))
        });
        let mut staged = BTreeSet::new();
        if apis.len() > 1 {
            for id in apis.iter().filter_map(AwsApi::api_id) {
                let stages = stage::all(aws, id).await?;
                if stages
                    .iter()
                    .any(|stage| stage.stage_name() == Some(&scope.stage))
                {
                    staged.insert(id.to_owned());
                }
            }
        }
        Ok(ranked(apis, &staged))
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let api: Api = parse(desired)?;
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .apigatewayv2
                    .create_api()
                    .name(&api.name)
                    .protocol_type(ProtocolType::Websocket)
                    .route_selection_expression(&api.route_selection)
                    .set_tags(api_gateway::unsorted(&api.tags))
                    .send()
            })
            .await?;
        Ok(attributes(
            created.api_id().unwrap_or_default(),
            created.api_endpoint().unwrap_or_default(),
        ))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let api: Api = parse(desired)?;
        if touches(fields, "name") || touches(fields, "route_selection") {
            context
                .call(UPDATE, || {
                    context
                        .aws
                        .apigatewayv2
                        .update_api()
                        .api_id(&observed.id)
                        .name(&api.name)
                        .route_selection_expression(&api.route_selection)
                        .send()
                })
                .await?;
        }
        if touches(fields, "tags") {
            let path = format!("/apis/{}", observed.id);
            api_gateway::retag(context, &path, observed, &api.tags).await?;
        }
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let client = &context.aws.apigatewayv2;
        context
            .remove(DELETE, &[], || {
                client.delete_api().api_id(&observed.id).send()
            })
            .await
    }
}

/// The stage's APIs, the one that clients know first: it has our stage, or is the oldest.
///
/// There are several if the answer to a CreateApi was lost and the API wasn't listed yet when it was looked for. All but
/// the first have their id for a name, which no stack has, so that they're deleted.
fn ranked(mut apis: Vec<AwsApi>, staged: &BTreeSet<String>) -> Vec<Observed> {
    let is_staged = |api: &AwsApi| api.api_id().is_some_and(|id| staged.contains(id));
    apis.sort_by(|a, b| {
        let rank = |api| (!is_staged(api), api.created_date(), api.api_id());
        rank(a).cmp(&rank(b))
    });
    apis.iter()
        .enumerate()
        .map(|(place, api)| match place {
            0 => observe(api, NAME),
            _ => observe(api, api.api_id().unwrap_or_default()),
        })
        .collect()
}

fn observe(api: &AwsApi, name: &str) -> Observed {
    let id = api.api_id().unwrap_or_default();
    let properties = Api {
        name: api.name().unwrap_or_default().to_owned(),
        route_selection: api
            .route_selection_expression()
            .unwrap_or_default()
            .to_owned(),
        tags: api_gateway::sorted(api.tags()),
    };
    let mut observed = Observed::new(Address::new(KIND, name), id, &properties).owned_by(Owner::Us);
    observed.attributes = attributes(id, api.api_endpoint().unwrap_or_default());
    observed
}

fn attributes(id: &str, endpoint: &str) -> Attributes {
    Attributes::from([
        ("id".to_owned(), id.to_owned()),
        ("endpoint".to_owned(), endpoint.to_owned()),
        ("client_url".to_owned(), with_scheme(endpoint, "wss", "ws")),
        (
            "callback_url".to_owned(),
            with_scheme(endpoint, "https", "http"),
        ),
    ])
}

/// The endpoint with the scheme `secure`, or with `plain` if it isn't secured.
fn with_scheme(endpoint: &str, secure: &str, plain: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some(("https" | "wss", rest)) => format!("{secure}://{rest}"),
        Some(("http" | "ws", rest)) => format!("{plain}://{rest}"),
        _ => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    #[test]
    fn clients_and_callbacks_get_their_own_scheme() {
        let urls = |endpoint: &str| {
            let found = attributes("a1", endpoint);
            (found["client_url"].clone(), found["callback_url"].clone())
        };
        let host = "a1.execute-api.eu-west-1.amazonaws.com";
        let secure = (format!("wss://{host}"), format!("https://{host}"));
        assert_eq!(urls(&format!("wss://{host}")), secure);
        assert_eq!(urls(&format!("https://{host}/")), secure);
        assert_eq!(
            urls("http://a1.localhost:4566"),
            (
                "ws://a1.localhost:4566".into(),
                "http://a1.localhost:4566".into()
            )
        );
        assert_eq!(urls(""), (String::new(), String::new()));
    }

    #[test]
    fn of_several_apis_the_one_with_our_stage_is_it_else_the_oldest() {
        let made = |id: &str, seconds| {
            AwsApi::builder()
                .api_id(id)
                .created_date(DateTime::from_secs(seconds))
                .build()
        };
        let names = |staged: &[&str]| -> Vec<(String, String)> {
            let apis = vec![made("c", 3), made("a", 2), made("b", 1)];
            let staged = staged.iter().map(ToString::to_string).collect();
            ranked(apis, &staged)
                .into_iter()
                .map(|api| (api.address.name().to_owned(), api.id))
                .collect()
        };
        let pair = |name: &str, id: &str| (name.to_owned(), id.to_owned());
        assert_eq!(
            names(&["c"]),
            [pair(NAME, "c"), pair("b", "b"), pair("a", "a")]
        );
        assert_eq!(
            names(&[]),
            [pair(NAME, "b"), pair("a", "a"), pair("c", "c")]
        );
        assert_eq!(names(&["a", "c"])[0], pair(NAME, "a"));
    }

    #[test]
    fn an_api_reads_back_as_it_was_desired() {
        let tags = BTreeMap::from([("wsless:project".to_owned(), "chat".to_owned())]);
        let desired = Api {
            name: "chat-dev".into(),
            route_selection: "$request.body.action".into(),
            tags: tags.clone(),
        };
        let answer = AwsApi::builder()
            .api_id("a1")
            .name("chat-dev")
            .route_selection_expression("$request.body.action")
            .set_tags(api_gateway::unsorted(&tags))
            .build();
        let observed = observe(&answer, NAME);
        assert_eq!(observed.properties, super::super::to_value(&desired));
        assert_eq!(observed.id, "a1");
    }
}
