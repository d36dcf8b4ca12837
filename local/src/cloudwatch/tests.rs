//! CloudWatch as a caller meets it.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    Fidelity, Options,
    call::{Call, Payload, Service, TIMESTAMP},
    clock::Millis,
    cloud::{Cloud, perform},
    error::{AwsError, Result},
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
    Call::for_test(cloud, REGION, Service::CloudWatch, operation, input.clone())
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
