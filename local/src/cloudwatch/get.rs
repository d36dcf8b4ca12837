//! GetMetricData and GetMetricStatistics.

use serde_json::{Map, Value, json};

use super::{
    input::{Members, bad_token, combination, invalid, missing, validation},
    metrics::Key,
    page,
    query::{self, MOST_POINTS, Range},
    series::Windows,
    summary::Statistic,
};
use crate::{
    call::{Answer, Call, timestamp},
    clock::Millis,
    error::{AwsError, Result},
};

const DESCENDING: &str = "TimestampDescending";
const ASCENDING: &str = "TimestampAscending";

fn order() -> AwsError {
    invalid("The parameter StartTime must be less than the parameter EndTime.")
}

/// GetMetricData.
pub fn data(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let list = members.list("MetricDataQueries")?;
    if list.is_empty() {
        return Err(validation("The parameter MetricDataQueries is required."));
    }
    if list.len() > 500 {
        return Err(validation(
            "The collection MetricDataQueries must not have a size greater than 500.",
        ));
    }
    let queries = query::read(list)?;
    if !queries.iter().any(|query| query.returned) {
        return Err(validation(
            "At least one element in MetricDataQueries must have ReturnData set to true.",
        ));
    }
    let required = |name: &str| {
        members
            .time(name)?
            .ok_or_else(|| validation(format!("The parameter {name} is required.")))
    };
    let (start, end) = (required("StartTime")?, required("EndTime")?);
    if start >= end {
        return Err(validation(order().message));
    }
    let most = members
        .whole("MaxDatapoints", 1, MOST_POINTS)?
        .unwrap_or(MOST_POINTS);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let descending = members
        .word("ScanBy", &[DESCENDING, ASCENDING])?
        .is_none_or(|word| word == DESCENDING);
    let given: usize = match members.text("NextToken")? {
        None => 0,
        Some(token) => page::read(token).ok_or_else(bad_token)?,
    };
    let range = Range {
        start,
        end,
        strict: call.cloud.delays.are_real(),
    };
    let found = query::run(&queries, call.region.cloudwatch.metrics(), range)?;

    // The datapoints of all queries in a row; a page is a part of that.
    let mut at = 0;
    let mut results = Vec::with_capacity(found.len());
    let until = given.saturating_add(most);
    for found in found {
        let points: Vec<(Millis, f64)> = if descending {
            found.values.into_iter().rev().collect()
        } else {
            found.values.into_iter().collect()
        };
        let from = given.saturating_sub(at).min(points.len());
        let to = until.saturating_sub(at).min(points.len());
        at += points.len();
        let page = points.get(from..to).unwrap_or_default();
        let mut result = json!({
            "Id": found.id,
            "Label": found.label,
            "Timestamps": page.iter().map(|(at, _)| timestamp(*at)).collect::<Vec<_>>(),
            "Values": page.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": if to < points.len() { "PartialData" } else { "Complete" },
        });
        if !found.units.is_empty() {
            let units: Vec<&str> = found.units.iter().map(|unit| unit.name()).collect();
            result["Messages"] = json!([{
                "Code": "MultipleUnits",
                "Value": format!("Multiple units returned: '[{}]'", units.join(", ")),
            }]);
        }
        results.push(result);
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if until < at {
        answer["NextToken"] = page::write(&until).into();
    }
    Ok(answer.into())
}

/// GetMetricStatistics.
pub fn statistics(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let text = |name: &str| members.text(name)?.ok_or_else(|| missing(name));
    let time = |name: &str| members.time(name)?.ok_or_else(|| missing(name));
    let key = Key::new(
        text("Namespace")?,
        text("MetricName")?,
        members.dimensions("Dimensions")?,
    );
    let (start, end) = (time("StartTime")?, time("EndTime")?);
    if start >= end {
        return Err(order());
    }
    let period = members
        .whole("Period", 1, i64::from(i32::MAX))?
        .ok_or_else(|| missing("Period"))?;
    if !query::fits(period) {
        return Err(invalid(format!(
            "The value {period} for parameter Period is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60."
        )));
    }
    let points = (end.0 - start.0).div_euclid(period.saturating_mul(1000));
    if points > 1440 {
        return Err(combination(format!(
            "You have requested up to {points} datapoints, which exceeds the limit of 1440. \
             You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let plain = members.texts("Statistics", 5, 255)?;
    let extended = members.texts("ExtendedStatistics", 10, 255)?;
    if plain.is_empty() && extended.is_empty() {
        return Err(missing("Statistics"));
    }
    let parse = |names: Vec<String>, plain: bool, parameter: &str| {
        names
            .into_iter()
            .map(|name| match Statistic::parse(&name) {
                Some(statistic) if statistic.is_plain() == plain => Ok((name, statistic)),
                _ => Err(invalid(format!(
                    "The value {name} for parameter {parameter} is not supported."
                ))),
            })
            .collect::<Result<Vec<_>>>()
    };
    let plain = parse(plain, true, "Statistics")?;
    let extended = parse(extended, false, "ExtendedStatistics")?;
    let windows = Windows {
        start: query::aligned(start, period),
        end,
        period: period.saturating_mul(1000),
        strict: call.cloud.delays.are_real(),
    };
    let unit = members.unit("Unit")?;
    let mut datapoints = Vec::new();
    if let Some(series) = call.region.cloudwatch.metrics().find(&key) {
        for (unit, points) in series.read(&windows, unit) {
            for (at, summary) in points {
                let mut datapoint = Map::new();
                datapoint.insert("Timestamp".to_owned(), timestamp(at));
                for (name, statistic) in &plain {
                    datapoint.insert(name.clone(), summary.get(*statistic).into());
                }
                let known: Map<String, Value> = extended
                    .iter()
                    .filter_map(|(name, statistic)| {
                        Some((name.clone(), summary.get(*statistic)?.into()))
                    })
                    .collect();
                if plain.is_empty() && known.is_empty() {
                    continue;
                }
                if !known.is_empty() {
                    datapoint.insert("ExtendedStatistics".to_owned(), known.into());
                }
                datapoint.insert("Unit".to_owned(), unit.name().into());
                datapoints.push(Value::Object(datapoint));
            }
        }
    }
    Ok(json!({ "Label": key.metric, "Datapoints": datapoints }).into())
}
