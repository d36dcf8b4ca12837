//! A stage's dead letters: messages that failed every time. Counts them, shows them, sends them back, deletes them.
//!
//! Dead-letter queues are found by their exact names, and only those with the stage's tags are touched.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    aws::{Aws, Error, Operation, Service},
    diagnostic::Diagnostic,
    engine::scope::Scope,
};

const LIST: Operation = Operation::read(Service::Sqs, "ListQueues");
const GET: Operation = Operation::read(Service::Sqs, "GetQueueAttributes");
const LIST_TAGS: Operation = Operation::read(Service::Sqs, "ListQueueTags");
const RECEIVE: Operation = Operation::read(Service::Sqs, "ReceiveMessage");
const HAND_BACK: Operation = Operation::put(Service::Sqs, "ChangeMessageVisibilityBatch");
const MOVE: Operation = Operation::create(Service::Sqs, "StartMessageMoveTask");
const LIST_MOVES: Operation = Operation::read(Service::Sqs, "ListMessageMoveTasks");
const PURGE: Operation = Operation::put(Service::Sqs, "PurgeQueue");

/// Messages in one answer [SQS model].
const AT_ONCE: i32 = 10;
/// How long a shown message is hidden at most, should it not be handed back.
const HIDDEN_S: i32 = 30;
/// How often a move's progress is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterQueue {
    /// Whose messages: a handler's name, or `results` for replies that couldn't be sent.
    pub of: String,
    /// Its URL.
    pub url: String,
    /// Its ARN.
    pub arn: String,
    /// How many messages it holds; SQS's count is approximate.
    pub messages: u64,
}

/// A message that failed every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// SQS's id.
    pub id: String,
    /// When it was sent to the queue it died in.
    pub sent_at: Option<Timestamp>,
    /// How often it was received, showing included.
    pub received: u32,
    /// Its message group: a connection's id, where order is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The message's attributes: `connectionId`, `routeKey` and the like.
    pub attributes: BTreeMap<String, String>,
    /// What the client sent, or what was to be sent to it; untrusted.
    pub body: String,
}

/// How far a redrive has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Messages that are back in their queue.
    pub moved: u64,
    /// Messages that were to be moved when it began; approximate.
    pub of: u64,
}

/// Why dead letters couldn't be moved or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLettersError {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] Error),
    /// The queue lacks the stage's tags.
    #[error("the queue {0} isn't this stage's: it lacks its tags")]
    Foreign(String),
    /// The move ended before its end.
    #[error("SQS ended the redrive with `{status}` after {moved} messages")]
    Ended {
        /// SQS's word: `FAILED`, `CANCELLED`.
        status: String,
        /// How many were moved.
        moved: u64,
        /// SQS's reason.
        reason: Option<String>,
    },
}

impl DeadLettersError {
    /// The error as a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::Aws(error) => error.diagnostic(),
            Self::Foreign(_) => Diagnostic::error("dlq::foreign", self.to_string())
                .note("wsless never touches what isn't its own")
                .help("look at its tags; `wsless adopt` takes over what lost them"),
            Self::Ended { reason, .. } => {
                let mut told = Diagnostic::error("dlq::redrive", self.to_string());
                if let Some(reason) = reason {
                    told = told.note(reason.clone());
                }
                told.help(
                    "mend what SQS names, then redrive again: what wasn't moved is still there",
                )
            }
        }
    }
}

/// The dead-letter queues of these handlers, and that of the replies.
pub async fn list(
    aws: &Aws,
    scope: &Scope,
    things: &[&str],
) -> Result<Vec<DeadLetterQueue>, Error> {
    let urls = aws
        .pages(
            LIST,
            |token| {
                aws.sqs
                    .list_queues()
                    .queue_name_prefix(scope.prefix())
                    .max_results(1000)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.queue_urls, page.next_token),
        )
        .await?;
    let ours = urls.iter().filter_map(|url| {
        let name = scope.thing(url.rsplit('/').next()?)?;
        let of = name
            .strip_suffix(".fifo")
            .unwrap_or(name)
            .strip_suffix("-dlq")?;
        things.contains(&of).then_some((of, url))
    });
    let mut queues = try_join_all(ours.map(|(of, url)| queue(aws, of, url))).await?;
    queues.sort_by(|a, b| a.of.cmp(&b.of));
    Ok(queues)
}

async fn queue(aws: &Aws, of: &str, url: &str) -> Result<DeadLetterQueue, Error> {
    use QueueAttributeName::{ApproximateNumberOfMessages, QueueArn};
    let found = aws
        .call(GET, || {
            aws.sqs
                .get_queue_attributes()
                .queue_url(url)
                .attribute_names(ApproximateNumberOfMessages)
                .attribute_names(QueueArn)
                .send()
        })
        .await?;
    let attribute = |name: &QueueAttributeName| {
        let all = found.attributes()?;
        all.get(name).cloned()
    };
    Ok(DeadLetterQueue {
        of: of.to_owned(),
        url: url.to_owned(),
        arn: attribute(&QueueArn).unwrap_or_default(),
        messages: attribute(&ApproximateNumberOfMessages)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0),
    })
}

/// Some of a queue's messages, each once. SQS can't look without receiving: they're hidden for a moment, then handed back.
pub async fn show(
    aws: &Aws,
    queue: &DeadLetterQueue,
    most: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let mut letters: Vec<DeadLetter> = Vec::new();
    let mut receipts = Vec::new();
    while letters.len() < most {
        let rest = i32::try_from(most - letters.len()).unwrap_or(AT_ONCE);
        let received = aws
            .call(RECEIVE, || {
                aws.sqs
                    .receive_message()
                    .queue_url(&queue.url)
                    .max_number_of_messages(rest.min(AT_ONCE))
                    .visibility_timeout(HIDDEN_S)
                    .message_system_attribute_names(MessageSystemAttributeName::All)
                    .message_attribute_names("All")
                    .send()
            })
            .await?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            receipts.extend(message.receipt_handle.clone());
            let letter = letter(message);
            if letters.iter().all(|known| known.id != letter.id) {
                letters.push(letter);
            }
        }
    }
    for some in receipts.chunks(10) {
        let entries = some
            .iter()
            .enumerate()
            .map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::unexpected(HAND_BACK, error.to_string()))?;
        aws.call(HAND_BACK, || {
            aws.sqs
                .change_message_visibility_batch()
                .queue_url(&queue.url)
                .set_entries(Some(entries.clone()))
                .send()
        })
        .await?;
    }
    letters.sort_by_key(|letter| letter.sent_at);
    Ok(letters)
}

fn letter(message: Message) -> DeadLetter {
    use MessageSystemAttributeName::{ApproximateReceiveCount, MessageGroupId, SentTimestamp};
    let system = message.attributes.unwrap_or_default();
    let number = |name| system.get(name).and_then(|value| value.parse::<i64>().ok());
    DeadLetter {
        id: message.message_id.unwrap_or_default(),
        sent_at: number(&SentTimestamp).and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        received: number(&ApproximateReceiveCount)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        group: system.get(&MessageGroupId).cloned(),
        attributes: message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect(),
        body: message.body.unwrap_or_default(),
    }
}

/// Sends all of a queue's messages back to where they came from, and waits until they're there.
pub async fn redrive(
    aws: &Aws,
    scope: &Scope,
    queue: &DeadLetterQueue,
    per_second: Option<u32>,
    on_progress: impl Fn(Moved),
) -> Result<u64, DeadLettersError> {
    check_owner(aws, scope, queue).await?;
    aws.call(MOVE, || {
        aws.sqs
            .start_message_move_task()
            .source_arn(&queue.arn)
            .set_max_number_of_messages_per_second(
                per_second.map(|count| i32::try_from(count).unwrap_or(500)),
            )
            .send()
    })
    .await?;
    loop {
        let tasks = aws
            .call(LIST_MOVES, || {
                aws.sqs
                    .list_message_move_tasks()
                    .source_arn(&queue.arn)
                    .max_results(1)
                    .send()
            })
            .await?;
        let Some(task) = tasks.results.unwrap_or_default().into_iter().next() else {
            return Ok(0);
        };
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let moved = count(task.approximate_number_of_messages_moved);
        match task.status() {
            Some("RUNNING" | "CANCELLING") => on_progress(Moved {
                moved,
                of: task
                    .approximate_number_of_messages_to_move
                    .map_or(queue.messages, count),
            }),
            Some("COMPLETED") => return Ok(moved),
            status => {
                return Err(DeadLettersError::Ended {
                    status: status.unwrap_or("no status").to_owned(),
                    moved,
                    reason: task.failure_reason.clone(),
                });
            }
        }
        sleep(ASK_EVERY).await;
    }
}

/// Deletes all of a queue's messages.
pub async fn purge(
    aws: &Aws,
    scope: &Scope,
    queue: &DeadLetterQueue,
) -> Result<(), DeadLettersError> {
    check_owner(aws, scope, queue).await?;
    aws.call(PURGE, || aws.sqs.purge_queue().queue_url(&queue.url).send())
        .await?;
    Ok(())
}

async fn check_owner(
    aws: &Aws,
    scope: &Scope,
    queue: &DeadLetterQueue,
) -> Result<(), DeadLettersError> {
    let found = aws
        .call(LIST_TAGS, || {
            aws.sqs.list_queue_tags().queue_url(&queue.url).send()
        })
        .await?;
    let tags = found.tags.unwrap_or_default().into_iter().collect();
    if scope.owns(&tags) {
        Ok(())
    } else {
        Err(DeadLettersError::Foreign(queue.url.clone()))
    }
}
