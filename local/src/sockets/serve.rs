//! Serving a connection: one task, from the handshake's decision to `$disconnect`.
//!
//! The task drives everything of its connection by itself: frames in, messages under way, frames out, the clock. An idle
//! one costs the task, tungstenite's read buffer, and the connection's own state; what is big is boxed while it's needed.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _, stream::FuturesUnordered,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time::{Instant, Sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::{CapacityError, ProtocolError},
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use super::{
    connection::Connection,
    exchange::{Exchange, FORBIDDEN, Kind, Story, TOO_MANY_REQUESTS, frame},
    gate::Gate,
    handshake::Handshake,
    ids::Id,
    meter::Metric,
    plan::{Plan, RoutePlan},
    record,
};
use crate::clock::Millis;

/// A message's limit, and a frame's [DG websocket-limits].
const MESSAGE: usize = 128 * 1024;
pub(super) const FRAME: usize = 32 * 1024;
/// Without a frame for so long, a connection is closed; and after so long anyhow.
const IDLE: Duration = Duration::from_mins(10);
const LIFETIME: Duration = Duration::from_hours(2);
/// Messages of one connection that are under way at once; beyond, no more are read.
const UNDER_WAY: usize = 32;
/// How long a client has to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

type Work = FuturesUnordered<Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>>;
type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// How a connection ended, for `$disconnect`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ended {
    code: u16,
    reason: String,
}

impl Ended {
    fn new(code: u16, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
        }
    }

    fn going_away() -> Self {
        Self::new(1001, "Going away")
    }

    /// Its line broke.
    fn broken() -> Self {
        Self::new(1006, "Connection Closed Abnormally")
    }
}

/// What makes a connection end.
#[derive(Debug)]
enum End {
    /// The client closed it, or its line broke.
    Theirs(Ended),
    /// The gateway closes it.
    Ours(Ended),
    /// The cloud ends.
    Cloud,
}

/// A connection's whole life.
pub(super) async fn connection(
    handshake: Handshake,
    upgrade: OnUpgrade,
    reply: oneshot::Sender<hyper::Response<http_body_util::Full<Bytes>>>,
) {
    let gate = handshake.gate.clone();
    let plan = Arc::clone(&handshake.plan);
    let ending = gate.cloud.ending().clone();
    let decision = Box::pin(handshake.decide());
    let connection = match ending.run_until_cancelled(decision).await {
        None => return,
        Some(Err(refusal)) => {
            let _ = reply.send(*refusal);
            return;
        }
        Some(Ok((connection, accepted))) => {
            // From now on it can be posted to: what is posted waits for the upgrade.
            gate.region.sockets.enter(&connection);
            let _ = reply.send(accepted);
            connection
        }
    };
    let mut work = None;
    let ended = match ending.run_until_cancelled(upgrade).await {
        Some(Ok(upgraded)) => {
            let mut served = Served::new(&gate, &connection, plan, upgraded).await;
            let end = served.run(&ending).await;
            let (ended, left) = Box::pin(served.finish(end)).await;
            work = left;
            ended
        }
        Some(Err(_)) => Some(Ended::broken()),
        None => None,
    };
    gate.region.sockets.leave(&connection);
    let Some(ended) = ended else { return };
    // What's under way goes on, as on AWS, though nobody hears the answers.
    let rest = Box::pin(async {
        let left = async {
            if let Some(mut work) = work {
                while work.next().await.is_some() {}
            }
        };
        futures_util::join!(left, disconnected(&gate, &connection, ended));
    });
    ending.run_until_cancelled(rest).await;
}

/// Tells the `$disconnect` route, if there is one; what it answers is ignored.
async fn disconnected(gate: &Gate, connection: &Arc<Connection>, ended: Ended) {
    let Some(plan) = gate
        .region
        .sockets
        .plan(gate, &connection.api_id, &connection.stage)
    else {
        return;
    };
    let Some(route) = plan.routes.get("$disconnect") else {
        return;
    };
    let exchange = Exchange {
        gate: gate.clone(),
        connection: Arc::clone(connection),
        route: Arc::clone(route),
        request_id: Id::request(),
        at: Millis::now(),
        kind: Kind::Disconnect {
            code: ended.code,
            reason: ended.reason,
        },
        plan: Arc::clone(&plan),
    };
    exchange.integrate().await;
}

/// A connection that is open.
struct Served {
    gate: Gate,
    connection: Arc<Connection>,
    plan: Arc<Plan>,
    socket: Socket,
    work: Work,
    /// What is being sent, if it's more than a frame.
    rest: Option<(Bytes, usize)>,
    clock: Pin<Box<Sleep>>,
    /// Since when it's open, and when something last went over the line.
    since: Instant,
    last: Instant,
}

impl Served {
    async fn new(
        gate: &Gate,
        connection: &Arc<Connection>,
        plan: Arc<Plan>,
        upgraded: Upgraded,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            // Answers that are ready at once leave together.
            .write_buffer_size(4096)
            .max_message_size(Some(MESSAGE))
            .max_frame_size(Some(FRAME));
        let socket =
            Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let since = Instant::now();
        let idle = gate.cloud.delays.scaled(IDLE);
        Self {
            gate: gate.clone(),
            connection: Arc::clone(connection),
            plan,
            socket,
            work: Work::new(),
            rest: None,
            clock: Box::pin(tokio::time::sleep_until(since + idle)),
            since,
            last: since,
        }
    }

    /// Serves until something makes it end.
    async fn run(&mut self, ending: &tokio_util::sync::CancellationToken) -> End {
        let mut cancelled = std::pin::pin!(ending.cancelled());
        poll_fn(|context| {
            if cancelled.as_mut().poll(context).is_ready() {
                return Poll::Ready(End::Cloud);
            }
            self.poll(context)
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.connection.register(context.waker());
        loop {
            while let Poll::Ready(Some(answer)) = self.work.poll_next_unpin(context) {
                if let Some(answer) = answer {
                    self.send_back(answer);
                }
            }
            if let Poll::Ready(Err(end)) = self.poll_write(context) {
                return Poll::Ready(end);
            }
            if self.connection.is_closing() {
                return Poll::Ready(End::Ours(Ended::new(1000, "Connection Closed Normally")));
            }
            let busy = self.work.len() >= UNDER_WAY || self.connection.is_full();
            if !busy && let Poll::Ready(next) = Pin::new(&mut self.socket).poll_next(context) {
                match self.received(next) {
                    Some(end) => return Poll::Ready(end),
                    None => continue,
                }
            }
            ready!(self.clock.poll_unpin(context));
            if let Some(end) = self.time() {
                return Poll::Ready(end);
            }
        }
    }

    /// Sends what waits, as far as the client takes it.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), End>> {
        let broken = |_| End::Theirs(Ended::broken());
        loop {
            let mut socket = Pin::new(&mut self.socket);
            ready!(socket.as_mut().poll_ready(context)).map_err(broken)?;
            let (data, from) = match self.rest.take() {
                Some(rest) => rest,
                None => match self.connection.next() {
                    Some(data) => (data, 0),
                    None => return socket.poll_flush(context).map_err(broken),
                },
            };
            let length = data.len();
            let to = length.min(from + FRAME);
            let message = if length <= FRAME {
                // What was posted is text already: it was made so.
                Utf8Bytes::try_from(data.clone())
                    .map_or_else(|_| Message::Binary(data.clone()), Message::Text)
            } else {
                let kind = if from == 0 {
                    Data::Text
                } else {
                    Data::Continue
                };
                let part = data.slice(from..to);
                Message::Frame(Frame::message(part, OpCode::Data(kind), to == length))
            };
            socket.start_send(message).map_err(broken)?;
            self.connection.written(to - from);
            if to < length {
                self.rest = Some((data, to));
            }
            self.last = Instant::now();
        }
    }

    /// The gateway's or an integration's answer.
    fn send_back(&mut self, answer: Bytes) {
        let text = match String::from_utf8_lossy(&answer) {
            std::borrow::Cow::Borrowed(_) => answer,
            std::borrow::Cow::Owned(text) => text.into(),
        };
        let now = Millis::now();
        self.connection.touch(now);
        self.connection.answer(text);
        self.plan
            .meter
            .record(&self.gate.region, now, Metric::Message, 1.0);
    }

    fn received(&mut self, next: Option<Result<Message, Error>>) -> Option<End> {
        self.last = Instant::now();
        match next {
            Some(Ok(Message::Text(text))) => {
                self.text(text);
                None
            }
            // tungstenite answers pings.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.connection.touch(Millis::now());
                None
            }
            Some(Ok(Message::Binary(_))) => {
                Some(End::Ours(Ended::new(1003, "Binary is not supported")))
            }
            Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                Some(End::Theirs(Ended::new(code.into(), reason.as_str())))
            }
            Some(Ok(Message::Close(None))) => Some(End::Theirs(Ended::new(
                1005,
                "Client-side close frame status not set",
            ))),
            None => Some(End::Theirs(Ended::broken())),
            Some(Err(error)) => Some(match error {
                Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                    End::Ours(Ended::new(1009, "Message too big"))
                }
                Error::Utf8(_) => End::Ours(Ended::new(1007, "Invalid UTF-8")),
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => {
                    End::Theirs(Ended::broken())
                }
                Error::Protocol(_) => End::Ours(Ended::new(1002, "Protocol error")),
                _ => End::Theirs(Ended::broken()),
            }),
        }
    }

    /// A message: chooses its route, and sets it on its way.
    fn text(&mut self, body: Utf8Bytes) {
        let at = Millis::now();
        self.connection.touch(at);
        self.connection.count_received();
        let gate = &self.gate;
        let connection = &self.connection;
        // Each message meets what is deployed now: open connections move with a deployment.
        let live = gate.live(&connection.api_id, &connection.stage);
        let deployed = live.is_some();
        if let Some(live) = live
            && live.revision != self.plan.live.revision
        {
            self.plan = gate.region.sockets.planned(gate, live);
        }
        let plan = &self.plan;
        plan.meter.record(&gate.region, at, Metric::Message, 1.0);
        let request_id = Id::request();
        let route = plan.route(&body).filter(|_| deployed);
        let refused = match route {
            None => Some(FORBIDDEN),
            Some(route) => {
                let free = gate.region.sockets.account.may_send(gate.cloud.delays);
                (!free || !route.is_free()).then_some(TOO_MANY_REQUESTS)
            }
        };
        let exchange = Exchange {
            gate: gate.clone(),
            connection: Arc::clone(connection),
            plan: Arc::clone(plan),
            route: route.map_or_else(|| Arc::new(RoutePlan::nothing("")), Arc::clone),
            request_id,
            at,
            kind: Kind::Message {
                id: Id::message(connection.id),
                body,
            },
        };
        let Some(message) = refused else {
            self.work.push(Box::pin(exchange.message()));
            return;
        };
        exchange.count(Metric::ClientError, 1.0);
        record::access(
            &exchange,
            &Story {
                status: if message == FORBIDDEN { 403 } else { 429 },
                error: Some(message),
                ..Story::default()
            },
        );
        self.send_back(frame(message, self.connection.id, request_id));
    }

    /// The clock rang: is it over, or when is it to ring again?
    fn time(&mut self) -> Option<End> {
        let delays = self.gate.cloud.delays;
        let over = self.since + delays.scaled(LIFETIME);
        let idle = self.last + delays.scaled(IDLE);
        let next = over.min(idle);
        if next <= Instant::now() {
            return Some(End::Ours(Ended::going_away()));
        }
        self.clock.as_mut().reset(next);
        None
    }

    /// Closes the line. How it ended (not if the cloud ends: nobody is told then), and what's still under way.
    async fn finish(mut self, end: End) -> (Option<Ended>, Option<Work>) {
        self.gate.region.sockets.leave(&self.connection);
        self.connection.end();
        let told = match end {
            End::Theirs(ended) => {
                // tungstenite has the answer to the close frame ready, and sends it when it's asked for more.
                let _ = tokio::time::timeout(GOODBYE, async {
                    while let Some(Ok(_)) = self.socket.next().await {}
                })
                .await;
                Some(ended)
            }
            End::Ours(ended) => {
                self.goodbye(&ended).await;
                Some(ended)
            }
            End::Cloud => {
                self.goodbye(&Ended::going_away()).await;
                None
            }
        };
        let work = (!self.work.is_empty()).then_some(self.work);
        (told, work)
    }

    /// Sends a close frame, and waits for the client's for a while.
    async fn goodbye(&mut self, ended: &Ended) {
        let close = CloseFrame {
            code: CloseCode::from(ended.code),
            reason: Utf8Bytes::from(ended.reason.as_str()),
        };
        let socket = &mut self.socket;
        let _ = tokio::time::timeout(GOODBYE, async {
            if socket.send(Message::Close(Some(close))).await.is_err() {
                return;
            }
            while let Some(Ok(_)) = socket.next().await {}
            // After an error nothing more is read as frames. The line is closed this way round, and what still comes is
            // taken in: a reset would take the close frame from the client before it's read.
            let line = socket.get_mut();
            let _ = line.shutdown().await;
            let mut rest = [0; 1024];
            while line.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        })
        .await;
    }
}

impl RoutePlan {
    /// A route that leads nowhere.
    pub fn nothing(key: &str) -> Self {
        Self {
            route: crate::gateway::model::Route {
                route_key: key.to_owned(),
                ..Default::default()
            },
            arn: String::new(),
            two_way: false,
            throttle: None,
            meter: None,
            integration: None,
            log: super::plan::LogLevel::Off,
        }
    }
}
