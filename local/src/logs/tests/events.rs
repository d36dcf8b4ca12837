use serde_json::{Value, json};

use super::{REGION, aws_cloud, call, cloud, done, group, messages, now, put, refused};
use crate::clock::Millis;

const DAY: i64 = 24 * 3_600_000;

#[tokio::test]
async fn events_that_are_too_old_or_too_new_are_rejected_and_the_others_written() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    let now = now();
    let answer = put(
        &cloud,
        "g",
        "s",
        &[
            (now - 15 * DAY, "too old"),
            (now - 1000, "fine"),
            (now, "fine too"),
            (now + 3 * 3_600_000, "too new"),
        ],
    )
    .await;
    assert_eq!(
        answer["rejectedLogEventsInfo"],
        json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3})
    );
    assert!(answer["nextSequenceToken"].is_string());
    let found = done(&cloud, "FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&found), ["fine", "fine too"]);
    done(
        &cloud,
        "PutRetentionPolicy",
        json!({"logGroupName": "g", "retentionInDays": 1}),
    )
    .await;
    let answer = put(&cloud, "g", "s", &[(now - 2 * DAY, "expired")]).await;
    assert_eq!(
        answer["rejectedLogEventsInfo"],
        json!({"expiredLogEventEndIndex": 1})
    );
}

#[tokio::test]
async fn a_batch_that_breaks_a_rule_is_refused() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    let now = now();
    let event = |at: i64, message: &str| json!({"timestamp": at, "message": message});
    let big = "x".repeat(600_000);
    for (events, part) in [
        (
            json!([event(now, "b"), event(now - 1, "a")]),
            "Log events in a single PutLogEvents request must be in chronological order.",
        ),
        (
            json!([event(now - 2 * DAY, "a"), event(now, "b")]),
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
        (
            json!([event(now, &big), event(now, &big)]),
            "Upload too large",
        ),
        (
            json!([event(now, &"x".repeat(1_048_576))]),
            "Log event too large",
        ),
        (json!([event(now, "")]), "logEvents.1.member.message"),
        (json!([event(-1, "a")]), "greater than or equal to 0"),
        (json!([{"message": "a"}]), "timestamp"),
        (json!([]), "greater than or equal to 1"),
        (Value::Null, "null"),
        (json!(vec![event(now, "a"); 10_001]), "10000"),
    ] {
        let error = refused(
            &cloud,
            "PutLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events}),
        )
        .await;
        assert_eq!(error.code, "InvalidParameterException");
        assert!(error.message.contains(part), "{error}");
    }
    let error = refused(
        &cloud,
        "PutLogEvents",
        json!({"logGroupName": "g", "logStreamName": "none", "logEvents": [event(now, "a")]}),
    )
    .await;
    assert_eq!(error.message, "The specified log stream does not exist.");
    assert!(
        messages(&done(&cloud, "FilterLogEvents", json!({"logGroupName": "g"})).await).is_empty()
    );
}

#[tokio::test]
async fn a_stream_is_read_from_its_end_and_in_both_directions() {
    let cloud = cloud();
    group(&cloud, "g", &["s", "other"]).await;
    let now = now();
    let texts: Vec<String> = (0..10).map(|index| index.to_string()).collect();
    let events: Vec<(i64, &str)> = texts
        .iter()
        .zip(0..)
        .map(|(text, index)| (now - 100 + index, text.as_str()))
        .collect();
    put(&cloud, "g", "s", &events).await;
    put(&cloud, "g", "other", &[(now - 95, "not this")]).await;
    let get = |more: Value| {
        let mut input = json!({"logGroupName": "g", "logStreamName": "s", "limit": 4});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        done(&cloud, "GetLogEvents", input)
    };
    let last = get(json!({})).await;
    assert_eq!(messages(&last), ["6", "7", "8", "9"]);
    let middle = get(json!({"nextToken": last["nextBackwardToken"]})).await;
    assert_eq!(messages(&middle), ["2", "3", "4", "5"]);
    let first = get(json!({"nextToken": middle["nextBackwardToken"]})).await;
    assert_eq!(messages(&first), ["0", "1"]);
    let none = get(json!({"nextToken": first["nextBackwardToken"]})).await;
    assert!(messages(&none).is_empty());
    assert_eq!(none["nextBackwardToken"], first["nextBackwardToken"]);
    let again = get(json!({"nextToken": none["nextForwardToken"]})).await;
    assert_eq!(messages(&again), ["0", "1", "2", "3"]);

    let end = get(json!({"nextToken": last["nextForwardToken"]})).await;
    assert!(messages(&end).is_empty());
    assert_eq!(end["nextForwardToken"], last["nextForwardToken"]);
    put(&cloud, "g", "s", &[(now, "new")]).await;
    let new = get(json!({"nextToken": end["nextForwardToken"]})).await;
    assert_eq!(messages(&new), ["new"]);

    let head = get(json!({"startFromHead": true})).await;
    assert_eq!(messages(&head), ["0", "1", "2", "3"]);
    // The end is exclusive here.
    let range = get(json!({"startTime": now - 99, "endTime": now - 97})).await;
    assert_eq!(messages(&range), ["1", "2"]);
    for token in ["x", "f/1/s", "f/x", "", &"f/".repeat(40)] {
        let error = refused(
            &cloud,
            "GetLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s", "nextToken": token}),
        )
        .await;
        assert_eq!(error.message, "The specified nextToken is invalid.");
    }
    let error = refused(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s", "limit": 10001}),
    )
    .await;
    assert_eq!(
        error.message,
        "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less \
         than or equal to 10000"
    );
}

#[tokio::test]
async fn an_empty_stream_is_followed_from_its_first_event() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    let empty = done(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true}),
    )
    .await;
    put(&cloud, "g", "s", &[(now(), "first")]).await;
    let next = done(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true,
               "nextToken": empty["nextForwardToken"]}),
    )
    .await;
    assert_eq!(messages(&next), ["first"]);
}

#[tokio::test]
async fn streams_are_searched_together_in_the_order_of_time() {
    let cloud = cloud();
    group(&cloud, "g", &["a", "b", "x"]).await;
    let now = now();
    put(
        &cloud,
        "g",
        "a",
        &[(now - 30, "a1 ERROR"), (now - 10, "a2")],
    )
    .await;
    put(&cloud, "g", "b", &[(now - 20, "b1"), (now - 5, "b2 ERROR")]).await;
    put(&cloud, "g", "x", &[(now - 15, "x1 ERROR")]).await;
    let filter = |more: Value| {
        let mut input = json!({"logGroupName": "g"});
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        done(&cloud, "FilterLogEvents", input)
    };
    let all = filter(json!({})).await;
    assert_eq!(
        messages(&all),
        ["a1 ERROR", "b1", "x1 ERROR", "a2", "b2 ERROR"]
    );
    assert_eq!(all["searchedLogStreams"], json!([]));
    let event = &all["events"][0];
    assert_eq!(event["logStreamName"], "a");
    assert_eq!(event["timestamp"], now - 30);
    assert_eq!(event["eventId"].as_str().unwrap().len(), 56);
    let again = filter(json!({})).await;
    assert_eq!(all["events"], again["events"]);

    for (input, expected) in [
        (
            json!({"filterPattern": "ERROR"}),
            vec!["a1 ERROR", "x1 ERROR", "b2 ERROR"],
        ),
        (
            json!({"logStreamNames": ["a", "x"]}),
            vec!["a1 ERROR", "x1 ERROR", "a2"],
        ),
        (json!({"logStreamNamePrefix": "b"}), vec!["b1", "b2 ERROR"]),
        // The end is inclusive here.
        (
            json!({"startTime": now - 20, "endTime": now - 10}),
            vec!["b1", "x1 ERROR", "a2"],
        ),
        (
            json!({"startTime": now - 20, "startFromHead": false, "limit": 2}),
            vec!["b2 ERROR", "a2"],
        ),
    ] {
        let found = filter(input.clone()).await;
        assert_eq!(messages(&found), expected, "{input}");
    }
    let error = refused(
        &cloud,
        "FilterLogEvents",
        json!({"logGroupName": "g", "logStreamNames": ["a"], "logStreamNamePrefix": "b"}),
    )
    .await;
    assert_eq!(error.code, "InvalidParameterException");
    let error = refused(
        &cloud,
        "FilterLogEvents",
        json!({"logGroupName": "g", "filterPattern": "a-b"}),
    )
    .await;
    assert_eq!(error.message, "Invalid character(s) in term 'a-b'");
}

/// All events of a search, and how many pages it took.
async fn pages(
    cloud: &std::sync::Arc<crate::cloud::Cloud>,
    mut input: Value,
) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    for count in 1.. {
        let page = done(cloud, "FilterLogEvents", input.clone()).await;
        found.extend(messages(&page).into_iter().map(str::to_owned));
        if page.get("nextToken").is_none() {
            return (found, count);
        }
        input["nextToken"] = page["nextToken"].clone();
    }
    unreachable!()
}

#[tokio::test]
async fn pages_are_cut_by_limit_and_size_and_nothing_is_lost_between_them() {
    let cloud = cloud();
    group(&cloud, "g", &["a", "b"]).await;
    let region = cloud.region(REGION).unwrap();
    let now = now();
    // Many with the same time: a page's end falls among them.
    for stream in ["a", "b"] {
        let events = (0..6000)
            .map(|index| (Millis(now - 10 + index / 1000), format!("{stream}{index}")))
            .collect();
        region.logs.put(&region, "g", stream, events).unwrap();
    }
    let (all, count) = pages(&cloud, json!({"logGroupName": "g"})).await;
    assert_eq!((all.len(), count), (12_000, 2));
    let (some, count) = pages(
        &cloud,
        json!({"logGroupName": "g", "limit": 7, "filterPattern": "a5", "startTime": now - 10}),
    )
    .await;
    assert_eq!((some.len(), count), (1111, 159));
    let (backward, _) = pages(
        &cloud,
        json!({"logGroupName": "g", "limit": 700, "startFromHead": false, "startTime": now - 10}),
    )
    .await;
    let mut reversed = all.clone();
    reversed.reverse();
    assert_eq!(backward, reversed);

    let big = vec![(Millis(now), "y".repeat(400_000)); 5];
    region.logs.put(&region, "g", "a", big).unwrap();
    let (big, count) = pages(&cloud, json!({"logGroupName": "g", "filterPattern": "yyy"})).await;
    assert_eq!((big.len(), count), (5, 3));
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    group(&cloud, "h", &["s"]).await;
    put(&cloud, "g", "s", &[(now(), "1"), (now(), "2")]).await;
    let page = done(
        &cloud,
        "FilterLogEvents",
        json!({"logGroupName": "g", "limit": 1}),
    )
    .await;
    for (group, token) in [("g", json!("nonsense")), ("h", page["nextToken"].clone())] {
        let error = refused(
            &cloud,
            "FilterLogEvents",
            json!({"logGroupName": group, "nextToken": token}),
        )
        .await;
        assert_eq!(error.message, "The specified nextToken is invalid.");
    }
}

#[tokio::test]
async fn as_strict_as_aws_pages_may_be_empty_and_go_on() {
    let cloud = aws_cloud(0.0);
    group(&cloud, "g", &["s"]).await;
    let region = cloud.region(REGION).unwrap();
    let now = now();
    let events = (0..2500)
        .map(|index| {
            let text = if index == 2400 { "found" } else { "other" };
            (Millis(now - 2500 + index), text.to_owned())
        })
        .collect();
    region.logs.put(&region, "g", "s", events).unwrap();
    let first = done(
        &cloud,
        "FilterLogEvents",
        json!({"logGroupName": "g", "filterPattern": "found"}),
    )
    .await;
    assert!(messages(&first).is_empty() && first["nextToken"].is_string());
    let (found, count) = pages(
        &cloud,
        json!({"logGroupName": "g", "filterPattern": "found"}),
    )
    .await;
    assert_eq!((found.len(), count), (1, 4));
    for (start, is_empty) in [(now / 2 * 2 - 3000, false), (now / 2 * 2 - 2999, true)] {
        let input = json!({"logGroupName": "g", "startTime": start});
        let first = done(&cloud, "FilterLogEvents", input).await;
        assert_eq!(messages(&first).is_empty(), is_empty, "{start}");
        assert!(first["nextToken"].is_string());
    }
}

#[tokio::test]
async fn as_slow_as_aws_an_event_cant_be_read_at_once() {
    let cloud = aws_cloud(1.0);
    group(&cloud, "g", &["s"]).await;
    let now = now();
    put(&cloud, "g", "s", &[(now, "new")]).await;
    let input = json!({"logGroupName": "g", "startTime": now - 10});
    let found = done(&cloud, "FilterLogEvents", input).await;
    assert!(messages(&found).is_empty());
    let got = done(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s"}),
    )
    .await;
    assert!(messages(&got).is_empty());
    let region = cloud.region(REGION).unwrap();
    let stored = region.logs.store().group("g").unwrap();
    let earlier = Millis(now - 6000);
    stored
        .write("s", vec![(Millis(now), "older".to_owned())], 1000, earlier)
        .unwrap();
    let got = done(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s"}),
    )
    .await;
    assert_eq!(messages(&got), ["older"]);
}

#[tokio::test]
async fn a_retention_hides_what_is_older() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    let now = now();
    put(&cloud, "g", "s", &[(now - 2 * DAY, "old")]).await;
    put(&cloud, "g", "s", &[(now, "new")]).await;
    done(
        &cloud,
        "PutRetentionPolicy",
        json!({"logGroupName": "g", "retentionInDays": 1}),
    )
    .await;
    let found = done(&cloud, "FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&found), ["new"]);
    let got = done(
        &cloud,
        "GetLogEvents",
        json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true}),
    )
    .await;
    assert_eq!(messages(&got), ["new"]);
    // The next write drops it for good.
    put(&cloud, "g", "s", &[(now, "newer")]).await;
    done(
        &cloud,
        "DeleteRetentionPolicy",
        json!({"logGroupName": "g"}),
    )
    .await;
    let found = done(&cloud, "FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&found), ["new", "newer"]);
}

#[tokio::test]
async fn a_group_that_is_full_loses_its_oldest_events() {
    let cloud = cloud();
    group(&cloud, "g", &["a", "b"]).await;
    let region = cloud.region(REGION).unwrap();
    let now = now();
    // 80 MB in two streams by turns.
    for index in 0..80 {
        let stream = if index % 2 == 0 { "a" } else { "b" };
        let message = format!("{index:02} {}", "x".repeat(1 << 20));
        let at = Millis(now - 1000 + index);
        region
            .logs
            .put(&region, "g", stream, vec![(at, message)])
            .unwrap();
    }
    let stored = region.logs.store().group("g").unwrap().stored();
    assert!((60 << 20..=64 << 20).contains(&stored), "{stored}");
    let oldest = done(
        &cloud,
        "FilterLogEvents",
        json!({"logGroupName": "g", "limit": 2}),
    )
    .await;
    let numbers: Vec<u32> = messages(&oldest)
        .iter()
        .map(|message| message[..2].parse().unwrap())
        .collect();
    assert!(numbers[0] > 14 && numbers.is_sorted(), "{numbers:?}");
}

#[tokio::test]
async fn lines_of_the_embedded_metric_format_become_metrics() {
    let cloud = cloud();
    group(&cloud, "g", &["s"]).await;
    let region = cloud.region(REGION).unwrap();
    let now = Millis::now();
    let line = json!({
        "_aws": {"Timestamp": now.0, "CloudWatchMetrics": [
            {"Namespace": "shop", "Dimensions": [["Stage"]], "Metrics": [{"Name": "Orders", "Unit": "Count"}]}]},
        "Stage": "dev", "Orders": [1, 2],
    });
    region
        .logs
        .put(
            &region,
            "g",
            "s",
            vec![
                (now, line.to_string()),
                (now, line.to_string()),
                (now, "{\"_aws\": broken".to_owned()),
                (now, "{\"_aws\": {}}".to_owned()),
                (now, "START".to_owned()),
            ],
        )
        .unwrap();
    let sum = |namespace: &str, metric: &str, dimensions: &[(&str, &str)]| -> f64 {
        region
            .cloudwatch
            .curve(namespace, metric, dimensions, "Sum", 5, 60)
            .iter()
            .map(|tick| tick.value)
            .sum()
    };
    let group = [("LogGroupName", "g")];
    assert!((sum("shop", "Orders", &[("Stage", "dev")]) - 6.0).abs() < 1e-9);
    assert!((sum("AWS/Logs", "EMFParsingErrors", &group) - 1.0).abs() < 1e-9);
    assert!((sum("AWS/Logs", "EMFValidationErrors", &group) - 1.0).abs() < 1e-9);
    // A function may try to write where there is no stream: nothing is measured then.
    let missing = region
        .logs
        .put(&region, "g", "none", vec![(now, line.to_string())]);
    assert!(missing.is_err());
    assert!((sum("shop", "Orders", &[("Stage", "dev")]) - 6.0).abs() < 1e-9);
}

#[tokio::test]
async fn what_is_kept_comes_back() {
    let cloud = cloud();
    group(&cloud, "g", &["s", "empty"]).await;
    let now = now();
    put(&cloud, "g", "s", &[(now, "1"), (now, "2")]).await;
    done(
        &cloud,
        "PutRetentionPolicy",
        json!({"logGroupName": "g", "retentionInDays": 5}),
    )
    .await;
    let kept = cloud.region(REGION).unwrap().logs.keep();
    let other = super::cloud();
    other.region(REGION).unwrap().logs.restore(kept).unwrap();
    for (operation, input) in [
        ("DescribeLogGroups", json!({})),
        ("DescribeLogStreams", json!({"logGroupName": "g"})),
        ("FilterLogEvents", json!({"logGroupName": "g"})),
    ] {
        assert_eq!(
            done(&other, operation, input.clone()).await,
            done(&cloud, operation, input).await,
            "{operation}"
        );
    }
    // New events have numbers of their own.
    put(&other, "g", "s", &[(now, "3")]).await;
    let found = done(&other, "FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(messages(&found), ["1", "2", "3"]);
    assert!(
        call(&other, "DeleteLogGroup", json!({"logGroupName": "g"}))
            .await
            .is_ok()
    );
}
