//! Log lines: one JSON object a line on standard output, which Lambda hands to CloudWatch Logs.

use std::io::Write as _;

use serde_json::{Map, Value};

/// How much a line matters. The words are those that Lambda's own log-level filters know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Writes a line. Fields without a value are left out.
pub(crate) fn write(level: Level, message: &str, fields: &[(&str, &str)]) {
    line(&render(level, message, fields));
}

fn render(level: Level, message: &str, fields: &[(&str, &str)]) -> String {
    let mut object = Map::new();
    object.insert("level".into(), level.word().into());
    object.insert("message".into(), message.into());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        object.insert((*name).into(), (*value).into());
    }
    Value::Object(object).to_string()
}

/// Writes one whole line in one call, so that lines of concurrent messages never mix.
/// A closed standard output is nobody's business here: `println!` would panic.
pub(crate) fn line(text: &str) {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    let _ = std::io::stdout().lock().write_all(&bytes);
}

/// Makes a panic a log line like every other, with the place it came from. Which message it was about is said by
/// the line that reports that message's failure.
pub(crate) fn panics_as_lines() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let words = panic_words(panic.payload());
        write(
            Level::Error,
            &format!("panic: {words}"),
            &[("location", &place)],
        );
    }));
}

/// The words of a panic, where it has any.
pub(crate) fn panic_words(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_without_empty_fields() {
        let line = render(
            Level::Warn,
            "two\nlines \"quoted\"",
            &[("route", "say"), ("stage", "")],
        );
        assert!(!line.contains('\n'), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["message"], "two\nlines \"quoted\"");
        assert_eq!(value["route"], "say");
        assert!(value.get("stage").is_none());
    }
}
