//! What a pipeline stands on: the policy that suffices and has nothing to spare, plans that are kept and compared, plans
//! for a pull request, the workflow, the history, and the dead letters.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Call, Cloud, Output, Project, Venv, run, wait_for};

/// Everything that a manifest can ask of an account.
const FULL: &str = r#"
[project]
name = "echo"
tags = { team = "one", phase = "a" }

[api]
route-selection = "$request.body.action"
allowed-origins = ["https://www.example.com"]
throttle = { rate = 100, burst = 50 }
authorizer = "gate"
access-log = true

[connections]
registry = true

[dashboard]
enabled = true

[handlers.echo]
reserved-concurrency = 5

[handlers.gate]
binary = "ping"

[handlers.ping]
environment = { GREETING = "hello" }

[routes]
"$default" = { handler = "echo" }
ping = { handler = "ping", via = "direct" }
"#;

fn system(cloud: &Cloud) -> Project {
    Project::init("echo", cloud)
}

/// The permissions of a policy document: actions, without the conditions.
fn actions(document: &Value) -> BTreeSet<String> {
    let statements = document["Statement"].as_array().expect("statements");
    let actions = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().expect("actions"));
    actions
        .map(|action| action.as_str().expect("an action").to_owned())
        .collect()
}

/// IAM's action for a call, where its name isn't the operation's [SAR].
fn action(call: &Call) -> String {
    match (call.service.as_str(), call.operation.as_str()) {
        ("apigateway", _) => format!("apigateway:{}", call.method),
        ("s3", "DeleteObjects") => "s3:DeleteObject".to_owned(),
        ("s3", "ListObjectsV2" | "HeadBucket") => "s3:ListBucket".to_owned(),
        ("s3", "PutPublicAccessBlock") => "s3:PutBucketPublicAccessBlock".to_owned(),
        ("monitoring", operation) => format!("cloudwatch:{operation}"),
        (service, operation) => format!("{service}:{operation}"),
    }
}

#[track_caller]
fn policy<const N: usize>(project: &Project, arguments: [&str; N]) -> Value {
    let shown = project
        .wsless(["policy"].into_iter().chain(arguments))
        .succeeds();
    serde_json::from_str(&shown.stdout).expect("a document in JSON")
}

#[test]
fn the_policy_suffices_for_a_systems_life_and_has_no_action_to_spare() {
    let cloud = Cloud::embedded();
    let mut project = system(&cloud);
    project.write("wsless.toml", FULL);
    let document = policy(&project, []);
    project.take_role(&cloud, "ci", &document);
    let mark = cloud.recorder.mark();
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    // What watches it is in the policy too. What it says of this system is no matter here.
    for watching in [
        &["status", "--no-probe"][..],
        &["metrics"],
        &["logs"],
        &["doctor"],
    ] {
        let _ = project.wsless(watching.iter().copied());
    }
    let following = project.start(["logs", "--follow", "--live"]);
    wait_for("a live tail", Duration::from_mins(1), || {
        let calls = cloud.recorder.calls_since(mark).named("StartLiveTail");
        (!calls.is_empty()).then_some(())
    });
    following.interrupt();
    let _ = following.wait();
    // Everything changeable changes; what is attached to a role by somebody else is taken off again.
    let iam = aws_sdk_iam::Client::new(&cloud.sdk());
    run(iam
        .attach_role_policy()
        .role_name("echo-dev-ping")
        .policy_arn("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
        .send())
    .expect("a policy is attached");
    // So are a trust and a mapping that somebody changed.
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }]});
    run(iam
        .update_assume_role_policy()
        .role_name("echo-dev-ping")
        .policy_document(trust.to_string())
        .send())
    .expect("another trust");
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk());
    let mappings = run(lambda.list_event_source_mappings().send()).expect("mappings");
    let mapping = mappings
        .event_source_mappings()
        .iter()
        .find(|mapping| {
            let source = mapping.event_source_arn().unwrap_or_default();
            source.ends_with(":echo-dev-results")
        })
        .and_then(|mapping| mapping.uuid())
        .expect("the results' mapping");
    run(lambda
        .update_event_source_mapping()
        .uuid(mapping)
        .enabled(false)
        .send())
    .expect("a mapping that is disabled");
    let changed = FULL
        .replace("phase = \"a\"", "stage-of-life = \"b\"")
        .replace("rate = 100", "rate = 200")
        .replace("enabled = true", "enabled = false")
        .replace("access-log = true", "access-log = false")
        .replace("reserved-concurrency = 5", "memory = 256")
        .replace("hello", "good day")
        .replace("ping = {", "pong = {");
    project.write("wsless.toml", &changed);
    let _ = project
        .wsless(["deploy", "--yes", "--allow-data-loss"])
        .succeeds();
    project.edit(
        "src/bin/echo.rs",
        "handlers::echo",
        "|message, context| async move { handlers::echo(message, context).await }",
    );
    project.write(
        "wsless.toml",
        &changed
            .replace(
                "memory = 256",
                "memory = 256\nreserved-concurrency = 6\ntimeout = \"20s\"",
            )
            .replace("via = \"direct\"", "via = \"queue\""),
    );
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let _ = project
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    let calls = cloud.recorder.calls_since(mark);

    let used: BTreeSet<String> = calls.iter().map(action).collect();
    // Not a call of its own: Lambda and API Gateway ask for it when they're given a role.
    let unused: Vec<String> = actions(&document)
        .into_iter()
        .filter(|action| !used.contains(action) && action != "iam:PassRole")
        .collect();
    assert!(unused.is_empty(), "allowed and never used: {unused:#?}");
}

#[test]
fn a_linter_finds_nothing_in_the_policies_and_asking_aws_changes_nothing_in_them() {
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    project.write("wsless.toml", FULL);
    let document = policy(&project, []);
    // The same without asking AWS who is there.
    let offline = ["--account", "000000000000", "--region", "us-east-1"];
    assert_eq!(policy(&project, offline), document);
    lints(&document);
    lints(&policy(&project, ["--read-only"]));
}

/// A linter that others made, with AWS's own lists of actions, finds nothing that could be narrower.
#[track_caller]
fn lints(document: &Value) {
    let script = format!(
        "{}/tests/it/python/lint_policy.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut child = Command::new(Venv::parliament().python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("parliament starts");
    let mut input = child.stdin.take().expect("its input");
    input
        .write_all(document.to_string().as_bytes())
        .expect("a policy is written");
    drop(input);
    let output = child.wait_with_output().expect("parliament ends");
    let mut found: Vec<[String; 3]> = serde_json::from_slice(&output.stdout).expect("its findings");
    // Alarms are listed by the beginning of their names, mappings are narrowed down by their function's.
    found.retain(|[issue, actions, _]| {
        let meant = ["cloudwatch:DescribeAlarms", "EventSourceMapping"];
        issue != "RESOURCE_STAR" || !meant.iter().any(|action| actions.contains(action))
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_somebody_changes_in_the_console_is_told_from_what_the_manifest_changes() {
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    let _ = project
        .wsless(["plan", "--drift"])
        .exits(1)
        .warns("no deployment of dev is recorded");
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let mark = cloud.recorder.mark();
    let _ = project
        .wsless(["plan", "--drift"])
        .succeeds()
        .says("Nothing was changed outside since deployment 1");
    cloud.recorder.mutations_since(mark).assert_none();

    // Somebody gives a queue another visibility timeout, and takes an alarm away.
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let url = run(sqs.get_queue_url().queue_name("echo-dev-echo").send())
        .expect("a queue")
        .queue_url
        .expect("its address");
    run(sqs
        .set_queue_attributes()
        .queue_url(&url)
        .attributes(
            aws_sdk_sqs::types::QueueAttributeName::MessageRetentionPeriod,
            "61",
        )
        .send())
    .expect("another retention");
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&cloud.sdk());
    let alarms = run(cloudwatch.describe_alarms().send()).expect("alarms");
    let alarm = alarms
        .metric_alarms()
        .first()
        .and_then(|alarm| alarm.alarm_name());
    let alarm = alarm.expect("an alarm").to_owned();
    run(cloudwatch.delete_alarms().alarm_names(&alarm).send()).expect("an alarm less");
    // And the manifest changes something else.
    project.edit("wsless.toml", "timeout = \"5s\"", "timeout = \"6s\"");

    let told = project
        .wsless(["plan", "--drift", "--output", "json"])
        .exits(2)
        .json_lines();
    let told = told.last().expect("a plan");
    let changes = told["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 2, "{told}");
    let queue = changes
        .iter()
        .find(|change| change["action"] == "update")
        .expect("an update");
    assert_eq!(queue["address"], "queue/echo");
    assert_eq!(queue["fields"].as_array().map(Vec::len), Some(1), "{queue}");
    assert_eq!(queue["fields"][0]["outside"], true);
    assert!(
        changes
            .iter()
            .any(|change| change["action"] == "create" && change["outside"] == true)
    );

    let _ = project
        .wsless(["plan"])
        .succeeds()
        .says("changed outside")
        .says("deleted outside")
        .says("timeout");
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let _ = project.wsless(["plan", "--drift"]).succeeds();
}

#[test]
fn who_may_only_read_plans_and_cant_deploy() {
    let cloud = Cloud::embedded();
    let mut project = system(&cloud);
    let document = policy(&project, ["--read-only"]);
    project.take_role(&cloud, "plan", &document);
    let mark = cloud.recorder.mark();
    let _ = project.wsless(["plan"]).succeeds();
    cloud.recorder.mutations_since(mark).assert_none();
    let _ = project.wsless(["deploy", "--yes"]).exits(1).warns("s3:");
}

#[test]
fn the_trust_is_for_the_workflows_that_are_named() {
    let project = Project::offline();
    let _ = project.wsless(["init", "."]).succeeds();
    let account = ["--account", "123456789012", "--region", "eu-west-1"];
    let trust = |more: &[&str]| {
        let arguments = ["policy", "--github", "me/chat"];
        let all = arguments.iter().chain(&account).chain(more).copied();
        let shown = project.wsless(all).succeeds();
        let document: Value = serde_json::from_str(&shown.stdout).expect("a document in JSON");
        document["Statement"][0]["Condition"]["StringEquals"]
            ["token.actions.githubusercontent.com:sub"]
            .clone()
    };
    assert_eq!(trust(&[]), json!(["repo:me/chat:ref:refs/heads/main"]));
    assert_eq!(
        trust(&["--environment", "prod", "--pull-requests"]),
        json!(["repo:me/chat:environment:prod", "repo:me/chat:pull_request"])
    );
    for wrong in ["me", "me/chat/x", "me/*", "/", "me/ch at"] {
        let _ = project
            .wsless(["policy", "--github", wrong])
            .exits(64)
            .warns("OWNER/NAME");
    }
    let _ = project
        .wsless(["policy", "--account", "12"])
        .exits(64)
        .warns("twelve digits");
}

#[test]
fn a_kept_plan_is_deployed_exactly_or_not_at_all() {
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    let _ = project
        .wsless(["plan", "--out", "plan.json"])
        .succeeds()
        .warns("wsless deploy --plan plan.json");
    // Another stage, and junk.
    let _ = project
        .wsless(["deploy", "--plan", "plan.json", "--stage", "prod"])
        .exits(1)
        .warns("error[plan::another-stage]");
    project.write("junk.json", "{\"schema\":1}");
    let _ = project
        .wsless(["deploy", "--plan", "junk.json"])
        .exits(1)
        .warns("error[plan::unreadable]");
    let _ = project
        .wsless(["deploy", "--plan", "none.json"])
        .exits(1)
        .warns("error[plan::unreadable]");
    // Nobody is asked: it was looked at.
    let _ = project.wsless(["deploy", "--plan", "plan.json"]).succeeds();

    // The manifest moved on, and then the cloud.
    let mark = cloud.recorder.mark();
    let _ = project
        .wsless(["deploy", "--plan", "plan.json"])
        .exits(1)
        .warns("error[plan::moved]");
    project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        "[handlers.ping]\nmemory = 256",
    );
    let _ = project.wsless(["plan", "--out", "plan.json"]).succeeds();
    cloud.recorder.mutations_since(mark).assert_none();
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk());
    run(lambda
        .update_function_configuration()
        .function_name("echo-dev-ping")
        .timeout(77)
        .send())
    .expect("somebody changes the function by hand");
    let mark = cloud.recorder.mark();
    let _ = project
        .wsless(["deploy", "--plan", "plan.json"])
        .exits(1)
        .warns("different by now: function/ping");
    cloud.recorder.mutations_since(mark).assert_none();
}

#[test]
fn secrets_are_in_no_plan_that_is_kept_or_commented() {
    const SECRET: &str = "hunter2-Zk9vQw";
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        &format!("[handlers.ping]\nmemory = 128\nenvironment = {{ TOKEN = \"{SECRET}\" }}"),
    );
    let shown: Output = project
        .wsless(["plan", "--out", "plan.json", "--output", "markdown", "-v"])
        .succeeds()
        .never_says(SECRET);
    let _ = shown
        .says("### wsless: dev of echo in us-east-1")
        .says("**Plan: ")
        .says("+ function/ping")
        .says("```diff");
    assert!(!project.read("plan.json").contains(SECRET));
    let _ = project
        .wsless(["deploy", "--output", "markdown"])
        .exits(64)
        .warns("only `wsless plan`");
}

#[test]
fn a_workflow_is_written_once_and_for_one_stage() {
    let project = Project::offline();
    let _ = project.wsless(["init", "."]).succeeds();
    let _ = project
        .wsless(["ci", "github", "--stage", "prod"])
        .succeeds()
        .says(".github/workflows/wsless.yml");
    let text = project.read(".github/workflows/wsless.yml");
    for needed in [
        "id-token: write",
        "wsless plan --stage prod --output markdown",
        "wsless deploy --stage prod --yes",
        "role/wsless-ci-plan",
        "${{ vars.AWS_ACCOUNT_ID }}",
    ] {
        assert!(text.contains(needed), "{needed} isn't in\n{text}");
    }
    assert!(
        !text.contains("{%") && !text.to_lowercase().contains("secrets."),
        "{text}"
    );
    let _ = project
        .wsless(["ci", "github"])
        .exits(1)
        .warns("nothing is written over");
    assert_eq!(project.read(".github/workflows/wsless.yml"), text);
    let _ = project
        .wsless(["ci", "github", "--branch", "x\ny"])
        .exits(64);
}

#[test]
fn the_history_tells_who_did_what_and_how_it_ended() {
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    let _ = project
        .wsless(["history"])
        .succeeds()
        .says("Nothing was deployed to dev yet.");
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        "[handlers.ping]\nmemory = 256",
    );
    cloud.recorder.fail_next(
        "UpdateFunctionConfiguration",
        400,
        "InvalidParameterValueException",
        "no",
    );
    let _ = project.wsless(["deploy", "--yes"]).exits(1);
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let told = project
        .wsless(["history", "--output", "json"])
        .succeeds()
        .json_lines();
    let told = told.last().expect("a result");
    let deployments = told["deployments"].as_array().expect("deployments");
    let outcomes: Vec<(u64, bool)> = deployments
        .iter()
        .map(|one| {
            let number = one["number"].as_u64().expect("a number");
            (number, one["complete"].as_bool().expect("an outcome"))
        })
        .collect();
    assert_eq!(outcomes, [(3, true), (2, false), (1, true)]);
    let _ = project
        .wsless(["history", "-n", "1"])
        .succeeds()
        .says("NUMBER")
        .says("2 update");
}

#[test]
fn dead_letters_are_shown_sent_back_and_deleted() {
    let cloud = Cloud::embedded();
    let project = system(&cloud);
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let url = run(sqs.get_queue_url().queue_name("echo-dev-echo-dlq").send())
        .expect("a dead-letter queue")
        .queue_url
        .expect("its URL");
    let put = |text: &str| {
        run(sqs.send_message().queue_url(&url).message_body(text).send()).expect("a message");
    };
    put("first");
    put("second");
    let count = |of: &str| {
        let told = project
            .wsless(["dlq", "list", "--output", "json"])
            .succeeds();
        let queues = told.json_lines().pop().expect("a result")["queues"].clone();
        let queues = queues.as_array().expect("queues").clone();
        let queue = queues.iter().find(|queue| queue["of"] == of);
        queue.expect("the queue")["messages"]
            .as_u64()
            .expect("a count")
    };
    assert_eq!((count("echo"), count("results")), (2, 0));
    // Looking takes nothing away, however often.
    for _ in 0..2 {
        let _ = project
            .wsless(["dlq", "show", "echo"])
            .succeeds()
            .says("first")
            .says("second")
            .warns("2 shown of 2");
    }
    let _ = project
        .wsless(["dlq", "show", "ehco"])
        .exits(1)
        .warns("these have one: echo, results");

    // What somebody put there by hand came from no queue: SQS can't send it back, and says so.
    let _ = project
        .wsless(["dlq", "redrive", "echo"])
        .exits(1)
        .warns("error[dlq::redrive]")
        .warns("CouldNotDetermineMessageSource");
    assert_eq!(count("echo"), 2);
    let _ = project.wsless(["dlq", "purge", "echo", "--yes"]).succeeds();
    assert_eq!(count("echo"), 0);

    put("third");
    let _ = project
        .wsless(["dlq", "purge", "echo"])
        .exits(64)
        .warns("--yes");
    assert_eq!(count("echo"), 1);

    // One that lost its tags is somebody else's.
    run(sqs
        .untag_queue()
        .queue_url(&url)
        .tag_keys("wsless:project")
        .send())
    .expect("a tag is taken off");
    for act in ["redrive", "purge"] {
        let _ = project
            .wsless(["dlq", act, "echo", "--yes"])
            .exits(1)
            .warns("error[dlq::foreign]");
    }
    assert_eq!(count("echo"), 1);
}

#[test]
fn every_command_has_a_manual_page() {
    let project = Project::offline();
    let _ = project.wsless(["man", "pages"]).succeeds();
    let deploy = project.read("pages/wsless-deploy.1");
    assert!(deploy.contains("allow\\-data\\-loss"), "{deploy}");
    assert!(
        project
            .read("pages/wsless-dlq-redrive.1")
            .contains("per\\-second")
    );
    assert!(project.read("pages/wsless.1").contains("wsless\\-deploy"));
}
