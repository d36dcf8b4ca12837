//! Figures' values, read from CloudWatch: one GetMetricData call for all of them.
//!
//! It costs $0.01 for every 1,000 metrics that are asked for, and is never free; how many values come back doesn't
//! matter. A call takes 500 queries [aws-facts 3.6].

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{
    Dimension, Metric as AwsMetric, MetricDataQuery, MetricStat, ScanBy,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde::Serialize;

use super::window::Window;
use crate::{
    aws::{Aws, Error, Operation, Service},
    stack::figures::{Figure, Metric},
};

const GET: Operation = Operation::read(Service::CloudWatch, "GetMetricData");
/// Queries that one call takes.
const AT_ONCE: usize = 500;
/// Dollars for one metric that is asked for.
const PRICE: f64 = 0.01 / 1000.0;

/// The value of a period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When the period begins.
    pub at: Timestamp,
    /// What it came to.
    pub value: f64,
}

/// What is asked of one figure.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Which.
    pub metrics: &'a [Metric],
    /// The statistic.
    pub statistic: &'a str,
    /// In periods of so many seconds.
    pub period_s: u32,
}

impl<'a> Ask<'a> {
    /// A figure's values.
    pub fn figure(figure: &'a Figure, period_s: u32) -> Self {
        Self {
            metrics: &figure.metrics,
            statistic: figure.statistic,
            period_s,
        }
    }
}

/// What asking came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How many metrics were asked for.
    pub metrics: usize,
}

impl Cost {
    /// What AWS bills for it.
    #[allow(
        clippy::cast_precision_loss,
        reason = "there are some hundred metrics, not 2^52"
    )]
    pub fn dollars(self) -> f64 {
        self.metrics as f64 * PRICE
    }
}

/// The values of each ask, in time order. A period without values isn't there.
pub async fn read(
    aws: &Aws,
    asks: &[Ask<'_>],
    window: &Window,
) -> Result<(Vec<Vec<Point>>, Cost), Error> {
    // A figure may be made from several metrics: which query is whose.
    let queries: Vec<(usize, MetricDataQuery)> = asks
        .iter()
        .enumerate()
        .flat_map(|(index, ask)| ask.metrics.iter().map(move |metric| (index, ask, metric)))
        .enumerate()
        .map(|(number, (index, ask, metric))| (index, query(number, ask, metric)))
        .collect();
    let mut sums: Vec<BTreeMap<i64, f64>> = vec![BTreeMap::new(); asks.len()];
    for chunk in queries.chunks(AT_ONCE) {
        let asked: Vec<MetricDataQuery> = chunk.iter().map(|(_, query)| query.clone()).collect();
        let results = aws
            .pages(
                GET,
                |token| {
                    aws.cloudwatch
                        .get_metric_data()
                        .set_metric_data_queries(Some(asked.clone()))
                        .start_time(time(window.since))
                        .end_time(time(window.until))
                        .scan_by(ScanBy::TimestampAscending)
                        .set_next_token(token)
                        .send()
                },
                |page| (page.metric_data_results, page.next_token),
            )
            .await?;
        for result in results {
            let owner = chunk
                .iter()
                .find(|(_, query)| query.id() == result.id())
                .and_then(|(index, _)| sums.get_mut(*index));
            let Some(sum) = owner else { continue };
            for (at, value) in result.timestamps().iter().zip(result.values()) {
                *sum.entry(at.secs()).or_default() += value;
            }
        }
    }
    let points = sums
        .into_iter()
        .map(|sum| {
            let points = sum.into_iter().filter_map(|(at, value)| {
                let at = Timestamp::from_second(at).ok()?;
                Some(Point { at, value })
            });
            points.collect()
        })
        .collect();
    let metrics = queries.len();
    Ok((points, Cost { metrics }))
}

fn query(number: usize, ask: &Ask<'_>, metric: &Metric) -> MetricDataQuery {
    let dimensions = metric.dimensions.iter().map(|(name, value)| {
        Dimension::builder()
            .name(name)
            .value(value.as_literal().unwrap_or_default())
            .build()
    });
    let metric = AwsMetric::builder()
        .namespace(metric.namespace)
        .metric_name(metric.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(i32::try_from(ask.period_s).unwrap_or(i32::MAX))
        .stat(ask.statistic)
        .build();
    MetricDataQuery::builder()
        .id(format!("q{number}"))
        .metric_stat(stat)
        .build()
}

fn time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

/// What the values of a window's periods come to: what happened adds up, of what is so the most counts.
pub fn whole(figure: &Figure, points: &[Point]) -> Option<f64> {
    let values = points.iter().map(|point| point.value);
    if figure.is_sum() {
        // CloudWatch has no value where nothing happened. The sum of no numbers at all is -0 in Rust.
        return Some(values.fold(0.0, |sum, value| sum + value));
    }
    values.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::figures::{Part, Unit};

    fn figure(statistic: &'static str) -> Figure {
        Figure {
            part: Part::Errors,
            key: "client-errors",
            label: "client",
            statistic,
            unit: Unit::Count,
            metrics: Vec::new(),
        }
    }

    fn points(values: &[f64]) -> Vec<Point> {
        let point = |value: &f64| Point {
            at: Timestamp::UNIX_EPOCH,
            value: *value,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn what_happens_adds_up_and_of_what_is_so_the_most_counts() {
        let whole = |statistic, values: &[f64]| whole(&figure(statistic), &points(values));
        assert_eq!(whole("Sum", &[1.0, 2.0]), Some(3.0));
        assert_eq!(whole("Maximum", &[1.0, 2.0]), Some(2.0));
        assert_eq!(whole("p95", &[]), None);
    }

    #[test]
    fn where_nothing_happened_the_sum_is_0_without_a_sign() {
        let sum = whole(&figure("Sum"), &[]).expect("a sum");
        assert!(sum.is_sign_positive());
    }
}
