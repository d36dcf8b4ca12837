//! Members of CloudWatch's calls, and its errors. Pure.
//!
//! CloudWatch is spoken in CBOR, JSON and the query protocol, where numbers are strings: both are accepted everywhere.

use serde_json::{Map, Value};

use super::unit::Unit;
use crate::{
    call::TIMESTAMP,
    clock::Millis,
    error::{AwsError, Result},
};

/// What the model's constraints say of a call.
pub fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "ValidationException", message).query("ValidationError")
}

/// A single broken constraint, in AWS's words.
pub fn broken(value: &str, at: &str, constraint: &str) -> AwsError {
    validation(format!(
        "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"
    ))
}

/// A parameter's value is wrong.
pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message).query("InvalidParameterValue")
}

/// Two parameters don't go together.
pub fn combination(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterCombinationException", message)
        .query("InvalidParameterCombination")
}

/// A parameter isn't there.
pub fn missing(name: &str) -> AwsError {
    AwsError::new(
        400,
        "MissingRequiredParameterException",
        format!("The parameter {name} is required."),
    )
    .query("MissingParameter")
}

/// A page's token isn't one of ours.
pub fn bad_token() -> AwsError {
    AwsError::new(400, "InvalidNextToken", "Invalid NextToken").query("InvalidNextToken")
}

/// An alarm isn't there. AWS says no more than the code [localstack's snapshots of AWS, SetAlarmState].
pub fn no_alarm() -> AwsError {
    AwsError::new(404, "ResourceNotFound", "").query("ResourceNotFound")
}

/// Members of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Those of a call.
    pub fn of(members: &'a Map<String, Value>) -> Self {
        Self { members }
    }

    /// Those of a value that should be a structure.
    pub fn in_value(value: &'a Value, at: &str) -> Result<Self> {
        value
            .as_object()
            .map(Self::of)
            .ok_or_else(|| malformed(at, "a structure"))
    }

    /// A member; nothing if it's absent or null.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Whether a member is there.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text.
    pub fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| malformed(name, "a string")))
            .transpose()
    }

    /// A text that must be there, not longer than this.
    pub fn required(self, name: &str, longest: usize) -> Result<&'a str> {
        let text = self
            .text(name)?
            .ok_or_else(|| broken("null", &lower(name), "Member must not be null"))?;
        length(text, name, 1, longest)?;
        Ok(text)
    }

    /// A text, not longer than this.
    pub fn optional(self, name: &str, longest: usize) -> Result<Option<&'a str>> {
        let text = self.text(name)?;
        if let Some(text) = text {
            length(text, name, 1, longest)?;
        }
        Ok(text)
    }

    /// One of a few words.
    pub fn word(self, name: &str, words: &[&str]) -> Result<Option<&'a str>> {
        let word = self.text(name)?;
        if let Some(word) = word
            && !words.contains(&word)
        {
            return Err(broken(
                &format!("'{word}'"),
                &lower(name),
                &format!("Member must satisfy enum value set: [{}]", words.join(", ")),
            ));
        }
        Ok(word)
    }

    /// A number.
    pub fn number(self, name: &str) -> Result<Option<f64>> {
        self.get(name)
            .map(|value| number(value).ok_or_else(|| malformed(name, "a number")))
            .transpose()
    }

    /// A whole number within bounds.
    pub fn whole(self, name: &str, least: i64, most: i64) -> Result<Option<i64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let whole = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        let whole = whole.ok_or_else(|| malformed(name, "an integer"))?;
        let bound = |word: &str, bound: i64| {
            broken(
                &format!("'{whole}'"),
                &lower(name),
                &format!("Member must have value {word} than or equal to {bound}"),
            )
        };
        if whole < least {
            return Err(bound("greater", least));
        }
        if whole > most {
            return Err(bound("less", most));
        }
        Ok(Some(whole))
    }

    /// A truth.
    pub fn truth(self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| match value {
                Value::Bool(truth) => Ok(*truth),
                Value::String(text) if text == "true" => Ok(true),
                Value::String(text) if text == "false" => Ok(false),
                _ => Err(malformed(name, "a boolean")),
            })
            .transpose()
    }

    /// A list; empty if it's absent.
    pub fn list(self, name: &str) -> Result<&'a [Value]> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            // An empty list in the query protocol is an empty text.
            Some(Value::String(text)) if text.is_empty() => Ok(&[]),
            Some(_) => Err(malformed(name, "a list")),
        }
    }

    /// A list of texts, each not longer than this.
    pub fn texts(self, name: &str, most: usize, longest: usize) -> Result<Vec<String>> {
        let list = self.list(name)?;
        if list.len() > most {
            return Err(broken(
                &format!("'{}'", shown(list)),
                &lower(name),
                &format!("Member must have length less than or equal to {most}"),
            ));
        }
        list.iter()
            .map(|value| {
                let text = value.as_str().ok_or_else(|| malformed(name, "strings"))?;
                length(text, name, 1, longest)?;
                Ok(text.to_owned())
            })
            .collect()
    }

    /// A point in time: seconds, or ISO.
    pub fn time(self, name: &str) -> Result<Option<Millis>> {
        self.get(name)
            .map(|value| time(value).ok_or_else(|| malformed(name, "a timestamp")))
            .transpose()
    }

    /// A unit.
    pub fn unit(self, name: &str) -> Result<Option<Unit>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        Unit::parse(text).map(Some).ok_or_else(|| {
            broken(
                &format!("'{text}'"),
                &lower(name),
                &format!("Member must satisfy enum value set: [{}]", Unit::list()),
            )
        })
    }

    /// Dimensions: names and values, as they were sent.
    pub fn dimensions(self, name: &str) -> Result<Vec<(String, String)>> {
        let list = self.list("Dimensions")?;
        if list.len() > 30 {
            return Err(invalid(format!(
                "The collection {name} must not have a size greater than 30."
            )));
        }
        let mut dimensions: Vec<(String, String)> = Vec::with_capacity(list.len());
        for (index, dimension) in list.iter().enumerate() {
            let members = Self::in_value(dimension, name)?;
            let text = |part: &str, longest: usize| {
                let at = format!("{name}.member.{}.{part}", index + 1);
                let text = members.text(part)?.ok_or_else(|| missing(&at))?;
                let fits = (1..=longest).contains(&text.chars().count())
                    && !text.chars().any(|character| character.is_ascii_control());
                let started = part == "Value" || !text.starts_with(':');
                if fits && started && !text.trim().is_empty() {
                    Ok(text.to_owned())
                } else {
                    Err(invalid(format!(
                        "The value {text} for parameter {at} is invalid."
                    )))
                }
            };
            let (key, value) = (text("Name", 255)?, text("Value", 1024)?);
            if dimensions.iter().any(|(known, _)| *known == key) {
                return Err(invalid(format!(
                    "No Metric Dimension name may be specified more than once: {key}"
                )));
            }
            dimensions.push((key, value));
        }
        Ok(dimensions)
    }
}

/// A number, also in a text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a cast saturates, and no time is that far away"
)]
fn time(value: &Value) -> Option<Millis> {
    let of_seconds = |seconds: f64| {
        seconds
            .is_finite()
            .then(|| Millis((seconds * 1000.0).round() as i64))
    };
    match value {
        Value::Number(seconds) => of_seconds(seconds.as_f64()?),
        Value::Object(marked) => marked.get(TIMESTAMP)?.as_i64().map(Millis),
        Value::String(text) => {
            if let Ok(seconds) = text.parse() {
                return of_seconds(seconds);
            }
            let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
                let civil: jiff::civil::DateTime = text.parse().ok()?;
                jiff::tz::Offset::UTC.to_timestamp(civil).ok()
            })?;
            Some(Millis(at.as_millisecond()))
        }
        _ => None,
    }
}

fn length(text: &str, name: &str, least: usize, longest: usize) -> Result<()> {
    let count = text.chars().count();
    let bound = |word: &str, bound: usize| {
        let shown: String = text.chars().take(200).collect();
        broken(
            &format!("'{shown}'"),
            &lower(name),
            &format!("Member must have length {word} than or equal to {bound}"),
        )
    };
    if count < least {
        return Err(bound("greater", least));
    }
    if count > longest {
        return Err(bound("less", longest));
    }
    Ok(())
}

fn malformed(name: &str, wanted: &str) -> AwsError {
    AwsError::new(
        400,
        "MalformedInput",
        format!("the member {name} should be {wanted}"),
    )
}

fn shown(list: &[Value]) -> String {
    let texts: Vec<&str> = list.iter().take(5).filter_map(Value::as_str).collect();
    format!("[{}]", texts.join(", "))
}

/// `alarmName` of `AlarmName`: how AWS's constraints name members.
pub fn lower(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Members;
    use crate::clock::Millis;

    #[test]
    fn numbers_truths_and_times_are_read_from_every_protocol() {
        let at = Millis(1_700_000_000_000);
        for (number, truth, time) in [
            (json!(5), json!(true), json!(1_700_000_000)),
            (json!("5"), json!("true"), json!("2023-11-14T22:13:20Z")),
            (json!(5.0), json!(true), json!("2023-11-14T22:13:20")),
            (
                json!("5.0"),
                json!("true"),
                json!("2023-11-15T00:13:20+02:00"),
            ),
        ] {
            let value = json!({"n": number, "b": truth, "t": time});
            let members = Members::in_value(&value, "it").unwrap();
            assert_eq!(members.number("n").unwrap(), Some(5.0));
            assert_eq!(members.truth("b").unwrap(), Some(true));
            assert_eq!(members.time("t").unwrap(), Some(at));
        }
    }

    #[test]
    fn a_member_of_a_wrong_kind_is_refused_and_null_is_absent() {
        let value = json!({"a": [], "b": Value::Null, "c": "soon"});
        let members = Members::in_value(&value, "it").unwrap();
        assert!(members.text("a").is_err());
        assert!(members.time("c").is_err());
        assert!(members.number("c").is_err());
        assert_eq!(members.text("b").unwrap(), None);
    }

    #[test]
    fn a_broken_constraint_is_told_in_awss_words() {
        let value = json!({"StateValue": "INVALID"});
        let error = Members::in_value(&value, "it")
            .unwrap()
            .word("StateValue", &["INSUFFICIENT_DATA", "ALARM", "OK"])
            .unwrap_err();
        assert_eq!(
            error.message,
            "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: \
             Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
        );
        assert_eq!(error.query_code, Some("ValidationError"));
    }
}
