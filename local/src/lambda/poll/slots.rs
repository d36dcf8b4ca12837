//! How many batches of a mapping run at once.
//!
//! AWS begins with five and adds more, minute by minute, while messages wait. So does this, sooner: few batches at a time
//! make full batches, so there are only more where batches take long. Not where they wait for the function's processes: what
//! is taken from a queue and waits elsewhere would be others' again before it's begun.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::lambda::run::crowd::Crowd;

/// Batches at once at first (developer guide, "Amazon SQS event source mapping scaling").
const FIRST: usize = 5;
/// Who has waited for so long for a batch's end gets another place.
const LONG: Duration = Duration::from_millis(50);
/// A batch that took longer leaves another place when all are taken.
const SLOW: Duration = Duration::from_millis(10);
/// Both, where processors are short: more batches at once would only be smaller, and take longer still.
const SLOW_IN_A_CROWD: Duration = Duration::from_millis(500);

/// The places of a mapping's batches. One poller takes them.
#[derive(Debug)]
pub(super) struct Slots {
    taken: AtomicUsize,
    there: AtomicUsize,
    most: AtomicUsize,
    freed: Notify,
    crowd: Arc<Crowd>,
}

/// A batch's place.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
}

impl Slots {
    pub fn new(crowd: Arc<Crowd>) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicUsize::new(0),
            there: AtomicUsize::new(FIRST),
            most: AtomicUsize::new(FIRST),
            freed: Notify::new(),
            crowd,
        })
    }

    /// Sets how many there may be; where few are taken, there are soon fewer.
    pub fn limit(&self, most: usize) {
        self.most.store(most.max(1), Ordering::Relaxed);
        let there = self.there.load(Ordering::Relaxed);
        if self.taken.load(Ordering::Relaxed) < there / 2 {
            self.there.store((there / 2).max(FIRST), Ordering::Relaxed);
        }
    }

    /// Waits for a place. `waits` tells whether batches wait for processes.
    pub async fn take(self: &Arc<Self>, waits: impl Fn() -> bool) -> Slot {
        loop {
            if self.taken.load(Ordering::Acquire) < self.size() {
                self.taken.fetch_add(1, Ordering::AcqRel);
                return Slot {
                    slots: Arc::clone(self),
                };
            }
            let long = if self.crowd.is_there() {
                SLOW_IN_A_CROWD
            } else {
                LONG
            };
            if tokio::time::timeout(long, self.freed.notified())
                .await
                .is_err()
                && !waits()
            {
                self.grow(self.size() / 2);
            }
        }
    }

    fn size(&self) -> usize {
        self.there
            .load(Ordering::Relaxed)
            .min(self.most.load(Ordering::Relaxed))
    }

    fn grow(&self, by: usize) {
        let most = self.most.load(Ordering::Relaxed);
        let there = self.there.load(Ordering::Relaxed);
        if there < most {
            let there = there.saturating_add(by.max(1)).min(most);
            self.there.store(there, Ordering::Relaxed);
        }
    }
}

impl Slot {
    /// The function took so long for this batch. `waits` tells whether others wait for processes.
    pub fn took(&self, time: Duration, waits: impl Fn() -> bool) {
        let slots = &self.slots;
        let slow = if slots.crowd.is_there() {
            SLOW_IN_A_CROWD
        } else {
            SLOW
        };
        if time > slow && slots.taken.load(Ordering::Relaxed) >= slots.size() && !waits() {
            slots.grow(1);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.fetch_sub(1, Ordering::AcqRel);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_batches_run_at_first_and_more_when_they_take_long() {
        let slots = Slots::new(Arc::new(Crowd::fixed(false)));
        slots.limit(8);
        let mut held = Vec::new();
        let began = tokio::time::Instant::now();
        for _ in 0..5 {
            held.push(slots.take(|| false).await);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..3 {
            held.push(slots.take(|| false).await);
        }
        assert!(began.elapsed() >= LONG);
        // No more than the limit, however long it takes.
        let more = tokio::time::timeout(Duration::from_mins(1), slots.take(|| false)).await;
        assert!(more.is_err());
        // Nor are there more while those that there are wait.
        slots.limit(1000);
        let more = tokio::time::timeout(Duration::from_mins(1), slots.take(|| true)).await;
        assert!(more.is_err());
        drop(held.pop());
        let _ = slots.take(|| false).await;
    }

    #[tokio::test]
    async fn quick_batches_leave_no_more_places() {
        let slots = Slots::new(Arc::new(Crowd::fixed(false)));
        slots.limit(1000);
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(slots.take(|| false).await);
        }
        for slot in &held {
            slot.took(Duration::from_millis(1), || false);
        }
        assert_eq!(slots.size(), 5);
        for slot in &held {
            slot.took(Duration::from_millis(100), || true);
        }
        assert_eq!(slots.size(), 5);
        for slot in &held {
            slot.took(Duration::from_millis(100), || false);
        }
        assert_eq!(slots.size(), 6);
    }

    #[tokio::test]
    async fn where_processors_are_short_batches_that_take_long_leave_no_more_places() {
        let slots = Slots::new(Arc::new(Crowd::fixed(true)));
        slots.limit(1000);
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(slots.take(|| false).await);
        }
        for slot in &held {
            slot.took(Duration::from_millis(100), || false);
        }
        assert_eq!(slots.size(), 5);
        for slot in &held {
            slot.took(Duration::from_secs(1), || false);
        }
        assert_eq!(slots.size(), 6);
    }
}
