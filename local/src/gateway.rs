//! API Gateway's control plane: WebSocket APIs, and what their deployments froze.
//!
//! Each file below is one kind of thing with its operations. They read a call's members (`input`), change one API under
//! the region's lock (`state`), and tell what is there (`output`). The data plane asks [`Gateway::live`] for each
//! message: all that it needs is made ready when the API changes.
//!
//! What other services are asked (IAM about roles, logs about groups) is asked before the lock is taken.

mod account;
mod apis;
mod authorizers;
mod deployments;
mod input;
mod integrations;
pub mod model;
mod models;
mod output;
mod rate;
mod refusal;
mod routes;
mod stages;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod uri;

use std::{collections::BTreeMap, time::Duration};

use parking_lot::RwLock;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use self::{
    input::Input,
    rate::Rates,
    state::{Busy, Edit, Entry, State},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delays,
    iam::Permission,
    wire::rest::Route,
};

/// How long a change of an API takes, in a cloud that is as slow as AWS. Meanwhile other changes of it are refused.
const CHANGE: Duration = Duration::from_millis(100);

/// Who calls functions, and assumes roles.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

/// The service's state.
#[derive(Debug, Default)]
pub struct Gateway {
    state: RwLock<State>,
    busy: Busy,
    rates: Rates,
}

/// An API as the console shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The API's id.
    pub api_id: String,
    /// Its name.
    pub name: String,
    /// Its stages' names, and the deployments that they point to.
    pub stages: Vec<(String, Option<String>)>,
    /// The keys of its routes as edited, and their targets.
    pub routes: Vec<(String, Option<String>)>,
    /// What selects a message's route.
    pub route_selection_expression: String,
    /// The keys of the routes that connections meet, by stage.
    pub deployed: BTreeMap<String, Vec<String>>,
    /// What its integrations are, and what they call, by target (`integrations/abc`).
    pub targets: BTreeMap<String, String>,
}

impl Gateway {
    /// What connections to a stage meet; nothing if there is no such stage, or nothing is deployed on it.
    pub fn live(&self, api_id: &str, stage: &str) -> Option<model::Live> {
        self.state.read().apis.get(api_id)?.live(stage)
    }

    /// Whether the region has this API.
    pub fn has_api(&self, api_id: &str) -> bool {
        self.state.read().apis.contains_key(api_id)
    }

    /// The role that logs are written with, if the account has one.
    pub fn logging_role(&self) -> Option<String> {
        self.state.read().logging_role.clone()
    }

    /// The ids of the APIs that have a name.
    pub fn named(&self, name: &str) -> Vec<String> {
        let state = self.state.read();
        let named = state.apis.values().map(|entry| &entry.api);
        named
            .filter(|api| api.name == name)
            .map(|api| api.api_id.clone())
            .collect()
    }

    /// All APIs, for the console.
    pub fn overview(&self) -> Vec<Overview> {
        let state = self.state.read();
        let apis = state.apis.values().map(|entry| (entry, &entry.api));
        apis.map(|(entry, api)| Overview {
            api_id: api.api_id.clone(),
            name: api.name.clone(),
            stages: api
                .stages
                .values()
                .map(|stage| (stage.stage_name.clone(), stage.deployment_id.clone()))
                .collect(),
            routes: api
                .routes
                .values()
                .map(|route| (route.route_key.clone(), route.target.clone()))
                .collect(),
            route_selection_expression: api.route_selection_expression.clone(),
            deployed: api
                .stages
                .keys()
                .filter_map(|name| Some((name.clone(), entry.live(name)?)))
                .map(|(name, live)| (name, live.snapshot.routes.keys().cloned().collect()))
                .collect(),
            targets: api
                .integrations
                .values()
                .map(|integration| {
                    let uri = integration.integration_uri.as_deref().unwrap_or_default();
                    let what = format!("{} {uri}", integration.integration_type);
                    let target = format!("integrations/{}", integration.integration_id);
                    (target, what.trim_end().to_owned())
                })
                .collect(),
        })
        .collect()
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        serde_json::to_value(&*self.state.read()).unwrap_or_default()
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        if kept.is_null() {
            return Ok(());
        }
        let mut state: State = serde_json::from_value(kept).map_err(|error| error.to_string())?;
        let State { apis, revision, .. } = &mut state;
        for entry in apis.values_mut() {
            entry.refresh(revision);
        }
        *self.state.write() = state;
        Ok(())
    }

    /// Looks at an API.
    fn read<T>(&self, api_id: &str, look: impl FnOnce(&Entry) -> Result<T>) -> Result<T> {
        let state = self.state.read();
        let entry = state.apis.get(api_id);
        look(entry.ok_or_else(|| refusal::no_api(api_id))?)
    }

    /// Changes an API. If `change` refuses, it must have changed nothing.
    fn edit<T>(
        &self,
        delays: Delays,
        api_id: &str,
        change: impl FnOnce(&mut Edit<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.write();
        let State { apis, revision, .. } = &mut *state;
        let entry = apis.get_mut(api_id);
        let entry = entry.ok_or_else(|| refusal::no_api(api_id))?;
        let mut edit = Edit::new(entry, Millis::now(), delays);
        let changed = change(&mut edit)?;
        if edit.configured {
            deployments::deploy_by_itself(&mut edit);
        }
        entry.refresh(revision);
        Ok(changed)
    }
}

/// What a call needs: the verb, on the path [DG: IAM for this service is by verb and path, without an account].
pub fn permission(call: &Call) -> Permission {
    let route = ROUTES
        .iter()
        .find(|route| route.operation == call.operation);
    let Some(route) = route else {
        return Permission::of(call, "*");
    };
    let path: Vec<String> = route
        .path
        .trim_start_matches("/v2")
        .split('/')
        .map(|part| {
            let name = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            match name {
                Some(name) => in_path(
                    call.input
                        .get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default(),
                ),
                None => part.to_owned(),
            }
        })
        .collect();
    Permission {
        action: format!("apigateway:{}", route.method),
        resource: arn(call, &path.join("/")),
    }
}

/// `arn:aws:apigateway:eu-west-1::/apis/abc`: there is no account in it.
fn arn(call: &Call, path: &str) -> String {
    format!("arn:aws:apigateway:{}::{path}", call.region.name)
}

/// A path's part as it's written in the ARN that is checked.
fn in_path(part: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b'$');
    utf8_percent_encode(part, ESCAPED).to_string()
}

/// Refuses a caller who may not do more than the call itself: pass a role, set tags.
fn demand(call: &Call, action: &str, resource: &str) -> Result<()> {
    let permission = Permission {
        action: action.to_owned(),
        resource: resource.to_owned(),
    };
    call.cloud.iam.authorize(call, &permission)
}

/// Refuses a caller who may not pass the role that a member names: a 403 [STK v2_integration_credentials]. Asked before an
/// API is changed, since IAM has a lock of its own. What isn't a role is refused later.
fn demand_pass_role(call: &Call, member: &str) -> Result<()> {
    let role = Input::of(call).text(member)?;
    match role.filter(|role| uri::check_role(role).is_ok()) {
        Some(role) => demand(call, "iam:PassRole", role),
        None => Ok(()),
    }
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    let gateway = &call.region.gateway;
    let delays = call.cloud.delays;
    if !delays.are_real() {
        return perform(call).await;
    }
    let operation = call.operation.as_str();
    if !gateway.rates.allow(operation, Millis::now(), delays) {
        return Err(refusal::too_fast());
    }
    let changes = !operation.starts_with("Get");
    let api_id = Input::of(call).text("apiId")?.filter(|_| changes);
    let Some(api_id) = api_id else {
        return perform(call).await;
    };
    let Some(_mark) = gateway.busy.mark(api_id) else {
        return Err(refusal::conflict(
            "Unable to complete operation due to concurrent modification. Please try again later.",
        ));
    };
    tokio::time::sleep(delays.scaled(CHANGE)).await;
    perform(call).await
}

async fn perform(call: &Call) -> Result<Answer> {
    match call.operation.as_str() {
        "CreateApi" => apis::create(call),
        "GetApi" => apis::get(call),
        "GetApis" => apis::list(call),
        "UpdateApi" => apis::update(call),
        "DeleteApi" => apis::delete(call),
        "DeleteCorsConfiguration" => apis::delete_cors(call),
        "CreateIntegration" => integrations::create(call),
        "GetIntegration" => integrations::get(call),
        "GetIntegrations" => integrations::list(call),
        "UpdateIntegration" => integrations::update(call),
        "DeleteIntegration" => integrations::delete(call),
        "CreateIntegrationResponse" => integrations::responses::create(call),
        "GetIntegrationResponse" => integrations::responses::get(call),
        "GetIntegrationResponses" => integrations::responses::list(call),
        "UpdateIntegrationResponse" => integrations::responses::update(call),
        "DeleteIntegrationResponse" => integrations::responses::delete(call),
        "CreateRoute" => routes::create(call),
        "GetRoute" => routes::get(call),
        "GetRoutes" => routes::list(call),
        "UpdateRoute" => routes::update(call),
        "DeleteRoute" => routes::delete(call),
        "DeleteRouteRequestParameter" => routes::delete_request_parameter(call),
        "CreateRouteResponse" => routes::responses::create(call),
        "GetRouteResponse" => routes::responses::get(call),
        "GetRouteResponses" => routes::responses::list(call),
        "UpdateRouteResponse" => routes::responses::update(call),
        "DeleteRouteResponse" => routes::responses::delete(call),
        "CreateAuthorizer" => authorizers::create(call),
        "GetAuthorizer" => authorizers::get(call),
        "GetAuthorizers" => authorizers::list(call),
        "UpdateAuthorizer" => authorizers::update(call),
        "DeleteAuthorizer" => authorizers::delete(call),
        "CreateModel" => models::create(call),
        "GetModel" => models::get(call),
        "GetModels" => models::list(call),
        "GetModelTemplate" => models::template(call),
        "UpdateModel" => models::update(call),
        "DeleteModel" => models::delete(call),
        "CreateDeployment" => deployments::create(call),
        "GetDeployment" => deployments::get(call),
        "GetDeployments" => deployments::list(call),
        "UpdateDeployment" => deployments::update(call),
        "DeleteDeployment" => deployments::delete(call),
        "CreateStage" => stages::create(call).await,
        "GetStage" => stages::get(call),
        "GetStages" => stages::list(call),
        "UpdateStage" => stages::update(call).await,
        "DeleteStage" => stages::delete(call),
        "DeleteRouteSettings" => stages::delete_route_settings(call),
        "DeleteAccessLogSettings" => stages::delete_access_log(call),
        "ResetAuthorizersCache" => stages::reset_authorizers_cache(call),
        "GetTags" => tags::get(call),
        "TagResource" => tags::tag(call),
        "UntagResource" => tags::untag(call),
        "GetAccount" => Ok(account::get(call)),
        "UpdateAccount" => account::update(call),
        // There are no domains and no links to VPCs here.
        "GetApiMappings" | "GetDomainNames" | "GetVpcLinks" => Ok(json!({ "items": [] }).into()),
        operation => Err(AwsError::unknown_operation("apigateway", operation)),
    }
}

/// The control plane's operations, v1's account among them.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/v2/apis", "CreateApi"),
    Route::new("GET", "/v2/apis", "GetApis"),
    Route::new("GET", "/v2/apis/{apiId}", "GetApi"),
    Route::new("PATCH", "/v2/apis/{apiId}", "UpdateApi"),
    Route::new("DELETE", "/v2/apis/{apiId}", "DeleteApi"),
    Route::new("DELETE", "/v2/apis/{apiId}/cors", "DeleteCorsConfiguration"),
    Route::new("POST", "/v2/apis/{apiId}/integrations", "CreateIntegration"),
    Route::new("GET", "/v2/apis/{apiId}/integrations", "GetIntegrations"),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/integrations/{integrationId}",
        "GetIntegration",
    ),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/integrations/{integrationId}",
        "UpdateIntegration",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/integrations/{integrationId}",
        "DeleteIntegration",
    ),
    Route::new(
        "POST",
        "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses",
        "CreateIntegrationResponse",
    ),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses",
        "GetIntegrationResponses",
    ),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}",
        "GetIntegrationResponse",
    ),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}",
        "UpdateIntegrationResponse",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/integrations/{integrationId}/integrationresponses/{integrationResponseId}",
        "DeleteIntegrationResponse",
    ),
    Route::new("POST", "/v2/apis/{apiId}/routes", "CreateRoute"),
    Route::new("GET", "/v2/apis/{apiId}/routes", "GetRoutes"),
    Route::new("GET", "/v2/apis/{apiId}/routes/{routeId}", "GetRoute"),
    Route::new("PATCH", "/v2/apis/{apiId}/routes/{routeId}", "UpdateRoute"),
    Route::new("DELETE", "/v2/apis/{apiId}/routes/{routeId}", "DeleteRoute"),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/routes/{routeId}/requestparameters/{requestParameterKey}",
        "DeleteRouteRequestParameter",
    ),
    Route::new(
        "POST",
        "/v2/apis/{apiId}/routes/{routeId}/routeresponses",
        "CreateRouteResponse",
    ),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/routes/{routeId}/routeresponses",
        "GetRouteResponses",
    ),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}",
        "GetRouteResponse",
    ),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}",
        "UpdateRouteResponse",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/routes/{routeId}/routeresponses/{routeResponseId}",
        "DeleteRouteResponse",
    ),
    Route::new("POST", "/v2/apis/{apiId}/authorizers", "CreateAuthorizer"),
    Route::new("GET", "/v2/apis/{apiId}/authorizers", "GetAuthorizers"),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/authorizers/{authorizerId}",
        "GetAuthorizer",
    ),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/authorizers/{authorizerId}",
        "UpdateAuthorizer",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/authorizers/{authorizerId}",
        "DeleteAuthorizer",
    ),
    Route::new("POST", "/v2/apis/{apiId}/models", "CreateModel"),
    Route::new("GET", "/v2/apis/{apiId}/models", "GetModels"),
    Route::new("GET", "/v2/apis/{apiId}/models/{modelId}", "GetModel"),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/models/{modelId}/template",
        "GetModelTemplate",
    ),
    Route::new("PATCH", "/v2/apis/{apiId}/models/{modelId}", "UpdateModel"),
    Route::new("DELETE", "/v2/apis/{apiId}/models/{modelId}", "DeleteModel"),
    Route::new("POST", "/v2/apis/{apiId}/deployments", "CreateDeployment"),
    Route::new("GET", "/v2/apis/{apiId}/deployments", "GetDeployments"),
    Route::new(
        "GET",
        "/v2/apis/{apiId}/deployments/{deploymentId}",
        "GetDeployment",
    ),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/deployments/{deploymentId}",
        "UpdateDeployment",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/deployments/{deploymentId}",
        "DeleteDeployment",
    ),
    Route::new("POST", "/v2/apis/{apiId}/stages", "CreateStage"),
    Route::new("GET", "/v2/apis/{apiId}/stages", "GetStages"),
    Route::new("GET", "/v2/apis/{apiId}/stages/{stageName}", "GetStage"),
    Route::new(
        "PATCH",
        "/v2/apis/{apiId}/stages/{stageName}",
        "UpdateStage",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/stages/{stageName}",
        "DeleteStage",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/stages/{stageName}/routesettings/{routeKey}",
        "DeleteRouteSettings",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/stages/{stageName}/accesslogsettings",
        "DeleteAccessLogSettings",
    ),
    Route::new(
        "DELETE",
        "/v2/apis/{apiId}/stages/{stageName}/cache/authorizers",
        "ResetAuthorizersCache",
    ),
    Route::new("GET", "/v2/tags/{resource-arn}", "GetTags"),
    Route::new("POST", "/v2/tags/{resource-arn}", "TagResource"),
    Route::new("DELETE", "/v2/tags/{resource-arn}", "UntagResource"),
    Route::new("GET", "/v2/domainnames", "GetDomainNames"),
    Route::new(
        "GET",
        "/v2/domainnames/{domainName}/apimappings",
        "GetApiMappings",
    ),
    Route::new("GET", "/v2/vpclinks", "GetVpcLinks"),
    Route::new("GET", "/account", "GetAccount"),
    Route::new("PATCH", "/account", "UpdateAccount"),
];
