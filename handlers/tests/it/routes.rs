//! A user's handler behind queued and direct routes.

use std::time::Duration;

use serde_json::json;

use crate::cloud::{Cloud, Function, Outcome, batch, fifo, record, websocket};

#[tokio::test]
async fn a_batchs_replies_go_to_the_results_queue_in_few_calls() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "handler", &[]);
    let records: Vec<_> = (0..12)
        .map(|i| record(&format!("m-{i}"), &format!("c{i}="), &format!("hello {i}")))
        .collect();
    assert_eq!(
        cloud.invoke(batch(&records)).await.failures(),
        Vec::<String>::new()
    );
    assert_eq!(cloud.requests("SendMessageBatch").len(), 2);
    let results = cloud.results();
    assert_eq!(results.len(), 12);
    assert_eq!(
        results[3],
        json!({"version": 1, "to": {"connection": "c3="}, "data": "hello 3", "request": "R=", "route": "say",
               "received": 1_700_000_090_500_u64})
    );
    let request = &cloud.requests("SendMessageBatch")[0];
    assert!(
        request.host.starts_with("sqs.localhost:"),
        "{}",
        request.host
    );
    assert_eq!(request.input["QueueUrl"], cloud.queue_url("results"));
    let entry = &cloud.sent()[0];
    assert!(
        entry.get("MessageGroupId").is_none(),
        "a standard queue bills a group: {entry}"
    );
}

#[tokio::test]
async fn one_bad_message_fails_alone() {
    let cloud = Cloud::start().await;
    let function = Function::user(&cloud, "handler", &[]);
    let mut stray = record("m-stray", "x", "hello");
    stray["messageAttributes"] = json!({});
    let records = [
        record("m-1", "a=", "hello"),
        record("m-fail", "b=", "fail"),
        record("m-panic", "c=", "panic"),
        stray,
        record("m-large", "e=", "large 131073"),
        record("m-2", "d=", "none"),
        record("m-3", "d=", "large 131072"),
    ];
    let failures = cloud.invoke(batch(&records)).await.failures();
    assert_eq!(failures, ["m-fail", "m-panic", "m-stray", "m-large"]);
    let told: Vec<_> = cloud
        .results()
        .iter()
        .map(|r| r["to"]["connection"].clone())
        .collect();
    assert_eq!(told, ["a=", "d="]);
    let line = function.logged(&["the handler panicked: told to"]).await;
    assert_eq!(
        (&line["connectionId"], &line["level"]),
        (&json!("c="), &json!("ERROR"))
    );
    let panic = function.logged(&["\"panic: told to\""]).await;
    assert!(panic["location"].as_str().unwrap().contains("handler.rs"));
    assert_eq!(
        (&panic["connectionId"], &panic["route"]),
        (&line["connectionId"], &line["route"])
    );
    let handled = function.logged(&["\"handled\"", "\"a=\""]).await;
    assert_eq!(handled["replies"], 1);
    assert!(handled["tookMs"].is_u64() && handled["requestId"].is_string());
    function.logged(&["broken", "b=", "say"]).await;
    function
        .logged(&["connectionId: no route", "m-stray"])
        .await;
    // The process lives on.
    assert!(
        cloud
            .invoke(batch(&[record("m-4", "a=", "hello")]))
            .await
            .failures()
            .is_empty()
    );
}

#[tokio::test]
async fn a_hanging_message_fails_alone_before_lambda_ends_the_process() {
    let cloud = Cloud::start().await;
    cloud.time_limit(Duration::from_secs(2));
    let _function = Function::user(&cloud, "handler", &[]);
    let records = [record("m-1", "a=", "hang"), record("m-2", "b=", "hello")];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["m-1"]);
    assert_eq!(cloud.results().len(), 1);
}

#[tokio::test]
async fn a_fifo_batch_stops_at_its_first_failure() {
    let cloud = Cloud::start().await;
    let results = cloud.queue_url("results.fifo");
    let _function = Function::user(&cloud, "handler", &[("WSLESS_RESULTS_QUEUE_URL", &results)]);
    let records = [
        record("m-1", "a=", "tell lobby"),
        record("m-2", "a=", "two"),
        record("m-3", "a=", "fail"),
        record("m-4", "a=", "join lobby"),
        record("m-5", "a=", "five"),
    ];
    assert_eq!(
        cloud.invoke(fifo(&records, "a=")).await.failures(),
        ["m-3", "m-4", "m-5"]
    );
    let sent = cloud.sent();
    let ids: Vec<_> = sent
        .iter()
        .map(|e| e["MessageDeduplicationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["m-1-0", "m-1-1", "m-1-2", "m-2-0"]);
    let groups: Vec<_> = sent
        .iter()
        .map(|e| e["MessageGroupId"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["a=", "room:lobby", "a=", "a="]);
    assert!(
        cloud.requests("GetItem").is_empty(),
        "the fourth was not begun"
    );
}

#[tokio::test]
async fn a_message_whose_reply_was_not_taken_is_tried_again() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "handler", &[]);
    let partly = json!({"Successful": [{"Id": "0"}],
        "Failed": [{"Id": "1", "SenderFault": true, "Code": "InvalidMessageContents", "Message": "m"},
                   {"Id": "2", "SenderFault": false, "Code": "InternalError", "Message": "m"}]});
    cloud.script("SendMessageBatch", 1, 200, &partly.to_string());
    let records = [
        record("m-1", "a=", "1"),
        record("m-2", "b=", "2"),
        record("m-3", "c=", "3"),
    ];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["m-2"]);
    let calls = cloud.requests("SendMessageBatch");
    assert_eq!(calls.len(), 2, "SQS's own failure is sent again at once");
    assert_eq!(calls[1].input["Entries"].as_array().unwrap().len(), 1);
    cloud.script(
        "SendMessageBatch",
        9,
        403,
        r#"{"__type":"AccessDenied","message":"no"}"#,
    );
    assert_eq!(
        cloud.invoke(batch(&records)).await.failures(),
        ["m-1", "m-2", "m-3"]
    );
}

#[tokio::test]
async fn records_without_ids_fail_the_batch_as_a_whole() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "handler", &[]);
    let records = [record("m-1", "a=", "hello"), record("", "b=", "hello")];
    assert!(matches!(
        cloud.invoke(batch(&records)).await,
        Outcome::Error(_)
    ));
    assert!(cloud.sent().is_empty());
    assert!(cloud.invoke(batch(&[])).await.failures().is_empty());
    for stray in [
        json!({}),
        json!([]),
        json!("hello"),
        json!({"Records": "x"}),
        json!(null),
    ] {
        assert!(matches!(cloud.invoke(stray).await, Outcome::Error(_)));
    }
}

#[tokio::test]
async fn a_direct_routes_answer_is_its_first_text_to_the_sender() {
    let cloud = Cloud::start().await;
    let function = Function::user(&cloud, "handler", &[]);
    let ask = |text: &str| {
        let mut event = websocket("MESSAGE", "ping", "abc=");
        event["body"] = text.into();
        event
    };
    let text = "& + % = # \" ' \\ \n \u{1f600}";
    assert_eq!(
        cloud.invoke(ask(text)).await.response(),
        json!({"statusCode": 200, "body": text})
    );
    let counted = function.logged(&["DirectAnswers"]).await;
    assert_eq!(
        (&counted["DirectMessages"], &counted["DirectAnswers"]),
        (&json!(1.0), &json!(1.0))
    );
    assert!(counted["MessageLatency"].is_number(), "{counted}");
    assert_eq!(
        cloud.invoke(ask("none")).await.response(),
        json!({"statusCode": 200})
    );
    assert!(cloud.requests("").is_empty());
    let told = cloud.invoke(ask("tell lobby")).await.response();
    assert_eq!(told["body"], "told");
    let results = cloud.results();
    assert_eq!(
        (&results[0]["to"], &results[0]["data"]),
        (&json!({"connection": "abc="}), &json!("again"))
    );
    assert_eq!(
        (&results[1]["to"], &results[1]["data"]),
        (&json!({"room": "lobby"}), &json!("news"))
    );
    for failing in ["fail", "panic", "large 131073"] {
        assert!(
            matches!(cloud.invoke(ask(failing)).await, Outcome::Error(_)),
            "{failing}"
        );
    }
    let mut empty = websocket("MESSAGE", "ping", "abc=");
    empty["body"] = json!(null);
    assert_eq!(cloud.invoke(empty).await.response()["statusCode"], 200);
}

#[tokio::test]
async fn rooms_are_joined_only_while_the_connection_is_open() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "handler", &[]);
    cloud.open("abc=", &[]);
    let ask = |connection: &str, text: &str| {
        let mut event = websocket("MESSAGE", "join", connection);
        event["body"] = text.into();
        event
    };
    assert_eq!(
        cloud.invoke(ask("abc=", "join lobby")).await.response()["body"],
        "joined"
    );
    let (own, room) = (
        cloud.item("abc=", "*").unwrap(),
        cloud.item("abc=", "lobby").unwrap(),
    );
    assert_eq!(room["expires"], own["expires"]);
    assert_eq!(room["name"]["S"], "Ada");
    assert_eq!(
        cloud.invoke(ask("abc=", "rooms")).await.response()["body"],
        "lobby"
    );
    let Outcome::Error(error) = cloud.invoke(ask("gone=", "join lobby")).await else {
        panic!("a ghost joined")
    };
    assert!(
        error["errorMessage"].as_str().unwrap().contains("closed"),
        "{error}"
    );
    assert!(cloud.item("gone=", "lobby").is_none());
}

#[tokio::test]
async fn the_authorizers_principal_arrives_by_both_ways() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "handler", &[]);
    let mut event = websocket("MESSAGE", "ping", "abc=");
    event["body"] = "principal".into();
    event["requestContext"]["authorizer"] =
        json!({"principalId": "user-1", "integrationLatency": 3});
    assert_eq!(cloud.invoke(event).await.response()["body"], "user-1");
    let mut queued = record("m-1", "abc=", "principal");
    queued["messageAttributes"]["principalId"] =
        json!({"stringValue": "user-2", "dataType": "String"});
    assert!(cloud.invoke(batch(&[queued])).await.failures().is_empty());
    assert_eq!(cloud.results()[0]["data"], "user-2");
}
