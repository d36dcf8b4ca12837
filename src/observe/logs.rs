//! The log lines of a stage: its functions' and, where it's on, the API's access log's.
//!
//! In: the groups ([`Source`]) and what is wanted of them ([`Wanted`]). Out: [`LogLine`]s, those that are there already
//! ([`History`]) and those that come ([`Follow`]), each once. [`merge`] decides what is new and in which order it's
//! given; everything else here asks CloudWatch Logs.

mod clock;
mod follow;
mod history;
mod line;
mod live;
pub mod merge;
mod page;
mod wanted;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::{
    follow::{Follow, Told},
    history::History,
    line::{Content, Kind, Level, LogLine},
    page::{Event, Page, Window, page},
    wanted::Wanted,
};
use crate::{
    aws::{Aws, Error},
    engine::scope::Scope,
    resource::log_group::{access_group, function_group},
};

/// The name under which the API's access log is shown.
pub const ACCESS_LOG: &str = "access-log";

/// A log group, and the name that its lines are shown under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The handler's name, or [`ACCESS_LOG`].
    pub name: Arc<str>,
    /// The group's name.
    pub group: String,
}

impl Source {
    /// What a handler's function logs.
    pub fn of_handler(scope: &Scope, handler: &str) -> Self {
        Self {
            name: handler.into(),
            group: function_group(scope, handler),
        }
    }

    /// What the API logs of each message and connection.
    pub fn access_log(scope: &Scope) -> Self {
        Self {
            name: ACCESS_LOG.into(),
            group: access_group(scope),
        }
    }

    /// A line of the group's.
    pub fn line(&self, event: Event) -> LogLine {
        LogLine::new(
            Timestamp::from_millisecond(event.at).unwrap_or_default(),
            Arc::clone(&self.name),
            event.message,
        )
    }
}

/// Which lines are read.
#[derive(Clone, Debug)]
pub struct Query {
    /// The groups.
    pub sources: Vec<Source>,
    /// CloudWatch's filter pattern.
    pub pattern: Option<String>,
    /// No line is older.
    pub since: Timestamp,
}

/// The lines of handlers' functions since a time, in order.
pub async fn recent(
    aws: &Aws,
    scope: &Scope,
    handlers: impl IntoIterator<Item = &str>,
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    let query = Query {
        sources: handlers
            .into_iter()
            .map(|handler| Source::of_handler(scope, handler))
            .collect(),
        pattern: None,
        since,
    };
    let mut history = History::new(aws, &query, None);
    let mut lines = Vec::new();
    while let Some(events) = history.next().await? {
        lines.extend(
            events
                .into_iter()
                .map(|(source, event)| query.sources[source].line(event)),
        );
    }
    Ok(lines)
}
