//! The metrics that the page plots: each API's and each function's, as CloudWatch has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    clock::Millis,
    cloud::{Cloud, Region},
    cloudwatch::Tick,
    gateway::Overview,
};

/// Fine spans are kept for three hours; ten seconds each are too many to see beyond half an hour.
const FINE_MINUTES: u32 = 30;

/// All curves over the last minutes.
pub fn all(cloud: &Cloud, minutes: u32) -> Value {
    let span_s = if minutes <= FINE_MINUTES {
        10
    } else {
        60 * minutes.div_ceil(240)
    };
    let look = Look { minutes, span_s };
    let regions = cloud.regions();
    let groups: Vec<Value> = regions.iter().flat_map(|region| look.at(region)).collect();
    let now = Millis::now();
    json!({ "now": now, "minutes": minutes, "span": span_s, "groups": groups })
}

struct Look {
    minutes: u32,
    span_s: u32,
}

impl Look {
    fn at(&self, region: &Region) -> Vec<Value> {
        let mut groups = Vec::new();
        let apis = region.gateway.overview();
        if !apis.is_empty() {
            let closed = region.sockets.closings(self.minutes, self.span_s);
            groups.push(json!({
                "kind": "connections", "region": region.name, "name": "Connections",
                "curves": [
                    { "name": "opened", "unit": "Count", "points": self.opened(region, &apis) },
                    { "name": "closed", "unit": "Count", "points": points(&closed) },
                ],
            }));
        }
        for api in apis {
            let curve = |name, metric, statistic, unit| {
                let dimensions = [("ApiId", api.api_id.as_str())];
                self.curve(
                    region,
                    "AWS/ApiGateway",
                    metric,
                    &dimensions,
                    (name, statistic, unit),
                )
            };
            groups.push(json!({
                "kind": "api", "region": region.name, "name": api.name, "id": api.api_id,
                "curves": [
                    curve("messages", "MessageCount", "Sum", "Count"),
                    curve("integration latency, p95", "IntegrationLatency", "p95", "Milliseconds"),
                    curve("client errors", "ClientError", "Sum", "Errors"),
                    curve("integration errors", "IntegrationError", "Sum", "Errors"),
                    curve("execution errors", "ExecutionError", "Sum", "Errors"),
                ],
            }));
        }
        for function in region.lambda.function_views() {
            let curve = |name, metric, statistic, unit| {
                let dimensions = [("FunctionName", function.name.as_str())];
                self.curve(
                    region,
                    "AWS/Lambda",
                    metric,
                    &dimensions,
                    (name, statistic, unit),
                )
            };
            groups.push(json!({
                "kind": "function", "region": region.name, "name": function.name,
                "curves": [
                    curve("invocations", "Invocations", "Sum", "Count"),
                    curve("duration, p95", "Duration", "p95", "Milliseconds"),
                    curve("at once", "ConcurrentExecutions", "Maximum", "Count"),
                    curve("errors", "Errors", "Sum", "Errors"),
                    curve("throttled", "Throttles", "Sum", "Errors"),
                ],
            }));
        }
        groups
    }

    /// How many connections were opened, with all APIs together.
    fn opened(&self, region: &Region, apis: &[Overview]) -> Vec<(Millis, f64)> {
        let mut opened = BTreeMap::new();
        for api in apis {
            let dimensions = [("ApiId", api.api_id.as_str())];
            let (minutes, span_s) = (self.minutes, self.span_s);
            let cloudwatch = &region.cloudwatch;
            for tick in cloudwatch.curve(
                "AWS/ApiGateway",
                "ConnectCount",
                &dimensions,
                "Sum",
                minutes,
                span_s,
            ) {
                *opened.entry(tick.at).or_default() += tick.value;
            }
        }
        opened.into_iter().collect()
    }

    fn curve(
        &self,
        region: &Region,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        (name, statistic, unit): (&str, &str, &str),
    ) -> Value {
        let ticks = region.cloudwatch.curve(
            namespace,
            metric,
            dimensions,
            statistic,
            self.minutes,
            self.span_s,
        );
        json!({ "name": name, "unit": unit, "points": points(&ticks) })
    }
}

fn points(ticks: &[Tick]) -> Vec<(Millis, f64)> {
    ticks.iter().map(|tick| (tick.at, tick.value)).collect()
}
