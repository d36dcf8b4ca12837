//! The default alarms. Missing data is never a breach: these metrics exist only when something happens [CWG].

use super::{CONNECT_ROUTE, Draft, RESULTS, builtin, builtins, figures::Metric};
use crate::{
    manifest::{AlarmName, AlarmTuning, HandlerName, Order},
    resource::alarm::{self, Alarm},
};

/// What an alarm watches, and when it goes off unless the manifest says otherwise.
struct Watch {
    name: AlarmName,
    /// The handler or queue it's about, in its name; nothing for the whole API.
    of: Option<String>,
    description: String,
    metric: Metric,
    statistic: &'static str,
    threshold: f64,
    period_s: u32,
    periods: u32,
}

impl Draft<'_> {
    /// All alarms that the manifest doesn't switch off.
    pub(super) fn alarms(&mut self) {
        let mut watches = Vec::new();
        for (thing, order) in &self.queues() {
            watches.extend(self.queue_watches(thing, *order));
        }
        let functions = self
            .manifest
            .handlers
            .keys()
            .map(HandlerName::as_str)
            .chain([builtin::PUSH]);
        for thing in functions {
            watches.extend(self.function_watches(thing));
        }
        // Its failures have an alarm of their own; a throttled handshake isn't among Lambda's errors.
        if builtins(self.manifest).contains(&builtin::CONNECT) {
            watches.push(self.throttles_watch(builtin::CONNECT));
        }
        watches.push(self.connect_watch());
        watches.extend(self.api_watches());
        for watch in watches {
            self.alarm(watch);
        }
    }

    fn queue_watches(&self, thing: &str, order: Order) -> [Watch; 2] {
        let what = if thing == RESULTS {
            "replies".to_owned()
        } else {
            format!("messages of {thing}")
        };
        [
            Watch {
                name: AlarmName::DeadLetters,
                of: Some(thing.to_owned()),
                description: format!(
                    "Some {what} failed every time and are in the dead-letter queue"
                ),
                metric: self.dead_letters_metric(thing, order),
                statistic: "Maximum",
                threshold: 1.0,
                period_s: 60,
                periods: 1,
            },
            Watch {
                name: AlarmName::MessageAge,
                of: Some(thing.to_owned()),
                description: format!("The oldest of the {what} waits too long"),
                metric: self.queue_metric(thing, order, "ApproximateAgeOfOldestMessage"),
                statistic: "Maximum",
                threshold: 120.0,
                period_s: 60,
                periods: 3,
            },
        ]
    }

    fn function_watches(&self, thing: &str) -> [Watch; 2] {
        let errors = Watch {
            name: AlarmName::HandlerErrors,
            of: Some(thing.to_owned()),
            description: format!("The handler {thing} fails"),
            metric: self.function_metric(thing, "Errors"),
            statistic: "Sum",
            threshold: 5.0,
            period_s: 300,
            periods: 1,
        };
        [errors, self.throttles_watch(thing)]
    }

    fn throttles_watch(&self, thing: &str) -> Watch {
        Watch {
            name: AlarmName::HandlerThrottles,
            of: Some(thing.to_owned()),
            description: format!("The handler {thing} is throttled"),
            metric: self.function_metric(thing, "Throttles"),
            statistic: "Sum",
            threshold: 1.0,
            period_s: 60,
            periods: 3,
        }
    }

    /// Whatever answers `$connect`.
    fn connect_watch(&self) -> Watch {
        let function = self
            .manifest
            .routes
            .iter()
            .find(|(key, _)| key.as_str() == CONNECT_ROUTE)
            .map_or(builtin::CONNECT, |(_, route)| route.handler.as_str());
        Watch {
            name: AlarmName::ConnectFailures,
            of: None,
            description: "The handler of $connect fails: clients can't connect".to_owned(),
            metric: self.function_metric(function, "Errors"),
            statistic: "Sum",
            threshold: 1.0,
            period_s: 60,
            periods: 1,
        }
    }

    fn api_watches(&self) -> [Watch; 2] {
        let watch = |name, metric, description: &str, threshold, period_s| Watch {
            name,
            of: None,
            description: description.to_owned(),
            metric: self.api_metric(&Self::api_id(), metric),
            statistic: "Sum",
            threshold,
            period_s,
            periods: 1,
        };
        [
            watch(
                AlarmName::ExecutionErrors,
                "ExecutionError",
                "API Gateway can't call an integration: a permission or the configuration is wrong",
                1.0,
                60,
            ),
            watch(
                AlarmName::IntegrationErrors,
                "IntegrationError",
                "Integrations answer with errors",
                5.0,
                300,
            ),
        ]
    }

    fn alarm(&mut self, watch: Watch) {
        let (mut threshold, mut period_s, mut periods) =
            (watch.threshold, watch.period_s, watch.periods);
        match self.manifest.alarms.tuning.get(&watch.name) {
            Some(AlarmTuning::Off) => return,
            Some(AlarmTuning::Tuned {
                threshold: tuned_threshold,
                period,
                periods: tuned_periods,
            }) => {
                threshold = tuned_threshold.unwrap_or(threshold);
                period_s = period
                    .and_then(|period| u32::try_from(period.as_secs()).ok())
                    .unwrap_or(period_s);
                periods = tuned_periods.unwrap_or(periods);
            }
            None => {}
        }
        let thing = match &watch.of {
            Some(of) => format!("{of}-{}", watch.name.as_str()),
            None => watch.name.as_str().to_owned(),
        };
        let alarm = Alarm {
            name: self.scope.name(&thing),
            description: watch.description,
            namespace: watch.metric.namespace.to_owned(),
            metric: watch.metric.name.to_owned(),
            dimensions: watch.metric.dimensions,
            statistic: watch.statistic.to_owned(),
            period_s,
            evaluation_periods: periods,
            threshold,
            comparison: "GreaterThanOrEqualToThreshold".to_owned(),
            treat_missing_data: "notBreaching".to_owned(),
            actions: self.manifest.alarms.notify.clone(),
            tags: self.tags.clone(),
        };
        self.builder.add(alarm::KIND, &thing, &alarm);
    }
}
