use serde_json::{Value, json};

use super::{REGION, at, aws_cloud, cloud, done, last_minute, refused};

fn stat(id: &str, metric: &str, stat: &str, period: i64) -> Value {
    json!({"Id": id, "MetricStat": {
        "Metric": {"Namespace": "shop", "MetricName": metric, "Dimensions": []},
        "Period": period, "Stat": stat,
    }})
}

#[tokio::test]
async fn values_come_back_as_statistics_whatever_form_they_were_sent_in() {
    let cloud = cloud();
    let minute = last_minute();
    let time = json!(minute.seconds());
    done(
        &cloud,
        "PutMetricData",
        json!({"Namespace": "shop", "MetricData": [
            {"MetricName": "orders", "Value": 1, "Unit": "Count", "Timestamp": time},
            {"MetricName": "orders", "Values": [2, "10"], "Counts": ["1", 2], "Unit": "Count", "Timestamp": minute.iso()},
            {"MetricName": "orders", "Unit": "Count", "Timestamp": time,
             "StatisticValues": {"SampleCount": 2, "Sum": 7, "Minimum": 3, "Maximum": 4}},
        ]}),
    )
    .await;
    let answer = done(
        &cloud,
        "GetMetricStatistics",
        json!({"Namespace": "shop", "MetricName": "orders", "StartTime": time,
               "EndTime": minute.seconds() + 60.0, "Period": "60",
               "Statistics": ["SampleCount", "Sum", "Minimum", "Maximum", "Average"]}),
    )
    .await;
    assert_eq!(answer["Label"], "orders");
    let point = &answer["Datapoints"][0];
    assert_eq!(at(&point["Timestamp"]), minute.0);
    assert_eq!(point["SampleCount"], 6.0);
    assert_eq!(point["Sum"], 30.0);
    assert_eq!(point["Minimum"], 1.0);
    assert_eq!(point["Maximum"], 10.0);
    assert_eq!(point["Average"], 5.0);
    assert_eq!(point["Unit"], "Count");
}

#[tokio::test]
async fn data_that_breaks_a_rule_is_refused_whole() {
    let cloud = cloud();
    let now = crate::clock::Millis::now().seconds();
    for (datum, code, message) in [
        (
            json!({"Value": 1, "Values": [1]}),
            "InvalidParameterCombination",
            "The parameters MetricData.member.2.Value and MetricData.member.2.Values are mutually exclusive and you \
             have specified both.",
        ),
        (
            json!({"Values": [1, 2], "Counts": [1]}),
            "InvalidParameterValue",
            "The parameters MetricData.member.2.Values and MetricData.member.2.Counts must be of the same size.",
        ),
        (
            json!({"Value": 1, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}}),
            "InvalidParameterCombination",
            "The parameters MetricData.member.2.Value and MetricData.member.2.StatisticValues are mutually exclusive \
             and you have specified both.",
        ),
        (
            json!({"Value": "NaN"}),
            "InvalidParameterValue",
            "The value NaN for parameter MetricData.member.2.Value is invalid.",
        ),
        (
            json!({"Value": 1, "Timestamp": now - 15.0 * 86400.0}),
            "InvalidParameterValue",
            "The parameter MetricData.member.2.Timestamp must specify a time no more than two weeks in the past.",
        ),
        (
            json!({"Value": 1, "Timestamp": now + 3.0 * 3600.0}),
            "InvalidParameterValue",
            "The parameter MetricData.member.2.Timestamp must specify a time no more than two hours in the future.",
        ),
        (
            json!({"Value": 1, "StorageResolution": 5}),
            "InvalidParameterValue",
            "The value 5 for parameter MetricData.member.2.StorageResolution is invalid.",
        ),
        (
            json!({"Value": 1, "Unit": "Bananas"}),
            "InvalidParameterValue",
            "The value Bananas for parameter MetricData.member.2.Unit is invalid.",
        ),
        (
            json!({}),
            "MissingParameter",
            "The parameter MetricData.member.2.Value is required.",
        ),
    ] {
        let mut wrong = datum;
        wrong["MetricName"] = "orders".into();
        let right = json!({"MetricName": "orders", "Value": 1});
        let error = refused(
            &cloud,
            "PutMetricData",
            json!({"Namespace": "shop", "MetricData": [right, wrong]}),
        )
        .await;
        assert_eq!(
            (error.query_code, error.message.as_str()),
            (Some(code), message)
        );
    }
    let error = refused(
        &cloud,
        "PutMetricData",
        json!({"Namespace": "AWS/SQS", "MetricData": [{"MetricName": "x", "Value": 1}]}),
    )
    .await;
    assert_eq!(
        error.message,
        "The value AWS/SQS for parameter Namespace is invalid."
    );
    let dimensions: Vec<Value> = (0..31)
        .map(|index| json!({"Name": format!("d{index}"), "Value": "x"}))
        .collect();
    let error = refused(
        &cloud,
        "PutMetricData",
        json!({"Namespace": "shop", "MetricData": [{"MetricName": "x", "Value": 1, "Dimensions": dimensions}]}),
    )
    .await;
    assert!(error.message.contains("greater than 30"), "{error}");
    let listed = done(&cloud, "ListMetrics", json!({})).await;
    assert_eq!(listed["Metrics"], json!([]));
}

#[tokio::test]
async fn queries_are_answered_in_order_with_labels_that_tell_them_apart() {
    let cloud = cloud();
    let minute = last_minute();
    let region = cloud.region(REGION).unwrap();
    let series = region.cloudwatch.series("shop", "orders", &[]);
    for value in [1.0, 2.0, 3.0] {
        series.record(minute, value, "Count");
        series.record(
            crate::clock::Millis(minute.0 - 60_000),
            value * 2.0,
            "Count",
        );
    }
    let input = json!({
        "MetricDataQueries": [
            stat("sum", "orders", "Sum", 60),
            stat("most", "orders", "p99", 60),
            {"Id": "ratio", "Expression": "sum / most", "Label": "how many"},
            {"Id": "hidden", "Expression": "sum * 2", "ReturnData": false},
        ],
        "StartTime": minute.seconds() - 60.0,
        "EndTime": minute.seconds() + 60.0,
    });
    let answer = done(&cloud, "GetMetricData", input.clone()).await;
    let results = answer["MetricDataResults"].as_array().unwrap();
    let shown: Vec<(&str, &str, &Value)> = results
        .iter()
        .map(|result| {
            (
                result["Id"].as_str().unwrap(),
                result["Label"].as_str().unwrap(),
                &result["Values"],
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("sum", "orders Sum", &json!([6.0, 12.0])),
            ("most", "orders p99", &json!([3.0, 6.0])),
            ("ratio", "how many", &json!([2.0, 2.0])),
        ]
    );
    assert_eq!(at(&results[0]["Timestamps"][0]), minute.0);
    assert_eq!(results[0]["StatusCode"], "Complete");

    let mut ascending = input;
    ascending["ScanBy"] = "TimestampAscending".into();
    let answer = done(&cloud, "GetMetricData", ascending).await;
    assert_eq!(answer["MetricDataResults"][0]["Values"], json!([12.0, 6.0]));
}

#[tokio::test]
async fn pages_of_datapoints_make_up_the_whole() {
    let cloud = cloud();
    let minute = last_minute();
    let region = cloud.region(REGION).unwrap();
    for (name, count) in [("a", 5), ("b", 4)] {
        let series = region.cloudwatch.series("shop", name, &[]);
        for back in 0..count {
            let at = crate::clock::Millis(minute.0 - back * 60_000);
            series.record(at, f64::from(i32::try_from(back).unwrap()), "Count");
        }
    }
    let mut found = [Vec::new(), Vec::new()];
    let mut token = Value::Null;
    let mut pages = 0;
    loop {
        let answer = done(
            &cloud,
            "GetMetricData",
            json!({"MetricDataQueries": [stat("a", "a", "Sum", 60), stat("b", "b", "Sum", 60)],
                   "StartTime": minute.seconds() - 3600.0, "EndTime": minute.seconds() + 60.0,
                   "MaxDatapoints": 2, "NextToken": token}),
        )
        .await;
        for (found, result) in found
            .iter_mut()
            .zip(answer["MetricDataResults"].as_array().unwrap())
        {
            found.extend(result["Values"].as_array().unwrap().clone());
        }
        pages += 1;
        token = answer["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(pages, 5);
    assert_eq!(
        json!(found),
        json!([[0., 1., 2., 3., 4.], [0., 1., 2., 3.]])
    );
    let error = refused(
        &cloud,
        "GetMetricData",
        json!({"MetricDataQueries": [stat("a", "a", "Sum", 60)], "StartTime": 0, "EndTime": 60, "NextToken": "x"}),
    )
    .await;
    assert_eq!(error.code, "InvalidNextToken");
}

#[tokio::test]
async fn a_wrong_query_is_refused_with_its_reason() {
    let cloud = cloud();
    let query = |query: Value| json!({"MetricDataQueries": [query], "StartTime": 0, "EndTime": 60});
    for (input, part) in [
        (query(stat("A", "m", "Sum", 60)), "expected pattern"),
        (query(stat("a", "m", "Sum", 45)), "Period"),
        (query(stat("a", "m", "IQM", 60)), "not supported"),
        (
            query(json!({"Id": "e", "Expression": "e + 1"})),
            "refers to itself",
        ),
        (query(json!({"Id": "e", "Expression": "1 + 1"})), "a series"),
        (
            query(json!({"Id": "e", "Expression": "SEARCH('{x}', 'Sum', 60)"})),
            "doesn't have SEARCH",
        ),
        (
            json!({"MetricDataQueries": [stat("a", "m", "Sum", 60)], "StartTime": 60, "EndTime": 60}),
            "StartTime must be less",
        ),
        (
            json!({"MetricDataQueries": [stat("a", "m", "Sum", 60), stat("a", "n", "Sum", 60)],
                   "StartTime": 0, "EndTime": 60}),
            "not unique",
        ),
    ] {
        let error = refused(&cloud, "GetMetricData", input).await;
        assert_eq!(error.query_code, Some("ValidationError"));
        assert!(error.message.contains(part), "{error}");
    }
    let error = refused(
        &cloud,
        "GetMetricStatistics",
        json!({"Namespace": "n", "MetricName": "m", "StartTime": 0, "EndTime": 86400, "Period": 1,
               "Statistics": ["Sum"]}),
    )
    .await;
    assert_eq!(
        error.message,
        "You have requested up to 86400 datapoints, which exceeds the limit of 1440. You may reduce the datapoints \
         requested by increasing Period, or decreasing the time range."
    );
}

#[tokio::test]
async fn of_several_units_the_first_is_given_and_the_others_are_told() {
    let cloud = cloud();
    let minute = last_minute();
    let region = cloud.region(REGION).unwrap();
    let series = region.cloudwatch.series("shop", "orders", &[]);
    series.record(minute, 1.0, "Seconds");
    series.record(minute, 1000.0, "Milliseconds");
    let answer = done(
        &cloud,
        "GetMetricData",
        json!({"MetricDataQueries": [stat("a", "orders", "Sum", 60)],
               "StartTime": minute.seconds(), "EndTime": minute.seconds() + 60.0}),
    )
    .await;
    let result = &answer["MetricDataResults"][0];
    assert_eq!(result["Values"], json!([1000.0]));
    assert_eq!(
        result["Messages"],
        json!([{"Code": "MultipleUnits", "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}])
    );
}

#[tokio::test]
async fn metrics_are_listed_by_what_is_asked_in_pages() {
    let cloud = cloud();
    let region = cloud.region(REGION).unwrap();
    for index in 0..1100 {
        let name = format!("m{index:04}");
        let series = region
            .cloudwatch
            .series("shop", &name, &[("Stage", "prod"), ("Api", "x")]);
        series.record(last_minute(), 1.0, "Count");
    }
    let old = region.cloudwatch.series("old", "m", &[]);
    old.record(
        crate::clock::Millis(last_minute().0 - 4 * 3_600_000),
        1.0,
        "Count",
    );
    // Made, but never written: there is no such metric.
    region.cloudwatch.series("shop", "none", &[]);

    let mut names = Vec::new();
    let mut token = Value::Null;
    loop {
        let answer = done(
            &cloud,
            "ListMetrics",
            json!({"Namespace": "shop", "Dimensions": [{"Name": "Stage", "Value": "prod"}, {"Name": "Api"}],
                   "NextToken": token}),
        )
        .await;
        let page = answer["Metrics"].as_array().unwrap();
        assert!(page.len() <= 500);
        names.extend(page.iter().map(|metric| metric["MetricName"].clone()));
        token = answer["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names.len(), 1100);
    assert!(names.is_sorted_by_key(|name| name.as_str()));

    let of = |input: Value| {
        let cloud = std::sync::Arc::clone(&cloud);
        async move {
            done(&cloud, "ListMetrics", input).await["Metrics"]
                .as_array()
                .unwrap()
                .len()
        }
    };
    assert_eq!(of(json!({"Namespace": "old"})).await, 1);
    assert_eq!(
        of(json!({"Namespace": "old", "RecentlyActive": "PT3H"})).await,
        0
    );
    assert_eq!(
        of(json!({"Dimensions": [{"Name": "Stage", "Value": "dev"}]})).await,
        0
    );
}

#[tokio::test]
async fn as_strict_as_aws_a_standard_metric_has_one_value_a_minute() {
    for (cloud, expected) in [(cloud(), 2), (aws_cloud(), 1)] {
        let minute = last_minute();
        let region = cloud.region(REGION).unwrap();
        let series = region.cloudwatch.series("shop", "orders", &[]);
        series.record(crate::clock::Millis(minute.0 + 15_000), 1.0, "Count");
        series.record(crate::clock::Millis(minute.0 + 35_000), 1.0, "Count");
        let answer = done(
            &cloud,
            "GetMetricData",
            json!({"MetricDataQueries": [stat("a", "orders", "Sum", 10)],
                   "StartTime": minute.seconds(), "EndTime": minute.seconds() + 60.0}),
        )
        .await;
        let values = answer["MetricDataResults"][0]["Values"].as_array().unwrap();
        assert_eq!(values.len(), expected);
    }
}

#[tokio::test]
async fn a_page_reads_a_metrics_last_minutes() {
    let cloud = cloud();
    let region = cloud.region(REGION).unwrap();
    let series = region
        .cloudwatch
        .series("shop", "orders", &[("Stage", "dev")]);
    let now = crate::clock::Millis::now();
    series.record(now, 2.0, "Count");
    series.record(now, 3.0, "Count");
    let curve = region
        .cloudwatch
        .curve("shop", "orders", &[("Stage", "dev")], "Sum", 5, 10);
    assert_eq!(curve.len(), 1);
    assert_eq!(curve[0].at.0, now.0 - now.0.rem_euclid(10_000));
    assert!((curve[0].value - 5.0).abs() < f64::EPSILON);
}
