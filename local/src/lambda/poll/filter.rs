//! Event filters: which messages a function is invoked with. Pure.
//!
//! A pattern is an event rule's: an object whose leaves are lists of what may match (EventBridge's guide, "Event patterns").
//! Of a message's body, what it says is matched where the pattern says something of it, else its text.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A mapping's filters, read once.
#[derive(Debug)]
pub(super) struct Filters {
    patterns: Vec<Map<String, Value>>,
    /// None was given: everything matches.
    is_open: bool,
}

impl Filters {
    /// Reads them; what isn't a pattern matches nothing.
    pub fn new(patterns: &[String]) -> Self {
        Self {
            is_open: patterns.is_empty(),
            patterns: patterns
                .iter()
                .filter_map(|pattern| serde_json::from_str(pattern).ok())
                .collect(),
        }
    }

    /// Whether everything matches.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether a message, as the function would see it, matches one of them.
    pub fn match_record(&self, record: &Value) -> bool {
        if self.is_open {
            return true;
        }
        let body = record.get("body").and_then(Value::as_str);
        let read: Option<Value> = body.and_then(|body| serde_json::from_str(body).ok());
        self.patterns.iter().any(|pattern| {
            pattern.iter().all(|(field, wanted)| {
                let found = match (field.as_str(), wanted) {
                    ("body", Value::Object(_)) => read.as_ref(),
                    ("body", _) if read.as_ref().is_some_and(Value::is_object) => None,
                    _ => record.get(field),
                };
                if field == "$or" {
                    is_any(wanted, Some(record))
                } else {
                    is_field(wanted, found)
                }
            })
        })
    }
}

fn is_any(wanted: &Value, found: Option<&Value>) -> bool {
    wanted.as_array().is_some_and(|branches| {
        branches
            .iter()
            .filter_map(Value::as_object)
            .any(|branch| are_fields(branch, found))
    })
}

fn are_fields(pattern: &Map<String, Value>, found: Option<&Value>) -> bool {
    pattern.iter().all(|(field, wanted)| {
        if field == "$or" && wanted.is_array() {
            is_any(wanted, found)
        } else {
            is_field(wanted, found.and_then(|found| found.get(field)))
        }
    })
}

fn is_field(wanted: &Value, found: Option<&Value>) -> bool {
    match (wanted, found) {
        (Value::Object(inner), Some(Value::Array(elements))) => elements
            .iter()
            .any(|element| are_fields(inner, Some(element))),
        (Value::Object(inner), _) => are_fields(inner, found),
        (Value::Array(choices), Some(Value::Array(elements))) => choices.iter().any(|choice| {
            if choice.get("exists").is_some() {
                is_choice(choice, found)
            } else {
                elements
                    .iter()
                    .any(|element| is_choice(choice, Some(element)))
            }
        }),
        (Value::Array(choices), _) => choices.iter().any(|choice| is_choice(choice, found)),
        _ => false,
    }
}

fn is_choice(choice: &Value, found: Option<&Value>) -> bool {
    let Value::Object(operator) = choice else {
        return found.is_some_and(|found| are_equal(choice, found));
    };
    let Some((name, with)) = operator.iter().next() else {
        return false;
    };
    if name == "exists" {
        return Some(found.is_some()) == with.as_bool();
    }
    let Some(found) = found else { return false };
    match name.as_str() {
        "anything-but" => !is_any_of(with, found),
        "numeric" => found.as_f64().is_some_and(|number| compares(with, number)),
        _ => found.as_str().is_some_and(|text| is_text(name, with, text)),
    }
}

/// What `anything-but` refuses.
fn is_any_of(with: &Value, found: &Value) -> bool {
    match with {
        Value::Array(values) => values.iter().any(|value| are_equal(value, found)),
        Value::Object(operator) => operator.iter().any(|(name, with)| {
            let texts = with
                .as_array()
                .map_or(std::slice::from_ref(with), |all| all);
            found
                .as_str()
                .is_some_and(|found| texts.iter().any(|text| is_text(name, text, found)))
        }),
        value => are_equal(value, found),
    }
}

fn is_text(name: &str, with: &Value, text: &str) -> bool {
    if let Some(with) = with.get("equals-ignore-case").and_then(Value::as_str) {
        let (text, with) = (text.to_lowercase(), with.to_lowercase());
        return match name {
            "prefix" => text.starts_with(&with),
            "suffix" => text.ends_with(&with),
            _ => false,
        };
    }
    let Some(with) = with.as_str() else {
        return false;
    };
    match name {
        "prefix" => text.starts_with(with),
        "suffix" => text.ends_with(with),
        "equals-ignore-case" => text.to_lowercase() == with.to_lowercase(),
        "wildcard" => is_wildcard(with, text),
        "cidr" => is_within(with, text).unwrap_or(false),
        _ => false,
    }
}

fn are_equal(wanted: &Value, found: &Value) -> bool {
    match (wanted.as_f64(), found.as_f64()) {
        (Some(wanted), Some(found)) => (wanted - found).abs() <= f64::EPSILON * wanted.abs(),
        _ => wanted == found,
    }
}

/// `[">", 0, "<=", 5]`.
fn compares(with: &Value, number: f64) -> bool {
    with.as_array().is_some_and(|parts| {
        !parts.is_empty()
            && parts.chunks(2).all(|pair| match pair {
                [operator, than] => match (operator.as_str(), than.as_f64()) {
                    (Some("="), Some(_)) => are_equal(than, &Value::from(number)),
                    (Some("<"), Some(than)) => number < than,
                    (Some("<="), Some(than)) => number <= than,
                    (Some(">"), Some(than)) => number > than,
                    (Some(">="), Some(than)) => number >= than,
                    _ => false,
                },
                _ => false,
            })
    })
}

/// `*` stands for any characters. Each part is looked for once, from where the one before it ended.
fn is_wildcard(with: &str, text: &str) -> bool {
    let mut parts = with.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.collect::<Vec<_>>();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether an address is in a network, `10.0.0.0/24`.
fn is_within(network: &str, address: &str) -> Option<bool> {
    let (network, bits) = network.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let (network, width) = number(network.parse().ok()?);
    let (address, other) = number(address.parse().ok()?);
    let rest = width.checked_sub(bits)?;
    let shifted = |number: u128| number.checked_shr(rest).unwrap_or(0);
    Some(width == other && shifted(network) == shifted(address))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: &Value, body: &str) -> bool {
        let record = json!({
            "body": body,
            "messageAttributes": {"kind": {"stringValue": "chat", "dataType": "String"}},
        });
        Filters::new(&[pattern.to_string()]).match_record(&record)
    }

    #[test]
    fn a_message_that_says_what_a_pattern_wants_matches() {
        let body = r#"{"room":"blue","n":5,"tags":["a","b"],"none":null,"from":{"ip":"10.0.0.7","name":"Ann"}}"#;
        for (pattern, expected) in [
            (json!({"room": ["blue", "red"]}), true),
            (json!({"room": ["red"]}), false),
            (json!({"room": ["blue"], "n": [6]}), false),
            (json!({"n": [5.0]}), true),
            (json!({"none": [null]}), true),
            (json!({"tags": ["b"]}), true),
            (json!({"tags": ["c"]}), false),
            (json!({"room": [{"prefix": "bl"}]}), true),
            (json!({"room": [{"suffix": "bl"}]}), false),
            (
                json!({"room": [{"suffix": {"equals-ignore-case": "UE"}}]}),
                true,
            ),
            (json!({"room": [{"equals-ignore-case": "BLUE"}]}), true),
            (json!({"room": [{"wildcard": "b*u*"}]}), true),
            (json!({"room": [{"wildcard": "b*x*"}]}), false),
            (json!({"room": [{"anything-but": ["blue"]}]}), false),
            (json!({"room": [{"anything-but": "red"}]}), true),
            (json!({"room": [{"anything-but": {"prefix": "b"}}]}), false),
            (json!({"n": [{"numeric": [">", 0, "<=", 5]}]}), true),
            (json!({"n": [{"numeric": ["=", 4]}]}), false),
            (json!({"gone": [{"exists": false}]}), true),
            (json!({"tags": [{"exists": false}]}), false),
            (
                json!({"from": {"name": ["Ann"], "ip": [{"cidr": "10.0.0.0/24"}]}}),
                true,
            ),
            (json!({"from": {"ip": [{"cidr": "10.0.1.0/24"}]}}), false),
            (json!({"$or": [{"room": ["red"]}, {"n": [5]}]}), true),
            (json!({"$or": [{"room": ["red"]}, {"n": [6]}]}), false),
        ] {
            assert_eq!(
                matches(&json!({"body": pattern}), body),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_body_that_isnt_json_is_matched_as_text_and_only_so() {
        assert!(matches(&json!({"body": ["hello"]}), "hello"));
        assert!(!matches(&json!({"body": ["other"]}), "hello"));
        assert!(!matches(&json!({"body": {"a": ["b"]}}), "hello"));
        assert!(!matches(&json!({"body": [r#"{"a":1}"#]}), r#"{"a":1}"#));
        let kind = json!({"messageAttributes": {"kind": {"stringValue": ["chat"]}}});
        assert!(matches(&kind, "hello"));
    }

    #[test]
    fn one_of_several_filters_is_enough_and_none_lets_everything_through() {
        let record = json!({"body": "b"});
        let of = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|text| (*text).to_owned()).collect();
            Filters::new(&patterns).match_record(&record)
        };
        assert!(of(&[]));
        assert!(of(&[r#"{"body":["a"]}"#, r#"{"body":["b"]}"#]));
        assert!(!of(&[r#"{"body":["a"]}"#]));
        assert!(!of(&["broken"]));
    }
}
