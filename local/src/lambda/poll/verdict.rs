//! What becomes of a batch's messages, by what the function returned. Pure.

use std::collections::HashSet;

use serde_json::Value;

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All are deleted.
    Done,
    /// All but these are deleted.
    Failed(HashSet<String>),
    /// None is.
    AllFailed,
}

/// Reads a response of a mapping that has `ReportBatchItemFailures`.
///
/// As the developer guide has it ("Reporting batch item failures"): no list, or an empty one, is success; an id that is
/// empty, absent or no message's, or what isn't JSON, is the whole batch's failure.
pub(super) fn of(response: &[u8], is_message: impl Fn(&str) -> bool) -> Verdict {
    if response.iter().all(u8::is_ascii_whitespace) {
        return Verdict::Done;
    }
    let failures = match serde_json::from_slice(response) {
        Ok(Value::Null) => return Verdict::Done,
        Ok(Value::Object(mut response)) => match response.remove("batchItemFailures") {
            None | Some(Value::Null) => return Verdict::Done,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Verdict::AllFailed,
        },
        _ => return Verdict::AllFailed,
    };
    let mut failed = HashSet::with_capacity(failures.len());
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Value::as_str) {
            Some(id) if is_message(id) => failed.insert(id.to_owned()),
            _ => return Verdict::AllFailed,
        };
    }
    if failed.is_empty() {
        Verdict::Done
    } else {
        Verdict::Failed(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_as_the_developer_guide_says() {
        let verdict = |response: &str| of(response.as_bytes(), |id| ["a", "b", "c"].contains(&id));
        for done in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"statusCode":200}"#,
        ] {
            assert_eq!(verdict(done), Verdict::Done, "{done}");
        }
        for failed in [
            "{",
            "\"ok\"",
            "[]",
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemId":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"z"}]}"#,
        ] {
            assert_eq!(verdict(failed), Verdict::AllFailed, "{failed}");
        }
        assert_eq!(
            verdict(r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#),
            Verdict::Failed(HashSet::from(["a".to_owned(), "c".to_owned()]))
        );
    }
}
