//! What is made for a serverless WebSocket system by hand: functions, mappings, APIs, alarms, dashboards.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{BOUND, Cli, command, printed, wait_for};

const BOOTSTRAP: &str = r#"#!/usr/bin/env python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as got:
        event, call = json.loads(got.read()), got.headers["Lambda-Runtime-Aws-Request-Id"]
    for record in event.get("Records", []):
        print("got", record["body"], flush=True)
    answer = json.dumps({"mood": os.environ["MOOD"], "n": event.get("n")}).encode()
    urllib.request.urlopen(urllib.request.Request(api + call + "/response", answer)).read()
"#;
const ROLE: &str = "arn:aws:iam::000000000000:role/worker";

pub fn a_function_is_made_invoked_and_fed(aws: &Cli<'_>) {
    role(aws);
    zipped(aws);
    let made = aws.runs(&format!(
        "lambda create-function --function-name work --runtime provided.al2023 --handler bootstrap --role {ROLE} \
         --zip-file fileb://work.zip --environment Variables={{MOOD=calm}}"
    ));
    assert_eq!(made["State"], "Pending");
    aws.runs("lambda wait function-active-v2 --function-name work");
    assert_eq!(
        aws.runs("lambda publish-version --function-name work")["Version"],
        "1"
    );
    let alias =
        aws.runs("lambda create-alias --function-name work --name live --function-version 1");
    let live = alias["AliasArn"].as_str().expect("an ARN");
    let invoke = |qualifier: &str, n: u32| {
        let invoked = aws.runs(&format!(
            "lambda invoke --function-name work --qualifier {qualifier} --payload {{\"n\":{n}}} out.json"
        ));
        let out = std::fs::read_to_string(aws.dir.join("out.json")).expect("the output file");
        (invoked, serde_json::from_str::<Value>(&out).expect("JSON"))
    };
    let (invoked, out) = invoke("live", 7);
    assert_eq!(
        (&invoked["StatusCode"], &invoked["ExecutedVersion"]),
        (&json!(200), &json!("1"))
    );
    assert_eq!(out, json!({"mood": "calm", "n": 7}));
    aws.runs("lambda update-function-configuration --function-name work --environment Variables={MOOD=merry}");
    aws.runs("lambda wait function-updated-v2 --function-name work");
    assert_eq!(invoke("$LATEST", 1).1["mood"], "merry");
    assert_eq!(invoke("live", 1).1["mood"], "calm");
    aws.refuses(
        "ResourceNotFoundException",
        "lambda get-policy --function-name work",
    );
    aws.runs(
        "lambda add-permission --function-name work --qualifier live --statement-id gateway --action lambda:InvokeFunction \
         --principal apigateway.amazonaws.com",
    );
    aws.runs("lambda get-policy --function-name work --qualifier live");
    aws.runs(
        "lambda put-function-event-invoke-config --function-name work --maximum-retry-attempts 1",
    );
    let retries = aws.runs("lambda list-function-event-invoke-configs --function-name work");
    assert_eq!(
        retries["FunctionEventInvokeConfigs"][0]["MaximumRetryAttempts"],
        1
    );

    let queue = aws.runs("sqs create-queue --queue-name jobs");
    let queue = queue["QueueUrl"].as_str().expect("a URL");
    let mapping = aws.runs(&format!(
        "lambda create-event-source-mapping --function-name {live} --batch-size 2 \
         --event-source-arn arn:aws:sqs:us-east-1:000000000000:jobs"
    ));
    let mapping = mapping["UUID"].as_str().expect("an id");
    is_told_of_what_comes(aws, queue);
    let found = aws.runs(&format!("lambda get-event-source-mapping --uuid {mapping}"));
    assert_eq!(found["State"], "Enabled");
    aws.runs(&format!(
        "lambda delete-event-source-mapping --uuid {mapping}"
    ));
    wait_for("the mapping to be gone", BOUND, || {
        let left = aws.runs("lambda list-event-source-mappings --function-name work:live");
        left["EventSourceMappings"]
            .as_array()?
            .is_empty()
            .then_some(())
    });

    aws.runs(&format!("sqs delete-queue --queue-url {queue}"));
    aws.runs("lambda delete-function --function-name work");
    aws.runs("logs delete-log-group --log-group-name /aws/lambda/work");
    aws.runs("iam delete-role-policy --role-name worker --policy-name all");
    aws.runs("iam delete-role --role-name worker");
}

fn role(aws: &Cli<'_>) {
    let statement = |more: Value| {
        let mut statement = json!({"Effect": "Allow"});
        for (name, value) in more.as_object().expect("members") {
            statement[name] = value.clone();
        }
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let trust = statement(
        json!({"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}),
    );
    let policy = statement(json!({"Action": ["sqs:*", "logs:*"], "Resource": "*"}));
    let create = [
        "iam",
        "create-role",
        "--role-name",
        "worker",
        "--assume-role-policy-document",
    ];
    aws.does(&[&create[..], &[&trust]].concat());
    let put = [
        "iam",
        "put-role-policy",
        "--role-name",
        "worker",
        "--policy-name",
        "all",
        "--policy-document",
    ];
    aws.does(&[&put[..], &[&policy]].concat());
}

/// A zip as anybody makes one.
fn zipped(aws: &Cli<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let bootstrap = aws.dir.join("bootstrap");
    std::fs::write(&bootstrap, BOOTSTRAP).expect("a file");
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let zip = Command::new(aws.venv.python())
        .args(["-m", "zipfile", "-c", "work.zip", "bootstrap"])
        .current_dir(aws.dir)
        .output();
    printed(&zip.expect("python starts"));
}

/// A message for the function, as its log tells of it: the live tail, and what is read later.
fn is_told_of_what_comes(aws: &Cli<'_>, queue: &str) {
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/work";
    // It goes on until it's ended, in a process of its own.
    let tail = ["logs", "start-live-tail", "--log-group-identifiers", group];
    let mut tail = command(&aws.venv.bin("aws"), aws.cloud)
        .args(aws.complete(&tail))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the AWS CLI starts");
    let lines = BufReader::new(tail.stdout.take().expect("a pipe")).lines();
    // What was written before the tail began isn't told: sent until it is.
    let heard = std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("got tailed"))
    });
    wait_for("the live tail to tell of a message", BOUND, || {
        aws.runs(&format!(
            "sqs send-message --queue-url {queue} --message-body tailed"
        ));
        heard.is_finished().then_some(())
    });
    tail.kill().expect("the tail is ended");
    tail.wait().expect("the tail has ended");
    assert!(heard.join().expect("no panic"), "the tail ended by itself");

    let streams = aws.runs(
        "logs describe-log-streams --log-group-name /aws/lambda/work --order-by LastEventTime",
    );
    let told = streams["logStreams"]
        .as_array()
        .expect("streams")
        .iter()
        .any(|stream| {
            let events = aws.does(&[
                "logs",
                "get-log-events",
                "--start-from-head",
                "--log-group-name",
                "/aws/lambda/work",
                "--log-stream-name",
                stream["logStreamName"].as_str().expect("a name"),
            ]);
            let events = events["events"].as_array().expect("events").clone();
            events
                .iter()
                .any(|event| event["message"] == "got tailed\n")
        });
    assert!(told, "no stream has the line: {streams}");
}

pub fn an_api_is_made_and_deployed(aws: &Cli<'_>) {
    let made = aws.runs(
        "apigatewayv2 create-api --name live --protocol-type WEBSOCKET --route-selection-expression $request.body.action",
    );
    let of = format!("--api-id {}", made["ApiId"].as_str().expect("an id"));
    let gateway = |operation: &str| aws.runs(&format!("apigatewayv2 {operation} {of}"));
    let integration = gateway("create-integration --integration-type MOCK");
    let integration = integration["IntegrationId"].as_str().expect("an id");
    let route = gateway(&format!(
        "create-route --route-key ping --target integrations/{integration}"
    ));
    let deployment = gateway("create-deployment --description first");
    let deployment = deployment["DeploymentId"].as_str().expect("an id");
    gateway(&format!(
        "create-stage --stage-name dev --deployment-id {deployment} --tags team=blue"
    ));
    let stage = gateway("get-stage --stage-name dev");
    assert_eq!(
        (&stage["DeploymentId"], &stage["Tags"]["team"]),
        (&json!(deployment), &json!("blue"))
    );
    aws.refuses(
        "NotFoundException",
        &format!("apigatewayv2 get-stage --stage-name prod {of}"),
    );
    aws.refuses(
        "ConflictException",
        &format!("apigatewayv2 delete-integration --integration-id {integration} {of}"),
    );
    gateway("update-stage --stage-name dev --stage-variables colour=red");
    assert_eq!(
        gateway("get-stages")["Items"][0]["StageVariables"]["colour"],
        "red"
    );
    assert_eq!(
        gateway("get-routes")["Items"][0]["RouteId"],
        route["RouteId"]
    );
    assert_eq!(
        gateway("get-integrations")["Items"][0]["IntegrationType"],
        "MOCK"
    );
    assert_eq!(
        gateway("get-deployments")["Items"][0]["Description"],
        "first"
    );
    gateway("delete-api");
}

pub fn a_metric_is_watched(aws: &Cli<'_>) {
    aws.runs(
        "cloudwatch put-metric-alarm --alarm-name sold-out --namespace Shop --metric-name Left --statistic Minimum \
         --period 60 --evaluation-periods 1 --threshold 1 --comparison-operator LessThanThreshold",
    );
    aws.runs(
        "cloudwatch set-alarm-state --alarm-name sold-out --state-value ALARM --state-reason tried",
    );
    let found = aws.runs("cloudwatch describe-alarms --state-value ALARM --alarm-names sold-out");
    assert_eq!(found["MetricAlarms"][0]["StateReason"], "tried");
    let history = aws.runs(
        "cloudwatch describe-alarm-history --alarm-name sold-out --history-item-type StateUpdate",
    );
    assert!(
        !history["AlarmHistoryItems"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    aws.runs("cloudwatch wait alarm-exists --alarm-names sold-out");
    aws.runs("cloudwatch delete-alarms --alarm-names sold-out");
    aws.refuses(
        "ResourceNotFound",
        "cloudwatch set-alarm-state --alarm-name sold-out --state-value OK --state-reason tried",
    );

    let body = r#"{"widgets":[{"type":"text","x":0,"y":0,"width":6,"height":3,"properties":{"markdown":"hi"}}]}"#;
    let put = aws.runs(&format!(
        "cloudwatch put-dashboard --dashboard-name shop --dashboard-body {body}"
    ));
    assert_eq!(
        put["DashboardValidationMessages"]
            .as_array()
            .map_or(0, Vec::len),
        0
    );
    let found = aws.runs("cloudwatch get-dashboard --dashboard-name shop");
    assert_eq!(found["DashboardBody"], body);
    let listed = aws.runs("cloudwatch list-dashboards --dashboard-name-prefix sh");
    assert_eq!(listed["DashboardEntries"][0]["DashboardName"], "shop");
    aws.runs("cloudwatch delete-dashboards --dashboard-names shop");
    aws.refuses(
        "ResourceNotFound",
        "cloudwatch get-dashboard --dashboard-name shop",
    );
}
