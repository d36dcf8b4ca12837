//! Models: schemas of messages. They're kept and told; messages aren't held against them.

use serde_json::{Value, json};

use super::{
    input::{Input, patch},
    model::{Api, Model},
    output::{page, set},
    refusal::{bad, conflict, full, no_such},
    state::new_id,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// As many as an API keeps here; AWS's own limit isn't published for this version.
const MODELS: usize = 400;

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        input.required("name")?;
        input.required("schema")?;
        let mut model = Model {
            content_type: "application/json".to_owned(),
            ..Model::default()
        };
        say(&mut model, edit.api, input)?;
        if edit.api.models.len() >= MODELS {
            return Err(full("Models"));
        }
        let id = new_id(6, |id| edit.api.models.contains_key(id));
        model.model_id.clone_from(&id);
        edit.added(&id);
        let answer = show(&model);
        edit.api.models.insert(id, model);
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
        let models = entry.api.models.iter();
        let shown = models.filter(|(id, _)| entry.unlisted.shows(id, now));
        let items = shown.map(|(id, model)| (id.clone(), show(model)));
        page(input, items.collect())
    })
}

pub(super) fn template(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        find(&entry.api, input)?;
        Ok(json!({ "value": "#set($inputRoot = $input.path('$'))\n{ }" }).into())
    })
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let mut model = find(edit.api, input)?.clone();
        say(&mut model, edit.api, input)?;
        let answer = show(&model);
        edit.api.models.insert(model.model_id.clone(), model);
        Ok(answer.into())
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let id = find(edit.api, input)?.model_id.clone();
        edit.api.models.remove(&id);
        Ok(Answer::empty(204))
    })
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Model> {
    let id = input.required("modelId")?;
    api.models.get(id).ok_or_else(|| no_such("Model"))
}

fn say(model: &mut Model, api: &Api, input: Input<'_>) -> Result<()> {
    if let Some(name) = input.sized("name", 1..=128)? {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(bad(format!("Model name must be alphanumeric: {name}")));
        }
        let taken = api
            .models
            .values()
            .any(|other| other.name == name && other.model_id != model.model_id);
        if taken {
            return Err(conflict(format!("Model name already exists: {name}")));
        }
        model.name = name;
    }
    if let Some(content_type) = input.sized("contentType", 1..=256)? {
        model.content_type = content_type;
    }
    patch(
        &mut model.description,
        input.sized("description", 0..=1024)?,
    );
    if let Some(schema) = input.sized("schema", 0..=32_768)? {
        model.schema = schema;
    }
    Ok(())
}

fn show(model: &Model) -> Value {
    set(json!({
        "contentType": model.content_type,
        "description": model.description,
        "modelId": model.model_id,
        "name": model.name,
        "schema": model.schema,
    }))
}
