//! A batch of a queued route's messages.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Server, entries, handled};
use crate::Error;
use crate::aws::sqs::Entry;
use crate::context::{Context, Inner};
use crate::events::{self, Record};
use crate::log::{self, Level};
use crate::message::Message;
use crate::reply::Reply;
use crate::results::ResultMessage;

/// How many of a batch's messages are in work at once. A standard queue's batch may have 10 000.
const CONCURRENCY: usize = 100;

/// What became of a record: what it wants sent, or that it failed (which has been logged).
type Outcome = Result<Handled, Failed>;

/// A record that was handled.
struct Handled {
    context: Context,
    replies: Vec<Entry>,
}

struct Failed;

impl Server {
    /// Handles a batch, and names those of its messages that are to be tried again.
    pub(super) async fn batch(
        &self,
        records: &[Record],
        deadline: Instant,
    ) -> Result<Value, Error> {
        // Without an id a message's failure couldn't be told from its success.
        if records.iter().any(|record| record.message_id.is_empty()) {
            let error = "an SQS record without a messageId";
            log::write(Level::Error, error, &[]);
            return Err(error.into());
        }
        let fifo = records.first().is_some_and(Record::is_fifo);
        let mut outcomes = if fifo {
            self.in_order(records, deadline).await
        } else {
            self.concurrently(records, deadline).await
        };
        self.deliver(&mut outcomes).await;
        Ok(json!({"batchItemFailures": failures(records, &outcomes, fifo)}))
    }

    /// One after the other, up to the first that fails.
    async fn in_order(&self, records: &[Record], deadline: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            let outcome = self.clone().record(record.clone(), deadline).await;
            let failed = outcome.is_err();
            outcomes.push(outcome);
            if failed {
                break;
            }
        }
        outcomes
    }

    async fn concurrently(&self, records: &[Record], deadline: Instant) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = records.iter().map(|_| Err(Failed)).collect();
        let mut waiting: VecDeque<(usize, Record)> = records.iter().cloned().enumerate().collect();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < CONCURRENCY
                && let Some((i, record)) = waiting.pop_front()
            {
                let server = self.clone();
                tasks.spawn(async move { (i, server.record(record, deadline).await) });
            }
            match tasks.join_next().await {
                Some(Ok((i, outcome))) => outcomes[i] = outcome,
                // Handlers' panics are caught further in; a record without an outcome counts as failed.
                Some(Err(_)) => {}
                None => return outcomes,
            }
        }
    }

    async fn record(self, record: Record, deadline: Instant) -> Outcome {
        let Some(context) = self.record_context(&record, deadline) else {
            let fields = [
                ("messageId", record.message_id.as_str().into()),
                ("stage", self.environment.stage.as_str().into()),
            ];
            log::write(
                Level::Error,
                "a message without the attribute connectionId: no route of the API wrote it",
                &fields,
            );
            return Err(Failed);
        };
        let began = Instant::now();
        let way = [
            ("waitedMs", record.waited_ms().into()),
            ("attempt", record.attempt().into()),
        ];
        let message = Message::new(record.body);
        let result = match self.call(message, &context).await {
            Ok(reply) => {
                handled(&context, began, &reply, &way);
                entries(&context, &record.message_id, addressed(&context, reply))
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(replies) => Ok(Handled { context, replies }),
            Err(error) => {
                context.log_with(Level::Error, &error.to_string(), &way);
                Err(Failed)
            }
        }
    }

    /// The context that the mapping template of the API wrote into the message's attributes.
    fn record_context(&self, record: &Record, deadline: Instant) -> Option<Context> {
        let text = |name| record.attribute(name).unwrap_or_default().to_owned();
        Some(Context::new(Inner {
            connection_id: record.attribute("connectionId")?.to_owned(),
            request_id: text("requestId"),
            route: text("routeKey"),
            stage: record
                .attribute("stage")
                .unwrap_or(&self.environment.stage)
                .to_owned(),
            connected_at: events::time(
                record
                    .attribute("connectedAt")
                    .and_then(|ms| ms.parse().ok()),
            ),
            // A queue that another program fills has its own time only.
            received: record
                .attribute("requestTimeEpoch")
                .and_then(|ms| ms.parse().ok())
                .or_else(|| record.sent()),
            principal: record.attribute("principalId").map(str::to_owned),
            deadline,
            store: Arc::clone(&self.store),
        }))
    }

    /// Sends all replies. A record whose replies weren't all taken has failed.
    async fn deliver(&self, outcomes: &mut [Outcome]) {
        let mut owners = Vec::new();
        let mut all = Vec::new();
        for (i, outcome) in outcomes.iter_mut().enumerate() {
            if let Ok(handled) = outcome {
                owners.extend(handled.replies.iter().map(|_| i));
                all.append(&mut handled.replies);
            }
        }
        if all.is_empty() {
            return;
        }
        let results = match self.results() {
            Ok(queue) => queue.send(&all).await,
            Err(error) => all.iter().map(|_| Err(error.to_string())).collect(),
        };
        for (owner, result) in owners.into_iter().zip(results) {
            if let Err(reason) = result {
                let failed = std::mem::replace(&mut outcomes[owner], Err(Failed));
                if let Ok(Handled { context, .. }) = failed {
                    let words = format!("a reply wasn't sent: the results queue: {reason}");
                    context.log(Level::Error, &words);
                }
            }
        }
    }
}

/// The reply's texts with the sender's connection named.
fn addressed(context: &Context, reply: Reply) -> Vec<ResultMessage> {
    reply
        .sends
        .into_iter()
        .filter_map(|(target, text)| target.message(text, Some(context.connection_id())))
        .collect()
}

/// The failed messages; on a FIFO queue all from the first failed one on, so that none overtakes it (Lambda developer
/// guide, partial batch responses).
fn failures(records: &[Record], outcomes: &[Outcome], fifo: bool) -> Vec<Value> {
    let failed = |i: usize| !matches!(outcomes.get(i), Some(Ok(_)));
    let first = (0..records.len())
        .find(|i| failed(*i))
        .unwrap_or(records.len());
    (first..records.len())
        .filter(|i| fifo || failed(*i))
        .map(|i| json!({"itemIdentifier": records[i].message_id}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize) -> Vec<Record> {
        (0..count)
            .map(|i| Record {
                message_id: i.to_string(),
                ..Record::default()
            })
            .collect()
    }

    fn named(failures: &[Value]) -> Vec<&str> {
        failures
            .iter()
            .filter_map(|f| f["itemIdentifier"].as_str())
            .collect()
    }

    #[test]
    fn a_fifo_batch_fails_from_the_first_failure_on() {
        let done = || {
            Ok(Handled {
                context: Context::for_tests(),
                replies: Vec::new(),
            })
        };
        let outcomes = [done(), Err(Failed), done()];
        assert_eq!(
            named(&failures(&records(4), &outcomes, true)),
            ["1", "2", "3"]
        );
        assert_eq!(named(&failures(&records(3), &outcomes, false)), ["1"]);
        assert!(failures(&records(1), &[done()], true).is_empty());
    }
}
