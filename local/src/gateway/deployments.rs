//! Deployments: the whole API as it was at a moment, frozen. Stages point to them; nothing else makes an edit live.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    input::{Input, patch},
    model::{Api, Deployment, Snapshot},
    output::{page, set, time},
    refusal::{bad, full, no_such},
    state::{Edit, new_id},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
    fidelity::Delay,
};

/// As many as an API keeps here; how many AWS keeps isn't published.
const DEPLOYMENTS: usize = 500;

pub(super) fn create(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let description = input.sized("description", 0..=1024)?;
        let stage_name = input.text("stageName")?.filter(|name| !name.is_empty());
        if let Some(name) = stage_name {
            let stage = edit.api.stages.get(name);
            if stage.ok_or_else(|| no_such("stage"))?.auto_deploy {
                return Err(super::stages::deploys_by_itself());
            }
        }
        let id = deploy(edit, description, false)?;
        if let Some(name) = stage_name {
            edit.move_stage(name, &id);
        }
        let made = edit.api.deployments.get(&id);
        let answer = made.map(|deployment| show(deployment, edit.now));
        Ok(Answer::members(201, answer.unwrap_or_default()))
    })
}

pub(super) fn get(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.read(input.required("apiId")?, |entry| {
        Ok(show(find(&entry.api, input)?, Millis::now()).into())
    })
}

/// In the order in which they were made: times are told in whole seconds, and two may be of one second.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    let now = Millis::now();
    gateway.read(input.required("apiId")?, |entry| {
        let deployments = entry.api.deployments.iter();
        let mut items: Vec<_> = deployments
            .filter(|(id, _)| entry.unlisted.shows(id, now))
            .map(|(_, deployment)| {
                (
                    format!("{:020}", deployment.created.0),
                    show(deployment, now),
                )
            })
            .collect();
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        page(input, items)
    })
}

pub(super) fn update(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let description = input.sized("description", 0..=1024)?;
        let id = find(edit.api, input)?.deployment_id.clone();
        let deployment = edit.api.deployments.get_mut(&id);
        let deployment = deployment.ok_or_else(|| no_such("Deployment"))?;
        patch(&mut deployment.description, description);
        Ok(show(deployment, edit.now).into())
    })
}

pub(super) fn delete(call: &Call) -> Result<Answer> {
    let input = Input::of(call);
    let gateway = &call.region.gateway;
    gateway.edit(call.cloud.delays, input.required("apiId")?, |edit| {
        let id = find(edit.api, input)?.deployment_id.clone();
        if is_used(edit.api, &id) {
            // [field].
            return Err(bad(
                "Active stages pointing to this deployment must be moved or deleted",
            ));
        }
        edit.api.deployments.remove(&id);
        Ok(Answer::empty(204))
    })
}

/// Freezes the API as it is, and returns the deployment's id.
fn deploy(edit: &mut Edit<'_>, description: Option<String>, by_itself: bool) -> Result<String> {
    if edit.api.routes.is_empty() {
        // [field].
        return Err(bad(
            "At least one route is required before deploying the Api",
        ));
    }
    if edit.api.deployments.len() >= DEPLOYMENTS {
        forget_oldest(edit.api);
    }
    if edit.api.deployments.len() >= DEPLOYMENTS {
        return Err(full("Deployments"));
    }
    let deployments = edit.api.deployments.values();
    let newest = deployments.map(|deployment| deployment.created.0).max();
    // One in each millisecond, so that there's an order.
    let created = Millis(newest.map_or(edit.now.0, |newest| edit.now.0.max(newest + 1)));
    let id = new_id(6, |id| edit.api.deployments.contains_key(id));
    let deployment = Deployment {
        deployment_id: id.clone(),
        description: description.filter(|description| !description.is_empty()),
        created,
        deployed: created.after(edit.delays.of(Delay::DeploymentPending)),
        auto_deployed: by_itself,
        snapshot: Arc::new(freeze(edit.api)),
    };
    edit.added(&id);
    edit.api.deployments.insert(id.clone(), deployment);
    Ok(id)
}

/// Deploys a changed API to the stages that deploy by themselves. What becomes of it is only in the stage's message.
pub(super) fn deploy_by_itself(edit: &mut Edit<'_>) {
    let stages: Vec<String> = edit
        .api
        .stages
        .values()
        .filter(|stage| stage.auto_deploy)
        .map(|stage| stage.stage_name.clone())
        .collect();
    if stages.is_empty() {
        return;
    }
    let description = "Automatic deployment triggered by changes to the Api configuration";
    let deployed = deploy(edit, Some(description.to_owned()), true);
    for name in stages {
        let message = match &deployed {
            Ok(id) => {
                edit.move_stage(&name, id);
                format!("Successfully deployed stage with deployment ID '{id}'")
            }
            Err(error) => format!("Deployment attempt failed: {}", error.message),
        };
        if let Some(stage) = edit.api.stages.get_mut(&name) {
            stage.last_deployment_status_message = Some(message);
        }
    }
}

/// Stages that deploy by themselves would fill the API in time: the oldest of their deployments is let go.
fn forget_oldest(api: &mut Api) {
    let oldest = api
        .deployments
        .values()
        .filter(|deployment| deployment.auto_deployed && !is_used(api, &deployment.deployment_id))
        .min_by_key(|deployment| deployment.created)
        .map(|deployment| deployment.deployment_id.clone());
    if let Some(id) = oldest {
        api.deployments.remove(&id);
    }
}

fn is_used(api: &Api, id: &str) -> bool {
    api.stages
        .values()
        .any(|stage| stage.deployment_id.as_deref() == Some(id))
}

fn freeze(api: &Api) -> Snapshot {
    Snapshot {
        route_selection_expression: api.route_selection_expression.clone(),
        api_key_selection_expression: api.api_key_selection_expression.clone(),
        disable_execute_api_endpoint: api.disable_execute_api_endpoint,
        routes: api
            .routes
            .values()
            .map(|route| (route.route_key.clone(), route.clone()))
            .collect(),
        integrations: api.integrations.clone(),
        authorizers: api.authorizers.clone(),
    }
}

fn find<'a>(api: &'a Api, input: Input<'_>) -> Result<&'a Deployment> {
    let id = input.required("deploymentId")?;
    api.deployments.get(id).ok_or_else(|| no_such("Deployment"))
}

fn show(deployment: &Deployment, now: Millis) -> Value {
    let is_made = deployment.deployed <= now || deployment.deployed == deployment.created;
    set(json!({
        "autoDeployed": deployment.auto_deployed,
        "createdDate": time(deployment.created),
        "deploymentId": deployment.deployment_id,
        "deploymentStatus": if is_made { "DEPLOYED" } else { "PENDING" },
        "description": deployment.description,
    }))
}
