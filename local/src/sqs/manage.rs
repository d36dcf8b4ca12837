//! The operations on queues themselves: making, deleting, finding and reading them, and changing their attributes.

pub mod access;
pub mod tags;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    Sqs, arn, errors, input, no_queue,
    queue::{Birth, Queue},
    queue_of,
    settings::{SETTABLE, Settings},
    url,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::Result,
    fidelity::Delay,
    iam::Permission,
};

/// Queues that a region holds at most: AWS has no limit, a machine's memory has.
const QUEUES: usize = 10_000;
/// Queues in one answer at most, and without a wish [SQS model].
const PAGE: usize = 1000;
/// How long after a purge there is no other [SQS model].
const PURGE: Duration = Duration::from_mins(1);
/// The attributes that can only be read.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// CreateQueue: the same again is fine, only what is given is compared [LS snapshot].
pub fn create(call: &Call) -> Result<Answer> {
    let name = input::required(&call.input, "QueueName")?;
    let attributes = input::text_map(&call.input, "Attributes", "Attribute")?;
    let given = match input::text_map(&call.input, "tags", "Tag")? {
        given if given.is_empty() => input::text_map(&call.input, "Tags", "Tag")?,
        given => given,
    };
    let mut own_tags = BTreeMap::new();
    if !given.is_empty() {
        // Tags at creation need their own permission [aws-facts 3.9].
        call.cloud.iam.authorize(
            call,
            &Permission {
                action: "sqs:TagQueue".to_owned(),
                resource: arn(call, name),
            },
        )?;
        tags::add(&mut own_tags, &given, name)?;
    }
    let settings = Settings::new(name, &attributes)?;
    check_dead_letters(call, name, &settings)?;
    let now = Millis::now();
    let sqs = &call.region.sqs;
    if sqs.is_name_taken(call, now, name) {
        return Err(errors::deleted_recently());
    }
    let birth = Birth {
        at: now,
        found_at: now.after(call.cloud.delays.of(Delay::QueueCreated)),
        creator: call.caller.clone(),
    };
    let mut queues = sqs.queues.write();
    if let Some(queue) = queues.get(name) {
        if let Some(attribute) = queue.settings().difference(&attributes)? {
            return Err(errors::name_exists(attribute));
        }
    } else {
        if queues.len() >= QUEUES {
            return Err(errors::over_limit(format!(
                "wsless's embedded cloud holds no more than {QUEUES} queues."
            )));
        }
        let queue = Queue::new(name, arn(call, name), settings, own_tags, birth);
        queues.insert(name.to_owned(), Arc::new(queue));
    }
    Ok(json!({ "QueueUrl": url(call, name) }).into())
}

/// DeleteQueue.
pub fn delete(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let now = Millis::now();
    let sqs = &call.region.sqs;
    sqs.queues.write().remove(queue.name());
    queue.end();
    let delays = call.cloud.delays;
    if delays.are_real() {
        let mut deleted = sqs.deleted.lock();
        let taken = delays.of(Delay::QueueTombstone);
        deleted.retain(|_, at| at.after(taken) > now);
        deleted.insert(queue.name().to_owned(), now);
    }
    Ok(json!({}).into())
}

/// GetQueueUrl.
pub fn get_url(call: &Call) -> Result<Answer> {
    let name = input::required(&call.input, "QueueName")?;
    let owner = input::text(&call.input, "QueueOwnerAWSAccountId")?;
    let ours = owner.is_none_or(|owner| owner.is_empty() || owner == ACCOUNT);
    let found = ours
        && call
            .region
            .sqs
            .held(name)
            .is_some_and(|queue| queue.is_found(Millis::now(), Some(&call.caller)));
    if !found {
        return Err(no_queue(call));
    }
    Ok(json!({ "QueueUrl": url(call, name) }).into())
}

/// ListQueues, by name.
pub fn list(call: &Call) -> Result<Answer> {
    let prefix = input::text(&call.input, "QueueNamePrefix")?.unwrap_or_default();
    let now = Millis::now();
    let sqs = &call.region.sqs;
    let mut names: Vec<_> = sqs
        .all()
        .iter()
        .filter(|queue| queue.is_found(now, Some(&call.caller)))
        .map(|queue| queue.name().to_owned())
        .collect();
    // What was deleted is listed for a while [SQS model, DeleteQueue].
    let lag = call.cloud.delays.of(Delay::Listing);
    if !lag.is_zero() {
        let deleted = sqs.deleted.lock();
        names.extend(
            deleted
                .iter()
                .filter(|(_, at)| at.after(lag) > now)
                .map(|(name, _)| name.clone()),
        );
        names.sort();
        names.dedup();
    }
    names.retain(|name| name.starts_with(prefix));
    let (names, next) = page(call, names)?;
    let mut answer = Map::new();
    if !names.is_empty() {
        let urls: Vec<_> = names.iter().map(|name| url(call, name)).collect();
        answer.insert("QueueUrls".to_owned(), urls.into());
    }
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), next.into());
    }
    Ok(Value::Object(answer).into())
}

/// ListDeadLetterSourceQueues: whose dead-letter queue this is.
pub fn list_sources(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let names = call.region.sqs.sources(queue.arn());
    let (names, next) = page(call, names)?;
    let urls: Vec<_> = names.iter().map(|name| url(call, name)).collect();
    let mut answer = json!({ "queueUrls": urls });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

/// GetQueueAttributes: only what is asked for.
pub fn get_attributes(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let names = input::texts(&call.input, "AttributeNames", "AttributeName")?;
    let all = names.contains(&"All");
    for name in &names {
        if !(*name == "All" || SETTABLE.contains(name) || READ_ONLY.contains(name)) {
            return Err(errors::unknown_attribute(name));
        }
    }
    let now = Millis::now();
    let counts = queue.counts(now);
    let settings = queue.settings();
    let seconds = |at: Millis| (at.0 / 1000).to_string();
    let mut wanted: Vec<_> = SETTABLE
        .into_iter()
        .chain(READ_ONLY)
        .filter(|name| all || names.contains(name))
        .collect();
    wanted.sort_unstable();
    let attributes: Map<_, _> = wanted
        .into_iter()
        .filter_map(|name| {
            let value = match name {
                "ApproximateNumberOfMessages" => counts.visible.to_string(),
                "ApproximateNumberOfMessagesDelayed" => counts.delayed.to_string(),
                "ApproximateNumberOfMessagesNotVisible" => counts.in_flight.to_string(),
                "CreatedTimestamp" => seconds(queue.created()),
                "LastModifiedTimestamp" => seconds(queue.modified()),
                "QueueArn" => queue.arn().to_owned(),
                _ => settings.get(name)?,
            };
            Some((name.to_owned(), value.into()))
        })
        .collect();
    Ok(if attributes.is_empty() {
        json!({}).into()
    } else {
        json!({ "Attributes": attributes }).into()
    })
}

/// SetQueueAttributes.
pub fn set_attributes(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let attributes = input::text_map(&call.input, "Attributes", "Attribute")?;
    if attributes.is_empty() {
        return Err(errors::missing("Attribute.Name"));
    }
    let mut changed = queue.settings();
    changed.set(&attributes)?;
    if attributes.iter().any(|(name, _)| *name == "RedrivePolicy") {
        check_dead_letters(call, queue.name(), &changed)?;
    }
    // Set anew, not replaced: somebody else may have set another attribute meanwhile.
    queue.change_settings(Millis::now(), |settings| settings.set(&attributes))?;
    Ok(json!({}).into())
}

/// PurgeQueue.
pub fn purge(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let delays = call.cloud.delays;
    let again = delays.are_real().then(|| delays.scaled(PURGE));
    queue.purge(Millis::now(), again)?;
    Ok(json!({}).into())
}

/// That the dead-letter queue is there, of the same type, and lets this queue use it.
fn check_dead_letters(call: &Call, name: &str, settings: &Settings) -> Result<()> {
    let Some(redrive) = settings.redrive() else {
        return Ok(());
    };
    let refuse = |reason: &str| Err(errors::invalid_value(&redrive.raw, "RedrivePolicy", reason));
    // The account is the ARN's fifth part.
    let owner = redrive.target.split(':').nth(4);
    if owner.is_some_and(|owner| owner != ACCOUNT) {
        return refuse("Dead letter target owner should be same as the source.");
    }
    let target = input::queue_of_arn(&redrive.target, &call.region.name)
        .and_then(|target| call.region.sqs.held(target))
        .filter(|target| target.is_found(Millis::now(), Some(&call.caller)));
    let Some(target) = target else {
        return refuse("Dead letter target does not exist.");
    };
    // The words of these two aren't recorded as they are today.
    if target.is_fifo() != settings.rules().fifo {
        return refuse("Dead-letter queue must be same type of queue as the source.");
    }
    if !target.settings().allows_source(&arn(call, name)) {
        return refuse(
            "The dead letter queue's RedriveAllowPolicy does not allow this source queue.",
        );
    }
    Ok(())
}

impl Sqs {
    /// Whether a name isn't free yet after its queue was deleted.
    fn is_name_taken(&self, call: &Call, now: Millis, name: &str) -> bool {
        let taken = call.cloud.delays.of(Delay::QueueTombstone);
        self.deleted
            .lock()
            .get(name)
            .is_some_and(|at| at.after(taken) > now)
    }

    /// The names of the queues that have this one as their dead-letter queue.
    pub(super) fn sources(&self, arn: &str) -> Vec<String> {
        self.all()
            .iter()
            .filter(|queue| {
                queue
                    .settings()
                    .redrive()
                    .is_some_and(|redrive| redrive.target == arn)
            })
            .map(|queue| queue.name().to_owned())
            .collect()
    }
}

/// A page of names that are in order, and the token of the next. Without a wish there is one page only [SQS model].
fn page(call: &Call, mut names: Vec<String>) -> Result<(Vec<String>, Option<String>)> {
    let most = input::number(&call.input, "MaxResults")?;
    let size = match most.map(usize::try_from) {
        None => PAGE,
        Some(Ok(size @ 1..=PAGE)) => size,
        // The words aren't recorded.
        _ => {
            return Err(errors::invalid_value(
                most.unwrap_or_default(),
                "MaxResults",
                "MaxResults must be an integer between 1 and 1000.",
            ));
        }
    };
    let token = input::text(&call.input, "NextToken")?.filter(|token| !token.is_empty());
    if let Some(token) = token {
        let after = STANDARD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|_| most.is_some())
            .ok_or_else(|| errors::invalid("Invalid or expired next token."))?;
        names.retain(|name| *name > after);
    }
    let more = names.len() > size;
    names.truncate(size);
    let next = names
        .last()
        .filter(|_| more && most.is_some())
        .map(|last| STANDARD.encode(last));
    Ok((names, next))
}
