//! A region's alarms: the operations on them, and their evaluation.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    CloudWatch,
    alarm::{Alarm, Settings, StateValue, Watched, tags},
    evaluate::{self, EXTRA, Point},
    history::{Kind, told},
    input::{Members, bad_token, broken, invalid, no_alarm, validation},
    metrics::{Key, Metrics},
    page,
    query::{self, Range},
    series::Windows,
    summary::Statistic,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
};

/// AWS's quota is 5,000 a region.
const MOST: usize = 5000;

/// Alarms by name.
#[derive(Debug, Default)]
pub struct Alarms {
    alarms: Mutex<BTreeMap<String, Alarm>>,
}

impl Alarms {
    /// All of them, by name.
    pub fn all(&self) -> Vec<Alarm> {
        self.alarms.lock().values().cloned().collect()
    }

    /// Takes what was kept.
    pub fn restore(&self, alarms: Vec<Alarm>) {
        *self.alarms.lock() = alarms
            .into_iter()
            .map(|alarm| (alarm.settings.name.clone(), alarm))
            .collect();
    }

    /// Whether one has periods shorter than a minute.
    pub fn any_is_fast(&self) -> bool {
        self.alarms
            .lock()
            .values()
            .any(|alarm| alarm.settings.period() < 60)
    }

    /// Does something with an alarm's tags.
    pub fn with_tags<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut BTreeMap<String, String>) -> T,
    ) -> Option<T> {
        self.alarms
            .lock()
            .get_mut(name)
            .map(|alarm| act(&mut alarm.tags))
    }
}

/// An alarm's ARN.
pub fn arn(region: &Region, name: &str) -> String {
    region.arn("cloudwatch", &format!("alarm:{name}"))
}

/// PutMetricAlarm: makes it, or overwrites all but its state and its tags.
pub fn put(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let settings = Settings::read(members)?;
    let tags = tags(members.list("Tags")?)?;
    if !tags.is_empty() {
        call.cloud.iam.authorize(
            call,
            &Permission {
                action: "cloudwatch:TagResource".to_owned(),
                resource: arn(&call.region, &settings.name),
            },
        )?;
    }
    let (name, now) = (settings.name.clone(), Millis::now());
    let cloudwatch = &call.region.cloudwatch;
    let (verb, shown) = {
        let mut alarms = cloudwatch.alarms().alarms.lock();
        if alarms.len() >= MOST && !alarms.contains_key(&name) {
            return Err(AwsError::new(
                400,
                "LimitExceededFault",
                format!("Maximum alarm limit of {MOST} exceeded"),
            )
            .query("LimitExceeded"));
        }
        let is_new = !alarms.contains_key(&name);
        let alarm = alarms
            .entry(name.clone())
            .or_insert_with(|| Alarm::new(settings.clone(), tags, now));
        if !is_new {
            alarm.settings = settings;
            alarm.configured = now;
        }
        let shown = told(&alarm.shown(&arn(&call.region, &name)));
        (if is_new { "created" } else { "updated" }, shown)
    };
    let data = if verb == "created" {
        json!({ "version": "1.0", "type": "Create", "createdAlarm": shown })
    } else {
        json!({ "version": "1.0", "type": "Update", "updatedAlarm": shown })
    };
    cloudwatch.history().note(
        &name,
        now,
        Kind::ConfigurationUpdate,
        &format!("Alarm \"{name}\" {verb}"),
        &data,
    );
    Ok(json!({}).into())
}

/// DescribeAlarms.
pub fn describe(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let names = members.texts("AlarmNames", 100, 255)?;
    let prefix = members.optional("AlarmNamePrefix", 255)?;
    if !names.is_empty() && prefix.is_some() {
        return Err(validation(
            "AlarmNames and AlarmNamePrefix are mutually exclusive: only one of them can be specified",
        ));
    }
    if members.has("ChildrenOfAlarmName") || members.has("ParentsOfAlarmName") {
        return Err(validation(
            "wsless's embedded cloud doesn't have composite alarms",
        ));
    }
    let state = members.word("StateValue", &StateValue::NAMES)?;
    let action = members.optional("ActionPrefix", 1024)?;
    let types = members.texts("AlarmTypes", 3, 255)?;
    let most = members.whole("MaxRecords", 1, 100)?.unwrap_or(50);
    let wanted = types.is_empty() || types.iter().any(|name| name == "MetricAlarm");
    let alarms = call.region.cloudwatch.alarms().all();
    let alarms = alarms.iter().filter(|alarm| {
        let settings = &alarm.settings;
        wanted
            && (names.is_empty() || names.contains(&settings.name))
            && prefix.is_none_or(|prefix| settings.name.starts_with(prefix))
            && state.is_none_or(|state| alarm.state.value.name() == state)
            && action.is_none_or(|action| {
                settings
                    .ok_actions
                    .iter()
                    .chain(&settings.alarm_actions)
                    .chain(&settings.insufficient_data_actions)
                    .any(|known| known.starts_with(action))
            })
    });
    let (page, next) = page::cut(
        alarms,
        members.text("NextToken")?,
        usize::try_from(most).unwrap_or(50),
        |alarm| alarm.settings.name.clone(),
    )
    .ok_or_else(bad_token)?;
    let mut answer = json!({
        "CompositeAlarms": [],
        "MetricAlarms": page
            .iter()
            .map(|alarm| alarm.shown(&arn(&call.region, &alarm.settings.name)))
            .collect::<Vec<_>>(),
    });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

/// DescribeAlarmsForMetric.
pub fn describe_for_metric(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let key = Key::new(
        members.required("Namespace", 255)?,
        members.required("MetricName", 255)?,
        members.dimensions("Dimensions")?,
    );
    let asked = members
        .text("Statistic")?
        .or(members.text("ExtendedStatistic")?);
    let asked_period = members.whole("Period", 1, i64::from(i32::MAX))?;
    let asked_unit = members.unit("Unit")?;
    let found: Vec<Value> = call
        .region
        .cloudwatch
        .alarms()
        .all()
        .iter()
        .filter(|alarm| alarm.settings.key().as_ref() == Some(&key))
        .filter(|alarm| match &alarm.settings.watched {
            Watched::Metric {
                statistic,
                period,
                unit,
                ..
            } => {
                asked.is_none_or(|asked| statistic == asked)
                    && asked_period.is_none_or(|asked| *period == asked)
                    && asked_unit.is_none_or(|asked| *unit == Some(asked))
            }
            Watched::Math(_) => false,
        })
        .map(|alarm| alarm.shown(&arn(&call.region, &alarm.settings.name)))
        .collect();
    Ok(json!({ "MetricAlarms": found }).into())
}

/// DeleteAlarms: those that are there go, whatever else is named [CloudWatch model].
pub fn delete(call: &Call) -> Result<Answer> {
    let names = names(call)?;
    for name in names {
        let alarm = call.region.cloudwatch.alarms().alarms.lock().remove(&name);
        if let Some(alarm) = alarm {
            let shown = told(&alarm.shown(&arn(&call.region, &name)));
            call.region.cloudwatch.history().note(
                &name,
                Millis::now(),
                Kind::ConfigurationUpdate,
                &format!("Alarm \"{name}\" deleted"),
                &json!({ "version": "1.0", "type": "Delete", "deletedAlarm": shown }),
            );
        }
    }
    Ok(json!({}).into())
}

/// EnableAlarmActions, DisableAlarmActions.
pub fn enable(call: &Call, enabled: bool) -> Result<Answer> {
    let names = names(call)?;
    let mut alarms = call.region.cloudwatch.alarms().alarms.lock();
    for name in names {
        if let Some(alarm) = alarms.get_mut(&name)
            && alarm.settings.actions_enabled != enabled
        {
            alarm.settings.actions_enabled = enabled;
            alarm.configured = Millis::now();
        }
    }
    Ok(json!({}).into())
}

/// The alarms that a call names; the caller's permission for the first was asked already.
fn names(call: &Call) -> Result<Vec<String>> {
    let members = Members::of(&call.input);
    if !members.has("AlarmNames") {
        return Err(broken("null", "alarmNames", "Member must not be null"));
    }
    let names = members.texts("AlarmNames", 100, 255)?;
    for name in names.iter().skip(1) {
        call.cloud
            .iam
            .authorize(call, &Permission::of(call, arn(&call.region, name)))?;
    }
    Ok(names)
}

/// SetAlarmState: until the next evaluation says otherwise.
pub fn set_state(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = members.required("AlarmName", 255)?;
    let value = members
        .word("StateValue", &StateValue::NAMES)?
        .and_then(StateValue::parse)
        .ok_or_else(|| broken("null", "stateValue", "Member must not be null"))?;
    let reason = members
        .text("StateReason")?
        .ok_or_else(|| broken("null", "stateReason", "Member must not be null"))?;
    if reason.chars().count() > 1023 {
        return Err(broken(
            &format!("'{reason}'"),
            "stateReason",
            "Member must have length less than or equal to 1023",
        ));
    }
    let data = members.text("StateReasonData")?;
    if let Some(data) = data {
        if data.chars().count() > 4000 {
            return Err(broken(
                "at 'stateReasonData'",
                "stateReasonData",
                "Member must have length less than or equal to 4000",
            ));
        }
        if serde_json::from_str::<Value>(data).is_err() {
            return Err(AwsError::new(
                400,
                "InvalidFormatFault",
                "StateReasonData must be valid JSON",
            )
            .query("InvalidFormat"));
        }
    }
    let set = call.region.cloudwatch.set_state(
        name,
        None,
        value,
        reason.to_owned(),
        data.map(str::to_owned),
        Millis::now(),
    );
    if set {
        Ok(json!({}).into())
    } else {
        Err(no_alarm())
    }
}

/// What TagResource and its like are called on.
pub fn tagged(call: &Call) -> Result<(String, Option<String>)> {
    let members = Members::of(&call.input);
    let resource = members.required("ResourceARN", 1024)?;
    if !resource.starts_with("arn:") {
        return Err(invalid(format!("Invalid ARN: {resource}")));
    }
    let name = resource
        .strip_prefix(&call.region.arn("cloudwatch", "alarm:"))
        .map(str::to_owned);
    Ok((resource.to_owned(), name))
}

impl CloudWatch {
    /// Sets an alarm's state and notes what follows from it; false if it isn't there, or was configured since.
    fn set_state(
        &self,
        name: &str,
        configured: Option<Millis>,
        value: StateValue,
        reason: String,
        data: Option<String>,
        now: Millis,
    ) -> bool {
        let (before, alarm) = {
            let mut alarms = self.alarms().alarms.lock();
            let Some(alarm) = alarms.get_mut(name) else {
                return false;
            };
            if configured.is_some_and(|configured| configured != alarm.configured) {
                return false;
            }
            let before = alarm.state.clone();
            alarm.state.value = value;
            alarm.state.reason = reason;
            alarm.state.data = data;
            alarm.state.updated = now;
            if before.value != value {
                alarm.state.transitioned = now;
            }
            (before, alarm.clone())
        };
        if before.value == value {
            return true;
        }
        let shown = |state: &super::alarm::State| {
            let mut shown = json!({
                "stateValue": state.value.name(),
                "stateReason": state.reason,
            });
            if let Some(data) = &state.data {
                shown["stateReasonData"] = serde_json::from_str(data).unwrap_or_default();
            }
            shown
        };
        self.history().note(
            name,
            now,
            Kind::StateUpdate,
            &format!(
                "Alarm updated from {} to {}",
                before.value.name(),
                value.name()
            ),
            &json!({
                "version": "1.0",
                "oldState": shown(&before),
                "newState": shown(&alarm.state),
            }),
        );
        if alarm.settings.actions_enabled {
            for action in alarm.settings.actions(value) {
                self.history().note(
                    name,
                    now,
                    Kind::Action,
                    &format!("Failed to execute action {action}"),
                    &json!({
                        "actionState": "Failed",
                        "stateUpdateTimestamp": now.0,
                        "notificationResource": action,
                        "error": "wsless's embedded cloud notes an alarm's actions, but has nothing to execute them with",
                    }),
                );
            }
        }
        true
    }

    /// Evaluates the alarms whose period ends now: those with periods shorter than a minute every ten seconds, the
    /// others every minute [CWG, Evaluating an alarm]. `now` is rounded down.
    pub fn evaluate(&self, now: Millis, strict: bool) {
        let boundary = Millis(now.0 - now.0.rem_euclid(10_000));
        let minute = boundary.0 % 60_000 == 0;
        for alarm in self.alarms().all() {
            let period = alarm.settings.period();
            if period >= 60 && !minute {
                continue;
            }
            let (periods, points) = points(&alarm.settings, self.metrics(), boundary, strict);
            let percentile = match &alarm.settings.watched {
                Watched::Metric { statistic, .. } => match Statistic::parse(statistic) {
                    Some(Statistic::Percentile(percentile)) => Some(percentile),
                    _ => None,
                },
                Watched::Math(_) => None,
            };
            if let Some(percentile) = percentile
                && let Some(latest) = points.iter().flatten().next()
                && evaluate::is_too_few(&alarm.settings, percentile, latest)
            {
                continue;
            }
            let Some(verdict) = evaluate::verdict(&alarm.settings, &points) else {
                continue;
            };
            if verdict.value == alarm.state.value {
                continue;
            }
            let data = evaluate::data(&alarm.settings, &verdict, &periods, now);
            self.set_state(
                &alarm.settings.name,
                Some(alarm.configured),
                verdict.value,
                verdict.reason,
                Some(data),
                now,
            );
        }
    }
}

/// The periods that an alarm looks at, the latest first, and their values.
fn points(
    settings: &Settings,
    metrics: &Metrics,
    now: Millis,
    strict: bool,
) -> (Vec<Millis>, Vec<Option<Point>>) {
    let period = settings.period().saturating_mul(1000);
    let count = settings.evaluation_periods.saturating_add(EXTRA);
    let periods: Vec<Millis> = (1..=count)
        .map(|age| Millis(now.0.saturating_sub(age.saturating_mul(period))))
        .collect();
    let range = Range {
        start: Millis(now.0.saturating_sub(count.saturating_mul(period))),
        end: now,
        strict,
    };
    let mut found: BTreeMap<Millis, Point> = BTreeMap::new();
    match &settings.watched {
        Watched::Metric {
            statistic, unit, ..
        } => {
            let windows = Windows {
                start: range.start,
                end: range.end,
                period,
                strict,
            };
            let read = settings
                .key()
                .and_then(|key| metrics.find(&key))
                .map(|series| series.read(&windows, *unit))
                .unwrap_or_default();
            if let (Some((_, points)), Some(statistic)) =
                (read.into_iter().next(), Statistic::parse(statistic))
            {
                found.extend(points.into_iter().filter_map(|(at, summary)| {
                    let point = Point {
                        at,
                        value: summary.get(statistic)?,
                        samples: Some(summary.count),
                    };
                    Some((at, point))
                }));
            }
        }
        Watched::Math(list) => {
            let run = query::read(list).and_then(|queries| query::run(&queries, metrics, range));
            // Several series, as METRICS() may give, are no value; AWS refuses such an alarm.
            if let Ok([result]) = run.as_deref() {
                found.extend(result.values.iter().map(|(at, value)| {
                    let point = Point {
                        at: *at,
                        value: *value,
                        samples: None,
                    };
                    (*at, point)
                }));
            }
        }
    }
    let points = periods.iter().map(|at| found.get(at).copied()).collect();
    (periods, points)
}
