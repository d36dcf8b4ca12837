//! What the console's page shows of metrics and alarms, read cheaply.

use super::{
    CloudWatch,
    metrics::Key,
    series::{Series, Windows},
    summary::Statistic,
};
use crate::clock::Millis;

/// One point of a metric's curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// When its span begins.
    pub at: Millis,
    /// The statistic's value.
    pub value: f64,
}

/// An alarm as a page shows it.
#[derive(Clone, Debug)]
pub struct AlarmView {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: &'static str,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Millis,
}

impl CloudWatch {
    /// A metric's statistic (`Sum`, `p95`) over the last minutes: a value for each span of so many seconds (10, or a
    /// multiple of 60) that has any, the oldest first. Nothing if there is no such metric or statistic.
    pub fn curve(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        statistic: &str,
        minutes: u32,
        span_s: u32,
    ) -> Vec<Tick> {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.metrics
            .find(&Key::new(namespace, metric, dimensions))
            .map(|series| series.curve(statistic, minutes, span_s))
            .unwrap_or_default()
    }

    /// The alarms and what they say, by name.
    pub fn alarm_views(&self) -> Vec<AlarmView> {
        self.alarms()
            .all()
            .into_iter()
            .map(|alarm| AlarmView {
                name: alarm.settings.name,
                description: alarm.settings.description,
                state: alarm.state.value.name(),
                reason: alarm.state.reason,
                since: alarm.state.transitioned,
            })
            .collect()
    }
}

impl Series {
    /// A statistic over the last minutes, as in [`CloudWatch::curve`].
    pub fn curve(&self, statistic: &str, minutes: u32, span_s: u32) -> Vec<Tick> {
        let Some(statistic) = Statistic::parse(statistic) else {
            return Vec::new();
        };
        let period = i64::from(span_s.max(1)) * 1000;
        let now = Millis::now();
        let end = now.0 - now.0.rem_euclid(period) + period;
        let start = end - i64::from(minutes) * 60_000;
        let windows = Windows {
            start: Millis(start - start.rem_euclid(period)),
            end: Millis(end),
            period,
            strict: false,
        };
        self.read(&windows, None)
            .into_iter()
            .next()
            .map(|(_, points)| {
                points
                    .into_iter()
                    .filter_map(|(at, summary)| {
                        Some(Tick {
                            at,
                            value: summary.get(statistic)?,
                        })
                    })
                    .collect()
            })
            .unwrap_or_default()
    }
}
