//! Log lines: one JSON object a line on standard output, which Lambda hands to CloudWatch Logs.

use std::io::Write as _;

use serde_json::{Map, Value};

use crate::context;

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

/// A field of a line.
pub(crate) type Field<'a> = (&'a str, Value);

/// Writes a line. Fields without a value are left out.
pub(crate) fn write(level: Level, message: &str, fields: &[Field<'_>]) {
    line(&render(level, message, fields));
}

fn render(level: Level, message: &str, fields: &[Field<'_>]) -> String {
    let mut object = Map::new();
    object.insert("level".into(), level.word().into());
    object.insert("message".into(), message.into());
    let is_empty = |value: &Value| value.is_null() || value.as_str() == Some("");
    for (name, value) in fields.iter().filter(|(_, value)| !is_empty(value)) {
        object.insert((*name).into(), value.clone());
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

/// Makes a panic a log line like every other, with the place it came from and the message it was about.
pub(crate) fn panics_as_lines() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let words = panic_words(panic.payload());
        let mut fields = context::fields_of_current();
        fields.push(("location", place.into()));
        write(Level::Error, &format!("panic: {words}"), &fields);
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
            &[
                ("route", "say".into()),
                ("stage", "".into()),
                ("tookMs", 7.into()),
                ("principal", Value::Null),
            ],
        );
        assert!(!line.contains('\n'), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["message"], "two\nlines \"quoted\"");
        assert_eq!(value["route"], "say");
        assert_eq!(value["tookMs"], 7);
        assert!(value.get("stage").is_none() && value.get("principal").is_none());
    }
}
