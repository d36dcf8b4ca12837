//! CloudWatch's figures, by one call: it's billed by the number of metrics.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::{resource::Observed, scope::Scope},
    resource::{api, function, queue},
};

const GET: Operation = Operation::read(Service::CloudWatch, "GetMetricData");
/// A call takes so many metrics [CloudWatch model].
const MOST: usize = 500;
/// Seconds that a value stands for.
const PERIOD: i32 = 60;
/// A queue's age is of use only while it's fresh.
const FRESH: SignedDuration = SignedDuration::from_mins(10);

/// What CloudWatch counted since a time. A minute that began before it doesn't count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Calls that Lambda refused, by handler.
    pub throttles: BTreeMap<String, f64>,
    /// Seconds that a queue's oldest message waits, by queue.
    pub ages: BTreeMap<String, f64>,
    /// Integrations that API Gateway couldn't call.
    pub execution_errors: f64,
    /// Integrations that answered with errors.
    pub integration_errors: f64,
}

/// What is asked for, and where its answer goes.
enum About {
    Throttles(String),
    Age(String),
    ExecutionErrors,
    IntegrationErrors,
}

/// Reads the figures of what is there.
pub(super) async fn read(
    aws: &Aws,
    scope: &Scope,
    resources: &[Observed],
    since: Timestamp,
    now: Timestamp,
) -> Result<Figures, Error> {
    let mut asked = asked(scope, resources);
    asked.truncate(MOST);
    let mut figures = Figures::default();
    if asked.is_empty() {
        return Ok(figures);
    }
    let queries: Vec<MetricDataQuery> = asked
        .iter()
        .enumerate()
        .map(|(index, (_, metric, statistic))| query(index, metric, statistic))
        .collect();
    let from = since.min(now - FRESH);
    let answers = aws
        .pages(
            GET,
            |token| {
                aws.cloudwatch
                    .get_metric_data()
                    .set_metric_data_queries(Some(queries.clone()))
                    .start_time(DateTime::from_secs(from.as_second()))
                    .end_time(DateTime::from_secs(now.as_second() + 1))
                    .set_next_token(token)
                    .send()
            },
            |page| (page.metric_data_results, page.next_token),
        )
        .await?;
    for answer in answers {
        let index: Option<usize> = answer
            .id()
            .and_then(|id| id.strip_prefix('m')?.parse().ok());
        let Some((about, ..)) = index.and_then(|index| asked.get(index)) else {
            continue;
        };
        let values = || {
            let times = answer.timestamps().iter().map(DateTime::secs);
            times.zip(answer.values().iter().copied())
        };
        let sum: f64 = values()
            .filter(|(at, _)| *at >= since.as_second())
            .map(|(_, value)| value)
            .sum();
        match about {
            About::Throttles(thing) => {
                figures.throttles.insert(thing.clone(), sum);
            }
            About::Age(thing) => {
                let newest = values()
                    .filter(|(at, _)| *at >= (now - FRESH).as_second())
                    .max_by_key(|(at, _)| *at);
                if let Some((_, age)) = newest {
                    figures.ages.insert(thing.clone(), age);
                }
            }
            About::ExecutionErrors => figures.execution_errors += sum,
            About::IntegrationErrors => figures.integration_errors += sum,
        }
    }
    Ok(figures)
}

fn asked(scope: &Scope, resources: &[Observed]) -> Vec<(About, Metric, &'static str)> {
    let mut asked = Vec::new();
    for found in resources {
        let thing = || found.address.name().to_owned();
        match found.address.kind() {
            api::KIND => {
                let dimensions = [("ApiId", found.id.as_str()), ("Stage", &scope.stage)];
                for (about, name) in [
                    (About::ExecutionErrors, "ExecutionError"),
                    (About::IntegrationErrors, "IntegrationError"),
                ] {
                    asked.push((about, metric("AWS/ApiGateway", name, &dimensions), "Sum"));
                }
            }
            function::KIND => asked.push((
                About::Throttles(thing()),
                metric("AWS/Lambda", "Throttles", &[("FunctionName", &found.id)]),
                "Sum",
            )),
            queue::KIND => {
                let name = found.properties["name"].as_str().unwrap_or_default();
                asked.push((
                    About::Age(thing()),
                    metric(
                        "AWS/SQS",
                        "ApproximateAgeOfOldestMessage",
                        &[("QueueName", name)],
                    ),
                    "Maximum",
                ));
            }
            _ => {}
        }
    }
    asked
}

fn metric(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Metric {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
    Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(dimensions.collect()))
        .build()
}

fn query(index: usize, metric: &Metric, statistic: &str) -> MetricDataQuery {
    let stat = MetricStat::builder()
        .metric(metric.clone())
        .period(PERIOD)
        .stat(statistic)
        .build();
    MetricDataQuery::builder()
        .id(format!("m{index}"))
        .metric_stat(stat)
        .return_data(true)
        .build()
}
