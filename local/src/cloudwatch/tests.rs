//! CloudWatch as a caller meets it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

use crate::{
    Fidelity, Options,
    call::{Call, Payload, Service, TIMESTAMP},
    clock::Millis,
    cloud::{Cloud, perform},
    error::{AwsError, Result},
    iam::Caller,
};

mod alarms;
mod dashboards;
mod metrics;

const REGION: &str = "eu-west-1";

fn cloud() -> Arc<Cloud> {
    Cloud::for_test(Options::default())
}

fn aws_cloud() -> Arc<Cloud> {
    Cloud::for_test(Options {
        fidelity: Fidelity::Aws,
        ..Options::default()
    })
}

fn a_call(cloud: &Arc<Cloud>, operation: &str, input: &Value) -> Call {
    Call {
        cloud: Arc::clone(cloud),
        region: cloud.region(REGION).unwrap(),
        caller: Caller::Owner {
            access_key: "test".to_owned(),
        },
        service: Service::CloudWatch,
        operation: operation.to_owned(),
        input: input.as_object().cloned().unwrap_or_default(),
        body: Bytes::new(),
        headers: HeaderMap::new(),
        request_id: "test".to_owned(),
    }
}

async fn call(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Result<Value> {
    match perform(&a_call(cloud, operation, &input)).await?.payload {
        Payload::Members(members) => Ok(members),
        other => panic!("{other:?} instead of members"),
    }
}

async fn done(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Value {
    call(cloud, operation, input).await.unwrap()
}

async fn refused(cloud: &Arc<Cloud>, operation: &str, input: Value) -> AwsError {
    call(cloud, operation, input).await.unwrap_err()
}

/// The minute that is over, so that all of it is in the past.
fn last_minute() -> Millis {
    let now = Millis::now().0;
    Millis(now - now.rem_euclid(60_000) - 60_000)
}

fn at(value: &Value) -> i64 {
    value[TIMESTAMP].as_i64().unwrap()
}
