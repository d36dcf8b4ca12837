use std::sync::Arc;

use serde_json::{Value, json};

use super::{REGION, call, cloud, done, last_minute, refused};
use crate::{clock::Millis, cloud::Cloud};

const TOPIC: &str = "arn:aws:sns:eu-west-1:000000000000:topic";

fn alarm(name: &str) -> Value {
    json!({
        "AlarmName": name,
        "Namespace": "shop",
        "MetricName": "errors",
        "Dimensions": [{"Name": "Stage", "Value": "dev"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    })
}

async fn describe(cloud: &Arc<Cloud>, name: &str) -> Value {
    let answer = done(cloud, "DescribeAlarms", json!({"AlarmNames": [name]})).await;
    answer["MetricAlarms"][0].clone()
}

fn write(cloud: &Arc<Cloud>, at: Millis, value: f64) {
    cloud
        .region(REGION)
        .unwrap()
        .cloudwatch
        .series("shop", "errors", &[("Stage", "dev")])
        .record(at, value, "Count");
}

fn evaluate(cloud: &Arc<Cloud>, now: Millis) {
    cloud
        .region(REGION)
        .unwrap()
        .cloudwatch
        .evaluate(now, false);
}

#[tokio::test]
async fn a_new_alarm_is_described_as_aws_does() {
    let cloud = cloud();
    done(&cloud, "PutMetricAlarm", alarm("a")).await;
    let mut shown = describe(&cloud, "a").await;
    for name in [
        "AlarmConfigurationUpdatedTimestamp",
        "StateUpdatedTimestamp",
        "StateTransitionedTimestamp",
    ] {
        assert!(shown[name][crate::call::TIMESTAMP].is_i64());
        shown.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        shown,
        json!({
            "AlarmName": "a",
            "AlarmArn": "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:a",
            "ActionsEnabled": true,
            "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
            "StateValue": "INSUFFICIENT_DATA",
            "StateReason": "Unchecked: Initial alarm creation",
            "MetricName": "errors", "Namespace": "shop", "Statistic": "Sum",
            "Dimensions": [{"Name": "Stage", "Value": "dev"}],
            "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        })
    );
}

#[tokio::test]
async fn an_alarm_goes_off_and_is_well_again_and_its_history_says_so() {
    let cloud = cloud();
    let mut input = alarm("a");
    input["TreatMissingData"] = "notBreaching".into();
    input["AlarmActions"] = json!([TOPIC]);
    done(&cloud, "PutMetricAlarm", input).await;
    let minute = last_minute();
    write(&cloud, minute, 3.0);
    let end = Millis(minute.0 + 60_000);
    evaluate(&cloud, end);
    let shown = describe(&cloud, "a").await;
    assert_eq!(shown["StateValue"], "ALARM");
    let reason = shown["StateReason"].as_str().unwrap();
    assert!(
        reason.starts_with("Threshold Crossed: 1 datapoint [3.0 (")
            && reason.ends_with("was greater than or equal to the threshold (1.0)."),
        "{reason}"
    );
    let data: Value = serde_json::from_str(shown["StateReasonData"].as_str().unwrap()).unwrap();
    assert_eq!(data["recentDatapoints"], json!([3.0]));

    write(&cloud, end, 0.0);
    evaluate(&cloud, Millis(end.0 + 60_000));
    assert_eq!(describe(&cloud, "a").await["StateValue"], "OK");

    let history = done(&cloud, "DescribeAlarmHistory", json!({"AlarmName": "a"})).await;
    let summaries: Vec<&str> = history["AlarmHistoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["HistorySummary"].as_str().unwrap())
        .collect();
    assert_eq!(
        summaries,
        [
            "Alarm updated from ALARM to OK",
            &format!("Failed to execute action {TOPIC}"),
            "Alarm updated from INSUFFICIENT_DATA to ALARM",
            "Alarm \"a\" created",
        ]
    );
    let item = done(
        &cloud,
        "DescribeAlarmHistory",
        json!({"AlarmName": "a", "HistoryItemType": "StateUpdate", "MaxRecords": 1}),
    )
    .await;
    assert!(item["NextToken"].is_string());
    let made = done(
        &cloud,
        "DescribeAlarmHistory",
        json!({"AlarmName": "a", "HistoryItemType": "ConfigurationUpdate"}),
    )
    .await;
    let made: Value = serde_json::from_str(
        made["AlarmHistoryItems"][0]["HistoryData"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    let made = &made["createdAlarm"];
    assert_eq!(made["alarmName"], "a");
    assert_eq!(made["okactions"], json!([]));
    assert_eq!(made["dimensions"][0]["name"], "Stage");
    assert!(
        made["stateUpdatedTimestamp"]
            .as_str()
            .unwrap()
            .ends_with("+0000")
    );
    let data: Value = serde_json::from_str(
        item["AlarmHistoryItems"][0]["HistoryData"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(data["oldState"]["stateValue"], "ALARM");
    assert_eq!(data["newState"]["stateReasonData"]["threshold"], 1.0);
}

#[tokio::test]
async fn an_alarm_that_gets_nothing_follows_what_missing_values_mean() {
    let cloud = cloud();
    for (treat, expected) in [
        (None, "INSUFFICIENT_DATA"),
        (Some("missing"), "INSUFFICIENT_DATA"),
        (Some("ignore"), "INSUFFICIENT_DATA"),
        (Some("breaching"), "ALARM"),
        (Some("notBreaching"), "OK"),
    ] {
        let mut input = alarm("a");
        input["TreatMissingData"] = treat.into();
        done(&cloud, "DeleteAlarms", json!({"AlarmNames": ["a"]})).await;
        done(&cloud, "PutMetricAlarm", input).await;
        evaluate(&cloud, last_minute());
        assert_eq!(
            describe(&cloud, "a").await["StateValue"],
            expected,
            "{treat:?}"
        );
    }
}

#[tokio::test]
async fn percentiles_and_metric_math_are_evaluated_too() {
    let cloud = cloud();
    let minute = last_minute();
    for value in 1..=100 {
        write(&cloud, minute, f64::from(value));
    }
    let mut percentile = alarm("percentile");
    percentile["Statistic"] = Value::Null;
    percentile["ExtendedStatistic"] = "p90".into();
    percentile["Threshold"] = 89.into();
    done(&cloud, "PutMetricAlarm", percentile.clone()).await;
    percentile["AlarmName"] = "higher".into();
    percentile["Threshold"] = 92.into();
    done(&cloud, "PutMetricAlarm", percentile).await;
    let metric = json!({"Namespace": "shop", "MetricName": "errors",
                        "Dimensions": [{"Name": "Stage", "Value": "dev"}]});
    let mut math = json!([
        {"Id": "sum", "ReturnData": "false", "MetricStat": {"Metric": metric, "Period": "60", "Stat": "Sum"}},
        {"Id": "count", "ReturnData": false, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "SampleCount"}},
        {"Id": "mean", "Expression": "sum / count", "Label": "mean"},
    ]);
    done(
        &cloud,
        "PutMetricAlarm",
        json!({"AlarmName": "math", "Metrics": math, "EvaluationPeriods": 1, "Threshold": 50,
               "ComparisonOperator": "GreaterThanThreshold"}),
    )
    .await;
    evaluate(&cloud, Millis(minute.0 + 60_000));
    assert_eq!(describe(&cloud, "percentile").await["StateValue"], "ALARM");
    assert_eq!(describe(&cloud, "higher").await["StateValue"], "OK");
    let shown = describe(&cloud, "math").await;
    assert_eq!(shown["StateValue"], "ALARM");
    // What the query protocol sent as texts is what it means.
    math[0]["ReturnData"] = false.into();
    math[0]["MetricStat"]["Period"] = 60.into();
    math[2]["ReturnData"] = true.into();
    assert_eq!(shown["Metrics"], math);
}

#[tokio::test]
async fn an_alarm_with_short_periods_is_evaluated_between_minutes() {
    let cloud = cloud();
    let mut fast = alarm("fast");
    fast["Period"] = 10.into();
    done(&cloud, "PutMetricAlarm", fast).await;
    done(&cloud, "PutMetricAlarm", alarm("slow")).await;
    let minute = last_minute();
    write(&cloud, minute, 5.0);
    evaluate(&cloud, Millis(minute.0 + 10_000));
    assert_eq!(describe(&cloud, "fast").await["StateValue"], "ALARM");
    assert_eq!(
        describe(&cloud, "slow").await["StateValue"],
        "INSUFFICIENT_DATA"
    );
}

#[tokio::test]
async fn a_change_keeps_the_state_and_ignores_tags() {
    let cloud = cloud();
    let mut input = alarm("a");
    input["Tags"] = json!([{"Key": "stage", "Value": "dev"}]);
    done(&cloud, "PutMetricAlarm", input.clone()).await;
    done(
        &cloud,
        "SetAlarmState",
        json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "testing"}),
    )
    .await;
    input["Threshold"] = "7.5".into();
    input["Tags"] = json!([{"Key": "other", "Value": "x"}]);
    done(&cloud, "PutMetricAlarm", input).await;
    let shown = describe(&cloud, "a").await;
    assert_eq!(shown["StateValue"], "ALARM");
    assert_eq!(shown["StateReason"], "testing");
    assert_eq!(shown["Threshold"], 7.5);
    let arn = shown["AlarmArn"].clone();
    let tags = done(&cloud, "ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "stage", "Value": "dev"}]));
    done(
        &cloud,
        "TagResource",
        json!({"ResourceARN": arn, "Tags": [{"Key": "b", "Value": "2"}]}),
    )
    .await;
    done(
        &cloud,
        "UntagResource",
        json!({"ResourceARN": arn, "TagKeys": ["stage"]}),
    )
    .await;
    let tags = done(&cloud, "ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "b", "Value": "2"}]));
    done(&cloud, "DeleteAlarms", json!({"AlarmNames": ["none", "a"]})).await;
    let tags = done(&cloud, "ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(tags["Tags"], json!([]));
    let error = refused(
        &cloud,
        "TagResource",
        json!({"ResourceARN": arn, "Tags": [{"Key": "b", "Value": "2"}]}),
    )
    .await;
    assert_eq!(error.code, "ResourceNotFoundException");
    assert_eq!(error.status, 404);
}

#[tokio::test]
async fn an_alarm_that_breaks_a_rule_is_refused() {
    let cloud = cloud();
    let with = |name: &str, value: Value| {
        let mut input = alarm("a");
        input[name] = value;
        input
    };
    let mut math = alarm("a");
    math["Metrics"] = json!([{"Id": "e", "Expression": "1"}]);
    for (input, part) in [
        (with("AlarmName", Value::Null), "alarmName"),
        (with("AlarmName", "x".repeat(256).into()), "255"),
        (with("Period", 45.into()), "Period"),
        (with("Period", 5.into()), "Period"),
        (with("Period", Value::Null), "Period"),
        (with("EvaluationPeriods", 0.into()), "evaluationPeriods"),
        (
            with("EvaluationPeriods", 1441.into()),
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).",
        ),
        (with("DatapointsToAlarm", 2.into()), "DatapointsToAlarm"),
        (with("ExtendedStatistic", "p99".into()), "exclusive"),
        (with("Statistic", Value::Null), "Statistic"),
        (with("Statistic", "Median".into()), "enum value set"),
        (
            with("ComparisonOperator", "Above".into()),
            "comparisonOperator",
        ),
        (
            with("ComparisonOperator", "LessThanLowerThreshold".into()),
            "anomaly",
        ),
        (
            with("TreatMissingData", "whatever".into()),
            "TreatMissingData",
        ),
        (with("Threshold", Value::Null), "Threshold"),
        (with("Unit", "Bananas".into()), "unit"),
        (
            with(
                "AlarmActions",
                json!([TOPIC, TOPIC, TOPIC, TOPIC, TOPIC, TOPIC]),
            ),
            "alarmActions",
        ),
        (with("AlarmActions", json!(["topic"])), "arn"),
        (with("EvaluationCriteria", json!({})), "EvaluationCriteria"),
        (math, "exclusive"),
    ] {
        let error = refused(&cloud, "PutMetricAlarm", input).await;
        assert_eq!(error.status, 400);
        assert!(error.message.contains(part), "{error}");
    }
    let mut long = alarm("week");
    long["Period"] = 3600.into();
    long["EvaluationPeriods"] = 168.into();
    done(&cloud, "PutMetricAlarm", long).await;
    let error = refused(&cloud, "PutCompositeAlarm", json!({"AlarmName": "c"})).await;
    assert_eq!(error.query_code, Some("ValidationError"));
}

#[tokio::test]
async fn alarms_are_found_by_prefix_state_action_and_metric_in_pages() {
    let cloud = cloud();
    for name in ["shop-a", "shop-b", "shop-c", "other"] {
        let mut input = alarm(name);
        if name == "shop-b" {
            input["OKActions"] = json!([TOPIC]);
            input["Unit"] = "Count".into();
        }
        done(&cloud, "PutMetricAlarm", input).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        answer["MetricAlarms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alarm| alarm["AlarmName"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = done(
        &cloud,
        "DescribeAlarms",
        json!({"AlarmNamePrefix": "shop-", "MaxRecords": 2}),
    )
    .await;
    assert_eq!(names(&first), ["shop-a", "shop-b"]);
    let second = done(
        &cloud,
        "DescribeAlarms",
        json!({"AlarmNamePrefix": "shop-", "MaxRecords": 2, "NextToken": first["NextToken"]}),
    )
    .await;
    assert_eq!(names(&second), ["shop-c"]);
    assert!(second.get("NextToken").is_none());
    for (input, expected) in [
        (json!({"StateValue": "OK"}), 0),
        (json!({"StateValue": "INSUFFICIENT_DATA"}), 4),
        (json!({"ActionPrefix": "arn:aws:sns:"}), 1),
        (json!({"AlarmTypes": ["CompositeAlarm"]}), 0),
        (json!({"AlarmTypes": ["CompositeAlarm", "MetricAlarm"]}), 4),
    ] {
        assert_eq!(
            names(&done(&cloud, "DescribeAlarms", input).await).len(),
            expected
        );
    }
    let metric = json!({"Namespace": "shop", "MetricName": "errors",
                        "Dimensions": [{"Name": "Stage", "Value": "dev"}], "Unit": "Count"});
    assert_eq!(
        names(&done(&cloud, "DescribeAlarmsForMetric", metric).await),
        ["shop-b"]
    );
    let error = refused(&cloud, "DescribeAlarms", json!({"NextToken": "?"})).await;
    assert_eq!(error.code, "InvalidNextToken");
}

#[tokio::test]
async fn a_state_is_set_only_on_an_alarm_that_is_there() {
    let cloud = cloud();
    done(&cloud, "PutMetricAlarm", alarm("a")).await;
    let set = |name: &str, state: &str, data: Value| json!({"AlarmName": name, "StateValue": state, "StateReason": "testing", "StateReasonData": data});
    let error = refused(&cloud, "SetAlarmState", set("none", "OK", Value::Null)).await;
    assert_eq!((error.status.as_u16(), error.message.as_str()), (404, ""));
    assert_eq!(error.code, "ResourceNotFound");
    let error = refused(&cloud, "SetAlarmState", set("a", "INVALID", Value::Null)).await;
    assert_eq!(
        error.message,
        "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: Member must \
         satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
    );
    let error = refused(&cloud, "SetAlarmState", set("a", "OK", "no json".into())).await;
    assert_eq!(error.query_code, Some("InvalidFormat"));
    done(&cloud, "DisableAlarmActions", json!({"AlarmNames": ["a"]})).await;
    assert_eq!(describe(&cloud, "a").await["ActionsEnabled"], false);
    done(
        &cloud,
        "EnableAlarmActions",
        json!({"AlarmNames": ["a", "none"]}),
    )
    .await;
    assert_eq!(describe(&cloud, "a").await["ActionsEnabled"], true);
    assert!(
        call(&cloud, "DisableAlarmActions", json!({}))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_is_kept_comes_back() {
    let cloud = cloud();
    done(&cloud, "PutMetricAlarm", alarm("a")).await;
    done(
        &cloud,
        "SetAlarmState",
        json!({"AlarmName": "a", "StateValue": "ALARM", "StateReason": "testing"}),
    )
    .await;
    let kept = cloud.region(REGION).unwrap().cloudwatch.keep();
    let other = super::cloud();
    other
        .region(REGION)
        .unwrap()
        .cloudwatch
        .restore(kept)
        .unwrap();
    assert_eq!(describe(&other, "a").await, describe(&cloud, "a").await);
    let history = done(&other, "DescribeAlarmHistory", json!({})).await;
    assert_eq!(history["AlarmHistoryItems"].as_array().unwrap().len(), 2);
}

async fn sqs(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Value {
    let mut call = super::a_call(cloud, operation, &input);
    call.service = crate::call::Service::Sqs;
    match crate::cloud::perform(&call).await.unwrap().payload {
        crate::call::Payload::Members(members) => members,
        other => panic!("{other:?} instead of members"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_in_a_queue_sets_off_its_alarm_with_nobody_asking() {
    let cloud = cloud();
    let queue = sqs(&cloud, "CreateQueue", json!({"QueueName": "dead"})).await;
    done(
        &cloud,
        "PutMetricAlarm",
        json!({"AlarmName": "dead", "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible",
               "Dimensions": [{"Name": "QueueName", "Value": "dead"}], "Statistic": "Maximum", "Period": 10,
               "EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold",
               "TreatMissingData": "notBreaching"}),
    )
    .await;
    sqs(
        &cloud,
        "SendMessage",
        json!({"QueueUrl": queue["QueueUrl"], "MessageBody": "hello"}),
    )
    .await;
    // The clock stands but for those who sleep: each second here, the region's periods pass.
    for _ in 0..1000 {
        if describe(&cloud, "dead").await["StateValue"] == "ALARM" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    panic!("{}", describe(&cloud, "dead").await);
}
