//! One batch: filtered, given to the function, deleted as the function says.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    event::{self, Source},
    filter::Filters,
    slots::Slot,
    verdict::{self, Verdict},
};
use crate::{
    cloud::{Cloud, Region},
    error::AwsError,
    lambda::{
        model::Mapping,
        run::{self, Ran},
    },
    sqs::{Queue, Received},
};

/// The first pause after throttling.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);

/// What a batch is part of.
#[derive(Debug)]
pub(super) struct Context {
    pub cloud: Arc<Cloud>,
    pub region: Arc<Region>,
    pub mapping: Arc<Mapping>,
    pub filters: Filters,
    pub stop: CancellationToken,
}

/// Messages that were taken.
pub(super) struct Batch {
    pub queue: Arc<Queue>,
    pub messages: Vec<Received>,
    /// When they were, the first at least.
    pub taken: Instant,
}

impl Context {
    /// Tells what was seen last.
    pub fn note(&self, result: &str) {
        self.region.lambda.note_polled(&self.mapping.uuid, result);
    }

    /// Whether invocations of the function wait for one of its processes.
    pub fn waits(&self) -> bool {
        let name = self.mapping.function_arn.split(':').nth(6);
        name.is_some_and(|name| self.region.lambda.runner.waits(name))
    }

    fn source(&self) -> Source<'_> {
        Source {
            queue_arn: &self.mapping.queue_arn,
            region: &self.region.name,
        }
    }
}

/// Runs the function with a batch.
pub(super) async fn run(context: Arc<Context>, batch: Batch, slot: Slot) {
    let Batch {
        queue,
        mut messages,
        taken,
    } = batch;
    if !context.filters.is_open() {
        messages.retain(|message| {
            let record = event::value(context.source(), message);
            let matches = context.filters.match_record(&record);
            if !matches {
                // AWS's too: what isn't wanted is gone.
                queue.delete(&message.receipt_handle);
            }
            matches
        });
    }
    let until = taken + queue.visibility_timeout();
    let mut rest = messages.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(event::fitting(rest).min(rest.len()));
        rest = after;
        let ran = match invoke(&context, part, until).await {
            Ok(ran) => ran,
            Err(error) => {
                // They come back by themselves.
                context.note(&format!("PROBLEM: {}", error.message));
                return;
            }
        };
        slot.took(ran.took, || context.waits());
        settle(&context, &queue, part, &ran);
    }
}

/// Invokes the function, again and again while it's throttled, for as long as the messages are hidden.
async fn invoke(context: &Context, messages: &[Received], until: Instant) -> Result<Ran, AwsError> {
    let payload = event::of(context.source(), messages);
    let lambda = &context.region.lambda;
    let mut pause = PAUSE;
    loop {
        let ran = match lambda.resolve(&context.mapping.function_arn) {
            Ok(target) => {
                // Later, the messages are others' again.
                let (cloud, region) = (&context.cloud, &context.region);
                run::perform_by(cloud, region, &target, payload.clone(), Some(until)).await
            }
            Err(error) => Err(error),
        };
        let error = match ran {
            Err(error) if is_passing(&error) => error,
            ran => return ran,
        };
        if Instant::now() + pause >= until {
            return Err(error);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.stop.cancelled() => return Err(error),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether the same may go well a moment later: throttling, an update that is under way, the service's own trouble.
fn is_passing(error: &AwsError) -> bool {
    error.status.as_u16() == 429
        || error.status.is_server_error()
        || error.code == "ResourceConflictException"
}

/// Deletes what is done. What isn't stays hidden until its time is over, and comes back then.
fn settle(context: &Context, queue: &Queue, messages: &[Received], ran: &Ran) {
    let verdict = if ran.invoked.error.is_some() {
        Verdict::AllFailed
    } else if context.mapping.reports_item_failures {
        verdict::of(&ran.invoked.payload, |id| {
            messages.iter().any(|message| message.message_id == id)
        })
    } else {
        Verdict::Done
    };
    let failed = |message: &Received| match &verdict {
        Verdict::Done => false,
        Verdict::Failed(ids) => ids.contains(&message.message_id),
        Verdict::AllFailed => true,
    };
    for message in messages.iter().filter(|message| !failed(message)) {
        queue.delete(&message.receipt_handle);
    }
    context.note(match verdict {
        Verdict::AllFailed => "PROBLEM: Function call failed",
        _ => "OK",
    });
}
