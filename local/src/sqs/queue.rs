//! One queue: its store behind one lock, whoever waits for its messages, and what CloudWatch is told.
//!
//! The lock is never held across an await, and never together with another queue's: what was received too often is taken
//! out first and put into the dead-letter queue after.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::{
    errors, fifo,
    message::{self, Message, Sending, hex},
    receipt::Receipt,
    settings::Settings,
    store::{Change, Counts, State as Place, Store, Taken},
};
use crate::{clock::Millis, cloud::Region, cloudwatch::Series, error::Result, iam::Caller};

/// The bytes that a queue holds at most: AWS has no such limit, a machine has.
const CAPACITY: usize = 1 << 30;
/// A waiter looks at least this often by itself, so that a message that comes back later needs to wake nobody.
const LOOK: Duration = Duration::from_secs(20);
/// How long an arrival at a deleted queue takes: whoever loops finds out without spinning.
const DELETED: Duration = Duration::from_secs(1);

/// One queue.
#[derive(Debug)]
pub struct Queue {
    name: String,
    arn: Arc<str>,
    created: Millis,
    /// From when on it's found by others than who made it.
    found_at: Millis,
    creator: Option<Caller>,
    key: [u8; 16],
    fifo: bool,
    state: Mutex<State>,
    notify: Notify,
    metrics: OnceLock<Metrics>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    tags: BTreeMap<String, String>,
    modified: Millis,
    purged: Option<Millis>,
    deleted: bool,
    store: Store,
    /// The latest that a waiter looks again by itself: nobody needs to be woken for what is due after.
    armed: Millis,
    capacity: usize,
}

/// A queue's metrics, kept so that writing to them costs little.
#[derive(Debug)]
struct Metrics {
    sent: Arc<Series>,
    sent_size: Arc<Series>,
    received: Arc<Series>,
    deleted: Arc<Series>,
    empty: Arc<Series>,
}

/// A message that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its id.
    pub message_id: String,
    /// What deletes it.
    pub receipt_handle: String,
    /// Its body.
    pub body: Arc<str>,
    /// The body's MD5, hexadecimal.
    pub body_md5: String,
    /// The attributes' MD5 as SQS makes it; absent without attributes.
    pub attributes_md5: Option<String>,
    /// `SentTimestamp`, `ApproximateReceiveCount`, `MessageGroupId`…: all that SQS has of it.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes: as in ReceiveMessage's answer, by name (`StringValue`, `BinaryValue`, `DataType`).
    pub message_attributes: Value,
}

/// What a sender is told.
#[derive(Debug)]
pub struct Sent {
    /// The message's id; a duplicate's is that of the message that came first.
    pub id: Arc<str>,
    /// Its sequence number, in a FIFO queue.
    pub sequence: Option<u64>,
}

/// A message that was looked at and left where it is.
#[derive(Clone, Debug, Serialize)]
pub struct Peeked {
    /// Its id.
    pub message_id: String,
    /// Its body.
    pub body: Arc<str>,
    /// `visible`, `in flight` or `delayed`.
    pub state: &'static str,
    /// What SQS has of it.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes.
    pub message_attributes: Value,
}

/// A queue as it's kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    name: String,
    arn: Arc<str>,
    created: Millis,
    modified: Millis,
    key: [u8; 16],
    settings: Settings,
    tags: BTreeMap<String, String>,
    numbers: (u64, u64),
    messages: Vec<KeptMessage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptMessage {
    message: Message,
    receives: u32,
    until: Option<Millis>,
}

/// Who makes a queue, and when others find it.
#[derive(Debug)]
pub struct Birth {
    /// When it's made.
    pub at: Millis,
    /// From when on others find it.
    pub found_at: Millis,
    /// Who makes it.
    pub creator: Caller,
}

impl Queue {
    /// A new queue.
    pub fn new(
        name: &str,
        arn: String,
        settings: Settings,
        tags: BTreeMap<String, String>,
        birth: Birth,
    ) -> Self {
        let fifo = settings.rules().fifo;
        Self {
            name: name.to_owned(),
            arn: Arc::from(arn),
            created: birth.at,
            found_at: birth.found_at,
            creator: Some(birth.creator),
            key: rand::random(),
            fifo,
            state: Mutex::new(State {
                settings,
                tags,
                modified: birth.at,
                purged: None,
                deleted: false,
                store: Store::new(fifo),
                armed: Millis(i64::MIN),
                capacity: CAPACITY,
            }),
            notify: Notify::new(),
            metrics: OnceLock::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// When it was made.
    pub fn created(&self) -> Millis {
        self.created
    }

    /// When its attributes were last changed.
    pub fn modified(&self) -> Millis {
        self.state.lock().modified
    }

    /// Whether it keeps order.
    pub fn is_fifo(&self) -> bool {
        self.fifo
    }

    /// Whether this caller, or anybody if none is named, finds it already.
    pub fn is_found(&self, now: Millis, caller: Option<&Caller>) -> bool {
        self.found_at <= now || caller.is_some_and(|caller| self.creator.as_ref() == Some(caller))
    }

    /// Its attributes.
    pub fn settings(&self) -> Settings {
        self.state.lock().settings.clone()
    }

    /// Changes its attributes; nothing if one is wrong.
    pub fn change_settings(
        &self,
        now: Millis,
        change: impl FnOnce(&mut Settings) -> Result<()>,
    ) -> Result<()> {
        self.act(now, |state| {
            change(&mut state.settings)?;
            state.modified = now;
            Ok(())
        })
    }

    /// Reads or changes its tags.
    pub fn with_tags<R>(&self, act: impl FnOnce(&mut BTreeMap<String, String>) -> R) -> R {
        act(&mut self.state.lock().tags)
    }

    /// How many messages it has.
    pub fn counts(&self, now: Millis) -> Counts {
        self.act(now, |state| state.store.counts())
    }

    /// When its oldest message was sent.
    pub fn oldest(&self, now: Millis) -> Option<Millis> {
        self.act(now, |state| state.store.oldest())
    }

    /// The first messages, in the order they came, without receiving them.
    pub fn peek(&self, most: usize) -> Vec<Peeked> {
        let found: Vec<_> = self.act(Millis::now(), |state| {
            let all = state.store.all().take(most);
            all.map(|(message, place, _)| (message.clone(), place))
                .collect()
        });
        found
            .into_iter()
            .map(|(message, place)| Peeked {
                message_id: message.id.to_string(),
                state: match place {
                    Place::Visible(_) => "visible",
                    Place::InFlight(_) => "in flight",
                    Place::Delayed(_) => "delayed",
                },
                attributes: system(&message),
                message_attributes: attributes(&message).0,
                body: message.body,
            })
            .collect()
    }

    /// Adds a message.
    pub fn send(
        &self,
        region: &Region,
        now: Millis,
        sending: &Sending,
        sender: &Arc<str>,
    ) -> Result<Sent> {
        let sent = self.act(now, |state| state.send(now, sending, sender))?;
        let metrics = self.metrics(region);
        metrics.sent.record(now, 1.0, "Count");
        let size = u32::try_from(sending.size).unwrap_or(u32::MAX);
        metrics.sent_size.record(now, size.into(), "Bytes");
        Ok(sent)
    }

    /// Adds a message that comes from another queue.
    pub fn accept(&self, now: Millis, message: Message) {
        self.act(now, |state| state.store.put(message, None));
    }

    /// Takes up to ten messages that are visible, and hides them for so long (`None`: the queue's own timeout). Doesn't wait.
    /// Messages that were received too often go to the dead-letter queue instead.
    pub fn receive(
        &self,
        region: &Region,
        most: usize,
        visibility: Option<Duration>,
    ) -> Vec<Received> {
        let taken = self
            .take(region, Millis::now(), most, visibility, None)
            .unwrap_or_default();
        if taken.is_empty() {
            self.received_nothing(region);
        }
        taken
            .iter()
            .map(|taken| {
                let (message_attributes, attributes_md5) = attributes(&taken.message);
                Received {
                    message_id: taken.message.id.to_string(),
                    receipt_handle: self.handle(taken),
                    body: Arc::clone(&taken.message.body),
                    body_md5: hex(&taken.message.body_md5),
                    attributes_md5,
                    attributes: system(&taken.message),
                    message_attributes,
                }
            })
            .collect()
    }

    /// Takes messages. Fails if the queue is deleted, or has as many in flight as it may.
    pub fn take(
        &self,
        region: &Region,
        now: Millis,
        most: usize,
        visibility: Option<Duration>,
        attempt: Option<&str>,
    ) -> Result<Vec<Taken>> {
        let redrive = self
            .state
            .lock()
            .settings
            .redrive()
            .map(|redrive| (redrive.target.clone(), redrive.max));
        // Without the dead-letter queue its messages stay.
        let dead_letters = redrive.and_then(|(target, max)| {
            let name = super::input::queue_of_arn(&target, &region.name)?;
            Some((region.sqs.held(name)?, max))
        });
        let max = dead_letters.as_ref().map(|(_, max)| *max);
        let receive = self.act(now, |state| {
            state.take(now, most.min(10), visibility, max, attempt, self.fifo)
        })?;
        if let Some((queue, _)) = dead_letters {
            for mut message in receive.dead {
                message.source = Some(Arc::clone(&self.arn));
                if self.fifo {
                    message.enqueued = now;
                }
                queue.accept(now, message);
            }
        }
        let metrics = self.metrics(region);
        for _ in &receive.taken {
            metrics.received.record(now, 1.0, "Count");
        }
        Ok(receive.taken)
    }

    /// Counts a receive that gave nothing.
    pub fn received_nothing(&self, region: &Region) {
        self.metrics(region)
            .empty
            .record(Millis::now(), 1.0, "Count");
    }

    /// The handle of what was received.
    pub fn handle(&self, taken: &Taken) -> String {
        taken.receipt.handle(&self.key)
    }

    /// Resolves when there may be something to receive: at once if there is, else when a message comes or comes back.
    ///
    /// However many wait, and whenever one of them gives up, none sleeps while there is something to receive: all are
    /// woken when there begins to be. At a deleted queue it takes a second, so that whoever loops doesn't spin.
    pub async fn arrival(&self) {
        // Whoever loops over a full queue lets others run, too.
        tokio::task::coop::consume_budget().await;
        loop {
            let mut woken = std::pin::pin!(self.notify.notified());
            // From here on no wake-up is missed.
            woken.as_mut().enable();
            let now = Millis::now();
            let next = {
                let mut state = self.state.lock();
                if state.deleted {
                    None
                } else {
                    state.advance(now);
                    if state.store.is_ready() {
                        return;
                    }
                    let look = now.after(LOOK);
                    let next = state.store.next_due().map_or(look, |due| due.min(look));
                    state.armed = state.armed.max(next);
                    Some(next)
                }
            };
            let Some(next) = next else {
                tokio::time::sleep(DELETED).await;
                return;
            };
            let pause = now.until(next).max(Duration::from_millis(1));
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Deletes a message that was received; nothing if the handle is stale.
    pub fn delete(&self, receipt_handle: &str) {
        let _ = self.try_delete(Millis::now(), receipt_handle);
    }

    /// Deletes a message that was received.
    pub fn try_delete(&self, now: Millis, handle: &str) -> Result<()> {
        let receipt = Receipt::of(handle, &self.key).ok_or_else(|| errors::bad_receipt(handle))?;
        match self.act(now, |state| state.store.delete(receipt)) {
            Change::Expired => return Err(errors::expired_receipt(handle)),
            Change::Done | Change::Gone | Change::TooLong => {}
        }
        if let Some(metrics) = self.metrics.get() {
            metrics.deleted.record(now, 1.0, "Count");
        }
        Ok(())
    }

    /// Makes a received message visible again after this long.
    pub fn change_visibility(&self, receipt_handle: &str, after: Duration) {
        let _ = self.try_change_visibility(Millis::now(), receipt_handle, after);
    }

    /// Makes a received message visible again after this long.
    pub fn try_change_visibility(&self, now: Millis, handle: &str, after: Duration) -> Result<()> {
        let receipt = Receipt::of(handle, &self.key).ok_or_else(|| errors::bad_receipt(handle))?;
        match self.act(now, |state| state.store.change(receipt, now, after)) {
            Change::Done => Ok(()),
            Change::Gone => Err(errors::invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            )),
            Change::Expired => Err(errors::expired_receipt(handle)),
            Change::TooLong => Err(errors::invalid_value(
                after.as_secs(),
                "VisibilityTimeout",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )),
        }
    }

    /// How long a received message is hidden.
    pub fn visibility_timeout(&self) -> Duration {
        self.state.lock().settings.visibility_timeout()
    }

    /// Takes out a message for a redrive.
    pub fn take_out(&self, now: Millis) -> Option<Message> {
        self.act(now, |state| state.store.take_out())
    }

    /// Removes all messages; not if that was done within this time.
    pub fn purge(&self, now: Millis, again: Option<Duration>) -> Result<()> {
        self.act(now, |state| {
            let early = again
                .zip(state.purged)
                .is_some_and(|(again, purged)| now < purged.after(again));
            if early {
                return Err(errors::purging(&self.name));
            }
            state.purged = Some(now);
            state.store.purge();
            Ok(())
        })
    }

    /// Makes it a queue that isn't there any more, for whoever still holds it.
    pub fn end(&self) {
        {
            let mut state = self.state.lock();
            state.deleted = true;
            state.store.purge();
        }
        self.notify.notify_waiters();
    }

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.state.lock().deleted
    }

    /// What is to be kept.
    pub fn keep(&self) -> Kept {
        let now = Millis::now();
        self.act(now, |state| Kept {
            name: self.name.clone(),
            arn: Arc::clone(&self.arn),
            created: self.created,
            modified: state.modified,
            key: self.key,
            settings: state.settings.clone(),
            tags: state.tags.clone(),
            numbers: state.store.numbers(),
            messages: state
                .store
                .all()
                .map(|(message, place, receives)| KeptMessage {
                    message: message.clone(),
                    receives,
                    until: match place {
                        Place::Delayed(until) => Some(until),
                        // Whoever received it is gone when this is read.
                        Place::Visible(_) | Place::InFlight(_) => None,
                    },
                })
                .collect(),
        })
    }

    /// The queue that was kept.
    pub fn restore(kept: Kept) -> Self {
        let fifo = kept.settings.rules().fifo;
        let mut store = Store::new(fifo);
        store.set_numbers(kept.numbers);
        for KeptMessage {
            message,
            receives,
            until,
        } in kept.messages
        {
            let number = store.put(message, until);
            store.set_receives(number, receives);
        }
        Self {
            name: kept.name,
            arn: kept.arn,
            created: kept.created,
            found_at: kept.created,
            creator: None,
            key: kept.key,
            fifo,
            state: Mutex::new(State {
                settings: kept.settings,
                tags: kept.tags,
                modified: kept.modified,
                purged: None,
                deleted: false,
                store,
                armed: Millis(i64::MIN),
                capacity: CAPACITY,
            }),
            notify: Notify::new(),
            metrics: OnceLock::new(),
        }
    }

    /// Makes the queue small, for tests.
    #[cfg(test)]
    pub fn set_capacity(&self, bytes: usize) {
        self.state.lock().capacity = bytes;
    }

    fn metrics(&self, region: &Region) -> &Metrics {
        self.metrics.get_or_init(|| {
            let series = |metric| {
                region
                    .cloudwatch
                    .series("AWS/SQS", metric, &[("QueueName", &self.name)])
            };
            Metrics {
                sent: series("NumberOfMessagesSent"),
                sent_size: series("SentMessageSize"),
                received: series("NumberOfMessagesReceived"),
                deleted: series("NumberOfMessagesDeleted"),
                empty: series("NumberOfEmptyReceives"),
            }
        })
    }

    /// Does something under the lock, the time passed first, and wakes whoever waits if there is something to receive now
    /// or earlier than they look again.
    fn act<R>(&self, now: Millis, act: impl FnOnce(&mut State) -> R) -> R {
        let (result, wake) = {
            let mut state = self.state.lock();
            let was_ready = state.store.is_ready();
            state.advance(now);
            let result = act(&mut state);
            let wake = (!was_ready && state.store.is_ready())
                || state.store.next_due().is_some_and(|due| due < state.armed);
            if wake {
                state.armed = Millis(i64::MIN);
            }
            (result, wake)
        };
        if wake {
            self.notify.notify_waiters();
        }
        result
    }
}

impl State {
    fn advance(&mut self, now: Millis) {
        self.store.advance(now, self.settings.retention());
    }

    fn send(&mut self, now: Millis, sending: &Sending, sender: &Arc<str>) -> Result<Sent> {
        if self.deleted {
            return Err(errors::no_queue(false));
        }
        let fifo = self.settings.rules().fifo;
        let dedup = match &sending.dedup {
            Some(dedup) => Some(Arc::clone(dedup)),
            None if fifo => Some(Arc::from(message::body_sha256(&sending.body))),
            None => None,
        };
        let key = dedup.as_deref().map(|dedup| {
            let by_group = self.settings.dedup_by_group();
            fifo::dedup_key(sending.group.as_deref().filter(|_| by_group), dedup)
        });
        if let Some((id, sequence)) = key.and_then(|key| self.store.duplicate(key)) {
            return Ok(Sent {
                id,
                sequence: Some(sequence),
            });
        }
        if self.store.bytes() + sending.size > self.capacity {
            return Err(errors::over_limit(format!(
                "The queue is full: wsless's embedded cloud keeps no more than {} MiB of one queue's messages.",
                self.capacity >> 20
            )));
        }
        let delay = sending.delay.map_or_else(
            || self.settings.delay(),
            |delay| Duration::from_secs(delay.into()),
        );
        let id: Arc<str> = Arc::from(message::new_id());
        let number = self.store.put(
            Message {
                id: Arc::clone(&id),
                body: Arc::clone(&sending.body),
                body_md5: sending.body_md5,
                attributes: sending.attributes.clone(),
                attributes_md5: sending.attributes_md5,
                trace: sending.trace.clone(),
                sender: Arc::clone(sender),
                sent: now,
                enqueued: now,
                group: sending.group.clone(),
                dedup,
                sequence: None,
                source: None,
                received: 0,
                first_received: None,
                size: sending.size,
            },
            (!delay.is_zero()).then(|| now.after(delay)),
        );
        if let Some(key) = key {
            self.store.remember(key, Arc::clone(&id), number, now);
        }
        Ok(Sent {
            id,
            sequence: fifo.then_some(number),
        })
    }

    fn take(
        &mut self,
        now: Millis,
        most: usize,
        visibility: Option<Duration>,
        max: Option<u32>,
        attempt: Option<&str>,
        fifo: bool,
    ) -> Result<super::store::Receive> {
        if self.deleted {
            return Err(errors::no_queue(false));
        }
        let hidden = visibility.unwrap_or_else(|| self.settings.visibility_timeout());
        let until = now.after(hidden);
        if let Some(attempt) = attempt
            && let Some(taken) = self.store.attempt(attempt, now, until)
        {
            return Ok(super::store::Receive {
                taken,
                dead: Vec::new(),
            });
        }
        // A FIFO queue says nothing at its limit, it gives nothing [SQS model].
        if self.store.is_at_limit() && !fifo {
            return Err(errors::over_limit(
                "The maximum number of in flight messages is reached.",
            ));
        }
        let receive = self.store.receive(now, most, until, max);
        if let Some(attempt) = attempt
            && !receive.taken.is_empty()
        {
            self.store.attempted(attempt, &receive.taken, now);
        }
        Ok(receive)
    }
}

fn system(message: &Message) -> BTreeMap<String, String> {
    message
        .system(|_| true)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn attributes(message: &Message) -> (Value, Option<String>) {
    match message.attributes(|_| true) {
        Some((members, md5)) => (members, Some(hex(&md5))),
        None => (Value::Object(Map::new()), None),
    }
}
