//! GetLogEvents and FilterLogEvents.

use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    input::{Members, bad_token, invalid},
    pattern::{self, Pattern},
    store::{AWS_OVERHEAD, Event, Group, Place, Search, before},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloudwatch::page,
    error::Result,
    fidelity::Delay,
};

/// A page has so many events and bytes at most [CloudWatch Logs model, GetLogEvents].
const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
/// So many events are looked at while a group is locked.
const AT_ONCE: usize = 4000;
/// So many events AWS's strict double looks at for one page.
const STRICT: usize = 1000;
/// Tokens live for 24 hours.
const TOKEN_LIVES: i64 = 24 * 3_600_000;
/// Since then the latest events can be had first: 2024-01-01 [CloudWatch Logs model, FilterLogEvents].
const BACKWARD_SINCE: i64 = 1_704_067_200_000;

/// What was written until then can be read.
fn visible(call: &Call, now: Millis) -> Millis {
    let delay = call.cloud.delays.of(Delay::LogEvent);
    Millis(now.0 - i64::try_from(delay.as_millis()).unwrap_or(0))
}

/// GetLogEvents.
pub fn get(call: &Call) -> Result<Answer> {
    let members = Members::of(&call.input);
    let name = members.group_or_identifier(&call.region)?;
    let stream = members.stream()?;
    let limit = members.limit(MOST_EVENTS)?;
    let start = members.whole("startTime", 0, i64::MAX)?;
    let end = members.whole("endTime", 0, i64::MAX)?;
    let from_head = members.truth("startFromHead")?.unwrap_or_default();
    let token = members.text("nextToken")?.map(read_token).transpose()?;
    let group = call.region.logs.store().group(&name)?;
    let stream = group.stream_name(stream)?;
    let now = Millis::now();
    let first = (start.unwrap_or(0).max(group.oldest(now)), 0);
    let behind = end.map_or((i64::MAX, u64::MAX), |end| (end, 0));
    let (forward, after, until) = match token {
        Some((true, place)) => (true, Bound::Excluded(place), behind),
        Some((false, place)) => (false, Bound::Included(first), place.min(behind)),
        None => (from_head, Bound::Included(first), behind),
    };
    let after = match after {
        Bound::Excluded(place) if place < first => Bound::Included(first),
        after => after,
    };
    let mut found: Vec<(Place, Event)> = Vec::new();
    let mut bytes = 0;
    let search = Search {
        after,
        before: Bound::Excluded(until),
        backward: !forward,
        streams: &|name| *name == *stream,
        visible: visible(call, now),
        most: usize::MAX,
    };
    group.search(&search, |_, place, event| {
        let size = event.message.len() + AWS_OVERHEAD;
        if found.len() >= limit || (bytes + size > MOST_BYTES && !found.is_empty()) {
            return ControlFlow::Break(());
        }
        bytes += size;
        found.push((place, event.clone()));
        ControlFlow::Continue(())
    });
    if !forward {
        found.reverse();
    }
    // An empty page's tokens stay where they were, which is how a client knows the end.
    let stay = match token {
        Some((true, place)) => (place, (place.0, place.1.saturating_add(1))),
        Some((false, place)) => (before(place), place),
        None => ((0, 0), (0, 0)),
    };
    let next = found.last().map_or(stay.0, |(place, _)| *place);
    let back = found.first().map_or(stay.1, |(place, _)| *place);
    let events: Vec<Value> = found
        .into_iter()
        .map(|(place, event)| {
            json!({
                "timestamp": place.0,
                "message": event.message,
                "ingestionTime": event.ingested.0,
            })
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": write_token(true, next),
        "nextBackwardToken": write_token(false, back),
    })
    .into())
}

/// `f/` and where to go on: 56 digits, as AWS's are.
fn write_token(forward: bool, (at, number): Place) -> String {
    let direction = if forward { 'f' } else { 'b' };
    format!("{direction}/{:020}{number:036}/s", at.max(0))
}

fn read_token(token: &str) -> Result<(bool, Place)> {
    let read = || {
        let (direction, rest) = token.split_once('/')?;
        let forward = match direction {
            "f" => true,
            "b" => false,
            _ => return None,
        };
        let digits = rest.strip_suffix("/s")?;
        let plain = digits.len() == 56 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain {
            return None;
        }
        let (at, number) = digits.split_at_checked(20)?;
        Some((forward, (at.parse().ok()?, number.parse().ok()?)))
    };
    read().ok_or_else(bad_token)
}

/// An event's id: 56 digits, the same whenever it's read.
pub fn event_id((at, number): Place) -> String {
    format!("3{:019}{number:036}", at.max(0))
}

/// Where a FilterLogEvents goes on.
#[derive(Serialize, Deserialize)]
struct Token {
    group: String,
    place: Option<Place>,
    backward: bool,
    given: i64,
}

/// What FilterLogEvents is asked.
struct Asked {
    group: String,
    names: Option<Vec<String>>,
    prefix: Option<String>,
    limit: usize,
    start: Option<i64>,
    end: Option<i64>,
    pattern: Pattern,
    backward: bool,
}

impl Asked {
    fn read(call: &Call) -> Result<Self> {
        let members = Members::of(&call.input);
        let asked = Self {
            group: members.group_or_identifier(&call.region)?,
            names: members.streams("logStreamNames")?,
            prefix: members.stream_prefix()?.map(str::to_owned),
            limit: members.limit(MOST_EVENTS)?,
            start: members.whole("startTime", 0, i64::MAX)?,
            end: members.whole("endTime", 0, i64::MAX)?,
            pattern: pattern::parse(members.text("filterPattern")?.unwrap_or_default())
                .map_err(invalid)?,
            backward: !members.truth("startFromHead")?.unwrap_or(true),
        };
        if asked.names.is_some() && asked.prefix.is_some() {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
            ));
        }
        if asked
            .start
            .zip(asked.end)
            .is_some_and(|(start, end)| start > end)
        {
            return Err(invalid("End time should be greater than start time."));
        }
        if asked.backward && asked.start.is_none_or(|start| start < BACKWARD_SINCE) {
            return Err(invalid(
                "startFromHead can be false only if startTime is on or after Jan 1, 2024 00:00:00 UTC.",
            ));
        }
        Ok(asked)
    }

    fn has(&self, stream: &str) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == stream))
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| stream.starts_with(prefix))
    }
}

/// FilterLogEvents.
pub fn filter(call: &Call) -> Result<Answer> {
    let mut asked = Asked::read(call)?;
    let now = Millis::now();
    let token: Option<Token> = Members::of(&call.input)
        .text("nextToken")?
        .map(|token| page::read(token).ok_or_else(bad_token))
        .transpose()?;
    let is_first = token.is_none();
    let mut place = None;
    if let Some(token) = token {
        if token.group != asked.group || token.given < now.0 - TOKEN_LIVES {
            return Err(bad_token());
        }
        place = token.place;
        asked.backward = token.backward;
    }
    let group = call.region.logs.store().group(&asked.group)?;
    for stream in asked.names.iter().flatten() {
        group.stream_name(stream)?;
    }
    let strict = call.cloud.delays.are_real();
    // Without a start, AWS begins to look long ago: the first page has nothing but a token. With one that's less likely,
    // and happens all the same [CloudWatch Logs model, FilterLogEvents]: here if the start is odd.
    let is_empty = strict && is_first && asked.start.is_none_or(|start| start % 2 != 0);
    let limits = Limits {
        oldest: group.oldest(now),
        visible: visible(call, now),
        at_once: if strict { STRICT } else { AT_ONCE },
        once: strict,
    };
    let mut found = Vec::new();
    let goes_on = is_empty || fill(&group, &asked, &limits, &mut place, &mut found);
    let events: Vec<Value> = found
        .into_iter()
        .map(|(stream, place, event)| {
            json!({
                "logStreamName": &*stream,
                "timestamp": place.0,
                "message": event.message,
                "ingestionTime": event.ingested.0,
                "eventId": event_id(place),
            })
        })
        .collect();
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if goes_on {
        answer["nextToken"] = page::write(&Token {
            group: asked.group,
            place,
            backward: asked.backward,
            given: now.0,
        })
        .into();
    }
    Ok(answer.into())
}

/// How far a page may look.
struct Limits {
    /// Nothing is older.
    oldest: i64,
    /// Nothing was written later.
    visible: Millis,
    /// So many events are looked at while the group is locked.
    at_once: usize,
    /// Whether the group is locked only once, however little was found.
    once: bool,
}

/// Fills a page with events, goes on from `place` and leaves there how far it came; whether there is more.
fn fill(
    group: &Group,
    asked: &Asked,
    limits: &Limits,
    place: &mut Option<Place>,
    found: &mut Vec<(Arc<str>, Place, Event)>,
) -> bool {
    let first = (asked.start.unwrap_or(0).max(limits.oldest), 0);
    let last = (asked.end.unwrap_or(i64::MAX), u64::MAX);
    let mut bytes = 0;
    loop {
        let mut full = false;
        let (after, before) = match (*place, asked.backward) {
            (Some(place), false) if place >= first => {
                (Bound::Excluded(place), Bound::Included(last))
            }
            (Some(place), true) if place <= last => {
                (Bound::Included(first), Bound::Excluded(place))
            }
            _ => (Bound::Included(first), Bound::Included(last)),
        };
        let search = Search {
            after,
            before,
            backward: asked.backward,
            streams: &|stream| asked.has(stream),
            visible: limits.visible,
            most: limits.at_once,
        };
        let looked = group.search(&search, |stream, at, event| {
            if !asked.pattern.matches(&event.message) {
                return ControlFlow::Continue(());
            }
            let size = event.message.len() + AWS_OVERHEAD;
            if found.len() >= asked.limit || (bytes + size > MOST_BYTES && !found.is_empty()) {
                full = true;
                return ControlFlow::Break(());
            }
            bytes += size;
            found.push((Arc::clone(stream), at, event.clone()));
            ControlFlow::Continue(())
        });
        // A look that ended at its first event, since the page is full, came no further than the one before.
        *place = looked.or(*place);
        if full || (looked.is_some() && limits.once) {
            return true;
        }
        if looked.is_none() {
            return false;
        }
    }
}
