//! Lambda as a client meets it, without the wire.

mod aliases;
mod functions;
mod invoking;
mod kept;
mod mappings;
mod permissions;

use std::{
    io::{Cursor, Write as _},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    Fidelity, Options,
    call::{Answer, Call, Payload, Service},
    cloud::{Cloud, perform},
    error::{AwsError, Result},
    iam::Caller,
};

pub(super) const ROLE: &str = "arn:aws:iam::000000000000:role/chat";
const ARN: &str = "arn:aws:lambda:eu-west-1:000000000000:function:chat";

/// A zip of files with modes.
pub(super) fn zip(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(*mode);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn package(content: &str) -> String {
    STANDARD.encode(zip(&[("bootstrap", 0o755, content.as_bytes())]))
}

/// A cloud with a role that Lambda may assume.
async fn cloud() -> Arc<Cloud> {
    cloud_of(Options::default()).await
}

async fn slow_cloud() -> Arc<Cloud> {
    let cloud = Cloud::for_test(Options {
        fidelity: Fidelity::Aws,
        // The role works at once; tests that need the waits make them by hand.
        time_scale: 0.0,
        ..Options::default()
    });
    give_role(&cloud).await;
    cloud
}

async fn cloud_of(options: Options) -> Arc<Cloud> {
    let cloud = Cloud::for_test(options);
    give_role(&cloud).await;
    cloud
}

async fn give_role(cloud: &Arc<Cloud>) {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    });
    let input = json!({ "RoleName": "chat", "AssumeRolePolicyDocument": trust.to_string() });
    ask(cloud, Service::Iam, "CreateRole", input).await.unwrap();
}

/// Lets the role do things with the queues.
async fn allow(cloud: &Arc<Cloud>, actions: &[&str]) {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }],
    });
    let input = json!({
        "RoleName": "chat",
        "PolicyName": "rights",
        "PolicyDocument": policy.to_string(),
    });
    ask(cloud, Service::Iam, "PutRolePolicy", input)
        .await
        .unwrap();
}

fn request(cloud: &Arc<Cloud>, service: Service, operation: &str, input: Value) -> Call {
    Call::for_test(cloud, "eu-west-1", service, operation, input)
}

async fn ask(
    cloud: &Arc<Cloud>,
    service: Service,
    operation: &str,
    input: Value,
) -> Result<Answer> {
    perform(&request(cloud, service, operation, input)).await
}

/// The members that an operation is answered with.
async fn call(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Value {
    match ask(cloud, Service::Lambda, operation, input).await {
        Ok(Answer {
            payload: Payload::Members(members),
            ..
        }) => members,
        Ok(_) => Value::Null,
        Err(error) => panic!("{operation}: {error}"),
    }
}

/// The status that an operation is answered with.
async fn status(cloud: &Arc<Cloud>, operation: &str, input: Value) -> u16 {
    let answer = ask(cloud, Service::Lambda, operation, input).await;
    answer.unwrap().status.as_u16()
}

/// What an operation is refused with.
async fn refused(cloud: &Arc<Cloud>, operation: &str, input: Value) -> AwsError {
    match ask(cloud, Service::Lambda, operation, input).await {
        Err(error) => error,
        Ok(answer) => panic!("{operation} is answered with {answer:?}"),
    }
}

/// The refusal as text, with its status.
async fn refusal(cloud: &Arc<Cloud>, operation: &str, input: Value) -> String {
    let error = refused(cloud, operation, input).await;
    format!("{} {error}", error.status.as_u16())
}

/// What makes a function; other members take the place of these.
fn function(others: Value) -> Value {
    let mut input = json!({
        "FunctionName": "chat",
        "Runtime": "provided.al2023",
        "Role": ROLE,
        "Handler": "bootstrap",
        "Code": { "ZipFile": package("one") },
    });
    if let (Value::Object(input), Value::Object(others)) = (&mut input, others) {
        for (name, value) in others {
            if value.is_null() {
                input.remove(&name);
            } else {
                input.insert(name, value);
            }
        }
    }
    input
}

/// A cloud that has the function `chat`.
async fn with_function() -> Arc<Cloud> {
    let cloud = cloud().await;
    call(&cloud, "CreateFunction", function(json!({}))).await;
    cloud
}

/// The function's name alone.
fn chat() -> Value {
    json!({ "FunctionName": "chat" })
}
