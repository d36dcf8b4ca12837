//! What becomes of what an integration answers: responses by a pattern of its status, or of a function's error.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{CONVERSIONS, TEMPLATE, none};
use crate::{
    call::{Answer, Call},
    error::Result,
    gateway::{
        input::{Input, patch, patch_strings},
        model::{Integration, IntegrationResponse},
        output::{map, page, set},
        refusal::{bad, conflict, no_such},
        state::{Edit, new_id},
        uri,
    },
};

pub(in crate::gateway) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |integration| {
        input.required("integrationResponseKey")?;
        let mut response = IntegrationResponse::default();
        say(&mut response, integration, input)?;
        let id = new_id(6, |id| integration.responses.contains_key(id));
        response.integration_response_id.clone_from(&id);
        let answer = show(&response);
        integration.responses.insert(id, response);
        Ok(Answer::members(201, answer))
    })
}

pub(in crate::gateway) fn get(call: &Call) -> Result<Answer> {
    read(call, |integration| {
        find(integration, Input::of(call)).map(|response| show(response).into())
    })
}

pub(in crate::gateway) fn list(call: &Call) -> Result<Answer> {
    read(call, |integration| {
        let responses = integration.responses.iter();
        let items = responses.map(|(id, response)| (id.clone(), show(response)));
        page(Input::of(call), items.collect())
    })
}

pub(in crate::gateway) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |integration| {
        let mut response = find(integration, input)?.clone();
        say(&mut response, integration, input)?;
        let answer = show(&response);
        let id = response.integration_response_id.clone();
        integration.responses.insert(id, response);
        Ok(answer.into())
    })
}

pub(in crate::gateway) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    edit(call, |integration| {
        let id = find(integration, input)?.integration_response_id.clone();
        integration.responses.remove(&id);
        Ok(Answer::empty(204))
    })
}

fn edit<T>(call: &Call, change: impl FnOnce(&mut Integration) -> Result<T>) -> Result<T> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(
        call.cloud.delays,
        input.required("apiId")?,
        |edit: &mut Edit<'_>| {
            let id = input.required("integrationId")?;
            let integration = edit.api.integrations.get_mut(id);
            let changed = change(integration.ok_or_else(|| none(id))?)?;
            edit.configured = true;
            Ok(changed)
        },
    )
}

fn read<T>(call: &Call, look: impl FnOnce(&Integration) -> Result<T>) -> Result<T> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        let id = input.required("integrationId")?;
        look(entry.api.integrations.get(id).ok_or_else(|| none(id))?)
    })
}

fn find<'a>(integration: &'a Integration, input: Input<'_>) -> Result<&'a IntegrationResponse> {
    let id = input.required("integrationResponseId")?;
    integration
        .responses
        .get(id)
        .ok_or_else(|| no_such("IntegrationResponse"))
}

fn say(
    response: &mut IntegrationResponse,
    integration: &Integration,
    input: Input<'_>,
) -> Result<()> {
    if let Some(key) = input.text("integrationResponseKey")? {
        check_key(key)?;
        let taken = integration.responses.values().any(|other| {
            other.integration_response_key == key
                && other.integration_response_id != response.integration_response_id
        });
        if taken {
            return Err(conflict(format!(
                "IntegrationResponse with key {key} already exists for this Integration"
            )));
        }
        key.clone_into(&mut response.integration_response_key);
    }
    patch(
        &mut response.content_handling_strategy,
        input.one_of(
            "contentHandlingStrategy",
            &["", CONVERSIONS[0], CONVERSIONS[1]],
        )?,
    );
    patch(
        &mut response.template_selection_expression,
        input.sized("templateSelectionExpression", 0..=1024)?,
    );
    patch_strings(
        &mut response.response_parameters,
        input.strings("responseParameters", 512)?,
    );
    if let Some(templates) = input.strings("responseTemplates", TEMPLATE)? {
        response.response_templates = templates;
    }
    Ok(())
}

/// Refuses a key that is neither `$default` nor a pattern between slashes [DG selection expressions].
fn check_key(key: &str) -> Result<()> {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^/.+/$").ok());
    if key == "$default" || uri::matches(&KEY, key) {
        return Ok(());
    }
    Err(bad(format!(
        "Invalid integration response key specified: {key}. It must be $default or a regular expression between slashes"
    )))
}

fn show(response: &IntegrationResponse) -> Value {
    set(json!({
        "contentHandlingStrategy": response.content_handling_strategy,
        "integrationResponseId": response.integration_response_id,
        "integrationResponseKey": response.integration_response_key,
        "responseParameters": map(&response.response_parameters),
        "responseTemplates": map(&response.response_templates),
        "templateSelectionExpression": response.template_selection_expression,
    }))
}
