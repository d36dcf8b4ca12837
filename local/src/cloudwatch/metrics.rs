//! The metrics that there are, by namespace, name and dimensions; ListMetrics and PutMetricData.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    input::{self, Members, combination, invalid, missing},
    page,
    series::{Resolution, Series},
    summary::Summary,
    unit::Unit,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
    fidelity::Delay,
};

/// No more series than this are kept in a region: the one that was written longest ago goes.
const MOST: usize = 10_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// CloudWatch's values lie within 2^360 [CloudWatch model, PutMetricData].
const GREATEST: f64 = 2.348_542_582_773_833_2e108;

/// A metric's name in full.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Such as `AWS/SQS`.
    pub namespace: String,
    /// Such as `NumberOfMessagesSent`.
    pub metric: String,
    /// Names and values, by name.
    pub dimensions: Vec<(String, String)>,
}

impl Key {
    /// A metric with dimensions in any order.
    pub fn new(
        namespace: impl Into<String>,
        metric: impl Into<String>,
        mut dimensions: Vec<(String, String)>,
    ) -> Self {
        dimensions.sort();
        Self {
            namespace: namespace.into(),
            metric: metric.into(),
            dimensions,
        }
    }

    /// As a call's answer has it.
    pub fn shown(&self) -> Value {
        json!({
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": shown(&self.dimensions),
        })
    }
}

/// Dimensions as a call's answer has them.
pub fn shown(dimensions: &[(String, String)]) -> Value {
    dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect()
}

/// All series of a region.
#[derive(Debug, Default)]
pub struct Metrics {
    series: RwLock<BTreeMap<Key, Arc<Series>>>,
}

impl Metrics {
    /// A series that is there.
    pub fn find(&self, key: &Key) -> Option<Arc<Series>> {
        self.series.read().get(key).cloned()
    }

    /// A series, made if it isn't there.
    pub fn get(&self, key: Key) -> Arc<Series> {
        if let Some(series) = self.find(&key) {
            return series;
        }
        let mut all = self.series.write();
        if all.len() >= MOST && !all.contains_key(&key) {
            // Whoever holds one would go on writing into the void, so that those stay.
            let oldest = all
                .iter()
                .filter(|(_, series)| Arc::strong_count(series) == 1)
                .min_by_key(|(_, series)| series.life().map(|(_, last)| last))
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            } else {
                return Arc::default();
            }
        }
        Arc::clone(all.entry(key).or_default())
    }

    /// All that have values, by name.
    pub fn all(&self) -> Vec<(Key, Arc<Series>)> {
        self.series
            .read()
            .iter()
            .map(|(key, series)| (key.clone(), Arc::clone(series)))
            .collect()
    }
}

/// ListMetrics.
pub fn list(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let namespace = members.optional("Namespace", 255)?;
    let metric = members.optional("MetricName", 255)?;
    let recent = members.word("RecentlyActive", &["PT3H"])?.is_some();
    let filters = members.list("Dimensions")?;
    if filters.len() > 10 {
        return Err(invalid(
            "The collection Dimensions must not have a size greater than 10.",
        ));
    }
    let filters = filters
        .iter()
        .map(|filter| {
            let members = Members::in_value(filter, "Dimensions")?;
            Ok((
                members.required("Name", 255)?,
                members.optional("Value", 1024)?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let now = Millis::now();
    let listing = call.cloud.delays.of(Delay::Listing);
    // Metrics without values for two weeks aren't listed [CloudWatch model, ListMetrics].
    let since = Millis(now.0 - if recent { 3 * HOUR } else { 14 * DAY });
    let found = call.region.cloudwatch.metrics().all();
    let found = found.iter().filter(|(key, series)| {
        namespace.is_none_or(|namespace| key.namespace == namespace)
            && metric.is_none_or(|metric| key.metric == metric)
            && filters.iter().all(|(name, value)| {
                key.dimensions
                    .iter()
                    .any(|(known, is)| known == name && value.is_none_or(|value| is == value))
            })
            && series
                .life()
                .is_some_and(|(first, last)| last >= since && first.after(listing) <= now)
    });
    let (page, next) = page::cut(
        found.map(|(key, _)| key),
        members.text("NextToken")?,
        500,
        |key| (*key).clone(),
    )
    .ok_or_else(|| invalid("Invalid nextToken"))?;
    let mut answer = json!({
        "Metrics": page.iter().map(|key| key.shown()).collect::<Vec<_>>(),
    });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

/// One datum of PutMetricData that may be taken.
struct Datum {
    key: Key,
    at: Millis,
    unit: Unit,
    resolution: Resolution,
    summary: Summary,
}

/// PutMetricData: all of it, or nothing.
pub fn put(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let namespace = members
        .text("Namespace")?
        .ok_or_else(|| missing("Namespace"))?;
    let shaped = (1..=255).contains(&namespace.chars().count())
        && namespace.is_ascii()
        && !namespace.bytes().any(|byte| byte.is_ascii_control())
        && !namespace.starts_with(':')
        && !namespace.starts_with("AWS/");
    if !shaped {
        return Err(invalid(format!(
            "The value {namespace} for parameter Namespace is invalid."
        )));
    }
    // Entities only describe what the metrics belong to.
    let mut data: Vec<&Value> = members.list("MetricData")?.iter().collect();
    for entity in members.list("EntityMetricData")? {
        data.extend(Members::in_value(entity, "EntityMetricData")?.list("MetricData")?);
    }
    if data.is_empty() {
        return Err(missing("MetricData"));
    }
    if data.len() > 1000 {
        return Err(invalid(
            "The collection MetricData must not have a size greater than 1000.",
        ));
    }
    let now = Millis::now();
    let data = data
        .into_iter()
        .enumerate()
        .map(|(index, datum)| read(namespace, datum, index + 1, now))
        .collect::<Result<Vec<_>>>()?;
    let metrics = call.region.cloudwatch.metrics();
    for datum in data {
        metrics
            .get(datum.key)
            .add(datum.at, datum.unit, datum.resolution, |summary| {
                summary.merge(&datum.summary);
            });
    }
    Ok(Answer::from(json!({})))
}

fn read(namespace: &str, datum: &Value, index: usize, now: Millis) -> Result<Datum> {
    let at = format!("MetricData.member.{index}");
    let name_of = |part: &str| format!("{at}.{part}");
    let wrong = |value: &dyn std::fmt::Display, part: &str| {
        invalid(format!(
            "The value {value} for parameter {at}.{part} is invalid."
        ))
    };
    let members = Members::in_value(datum, &at)?;
    let metric = members
        .text("MetricName")?
        .ok_or_else(|| missing(&name_of("MetricName")))?;
    if !(1..=255).contains(&metric.chars().count()) || metric.chars().any(char::is_control) {
        return Err(wrong(&metric, "MetricName"));
    }
    let unit = match members.text("Unit")? {
        None => Unit::NONE,
        Some(unit) => Unit::parse(unit).ok_or_else(|| wrong(&unit, "Unit"))?,
    };
    let resolution = match members.number("StorageResolution")? {
        None | Some(60.0) => Resolution::Standard,
        Some(1.0) => Resolution::High,
        Some(other) => return Err(wrong(&other, "StorageResolution")),
    };
    let time = members.time("Timestamp")?.unwrap_or(now);
    if time.0 < now.0 - 14 * DAY {
        return Err(invalid(format!(
            "The parameter {} must specify a time no more than two weeks in the past.",
            name_of("Timestamp")
        )));
    }
    if time.0 > now.0 + 2 * HOUR {
        return Err(invalid(format!(
            "The parameter {} must specify a time no more than two hours in the future.",
            name_of("Timestamp")
        )));
    }
    Ok(Datum {
        key: Key::new(
            namespace,
            metric,
            members.dimensions(&name_of("Dimensions"))?,
        ),
        at: time,
        unit,
        resolution,
        summary: values(members, &name_of, &wrong)?,
    })
}

/// A datum's values, in whichever of the three forms.
fn values(
    members: Members<'_>,
    name_of: &dyn Fn(&str) -> String,
    wrong: &dyn Fn(&dyn std::fmt::Display, &str) -> crate::error::AwsError,
) -> Result<Summary> {
    let exclusive = |one: &str, other: &str| {
        combination(format!(
            "The parameters {} and {} are mutually exclusive and you have specified both.",
            name_of(one),
            name_of(other)
        ))
    };
    let fitting = |value: f64, part: &str| {
        if value.is_finite() && value.abs() <= GREATEST {
            Ok(value)
        } else {
            Err(wrong(&value, part))
        }
    };
    let (single, set, many) = (
        members.has("Value"),
        members.has("StatisticValues"),
        !members.list("Values")?.is_empty(),
    );
    if single && many {
        return Err(exclusive("Value", "Values"));
    }
    if single && set {
        return Err(exclusive("Value", "StatisticValues"));
    }
    if set && many {
        return Err(exclusive("StatisticValues", "Values"));
    }
    let mut summary = Summary::default();
    if let Some(value) = members.number("Value")? {
        summary.add(fitting(value, "Value")?, 1.0);
    } else if let Some(set) = members.get("StatisticValues") {
        let set = Members::in_value(set, "StatisticValues")?;
        let part = |part: &str| {
            let name = format!("StatisticValues.{part}");
            let value = set.number(part)?.ok_or_else(|| missing(&name_of(&name)))?;
            fitting(value, &name)
        };
        let (count, sum) = (part("SampleCount")?, part("Sum")?);
        let (minimum, maximum) = (part("Minimum")?, part("Maximum")?);
        if count < 0.0 {
            return Err(wrong(&count, "StatisticValues.SampleCount"));
        }
        if minimum > maximum {
            return Err(invalid(format!(
                "The parameter {} must be less than or equal to the parameter {}.",
                name_of("StatisticValues.Minimum"),
                name_of("StatisticValues.Maximum")
            )));
        }
        summary = Summary::of_set(count, sum, minimum, maximum);
    } else if many {
        let list = members.list("Values")?;
        let counts = members.list("Counts")?;
        if list.len() > 150 {
            return Err(invalid(format!(
                "The collection {} must not have a size greater than 150.",
                name_of("Values")
            )));
        }
        if !counts.is_empty() && counts.len() != list.len() {
            return Err(invalid(format!(
                "The parameters {} and {} must be of the same size.",
                name_of("Values"),
                name_of("Counts")
            )));
        }
        for (index, value) in list.iter().enumerate() {
            let value = input::number(value).ok_or_else(|| wrong(value, "Values"))?;
            let times = match counts.get(index) {
                None => 1.0,
                Some(count) => input::number(count)
                    .filter(|count| *count >= 0.0)
                    .ok_or_else(|| wrong(count, "Counts"))?,
            };
            summary.add(fitting(value, "Values")?, fitting(times, "Counts")?);
        }
    } else {
        return Err(missing(&name_of("Value")));
    }
    Ok(summary)
}
