//! Routes: what messages match, and where they go. Their responses are in `responses`.

pub(super) mod responses;

use serde_json::{Value, json};

use super::{
    input::{Input, patch},
    integrations,
    model::{Api, Route},
    output::{constraints, list as texts, map, page, set},
    refusal::{bad, conflict, full, http_only, no_such, not_found},
    state::new_id,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// As many as an API has at most [DG limits].
const ROUTES: usize = 300;

/// The only expression, and key, that responses of routes have [DG websocket-api-route-response].
const DEFAULT: &str = "$default";

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        input.required("routeKey")?;
        let mut route = Route {
            authorization_type: "NONE".to_owned(),
            ..Route::default()
        };
        say(&mut route, edit.api, input)?;
        if edit.api.routes.len() >= ROUTES {
            return Err(full("Routes"));
        }
        let id = new_id(7, |id| edit.api.routes.contains_key(id));
        route.route_id.clone_from(&id);
        edit.added(&id);
        edit.configured = true;
        let answer = show(&route);
        edit.api.routes.insert(id, route);
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
        let routes = entry.api.routes.iter();
        let shown = routes.filter(|(id, _)| entry.unlisted.shows(id, now));
        let items = shown.map(|(id, route)| (id.clone(), show(route)));
        page(input, items.collect())
    })
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let mut route = find(edit.api, input)?.clone();
        say(&mut route, edit.api, input)?;
        edit.configured = true;
        let answer = show(&route);
        edit.api.routes.insert(route.route_id.clone(), route);
        // Of all updates this one is answered with 201 [STK websocket_lifecycle, websocket_authorizer_admission].
        Ok(Answer::members(201, answer))
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let id = find(edit.api, input)?.route_id.clone();
        edit.api.routes.remove(&id);
        edit.configured = true;
        Ok(Answer::empty(204))
    })
}

pub(super) fn delete_request_parameter(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let id = find(edit.api, input)?.route_id.clone();
        let key = input.required("requestParameterKey")?;
        let parameters = edit.api.routes.get_mut(&id);
        let removed = parameters.and_then(|route| route.request_parameters.remove(key));
        if removed.is_none() {
            return Err(not_found(format!(
                "Invalid request parameter specified: {key}"
            )));
        }
        edit.configured = true;
        Ok(Answer::empty(204))
    })
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Route> {
    let id = input.required("routeId")?;
    api.routes.get(id).ok_or_else(|| no_such("route"))
}

/// Takes what was sent, and refuses what it makes of the route in its API.
fn say(route: &mut Route, api: &Api, input: Input<'_>) -> Result<()> {
    if let Some(key) = input.text("routeKey")? {
        check_key(key)?;
        let taken = api
            .routes
            .values()
            .any(|other| other.route_key == key && other.route_id != route.route_id);
        if taken {
            // [field].
            return Err(conflict(format!(
                "Route with key {key} already exists for this API"
            )));
        }
        key.clone_into(&mut route.route_key);
    }
    if input.has("authorizationScopes") {
        // Scopes are of JWT authorizers [BC], and those of HTTP APIs.
        let scopes = input.list("authorizationScopes")?.unwrap_or_default();
        if !scopes.is_empty() {
            return Err(http_only("AuthorizationScopes"));
        }
    }
    let types = ["NONE", "AWS_IAM", "CUSTOM", "JWT"];
    if let Some(kind) = input.one_of("authorizationType", &types)? {
        if kind == "JWT" {
            return Err(bad(
                "Invalid authorization type. JWT is not supported on WEBSOCKET protocol Apis.",
            ));
        }
        if kind != "CUSTOM" {
            route.authorizer_id = None;
        }
        route.authorization_type = kind;
    }
    let authorizer_id = input.text("authorizerId")?;
    if route.authorization_type == "CUSTOM" {
        patch(&mut route.authorizer_id, authorizer_id.map(str::to_owned));
    }
    check_authorization(route, api)?;
    if let Some(required) = input.flag("apiKeyRequired")? {
        if required && route.route_key != "$connect" {
            // Keys, as all headers, are sent with $connect alone [DG].
            return Err(bad(
                "Currently, API key requirement is restricted to the $connect route only",
            ));
        }
        route.api_key_required = required;
    }
    if let Some(target) = input.sized("target", 0..=128)? {
        check_target(&target, api)?;
        patch(&mut route.target, Some(target));
    }
    if let Some(expression) = input.text("routeResponseSelectionExpression")? {
        if !expression.is_empty() && expression != DEFAULT {
            return Err(bad(format!(
                "Invalid RouteResponseSelectionExpression specified: {expression}. Only {DEFAULT} is supported"
            )));
        }
        patch(
            &mut route.route_response_selection_expression,
            Some(expression.to_owned()),
        );
    }
    patch(
        &mut route.model_selection_expression,
        input.sized("modelSelectionExpression", 0..=1024)?,
    );
    patch(
        &mut route.operation_name,
        input.sized("operationName", 0..=64)?,
    );
    if let Some(models) = input.strings("requestModels", 128)? {
        route.request_models = models;
        route.request_models.retain(|_, model| !model.is_empty());
    }
    if let Some(parameters) = input.constraints("requestParameters")? {
        route.request_parameters.extend(parameters);
    }
    Ok(())
}

/// Refuses a key that begins like the three that are API Gateway's own [DG websocket-api-develop-routes].
fn check_key(key: &str) -> Result<()> {
    let own = ["$connect", "$disconnect", "$default"];
    if key.is_empty() || key.chars().count() > 1024 {
        return Err(bad(
            "Invalid value for routeKey: the length must be between 1 and 1024",
        ));
    }
    if key.starts_with('$') && !own.contains(&key) {
        return Err(bad(format!(
            "Invalid route key specified: {key}. The $ prefix is reserved for {}",
            own.join(", ")
        )));
    }
    Ok(())
}

fn check_authorization(route: &Route, api: &Api) -> Result<()> {
    if route.authorization_type != "NONE" && route.route_key != "$connect" {
        // [STK websocket_authorizer_admission].
        return Err(bad(
            "Currently, authorization is restricted to the $connect route only",
        ));
    }
    let is_there = route
        .authorizer_id
        .as_ref()
        .is_some_and(|id| api.authorizers.contains_key(id));
    if route.authorization_type == "CUSTOM" && !is_there {
        return Err(bad(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or JWT requires a valid authorizer.",
        ));
    }
    Ok(())
}

fn check_target(target: &str, api: &Api) -> Result<()> {
    if target.is_empty() {
        return Ok(());
    }
    let id = target
        .strip_prefix("integrations/")
        .ok_or_else(|| bad(format!("Invalid target specified: {target}")))?;
    if api.integrations.contains_key(id) {
        Ok(())
    } else {
        Err(integrations::none(id))
    }
}

fn show(route: &Route) -> Value {
    set(json!({
        "apiKeyRequired": route.api_key_required,
        "authorizationScopes": texts(&route.authorization_scopes),
        "authorizationType": route.authorization_type,
        "authorizerId": route.authorizer_id,
        "modelSelectionExpression": route.model_selection_expression,
        "operationName": route.operation_name,
        "requestModels": map(&route.request_models),
        "requestParameters": constraints(&route.request_parameters),
        "routeId": route.route_id,
        "routeKey": route.route_key,
        "routeResponseSelectionExpression": route.route_response_selection_expression,
        "target": route.target,
    }))
}
