//! The talk itself: what is sent and what comes, shown as it happens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    cli::{Failure, exit},
    client::{
        Client, ClientError, Closing, Exchange, Handshake, Incoming, Missed, RoundTrip, Script,
        meaning_of_close, play,
    },
    diagnostic::Diagnostic,
    local,
    report::{Frame, Report, TypedLines, Way, text},
};

/// What came instead of what was expected is shown up to here.
const SHOWN: usize = 10;

pub struct Talk<'a> {
    pub report: &'a Report,
    pub handshake: &'a Handshake,
    /// What is done with a text before it's sent.
    pub wrap: &'a (dyn Fn(&str) -> String + Send + Sync),
    pub patience: Duration,
}

impl Talk<'_> {
    /// Connects and says so.
    pub async fn open(&self, began: Instant) -> Result<Client, Failure> {
        let address = shown(&self.handshake.address);
        let phase = self.report.phase(&format!("Connecting to {address}"));
        let opened = self.handshake.open().await;
        let client = opened.map_err(|error| error.diagnostic())?;
        let took = began.elapsed();
        drop(phase);
        let subprotocol = client
            .subprotocol()
            .map_or_else(String::new, |chosen| format!(", subprotocol {chosen}"));
        if !self.report.is_json() {
            self.report.say(&format!(
                "Connected to {address} in {}{subprotocol}",
                text::precise(took)
            ));
        }
        self.event(json!({
            "event": "open",
            "endpoint": address,
            "elapsed_ms": took.as_secs_f64() * 1000.0,
            "subprotocol": client.subprotocol(),
        }));
        Ok(client)
    }

    /// Plays a script.
    pub async fn play(&self, mut client: Client, script: &Script) -> Result<u8, Failure> {
        let (mut sent, mut received) = (0_u64, 0_u64);
        let played = play(&mut client, script, &mut |exchange| match exchange {
            Exchange::Sent(text) => {
                sent += 1;
                self.sent(text);
            }
            Exchange::Received(text, round_trip) => {
                received += 1;
                self.received(text, round_trip);
            }
        })
        .await;
        let mut round_trips = played.map_err(|missed| missing(&missed))?;
        // Whether the farewell arrives changes nothing.
        let _ = client.close().await;
        round_trips.sort();
        let ends = round_trips.first().zip(round_trips.last());
        let median = round_trips.get(round_trips.len() / 2);
        let ms = |took: &Duration| took.as_secs_f64() * 1000.0;
        self.event(json!({
            "event": "done",
            "sent": sent,
            "received": received,
            "round_trip_ms": ends.zip(median).map(|((least, most), median)| {
                json!({ "min": ms(least), "median": ms(median), "max": ms(most) })
            }),
        }));
        if !self.report.is_json() {
            let times = ends
                .zip(median)
                .map_or_else(String::new, |((least, most), median)| {
                    let [least, median, most] =
                        [least, median, most].map(|took| text::precise(*took));
                    format!("; round trips {least} to {most}, median {median}")
                });
            self.report
                .say(&format!("{sent} sent, {received} received{times}"));
        }
        Ok(exit::DONE)
    }

    /// Sends what is typed or piped, and shows what comes, until the input ends.
    pub async fn converse(&self, client: Client) -> Result<u8, Failure> {
        let history = local::state_folder().map(|folder| folder.join("connect-history"));
        let mut lines = self.report.lines(history);
        if lines.is_typed() {
            self.report.say("Type a message and Enter; Ctrl-D ends.");
            return self.talk_by_hand(client, &mut lines).await;
        }
        self.pass_on(client, &mut lines).await
    }

    /// A closed connection doesn't end it: the next line connects again.
    async fn talk_by_hand(&self, client: Client, lines: &mut TypedLines) -> Result<u8, Failure> {
        let mut client = Some(client);
        let mut round_trip = RoundTrip::default();
        loop {
            tokio::select! {
                incoming = next(&mut client) => match incoming {
                    Incoming::Closed(closing) => {
                        client = None;
                        self.closed(&closing);
                        self.report.say("Enter connects again; Ctrl-D ends.");
                    }
                    Incoming::Text(text) => self.received(&text, round_trip.end()),
                    Incoming::Binary(bytes) => {
                        self.received(&String::from_utf8_lossy(&bytes), round_trip.end());
                    }
                },
                line = lines.next() => {
                    let Some(line) = line else { break };
                    if client.is_none() {
                        match self.open(Instant::now()).await {
                            Ok(opened) => client = Some(opened),
                            Err(failure) => self.report.diagnostics(&failure.diagnostics),
                        }
                    }
                    let text = line.trim();
                    if let Some(client) = client.as_mut().filter(|_| !text.is_empty()) {
                        let text = (self.wrap)(text);
                        round_trip.begin();
                        // Why it can't be sent comes as the connection's end.
                        if client.send(&text).await.is_ok() {
                            self.sent(&text);
                        }
                    }
                }
            }
        }
        if let Some(client) = client {
            let _ = client.close().await;
        }
        Ok(exit::DONE)
    }

    /// Each line is a message. After the last, what comes is shown until nothing came for a while.
    async fn pass_on(&self, mut client: Client, lines: &mut TypedLines) -> Result<u8, Failure> {
        let mut round_trip = RoundTrip::default();
        let mut has_ended = false;
        loop {
            tokio::select! {
                incoming = client.next() => match incoming {
                    Incoming::Closed(closing) if closing.code == 1000 => {
                        self.closed(&closing);
                        return Ok(exit::DONE);
                    }
                    Incoming::Closed(closing) => return Err(ClientError::Closed(closing).diagnostic().into()),
                    Incoming::Text(text) => self.received(&text, round_trip.end()),
                    Incoming::Binary(bytes) => {
                        self.received(&String::from_utf8_lossy(&bytes), round_trip.end());
                    }
                },
                line = lines.next(), if !has_ended => match line {
                    Some(line) => {
                        let text = (self.wrap)(&line);
                        round_trip.begin();
                        // Why it can't be sent comes as the connection's end.
                        if client.send(&text).await.is_ok() {
                            self.sent(&text);
                        }
                    }
                    None => has_ended = true,
                },
                () = tokio::time::sleep(self.patience), if has_ended => {
                    let _ = client.close().await;
                    return Ok(exit::DONE);
                }
            }
        }
    }

    fn sent(&self, text: &str) {
        self.report.frame(Frame {
            way: Way::Sent,
            text,
            round_trip: None,
        });
    }

    fn received(&self, text: &str, round_trip: Option<Duration>) {
        self.report.frame(Frame {
            way: Way::Received,
            text,
            round_trip,
        });
    }

    fn closed(&self, closing: &Closing) {
        let meaning = meaning_of_close(closing.code);
        if !self.report.is_json() {
            let reason = if closing.reason.is_empty() {
                String::new()
            } else {
                format!(" ({})", closing.reason)
            };
            self.report
                .say(&format!("Closed with {}{reason}: {meaning}", closing.code));
        }
        self.event(json!({
            "event": "closed",
            "code": closing.code,
            "reason": closing.reason,
            "meaning": meaning,
        }));
    }

    fn event(&self, fields: Value) {
        self.report.result("connect", fields);
    }
}

/// What comes next; for ever nothing without a connection.
async fn next(client: &mut Option<Client>) -> Incoming {
    match client {
        Some(client) => client.next().await,
        None => std::future::pending().await,
    }
}

/// The address without its query, which may hold a token.
fn shown(address: &str) -> &str {
    address.split('?').next().unwrap_or(address)
}

fn missing(missed: &Missed) -> Diagnostic {
    let why = missed.why.diagnostic();
    let Some(expected) = &missed.expected else {
        return why;
    };
    let what = match &missed.why {
        ClientError::Silence(patience) => format!(
            "`{expected}` didn't come within {} s",
            patience.as_secs_f64()
        ),
        _ => format!("{why} before `{expected}` came"),
    };
    let mut told = Diagnostic::error("connect::expected", what);
    if missed.instead.is_empty() {
        told = told.note("nothing came");
    }
    for text in missed.instead.iter().take(SHOWN) {
        told = told.note(format!("this came instead: {text}"));
    }
    if missed.instead.len() > SHOWN {
        told = told.note(format!("and {} more", missed.instead.len() - SHOWN));
    }
    let told = why.notes.into_iter().fold(told, Diagnostic::note);
    match why.help {
        Some(help) => told.help(help),
        None => told,
    }
}
