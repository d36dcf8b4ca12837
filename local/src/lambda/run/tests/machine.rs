//! A cloud with a socket that serves the Runtime API, and functions to run on it.

use std::{
    collections::BTreeMap, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::PathBuf,
    sync::Arc, time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    Options,
    call::{Call, Payload, Service},
    clock::Millis,
    cloud::{Cloud, Region},
    error::Result,
    lambda::{
        Invoked,
        model::{Target, Version},
        run::{Limits, perform},
    },
};

/// The beginning of every runtime here: `next()`, `respond(id, body)`, `call(...)`.
pub const PRELUDE: &str = r#"#!/usr/bin/env python3
import os, sys, json, time, http.client
host, _, base = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
c = http.client.HTTPConnection(host)
def call(method, path, body=None, headers={}):
    c.request(method, "/" + base + "/2018-06-01/runtime/" + path, body, headers)
    r = c.getresponse()
    return r, r.read()
def next():
    r, body = call("GET", "invocation/next")
    return r.getheader("Lambda-Runtime-Aws-Request-Id"), json.loads(body), r
def respond(id, body):
    return call("POST", "invocation/%s/response" % id, json.dumps(body))
def serve(handle):
    while True:
        id, event, r = next()
        respond(id, handle(event, r))
"#;

pub struct Machine {
    pub cloud: Arc<Cloud>,
    pub region: Arc<Region>,
    folder: tempfile::TempDir,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.cloud.ending().cancel();
    }
}

impl Machine {
    /// A machine whose processes aren't looked up in the control plane.
    pub async fn new() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let cloud = Cloud::new(Options::default(), listener.local_addr().unwrap()).unwrap();
        let cloud = Arc::new(cloud);
        let region = cloud.region("eu-west-1").unwrap();
        region.lambda.runner.limit(Limits {
            looks: false,
            ..Limits::default()
        });
        cloud.spawn(crate::wire::serve(Arc::clone(&cloud), listener));
        let machine = Self {
            cloud,
            region,
            folder: tempfile::tempdir().unwrap(),
        };
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }]});
        machine
            .ask(
                Service::Iam,
                "CreateRole",
                json!({"RoleName": "of-functions", "AssumeRolePolicyDocument": trust.to_string()}),
            )
            .await;
        machine
            .allow(&[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:PutLogEvents",
                "sqs:*",
            ])
            .await;
        machine
    }

    /// What the functions' role may do, and nothing else.
    pub async fn allow(&self, actions: &[&str]) {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"},
        ]});
        self.ask(
            Service::Iam,
            "PutRolePolicy",
            json!({"RoleName": "of-functions", "PolicyName": "p", "PolicyDocument": policy.to_string()}),
        )
        .await;
    }

    /// Calls an operation as the account's owner.
    pub async fn call(&self, service: Service, operation: &str, input: Value) -> Result<Value> {
        let call = Call::for_test(&self.cloud, &self.region.name, service, operation, input);
        match crate::cloud::perform(&call).await?.payload {
            Payload::Members(members) => Ok(members),
            _ => Ok(Value::Null),
        }
    }

    /// The same, for what mustn't fail.
    pub async fn ask(&self, service: Service, operation: &str, input: Value) -> Value {
        self.call(service, operation, input).await.unwrap()
    }

    /// Makes a function in the control plane, whose runtime is this program.
    pub async fn create(&self, name: &str, program: &str) -> String {
        use std::io::Write as _;
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file("bootstrap", options).unwrap();
        zip.write_all(program.as_bytes()).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        self.ask(
            Service::Lambda,
            "CreateFunction",
            json!({
                "FunctionName": name,
                "Role": "arn:aws:iam::000000000000:role/of-functions",
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "Timeout": 5,
                "Code": {"ZipFile": STANDARD.encode(zip)},
                "Environment": {"Variables": {"FOLDER": self.path("").display().to_string()}},
            }),
        )
        .await["FunctionArn"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn limit(&self, change: impl FnOnce(&mut Limits)) {
        let mut limits = self.region.lambda.runner.limits();
        change(&mut limits);
        self.region.lambda.runner.limit(limits);
    }

    /// A place that handlers may write to.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A function whose runtime is the prelude and this.
    pub fn python(&self, name: &str, code: &str) -> Target {
        self.function(name, Some((&format!("{PRELUDE}\n{code}"), 0o755)))
    }

    /// A function with this program.
    pub fn function(&self, name: &str, bootstrap: Option<(&str, u32)>) -> Target {
        let code = self.path(&format!("code-{name}"));
        std::fs::create_dir_all(&code).unwrap();
        if let Some((text, mode)) = bootstrap {
            let file = code.join("bootstrap");
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let arn = self.region.arn("lambda", &format!("function:{name}"));
        let environment =
            BTreeMap::from([("FOLDER".to_owned(), self.path("").display().to_string())]);
        Target {
            invoked_arn: arn.clone(),
            version: Arc::new(Version {
                function: name.to_owned(),
                version: "$LATEST".to_owned(),
                function_arn: arn,
                role: "arn:aws:iam::000000000000:role/of-functions".to_owned(),
                runtime: "provided.al2023".to_owned(),
                handler: "bootstrap".to_owned(),
                environment,
                memory_mib: 128,
                timeout: Duration::from_mins(1),
                code,
                code_sha256: String::new(),
                log_group: format!("/aws/lambda/{name}"),
                revision: "1".to_owned(),
                ready_at: Millis::default(),
            }),
            reserved_concurrency: None,
        }
    }

    pub async fn invoke(&self, target: &Target, event: &Value) -> Result<Invoked> {
        let payload = Bytes::from(event.to_string());
        perform(&self.cloud, &self.region, target, payload)
            .await
            .map(|ran| ran.invoked)
    }

    pub async fn value(&self, target: &Target, event: &Value) -> Value {
        let invoked = self.invoke(target, event).await.unwrap();
        assert_eq!(invoked.error, None, "{:?}", invoked.payload);
        serde_json::from_slice(&invoked.payload).unwrap()
    }

    pub async fn failure(&self, target: &Target) -> (Value, String) {
        let invoked = self.invoke(target, &Value::Null).await.unwrap();
        assert_eq!(invoked.error.as_deref(), Some("Unhandled"));
        (
            serde_json::from_slice(&invoked.payload).unwrap(),
            invoked.log_tail,
        )
    }

    /// Waits until no process is left.
    pub async fn empty(&self) {
        until(|| self.region.lambda.runner.pids().is_empty()).await;
    }
}

/// The same function after an update.
pub fn updated(target: &Target, change: impl FnOnce(&mut Version)) -> Target {
    let mut version = (*target.version).clone();
    change(&mut version);
    Target {
        version: Arc::new(version),
        ..target.clone()
    }
}

/// Waits for a condition.
pub async fn until(condition: impl Fn() -> bool) {
    until_within(Duration::from_mins(1), condition).await;
}

/// Waits for a condition that takes long to come.
pub async fn until_within(bound: Duration, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(bound, waited)
        .await
        .expect("the condition doesn't come");
}

/// Whether the operating system still has a process that runs.
pub fn is_there(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
