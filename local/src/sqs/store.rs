//! A queue's messages and when they can be received: pure, with the time as a parameter.
//!
//! Promises: no message is lost, none is given twice while it's hidden, and in a FIFO queue none of a group before those
//! that came earlier. Nothing takes longer than O(log n) a message. Whoever calls holds the queue's lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    fifo::{Attempts, Dedup, Groups},
    message::Message,
    receipt::Receipt,
};
use crate::clock::Millis;

/// Messages that may be in flight at a time [SQSG].
pub const IN_FLIGHT: usize = 120_000;
/// How long a message may be hidden in all after a receive [SQS model].
pub const LONGEST_HIDDEN: Duration = Duration::from_hours(12);
/// Messages that one receive takes out for the dead-letter queue at most: the lock isn't held for long.
const DEAD_AT_ONCE: usize = 1000;
/// What a message takes beside its own bytes, about.
const OVERHEAD: usize = 512;

/// The messages of one queue.
#[derive(Debug)]
pub struct Store {
    messages: BTreeMap<u64, Box<Entry>>,
    next: u64,
    receives: u64,
    order: Order,
    /// When what is delayed or in flight can be received.
    due: BTreeSet<(Millis, u64)>,
    /// All messages by age.
    ages: BTreeSet<(Millis, u64)>,
    bytes: usize,
    delayed: usize,
    in_flight: usize,
}

/// What can be received, in order.
#[derive(Debug)]
enum Order {
    /// Messages by their turn.
    Standard {
        turns: BTreeMap<u64, u64>,
        next: u64,
    },
    /// Groups by their turn.
    Fifo(Box<Fifo>),
}

#[derive(Debug, Default)]
struct Fifo {
    groups: Groups,
    dedup: Dedup,
    attempts: Attempts,
}

#[derive(Debug)]
struct Entry {
    message: Message,
    state: State,
    /// How often it was received in this queue.
    receives: u32,
    /// The number of its last receive, and when that was.
    receive: u64,
    taken: Millis,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can't be received before this.
    Delayed(Millis),
    /// It can be received, or waits for its group's earlier ones. In a standard queue with its turn.
    Visible(u64),
    /// It was received, and comes back then.
    InFlight(Millis),
}

/// A message that was received.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The message, this receive counted.
    pub message: Message,
    /// What its handle is made of.
    pub receipt: Receipt,
}

/// What a receive came to.
#[derive(Debug, Default)]
pub struct Receive {
    /// What was received.
    pub taken: Vec<Taken>,
    /// What was received too often, taken out for the dead-letter queue.
    pub dead: Vec<Message>,
}

/// What a delete or a change of visibility came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It's done.
    Done,
    /// There is no such message any more.
    Gone,
    /// The receipt's time is over; only FIFO queues mind.
    Expired,
    /// It would be hidden for more than twelve hours since it was received.
    TooLong,
}

/// How many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Those that can be received, or wait for their group's.
    pub visible: usize,
    /// Those in flight.
    pub in_flight: usize,
    /// Those that are delayed.
    pub delayed: usize,
}

impl Store {
    /// An empty store.
    pub fn new(fifo: bool) -> Self {
        Self {
            messages: BTreeMap::new(),
            next: 0,
            receives: 0,
            order: Self::order(fifo),
            due: BTreeSet::new(),
            ages: BTreeSet::new(),
            bytes: 0,
            delayed: 0,
            in_flight: 0,
        }
    }

    fn order(fifo: bool) -> Order {
        if fifo {
            Order::Fifo(Box::default())
        } else {
            Order::Standard {
                turns: BTreeMap::new(),
                next: 0,
            }
        }
    }

    /// Lets the time pass: what is due comes back, what is too old goes.
    pub fn advance(&mut self, now: Millis, retention: Duration) {
        self.advance_due(now);
        while let Some(&(enqueued, number)) = self.ages.first()
            && enqueued.after(retention) <= now
        {
            self.ages.pop_first();
            self.remove(number);
        }
        if let Order::Fifo(fifo) = &mut self.order {
            fifo.dedup.advance(now);
            fifo.attempts.advance(now);
        }
    }

    /// Adds a message, hidden until then. Its number is that of its sequence.
    pub fn put(&mut self, mut message: Message, until: Option<Millis>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.ages.insert((message.enqueued, number));
        self.bytes += message.size + OVERHEAD;
        if let Order::Fifo(fifo) = &mut self.order {
            message.sequence = Some(number);
            fifo.groups
                .join(message.group.get_or_insert_with(|| Arc::from("")), number);
        }
        let state = match until {
            Some(until) => {
                self.delayed += 1;
                self.due.insert((until, number));
                State::Delayed(until)
            }
            None => State::Visible(0),
        };
        self.messages.insert(
            number,
            Box::new(Entry {
                message,
                state,
                receives: 0,
                receive: 0,
                taken: Millis::default(),
            }),
        );
        if until.is_none() {
            self.line_up(number);
        }
        number
    }

    /// The message that this one would be a duplicate of: its id and sequence.
    pub fn duplicate(&self, key: u128) -> Option<(Arc<str>, u64)> {
        match &self.order {
            Order::Standard { .. } => None,
            Order::Fifo(fifo) => fifo.dedup.get(key),
        }
    }

    /// Makes messages of this key duplicates for five minutes.
    pub fn remember(&mut self, key: u128, id: Arc<str>, sequence: u64, now: Millis) {
        if let Order::Fifo(fifo) = &mut self.order {
            fifo.dedup.insert(key, id, sequence, now);
        }
    }

    /// Receives up to `most` messages and hides them until `until`. What was received `max` times already goes instead.
    pub fn receive(
        &mut self,
        now: Millis,
        most: usize,
        until: Millis,
        max: Option<u32>,
    ) -> Receive {
        let mut receive = Receive::default();
        let most = most.min(IN_FLIGHT.saturating_sub(self.in_flight));
        while receive.taken.len() < most && receive.dead.len() < DEAD_AT_ONCE {
            let number = match &mut self.order {
                Order::Standard { turns, .. } => turns.pop_first().map(|(_, number)| number),
                Order::Fifo(fifo) => {
                    let messages = &self.messages;
                    fifo.groups.next(|number| is_visible(messages, number))
                }
            };
            let Some(number) = number else { break };
            let spent = self
                .messages
                .get(&number)
                .is_some_and(|entry| max.is_some_and(|max| entry.receives >= max));
            if spent {
                receive.dead.extend(self.remove(number));
            } else {
                receive.taken.extend(self.take(number, now, until));
            }
        }
        if let Order::Fifo(fifo) = &mut self.order {
            let messages = &self.messages;
            fifo.groups.settle(|number| is_visible(messages, number));
        }
        if until <= now {
            // Hidden for no time at all: back in line, but not twice in one receive.
            for taken in &receive.taken {
                self.show(taken.receipt.number);
            }
        }
        receive
    }

    fn take(&mut self, number: u64, now: Millis, until: Millis) -> Option<Taken> {
        let entry = self.messages.get_mut(&number)?;
        self.receives += 1;
        entry.receive = self.receives;
        entry.taken = now;
        entry.receives = entry.receives.saturating_add(1);
        entry.message.received = entry.message.received.saturating_add(1);
        entry.message.first_received.get_or_insert(now);
        entry.state = State::InFlight(until);
        self.in_flight += 1;
        self.due.insert((until, number));
        Some(Taken {
            message: entry.message.clone(),
            receipt: Receipt {
                number,
                receive: entry.receive,
            },
        })
    }

    /// Gives again what was received under this attempt, if nothing of it has changed [SQS model].
    pub fn attempt(&mut self, attempt: &str, now: Millis, until: Millis) -> Option<Vec<Taken>> {
        let Order::Fifo(fifo) = &self.order else {
            return None;
        };
        let receipts = fifo.attempts.get(attempt)?.to_vec();
        let unchanged = receipts.iter().all(|receipt| {
            self.messages.get(&receipt.number).is_some_and(|entry| {
                entry.receive == receipt.receive && matches!(entry.state, State::InFlight(_))
            })
        });
        if !unchanged {
            return None;
        }
        receipts
            .into_iter()
            .map(|receipt| {
                self.hide(receipt.number, until);
                let message = self.messages.get(&receipt.number)?.message.clone();
                Some(Taken { message, receipt })
            })
            .collect::<Option<Vec<_>>>()
            .inspect(|_| self.advance_due(now))
    }

    /// Remembers what was received under an attempt.
    pub fn attempted(&mut self, attempt: &str, taken: &[Taken], now: Millis) {
        if let Order::Fifo(fifo) = &mut self.order {
            let receipts = taken.iter().map(|taken| taken.receipt).collect();
            fifo.attempts.insert(attempt, receipts, now);
        }
    }

    fn advance_due(&mut self, now: Millis) {
        while let Some(&(at, number)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            self.show(number);
        }
    }

    /// Deletes what was received. A standard queue takes any receipt of the message's.
    pub fn delete(&mut self, receipt: Receipt) -> Change {
        let Some(entry) = self.messages.get(&receipt.number) else {
            return Change::Gone;
        };
        if self.is_fifo() && !entry.is_held_by(receipt) {
            return Change::Expired;
        }
        self.remove(receipt.number);
        Change::Done
    }

    /// Hides what was received for so long from now.
    pub fn change(&mut self, receipt: Receipt, now: Millis, hidden: Duration) -> Change {
        let fifo = self.is_fifo();
        let Some(entry) = self.messages.get(&receipt.number) else {
            return Change::Gone;
        };
        let held = entry.is_held_by(receipt);
        let latest = entry.receive == receipt.receive;
        if fifo && !held {
            return Change::Expired;
        }
        if now.after(hidden) > entry.taken.after(LONGEST_HIDDEN) {
            return Change::TooLong;
        }
        match entry.state {
            // An older receipt of a message in flight does, too [LS test on AWS].
            State::InFlight(_) if hidden.is_zero() => self.show(receipt.number),
            State::InFlight(_) => self.hide(receipt.number, now.after(hidden)),
            // Too late, but not refused [LS test on AWS]: the last receiver has it again if nobody else took it.
            State::Visible(_) if latest && !hidden.is_zero() => {
                self.hide(receipt.number, now.after(hidden));
            }
            State::Visible(_) | State::Delayed(_) => {}
        }
        Change::Done
    }

    /// Takes out the first message that can be received, without receiving it: for a redrive.
    pub fn take_out(&mut self) -> Option<Message> {
        let number = match &mut self.order {
            Order::Standard { turns, .. } => turns.first_key_value().map(|(_, number)| *number),
            Order::Fifo(fifo) => {
                let messages = &self.messages;
                let number = fifo.groups.next(|number| is_visible(messages, number));
                fifo.groups.settle(|number| is_visible(messages, number));
                number
            }
        };
        self.remove(number?)
    }

    /// Removes everything, and forgets the duplicates.
    pub fn purge(&mut self) {
        // Numbers go on: a handle of before mustn't name a message of after.
        let (next, receives) = (self.next, self.receives);
        *self = Self::new(self.is_fifo());
        self.next = next;
        self.receives = receives;
    }

    /// Whether there is something to receive.
    pub fn is_ready(&self) -> bool {
        let waiting = match &self.order {
            Order::Standard { turns, .. } => !turns.is_empty(),
            Order::Fifo(fifo) => fifo.groups.are_ready(),
        };
        waiting && self.in_flight < IN_FLIGHT
    }

    /// Whether no more can be in flight.
    pub fn is_at_limit(&self) -> bool {
        self.in_flight >= IN_FLIGHT
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        Counts {
            visible: self.messages.len() - self.delayed - self.in_flight,
            in_flight: self.in_flight,
            delayed: self.delayed,
        }
    }

    /// When the oldest was sent.
    pub fn oldest(&self) -> Option<Millis> {
        self.ages.first().map(|(enqueued, _)| *enqueued)
    }

    /// The bytes that it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let dedup = match &self.order {
            Order::Standard { .. } => 0,
            Order::Fifo(fifo) => fifo.dedup.bytes(),
        };
        self.bytes + dedup
    }

    /// All messages in the order they came, each with where it is.
    pub fn all(&self) -> impl Iterator<Item = (&Message, State, u32)> {
        self.messages
            .values()
            .map(|entry| (&entry.message, entry.state, entry.receives))
    }

    /// The numbers that the next message and the last receive have.
    pub fn numbers(&self) -> (u64, u64) {
        (self.next, self.receives)
    }

    /// Goes on from these numbers.
    pub fn set_numbers(&mut self, (next, receives): (u64, u64)) {
        self.next = self.next.max(next);
        self.receives = self.receives.max(receives);
    }

    /// Counts receives of a message that was kept.
    pub fn set_receives(&mut self, number: u64, receives: u32) {
        if let Some(entry) = self.messages.get_mut(&number) {
            entry.receives = receives;
        }
    }

    fn is_fifo(&self) -> bool {
        matches!(self.order, Order::Fifo(_))
    }

    /// Makes a message visible that is delayed or in flight.
    fn show(&mut self, number: u64) {
        let Some(entry) = self.messages.get_mut(&number) else {
            return;
        };
        match entry.state {
            State::Visible(_) => return,
            State::Delayed(at) => {
                self.due.remove(&(at, number));
                self.delayed -= 1;
            }
            State::InFlight(at) => {
                self.due.remove(&(at, number));
                self.in_flight -= 1;
            }
        }
        entry.state = State::Visible(0);
        self.line_up(number);
    }

    /// Gives a turn to a message that has become visible, or to its group.
    fn line_up(&mut self, number: u64) {
        match &mut self.order {
            Order::Standard { turns, next } => {
                if let Some(entry) = self.messages.get_mut(&number) {
                    entry.state = State::Visible(*next);
                    turns.insert(*next, number);
                    *next += 1;
                }
            }
            Order::Fifo(_) => self.refresh(number),
        }
    }

    /// Hides a message that is visible or in flight.
    fn hide(&mut self, number: u64, until: Millis) {
        let Some(entry) = self.messages.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut entry.state, State::InFlight(until));
        match before {
            State::Delayed(at) => {
                self.due.remove(&(at, number));
                self.delayed -= 1;
                self.in_flight += 1;
            }
            State::InFlight(at) => {
                self.due.remove(&(at, number));
            }
            State::Visible(turn) => {
                self.in_flight += 1;
                if let Order::Standard { turns, .. } = &mut self.order {
                    turns.remove(&turn);
                }
            }
        }
        self.due.insert((until, number));
        self.refresh(number);
    }

    fn refresh(&mut self, number: u64) {
        if let Order::Fifo(fifo) = &mut self.order
            && let Some(entry) = self.messages.get(&number)
            && let Some(group) = &entry.message.group
        {
            let messages = &self.messages;
            fifo.groups
                .refresh(group, |number| is_visible(messages, number));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Message> {
        let entry = self.messages.remove(&number)?;
        self.ages.remove(&(entry.message.enqueued, number));
        self.bytes -= entry.message.size + OVERHEAD;
        match entry.state {
            State::Delayed(at) => {
                self.due.remove(&(at, number));
                self.delayed -= 1;
            }
            State::InFlight(at) => {
                self.due.remove(&(at, number));
                self.in_flight -= 1;
            }
            State::Visible(turn) => {
                if let Order::Standard { turns, .. } = &mut self.order {
                    turns.remove(&turn);
                }
            }
        }
        if let Order::Fifo(fifo) = &mut self.order
            && let Some(group) = &entry.message.group
        {
            let messages = &self.messages;
            fifo.groups.leave(group, number);
            fifo.groups
                .refresh(group, |number| is_visible(messages, number));
        }
        Some(entry.message)
    }
}

impl Entry {
    fn is_held_by(&self, receipt: Receipt) -> bool {
        self.receive == receipt.receive && matches!(self.state, State::InFlight(_))
    }
}

/// Whether a message can be received, its group aside.
fn is_visible(messages: &BTreeMap<u64, Box<Entry>>, number: u64) -> bool {
    messages
        .get(&number)
        .is_some_and(|entry| matches!(entry.state, State::Visible(_)))
}

#[cfg(test)]
mod tests;
