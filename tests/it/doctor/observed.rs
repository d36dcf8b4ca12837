//! Logs and alarms; what people read; what can't be looked at.

use std::time::Duration;

use aws_sdk_cloudwatch::types::Dimension;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ward::{Ward, findings};
use crate::harness::{Cloud, run};

/// How long anything asynchronous may take.
pub const BOUND: Duration = Duration::from_secs(20);

#[test]
fn what_is_wrong_with_logs_and_alarms_is_named_and_nothing_else() {
    let cloud = Cloud::embedded();
    let mut ward = Ward::healthy(&cloud);
    logs_and_alarms(&ward);
    people(&ward);
    unseen(&ward);
    reader(&mut ward);
}

fn logs_and_alarms(ward: &Ward<'_>) {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&ward.sdk);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&ward.sdk);
    let group = |handler| format!("/aws/lambda/{}", ward.name(handler));
    ward.broken(&[
        ("doctor::log-retention", &|_| {
            let delete = logs.delete_retention_policy().log_group_name(group("echo"));
            run(delete.send()).expect("a log that is kept for ever");
        }),
        ("doctor::log-group-missing", &|_| {
            let delete = logs.delete_log_group().log_group_name(group("ping"));
            run(delete.send()).expect("no log group");
        }),
        ("doctor::alarm-missing", &|ward| {
            let delete = cloudwatch
                .delete_alarms()
                .alarm_names(ward.name("echo-message-age"));
            run(delete.send()).expect("no alarm");
        }),
        ("doctor::alarm-metric", &|ward| {
            watch_a_metric_of_rest(&cloudwatch, &ward.name("execution-errors"));
        }),
        // A threshold is a matter of taste: it's told as a difference.
        ("doctor::drift", &|ward| {
            ward.project.edit(
                "wsless.toml",
                "connect-failures = { threshold = 1000 }",
                "connect-failures = { threshold = 999 }",
            );
        }),
    ]);
    // It's the account's: a deployment leaves it alone.
    ward.ill(
        "doctor::logging-role",
        |ward| {
            trust_of_logs(
                ward,
                &json!({
                    "Effect": "Allow",
                    "Principal": { "Service": "apigateway.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                    "Condition": { "StringEquals": { "aws:SourceAccount": "000000000000" } },
                }),
            );
        },
        |ward| {
            trust_of_logs(
                ward,
                &json!({
                    "Effect": "Allow",
                    "Principal": { "Service": "apigateway.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                }),
            );
        },
    );
}

/// Gives an alarm REST's dimension, under which a WebSocket API has no metric.
#[track_caller]
fn watch_a_metric_of_rest(cloudwatch: &aws_sdk_cloudwatch::Client, name: &str) {
    run(async {
        let found = cloudwatch
            .describe_alarms()
            .alarm_names(name)
            .send()
            .await?;
        let alarm = found.metric_alarms.unwrap_or_default().remove(0);
        let of_rest = Dimension::builder()
            .name("ApiName")
            .value("ward-dev")
            .build();
        cloudwatch
            .put_metric_alarm()
            .alarm_name(name)
            .set_alarm_description(alarm.alarm_description)
            .set_namespace(alarm.namespace)
            .set_metric_name(alarm.metric_name)
            .set_statistic(alarm.statistic)
            .set_period(alarm.period)
            .set_evaluation_periods(alarm.evaluation_periods)
            .set_threshold(alarm.threshold)
            .set_comparison_operator(alarm.comparison_operator)
            .set_treat_missing_data(alarm.treat_missing_data)
            .dimensions(of_rest)
            .send()
            .await?;
        Ok::<_, aws_sdk_cloudwatch::Error>(())
    })
    .expect("an alarm on a metric that there isn't");
}

#[track_caller]
fn trust_of_logs(ward: &Ward<'_>, statement: &Value) {
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let update = ward
        .iam()
        .update_assume_role_policy()
        .role_name("wsless-api-gateway-logs")
        .policy_document(document.to_string());
    run(update.send()).expect("another trust");
}

/// What a person is shown: a line a check, and the finding with all its parts.
fn people(ward: &Ward<'_>) {
    let well = ward
        .project
        .wsless(["doctor"])
        .succeeds()
        .says("Nothing is wrong.");
    assert!(
        well.stdout.starts_with("ok        machine      rustc "),
        "{well}"
    );
    let put = ward
        .lambda()
        .put_function_concurrency()
        .function_name(ward.name("ping"))
        .reserved_concurrent_executions(0);
    run(put.send()).expect("a function that is switched off");
    let _ = ward
        .project
        .wsless(["doctor"])
        .exits(1)
        .says("wrong     functions    ")
        .says("error[doctor::concurrency-zero]: ping never runs: each call is throttled\n")
        .says("  cause     its reserved concurrency is 0, which switches a function off\n")
        .says("  mend      run `wsless deploy --stage dev`\n")
        .says("  evidence  reserved_concurrency is 0, should be nothing\n")
        .says("1 thing is wrong.");
    let _ = ward.project.wsless(["deploy", "--yes"]).succeeds();
}

/// One service that refuses to tell doesn't hide the others.
fn unseen(ward: &Ward<'_>) {
    ward.cloud.recorder.fail_next(
        "DescribeAlarms",
        403,
        "AccessDenied",
        "User: x is not authorized to perform: cloudwatch:DescribeAlarms",
    );
    let output = ward.doctor(Timestamp::now(), &[]);
    let found = findings(&output);
    assert_eq!(found.len(), 1, "{output}");
    assert_eq!(found[0]["code"], "doctor::unseen", "{output}");
    assert_eq!(output.code, 0, "{output}");
    let cause = found[0]["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("cloudwatch:DescribeAlarms"), "{cause}");
}

/// Who may do no more than `wsless policy --read-only` says sees everything.
fn reader(ward: &mut Ward<'_>) {
    let policy = ward.project.wsless(["policy", "--read-only"]).succeeds();
    let policy = serde_json::from_str(&policy.stdout).expect("a policy");
    ward.project.take_role(ward.cloud, "reader", &policy);
    ward.is_healthy();
}

/// Whether a handler has logged a line with this text.
pub fn has_logged(ward: &Ward<'_>, handler: &str, text: &str) -> bool {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&ward.sdk);
    let group = format!("/aws/lambda/{}", ward.name(handler));
    let found = run(logs.filter_log_events().log_group_name(group).send());
    let events = found
        .ok()
        .and_then(|found| found.events)
        .unwrap_or_default();
    events
        .iter()
        .any(|event| event.message.as_deref().unwrap_or_default().contains(text))
}
