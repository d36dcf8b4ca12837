//! The least system there is: one function, and a direct route to it from every message.

use std::io::{Cursor, Write};

use aws_config::SdkConfig;
use aws_sdk_apigatewayv2::types::{IntegrationType, ProtocolType};
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{Cloud, REGION, run};

/// A WebSocket API whose `$default` route answers with what the function `bare` returns.
#[derive(Debug)]
pub struct Bare {
    /// Where its clients connect.
    pub url: String,
    /// The same without scheme and host.
    pub path: String,
}

impl Bare {
    /// The function answers a message with the message.
    pub fn echo(cloud: &Cloud) -> Self {
        Self::of(cloud, include_bytes!("../python/echo_handler.py"))
    }

    /// The function is this program.
    pub fn of(cloud: &Cloud, program: &[u8]) -> Self {
        let id = run(make(&cloud.sdk(), program));
        let path = format!("/_aws/execute-api/{id}/dev");
        Self {
            url: format!("ws://127.0.0.1:{}{path}", cloud.emulator.port()),
            path,
        }
    }

    /// A function's code: this program as its `bootstrap`.
    pub fn zipped(program: &[u8]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let executable = SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file("bootstrap", executable).expect("a file");
        zip.write_all(program).expect("the program");
        zip.finish().expect("a zip").into_inner()
    }
}

async fn make(sdk: &SdkConfig, program: &[u8]) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let may = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
    ]});
    let iam = aws_sdk_iam::Client::new(sdk);
    let role = iam.create_role().role_name("bare");
    let role = role.assume_role_policy_document(trust.to_string()).send();
    let role = role.await.expect("a role").role.expect("a role").arn;
    let policy = iam.put_role_policy().role_name("bare").policy_name("logs");
    let policy = policy.policy_document(may.to_string()).send().await;
    policy.expect("the role's policy");

    let lambda = aws_sdk_lambda::Client::new(sdk);
    let function = lambda
        .create_function()
        .function_name("bare")
        .runtime(Runtime::Providedal2023)
        .handler("bootstrap")
        .role(role)
        .timeout(10)
        .code(
            FunctionCode::builder()
                .zip_file(Bare::zipped(program).into())
                .build(),
        )
        .send()
        .await
        .expect("a function")
        .function_arn
        .unwrap_or_default();
    lambda
        .add_permission()
        .function_name("bare")
        .statement_id("gateway")
        .action("lambda:InvokeFunction")
        .principal("apigateway.amazonaws.com")
        .send()
        .await
        .expect("the gateway may invoke it");

    let gateway = aws_sdk_apigatewayv2::Client::new(sdk);
    let api = gateway
        .create_api()
        .name("bare")
        .protocol_type(ProtocolType::Websocket)
        .route_selection_expression("$request.body.action")
        .send()
        .await
        .expect("an API")
        .api_id
        .unwrap_or_default();
    let integration = gateway
        .create_integration()
        .api_id(&api)
        .integration_type(IntegrationType::AwsProxy)
        .integration_uri(format!(
            "arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
        ))
        .send()
        .await
        .expect("an integration")
        .integration_id
        .unwrap_or_default();
    let route = gateway
        .create_route()
        .api_id(&api)
        .route_key("$default")
        .target(format!("integrations/{integration}"))
        .route_response_selection_expression("$default")
        .send()
        .await
        .expect("a route")
        .route_id
        .unwrap_or_default();
    let response = gateway.create_route_response().api_id(&api).route_id(route);
    let response = response.route_response_key("$default").send().await;
    response.expect("a route response");
    let deployment = gateway.create_deployment().api_id(&api).send().await;
    let deployment = deployment.expect("a deployment").deployment_id;
    let stage = gateway.create_stage().api_id(&api).stage_name("dev");
    let stage = stage.set_deployment_id(deployment).send().await;
    stage.expect("a stage");
    api
}
