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
    let ward = Ward::healthy(&cloud);
    logs(&ward);
    alarms(&ward);
    people(&ward);
    unseen(&ward);
}

fn logs(ward: &Ward<'_>) {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&ward.sdk);
    let group = format!("/aws/lambda/{}", ward.name("ping"));
    ward.broken("doctor::log-retention", |_| {
        let delete = logs.delete_retention_policy().log_group_name(&group);
        run(delete.send()).expect("a log that is kept for ever");
    });
    ward.broken("doctor::log-group-missing", |_| {
        let delete = logs.delete_log_group().log_group_name(&group);
        run(delete.send()).expect("no log group");
    });
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

fn alarms(ward: &Ward<'_>) {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&ward.sdk);
    ward.broken("doctor::alarm-missing", |ward| {
        let delete = cloudwatch
            .delete_alarms()
            .alarm_names(ward.name("echo-message-age"));
        run(delete.send()).expect("no alarm");
    });
    ward.broken("doctor::alarm-metric", |ward| {
        let name = ward.name("execution-errors");
        run(async {
            let found = cloudwatch
                .describe_alarms()
                .alarm_names(&name)
                .send()
                .await?;
            let alarm = found.metric_alarms.unwrap_or_default().remove(0);
            // REST's dimension, under which a WebSocket API has no metric.
            let of_rest = Dimension::builder()
                .name("ApiName")
                .value("ward-dev")
                .build();
            cloudwatch
                .put_metric_alarm()
                .alarm_name(&name)
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
    });
    // A threshold is a matter of taste: it's told as a difference.
    ward.broken("doctor::drift", |ward| {
        ward.project.edit(
            "wsless.toml",
            "connect-failures = { threshold = 1000 }",
            "connect-failures = { threshold = 999 }",
        );
    });
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
    let delete = ward.lambda().delete_function_concurrency();
    let _ = run(delete.function_name(ward.name("ping")).send());
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
    ward.mend("doctor::concurrency-zero");
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
