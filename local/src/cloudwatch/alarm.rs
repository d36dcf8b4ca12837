//! A metric alarm: its settings as PutMetricAlarm takes them and DescribeAlarms gives them, and its state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    input::{self, Members, broken, validation},
    metrics::{Key, shown},
    query::{self, Query},
    summary::Statistic,
    unit::Unit,
};
use crate::{
    call::timestamp,
    clock::Millis,
    error::{AwsError, Result},
};

/// What an alarm says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateValue {
    /// All is well.
    #[serde(rename = "OK")]
    Ok,
    /// It's past the threshold.
    #[serde(rename = "ALARM")]
    Alarm,
    /// Nobody knows.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl StateValue {
    /// In AWS's order, for its messages.
    pub const NAMES: [&str; 3] = ["INSUFFICIENT_DATA", "ALARM", "OK"];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// How a value is compared with the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are AWS's")]
pub enum Comparison {
    /// `>=`
    GreaterThanOrEqualToThreshold,
    /// `>`
    GreaterThanThreshold,
    /// `<`
    LessThanThreshold,
    /// `<=`
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// All of AWS's words; the last three are for anomaly detection.
    const NAMES: [&str; 7] = [
        "GreaterThanOrEqualToThreshold",
        "GreaterThanThreshold",
        "LessThanThreshold",
        "LessThanOrEqualToThreshold",
        "LessThanLowerOrGreaterThanUpperThreshold",
        "LessThanLowerThreshold",
        "GreaterThanUpperThreshold",
    ];

    fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }

    /// Whether a value is past the threshold.
    pub fn is_past(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    /// In the words of a state's reason.
    pub fn words(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }
}

/// What a period without values means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::enum_variant_names, reason = "the names are AWS's")]
pub enum Missing {
    /// It's past the threshold.
    Breaching,
    /// It isn't.
    NotBreaching,
    /// The state stays.
    Ignore,
    /// Nobody knows.
    Missing,
}

impl Missing {
    fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// What an alarm looks at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Watched {
    /// A metric's statistic.
    Metric {
        /// The namespace.
        namespace: String,
        /// The name.
        metric: String,
        /// The dimensions as they were sent.
        dimensions: Vec<(String, String)>,
        /// The statistic's name.
        statistic: String,
        /// Seconds.
        period: i64,
        /// Values of this unit only.
        unit: Option<Unit>,
    },
    /// Metric math: `Metrics` as it was sent.
    Math(Vec<Value>),
}

/// What PutMetricAlarm sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The name.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// Whether actions are to be done.
    pub actions_enabled: bool,
    /// Done when it's well again.
    pub ok_actions: Vec<String>,
    /// Done when it's past the threshold.
    pub alarm_actions: Vec<String>,
    /// Done when nobody knows.
    pub insufficient_data_actions: Vec<String>,
    /// What it looks at.
    pub watched: Watched,
    /// N of "M out of N".
    pub evaluation_periods: i64,
    /// M of "M out of N", if it was said.
    pub datapoints_to_alarm: Option<i64>,
    /// The threshold.
    pub threshold: f64,
    /// How it's compared.
    pub comparison: Comparison,
    /// What missing values mean, if it was said.
    pub missing: Option<Missing>,
    /// `evaluate` or `ignore`, if it was said.
    pub low_samples: Option<String>,
}

/// What an alarm says, since when and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// What it says.
    pub value: StateValue,
    /// Why, for people.
    pub reason: String,
    /// Why, for machines.
    pub data: Option<String>,
    /// When it was last set.
    pub updated: Millis,
    /// When its value last changed.
    pub transitioned: Millis,
}

/// One alarm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// What it was told to do.
    pub settings: Settings,
    /// When it was told.
    pub configured: Millis,
    /// What it says.
    pub state: State,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What only some alarms of AWS have and none here.
const ABSENT: [&str; 6] = [
    "ThresholdMetricId",
    "EvaluationWindow",
    "WarmUpConfiguration",
    "EvaluationCriteria",
    "EvaluationInterval",
    "ActionConfiguration",
];

impl Settings {
    /// Reads and checks what PutMetricAlarm was given.
    pub fn read(members: Members<'_>) -> Result<Self> {
        if let Some(absent) = ABSENT.iter().find(|name| members.has(name)) {
            return Err(validation(format!(
                "wsless's embedded cloud doesn't have {absent}"
            )));
        }
        let name = members.required("AlarmName", 255)?;
        if name.chars().any(|character| character.is_ascii_control()) {
            return Err(broken(
                &format!("'{name}'"),
                "alarmName",
                "Member must not contain control characters",
            ));
        }
        let comparison = members
            .word("ComparisonOperator", &Comparison::NAMES)?
            .ok_or_else(|| broken("null", "comparisonOperator", "Member must not be null"))?;
        let comparison = Comparison::parse(comparison).ok_or_else(|| {
            validation(format!(
                "{comparison} is for anomaly detection, which wsless's embedded cloud doesn't have"
            ))
        })?;
        let evaluation_periods = members
            .whole("EvaluationPeriods", 1, i64::from(i32::MAX))?
            .ok_or_else(|| broken("null", "evaluationPeriods", "Member must not be null"))?;
        let datapoints_to_alarm = members.whole("DatapointsToAlarm", 1, i64::from(i32::MAX))?;
        if datapoints_to_alarm.is_some_and(|datapoints| datapoints > evaluation_periods) {
            return Err(validation(
                "DatapointsToAlarm must be less than or equal to EvaluationPeriods",
            ));
        }
        let threshold = members
            .number("Threshold")?
            .ok_or_else(|| validation("The parameter Threshold is required."))?;
        if !threshold.is_finite() {
            return Err(validation("The parameter Threshold must be a number."));
        }
        let watched = watched(members)?;
        check_length(&watched, evaluation_periods)?;
        let missing = members
            .text("TreatMissingData")?
            .map(|word| {
                Missing::parse(word).ok_or_else(|| {
                    validation(format!(
                        "TreatMissingData: {word} isn't one of breaching, notBreaching, ignore and missing"
                    ))
                })
            })
            .transpose()?;
        let low_samples = members.text("EvaluateLowSampleCountPercentile")?;
        if low_samples.is_some_and(|word| word != "evaluate" && word != "ignore") {
            return Err(validation(
                "Option for EvaluateLowSampleCountPercentile must be evaluate or ignore",
            ));
        }
        let description = members.text("AlarmDescription")?;
        if description.is_some_and(|text| text.chars().count() > 1024) {
            return Err(broken(
                "at 'alarmDescription'",
                "alarmDescription",
                "Member must have length less than or equal to 1024",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            description: description.map(str::to_owned),
            actions_enabled: members.truth("ActionsEnabled")?.unwrap_or(true),
            ok_actions: actions(members, "OKActions")?,
            alarm_actions: actions(members, "AlarmActions")?,
            insufficient_data_actions: actions(members, "InsufficientDataActions")?,
            watched,
            evaluation_periods,
            datapoints_to_alarm,
            threshold,
            comparison,
            missing,
            low_samples: low_samples.map(str::to_owned),
        })
    }

    /// The actions of a state.
    pub fn actions(&self, state: StateValue) -> &[String] {
        match state {
            StateValue::Ok => &self.ok_actions,
            StateValue::Alarm => &self.alarm_actions,
            StateValue::InsufficientData => &self.insufficient_data_actions,
        }
    }

    /// The metric, unless it looks at several.
    pub fn key(&self) -> Option<Key> {
        match &self.watched {
            Watched::Metric {
                namespace,
                metric,
                dimensions,
                ..
            } => Some(Key::new(namespace, metric, dimensions.clone())),
            Watched::Math(_) => None,
        }
    }

    /// Seconds that one value is made from.
    pub fn period(&self) -> i64 {
        match &self.watched {
            Watched::Metric { period, .. } => *period,
            Watched::Math(metrics) => {
                query::read(metrics).map_or(60, |queries| math_period(&queries))
            }
        }
    }
}

fn watched(members: Members<'_>) -> Result<Watched> {
    let metrics = members.list("Metrics")?;
    if !metrics.is_empty() {
        let single = [
            "MetricName",
            "Namespace",
            "Dimensions",
            "Period",
            "Unit",
            "Statistic",
            "ExtendedStatistic",
        ];
        // A client of the query protocol may send an empty list with its math.
        let sent = |name: &str| match members.get(name) {
            None => false,
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        };
        if let Some(name) = single.into_iter().find(|name| sent(name)) {
            return Err(validation(format!(
                "Metrics list and {name} are mutually exclusive: an alarm with Metrics cannot have {name}"
            )));
        }
        let queries = query::read(metrics)?;
        if queries.iter().filter(|query| query.returned).count() != 1 {
            return Err(validation(
                "Exactly one element of the metrics list should return data.",
            ));
        }
        return Ok(Watched::Math(metrics.iter().cloned().map(normal).collect()));
    }
    let required = |name: &str, longest: usize| {
        members
            .optional(name, longest)?
            .ok_or_else(|| validation(format!("The parameter {name} is required.")))
    };
    let (metric, namespace) = (required("MetricName", 255)?, required("Namespace", 255)?);
    if namespace.starts_with(':') {
        return Err(broken(
            &format!("'{namespace}'"),
            "namespace",
            "Member must satisfy regular expression pattern: [^:].*",
        ));
    }
    let plain = members.word(
        "Statistic",
        &["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
    )?;
    let statistic = match (plain, members.text("ExtendedStatistic")?) {
        (Some(_), Some(_)) => {
            return Err(input::combination(
                "Statistic and ExtendedStatistic are mutually exclusive: exactly one has to be specified",
            ));
        }
        (Some(plain), None) => plain,
        (None, Some(extended)) => Statistic::parse(extended)
            .filter(|statistic| !statistic.is_plain())
            .map(|_| extended)
            .ok_or_else(|| {
                validation(format!(
                    "The value {extended} for parameter ExtendedStatistic is not supported."
                ))
            })?,
        (None, None) => {
            return Err(validation(
                "Either Statistic or ExtendedStatistic must be specified.",
            ));
        }
    };
    let period = members
        .whole("Period", 1, i64::from(i32::MAX))?
        .ok_or_else(|| validation("The parameter Period is required."))?;
    if !(matches!(period, 10 | 20 | 30) || period % 60 == 0) {
        return Err(validation(
            "Invalid Period: it must be 10, 20, 30 or a multiple of 60",
        ));
    }
    Ok(Watched::Metric {
        namespace: namespace.to_owned(),
        metric: metric.to_owned(),
        dimensions: members
            .dimensions("Dimensions")
            .map_err(|error| validation(error.message))?,
        statistic: statistic.to_owned(),
        period,
        unit: members.unit("Unit")?,
    })
}

/// A query as any protocol sends it, as every protocol can give it back: the query protocol has only texts.
fn normal(mut query: Value) -> Value {
    let whole = |value: &mut Value| {
        if let Some(Ok(whole)) = value.as_str().map(str::parse::<i64>) {
            *value = whole.into();
        }
    };
    for path in ["/Period", "/MetricStat/Period"] {
        if let Some(period) = query.pointer_mut(path) {
            whole(period);
        }
    }
    if let Some(members) = query.as_object_mut() {
        let returned = members
            .get("ReturnData")
            .is_none_or(|value| value.as_bool() != Some(false) && value != "false");
        members.insert("ReturnData".to_owned(), returned.into());
    }
    query
}

/// A day for all periods together; a week if they are an hour or longer [CloudWatch model, PutMetricAlarm].
fn check_length(watched: &Watched, evaluation_periods: i64) -> Result<()> {
    let period = match watched {
        Watched::Metric { period, .. } => *period,
        Watched::Math(metrics) => math_period(&query::read(metrics)?),
    };
    let together = period.saturating_mul(evaluation_periods);
    if period < 3600 && together > 86_400 {
        return Err(validation(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
        ));
    }
    if together > 604_800 {
        return Err(validation(
            "Metrics cannot be checked across more than seven days (EvaluationPeriods * Period must be <= 604800).",
        ));
    }
    Ok(())
}

fn math_period(queries: &[Query]) -> i64 {
    queries
        .iter()
        .filter_map(|query| match &query.source {
            query::Source::Metric(stat) => Some(stat.period),
            query::Source::Expression(_) => None,
        })
        .max()
        .unwrap_or(60)
}

fn actions(members: Members<'_>, name: &str) -> Result<Vec<String>> {
    let actions = members.texts(name, 5, 1024)?;
    if let Some(wrong) = actions.iter().find(|action| !action.starts_with("arn:")) {
        return Err(validation(format!("Invalid arn syntax: {wrong}")));
    }
    Ok(actions)
}

impl Alarm {
    /// A new one.
    pub fn new(settings: Settings, tags: BTreeMap<String, String>, now: Millis) -> Self {
        Self {
            settings,
            configured: now,
            state: State {
                value: StateValue::InsufficientData,
                reason: "Unchecked: Initial alarm creation".to_owned(),
                data: None,
                updated: now,
                transitioned: now,
            },
            tags,
        }
    }

    /// As DescribeAlarms gives it.
    pub fn shown(&self, arn: &str) -> Value {
        let settings = &self.settings;
        let mut shown = Map::new();
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                shown.insert(name.to_owned(), value);
            }
        };
        set("AlarmName", settings.name.clone().into());
        set("AlarmArn", arn.into());
        set("AlarmDescription", settings.description.clone().into());
        set(
            "AlarmConfigurationUpdatedTimestamp",
            timestamp(self.configured),
        );
        set("ActionsEnabled", settings.actions_enabled.into());
        set("OKActions", settings.ok_actions.clone().into());
        set("AlarmActions", settings.alarm_actions.clone().into());
        set(
            "InsufficientDataActions",
            settings.insufficient_data_actions.clone().into(),
        );
        set("StateValue", self.state.value.name().into());
        set("StateReason", self.state.reason.clone().into());
        set("StateReasonData", self.state.data.clone().into());
        set("StateUpdatedTimestamp", timestamp(self.state.updated));
        set(
            "StateTransitionedTimestamp",
            timestamp(self.state.transitioned),
        );
        match &settings.watched {
            Watched::Metric {
                namespace,
                metric,
                dimensions,
                statistic,
                period,
                unit,
            } => {
                set("MetricName", metric.clone().into());
                set("Namespace", namespace.clone().into());
                let plain = Statistic::parse(statistic).is_some_and(Statistic::is_plain);
                let name = if plain {
                    "Statistic"
                } else {
                    "ExtendedStatistic"
                };
                set(name, statistic.clone().into());
                set("Dimensions", self::shown(dimensions));
                set("Period", (*period).into());
                set("Unit", unit.map(Unit::name).into());
            }
            Watched::Math(metrics) => {
                set("Dimensions", json!([]));
                set("Metrics", metrics.clone().into());
            }
        }
        set("EvaluationPeriods", settings.evaluation_periods.into());
        set("DatapointsToAlarm", settings.datapoints_to_alarm.into());
        set("Threshold", settings.threshold.into());
        set("ComparisonOperator", json!(settings.comparison));
        set("TreatMissingData", json!(settings.missing));
        set(
            "EvaluateLowSampleCountPercentile",
            settings.low_samples.clone().into(),
        );
        Value::Object(shown)
    }
}

/// AWS's word for a limit on tags.
pub fn tags(list: &[Value]) -> Result<BTreeMap<String, String>, AwsError> {
    if list.len() > 50 {
        return Err(validation(
            "1 validation error detected: a resource can have 50 tags at most",
        ));
    }
    let mut tags = BTreeMap::new();
    for tag in list {
        let members = Members::in_value(tag, "Tags")?;
        let key = members.required("Key", 128)?;
        let value = members.text("Value")?.unwrap_or_default();
        if key.starts_with("aws:") {
            return Err(validation(
                "User-defined tag keys can't start with aws:, which is reserved",
            ));
        }
        if value.chars().count() > 256 {
            return Err(broken(
                &format!("'{value}'"),
                "tags.member.value",
                "Member must have length less than or equal to 256",
            ));
        }
        tags.insert(key.to_owned(), value.to_owned());
    }
    Ok(tags)
}
