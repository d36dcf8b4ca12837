//! Lambda's own metrics of a function, counted as CloudWatch has them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use super::report::milliseconds;
use crate::{clock::Millis, cloud::Region, cloudwatch::Series, lambda::model::Version};

const NAMESPACE: &str = "AWS/Lambda";
/// CloudWatch's periods are no shorter.
const SECOND: i64 = 1000;

/// The series that an invocation counts in: the function's, and those of the way it was called by.
#[derive(Debug)]
pub(super) struct Meters {
    invocations: Vec<Arc<Series>>,
    errors: Vec<Arc<Series>>,
    duration: Vec<Arc<Series>>,
    throttles: Vec<Arc<Series>>,
    concurrent: Vec<Arc<Series>>,
    /// The most at once in the second that is told of when it's over, or at once when it's more than was told.
    peak: AtomicU32,
    told: AtomicI64,
}

impl Meters {
    /// Those of a version that is invoked by this ARN.
    pub fn new(region: &Region, version: &Version, arn: &str) -> Self {
        let function = version.function.as_str();
        let qualifier = arn
            .strip_prefix(&version.function_arn)
            .and_then(|rest| rest.strip_prefix(':'));
        let resource = qualifier.map_or_else(
            || function.to_owned(),
            |qualifier| format!("{function}:{qualifier}"),
        );
        let is_alias = qualifier.is_some_and(|qualifier| qualifier != version.version);
        let series = |metric: &str| {
            let mut all = vec![
                region
                    .cloudwatch
                    .series(NAMESPACE, metric, &[("FunctionName", function)]),
                region.cloudwatch.series(
                    NAMESPACE,
                    metric,
                    &[("FunctionName", function), ("Resource", &resource)],
                ),
            ];
            if is_alias {
                // What a canary's alarm looks at.
                all.push(region.cloudwatch.series(
                    NAMESPACE,
                    metric,
                    &[
                        ("FunctionName", function),
                        ("Resource", &resource),
                        ("ExecutedVersion", &version.version),
                    ],
                ));
            }
            all
        };
        Self {
            invocations: series("Invocations"),
            errors: series("Errors"),
            duration: series("Duration"),
            throttles: series("Throttles"),
            concurrent: series("ConcurrentExecutions"),
            peak: AtomicU32::new(0),
            told: AtomicI64::new(0),
        }
    }

    /// An invocation was admitted, as one of so many.
    pub fn began(&self, under_way: u32) {
        let now = Millis::now();
        let told = self.told.load(Ordering::Relaxed);
        let over = now.0 >= told.saturating_add(SECOND);
        if over || under_way > self.peak.load(Ordering::Relaxed) {
            self.peak.store(under_way, Ordering::Relaxed);
            if over {
                self.told.store(now.0, Ordering::Relaxed);
            }
            record(&self.concurrent, now, f64::from(under_way), "Count");
        }
    }

    /// An invocation ended. CloudWatch has an error of 0 for each that went well.
    pub fn ended(&self, took: Duration, failed: bool) {
        let now = Millis::now();
        record(&self.invocations, now, 1.0, "Count");
        record(&self.errors, now, f64::from(u8::from(failed)), "Count");
        record(&self.duration, now, milliseconds(took), "Milliseconds");
    }

    /// An invocation was refused for want of concurrency: AWS counts no invocation then.
    pub fn throttled(&self) {
        record(&self.throttles, Millis::now(), 1.0, "Count");
    }
}

fn record(series: &[Arc<Series>], at: Millis, value: f64, unit: &str) {
    for one in series {
        one.record(at, value, unit);
    }
}
