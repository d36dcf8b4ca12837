//! What of all that arrives is new, and in which order it's given. Pure: the time is given.
//!
//! The same event arrives many times: windows that are polled overlap, and live tail tells what polling finds too. Polled
//! events have an id. Live tail's have none, so an event of theirs is known by its stream, time and message; of equal ones
//! as many are given as the one or the other source has told of.
//!
//! Events become readable late, and not in their order. So a line is held back until it's as old as late ones were seen to
//! be, up to a bound; one that is later still is given when it comes. And one that was polled is held back until its group
//! was read at that age: whatever is older could be read by then. Of lines of the same millisecond, the poll that told of
//! them last knows the order.

use std::collections::{BTreeMap, btree_map::Entry};

use super::page::Event;

/// No line is held back for longer for its age: brand-new events can be read after 3 to 10 s [aws-facts 3.7].
const MOST_HOLD: i64 = 10_000;
/// Nor until its group was read once more, however many calls fail.
const MOST_UNREAD: i64 = 120_000;

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

/// What is known of one group.
#[derive(Debug)]
struct Group {
    /// Polled events by time and id, and as the how-manieth each arrived last.
    ids: BTreeMap<(i64, String), u64>,
    /// All that could be read then has arrived.
    read_at: i64,
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
            groups: std::iter::repeat_with(|| Group {
                ids: BTreeMap::new(),
                read_at: i64::MIN,
                sightings: BTreeMap::new(),
            })
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
        self.sight(group, event);
        self.given_to = self.given_to.max(event.at);
    }

    /// An event of a group arrived now: with an id it was polled, without one it came by live tail.
    pub fn arrived(&mut self, group: usize, event: Event, now: i64) {
        if !self.sight(group, &event) {
            return;
        }
        let age = now.saturating_sub(event.at);
        if event.at < self.given_to && age <= MOST_HOLD {
            self.hold = self.hold.max(age);
        }
        self.held.insert((event.at, self.arrived), (group, event));
    }

    /// All of the group that could be read then has arrived.
    pub fn read(&mut self, group: usize, at: i64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.read_at = group.read_at.max(at);
        }
    }

    /// What is old enough, in order.
    pub fn ready(&mut self, now: i64) -> Vec<(usize, Event)> {
        let old = now.saturating_sub(self.hold);
        let too_old = now.saturating_sub(MOST_UNREAD);
        let waits = |(at, _): &(i64, u64), (group, event): &(usize, Event)| {
            let read_at = self
                .groups
                .get(*group)
                .map_or(i64::MAX, |group| group.read_at);
            let is_read = event.id.is_none() || *at <= read_at.saturating_sub(self.hold);
            *at > old || !(is_read || *at <= too_old)
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

    /// Counts an event as arrived, the last of its millisecond: whether it's new.
    fn sight(&mut self, group: usize, event: &Event) -> bool {
        let Some(group) = self.groups.get_mut(group) else {
            return false;
        };
        self.arrived += 1;
        if let Some(id) = &event.id {
            match group.ids.entry((event.at, id.clone())) {
                Entry::Vacant(entry) => _ = entry.insert(self.arrived),
                Entry::Occupied(mut entry) => {
                    // A poll that was read to its end has the order; the next one's first page alone would upset it.
                    if event.at > group.read_at.saturating_sub(self.hold) {
                        let before = entry.insert(self.arrived);
                        if let Some(held) = self.held.remove(&(event.at, before)) {
                            self.held.insert((event.at, self.arrived), held);
                        }
                    }
                    return false;
                }
            }
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
    use std::collections::BTreeSet;

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

    /// What is ready where all that can be read has arrived.
    fn ready(merge: &mut Merge, now: i64) -> Vec<(usize, Event)> {
        for group in 0..merge.groups.len() {
            merge.read(group, now);
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
    fn what_may_lack_older_lines_is_held_back_until_its_group_was_read_again_up_to_a_bound() {
        let mut merge = Merge::new(1, HOLD);
        merge.arrived(0, event(1_000, Some("1"), "b"), 1_500);
        merge.read(0, 1_500);
        // It's old enough, but what is older may have become readable since.
        assert!(merge.ready(3_000).is_empty());
        merge.arrived(0, event(900, Some("2"), "a"), 3_000);
        merge.read(0, 1_999);
        assert_eq!(messages(merge.ready(3_000)), ["a"]);
        merge.read(0, 2_000);
        assert_eq!(messages(merge.ready(3_000)), ["b"]);
        // What is heard of at once needs no poll.
        merge.arrived(0, event(3_500, None, "live"), 3_500);
        assert_eq!(messages(merge.ready(4_500)), ["live"]);
        merge.arrived(0, event(4_000, Some("3"), "c"), 4_000);
        assert!(merge.ready(4_000 + MOST_UNREAD - 1).is_empty());
        assert_eq!(messages(merge.ready(4_000 + MOST_UNREAD)), ["c"]);
    }

    #[test]
    fn of_one_millisecond_the_last_poll_knows_the_order() {
        let mut merge = Merge::new(1, HOLD);
        // A second page has what the first left out the older neighbours of.
        merge.arrived(0, event(10, Some("3"), "c"), 10);
        for (id, message) in [("1", "a"), ("2", "b"), ("3", "c")] {
            merge.arrived(0, event(10, Some(id), message), 20);
        }
        assert_eq!(messages(ready(&mut merge, 5_000)), ["a", "b", "c"]);
        // What was given isn't given again.
        merge.arrived(0, event(10, Some("3"), "c"), 30);
        assert!(ready(&mut merge, 6_000).is_empty());
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

        /// Two groups' events, several of a millisecond, which become readable later than they're written, polled in pages
        /// that are read at different moments.
        #[test]
        fn polls_in_pages_give_each_event_once_and_each_groups_in_order(
            written in vec((0_usize..2, 0_i64..3, 0..HOLD), 1..80),
            polls in vec((0_usize..2, 1_i64..2_000, vec((0_i64..700, 1_usize..30), 0..6)), 40),
        ) {
            let mut at = 0;
            let mut groups = [Vec::new(), Vec::new()];
            for (group, gap, late) in written {
                at += gap * gap;
                groups[group].push((at, at + late));
            }
            let mut merge = Merge::new(2, HOLD);
            let mut given = Vec::new();
            let mut now = 0;
            let long_after = [0, 1].map(|group| (group, 10 * MOST_HOLD, Vec::new()));
            for (group, rest, pages) in polls.into_iter().chain(long_after) {
                now += rest;
                let began = now;
                let mut place = 0_usize;
                // The last page goes to the end.
                for (took, most) in pages.into_iter().chain([(0, usize::MAX)]) {
                    now += took;
                    let end = groups[group].len().min(place.saturating_add(most));
                    let page = groups[group].iter().enumerate().take(end).skip(place);
                    for (number, (at, _)) in page.filter(|(_, (_, readable))| *readable <= now) {
                        let id = number.to_string();
                        merge.arrived(group, event(*at, Some(&id), &id), now);
                    }
                    place = end;
                    given.extend(merge.ready(now));
                }
                merge.read(group, began);
                given.extend(merge.ready(now));
            }
            for (group, events) in groups.iter().enumerate() {
                let told = given.iter().filter(|(whose, _)| *whose == group);
                let told: Vec<usize> = told.map(|(_, event)| event.message.parse().unwrap()).collect();
                prop_assert_eq!(told, (0..events.len()).collect::<Vec<_>>());
            }
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
