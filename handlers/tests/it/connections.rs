//! Connections open and close.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::cloud::{Cloud, Function, Outcome, websocket};

fn connect(headers: Value) -> Value {
    let mut event = websocket("CONNECT", "$connect", "abc=");
    event["headers"] = headers;
    event
}

#[tokio::test]
async fn an_opened_connection_is_registered_until_it_expires() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "connect", &[]);
    let answer = cloud.invoke(connect(json!({"Host": "h"}))).await.response();
    assert_eq!(answer, json!({"statusCode": 200}));
    let item = cloud.item("abc=", "*").expect("the connection's own item");
    let expires: u64 = item["expires"]["N"].as_str().unwrap().parse().unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // The two hours that API Gateway allows a connection, and a little more.
    assert!(
        expires > now + 7200 && expires < now + 7200 + 3600,
        "{expires} at {now}"
    );
    let line = function.logged(&["connection opened"]).await;
    assert_eq!(
        (&line["connectionId"], &line["stage"], &line["route"]),
        (&json!("abc="), &json!("dev"), &json!("$connect"))
    );
    let metrics = function.logged(&["ConnectionsOpened"]).await;
    assert_eq!(
        metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([["Stage", "Project"]])
    );
}

#[tokio::test]
async fn a_foreign_or_missing_origin_is_refused_and_not_registered() {
    let cloud = Cloud::start().await;
    let list = r#"["https://chat.example.com"]"#;
    let function = Function::builtin(&cloud, "connect", &[("WSLESS_ALLOWED_ORIGINS", list)]);
    for headers in [
        json!({"Origin": "https://evil.example"}),
        json!({}),
        Value::Null,
    ] {
        let answer = cloud.invoke(connect(headers)).await.response();
        assert_eq!(answer["statusCode"], 403);
        assert!(
            !answer["body"]
                .as_str()
                .unwrap()
                .contains("chat.example.com"),
            "{answer}"
        );
    }
    let counted = function.logged(&["ConnectionsRefused"]).await;
    assert_eq!(
        (&counted["ConnectionsRefused"], &counted["status"]),
        (&json!(1.0), &json!(403))
    );
    assert!(cloud.requests("").is_empty());
    // Emulators lower-case the name.
    let answer = cloud
        .invoke(connect(json!({"origin": "https://CHAT.example.com"})))
        .await
        .response();
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(cloud.table(), ["abc=/*"]);
}

#[tokio::test]
async fn the_first_subprotocol_is_answered() {
    let cloud = Cloud::start().await;
    let _function = Function::builtin(&cloud, "connect", &[]);
    let answer = cloud
        .invoke(connect(
            json!({"sec-websocket-PROTOCOL": "chat.v2, chat.v1"}),
        ))
        .await
        .response();
    assert_eq!(
        answer["headers"],
        json!({"Sec-WebSocket-Protocol": "chat.v2"})
    );
}

#[tokio::test]
async fn without_a_registry_nothing_is_asked_of_dynamodb() {
    let cloud = Cloud::start().await;
    let _function = Function::builtin(&cloud, "connect", &[("WSLESS_CONNECTIONS_TABLE", "")]);
    assert_eq!(
        cloud.invoke(connect(Value::Null)).await.response()["statusCode"],
        200
    );
    assert!(cloud.requests("").is_empty());
}

#[tokio::test]
async fn without_a_registry_a_closing_counts_when_its_connection_had_opened() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "disconnect", &[("WSLESS_CONNECTIONS_TABLE", "")]);
    let closing = websocket("DISCONNECT", "$disconnect", "abc=");
    assert_eq!(cloud.invoke(closing).await.response()["statusCode"], 200);
    let closed = function.logged(&["ConnectionDuration"]).await;
    assert_eq!(
        (&closed["ConnectionsClosed"], &closed["ConnectionDuration"]),
        (&json!(1.0), &json!(90_500.0))
    );
    let counted = function.logged(&["ConnectionsClosedByOpening"]).await;
    assert_eq!(counted["_aws"]["Timestamp"], 1_700_000_000_000_u64);
}

#[tokio::test]
async fn a_registry_that_refuses_fails_the_handshake_and_a_busy_one_is_asked_again() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "connect", &[]);
    let busy = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
    cloud.script("PutItem", 2, 400, busy);
    assert_eq!(
        cloud.invoke(connect(Value::Null)).await.response()["statusCode"],
        200
    );
    assert_eq!(cloud.requests("PutItem refused").len(), 2);
    cloud.script(
        "PutItem",
        9,
        400,
        r#"{"__type":"AccessDeniedException","Message":"not you"}"#,
    );
    let Outcome::Error(error) = cloud.invoke(connect(Value::Null)).await else {
        panic!("it opened")
    };
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("AccessDeniedException"),
        "{error}"
    );
    assert_eq!(
        cloud.requests("PutItem refused").len(),
        3,
        "a refusal isn't asked again"
    );
    function.logged(&["AccessDeniedException", "abc="]).await;
}

#[tokio::test]
async fn a_closed_connection_leaves_nothing_and_may_close_twice() {
    let cloud = Cloud::start().await;
    let rooms: Vec<String> = (0..30).map(|i| format!("room-{i}")).collect();
    cloud.open(
        "abc=",
        &rooms.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    cloud.open("other=", &["room-1"]);
    cloud.page(7);
    let back = json!({"UnprocessedItems": {"connections": [
        {"DeleteRequest": {"Key": {"connection": {"S": "abc="}, "room": {"S": "*"}}}}]}});
    cloud.script("BatchWriteItem", 1, 200, &back.to_string());
    // The first answer was scripted: its 25 deletes didn't happen, and one of them was handed back.
    let function = Function::builtin(&cloud, "disconnect", &[]);
    let mut event = websocket("DISCONNECT", "$disconnect", "abc=");
    event["requestContext"]["disconnectStatusCode"] = 1001.into();
    event["requestContext"]["disconnectReason"] = "Going away".into();
    assert_eq!(
        cloud.invoke(event.clone()).await.response(),
        json!({"statusCode": 200})
    );
    assert_eq!(
        cloud.requests("BatchWriteItem").len(),
        3,
        "25, the one handed back, 6"
    );
    assert!(cloud.item("abc=", "*").is_none());
    let line = function.logged(&["ConnectionDuration"]).await;
    assert_eq!(
        (&line["ConnectionDuration"], &line["closeCode"]),
        (&json!(90_500.0), &json!(1001))
    );
    assert_eq!(
        cloud.invoke(event.clone()).await.response(),
        json!({"statusCode": 200})
    );
    assert_eq!(cloud.table(), ["other=/*", "other=/room-1"]);
    assert_eq!(
        cloud.invoke(event).await.response(),
        json!({"statusCode": 200})
    );
}

#[tokio::test]
async fn an_unusable_environment_is_told_before_the_first_event() {
    let cloud = Cloud::start().await;
    let mut function = Function::builtin(
        &cloud,
        "connect",
        &[("WSLESS_ALLOWED_ORIGINS", "chat.example.com")],
    );
    let Outcome::InitError(error) = cloud.outcome().await else {
        panic!("it started")
    };
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("WSLESS_ALLOWED_ORIGINS"),
        "{error}"
    );
    assert!(!function.ended().await);
}

#[tokio::test]
async fn a_users_connect_handler_decides_after_the_origin_was_checked() {
    let cloud = Cloud::start().await;
    let list = r#"["https://chat.example.com"]"#;
    let _function = Function::user(&cloud, "handler", &[("WSLESS_ALLOWED_ORIGINS", list)]);
    let ask = |origin: &str, query: Value| {
        let mut event = connect(json!({ "Origin": origin }));
        event["queryStringParameters"] = query;
        event
    };
    let good = "https://chat.example.com";
    assert_eq!(
        cloud
            .invoke(ask("https://evil.example", json!({})))
            .await
            .response()["statusCode"],
        403
    );
    let refused = cloud
        .invoke(ask(good, json!({"do": "refuse", "room": "lobby"})))
        .await
        .response();
    assert_eq!(refused, json!({"statusCode": 401, "body": "who are you"}));
    assert!(matches!(
        cloud
            .invoke(ask(good, json!({"do": "fail", "room": "lobby"})))
            .await,
        Outcome::Error(_)
    ));
    assert!(
        cloud.table().is_empty(),
        "who wasn't let in isn't registered: {:?}",
        cloud.table()
    );
}

#[tokio::test]
async fn a_users_disconnect_handler_speaks_after_the_connection_is_forgotten() {
    let cloud = Cloud::start().await;
    cloud.open("abc=", &["lobby"]);
    let _function = Function::user(&cloud, "handler", &[]);
    let mut event = websocket("DISCONNECT", "$disconnect", "abc=");
    event["requestContext"]["disconnectStatusCode"] = 1000.into();
    event["requestContext"]["disconnectReason"] = "bye".into();
    cloud.invoke(event).await.response();
    assert!(cloud.table().is_empty());
    assert_eq!(cloud.results()[0]["to"], json!({"room": "lobby"}));
    assert_eq!(cloud.results()[0]["data"], "abc= left: Some(1000) bye");
}

#[tokio::test]
async fn an_authorizer_answers_with_a_policy() {
    let cloud = Cloud::start().await;
    let _function = Function::user(&cloud, "authorizer", &[]);
    let ask = |token: &str| {
        let mut event = connect(json!({}));
        event["type"] = "REQUEST".into();
        event["methodArn"] = "arn:aws:execute-api:eu-west-1:1:a1b2/dev/$connect".into();
        event["queryStringParameters"] = json!({ "token": token });
        event
    };
    let allowed = cloud.invoke(ask("good")).await.response();
    assert_eq!(
        (&allowed["principalId"], &allowed["context"]["team"]),
        (&json!("user-1"), &json!("blue"))
    );
    assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
    let denied = cloud.invoke(ask("bad")).await.response();
    assert_eq!(denied["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert!(matches!(
        cloud.invoke(ask("broken")).await,
        Outcome::Error(_)
    ));
}
