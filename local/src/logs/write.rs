//! PutLogEvents, and what every way of writing has in common.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Logs, emf,
    follow::Line,
    input::{Members, invalid},
    store::AWS_OVERHEAD,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
};

/// AWS's limit of a batch, and of an event in it [CloudWatch Logs model, PutLogEvents].
const MOST_BYTES: usize = 1_048_576;
const MOST_EVENTS: usize = 10_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Sequence tokens are of no use any more; AWS still gives one [CloudWatch Logs model, PutLogEvents].
pub const SEQUENCE_TOKEN: &str = "49640000000000000000000000000000000000000000000000000002";

/// PutLogEvents.
pub fn put(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let (group, stream) = (members.group()?, members.stream()?);
    let events = read(members.get("logEvents"))?;
    let now = Millis::now();
    let logs = &call.region.logs;
    let oldest = logs.store().group(group)?.oldest(now);
    // Even a batch that is refused as a whole needs its stream.
    logs.store().group(group)?.stream_name(stream)?;

    // They're in order, so that what is rejected is at the ends.
    let end_of = |limit: i64| events.partition_point(|(at, _)| at.0 < limit);
    let too_old = end_of(now.0 - 14 * DAY);
    let expired = end_of(oldest);
    let too_new = events.partition_point(|(at, _)| at.0 <= now.0 + 2 * HOUR);
    let count = events.len();
    let first = too_old.max(expired).min(too_new);
    let taken: Vec<(Millis, String)> = events.into_iter().take(too_new).skip(first).collect();
    if let (Some((first, _)), Some((last, _))) = (taken.first(), taken.last())
        && last.0 - first.0 > DAY
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    if !taken.is_empty() {
        logs.write(&call.region, group, stream, taken, now)?;
    }
    let mut answer = json!({ "nextSequenceToken": SEQUENCE_TOKEN });
    let mut rejected = json!({});
    if too_new < count {
        rejected["tooNewLogEventStartIndex"] = too_new.into();
    }
    if too_old > 0 {
        rejected["tooOldLogEventEndIndex"] = too_old.into();
    }
    if expired > too_old {
        rejected["expiredLogEventEndIndex"] = expired.into();
    }
    if rejected
        .as_object()
        .is_some_and(|members| !members.is_empty())
    {
        answer["rejectedLogEventsInfo"] = rejected;
    }
    Ok(answer.into())
}

/// The events of a call, checked as a batch.
fn read(events: Option<&Value>) -> Result<Vec<(Millis, String)>> {
    let broken = |value: &str, at: &str, constraint: &str| -> AwsError {
        invalid(format!(
            "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"
        ))
    };
    let events = events
        .and_then(Value::as_array)
        .ok_or_else(|| broken("null", "logEvents", "Member must not be null"))?;
    if events.is_empty() {
        return Err(broken(
            "'[]'",
            "logEvents",
            "Member must have length greater than or equal to 1",
        ));
    }
    if events.len() > MOST_EVENTS {
        return Err(broken(
            &format!("'[{} members]'", events.len()),
            "logEvents",
            "Member must have length less than or equal to 10000",
        ));
    }
    let mut read = Vec::with_capacity(events.len());
    let mut size = 0;
    let mut latest = i64::MIN;
    for (index, event) in events.iter().enumerate() {
        let at = |name: &str| format!("logEvents.{}.member.{name}", index + 1);
        let timestamp = event
            .get("timestamp")
            .and_then(Value::as_i64)
            .ok_or_else(|| broken("null", &at("timestamp"), "Member must not be null"))?;
        let message = event
            .get("message")
            .and_then(Value::as_str)
            .ok_or_else(|| broken("null", &at("message"), "Member must not be null"))?;
        if timestamp < 0 {
            return Err(broken(
                &format!("'{timestamp}'"),
                &at("timestamp"),
                "Member must have value greater than or equal to 0",
            ));
        }
        if message.is_empty() {
            return Err(broken(
                "''",
                &at("message"),
                "Member must have length greater than or equal to 1",
            ));
        }
        let bytes = message.len() + AWS_OVERHEAD;
        if bytes > MOST_BYTES {
            return Err(invalid(format!(
                "Log event too large: {bytes} bytes exceeds limit of {MOST_BYTES}"
            )));
        }
        size += bytes;
        if timestamp < latest {
            return Err(invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        latest = timestamp;
        read.push((Millis(timestamp), message.to_owned()));
    }
    if size > MOST_BYTES {
        return Err(invalid(format!(
            "Upload too large: {size} bytes exceeds limit of {MOST_BYTES}"
        )));
    }
    Ok(read)
}

impl Logs {
    /// Writes events: tells the followers, takes the metrics out, stores them.
    pub(super) fn write(
        &self,
        region: &Region,
        group: &str,
        stream: &str,
        events: Vec<(Millis, String)>,
        now: Millis,
    ) -> Result<()> {
        let found = self.store().group(group)?;
        let lines = self.followers().is_wanted(group).then(|| {
            let stream: Arc<str> = stream.into();
            let line = |(at, message): &(Millis, String)| Line {
                group: Arc::clone(&found.name),
                stream: Arc::clone(&stream),
                at: *at,
                ingested: now,
                message: message.as_str().into(),
            };
            events.iter().map(line).collect::<Vec<_>>()
        });
        let metrics: Vec<emf::Extracted> = events
            .iter()
            .filter(|(_, message)| emf::may_hold(message))
            .map(|(_, message)| emf::extract(message, now))
            .collect();
        let number = self.store().numbers(events.len());
        // What isn't written isn't told nor measured.
        found.write(stream, events, number, now)?;
        if let Some(lines) = lines {
            self.followers().tell(group, &lines);
        }
        for extracted in metrics {
            measure(region, group, extracted, now);
        }
        Ok(())
    }
}

/// Metrics that were in a line, or that there was something wrong with it [CWG, CloudWatch-Logs-Monitoring-CloudWatch-Metrics].
fn measure(region: &Region, group: &str, extracted: emf::Extracted, now: Millis) {
    let failed = |metric: &str| {
        region
            .cloudwatch
            .series("AWS/Logs", metric, &[("LogGroupName", group)])
            .record(now, 1.0, "None");
    };
    if extracted.unreadable {
        failed("EMFParsingErrors");
    }
    if extracted.invalid {
        failed("EMFValidationErrors");
    }
    for datum in extracted.data {
        let dimensions: Vec<(&str, &str)> = datum
            .dimensions
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let series = region
            .cloudwatch
            .series(&datum.namespace, &datum.metric, &dimensions);
        series.add(datum.at, datum.unit, datum.resolution, |summary| {
            for value in &datum.values {
                summary.add(*value, 1.0);
            }
        });
    }
}
