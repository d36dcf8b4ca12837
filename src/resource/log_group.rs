//! CloudWatch log groups, each with a retention.
//!
//! A function's group is made before the function: Lambda would make one itself, without a retention, and leave it
//! behind [aws-facts 3.7]. Limits: a name of 512 characters of `.-_/#A-Za-z0-9`; retentions of 1, 3, 5, 7, 14, 30, 60,
//! 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 and 3653 days [Logs model].

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures::future::{join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api, event_source_mapping,
    function, parse, retag, stage, touches, unless_gone,
};
use crate::{
    aws::{Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, scope::Scope, survey::Survey},
};

/// The kind of [`LogGroups`].
pub const KIND: &str = "log-group";

/// The name, within the kind, of the group that takes the API's access log.
pub const ACCESS: &str = "api:access";

/// What the names of Lambda's log groups begin with.
const LAMBDA: &str = "/aws/lambda/";

const LIST: Operation = Operation::read(Service::Logs, "DescribeLogGroups");
const LIST_TAGS: Operation = Operation::read(Service::Logs, "ListTagsForResource");
const CREATE: Operation = Operation::create(Service::Logs, "CreateLogGroup");
const PUT_RETENTION: Operation = Operation::put(Service::Logs, "PutRetentionPolicy");
const TAG: Operation = Operation::put(Service::Logs, "TagResource");
const UNTAG: Operation = Operation::put(Service::Logs, "UntagResource");
const DELETE: Operation = Operation::put(Service::Logs, "DeleteLogGroup");

/// A log group's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Its name: [`function_group`] or [`access_group`].
    pub name: String,
    /// Days that events are kept; 0 is for ever, which is only observed.
    pub retention_days: u32,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// The name of the group that Lambda writes `thing`'s logs to.
pub fn function_group(scope: &Scope, thing: &str) -> String {
    format!("{LAMBDA}{}", scope.name(thing))
}

/// The name of the group that takes the API's access log.
pub fn access_group(scope: &Scope) -> String {
    format!("/wsless/{}/{}/access", scope.project, scope.stage)
}

/// The ARNs of all groups that the stage may have.
pub fn arns(scope: &Scope) -> [String; 2] {
    let access = format!("log-group:/wsless/{}/{}/*", scope.project, scope.stage);
    [
        scope.every_arn("logs", "log-group:/aws/lambda/"),
        scope.arn("logs", &access),
    ]
}

/// The stage's log groups.
pub struct LogGroups;

#[async_trait]
impl Resource for LogGroups {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![
            Permission::anywhere("logs", &["DescribeLogGroups"]),
            Permission::on(
                "logs",
                &[
                    "CreateLogGroup",
                    "DeleteLogGroup",
                    "ListTagsForResource",
                    "PutRetentionPolicy",
                    "TagResource",
                    "UntagResource",
                ],
                arns(scope),
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let (functions, access) = (function_group(survey.scope, ""), access_group(survey.scope));
        let (functions, access) = join(named(survey, &functions), named(survey, &access)).await;
        let groups = functions?.into_iter().chain(access?);
        let observed = groups.filter_map(|group| {
            let address = address(survey.scope, group.log_group_name()?)?;
            Some(async move { unless_gone(observe(survey, address, &group).await) })
        });
        Ok(try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let group: LogGroup = parse(desired)?;
        let tags = group.tags.clone().into_iter().collect();
        context
            .call(CREATE, || {
                context
                    .aws
                    .logs
                    .create_log_group()
                    .log_group_name(&group.name)
                    .set_tags(Some(Clone::clone(&tags)))
                    .send()
            })
            .await?;
        put_retention(context, &group).await?;
        Ok(Attributes::from([(
            "arn".to_owned(),
            arn(context.scope, &group.name),
        )]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let group: LogGroup = parse(desired)?;
        let logs = &context.aws.logs;
        if touches(fields, "retention_days") {
            put_retention(context, &group).await?;
        }
        let arn = observed.attribute("arn");
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &group.tags,
            |tags| {
                logs.tag_resource()
                    .resource_arn(arn)
                    .set_tags(Some(tags))
                    .send()
            },
            |keys| {
                logs.untag_resource()
                    .resource_arn(arn)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .logs
                    .delete_log_group()
                    .log_group_name(&observed.id)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "name"
    }

    /// Whoever writes to it goes first, so that nothing is lost and nobody makes it anew.
    fn deleted_after(&self) -> &'static [&'static str] {
        &[
            function::KIND,
            event_source_mapping::KIND,
            stage::KIND,
            api::KIND,
        ]
    }
}

/// All log groups whose names begin with `prefix`.
async fn named(
    survey: &Survey<'_>,
    prefix: &str,
) -> Result<Vec<aws_sdk_cloudwatchlogs::types::LogGroup>, Error> {
    let aws = survey.aws;
    aws.pages(
        LIST,
        |token| {
            aws.logs
                .describe_log_groups()
                .log_group_name_prefix(prefix)
                .set_next_token(token)
                .send()
        },
        |page| (page.log_groups, page.next_token),
    )
    .await
}

async fn observe(
    survey: &Survey<'_>,
    address: Address,
    group: &aws_sdk_cloudwatchlogs::types::LogGroup,
) -> Result<Observed, Error> {
    let aws = survey.aws;
    let name = group.log_group_name().unwrap_or_default();
    let arn = group.log_group_arn().or_else(|| group.arn()).map_or_else(
        || arn(survey.scope, name),
        |arn| without_streams(arn).to_owned(),
    );
    let tags = aws
        .call(LIST_TAGS, || {
            aws.logs.list_tags_for_resource().resource_arn(&arn).send()
        })
        .await?;
    let properties = LogGroup {
        name: name.to_owned(),
        retention_days: group
            .retention_in_days()
            .and_then(|days| u32::try_from(days).ok())
            .unwrap_or_default(),
        tags: tags.tags.unwrap_or_default().into_iter().collect(),
    };
    Ok(Observed::new(address, name, &properties)
        .with("arn", arn)
        .owned_by(Owner::by_tags(survey.scope, &properties.tags)))
}

async fn put_retention(context: &Context<'_>, group: &LogGroup) -> Result<(), Error> {
    let days = i32::try_from(group.retention_days)
        .map_err(|error| Error::unexpected(PUT_RETENTION, error.to_string()))?;
    // A group that was just made, or made by a run that was cut off, may not be found yet.
    let settle = Settle {
        fragment: "ResourceNotFoundException",
        waits_for: "the log group to be visible",
        budget: Duration::from_secs(30),
    };
    context
        .settle(PUT_RETENTION, &[settle], || {
            context
                .aws
                .logs
                .put_retention_policy()
                .log_group_name(&group.name)
                .retention_in_days(days)
                .send()
        })
        .await?;
    Ok(())
}

/// The address of the log group called `name`, if the name is of this stage's form.
fn address(scope: &Scope, name: &str) -> Option<Address> {
    if name == access_group(scope) {
        return Some(Address::new(KIND, ACCESS));
    }
    let thing = scope.thing(name.strip_prefix(LAMBDA)?)?;
    Some(Address::new(KIND, thing))
}

fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("logs", &format!("log-group:{name}"))
}

/// The ARN of the group itself: `arn` has `:*` at its end, which tags and access logs refuse [Logs model].
fn without_streams(arn: &str) -> &str {
    arn.strip_suffix(":*").unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_the_stack_gives_are_found_again() {
        let scope = Scope::example();
        let of = |name: &str| address(&scope, name).map(|address| address.name().to_owned());
        assert_eq!(of(&function_group(&scope, "echo")).as_deref(), Some("echo"));
        assert_eq!(of(&access_group(&scope)).as_deref(), Some(ACCESS));
    }

    #[test]
    fn a_group_that_only_begins_like_ours_has_no_address() {
        let scope = Scope::example();
        assert_eq!(address(&scope, "/wsless/chat/dev/access-2"), None);
        assert_eq!(address(&scope, "/aws/lambda/chat-prod-echo"), None);
        assert_eq!(address(&scope, "chat-dev-echo"), None);
    }

    #[test]
    fn the_groups_arn_has_no_streams_in_it() {
        let scope = Scope::example();
        let arn = arn(&scope, "/aws/lambda/chat-dev-echo");
        assert_eq!(without_streams(&format!("{arn}:*")), arn);
        assert_eq!(without_streams(&arn), arn);
    }
}
