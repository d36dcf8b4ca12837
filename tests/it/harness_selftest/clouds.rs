//! Clouds are apart from each other, the inventory sees all, a client and a queue can be used.

use std::io::Write as _;

use aws_sdk_apigatewayv2::types::{IntegrationType, ProtocolType};
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use zip::write::SimpleFileOptions;

use crate::harness::{Client, ClientMessage, Cloud, Connect, put_client_message, run};

const ROLE: &str = "arn:aws:iam::000000000000:role/r";

/// A function that sends a message's body back, and refuses a handshake with `?no`.
const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{api}/next") as asked:
        request, event = asked.headers["Lambda-Runtime-Aws-Request-Id"], json.load(asked)
    refused = "no" in (event.get("queryStringParameters") or {})
    answer = {"statusCode": 403 if refused else 200, "body": event.get("body") or ""}
    urllib.request.urlopen(f"{api}/{request}/response", json.dumps(answer).encode())
"#;

fn zip_of_bootstrap() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(
        "bootstrap",
        SimpleFileOptions::default().unix_permissions(0o755),
    )
    .unwrap();
    zip.write_all(BOOTSTRAP.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Makes an API whose routes all run the function, past the recorder; gives its address.
fn echo_system(cloud: &Cloud) -> String {
    let sdk = cloud.sdk();
    let lambda = aws_sdk_lambda::Client::new(&sdk);
    let gateway = aws_sdk_apigatewayv2::Client::new(&sdk);
    run(async {
        let code = FunctionCode::builder().zip_file(zip_of_bootstrap().into());
        let function = lambda
            .create_function()
            .function_name("f")
            .role(ROLE)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .code(code.build())
            .send()
            .await
            .unwrap();
        let api = gateway
            .create_api()
            .name("a")
            .protocol_type(ProtocolType::Websocket)
            .route_selection_expression("$request.body.action")
            .send()
            .await
            .unwrap();
        let id = api.api_id.unwrap();
        let integration = gateway
            .create_integration()
            .api_id(&id)
            .integration_type(IntegrationType::AwsProxy)
            .integration_uri(function.function_arn.unwrap())
            .send()
            .await
            .unwrap();
        let target = format!("integrations/{}", integration.integration_id.unwrap());
        for key in ["$connect", "$default"] {
            let route = gateway.create_route().api_id(&id).route_key(key);
            route.target(&target).send().await.unwrap();
        }
        let stage = gateway.create_stage().api_id(&id).stage_name("dev");
        stage.send().await.unwrap();
        format!("{}/dev", api.api_endpoint.unwrap())
    })
}

#[test]
fn a_client_speaks_with_a_function_on_ministack_and_is_refused_by_it() {
    let cloud = Cloud::ministack();
    let address = echo_system(&cloud);
    let mut client = Client::connect(&address);
    client.send("hello");
    assert_eq!(client.receive(), "hello");
    client.send_json(&serde_json::json!({"action": "x"}));
    assert_eq!(client.receive_json()["action"], "x");
    client.close();

    let refusal = Connect::new().refused_by(&format!("{address}?no=1"));
    assert_eq!(refusal.status, 403);
}

#[test]
fn the_inventory_sees_what_was_made_and_what_is_gone() {
    let cloud = Cloud::ministack();
    let other = Cloud::ministack();
    let before = cloud.inventory();
    echo_system(&cloud);
    let sdk = cloud.sdk();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&sdk);
    run(logs.create_log_group().log_group_name("/g").send()).unwrap();

    let after = cloud.inventory();
    let added = after.added_since(&before).join("\n");
    for expected in [
        "lambda function f",
        "logs group /g",
        "route $connect ->",
        "route $default ->",
        "stage dev",
        "integration ",
    ] {
        assert!(added.contains(expected), "{expected:?} isn't in\n{added}");
    }
    other.inventory().assert_same_as(&before);

    let gateway = aws_sdk_apigatewayv2::Client::new(&sdk);
    let lambda = aws_sdk_lambda::Client::new(&sdk);
    run(async {
        let apis = gateway.get_apis().send().await.unwrap();
        let id = apis.items.unwrap().remove(0).api_id.unwrap();
        gateway.delete_api().api_id(id).send().await.unwrap();
        lambda
            .delete_function()
            .function_name("f")
            .send()
            .await
            .unwrap();
    });
    assert_eq!(cloud.inventory().added_since(&before), ["logs group /g"]);
    run(logs.delete_log_group().log_group_name("/g").send()).unwrap();
    cloud.inventory().assert_same_as(&before);
}

#[test]
fn motos_inventory_can_be_taken() {
    let cloud = Cloud::moto();
    let before = cloud.inventory();
    let gateway = aws_sdk_apigatewayv2::Client::new(&cloud.recorded_sdk());
    run(gateway
        .create_api()
        .name("a")
        .protocol_type(ProtocolType::Websocket)
        .route_selection_expression("$request.body.action")
        .send())
    .unwrap();
    assert_eq!(cloud.inventory().added_since(&before).len(), 1);
    cloud.recorder.check_against_models().assert_valid();
}

#[test]
fn a_client_message_is_in_the_queue_as_api_gateway_would_put_it() {
    let cloud = Cloud::ministack();
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let message = ClientMessage::new("L0SM9cOFvHcCIhw=", "say", "dev", "a & b = \u{1f600}");
    for (queue, fifo) in [("plain", None), ("ordered.fifo", Some("true"))] {
        let attribute = aws_sdk_sqs::types::QueueAttributeName::FifoQueue;
        let make = sqs.create_queue().queue_name(queue);
        let make = match fifo {
            Some(value) => make.attributes(attribute, value),
            None => make,
        };
        let url = run(make.send()).unwrap().queue_url.unwrap();
        put_client_message(&cloud, queue, &message);
        let received = run(sqs
            .receive_message()
            .queue_url(url)
            .message_attribute_names("All")
            .message_system_attribute_names(aws_sdk_sqs::types::MessageSystemAttributeName::All)
            .wait_time_seconds(5)
            .send())
        .unwrap();
        let received = received.messages.unwrap().remove(0);
        assert_eq!(received.body.as_deref(), Some(message.body.as_str()));
        let attributes = received.message_attributes.unwrap();
        let text = |name: &str| attributes[name].string_value.clone().unwrap();
        assert_eq!(text("connectionId"), message.connection_id);
        assert_eq!(text("requestId"), message.request_id);
        assert_eq!(text("routeKey"), "say");
        assert_eq!(text("stage"), "dev");
        assert_eq!(text("connectedAt"), message.connected_at.to_string());
        if fifo.is_some() {
            let system = received.attributes.unwrap();
            let group = aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId;
            assert_eq!(system[&group], message.connection_id);
        }
    }
}
