//! The account's setting of v1's API: the role that logs are written with, one for the region and all its APIs.

use serde_json::{Value, json};

use super::{PRINCIPAL, demand, output::set, refusal::bad, uri};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
};

const PATH: &str = "/cloudwatchRoleArn";

/// What the role must allow, on everything: AWS refused one for some groups only, and took the managed policy
/// AmazonAPIGatewayPushToCloudWatchLogs, which is these [STK rest_websocket_logs].
const LOGGING: [&str; 7] = [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:PutLogEvents",
    "logs:GetLogEvents",
    "logs:FilterLogEvents",
];

pub(super) fn get(call: &Call) -> Answer {
    let role = call.region.gateway.state.read().logging_role.clone();
    show(role.as_deref()).into()
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let mut role = call.region.gateway.state.read().logging_role.clone();
    let operations = call.input.get("patchOperations").and_then(Value::as_array);
    for operation in operations.into_iter().flatten() {
        let text = |name: &str| operation.get(name).and_then(Value::as_str);
        let path = text("path").unwrap_or_default();
        let said = match text("op") {
            Some("replace" | "add") if path == PATH => text("value").unwrap_or_default(),
            Some("remove") if path == PATH => "",
            op => {
                return Err(bad(format!(
                    "Invalid patch path '{path}' specified for op '{}'. Must be one of: [{PATH}]",
                    op.unwrap_or_default()
                )));
            }
        };
        if !said.is_empty() {
            check_role(call, said)?;
        }
        role = Some(said.to_owned()).filter(|role| !role.is_empty());
    }
    let answer = show(role.as_deref());
    call.region.gateway.state.write().logging_role = role;
    Ok(answer.into())
}

/// The role that logs are written with; without one, they can't be turned on [field; STK].
pub(super) fn logging_role(call: &Call) -> Result<String> {
    let role = call.region.gateway.state.read().logging_role.clone();
    role.ok_or_else(|| {
        bad("CloudWatch Logs role ARN must be set in account settings to enable logging")
    })
}

/// What a role is refused with, whether it isn't there, isn't to be assumed or doesn't allow enough [STK].
pub(super) fn no_permissions() -> AwsError {
    bad(
        "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.",
    )
}

fn check_role(call: &Call, role: &str) -> Result<()> {
    uri::check_role(role).map_err(|_| no_permissions())?;
    demand(call, "iam:PassRole", role)?;
    let iam = &call.cloud.iam;
    let session = iam
        .assume(role, PRINCIPAL, "APIGatewayPushToCloudWatchLogs")
        .map_err(|_| no_permissions())?;
    let allows = |action: &&str| {
        let permission = Permission {
            action: (*action).to_owned(),
            resource: "*".to_owned(),
        };
        iam.allows(&session, &permission)
    };
    if LOGGING.iter().all(allows) {
        Ok(())
    } else {
        Err(no_permissions())
    }
}

fn show(role: Option<&str>) -> Value {
    set(json!({
        "cloudwatchRoleArn": role,
        "throttleSettings": { "burstLimit": 5000, "rateLimit": 10_000.0 },
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    }))
}
