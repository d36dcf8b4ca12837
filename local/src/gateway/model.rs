//! What an API is made of, in the words of AWS's model (the wire's member names are these fields' in camelCase).

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Names and values.
pub type Strings = BTreeMap<String, String>;

/// A WebSocket API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Api {
    pub api_id: String,
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub route_selection_expression: String,
    pub api_key_selection_expression: Option<String>,
    pub disable_execute_api_endpoint: bool,
    pub disable_schema_validation: bool,
    /// `ipv4` if nothing is said.
    pub ip_address_type: Option<String>,
    pub created: Millis,
    pub tags: Strings,
    /// As edited; what connections meet is in [`Snapshot`].
    pub routes: BTreeMap<String, Route>,
    pub integrations: BTreeMap<String, Integration>,
    pub authorizers: BTreeMap<String, Authorizer>,
    pub models: BTreeMap<String, Model>,
    pub deployments: BTreeMap<String, Deployment>,
    pub stages: BTreeMap<String, Stage>,
}

/// Where messages go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Integration {
    pub integration_id: String,
    pub integration_type: String,
    pub integration_method: Option<String>,
    pub integration_uri: Option<String>,
    pub connection_type: Option<String>,
    pub content_handling_strategy: Option<String>,
    pub credentials_arn: Option<String>,
    pub description: Option<String>,
    pub passthrough_behavior: Option<String>,
    pub payload_format_version: Option<String>,
    pub request_parameters: Strings,
    pub request_templates: Strings,
    pub template_selection_expression: Option<String>,
    /// 50 to 29,000.
    pub timeout_in_millis: u32,
    pub integration_response_selection_expression: Option<String>,
    /// By id.
    pub responses: BTreeMap<String, IntegrationResponse>,
}

/// What becomes of an integration's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct IntegrationResponse {
    pub integration_response_id: String,
    pub integration_response_key: String,
    pub content_handling_strategy: Option<String>,
    pub response_parameters: Strings,
    pub response_templates: Strings,
    pub template_selection_expression: Option<String>,
}

/// What a message may match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Route {
    pub route_id: String,
    pub route_key: String,
    pub api_key_required: bool,
    /// `NONE`, `AWS_IAM`, `CUSTOM`.
    pub authorization_type: String,
    pub authorizer_id: Option<String>,
    pub authorization_scopes: Vec<String>,
    pub model_selection_expression: Option<String>,
    pub operation_name: Option<String>,
    pub request_models: Strings,
    /// Whether each is required.
    pub request_parameters: BTreeMap<String, bool>,
    pub route_response_selection_expression: Option<String>,
    /// `integrations/{id}`.
    pub target: Option<String>,
    /// By id.
    pub responses: BTreeMap<String, RouteResponse>,
}

/// What is sent back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct RouteResponse {
    pub route_response_id: String,
    pub route_response_key: String,
    pub model_selection_expression: Option<String>,
    pub response_models: Strings,
    /// Whether each is required.
    pub response_parameters: BTreeMap<String, bool>,
}

/// A function that decides who may connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Authorizer {
    pub authorizer_id: String,
    pub name: String,
    pub authorizer_type: String,
    pub authorizer_uri: Option<String>,
    pub authorizer_credentials_arn: Option<String>,
    pub identity_source: Vec<String>,
    pub identity_validation_expression: Option<String>,
}

/// A schema of messages. It's kept and told, nothing more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Model {
    pub model_id: String,
    pub name: String,
    pub content_type: String,
    pub description: Option<String>,
    pub schema: String,
}

/// A frozen API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Deployment {
    pub deployment_id: String,
    pub description: Option<String>,
    pub created: Millis,
    /// From when on its status is DEPLOYED.
    pub deployed: Millis,
    pub auto_deployed: bool,
    pub snapshot: Arc<Snapshot>,
}

/// What a deployment froze: what connections meet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Snapshot {
    pub route_selection_expression: String,
    pub api_key_selection_expression: Option<String>,
    pub disable_execute_api_endpoint: bool,
    /// By route key.
    pub routes: BTreeMap<String, Route>,
    /// By id.
    pub integrations: BTreeMap<String, Integration>,
    /// By id.
    pub authorizers: BTreeMap<String, Authorizer>,
}

/// A deployment with a name in the address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct Stage {
    pub stage_name: String,
    pub description: Option<String>,
    pub deployment_id: Option<String>,
    pub auto_deploy: bool,
    /// What became of the last deployment that the stage made by itself.
    pub last_deployment_status_message: Option<String>,
    pub client_certificate_id: Option<String>,
    pub access_log: Option<AccessLog>,
    pub default_route_settings: RouteSettings,
    /// By route key.
    pub route_settings: BTreeMap<String, RouteSettings>,
    pub stage_variables: Strings,
    pub tags: Strings,
    pub created: Millis,
    pub updated: Millis,
    /// What connections meet until `moves_at`, when the stage was moved (the instant cloud: never anything).
    pub before: Option<Arc<Snapshot>>,
    pub moves_at: Millis,
}

/// Where each request is told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct AccessLog {
    pub destination_arn: String,
    pub format: String,
}

/// A route's throttle and logs. An absent limit is the account's; 0 allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "the names are AWS's")]
pub struct RouteSettings {
    pub data_trace_enabled: Option<bool>,
    pub detailed_metrics_enabled: Option<bool>,
    pub logging_level: Option<String>,
    pub throttling_burst_limit: Option<i32>,
    pub throttling_rate_limit: Option<f64>,
}

/// What the data plane needs of a stage to serve it. Cheap to get: connections look at each message.
#[derive(Clone, Debug)]
pub struct Live {
    /// The API's id.
    pub api_id: String,
    /// The stage, as it is now.
    pub stage: Arc<Stage>,
    /// What is deployed.
    pub snapshot: Arc<Snapshot>,
    /// Changes whenever the stage or its deployment does, so that what was made from them can be kept until then.
    pub revision: u64,
}
