//! CloudWatch dashboards: one a stage, if the manifest wants it.
//!
//! The same name in any region is the same dashboard, so that ours have their region in it; PutDashboard replaces a
//! whole body, and answers with warnings for what it doesn't know [CloudWatch model]. An account's first three cost
//! nothing, each further one $3 a month [aws-facts 6].

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::Tag;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource,
    alarm::{retag_by_arn, tags},
    parse, touches, unless_gone,
};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, scope::Scope, survey::Survey},
};

/// The kind of [`Dashboards`].
pub const KIND: &str = "dashboard";
/// The name of the stage's only one.
pub const NAME: &str = "figures";

const GET: Operation = Operation::read(Service::CloudWatch, "GetDashboard");
const LIST_TAGS: Operation = Operation::read(Service::CloudWatch, "ListTagsForResource");
/// Makes the dashboard, or overwrites all of it.
const PUT: Operation = Operation::put(Service::CloudWatch, "PutDashboard");
const DELETE: Operation = Operation::put(Service::CloudWatch, "DeleteDashboards");

/// A dashboard's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dashboard {
    /// Its name.
    pub name: String,
    /// What it shows, in CloudWatch's form.
    pub body: Value,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// What a stage's dashboard is called.
pub fn name(scope: &Scope) -> String {
    scope.name(&scope.identity.region)
}

/// A dashboard's ARN: it has no region.
fn arn(scope: &Scope, name: &str) -> String {
    format!(
        "arn:{}:cloudwatch::{}:dashboard/{name}",
        scope.identity.partition, scope.identity.account
    )
}

/// The stage's dashboard.
pub struct Dashboards;

#[async_trait]
impl Resource for Dashboards {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![Permission::on(
            "cloudwatch",
            &[
                "DeleteDashboards",
                "GetDashboard",
                "ListTagsForResource",
                "PutDashboard",
                "TagResource",
                "UntagResource",
            ],
            [arn(scope, &name(scope))],
        )]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        Ok(unless_gone(observe(survey).await)?.into_iter().collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let dashboard: Dashboard = parse(desired)?;
        put(context, &dashboard, Some(tags(dashboard.tags.clone()))).await?;
        let arn = arn(context.scope, &dashboard.name);
        Ok(Attributes::from([("arn".to_owned(), arn)]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let dashboard: Dashboard = parse(desired)?;
        let only_tags = fields
            .iter()
            .all(|field| touches(std::slice::from_ref(field), "tags"));
        if !only_tags {
            // Tags that are sent with a change of a dashboard are ignored [CloudWatch model].
            put(context, &dashboard, None).await?;
        }
        retag_by_arn(context, observed, &dashboard.tags).await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let name = observed.properties["name"].as_str().unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .cloudwatch
                    .delete_dashboards()
                    .dashboard_names(name)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "name"
    }
}

async fn observe(survey: &Survey<'_>) -> Result<Observed, Error> {
    let (aws, scope) = (survey.aws, survey.scope);
    let name = name(scope);
    let found = aws
        .call(GET, || {
            aws.cloudwatch.get_dashboard().dashboard_name(&name).send()
        })
        .await?;
    let arn = arn(scope, &name);
    let answer = aws
        .call(LIST_TAGS, || {
            aws.cloudwatch
                .list_tags_for_resource()
                .resource_arn(&arn)
                .send()
        })
        .await?;
    let tags = answer
        .tags
        .unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value?)))
        .collect();
    let properties = Dashboard {
        body: body(found.dashboard_body().unwrap_or_default()),
        name: name.clone(),
        tags,
    };
    Ok(Observed::new(Address::new(KIND, NAME), &name, &properties)
        .with("arn", arn)
        .owned_by(Owner::by_tags(scope, &properties.tags)))
}

/// The body as values. Whoever wrote one that isn't JSON, it differs from ours.
fn body(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

async fn put(
    context: &Context<'_>,
    dashboard: &Dashboard,
    tags: Option<Vec<Tag>>,
) -> Result<(), Error> {
    let body = dashboard.body.to_string();
    let answer = context
        .call(PUT, || {
            context
                .aws
                .cloudwatch
                .put_dashboard()
                .dashboard_name(&dashboard.name)
                .dashboard_body(&body)
                .set_tags(tags.clone())
                .send()
        })
        .await?;
    // It's taken all the same: a widget that CloudWatch doesn't understand is a mistake of ours.
    for warning in answer.dashboard_validation_messages() {
        tracing::warn!(
            path = warning.data_path(),
            "the dashboard: {}",
            warning.message().unwrap_or_default()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_compared_as_values_not_as_text() {
        assert_eq!(
            body(r#"{ "widgets": [], "start": "-PT3H" }"#),
            json!({ "start": "-PT3H", "widgets": [] })
        );
        assert_eq!(body("oops"), json!("oops"));
    }
}
