//! The API: what is live, its routes, how messages become requests, who is let in.

use serde_json::Value;

use super::Case;
use crate::{
    manifest::Via,
    observe::doctor::{Area, Finding},
    resource::{
        api, authorizer, deployment, integration, integration_response, route, route_response,
        stage,
    },
};

pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    match case.change.address.kind() {
        api::KIND => api(case),
        deployment::KIND => Some(deployment(case)),
        stage::KIND => stage(case),
        route::KIND => route(case),
        route_response::KIND | integration_response::KIND => Some(no_answer(case)),
        integration::KIND => integration(case),
        authorizer::KIND => Some(authorizer(case)),
        _ => None,
    }
}

fn api(case: &Case<'_>) -> Option<Finding> {
    case.field("route_selection")?;
    Some(case.finding(
        "doctor::route-selection",
        Area::Deployment,
        "messages go to $default, or are answered with Forbidden",
        "API Gateway reads the route from another field of the message than wsless.toml says",
    ))
}

fn deployment(case: &Case<'_>) -> Finding {
    case.finding(
        "doctor::undeployed",
        Area::Deployment,
        "changes of the API have no effect: a new route is answered with Forbidden",
        "the API was changed, and no deployment was made of what it is now",
    )
}

fn stage(case: &Case<'_>) -> Option<Finding> {
    if case.is_missing() {
        return Some(case.finding(
            "doctor::stage-missing",
            Area::Deployment,
            "nobody can connect: each handshake is refused with 403",
            "the API has no stage of this name: it was deleted, or never made",
        ));
    }
    if case.field("deployment_id").is_some() {
        return Some(case.finding(
            "doctor::stage-deployment",
            Area::Deployment,
            "changes have no effect, and new routes are answered with Forbidden",
            "the stage is on another deployment of the API than the newest",
        ));
    }
    if let Some(throttle) = case.field("throttle") {
        let is_zero = throttle.before.as_ref().and_then(Value::as_f64) == Some(0.0);
        let (symptom, cause) = if is_zero {
            (
                "everything is refused with 429",
                "the stage's throttle is 0, which lets nothing through; a tool that sends 0 for \"not set\" does that",
            )
        } else {
            (
                "messages and handshakes are refused with 429 at other rates than wsless.toml says",
                "the stage's throttle was changed",
            )
        };
        return Some(case.finding("doctor::throttle", Area::Deployment, symptom, cause));
    }
    case.field("access_log")?;
    Some(case.finding(
        "doctor::access-log",
        Area::Monitoring,
        "the access log isn't written as wsless.toml says",
        "the stage's access log settings were changed",
    ))
}

fn route(case: &Case<'_>) -> Option<Finding> {
    let key = case.name();
    if case.is_missing() {
        let consequence = match key {
            "$connect" => "handshakes aren't seen by any handler",
            "$disconnect" => "no handler hears of closed connections",
            "$default" => "messages that no other route takes are answered with Forbidden",
            _ => "they are answered with Forbidden, or go to $default",
        };
        return Some(case.finding(
            "doctor::route-missing",
            Area::Deployment,
            format!("messages on `{key}` don't reach their handler with the next deployment of the API: {consequence}"),
            "the route was deleted",
        ));
    }
    if case.field("authorization").is_some() || case.field("authorizer_id").is_some() {
        return Some(case.finding(
            "doctor::authorization",
            Area::Permissions,
            format!("other clients are let in at `{key}` than should be"),
            "the route's authorization was changed",
        ));
    }
    if case.field("response_selection").is_some() {
        return Some(no_answer(case));
    }
    case.field("target")?;
    Some(case.finding(
        "doctor::route-target",
        Area::Deployment,
        format!("messages on `{key}` go elsewhere"),
        "the route leads to another integration",
    ))
}

fn no_answer(case: &Case<'_>) -> Finding {
    let routes: Vec<&str> = match case.name().strip_prefix("function:") {
        Some(function) => case
            .evidence
            .manifest
            .routes
            .iter()
            .filter(|(_, route)| route.via == Via::Direct && route.handler.as_str() == function)
            .map(|(key, _)| key.as_str())
            .collect(),
        None => vec![case.name()],
    };
    case.finding(
        "doctor::no-answer",
        Area::Deployment,
        format!("what the handler returns on `{}` never arrives", routes.join("`, `")),
        "an answer takes three things: the route's response selection, its response, and the integration's; one is \
         missing",
    )
}

fn integration(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name().split_once(':').map_or("", |(_, thing)| thing);
    let keys = case.evidence.manifest.routes.iter();
    let via = if case.name().starts_with("queue:") {
        Via::Queue
    } else {
        Via::Direct
    };
    let routes: Vec<&str> = keys
        .filter(|(_, route)| route.handler.as_str() == thing && route.via == via)
        .map(|(key, _)| key.as_str())
        .collect();
    let routes = if routes.is_empty() {
        format!("of {thing}")
    } else {
        format!("on `{}`", routes.join("`, `"))
    };
    if case.is_missing() {
        return Some(case.finding(
            "doctor::integration-missing",
            Area::Deployment,
            format!("messages {routes} reach nobody"),
            "the integration was deleted",
        ));
    }
    let of_template = [
        "request_templates",
        "template_selection",
        "request_parameters",
        "passthrough",
    ];
    if of_template.iter().any(|path| case.field(path).is_some()) {
        let template = case
            .observed()
            .and_then(|found| found.properties["request_templates"]["$default"].as_str());
        let is_naive = template.is_some_and(|template| {
            template.contains("MessageBody=") && !template.contains("MessageBody=$util.urlEncode(")
        });
        // aws-facts 2.3: without urlEncode `&` ends the body, and `+` and `%41` are decoded.
        let symptom = if is_naive {
            format!("messages {routes} arrive cut at `&`, with spaces for `+`")
        } else {
            format!(
                "messages {routes} are answered with Internal server error, or arrive otherwise than they were sent"
            )
        };
        return Some(case.finding(
            "doctor::mapping-template",
            Area::Deployment,
            symptom,
            "how a message becomes SQS's SendMessage was changed",
        ));
    }
    if case.field("credentials_arn").is_some() {
        return Some(case.finding(
            "doctor::integration-role",
            Area::Permissions,
            format!("messages {routes} are answered with Internal server error"),
            "API Gateway calls the integration with another role, or none",
        ));
    }
    if case.field("timeout_ms").is_some() {
        return Some(case.finding(
            "doctor::integration-timeout",
            Area::Deployment,
            format!("messages {routes} are answered with Internal server error though the handler goes on"),
            "API Gateway waits another time for the integration",
        ));
    }
    let _ = case
        .field("uri")
        .or_else(|| case.field("integration_type"))?;
    Some(case.finding(
        "doctor::integration-target",
        Area::Deployment,
        format!("messages {routes} go elsewhere"),
        "the integration calls something else",
    ))
}

fn authorizer(case: &Case<'_>) -> Finding {
    if case.field("identity_sources").is_some() && !case.is_missing() {
        return case.finding(
            "doctor::identity-source",
            Area::Permissions,
            "handshakes are refused with 401 before the authorizer is asked",
            "the authorizer wants another header or query parameter than wsless.toml says",
        );
    }
    case.finding(
        "doctor::authorizer",
        Area::Permissions,
        "handshakes are refused with 500 or 403",
        if case.is_missing() {
            "the authorizer was deleted"
        } else {
            "the authorizer was changed"
        },
    )
}
