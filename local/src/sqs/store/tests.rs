//! The store against models of it under random operations and a driven clock, and the order that AWS was seen to keep.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const FOREVER: Duration = Duration::from_hours(24 * 14);

pub fn message(id: &str, group: Option<&str>, at: Millis) -> Message {
    Message {
        id: Arc::from(id),
        body: Arc::from(id),
        body_md5: [0; 16],
        attributes: None,
        attributes_md5: None,
        trace: None,
        sender: Arc::from("000000000000"),
        sent: at,
        enqueued: at,
        group: group.map(Arc::from),
        dedup: None,
        sequence: None,
        source: None,
        received: 0,
        first_received: None,
        size: id.len(),
    }
}

fn ids(taken: &[Taken]) -> Vec<&str> {
    taken.iter().map(|taken| &*taken.message.id).collect()
}

/// A FIFO store with these messages, `g1-m1` of the group `g1`.
fn fifo(messages: &[&str]) -> Store {
    let mut store = Store::new(true);
    for id in messages {
        store.put(message(id, id.split('-').next(), Millis(0)), None);
    }
    store
}

fn receive(store: &mut Store, now: i64, most: usize, seconds: i64) -> Vec<Taken> {
    let now = Millis(now * 1000);
    store.advance(now, FOREVER);
    let until = Millis(now.0 + seconds * 1000);
    store.receive(now, most, until, None).taken
}

#[test]
fn a_receive_empties_one_group_before_the_next() {
    let mut store = fifo(&["g1-m1", "g2-m1", "g1-m2", "g1-m3"]);
    let taken = receive(&mut store, 0, 10, 30);
    assert_eq!(ids(&taken), ["g1-m1", "g1-m2", "g1-m3", "g2-m1"]);
}

#[test]
fn a_group_in_flight_gives_nothing_until_all_of_it_is_deleted() {
    let mut store = fifo(&["g1-m1", "g2-m1", "g1-m2", "g1-m3", "g2-m2"]);
    let taken = receive(&mut store, 0, 2, 30);
    assert_eq!(ids(&taken), ["g1-m1", "g1-m2"]);
    assert_eq!(store.delete(taken[0].receipt), Change::Done);
    assert_eq!(ids(&receive(&mut store, 1, 1, 30)), ["g2-m1"]);
    assert!(!store.is_ready());
    assert_eq!(store.delete(taken[1].receipt), Change::Done);
    assert!(store.is_ready());
    assert_eq!(ids(&receive(&mut store, 2, 10, 30)), ["g1-m3"]);
}

#[test]
fn groups_that_come_back_go_to_the_end() {
    let mut store = fifo(&["g1-m1", "g2-m1", "g2-m2", "g3-m1", "g1-m2"]);
    let taken = receive(&mut store, 0, 3, 0);
    assert_eq!(ids(&taken), ["g1-m1", "g1-m2", "g2-m1"]);
    let taken = receive(&mut store, 0, 10, 0);
    assert_eq!(ids(&taken), ["g3-m1", "g1-m1", "g1-m2", "g2-m1", "g2-m2"]);
}

#[test]
fn after_its_visibility_timeout_a_group_comes_back_in_order() {
    let mut store = fifo(&["g1-m1", "g1-m2", "g1-m3"]);
    for round in 0..3 {
        let taken = receive(&mut store, round * 2, 10, 1);
        assert_eq!(ids(&taken), ["g1-m1", "g1-m2", "g1-m3"]);
    }
}

#[test]
fn a_message_that_is_hidden_longer_hides_those_behind_it() {
    let orders: [(usize, &[&str]); 3] = [(0, &[]), (1, &["g1-m1"]), (2, &["g1-m1", "g1-m2"])];
    for (position, expected) in orders {
        let mut store = fifo(&["g1-m1", "g1-m2", "g1-m3"]);
        let taken = receive(&mut store, 0, 5, 1);
        let longer = Duration::from_secs(4);
        let change = store.change(taken[position].receipt, Millis(0), longer);
        assert_eq!(change, Change::Done);
        assert_eq!(ids(&receive(&mut store, 2, 5, 1)), expected, "{position}");
    }
}

#[test]
fn a_message_that_is_shown_early_comes_alone() {
    let mut store = fifo(&["g1-m1", "g1-m2", "g2-m1"]);
    let taken = receive(&mut store, 0, 2, 30);
    store.change(taken[0].receipt, Millis(0), Duration::ZERO);
    let taken = receive(&mut store, 1, 3, 30);
    assert_eq!(ids(&taken), ["g2-m1", "g1-m1"]);
}

#[test]
fn a_fifo_receipt_is_over_with_its_time() {
    let mut store = fifo(&["g1-m1"]);
    let taken = receive(&mut store, 0, 1, 1);
    store.advance(Millis(1000), FOREVER);
    assert_eq!(store.delete(taken[0].receipt), Change::Expired);
    let change = store.change(taken[0].receipt, Millis(1000), Duration::from_secs(5));
    assert_eq!(change, Change::Expired);
    let again = receive(&mut store, 2, 1, 1);
    assert_eq!(store.delete(taken[0].receipt), Change::Expired);
    assert_eq!(store.delete(again[0].receipt), Change::Done);
    assert_eq!(store.delete(again[0].receipt), Change::Gone);
}

#[test]
fn a_standard_queue_takes_old_receipts() {
    let mut store = Store::new(false);
    store.put(message("a", None, Millis(0)), None);
    let first = receive(&mut store, 0, 1, 0);
    let second = receive(&mut store, 0, 1, 3);
    assert_eq!(second.len(), 1);
    let change = store.change(first[0].receipt, Millis(0), Duration::ZERO);
    assert_eq!(change, Change::Done);
    assert_eq!(receive(&mut store, 0, 1, 3).len(), 1);
    assert_eq!(store.delete(first[0].receipt), Change::Done);
    assert_eq!(store.counts(), Counts::default());
}

#[test]
fn nothing_is_hidden_for_more_than_twelve_hours() {
    let mut store = Store::new(false);
    store.put(message("a", None, Millis(0)), None);
    let taken = receive(&mut store, 0, 1, 60);
    let change = store.change(taken[0].receipt, Millis(10_000), LONGEST_HIDDEN);
    assert_eq!(change, Change::TooLong);
    let change = store.change(
        taken[0].receipt,
        Millis(10_000),
        Duration::from_secs(43_190),
    );
    assert_eq!(change, Change::Done);
}

#[test]
fn what_is_too_old_goes_even_in_flight() {
    let mut store = fifo(&["g1-m1", "g1-m2", "g2-m1"]);
    receive(&mut store, 0, 1, 100);
    store.advance(Millis(59_999), Duration::from_mins(1));
    assert_eq!(store.counts().in_flight, 1);
    store.advance(Millis(60_000), Duration::from_mins(1));
    assert_eq!(store.counts(), Counts::default());
    assert_eq!(store.bytes(), 0);
    assert!(store.next_due().is_none() && !store.is_ready());
}

#[test]
fn what_was_received_often_enough_is_put_aside_with_its_count() {
    let mut store = fifo(&["g1-m1", "g1-m2"]);
    for _ in 0..2 {
        assert_eq!(receive(&mut store, 0, 1, 0).len(), 1);
    }
    let receive = store.receive(Millis(0), 1, Millis(1000), Some(2));
    assert_eq!(ids(&receive.taken), ["g1-m2"]);
    assert_eq!(receive.dead.len(), 1);
    assert_eq!(receive.dead[0].received, 2);
}

#[test]
fn an_attempt_gives_the_same_again_until_something_changes() {
    let mut store = fifo(&["g1-m1", "g1-m2"]);
    let taken = receive(&mut store, 0, 10, 30);
    store.attempted("try", &taken, Millis(0));
    let again = store
        .attempt("try", Millis(5000), Millis(35_000))
        .expect("known");
    assert_eq!(ids(&again), ["g1-m1", "g1-m2"]);
    assert_eq!(again[0].receipt, taken[0].receipt);
    assert_eq!(store.next_due(), Some(Millis(35_000)));
    store.delete(taken[0].receipt);
    assert!(store.attempt("try", Millis(6000), Millis(36_000)).is_none());
}

#[test]
fn no_more_than_the_limit_is_in_flight() {
    let mut store = Store::new(false);
    for number in 0..IN_FLIGHT + 5 {
        store.put(message(&number.to_string(), None, Millis(0)), None);
    }
    let mut first = None;
    while store.is_ready() {
        let taken = receive(&mut store, 0, 10, 30);
        first.get_or_insert(taken[0].receipt);
    }
    assert!(store.is_at_limit());
    assert_eq!(store.counts().visible, 5);
    store.delete(first.expect("taken"));
    assert!(store.is_ready());
    assert_eq!(receive(&mut store, 0, 10, 30).len(), 1);
}

/// What can happen to a queue.
#[derive(Clone, Debug)]
enum Step {
    Send { group: u8, delay: i64 },
    Receive { most: usize, seconds: i64 },
    Delete(prop::sample::Index),
    Change(prop::sample::Index, u64),
    Pass(i64),
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4_u8, prop_oneof![3 => Just(0_i64), 1 => 1..20_i64])
            .prop_map(|(group, delay)| Step::Send { group, delay }),
        6 => (1..=10_usize, 0..30_i64).prop_map(|(most, seconds)| Step::Receive { most, seconds }),
        3 => any::<prop::sample::Index>().prop_map(Step::Delete),
        2 => (any::<prop::sample::Index>(), 0..30_u64).prop_map(|(which, to)| Step::Change(which, to)),
        4 => (0..15_i64).prop_map(Step::Pass),
        1 => prop_oneof![9 => Just(Step::Pass(1)), 1 => Just(Step::Purge)],
    ];
    prop::collection::vec(step, 1..120)
}

/// A message as the model sees it: a time when it can be received, and its last receipt.
#[derive(Clone, Debug)]
struct Modelled {
    id: String,
    group: u8,
    from: i64,
    taken: bool,
    receipt: Option<Receipt>,
}

struct Model {
    fifo: bool,
    now: i64,
    messages: Vec<Modelled>,
}

impl Model {
    fn is_visible(&self, message: &Modelled) -> bool {
        message.from <= self.now
    }

    /// What each group can give, from its first message on.
    fn deliverable(&self) -> Vec<Vec<String>> {
        if !self.fifo {
            let visible = self
                .messages
                .iter()
                .filter(|message| self.is_visible(message));
            return visible.map(|message| vec![message.id.clone()]).collect();
        }
        (0..4)
            .map(|group| {
                self.messages
                    .iter()
                    .filter(|message| message.group == group)
                    .take_while(|message| self.is_visible(message))
                    .map(|message| message.id.clone())
                    .collect()
            })
            .collect()
    }

    fn counts(&self) -> Counts {
        let hidden = |taken: bool| {
            self.messages
                .iter()
                .filter(|message| !self.is_visible(message) && message.taken == taken)
                .count()
        };
        let (delayed, in_flight) = (hidden(false), hidden(true));
        Counts {
            visible: self.messages.len() - delayed - in_flight,
            in_flight,
            delayed,
        }
    }

    /// Checks a receive, and takes it over.
    fn received(
        &mut self,
        taken: &[Taken],
        most: usize,
        seconds: i64,
    ) -> Result<(), TestCaseError> {
        let groups = self.deliverable();
        let all: usize = groups.iter().map(Vec::len).sum();
        prop_assert_eq!(taken.len(), all.min(most), "as many as there are");
        let mut rest = ids(taken);
        while let Some(first) = rest.first() {
            let group = groups
                .iter()
                .find(|group| group.first().is_some_and(|head| head == first));
            prop_assert!(group.is_some(), "{} isn't its group's first", first);
            let group = group.map(Vec::as_slice).unwrap_or_default();
            let length = group.len().min(rest.len());
            prop_assert_eq!(&rest[..length], &group[..length], "the group's own order");
            rest.drain(..length);
        }
        for taken in taken {
            let from = self.now + seconds * 1000;
            let message = self
                .messages
                .iter_mut()
                .find(|message| *message.id == *taken.message.id);
            let message = message.ok_or_else(|| TestCaseError::fail("it was deleted"))?;
            message.from = from;
            message.taken = true;
            message.receipt = Some(taken.receipt);
        }
        Ok(())
    }
}

#[allow(clippy::too_many_lines, reason = "one arm for each step that there is")]
fn follows_the_model(fifo: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut store = Store::new(fifo);
    let mut model = Model {
        fifo,
        now: 0,
        messages: Vec::new(),
    };
    let mut receipts: Vec<Receipt> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let now = Millis(model.now);
        match step {
            Step::Send { group, delay } => {
                let id = format!("{number}");
                let until = (delay > 0).then(|| Millis(model.now + delay * 1000));
                store.put(message(&id, Some(&group.to_string()), now), until);
                model.messages.push(Modelled {
                    id,
                    group,
                    from: model.now + delay * 1000,
                    taken: false,
                    receipt: None,
                });
            }
            Step::Receive { most, seconds } => {
                let until = Millis(model.now + seconds * 1000);
                let taken = store.receive(now, most, until, None).taken;
                model.received(&taken, most, seconds)?;
                receipts.extend(taken.iter().map(|taken| taken.receipt));
            }
            Step::Delete(which) if !receipts.is_empty() => {
                let receipt = *which.get(&receipts);
                let at = model.messages.iter().position(|message| {
                    message
                        .receipt
                        .is_some_and(|last| last.number == receipt.number)
                });
                let expected = match at.map(|at| &model.messages[at]) {
                    None => Change::Gone,
                    Some(message)
                        if fifo
                            && (message.receipt != Some(receipt) || model.is_visible(message)) =>
                    {
                        Change::Expired
                    }
                    Some(_) => Change::Done,
                };
                prop_assert_eq!(store.delete(receipt), expected);
                if let (Change::Done, Some(at)) = (expected, at) {
                    model.messages.remove(at);
                }
            }
            Step::Change(which, seconds) if !receipts.is_empty() => {
                let receipt = *which.get(&receipts);
                let now_is = model.now;
                let message = model.messages.iter_mut().find(|message| {
                    message
                        .receipt
                        .is_some_and(|last| last.number == receipt.number)
                });
                let change = store.change(receipt, now, Duration::from_secs(seconds));
                let Some(message) = message else {
                    prop_assert_eq!(change, Change::Gone);
                    continue;
                };
                let visible = message.from <= now_is;
                let latest = message.receipt == Some(receipt);
                if fifo && (visible || !latest) {
                    prop_assert_eq!(change, Change::Expired);
                    continue;
                }
                prop_assert_eq!(change, Change::Done);
                if !visible || latest {
                    message.from = now_is + i64::try_from(seconds).unwrap_or_default() * 1000;
                }
            }
            Step::Delete(_) | Step::Change(..) => {}
            Step::Pass(seconds) => model.now += seconds * 1000,
            Step::Purge => {
                store.purge();
                model.messages.clear();
            }
        }
        store.advance(Millis(model.now), FOREVER);
        prop_assert_eq!(store.counts(), model.counts());
        prop_assert_eq!(
            store.is_ready(),
            model.deliverable().iter().any(|group| !group.is_empty())
        );
        let due = model.messages.iter().map(|message| message.from);
        let due = due.filter(|from| *from > model.now).min();
        prop_assert_eq!(store.next_due(), due.map(Millis));
    }
    // Nothing is lost: in the end everything that wasn't deleted can be received.
    model.now += 3_600_000;
    store.advance(Millis(model.now), FOREVER);
    while store.is_ready() {
        let now = Millis(model.now);
        let taken = store.receive(now, 10, Millis(model.now + 1000), None).taken;
        model.received(&taken, 10, 1)?;
        for taken in &taken {
            prop_assert_eq!(store.delete(taken.receipt), Change::Done);
            model
                .messages
                .retain(|message| *message.id != *taken.message.id);
        }
    }
    prop_assert!(model.messages.is_empty(), "left: {:?}", model.messages);
    prop_assert_eq!(store.bytes(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_standard_store_loses_nothing_and_gives_nothing_twice(steps in steps()) {
        follows_the_model(false, steps)?;
    }

    #[test]
    fn a_fifo_store_keeps_each_groups_order(steps in steps()) {
        follows_the_model(true, steps)?;
    }
}
