//! The results queue's messages on their way to clients.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::{Cloud, Function, Outcome, SILENCE, batch, fifo};

fn result(id: &str, to: impl Into<Value>, data: &str) -> Value {
    let to: Value = to.into();
    raw(
        id,
        &json!({"version": 1, "to": to, "data": data, "request": "R="}).to_string(),
    )
}

fn raw(id: &str, body: &str) -> Value {
    json!({"messageId": id, "body": body, "attributes": {}, "messageAttributes": {},
           "eventSourceARN": "arn:aws:sqs:eu-west-1:1:results"})
}

fn to(connection: &str) -> Value {
    json!({ "connection": connection })
}

fn posts_to(cloud: &Cloud, connection: &str) -> Vec<String> {
    cloud
        .posts()
        .into_iter()
        .filter(|(id, _)| id == connection)
        .map(|(_, text)| text)
        .collect()
}

#[tokio::test]
async fn a_text_is_posted_to_its_connection() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "push", &[]);
    let text = "{\"a\":\"\u{e9}\n\"}";
    assert!(
        cloud
            .invoke(batch(&[result("m", to("ab-_c="), text)]))
            .await
            .failures()
            .is_empty()
    );
    let request = &cloud.requests("PostToConnection")[0];
    assert_eq!(request.path, "/dev/@connections/ab-_c%3D");
    assert!(
        request.host.starts_with("a1b2.execute-api.localhost:"),
        "{}",
        request.host
    );
    assert_eq!(request.body, text);
    assert_eq!(function.logged(&["PushSent"]).await["PushSent"], 1.0);
}

#[tokio::test]
async fn each_message_leaves_a_line_that_names_whom_and_what_it_answers() {
    let cloud = Cloud::start().await;
    cloud.open("here", &["lobby"]);
    cloud.open("there", &["lobby"]);
    cloud.script("@connections/gone", 9, 410, "");
    cloud.script("@connections/full", 9, 429, "");
    let function = Function::builtin(&cloud, "push", &[]);
    let answers = |id: &str, to: Value| {
        let body = json!({"version": 1, "to": to, "data": "x", "request": id, "route": "say"});
        raw(id, &body.to_string())
    };
    let records = [
        answers("r-one", to("here")),
        answers("r-room", json!({"room": "lobby"})),
        answers("r-empty", json!({"room": "nobody"})),
        answers("r-gone", to("gone")),
        answers("r-full", to("full")),
    ];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["r-full"]);
    for (request, words, connection, connections) in [
        ("r-one", "sent", json!("here"), Value::Null),
        ("r-room", "sent", Value::Null, json!(2)),
        (
            "r-empty",
            "sent to nobody: nobody is there",
            Value::Null,
            json!(0),
        ),
        (
            "r-gone",
            "not sent: the connection is closed",
            json!("gone"),
            Value::Null,
        ),
        (
            "r-full",
            "not sent: PostToConnection",
            json!("full"),
            Value::Null,
        ),
    ] {
        let line = function.logged(&[request]).await;
        let told = line["message"].as_str().unwrap();
        assert!(told.starts_with(words), "{line}");
        assert_eq!(
            (&line["connectionId"], &line["connections"], &line["route"]),
            (&connection, &connections, &json!("say"))
        );
    }
}

#[tokio::test]
async fn a_message_that_answers_a_frame_has_one_latency_whoever_it_is_for() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "push", &[]);
    cloud.script("@connections/gone", 9, 410, "");
    let answers = |id: &str, to: Value| {
        let received = std::time::SystemTime::now() - Duration::from_secs(3);
        let received = received
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let received = u64::try_from(received).unwrap();
        raw(
            id,
            &json!({"version": 1, "to": to, "data": "x", "received": received}).to_string(),
        )
    };
    let records = [
        answers("one", to("a")),
        answers("several", json!({"connections": ["a", "b", "c"]})),
        answers("gone", to("gone")),
        result("of-nobody", to("a"), "x"),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    let line = function.logged(&["PushSent"]).await;
    assert_eq!(line["PushSent"], 5.0);
    let latencies: Vec<f64> = serde_json::from_value(line["MessageLatency"].clone()).unwrap();
    assert_eq!(latencies.len(), 2, "{line}");
    let bound = 3_000.0..60_000.0;
    assert!(latencies.iter().all(|ms| bound.contains(ms)), "{line}");
}

#[tokio::test]
async fn one_connections_messages_keep_their_order() {
    let cloud = Cloud::start().await;
    let _function = Function::builtin(&cloud, "push", &[]);
    cloud.script("@connections/slow", 3, 429, "");
    let mut records: Vec<_> = (0..5)
        .map(|i| result(&format!("s{i}"), to("slow"), &i.to_string()))
        .collect();
    records.extend((0..5).map(|i| result(&format!("f{i}"), to("fast"), &i.to_string())));
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    assert_eq!(posts_to(&cloud, "slow"), ["0", "1", "2", "3", "4"]);
    assert_eq!(posts_to(&cloud, "fast"), ["0", "1", "2", "3", "4"]);
    let all = cloud.posts();
    let last_fast = all.iter().rposition(|(id, _)| id == "fast").unwrap();
    let first_slow = all.iter().position(|(id, _)| id == "slow").unwrap();
    assert!(
        last_fast < first_slow,
        "a slow client holds nobody else up: {all:?}"
    );
}

#[tokio::test]
async fn a_gone_connection_leaves_the_registry_and_its_messages_are_done() {
    for status in [410, 400] {
        let cloud = Cloud::start().await;
        cloud.open("gone", &["lobby", "den"]);
        cloud.open("here", &["lobby"]);
        cloud.script("@connections/gone", 9, status, "");
        let function = Function::builtin(&cloud, "push", &[]);
        let records = [
            result("m1", to("gone"), "1"),
            result("m2", to("gone"), "2"),
            result("m3", json!({"room": "lobby"}), "3"),
        ];
        assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
        assert_eq!(cloud.table(), ["here/*", "here/lobby"]);
        assert_eq!(
            cloud.requests("PostToConnection refused").len(),
            1,
            "it isn't knocked at again"
        );
        assert_eq!(posts_to(&cloud, "here"), ["3"]);
        assert_eq!(function.logged(&["PushGone"]).await["PushGone"], 1.0);
    }
}

#[tokio::test]
async fn a_greeting_that_is_faster_than_the_handshake_waits_for_it() {
    let cloud = Cloud::start().await;
    cloud.entered("new", &["lobby"], Duration::ZERO);
    cloud.script("@connections/new", 3, 410, "");
    let _function = Function::builtin(&cloud, "push", &[]);
    let records = [
        result("m1", to("new"), "welcome"),
        result("m2", json!({"all": true}), "news"),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    assert_eq!(posts_to(&cloud, "new"), ["welcome", "news"]);
    assert_eq!(cloud.table(), ["new/*", "new/lobby"]);
    let looks = cloud.requests("GetItem");
    assert_eq!(looks.len(), 3);
    assert!(
        looks
            .iter()
            .all(|look| look.input["ConsistentRead"] == true)
    );
}

#[tokio::test]
async fn a_connection_that_does_not_open_in_time_stays_known_until_its_entry_is_old() {
    let cloud = Cloud::start().await;
    cloud.open("here", &[]);
    cloud.entered("new", &[], Duration::ZERO);
    cloud.script("@connections/new", 1000, 410, "");
    cloud.time_limit(Duration::from_secs(3));
    let function = Function::builtin(&cloud, "push", &[]);
    let greeting = batch(&[result("m1", to("new"), "welcome")]);
    assert_eq!(cloud.invoke(greeting.clone()).await.failures(), ["m1"]);
    function
        .logged(&["not sent", "isn't open yet", "new"])
        .await;
    let news = batch(&[result("m2", json!({"all": true}), "news")]);
    assert!(cloud.invoke(news).await.failures().is_empty());
    assert_eq!(cloud.results()[0]["to"], json!({"connections": ["new"]}));
    assert_eq!(cloud.table(), ["here/*", "new/*"]);
    cloud.entered("new", &[], Duration::from_secs(31));
    assert!(cloud.invoke(greeting).await.failures().is_empty());
    assert_eq!(cloud.table(), ["here/*"]);
}

#[tokio::test]
async fn a_young_connection_that_closes_is_not_waited_for() {
    let cloud = Cloud::start().await;
    cloud.entered("new", &[], Duration::ZERO);
    cloud.entered("known", &[], Duration::ZERO);
    cloud.script("@connections/new", 1000, 410, "");
    cloud.script("@connections/known", 1, 200, "");
    cloud.script("@connections/known", 1, 410, "");
    let function = Function::builtin(&cloud, "push", &[]);
    let records = [
        result("m1", to("known"), "1"),
        result("m2", to("known"), "2"),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    assert_eq!(cloud.table(), ["new/*"]);
    assert_eq!(
        cloud.requests("GetItem").len(),
        0,
        "who got the first message had opened"
    );
    let event = batch(&[result("m3", to("new"), "welcome")]);
    let (outcome, ()) = tokio::join!(cloud.invoke(event), async {
        cloud.requested("GetItem").await;
        cloud.close("new");
    });
    assert!(outcome.failures().is_empty());
    assert!(cloud.table().is_empty());
    assert_eq!(function.logged(&["PushGone"]).await["PushGone"], 1.0);
}

#[tokio::test]
async fn connections_that_are_still_opening_hold_nobody_else_up() {
    let cloud = Cloud::start().await;
    let mut everyone: Vec<String> = (0..100).map(|i| format!("new-{i}")).collect();
    for connection in &everyone {
        cloud.entered(connection, &[], Duration::ZERO);
    }
    everyone.push("open".into());
    cloud.script("@connections/new-", 100_000, 410, "");
    cloud.time_limit(Duration::from_secs(2));
    let _function = Function::builtin(&cloud, "push", &[]);
    let event = batch(&[result("m1", json!({"connections": everyone}), "news")]);
    assert!(cloud.invoke(event).await.failures().is_empty());
    assert_eq!(posts_to(&cloud, "open"), ["news"]);
    let results = cloud.results();
    let again = results[0]["to"]["connections"].as_array().unwrap();
    assert_eq!((results.len(), again.len()), (1, 100));
    assert_eq!(results[0]["tries"], 1, "who was waited for was tried");
    assert_eq!(cloud.table().len(), 100);
}

#[tokio::test]
async fn a_connection_whose_entry_can_not_be_read_is_not_forgotten() {
    let cloud = Cloud::start().await;
    cloud.open("a", &[]);
    cloud.script("@connections/a", 9, 410, "");
    cloud.script("GetItem", 1, 400, r#"{"__type":"AccessDeniedException"}"#);
    let function = Function::builtin(&cloud, "push", &[]);
    let event = batch(&[result("m1", to("a"), "x")]);
    assert_eq!(cloud.invoke(event.clone()).await.failures(), ["m1"]);
    assert_eq!(cloud.table(), ["a/*"]);
    function.logged(&["not sent", "AccessDenied"]).await;
    assert!(cloud.invoke(event).await.failures().is_empty());
    assert!(cloud.table().is_empty());
}

#[tokio::test]
async fn without_a_registry_who_is_not_open_is_gone() {
    let cloud = Cloud::start().await;
    cloud.script("@connections/a", 9, 410, "");
    let _function = Function::builtin(&cloud, "push", &[("WSLESS_CONNECTIONS_TABLE", "")]);
    let event = batch(&[result("m1", to("a"), "x")]);
    assert!(cloud.invoke(event).await.failures().is_empty());
    assert_eq!(cloud.requests("PostToConnection refused").len(), 1);
    assert_eq!(cloud.requests("GetItem").len(), 0);
}

#[tokio::test]
async fn a_client_that_stays_full_gets_its_messages_later_in_their_order() {
    let cloud = Cloud::start().await;
    cloud.script("@connections/full", 1000, 429, "");
    cloud.time_limit(Duration::from_secs(2));
    let function = Function::builtin(&cloud, "push", &[]);
    let records = [
        result("m1", to("full"), "1"),
        result("m2", to("ok"), "1"),
        result("m3", to("full"), "2"),
    ];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["m1", "m3"]);
    assert_eq!(posts_to(&cloud, "ok"), ["1"]);
    let refused = cloud.requests("PostToConnection refused");
    assert!(refused.len() > 1 && refused.len() < 10, "{}", refused.len());
    assert!(
        refused.iter().all(|request| request.body == "1"),
        "the second waits for the first"
    );
    assert!(
        function.logged(&["PushThrottled"]).await["PushThrottled"]
            .as_f64()
            .unwrap()
            > 1.0
    );
    function.logged(&["not sent", "full", "429"]).await;
}

#[tokio::test]
async fn a_message_that_no_client_can_get_is_dropped() {
    let cloud = Cloud::start().await;
    cloud.script("@connections/picky", 1, 413, "");
    let function = Function::builtin(&cloud, "push", &[]);
    let large = "x".repeat(131_073);
    let records = [
        result("m1", to("a"), &large),
        result("m2", to("picky"), "too much"),
        result("m3", to("picky"), "fits"),
        result("m4", to("a"), &large[1..]),
    ];
    assert!(cloud.invoke(batch(&records)).await.failures().is_empty());
    assert_eq!(posts_to(&cloud, "picky"), ["fits"]);
    assert_eq!(
        posts_to(&cloud, "a")
            .iter()
            .map(String::len)
            .collect::<Vec<_>>(),
        [131_072]
    );
    function.logged(&["dropped", "131073 bytes", "R="]).await;
    function
        .logged(&["dropped", "too large for API Gateway", "picky"])
        .await;
}

#[tokio::test]
async fn a_refused_post_comes_back_and_a_server_error_is_tried_again_at_once() {
    let cloud = Cloud::start().await;
    cloud.script(
        "@connections/forbidden",
        9,
        403,
        r#"{"message":"Forbidden"}"#,
    );
    cloud.script("@connections/shaky", 2, 500, "");
    let function = Function::builtin(&cloud, "push", &[]);
    let records = [
        result("m1", to("forbidden"), "1"),
        result("m2", to("shaky"), "1"),
    ];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["m1"]);
    assert_eq!(cloud.requests("PostToConnection refused").len(), 3);
    assert_eq!(posts_to(&cloud, "shaky"), ["1"]);
    function.logged(&["not sent", "403", "Forbidden"]).await;
}

#[tokio::test]
async fn everyone_and_rooms_are_reached_over_pages() {
    let cloud = Cloud::start().await;
    for i in 0..150 {
        cloud.open(
            &format!("c{i:03}"),
            if i % 2 == 0 { &["even"] } else { &[] },
        );
    }
    cloud.page(40);
    let _function = Function::builtin(&cloud, "push", &[]);
    let everyone = result("m1", json!({"all": true}), "all");
    assert!(
        cloud
            .invoke(batch(&[
                everyone,
                result("m2", json!({"room": "even"}), "even")
            ]))
            .await
            .failures()
            .is_empty()
    );
    let posts = cloud.posts();
    assert_eq!(posts.iter().filter(|(_, text)| text == "all").count(), 150);
    assert_eq!(posts.iter().filter(|(_, text)| text == "even").count(), 75);
    assert_eq!(posts_to(&cloud, "c010"), ["all", "even"]);
    assert_eq!(cloud.requests("Query").len(), 4 + 2);
    assert!(cloud.sent().is_empty());
}

#[tokio::test]
async fn after_a_partial_broadcast_only_those_who_missed_it_get_it_again() {
    let cloud = Cloud::start().await;
    for id in ["a", "b", "c"] {
        cloud.open(id, &["lobby"]);
    }
    cloud.script("@connections/b", 9, 403, "");
    let queue = cloud.queue_url("results.fifo");
    let _function = Function::builtin(&cloud, "push", &[("WSLESS_RESULTS_QUEUE_URL", &queue)]);
    let event = fifo(
        &[result("m1", json!({"room": "lobby"}), "news")],
        "room:lobby",
    );
    assert!(cloud.invoke(event).await.failures().is_empty());
    assert_eq!(
        cloud.results(),
        [
            json!({"version": 1, "to": {"connections": ["b"]}, "data": "news", "request": "R=", "tries": 1})
        ]
    );
    let entry = &cloud.sent()[0];
    assert_eq!(
        (&entry["MessageGroupId"], &entry["MessageDeduplicationId"]),
        (&json!("room:lobby"), &json!("m1-rest-0"))
    );
    assert!(entry.get("DelaySeconds").is_none(), "FIFO refuses it");
    // What was put back is read like any other; when nobody of it can be reached, it comes back itself.
    let again = raw("m2", entry["MessageBody"].as_str().unwrap());
    assert_eq!(cloud.invoke(batch(&[again])).await.failures(), ["m2"]);
    assert_eq!(cloud.sent().len(), 1);
    cloud.script("SendMessageBatch", 9, 403, "");
    let event = batch(&[result("m3", json!({"room": "lobby"}), "more")]);
    assert_eq!(
        cloud.invoke(event).await.failures(),
        ["m3"],
        "if it can't be put back, the whole comes back"
    );
}

#[tokio::test]
async fn the_results_queue_is_reached_where_its_url_says() {
    let cloud = Cloud::start().await;
    cloud.script("@connections/b", 9, 403, "");
    // Empty is absent.
    let environment = [("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_SQS", "")];
    let _function = Function::builtin(&cloud, "push", &environment);
    let event = batch(&[result("m1", json!({"connections": ["a", "b"]}), "news")]);
    assert!(cloud.invoke(event).await.failures().is_empty());
    assert_eq!(cloud.results()[0]["to"], json!({"connections": ["b"]}));
}

#[tokio::test]
async fn who_misses_a_broadcast_too_often_is_given_up() {
    let cloud = Cloud::start().await;
    cloud.script("@connections/full", 100, 429, "");
    cloud.time_limit(Duration::from_millis(600));
    let function = Function::builtin(&cloud, "push", &[]);
    let everyone = json!({"connections": ["a", "full"]});
    let mut body = json!({"version": 1, "to": everyone, "data": "news"});
    for tries in 1..5 {
        let outcome = cloud.invoke(batch(&[raw("m", &body.to_string())])).await;
        assert!(outcome.failures().is_empty());
        assert_eq!(cloud.results().len(), tries);
        body = cloud.results().pop().unwrap();
        assert_eq!(
            body,
            json!({"version": 1, "to": {"connections": ["full"]}, "data": "news", "tries": tries})
        );
        // Somebody is reached each time: else the message itself would come back, and the queue would count.
        body["to"] = everyone.clone();
    }
    let delays: Vec<Value> = cloud
        .sent()
        .iter()
        .map(|entry| entry["DelaySeconds"].clone())
        .collect();
    assert_eq!(delays, [10, 20, 40, 80]);
    let outcome = cloud.invoke(batch(&[raw("m", &body.to_string())])).await;
    assert!(outcome.failures().is_empty());
    assert_eq!(cloud.results().len(), 4, "it isn't put back a fifth time");
    function
        .logged(&["dropped for 1 connections", "full"])
        .await;
    assert_eq!(function.logged(&["PushDropped"]).await["PushDropped"], 1.0);
}

#[tokio::test]
async fn who_was_not_reached_in_time_is_not_counted_as_tried() {
    let cloud = Cloud::start().await;
    // All slots are taken until the time is up.
    let mut everyone: Vec<String> = vec!["a".into()];
    everyone.extend((0..64).map(|i| format!("silent-{i}")));
    everyone.push("last".into());
    cloud.script("@connections/silent", 64, SILENCE, "");
    cloud.time_limit(Duration::from_secs(2));
    let function = Function::builtin(&cloud, "push", &[]);
    let body = json!({"version": 1, "to": {"connections": everyone}, "data": "news", "tries": 4});
    let outcome = cloud.invoke(batch(&[raw("m", &body.to_string())])).await;
    assert!(outcome.failures().is_empty());
    assert_eq!(
        cloud.results(),
        [json!({"version": 1, "to": {"connections": ["last"]}, "data": "news", "tries": 4})]
    );
    assert!(cloud.sent()[0].get("DelaySeconds").is_none());
    assert_eq!(function.logged(&["PushDropped"]).await["PushDropped"], 64.0);
}

#[tokio::test]
async fn messages_that_can_not_be_read_wait_in_the_dead_letter_queue() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "push", &[]);
    let records = [
        raw("m1", "hello"),
        raw("m2", r#"{"version":9,"to":{"all":true},"data":"x"}"#),
        result("m3", to("a"), "fine"),
        result("m4", json!({"room": "*"}), "x"),
        result("m5", json!({"connections": []}), "to nobody"),
    ];
    assert_eq!(
        cloud.invoke(batch(&records)).await.failures(),
        ["m1", "m2", "m4"]
    );
    assert_eq!(posts_to(&cloud, "a"), ["fine"]);
    function.logged(&["version 9", "m2"]).await;
    assert!(matches!(cloud.invoke(json!({})).await, Outcome::Error(_)));
}

#[tokio::test]
async fn a_broadcast_without_a_registry_says_what_to_set() {
    let cloud = Cloud::start().await;
    let function = Function::builtin(&cloud, "push", &[("WSLESS_CONNECTIONS_TABLE", "")]);
    let records = [
        result("m1", json!({"all": true}), "x"),
        result("m2", to("a"), "x"),
    ];
    assert_eq!(cloud.invoke(batch(&records)).await.failures(), ["m1"]);
    assert_eq!(posts_to(&cloud, "a"), ["x"]);
    function.logged(&["registry = true"]).await;
}

#[tokio::test]
async fn push_without_a_callback_url_does_not_start() {
    let cloud = Cloud::start().await;
    let mut function = Function::builtin(&cloud, "push", &[("WSLESS_CALLBACK_URL", "")]);
    let Outcome::InitError(error) = cloud.outcome().await else {
        panic!("it started")
    };
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("WSLESS_CALLBACK_URL"),
        "{error}"
    );
    assert!(!function.ended().await);
}

#[tokio::test]
async fn a_wrong_secret_is_noticed_and_the_message_comes_back() {
    let cloud = Cloud::start().await;
    let _function = Function::builtin(&cloud, "push", &[("AWS_SECRET_ACCESS_KEY", "another")]);
    let (outcome, wrong) = cloud
        .invoke_forged(batch(&[result("m1", to("a="), "x")]))
        .await;
    assert_eq!((outcome.failures(), wrong), (vec!["m1".to_owned()], 1));
    assert!(cloud.posts().is_empty());
}
