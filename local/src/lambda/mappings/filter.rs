//! Whether a text is an event pattern: what AWS takes as a filter. Pure; the pollers match messages themselves.

use serde_json::{Map, Value};

/// Deeper patterns are refused.
const DEPTH: usize = 32;

/// Whether it's a pattern: an object whose leaves are lists of what may match.
pub(super) fn is_pattern(text: &str) -> bool {
    match serde_json::from_str(text) {
        Ok(Value::Object(pattern)) => !pattern.is_empty() && are_fields(&pattern, DEPTH),
        _ => false,
    }
}

fn are_fields(fields: &Map<String, Value>, depth: usize) -> bool {
    depth > 0
        && fields.iter().all(|(name, value)| match value {
            Value::Array(branches) if name == "$or" => {
                branches.len() > 1
                    && branches.iter().all(|branch| {
                        branch
                            .as_object()
                            .is_some_and(|branch| are_fields(branch, depth - 1))
                    })
            }
            Value::Array(choices) => !choices.is_empty() && choices.iter().all(is_choice),
            Value::Object(inner) => !inner.is_empty() && are_fields(inner, depth - 1),
            _ => false,
        })
}

fn is_choice(choice: &Value) -> bool {
    match choice {
        Value::Object(operator) if operator.len() == 1 => {
            operator.iter().all(|(name, with)| is_operator(name, with))
        }
        Value::Object(_) | Value::Array(_) => false,
        _ => true,
    }
}

fn is_operator(name: &str, with: &Value) -> bool {
    match name {
        "exists" => with.is_boolean(),
        "prefix" | "suffix" => {
            with.is_string() || with.get("equals-ignore-case").is_some_and(Value::is_string)
        }
        "equals-ignore-case" | "wildcard" | "cidr" => with.is_string(),
        "numeric" => is_comparison(with),
        "anything-but" => match with {
            Value::Array(values) => {
                !values.is_empty()
                    && values
                        .iter()
                        .all(|value| value.is_string() || value.is_number())
            }
            Value::Object(inner) => {
                inner.len() == 1
                    && inner.iter().all(|(name, with)| {
                        ["prefix", "suffix", "equals-ignore-case", "wildcard"]
                            .contains(&name.as_str())
                            && (with.is_string()
                                || with
                                    .as_array()
                                    .is_some_and(|values| values.iter().all(Value::is_string)))
                    })
            }
            value => value.is_string() || value.is_number(),
        },
        _ => false,
    }
}

/// `[">", 0, "<=", 5]`.
fn is_comparison(with: &Value) -> bool {
    let Some(parts) = with.as_array() else {
        return false;
    };
    let is_pair = |pair: &[Value]| match pair {
        [operator, number] => {
            number.is_number()
                && operator
                    .as_str()
                    .is_some_and(|operator| ["=", "<", "<=", ">", ">="].contains(&operator))
        }
        _ => false,
    };
    matches!(parts.len(), 2 | 4) && parts.chunks(2).all(is_pair)
}

#[cfg(test)]
mod tests {
    use super::is_pattern;

    #[test]
    fn patterns_are_told_from_what_is_none() {
        for pattern in [
            r#"{"body":{"a":["b",1,null,true]}}"#,
            r#"{"body":{"a":[{"exists":false}],"n":[{"numeric":[">",0,"<=",5]}]}}"#,
            r#"{"body":{"a":[{"prefix":"x"},{"anything-but":["y"]}]}}"#,
            r#"{"$or":[{"a":["1"]},{"b":["2"]}]}"#,
            r#"{"body":["plain"]}"#,
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for other in [
            "",
            "simple string",
            "[]",
            "{}",
            r#"{"body":"b"}"#,
            r#"{"body":{"a":[]}}"#,
            r#"{"body":{"a":[{"numeric":[">"]}]}}"#,
            r#"{"body":{"a":[{"unknown":1}]}}"#,
            r#"{"eventSource":"aws:sqs"}"#,
        ] {
            assert!(!is_pattern(other), "{other}");
        }
    }

    #[test]
    fn a_pattern_that_is_too_deep_is_refused_and_breaks_nothing() {
        let deep = format!("{}[1]{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        assert!(!is_pattern(&deep));
    }
}
