//! Lines in CloudWatch's embedded metric format: what metrics they hold. Pure.
//!
//! [CWG, CloudWatch_Embedded_Metric_Format_Specification] A line may begin with other text, as Lambda's text format
//! writes it.

use serde_json::{Map, Value};

use crate::{
    clock::Millis,
    cloudwatch::{Resolution, Unit},
};

const LONGEST: usize = 1 << 20;
const MOST_METRICS: usize = 100;
const MOST_VALUES: usize = 100;
const MOST_DIMENSIONS: usize = 30;
const LONGEST_NAME: usize = 1024;
const HOUR: i64 = 3_600_000;

/// One metric's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// The metric's namespace.
    pub namespace: String,
    /// The metric's name.
    pub metric: String,
    /// Names and values.
    pub dimensions: Vec<(String, String)>,
    /// What was measured.
    pub values: Vec<f64>,
    /// In which unit.
    pub unit: Unit,
    /// How finely it's kept.
    pub resolution: Resolution,
    /// When.
    pub at: Millis,
}

/// What a line holds.
#[derive(Debug, Default, PartialEq)]
pub struct Extracted {
    /// Its metrics.
    pub data: Vec<Datum>,
    /// Whether it isn't JSON.
    pub unreadable: bool,
    /// Whether it, or a part of it, breaks the format's rules.
    pub invalid: bool,
}

/// Whether a line may hold metrics at all: cheap, for it's asked of every line.
pub fn may_hold(line: &str) -> bool {
    line.contains("\"_aws\"")
}

/// The metrics of a line that [`may_hold`] some.
pub fn extract(line: &str, now: Millis) -> Extracted {
    let unreadable = || Extracted {
        unreadable: true,
        ..Extracted::default()
    };
    if line.len() > LONGEST {
        return unreadable();
    }
    let Some(start) = line.find('{') else {
        return unreadable();
    };
    let Ok(Value::Object(root)) = serde_json::from_str(line.get(start..).unwrap_or_default())
    else {
        return unreadable();
    };
    let Some(directions) = root.get("_aws") else {
        return Extracted::default();
    };
    let mut extracted = Extracted::default();
    if read(directions, &root, now, &mut extracted).is_none() {
        extracted.data.clear();
        extracted.invalid = true;
    }
    extracted
}

/// Nothing if the line as a whole breaks the rules.
fn read(
    directions: &Value,
    root: &Map<String, Value>,
    now: Millis,
    extracted: &mut Extracted,
) -> Option<()> {
    let at = Millis(directions.get("Timestamp")?.as_i64()?);
    if at.0 < now.0 - 14 * 24 * HOUR || at.0 > now.0 + 2 * HOUR {
        return None;
    }
    for directive in directions.get("CloudWatchMetrics")?.as_array()? {
        let namespace = named(directive.get("Namespace")?)?;
        let metrics = directive.get("Metrics")?.as_array()?;
        if metrics.len() > MOST_METRICS {
            return None;
        }
        let sets = dimension_sets(directive, root)?;
        for metric in metrics {
            let name = named(metric.get("Name")?)?;
            let unit = match metric.get("Unit") {
                None => Unit::NONE,
                Some(unit) => Unit::parse(unit.as_str()?)?,
            };
            let resolution = match metric.get("StorageResolution").map(Value::as_i64) {
                None | Some(Some(60)) => Resolution::Standard,
                Some(Some(1)) => Resolution::High,
                Some(_) => return None,
            };
            // A metric that the line has no values for is left out; the others stand.
            let Some(values) = root.get(name).and_then(values) else {
                extracted.invalid = true;
                continue;
            };
            extracted.data.extend(sets.iter().map(|dimensions| Datum {
                namespace: namespace.to_owned(),
                metric: name.to_owned(),
                dimensions: dimensions.clone(),
                values: values.clone(),
                unit,
                resolution,
                at,
            }));
        }
    }
    Some(())
}

fn named(value: &Value) -> Option<&str> {
    value
        .as_str()
        .filter(|name| !name.trim().is_empty() && name.len() <= LONGEST_NAME)
}

/// Each set of dimensions with the line's values; `[[]]` is one set without any.
fn dimension_sets(
    directive: &Value,
    root: &Map<String, Value>,
) -> Option<Vec<Vec<(String, String)>>> {
    directive
        .get("Dimensions")?
        .as_array()?
        .iter()
        .map(|set| {
            let set = set.as_array()?;
            if set.len() > MOST_DIMENSIONS {
                return None;
            }
            set.iter()
                .map(|name| {
                    let name = named(name)?;
                    let value = root.get(name)?.as_str()?;
                    let fits = !value.is_empty() && value.chars().count() <= LONGEST_NAME;
                    fits.then(|| (name.to_owned(), value.to_owned()))
                })
                .collect()
        })
        .collect()
}

fn values(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Number(number) => Some(vec![number.as_f64()?]),
        Value::Array(list) if (1..=MOST_VALUES).contains(&list.len()) => {
            list.iter().map(Value::as_f64).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Datum, extract, may_hold};
    use crate::{
        clock::Millis,
        cloudwatch::{Resolution, Unit},
    };

    const NOW: Millis = Millis(1_700_000_000_000);

    fn line() -> Value {
        json!({
            "_aws": {"Timestamp": NOW.0, "CloudWatchMetrics": [{
                "Namespace": "shop",
                "Dimensions": [["Service"], ["Service", "Stage"], []],
                "Metrics": [{"Name": "Time", "Unit": "Milliseconds", "StorageResolution": 1}],
            }]},
            "Service": "orders", "Stage": "dev", "Time": [1, 2.5], "requestId": "x",
        })
    }

    #[test]
    fn a_line_has_a_metric_for_each_set_of_dimensions() {
        let extracted = extract(&format!("INFO {}\n", line()), NOW);
        assert!(!extracted.invalid && !extracted.unreadable);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(extracted.data.len(), 3);
        assert_eq!(
            extracted.data[1],
            Datum {
                namespace: "shop".to_owned(),
                metric: "Time".to_owned(),
                dimensions: vec![pair("Service", "orders"), pair("Stage", "dev")],
                values: vec![1.0, 2.5],
                unit: Unit::parse("Milliseconds").unwrap(),
                resolution: Resolution::High,
                at: NOW,
            }
        );
        assert_eq!(extracted.data[2].dimensions, []);
    }

    #[test]
    fn a_line_that_breaks_a_rule_has_no_metrics() {
        let directive = "/_aws/CloudWatchMetrics/0";
        for (path, value) in [
            ("/_aws/Timestamp", json!(NOW.0 - 15 * 24 * 3_600_000)),
            ("/_aws/Timestamp", json!(NOW.0 + 3 * 3_600_000)),
            ("/_aws/Timestamp", json!("now")),
            ("/_aws/CloudWatchMetrics", json!({})),
            (&format!("{directive}/Namespace"), json!("")),
            (&format!("{directive}/Dimensions"), json!(["Service"])),
            (&format!("{directive}/Dimensions"), json!([["Missing"]])),
            (
                &format!("{directive}/Dimensions/0"),
                json!(vec!["Service"; 31]),
            ),
            (&format!("{directive}/Metrics/0/Unit"), json!("Bananas")),
            (
                &format!("{directive}/Metrics/0/StorageResolution"),
                json!(5),
            ),
            (
                &format!("{directive}/Metrics"),
                json!(vec![json!({"Name": "Time"}); 101]),
            ),
            ("/Service", json!(5)),
            ("/Service", json!("x".repeat(1025))),
        ] {
            let mut line = line();
            *line.pointer_mut(path).unwrap() = value;
            let extracted = extract(&line.to_string(), NOW);
            assert!(extracted.invalid, "{path}");
            assert_eq!(extracted.data, [], "{path}");
        }
    }

    #[test]
    fn a_metric_without_a_number_is_left_out_and_the_others_stand() {
        for wrong in [json!("5"), json!(null), json!([]), json!(vec![1; 101])] {
            let mut line = line();
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"] =
                json!([{"Name": "Time"}, {"Name": "Other"}]);
            line["Other"] = wrong;
            let extracted = extract(&line.to_string(), NOW);
            assert!(extracted.invalid);
            assert_eq!(extracted.data.len(), 3);
        }
    }

    #[test]
    fn what_isnt_json_is_unreadable_and_what_only_mentions_it_is_nothing() {
        assert!(extract("{\"_aws\": ", NOW).unreadable);
        assert!(extract("\"_aws\"", NOW).unreadable);
        let other = extract("{\"a\": \"\\\"_aws\\\"\"}", NOW);
        assert!(!other.unreadable && !other.invalid && other.data.is_empty());
        assert!(may_hold("{\"_aws\":{}}"));
        assert!(!may_hold("START RequestId: x"));
    }
}
