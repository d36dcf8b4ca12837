//! CloudWatch's figures, by one call: it's billed by the number of metrics.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    aws::{Aws, Error},
    engine::{properties::Text, resource::Observed, scope::Scope},
    observe::{
        series::{self, Ask},
        window::Window,
    },
    resource::{api, function, queue},
    stack::figures::Metric,
};

/// A call takes so many metrics [CloudWatch model].
const MOST: usize = 500;
/// Seconds that a value stands for.
const PERIOD_S: u32 = 60;
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
    let asked = asked(scope, resources);
    let mut figures = Figures::default();
    if asked.is_empty() {
        return Ok(figures);
    }
    let asks: Vec<Ask<'_>> = asked
        .iter()
        .take(MOST)
        .map(|(_, metric, statistic)| Ask {
            metrics: std::slice::from_ref(metric),
            statistic,
            period_s: PERIOD_S,
        })
        .collect();
    let window = Window {
        since: since.min(now - FRESH),
        until: now + SignedDuration::from_secs(1),
    };
    let (values, _) = series::read(aws, &asks, &window).await?;
    for ((about, ..), points) in asked.iter().zip(values) {
        let sum: f64 = points
            .iter()
            .filter(|point| point.at >= since)
            .map(|point| point.value)
            .sum();
        match about {
            About::Throttles(thing) => {
                figures.throttles.insert(thing.clone(), sum);
            }
            About::Age(thing) => {
                let newest = points.last().filter(|point| point.at >= now - FRESH);
                if let Some(age) = newest {
                    figures.ages.insert(thing.clone(), age.value);
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

fn metric(namespace: &'static str, name: &'static str, dimensions: &[(&str, &str)]) -> Metric {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Text::from(*value)));
    Metric {
        namespace,
        name,
        dimensions: dimensions.collect(),
    }
}
