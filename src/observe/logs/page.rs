//! One page of FilterLogEvents.

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;

use super::Source;
use crate::aws::{Aws, Error, Operation, Service};

const FILTER: Operation = Operation::read(Service::Logs, "FilterLogEvents");

/// An event of a log group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened, in epoch milliseconds.
    pub at: i64,
    /// When CloudWatch Logs got it, in epoch milliseconds.
    pub ingested: i64,
    /// Its id; what came by live tail has none.
    pub id: Option<String>,
    /// The stream, which is one function process's.
    pub stream: String,
    /// What it says; untrusted.
    pub message: String,
}

impl From<FilteredLogEvent> for Event {
    fn from(event: FilteredLogEvent) -> Self {
        let at = event.timestamp.unwrap_or_default();
        let ingested = event.ingestion_time.unwrap_or(at);
        let stream = event.log_stream_name.unwrap_or_default();
        let message = event.message.unwrap_or_default();
        // AWS gives each event an id; of a cloud that doesn't, what is the same in all else is the same event.
        let id = event
            .event_id
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| format!("{stream} {at} {ingested} {message}"));
        Self {
            at,
            ingested,
            id: Some(id),
            stream,
            message,
        }
    }
}

/// A page of a group's events.
#[derive(Debug)]
pub enum Page {
    /// Events in the order of their times, as AWS gives them. There may be none, and more behind the token all the same
    /// [aws-facts 3.7].
    Events(Vec<Event>, Option<String>),
    /// There is no such group.
    NoGroup,
}

/// The times, in epoch milliseconds, that a page's events are from; both belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The earliest.
    pub from: i64,
    /// The latest, if there is a latest.
    pub until: Option<i64>,
}

/// Reads a page.
pub async fn page(
    aws: &Aws,
    source: &Source,
    pattern: Option<&str>,
    window: Window,
    token: Option<String>,
) -> Result<Page, Error> {
    let answer = aws
        .call(FILTER, || {
            aws.logs
                .filter_log_events()
                .log_group_name(&source.group)
                .set_filter_pattern(pattern.map(str::to_owned))
                .start_time(window.from.max(0))
                .set_end_time(window.until)
                .set_next_token(token.clone())
                .send()
        })
        .await;
    match answer {
        Ok(page) => {
            let events = page.events.unwrap_or_default();
            // The same page again would have the same token: that's no way on.
            let next = page
                .next_token
                .filter(|next| !next.is_empty() && Some(next) != token.as_ref());
            Ok(Page::Events(
                events.into_iter().map(Event::from).collect(),
                next,
            ))
        }
        Err(error) if error.is_not_found() => Ok(Page::NoGroup),
        Err(error) => Err(error.about(format!("the log group {}", source.group))),
    }
}
