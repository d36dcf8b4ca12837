//! Groups, their streams and events, in memory.
//!
//! Each group has a lock of its own for its events; whoever writes holds it for one batch, whoever reads for a few
//! thousand events. A group holds so many bytes at most: the oldest events go. Events are in the order of their times.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::{Bound, ControlFlow},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::{
    follow::Line,
    input::{exists, limit, no_group, no_stream},
};
use crate::{clock::Millis, error::Result};

/// So many bytes a group holds, with what an event costs beside its message.
const MOST_BYTES: usize = 64 << 20;
/// What an event costs beside its message.
const OVERHEAD: usize = 96;
/// No more groups in a region.
const MOST_GROUPS: usize = 10_000;
/// No more streams in a group.
const MOST_STREAMS: usize = 20_000;
/// So many bytes of a group's latest events are kept over an end of the cloud.
const KEPT_BYTES: usize = 4 << 20;
/// AWS counts 26 bytes for an event beside its message [CloudWatch Logs model, PutLogEvents].
pub const AWS_OVERHEAD: usize = 26;
const DAY: i64 = 24 * 3_600_000;

/// Where an event stands: its time, and a number that no other event has.
pub type Place = (i64, u64);

/// All groups of a region.
#[derive(Debug, Default)]
pub struct Store {
    groups: RwLock<BTreeMap<String, Arc<Group>>>,
    number: AtomicU64,
}

/// One group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created: Millis,
    facts: Mutex<Facts>,
    held: Mutex<Held>,
}

/// What can be changed about a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Days; without it, events are kept for ever.
    pub retention: Option<i64>,
    /// `STANDARD`, `INFREQUENT_ACCESS`…
    pub class: String,
    /// Whether it can't be deleted.
    pub protected: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Held {
    streams: BTreeMap<Arc<str>, Stream>,
    bytes: usize,
    /// As AWS counts.
    stored: u64,
    swept: Millis,
}

#[derive(Debug)]
struct Stream {
    created: Millis,
    events: BTreeMap<Place, Event>,
    first: Option<i64>,
    last: Option<i64>,
    ingested: Option<Millis>,
}

/// One event; its time is in its place.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was written.
    pub ingested: Millis,
    /// What it says.
    pub message: String,
}

/// What is known of a stream.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// Its name.
    pub name: Arc<str>,
    /// When it was made.
    pub created: Millis,
    /// The earliest event's time.
    pub first: Option<i64>,
    /// The latest event's time.
    pub last: Option<i64>,
    /// When something was last written.
    pub ingested: Option<Millis>,
}

/// Which events are looked at.
pub struct Search<'a> {
    /// Events after this place.
    pub after: Bound<Place>,
    /// Events before this place.
    pub before: Bound<Place>,
    /// Whether the latest come first.
    pub backward: bool,
    /// Those of these streams.
    pub streams: &'a dyn Fn(&str) -> bool,
    /// Those that were written then or before.
    pub visible: Millis,
    /// No more than so many are looked at.
    pub most: usize,
}

impl Store {
    /// Makes a group.
    pub fn create(&self, name: &str, facts: Facts, now: Millis) -> Result<()> {
        let mut groups = self.groups.write();
        if groups.contains_key(name) {
            return Err(exists("The specified log group already exists"));
        }
        if groups.len() >= MOST_GROUPS {
            return Err(limit("Resource limit exceeded."));
        }
        groups.insert(
            name.to_owned(),
            Arc::new(Group {
                name: name.into(),
                created: now,
                facts: Mutex::new(facts),
                held: Mutex::default(),
            }),
        );
        Ok(())
    }

    /// A group.
    pub fn group(&self, name: &str) -> Result<Arc<Group>> {
        self.groups.read().get(name).cloned().ok_or_else(no_group)
    }

    /// All groups, by name.
    pub fn all(&self) -> Vec<Arc<Group>> {
        self.groups.read().values().cloned().collect()
    }

    /// Deletes a group.
    pub fn delete(&self, name: &str) -> Result<()> {
        let mut groups = self.groups.write();
        let group = groups.get(name).ok_or_else(no_group)?;
        if group.facts.lock().protected {
            return Err(crate::error::AwsError::new(
                400,
                "ValidationException",
                format!("Log group {name} cannot be deleted: deletion protection is enabled"),
            ));
        }
        groups.remove(name);
        Ok(())
    }

    /// Numbers for so many events; the first of them.
    pub fn numbers(&self, count: usize) -> u64 {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        // The first is 1, so that there is a place before it.
        1 + self.number.fetch_add(count, Ordering::Relaxed)
    }
}

impl Group {
    /// What can be changed about it.
    pub fn facts(&self) -> Facts {
        self.facts.lock().clone()
    }

    /// Changes something about it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        change(&mut self.facts.lock())
    }

    /// What is older than this is gone.
    pub fn oldest(&self, now: Millis) -> i64 {
        self.facts.lock().retention.map_or(i64::MIN, |days| {
            now.0.saturating_sub(days.saturating_mul(DAY))
        })
    }

    /// Bytes, as AWS counts them.
    pub fn stored(&self) -> u64 {
        self.held.lock().stored
    }

    /// Makes a stream; whether it's new.
    pub fn create_stream(&self, name: &str, now: Millis) -> Result<bool> {
        let mut held = self.held.lock();
        if held.streams.contains_key(name) {
            return Ok(false);
        }
        if held.streams.len() >= MOST_STREAMS {
            return Err(limit("Resource limit exceeded."));
        }
        held.streams.insert(
            name.into(),
            Stream {
                created: now,
                events: BTreeMap::new(),
                first: None,
                last: None,
                ingested: None,
            },
        );
        Ok(true)
    }

    /// Deletes a stream with its events.
    pub fn delete_stream(&self, name: &str) -> Result<()> {
        let mut held = self.held.lock();
        let stream = held.streams.remove(name).ok_or_else(no_stream)?;
        for event in stream.events.values() {
            held.forget(event);
        }
        Ok(())
    }

    /// The stream's name as the group has it.
    pub fn stream_name(&self, name: &str) -> Result<Arc<str>> {
        let held = self.held.lock();
        held.streams
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
            .ok_or_else(no_stream)
    }

    /// All streams, by name.
    pub fn streams(&self) -> Vec<StreamView> {
        self.held
            .lock()
            .streams
            .iter()
            .map(|(name, stream)| StreamView {
                name: Arc::clone(name),
                created: stream.created,
                first: stream.first,
                last: stream.last,
                ingested: stream.ingested,
            })
            .collect()
    }

    /// Writes events to a stream, numbered from `number` on.
    pub fn write(
        &self,
        stream: &str,
        events: Vec<(Millis, String)>,
        number: u64,
        now: Millis,
    ) -> Result<()> {
        let oldest = self.oldest(now);
        let mut held = self.held.lock();
        let held = &mut *held;
        let into = held.streams.get_mut(stream).ok_or_else(no_stream)?;
        for ((at, message), number) in events.into_iter().zip(number..) {
            held.bytes += message.capacity() + OVERHEAD;
            held.stored += stored(&message);
            into.first = Some(into.first.map_or(at.0, |first| first.min(at.0)));
            into.last = Some(into.last.map_or(at.0, |last| last.max(at.0)));
            let event = Event {
                ingested: now,
                message,
            };
            into.events.insert((at.0, number), event);
        }
        into.ingested = Some(now);
        if held.bytes > MOST_BYTES {
            held.shrink();
        }
        // Once a minute is enough for what days make old.
        if oldest > i64::MIN && now.0 - held.swept.0 > 60_000 {
            held.swept = now;
            held.sweep(oldest);
        }
        Ok(())
    }

    /// The latest lines, the oldest first.
    pub fn latest(&self, most: usize) -> Vec<Line> {
        let search = Search {
            after: Bound::Unbounded,
            before: Bound::Unbounded,
            backward: true,
            streams: &|_| true,
            visible: Millis(i64::MAX),
            most,
        };
        let group: Arc<str> = Arc::clone(&self.name);
        let mut lines = Vec::new();
        self.search(&search, |stream, (at, _), event| {
            lines.push(Line {
                group: Arc::clone(&group),
                stream: Arc::clone(stream),
                at: Millis(at),
                ingested: event.ingested,
                message: event.message.as_str().into(),
            });
            ControlFlow::Continue(())
        });
        lines.reverse();
        lines
    }

    /// Looks at events in the order of their places, whatever their streams; gives the last place that was looked at,
    /// or nothing if there are no more.
    pub fn search(
        &self,
        search: &Search<'_>,
        mut visit: impl FnMut(&Arc<str>, Place, &Event) -> ControlFlow<()>,
    ) -> Option<Place> {
        let held = self.held.lock();
        let range = (search.after, search.before);
        if is_empty(range) {
            return None;
        }
        let mut looked = 0;
        let mut last = None;
        let mut look = |name: &Arc<str>, place: Place, event: &Event| {
            if looked >= search.most {
                return ControlFlow::Break(());
            }
            if event.ingested <= search.visible {
                visit(name, place, event)?;
            }
            looked += 1;
            last = Some(place);
            ControlFlow::Continue(())
        };
        let chosen = held
            .streams
            .iter()
            .filter(|(name, _)| (search.streams)(name));
        let ended = if search.backward {
            merge(
                chosen.map(|(name, stream)| (name, stream.events.range(range).rev())),
                |place| place,
                &mut look,
            )
        } else {
            merge(
                chosen.map(|(name, stream)| (name, stream.events.range(range))),
                Reverse,
                &mut look,
            )
        };
        match ended {
            ControlFlow::Continue(()) => None,
            ControlFlow::Break(()) => last,
        }
    }
}

/// Goes through several sorted rows as if they were one; `rank` makes the next one the greatest.
fn merge<'a, R: Ord>(
    rows: impl Iterator<Item = (&'a Arc<str>, impl Iterator<Item = (&'a Place, &'a Event)>)>,
    rank: impl Fn(Place) -> R,
    look: &mut impl FnMut(&Arc<str>, Place, &Event) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut rows: Vec<_> = rows.map(|(name, row)| (name, row.peekable())).collect();
    let mut heap = BinaryHeap::with_capacity(rows.len());
    for (index, (_, row)) in rows.iter_mut().enumerate() {
        if let Some((place, _)) = row.peek() {
            heap.push((rank(**place), index));
        }
    }
    while let Some((_, index)) = heap.pop() {
        let Some((name, row)) = rows.get_mut(index) else {
            continue;
        };
        if let Some((place, event)) = row.next() {
            look(name, *place, event)?;
        }
        if let Some((place, _)) = row.peek() {
            heap.push((rank(**place), index));
        }
    }
    ControlFlow::Continue(())
}

/// A map's range panics if its end is before its beginning.
fn is_empty((after, before): (Bound<Place>, Bound<Place>)) -> bool {
    match (after, before) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(after), Bound::Included(before)) => after > before,
        (
            Bound::Included(after) | Bound::Excluded(after),
            Bound::Included(before) | Bound::Excluded(before),
        ) => after >= before,
    }
}

/// The place just before a place.
pub fn before((at, number): Place) -> Place {
    number
        .checked_sub(1)
        .map_or((at.saturating_sub(1), u64::MAX), |number| (at, number))
}

impl Held {
    fn forget(&mut self, event: &Event) {
        self.bytes = self
            .bytes
            .saturating_sub(event.message.capacity() + OVERHEAD);
        self.stored = self.stored.saturating_sub(stored(&event.message));
    }

    /// Drops the oldest events of all streams until there is some room.
    fn shrink(&mut self) {
        let goal = MOST_BYTES - MOST_BYTES / 32;
        let mut oldest: BinaryHeap<Reverse<(Place, Arc<str>)>> = self
            .streams
            .iter()
            .filter_map(|(name, stream)| {
                let (place, _) = stream.events.first_key_value()?;
                Some(Reverse((*place, Arc::clone(name))))
            })
            .collect();
        while self.bytes > goal {
            let Some(Reverse((_, name))) = oldest.pop() else {
                return;
            };
            let Some(stream) = self.streams.get_mut(&name) else {
                continue;
            };
            let gone = stream.events.pop_first();
            if let Some((place, _)) = stream.events.first_key_value() {
                oldest.push(Reverse((*place, Arc::clone(&name))));
            }
            if let Some((_, event)) = gone {
                self.forget(&event);
            }
        }
    }

    /// Drops what is too old.
    fn sweep(&mut self, oldest: i64) {
        let mut gone = Vec::new();
        for stream in self.streams.values_mut() {
            if stream
                .events
                .first_key_value()
                .is_some_and(|((at, _), _)| *at < oldest)
            {
                let stays = stream.events.split_off(&(oldest, 0));
                gone.push(std::mem::replace(&mut stream.events, stays));
            }
        }
        for event in gone.iter().flat_map(BTreeMap::values) {
            self.forget(event);
        }
    }
}

fn stored(message: &str) -> u64 {
    u64::try_from(message.len() + AWS_OVERHEAD).unwrap_or(u64::MAX)
}

#[derive(Serialize, Deserialize)]
struct KeptGroup {
    name: String,
    created: Millis,
    facts: Facts,
    streams: Vec<KeptStream>,
}

#[derive(Serialize, Deserialize)]
struct KeptStream {
    name: String,
    created: Millis,
    first: Option<i64>,
    last: Option<i64>,
    ingested: Option<Millis>,
    events: Vec<(i64, u64, Millis, String)>,
}

/// What a store keeps.
#[derive(Serialize, Deserialize)]
pub struct Kept {
    number: u64,
    groups: Vec<KeptGroup>,
}

impl Store {
    /// What is to be kept: all groups and streams, and the latest events of each group.
    pub fn keep(&self) -> Kept {
        let groups = self.all();
        Kept {
            number: self.number.load(Ordering::Relaxed),
            groups: groups.iter().map(|group| group.keep()).collect(),
        }
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Kept) -> Result<(), String> {
        self.number.store(kept.number, Ordering::Relaxed);
        for kept in kept.groups {
            self.create(&kept.name, kept.facts, kept.created)
                .map_err(|error| error.to_string())?;
            let group = self.group(&kept.name).map_err(|error| error.to_string())?;
            let mut held = group.held.lock();
            for kept in kept.streams {
                let mut events = BTreeMap::new();
                for (at, number, ingested, message) in kept.events {
                    held.bytes += message.capacity() + OVERHEAD;
                    held.stored += stored(&message);
                    events.insert((at, number), Event { ingested, message });
                }
                held.streams.insert(
                    kept.name.into(),
                    Stream {
                        created: kept.created,
                        events,
                        first: kept.first,
                        last: kept.last,
                        ingested: kept.ingested,
                    },
                );
            }
        }
        Ok(())
    }
}

impl Group {
    fn keep(&self) -> KeptGroup {
        let mut room = KEPT_BYTES;
        let mut from = (i64::MIN, 0);
        let everything = Search {
            after: Bound::Unbounded,
            before: Bound::Unbounded,
            backward: true,
            streams: &|_| true,
            visible: Millis(i64::MAX),
            most: usize::MAX,
        };
        self.search(&everything, |_, place, event| {
            from = place;
            match room.checked_sub(event.message.len() + OVERHEAD) {
                Some(left) => {
                    room = left;
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            }
        });
        let held = self.held.lock();
        KeptGroup {
            name: self.name.to_string(),
            created: self.created,
            facts: self.facts(),
            streams: held
                .streams
                .iter()
                .map(|(name, stream)| KeptStream {
                    name: name.to_string(),
                    created: stream.created,
                    first: stream.first,
                    last: stream.last,
                    ingested: stream.ingested,
                    events: stream
                        .events
                        .range(from..)
                        .map(|((at, number), event)| {
                            (*at, *number, event.ingested, event.message.clone())
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}
