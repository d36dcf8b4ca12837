//! CloudWatch metrics as log lines (the embedded metric format): no call, no permission beyond the logs'.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::log;

/// A set of values that becomes metrics in the namespace `wsless`, with the dimensions `Stage` and `Project`.
///
/// ```
/// # use wsless_handlers::Metrics;
/// Metrics::new().count("OrdersPlaced", 1).property("orderId", "o-17").emit();
/// ```
///
/// Properties are searchable in the logs and cost nothing; there is no way to add a dimension, because each distinct
/// value of one is a metric that is billed.
#[derive(Debug, Default)]
#[must_use = "nothing is written before `emit`"]
pub struct Metrics {
    values: Vec<(String, f64, &'static str)>,
    properties: Map<String, Value>,
}

impl Metrics {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to the count `name`.
    pub fn count(self, name: &str, count: u32) -> Self {
        self.value(name, f64::from(count), "Count")
    }

    /// Records how long `name` took or lasted, in milliseconds.
    pub fn duration(self, name: &str, duration: Duration) -> Self {
        self.value(name, duration.as_secs_f64() * 1000.0, "Milliseconds")
    }

    /// Adds a field to the log line that isn't a dimension.
    pub fn property(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the line. Without a value nothing is written.
    pub fn emit(self) {
        let stage = std::env::var("WSLESS_STAGE").unwrap_or_default();
        let project = std::env::var("WSLESS_PROJECT").unwrap_or_default();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or_default();
        if let Some(line) = self.render(&stage, &project, now) {
            log::line(&line);
        }
    }

    fn value(mut self, name: &str, value: f64, unit: &'static str) -> Self {
        self.values.push((name.to_owned(), value, unit));
        self
    }

    /// CloudWatch Embedded Metric Format specification: each dimension and metric that `_aws` names is a member of the
    /// root object, and a dimension's value isn't empty.
    fn render(self, stage: &str, project: &str, now_ms: u64) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        let mut root = self.properties;
        let mut dimensions = Vec::new();
        for (name, value) in [("Stage", stage), ("Project", project)] {
            if !value.is_empty() {
                dimensions.push(name);
                root.insert(name.into(), value.into());
            }
        }
        let mut named: Vec<Value> = Vec::new();
        for (name, value, unit) in self.values {
            named.push(json!({"Name": name, "Unit": unit}));
            root.insert(name, json!(value));
        }
        root.insert(
            "_aws".into(),
            json!({
                "Timestamp": now_ms,
                "CloudWatchMetrics": [{"Namespace": "wsless", "Dimensions": [dimensions], "Metrics": named}],
            }),
        );
        Some(Value::Object(root).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_the_directive_uses_is_a_member_of_the_root() {
        let line = Metrics::new()
            .count("ConnectionsClosed", 1)
            .duration("ConnectionDuration", Duration::from_millis(1500))
            .property("closeCode", 1001)
            .render("prod", "chat", 1_700_000_000_000)
            .unwrap();
        let root: Value = serde_json::from_str(&line).unwrap();
        let directive = &root["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "wsless");
        assert_eq!(directive["Dimensions"], json!([["Stage", "Project"]]));
        assert_eq!(root["Stage"], "prod");
        assert_eq!(root["Project"], "chat");
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(root[metric["Name"].as_str().unwrap()].is_number());
        }
        assert_eq!(root["ConnectionDuration"], 1500.0);
        assert_eq!(root["closeCode"], 1001);
    }

    #[test]
    fn a_property_can_not_take_the_place_of_a_dimension() {
        let line = Metrics::new()
            .count("A", 1)
            .property("Stage", "x")
            .property("_aws", 1)
            .render("dev", "", 1)
            .unwrap();
        let root: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(root["Stage"], "dev");
        assert_eq!(
            root["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Stage"]])
        );
    }

    #[test]
    fn no_value_is_no_line() {
        assert!(
            Metrics::new()
                .property("a", 1)
                .render("dev", "", 1)
                .is_none()
        );
    }
}
