//! What an alarm says of the values it sees, and in which words. Pure.
//!
//! As AWS has it [CWG, Configuring how CloudWatch alarms treat missing data]: an alarm looks at more periods than it
//! evaluates. If enough of them have values, the latest of those count and what missing values mean doesn't matter;
//! else all that there are count, and as many missing ones as are needed are filled in.

use serde_json::{Value, json};

use super::alarm::{Missing, Settings, StateValue, Watched};
use crate::clock::Millis;

/// So many periods more than it evaluates an alarm looks at: those of the guide's examples.
pub const EXTRA: i64 = 2;
/// AWS's limit of a state's reason.
const LONGEST_REASON: usize = 1023;
/// AWS's limit of a state's data.
const LONGEST_DATA: usize = 4000;

/// A value of one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When the period begins.
    pub at: Millis,
    /// The statistic.
    pub value: f64,
    /// How many values it is from; unknown of metric math.
    pub samples: Option<f64>,
}

/// A state that an alarm should have, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The state.
    pub value: StateValue,
    /// Why, for people.
    pub reason: String,
    /// The values that counted, the latest first.
    pub evaluated: Vec<Point>,
    /// How many missing ones were filled in.
    pub filled: usize,
}

/// What an alarm says, given the periods it looks at, the latest first; nothing if its state stays.
pub fn verdict(settings: &Settings, periods: &[Option<Point>]) -> Option<Verdict> {
    let n = usize::try_from(settings.evaluation_periods).ok()?;
    let m = settings
        .datapoints_to_alarm
        .and_then(|m| usize::try_from(m).ok())
        .unwrap_or(n);
    // Alarms on DynamoDB's metrics always ignore missing values [CloudWatch model, PutMetricAlarm].
    let of_dynamodb = matches!(&settings.watched, Watched::Metric { namespace, .. } if namespace == "AWS/DynamoDB");
    let missing = if of_dynamodb {
        Missing::Ignore
    } else {
        settings.missing.unwrap_or(Missing::Missing)
    };
    let past = |point: &Point| settings.comparison.is_past(point.value, settings.threshold);
    let evaluated: Vec<Point> = periods.iter().flatten().take(n).copied().collect();
    let filled = n - evaluated.len();
    let breaching = evaluated.iter().filter(|point| past(point)).count();
    let all_breach = breaching == evaluated.len();

    let value = if filled == 0 || breaching >= m {
        if breaching >= m {
            StateValue::Alarm
        } else {
            StateValue::Ok
        }
    } else {
        match missing {
            Missing::Breaching if breaching + filled >= m => StateValue::Alarm,
            Missing::Missing if evaluated.is_empty() => StateValue::InsufficientData,
            Missing::Missing if all_breach => {
                // The oldest is as old as M periods and nothing since was well: waiting longer wouldn't help.
                let age = periods
                    .iter()
                    .rposition(Option::is_some)
                    .map_or(0, |index| index + 1);
                if age < m {
                    return None;
                }
                StateValue::Alarm
            }
            Missing::Ignore if all_breach => return None,
            _ => StateValue::Ok,
        }
    };
    Some(Verdict {
        value,
        reason: reason(settings, value, &evaluated, filled, missing, m),
        evaluated,
        filled,
    })
}

/// Whether a percentile has too few values to say something, and the alarm is to stay silent then.
pub fn is_too_few(settings: &Settings, percentile: f64, point: &Point) -> bool {
    if settings.low_samples.as_deref() != Some("ignore") {
        return false;
    }
    // 10 / (1 - p) from the median on, else 10 / p [CWG, Percentile-based alarms and low data samples].
    let part = percentile / 100.0;
    let rest = if part >= 0.5 { 1.0 - part } else { part };
    point
        .samples
        .is_some_and(|samples| rest > 0.0 && samples < 10.0 / rest)
}

fn reason(
    settings: &Settings,
    value: StateValue,
    evaluated: &[Point],
    filled: usize,
    missing: Missing,
    m: usize,
) -> String {
    let plural = |count: usize, word: &str| {
        if count == 1 {
            format!("{count} {word}")
        } else {
            format!("{count} {word}s")
        }
    };
    let was = |count: usize| if count == 1 { "was" } else { "were" };
    let treated = match missing {
        Missing::Breaching => Some("[Breaching]"),
        Missing::NotBreaching => Some("[NonBreaching]"),
        Missing::Ignore | Missing::Missing => None,
    };
    let filled_in = treated.filter(|_| filled > 0).map(|treated| {
        format!(
            "{} {} treated as {treated}",
            plural(filled, "missing datapoint"),
            was(filled)
        )
    });
    if evaluated.is_empty() {
        return match filled_in {
            Some(filled_in) => format!(
                "Threshold Crossed: no datapoints were received for {} and {filled_in}.",
                plural(filled, "period")
            ),
            None => format!(
                "Insufficient Data: {} {} unknown.",
                plural(filled, "datapoint"),
                was(filled)
            ),
        };
    }
    // What decided: those past the threshold if there is an alarm, else those that aren't.
    let alarm = value == StateValue::Alarm;
    let decided: Vec<&Point> = evaluated
        .iter()
        .filter(|point| settings.comparison.is_past(point.value, settings.threshold) == alarm)
        .collect();
    let decided: Vec<&Point> = if decided.is_empty() {
        evaluated.iter().collect()
    } else {
        decided
    };
    let list: Vec<String> = decided
        .iter()
        .take(5)
        .map(|point| format!("{} ({})", number(point.value), day(point.at)))
        .collect();
    let count = decided.len();
    let counted = if settings.datapoints_to_alarm.is_some() {
        format!(
            "{count} out of the last {}",
            plural(evaluated.len(), "datapoint").replace("1 datapoint", "1 datapoints")
        )
    } else {
        plural(count, "datapoint")
    };
    let not = if alarm { "" } else { "not " };
    let mut reason = format!(
        "Threshold Crossed: {counted} [{}] {} {not}{} the threshold ({})",
        list.join(", "),
        was(count),
        settings.comparison.words(),
        number(settings.threshold)
    );
    if let Some(filled_in) = filled_in {
        reason.push_str(" and ");
        reason.push_str(&filled_in);
    }
    if settings.datapoints_to_alarm.is_some() {
        let (needed, change) = if alarm {
            (m, "OK -> ALARM")
        } else {
            let n = usize::try_from(settings.evaluation_periods).unwrap_or(m);
            (n + 1 - m.min(n), "ALARM -> OK")
        };
        reason.push_str(" (minimum ");
        reason.push_str(&plural(needed, "datapoint"));
        reason.push_str(" for ");
        reason.push_str(change);
        reason.push_str(" transition)");
    }
    reason.push('.');
    reason.chars().take(LONGEST_REASON).collect()
}

/// A state's reason for machines.
pub fn data(settings: &Settings, verdict: &Verdict, periods: &[Millis], now: Millis) -> String {
    let mut data = json!({ "version": "1.0", "queryDate": long(now) });
    if let Some(oldest) = verdict.evaluated.last() {
        data["startDate"] = long(oldest.at).into();
    }
    if let Watched::Metric {
        statistic, unit, ..
    } = &settings.watched
    {
        if let Some(unit) = unit {
            data["unit"] = unit.name().into();
        }
        data["statistic"] = statistic.clone().into();
    }
    data["period"] = settings.period().into();
    // The oldest first here, the latest first below, as AWS has it.
    data["recentDatapoints"] = verdict
        .evaluated
        .iter()
        .rev()
        .map(|point| Value::from(point.value))
        .collect();
    data["threshold"] = settings.threshold.into();
    let absent = periods
        .iter()
        .filter(|at| !verdict.evaluated.iter().any(|point| point.at == **at))
        .take(verdict.filled)
        .map(|at| (*at, json!({ "timestamp": long(*at) })));
    let mut evaluated: Vec<(Millis, Value)> = verdict
        .evaluated
        .iter()
        .map(|point| {
            let mut shown = json!({ "timestamp": long(point.at) });
            if let Some(samples) = point.samples {
                shown["sampleCount"] = samples.into();
            }
            shown["value"] = point.value.into();
            (point.at, shown)
        })
        .chain(absent)
        .collect();
    evaluated.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    data["evaluatedDatapoints"] = evaluated.into_iter().map(|(_, shown)| shown).collect();
    let mut text = data.to_string();
    if text.len() > LONGEST_DATA
        && let Some(members) = data.as_object_mut()
    {
        members.remove("evaluatedDatapoints");
        text = data.to_string();
    }
    text
}

/// `2019-10-02T16:59:00.000+0000`.
fn long(at: Millis) -> String {
    at.iso().replace('Z', "+0000")
}

/// `02/10/19 16:59:00`: the day comes first.
fn day(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .strftime("%d/%m/%y %H:%M:%S")
        .to_string()
}

/// A number as Java writes it, for AWS does: `21.0`, `1.0E7`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, power)) if digits.contains('.') => format!("{digits}E{power}"),
            Some((digits, power)) => format!("{digits}.0E{power}"),
            None => text,
        };
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::{Point, StateValue, data, is_too_few, number, verdict};
    use crate::{
        clock::Millis,
        cloudwatch::alarm::{Comparison, Missing, Settings, Watched},
    };

    const ALL: [Option<Missing>; 4] = [
        Some(Missing::Missing),
        Some(Missing::Ignore),
        Some(Missing::Breaching),
        Some(Missing::NotBreaching),
    ];

    fn settings(n: i64, m: Option<i64>, missing: Option<Missing>) -> Settings {
        Settings {
            name: "test".to_owned(),
            description: None,
            actions_enabled: true,
            ok_actions: Vec::new(),
            alarm_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
            watched: Watched::Metric {
                namespace: "test".to_owned(),
                metric: "metric".to_owned(),
                dimensions: Vec::new(),
                statistic: "Sum".to_owned(),
                period: 60,
                unit: None,
            },
            evaluation_periods: n,
            datapoints_to_alarm: m,
            threshold: 1.0,
            comparison: Comparison::GreaterThanThreshold,
            missing,
            low_samples: None,
        }
    }

    /// The guide's notation, the oldest first: `0` is well, `X` past the threshold, `-` missing.
    fn periods(text: &str) -> Vec<Option<Point>> {
        text.split(' ')
            .rev()
            .zip(1..)
            .map(|(sign, age): (&str, i64)| {
                let value = match sign {
                    "0" => 0.0,
                    "X" => 5.0,
                    _ => return None,
                };
                Some(Point {
                    at: Millis(1_570_035_600_000 - age * 60_000),
                    value,
                    samples: Some(1.0),
                })
            })
            .collect()
    }

    fn states(m: i64, text: &str) -> [Option<StateValue>; 4] {
        ALL.map(|missing| {
            verdict(&settings(3, Some(m), missing), &periods(text)).map(|verdict| verdict.value)
        })
    }

    const OK: Option<StateValue> = Some(StateValue::Ok);
    const ALARM: Option<StateValue> = Some(StateValue::Alarm);
    const UNKNOWN: Option<StateValue> = Some(StateValue::InsufficientData);
    const STAYS: Option<StateValue> = None;

    #[test]
    fn three_out_of_three_is_decided_as_in_the_guides_table() {
        for (text, expected) in [
            ("0 - X - X", [OK, OK, OK, OK]),
            ("0 - - - -", [OK, OK, OK, OK]),
            ("- - - - -", [UNKNOWN, STAYS, ALARM, OK]),
            ("0 X X - X", [ALARM, ALARM, ALARM, ALARM]),
            ("- - X - -", [ALARM, STAYS, ALARM, OK]),
            // Not yet: the next value may be well.
            ("- - - - X", [STAYS, STAYS, ALARM, OK]),
        ] {
            assert_eq!(states(3, text), expected, "{text}");
        }
    }

    #[test]
    fn two_out_of_three_is_decided_as_in_the_guides_table() {
        for (text, expected) in [
            ("0 - X - X", [ALARM, ALARM, ALARM, ALARM]),
            ("0 0 X 0 X", [ALARM, ALARM, ALARM, ALARM]),
            ("0 - X - -", [OK, OK, ALARM, OK]),
            ("- - - - 0", [OK, OK, ALARM, OK]),
            ("- - - X -", [ALARM, STAYS, ALARM, OK]),
        ] {
            assert_eq!(states(2, text), expected, "{text}");
        }
    }

    #[test]
    fn alarms_on_dynamodb_ignore_missing_values_whatever_they_are_told() {
        let mut settings = settings(1, None, Some(Missing::Breaching));
        if let Watched::Metric { namespace, .. } = &mut settings.watched {
            "AWS/DynamoDB".clone_into(namespace);
        }
        assert_eq!(verdict(&settings, &periods("- - -")), None);
    }

    fn reason(n: i64, m: Option<i64>, missing: Option<Missing>, text: &str) -> String {
        verdict(&settings(n, m, missing), &periods(text))
            .unwrap()
            .reason
    }

    #[test]
    fn reasons_are_in_awss_words() {
        assert_eq!(
            reason(1, None, None, "X"),
            "Threshold Crossed: 1 datapoint [5.0 (02/10/19 16:59:00)] was greater than the threshold (1.0)."
        );
        assert_eq!(
            reason(1, None, None, "0"),
            "Threshold Crossed: 1 datapoint [0.0 (02/10/19 16:59:00)] was not greater than the threshold (1.0)."
        );
        assert_eq!(
            reason(1, Some(1), None, "X"),
            "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (02/10/19 16:59:00)] was greater than \
             the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
        );
        assert_eq!(
            reason(2, Some(2), None, "X X"),
            "Threshold Crossed: 2 out of the last 2 datapoints [5.0 (02/10/19 16:59:00), 5.0 (02/10/19 16:58:00)] \
             were greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
        );
        assert_eq!(
            reason(2, None, Some(Missing::Breaching), "- -"),
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as \
             [Breaching]."
        );
        assert_eq!(
            reason(1, None, Some(Missing::NotBreaching), "-"),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as \
             [NonBreaching]."
        );
        assert_eq!(
            reason(1, None, None, "-"),
            "Insufficient Data: 1 datapoint was unknown."
        );
    }

    #[test]
    fn the_reason_for_machines_has_the_values_and_the_missing_ones() {
        let settings = settings(3, Some(1), Some(Missing::NotBreaching));
        let periods = periods("- X 0");
        let at: Vec<Millis> = (1..=3)
            .map(|age| Millis(1_570_035_600_000 - age * 60_000))
            .collect();
        let verdict = verdict(&settings, &periods).unwrap();
        let data: serde_json::Value =
            serde_json::from_str(&data(&settings, &verdict, &at, Millis(1_570_035_600_985)))
                .unwrap();
        assert_eq!(data["queryDate"], "2019-10-02T17:00:00.985+0000");
        assert_eq!(data["startDate"], "2019-10-02T16:58:00.000+0000");
        assert_eq!(data["recentDatapoints"], serde_json::json!([5.0, 0.0]));
        assert_eq!(
            data["evaluatedDatapoints"],
            serde_json::json!([
                {"timestamp": "2019-10-02T16:59:00.000+0000", "sampleCount": 1.0, "value": 0.0},
                {"timestamp": "2019-10-02T16:58:00.000+0000", "sampleCount": 1.0, "value": 5.0},
                {"timestamp": "2019-10-02T16:57:00.000+0000"},
            ])
        );
    }

    #[test]
    fn a_percentile_of_few_values_says_nothing_if_it_is_told_so() {
        let mut settings = settings(1, None, None);
        let point = |samples| Point {
            at: Millis(0),
            value: 1.0,
            samples: Some(samples),
        };
        assert!(!is_too_few(&settings, 99.0, &point(1.0)));
        settings.low_samples = Some("ignore".to_owned());
        assert!(is_too_few(&settings, 99.0, &point(990.0)));
        assert!(!is_too_few(&settings, 99.0, &point(1010.0)));
        assert!(is_too_few(&settings, 10.0, &point(99.0)));
    }

    #[test]
    fn numbers_are_written_as_java_writes_them() {
        for (value, text) in [
            (21.0, "21.0"),
            (0.0, "0.0"),
            (-0.5, "-0.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
