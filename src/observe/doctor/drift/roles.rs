//! Who may call whom: the functions' policies and the roles.

use serde_json::{Value, json};

use super::Case;
use crate::{
    observe::doctor::{Area, Finding},
    resource::{alias::LIVE, function_policy, role},
    stack::GATEWAY,
};

pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    match case.change.address.kind() {
        function_policy::KIND => function_policy(case),
        role::KIND => role(case),
        _ => None,
    }
}

fn function_policy(case: &Case<'_>) -> Option<Finding> {
    let texts = |value: &Value| -> Vec<String> {
        let values = value["source_arns"].as_array().into_iter().flatten();
        values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let desired = case.evidence.desired(&case.change.address)?;
    let wanted = texts(&desired);
    let there = case
        .observed()
        .map(|found| texts(&found.properties))
        .unwrap_or_default();
    let missing: Vec<&String> = wanted.iter().filter(|arn| !there.contains(arn)).collect();
    if missing.is_empty() {
        // More may call it than should: that is no more than a difference.
        return None;
    }
    let of_authorizer = missing.iter().all(|arn| arn.contains("/authorizers/"));
    let keys: Vec<&str> = missing
        .iter()
        .filter_map(|arn| arn.rsplit('/').next())
        .collect();
    let symptom = if of_authorizer {
        "handshakes are refused with 500".to_owned()
    } else if keys == ["$connect"] {
        "nobody can connect: each handshake is refused with 500".to_owned()
    } else {
        format!(
            "messages on `{}` are answered with Internal server error, and {} logs nothing",
            keys.join("`, `"),
            case.name()
        )
    };
    let function = case.evidence.scope.function_arn(case.name());
    let mut finding = Finding::cause(
        "doctor::function-policy",
        Area::Permissions,
        symptom,
        format!(
            "API Gateway may not call the function: the policy of its alias `{LIVE}` has no statement for {}",
            if of_authorizer { "the authorizer" } else { "the route" }
        ),
    )
    .about(case.change.address.to_string())
    .about(case.name())
    .mend(super::deploy(case.evidence));
    for arn in missing {
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": format!("{function}:{LIVE}"),
            "Condition": { "ArnLike": { "AWS:SourceArn": arn } },
        });
        finding = finding.evidence(format!("missing: {statement}"));
    }
    Some(finding.evidences(there.iter().map(|arn| format!("there is one for {arn}"))))
}

fn role(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    let is_gateways = thing == GATEWAY;
    let code = if is_gateways {
        "doctor::gateway-role"
    } else {
        "doctor::handler-role"
    };
    let broken = if is_gateways {
        "messages on queued routes are answered with Internal server error".to_owned()
    } else {
        format!("{thing} can't run")
    };
    if case.is_missing() {
        let cause = "the role was deleted";
        return Some(case.finding(code, Area::Permissions, broken, cause));
    }
    if case.field("trusted_service").is_some() {
        return Some(case.finding(
            if is_gateways {
                "doctor::gateway-trust"
            } else {
                "doctor::handler-trust"
            },
            Area::Permissions,
            broken,
            // aws-facts 2.1: API Gateway assumes integration roles without aws:SourceArn and aws:SourceAccount.
            if is_gateways {
                "API Gateway may not assume the role: its trust names another service, or has a condition that never holds"
            } else {
                "Lambda may not assume the role: its trust names another service, or has a condition"
            },
        ));
    }
    case.field("policy")?;
    let desired = case.evidence.desired(&case.change.address)?;
    let there = &case.observed()?.properties["policy"];
    let missing = missing(&desired["policy"], there);
    let denies = there.to_string().contains("Deny");
    let (action, _) = match missing.first() {
        Some(first) => first,
        None if denies => &("*", "*"),
        // It may do more than it must: that is no more than a difference.
        None => return None,
    };
    let symptom = if is_gateways {
        broken
    } else {
        consequence(thing, action)
    };
    let named = |pairs: &[(&str, &str)]| {
        let statements = pairs
            .iter()
            .map(|(action, resource)| format!("missing: {action} on {resource}"));
        statements.collect::<Vec<_>>()
    };
    let arn = case.evidence.scope.role_arn(thing);
    Some(
        Finding::cause(
            code,
            Area::Permissions,
            symptom,
            if missing.is_empty() {
                "the role's policy denies something".to_owned()
            } else {
                format!("the role may not {action}")
            },
        )
        .about(case.change.address.to_string())
        .about(thing)
        .mend(super::deploy(case.evidence))
        .evidence(format!("the role is {arn}"))
        .evidences(named(&missing))
        .evidence(format!("its policy has: {}", super::shown(there))),
    )
}

/// What is allowed by `desired` and not by `there`: actions on resources.
fn missing<'a>(desired: &'a Value, there: &Value) -> Vec<(&'a str, &'a str)> {
    let texts = |value: &'a Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    };
    let has = |value: &Value, text: &str| {
        value
            .as_array()
            .is_some_and(|values| values.iter().any(|value| value == text))
    };
    let mut missing = Vec::new();
    for statement in desired.as_array().into_iter().flatten() {
        for action in texts(&statement["actions"]) {
            for resource in texts(&statement["resources"]) {
                let is_allowed = there.as_array().into_iter().flatten().any(|statement| {
                    has(&statement["actions"], action) && has(&statement["resources"], resource)
                });
                if !is_allowed {
                    missing.push((action, resource));
                }
            }
        }
    }
    missing
}

/// What one sees if a handler's role may not do something.
fn consequence(thing: &str, action: &str) -> String {
    match action.split_once(':').map_or("", |(service, _)| service) {
        "logs" => format!("{thing} leaves no log"),
        "execute-api" => "replies never arrive: @connections refuses them with 403".to_owned(),
        "dynamodb" => format!("{thing} fails: the registry of connections refuses it"),
        "sqs" if action == "sqs:SendMessage" => {
            format!("replies of {thing} never arrive: it can't put them into the results queue")
        }
        "sqs" => format!("messages wait in the queue of {thing} and nobody takes them"),
        _ => format!("{thing} fails"),
    }
}
