//! Authorizers: functions that decide who may connect.
//!
//! Those of WebSocket APIs are of the type REQUEST and have none of the settings of HTTP APIs' ones; all the texts are
//! recorded [STK websocket_authorizer_admission].

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{
    demand_pass_role,
    input::{Input, patch},
    model::{Api, Authorizer},
    output::{list as texts, page, set},
    refusal::{bad, conflict, full, http_only, no_such},
    state::new_id,
    uri,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// As many as an API has at most [DG limits].
const AUTHORIZERS: usize = 10;

const HTTP_ONLY: [(&str, &str); 4] = [
    (
        "authorizerPayloadFormatVersion",
        "AuthorizerPayloadFormatVersion",
    ),
    (
        "authorizerResultTtlInSeconds",
        "AuthorizerResultTtlInSeconds",
    ),
    ("enableSimpleResponses", "EnableSimpleResponses"),
    ("jwtConfiguration", "JwtConfiguration"),
];

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    demand_pass_role(call, "authorizerCredentialsArn")?;
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        input.required("authorizerType")?;
        let mut authorizer = Authorizer::default();
        say(&mut authorizer, input, true)?;
        input.required("name")?;
        if edit.api.authorizers.len() >= AUTHORIZERS {
            return Err(full("Authorizers"));
        }
        let id = new_id(6, |id| edit.api.authorizers.contains_key(id));
        authorizer.authorizer_id.clone_from(&id);
        edit.added(&id);
        edit.configured = true;
        let answer = show(&authorizer);
        edit.api.authorizers.insert(id, authorizer);
        Ok(Answer::members(201, answer))
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
        let authorizers = entry.api.authorizers.iter();
        let shown = authorizers.filter(|(id, _)| entry.unlisted.shows(id, now));
        let items = shown.map(|(id, authorizer)| (id.clone(), show(authorizer)));
        page(input, items.collect())
    })
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    demand_pass_role(call, "authorizerCredentialsArn")?;
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let mut authorizer = find(edit.api, input)?.clone();
        say(&mut authorizer, input, false)?;
        edit.configured = true;
        let answer = show(&authorizer);
        let id = authorizer.authorizer_id.clone();
        edit.api.authorizers.insert(id, authorizer);
        Ok(answer.into())
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let authorizer = find(edit.api, input)?;
        let id = authorizer.authorizer_id.clone();
        let routes: Vec<&str> = edit
            .api
            .routes
            .values()
            .filter(|route| route.authorizer_id.as_ref() == Some(&id))
            .map(|route| route.route_key.as_str())
            .collect();
        if !routes.is_empty() {
            return Err(conflict(format!(
                "Cannot delete authorizer '{}', is referenced in route: {}",
                authorizer.name,
                routes.join(", ")
            )));
        }
        edit.api.authorizers.remove(&id);
        edit.configured = true;
        Ok(Answer::empty(204))
    })
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Authorizer> {
    let id = input.required("authorizerId")?;
    api.authorizers.get(id).ok_or_else(|| no_such("Authorizer"))
}

/// Takes what was sent. What an update clears by an empty text, a creation refuses.
fn say(authorizer: &mut Authorizer, input: Input<'_>, is_new: bool) -> Result<()> {
    if let Some(kind) = input.text("authorizerType")? {
        if kind != "REQUEST" {
            return Err(bad(
                "Invalid authorizer type. Only REQUEST authorizer type is supported on WEBSOCKET protocol Apis.",
            ));
        }
        kind.clone_into(&mut authorizer.authorizer_type);
    }
    if let Some((_, name)) = HTTP_ONLY.iter().find(|(field, _)| input.has(field)) {
        return Err(http_only(name));
    }
    if let Some(name) = input.sized("name", 1..=128)? {
        authorizer.name = name;
    }
    if let Some(arn) = input.text("authorizerCredentialsArn")? {
        if is_new || !arn.is_empty() {
            uri::check_role(arn)?;
        }
        patch(
            &mut authorizer.authorizer_credentials_arn,
            Some(arn.to_owned()),
        );
    }
    if let Some(uri) = input.sized("authorizerUri", 0..=2048)? {
        authorizer.authorizer_uri = Some(uri);
    }
    uri::check_function(authorizer.authorizer_uri.as_deref().unwrap_or_default())?;
    if let Some(sources) = input.list("identitySource")? {
        authorizer.identity_source = identity_sources(sources)?;
    }
    if let Some(expression) = input.sized("identityValidationExpression", 0..=1024)? {
        if is_new && expression.is_empty() {
            return Err(bad("IdentityValidationExpression must not be empty."));
        }
        if Regex::new(&expression).is_err() {
            return Err(bad(format!("Invalid validation expression: {expression}")));
        }
        patch(
            &mut authorizer.identity_validation_expression,
            Some(expression),
        );
    }
    Ok(())
}

/// What has to be sent for the function to be asked. One empty text is as good as none.
fn identity_sources(sources: Vec<String>) -> Result<Vec<String>> {
    static SOURCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^(?:route\.request\.(?:querystring|header)|stageVariables|context)\.[a-zA-Z0-9._-]+$",
        )
        .ok()
    });
    if matches!(sources.as_slice(), [only] if only.is_empty()) {
        return Ok(Vec::new());
    }
    let wrong = sources.iter().find(|source| !uri::matches(&SOURCE, source));
    match wrong {
        None => Ok(sources),
        Some(source) => Err(bad(format!(
            "Invalid request identity source expression: {source}. The sources must be separated by comma, and each source must be either a request parameter, matching 'route.request.querystring|header.[a-zA-Z0-9._-]+', or a stage variable, matching 'stageVariables.[a-zA-Z0-9._-]+', or a context parameter, matching 'context.[a-zA-Z0-9._-]+'"
        ))),
    }
}

fn show(authorizer: &Authorizer) -> Value {
    set(json!({
        "authorizerCredentialsArn": authorizer.authorizer_credentials_arn,
        "authorizerId": authorizer.authorizer_id,
        "authorizerType": authorizer.authorizer_type,
        "authorizerUri": authorizer.authorizer_uri,
        "identitySource": texts(&authorizer.identity_source),
        "identityValidationExpression": authorizer.identity_validation_expression,
        "name": authorizer.name,
    }))
}
