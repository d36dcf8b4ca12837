//! Queues, and the event source mappings that read them.

use serde_json::Value;

use super::Case;
use crate::{
    engine::address::Address,
    observe::doctor::{Area, Finding},
    resource::{event_source_mapping, function, queue},
    stack::RESULTS,
};

pub(super) fn finding(case: &Case<'_>) -> Option<Finding> {
    match case.change.address.kind() {
        queue::KIND => queue(case),
        event_source_mapping::KIND => mapping(case),
        _ => None,
    }
}

fn queue(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    if case.is_missing() {
        let symptom = if thing.ends_with("-dlq") {
            format!(
                "messages that can't be handled are tried until they expire: {thing} isn't there"
            )
        } else if thing == RESULTS {
            "replies never arrive".to_owned()
        } else {
            format!("messages for {thing} are answered with Internal server error")
        };
        return Some(case.finding(
            "doctor::queue-missing",
            Area::Queues,
            symptom,
            "the queue was deleted",
        ));
    }
    if case.field("dead_letter").is_some() {
        return Some(case.finding(
            "doctor::redrive",
            Area::Queues,
            format!("messages of {thing} that can't be handled are tried until they expire, or given up otherwise than \
                     wsless.toml says"),
            "the queue's redrive policy was changed",
        ));
    }
    if case.field("visibility_timeout_s").is_some() {
        return Some(visibility(case));
    }
    case.field("fifo")?;
    Some(case.finding(
        "doctor::fifo",
        Area::Queues,
        format!("equal messages for {thing} get lost, or wait for each other"),
        "how the FIFO queue tells messages apart was changed",
    ))
}

fn visibility(case: &Case<'_>) -> Finding {
    let thing = case.name();
    let seconds = |value: &Value| value.as_u64().unwrap_or_default();
    let hidden = case.observed().map_or(0, |found| {
        seconds(&found.properties["visibility_timeout_s"])
    });
    let reader = if thing == RESULTS {
        crate::stack::builtin::PUSH
    } else {
        thing
    };
    let timeout = case
        .evidence
        .observed(&Address::new(function::KIND, reader))
        .map(|found| seconds(&found.properties["timeout_s"]));
    let (symptom, cause) = match timeout {
        Some(timeout) if hidden < timeout => (
            format!(
                "messages of {thing} are handled twice, and end in the dead-letter queue under load"
            ),
            format!("a message comes back after {hidden} s, while {reader} may take {timeout} s"),
        ),
        _ => (
            format!("messages of {thing} come back at another time than wsless.toml says"),
            "the queue's visibility timeout was changed".to_owned(),
        ),
    };
    case.finding("doctor::visibility", Area::Queues, symptom, cause)
}

fn mapping(case: &Case<'_>) -> Option<Finding> {
    let thing = case.name();
    let waits = format!("messages for {thing} wait, and nothing fails");
    if case.is_missing() {
        return Some(case.finding(
            "doctor::mapping-missing",
            Area::Queues,
            waits,
            "the event source mapping, by which Lambda reads the queue, was deleted",
        ));
    }
    if case.field("enabled").is_some() {
        return Some(case.finding(
            "doctor::mapping-disabled",
            Area::Queues,
            waits,
            "the event source mapping, by which Lambda reads the queue, is disabled",
        ));
    }
    if case.field("queue_arn").is_some() {
        return Some(case.finding(
            "doctor::mapping-source",
            Area::Queues,
            waits,
            "the event source mapping reads another queue",
        ));
    }
    if case.field("function_arn").is_some() {
        return Some(case.finding(
            "doctor::mapping-target",
            Area::Queues,
            format!("messages for {thing} are handled by something else, or by an old version"),
            "the event source mapping calls something else than the alias `live`",
        ));
    }
    case.field("report_failures")?;
    Some(case.finding(
        "doctor::mapping-reports",
        Area::Queues,
        format!("one bad message fails its whole batch for {thing}, and failed messages are deleted as if they were done"),
        "the event source mapping lacks ReportBatchItemFailures: what the handler says of single messages isn't heeded",
    ))
}
