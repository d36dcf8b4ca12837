//! What machines read: one JSON object a line, each with its schema and type. No secret value is in any.

use std::{fmt::Write, time::Duration};

use serde_json::{Map, Value, json};

use super::{diagnostic::place, plan::Forces, summary::Summary, text::stand_in};
use crate::{
    aws::Error,
    diagnostic::{Diagnostic, Severity},
    engine::{
        event::{Event, Outcome},
        plan::{Action, Change, FieldChange, Plan},
        properties::is_unknown,
    },
    observe::LogLine,
};

/// The version of everything in this file. It changes when something is taken away or means something else.
pub const SCHEMA: &str = "wsless/1";

/// One line: `fields` after the schema and the type `kind`, without a newline at its end.
pub fn line(kind: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("schema".into(), json!(SCHEMA));
    object.insert("type".into(), json!(kind));
    match fields {
        Value::Object(fields) => object.extend(fields),
        Value::Null => {}
        other => {
            object.insert("value".into(), other);
        }
    }
    escape(&Value::Object(object).to_string())
}

/// JSON need not escape DEL, the C1 controls and what reorders lines; a terminal would obey them.
///
/// In JSON text they can only be in strings, where an escape means the same.
fn escape(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if stand_in(character).is_some() {
            // All of them lie in the basic plane; writing to a string doesn't fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// A line that a handler logged.
pub fn log_line(log: &LogLine) -> Value {
    json!({
        "time": log.at,
        "handler": &*log.handler,
        "level": log.content.level.word(),
        "message": log.content.message,
        "fields": log.content.fields,
        "raw": log.raw,
    })
}

/// A diagnostic: its type (`error` or `warning`) and fields.
pub fn diagnostic(diagnostic: &Diagnostic) -> (&'static str, Value) {
    let kind = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let spans: Vec<Value> = diagnostic
        .spans
        .iter()
        .map(|span| {
            let place = place(span);
            json!({
                "path": span.file.path,
                "line": place.line,
                "column": place.column,
                "start": place.range.start,
                "end": place.range.end,
                "label": span.label,
            })
        })
        .collect();
    let fields = json!({
        "code": diagnostic.code,
        "message": diagnostic.message,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "spans": spans,
    });
    (kind, fields)
}

/// A plan: its changes and their numbers.
pub fn plan(plan: &Plan, forces: Forces<'_>) -> Value {
    let changes: Vec<Value> = plan
        .effective()
        .map(|change| self::change(change, forces))
        .collect();
    json!({
        "changes": changes,
        "summary": {
            "create": plan.count(Action::Create),
            "update": plan.count(Action::Update),
            "replace": plan.count(Action::Replace),
            "delete": plan.count(Action::Delete),
            "keep": plan.count(Action::Keep),
        },
    })
}

fn change(change: &Change, forces: Forces<'_>) -> Value {
    let fields: Vec<Value> = change
        .fields
        .iter()
        .map(|field| {
            let mut shown = self::field(field);
            if change.action == Action::Replace && forces(&change.address, &field.path) {
                shown["forces_replacement"] = json!(true);
            }
            shown
        })
        .collect();
    json!({
        "address": change.address.to_string(),
        "action": change.action.as_str(),
        "id": change.observed.as_ref().map(|observed| &observed.id),
        "fields": fields,
        "deleted_with": change.deleted_with.as_ref().map(ToString::to_string),
        "data_at_risk": change.data_at_risk,
        "outside": change.is_outside(),
    })
}

fn field(field: &FieldChange) -> Value {
    if field.secret {
        return json!({ "path": field.path, "secret": true });
    }
    let mut shown =
        json!({ "path": field.path, "before": field.before, "outside": field.is_outside });
    match &field.after {
        Some(after) if is_unknown(after) => shown["unknown"] = json!(true),
        after => shown["after"] = json!(after),
    }
    shown
}

/// An event.
pub fn event(event: &Event) -> Value {
    match event {
        Event::Started { address, action } => json!({
            "event": "started",
            "address": address.to_string(),
            "action": action.as_str(),
        }),
        Event::Waiting { address, waits_for } => json!({
            "event": "waiting",
            "address": address.to_string(),
            "waits_for": waits_for,
        }),
        Event::Finished {
            address,
            action,
            outcome,
            elapsed,
        } => {
            let mut shown = json!({
                "event": "finished",
                "address": address.to_string(),
                "action": action.as_str(),
                "elapsed_ms": milliseconds(*elapsed),
            });
            add_outcome(&mut shown, outcome);
            shown
        }
    }
}

/// A summary.
pub fn summary(summary: &Summary<'_>) -> Value {
    let steps: Vec<Value> = summary
        .applied
        .steps
        .iter()
        .map(|step| {
            let mut shown = json!({
                "address": step.address.to_string(),
                "action": step.action.as_str(),
                "elapsed_ms": milliseconds(step.elapsed),
            });
            add_outcome(&mut shown, &step.outcome);
            shown
        })
        .collect();
    let timings: Map<String, Value> = summary
        .timings
        .iter()
        .map(|(what, took)| (what.clone(), json!(milliseconds(*took))))
        .collect();
    let tally = summary.tally();
    json!({
        "command": summary.command,
        "complete": summary.applied.is_complete(),
        "elapsed_ms": milliseconds(summary.elapsed),
        "endpoint": summary.endpoint,
        "summary": {
            "created": tally.created,
            "changed": tally.changed,
            "replaced": tally.replaced,
            "deleted": tally.deleted,
            "failed": tally.failed,
            "not_begun": tally.not_begun,
        },
        "timings_ms": timings,
        "steps": steps,
        "next": summary.next,
    })
}

fn add_outcome(shown: &mut Value, outcome: &Outcome) {
    match outcome {
        Outcome::Done => shown["outcome"] = json!("done"),
        Outcome::Failed(error) => {
            shown["outcome"] = json!("failed");
            shown["error"] = self::error(error);
        }
        Outcome::HoldsData(data) => {
            shown["outcome"] = json!("failed");
            shown["data_at_risk"] = json!(data);
        }
        Outcome::NotBegun(because_of) => {
            shown["outcome"] = json!("not-begun");
            shown["because_of"] = json!(because_of.to_string());
        }
        Outcome::Stopped => shown["outcome"] = json!("stopped"),
    }
}

fn error(error: &Error) -> Value {
    json!({
        "operation": error.operation().map(|operation| operation.to_string()),
        "code": error.code(),
        "message": error.message(),
        "request_id": error.request_id(),
        "status": error.status(),
        "help": error.likely_mend(),
    })
}

/// Whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
