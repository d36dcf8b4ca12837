//! The data plane on a real port, with the real control plane, IAM, SQS and CloudWatch. Only functions are closures, which
//! fail and wait at will.

mod authorizing;
mod connecting;
mod frames;
mod managing;
mod measuring;
mod messages;
mod queues;
mod whole;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, future::BoxFuture};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        client::IntoClientRequest as _,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    Options, Running,
    call::{Call, Payload, Service},
    cloud::{self, Region},
    error::Result,
    lambda::Invoked,
};

const REGION: &str = "us-east-1";
/// Longer than anything takes that isn't broken.
const PATIENCE: Duration = Duration::from_secs(20);

type Handler = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Invoked>> + Send + Sync>;

/// Functions that are closures.
#[derive(Default)]
pub(super) struct Fake {
    functions: Mutex<HashMap<String, Handler>>,
    events: Mutex<Vec<(String, Value)>>,
    refused: Mutex<HashSet<String>>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fake").finish_non_exhaustive()
    }
}

impl Fake {
    pub fn permits(&self, _function: &str, source_arn: &str) -> bool {
        !self.refused.lock().contains(source_arn)
    }

    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Invoked> {
        let name = function.split(':').nth(6).unwrap_or_default().to_owned();
        let event: Value = serde_json::from_slice(&payload)
            .unwrap_or_else(|_| String::from_utf8_lossy(&payload).into_owned().into());
        let handler = self.functions.lock().get(&name).cloned();
        let handled = handler.map(|handler| handler(event.clone()));
        self.events.lock().push((name, event));
        match handled {
            Some(handled) => handled.await,
            None => Err(crate::error::AwsError::new(
                404,
                "ResourceNotFoundException",
                "Function not found",
            )),
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands where failures may")]
fn returned(value: &Value) -> Result<Invoked> {
    Ok(Invoked {
        version: "1".to_owned(),
        payload: value.to_string().into(),
        error: None,
        log_tail: String::new(),
    })
}

fn failed(message: &str) -> Result<Invoked> {
    Ok(Invoked {
        error: Some("Unhandled".to_owned()),
        payload: json!({"errorMessage": message, "errorType": "Error"})
            .to_string()
            .into(),
        ..returned(&Value::Null)?
    })
}

/// A cloud that runs.
struct World {
    running: Running,
    region: Arc<Region>,
    fake: Arc<Fake>,
}

/// What a test's API is made of.
#[derive(Default)]
struct Spec {
    /// Route keys, the functions behind them, and whether they answer.
    routes: Vec<(&'static str, &'static str, bool)>,
    expression: Option<&'static str>,
    stage: Value,
}

impl World {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let world = Self::whole(options).await;
        world
            .region
            .sockets
            .fake
            .set(Arc::clone(&world.fake))
            .expect("the first");
        world.function("ok", |_| returned(&json!({"statusCode": 200})));
        world.function("echo", |event| {
            returned(&json!({"statusCode": 200, "body": event["body"]}))
        });
        world
    }

    /// With real functions.
    async fn whole(options: Options) -> Self {
        let running = cloud::start(options).await.expect("a cloud");
        let region = running.cloud().region(REGION).expect("a region");
        Self {
            running,
            region,
            fake: Arc::default(),
        }
    }

    fn function(&self, name: &str, run: impl Fn(Value) -> Result<Invoked> + Send + Sync + 'static) {
        self.slow_function(name, move |event| {
            let result = run(event);
            Box::pin(async move { result })
        });
    }

    fn slow_function(
        &self,
        name: &str,
        run: impl Fn(Value) -> BoxFuture<'static, Result<Invoked>> + Send + Sync + 'static,
    ) {
        self.fake
            .functions
            .lock()
            .insert(name.to_owned(), Arc::new(run));
    }

    fn make_call(&self, service: Service, operation: &str, input: &Value) -> Call {
        let cloud = self.running.cloud();
        Call::for_test(cloud, &self.region.name, service, operation, input.clone())
    }

    async fn call(&self, service: Service, operation: &str, input: Value) -> Value {
        let call = self.make_call(service, operation, &input);
        match cloud::perform(&call).await {
            Ok(answer) => match answer.payload {
                Payload::Members(members) => members,
                _ => Value::Null,
            },
            Err(error) => panic!("{operation} {input}: {error}"),
        }
    }

    async fn gateway(&self, operation: &str, input: Value) -> Value {
        self.call(Service::ApiGateway, operation, input).await
    }

    /// Makes an API, with a stage `dev` that is deployed.
    async fn api(&self, spec: Spec) -> String {
        let expression = spec.expression.unwrap_or("$request.body.action");
        let api = self
            .gateway(
                "CreateApi",
                json!({"name": "a", "protocolType": "WEBSOCKET", "routeSelectionExpression": expression}),
            )
            .await;
        let api = api["apiId"].as_str().expect("an id").to_owned();
        for (key, function, answers) in spec.routes {
            let integration = self.function_integration(&api, function, json!({})).await;
            self.route(&api, key, &integration, answers, json!({}))
                .await;
        }
        if self.has_routes(&api).await {
            self.deploy(&api, spec.stage).await;
        }
        api
    }

    async fn has_routes(&self, api: &str) -> bool {
        let routes = self.gateway("GetRoutes", json!({"apiId": api})).await;
        routes["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty())
    }

    async fn deploy(&self, api: &str, stage: Value) {
        let deployment = self
            .gateway("CreateDeployment", json!({"apiId": api}))
            .await;
        let mut input =
            json!({"apiId": api, "stageName": "dev", "deploymentId": deployment["deploymentId"]});
        if let Value::Object(more) = stage {
            input.as_object_mut().expect("members").extend(more);
        }
        let there = self.region.gateway.live(api, "dev").is_some();
        let operation = if there { "UpdateStage" } else { "CreateStage" };
        self.gateway(operation, input).await;
    }

    async fn function_integration(&self, api: &str, function: &str, more: Value) -> String {
        let uri = format!(
            "arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:000000000000:function:{function}:live/invocations"
        );
        self.integration(
            api,
            json!({"integrationType": "AWS_PROXY", "integrationUri": uri}),
            more,
        )
        .await
    }

    async fn integration(&self, api: &str, mut input: Value, more: Value) -> String {
        input["apiId"] = api.into();
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        let made = self.gateway("CreateIntegration", input).await;
        made["integrationId"].as_str().expect("an id").to_owned()
    }

    /// Makes a route, or changes it if it's there.
    async fn route(&self, api: &str, key: &str, integration: &str, answers: bool, more: Value) {
        let mut input =
            json!({"apiId": api, "routeKey": key, "target": format!("integrations/{integration}")});
        if answers {
            input["routeResponseSelectionExpression"] = "$default".into();
        }
        if let (Some(input), Value::Object(more)) = (input.as_object_mut(), more) {
            input.extend(more);
        }
        let made = self.gateway("CreateRoute", input).await;
        if answers {
            self.gateway(
                "CreateRouteResponse",
                json!({"apiId": api, "routeId": made["routeId"], "routeResponseKey": "$default"}),
            )
            .await;
        }
    }

    async fn try_connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> std::result::Result<(Client, hyper::Response<()>), (u16, String)> {
        let address = self.running.cloud().address;
        let mut request = format!("ws://{address}/_aws/execute-api/{path}")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(address).await.expect("a line");
        let config = WebSocketConfig::default();
        let connected =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        match connected {
            Ok((socket, response)) => Ok((Client(socket), response.map(|_| ()))),
            Err(WsError::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                Err((response.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn connect(&self, api: &str) -> Client {
        match self.try_connect(&format!("{api}/dev"), &[]).await {
            Ok((client, _)) => client,
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// The events that a function got.
    fn events(&self, function: &str) -> Vec<Value> {
        let events = self.fake.events.lock();
        events
            .iter()
            .filter(|(name, _)| name == function)
            .map(|(_, event)| event.clone())
            .collect()
    }

    /// Waits until a function got so many.
    async fn wait_for_events(&self, function: &str, count: usize) -> Vec<Value> {
        wait_for(|| {
            let events = self.events(function);
            (events.len() >= count).then_some(events)
        })
        .await
    }

    async fn manage(
        &self,
        operation: &str,
        api: &str,
        id: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Value)> {
        let mut call = self.make_call(
            Service::ExecuteApi,
            operation,
            &json!({"apiId": api, "stage": "dev", "connectionId": id}),
        );
        call.body = body.into();
        let answer = cloud::perform(&call).await?;
        let members = match answer.payload {
            Payload::Members(members) => members,
            _ => Value::Null,
        };
        Ok((answer.status.as_u16(), members))
    }

    /// The one connection's id.
    async fn only(&self) -> String {
        wait_for(|| {
            let open = self.region.sockets.connections(2);
            match open.as_slice() {
                [only] => Some(only.connection_id.clone()),
                _ => None,
            }
        })
        .await
    }

    /// A role that the gateway assumes, with a policy.
    async fn role(&self, name: &str, service: &str, policy: Value) -> String {
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
        let made = self
            .call(
                Service::Iam,
                "CreateRole",
                json!({"RoleName": name, "AssumeRolePolicyDocument": trust.to_string()}),
            )
            .await;
        self.call(
            Service::Iam,
            "PutRolePolicy",
            json!({"RoleName": name, "PolicyName": "p", "PolicyDocument": policy.to_string()}),
        )
        .await;
        made["Role"]["Arn"].as_str().expect("an ARN").to_owned()
    }
}

async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it never came to be")
}

/// A client's end of a connection.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    /// The next frame.
    async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.expect("nothing came")
            .expect("it's closed")
            .expect("a frame")
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    /// The code and the reason that it's closed with.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(Some(CloseFrame { code, reason })) = self.next().await {
                return (code.into(), reason.to_string());
            }
        }
    }

    /// Sends something that is answered, and sees that nothing else came before the answer.
    async fn hears_nothing_until(&mut self, ask: &str, answer: &str) {
        self.send(ask).await;
        assert_eq!(self.text().await, answer);
    }
}

fn message_of(frame: &str) -> String {
    let frame: Value = serde_json::from_str(frame).expect("JSON");
    for id in ["connectionId", "requestId"] {
        assert_eq!(frame[id].as_str().map(str::len), Some(16), "{frame}");
    }
    frame["message"].as_str().expect("a message").to_owned()
}
