//! The service as its callers see it, through calls.

mod manage;
mod moving;
mod speed;
mod traffic;
mod waiting;

use serde_json::{Value, json};

use super::*;
use crate::{Options, call::Payload, call::Service, cloud::Cloud, fidelity::Fidelity, iam::Caller};

/// A cloud, and who calls it.
pub struct Caught {
    pub cloud: Arc<Cloud>,
    pub caller: Caller,
    pub form: bool,
}

pub fn instant() -> Caught {
    with(Options::default())
}

pub fn like_aws() -> Caught {
    with(Options {
        fidelity: Fidelity::Aws,
        ..Options::default()
    })
}

pub fn with(options: Options) -> Caught {
    Caught {
        cloud: Cloud::for_test(options),
        caller: Caller::Owner {
            access_key: "test".to_owned(),
        },
        form: false,
    }
}

impl Caught {
    pub fn region(&self) -> Arc<Region> {
        self.cloud.region("eu-west-1").expect("a region")
    }

    pub fn prepare(&self, operation: &str, input: Value) -> Call {
        let mut headers = hyper::HeaderMap::new();
        if self.form {
            let form = "application/x-www-form-urlencoded";
            headers.insert("content-type", form.parse().expect("a value"));
        }
        Call {
            caller: self.caller.clone(),
            headers,
            ..Call::for_test(&self.cloud, "eu-west-1", Service::Sqs, operation, input)
        }
    }

    pub async fn ask(&self, operation: &str, input: Value) -> Result<Value> {
        let answer = call(&self.prepare(operation, input)).await?;
        match answer.payload {
            Payload::Members(members) => Ok(members),
            other => panic!("{other:?} isn't members"),
        }
    }

    pub async fn get(&self, operation: &str, input: Value) -> Value {
        let answer = self.ask(operation, input.clone()).await;
        answer.unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    /// The error's shape, its query code and its words.
    pub async fn refused(&self, operation: &str, input: Value) -> (String, String, String) {
        let error = match self.ask(operation, input.clone()).await {
            Err(error) => error,
            Ok(answer) => panic!("{operation} {input} was answered: {answer}"),
        };
        (
            error.code.into_owned(),
            error.query_code.unwrap_or_default().to_owned(),
            error.message,
        )
    }

    /// Makes a queue and answers its URL.
    pub async fn queue(&self, name: &str, mut attributes: Value) -> String {
        if name.strip_suffix(".fifo").is_some() {
            attributes["FifoQueue"] = "true".into();
        }
        let made = self
            .get(
                "CreateQueue",
                json!({"QueueName": name, "Attributes": attributes}),
            )
            .await;
        made["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    pub async fn send(&self, url: &str, body: &str) -> Value {
        self.get("SendMessage", json!({"QueueUrl": url, "MessageBody": body}))
            .await
    }

    /// Receives, hidden for so long, and answers the messages.
    pub async fn take(&self, url: &str, most: i64, seconds: i64) -> Vec<Value> {
        let answer = self
            .get(
                "ReceiveMessage",
                json!({
                    "QueueUrl": url,
                    "MaxNumberOfMessages": most,
                    "VisibilityTimeout": seconds,
                    "MessageSystemAttributeNames": ["All"],
                    "MessageAttributeNames": ["All"],
                }),
            )
            .await;
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub async fn attributes(&self, url: &str) -> Value {
        let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        self.get("GetQueueAttributes", input).await["Attributes"].clone()
    }
}

pub fn arn_of(name: &str) -> String {
    format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}")
}

pub fn bodies(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message["Body"].as_str().expect("a body"))
        .collect()
}

#[tokio::test]
async fn an_unknown_operation_is_refused() {
    let (code, ..) = instant().refused("Nothing", json!({})).await;
    assert_eq!(code, "UnknownOperationException");
}

#[test]
fn each_operation_needs_its_own_permission() {
    let caught = instant();
    let url = format!("http://anywhere/{ACCOUNT}/jobs");
    let handle = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        json!({"taskId": "x", "sourceArn": arn_of("jobs")}).to_string(),
    );
    for (operation, input, action, resource) in [
        (
            "SendMessageBatch",
            json!({"QueueUrl": url}),
            "SendMessage",
            arn_of("jobs"),
        ),
        (
            "DeleteMessageBatch",
            json!({"QueueUrl": url}),
            "DeleteMessage",
            arn_of("jobs"),
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url}),
            "ReceiveMessage",
            arn_of("jobs"),
        ),
        (
            "CreateQueue",
            json!({"QueueName": "jobs"}),
            "CreateQueue",
            arn_of("jobs"),
        ),
        ("ListQueues", json!({}), "ListQueues", "*".to_owned()),
        (
            "StartMessageMoveTask",
            json!({"SourceArn": arn_of("dlq")}),
            "StartMessageMoveTask",
            arn_of("dlq"),
        ),
        (
            "CancelMessageMoveTask",
            json!({"TaskHandle": handle}),
            "CancelMessageMoveTask",
            arn_of("jobs"),
        ),
    ] {
        let permission = permission(&caught.prepare(operation, input));
        assert_eq!(permission.action, format!("sqs:{action}"));
        assert_eq!(permission.resource, resource);
    }
}

#[tokio::test]
async fn what_is_kept_comes_back_with_its_messages() {
    let caught = instant();
    caught.queue("dlq.fifo", json!({})).await;
    let redrive =
        json!({"deadLetterTargetArn": arn_of("dlq.fifo"), "maxReceiveCount": 2}).to_string();
    let url = caught
        .queue(
            "jobs.fifo",
            json!({"RedrivePolicy": redrive, "VisibilityTimeout": "77"}),
        )
        .await;
    caught
        .get("TagQueue", json!({"QueueUrl": url, "Tags": {"a": "b"}}))
        .await;
    for (body, group) in [("1", "g"), ("2", "h"), ("3", "g")] {
        let message = json!({
            "QueueUrl": url, "MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": body,
            "MessageAttributes": {"n": {"DataType": "Number", "StringValue": "1"}},
        });
        caught.get("SendMessage", message).await;
    }
    let taken = caught.take(&url, 1, 600).await;
    assert_eq!(bodies(&taken), ["1"]);
    let kept = caught.region().sqs.keep();
    let text = kept.to_string();

    let again = instant();
    let kept = serde_json::from_str(&text).expect("JSON");
    again.region().sqs.restore(kept).expect("restored");
    assert_eq!(again.attributes(&url).await["VisibilityTimeout"], "77");
    assert_eq!(again.attributes(&url).await["RedrivePolicy"], redrive);
    let tags = again.get("ListQueueTags", json!({"QueueUrl": url})).await;
    assert_eq!(tags["Tags"], json!({"a": "b"}));
    // In flight before, visible now, the receive still counted.
    let all = again.take(&url, 10, 600).await;
    assert_eq!(bodies(&all), ["1", "3", "2"]);
    assert_eq!(all[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(all[0]["MessageId"], taken[0]["MessageId"]);
    assert_eq!(
        all[0]["MD5OfMessageAttributes"],
        taken[0]["MD5OfMessageAttributes"]
    );
    assert!(
        again
            .region()
            .sqs
            .restore(json!({"not": "queues"}))
            .is_err()
    );
}

#[tokio::test]
async fn the_console_sees_queues_and_messages_without_receiving_them() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    for body in ["a", "b", "c"] {
        caught.send(&url, body).await;
    }
    caught.take(&url, 1, 600).await;
    let delayed = json!({"QueueUrl": url, "MessageBody": "d", "DelaySeconds": 60});
    caught.get("SendMessage", delayed).await;
    let overview = caught.region().sqs.overview();
    assert_eq!(overview.len(), 1);
    assert_eq!(
        overview[0].counts,
        Counts {
            visible: 2,
            in_flight: 1,
            delayed: 1
        }
    );
    let queue = caught.region().sqs.queue("jobs").expect("there");
    let states: Vec<_> = queue.peek(10).iter().map(|peeked| peeked.state).collect();
    assert_eq!(states, ["in flight", "visible", "visible", "delayed"]);
    assert_eq!(queue.peek(2).len(), 2);
    assert_eq!(bodies(&caught.take(&url, 10, 600).await), ["b", "c"]);
    caught.region().sqs.observe(&caught.region());
}

#[tokio::test]
async fn a_poller_receives_deletes_and_returns_in_process() {
    let caught = instant();
    let url = caught
        .queue("jobs", json!({"VisibilityTimeout": "12"}))
        .await;
    caught.send(&url, "a").await;
    caught.send(&url, "b").await;
    let region = caught.region();
    let queue = region.sqs.queue("jobs").expect("there");
    assert!(!queue.is_fifo());
    assert_eq!(queue.visibility_timeout().as_secs(), 12);
    let received = queue.receive(&region, 10, None);
    assert_eq!(received.len(), 2);
    assert_eq!(&*received[0].body, "a");
    assert_eq!(received[0].body_md5, "0cc175b9c0f1b6a831c399e269772661");
    assert_eq!(received[0].attributes["ApproximateReceiveCount"], "1");
    assert_eq!(received[0].message_attributes, json!({}));
    queue.delete(&received[0].receipt_handle);
    queue.delete("nonsense");
    queue.change_visibility(&received[1].receipt_handle, std::time::Duration::ZERO);
    assert_eq!(bodies(&caught.take(&url, 10, 0).await), ["b"]);
}
