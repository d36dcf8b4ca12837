//! The control plane through [`cloud::perform`], as clients call it.

mod control;
mod routing;
mod stages;
mod time;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    Fidelity, Options,
    call::{Call, Payload, Service},
    cloud::{self, Cloud},
    error::{AwsError, Result},
    gateway::model::Live,
};

pub(super) const FUNCTION: &str = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:000000000000:function:chat-dev-hello:live/invocations";
pub(super) const QUEUE: &str = "arn:aws:apigateway:eu-west-1:sqs:path/000000000000/chat-dev-jobs";
pub(super) const ROLE: &str = "arn:aws:iam::000000000000:role/wsless/chat-dev-gateway";

/// A cloud and one caller of it.
pub(super) struct Client {
    pub cloud: Arc<Cloud>,
}

impl Client {
    pub fn new() -> Self {
        Self {
            cloud: Cloud::for_test(Options::default()),
        }
    }

    /// As slow as AWS, times `scale`.
    pub fn slow(scale: f64) -> Self {
        Self {
            cloud: Cloud::for_test(Options {
                fidelity: Fidelity::Aws,
                time_scale: scale,
                ..Options::default()
            }),
        }
    }

    pub fn call(&self, service: Service, operation: &str, input: &Value) -> Call {
        Call::for_test(&self.cloud, "eu-west-1", service, operation, input.clone())
    }

    /// The status and the members of an answer.
    pub async fn answer(&self, operation: &str, input: Value) -> Result<(u16, Value)> {
        let call = self.call(Service::ApiGateway, operation, &input);
        let answer = cloud::perform(&call).await?;
        let members = match answer.payload {
            Payload::Members(members) => members,
            Payload::Blob(_) | Payload::Stream(_) => Value::Null,
        };
        Ok((answer.status.as_u16(), members))
    }

    /// The members of an answer that must be one.
    pub async fn ask(&self, operation: &str, input: Value) -> Value {
        match self.answer(operation, input).await {
            Ok((_, members)) => members,
            Err(error) => panic!("{operation}: {error}"),
        }
    }

    /// The refusal of what must be refused.
    pub async fn refusal(&self, operation: &str, input: Value) -> AwsError {
        match self.answer(operation, input).await {
            Ok((_, members)) => panic!("{operation} was answered: {members}"),
            Err(error) => error,
        }
    }

    /// A new API's id.
    pub async fn api(&self) -> String {
        let api = json!({
            "name": "chat",
            "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        });
        id(&self.ask("CreateApi", api).await, "apiId")
    }

    /// The id of a new integration with a function.
    pub async fn integration(&self, api: &str) -> String {
        let integration = json!({
            "apiId": api,
            "integrationType": "AWS_PROXY",
            "integrationUri": FUNCTION,
        });
        id(
            &self.ask("CreateIntegration", integration).await,
            "integrationId",
        )
    }

    /// The id of a new route.
    pub async fn route(&self, api: &str, key: &str) -> String {
        let route = json!({ "apiId": api, "routeKey": key });
        id(&self.ask("CreateRoute", route).await, "routeId")
    }

    /// The id of a new deployment.
    pub async fn deployment(&self, api: &str) -> String {
        let deployment = json!({ "apiId": api });
        id(
            &self.ask("CreateDeployment", deployment).await,
            "deploymentId",
        )
    }

    pub fn live(&self, api: &str, stage: &str) -> Option<Live> {
        let region = self.cloud.region("eu-west-1").expect("a region");
        region.gateway.live(api, stage)
    }

    /// The keys of the routes that connections meet.
    pub fn met(&self, api: &str, stage: &str) -> Vec<String> {
        let live = self.live(api, stage).expect("a deployed stage");
        live.snapshot.routes.keys().cloned().collect()
    }
}

/// A text member.
pub(super) fn id(members: &Value, name: &str) -> String {
    members[name].as_str().expect("a text").to_owned()
}

/// Code, status and message.
pub(super) fn told(error: &AwsError) -> (&str, u16, &str) {
    (&error.code, error.status.as_u16(), &error.message)
}

/// Waits until a condition holds.
pub(super) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("in 30 s");
}
