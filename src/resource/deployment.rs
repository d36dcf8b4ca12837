//! Deployments: immutable snapshots of the API's configuration.
//!
//! Nothing that changes in an API is live before a stage points to a deployment made after the change, and making it
//! live takes up to 85 s more [DG; STK websocket_lifecycle]. A deployment's description carries a hash of the
//! configuration that it was made for. Limit: one CreateDeployment in 5 s for the account [DG limits].

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Deployment as AwsDeployment, DeploymentStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Resource, api, api_gateway, authorizer, integration,
    integration_response, parse, route, route_response, stage,
};
use crate::{
    aws::{Aws, Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, survey::Survey},
};

/// The kind of [`Deployments`].
pub const KIND: &str = "deployment";

/// The address name of the newest deployment.
pub const NAME: &str = "current";

/// What our descriptions begin with; the hash follows.
const DESCRIPTION: &str = "wsless ";

/// The kinds of which a deployment is a snapshot.
pub const SNAPSHOT: &[&str] = &[
    integration::KIND,
    integration_response::KIND,
    route::KIND,
    route_response::KIND,
    authorizer::KIND,
];

/// How many deployments are kept to go back to; AWS's own limit isn't published.
const KEPT: usize = 10;

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetDeployments");
const GET: Operation = Operation::read(Service::ApiGatewayV2, "GetDeployment");
/// Repeating it makes a second snapshot of the same configuration, which harms nothing and is pruned later.
const CREATE: Operation = Operation::put(Service::ApiGatewayV2, "CreateDeployment");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteDeployment");

/// A deployment's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The API's id.
    pub api_id: Text,
    /// A hash of the configuration that is to be live.
    pub configuration: String,
}

/// The API's newest deployment of ours. Attributes: `id`, `api_id`.
///
/// Older ones aren't listed: they stay for rollback, and an update prunes them.
pub struct Deployments;

#[async_trait]
impl Resource for Deployments {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let Some(api_id) = api_gateway::id(survey).await? else {
            return Ok(Vec::new());
        };
        let deployments = newest_first(survey.aws, &api_id).await?;
        Ok(deployments
            .iter()
            // One that failed, or that a run which was cut off didn't see finished, isn't relied on: a new one is made.
            .find(|found| found.deployment_status() == Some(&DeploymentStatus::Deployed))
            .map(|deployment| observe(&api_id, deployment))
            .into_iter()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let deployment: Deployment = parse(desired)?;
        let api_id = deployment.api_id.to_string();
        let id = deploy(context, &api_id, &deployment.configuration).await?;
        Ok(api_gateway::attributes(&api_id, &id))
    }

    /// Makes a new deployment, and deletes the oldest.
    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let deployment: Deployment = parse(desired)?;
        let api_id = observed.attribute("api_id");
        let id = deploy(context, api_id, &deployment.configuration).await?;
        if let Err(error) = prune(context, api_id).await {
            // The next deployment prunes them.
            tracing::warn!(%error, "old deployments are left");
        }
        Ok(Attributes::from([("id".to_owned(), id)]))
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, id) = api_gateway::ids(observed);
        let in_use = Settle {
            fragment: "Active stages",
            waits_for: "API Gateway to forget the stage that used it",
            budget: Duration::from_mins(1),
        };
        delete(context, api_id, id, &[in_use]).await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "api_id"
    }

    fn changing_attributes(&self) -> &'static [&'static str] {
        &["id"]
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[stage::KIND]
    }

    fn follows_deletions_of(&self) -> &'static [&'static str] {
        SNAPSHOT
    }

    fn renewed_by(&self) -> &'static [&'static str] {
        SNAPSHOT
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

/// Makes a deployment, waits until it's made, and returns its id.
async fn deploy(context: &Context<'_>, api_id: &str, configuration: &str) -> Result<String, Error> {
    let client = &context.aws.apigatewayv2;
    let description = format!("{DESCRIPTION}{configuration}");
    let created = context
        .call(CREATE, || {
            client
                .create_deployment()
                .api_id(api_id)
                .description(&description)
                .send()
        })
        .await?;
    let id = created.deployment_id().unwrap_or_default().to_owned();
    if is_made(
        created.deployment_status(),
        created.deployment_status_message(),
    )? {
        return Ok(id);
    }
    (context.notify)("the deployment to be made");
    let (aws, made) = (context.aws, &id);
    aws.wait(GET, "the deployment", Duration::from_mins(2), || async {
        let found = aws
            .call(GET, || {
                client
                    .get_deployment()
                    .api_id(api_id)
                    .deployment_id(made)
                    .send()
            })
            .await?;
        Ok(is_made(found.deployment_status(), found.deployment_status_message())?.then_some(()))
    })
    .await?;
    Ok(id)
}

/// Whether a deployment with this status is ready; an error if it never will be.
fn is_made(status: Option<&DeploymentStatus>, message: Option<&str>) -> Result<bool, Error> {
    match status {
        Some(DeploymentStatus::Deployed) => Ok(true),
        Some(DeploymentStatus::Failed) => Err(Error::unexpected(
            CREATE,
            format!(
                "the deployment failed: {}",
                message.unwrap_or("no reason given")
            ),
        )),
        _ => Ok(false),
    }
}

/// Deletes our oldest deployments that no stage uses.
async fn prune(context: &Context<'_>, api_id: &str) -> Result<(), Error> {
    let aws = context.aws;
    let deployments = newest_first(aws, api_id).await?;
    if deployments.len() <= KEPT {
        return Ok(());
    }
    let stages = stage::all(aws, api_id).await?;
    let used = stages
        .iter()
        .filter_map(|stage| stage.deployment_id())
        .collect();
    for id in superfluous(&deployments, &used) {
        delete(context, api_id, id, &[]).await?;
    }
    Ok(())
}

async fn delete(
    context: &Context<'_>,
    api_id: &str,
    id: &str,
    settles: &[Settle],
) -> Result<(), Error> {
    let client = &context.aws.apigatewayv2;
    context
        .remove(DELETE, settles, || {
            client
                .delete_deployment()
                .api_id(api_id)
                .deployment_id(id)
                .send()
        })
        .await
}

/// The API's deployments of ours, the newest first.
async fn newest_first(aws: &Aws, api_id: &str) -> Result<Vec<AwsDeployment>, Error> {
    let deployments = api_gateway::pages(
        aws,
        LIST,
        |token| {
            aws.apigatewayv2
                .get_deployments()
                .api_id(api_id)
                .set_next_token(token)
                .send()
        },
        |page| (page.items, page.next_token),
    )
    .await?;
    Ok(ours_newest_first(deployments))
}

fn ours_newest_first(mut deployments: Vec<AwsDeployment>) -> Vec<AwsDeployment> {
    deployments.retain(|deployment| configuration(deployment).is_some());
    // Dates are in whole seconds; of two in one second the one that's listed later counts as the newer.
    deployments.reverse();
    deployments.sort_by(|a, b| b.created_date().cmp(&a.created_date()));
    deployments
}

/// The ids of those that needn't be kept, if `deployments` come newest first and stages use `used`.
fn superfluous<'a>(deployments: &'a [AwsDeployment], used: &BTreeSet<&str>) -> Vec<&'a str> {
    deployments
        .iter()
        .skip(KEPT)
        .filter_map(AwsDeployment::deployment_id)
        .filter(|id| !used.contains(id))
        .collect()
}

/// The configuration's hash, if the deployment is one of ours.
fn configuration(deployment: &AwsDeployment) -> Option<&str> {
    deployment.description()?.strip_prefix(DESCRIPTION)
}

fn observe(api_id: &str, deployment: &AwsDeployment) -> Observed {
    let id = deployment.deployment_id().unwrap_or_default();
    let properties = Deployment {
        api_id: api_id.into(),
        configuration: configuration(deployment).unwrap_or_default().to_owned(),
    };
    let mut observed = Observed::new(Address::new(KIND, NAME), id, &properties);
    observed.attributes = api_gateway::attributes(api_id, id);
    observed
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    fn deployment(id: &str, description: &str, seconds: i64) -> AwsDeployment {
        AwsDeployment::builder()
            .deployment_id(id)
            .description(description)
            .created_date(DateTime::from_secs(seconds))
            .deployment_status(DeploymentStatus::Deployed)
            .build()
    }

    #[test]
    fn the_newest_of_ours_comes_first_and_others_are_left_alone() {
        let found = ours_newest_first(vec![
            deployment("old", "wsless a", 1),
            deployment("console", "by hand", 9),
            deployment("new", "wsless b", 3),
            deployment("newer-in-the-same-second", "wsless c", 3),
        ]);
        let ids: Vec<_> = found
            .iter()
            .filter_map(AwsDeployment::deployment_id)
            .collect();
        assert_eq!(ids, ["newer-in-the-same-second", "new", "old"]);
        let observed = observe("a1", &found[0]);
        assert_eq!(observed.properties["configuration"], "c");
    }

    #[test]
    fn the_oldest_go_unless_a_stage_uses_them() {
        let deployments: Vec<_> = (0..13)
            .map(|age| deployment(&format!("d{age}"), "wsless x", 100 - age))
            .collect();
        let used = BTreeSet::from(["d11"]);
        assert_eq!(superfluous(&deployments, &used), ["d10", "d12"]);
        assert!(superfluous(&deployments[..KEPT], &used).is_empty());
    }

    #[test]
    fn a_failed_deployment_says_why() {
        assert!(is_made(Some(&DeploymentStatus::Deployed), None).unwrap());
        assert!(!is_made(Some(&DeploymentStatus::Pending), None).unwrap());
        assert!(!is_made(None, None).unwrap());
        let error = is_made(Some(&DeploymentStatus::Failed), Some("no route")).unwrap_err();
        assert!(error.mentions("no route"));
    }
}
