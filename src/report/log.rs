//! A function's log line for people: JSON lines as words and fields, Lambda's own lines faint.

use serde_json::Value;

use super::text::{CHANGED, FAINT, LOUD, inline, paint};

/// What Lambda itself writes around an invocation.
const LAMBDAS: [&str; 4] = [
    "INIT_START ",
    "START RequestId: ",
    "END RequestId: ",
    "REPORT RequestId: ",
];

/// Whether Lambda wrote it, not the function.
pub fn is_lambdas(text: &str) -> bool {
    LAMBDAS.iter().any(|start| text.starts_with(start))
}

/// Whether it only says that an invocation, or a process, began or ended.
pub fn is_frame(text: &str) -> bool {
    is_lambdas(text) && !text.starts_with("REPORT ")
}

/// Whether it's an embedded metric, which is for CloudWatch.
pub fn is_metric(text: &str) -> bool {
    text.starts_with('{') && text.contains("\"_aws\":")
}

/// The line without its end, safe for a terminal.
pub fn render(text: &str) -> String {
    let text = text.trim_end();
    if is_lambdas(text) {
        return paint(FAINT, inline(text));
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return inline(text).into_owned();
    };
    let mut take = |name: &str| match fields.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    let level = take("level");
    let Some(message) = take("message") else {
        return inline(text).into_owned();
    };
    let style = match level.as_deref() {
        Some("ERROR") => Some(LOUD),
        Some("WARN") => Some(CHANGED),
        _ => None,
    };
    let message = inline(&message);
    let mut shown = match style {
        Some(style) => paint(style, message),
        None => message.into_owned(),
    };
    for (name, value) in &fields {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let field = format!("{}={}", inline(name), inline(&value));
        shown.push(' ');
        shown.push_str(&paint(FAINT, field));
    }
    shown
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn json_lines_become_words_and_fields_and_nothing_commands_the_terminal() {
        let shown = |text: &str| strip_str(&render(text)).to_string();
        assert_eq!(
            shown("{\"level\":\"WARN\",\"message\":\"slow\",\"route\":\"say\",\"ms\":7}\n"),
            "slow route=say ms=7"
        );
        assert_eq!(shown("plain words"), "plain words");
        assert_eq!(shown("{\"a\":1}"), "{\"a\":1}");
        assert_eq!(shown("\u{1b}[2J"), "\u{241b}[2J");
        assert_eq!(shown("{\"message\":\"\\u001b[2J\"}"), "\u{241b}[2J");
        assert!(is_lambdas("START RequestId: 1 Version: 1"));
        assert!(is_frame("END RequestId: 1") && !is_frame("REPORT RequestId: 1"));
        assert!(is_metric("{\"_aws\":{}}") && !is_metric("{\"message\":\"_aws\"}"));
    }
}
