//! CloudWatch Logs: groups, streams, events, live tail.
//!
//! In: calls, and what functions and the gateway write ([`Logs::put`]). Out: answers, what followers get
//! ([`Logs::follow`]), and the metrics that are in lines of the embedded metric format.

mod emf;
mod follow;
mod groups;
mod input;
mod message;
mod pattern;
mod read;
mod store;
mod streams;
mod tail;
mod write;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::follow::{Followed, Follower, Line};
use self::{follow::Followers, input::invalid, store::Store};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Logs {
    store: Store,
    followers: Followers,
}

impl Logs {
    /// Makes a stream in a group that is there; nothing if the stream is there already.
    pub fn create_stream(&self, group: &str, stream: &str) -> Result<()> {
        self.store
            .group(group)?
            .create_stream(stream, Millis::now())?;
        Ok(())
    }

    /// Writes events; lines in CloudWatch's embedded metric format become metrics of the region.
    pub fn put(
        &self,
        region: &Region,
        group: &str,
        stream: &str,
        events: Vec<(Millis, String)>,
    ) -> Result<()> {
        self.write(region, group, stream, events, Millis::now())
    }

    /// Follows all that is written from now on. Who lags loses the oldest lines and is told how many.
    pub fn follow(&self) -> Follower {
        self.followers.follow(None)
    }

    /// Follows what is written to these groups.
    pub fn follow_groups(&self, groups: Vec<String>) -> Follower {
        self.followers.follow(Some(groups))
    }

    /// The last lines that were written, of all groups, the oldest first, at most so many: what a page begins with.
    pub fn latest(&self, most: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for group in self.store.all() {
            lines.extend(group.latest(most));
            lines.sort_by_key(|line: &Line| line.at);
            lines.drain(..lines.len().saturating_sub(most));
        }
        lines
    }

    /// What is to be kept: groups and streams, and the latest few megabytes of each group.
    pub fn keep(&self) -> Value {
        serde_json::to_value(self.store.keep()).unwrap_or_default()
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        if kept.is_null() {
            return Ok(());
        }
        let kept = serde_json::from_value(kept).map_err(|error| error.to_string())?;
        self.store.restore(kept)
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn followers(&self) -> &Followers {
        &self.followers
    }
}

/// A group's ARN, without `:*`.
fn group_arn(region: &Region, name: &str) -> String {
    region.arn("logs", &format!("log-group:{name}"))
}

/// What a call needs.
///
/// AWS asks about `log-group:NAME:log-stream:STREAM`, with an empty stream where there is none, which is why policies name
/// groups with `:*`; tags and live tail go by the group's own ARN [aws-facts 3.7; AWS's messages of denied calls].
pub fn permission(call: &Call) -> Permission {
    let text = |name: &str| call.input.get(name).and_then(Value::as_str);
    let by_arn = match call.operation.as_str() {
        "TagResource" | "UntagResource" | "ListTagsForResource" => text("resourceArn"),
        "StartLiveTail" => call
            .input
            .get("logGroupIdentifiers")
            .and_then(|list| list.get(0))
            .and_then(Value::as_str),
        _ => None,
    };
    if let Some(arn) = by_arn {
        return Permission::of(call, arn);
    }
    let identifier = text("logGroupIdentifier").unwrap_or_default();
    let group = text("logGroupName").unwrap_or_else(|| {
        identifier
            .split_once(":log-group:")
            .map_or(identifier, |(_, name)| name)
    });
    let stream = match call.operation.as_str() {
        "CreateLogStream" | "DeleteLogStream" | "PutLogEvents" | "GetLogEvents" => {
            text("logStreamName").unwrap_or_default()
        }
        _ => "",
    };
    Permission::of(
        call,
        format!("{}:log-stream:{stream}", group_arn(&call.region, group)),
    )
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "every service is called alike, and others wait"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    match call.operation.as_str() {
        "CreateLogGroup" => groups::create(call),
        "DeleteLogGroup" => groups::delete(call),
        "DescribeLogGroups" => groups::describe(call),
        "PutRetentionPolicy" => groups::put_retention(call),
        "DeleteRetentionPolicy" => groups::delete_retention(call),
        "PutLogGroupDeletionProtection" => groups::protect(call),
        "TagResource" => groups::tag(call, false),
        "TagLogGroup" => groups::tag(call, true),
        "UntagResource" => groups::untag(call, false),
        "UntagLogGroup" => groups::untag(call, true),
        "ListTagsForResource" => groups::list_tags(call, false),
        "ListTagsLogGroup" => groups::list_tags(call, true),
        "CreateLogStream" => streams::create(call),
        "DeleteLogStream" => streams::delete(call),
        "DescribeLogStreams" => streams::describe(call),
        "PutLogEvents" => write::put(call),
        "GetLogEvents" => read::get(call),
        "FilterLogEvents" => read::filter(call),
        "StartLiveTail" => tail::start(call),
        // None of these can be made here.
        "DescribeMetricFilters" => groups::none_of(call, "metricFilters"),
        "DescribeSubscriptionFilters" => groups::none_of(call, "subscriptionFilters"),
        "DescribeDestinations" => groups::none_of(call, "destinations"),
        "DescribeExportTasks" => groups::none_of(call, "exportTasks"),
        "DescribeQueries" => groups::none_of(call, "queries"),
        "DescribeQueryDefinitions" => groups::none_of(call, "queryDefinitions"),
        "DescribeResourcePolicies" => groups::none_of(call, "resourcePolicies"),
        "StartQuery" | "GetQueryResults" => Err(invalid(
            "wsless's embedded cloud doesn't have Logs Insights; use FilterLogEvents",
        )),
        operation => Err(AwsError::unknown_operation("logs", operation)),
    }
}
