//! SQS: standard and FIFO queues, with their messages, dead-letter queues and redrives.
//!
//! `store` and `fifo` decide what can be received and when, purely; `queue` puts a lock, wake-ups and metrics around it;
//! `manage`, `traffic` and `moving` are the API's operations. Other services use [`Sqs::queue`] and [`Queue`].
//! Queue policies are kept and read back, and nobody is refused by them.

mod errors;
mod fifo;
mod input;
mod manage;
mod message;
mod moving;
mod queue;
mod receipt;
mod redrive;
mod settings;
mod store;
mod traffic;

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::Value;

pub use self::{
    queue::{Peeked, Queue, Received},
    store::Counts,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Sqs {
    queues: RwLock<BTreeMap<String, Arc<Queue>>>,
    /// When queues were deleted whose names aren't free yet.
    deleted: Mutex<BTreeMap<String, Millis>>,
    tasks: Mutex<Vec<Arc<moving::Task>>>,
}

/// A queue in a list of all.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whether it keeps order.
    pub fifo: bool,
    /// How many messages it has.
    pub counts: Counts,
    /// The age of its oldest message, in seconds.
    pub oldest: Option<u64>,
    /// The ARN of its dead-letter queue.
    pub dead_letters: Option<String>,
}

impl Sqs {
    /// A queue, by name, once it's found by everybody.
    pub fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        self.held(name)
            .filter(|queue| queue.is_found(Millis::now(), None))
    }

    /// All queues with their counts, by name.
    pub fn overview(&self) -> Vec<Overview> {
        let now = Millis::now();
        self.all()
            .into_iter()
            .map(|queue| Overview {
                name: queue.name().to_owned(),
                arn: queue.arn().to_owned(),
                fifo: queue.is_fifo(),
                counts: queue.counts(now),
                oldest: queue.oldest(now).map(|sent| sent.until(now).as_secs()),
                dead_letters: queue
                    .settings()
                    .redrive()
                    .map(|redrive| redrive.target.clone()),
            })
            .collect()
    }

    /// Records what the queues hold now. Called once a period by whoever runs CloudWatch.
    pub fn observe(&self, region: &Region) {
        let now = Millis::now();
        for queue in self.all() {
            let counts = queue.counts(now);
            let age = queue
                .oldest(now)
                .map_or(0, |sent| sent.until(now).as_secs());
            let dimensions = [("QueueName", queue.name())];
            let record = |metric: &str, value: u64, unit: &str| {
                let value = u32::try_from(value).unwrap_or(u32::MAX);
                region
                    .cloudwatch
                    .series("AWS/SQS", metric, &dimensions)
                    .record(now, value.into(), unit);
            };
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            record(
                "ApproximateNumberOfMessagesVisible",
                count(counts.visible),
                "Count",
            );
            record(
                "ApproximateNumberOfMessagesNotVisible",
                count(counts.in_flight),
                "Count",
            );
            record(
                "ApproximateNumberOfMessagesDelayed",
                count(counts.delayed),
                "Count",
            );
            record("ApproximateAgeOfOldestMessage", age, "Seconds");
        }
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        let queues: Vec<_> = self.all().iter().map(|queue| queue.keep()).collect();
        serde_json::to_value(queues).unwrap_or_default()
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        if kept.is_null() {
            return Ok(());
        }
        let kept: Vec<queue::Kept> =
            serde_json::from_value(kept).map_err(|error| error.to_string())?;
        let mut queues = self.queues.write();
        for kept in kept {
            let queue = Queue::restore(kept);
            queues.insert(queue.name().to_owned(), Arc::new(queue));
        }
        Ok(())
    }

    /// A queue, by name, whether it's found already or not.
    fn held(&self, name: &str) -> Option<Arc<Queue>> {
        self.queues.read().get(name).map(Arc::clone)
    }

    fn all(&self) -> Vec<Arc<Queue>> {
        self.queues.read().values().cloned().collect()
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    let text = |name: &str| call.input.get(name).and_then(Value::as_str);
    let by_url = || text("QueueUrl").and_then(input::queue_in);
    // An operation on a batch is allowed by the single one's name [SQSG, SQS API permissions].
    let (action, resource) = match call.operation.as_str() {
        "ListQueues" => ("ListQueues", None),
        operation @ ("CreateQueue" | "GetQueueUrl") => {
            (operation, text("QueueName").map(|name| arn(call, name)))
        }
        operation @ ("StartMessageMoveTask" | "ListMessageMoveTasks") => {
            (operation, text("SourceArn").map(str::to_owned))
        }
        operation @ "CancelMessageMoveTask" => (
            operation,
            text("TaskHandle")
                .and_then(moving::read_handle)
                .map(|(_, source)| source),
        ),
        operation => (
            operation.strip_suffix("Batch").unwrap_or(operation),
            by_url().map(|name| arn(call, name)),
        ),
    };
    Permission {
        action: format!("sqs:{action}"),
        resource: resource.unwrap_or_else(|| "*".to_owned()),
    }
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    match call.operation.as_str() {
        "CreateQueue" => manage::create(call),
        "DeleteQueue" => manage::delete(call),
        "GetQueueUrl" => manage::get_url(call),
        "ListQueues" => manage::list(call),
        "GetQueueAttributes" => manage::get_attributes(call),
        "SetQueueAttributes" => manage::set_attributes(call),
        "ListDeadLetterSourceQueues" => manage::list_sources(call),
        "PurgeQueue" => manage::purge(call),
        "TagQueue" => manage::tags::tag(call),
        "UntagQueue" => manage::tags::untag(call),
        "ListQueueTags" => manage::tags::list(call),
        "AddPermission" => manage::access::add(call),
        "RemovePermission" => manage::access::remove(call),
        "SendMessage" => traffic::send(call),
        "SendMessageBatch" => traffic::send_batch(call),
        "ReceiveMessage" => traffic::receive(call).await,
        "DeleteMessage" => traffic::delete(call),
        "DeleteMessageBatch" => traffic::delete_batch(call),
        "ChangeMessageVisibility" => traffic::change_visibility(call),
        "ChangeMessageVisibilityBatch" => traffic::change_visibility_batch(call),
        "StartMessageMoveTask" => moving::start(call),
        "ListMessageMoveTasks" => moving::list(call),
        "CancelMessageMoveTask" => moving::cancel(call),
        _ => Err(AwsError::unknown_operation("sqs", &call.operation)),
    }
}

/// The queue that a call is about.
fn queue_of(call: &Call) -> Result<Arc<Queue>> {
    let url = input::required(&call.input, "QueueUrl")?;
    let name = input::queue_in(url);
    let pathless = url
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.trim_end_matches('/').contains('/'));
    if pathless {
        return Err(errors::bad_address(url));
    }
    name.and_then(|name| call.region.sqs.held(name))
        .filter(|queue| queue.is_found(Millis::now(), Some(&call.caller)))
        .ok_or_else(|| no_queue(call))
}

fn no_queue(call: &Call) -> AwsError {
    let is = |header: &str, start: &str| {
        call.headers
            .get(header)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with(start))
    };
    errors::no_queue(
        is("content-type", "application/x-www-form-urlencoded")
            && !call.headers.contains_key("x-amz-target"),
    )
}

fn arn(call: &Call, queue: &str) -> String {
    call.region.arn("sqs", queue)
}

fn url(call: &Call, queue: &str) -> String {
    format!("{}/{ACCOUNT}/{queue}", call.cloud.endpoint())
}

#[cfg(test)]
mod tests;
