//! A system to break and mend.

use std::time::Duration;

use aws_config::SdkConfig;
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{Client, Cloud, Connect, Output, Project, run};

/// What a page that may connect says it is.
const ORIGIN: &str = "https://ward.example";

const MANIFEST: &str = r#"
[project]
name = "ward"

[api]
allowed-origins = ["https://ward.example"]
access-log = true
authorizer = { handler = "auth", identity-sources = ["route.request.querystring.token"] }

[connections]
registry = true

[handlers.auth]
[handlers.echo]
timeout = "5s"
[handlers.ping]
timeout = "2s"
environment = { PRICE_KEY = "hunter2" }

[routes]
"$default" = { handler = "echo" }
ping = { handler = "ping", via = "direct" }

# What is broken here on purpose would set them off, and they stay so for minutes.
[alarms]
dead-letters = { threshold = 1000 }
handler-errors = { threshold = 1000 }
handler-throttles = { threshold = 1000 }
connect-failures = { threshold = 1000 }
execution-errors = { threshold = 1000 }
integration-errors = { threshold = 1000 }
"#;

/// What nobody may be shown: a value of the environment, and what a handshake's token is.
const SECRETS: [&str; 2] = ["hunter2", "letmein"];

/// Handlers that fail as they're told to.
const HANDLERS: &str = r#"
use std::time::Duration;

use wsless_handlers::{Context, Decision, Error, Handshake, Message, Reply};

pub async fn echo(message: Message, _context: Context) -> Result<Reply, Error> {
    Ok(Reply::to_sender(message.text()))
}

pub async fn ping(message: Message, _context: Context) -> Result<Reply, Error> {
    let text = message.text();
    if text.contains("panic") {
        panic!("as it was told to");
    }
    if text.contains("exit") {
        std::process::exit(7);
    }
    if text.contains("fail") {
        return Err("the price service is down".into());
    }
    if text.contains("sleep") {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    Ok(Reply::to_sender("pong"))
}

pub async fn auth(handshake: Handshake, _context: Context) -> Result<Decision, Error> {
    Ok(match handshake.query("token") {
        Some("letmein") => Decision::allow("user"),
        _ => Decision::deny(),
    })
}
"#;

const AUTHORIZER: &str = r#"
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), wsless_handlers::Error> {
    wsless_handlers::serve_authorizer(handlers::auth).await
}
"#;

/// What the doctor is to call it, and how it's done.
pub type Breakage<'a> = (&'a str, &'a dyn for<'w> Fn(&Ward<'w>));

/// A deployed system.
pub struct Ward<'a> {
    pub cloud: &'a Cloud,
    pub project: Project,
    pub sdk: SdkConfig,
    address: String,
}

impl<'a> Ward<'a> {
    /// Writes the project, without deploying it.
    pub fn project(cloud: &Cloud) -> Project {
        let project = Project::init_as("ward", "echo", cloud);
        project.write("wsless.toml", MANIFEST);
        project.write("src/lib.rs", HANDLERS);
        project.write("src/bin/auth.rs", AUTHORIZER);
        project
    }

    /// Deploys, uses it once, and sees that the doctor finds nothing.
    #[track_caller]
    pub fn healthy(cloud: &'a Cloud) -> Self {
        let project = Self::project(cloud);
        let address = project.wsless(["deploy", "--yes"]).succeeds().address();
        let ward = Self {
            cloud,
            project,
            sdk: cloud.sdk(),
            address,
        };
        ward.use_it();
        ward.is_healthy();
        ward
    }

    /// The name of a thing in the cloud.
    #[allow(clippy::unused_self, reason = "a system is asked for its names")]
    pub fn name(&self, thing: &str) -> String {
        format!("ward-dev-{thing}")
    }

    /// The API's id.
    #[track_caller]
    pub fn api(&self) -> String {
        let gateway = self.gateway();
        let apis = run(gateway.get_apis().send()).expect("APIs").items;
        let ours = apis
            .unwrap_or_default()
            .into_iter()
            .find(|api| api.name.as_deref() == Some("ward-dev"));
        ours.and_then(|api| api.api_id).expect("the ward's API")
    }

    pub fn gateway(&self) -> aws_sdk_apigatewayv2::Client {
        aws_sdk_apigatewayv2::Client::new(&self.sdk)
    }

    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.sdk)
    }

    pub fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.sdk)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk)
    }

    /// A queue's URL.
    #[track_caller]
    pub fn url(&self, queue: &str) -> String {
        let found = self.sqs().get_queue_url().queue_name(self.name(queue));
        let found = run(found.send()).expect("a queue");
        found.queue_url.expect("its URL")
    }

    /// A connection of a page that may connect.
    #[track_caller]
    pub fn open(&self) -> Client {
        let address = format!("{}?token=letmein", self.address);
        Connect::new().origin(ORIGIN).to(&address)
    }

    /// A page of another origin is refused.
    #[track_caller]
    pub fn refuses(&self, origin: &str) {
        let address = format!("{}?token=letmein", self.address);
        let refusal = Connect::new().origin(origin).refused_by(&address);
        assert_eq!(refusal.status, 403, "{refusal:?}");
    }

    /// A message there and back by both ways.
    #[track_caller]
    pub fn use_it(&self) {
        let mut client = self.open();
        client.send("hello");
        assert_eq!(client.receive(), "hello");
        client.send(r#"{"action":"ping"}"#);
        assert_eq!(client.receive(), "pong");
        client.close();
    }

    /// Sends something for which the handler of `ping` fails, and takes the error frame.
    #[track_caller]
    pub fn fail(&self, how: &str) {
        let mut client = self.open();
        client.send(&format!(r#"{{"action":"ping","do":"{how}"}}"#));
        let frame = client
            .receive_within(Duration::from_secs(20))
            .expect("an error frame");
        assert!(frame.contains("Internal server error"), "{frame}");
        client.close();
    }

    /// Asks the doctor, who changes nothing.
    #[track_caller]
    pub fn doctor(&self, since: Timestamp, more: &[&str]) -> Output {
        let mark = self.cloud.recorder.mark();
        let since = since.to_string();
        let arguments = ["doctor", "--output", "json", "--since", &since];
        let output = self
            .project
            .wsless(arguments.into_iter().chain(more.iter().copied()));
        self.cloud.recorder.mutations_since(mark).assert_none();
        SECRETS
            .iter()
            .fold(output, |output, secret| output.never_says(secret))
    }

    /// The doctor finds exactly these, in any order; errors make it exit with 1.
    #[track_caller]
    pub fn is_found(&self, since: Timestamp, codes: &[&str]) -> Vec<Value> {
        let output = self.doctor(since, &[]);
        let findings = findings(&output);
        let mut found: Vec<&str> = findings
            .iter()
            .map(|finding| finding["code"].as_str().expect("a code"))
            .collect();
        let mut codes = codes.to_vec();
        found.sort_unstable();
        codes.sort_unstable();
        assert_eq!(found, codes, "{output}");
        let wrong = findings
            .iter()
            .any(|finding| finding["severity"] == "error");
        assert_eq!(output.code, i32::from(wrong), "{output}");
        for finding in &findings {
            for part in ["symptom", "cause", "mend"] {
                let text = finding[part].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "no {part}: {finding:#}");
            }
        }
        findings
    }

    /// The doctor finds nothing.
    #[track_caller]
    pub fn is_healthy(&self) {
        self.is_found(Timestamp::now(), &[]);
    }

    /// Breaks it in several ways, none of which follows from another. The doctor names each and nothing else, and what
    /// it says mends them: the next that's looked for sees to it that nothing is left.
    #[track_caller]
    pub fn broken(&self, ways: &[Breakage<'_>]) -> Vec<Value> {
        let since = Timestamp::now();
        for (_, break_it) in ways {
            break_it(self);
        }
        let codes: Vec<&str> = ways.iter().map(|(code, _)| *code).collect();
        let findings = self.is_found(since, &codes);
        for finding in &findings {
            let mend = finding["mend"].as_str().unwrap_or_default();
            assert!(mend.contains("`wsless deploy --stage dev`"), "{finding:#}");
        }
        let deployed = self.project.wsless(["deploy", "--yes"]);
        assert_eq!(deployed.code, 0, "the mend of {codes:?}\n{deployed}");
        findings
    }

    /// The same for one way that a deployment doesn't mend: `mend_it` does what the finding says.
    #[track_caller]
    pub fn ill(&self, code: &str, break_it: impl FnOnce(&Self), mend_it: impl FnOnce(&Self)) {
        let since = Timestamp::now();
        break_it(self);
        self.is_found(since, &[code]);
        mend_it(self);
    }
}

/// The findings of a run.
#[track_caller]
pub fn findings(output: &Output) -> Vec<Value> {
    let lines = output.json_lines();
    lines
        .into_iter()
        .filter(|line| line["type"] == "finding")
        .collect()
}
