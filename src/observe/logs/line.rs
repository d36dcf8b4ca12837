//! A log line, and what it says: a level, a message, fields. Pure.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// What Lambda writes when a process, or an invocation, begins or ends.
const FRAMES: [&str; 3] = ["INIT_START ", "START RequestId: ", "END RequestId: "];
/// What Lambda writes about an invocation's, or a start's, time and memory.
const REPORTS: [&str; 2] = ["REPORT RequestId: ", "INIT_REPORT "];

/// A line that a function, Lambda or the API logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Which handler's function, or [`ACCESS_LOG`](super::ACCESS_LOG).
    pub handler: Arc<str>,
    /// The whole line, without its end; untrusted.
    pub raw: String,
    /// What it says.
    pub content: Content,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Whose it is.
    pub kind: Kind,
    /// How much it matters. A line that doesn't say is [`Level::Info`].
    pub level: Level,
    /// Its message, of a line that has one; else the whole line.
    pub message: String,
    /// The other fields of a JSON line.
    pub fields: Map<String, Value>,
    /// Whether the message was a part of the line, so that the fields say the rest.
    pub has_message: bool,
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The function's own, the API's, or Lambda's about a failure.
    Own,
    /// Lambda's: an invocation, or a process, begins or ends.
    Frame,
    /// Lambda's: how long it took, how much memory.
    Report,
    /// An embedded metric, which is for CloudWatch.
    Metric,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words are known")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// `debug`, `info`, `warn`, `error`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level that a logging library means with this word.
    fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Self::Debug,
            "info" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" | "fatal" | "critical" | "panic" => Self::Error,
            _ => return None,
        })
    }
}

impl LogLine {
    /// The line with what it says.
    pub fn new(at: Timestamp, handler: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        let mut raw = text.into();
        raw.truncate(raw.trim_end().len());
        Self {
            at,
            handler: handler.into(),
            content: Content::of(&raw),
            raw,
        }
    }
}

impl Content {
    /// What a line says.
    pub fn of(line: &str) -> Self {
        if line.starts_with('{')
            && let Ok(Value::Object(fields)) = serde_json::from_str(line)
        {
            return Self::of_object(line, fields);
        }
        let begins = |with: &[&str]| with.iter().any(|start| line.starts_with(start));
        let (kind, is_failure) = if begins(&FRAMES) {
            (Kind::Frame, false)
        } else if begins(&REPORTS) {
            (
                Kind::Report,
                line.contains("Status: error") || line.contains("Status: timeout"),
            )
        } else {
            (Kind::Own, is_failure(line))
        };
        Self {
            kind,
            level: if is_failure {
                Level::Error
            } else {
                Level::Info
            },
            message: line.to_owned(),
            fields: Map::new(),
            has_message: false,
        }
    }

    fn of_object(line: &str, mut fields: Map<String, Value>) -> Self {
        let level = match fields.get("level").and_then(Value::as_str) {
            Some(word) => Level::named(word),
            None => None,
        };
        if level.is_some() {
            fields.shift_remove("level");
        }
        let message = take_text(&mut fields, "message")
            .or_else(|| take_text(&mut fields, "msg"))
            .or_else(|| message_of_tracing(&mut fields));
        if message.is_none() && fields.get("_aws").is_some_and(Value::is_object) {
            return Self {
                kind: Kind::Metric,
                level: Level::Info,
                message: line.to_owned(),
                fields,
                has_message: false,
            };
        }
        let access = match message {
            Some(_) => None,
            None => access(&mut fields),
        };
        let (said, by_status) = access.unzip();
        let message = message.or(said);
        Self {
            kind: Kind::Own,
            level: level.or(by_status).unwrap_or(Level::Info),
            has_message: message.is_some(),
            message: message.unwrap_or_else(|| line.to_owned()),
            fields,
        }
    }

    /// A field's text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// Whether Lambda or CloudWatch needs it rather than a reader: a failure is for readers.
    pub fn is_noise(&self) -> bool {
        match self.kind {
            Kind::Own => false,
            Kind::Frame | Kind::Metric => true,
            Kind::Report => self.level < Level::Error,
        }
    }
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    if !fields.get(name).is_some_and(Value::is_string) {
        return None;
    }
    match fields.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// The crate tracing-subscriber puts the message among the fields, which are an object of their own.
fn message_of_tracing(fields: &mut Map<String, Value>) -> Option<String> {
    let inner = fields.get_mut("fields")?.as_object_mut()?;
    let message = take_text(inner, "message")?;
    if let Some(Value::Object(inner)) = fields.shift_remove("fields") {
        for (name, value) in inner {
            fields.entry(name).or_insert(value);
        }
    }
    Some(message)
}

/// A line of the API's access log, which has no message: `MESSAGE say 200`, and the level that its status means. What
/// API Gateway has no value for is `-`, or empty.
fn access(fields: &mut Map<String, Value>) -> Option<(String, Level)> {
    let has = |name: &str| fields.get(name).is_some_and(Value::is_string);
    if !(has("eventType") && has("routeKey") && has("status")) {
        return None;
    }
    let mut take = |name| take_text(fields, name).unwrap_or_default();
    let (event, route, status) = (take("eventType"), take("routeKey"), take("status"));
    fields.retain(|_, value| !matches!(value.as_str(), Some("" | "-")));
    let level = match status.parse() {
        Ok(500..=599_u16) => Level::Error,
        Ok(400..=499) => Level::Warn,
        _ => Level::Info,
    };
    let is_said = |part: &&str| !matches!(*part, "" | "-");
    let parts: Vec<&str> = [event.as_str(), &route, &status]
        .into_iter()
        .filter(is_said)
        .collect();
    Some((parts.join(" "), level))
}

/// Whether a line that isn't JSON is Lambda's about a function that failed, or a panic's own.
fn is_failure(line: &str) -> bool {
    let by_lambda = (line.starts_with("RequestId: ") && line.contains(" Error: "))
        || line.contains(" Task timed out after ")
        || line.starts_with("Runtime.")
        || line.starts_with("Extension.");
    by_lambda || (line.starts_with("thread '") && line.contains("panicked at"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn content(line: &str) -> Content {
        LogLine::new(Timestamp::UNIX_EPOCH, "echo", line).content
    }

    #[test]
    fn a_json_line_has_a_level_a_message_and_fields() {
        let said =
            content("{\"level\":\"WARN\",\"message\":\"slow\",\"route\":\"say\",\"ms\":7}\n");
        assert_eq!((said.kind, said.level), (Kind::Own, Level::Warn));
        assert_eq!((said.message.as_str(), said.has_message), ("slow", true));
        assert_eq!(Value::Object(said.fields), json!({"route": "say", "ms": 7}));
        let traced = content(
            r#"{"timestamp":"t","level":"ERROR","fields":{"message":"lost","code":3},"target":"a"}"#,
        );
        assert_eq!(
            (traced.level, traced.message.as_str()),
            (Level::Error, "lost")
        );
        assert_eq!(traced.fields["code"], 3);
        let other = content(r#"{"level":30,"a":1}"#);
        assert_eq!((other.level, other.has_message), (Level::Info, false));
        assert_eq!(other.fields["level"], 30);
    }

    #[test]
    fn lambdas_own_lines_and_metrics_are_noise_unless_something_failed() {
        for line in [
            "INIT_START Runtime Version: provided:al2023.v1",
            "START RequestId: 1 Version: 1",
            "END RequestId: 1",
            "REPORT RequestId: 1\tDuration: 1.23 ms\t",
            r#"{"Stage":"dev","PushSent":1.0,"_aws":{"CloudWatchMetrics":[]}}"#,
        ] {
            assert!(content(line).is_noise(), "{line}");
        }
        for line in [
            "REPORT RequestId: 1\tDuration: 3000.00 ms\tStatus: timeout",
            "INIT_REPORT Init Duration: 2.1 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: exit status 1",
            "Runtime.ExitError",
            "2026-11-23T10:00:00.000Z 1 Task timed out after 3.00 seconds\n\n",
            "thread 'main' panicked at src/main.rs:1:1:",
        ] {
            let said = content(line);
            assert!(!said.is_noise() && said.level == Level::Error, "{line}");
        }
        assert_eq!(content("plain words").level, Level::Info);
        assert!(!content(r#"{"_aws":"a text"}"#).is_noise());
    }

    #[test]
    fn a_line_of_the_access_log_says_what_happened_to_whom() {
        let line = |status: &str| {
            content(&format!(
                r#"{{"requestId":"r","eventType":"MESSAGE","routeKey":"say","connectionId":"c","status":"{status}","error.message":"-","authorizer.error":""}}"#
            ))
        };
        let said = line("200");
        assert_eq!(said.message, "MESSAGE say 200");
        assert_eq!(
            Value::Object(said.fields),
            json!({"requestId": "r", "connectionId": "c"})
        );
        assert_eq!(line("403").level, Level::Warn);
        assert_eq!(line("500").level, Level::Error);
        assert_eq!(line("-").message, "MESSAGE say");
    }

    proptest! {
        #[test]
        fn any_text_says_something(text in any::<String>(), json in "[{}\\[\\]\":,a-c0-9 ]{0,40}") {
            for text in [text, json] {
                let said = content(&text);
                prop_assert!(said.has_message || said.message == text.trim_end());
            }
        }
    }
}
