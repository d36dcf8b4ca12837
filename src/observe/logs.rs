//! Functions' log lines.

use jiff::Timestamp;

use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::scope::Scope,
};

const FILTER: Operation = Operation::read(Service::Logs, "FilterLogEvents");
/// What the groups of functions begin with.
const FUNCTIONS: &str = "/aws/lambda/";

/// A line that a function logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Which handler's function.
    pub handler: String,
    /// What; untrusted.
    pub text: String,
}

/// The lines of handlers' functions since a time, in order.
pub async fn recent(
    aws: &Aws,
    scope: &Scope,
    handlers: impl IntoIterator<Item = &str>,
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    let groups = handlers
        .into_iter()
        .map(|handler| of(aws, scope, handler, since));
    let mut lines: Vec<LogLine> = futures::future::try_join_all(groups)
        .await?
        .into_iter()
        .flatten()
        .collect();
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

async fn of(
    aws: &Aws,
    scope: &Scope,
    handler: &str,
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    let group = format!("{FUNCTIONS}{}", scope.name(handler));
    let events = aws
        .pages(
            FILTER,
            |token| {
                aws.logs
                    .filter_log_events()
                    .log_group_name(&group)
                    .start_time(since.as_millisecond())
                    .set_next_token(token)
                    .send()
            },
            |page| (page.events, page.next_token),
        )
        .await?;
    Ok(events
        .into_iter()
        .map(|event| LogLine {
            at: event
                .timestamp
                .and_then(|at| Timestamp::from_millisecond(at).ok())
                .unwrap_or_default(),
            handler: handler.to_owned(),
            text: event.message.unwrap_or_default(),
        })
        .collect())
}
