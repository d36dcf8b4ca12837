//! A script: messages to send and messages to expect, in order.

use std::time::{Duration, Instant};

use super::{Client, ClientError, Expectation, Incoming};

/// How long the end of a connection is waited for that takes nothing any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
    /// How often all of it is done.
    pub times: u32,
    /// How long each expectation waits. Without any, how long is listened at the end.
    pub patience: Duration,
}

/// A step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends a text.
    Send(String),
    /// Waits for a message. Others that come before it are passed over.
    Expect(Expectation),
}

/// A message that went one way or the other.
#[derive(Clone, Copy, Debug)]
pub enum Exchange<'a> {
    /// It was sent.
    Sent(&'a str),
    /// It came, and how long after the last one that was sent, if it's the first since.
    Received(&'a str, Option<Duration>),
}

/// A script that didn't come to its end.
#[derive(Debug)]
pub struct Missed {
    /// What didn't come, if anything was expected.
    pub expected: Option<String>,
    /// What came instead.
    pub instead: Vec<String>,
    /// Silence, or the connection's end.
    pub why: ClientError,
}

/// Measures from the last message that was sent to the first that comes.
#[derive(Debug, Default)]
pub struct RoundTrip(Option<Instant>);

impl RoundTrip {
    /// A message was sent.
    pub fn begin(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// A message came.
    pub fn end(&mut self) -> Option<Duration> {
        self.0.take().map(|began| began.elapsed())
    }
}

/// Plays the script, telling `observe` of each message, and returns the round trips.
pub async fn run(
    client: &mut Client,
    script: &Script,
    observe: &mut (dyn FnMut(Exchange<'_>) + Send),
) -> Result<Vec<Duration>, Missed> {
    let mut playing = Playing {
        client,
        observe,
        round_trip: RoundTrip::default(),
        round_trips: Vec::new(),
    };
    for _ in 0..script.times {
        for step in &script.steps {
            match step {
                Step::Send(text) => playing.send(text).await?,
                Step::Expect(expectation) => playing.expect(expectation, script.patience).await?,
            }
        }
    }
    let expects = |step: &Step| matches!(step, Step::Expect(_));
    if !script.steps.iter().any(expects) {
        playing.listen(script.patience).await?;
    }
    Ok(playing.round_trips)
}

struct Playing<'a> {
    client: &'a mut Client,
    observe: &'a mut (dyn FnMut(Exchange<'_>) + Send),
    round_trip: RoundTrip,
    round_trips: Vec<Duration>,
}

impl Playing<'_> {
    async fn send(&mut self, text: &str) -> Result<(), Missed> {
        self.round_trip.begin();
        if let Err(why) = self.client.send(text).await {
            return Err(Missed {
                expected: None,
                instead: Vec::new(),
                // The other side's farewell says more than that the line is gone.
                why: self.farewell().await.unwrap_or(why),
            });
        }
        (self.observe)(Exchange::Sent(text));
        Ok(())
    }

    /// How the other side ended the connection, if it did.
    async fn farewell(&mut self) -> Option<ClientError> {
        let end = async {
            loop {
                if let Err(why) = self.receive().await {
                    return why;
                }
            }
        };
        tokio::time::timeout(FAREWELL, end).await.ok()
    }

    async fn expect(
        &mut self,
        expectation: &Expectation,
        patience: Duration,
    ) -> Result<(), Missed> {
        let end = tokio::time::Instant::now() + patience;
        let mut instead = Vec::new();
        loop {
            let why = match tokio::time::timeout_at(end, self.receive()).await {
                Ok(Ok(text)) if expectation.is_met_by(&text) => return Ok(()),
                Ok(Ok(text)) => {
                    instead.push(text);
                    continue;
                }
                Ok(Err(why)) => why,
                Err(_) => ClientError::Silence(patience),
            };
            return Err(Missed {
                expected: Some(expectation.to_string()),
                instead,
                why,
            });
        }
    }

    async fn listen(&mut self, patience: Duration) -> Result<(), Missed> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            match tokio::time::timeout_at(end, self.receive()).await {
                Ok(Ok(_)) => {}
                Ok(Err(why)) => {
                    return Err(Missed {
                        expected: None,
                        instead: Vec::new(),
                        why,
                    });
                }
                Err(_) => return Ok(()),
            }
        }
    }

    async fn receive(&mut self) -> Result<String, ClientError> {
        let text = match self.client.next().await {
            Incoming::Text(text) => text,
            Incoming::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Incoming::Closed(closing) => return Err(ClientError::Closed(closing)),
        };
        let took = self.round_trip.end();
        self.round_trips.extend(took);
        (self.observe)(Exchange::Received(&text, took));
        Ok(text)
    }
}
