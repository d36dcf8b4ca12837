//! Sending to a queue in batches.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::retry::Backoff;
use super::{Aws, CallError};

/// SQS's limit of one call.
const ENTRIES: usize = 10;
/// The bytes of one call's bodies. SQS takes 1 MiB since 2025; 256 KiB is what every queue and emulator takes.
const BYTES: usize = 256 * 1024;
/// How often entries are sent again that SQS itself failed to take.
const ATTEMPTS: u32 = 4;

/// One message to send.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub body: String,
    /// The FIFO queue's group; a standard queue isn't told (it would bill it as a fair queue).
    pub group: String,
    /// The FIFO queue's deduplication id: the same when the same thing is sent again.
    pub deduplication: String,
    /// How long nobody receives it, at most 15 minutes. A FIFO queue takes no message's own delay (SQS developer guide,
    /// message timers), and isn't told.
    pub delay: Duration,
}

/// A queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue<'a> {
    aws: &'a Aws,
    url: &'a str,
}

impl<'a> Queue<'a> {
    pub fn new(aws: &'a Aws, url: &'a str) -> Self {
        Self { aws, url }
    }

    /// Sends all entries, in their order, and says of each whether SQS has it or why not.
    pub async fn send(&self, entries: &[Entry]) -> Vec<Result<(), String>> {
        let mut results = Vec::with_capacity(entries.len());
        for range in batches(entries) {
            results.extend(self.send_batch(&entries[range]).await);
        }
        results
    }

    async fn send_batch(&self, entries: &[Entry]) -> Vec<Result<(), String>> {
        let mut results: Vec<Result<(), String>> = vec![Ok(()); entries.len()];
        let mut pending: Vec<usize> = (0..entries.len()).collect();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        while !pending.is_empty() {
            let input = json!({
                "QueueUrl": self.url,
                "Entries": pending.iter().map(|i| self.entry(*i, &entries[*i])).collect::<Vec<_>>(),
            });
            let answer = match self
                .aws
                .json("sqs", "AmazonSQS.SendMessageBatch", &input)
                .await
            {
                Ok(answer) => answer,
                Err(error) => {
                    for i in pending {
                        results[i] = Err(error.to_string());
                    }
                    return results;
                }
            };
            let last = backoff.attempts() + 1 >= ATTEMPTS;
            pending = outcome(&answer, &pending, last, &mut results);
            if !pending.is_empty() {
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
        results
    }

    fn entry(&self, id: usize, entry: &Entry) -> Value {
        let mut object = Map::new();
        object.insert("Id".into(), id.to_string().into());
        object.insert("MessageBody".into(), entry.body.as_str().into());
        if self.is_fifo() {
            object.insert("MessageGroupId".into(), entry.group.as_str().into());
            object.insert(
                "MessageDeduplicationId".into(),
                entry.deduplication.as_str().into(),
            );
        } else if !entry.delay.is_zero() {
            object.insert("DelaySeconds".into(), entry.delay.as_secs().into());
        }
        Value::Object(object)
    }

    fn is_fifo(&self) -> bool {
        std::path::Path::new(self.url)
            .extension()
            .is_some_and(|extension| extension == "fifo")
    }
}

/// Reads an answer: what SQS doesn't name as taken has failed; what failed by SQS's own fault is to be sent again,
/// unless this was the last time.
fn outcome(
    answer: &Value,
    pending: &[usize],
    last: bool,
    results: &mut [Result<(), String>],
) -> Vec<usize> {
    let named = |name: &str| {
        answer
            .get(name)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let id = |entry: &Value| {
        entry
            .get("Id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse::<usize>().ok())
    };
    let mut again = Vec::new();
    for i in pending.iter().copied() {
        if named("Successful").iter().any(|entry| id(entry) == Some(i)) {
            results[i] = Ok(());
            continue;
        }
        let failed = named("Failed").iter().find(|entry| id(entry) == Some(i));
        let text = |name: &str| {
            failed
                .and_then(|f| f.get(name))
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let ours = failed
            .and_then(|f| f.get("SenderFault"))
            .and_then(Value::as_bool)
            .unwrap_or(false);
        results[i] = Err(CallError::Refused {
            call: "AmazonSQS.SendMessageBatch".into(),
            status: 200,
            code: text("Code"),
            message: text("Message"),
        }
        .to_string());
        if !ours && !last {
            again.push(i);
        }
    }
    again
}

/// Cuts the entries into calls: at most 10, and at most 256 KiB unless one alone is more.
fn batches(entries: &[Entry]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, entry) in entries.iter().enumerate() {
        if i > start && (i - start == ENTRIES || bytes + entry.body.len() > BYTES) {
            ranges.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += entry.body.len();
    }
    if start < entries.len() {
        ranges.push(start..entries.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry {
            body: "x".repeat(bytes),
            group: String::new(),
            deduplication: String::new(),
            delay: Duration::ZERO,
        }
    }

    #[test]
    fn a_call_has_at_most_ten_entries_and_256_kib() {
        let small: Vec<Entry> = (0..25).map(|_| entry(10)).collect();
        assert_eq!(batches(&small), vec![0..10, 10..20, 20..25]);
        let large = [entry(200_000), entry(100_000), entry(300_000), entry(1)];
        assert_eq!(batches(&large), vec![0..1, 1..2, 2..3, 3..4]);
        assert_eq!(batches(&[]), Vec::<std::ops::Range<usize>>::new());
    }

    #[test]
    fn what_the_answer_does_not_name_has_failed() {
        let mut results = vec![Ok(()); 3];
        let answer = json!({
            "Successful": [{"Id": "0"}],
            "Failed": [{"Id": "1", "SenderFault": true, "Code": "InvalidMessageContents", "Message": "m"}],
        });
        let again = outcome(&answer, &[0, 1, 2], false, &mut results);
        assert_eq!(again, vec![2]);
        assert!(results[0].is_ok());
        assert!(
            results[1]
                .as_ref()
                .unwrap_err()
                .contains("InvalidMessageContents")
        );
        assert!(results[2].is_err());
        assert!(outcome(&json!({}), &[2], true, &mut results).is_empty());
    }
}
