//! With a function that is a process.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// Answers with what it got; leaves without a word if it's told to.
const ECHO: &str = r#"#!/usr/bin/env python3
import os, sys, json, http.client
host, _, base = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
c = http.client.HTTPConnection(host)
while True:
    c.request("GET", "/" + base + "/2018-06-01/runtime/invocation/next")
    r = c.getresponse()
    event = json.loads(r.read())
    body = event.get("body")
    if body == "die":
        sys.exit(1)
    answer = json.dumps({"statusCode": 200, "body": body})
    c.request("POST", "/" + base + "/2018-06-01/runtime/invocation/" + r.getheader("Lambda-Runtime-Aws-Request-Id") + "/response", answer)
    c.getresponse().read()
"#;

async fn with_function() -> (World, String) {
    let world = World::whole(Options::default()).await;
    let role = world
        .role(
            "runs",
            "lambda.amazonaws.com",
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}),
        )
        .await;
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let executable = SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", executable).expect("a file");
    zip.write_all(ECHO.as_bytes()).expect("written");
    let code = STANDARD.encode(zip.finish().expect("a zip").into_inner());
    world
        .call(
            Service::Lambda,
            "CreateFunction",
            json!({"FunctionName": "f", "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": role, "Code": {"ZipFile": code}, "Publish": true}),
        )
        .await;
    world
        .call(
            Service::Lambda,
            "CreateAlias",
            json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}),
        )
        .await;
    let api = world
        .api(Spec {
            routes: vec![("$connect", "f", false), ("$default", "f", true)],
            ..Spec::default()
        })
        .await;
    (world, api)
}

#[tokio::test]
async fn a_function_is_reached_once_the_alias_lets_the_route_in() {
    let (world, api) = with_function().await;
    let path = format!("{api}/dev");
    assert_eq!(
        world
            .try_connect(&path, &[])
            .await
            .err()
            .expect("refused")
            .0,
        500
    );
    let permit = async |id: &str, route: &str, qualifier: Option<&str>| {
        let mut input = json!({
            "FunctionName": "f", "StatementId": id, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
            "SourceArn": format!("arn:aws:execute-api:{REGION}:000000000000:{api}/dev/{route}"),
        });
        if let Some(qualifier) = qualifier {
            input["Qualifier"] = qualifier.into();
        }
        world.call(Service::Lambda, "AddPermission", input).await;
    };
    // The function's own policy isn't its alias's.
    permit("a", "$connect", None).await;
    assert_eq!(
        world
            .try_connect(&path, &[])
            .await
            .err()
            .expect("refused")
            .0,
        500
    );
    permit("b", "$connect", Some("live")).await;
    let mut client = world.connect(&api).await;
    client.send("hello").await;
    assert_eq!(message_of(&client.text().await), "Internal server error");
    permit("c", "$default", Some("live")).await;
    client.hears_nothing_until("hello", "hello").await;
    client.send("die").await;
    assert_eq!(message_of(&client.text().await), "Internal server error");
    client.hears_nothing_until("again", "again").await;
}
