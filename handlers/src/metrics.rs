//! CloudWatch metrics as log lines (the embedded metric format): no call, no permission beyond the logs'.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::events::now_ms;
use crate::log;

/// What the format takes of one metric in one line, and of metrics in one (CloudWatch Embedded Metric Format
/// specification).
const MOST_VALUES: usize = 100;
const MOST_METRICS: usize = 100;
/// The dimensions, and the format's own member: no metric and no property takes their place.
const RESERVED: [&str; 3] = ["Stage", "Project", "_aws"];

/// What a value is measured in, in CloudWatch's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are CloudWatch's")]
pub enum Unit {
    Count,
    Milliseconds,
    Seconds,
    Bytes,
    Percent,
    None,
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

/// A set of values that becomes metrics in the namespace `wsless`, with the dimensions `Stage` and `Project`.
///
/// ```
/// # use wsless_handlers::{Metrics, Unit};
/// Metrics::new()
///     .count("OrdersPlaced", 1)
///     .value("BasketSize", 3.0, Unit::None)
///     .property("orderId", "o-17")
///     .emit();
/// ```
///
/// A name that is given several values has them all: their sum, percentiles and number can be asked for. Each name is
/// a metric that CloudWatch bills by the month, however often it's written. Properties are searchable in the logs and
/// cost nothing; there is no way to add a dimension, because each distinct value of one is a further metric.
///
/// `Stage`, `Project` and `_aws` can't be names; a value that isn't a finite number is left out.
#[derive(Debug, Default)]
#[must_use = "nothing is written before `emit`"]
pub struct Metrics {
    values: Vec<(String, Unit, Vec<f64>)>,
    properties: Map<String, Value>,
    at: Option<u64>,
}

impl Metrics {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds to the count `name`.
    pub fn count(self, name: &str, count: u32) -> Self {
        self.value(name, f64::from(count), Unit::Count)
    }

    /// Records how long `name` took or lasted, in milliseconds.
    pub fn duration(self, name: &str, duration: Duration) -> Self {
        self.value(name, duration.as_secs_f64() * 1000.0, Unit::Milliseconds)
    }

    /// Records any other value of `name`. The first unit that a name is given is its unit.
    pub fn value(mut self, name: &str, value: f64, unit: Unit) -> Self {
        if !value.is_finite() || name.trim().is_empty() || RESERVED.contains(&name) {
            return self;
        }
        match self.values.iter_mut().find(|(known, ..)| known == name) {
            Some((_, _, values)) => values.push(value),
            None => self.values.push((name.to_owned(), unit, vec![value])),
        }
        self
    }

    /// Adds a field to the log line that isn't a dimension.
    pub fn property(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }

    /// Says when it happened, in epoch milliseconds; otherwise it's now. CloudWatch takes the last 14 days.
    pub(crate) fn at(mut self, epoch_ms: u64) -> Self {
        self.at = Some(epoch_ms);
        self
    }

    /// Writes the line, or as many as the values need. Without a value nothing is written.
    pub fn emit(self) {
        let stage = std::env::var("WSLESS_STAGE").unwrap_or_default();
        let project = std::env::var("WSLESS_PROJECT").unwrap_or_default();
        let now = now_ms();
        for line in self.render(&stage, &project, now) {
            log::line(&line);
        }
    }

    /// CloudWatch Embedded Metric Format specification: each dimension and metric that `_aws` names is a member of the
    /// root object, and a dimension's value isn't empty.
    fn render(&self, stage: &str, project: &str, now_ms: u64) -> Vec<String> {
        let mut frame = self.properties.clone();
        let mut dimensions = Vec::new();
        for (name, value) in [("Stage", stage), ("Project", project)] {
            frame.remove(name);
            if !value.is_empty() {
                dimensions.push(name);
                frame.insert(name.into(), value.into());
            }
        }
        let chunks: Vec<_> = self
            .values
            .iter()
            .flat_map(|(name, unit, values)| {
                let chunks = values.chunks(MOST_VALUES).enumerate();
                chunks.map(move |(round, values)| (round, name, *unit, values))
            })
            .collect();
        let rounds = chunks.iter().map(|chunk| chunk.0 + 1).max().unwrap_or(0);
        let mut lines = Vec::new();
        // A name comes once a line.
        for round in 0..rounds {
            let of_round: Vec<_> = chunks.iter().filter(|chunk| chunk.0 == round).collect();
            for metrics in of_round.chunks(MOST_METRICS) {
                let mut root = frame.clone();
                let mut named: Vec<Value> = Vec::new();
                for (_, name, unit, values) in metrics {
                    named.push(json!({"Name": name, "Unit": unit.word()}));
                    let value = match values {
                        [one] => json!(one),
                        several => json!(several),
                    };
                    root.insert((*name).clone(), value);
                }
                root.insert(
                    "_aws".into(),
                    json!({
                        "Timestamp": self.at.unwrap_or(now_ms),
                        "CloudWatchMetrics": [{"Namespace": "wsless", "Dimensions": [dimensions], "Metrics": named}],
                    }),
                );
                lines.push(Value::Object(root).to_string());
            }
        }
        lines
    }
}

/// How long ago a time in epoch milliseconds is; nothing if clocks differ and it's still to come.
pub(crate) fn since(epoch_ms: u64) -> Duration {
    Duration::from_millis(now_ms().saturating_sub(epoch_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(lines: &[String]) -> Value {
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str(&lines[0]).unwrap()
    }

    #[test]
    fn every_name_that_the_directive_uses_is_a_member_of_the_root() {
        let line = Metrics::new()
            .count("ConnectionsClosed", 1)
            .duration("ConnectionDuration", Duration::from_millis(1500))
            .property("closeCode", 1001)
            .render("prod", "chat", 1_700_000_000_000);
        let root = only(&line);
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
            .property("Project", "x")
            .property("_aws", 1)
            .count("Stage", 7)
            .render("dev", "", 1);
        let root = only(&line);
        assert_eq!(root["Stage"], "dev");
        assert_eq!(
            root["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Stage"]])
        );
        assert_eq!(root.get("Project"), None);
    }

    #[test]
    fn several_values_of_a_name_are_all_kept_a_hundred_a_line() {
        let mut metrics = Metrics::new().value("Size", 0.0, Unit::Bytes).count("A", 1);
        for size in 1..250_u32 {
            metrics = metrics.value("Size", size.into(), Unit::Count);
        }
        let lines = metrics.render("dev", "chat", 1);
        let mut sizes = Vec::new();
        for line in &lines {
            let root: Value = serde_json::from_str(line).unwrap();
            let named = &root["_aws"]["CloudWatchMetrics"][0]["Metrics"];
            assert_eq!(named[0], json!({"Name": "Size", "Unit": "Bytes"}));
            let values = root["Size"].as_array().unwrap();
            assert!(values.len() <= 100);
            sizes.extend(values.iter().map(|value| value.as_f64().unwrap()));
        }
        assert_eq!(lines.len(), 3);
        assert_eq!(sizes, (0..250).map(f64::from).collect::<Vec<_>>());
        // What has one value only isn't repeated.
        assert_eq!(
            lines.iter().filter(|line| line.contains("\"A\"")).count(),
            1
        );
    }

    #[test]
    fn more_metrics_than_a_line_takes_are_several_lines() {
        let metrics = (0..101).fold(Metrics::new(), |all, i| all.count(&format!("M{i}"), 1));
        assert_eq!(metrics.render("dev", "chat", 1).len(), 2);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let metrics = Metrics::new()
            .value("A", f64::NAN, Unit::None)
            .value("A", f64::INFINITY, Unit::None)
            .value(" ", 1.0, Unit::None);
        assert!(metrics.render("dev", "chat", 1).is_empty());
    }

    #[test]
    fn a_time_of_its_own_goes_before_now() {
        let root = only(&Metrics::new().count("A", 1).at(5).render("dev", "chat", 9));
        assert_eq!(root["_aws"]["Timestamp"], 5);
    }

    #[test]
    fn no_value_is_no_line() {
        assert!(
            Metrics::new()
                .property("a", 1)
                .render("dev", "", 1)
                .is_empty()
        );
    }
}
