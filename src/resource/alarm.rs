//! CloudWatch alarms, each on one metric.
//!
//! Nothing checks that the metric exists: an alarm with a wrong dimension never gets data and never says so. Neither
//! does one with a unit other than the metric's, so that none is ever set. Limits: a name of 255 characters; a period
//! of 10, 20, 30 or a multiple of 60 s; a day for all periods together; five actions a state [CloudWatch model].

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, parse, retag, touches, unless_gone,
};
use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Alarms`].
pub const KIND: &str = "alarm";

const LIST: Operation = Operation::read(Service::CloudWatch, "DescribeAlarms");
const LIST_TAGS: Operation = Operation::read(Service::CloudWatch, "ListTagsForResource");
/// Makes the alarm, or overwrites all of it.
const PUT: Operation = Operation::put(Service::CloudWatch, "PutMetricAlarm");
const TAG: Operation = Operation::put(Service::CloudWatch, "TagResource");
const UNTAG: Operation = Operation::put(Service::CloudWatch, "UntagResource");
const DELETE: Operation = Operation::put(Service::CloudWatch, "DeleteAlarms");

/// An alarm's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// What it means and what to do, for whoever is called.
    pub description: String,
    /// The metric's namespace, such as `AWS/SQS`.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// The metric's dimensions, all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub dimensions: BTreeMap<String, Text>,
    /// `Sum`, `Maximum`, ..., or a percentile such as `p99`.
    pub statistic: String,
    /// Seconds that one value is made from.
    pub period_s: u32,
    /// Periods in a row that must be past the threshold.
    pub evaluation_periods: u32,
    /// What the values are compared with.
    pub threshold: f64,
    /// How: `GreaterThanThreshold` and the like.
    pub comparison: String,
    /// What a period without values means: `notBreaching`, `breaching`, `ignore`, `missing`.
    pub treat_missing_data: String,
    /// ARNs that are told when it begins and when it ends; in no particular order.
    #[serde(
        serialize_with = "sorted",
        skip_serializing_if = "Vec::is_empty",
        default
    )]
    pub actions: Vec<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// Whatever order AWS or a manifest has actions in, they compare equal.
fn sorted<S: Serializer>(actions: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let mut actions: Vec<&String> = actions.iter().collect();
    actions.sort();
    actions.dedup();
    actions.serialize(serializer)
}

/// The stage's alarms.
pub struct Alarms;

#[async_trait]
impl Resource for Alarms {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![
            Permission::anywhere("cloudwatch", &["DescribeAlarms"]),
            Permission::on(
                "cloudwatch",
                &[
                    "DeleteAlarms",
                    "ListTagsForResource",
                    "PutMetricAlarm",
                    "TagResource",
                    "UntagResource",
                ],
                [scope.every_arn("cloudwatch", "alarm:")],
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let alarms = described(aws, survey.scope).await?;
        let observed = alarms
            .iter()
            .map(|alarm| async { unless_gone(observe(survey, alarm).await) });
        Ok(try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let alarm: Alarm = parse(desired)?;
        put(context, &alarm, Some(tags(alarm.tags.clone()))).await?;
        Ok(Attributes::from([(
            "arn".to_owned(),
            context
                .scope
                .arn("cloudwatch", &format!("alarm:{}", alarm.name)),
        )]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let alarm: Alarm = parse(desired)?;
        let only_tags = fields
            .iter()
            .all(|field| touches(std::slice::from_ref(field), "tags"));
        if !only_tags {
            // Tags that are sent with a change of an alarm are ignored [CloudWatch model].
            put(context, &alarm, None).await?;
        }
        retag_by_arn(context, observed, &alarm.tags).await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let name = observed.properties["name"].as_str().unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .cloudwatch
                    .delete_alarms()
                    .alarm_names(name)
                    .send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "name"
    }
}

async fn observe(survey: &Survey<'_>, alarm: &MetricAlarm) -> Result<Observed, Error> {
    let (aws, scope) = (survey.aws, survey.scope);
    let name = alarm.alarm_name().unwrap_or_default();
    let arn = alarm.alarm_arn().map_or_else(
        || scope.arn("cloudwatch", &format!("alarm:{name}")),
        str::to_owned,
    );
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
    let properties = properties(alarm, tags);
    let thing = scope.thing(name).unwrap_or(name);
    Ok(Observed::new(Address::new(KIND, thing), &arn, &properties)
        .with("arn", arn)
        .owned_by(Owner::by_tags(scope, &properties.tags)))
}

fn properties(alarm: &MetricAlarm, tags: BTreeMap<String, String>) -> Alarm {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let number = |number: Option<i32>| {
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or_default()
    };
    Alarm {
        name: text(alarm.alarm_name()),
        description: text(alarm.alarm_description()),
        namespace: text(alarm.namespace()),
        metric: text(alarm.metric_name()),
        dimensions: alarm
            .dimensions()
            .iter()
            .map(|dimension| {
                (
                    text(dimension.name()),
                    Text::from(dimension.value().unwrap_or_default()),
                )
            })
            .collect(),
        // AWS gives one of them.
        statistic: text(
            alarm
                .extended_statistic()
                .or(alarm.statistic().map(Statistic::as_str)),
        ),
        period_s: number(alarm.period()),
        evaluation_periods: number(alarm.evaluation_periods()),
        threshold: alarm.threshold().unwrap_or_default(),
        comparison: text(alarm.comparison_operator().map(ComparisonOperator::as_str)),
        // `missing` is what AWS does if nothing is said [CloudWatch model].
        treat_missing_data: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        actions: actions(alarm.alarm_actions(), alarm.ok_actions()),
        tags,
    }
}

/// Who is told of the alarm's begin and end; who is told of one only is marked, so that it differs.
fn actions(begin: &[String], end: &[String]) -> Vec<String> {
    let begin = begin.iter().map(|action| {
        if end.contains(action) {
            action.clone()
        } else {
            format!("{action} (not told of the end)")
        }
    });
    let only_end = end
        .iter()
        .filter(|action| !begin.clone().any(|known| known == **action))
        .map(|action| format!("{action} (told of the end only)"));
    begin.clone().chain(only_end).collect()
}

async fn put(context: &Context<'_>, alarm: &Alarm, tags: Option<Vec<Tag>>) -> Result<(), Error> {
    let number = |number: u32| {
        i32::try_from(number).map_err(|error| Error::unexpected(PUT, error.to_string()))
    };
    let (period, evaluation_periods) = (number(alarm.period_s)?, number(alarm.evaluation_periods)?);
    let dimensions: Vec<Dimension> = alarm
        .dimensions
        .iter()
        .map(|(name, value)| {
            Dimension::builder()
                .name(name)
                .value(value.as_literal().unwrap_or_default())
                .build()
        })
        .collect();
    let (statistic, percentile) = statistic(&alarm.statistic);
    context
        .call(PUT, || {
            context
                .aws
                .cloudwatch
                .put_metric_alarm()
                .alarm_name(&alarm.name)
                .alarm_description(&alarm.description)
                .namespace(&alarm.namespace)
                .metric_name(&alarm.metric)
                .set_dimensions(Some(dimensions.clone()))
                .set_statistic(statistic.clone())
                .set_extended_statistic(percentile.clone())
                .period(period)
                .evaluation_periods(evaluation_periods)
                .threshold(alarm.threshold)
                .comparison_operator(ComparisonOperator::from(alarm.comparison.as_str()))
                .treat_missing_data(&alarm.treat_missing_data)
                .set_alarm_actions(Some(alarm.actions.clone()))
                .set_ok_actions(Some(alarm.actions.clone()))
                .set_tags(tags.clone())
                .send()
        })
        .await?;
    Ok(())
}

/// AWS takes a statistic in one field and a percentile in another, and exactly one of them.
fn statistic(name: &str) -> (Option<Statistic>, Option<String>) {
    match Statistic::try_parse(name) {
        Ok(statistic) => (Some(statistic), None),
        Err(_) => (None, Some(name.to_owned())),
    }
}

/// The alarms whose names begin as the stage's do: another stage's may too.
pub async fn described(aws: &Aws, scope: &Scope) -> Result<Vec<MetricAlarm>, Error> {
    let prefix = scope.prefix();
    aws.pages(
        LIST,
        |token| {
            aws.cloudwatch
                .describe_alarms()
                .alarm_name_prefix(&prefix)
                .alarm_types(AlarmType::MetricAlarm)
                .max_records(100)
                .set_next_token(token)
                .send()
        },
        |page| (page.metric_alarms, page.next_token),
    )
    .await
}

/// Gives what CloudWatch tags by its ARN the tags that it's to have.
pub(super) async fn retag_by_arn(
    context: &Context<'_>,
    observed: &Observed,
    desired: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let cloudwatch = &context.aws.cloudwatch;
    let arn = observed.attribute("arn");
    retag(
        context,
        [TAG, UNTAG],
        observed,
        desired,
        |set| {
            cloudwatch
                .tag_resource()
                .resource_arn(arn)
                .set_tags(Some(tags(set)))
                .send()
        },
        |keys| {
            cloudwatch
                .untag_resource()
                .resource_arn(arn)
                .set_tag_keys(Some(keys))
                .send()
        },
    )
    .await
}

/// Tags as CloudWatch writes them.
pub(super) fn tags(tags: impl IntoIterator<Item = (String, String)>) -> Vec<Tag> {
    tags.into_iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::to_value;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn an_action_for_one_state_only_differs_from_one_for_both() {
        let both = texts(&["arn:a", "arn:b"]);
        assert_eq!(actions(&both, &texts(&["arn:b", "arn:a"])), both);
        assert_ne!(actions(&both, &texts(&["arn:a"])), both);
        assert_ne!(actions(&texts(&["arn:a"]), &both), texts(&["arn:a"]));
        assert_ne!(actions(&[], &texts(&["arn:a"])), texts(&["arn:a"]));
    }

    #[test]
    fn a_percentile_goes_where_aws_wants_it() {
        assert_eq!(statistic("Sum"), (Some(Statistic::Sum), None));
        assert_eq!(statistic("p99"), (None, Some("p99".to_owned())));
    }

    #[test]
    fn actions_compare_equal_in_any_order() {
        let alarm = |actions: &[&str]| {
            let mut alarm = properties(&MetricAlarm::builder().build(), BTreeMap::new());
            alarm.actions = texts(actions);
            to_value(&alarm)
        };
        assert_eq!(
            alarm(&["arn:b", "arn:a"]),
            alarm(&["arn:a", "arn:b", "arn:a"])
        );
        assert_ne!(alarm(&["arn:b"]), alarm(&["arn:a"]));
    }

    #[test]
    fn an_alarm_that_says_nothing_of_missing_data_shows_what_aws_does() {
        let alarm = properties(&MetricAlarm::builder().build(), BTreeMap::new());
        assert_eq!(alarm.treat_missing_data, "missing");
    }
}
