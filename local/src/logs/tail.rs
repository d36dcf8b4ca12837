//! StartLiveTail: what is written to some groups, as an event stream, about every second.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    follow::{Follower, Line},
    group_arn,
    input::{Members, identified, invalid},
    message,
    pattern::{self, Pattern},
};
use crate::{
    call::{Answer, Call, Payload},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
};

/// An update has so many events at most; of more, some are left out.
const MOST: usize = 500;
/// So many updates wait for a slow caller.
const UPDATES: usize = 10;
/// So many events wait for the next update.
const WAITING: usize = 5000;
/// AWS ends a session after three hours.
const LONGEST: Duration = Duration::from_hours(3);
const SECOND: Duration = Duration::from_secs(1);
const JSON: &str = "application/json";

/// Which events a session shows.
struct Wanted {
    streams: Option<Vec<String>>,
    prefixes: Option<Vec<String>>,
    pattern: Pattern,
}

impl Wanted {
    fn has(&self, line: &Line) -> bool {
        self.streams
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| **name == *line.stream))
            && self.prefixes.as_ref().is_none_or(|prefixes| {
                prefixes
                    .iter()
                    .any(|prefix| line.stream.starts_with(prefix.as_str()))
            })
            && self.pattern.matches(&line.message)
    }
}

/// StartLiveTail.
pub fn start(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let identifiers = members.texts("logGroupIdentifiers", 10)?.ok_or_else(|| {
        invalid(
            "1 validation error detected: Value null at 'logGroupIdentifiers' failed to satisfy constraint: Member must \
             not be null",
        )
    })?;
    let streams = members.streams("logStreamNames")?;
    let prefixes = members.streams("logStreamNamePrefixes")?;
    if streams.is_some() && prefixes.is_some() {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters.",
        ));
    }
    if identifiers.len() > 1 && (streams.is_some() || prefixes.is_some()) {
        return Err(invalid(
            "logStreamNames and logStreamNamePrefixes can be specified only with a single log group.",
        ));
    }
    let mut groups = Vec::new();
    for identifier in &identifiers {
        if !identifier.starts_with("arn:") {
            return Err(invalid(format!(
                "Invalid log group identifier {identifier}: each log group has to be specified by its ARN."
            )));
        }
        let name = identified(&call.region, identifier, "logGroupIdentifiers")?;
        if call.region.logs.store().group(&name)?.facts().class != "STANDARD" {
            return Err(AwsError::new(
                400,
                "InvalidOperationException",
                "Live Tail is supported only for log groups in the Standard log class.",
            ));
        }
        groups.push(name);
    }
    let text = members.text("logEventFilterPattern")?;
    let wanted = Wanted {
        pattern: pattern::parse(text.unwrap_or_default()).map_err(invalid)?,
        streams,
        prefixes,
    };
    let begun = json!({
        "requestId": call.request_id,
        "sessionId": uuid::Uuid::new_v4().to_string(),
        "logGroupIdentifiers": identifiers,
        "logStreamNames": wanted.streams.clone().unwrap_or_default(),
        "logStreamNamePrefixes": wanted.prefixes.clone().unwrap_or_default(),
        "logEventFilterPattern": text.unwrap_or_default(),
    });
    let (sender, receiver) = mpsc::channel(UPDATES + 2);
    // In the JSON protocol a stream begins with the operation's other members, even if there are none.
    for (kind, content_type, payload) in [
        ("initial-response", "application/x-amz-json-1.1", json!({})),
        ("sessionStart", JSON, begun),
    ] {
        let message = message::event(kind, content_type, payload.to_string().as_bytes());
        // The channel is new and has room for both.
        let _ = sender.try_send(message);
    }
    let session = Session {
        // From here on nothing that is written is missed.
        follower: call.region.logs.follow_groups(groups),
        wanted,
        waiting: VecDeque::new(),
        lost: false,
        delay: call.cloud.delays.of(Delay::LogEvent),
        arn: group_arn(&call.region, ""),
        sender,
    };
    let longest = call.cloud.delays.scaled(LONGEST);
    call.cloud.spawn(session.run(longest));
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(message::CONTENT_TYPE),
    );
    Ok(Answer {
        status: StatusCode::OK,
        headers,
        payload: Payload::Stream(receiver),
    })
}

struct Session {
    follower: Follower,
    wanted: Wanted,
    waiting: VecDeque<Line>,
    lost: bool,
    delay: Duration,
    arn: String,
    sender: mpsc::Sender<Bytes>,
}

impl Session {
    /// Until the caller goes, or it has been long enough.
    async fn run(mut self, longest: Duration) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + SECOND, SECOND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = tokio::time::sleep(longest);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = self.sender.closed() => return,
                () = &mut end => {
                    let payload = json!({ "message": "The session has been open for too long." });
                    let last = message::exception(
                        "SessionTimeoutException",
                        payload.to_string().as_bytes(),
                    );
                    let _ = self.sender.send(last).await;
                    return;
                }
                _ = ticks.tick() => self.update(Millis::now()),
            }
        }
    }

    /// Sends what came, unless the caller is too slow: then it waits, up to a point.
    fn update(&mut self, now: Millis) {
        let followed = self.follower.take();
        self.lost |= followed.missed > 0;
        let wanted = &self.wanted;
        self.waiting
            .extend(followed.lines.into_iter().filter(|line| wanted.has(line)));
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
            self.lost = true;
        }
        let Ok(place) = self.sender.try_reserve() else {
            return;
        };
        let ready = self
            .waiting
            .partition_point(|line| line.ingested.after(self.delay) <= now);
        let ready: Vec<Line> = self.waiting.drain(..ready).collect();
        let (results, sampled) = sample(&ready, &self.arn);
        let payload = json!({
            "sessionMetadata": { "sampled": sampled || self.lost },
            "sessionResults": results,
        });
        self.lost = false;
        place.send(message::event(
            "sessionUpdate",
            JSON,
            payload.to_string().as_bytes(),
        ));
    }
}

/// As many as an update may have, evenly chosen, and whether some were left out.
fn sample(lines: &[Line], arn: &str) -> (Vec<Value>, bool) {
    let count = lines.len().min(MOST);
    let results = (0..count)
        .filter_map(|index| lines.get(index * lines.len() / count))
        .map(|line| {
            json!({
                "logStreamName": &*line.stream,
                "logGroupIdentifier": format!("{arn}{}", line.group),
                "message": &*line.message,
                "timestamp": line.at.0,
                "ingestionTime": line.ingested.0,
            })
        })
        .collect();
    (results, lines.len() > MOST)
}
