use serde_json::{Value, json};

use super::{ARN, a_call, cloud, done, group, now, put, refused};
use crate::logs::permission;

#[tokio::test]
async fn a_group_is_described_as_aws_does() {
    let cloud = cloud();
    done(
        &cloud,
        "CreateLogGroup",
        json!({"logGroupName": "/aws/lambda/f", "tags": {"env": "testing"}}),
    )
    .await;
    done(
        &cloud,
        "PutRetentionPolicy",
        json!({"logGroupName": "/aws/lambda/f", "retentionInDays": 7}),
    )
    .await;
    let answer = done(&cloud, "DescribeLogGroups", json!({})).await;
    let mut shown = answer["logGroups"][0].clone();
    assert!(shown["creationTime"].as_i64().unwrap() <= now());
    shown.as_object_mut().unwrap().remove("creationTime");
    assert_eq!(
        shown,
        json!({
            "logGroupName": "/aws/lambda/f", "arn": format!("{ARN}/aws/lambda/f:*"),
            "logGroupArn": format!("{ARN}/aws/lambda/f"), "logGroupClass": "STANDARD",
            "metricFilterCount": 0, "storedBytes": 0, "retentionInDays": 7, "deletionProtectionEnabled": false,
        })
    );
    done(
        &cloud,
        "DeleteRetentionPolicy",
        json!({"logGroupName": "/aws/lambda/f"}),
    )
    .await;
    let answer = done(&cloud, "DescribeLogGroups", json!({})).await;
    assert!(answer["logGroups"][0].get("retentionInDays").is_none());
}

#[tokio::test]
async fn groups_are_found_by_prefix_or_pattern_in_pages() {
    let cloud = cloud();
    for index in 0..60 {
        group(&cloud, &format!("shop-{index:02}"), &[]).await;
    }
    group(&cloud, "other/shop", &[]).await;
    let first = done(
        &cloud,
        "DescribeLogGroups",
        json!({"logGroupNamePrefix": "shop"}),
    )
    .await;
    assert_eq!(first["logGroups"].as_array().unwrap().len(), 50);
    let second = done(
        &cloud,
        "DescribeLogGroups",
        json!({"logGroupNamePrefix": "shop", "nextToken": first["nextToken"]}),
    )
    .await;
    assert_eq!(second["logGroups"].as_array().unwrap().len(), 10);
    assert!(second.get("nextToken").is_none());
    let found = done(
        &cloud,
        "DescribeLogGroups",
        json!({"logGroupNamePattern": "/shop"}),
    )
    .await;
    assert_eq!(found["logGroups"][0]["logGroupName"], "other/shop");
    assert!(found["logGroups"][0].get("storedBytes").is_none());
    let error = refused(
        &cloud,
        "DescribeLogGroups",
        json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}),
    )
    .await;
    assert_eq!(
        error.message,
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
    );
    let error = refused(&cloud, "DescribeLogGroups", json!({"nextToken": "?"})).await;
    assert_eq!(error.message, "The specified nextToken is invalid.");
    let error = refused(&cloud, "DescribeLogGroups", json!({"limit": 51})).await;
    assert_eq!(
        error.message,
        "1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less \
         than or equal to 50"
    );
}

#[tokio::test]
async fn names_and_retentions_have_awss_limits() {
    let cloud = cloud();
    for (name, part) in [
        (
            "a b".to_owned(),
            "regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ),
        (String::new(), "length greater than or equal to 1"),
        (
            "x".repeat(513),
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ),
        ("aws/x".to_owned(), "reserved for AWS"),
    ] {
        let error = refused(&cloud, "CreateLogGroup", json!({"logGroupName": name})).await;
        assert_eq!(error.code, "InvalidParameterException");
        assert!(error.message.contains(part), "{error}");
    }
    group(&cloud, "g", &["s"]).await;
    let error = refused(&cloud, "CreateLogGroup", json!({"logGroupName": "g"})).await;
    assert_eq!(error.code, "ResourceAlreadyExistsException");
    assert_eq!(error.message, "The specified log group already exists");
    for days in [0, 2, 8, 3654, -1] {
        let error = refused(
            &cloud,
            "PutRetentionPolicy",
            json!({"logGroupName": "g", "retentionInDays": days}),
        )
        .await;
        assert_eq!(error.code, "InvalidParameterException");
    }
    let error = refused(
        &cloud,
        "CreateLogStream",
        json!({"logGroupName": "g", "logStreamName": "s"}),
    )
    .await;
    assert_eq!(error.message, "The specified log stream already exists");
    let error = refused(
        &cloud,
        "CreateLogStream",
        json!({"logGroupName": "g", "logStreamName": "a:b"}),
    )
    .await;
    assert!(error.message.contains("[^:*]*"), "{error}");
    for (operation, input) in [
        ("DeleteLogGroup", json!({"logGroupName": "none"})),
        (
            "CreateLogStream",
            json!({"logGroupName": "none", "logStreamName": "s"}),
        ),
        ("DescribeLogStreams", json!({"logGroupName": "none"})),
        ("FilterLogEvents", json!({"logGroupName": "none"})),
        (
            "ListTagsForResource",
            json!({"resourceArn": format!("{ARN}none")}),
        ),
        (
            "PutRetentionPolicy",
            json!({"logGroupName": "none", "retentionInDays": 1}),
        ),
    ] {
        let error = refused(&cloud, operation, input).await;
        assert_eq!(
            (error.code.as_ref(), error.message.as_str()),
            (
                "ResourceNotFoundException",
                "The specified log group does not exist."
            ),
            "{operation}"
        );
    }
}

#[tokio::test]
async fn a_protected_group_stays_until_it_isnt_protected() {
    let cloud = cloud();
    done(
        &cloud,
        "CreateLogGroup",
        json!({"logGroupName": "g", "deletionProtectionEnabled": true}),
    )
    .await;
    let error = refused(&cloud, "DeleteLogGroup", json!({"logGroupName": "g"})).await;
    assert_eq!(error.code, "ValidationException");
    done(
        &cloud,
        "PutLogGroupDeletionProtection",
        json!({"logGroupIdentifier": format!("{ARN}g"), "deletionProtectionEnabled": false}),
    )
    .await;
    done(&cloud, "DeleteLogGroup", json!({"logGroupName": "g"})).await;
}

#[tokio::test]
async fn tags_are_the_same_by_name_and_by_arn() {
    let cloud = cloud();
    done(
        &cloud,
        "CreateLogGroup",
        json!({"logGroupName": "g", "tags": {"env": "testing1"}}),
    )
    .await;
    let arn = format!("{ARN}g");
    done(
        &cloud,
        "TagResource",
        json!({"resourceArn": arn, "tags": {"test1": "val1"}}),
    )
    .await;
    done(
        &cloud,
        "TagLogGroup",
        json!({"logGroupName": "g", "tags": {"test2": "val2"}}),
    )
    .await;
    done(
        &cloud,
        "UntagResource",
        json!({"resourceArn": arn, "tagKeys": ["test1"]}),
    )
    .await;
    done(
        &cloud,
        "UntagLogGroup",
        json!({"logGroupName": "g", "tags": ["env"]}),
    )
    .await;
    for (operation, input) in [
        ("ListTagsForResource", json!({"resourceArn": arn})),
        ("ListTagsLogGroup", json!({"logGroupName": "g"})),
    ] {
        let tags = done(&cloud, operation, input).await;
        assert_eq!(tags, json!({"tags": {"test2": "val2"}}));
    }
    let error = refused(
        &cloud,
        "TagResource",
        json!({"resourceArn": format!("{arn}:*"), "tags": {"a": "b"}}),
    )
    .await;
    assert!(error.message.contains("regular expression"), "{error}");
    let error = refused(
        &cloud,
        "TagResource",
        json!({"resourceArn": arn, "tags": {"aws:a": "b"}}),
    )
    .await;
    assert!(error.message.contains("aws:"), "{error}");
    let many: serde_json::Map<String, Value> = (0..50)
        .map(|index| (format!("k{index}"), "v".into()))
        .collect();
    let error = refused(
        &cloud,
        "TagResource",
        json!({"resourceArn": arn, "tags": many}),
    )
    .await;
    assert_eq!(error.code, "TooManyTagsException");
}

#[tokio::test]
async fn streams_are_described_by_name_or_by_their_last_event() {
    let cloud = cloud();
    group(&cloud, "g", &["a", "b", "c", "d"]).await;
    let now = now();
    put(&cloud, "g", "c", &[(now - 10, "1"), (now, "2")]).await;
    put(&cloud, "g", "a", &[(now - 5, "3")]).await;
    let names = |answer: &Value| -> Vec<String> {
        answer["logStreams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stream| stream["logStreamName"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = done(
        &cloud,
        "DescribeLogStreams",
        json!({"logGroupIdentifier": format!("{ARN}g")}),
    )
    .await;
    assert_eq!(names(&all), ["a", "b", "c", "d"]);
    let c = &all["logStreams"][2];
    assert_eq!(c["arn"], format!("{ARN}g:log-stream:c"));
    assert_eq!(c["firstEventTimestamp"], now - 10);
    assert_eq!(c["lastEventTimestamp"], now);
    assert!(c["lastIngestionTime"].as_i64().unwrap() >= now);
    assert!(all["logStreams"][1].get("lastEventTimestamp").is_none());
    let mut found = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = done(
            &cloud,
            "DescribeLogStreams",
            json!({"logGroupName": "g", "orderBy": "LastEventTime", "descending": true, "limit": 1,
                   "nextToken": token}),
        )
        .await;
        found.extend(names(&page));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(found, ["c", "a", "d", "b"]);
    let one = done(
        &cloud,
        "DescribeLogStreams",
        json!({"logGroupName": "g", "logStreamNamePrefix": "b"}),
    )
    .await;
    assert_eq!(names(&one), ["b"]);
    let error = refused(
        &cloud,
        "DescribeLogStreams",
        json!({"logGroupName": "g", "logStreamNamePrefix": "b", "orderBy": "LastEventTime"}),
    )
    .await;
    assert_eq!(error.code, "InvalidParameterException");
    let error = refused(
        &cloud,
        "DescribeLogStreams",
        json!({"logGroupName": "g", "logGroupIdentifier": "g"}),
    )
    .await;
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        (
            "ValidationException",
            "LogGroup name and LogGroup ARN are mutually exclusive parameters."
        )
    );
    done(
        &cloud,
        "DeleteLogStream",
        json!({"logGroupName": "g", "logStreamName": "c"}),
    )
    .await;
    let error = refused(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "c"}),
    )
    .await;
    assert_eq!(error.message, "The specified log stream does not exist.");
}

#[tokio::test]
async fn permissions_are_asked_for_on_awss_arns() {
    let cloud = cloud();
    for (operation, input, resource) in [
        (
            "PutLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s"}),
            format!("{ARN}g:log-stream:s"),
        ),
        (
            "CreateLogGroup",
            json!({"logGroupName": "g"}),
            format!("{ARN}g:log-stream:"),
        ),
        (
            "FilterLogEvents",
            json!({"logGroupIdentifier": format!("{ARN}g")}),
            format!("{ARN}g:log-stream:"),
        ),
        ("DescribeLogGroups", json!({}), format!("{ARN}:log-stream:")),
        (
            "TagResource",
            json!({"resourceArn": format!("{ARN}g")}),
            format!("{ARN}g"),
        ),
        (
            "StartLiveTail",
            json!({"logGroupIdentifiers": [format!("{ARN}g")]}),
            format!("{ARN}g"),
        ),
    ] {
        let permission = permission(&a_call(&cloud, operation, &input));
        assert_eq!(permission.action, format!("logs:{operation}"));
        assert_eq!(permission.resource, resource);
    }
}

#[tokio::test]
async fn what_isnt_there_is_refused_clearly() {
    let cloud = cloud();
    for operation in [
        "StartQuery",
        "GetQueryResults",
        "PutMetricFilter",
        "PutSubscriptionFilter",
        "AssociateKmsKey",
    ] {
        let error = refused(&cloud, operation, json!({})).await;
        assert!(
            error.message.contains("embedded cloud doesn't have"),
            "{error}"
        );
    }
}
