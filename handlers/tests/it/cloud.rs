//! The fake cloud, and the process under test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::signature;

/// Nothing here takes longer, on any machine, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scripted status that isn't answered.
pub const SILENCE: u16 = 599;

/// What a function answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Response(Value),
    Error(Value),
    InitError(Value),
}

impl Outcome {
    pub fn response(self) -> Value {
        match self {
            Self::Response(value) => value,
            other => panic!("not a response: {other:?}"),
        }
    }

    /// The message ids of `batchItemFailures`.
    pub fn failures(self) -> Vec<String> {
        let response = self.response();
        let list = response["batchItemFailures"]
            .as_array()
            .expect("batchItemFailures")
            .clone();
        list.iter()
            .map(|item| item["itemIdentifier"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// One request to AWS.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub path: String,
    pub host: String,
    /// `SQS.SendMessageBatch`, `Query`, or empty for @connections.
    pub operation: String,
    pub body: String,
    pub input: Value,
}

struct Scripted {
    when: String,
    times: usize,
    status: u16,
    body: String,
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    /// (connection, room) -> the item as DynamoDB has it.
    table: BTreeMap<(String, String), Value>,
    scripted: Vec<Scripted>,
    wrong_signatures: Vec<String>,
    page: usize,
    events: usize,
}

#[derive(Clone)]
pub struct Cloud {
    port: u16,
    state: Arc<Mutex<State>>,
    events: mpsc::Sender<Value>,
    outcomes: Arc<tokio::sync::Mutex<mpsc::Receiver<Outcome>>>,
    time_limit: Arc<Mutex<Duration>>,
}

impl Cloud {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (events, waiting) = mpsc::channel::<Value>(16);
        let (done, outcomes) = mpsc::channel(16);
        let cloud = Self {
            port,
            state: Arc::new(Mutex::new(State {
                page: 1000,
                ..State::default()
            })),
            events,
            outcomes: Arc::new(tokio::sync::Mutex::new(outcomes)),
            time_limit: Arc::new(Mutex::new(Duration::from_secs(20))),
        };
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let server = cloud.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (server, waiting, done) = (server.clone(), Arc::clone(&waiting), done.clone());
                let service = service_fn(move |request| {
                    let (server, waiting, done) =
                        (server.clone(), Arc::clone(&waiting), done.clone());
                    async move {
                        let answer = server.answer(request, waiting, done).await;
                        if answer.status() == SILENCE {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        cloud
    }

    /// The next `times` requests whose operation or path contains `when` get this answer; with
    /// the status [`SILENCE`] none.
    pub fn script(&self, when: &str, times: usize, status: u16, body: &str) {
        let scripted = Scripted {
            when: when.into(),
            times,
            status,
            body: body.into(),
        };
        self.state.lock().unwrap().scripted.push(scripted);
    }

    /// Queries answer this many items a page.
    pub fn page(&self, items: usize) {
        self.state.lock().unwrap().page = items;
    }

    /// How long each function may run.
    pub fn time_limit(&self, limit: Duration) {
        *self.time_limit.lock().unwrap() = limit;
    }

    /// Puts a connection into the table, open for a while, in these rooms.
    pub fn open(&self, connection: &str, rooms: &[&str]) {
        self.entered(connection, rooms, Duration::from_mins(70));
    }

    /// Puts a connection into the table whose `$connect` was this long ago. Entries are kept for 2 h 10 min.
    pub fn entered(&self, connection: &str, rooms: &[&str], ago: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = (now + Duration::from_mins(130))
            .saturating_sub(ago)
            .as_secs();
        let mut state = self.state.lock().unwrap();
        for room in rooms.iter().copied().chain(["*"]) {
            let item = json!({"connection": {"S": connection}, "room": {"S": room}, "expires": {"N": expires.to_string()}});
            state.table.insert((connection.into(), room.into()), item);
        }
    }

    /// Puts a room's last text into the table, sent at this time.
    pub fn keep(&self, room: &str, text: &str, sent: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (connection, own) = (format!("retained#{room}"), format!("*{room}"));
        let item = json!({
            "connection": {"S": connection}, "room": {"S": own}, "text": {"S": text},
            "sent": {"N": sent.to_string()}, "expires": {"N": (now.as_secs() + 60).to_string()},
        });
        let mut state = self.state.lock().unwrap();
        state.table.insert((connection, own), item);
    }

    /// The text that is kept of a room.
    pub fn kept(&self, room: &str) -> Option<String> {
        let item = self.item(&format!("retained#{room}"), &format!("*{room}"))?;
        Some(item["text"]["S"].as_str()?.to_owned())
    }

    /// Takes a connection's own item away, as `$disconnect` does.
    pub fn close(&self, connection: &str) {
        let key = (connection.into(), "*".into());
        self.state.lock().unwrap().table.remove(&key);
    }

    /// Waits until there was a request of this operation.
    pub async fn requested(&self, operation: &str) {
        let asked = async {
            while self.requests(operation).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .unwrap_or_else(|_| panic!("no {operation}"));
    }

    /// The table's keys, as `connection/room`.
    pub fn table(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap()
            .table
            .keys()
            .map(|(connection, room)| format!("{connection}/{room}"))
            .collect()
    }

    pub fn item(&self, connection: &str, room: &str) -> Option<Value> {
        self.state
            .lock()
            .unwrap()
            .table
            .get(&(connection.into(), room.into()))
            .cloned()
    }

    /// All requests of an operation so far (`""` for all).
    pub fn requests(&self, operation: &str) -> Vec<Recorded> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .filter(|r| r.operation == operation || operation.is_empty())
            .cloned()
            .collect()
    }

    /// What clients were sent, as (connection, text), in the order of the requests that got 200.
    pub fn posts(&self) -> Vec<(String, String)> {
        let requests = self.requests("PostToConnection");
        requests
            .into_iter()
            .map(|r| (r.path.rsplit('/').next().unwrap().to_owned(), r.body))
            .collect()
    }

    /// The entries that the results queue was sent.
    pub fn sent(&self) -> Vec<Value> {
        let requests = self.requests("SendMessageBatch");
        requests
            .iter()
            .flat_map(|r| r.input["Entries"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// The bodies of those entries.
    pub fn results(&self) -> Vec<Value> {
        self.sent()
            .iter()
            .map(|e| serde_json::from_str(e["MessageBody"].as_str().unwrap()).unwrap())
            .collect()
    }

    /// Runs one invocation.
    pub async fn invoke(&self, event: Value) -> Outcome {
        self.events.send(event).await.unwrap();
        self.outcome().await
    }

    pub async fn outcome(&self) -> Outcome {
        let outcome = self.next_outcome().await;
        let wrong = self.state.lock().unwrap().wrong_signatures.clone();
        assert_eq!(wrong, Vec::<String>::new());
        outcome
    }

    /// Runs one invocation of a function whose signatures are wrong, and says how many were found to be.
    pub async fn invoke_forged(&self, event: Value) -> (Outcome, usize) {
        self.events.send(event).await.unwrap();
        let outcome = self.next_outcome().await;
        let wrong = self.state.lock().unwrap().wrong_signatures.len();
        (outcome, wrong)
    }

    async fn next_outcome(&self) -> Outcome {
        let outcome = async { self.outcomes.lock().await.recv().await.unwrap() };
        tokio::time::timeout(PATIENCE, outcome)
            .await
            .expect("the function answers")
    }

    pub fn queue_url(&self, name: &str) -> String {
        format!("http://sqs.localhost:{}/000000000000/{name}", self.port)
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Value>>>,
        done: mpsc::Sender<Outcome>,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path().to_owned();
        if let Some(call) = path.strip_prefix("/2018-06-01/runtime/") {
            if call == "invocation/next" {
                let Some(event) = waiting.lock().await.recv().await else {
                    return plain(500, "over");
                };
                let limit = *self.time_limit.lock().unwrap();
                let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + limit;
                let id = {
                    let mut state = self.state.lock().unwrap();
                    state.events += 1;
                    format!("invocation-{}", state.events)
                };
                return Response::builder()
                    .header("lambda-runtime-aws-request-id", id)
                    .header(
                        "lambda-runtime-deadline-ms",
                        deadline.as_millis().to_string(),
                    )
                    .body(Full::new(Bytes::from(event.to_string())))
                    .unwrap();
            }
            let value = serde_json::from_slice(&body).expect("the function answers with JSON");
            let outcome = match call {
                "init/error" => Outcome::InitError(value),
                call if call.ends_with("/response") => Outcome::Response(value),
                call if call.ends_with("/error") => Outcome::Error(value),
                other => panic!("not a call of the Runtime API: {other}"),
            };
            done.send(outcome).await.unwrap();
            return plain(202, "{}");
        }
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let target = header("x-amz-target").unwrap_or_default();
        let (service, operation) = match target.split_once('.') {
            Some(("AmazonSQS", operation)) => ("sqs", operation),
            Some(("DynamoDB_20120810", operation)) => ("dynamodb", operation),
            None if path.contains("/@connections/") => ("execute-api", "PostToConnection"),
            _ => return plain(404, "nothing here"),
        };
        let recorded = Recorded {
            path: path.clone(),
            host: header("host").unwrap_or_default(),
            operation: operation.to_owned(),
            body: String::from_utf8_lossy(&body).into_owned(),
            input: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        let mut state = self.state.lock().unwrap();
        if let Err(wrong) = signature::check(parts.method.as_str(), &path, header, &body, service) {
            state.wrong_signatures.push(wrong);
            return plain(403, r#"{"__type":"InvalidSignatureException"}"#);
        }
        let input = recorded.input.clone();
        let scripted = state
            .scripted
            .iter_mut()
            .find(|s| s.times > 0 && (operation.contains(&s.when) || path.contains(&s.when)));
        if let Some(scripted) = scripted {
            scripted.times -= 1;
            let (status, body) = (scripted.status, scripted.body.clone());
            let mut recorded = recorded;
            if status != 200 {
                recorded.operation += " refused";
            }
            state.requests.push(recorded);
            return plain(status, &body);
        }
        state.requests.push(recorded);
        let answer = match operation {
            "PostToConnection" => return plain(200, ""),
            "SendMessageBatch" => send_batch(&input),
            "GetQueueUrl" => {
                json!({"QueueUrl": self.queue_url(input["QueueName"].as_str().unwrap())})
            }
            "PutItem" if a_later_text_is_kept(&state, &input) => {
                return plain(
                    400,
                    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#,
                );
            }
            _ => dynamodb(&mut state, operation, &input),
        };
        plain(200, &answer.to_string())
    }
}

fn plain(status: u16, body: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

fn send_batch(input: &Value) -> Value {
    let entries = input["Entries"].as_array().unwrap();
    assert!(
        (1..=10).contains(&entries.len()),
        "{} entries",
        entries.len()
    );
    json!({"Successful": entries.iter().map(|e| json!({"Id": e["Id"], "MessageId": "x"})).collect::<Vec<_>>()})
}

fn key(value: &Value) -> (String, String) {
    let text = |name: &str| value[name]["S"].as_str().unwrap().to_owned();
    (text("connection"), text("room"))
}

/// The one condition that the registry knows.
fn a_later_text_is_kept(state: &State, input: &Value) -> bool {
    let Some(condition) = input.get("ConditionExpression") else {
        return false;
    };
    assert_eq!(condition, "attribute_not_exists(#s) OR #s <= :s");
    let name = input["ExpressionAttributeNames"]["#s"].as_str().unwrap();
    let number = |value: &Value| value["N"].as_str().unwrap().parse::<u64>().unwrap();
    let wanted = number(&input["ExpressionAttributeValues"][":s"]);
    assert_eq!(number(&input["Item"][name]), wanted);
    let known = state.table.get(&key(&input["Item"]));
    known.is_some_and(|item| number(&item[name]) > wanted)
}

/// As much of DynamoDB as the registry uses.
fn dynamodb(state: &mut State, operation: &str, input: &Value) -> Value {
    match operation {
        "PutItem" => {
            state
                .table
                .insert(key(&input["Item"]), input["Item"].clone());
            json!({})
        }
        "GetItem" => match state.table.get(&key(&input["Key"])) {
            Some(item) => json!({ "Item": item }),
            None => json!({}),
        },
        "DeleteItem" => {
            state.table.remove(&key(&input["Key"]));
            json!({})
        }
        "BatchWriteItem" => {
            let requests = input["RequestItems"]["connections"].as_array().unwrap();
            assert!(requests.len() <= 25);
            for request in requests {
                state.table.remove(&key(&request["DeleteRequest"]["Key"]));
            }
            json!({"UnprocessedItems": {}})
        }
        "Query" => {
            let wanted = input["ExpressionAttributeValues"][":key"]["S"]
                .as_str()
                .unwrap();
            let by_room = input["IndexName"] == "by-room";
            let start = input.get("ExclusiveStartKey").map(key);
            let matching: Vec<_> = state
                .table
                .iter()
                .filter(|((connection, room), _)| {
                    if by_room {
                        room == wanted
                    } else {
                        connection == wanted
                    }
                })
                .filter(|(key, _)| start.as_ref().is_none_or(|start| *key > start))
                .collect();
            let page: Vec<Value> = matching
                .iter()
                .take(state.page)
                .map(|(_, item)| (*item).clone())
                .collect();
            let mut answer = json!({ "Items": page });
            if matching.len() > state.page {
                let last = page.last().unwrap();
                answer["LastEvaluatedKey"] =
                    json!({"connection": last["connection"], "room": last["room"]});
            }
            answer
        }
        other => panic!("the registry isn't known to use {other}"),
    }
}

/// A function's process.
pub struct Function {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Function {
    /// A built-in binary.
    pub fn builtin(cloud: &Cloud, name: &str, environment: &[(&str, &str)]) -> Self {
        let path = match name {
            "connect" => env!("CARGO_BIN_EXE_connect"),
            "disconnect" => env!("CARGO_BIN_EXE_disconnect"),
            _ => env!("CARGO_BIN_EXE_push"),
        };
        Self::start(cloud, PathBuf::from(path), &[], environment)
    }

    /// A user's handler: this test binary, run again as the process of `handler.rs`.
    pub fn user(cloud: &Cloud, kind: &str, environment: &[(&str, &str)]) -> Self {
        let arguments = [
            "--ignored",
            "--exact",
            "handler::the_process_under_test",
            "--nocapture",
        ];
        let mut environment = environment.to_vec();
        environment.push(("TEST_HANDLER", kind));
        Self::start(
            cloud,
            std::env::current_exe().unwrap(),
            &arguments,
            &environment,
        )
    }

    fn start(
        cloud: &Cloud,
        path: PathBuf,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let port = cloud.port;
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}"))
            .env("AWS_REGION", signature::REGION)
            .env("AWS_ACCESS_KEY_ID", signature::KEY)
            .env("AWS_SECRET_ACCESS_KEY", signature::SECRET)
            .env("AWS_SESSION_TOKEN", signature::TOKEN)
            // Only the services' own endpoints lead here: whatever asks another one fails.
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env(
                "AWS_ENDPOINT_URL_SQS",
                format!("http://sqs.localhost:{port}"),
            )
            .env(
                "AWS_ENDPOINT_URL_DYNAMODB",
                format!("http://localhost:{port}/"),
            )
            .env("WSLESS_STAGE", "dev")
            .env("WSLESS_PROJECT", "chat")
            .env("WSLESS_CONNECTIONS_TABLE", "connections")
            .env(
                "WSLESS_CALLBACK_URL",
                format!("http://a1b2.execute-api.localhost:{port}/dev"),
            )
            .env("WSLESS_RESULTS_QUEUE_URL", cloud.queue_url("results"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let sink = Arc::clone(&output);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut output = sink.lock().unwrap();
                output.push_str(&line);
                output.push('\n');
            }
        });
        Self { child, output }
    }

    /// Waits for a log line that has all of these, and returns it.
    pub async fn logged(&self, parts: &[&str]) -> Value {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let output = self.output.lock().unwrap().clone();
                if let Some(line) = output
                    .lines()
                    .find(|line| parts.iter().all(|part| line.contains(part)))
                {
                    return serde_json::from_str(line).expect("a log line is JSON");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let output = Arc::clone(&self.output);
        found
            .await
            .unwrap_or_else(|_| panic!("no line with {parts:?} in\n{}", output.lock().unwrap()))
    }

    /// Waits for the process to end, and says whether it succeeded.
    pub async fn ended(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("the process ends")
            .unwrap()
            .success()
    }
}

/// A WebSocket event as API Gateway sends it.
pub fn websocket(kind: &str, route: &str, connection: &str) -> Value {
    json!({
        "requestContext": {
            "routeKey": route, "eventType": kind, "extendedRequestId": "R=", "requestId": "R=",
            "messageDirection": "IN", "stage": "dev", "connectedAt": 1_700_000_000_000_u64,
            "requestTimeEpoch": 1_700_000_090_500_u64, "identity": {"sourceIp": "192.0.2.1"},
            "domainName": "a1b2.execute-api.eu-west-1.amazonaws.com", "connectionId": connection, "apiId": "a1b2",
        },
        "isBase64Encoded": false,
    })
}

/// An SQS record of a handler's queue, as the mapping template writes it.
pub fn record(id: &str, connection: &str, body: &str) -> Value {
    let attribute = |value: &str| json!({"stringValue": value, "dataType": "String"});
    json!({
        "messageId": id, "receiptHandle": "h", "body": body, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:echo", "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {
            "connectionId": attribute(connection), "requestId": attribute("R="), "routeKey": attribute("say"),
            "stage": attribute("dev"), "connectedAt": attribute("1700000000000"),
            "requestTimeEpoch": attribute("1700000090500"),
        },
    })
}

/// A batch of them.
pub fn batch(records: &[Value]) -> Value {
    json!({ "Records": records })
}

/// The same batch from a FIFO queue, in one group.
pub fn fifo(records: &[Value], group: &str) -> Value {
    let mut records = records.to_vec();
    for record in &mut records {
        record["eventSourceARN"] = "arn:aws:sqs:eu-west-1:1:echo.fifo".into();
        record["attributes"]["MessageGroupId"] = group.into();
    }
    batch(&records)
}
