//! How many connections are open: AWS has no such metric.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{
    series::{Ask, Cost, read},
    window::Window,
};
use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::scope::Scope,
    manifest::Manifest,
    resource::table::CONNECTIONS,
    stack::{ROOM_INDEX, figures},
};

const COUNT: Operation = Operation::read(Service::DynamoDb, "Query");
/// The room that every open connection is in.
const OWN_ROOM: &str = "*";
/// A page is 1 MB, some ten thousand connections, and costs 125 read units at most: $0.000016.
const MOST_PAGES: usize = 20;
/// No connection is open for longer [API Gateway quotas]; some minutes more for clocks that differ.
const LONGEST: SignedDuration = SignedDuration::from_mins(2 * 60 + 5);

/// How many connections are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// So many.
    pub count: u64,
    /// How that is known.
    pub source: CountedBy,
}

/// How the number of open connections is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CountedBy {
    /// The registry's entries. One whose `$disconnect` was lost stays until a message to it fails, or two hours.
    Registry,
    /// The registry's first entries: there are more.
    RegistryAtLeast,
    /// What opened in the last two hours and hasn't closed, by the handlers' metrics.
    Metrics,
}

/// Counts them: by the registry where there's one, else by what the handlers counted.
pub async fn open(
    aws: &Aws,
    scope: &Scope,
    manifest: &Manifest,
    now: Timestamp,
) -> Result<(Open, Cost), Error> {
    if manifest.connections.registry {
        return Ok((registered(aws, scope, now).await?, Cost::default()));
    }
    let figures::Opened { opened, closed } = figures::opened(scope);
    let since = now.checked_sub(LONGEST).unwrap_or(Timestamp::UNIX_EPOCH);
    let minute = |at: Timestamp| Timestamp::from_second(at.as_second().div_euclid(60) * 60);
    let window = Window {
        since: minute(since).unwrap_or_default(),
        until: now,
    };
    let ask = |metrics| Ask {
        metrics,
        statistic: "Sum",
        period_s: 60,
    };
    let asks = [
        ask(std::slice::from_ref(&opened)),
        ask(std::slice::from_ref(&closed)),
    ];
    let (points, cost) = read(aws, &asks, &window).await?;
    let sum = |index: usize| -> f64 {
        let points = points.get(index).map_or(&[][..], Vec::as_slice);
        points.iter().map(|point| point.value).sum()
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that isn't negative"
    )]
    let count = (sum(0) - sum(1)).max(0.0) as u64;
    let open = Open {
        count,
        source: CountedBy::Metrics,
    };
    Ok((open, cost))
}

/// The connections' own entries, by the index of rooms. Its reads are eventually consistent: half a unit for 4 KB.
async fn registered(aws: &Aws, scope: &Scope, now: Timestamp) -> Result<Open, Error> {
    let mut count = 0;
    let mut start = None;
    for _ in 0..MOST_PAGES {
        let page = aws
            .call(COUNT, || {
                aws.dynamodb
                    .query()
                    .table_name(scope.name(CONNECTIONS))
                    .index_name(ROOM_INDEX)
                    .select(Select::Count)
                    .key_condition_expression("room = :room")
                    // What has expired is deleted up to two days later [DynamoDB developer guide, TTL].
                    .filter_expression("expires > :now")
                    .expression_attribute_values(":room", AttributeValue::S(OWN_ROOM.to_owned()))
                    .expression_attribute_values(
                        ":now",
                        AttributeValue::N(now.as_second().to_string()),
                    )
                    .set_exclusive_start_key(start.clone())
                    .send()
            })
            .await?;
        count += u64::try_from(page.count).unwrap_or(0);
        start = page.last_evaluated_key.filter(|key| !key.is_empty());
        if start.is_none() {
            return Ok(Open {
                count,
                source: CountedBy::Registry,
            });
        }
    }
    Ok(Open {
        count,
        source: CountedBy::RegistryAtLeast,
    })
}
