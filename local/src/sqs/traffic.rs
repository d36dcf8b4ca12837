//! The operations on messages: sending, receiving, deleting, hiding, one by one or up to ten at once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    errors, input,
    input::Members,
    message::{self, NO_DEDUPLICATION, NOT_HERE, Sending, hex, sequence_number},
    queue::{Queue, Sent},
    queue_of,
    store::Taken,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    iam::Caller,
};

/// Entries of a batch.
const BATCH: usize = 10;
/// The bytes of a batch's messages, whatever the queue takes of one [LS snapshot].
const BATCH_BYTES: usize = 1_048_576;
/// What can be asked for of a message.
const SYSTEM: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// SendMessage.
pub fn send(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let sending = Sending::read(&call.input, queue.settings().rules(), false)?;
    let sent = queue.send(&call.region, Millis::now(), &sending, &sender(&call.caller))?;
    Ok(Value::Object(sent_members(&sending, &sent)).into())
}

/// SendMessageBatch: what one message lacks fails that one, but a FIFO queue's ids fail them all [LS snapshot].
pub fn send_batch(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let entries = entries(call, "SendMessageBatchRequestEntry")?;
    let bytes = entries
        .iter()
        .map(|(_, entry)| message::size_of(entry))
        .sum();
    if bytes > BATCH_BYTES {
        return Err(errors::batch_too_long(BATCH_BYTES, bytes));
    }
    let rules = queue.settings().rules();
    let lacks = |name: &str| {
        entries
            .iter()
            .any(|(_, entry)| entry.get(name).is_none_or(|id| id.is_null() || id == ""))
    };
    if rules.fifo && lacks("MessageGroupId") {
        return Err(errors::invalid(
            "The request must contain the parameter MessageGroupId.",
        ));
    }
    if rules.fifo && !rules.content_based && lacks("MessageDeduplicationId") {
        return Err(errors::invalid(NO_DEDUPLICATION));
    }
    let sender = sender(&call.caller);
    let now = Millis::now();
    Ok(each(&entries, |id, entry| {
        let sending = Sending::read(entry, rules, true)?;
        let sent = queue.send(&call.region, now, &sending, &sender)?;
        let mut members = Map::new();
        members.insert("Id".to_owned(), id.into());
        members.extend(sent_members(&sending, &sent));
        Ok(members)
    }))
}

/// ReceiveMessage, which waits if it's told to, or the queue's attributes say so.
pub async fn receive(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let wish = Wish::read(&call.input, &queue)?;
    let ends = tokio::time::Instant::now() + wish.wait;
    loop {
        let now = Millis::now();
        let taken = queue.take(
            &call.region,
            now,
            wish.most,
            wish.visibility,
            wish.attempt.as_deref(),
        );
        let taken = match taken {
            // Only short polling is told of the limit [SQS model].
            Err(error) if error.code == "OverLimit" && !wish.wait.is_zero() => Vec::new(),
            taken => taken?,
        };
        if !taken.is_empty() {
            let messages: Vec<_> = taken
                .iter()
                .map(|taken| wish.members(&queue, taken))
                .collect();
            return Ok(json!({ "Messages": messages }).into());
        }
        let waited = if wish.wait.is_zero() {
            false
        } else {
            tokio::select! {
                waited = tokio::time::timeout_at(ends, queue.arrival()) => waited.is_ok(),
                () = call.cloud.ending().cancelled() => false,
            }
        };
        if !waited {
            queue.received_nothing(&call.region);
            return Ok(json!({}).into());
        }
    }
}

/// DeleteMessage.
pub fn delete(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let handle = input::required(&call.input, "ReceiptHandle")?;
    queue.try_delete(Millis::now(), handle)?;
    Ok(json!({}).into())
}

/// DeleteMessageBatch.
pub fn delete_batch(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let entries = entries(call, "DeleteMessageBatchRequestEntry")?;
    let now = Millis::now();
    Ok(each(&entries, |id, entry| {
        let handle = input::required(entry, "ReceiptHandle")?;
        queue.try_delete(now, handle)?;
        Ok(just_id(id))
    }))
}

/// ChangeMessageVisibility.
pub fn change_visibility(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    change(&queue, &call.input)?;
    Ok(json!({}).into())
}

/// ChangeMessageVisibilityBatch.
pub fn change_visibility_batch(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let entries = entries(call, "ChangeMessageVisibilityBatchRequestEntry")?;
    Ok(each(&entries, |id, entry| {
        change(&queue, entry)?;
        Ok(just_id(id))
    }))
}

fn change(queue: &Queue, members: &Members) -> Result<()> {
    let handle = input::required(members, "ReceiptHandle")?;
    let timeout = visibility(members)?.ok_or_else(|| errors::missing("VisibilityTimeout"))?;
    queue.try_change_visibility(Millis::now(), handle, timeout)
}

/// What a receive asks for.
#[derive(Debug)]
struct Wish {
    most: usize,
    visibility: Option<Duration>,
    wait: Duration,
    attempt: Option<String>,
    system: Vec<String>,
    attributes: Vec<String>,
}

impl Wish {
    fn read(members: &Members, queue: &Queue) -> Result<Self> {
        let most = input::number(members, "MaxNumberOfMessages")?.unwrap_or(1);
        let most = usize::try_from(most)
            .ok()
            .filter(|most| (1..=10).contains(most))
            .ok_or_else(|| {
                errors::invalid_value(
                    most,
                    "MaxNumberOfMessages",
                    "Must be between 1 and 10, if provided.",
                )
            })?;
        let wait = match input::number(members, "WaitTimeSeconds")? {
            None => queue.settings().wait(),
            Some(wait) => u64::try_from(wait)
                .ok()
                .filter(|wait| *wait <= 20)
                .map(Duration::from_secs)
                .ok_or_else(|| {
                    errors::invalid_value(
                        wait,
                        "WaitTimeSeconds",
                        "Must be >= 0 and <= 20, if provided.",
                    )
                })?,
        };
        let attempt = input::text(members, "ReceiveRequestAttemptId")?;
        if let Some(attempt) = attempt {
            let reason = if !queue.is_fifo() {
                Some(NOT_HERE)
            } else if !input::is_id(attempt) {
                Some(
                    "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. \
                     1 to 128 in length.",
                )
            } else {
                None
            };
            if let Some(reason) = reason {
                return Err(errors::invalid_value(
                    attempt,
                    "ReceiveRequestAttemptId",
                    reason,
                ));
            }
        }
        let mut system = input::texts(members, "MessageSystemAttributeNames", "")?;
        // The old name of the same wish; both count together [LS snapshot].
        system.extend(input::texts(members, "AttributeNames", "AttributeName")?);
        for name in &system {
            // A queue's attribute may be named, and isn't given: the old member's type is both's [SQS model].
            if !(SYSTEM.contains(name) || super::settings::SETTABLE.contains(name)) {
                return Err(errors::unknown_attribute(name));
            }
        }
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(Self {
            most,
            visibility: visibility(members)?,
            wait,
            attempt: attempt.map(str::to_owned),
            system: owned(system),
            attributes: owned(input::texts(
                members,
                "MessageAttributeNames",
                "MessageAttributeName",
            )?),
        })
    }

    fn members(&self, queue: &Queue, taken: &Taken) -> Value {
        let message = &taken.message;
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("MessageId", (*message.id).into());
        add("ReceiptHandle", queue.handle(taken).into());
        add("MD5OfBody", hex(&message.body_md5).into());
        add("Body", (*message.body).into());
        if !self.system.is_empty() {
            let all = self.system.iter().any(|name| name == "All");
            let system: Map<_, _> = message
                .system(|name| all || self.system.iter().any(|wanted| wanted == name))
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            if !system.is_empty() {
                add("Attributes", system.into());
            }
        }
        if !self.attributes.is_empty()
            && let Some((attributes, md5)) = message.attributes(|name| self.wants(name))
        {
            add("MD5OfMessageAttributes", hex(&md5).into());
            add("MessageAttributes", attributes);
        }
        Value::Object(members)
    }

    /// Whether a sender's attribute is asked for: by its name, all of them, or by how it begins [LS snapshot].
    fn wants(&self, name: &str) -> bool {
        self.attributes.iter().any(|wanted| {
            matches!(&**wanted, "All" | "*" | ".*")
                || wanted == name
                || wanted
                    .strip_suffix(".*")
                    .or_else(|| wanted.strip_suffix('*'))
                    .is_some_and(|start| name.starts_with(start))
        })
    }
}

fn visibility(members: &Members) -> Result<Option<Duration>> {
    let Some(seconds) = input::number(members, "VisibilityTimeout")? else {
        return Ok(None);
    };
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds <= 43_200)
        .map(|seconds| Some(Duration::from_secs(seconds)))
        .ok_or_else(|| {
            // The rule is the model's; the words aren't recorded.
            errors::invalid_value(
                seconds,
                "VisibilityTimeout",
                "Must be between 0 and 43200, if provided.",
            )
        })
}

/// The entries of a batch, each with its id: one to ten, their ids well formed and all different.
fn entries<'a>(call: &'a Call, shape: &str) -> Result<Vec<(&'a str, &'a Members)>> {
    let list = input::list(&call.input, "Entries", shape)?;
    if list.is_empty() {
        return Err(errors::empty_batch(shape));
    }
    if list.len() > BATCH {
        return Err(errors::too_many_entries(list.len()));
    }
    let mut ids = HashSet::new();
    let mut entries = Vec::with_capacity(list.len());
    for entry in list {
        let entry = entry
            .as_object()
            .ok_or_else(|| errors::not_read("Entries"))?;
        let id = input::text(entry, "Id")?.unwrap_or_default();
        let shaped = (1..=80).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !shaped {
            return Err(errors::bad_entry_id());
        }
        if !ids.insert(id) {
            return Err(errors::repeated_id(id));
        }
        entries.push((id, entry));
    }
    Ok(entries)
}

/// Does something to each entry. Of what succeeded and what failed, only what there is is named [LS snapshot].
fn each(
    entries: &[(&str, &Members)],
    act: impl Fn(&str, &Members) -> Result<Map<String, Value>>,
) -> Answer {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for (id, entry) in entries {
        match act(id, entry) {
            Ok(members) => successful.push(Value::Object(members)),
            Err(error) => failed.push(failure(id, &error)),
        }
    }
    let mut answer = Map::new();
    if !successful.is_empty() {
        answer.insert("Successful".to_owned(), successful.into());
    }
    if !failed.is_empty() {
        answer.insert("Failed".to_owned(), failed.into());
    }
    Value::Object(answer).into()
}

fn failure(id: &str, error: &AwsError) -> Value {
    json!({
        "Id": id,
        "SenderFault": error.status.is_client_error(),
        "Code": error.query_code.unwrap_or(&error.code),
        "Message": error.message,
    })
}

fn just_id(id: &str) -> Map<String, Value> {
    Map::from_iter([("Id".to_owned(), id.into())])
}

fn sent_members(sending: &Sending, sent: &Sent) -> Map<String, Value> {
    let mut members = Map::new();
    let mut add = |name: &str, value: String| members.insert(name.to_owned(), value.into());
    add("MD5OfMessageBody", hex(&sending.body_md5));
    if let Some(md5) = sending.attributes_md5 {
        add("MD5OfMessageAttributes", hex(&md5));
    }
    if let Some(md5) = sending.system_md5 {
        add("MD5OfMessageSystemAttributes", hex(&md5));
    }
    add("MessageId", sent.id.to_string());
    if let Some(sequence) = sent.sequence {
        add("SequenceNumber", sequence_number(sequence));
    }
    members
}

/// `SenderId`: the account for its owner, else a role's id and its session's name. Roles' real ids are IAM's own; here
/// it's made of the role's ARN, so that it's the same for one role each time.
fn sender(caller: &Caller) -> Arc<str> {
    match caller {
        Caller::Owner { .. } => Arc::from(ACCOUNT),
        Caller::Role { role, session } => {
            let digest = Sha256::digest(role.as_bytes());
            let id = hex(digest.get(..9).unwrap_or_default()).to_uppercase();
            Arc::from(format!(
                "AROA{}:{session}",
                id.get(..17).unwrap_or_default()
            ))
        }
    }
}
