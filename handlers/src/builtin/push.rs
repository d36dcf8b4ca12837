//! `push`: takes the results queue's messages to their connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lanes::{Lane, Verdict, lanes, verdicts};
use crate::Error;
use crate::aws::http::Http;
use crate::aws::retry::Backoff;
use crate::aws::sqs::Queue;
use crate::aws::{Aws, percent_encode, refusal};
use crate::environment::Environment;
use crate::events::{Event, Record, now_ms};
use crate::log::{self, Field, Level};
use crate::metrics::Metrics;
use crate::registry::{OWN_ROOM, Retained, Store, is_reserved};
use crate::results::{ResultMessage, To};
use crate::runtime::{self, Invocation};
use crate::serve::store;

/// How many connections are sent to at once.
const CONCURRENCY: usize = 64;
/// How often one message is tried for one connection within one invocation.
const ATTEMPTS: u32 = 6;
/// The connections of one message that says who is left: their ids are about 20 bytes each.
const REST: usize = 1000;
/// How often those are tried who missed what others got. The queue's own count can't tell: each time it's a new message.
const TRIES: u32 = 5;
/// The first pause before those are tried again; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(10);
/// Sending stops this long before Lambda ends the process: what's left must still be put back into the queue.
const MARGIN: Duration = Duration::from_secs(3);

/// Serves the built-in handler.
pub async fn push() -> Result<(), Error> {
    let start = |http: Http| {
        let environment = Arc::new(Environment::read()?);
        let callback = environment
            .callback
            .clone()
            .ok_or("WSLESS_CALLBACK_URL isn't set")?;
        let aws = Aws::new(http, Arc::clone(&environment));
        let store = store(&aws);
        Ok(Arc::new(Push {
            environment,
            callback,
            aws,
            store,
        }))
    };
    runtime::run(start, |push: Arc<Push>, invocation| async move {
        push.invoke(invocation).await
    })
    .await
}

struct Push {
    environment: Arc<Environment>,
    callback: String,
    aws: Aws,
    store: Store,
}

/// A message of the batch that can be sent.
struct Sendable {
    record: usize,
    message: ResultMessage,
    /// The FIFO group it came in: what is left of it stays there.
    group: String,
}

/// A text, and what log lines say of the message that it's from.
struct Text {
    bytes: Bytes,
    fields: Vec<Field<'static>>,
}

/// The rooms that were looked up, and who is in them; `None` where that failed.
type Rooms = HashMap<String, Option<Vec<String>>>;

/// One lane's outcome.
#[derive(Default)]
struct Sent {
    /// How many of the lane's messages need nothing more.
    done: usize,
    /// Whether the time was up before the next message was tried: that isn't the connection's fault.
    late: bool,
    /// Which of the messages the connection got, and when, in epoch milliseconds.
    reached: Vec<(usize, u64)>,
    gone: u32,
    throttled: u32,
}

impl Push {
    async fn invoke(self: Arc<Self>, invocation: Invocation) -> Result<Vec<u8>, Error> {
        let event: Event = serde_json::from_slice(&invocation.event)?;
        let records = event.records.ok_or("push is given SQS batches only")?;
        if records.iter().any(|record| record.message_id.is_empty()) {
            return Err("an SQS record without a messageId".into());
        }
        let deadline = invocation.deadline;
        let margin = MARGIN.min(deadline.saturating_duration_since(Instant::now()) / 3);
        let failed = self.batch(&records, deadline - margin).await;
        let failures: Vec<_> = failed
            .iter()
            .map(|i| json!({"itemIdentifier": records[*i].message_id}))
            .collect();
        Ok(json!({"batchItemFailures": failures})
            .to_string()
            .into_bytes())
    }

    /// Sends a batch, and says which of its records are to come back. A FIFO queue's order needs nothing more than the
    /// lanes: what follows a failed message to the same connection wasn't sent, and comes back with it.
    async fn batch(self: &Arc<Self>, records: &[Record], until: Instant) -> Vec<usize> {
        let (sendable, targets, mut failed) = self.read(records).await;
        let lanes = lanes(&targets);
        let texts: Arc<Vec<Text>> = Arc::new(
            sendable
                .iter()
                .map(|one| Text {
                    bytes: Bytes::copy_from_slice(one.message.data.as_bytes()),
                    fields: about(&one.message),
                })
                .collect(),
        );
        let sent = self.send_lanes(&lanes, &texts, until).await;
        let done: Vec<usize> = sent.iter().map(|one| one.done).collect();
        let late: HashSet<&str> = lanes
            .iter()
            .zip(&sent)
            .filter(|(_, sent)| sent.late)
            .map(|(lane, _)| lane.connection.as_str())
            .collect();
        let mut reached = vec![0_usize; sendable.len()];
        for (message, _) in sent.iter().flat_map(|one| &one.reached) {
            reached[*message] += 1;
        }
        for ((one, targets), reached) in sendable.iter().zip(&targets).zip(reached) {
            self.told(one, &records[one.record], targets.len(), reached);
        }
        let mut dropped = 0;
        let verdicts = verdicts(sendable.len(), &lanes, &done);
        for (one, verdict) in sendable.iter().zip(verdicts) {
            let record = &records[one.record];
            match verdict {
                Verdict::Done => {}
                Verdict::Retry => failed.push(one.record),
                Verdict::Rest(connections) => {
                    match self.put_back(record, one, connections, &late).await {
                        Some(given_up) => dropped += given_up,
                        None => failed.push(one.record),
                    }
                }
            }
        }
        let sum = |what: fn(&Sent) -> u32| sent.iter().map(what).sum::<u32>();
        let counts = [
            (
                "PushSent",
                sum(|s| u32::try_from(s.reached.len()).unwrap_or(u32::MAX)),
            ),
            ("PushGone", sum(|s| s.gone)),
            ("PushThrottled", sum(|s| s.throttled)),
            ("PushDropped", dropped),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .fold(Metrics::new(), |metrics, (name, count)| {
            metrics.count(name, count)
        });
        latencies(&sendable, &sent)
            .into_iter()
            .fold(counts, |metrics, latency| {
                metrics.duration("MessageLatency", latency)
            })
            .emit();
        failed
    }

    /// Reads the records, finds out whom they're for, and names those that can't be read or whose targets can't be
    /// found now. A room is looked up once a batch.
    async fn read(&self, records: &[Record]) -> (Vec<Sendable>, Vec<Vec<String>>, Vec<usize>) {
        let (mut sendable, mut targets, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let mut messages = Vec::new();
        for (i, record) in records.iter().enumerate() {
            let message = match ResultMessage::parse(&record.body) {
                Ok(message) => message,
                Err(error) => {
                    // Nobody can send this; it goes to the dead-letter queue, where it can be looked at.
                    self.log(
                        Level::Error,
                        &error.to_string(),
                        None,
                        &[("messageId", record.message_id.as_str().into())],
                    );
                    failed.push(i);
                    continue;
                }
            };
            if let Err(error) = message.check_size() {
                self.log(
                    Level::Error,
                    &format!("dropped: {error}"),
                    Some(&message),
                    &[],
                );
                continue;
            }
            messages.push((i, message));
        }
        let mut rooms = self.retain(records, &messages).await;
        for (i, message) in messages {
            match self.targets(&message.to, &mut rooms).await {
                Ok(connections) => {
                    targets.push(connections);
                    sendable.push(Sendable {
                        record: i,
                        message,
                        group: records[i].group().to_owned(),
                    });
                }
                Err(error) => {
                    self.log(Level::Error, &error.to_string(), Some(&message), &[]);
                    failed.push(i);
                }
            }
        }
        (sendable, targets, failed)
    }

    /// Keeps the last text of each room that one of the messages wants kept, and returns the rooms where that failed
    /// as ones whose lookup failed: their messages come back.
    ///
    /// All of it happens before any room is looked up. Who joins, and then reads the kept text, has either joined
    /// before the lookup and is sent this one, or reads after it was written.
    async fn retain(&self, records: &[Record], messages: &[(usize, ResultMessage)]) -> Rooms {
        let mut last: HashMap<&str, (Option<u64>, &ResultMessage)> = HashMap::new();
        for (i, message) in messages {
            let Some(room) = message.kept_room().filter(|room| !is_reserved(room)) else {
                continue;
            };
            let sent = records[*i].sent();
            if last.get(room).is_none_or(|(known, _)| *known <= sent) {
                last.insert(room, (sent, message));
            }
        }
        let mut rooms = Rooms::new();
        for (room, (sent, message)) in last {
            let retained = Retained::new(message.data.as_str(), sent);
            if let Err(error) = self.store.retain(room, retained).await {
                self.log(
                    Level::Error,
                    &format!("not kept: {error}"),
                    Some(message),
                    &[],
                );
                rooms.insert(room.to_owned(), None);
            }
        }
        rooms
    }

    async fn targets(&self, to: &To, rooms: &mut Rooms) -> Result<Vec<String>, Error> {
        let room = match to {
            To::Connection(id) => return Ok(vec![id.clone()]),
            To::Connections(ids) => return Ok(ids.clone()),
            To::Room(room) if is_reserved(room) => {
                return Err("no room begins with \"*\": {\"all\": true} is everyone".into());
            }
            To::Room(room) => room.as_str(),
            To::All(_) => OWN_ROOM,
        };
        // A lookup that failed fails for the rest of the batch too, so that later messages don't overtake.
        let found = match rooms.get(room) {
            Some(known) => known.clone(),
            None => match self.store.members(room).await {
                Ok(members) => Some(members.into_iter().map(|item| item.connection).collect()),
                Err(error) => {
                    rooms.insert(room.to_owned(), None);
                    return Err(error.into());
                }
            },
        };
        rooms.insert(room.to_owned(), found.clone());
        found.ok_or_else(|| "an earlier call to the registry for the same room failed".into())
    }

    /// Sends along all lanes, a bounded number at once. The outcomes are in the lanes' order.
    async fn send_lanes(
        self: &Arc<Self>,
        lanes: &[Lane],
        texts: &Arc<Vec<Text>>,
        until: Instant,
    ) -> Vec<Sent> {
        let mut outcomes: Vec<Sent> = lanes.iter().map(|_| Sent::default()).collect();
        let slots = Arc::new(Semaphore::new(CONCURRENCY));
        let mut tasks = JoinSet::new();
        for (i, lane) in lanes.iter().cloned().enumerate() {
            let slot = Slot::of(&slots).await;
            let (push, texts) = (Arc::clone(self), Arc::clone(texts));
            tasks.spawn(async move { (i, push.send_lane(&lane, &texts, until, slot).await) });
            while let Some(ended) = tasks.try_join_next() {
                if let Ok((i, sent)) = ended {
                    outcomes[i] = sent;
                }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            if let Ok((i, sent)) = ended {
                outcomes[i] = sent;
            }
        }
        outcomes
    }

    /// Sends one connection's messages one after the other. What fails holds back the rest; who is gone needs none.
    async fn send_lane(&self, lane: &Lane, texts: &[Text], until: Instant, mut slot: Slot) -> Sent {
        let mut sent = Sent::default();
        let mut opening = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut messages = lane.messages.iter().peekable();
        while let Some(message) = messages.peek() {
            let text = &texts[**message];
            let mut post = self
                .send(&lane.connection, text, until, &mut sent.throttled)
                .await;
            // Who was sent something was open.
            if matches!(post, Post::Gone) && sent.reached.is_empty() {
                post = self.absent(&lane.connection, text, until).await;
            }
            match post {
                Post::Sent => {
                    sent.reached.push((**message, now_ms()));
                    sent.done += 1;
                    messages.next();
                }
                Post::Dropped => {
                    sent.done += 1;
                    messages.next();
                }
                Post::Opening => {
                    let again = Instant::now() + opening.next_delay();
                    if again >= until {
                        self.not_sent(&lane.connection, text, "it isn't open yet");
                        break;
                    }
                    slot.lend_until(again).await;
                }
                Post::Never | Post::Gone => {
                    sent.gone += 1;
                    sent.done = lane.messages.len();
                    for message in messages {
                        let words = "not sent: the connection is closed";
                        self.log_of(Level::Info, words, &lane.connection, &texts[*message]);
                    }
                    self.forget(&lane.connection).await;
                    break;
                }
                Post::Failed => break,
                Post::Late => {
                    // Who was waited for in vain was tried.
                    sent.late = opening.attempts() == 0 || !sent.reached.is_empty();
                    break;
                }
            }
        }
        sent
    }

    /// What a 410 means: the connection is closed, or isn't open yet. Its entry is written during `$connect`, so a
    /// greeting or a broadcast can be faster than the handshake, and forgetting it then would hide it for good. A young
    /// entry is waited for; `$disconnect` takes it away, or it grows old: so nobody is waited for long.
    async fn absent(&self, connection: &str, text: &Text, until: Instant) -> Post {
        let look = self.store.may_be_opening(connection);
        match tokio::time::timeout_at(until, look).await {
            Ok(Ok(true)) => Post::Opening,
            Ok(Ok(false)) => Post::Gone,
            Ok(Err(error)) => {
                self.not_sent(connection, text, &error.to_string());
                Post::Failed
            }
            Err(_) => {
                self.not_sent(connection, text, "the registry didn't answer in time");
                Post::Failed
            }
        }
    }

    /// Sends one message to one connection. 429 is that client's full buffer, or the account's rate: each connection
    /// waits for itself, until the time is up.
    async fn send(
        &self,
        connection: &str,
        text: &Text,
        until: Instant,
        throttled: &mut u32,
    ) -> Post {
        let url = format!(
            "{}/@connections/{}",
            self.callback,
            percent_encode(connection)
        );
        let headers = [("content-type", "application/octet-stream")];
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            if Instant::now() >= until {
                return if backoff.attempts() == 0 {
                    Post::Late
                } else {
                    Post::Failed
                };
            }
            let post = self
                .aws
                .post("execute-api", &url, &headers, text.bytes.clone());
            let Ok(result) = tokio::time::timeout_at(until, post).await else {
                return Post::Failed;
            };
            let (transient, reason) = match result {
                Ok(answer) => match answer.status {
                    200..300 => return Post::Sent,
                    410 => return Post::Gone,
                    // AWS gives no 404 here.
                    400 => return Post::Never,
                    413 => {
                        let words = "dropped: too large for API Gateway";
                        self.log_of(Level::Error, words, connection, text);
                        return Post::Dropped;
                    }
                    status => {
                        *throttled += u32::from(status == 429);
                        (
                            status == 429 || status >= 500,
                            refusal("PostToConnection", &answer).to_string(),
                        )
                    }
                },
                Err(error) => (error.is_transient(), error.to_string()),
            };
            let delay = backoff.next_delay();
            if !transient || backoff.attempts() >= ATTEMPTS || Instant::now() + delay >= until {
                self.not_sent(connection, text, &reason);
                return Post::Failed;
            }
            tokio::time::sleep(delay).await;
        }
    }

    /// Says what became of a message that was for so many connections, unless nobody got it: that's told where it
    /// failed. One line a message, however many it was for.
    fn told(&self, one: &Sendable, record: &Record, targets: usize, reached: usize) {
        let words = match (targets, reached) {
            (0, _) => "sent to nobody: nobody is there",
            (_, 0) => return,
            _ => "sent",
        };
        let is_one = matches!(one.message.to, To::Connection(_));
        let count = |count: usize| (!is_one).then_some(count).into();
        let fields = [
            ("connections", count(reached)),
            ("waitedMs", record.waited_ms().into()),
            ("attempt", record.attempt().into()),
        ];
        self.log(Level::Info, words, Some(&one.message), &fields);
    }

    fn not_sent(&self, connection: &str, text: &Text, reason: &str) {
        self.log_of(
            Level::Warn,
            &format!("not sent: {reason}"),
            connection,
            text,
        );
    }

    /// A line about a message's way to one connection.
    fn log_of(&self, level: Level, words: &str, connection: &str, text: &Text) {
        let mut fields = vec![("connectionId", connection.into())];
        let others = text
            .fields
            .iter()
            .filter(|(name, _)| *name != "connectionId");
        fields.extend(others.cloned());
        self.log(level, words, None, &fields);
    }

    /// A gone connection leaves the registry. If that fails it expires, or the next push finds it.
    async fn forget(&self, connection: &str) {
        if let Err(error) = self.store.remove(connection).await {
            self.log(
                Level::Warn,
                &error.to_string(),
                None,
                &[("connectionId", connection.into())],
            );
        }
    }

    /// Puts a message back for those only who didn't get it, and says how many of them it gave up: who was tried too
    /// often, for a client that stays full would otherwise go round until it closes. `late` are those that weren't
    /// tried. `None` if the queue didn't take it: then the whole message comes back, and some get it twice.
    async fn put_back(
        &self,
        record: &Record,
        one: &Sendable,
        connections: Vec<String>,
        late: &HashSet<&str>,
    ) -> Option<u32> {
        let Some(url) = self.environment.results_queue.as_deref() else {
            self.log(
                Level::Error,
                "WSLESS_RESULTS_QUEUE_URL isn't set",
                Some(&one.message),
                &[],
            );
            return None;
        };
        let (late, mut tried): (Vec<String>, Vec<String>) = connections
            .into_iter()
            .partition(|connection| late.contains(connection.as_str()));
        let before = one.message.tries;
        let given_up = if before.saturating_add(1) >= TRIES {
            std::mem::take(&mut tried)
        } else {
            Vec::new()
        };
        let pause = PAUSE * (1 << before.min(TRIES));
        let again = tried.chunks(REST).map(|chunk| (chunk, before + 1, pause));
        let untried = late
            .chunks(REST)
            .map(|chunk| (chunk, before, Duration::ZERO));
        let entries: Vec<_> = again
            .chain(untried)
            .enumerate()
            .map(|(i, (chunk, tries, delay))| {
                let mut message = one.message.clone();
                message.to = To::Connections(chunk.to_vec());
                // It has been.
                message.retained = false;
                message.tries = tries;
                let mut entry = message.entry(format!("{}-rest-{i}", record.message_id));
                entry.delay = delay;
                if !one.group.is_empty() {
                    entry.group.clone_from(&one.group);
                }
                entry
            })
            .collect();
        let results = Queue::new(&self.aws, url).send(&entries).await;
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            self.log(
                Level::Error,
                &format!("the results queue: {error}"),
                Some(&one.message),
                &[],
            );
        }
        if results.iter().any(Result::is_err) {
            return None;
        }
        if !given_up.is_empty() {
            let count = given_up.len();
            self.log(
                Level::Error,
                &format!("dropped for {count} connections: tried {TRIES} times"),
                Some(&one.message),
                &[("connectionId", given_up[0].as_str().into())],
            );
        }
        Some(u32::try_from(given_up.len()).unwrap_or(u32::MAX))
    }

    fn log(&self, level: Level, text: &str, message: Option<&ResultMessage>, more: &[Field<'_>]) {
        let mut fields = message.map(about).unwrap_or_default();
        fields.push(("stage", self.environment.stage.as_str().into()));
        fields.extend_from_slice(more);
        log::write(level, text, &fields);
    }
}

/// What log lines say of a message: whose it is, as far as it's one connection's, and what it answers.
fn about(message: &ResultMessage) -> Vec<Field<'static>> {
    let connection = match &message.to {
        To::Connection(id) => Some(id.as_str()),
        To::Connections(ids) if ids.len() == 1 => ids.first().map(String::as_str),
        _ => None,
    };
    vec![
        ("connectionId", connection.into()),
        ("requestId", message.request.as_deref().into()),
        ("route", message.route.as_deref().into()),
    ]
}

/// How long it took from the frame that each message answers until the last of those who got it now had it: one value
/// a message, however many it's for. Who gets it later counts then.
fn latencies(sendable: &[Sendable], sent: &[Sent]) -> Vec<Duration> {
    let mut last: Vec<Option<u64>> = vec![None; sendable.len()];
    for (message, at) in sent.iter().flat_map(|lane| &lane.reached) {
        last[*message] = last[*message].max(Some(*at));
    }
    sendable
        .iter()
        .zip(last)
        .filter_map(|(one, last)| Some(last?.saturating_sub(one.message.received?)))
        .map(Duration::from_millis)
        .collect()
}

/// How one POST ended.
enum Post {
    Sent,
    /// It can never be sent.
    Dropped,
    /// 410: closed, or not open yet.
    Gone,
    /// 410, and the handshake may still be going on.
    Opening,
    /// An id that never was.
    Never,
    Failed,
    /// It wasn't tried: the time was up.
    Late,
}

/// The right to send: there are as many as lanes that send at once.
struct Slot {
    slots: Arc<Semaphore>,
    /// `None` only if the semaphore were closed, which nobody does.
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    async fn of(slots: &Arc<Semaphore>) -> Self {
        Self {
            permit: Arc::clone(slots).acquire_owned().await.ok(),
            slots: Arc::clone(slots),
        }
    }

    /// Waits, and lets another lane send meanwhile.
    async fn lend_until(&mut self, when: Instant) {
        self.permit = None;
        tokio::time::sleep_until(when).await;
        *self = Self::of(&self.slots).await;
    }
}
