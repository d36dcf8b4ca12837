//! What of all that arrives is new, and in which order it's given. Pure: the time is given.
//!
//! The same event arrives many times: windows that are polled overlap, and live tail tells what polling finds too. Polled
//! events have an id. Live tail's have none, so an event of theirs is known by its stream, time and message; of equal ones
//! as many are given as the one or the other source has told of.
//!
//! Events become readable late, and not in their order. So a line is held back until it's as old as late ones were seen to
//! be, up to a bound; one that is later still is given when it comes. And a line that was polled is held back until it's
//! settled: until whatever was readable before it has been read too.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Event;

/// No line is held back for longer for its age: brand-new events can be read after 3 to 10 s [aws-facts 3.7].
const MOST_HOLD: i64 = 10_000;
/// Nor until it's settled, however many calls fail.
const MOST_UNSETTLED: i64 = 120_000;

/// All that is known of what arrived.
#[derive(Debug)]
pub struct Merge {
    groups: Vec<Group>,
    /// By time, then by arrival: what was written in the same millisecond arrives in its order.
    held: BTreeMap<(i64, u64), (usize, Event)>,
    arrived: u64,
    hold: i64,
    given_to: i64,
}

/// So much had arrived: a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrivals(u64);

/// What is known of one group.
#[derive(Debug, Default)]
struct Group {
    ids: BTreeSet<(i64, String)>,
    /// What was polled until then is settled.
    settled: Arrivals,
    sightings: BTreeMap<(i64, String, String), Sightings>,
}

/// How many equal events each source has told of.
#[derive(Clone, Copy, Debug, Default)]
struct Sightings {
    polled: u32,
    live: u32,
}

impl Merge {
    /// Of so many groups; nothing has arrived. A line is given when it's `hold` milliseconds old, or later where late ones
    /// were seen.
    pub fn new(groups: usize, hold: i64) -> Self {
        Self {
            groups: std::iter::repeat_with(Group::default)
                .take(groups)
                .collect(),
            held: BTreeMap::new(),
            arrived: 0,
            hold,
            given_to: i64::MIN,
        }
    }

    /// An event of a group was given already.
    pub fn given(&mut self, group: usize, event: &Event) {
        self.is_new(group, event);
        self.given_to = self.given_to.max(event.at);
    }

    /// An event of a group arrived now: with an id it was polled, without one it came by live tail.
    pub fn arrived(&mut self, group: usize, event: Event, now: i64) {
        if !self.is_new(group, &event) {
            return;
        }
        let age = now.saturating_sub(event.at);
        if event.at < self.given_to && age <= MOST_HOLD {
            self.hold = self.hold.max(age);
        }
        self.arrived += 1;
        self.held.insert((event.at, self.arrived), (group, event));
    }

    /// What has arrived until now.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals(self.arrived)
    }

    /// Whatever of the group was readable before what arrived until then, has arrived too.
    pub fn settle(&mut self, group: usize, until: Arrivals) {
        if let Some(group) = self.groups.get_mut(group) {
            group.settled = group.settled.max(until);
        }
    }

    /// What is old enough, and settled, in order.
    pub fn ready(&mut self, now: i64) -> Vec<(usize, Event)> {
        let old = now.saturating_sub(self.hold);
        let too_old = now.saturating_sub(MOST_UNSETTLED);
        let waits = |(at, number): &(i64, u64), (group, event): &(usize, Event)| {
            let is_settled = event.id.is_none() || {
                let group = self.groups.get(*group);
                group.is_none_or(|group| Arrivals(*number) <= group.settled)
            };
            *at > old || !(is_settled || *at <= too_old)
        };
        let first = self.held.iter().find(|(place, held)| waits(place, held));
        let later = match first.map(|(place, _)| *place) {
            Some(place) => self.held.split_off(&place),
            None => BTreeMap::new(),
        };
        let ready = std::mem::replace(&mut self.held, later);
        self.give(ready)
    }

    /// All that is held back.
    pub fn rest(&mut self) -> Vec<(usize, Event)> {
        let rest = std::mem::take(&mut self.held);
        self.give(rest)
    }

    /// No older event of the group will arrive a second time.
    pub fn forget(&mut self, group: usize, before: i64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.ids = group.ids.split_off(&(before, String::new()));
            let from = (before, String::new(), String::new());
            group.sightings = group.sightings.split_off(&from);
        }
    }

    fn give(&mut self, ready: BTreeMap<(i64, u64), (usize, Event)>) -> Vec<(usize, Event)> {
        if let Some(((at, _), _)) = ready.last_key_value() {
            self.given_to = self.given_to.max(*at);
        }
        ready.into_values().collect()
    }

    fn is_new(&mut self, group: usize, event: &Event) -> bool {
        let Some(group) = self.groups.get_mut(group) else {
            return false;
        };
        if let Some(id) = &event.id
            && !group.ids.insert((event.at, id.clone()))
        {
            return false;
        }
        let sightings = group
            .sightings
            .entry((
                event.at,
                event.stream.clone(),
                event.message.trim_end().to_owned(),
            ))
            .or_default();
        let before = sightings.polled.max(sightings.live);
        let count = match event.id {
            Some(_) => &mut sightings.polled,
            None => &mut sightings.live,
        };
        *count += 1;
        *count > before
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;

    const HOLD: i64 = 1_000;

    fn event(at: i64, id: Option<&str>, message: &str) -> Event {
        Event {
            at,
            ingested: at,
            id: id.map(str::to_owned),
            stream: "s".into(),
            message: message.into(),
        }
    }

    /// What is ready where all was polled in one piece.
    fn ready(merge: &mut Merge, now: i64) -> Vec<(usize, Event)> {
        for group in 0..merge.groups.len() {
            merge.settle(group, merge.arrivals());
        }
        merge.ready(now)
    }

    fn messages(given: Vec<(usize, Event)>) -> Vec<String> {
        given.into_iter().map(|(_, event)| event.message).collect()
    }

    #[test]
    fn an_event_is_given_once_however_often_and_by_whichever_way_it_comes() {
        let mut merge = Merge::new(2, HOLD);
        merge.arrived(0, event(10, Some("1"), "a"), 10);
        merge.arrived(0, event(10, Some("1"), "a"), 10);
        merge.arrived(0, event(10, None, "a"), 10);
        // Another group's is another, and so is an equal one that was written twice.
        merge.arrived(1, event(10, Some("1"), "a"), 10);
        merge.arrived(0, event(11, None, "b"), 11);
        merge.arrived(0, event(11, Some("2"), "b"), 11);
        merge.arrived(0, event(11, Some("3"), "b"), 11);
        assert_eq!(messages(merge.rest()), ["a", "a", "b", "b"]);
        merge.arrived(0, event(11, None, "b"), 20);
        assert!(merge.rest().is_empty());
    }

    #[test]
    fn a_line_is_held_back_until_none_older_is_to_be_expected() {
        let mut merge = Merge::new(1, HOLD);
        merge.arrived(0, event(1_000, Some("1"), "a"), 1_500);
        assert!(ready(&mut merge, 1_999).is_empty());
        assert_eq!(messages(ready(&mut merge, 2_000)), ["a"]);
        // One that is late teaches how long to wait, and one that is far too late doesn't.
        merge.arrived(0, event(900, Some("2"), "late"), 5_000);
        merge.arrived(0, event(2_000, Some("3"), "b"), 5_000);
        assert_eq!(messages(ready(&mut merge, 5_000)), ["late"]);
        merge.arrived(0, event(100, Some("4"), "ages ago"), 50_000);
        assert_eq!(messages(ready(&mut merge, 6_099)), ["ages ago"]);
        assert_eq!(messages(ready(&mut merge, 6_100)), ["b"]);
    }

    #[test]
    fn what_may_lack_older_lines_is_held_back_until_its_settled_up_to_a_bound() {
        let mut merge = Merge::new(1, HOLD);
        let before = merge.arrivals();
        merge.arrived(0, event(1_000, Some("1"), "b"), 1_500);
        // A poll that began before it says nothing of what is older.
        merge.settle(0, before);
        assert!(merge.ready(3_000).is_empty());
        // The next one finds what the first had left out.
        let seen = merge.arrivals();
        merge.arrived(0, event(900, Some("2"), "a"), 3_000);
        merge.settle(0, seen);
        assert!(
            merge.ready(3_000).is_empty(),
            "the older one isn't settled yet"
        );
        merge.settle(0, merge.arrivals());
        assert_eq!(messages(merge.ready(3_000)), ["a", "b"]);
        // What is heard of at once needs no poll.
        merge.arrived(0, event(3_500, None, "live"), 3_500);
        assert_eq!(messages(merge.ready(4_500)), ["live"]);
        merge.arrived(0, event(4_000, Some("3"), "c"), 4_000);
        assert!(merge.ready(4_000 + MOST_UNSETTLED - 1).is_empty());
        assert_eq!(messages(merge.ready(4_000 + MOST_UNSETTLED)), ["c"]);
    }

    #[test]
    fn what_is_forgotten_is_no_more_than_what_was_named() {
        let mut merge = Merge::new(1, HOLD);
        merge.given(0, &event(10, Some("1"), "a"));
        merge.given(0, &event(20, Some("2"), "b"));
        merge.forget(0, 20);
        merge.arrived(0, event(20, Some("2"), "b"), 30);
        assert!(merge.rest().is_empty());
        merge.arrived(0, event(10, Some("1"), "a"), 30);
        assert_eq!(messages(merge.rest()), ["a"]);
    }

    proptest! {
        /// Numbered events of three groups: each is polled, some of them again and again, and some come by live tail too.
        #[test]
        fn each_event_is_given_once_and_all_in_order_if_none_is_later_than_the_hold(
            written in vec((0_usize..3, 0_i64..3_000), 1..60),
            polled in vec(0..HOLD, 60),
            live in vec(proptest::option::of(0_i64..9_000), 60),
            again in vec((any::<Index>(), 0_i64..9_000), 0..120),
        ) {
            let mut written = written;
            written.sort_by_key(|(_, at)| *at);
            let mut arrivals = Vec::new();
            for (number, (_, at)) in written.iter().enumerate() {
                arrivals.push((at + polled[number], number, false));
                arrivals.extend(live[number].map(|delay| (at + delay, number, true)));
            }
            for (index, delay) in again {
                let number = index.index(written.len());
                arrivals.push((written[number].1 + HOLD + delay, number, false));
            }
            arrivals.sort_unstable();
            let mut merge = Merge::new(3, HOLD);
            let mut given = Vec::new();
            for (now, number, is_live) in arrivals {
                given.extend(ready(&mut merge, now));
                let (group, at) = written[number];
                let id = number.to_string();
                merge.arrived(group, event(at, (!is_live).then_some(id.as_str()), &id), now);
            }
            given.extend(merge.rest());
            let times: Vec<i64> = given.iter().map(|(_, event)| event.at).collect();
            prop_assert!(times.is_sorted(), "{times:?}");
            let mut numbers: Vec<usize> = messages(given).iter().map(|text| text.parse().unwrap()).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..written.len()).collect::<Vec<_>>());
        }

        #[test]
        fn each_event_is_given_once_however_late_it_is(
            arrivals in vec((0_i64..20, any::<bool>()), 1..200),
            steps in vec(0_i64..2_000, 200),
        ) {
            let mut merge = Merge::new(1, HOLD);
            let (mut given, mut now) = (Vec::new(), 0);
            let (mut told, mut told_live) = (BTreeSet::new(), BTreeSet::new());
            for ((number, is_live), step) in arrivals.into_iter().zip(steps) {
                now += step;
                // Live tail tells of an event once at most.
                if is_live && !told_live.insert(number) {
                    continue;
                }
                told.insert(number);
                let id = number.to_string();
                let id = id.as_str();
                merge.arrived(0, event(number * 500, (!is_live).then_some(id), id), now);
                given.extend(ready(&mut merge, now));
            }
            given.extend(merge.rest());
            let mut numbers: Vec<i64> = messages(given).iter().map(|text| text.parse().unwrap()).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, told.into_iter().collect::<Vec<_>>());
        }
    }
}
