//! Publishing from outside Lambda.

use serde_json::{Value, json};

use crate::cloud::{Cloud, Function};

/// Runs a back end, and says what it ended with.
async fn publish(cloud: &Cloud, environment: &[(&str, &str)]) -> Value {
    let mut process = Function::user(cloud, "publisher", environment);
    let told = process.logged(&["\"published\""]).await;
    assert!(process.ended().await);
    told
}

#[tokio::test]
async fn a_reply_becomes_messages_of_the_results_queue() {
    let cloud = Cloud::start().await;
    let told = publish(&cloud, &[]).await;
    assert_eq!(told["published"], true, "{told}");
    assert_eq!(
        cloud.results(),
        [
            json!({"version": 1, "to": {"room": "ACME"}, "data": "101.25", "retained": true}),
            json!({"version": 1, "to": {"all": true}, "data": "open"}),
        ]
    );
    assert_eq!(
        cloud.requests("SendMessageBatch")[0].input["QueueUrl"],
        cloud.queue_url("results")
    );
}

#[tokio::test]
async fn a_queue_is_found_by_its_name_whether_it_keeps_order_or_not() {
    let cloud = Cloud::start().await;
    let there = [("TEST_QUEUE", "ticker-dev-results")];
    assert_eq!(publish(&cloud, &there).await["published"], true);
    cloud.script(
        "GetQueueUrl",
        1,
        400,
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}"#,
    );
    assert_eq!(publish(&cloud, &there).await["published"], true);
    let sends = cloud.requests("SendMessageBatch");
    let urls: Vec<_> = sends.iter().map(|send| &send.input["QueueUrl"]).collect();
    assert_eq!(
        urls,
        [
            &cloud.queue_url("ticker-dev-results"),
            &cloud.queue_url("ticker-dev-results.fifo")
        ]
    );
    assert_eq!(cloud.requests("GetQueueUrl").len(), 2);
    let entries = cloud.sent();
    assert!(entries[0].get("MessageGroupId").is_none());
    assert_eq!(entries[2]["MessageGroupId"], "room:ACME");
    assert_eq!(entries[3]["MessageGroupId"], "all");
    assert_ne!(
        entries[2]["MessageDeduplicationId"],
        entries[3]["MessageDeduplicationId"]
    );
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_named() {
    let cloud = Cloud::start().await;
    let code = r#"{"__type":"AWS.SimpleQueueService.NonExistentQueue"}"#;
    cloud.script("GetQueueUrl", 2, 400, code);
    let told = publish(&cloud, &[("TEST_QUEUE", "nowhere")]).await;
    assert_eq!(told["error"], "there is no queue nowhere");
}

#[tokio::test]
async fn many_texts_go_ten_a_call_in_their_order_through_a_throttle() {
    let cloud = Cloud::start().await;
    let throttled = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"m"}"#;
    cloud.script("SendMessageBatch", 2, 400, throttled);
    let url = cloud.queue_url("results");
    let told = publish(&cloud, &[("TEST_QUEUE", &url), ("TEST_REPLY", "many")]).await;
    assert_eq!(told["published"], true, "{told}");
    let sizes: Vec<_> = cloud
        .requests("SendMessageBatch")
        .iter()
        .map(|send| send.input["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [10, 10, 5]);
    let texts: Vec<_> = cloud.results().iter().map(|r| r["data"].clone()).collect();
    let expected: Vec<_> = (0..25).map(|i| json!(i.to_string())).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn what_no_client_can_be_sent_is_refused_before_anything_is_sent() {
    for (reply, reason) in [("sender", "no sender"), ("large", "131073 bytes")] {
        let cloud = Cloud::start().await;
        let told = publish(&cloud, &[("TEST_REPLY", reply)]).await;
        assert!(told["error"].as_str().unwrap().contains(reason), "{told}");
        assert!(cloud.sent().is_empty());
    }
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_an_error_that_says_why() {
    let cloud = Cloud::start().await;
    let denied = r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"not yours"}"#;
    cloud.script("SendMessageBatch", 1, 403, denied);
    let told = publish(&cloud, &[]).await;
    let error = told["error"].as_str().unwrap();
    assert!(error.starts_with("2 of 2 not sent: "), "{error}");
    assert!(error.contains("not yours"), "{error}");
}
