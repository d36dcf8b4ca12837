//! The AWS CLI, argument by argument.

mod everyday;
mod serverless;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{command, printed};
use crate::harness::{Cloud, Venv, source_dir, wait_for};

/// The longest that anything asynchronous in the cloud may take.
const BOUND: Duration = Duration::from_mins(1);

struct Cli<'a> {
    cloud: &'a Cloud,
    venv: Venv,
    dir: &'a Path,
    session: RefCell<Session>,
}

/// The CLI's own entry point in one process, since starting the CLI takes longer than its calls.
struct Session {
    child: Child,
    asked: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What came of a call.
#[derive(serde::Deserialize)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Session {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        Self {
            asked: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Cli<'a> {
    fn new(cloud: &'a Cloud, dir: &'a Path) -> Self {
        let venv = Venv::awscli();
        let mut python = command(&venv.python(), cloud);
        python
            .arg(source_dir().join("python/aws.py"))
            .current_dir(dir);
        Self {
            session: RefCell::new(Session::start(python)),
            cloud,
            venv,
            dir,
        }
    }

    /// The arguments with what every call has.
    fn complete(&self, arguments: &[&str]) -> Vec<String> {
        let endpoint = self.cloud.emulator.endpoint();
        // Version 1 goes to SQS's old address whatever AWS_ENDPOINT_URL says.
        let all = ["--endpoint-url", &endpoint, "--output", "json"];
        let all = all.iter().chain(arguments);
        all.map(|argument| (*argument).to_owned()).collect()
    }

    fn output(&self, arguments: &[&str]) -> Answer {
        let session = &mut *self.session.borrow_mut();
        let line = json!(self.complete(arguments));
        writeln!(session.asked, "{line}").expect("the CLI's process is there");
        let answer = session.answers.next().expect("an answer of the CLI");
        serde_json::from_str(&answer.expect("a line")).expect("an answer of the CLI")
    }

    /// The same with the arguments in one text; none of them has spaces.
    #[track_caller]
    fn runs(&self, arguments: &str) -> Value {
        self.does(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// The same for a call that's refused.
    #[track_caller]
    fn refuses(&self, code: &str, arguments: &str) {
        self.is_refused(code, &arguments.split_whitespace().collect::<Vec<_>>());
    }

    /// What it prints as JSON; null for nothing.
    #[track_caller]
    fn does(&self, arguments: &[&str]) -> Value {
        let answer = self.output(arguments);
        let text = answer.out;
        assert!(answer.code == 0, "{arguments:?}: {text}{}", answer.err);
        if text.trim().is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// It says that the call was refused with this code.
    #[track_caller]
    fn is_refused(&self, code: &str, arguments: &[&str]) {
        let Answer {
            code: ended, err, ..
        } = self.output(arguments);
        assert!(ended != 0, "{arguments:?} succeeded");
        assert!(err.contains(&format!("({code})")), "{arguments:?}: {err}");
    }
}

#[test]
fn an_unmodified_aws_cli_does_a_days_work_and_leaves_nothing() {
    let cloud = Cloud::embedded();
    let before = cloud.inventory();
    let temp = tempfile::tempdir().expect("a temporary folder");
    let aws = Cli::new(&cloud, temp.path());
    let identity = aws.does(&["sts", "get-caller-identity"]);
    assert_eq!(identity["Account"], "000000000000");
    roles(&aws);
    queues(&aws);
    apis(&aws);
    buckets(&aws);
    watching(&aws);
    tables(&aws);
    serverless::a_function_is_made_invoked_and_fed(&aws);
    serverless::an_api_is_made_and_deployed(&aws);
    serverless::a_metric_is_watched(&aws);
    everyday::questions_of_every_day_are_answered(&aws);
    cloud.inventory().assert_same_as(&before);
}

fn roles(aws: &Cli<'_>) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }]});
    let trust = trust.to_string();
    let create = ["iam", "create-role", "--role-name", "r"];
    let create = [&create[..], &["--assume-role-policy-document", &trust]].concat();
    let made = aws.does(&create);
    assert_eq!(made["Role"]["Arn"], "arn:aws:iam::000000000000:role/r");
    aws.is_refused("EntityAlreadyExists", &create);
    aws.does(&["iam", "delete-role", "--role-name", "r"]);
    aws.is_refused("NoSuchEntity", &["iam", "get-role", "--role-name", "r"]);
}

fn queues(aws: &Cli<'_>) {
    let made = aws.does(&["sqs", "create-queue", "--queue-name", "q"]);
    let url = made["QueueUrl"].as_str().expect("a URL");
    let sent = aws.does(&[
        "sqs",
        "send-message",
        "--queue-url",
        url,
        "--message-body",
        "hi",
    ]);
    let got = aws.does(&["sqs", "receive-message", "--queue-url", url]);
    let message = &got["Messages"][0];
    assert_eq!(
        (&message["Body"], &message["MessageId"]),
        (&json!("hi"), &sent["MessageId"])
    );
    aws.does(&["sqs", "delete-queue", "--queue-url", url]);
    aws.is_refused(
        "AWS.SimpleQueueService.NonExistentQueue",
        &["sqs", "get-queue-url", "--queue-name", "q"],
    );
}

fn apis(aws: &Cli<'_>) {
    let create = [
        "apigatewayv2",
        "create-api",
        "--name",
        "a",
        "--protocol-type",
        "WEBSOCKET",
    ];
    aws.is_refused("BadRequestException", &create);
    let selection = ["--route-selection-expression", "$request.body.action"];
    let made = aws.does(&[&create[..], &selection].concat());
    let id = made["ApiId"].as_str().expect("an id");
    let found = aws.does(&["apigatewayv2", "get-apis"]);
    assert_eq!(found["Items"][0]["ApiId"], id);
    aws.does(&["apigatewayv2", "delete-api", "--api-id", id]);
    aws.is_refused(
        "NotFoundException",
        &["apigatewayv2", "get-api", "--api-id", id],
    );
}

fn buckets(aws: &Cli<'_>) {
    std::fs::write(aws.dir.join("hi.txt"), "hi").expect("a file");
    aws.does(&["s3", "mb", "s3://the-bucket"]);
    aws.does(&["s3", "cp", "hi.txt", "s3://the-bucket/a/b.txt"]);
    aws.does(&["s3", "sync", "s3://the-bucket", "down"]);
    let down = std::fs::read_to_string(aws.dir.join("down/a/b.txt")).expect("the file is back");
    assert_eq!(down, "hi");
    let put = [
        "s3api",
        "put-object",
        "--bucket",
        "the-bucket",
        "--key",
        "lock",
    ];
    let put = [&put[..], &["--if-none-match", "*"]].concat();
    assert!(aws.does(&put)["ETag"].is_string());
    aws.is_refused("PreconditionFailed", &put);
    aws.is_refused(
        "BucketNotEmpty",
        &["s3api", "delete-bucket", "--bucket", "the-bucket"],
    );
    aws.does(&["s3", "rb", "--force", "s3://the-bucket"]);
}

fn watching(aws: &Cli<'_>) {
    let group = ["--log-group-name", "/g"];
    let logs = |operation, more: &[&str]| {
        let arguments = [&["logs", operation], &group[..], more].concat();
        aws.does(&arguments)
    };
    logs("create-log-group", &[]);
    logs("put-retention-policy", &["--retention-in-days", "7"]);
    let found = aws.does(&["logs", "describe-log-groups"]);
    assert_eq!(found["logGroups"][0]["retentionInDays"], 7);
    logs("delete-log-group", &[]);
    aws.does(&[
        "cloudwatch",
        "put-metric-data",
        "--namespace",
        "Shop",
        "--metric-name",
        "Sold",
        "--value",
        "3",
    ]);
    let found = aws.does(&["cloudwatch", "list-metrics", "--namespace", "Shop"]);
    assert_eq!(found["Metrics"][0]["MetricName"], "Sold");
}

fn tables(aws: &Cli<'_>) {
    let of = ["--table-name", "things"];
    let table = |operation, more: &[&str]| {
        let arguments = [&["dynamodb", operation], &of[..], more].concat();
        aws.does(&arguments)
    };
    aws.is_refused(
        "ValidationException",
        &["dynamodb", "describe-table", "--table-name", "t"],
    );
    table(
        "create-table",
        &[
            "--attribute-definitions",
            "AttributeName=k,AttributeType=S",
            "--key-schema",
            "AttributeName=k,KeyType=HASH",
            "--billing-mode",
            "PAY_PER_REQUEST",
        ],
    );
    table(
        "put-item",
        &["--item", r#"{"k": {"S": "a"}, "n": {"N": "1"}}"#],
    );
    let found = table("get-item", &["--key", r#"{"k": {"S": "a"}}"#]);
    assert_eq!(found["Item"]["n"]["N"], "1");
    table("delete-table", &[]);
    aws.is_refused(
        "ResourceNotFoundException",
        &["dynamodb", "scan", "--table-name", "things"],
    );
}
