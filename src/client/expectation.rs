//! What a message is expected to be.

use regex_lite::Regex;
use serde_json::Value;

/// What a message is expected to be.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// It holds this text.
    Text(String),
    /// The pattern between slashes matches it.
    Pattern(Regex),
    /// It's JSON that has at least these fields, with these values.
    Json(Value),
}

impl Expectation {
    /// Reads `/regex/`, a JSON object or list, or else a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(pattern) = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|pattern| !pattern.is_empty())
        {
            let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
            return Ok(Self::Pattern(pattern));
        }
        Ok(match serde_json::from_str(text) {
            Ok(json @ (Value::Object(_) | Value::Array(_))) => Self::Json(json),
            _ => Self::Text(text.to_owned()),
        })
    }

    /// Whether a message is as expected.
    pub fn is_met_by(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Pattern(pattern) => pattern.is_match(message),
            Self::Json(expected) => {
                serde_json::from_str(message).is_ok_and(|found| is_within(expected, &found))
            }
        }
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Pattern(pattern) => write!(formatter, "/{pattern}/"),
            Self::Json(json) => write!(formatter, "{json}"),
        }
    }
}

/// Whether all of `expected` is in `found`: an object may have more fields, a list may not have more values.
fn is_within(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| is_within(value, found))),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .zip(found)
                    .all(|(expected, found)| is_within(expected, found))
        }
        // 1 and 1.0 are one number.
        (Value::Number(expected), Value::Number(found)) => {
            expected == found || expected.as_f64() == found.as_f64()
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expectation: &str, message: &str) -> bool {
        Expectation::parse(expectation).unwrap().is_met_by(message)
    }

    #[test]
    fn a_text_is_in_the_message() {
        assert!(met("hello", "say hello"));
        assert!(!met("hello", "goodbye"));
        assert!(met("7", "{\"id\":7}"));
        assert!(met("/", "a/b"));
    }

    #[test]
    fn a_pattern_matches_the_message() {
        assert!(met(r"/^\d+$/", "42"));
        assert!(!met(r"/^\d+$/", "42 "));
        assert!(Expectation::parse("/(/").is_err());
    }

    #[test]
    fn json_is_a_part_of_the_message() {
        assert!(met(r#"{"pong":7}"#, r#"{"pong":7.0,"at":1}"#));
        assert!(met(
            r#"{"a":{"b":[1,{"c":2}]}}"#,
            r#"{"a":{"b":[1,{"c":2,"d":3}],"e":4}}"#
        ));
        assert!(!met(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#));
        assert!(!met(r#"{"a":null}"#, r#"{"b":1}"#));
        assert!(!met(r#"{"pong":7}"#, "pong 7"));
    }
}
