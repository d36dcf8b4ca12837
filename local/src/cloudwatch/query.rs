//! Queries of metrics (`MetricDataQuery`): read from a call, worked out against a region's metrics. Pure but for reading.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    expression::{self, Expression, Outcome, Scope, Values},
    input::{Members, validation},
    metrics::{Key, Metrics},
    series::Windows,
    summary::Statistic,
    unit::Unit,
};
use crate::{clock::Millis, error::Result};

/// So many datapoints one call may ask for [CloudWatch model, GetMetricData].
pub const MOST_POINTS: i64 = 100_800;

/// One query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its id.
    pub id: String,
    /// What it's called in the answer, if the caller says so.
    pub label: Option<String>,
    /// Whether it's part of the answer.
    pub returned: bool,
    /// What it asks.
    pub source: Source,
}

/// What a query asks.
#[derive(Clone, Debug)]
pub enum Source {
    /// A metric's statistic.
    Metric(Stat),
    /// Metric math.
    Expression(Expression),
}

/// A metric's statistic.
#[derive(Clone, Debug)]
pub struct Stat {
    /// The metric.
    pub key: Key,
    /// The length of a window in seconds.
    pub period: i64,
    /// The statistic as the caller wrote it.
    pub name: String,
    /// The statistic.
    pub statistic: Statistic,
    /// Of this unit only.
    pub unit: Option<Unit>,
}

/// What a query came to.
#[derive(Clone, Debug)]
pub struct Found {
    /// The query's id.
    pub id: String,
    /// What it's called.
    pub label: String,
    /// Its values.
    pub values: Values,
    /// The units that there were, if they were several and none was asked for.
    pub units: Vec<Unit>,
}

/// Reads queries.
pub fn read(list: &[Value]) -> Result<Vec<Query>> {
    let mut queries: Vec<Query> = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let at = format!("MetricDataQueries.member.{}", index + 1);
        let query = query(Members::in_value(value, &at)?, &at)?;
        if queries.iter().any(|known| known.id == query.id) {
            return Err(validation(
                "The values for parameter id in MetricDataQueries are not unique.",
            ));
        }
        queries.push(query);
    }
    Ok(queries)
}

fn query(members: Members<'_>, at: &str) -> Result<Query> {
    let id = members
        .text("Id")?
        .ok_or_else(|| validation(format!("The parameter {at}.Id is required.")))?;
    let shaped = id.len() <= 255
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && id
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_');
    if !shaped {
        return Err(validation(format!(
            "The value {id} for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
        )));
    }
    let source = match (members.get("MetricStat"), members.text("Expression")?) {
        (Some(_), Some(_)) => {
            return Err(validation(format!(
                "The parameters {at}.Expression and {at}.MetricStat are mutually exclusive and you have specified both."
            )));
        }
        (Some(stat), None) => {
            let at = format!("{at}.MetricStat");
            Source::Metric(self::stat(Members::in_value(stat, &at)?, &at)?)
        }
        (None, Some(text)) => {
            if text.is_empty() || text.chars().count() > 2048 {
                return Err(validation(format!(
                    "The parameter {at}.Expression must have a length of 1 to 2048."
                )));
            }
            let parsed = expression::parse(text).map_err(|why| in_expression(id, &why))?;
            Source::Expression(parsed)
        }
        (None, None) => {
            return Err(validation(format!(
                "Either the parameter {at}.MetricStat or the parameter {at}.Expression is required."
            )));
        }
    };
    Ok(Query {
        id: id.to_owned(),
        label: members.text("Label")?.map(str::to_owned),
        returned: members.truth("ReturnData")?.unwrap_or(true),
        source,
    })
}

fn stat(members: Members<'_>, at: &str) -> Result<Stat> {
    let required = |name: &str| validation(format!("The parameter {at}.{name} is required."));
    let metric = Members::in_value(
        members.get("Metric").ok_or_else(|| required("Metric"))?,
        &format!("{at}.Metric"),
    )?;
    let namespace = metric
        .text("Namespace")?
        .ok_or_else(|| required("Metric.Namespace"))?;
    let name = metric
        .text("MetricName")?
        .ok_or_else(|| required("Metric.MetricName"))?;
    let period = members
        .whole("Period", 1, i64::from(i32::MAX))?
        .ok_or_else(|| required("Period"))?;
    if !fits(period) {
        return Err(validation(format!(
            "The value {period} for parameter {at}.Period is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60."
        )));
    }
    let text = members.text("Stat")?.ok_or_else(|| required("Stat"))?;
    let statistic = Statistic::parse(text).ok_or_else(|| {
        validation(format!(
            "The value {text} for parameter {at}.Stat is not supported."
        ))
    })?;
    Ok(Stat {
        key: Key::new(
            namespace,
            name,
            metric.dimensions(&format!("{at}.Metric.Dimensions"))?,
        ),
        period,
        name: text.to_owned(),
        statistic,
        unit: members.unit("Unit")?,
    })
}

/// Whether CloudWatch has this period.
pub fn fits(period: i64) -> bool {
    matches!(period, 1 | 5 | 10 | 20 | 30) || (period > 0 && period % 60 == 0)
}

/// Where the first window begins: AWS rounds down to the minute, or to the period if that's shorter
/// [CloudWatch model, GetMetricData].
pub fn aligned(start: Millis, period: i64) -> Millis {
    let width = period.clamp(1, 60) * 1000;
    Millis(start.0 - start.0.rem_euclid(width))
}

/// Between when and when, and how strictly.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The first window begins here or up to a minute earlier.
    pub start: Millis,
    /// No window begins here or later.
    pub end: Millis,
    /// As in [`Windows`].
    pub strict: bool,
}

/// Works queries out: those that are returned, in their order.
pub fn run(queries: &[Query], metrics: &Metrics, range: Range) -> Result<Vec<Found>> {
    let mut known: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut units: BTreeMap<&str, Vec<Unit>> = BTreeMap::new();
    for query in queries {
        if let Source::Metric(stat) = &query.source {
            let (values, found) = values(stat, metrics, range);
            known.insert(&query.id, Outcome::Series(values));
            units.insert(&query.id, found);
        }
    }
    let period = queries
        .iter()
        .filter_map(|query| match &query.source {
            Source::Metric(stat) => Some(stat.period),
            Source::Expression(_) => None,
        })
        .max()
        .unwrap_or(60);
    let windows = windows(range, period);
    // Each round works out what names only what is known; there are no more rounds than queries.
    loop {
        let ready: Vec<(&str, &Expression)> = queries
            .iter()
            .filter_map(|query| match &query.source {
                Source::Expression(parsed)
                    if !known.contains_key(query.id.as_str())
                        && expression::ids(parsed).iter().all(|id| {
                            known.contains_key(id) || !queries.iter().any(|query| query.id == *id)
                        }) =>
                {
                    Some((query.id.as_str(), parsed))
                }
                _ => None,
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        for (id, parsed) in ready {
            let here = Here {
                queries,
                known: &known,
                windows: &windows,
            };
            let outcome =
                expression::evaluate(parsed, &here).map_err(|why| in_expression(id, &why))?;
            known.insert(id, outcome);
        }
    }
    let mut found = Vec::new();
    for query in queries.iter().filter(|query| query.returned) {
        let series = match known.get(query.id.as_str()) {
            Some(Outcome::Series(values)) => vec![values.clone()],
            Some(Outcome::Several(several)) => several.clone(),
            Some(_) => {
                return Err(in_expression(
                    &query.id,
                    "it comes to a number; it has to come to a series",
                ));
            }
            None => return Err(in_expression(&query.id, "it refers to itself")),
        };
        found.extend(series.into_iter().map(|values| Found {
            id: query.id.clone(),
            label: label(query, queries),
            values,
            units: units.get(query.id.as_str()).cloned().unwrap_or_default(),
        }));
    }
    Ok(found)
}

/// One statistic's values, and the units if there were several.
fn values(stat: &Stat, metrics: &Metrics, range: Range) -> (Values, Vec<Unit>) {
    let Some(series) = metrics.find(&stat.key) else {
        return (Values::new(), Vec::new());
    };
    let read = series.read(
        &Windows {
            start: aligned(range.start, stat.period),
            end: range.end,
            period: stat.period.saturating_mul(1000),
            strict: range.strict,
        },
        stat.unit,
    );
    let units = if read.len() > 1 {
        read.iter().map(|(unit, _)| *unit).collect()
    } else {
        Vec::new()
    };
    let values = read
        .into_iter()
        .next()
        .map(|(_, points)| {
            points
                .into_iter()
                .filter_map(|(at, summary)| Some((at, summary.get(stat.statistic)?)))
                .collect()
        })
        .unwrap_or_default();
    (values, units)
}

/// When the windows begin; no more than a call may ask for.
fn windows(range: Range, period: i64) -> Vec<Millis> {
    let start = aligned(range.start, period);
    let step = period.saturating_mul(1000).max(1);
    let count = (range.end.0.saturating_sub(start.0))
        .div_euclid(step)
        .clamp(0, MOST_POINTS);
    (0..=count)
        .map(|index| Millis(start.0 + index * step))
        .filter(|at| *at < range.end)
        .collect()
}

struct Here<'a> {
    queries: &'a [Query],
    known: &'a BTreeMap<&'a str, Outcome>,
    windows: &'a [Millis],
}

impl Scope for Here<'_> {
    fn of(&self, id: &str) -> Option<Outcome> {
        self.known.get(id).cloned()
    }

    fn metrics(&self) -> Vec<String> {
        self.queries
            .iter()
            .filter(|query| matches!(query.source, Source::Metric(_)))
            .map(|query| query.id.clone())
            .collect()
    }

    fn windows(&self) -> &[Millis] {
        self.windows
    }

    #[allow(clippy::cast_precision_loss, reason = "a period is an i32 in AWS")]
    fn period(&self, id: &str) -> Option<f64> {
        self.queries
            .iter()
            .find(|query| query.id == id)
            .and_then(|query| match &query.source {
                Source::Metric(stat) => Some(stat.period as f64),
                Source::Expression(_) => None,
            })
    }
}

/// The caller's label, or the metric's name and what sets it apart from the other queries, as AWS puts it together
/// [localstack's snapshots of AWS, test_label_generation].
fn label(query: &Query, queries: &[Query]) -> String {
    if let Some(label) = &query.label {
        return label.clone();
    }
    let Source::Metric(stat) = &query.source else {
        return query.id.clone();
    };
    let others: Vec<&Stat> = queries
        .iter()
        .filter_map(|other| match &other.source {
            Source::Metric(stat) => Some(stat),
            Source::Expression(_) => None,
        })
        .collect();
    let mut label = stat.key.metric.clone();
    if others
        .iter()
        .any(|other| other.key.dimensions != stat.key.dimensions)
    {
        for (_, value) in stat.key.dimensions.iter().rev() {
            label = format!("{value} {label}");
        }
    }
    if others.iter().any(|other| other.name != stat.name) {
        label = format!("{label} {}", stat.name);
    }
    if others.iter().any(|other| other.period != stat.period) {
        label = format!("{label} {}", stat.period);
    }
    label
}

fn in_expression(id: &str, why: &str) -> crate::error::AwsError {
    validation(format!("Error in expression '{id}': {why}"))
}
