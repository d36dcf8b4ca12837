//! One connection: who it is, and what waits to be sent to it.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    task::Waker,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use serde_json::value::RawValue;

use super::ids::Id;
use crate::clock::Millis;

/// What may wait for a client that doesn't read: beyond it a post is LimitExceeded, and the client's messages wait.
pub(super) const OUTBOX: usize = 256 * 1024;

/// What an authorizer said of a connection.
#[derive(Debug, Default)]
pub(super) struct Authorized {
    /// As events show it.
    pub json: Box<RawValue>,
    /// As `$context.authorizer.…` finds it.
    pub values: Box<[(String, String)]>,
}

/// A connection that is open, or about to be.
#[derive(Debug)]
pub(super) struct Connection {
    pub id: Id,
    pub api_id: Box<str>,
    pub stage: Box<str>,
    pub connected_at: Millis,
    pub source_ip: Box<str>,
    pub user_agent: Option<Box<str>>,
    /// `requestContext.identity`.
    pub identity: Box<RawValue>,
    pub authorized: Option<Authorized>,
    /// In the order in which messages came they go to queues.
    pub lane: tokio::sync::Mutex<()>,
    last_active: AtomicI64,
    received: AtomicU64,
    sent: AtomicU64,
    outbox: Mutex<Outbox>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// It was asked to close.
    closing: bool,
    /// It's gone: nothing will be sent any more.
    gone: bool,
}

/// What came of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    Taken,
    /// The client reads too slowly.
    Full,
    Gone,
}

impl Connection {
    #[allow(clippy::too_many_arguments, reason = "each is a field")]
    pub fn new(
        id: Id,
        api_id: &str,
        stage: &str,
        connected_at: Millis,
        source_ip: &str,
        user_agent: Option<&str>,
        identity: Box<RawValue>,
        authorized: Option<Authorized>,
    ) -> Self {
        Self {
            id,
            api_id: api_id.into(),
            stage: stage.into(),
            connected_at,
            source_ip: source_ip.into(),
            user_agent: user_agent.map(Into::into),
            identity,
            authorized,
            lane: tokio::sync::Mutex::default(),
            last_active: AtomicI64::new(connected_at.0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            outbox: Mutex::default(),
            waker: AtomicWaker::new(),
        }
    }

    pub fn last_active(&self) -> Millis {
        Millis(self.last_active.load(Ordering::Relaxed))
    }

    /// Something went over the line, in either direction.
    pub fn touch(&self, now: Millis) {
        self.last_active.store(now.0, Ordering::Relaxed);
    }

    /// Messages from the client, and to it.
    pub fn messages(&self) -> (u64, u64) {
        (
            self.received.load(Ordering::Relaxed),
            self.sent.load(Ordering::Relaxed),
        )
    }

    pub fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a message from outside for the client, if there's room.
    pub fn post(&self, data: Bytes) -> Posted {
        let mut outbox = self.outbox.lock();
        if outbox.gone || outbox.closing {
            return Posted::Gone;
        }
        if outbox.bytes > 0 && outbox.bytes.saturating_add(data.len()) > OUTBOX {
            return Posted::Full;
        }
        self.put(&mut outbox, data);
        drop(outbox);
        self.waker.wake();
        Posted::Taken
    }

    /// Takes the gateway's own answer: there's always room, since the client's messages aren't read while it's full.
    pub fn answer(&self, data: Bytes) {
        let mut outbox = self.outbox.lock();
        if !outbox.gone {
            self.put(&mut outbox, data);
        }
    }

    fn put(&self, outbox: &mut Outbox, data: Bytes) {
        outbox.bytes = outbox.bytes.saturating_add(data.len());
        outbox.waiting.push_back(data);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The next message to be sent.
    pub fn next(&self) -> Option<Bytes> {
        let mut outbox = self.outbox.lock();
        let next = outbox.waiting.pop_front()?;
        if outbox.waiting.is_empty() && outbox.waiting.capacity() > 64 {
            outbox.waiting = VecDeque::new();
        }
        Some(next)
    }

    /// So many bytes are on their way.
    pub fn written(&self, bytes: usize) {
        let mut outbox = self.outbox.lock();
        outbox.bytes = outbox.bytes.saturating_sub(bytes);
    }

    /// Whether so much waits that the client's messages aren't read.
    pub fn is_full(&self) -> bool {
        self.outbox.lock().bytes >= OUTBOX
    }

    /// Asks it to close.
    pub fn close(&self) -> Posted {
        let mut outbox = self.outbox.lock();
        if outbox.gone || outbox.closing {
            return Posted::Gone;
        }
        outbox.closing = true;
        drop(outbox);
        self.waker.wake();
        Posted::Taken
    }

    pub fn is_closing(&self) -> bool {
        self.outbox.lock().closing
    }

    /// It's gone, and what waited with it.
    pub fn end(&self) {
        let mut outbox = self.outbox.lock();
        outbox.gone = true;
        outbox.waiting = VecDeque::new();
        outbox.bytes = 0;
    }

    /// Whom to wake when there's something to send.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}

#[cfg(test)]
pub(super) fn for_test(id: Id) -> Connection {
    Connection::new(
        id,
        "api1",
        "dev",
        Millis(1_652_722_217_711),
        "127.0.0.1",
        Some("test/1"),
        RawValue::from_string(r#"{"sourceIp":"127.0.0.1","userAgent":"test/1"}"#.to_owned())
            .unwrap(),
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slow_client_doesnt_read_is_bounded() {
        let connection = for_test(Id::request());
        let big = Bytes::from(vec![b'x'; 100 * 1024]);
        assert_eq!(connection.post(big.clone()), Posted::Taken);
        assert_eq!(connection.post(big.clone()), Posted::Taken);
        assert_eq!(connection.post(big.clone()), Posted::Full);
        assert_eq!(connection.messages(), (0, 2));
        assert!(!connection.is_full());
        assert_eq!(connection.next().map(|next| next.len()), Some(big.len()));
        // Taken isn't sent yet.
        assert_eq!(connection.post(big.clone()), Posted::Full);
        connection.written(big.len());
        assert_eq!(connection.post(big), Posted::Taken);
    }

    #[test]
    fn nothing_is_taken_for_one_that_closes_or_is_gone() {
        let connection = for_test(Id::request());
        assert_eq!(connection.close(), Posted::Taken);
        assert_eq!(connection.close(), Posted::Gone);
        assert_eq!(connection.post(Bytes::new()), Posted::Gone);
        connection.end();
        connection.answer(Bytes::from_static(b"late"));
        assert_eq!(connection.next(), None);
    }
}
