//! What a function's resource policy allows. Pure.

use serde_json::Value;

use super::Principal;

/// Whether statements let a service invoke the function for a source.
///
/// The statements are those that `AddPermission` writes: allowing, of one principal, with conditions on the source.
pub(super) fn allows(statements: &[Value], principal: &Principal<'_>) -> bool {
    statements
        .iter()
        .any(|statement| allows_by(statement, principal).unwrap_or_default())
}

/// None: the statement isn't of the shape that's known, and allows nothing.
fn allows_by(statement: &Value, principal: &Principal<'_>) -> Option<bool> {
    let action = statement.get("Action")?.as_str()?;
    if !matches(action.as_bytes(), b"lambda:InvokeFunction") {
        return Some(false);
    }
    let is_meant = match statement.get("Principal")? {
        Value::String(everybody) => everybody == "*",
        named => named.get("Service").and_then(Value::as_str) == Some(principal.service),
    };
    if !is_meant {
        return Some(false);
    }
    let Some(conditions) = statement.get("Condition") else {
        return Some(true);
    };
    for (operator, wants) in conditions.as_object()? {
        for (key, wanted) in wants.as_object()? {
            let wanted = wanted.as_str()?;
            let is_met = match (operator.as_str(), key.as_str()) {
                ("ArnLike", "AWS:SourceArn") => is_arn_like(wanted, principal.source_arn),
                ("StringEquals", "AWS:SourceAccount") => {
                    principal.source_arn.split(':').nth(4) == Some(wanted)
                }
                // Of keys that aren't in the request, no comparison holds.
                _ => false,
            };
            if !is_met {
                return Some(false);
            }
        }
    }
    Some(true)
}

/// `ArnLike`: each of an ARN's six parts is like the pattern's.
fn is_arn_like(pattern: &str, arn: &str) -> bool {
    let mut patterns = pattern.splitn(6, ':');
    let mut parts = arn.splitn(6, ':');
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches(pattern.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// `*` is any text, `?` any one letter. Never slower than the product of the lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while let Some(letter) = text.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(wanted) if wanted == letter || *wanted == b'?' => {
                at += 1;
                seen += 1;
            }
            _ => {
                // The last star takes one letter more.
                let Some((star_at, from)) = star else {
                    return false;
                };
                star = Some((star_at, from + 1));
                at = star_at + 1;
                seen = from + 1;
            }
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|letter| *letter == b'*'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOURCE: &str = "arn:aws:execute-api:eu-west-1:000000000000:abc123/prod/$connect";

    fn asked(source_arn: &'static str) -> Principal<'static> {
        Principal {
            service: "apigateway.amazonaws.com",
            source_arn,
        }
    }

    fn statement(condition: &Value) -> Value {
        json!({
            "Sid": "a",
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": "arn",
            "Condition": condition,
        })
    }

    #[test]
    fn a_source_is_allowed_where_the_pattern_is_like_it() {
        for (pattern, want) in [
            (SOURCE, true),
            ("arn:aws:execute-api:eu-west-1:000000000000:abc123/*", true),
            (
                "arn:aws:execute-api:eu-west-1:000000000000:abc123/*/$connect",
                true,
            ),
            (
                "arn:aws:execute-api:eu-west-1:000000000000:abc12?/prod/*",
                true,
            ),
            ("arn:aws:execute-api:*:*:abc123/*", true),
            (
                "arn:aws:execute-api:eu-west-1:000000000000:abc123/*/send",
                false,
            ),
            ("arn:aws:execute-api:eu-west-1:000000000000:other/*", false),
            // A star doesn't reach over a colon.
            ("arn:aws:execute-api:*abc123/*", false),
            ("*", false),
        ] {
            let statements = [statement(
                &json!({ "ArnLike": { "AWS:SourceArn": pattern } }),
            )];
            assert_eq!(allows(&statements, &asked(SOURCE)), want, "{pattern}");
        }
    }

    #[test]
    fn the_sources_account_counts_and_unknown_keys_allow_nothing() {
        let account = |id: &str| {
            [statement(
                &json!({ "StringEquals": { "AWS:SourceAccount": id } }),
            )]
        };
        assert!(allows(&account("000000000000"), &asked(SOURCE)));
        assert!(!allows(&account("111111111111"), &asked(SOURCE)));
        let token = [statement(
            &json!({ "StringEquals": { "lambda:EventSourceToken": "a" } }),
        )];
        assert!(!allows(&token, &asked(SOURCE)));
    }

    #[test]
    fn another_service_or_action_allows_nothing() {
        let mut other = statement(&json!({}));
        assert!(allows(&[other.clone()], &asked(SOURCE)));
        other["Action"] = json!("lambda:GetFunction");
        assert!(!allows(&[other.clone()], &asked(SOURCE)));
        other["Action"] = json!("lambda:*");
        other["Principal"] = json!({ "Service": "sns.amazonaws.com" });
        assert!(!allows(&[other.clone()], &asked(SOURCE)));
        other["Principal"] = json!("*");
        assert!(allows(&[other], &asked(SOURCE)));
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length_allows() {
        let pattern = "*a".repeat(500);
        let text = "a".repeat(5000) + "b";
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
