//! APIs: their names, and the expressions that pick routes and keys.
//!
//! Names aren't unique, and creating one twice makes two [BC]. Deleting one deletes all that's in it [DG].

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{
    input::{Input, patch},
    model::Api,
    output::{map, page, set, time},
    refusal::{bad, http_only},
    state::{Entry, State, new_id},
    tags, uri,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
};

/// A region's default quota of APIs [DG limits].
const APIS: usize = 600;

const HTTP_ONLY: [(&str, &str); 4] = [
    ("corsConfiguration", "CorsConfiguration"),
    ("credentialsArn", "CredentialsArn"),
    ("routeKey", "RouteKey"),
    ("target", "Target"),
];

/// The two sources of API keys that there are [DG].
const KEY_SOURCES: [&str; 2] = [
    "$request.header.x-api-key",
    "$context.authorizer.usageIdentifierKey",
];

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    match input.text("protocolType")? {
        Some("WEBSOCKET") => {}
        Some("HTTP") => {
            return Err(bad(
                "wsless's embedded cloud has WebSocket APIs only: protocolType must be WEBSOCKET, not HTTP",
            ));
        }
        _ => {
            return Err(bad(
                "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]",
            ));
        }
    }
    input.required("name")?;
    if !input.has("routeSelectionExpression") {
        return Err(bad(
            "RouteSelectionExpression must be set for WEBSOCKET protocol Apis.",
        ));
    }
    let mut api = Api {
        api_key_selection_expression: KEY_SOURCES.first().map(|&source| source.to_owned()),
        created: Millis::now(),
        tags: tags::sent_at_creation(call)?,
        ..Api::default()
    };
    say(&mut api, input)?;
    let mut state = call.region.gateway.state.write();
    if state.apis.len() >= APIS {
        return Err(AwsError::new(
            429,
            "TooManyRequestsException",
            "Maximum number of APIs for this account has been reached. Please contact AWS if you need additional APIs.",
        ));
    }
    api.api_id = new_id(10, |id| state.apis.contains_key(id));
    let answer = show(call, &api);
    let State { apis, unlisted, .. } = &mut *state;
    unlisted.add(&api.api_id, api.created, call.cloud.delays);
    apis.insert(api.api_id.clone(), Entry::new(api));
    Ok(Answer::members(201, answer))
}

pub(super) fn get(call: &Call) -> Result<Answer> {
    let api_id = Input::of(call).required("apiId")?;
    let gateway = &call.region.gateway;
    gateway.read(api_id, |entry| Ok(show(call, &entry.api).into()))
}

pub(super) fn list(call: &Call) -> Result<Answer> {
    let now = Millis::now();
    let state = call.region.gateway.state.read();
    let apis = state
        .apis
        .iter()
        .filter(|(id, _)| state.unlisted.shows(id, now))
        .map(|(id, entry)| (id.clone(), show(call, &entry.api)))
        .collect();
    page(Input::of(call), apis)
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let mut api = edit.api.clone();
        say(&mut api, input)?;
        edit.configured = true;
        let answer = show(call, &api);
        *edit.api = api;
        Ok(answer.into())
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let api_id = Input::of(call).required("apiId")?;
    let mut state = call.region.gateway.state.write();
    match state.apis.remove(api_id) {
        Some(_) => Ok(Answer::empty(204)),
        None => Err(super::refusal::no_api(api_id)),
    }
}

/// There's never one to delete: it's of HTTP APIs.
pub(super) fn delete_cors(call: &Call) -> Result<Answer> {
    let api_id = Input::of(call).required("apiId")?;
    let gateway = &call.region.gateway;
    gateway.read(api_id, |_| Ok(Answer::empty(204)))
}

/// Takes what was sent.
fn say(api: &mut Api, input: Input<'_>) -> Result<()> {
    if let Some((_, name)) = HTTP_ONLY.iter().find(|(field, _)| input.has(field)) {
        return Err(http_only(name));
    }
    if let Some(name) = input.sized("name", 1..=128)? {
        api.name = name;
    }
    if let Some(expression) = input.text("routeSelectionExpression")? {
        check_selection(expression)?;
        expression.clone_into(&mut api.route_selection_expression);
    }
    if let Some(expression) = input.text("apiKeySelectionExpression")? {
        if !KEY_SOURCES.contains(&expression) {
            return Err(bad(format!(
                "Invalid API Key Selection Expression specified: {expression}. Must be one of [{}]",
                KEY_SOURCES.join(", ")
            )));
        }
        api.api_key_selection_expression = Some(expression.to_owned());
    }
    patch(&mut api.description, input.sized("description", 0..=1024)?);
    patch(&mut api.version, input.sized("version", 0..=64)?);
    if let Some(kind) = input.one_of("ipAddressType", &["ipv4", "dualstack"])? {
        api.ip_address_type = Some(kind);
    }
    if let Some(disable) = input.flag("disableExecuteApiEndpoint")? {
        api.disable_execute_api_endpoint = disable;
    }
    if let Some(disable) = input.flag("disableSchemaValidation")? {
        api.disable_schema_validation = disable;
    }
    Ok(())
}

/// Refuses an expression with a variable that isn't of the message's body [DG selection expressions].
fn check_selection(expression: &str) -> Result<()> {
    // Literals, `\$` for a dollar, `$request.body…`, `${request.body…}`.
    static SELECTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^(?:[^$\\]|\\.|\$request\.body[^$\\]*|\$\{request\.body[^${}\\]*\})+$").ok()
    });
    if expression.len() <= 1024 && uri::matches(&SELECTION, expression) {
        return Ok(());
    }
    Err(bad(format!(
        "Invalid Route Selection Expression specified: {expression}"
    )))
}

fn show(call: &Call, api: &Api) -> Value {
    set(json!({
        // Not `ws://{id}.execute-api.localhost`: not every resolver knows that names under localhost are this machine.
        "apiEndpoint": format!("ws://{}/_aws/execute-api/{}", call.cloud.address, api.api_id),
        "apiId": api.api_id,
        "apiKeySelectionExpression": api.api_key_selection_expression,
        "createdDate": time(api.created),
        "description": api.description,
        "disableExecuteApiEndpoint": api.disable_execute_api_endpoint,
        "disableSchemaValidation": api.disable_schema_validation.then_some(true),
        "ipAddressType": api.ip_address_type.as_deref().unwrap_or("ipv4"),
        "name": api.name,
        "protocolType": "WEBSOCKET",
        "routeSelectionExpression": api.route_selection_expression,
        "tags": map(&api.tags),
        "version": api.version,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_selected_by_the_body_alone() {
        for expression in [
            "$request.body.action",
            "$request.body[2]",
            "${request.body.service}/${request.body.method}",
            r"\$default",
            "$request.body.detail-type",
        ] {
            assert_eq!(check_selection(expression), Ok(()), "{expression}");
        }
        for expression in [
            "",
            "$",
            "$request.header.x",
            "${request.body.a",
            "$context.stage",
        ] {
            assert!(check_selection(expression).is_err(), "{expression}");
        }
    }
}
