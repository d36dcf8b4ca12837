//! One mapping's poller: waits for messages and takes batches, as long as queue, function and permission are there.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    batch::{self, Batch, Context},
    event,
    filter::Filters,
    slots::Slots,
};
use crate::{
    cloud::{Cloud, Region},
    iam::Permission,
    lambda::model::Mapping,
    sqs::{Queue, Received},
};

/// How often it's looked whether all is there that it needs. Messages don't wait for that.
const LOOK: Duration = Duration::from_secs(1);
/// How soon it's looked again when something isn't.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// What one receive takes at most.
const RECEIVE: usize = 10;
/// Concurrent executions of an account: there are never more batches at once.
const ACCOUNT_CONCURRENCY: u32 = 1000;
/// The longest pause after receives that gave nothing though something was there.
const LONGEST: Duration = Duration::from_millis(50);

/// Polls until it's stopped. Batches under way finish by themselves.
pub(super) async fn run(
    cloud: Arc<Cloud>,
    region: Arc<Region>,
    mapping: Arc<Mapping>,
    stop: CancellationToken,
) {
    let context = Arc::new(Context {
        filters: Filters::new(&mapping.filters),
        cloud,
        region,
        mapping,
        stop: stop.clone(),
    });
    let slots = Slots::new(Arc::clone(&context.region.lambda.runner.crowd));
    // Nothing is taken and lost when it's stopped: `poll` is only given up while it waits with empty hands.
    let _ = stop.run_until_cancelled(poll(&context, &slots)).await;
}

async fn poll(context: &Arc<Context>, slots: &Arc<Slots>) {
    let mut seen: Option<(Arc<Queue>, Instant)> = None;
    let mut pause = Duration::ZERO;
    loop {
        let slot = slots.take(|| context.waits()).await;
        let queue = match &seen {
            Some((queue, looked)) if looked.elapsed() < LOOK => Arc::clone(queue),
            _ => match look(context) {
                Ok((queue, most)) => {
                    slots.limit(most);
                    seen = Some((Arc::clone(&queue), Instant::now()));
                    queue
                }
                Err(problem) => {
                    context.note(&format!("PROBLEM: {problem}"));
                    seen = None;
                    drop(slot);
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
            },
        };
        if tokio::time::timeout(LOOK, queue.arrival()).await.is_err() {
            continue;
        }
        let taken = Instant::now();
        let first = receive(context, &queue, context.mapping.batch_size);
        if first.is_empty() {
            // As many in flight as a queue may have: something is there and can't be had.
            pause = (pause * 2).clamp(Duration::from_millis(1), LONGEST);
            tokio::time::sleep(pause).await;
            continue;
        }
        pause = Duration::ZERO;
        // From here on there are messages in hand: no await before they're given to a batch of its own.
        let context = Arc::clone(context);
        let own = Arc::clone(&context);
        let gathered = Arc::new(tokio::sync::Notify::new());
        let more = Arc::clone(&gathered);
        let is_whole = context.mapping.window.is_zero();
        context.cloud.spawn(async move {
            let messages = if is_whole {
                first
            } else {
                let messages = gather(&own, &queue, first, taken).await;
                more.notify_one();
                messages
            };
            let batch = Batch {
                queue,
                messages,
                taken,
            };
            batch::run(own, batch, slot).await;
        });
        if !is_whole {
            // One batch at a time is gathered, else messages would be spread over several.
            gathered.notified().await;
        }
    }
}

/// Adds to a batch until it's full or its window is over.
async fn gather(
    context: &Context,
    queue: &Queue,
    mut messages: Vec<Received>,
    began: Instant,
) -> Vec<Received> {
    let until = began + context.mapping.window;
    let mut size: usize = messages.iter().map(event::size).sum();
    while let Some(room) = context
        .mapping
        .batch_size
        .checked_sub(messages.len())
        .filter(|room| *room > 0)
        && size < event::MOST
        && Instant::now() < until
    {
        let more = receive(context, queue, room);
        if more.is_empty() {
            tokio::select! {
                () = queue.arrival() => {}
                () = tokio::time::sleep_until(until) => {}
                () = context.stop.cancelled() => break,
            }
            // Woken for what another got, or can't be had: no spinning.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        size += more.iter().map(event::size).sum::<usize>();
        messages.extend(more);
    }
    messages
}

fn receive(context: &Context, queue: &Queue, most: usize) -> Vec<Received> {
    queue.receive(&context.region, most.min(RECEIVE), None)
}

/// The queue, and how many batches may run at once; or what is missing.
fn look(context: &Context) -> Result<(Arc<Queue>, usize), String> {
    let (mapping, region) = (&context.mapping, &context.region);
    let iam = &context.cloud.iam;
    let target = region
        .lambda
        .resolve(&mapping.function_arn)
        .map_err(|error| error.message)?;
    let version = &target.version;
    let caller = iam
        .assume(&version.role, "lambda.amazonaws.com", &version.function)
        .map_err(|_| "Lambda failed to assume your function execution role.".to_owned())?;
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
        let permission = Permission {
            action: format!("sqs:{action}"),
            resource: mapping.queue_arn.clone(),
        };
        if !iam.allows(&caller, &permission) {
            return Err(format!(
                "The function execution role does not have permissions to call {action} on SQS"
            ));
        }
    }
    let queue = mapping
        .queue_arn
        .rsplit(':')
        .next()
        .and_then(|name| region.sqs.queue(name))
        .ok_or("The specified queue does not exist.")?;
    let most = mapping
        .max_concurrency
        .or(target.reserved_concurrency)
        .unwrap_or(ACCOUNT_CONCURRENCY)
        .min(ACCOUNT_CONCURRENCY);
    Ok((queue, usize::try_from(most).unwrap_or(usize::MAX)))
}
