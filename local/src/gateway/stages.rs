//! Stages: which deployment connections meet, how much is let through, and what is logged.
//!
//! Logs need the account's role (v1's `UpdateAccount`) [field; STK rest_websocket_logs]. A limit of 0 lets nothing
//! through, on AWS as here.

use serde_json::{Map, Value, json};

use super::{
    PRINCIPAL, account,
    deployments::deploy_by_itself,
    input::{Input, patch, patch_strings},
    model::{AccessLog, Api, RouteSettings, Stage, Strings},
    output::{page, set, time},
    refusal::{bad, conflict, full, no_such, not_found},
    state::Edit,
    tags,
};
use crate::{
    call::{Answer, Call, Payload, Service},
    clock::Millis,
    error::{AwsError, Result},
};

/// As many as an API has at most [DG limits].
const STAGES: usize = 10;
/// A log format's length [DG limits; STK, where AWS took one of more than 1,024].
const FORMAT: usize = 3072;

pub(super) async fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let api_id = input.required("apiId")?;
    let name = input.required("stageName")?;
    check_name(name)?;
    let gateway = &call.region.gateway;
    gateway.read(api_id, |entry| check_new(&entry.api, name))?;
    let access_log = check_logs(call).await?;
    let tags = tags::sent_at_creation(call)?;
    gateway.edit(call.cloud.delays, api_id, |edit| {
        check_new(edit.api, name)?;
        let mut stage = Stage {
            stage_name: name.to_owned(),
            access_log,
            tags,
            created: edit.now,
            updated: edit.now,
            moves_at: edit.now,
            ..Stage::default()
        };
        let moves_to = say(&mut stage, edit.api, input)?;
        edit.added(name);
        edit.api.stages.insert(name.to_owned(), stage);
        settle(edit, name, moves_to, true).map(|answer| Answer::members(201, answer))
    })
}

pub(super) fn get(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        Ok(show(find(&entry.api, input)?).into())
    })
}

pub(super) fn list(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    let now = Millis::now();
    gateway.read(input.required("apiId")?, |entry| {
        let stages = entry.api.stages.iter();
        let shown = stages.filter(|(name, _)| entry.unlisted.shows(name, now));
        let items = shown.map(|(name, stage)| (name.clone(), show(stage)));
        page(input, items.collect())
    })
}

pub(super) async fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let api_id = input.required("apiId")?;
    let gateway = &call.region.gateway;
    gateway.read(api_id, |entry| find(&entry.api, input).map(|_| ()))?;
    let access_log = check_logs(call).await?;
    gateway.edit(call.cloud.delays, api_id, |edit| {
        let mut stage = find(edit.api, input)?.clone();
        let deployed_by_itself = stage.auto_deploy;
        let moves_to = say(&mut stage, edit.api, input)?;
        if access_log.is_some() {
            stage.access_log = access_log;
        }
        stage.updated = edit.now;
        let starts = stage.auto_deploy && !deployed_by_itself;
        let name = stage.stage_name.clone();
        edit.api.stages.insert(name.clone(), stage);
        settle(edit, &name, moves_to, starts).map(Answer::from)
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let name = find(edit.api, input)?.stage_name.clone();
        edit.api.stages.remove(&name);
        Ok(Answer::empty(204))
    })
}

pub(super) fn delete_route_settings(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit_stage(call, |stage| {
        let key = input.required("routeKey")?;
        match stage.route_settings.remove(key) {
            Some(_) => Ok(Answer::empty(204)),
            None => Err(no_settings(key)),
        }
    })
}

pub(super) fn delete_access_log(call: &Call) -> Result<Answer> {
    edit_stage(call, |stage| {
        stage.access_log = None;
        Ok(Answer::empty(204))
    })
}

/// Nothing is cached: caching is of HTTP APIs' authorizers [BC].
pub(super) fn reset_authorizers_cache(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        find(&entry.api, input).map(|_| Answer::empty(204))
    })
}

/// The refusal of a deployment for a stage that makes its own [field].
pub(super) fn deploys_by_itself() -> AwsError {
    bad("Deployment ID cannot be set on stage because AutoDeploy is enabled")
}

fn edit_stage<T>(call: &Call, change: impl FnOnce(&mut Stage) -> Result<T>) -> Result<T> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let stage = edit.api.stages.get_mut(input.required("stageName")?);
        let stage = stage.ok_or_else(|| no_such("stage"))?;
        let changed = change(stage)?;
        stage.updated = edit.now;
        Ok(changed)
    })
}

/// Moves a stage that was said where to, deploys one that deploys by itself from now on, and tells it.
fn settle(
    edit: &mut Edit<'_>,
    name: &str,
    moves_to: Option<String>,
    is_started: bool,
) -> Result<Value> {
    if let Some(id) = moves_to {
        edit.move_stage(name, &id);
    }
    let stage = edit.api.stages.get(name);
    if is_started && stage.is_some_and(|stage| stage.auto_deploy) {
        deploy_by_itself(edit);
    }
    let stage = edit.api.stages.get(name);
    stage.map(show).ok_or_else(|| no_such("stage"))
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Stage> {
    let name = input.required("stageName")?;
    api.stages.get(name).ok_or_else(|| no_such("stage"))
}

fn check_name(name: &str) -> Result<()> {
    let is_one = name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_one {
        return Ok(());
    }
    Err(bad(format!(
        "Invalid stage name specified: {name}. Stage names can only contain alphanumeric characters, hyphens, and underscores. Maximum length is 128 characters."
    )))
}

fn check_new(api: &Api, name: &str) -> Result<()> {
    if api.stages.contains_key(name) {
        return Err(conflict("Stage already exists"));
    }
    if api.stages.len() >= STAGES {
        return Err(full("Stages"));
    }
    Ok(())
}

/// Takes what was sent, but for the access log. Returns the deployment to move to.
fn say(stage: &mut Stage, api: &Api, input: Input<'_>) -> Result<Option<String>> {
    patch(
        &mut stage.description,
        input.sized("description", 0..=1024)?,
    );
    patch(
        &mut stage.client_certificate_id,
        input.sized("clientCertificateId", 0..=128)?,
    );
    if let Some(auto_deploy) = input.flag("autoDeploy")? {
        stage.auto_deploy = auto_deploy;
    }
    let deployment_id = input.text("deploymentId")?;
    if let Some(id) = deployment_id {
        if stage.auto_deploy {
            return Err(deploys_by_itself());
        }
        if !api.deployments.contains_key(id) {
            return Err(no_such("Deployment"));
        }
    }
    if let Some(settings) = input.inner("defaultRouteSettings")? {
        say_settings(&mut stage.default_route_settings, settings)?;
    }
    for (key, settings) in input.inners("routeSettings")? {
        if !api.routes.values().any(|route| route.route_key == key) {
            return Err(no_settings(key));
        }
        say_settings(
            stage.route_settings.entry(key.to_owned()).or_default(),
            settings,
        )?;
    }
    let variables = input.strings("stageVariables", 2048)?;
    check_variables(variables.as_ref())?;
    patch_strings(&mut stage.stage_variables, variables);
    Ok(deployment_id.map(str::to_owned))
}

/// Takes the settings that were sent; the others stay [STK; TF#14742].
fn say_settings(settings: &mut RouteSettings, input: Input<'_>) -> Result<()> {
    if let Some(enabled) = input.flag("dataTraceEnabled")? {
        settings.data_trace_enabled = Some(enabled);
    }
    if let Some(enabled) = input.flag("detailedMetricsEnabled")? {
        settings.detailed_metrics_enabled = Some(enabled);
    }
    // A level that isn't one is passed over without a word [STK].
    let level = input.text("loggingLevel")?;
    if let Some(level) = level.filter(|level| ["ERROR", "INFO", "OFF"].contains(level)) {
        settings.logging_level = Some(level.to_owned());
    }
    if let Some(limit) = input.integer("throttlingBurstLimit")? {
        let limit = i32::try_from(limit).ok().filter(|limit| *limit >= 0);
        settings.throttling_burst_limit =
            Some(limit.ok_or_else(|| bad("Invalid throttling burst limit specified"))?);
    }
    if let Some(limit) = input.number("throttlingRateLimit")? {
        if !limit.is_finite() || limit < 0.0 {
            return Err(bad("Invalid throttling rate limit specified"));
        }
        settings.throttling_rate_limit = Some(limit);
    }
    Ok(())
}

/// Refuses names and values with characters that aren't of variables [BC StageVariables].
fn check_variables(variables: Option<&Strings>) -> Result<()> {
    for (name, value) in variables.into_iter().flatten() {
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(bad(format!(
                "Invalid stage variable name: {name}. Please use alphanumeric characters and underscores."
            )));
        }
        let is_value = value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
        if !is_value {
            return Err(bad(format!(
                "Invalid stage variable value: {value}. Please use values with alphanumeric characters and the symbols '-', '.', '_', '~', ':', '/', '?', '#', '&', '=', and ','."
            )));
        }
    }
    Ok(())
}

/// Refuses logs that the account's role can't write, and returns the access log that was sent. Asked before an API is
/// changed: others are asked for it.
async fn check_logs(call: &Call) -> Result<Option<AccessLog>> {
    let input = Input::of(call);
    let mut sent = Vec::from_iter(input.inner("defaultRouteSettings")?);
    sent.extend(
        input
            .inners("routeSettings")?
            .into_iter()
            .map(|(_, settings)| settings),
    );
    for settings in sent {
        if let Some("INFO" | "ERROR") = settings.text("loggingLevel")? {
            account::logging_role(call)?;
        }
    }
    access_log(call).await
}

/// The access log that was sent, if it can be written. The order of the checks is AWS's [STK].
async fn access_log(call: &Call) -> Result<Option<AccessLog>> {
    let Some(sent) = Input::of(call).inner("accessLogSettings")? else {
        return Ok(None);
    };
    let destination = sent.text("destinationArn")?.unwrap_or_default();
    let format = sent.text("format")?.unwrap_or_default();
    if destination.is_empty() || format.is_empty() {
        return Err(bad(
            "Access Log value missing. Expected destinationArn and format.",
        ));
    }
    let group = log_group(call, destination)?;
    check_format(format)?;
    let role = account::logging_role(call)?;
    check_group(call, &role, group).await?;
    Ok(Some(AccessLog {
        destination_arn: destination
            .strip_suffix(":*")
            .unwrap_or(destination)
            .to_owned(),
        format: format.to_owned(),
    }))
}

/// The name of the log group that an ARN names.
fn log_group<'a>(call: &Call, arn: &'a str) -> Result<&'a str> {
    if !arn.starts_with("arn:") {
        return Err(bad(format!(
            "Invalid ARN specified in the request. ARNs must start with 'arn:': {arn}"
        )));
    }
    let start = call.region.arn("logs", "log-group:");
    arn.strip_prefix(&start)
        .map(|group| group.strip_suffix(":*").unwrap_or(group))
        .filter(|group| !group.is_empty() && !group.contains([':', '*']))
        .ok_or_else(|| {
            bad("Invalid ARN specified in the request. The ARN must be a valid CloudWatch Logs log group or Kinesis Data Firehose delivery stream ARN.")
        })
}

fn check_format(format: &str) -> Result<()> {
    let refuse = |what: &str| {
        Err(bad(format!(
            "The following errors are found in Access Log Format: Access Log format must {what}: '{format}'"
        )))
    };
    if format.contains(['\n', '\r']) {
        return refuse("be single line");
    }
    if !format.contains("$context.requestId") && !format.contains("$context.extendedRequestId") {
        return refuse("include either $context.requestId or $context.extendedRequestId ");
    }
    if format.len() > FORMAT {
        return refuse("have at most 3072 bytes");
    }
    Ok(())
}

/// Refuses a log group that isn't there, as far as the account's role can see.
async fn check_group(call: &Call, role: &str, group: &str) -> Result<()> {
    let caller = call
        .cloud
        .iam
        .assume(role, PRINCIPAL, "APIGatewayPushToCloudWatchLogs")
        .map_err(|_| account::no_permissions())?;
    let input = json!({ "logGroupNamePrefix": group });
    let asked = Call::new(
        &call.cloud,
        &call.region,
        caller,
        Service::Logs,
        "DescribeLogGroups",
        input,
    );
    // Boxed: what performs calls is what called this.
    let answer = Box::pin(crate::cloud::perform(&asked))
        .await
        .map_err(|error| {
            bad(format!(
                "Insufficient permissions to enable logging. {}",
                error.message
            ))
        })?;
    let Payload::Members(members) = answer.payload else {
        return Err(no_group(group));
    };
    // Of all names that begin so, this one is the first.
    let first = &members["logGroups"][0]["logGroupName"];
    if first.as_str() == Some(group) {
        Ok(())
    } else {
        Err(no_group(group))
    }
}

fn no_group(group: &str) -> AwsError {
    not_found(format!(
        "Cannot enable logging. LogDestination: {group} does not exist"
    ))
}

fn no_settings(key: &str) -> AwsError {
    not_found(format!(
        "Unable to find Route by key {key} within the provided RouteSettings"
    ))
}

fn show(stage: &Stage) -> Value {
    let routes: Map<String, Value> = stage
        .route_settings
        .iter()
        .map(|(key, settings)| (key.clone(), show_settings(settings)))
        .collect();
    let access_log = stage
        .access_log
        .as_ref()
        .map(|log| json!({ "destinationArn": log.destination_arn, "format": log.format }));
    // These maps are told even when they're empty [STK].
    set(json!({
        "accessLogSettings": access_log,
        "autoDeploy": stage.auto_deploy,
        "clientCertificateId": stage.client_certificate_id,
        "createdDate": time(stage.created),
        "defaultRouteSettings": show_settings(&stage.default_route_settings),
        "deploymentId": stage.deployment_id,
        "description": stage.description,
        "lastDeploymentStatusMessage": stage.last_deployment_status_message,
        "lastUpdatedDate": time(stage.updated),
        "routeSettings": routes,
        "stageName": stage.stage_name,
        "stageVariables": stage.stage_variables,
        "tags": stage.tags,
    }))
}

fn show_settings(settings: &RouteSettings) -> Value {
    set(json!({
        "dataTraceEnabled": settings.data_trace_enabled.unwrap_or_default(),
        "detailedMetricsEnabled": settings.detailed_metrics_enabled.unwrap_or_default(),
        "loggingLevel": settings.logging_level.as_deref().unwrap_or("OFF"),
        "throttlingBurstLimit": settings.throttling_burst_limit,
        "throttlingRateLimit": settings.throttling_rate_limit,
    }))
}
