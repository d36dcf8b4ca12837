//! Moving a dead-letter queue's messages on: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask.
//!
//! A moved message is a new one: another id, sent now, never received [SQSG, dead-letter queue redrive]. A task moves as
//! many messages as there were when it began, so that messages which fail again at once don't go round for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Queue, errors, input,
    message::{self, Message},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::Region,
    error::{AwsError, Result},
};

/// Tasks of one queue that are remembered, and shown at most [SQS model].
const SHOWN: usize = 10;
/// Tasks that are remembered in all.
const REMEMBERED: usize = 1000;
/// Messages that a task moves before others have their turn.
const AT_ONCE: usize = 64;

/// A task that moves messages.
#[derive(Debug)]
pub struct Task {
    id: String,
    source: String,
    destination: Option<String>,
    /// Messages a second.
    rate: Option<u32>,
    started: Millis,
    to_move: usize,
    moved: AtomicUsize,
    status: Mutex<Status>,
    cancel: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed(&'static str),
}

/// StartMessageMoveTask [the errors' words: LS snapshot].
pub fn start(call: &Call) -> Result<Answer> {
    let sqs = &call.region.sqs;
    let source = named_queue(call, "SourceArn")?;
    let destination = match input::text(&call.input, "DestinationArn")? {
        None | Some("") => None,
        Some(_) => Some(named_queue(call, "DestinationArn")),
    };
    if sqs.sources(source.arn()).is_empty() {
        return Err(errors::invalid(
            "Source queue must be configured as a Dead Letter Queue.",
        ));
    }
    let destination = destination.transpose()?;
    if destination
        .as_ref()
        .is_some_and(|destination| destination.is_fifo() != source.is_fifo())
    {
        // The words aren't recorded.
        return Err(errors::invalid(
            "Source queue and destination queue must be of the same type.",
        ));
    }
    let rate = input::number(&call.input, "MaxNumberOfMessagesPerSecond")?;
    let rate = match rate.map(u32::try_from) {
        None => None,
        Some(Ok(rate @ 1..=500)) => Some(rate),
        _ => {
            return Err(errors::invalid_value(
                rate.unwrap_or_default(),
                "MaxNumberOfMessagesPerSecond",
                "Must be >= 1 and <= 500, if provided.",
            ));
        }
    };
    let now = Millis::now();
    let task = Arc::new(Task {
        id: message::new_id(),
        source: source.arn().to_owned(),
        destination: destination.map(|destination| destination.arn().to_owned()),
        rate,
        started: now,
        to_move: source.counts(now).visible,
        moved: AtomicUsize::new(0),
        status: Mutex::new(Status::Running),
        cancel: CancellationToken::new(),
    });
    {
        let mut tasks = sqs.tasks.lock();
        let busy = tasks
            .iter()
            .any(|other| other.source == task.source && other.status() == Status::Running);
        if busy {
            return Err(errors::invalid(
                "There is already a task running. Only one active task is allowed for a source queue arn at a \
                 given time.",
            ));
        }
        if tasks.len() >= REMEMBERED {
            tasks.retain(|task| task.status() == Status::Running);
        }
        tasks.push(Arc::clone(&task));
    }
    let handle = task.handle();
    let region = Arc::clone(&call.region);
    call.cloud.spawn(async move { run(&region, &task).await });
    Ok(json!({ "TaskHandle": handle }).into())
}

/// ListMessageMoveTasks, the newest first.
pub fn list(call: &Call) -> Result<Answer> {
    let source = named_queue(call, "SourceArn")?;
    let most = input::number(&call.input, "MaxResults")?.unwrap_or(1);
    let size = usize::try_from(most)
        .ok()
        .filter(|most| (1..=SHOWN).contains(most))
        .ok_or_else(|| {
            errors::invalid_value(most, "MaxResults", "Must be >= 1 and <= 10, if provided.")
        })?;
    let results: Vec<_> = call
        .region
        .sqs
        .tasks
        .lock()
        .iter()
        .rev()
        .filter(|task| task.source == source.arn())
        .take(size)
        .map(|task| task.members())
        .collect();
    Ok(json!({ "Results": results }).into())
}

/// CancelMessageMoveTask: what was moved stays moved.
pub fn cancel(call: &Call) -> Result<Answer> {
    let handle = input::required(&call.input, "TaskHandle")?;
    let (id, source) = read_handle(handle)
        .ok_or_else(|| errors::invalid("Value for parameter TaskHandle is invalid."))?;
    let sqs = &call.region.sqs;
    let there = input::queue_of_arn(&source, &call.region.name).and_then(|name| sqs.held(name));
    if there.is_none() {
        return Err(no_resource("SourceArn"));
    }
    let task = sqs.tasks.lock().iter().find(|task| task.id == id).cloned();
    let task = task.ok_or_else(|| errors::not_found("Task does not exist."))?;
    if !task.end(Status::Cancelled) {
        // The words aren't recorded.
        return Err(errors::invalid("Only active tasks can be cancelled."));
    }
    task.cancel.cancel();
    Ok(json!({ "ApproximateNumberOfMessagesMoved": task.moved.load(Ordering::Relaxed) }).into())
}

/// The task's id and the source's ARN in a handle, which is JSON in base64 [LS snapshot].
pub fn read_handle(handle: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(handle).ok()?;
    let members: Value = serde_json::from_slice(&bytes).ok()?;
    let text = |name: &str| members.get(name)?.as_str().map(str::to_owned);
    Some((text("taskId")?, text("sourceArn")?))
}

fn named_queue(call: &Call, parameter: &str) -> Result<Arc<Queue>> {
    let arn = input::required(&call.input, parameter)?;
    if arn.split(':').count() != 6 || !arn.starts_with("arn:") {
        return Err(errors::invalid(format!(
            "You must use this format to specify the {parameter}: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )));
    }
    input::queue_of_arn(arn, &call.region.name)
        .and_then(|name| call.region.sqs.held(name))
        .ok_or_else(|| no_resource(parameter))
}

fn no_resource(parameter: &str) -> AwsError {
    errors::not_found(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}

impl Task {
    fn status(&self) -> Status {
        *self.status.lock()
    }

    /// Ends it; false if it was over before.
    fn end(&self, status: Status) -> bool {
        let mut current = self.status.lock();
        let running = *current == Status::Running;
        if running {
            *current = status;
        }
        running
    }

    fn handle(&self) -> String {
        let handle = json!({ "taskId": self.id, "sourceArn": self.source });
        STANDARD.encode(handle.to_string())
    }

    fn members(&self) -> Value {
        let status = self.status();
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if status == Status::Running {
            add("TaskHandle", self.handle().into());
        }
        add(
            "Status",
            match status {
                Status::Running => "RUNNING",
                Status::Completed => "COMPLETED",
                Status::Cancelled => "CANCELLED",
                Status::Failed(_) => "FAILED",
            }
            .into(),
        );
        add("SourceArn", self.source.clone().into());
        if let Some(destination) = &self.destination {
            add("DestinationArn", destination.clone().into());
        }
        if let Some(rate) = self.rate {
            add("MaxNumberOfMessagesPerSecond", rate.into());
        }
        add(
            "ApproximateNumberOfMessagesMoved",
            self.moved.load(Ordering::Relaxed).into(),
        );
        add("ApproximateNumberOfMessagesToMove", self.to_move.into());
        if let Status::Failed(reason) = status {
            add("FailureReason", reason.into());
        }
        // A number, not a timestamp, in the model.
        add("StartedTimestamp", self.started.0.into());
        Value::Object(members)
    }
}

/// Moves messages until all are moved, something is missing, or it's cancelled.
async fn run(region: &Region, task: &Task) {
    let pause = task.rate.map(|rate| Duration::from_secs(1) / rate);
    loop {
        let moved = task.moved.load(Ordering::Relaxed);
        if moved >= task.to_move || task.status() != Status::Running {
            break;
        }
        match step(region, task) {
            Ok(true) => task.moved.fetch_add(1, Ordering::Relaxed),
            Ok(false) => break,
            Err(reason) => {
                task.end(Status::Failed(reason));
                return;
            }
        };
        if let Some(pause) = pause {
            let _ = tokio::time::timeout(pause, task.cancel.cancelled()).await;
        } else if moved.is_multiple_of(AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    task.end(Status::Completed);
}

/// Moves one message: false if there is none, and why if it can't be moved.
fn step(region: &Region, task: &Task) -> Result<bool, &'static str> {
    const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
    let queue =
        |arn: &str| input::queue_of_arn(arn, &region.name).and_then(|name| region.sqs.held(name));
    let source = queue(&task.source).ok_or(NO_QUEUE)?;
    let now = Millis::now();
    let Some(message) = source.take_out(now) else {
        return Ok(false);
    };
    let target = match (&task.destination, &message.source) {
        (Some(destination), _) => queue(destination).ok_or(NO_QUEUE),
        (None, Some(origin)) => queue(origin).ok_or(NO_QUEUE),
        (None, None) => Err("CouldNotDetermineMessageSource"),
    };
    match target {
        Ok(target) => {
            target.accept(now, renewed(message, now));
            Ok(true)
        }
        Err(reason) => {
            source.accept(now, message);
            Err(reason)
        }
    }
}

fn renewed(message: Message, now: Millis) -> Message {
    Message {
        id: Arc::from(message::new_id()),
        sent: now,
        enqueued: now,
        source: None,
        received: 0,
        first_received: None,
        ..message
    }
}
