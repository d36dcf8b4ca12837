use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use super::{ARN, REGION, call, cloud, group, now, put, refused};
use crate::{Options, call::Payload, clock::Millis, cloud::Cloud};

async fn tail(cloud: &Arc<Cloud>, input: Value) -> Receiver<Bytes> {
    let answer = call(cloud, "StartLiveTail", input).await.unwrap();
    assert_eq!(
        answer.headers["content-type"],
        "application/vnd.amazon.eventstream"
    );
    match answer.payload {
        Payload::Stream(receiver) => receiver,
        other => panic!("{other:?} instead of a stream"),
    }
}

/// A message's kind and payload.
async fn next(receiver: &mut Receiver<Bytes>) -> Option<(String, Value)> {
    let message = receiver.recv().await?;
    let length = |from: usize| {
        let bytes: [u8; 4] = message[from..from + 4].try_into().unwrap();
        u32::from_be_bytes(bytes) as usize
    };
    assert_eq!(length(0), message.len());
    assert_eq!(
        length(message.len() - 4),
        crate::logs::message::crc(&message[..message.len() - 4]) as usize
    );
    let headers = 12 + length(4);
    let text = String::from_utf8_lossy(&message[12..headers]).into_owned();
    let kind = [
        "initial-response",
        "sessionStart",
        "sessionUpdate",
        "SessionTimeoutException",
    ]
    .into_iter()
    .find(|kind| text.contains(kind))
    .unwrap();
    let payload = serde_json::from_slice(&message[headers..message.len() - 4]).unwrap();
    Some((kind.to_owned(), payload))
}

#[tokio::test(start_paused = true)]
async fn a_session_begins_and_tells_what_is_written_about_every_second() {
    let cloud = cloud();
    group(&cloud, "g", &["a", "b"]).await;
    group(&cloud, "h", &["a"]).await;
    put(&cloud, "g", "a", &[(now(), "ERROR before")]).await;
    let mut receiver = tail(
        &cloud,
        json!({"logGroupIdentifiers": [format!("{ARN}g")], "logStreamNames": ["a"],
               "logEventFilterPattern": "ERROR"}),
    )
    .await;
    let (kind, payload) = next(&mut receiver).await.unwrap();
    assert_eq!((kind.as_str(), payload), ("initial-response", json!({})));
    let (kind, start) = next(&mut receiver).await.unwrap();
    assert_eq!(kind, "sessionStart");
    assert_eq!(start["requestId"], "test");
    assert_eq!(start["logGroupIdentifiers"], json!([format!("{ARN}g")]));
    assert_eq!(start["logStreamNames"], json!(["a"]));
    assert_eq!(start["logEventFilterPattern"], "ERROR");
    assert!(start["sessionId"].is_string());

    let now = now();
    put(&cloud, "g", "a", &[(now, "ERROR 1"), (now, "INFO")]).await;
    put(&cloud, "g", "b", &[(now, "ERROR of another stream")]).await;
    put(&cloud, "h", "a", &[(now, "ERROR of another group")]).await;
    let (kind, update) = next(&mut receiver).await.unwrap();
    assert_eq!(kind, "sessionUpdate");
    assert_eq!(update["sessionMetadata"], json!({"sampled": false}));
    let results = update["sessionResults"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["message"], "ERROR 1");
    assert_eq!(results[0]["logStreamName"], "a");
    assert_eq!(results[0]["logGroupIdentifier"], format!("{ARN}g"));
    assert_eq!(results[0]["timestamp"], now);
    assert!(results[0]["ingestionTime"].is_i64());

    let (_, empty) = next(&mut receiver).await.unwrap();
    assert_eq!(empty["sessionResults"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn more_events_than_an_update_takes_are_sampled() {
    let cloud = cloud();
    group(&cloud, "g", &["a"]).await;
    let mut receiver = tail(&cloud, json!({"logGroupIdentifiers": [format!("{ARN}g")]})).await;
    next(&mut receiver).await.unwrap();
    next(&mut receiver).await.unwrap();
    let region = cloud.region(REGION).unwrap();
    let events = (0..1000)
        .map(|index| (Millis::now(), index.to_string()))
        .collect();
    region.logs.put(&region, "g", "a", events).unwrap();
    let (_, update) = next(&mut receiver).await.unwrap();
    assert_eq!(update["sessionMetadata"], json!({"sampled": true}));
    let results = update["sessionResults"].as_array().unwrap();
    assert_eq!(results.len(), 500);
    assert_eq!(results[499]["message"], "998");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_three_hours() {
    let cloud = Cloud::for_test(Options {
        time_scale: 0.001,
        ..Options::default()
    });
    group(&cloud, "g", &["a"]).await;
    let mut receiver = tail(&cloud, json!({"logGroupIdentifiers": [format!("{ARN}g")]})).await;
    let mut kinds = Vec::new();
    while let Some((kind, _)) = next(&mut receiver).await {
        kinds.push(kind);
    }
    assert_eq!(kinds.len(), 13);
    assert_eq!(kinds.last().unwrap(), "SessionTimeoutException");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_the_caller_goes_or_the_cloud_ends() {
    let cloud = cloud();
    group(&cloud, "g", &["a"]).await;
    let region = cloud.region(REGION).unwrap();
    let input = json!({"logGroupIdentifiers": [format!("{ARN}g")]});
    let receiver = tail(&cloud, input.clone()).await;
    assert!(region.logs.followers().is_wanted("g"));
    drop(receiver);
    while region.logs.followers().is_wanted("g") {
        tokio::task::yield_now().await;
    }
    let mut receiver = tail(&cloud, input).await;
    cloud.ending().cancel();
    while receiver.recv().await.is_some() {}
}

#[tokio::test]
async fn a_session_that_breaks_a_rule_is_refused() {
    let cloud = cloud();
    group(&cloud, "g", &["a"]).await;
    group(&cloud, "h", &["a"]).await;
    let arn = |name: &str| format!("{ARN}{name}");
    for (input, code) in [
        (json!({}), "InvalidParameterException"),
        (
            json!({"logGroupIdentifiers": []}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": ["g"]}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": [arn("g:*")]}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": vec![arn("g"); 11]}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": [arn("none")]}),
            "ResourceNotFoundException",
        ),
        (
            json!({"logGroupIdentifiers": [arn("g"), arn("h")], "logStreamNames": ["a"]}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": [arn("g")], "logStreamNames": ["a"], "logStreamNamePrefixes": ["a"]}),
            "InvalidParameterException",
        ),
        (
            json!({"logGroupIdentifiers": [arn("g")], "logEventFilterPattern": "{"}),
            "InvalidParameterException",
        ),
    ] {
        let error = refused(&cloud, "StartLiveTail", input.clone()).await;
        assert_eq!(error.code, code, "{input}");
    }
}
