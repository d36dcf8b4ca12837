//! What a person may do from the page: move dead letters back, empty a queue, close a connection, push a text to one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{HeaderMap, body::Incoming};
use serde_json::{Value, json};

use super::{nothing, overview::call, region};
use crate::{
    call::{Call, Payload, Service},
    cloud::{self, Cloud},
    error::{AwsError, Result},
    wire::body,
};

/// What a form of another site can't send, and a script of another origin not without being asked first.
const HEADER: &str = "x-wsless-console";
/// The most that is sent: a push's 128 KB, each byte of which may be six in JSON.
const MOST: usize = 1024 * 1024;

/// How often a redrive is looked at, and how many times.
const MOVING_LOOK: Duration = Duration::from_millis(50);
const MOVING_LOOKS: usize = 20;

/// Answers a request to do something.
pub async fn answer(
    cloud: &Arc<Cloud>,
    act: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Value> {
    if headers.get(HEADER).is_none_or(|value| value != "1") {
        return Err(AwsError::new(
            403,
            "Forbidden",
            format!("Only the console's own page does this: `{HEADER}: 1` is missing"),
        ));
    }
    let malformed = |message: &str| AwsError::new(400, "Malformed", message);
    let body = body::read(body, MOST)
        .await
        .map_err(|_| malformed("The request's body can't be read"))?;
    let input: Value =
        serde_json::from_slice(&body).map_err(|_| malformed("The request's body isn't JSON"))?;
    perform(cloud, act, &input).await
}

/// Does it.
pub async fn perform(cloud: &Arc<Cloud>, act: &str, input: &Value) -> Result<Value> {
    let text = |name: &str| {
        input
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| AwsError::new(400, "Malformed", format!("`{name}` is to be a text")))
    };
    let region = region(cloud, text("region")?)?;
    let of = |service, operation: &str, members| call(cloud, &region, service, operation, members);
    let asked: Call = match act {
        "redrive" => {
            let source = region.arn("sqs", text("queue")?);
            let members = json!({ "SourceArn": source });
            of(Service::Sqs, "StartMessageMoveTask", members)
        }
        "purge" => {
            let url = format!("{}/{}/{}", cloud.endpoint(), crate::ACCOUNT, text("queue")?);
            of(Service::Sqs, "PurgeQueue", json!({ "QueueUrl": url }))
        }
        "close" | "push" => {
            let members = json!({
                "apiId": text("apiId")?,
                "stage": text("stage")?,
                "connectionId": text("connectionId")?,
            });
            if act == "close" {
                of(Service::ExecuteApi, "DeleteConnection", members)
            } else {
                let mut push = of(Service::ExecuteApi, "PostToConnection", members);
                push.body = Bytes::from(text("text")?.to_owned());
                push
            }
        }
        _ => return Err(nothing()),
    };
    cloud::perform(&asked).await.map_err(worded)?;
    if act == "redrive" {
        return moved(of(
            Service::Sqs,
            "ListMessageMoveTasks",
            json!({ "SourceArn": asked.input.get("SourceArn") }),
        ))
        .await;
    }
    Ok(json!({}))
}

/// What became of a redrive: it's over soon, or goes on without being watched.
async fn moved(asked: Call) -> Result<Value> {
    for _ in 0..MOVING_LOOKS {
        let answer = cloud::perform(&asked).await?;
        let Payload::Members(tasks) = answer.payload else {
            break;
        };
        let told = |name: &str| tasks.pointer(&format!("/Results/0/{name}")).cloned();
        if told("Status").is_some_and(|status| status != "RUNNING") {
            return Ok(json!({
                "status": told("Status"),
                "moved": told("ApproximateNumberOfMessagesMoved"),
                "failure": told("FailureReason"),
            }));
        }
        tokio::time::sleep(MOVING_LOOK).await;
    }
    Ok(json!({ "status": "RUNNING" }))
}

/// Some of AWS's errors say nothing.
fn worded(mut error: AwsError) -> AwsError {
    if error.message.is_empty() {
        error.message = match error.code.as_ref() {
            "GoneException" => "The connection is gone".to_owned(),
            code => code.to_owned(),
        };
    }
    error
}
