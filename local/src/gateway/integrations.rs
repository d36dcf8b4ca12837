//! Integrations: what gets a route's messages. Their responses are in `responses`.

pub(super) mod responses;

use serde_json::{Value, json};

use super::{
    demand_pass_role,
    input::{Input, patch, patch_strings},
    model::{Api, Integration},
    output::{map, page, set},
    refusal::{bad, conflict, full, http_only, no_such},
    state::new_id,
    uri::{self, Target},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// As many as an API has at most; it can't be raised [DG limits].
const INTEGRATIONS: usize = 300;
/// A template's length [BC StringWithLengthBetween0And32K].
pub(super) const TEMPLATE: usize = 32_768;

const TYPES: [&str; 5] = ["AWS", "HTTP", "MOCK", "HTTP_PROXY", "AWS_PROXY"];
const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "ANY",
];
pub(super) const CONVERSIONS: [&str; 2] = ["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"];
const PASSTHROUGH: [&str; 3] = ["WHEN_NO_MATCH", "NEVER", "WHEN_NO_TEMPLATES"];

const HTTP_ONLY: [(&str, &str); 4] = [
    ("connectionId", "ConnectionId"),
    ("integrationSubtype", "IntegrationSubtype"),
    ("responseParameters", "ResponseParameters"),
    ("tlsConfig", "TlsConfig"),
];

/// The caller's own identity instead of a role [BC CredentialsArn].
const CALLERS_OWN: &str = "arn:aws:iam::*:user/*";

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let mut integration = Integration {
        timeout_in_millis: 29_000,
        passthrough_behavior: Some("WHEN_NO_MATCH".to_owned()),
        payload_format_version: Some("1.0".to_owned()),
        connection_type: Some("INTERNET".to_owned()),
        ..Integration::default()
    };
    demand_pass_role(call, "credentialsArn")?;
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        input.required("integrationType")?;
        say(&mut integration, input)?;
        if edit.api.integrations.len() >= INTEGRATIONS {
            return Err(full("Integrations"));
        }
        let id = new_id(7, |id| edit.api.integrations.contains_key(id));
        integration.integration_id.clone_from(&id);
        edit.added(&id);
        edit.configured = true;
        let answer = show(&integration);
        edit.api.integrations.insert(id, integration);
        Ok(Answer::members(201, answer))
    })
}

pub(super) fn get(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        let integration = find(&entry.api, input)?;
        Ok(show(integration).into())
    })
}

pub(super) fn list(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    let now = Millis::now();
    gateway.read(input.required("apiId")?, |entry| {
        let integrations = entry.api.integrations.iter();
        let shown = integrations.filter(|(id, _)| entry.unlisted.shows(id, now));
        let items = shown.map(|(id, integration)| (id.clone(), show(integration)));
        page(input, items.collect())
    })
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    demand_pass_role(call, "credentialsArn")?;
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let mut integration = find(edit.api, input)?.clone();
        say(&mut integration, input)?;
        edit.configured = true;
        let answer = show(&integration);
        let id = integration.integration_id.clone();
        edit.api.integrations.insert(id, integration);
        Ok(answer.into())
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let id = find(edit.api, input)?.integration_id.clone();
        let target = format!("integrations/{id}");
        let routes: Vec<&str> = edit
            .api
            .routes
            .values()
            .filter(|route| route.target.as_deref() == Some(&target))
            .map(|route| route.route_id.as_str())
            .collect();
        if !routes.is_empty() {
            // [field; TF waits for it to pass].
            return Err(conflict(format!(
                "Cannot delete Integration because it is referenced by the following Routes with Ids: [{}]",
                routes.join(", ")
            )));
        }
        edit.api.integrations.remove(&id);
        edit.configured = true;
        Ok(Answer::empty(204))
    })
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Integration> {
    let id = input.required("integrationId")?;
    api.integrations.get(id).ok_or_else(|| none(id))
}

/// There is no such integration.
pub(super) fn none(id: &str) -> crate::error::AwsError {
    let mut error = no_such("Integration");
    error.message = format!("{} {id}", error.message);
    error
}

/// Takes what was sent, and refuses what it makes of the integration.
fn say(integration: &mut Integration, input: Input<'_>) -> Result<()> {
    if let Some((_, name)) = HTTP_ONLY.iter().find(|(field, _)| input.has(field)) {
        return Err(http_only(name));
    }
    if let Some(kind) = input.one_of("integrationType", &TYPES)? {
        integration.integration_type = kind;
    }
    if let Some(kind) = input.text("connectionType")?
        && kind != "INTERNET"
    {
        // Links to VPCs of this version are of HTTP APIs [BC].
        return Err(bad(
            "Invalid connection type specified. WEBSOCKET protocol Apis of this cloud support INTERNET only.",
        ));
    }
    if let Some(version) = input.text("payloadFormatVersion")?
        && version != "1.0"
    {
        return Err(bad(
            "PayloadFormatVersion must be 1.0 for WEBSOCKET protocol Apis.",
        ));
    }
    if let Some(millis) = input.integer("timeoutInMillis")? {
        integration.timeout_in_millis = u32::try_from(millis)
            .ok()
            .filter(|millis| (50..=29_000).contains(millis))
            .ok_or_else(|| bad("Timeout should be between 50 ms and 29000 ms"))?;
    }
    if let Some(method) = input.text("integrationMethod")? {
        if !METHODS.contains(&method) {
            return Err(bad("Invalid HTTP method specified"));
        }
        integration.integration_method = Some(method.to_owned());
    }
    patch(
        &mut integration.content_handling_strategy,
        input.one_of(
            "contentHandlingStrategy",
            &["", CONVERSIONS[0], CONVERSIONS[1]],
        )?,
    );
    if let Some(behavior) = input.one_of("passthroughBehavior", &PASSTHROUGH)? {
        integration.passthrough_behavior = Some(behavior);
    }
    patch(
        &mut integration.description,
        input.sized("description", 0..=1024)?,
    );
    patch(
        &mut integration.integration_uri,
        input.sized("integrationUri", 0..=2048)?,
    );
    patch(
        &mut integration.template_selection_expression,
        input.sized("templateSelectionExpression", 0..=1024)?,
    );
    let parameters = input.strings("requestParameters", 512)?;
    check_parameters(parameters.iter().flatten())?;
    patch_strings(&mut integration.request_parameters, parameters);
    if let Some(templates) = input.strings("requestTemplates", TEMPLATE)? {
        integration.request_templates = templates;
    }
    if let Some(arn) = input.text("credentialsArn")? {
        if !arn.is_empty() && arn != CALLERS_OWN {
            uri::check_role(arn)?;
        }
        patch(&mut integration.credentials_arn, Some(arn.to_owned()));
    }
    check(integration)
}

/// Refuses members that don't go together, and fills in what AWS does.
fn check(integration: &mut Integration) -> Result<()> {
    let uri = integration.integration_uri.as_deref().unwrap_or_default();
    let kind = integration.integration_type.as_str();
    let target = match kind {
        "AWS" | "AWS_PROXY" => Some(uri::target(uri)?),
        "HTTP" | "HTTP_PROXY" => {
            if !uri.starts_with("http://") && !uri.starts_with("https://") {
                return Err(bad("Invalid HTTP endpoint specified for URI"));
            }
            None
        }
        _ => None,
    };
    match target {
        Some(Target::Function) => {
            let method = integration
                .integration_method
                .get_or_insert_with(|| "POST".to_owned());
            if method != "POST" {
                return Err(bad(format!(
                    "HttpMethod must be POST for {kind} IntegrationType."
                )));
            }
        }
        Some(Target::Service) if kind == "AWS_PROXY" => {
            return Err(bad(
                "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
            ));
        }
        Some(Target::Service) => {
            if integration.credentials_arn.is_none() {
                return Err(bad("Role ARN must be specified for AWS integrations"));
            }
            if integration.integration_method.is_none() {
                return Err(bad("Enumeration value for HttpMethod must be non-empty"));
            }
        }
        None if kind.starts_with("HTTP") && integration.integration_method.is_none() => {
            return Err(bad("Enumeration value for HttpMethod must be non-empty"));
        }
        None => {}
    }
    // What a proxy answers isn't selected by [STK]; of the others it's the status, or a function's error [DG, TF].
    let selection = match (kind, target) {
        ("AWS_PROXY" | "HTTP_PROXY", _) => None,
        (_, Some(Target::Function)) => Some("${integration.response.body.errorMessage}"),
        _ => Some("${integration.response.statuscode}"),
    };
    integration.integration_response_selection_expression = selection.map(str::to_owned);
    Ok(())
}

/// Refuses parameters that aren't mapped from or to where they may be [DG websocket-api-data-mapping].
fn check_parameters<'a>(parameters: impl Iterator<Item = (&'a String, &'a String)>) -> Result<()> {
    const FROM: [&str; 5] = [
        "route.request.querystring.",
        "route.request.header.",
        "route.request.body.",
        "context.",
        "stageVariables.",
    ];
    const TO: [&str; 3] = [
        "integration.request.path.",
        "integration.request.header.",
        "integration.request.querystring.",
    ];
    let continues = |text: &str, starts: &[&str]| {
        starts
            .iter()
            .filter_map(|start| text.strip_prefix(start))
            .any(|rest| !rest.is_empty())
    };
    for (key, value) in parameters {
        if !continues(key, &TO) {
            return Err(mapping(&format!(
                "Invalid mapping expression parameter specified: {key}"
            )));
        }
        let is_literal = value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'');
        let is_body = value == "route.request.body";
        // An empty one removes the parameter.
        if !value.is_empty() && !is_literal && !is_body && !continues(value, &FROM) {
            return Err(mapping(&format!(
                "Invalid mapping expression specified: {value}"
            )));
        }
    }
    Ok(())
}

fn mapping(error: &str) -> crate::error::AwsError {
    bad(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [{error}]"
    ))
}

fn show(integration: &Integration) -> Value {
    set(json!({
        "connectionType": integration.connection_type,
        "contentHandlingStrategy": integration.content_handling_strategy,
        "credentialsArn": integration.credentials_arn,
        "description": integration.description,
        "integrationId": integration.integration_id,
        "integrationMethod": integration.integration_method,
        "integrationResponseSelectionExpression":
            integration.integration_response_selection_expression,
        "integrationType": integration.integration_type,
        "integrationUri": integration.integration_uri,
        "passthroughBehavior": integration.passthrough_behavior,
        "payloadFormatVersion": integration.payload_format_version,
        "requestParameters": map(&integration.request_parameters),
        "requestTemplates": map(&integration.request_templates),
        "templateSelectionExpression": integration.template_selection_expression,
        "timeoutInMillis": integration.timeout_in_millis,
    }))
}
