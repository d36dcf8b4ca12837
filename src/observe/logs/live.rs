//! CloudWatch's live tail: what is written to at most ten groups, told about every second.
//!
//! It's quick, and it may leave things out: an update has 500 events at most and says when it's only a sample, a session
//! ends after three hours, and nothing tells what came between two sessions [aws-facts 3.7]. So it's no more than a way to
//! hear of lines sooner; polling finds all of them, and tells here what is new.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::{
    operation::start_live_tail::StartLiveTailOutput,
    types::{
        LiveTailSessionLogEvent, StartLiveTailResponseStream as Message,
        error::StartLiveTailResponseStreamError,
    },
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::{Query, Source, page::Event};
use crate::aws::{Aws, Class, Error, Operation, Service};

const START: Operation = Operation::read(Service::Logs, "StartLiveTail");
/// A session has so many groups at most [Logs model].
pub const MOST_GROUPS: usize = 10;
/// The pause before a session that ended is begun anew; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// What the SDK puts before the host of this one operation [Logs model, hostPrefix].
const HOST_PREFIX: &str = "stream-";

/// A session, or the wish for one.
pub struct Session {
    /// The groups' places in the query, and their ARNs.
    groups: Vec<(usize, String)>,
    stream: Option<StartLiveTailOutput>,
    failures: u32,
}

/// What a step of a session came to.
pub enum Step {
    /// Events, each with its group's place in the query.
    Events(Vec<(usize, Event)>),
    /// Something may have been left out: a session begins or ended, or it told a sample only. Nothing of it was taken.
    Gap,
    /// AWS won't have it.
    Refused(Error),
}

impl Session {
    /// One of these groups; begun with its first step.
    pub fn new(groups: Vec<(usize, String)>) -> Self {
        Self {
            groups,
            stream: None,
            failures: 0,
        }
    }

    /// Waits for what is told next, and begins the session, anew if need be.
    pub async fn step(&mut self, aws: &Aws, query: &Query) -> Step {
        match self.stream.take() {
            None => self.begin(aws, query).await,
            Some(mut stream) => match stream.response_stream.recv().await {
                Ok(Some(message)) => {
                    self.stream = Some(stream);
                    self.failures = 0;
                    self.read(message, query)
                }
                ended => {
                    tell_end(ended.err().as_ref());
                    Step::Gap
                }
            },
        }
    }

    async fn begin(&mut self, aws: &Aws, query: &Query) -> Step {
        if self.failures > 0 {
            let pause = PAUSE.saturating_mul(1 << (self.failures - 1).min(16));
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        self.failures += 1;
        let own_endpoint = aws.has_own_endpoint();
        let arns: Vec<String> = self.groups.iter().map(|(_, arn)| arn.clone()).collect();
        let started = aws
            .call(START, || {
                aws.logs
                    .start_live_tail()
                    .set_log_group_identifiers(Some(arns.clone()))
                    .set_log_event_filter_pattern(query.pattern.clone())
                    .customize()
                    .mutate_request(move |request| {
                        if own_endpoint {
                            without_prefix(request);
                        }
                    })
                    .send()
            })
            .await;
        match started {
            Ok(stream) => {
                self.stream = Some(stream);
                Step::Gap
            }
            Err(error) => match error.class() {
                Class::Throttled | Class::Busy | Class::Ambiguous | Class::Unreachable => Step::Gap,
                _ => Step::Refused(error),
            },
        }
    }

    fn read(&self, message: Message, query: &Query) -> Step {
        let Message::SessionUpdate(update) = message else {
            return Step::Gap;
        };
        // Of a sample nothing is taken: what is missing in between would come after it.
        if update.session_metadata.is_some_and(|told| told.sampled) {
            return Step::Gap;
        }
        let events = update.session_results.unwrap_or_default();
        Step::Events(
            events
                .into_iter()
                .filter_map(|event| Some((self.group_of(&event, query)?, told(event))))
                .collect(),
        )
    }

    /// The group is told by its name, its ARN, or `{account}:{name}`.
    fn group_of(&self, event: &LiveTailSessionLogEvent, query: &Query) -> Option<usize> {
        let identifier = event.log_group_identifier()?;
        let is = |source: &Source| {
            identifier
                .strip_suffix(source.group.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with(':'))
        };
        self.groups
            .iter()
            .map(|(index, _)| *index)
            .find(|index| query.sources.get(*index).is_some_and(is))
    }
}

fn told(event: LiveTailSessionLogEvent) -> Event {
    let at = event.timestamp.unwrap_or_default();
    Event {
        at,
        ingested: event.ingestion_time.unwrap_or(at),
        id: None,
        stream: event.log_stream_name.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    }
}

fn tell_end<R: std::fmt::Debug>(
    error: Option<
        &aws_smithy_runtime_api::client::result::SdkError<StartLiveTailResponseStreamError, R>,
    >,
) {
    // Three hours are over, or the line was lost: nothing that a reader must know, as polling goes on.
    tracing::debug!(?error, "the live tail ended");
}

/// An endpoint of the user's own answers on one host name only.
fn without_prefix(request: &mut HttpRequest) {
    if let Some((scheme, rest)) = request.uri().split_once("://")
        && let Some(rest) = rest.strip_prefix(HOST_PREFIX)
    {
        let uri = format!("{scheme}://{rest}");
        // It was a URI before, and is one without its first letters.
        let _ = request.set_uri(uri);
    }
}
