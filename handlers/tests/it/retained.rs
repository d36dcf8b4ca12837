//! The last text of a room, kept for who joins later.

use serde_json::{Value, json};

use crate::cloud::{Cloud, Function, batch, record};

fn to_room(id: &str, room: &str, data: &str, sent: u64) -> Value {
    let body = json!({"version": 1, "to": {"room": room}, "data": data, "retained": true});
    json!({
        "messageId": id, "body": body.to_string(), "attributes": {"SentTimestamp": sent.to_string()},
        "messageAttributes": {}, "eventSourceARN": "arn:aws:sqs:eu-west-1:1:results",
    })
}

#[tokio::test]
async fn a_rooms_text_is_kept_before_anybody_is_looked_up_so_that_who_joins_misses_none() {
    let cloud = Cloud::start().await;
    cloud.open("here", &["ACME", "BREW"]);
    let _function = Function::builtin(&cloud, "push", &[]);
    let records = [
        to_room("m1", "ACME", "1", 10),
        to_room("m2", "BREW", "7", 11),
        to_room("m3", "ACME", "2", 12),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    assert_eq!(cloud.kept("ACME").as_deref(), Some("2"));
    assert_eq!(cloud.kept("BREW").as_deref(), Some("7"));
    let texts: Vec<_> = cloud.posts().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["1", "7", "2"]);
    let all = cloud.requests("");
    let operations: Vec<_> = all.iter().map(|r| r.operation.as_str()).collect();
    assert_eq!(operations[..4], ["PutItem", "PutItem", "Query", "Query"]);
    let item = cloud.item("retained#ACME", "*ACME").unwrap();
    assert_eq!(item["sent"]["N"], "12");
    assert!(item["expires"]["N"].is_string());
}

#[tokio::test]
async fn a_text_that_comes_late_is_sent_but_does_not_take_a_later_ones_place() {
    let cloud = Cloud::start().await;
    cloud.open("here", &["ACME"]);
    cloud.keep("ACME", "new", 20);
    let _function = Function::builtin(&cloud, "push", &[]);
    let late = batch(&[to_room("m", "ACME", "old", 19)]);
    assert!(cloud.invoke(late).await.failures().is_empty());
    assert_eq!(cloud.kept("ACME").as_deref(), Some("new"));
    assert_eq!(cloud.posts(), [("here".to_owned(), "old".to_owned())]);
}

#[tokio::test]
async fn a_text_that_can_not_be_kept_comes_back_with_all_that_follows_it_to_its_room() {
    let cloud = Cloud::start().await;
    cloud.open("here", &["ACME", "BREW"]);
    let denied = r#"{"__type":"AccessDeniedException","message":"no PutItem"}"#;
    cloud.script("PutItem", 1, 400, denied);
    let function = Function::builtin(&cloud, "push", &[]);
    let records = [
        to_room("m1", "ACME", "1", 10),
        to_room("m2", "ACME", "2", 11),
    ];
    let failures = cloud.invoke(batch(&records)).await.failures();
    assert_eq!(failures, ["m1", "m2"]);
    assert!(cloud.posts().is_empty());
    function.logged(&["not kept", "no PutItem"]).await;
}

#[tokio::test]
async fn what_is_kept_is_no_connection_that_could_be_sent_to_or_forgotten() {
    let cloud = Cloud::start().await;
    cloud.keep("ACME", "1", 10);
    cloud.script("@connections/retained", 9, 400, "");
    let _function = Function::builtin(&cloud, "push", &[]);
    let named = json!({
        "messageId": "m1", "attributes": {}, "messageAttributes": {},
        "body": json!({"version": 1, "to": {"connection": "retained#ACME"}, "data": "x"}).to_string(),
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:results",
    });
    let records = [named, to_room("m2", "*ACME", "x", 20)];
    let failures = cloud.invoke(batch(&records)).await.failures();
    assert_eq!(failures, ["m2"]);
    assert_eq!(cloud.table(), ["retained#ACME/*ACME"]);
    assert_eq!(cloud.kept("ACME").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_handler_keeps_a_text_and_reads_it_as_it_is_now() {
    let cloud = Cloud::start().await;
    cloud.open("ada", &[]);
    cloud.keep("BREW", "tea", 10);
    let _function = Function::user(&cloud, "handler", &[]);
    let records = [
        record("m1", "ada", "keep ACME"),
        record("m2", "ada", "last BREW"),
        record("m3", "ada", "last SOLR"),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    let mut results = cloud.results();
    results.sort_by_key(|result| result["data"].to_string());
    let data: Vec<_> = results.iter().map(|r| r["data"].clone()).collect();
    assert_eq!(data, ["news", "nothing", "tea"]);
    assert_eq!(results[0]["retained"], true);
    assert!(results[1].get("retained").is_none());
    let reads = cloud.requests("GetItem");
    assert!(reads.iter().all(|r| r.input["ConsistentRead"] == true));
}
