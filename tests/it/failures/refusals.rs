//! What AWS refuses for good, and what isn't ours: the report says what was done, what failed and why, and what remains;
//! nothing else is touched; and once it's mended the next deploy goes on from there.

use serde_json::{Value, json};

use crate::harness::{Cloud, Fault, run};

use super::Story;

#[test]
fn a_refused_call_is_told_with_its_mend_and_what_remains_and_the_next_deploy_finishes() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    let refuse = || {
        recorder.fault(
            Fault::on("PutMetricAlarm")
                .containing("connect-failures")
                .error(400, "LimitExceeded", "The quota of alarms is reached."),
        );
        recorder.fault(Fault::on("CreateFunction").containing("-echo").error(
            400,
            "InvalidParameterValueException",
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008",
        ));
    };
    refuse();
    let _ = story
        .deploy("half")
        .exits(1)
        .warns("can't create function/echo: lambda:CreateFunction failed: InvalidParameterValueException: 'MemorySize'")
        .warns("a new account may be capped at 3008 MiB")
        .warns("can't create alarm/connect-failures: cloudwatch:PutMetricAlarm failed: LimitExceeded")
        .warns("a quota of the account is reached")
        .warns("AWS request id injected-by-the-recorder")
        .warns("Not begun, since function/echo failed:")
        .warns("+ alias/echo")
        .warns("+ event-source-mapping/echo")
        .warns("2 failed")
        .warns("done until then: ")
        .warns("Once that's mended, this goes on from there:\n  wsless deploy --stage half\n")
        .never_says("Deployed in")
        .never_says("wsless connect");
    assert_eq!(story.object("half", "lock.json"), None);
    let record = story.object("half", "record.json").expect("a record");
    assert_eq!(record["complete"], false);

    // What doesn't hang on it was done.
    assert!(
        story
            .cloud
            .inventory()
            .has("lambda function echo-half-ping")
    );
    let _ = story.deploy("half").succeeds();
    story.assert_whole("half");

    // Machines are told the same, and nothing else is on their stream.
    refuse();
    let told = story
        .wsless(["deploy", "--yes", "--stage", "json", "--output", "json"])
        .exits(1);
    let lines = told.json_lines();
    let result = lines.last().expect("a result");
    assert_eq!(result["type"], "result", "{told}");
    assert_eq!(result["complete"], false);
    assert_eq!(result["endpoint"], json!(null));
    assert_eq!(result["next"], json!(["wsless deploy --stage json"]));
    assert_eq!(result["summary"]["failed"], 2);
    let steps = result["steps"].as_array().expect("steps");
    let failed: Vec<&Value> = steps
        .iter()
        .filter(|step| step["outcome"] == "failed")
        .collect();
    let function = failed
        .iter()
        .find(|step| step["address"] == "function/echo")
        .expect("the function failed");
    assert_eq!(function["error"]["operation"], "lambda:CreateFunction");
    assert_eq!(function["error"]["code"], "InvalidParameterValueException");
    assert!(steps.iter().any(|step| {
        step["address"] == "alias/echo"
            && step["outcome"] == "not-begun"
            && step["because_of"] == "function/echo"
    }));
    assert_eq!(recorder.unused_faults(), Vec::<String>::new());
}

#[test]
fn an_account_without_a_permission_is_told_which_on_what_and_goes_on_once_it_has_it() {
    let statement = |effect: &str, actions: Value, resource: &str| json!({"Effect": effect, "Action": actions, "Resource": resource});
    let all = statement("Allow", json!("*"), "*");
    // ministack leaves the path out of a role's ARN when it looks at policies, and no resource is in its messages.
    let role = "arn:aws:iam::000000000000:role/echo-dev-echo";
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let cloud = Cloud::ministack_with_auth(&policy(&[
        all.clone(),
        statement("Deny", json!("iam:CreateRole"), role),
        statement(
            "Deny",
            json!("sqs:CreateQueue"),
            "arn:aws:sqs:us-east-1:000000000000:echo-dev-results",
        ),
    ]));
    let story = Story::untold(cloud);
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns("can't create role/echo: iam:CreateRole failed: AccessDenied")
        .warns("allow `iam:CreateRole` for the identity that deploys")
        .warns("can't create queue/results: sqs:CreateQueue failed")
        .warns("allow `sqs:CreateQueue` for the identity that deploys")
        .warns("Not begun, since role/echo failed:")
        .warns("+ function/echo")
        .warns("done until then:");
    let half = story.cloud.inventory();
    assert!(half.has("sqs queue echo-dev-echo-dlq"), "{half}");

    let iam = aws_sdk_iam::Client::new(&story.cloud.sdk());
    let set = |policy: Value| {
        run(iam
            .put_user_policy()
            .user_name("deployer")
            .policy_name("test")
            .policy_document(policy.to_string())
            .send())
        .expect("a policy is set");
    };
    // Nothing can be told of a stage that can't be looked at: nothing is changed then.
    set(policy(&[
        all.clone(),
        statement("Deny", json!(["lambda:ListFunctions", "s3:PutObject"]), "*"),
    ]));
    let mark = story.cloud.recorder.mark();
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns("lambda:ListFunctions failed")
        .warns("allow `lambda:ListFunctions` for");
    story.cloud.recorder.mutations_since(mark).assert_none();
    set(policy(&[
        all.clone(),
        statement("Deny", json!("s3:PutObject"), "*"),
    ]));
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns("allow `s3:PutObject` for")
        .warns("it's about s3://wsless-000000000000-us-east-1/echo/dev/lock.json");

    set(policy(&[all]));
    let _ = story.wsless(["deploy"]).succeeds();
    let whole = story.cloud.inventory();
    assert!(
        whole.has("iam role /wsless/echo/dev/echo-dev-echo"),
        "{whole}"
    );
    assert_eq!(whole.gone_since(&half), Vec::<String>::new());
    let apis = whole.lines().filter(|line| line.ends_with(" echo-dev"));
    assert_eq!(apis.count(), 1, "{whole}");
    let _ = story
        .wsless(["deploy"])
        .succeeds()
        .says("Nothing to change");
}

#[test]
fn what_bears_our_names_and_isnt_ours_is_named_and_never_touched() {
    let cloud = Cloud::ministack();
    let story = Story::untold(cloud);
    let plan = story.wsless(["plan", "--output", "json"]).succeeds();
    let named = |kind: &str| -> String {
        let lines = plan.json_lines();
        let found = lines
            .iter()
            .flat_map(|line| line["changes"].as_array().cloned().unwrap_or_default())
            .filter(|change| {
                change["address"]
                    .as_str()
                    .is_some_and(|found| found.starts_with(kind))
            })
            .find_map(|change| {
                let fields = change["fields"].as_array()?.clone();
                let name = fields.iter().find(|field| field["path"] == "name")?;
                Some(name["after"].as_str()?.to_owned())
            });
        found.unwrap_or_else(|| panic!("no {kind} has a name\n{plan}"))
    };
    squat(&story.cloud, &named("table/"), &named("alarm/"));
    let before = story.cloud.inventory();
    let mark = story.cloud.recorder.mark();
    let told = story.wsless(["deploy", "--yes"]).exits(1);
    for address in [
        "queue/echo",
        "log-group/ping",
        "role/push",
        "table/",
        "alarm/",
        "function/connect",
    ] {
        let told_of = format!("error[engine::foreign]: {address}");
        assert!(
            told.stderr.contains(&told_of),
            "{address} isn't told\n{told}"
        );
    }
    let _ = told.warns("rename the project or the stage");
    story.cloud.recorder.mutations_since(mark).assert_none();
    // Another stage's, or nobody's: destroying ours takes none of them.
    let _ = story
        .wsless(["destroy", "--yes"])
        .succeeds()
        .says("Nothing to destroy");
    story.cloud.inventory().assert_same_as(&before);
}

/// Makes things of other people's that bear the names of the stage dev.
fn squat(cloud: &Cloud, table: &str, alarm: &str) {
    let sdk = cloud.sdk();
    run(async {
        aws_sdk_sqs::Client::new(&sdk)
            .create_queue()
            .queue_name("echo-dev-echo")
            .send()
            .await
            .unwrap();
        aws_sdk_cloudwatchlogs::Client::new(&sdk)
            .create_log_group()
            .log_group_name("/aws/lambda/echo-dev-ping")
            .send()
            .await
            .unwrap();
        aws_sdk_iam::Client::new(&sdk)
            .create_role()
            .role_name("echo-dev-push")
            .assume_role_policy_document(r#"{"Version":"2012-10-17","Statement":[]}"#)
            .send()
            .await
            .unwrap();
        let key = aws_sdk_dynamodb::types::KeySchemaElement::builder()
            .attribute_name("id")
            .key_type(aws_sdk_dynamodb::types::KeyType::Hash)
            .build()
            .unwrap();
        let attribute = aws_sdk_dynamodb::types::AttributeDefinition::builder()
            .attribute_name("id")
            .attribute_type(aws_sdk_dynamodb::types::ScalarAttributeType::S)
            .build()
            .unwrap();
        aws_sdk_dynamodb::Client::new(&sdk)
            .create_table()
            .table_name(table)
            .key_schema(key)
            .attribute_definitions(attribute)
            .billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        aws_sdk_cloudwatch::Client::new(&sdk)
            .put_metric_alarm()
            .alarm_name(alarm)
            .namespace("AWS/SQS")
            .metric_name("ApproximateAgeOfOldestMessage")
            .statistic(aws_sdk_cloudwatch::types::Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(60.0)
            .comparison_operator(
                aws_sdk_cloudwatch::types::ComparisonOperator::GreaterThanThreshold,
            )
            .send()
            .await
            .unwrap();
        aws_sdk_lambda::Client::new(&sdk)
            .create_function()
            .function_name("echo-dev-connect")
            .role("arn:aws:iam::000000000000:role/echo-dev-push")
            .runtime(aws_sdk_lambda::types::Runtime::Python312)
            .handler("x.y")
            .code(
                aws_sdk_lambda::types::FunctionCode::builder()
                    .zip_file(empty_zip().into())
                    .build(),
            )
            .send()
            .await
            .unwrap();
    });
}

/// A zip without files: its end alone.
fn empty_zip() -> Vec<u8> {
    let mut zip = b"PK\x05\x06".to_vec();
    zip.resize(22, 0);
    zip
}

#[test]
fn without_a_terminal_nothing_is_deleted_unless_yes_is_passed() {
    let story = Story::begin();
    let mark = story.cloud.recorder.mark();
    for output in ["human", "json"] {
        let told = story
            .wsless(["destroy", "--stage", "calm", "--output", output])
            .exits(64)
            .warns("There is no terminal to ask on")
            .warns("pass `--yes`");
        if output == "json" {
            let last = told.json_lines().pop().expect("an error");
            assert_eq!(last["code"], "cli::no-terminal", "{told}");
        }
    }
    story.edit("ping = { handler = \"ping\", via = \"direct\" }\n", "");
    let _ = story
        .wsless(["deploy", "--stage", "calm"])
        .exits(64)
        .says("- route/ping")
        .warns("pass `--yes`");
    story.cloud.recorder.mutations_since(mark).assert_none();
    super::assert_same_shape(&story.shape("calm"), &story.undisturbed);
}
