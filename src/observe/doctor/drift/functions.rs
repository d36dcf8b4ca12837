//! Functions, what they're told, and which version is live.

use serde_json::Value;

use super::Case;
use crate::{
    manifest::Via,
    observe::doctor::{Area, Finding},
    resource::{alias, function},
};

/// What our own variables are for, and what one sees if they're wrong.
const VARIABLES: [(&str, &str, &str); 3] = [
    (
        "WSLESS_CONNECTIONS_TABLE",
        "fails: it looks for the registry of connections elsewhere",
        "the variable names another table",
    ),
    (
        "WSLESS_RESULTS_QUEUE_URL",
        "can't reply: it puts replies into another queue",
        "the variable names another queue",
    ),
    (
        "WSLESS_CALLBACK_URL",
        "can't push: replies never arrive",
        // aws-facts 7 row 10: without the stage, with wss:// or another region, @connections answers 403.
        "the variable names another address of @connections",
    ),
];

pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    match case.change.address.kind() {
        function::KIND => function(case),
        alias::KIND => alias(case),
        _ => None,
    }
}

fn function(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    if case.is_missing() {
        return Some(case.finding(
            "doctor::function-missing",
            Area::Functions,
            format!("what {thing} does isn't done"),
            "the function was deleted",
        ));
    }
    if let Some(concurrency) = case.field("reserved_concurrency")
        && concurrency.before.as_ref().and_then(Value::as_u64) == Some(0)
    {
        return Some(case.finding(
            "doctor::concurrency-zero",
            Area::Functions,
            format!("{thing} never runs: each call is throttled"),
            "its reserved concurrency is 0, which switches a function off",
        ));
    }
    if case.field("environment.WSLESS_ALLOWED_ORIGINS").is_some() {
        return Some(case.finding(
            "doctor::origins",
            Area::Permissions,
            "pages that may connect are refused with 403, or others let in",
            "the function that answers $connect has another list of origins than wsless.toml",
        ));
    }
    for (variable, symptom, cause) in VARIABLES {
        if case.field(&format!("environment.{variable}")).is_some() {
            return Some(case.finding(
                "doctor::environment",
                Area::Functions,
                format!("{thing} {symptom}"),
                format!("{variable}: {cause}"),
            ));
        }
    }
    if case.field("timeout_s").is_some() {
        return Some(timeout(case));
    }
    if case.field("role_arn").is_some() {
        return Some(case.finding(
            "doctor::function-role",
            Area::Permissions,
            format!("{thing} may do other things than it needs"),
            "the function runs under another role",
        ));
    }
    if case.field("architecture").is_some() {
        return Some(case.finding(
            "doctor::architecture",
            Area::Functions,
            format!("{thing} fails at its start: exec format error"),
            "the function is set to another processor than its binary is for",
        ));
    }
    let is_only_unpublished = case.fields.iter().all(|field| field.path == "published");
    is_only_unpublished.then(|| {
        case.finding(
            "doctor::unpublished",
            Area::Functions,
            format!("a change of {thing} has no effect"),
            "the function was changed without publishing a version, and routes and queues call a version",
        )
    })
}

fn timeout(case: &Case<'_>) -> Finding {
    let thing = case.name();
    let there = case
        .observed()
        .and_then(|found| found.properties["timeout_s"].as_u64())
        .unwrap_or_default();
    let is_direct = case
        .evidence
        .manifest
        .routes
        .values()
        .any(|route| route.handler.as_str() == thing && route.via == Via::Direct);
    // API Gateway waits 29 s whatever the function's timeout is [apigatewayv2 model, TimeoutInMillis].
    let (symptom, cause) = if is_direct && there > 29 {
        (
            format!(
                "after 29 s messages for {thing} are answered with Internal server error, and the work is done all the same"
            ),
            "the function may take longer than API Gateway waits",
        )
    } else {
        (
            format!("{thing} is ended after {there} s"),
            "the function's timeout was changed",
        )
    };
    case.finding("doctor::function-timeout", Area::Functions, symptom, cause)
}

fn alias(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    if case.is_missing() {
        return Some(case.finding(
            "doctor::alias-missing",
            Area::Functions,
            format!("{thing} is never called"),
            "its alias `live`, which routes and queues call, was deleted",
        ));
    }
    if case.field("version").is_some() {
        return Some(case.finding(
            "doctor::alias-version",
            Area::Functions,
            format!("changes of {thing} have no effect"),
            "its alias `live` is on another version than the newest",
        ));
    }
    case.field("weights")?;
    Some(case.finding(
        "doctor::alias-weights",
        Area::Functions,
        format!("some messages for {thing} are handled by another version"),
        "its alias `live` shares calls between two versions",
    ))
}
