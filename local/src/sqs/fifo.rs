//! What only FIFO queues have: groups with their order, five minutes of deduplication, receives that can be repeated.
//!
//! Pure. A group gives its messages from its first on, up to the first that can't be received; those behind it wait. The
//! groups take turns: one that gave something, or comes back, goes to the end [LS tests on AWS].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::receipt::Receipt;
use crate::clock::Millis;

/// How long a deduplication id, and a receive's attempt, is known [SQS model].
const INTERVAL: Duration = Duration::from_mins(5);
/// What a known deduplication id takes, about.
const RECORD: usize = 160;
/// Attempts that are known at a time.
const ATTEMPTS: usize = 1000;

/// The groups of a queue.
#[derive(Debug, Default)]
pub struct Groups {
    named: HashMap<Arc<str>, Group>,
    /// Those whose first message can be received.
    turns: BTreeMap<u64, Arc<str>>,
    next: u64,
    /// The group that a receive is at, and the message that it's past.
    current: Option<(Arc<str>, u64)>,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeSet<u64>,
    turn: Option<u64>,
}

impl Groups {
    /// Adds a message to its group.
    pub fn join(&mut self, group: &Arc<str>, number: u64) {
        self.named
            .entry(Arc::clone(group))
            .or_default()
            .members
            .insert(number);
    }

    /// Takes a message out of its group.
    pub fn leave(&mut self, name: &str, number: u64) {
        if let Some(group) = self.named.get_mut(name) {
            group.members.remove(&number);
            if group.members.is_empty() {
                if let Some(turn) = group.turn {
                    self.turns.remove(&turn);
                }
                self.named.remove(name);
            }
        }
    }

    /// Gives the group a turn if its first message can be received, and takes it if not.
    pub fn refresh(&mut self, name: &Arc<str>, is_visible: impl Fn(u64) -> bool) {
        if self
            .current
            .as_ref()
            .is_some_and(|(current, _)| current == name)
        {
            return;
        }
        let Some(group) = self.named.get_mut(name) else {
            return;
        };
        let ready = group
            .members
            .first()
            .is_some_and(|first| is_visible(*first));
        match (ready, group.turn) {
            (true, None) => {
                group.turn = Some(self.next);
                self.turns.insert(self.next, Arc::clone(name));
                self.next += 1;
            }
            (false, Some(turn)) => {
                group.turn = None;
                self.turns.remove(&turn);
            }
            _ => {}
        }
    }

    /// The next message of a receive: of the same group as long as it has one, then of the next group.
    pub fn next(&mut self, is_visible: impl Fn(u64) -> bool + Copy) -> Option<u64> {
        loop {
            if let Some((name, past)) = &mut self.current {
                let next = self
                    .named
                    .get(name)
                    .and_then(|group| group.members.range(*past..).next())
                    .copied()
                    .filter(|next| is_visible(*next));
                if let Some(next) = next {
                    *past = next + 1;
                    return Some(next);
                }
                self.settle(is_visible);
            }
            let (_, name) = self.turns.pop_first()?;
            if let Some(group) = self.named.get_mut(&name) {
                group.turn = None;
            }
            self.current = Some((name, 0));
        }
    }

    /// Ends a receive: the group that it's at gets a turn again if there is something left to receive.
    pub fn settle(&mut self, is_visible: impl Fn(u64) -> bool) {
        if let Some((name, _)) = self.current.take() {
            self.refresh(&name, is_visible);
        }
    }

    /// Whether a group has something to receive.
    pub fn are_ready(&self) -> bool {
        !self.turns.is_empty()
    }
}

/// The deduplication ids of the last five minutes.
#[derive(Debug, Default)]
pub struct Dedup {
    known: HashMap<u128, (Arc<str>, u64)>,
    ages: VecDeque<(Millis, u128)>,
}

impl Dedup {
    /// Forgets what is too old.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, key)) = self.ages.front()
            && at.after(INTERVAL) <= now
        {
            self.known.remove(key);
            self.ages.pop_front();
        }
    }

    /// The id and the sequence of the message with this key.
    pub fn get(&self, key: u128) -> Option<(Arc<str>, u64)> {
        self.known.get(&key).cloned()
    }

    /// Knows a message by this key.
    pub fn insert(&mut self, key: u128, id: Arc<str>, sequence: u64, now: Millis) {
        if self.known.insert(key, (id, sequence)).is_none() {
            self.ages.push_back((now, key));
        }
    }

    /// The bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        self.known.len() * RECORD
    }
}

/// What a deduplication id is known by. `group` is given where ids are the group's own.
pub fn dedup_key(group: Option<&str>, id: &str) -> u128 {
    let mut hash = Sha256::new();
    if let Some(group) = group {
        hash.update(group);
    }
    // No id holds a zero byte.
    hash.update([0]);
    hash.update(id);
    let digest: [u8; 32] = hash.finalize().into();
    digest
        .iter()
        .take(16)
        .fold(0, |key, byte| key << 8 | u128::from(*byte))
}

/// The receives of the last five minutes that named an attempt.
#[derive(Debug, Default)]
pub struct Attempts {
    known: HashMap<String, Vec<Receipt>>,
    ages: VecDeque<(Millis, String)>,
}

impl Attempts {
    /// Forgets what is too old.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, attempt)) = self.ages.front()
            && (at.after(INTERVAL) <= now || self.ages.len() > ATTEMPTS)
        {
            self.known.remove(attempt);
            self.ages.pop_front();
        }
    }

    /// What was received.
    pub fn get(&self, attempt: &str) -> Option<&[Receipt]> {
        self.known.get(attempt).map(Vec::as_slice)
    }

    /// Remembers what was received.
    pub fn insert(&mut self, attempt: &str, receipts: Vec<Receipt>, now: Millis) {
        if self.known.insert(attempt.to_owned(), receipts).is_none() {
            self.ages.push_back((now, attempt.to_owned()));
        }
    }
}
