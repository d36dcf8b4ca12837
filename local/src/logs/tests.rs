//! CloudWatch Logs as a caller meets it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Fidelity, Options,
    call::{Answer, Call, Payload, Service},
    clock::Millis,
    cloud::{Cloud, perform},
    error::{AwsError, Result},
};

mod events;
mod groups;
mod tail;

const REGION: &str = "eu-west-1";
const ARN: &str = "arn:aws:logs:eu-west-1:000000000000:log-group:";

fn cloud() -> Arc<Cloud> {
    Cloud::for_test(Options::default())
}

fn aws_cloud(time_scale: f64) -> Arc<Cloud> {
    Cloud::for_test(Options {
        fidelity: Fidelity::Aws,
        time_scale,
        ..Options::default()
    })
}

fn a_call(cloud: &Arc<Cloud>, operation: &str, input: &Value) -> Call {
    Call::for_test(cloud, REGION, Service::Logs, operation, input.clone())
}

async fn call(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Result<Answer> {
    perform(&a_call(cloud, operation, &input)).await
}

async fn done(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Value {
    match call(cloud, operation, input).await.unwrap().payload {
        Payload::Members(members) => members,
        other => panic!("{other:?} instead of members"),
    }
}

async fn refused(cloud: &Arc<Cloud>, operation: &str, input: Value) -> AwsError {
    call(cloud, operation, input).await.unwrap_err()
}

/// A group with streams.
async fn group(cloud: &Arc<Cloud>, name: &str, streams: &[&str]) {
    done(cloud, "CreateLogGroup", json!({"logGroupName": name})).await;
    for stream in streams {
        done(
            cloud,
            "CreateLogStream",
            json!({"logGroupName": name, "logStreamName": stream}),
        )
        .await;
    }
}

async fn put(cloud: &Arc<Cloud>, group: &str, stream: &str, events: &[(i64, &str)]) -> Value {
    let events: Vec<Value> = events
        .iter()
        .map(|(at, message)| json!({"timestamp": at, "message": message}))
        .collect();
    done(
        cloud,
        "PutLogEvents",
        json!({"logGroupName": group, "logStreamName": stream, "logEvents": events}),
    )
    .await
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect()
}

fn now() -> i64 {
    Millis::now().0
}
