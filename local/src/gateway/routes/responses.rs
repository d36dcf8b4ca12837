//! Responses of routes: whether what an integration answers is sent back. There's one at most, `$default`.

use serde_json::{Value, json};

use super::DEFAULT;
use crate::{
    call::{Answer, Call},
    error::Result,
    gateway::{
        input::{Input, patch},
        model::{Route, RouteResponse},
        output::{constraints, map, page, set},
        refusal::{bad, conflict, no_such},
        state::new_id,
    },
};

pub(in crate::gateway) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |route| {
        input.required("routeResponseKey")?;
        let mut response = RouteResponse::default();
        say(&mut response, route, input)?;
        let id = new_id(6, |id| route.responses.contains_key(id));
        response.route_response_id.clone_from(&id);
        let answer = show(&response);
        route.responses.insert(id, response);
        Ok(Answer::members(201, answer))
    })
}

pub(in crate::gateway) fn get(call: &Call) -> Result<Answer> {
    read(call, |route| {
        find(route, Input::of(call)).map(|response| show(response).into())
    })
}

pub(in crate::gateway) fn list(call: &Call) -> Result<Answer> {
    read(call, |route| {
        let responses = route.responses.iter();
        let items = responses.map(|(id, response)| (id.clone(), show(response)));
        page(Input::of(call), items.collect())
    })
}

pub(in crate::gateway) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |route| {
        let mut response = find(route, input)?.clone();
        say(&mut response, route, input)?;
        let answer = show(&response);
        let id = response.route_response_id.clone();
        route.responses.insert(id, response);
        Ok(answer.into())
    })
}

pub(in crate::gateway) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |route| {
        let id = find(route, input)?.route_response_id.clone();
        route.responses.remove(&id);
        Ok(Answer::empty(204))
    })
}

fn edit<T>(call: &Call, change: impl FnOnce(&mut Route) -> Result<T>) -> Result<T> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let route = edit.api.routes.get_mut(input.required("routeId")?);
        let changed = change(route.ok_or_else(|| no_such("route"))?)?;
        edit.configured = true;
        Ok(changed)
    })
}

fn read<T>(call: &Call, look: impl FnOnce(&Route) -> Result<T>) -> Result<T> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        let route = entry.api.routes.get(input.required("routeId")?);
        look(route.ok_or_else(|| no_such("route"))?)
    })
}

fn find<'a>(route: &'a Route, input: Input<'_>) -> Result<&'a RouteResponse> {
    let id = input.required("routeResponseId")?;
    route
        .responses
        .get(id)
        .ok_or_else(|| no_such("RouteResponse"))
}

fn say(response: &mut RouteResponse, route: &Route, input: Input<'_>) -> Result<()> {
    if let Some(key) = input.text("routeResponseKey")? {
        if key != DEFAULT {
            return Err(bad(format!(
                "Invalid route response key specified: {key}. Only {DEFAULT} is supported"
            )));
        }
        let taken = route.responses.values().any(|other| {
            other.route_response_key == key && other.route_response_id != response.route_response_id
        });
        if taken {
            return Err(conflict(format!(
                "RouteResponse with key {key} already exists for this Route"
            )));
        }
        key.clone_into(&mut response.route_response_key);
    }
    patch(
        &mut response.model_selection_expression,
        input.sized("modelSelectionExpression", 0..=1024)?,
    );
    if let Some(models) = input.strings("responseModels", 128)? {
        response.response_models = models;
        response
            .response_models
            .retain(|_, model| !model.is_empty());
    }
    if let Some(parameters) = input.constraints("responseParameters")? {
        response.response_parameters.extend(parameters);
    }
    Ok(())
}

fn show(response: &RouteResponse) -> Value {
    set(json!({
        "modelSelectionExpression": response.model_selection_expression,
        "responseModels": map(&response.response_models),
        "responseParameters": constraints(&response.response_parameters),
        "routeResponseId": response.route_response_id,
        "routeResponseKey": response.route_response_key,
    }))
}
