//! The console over a real socket, as its page and as others ask it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    PAGES, TEXT, acts, events,
    overview::{call, quick},
    shortened,
};
use crate::{
    call::{Payload, Service},
    clock::Millis,
    cloud::{self, Cloud},
    wire::tests::{Heard, Wire},
};

const REGION: &str = "eu-west-1";

async fn done(cloud: &std::sync::Arc<Cloud>, operation: &str, input: Value) -> Value {
    ask(cloud, Service::Sqs, operation, input).await
}

/// What an operation answers the owner.
pub async fn ask(
    cloud: &std::sync::Arc<Cloud>,
    service: Service,
    operation: &str,
    input: Value,
) -> Value {
    let region = cloud.region(REGION).unwrap();
    let call = call(cloud, &region, service, operation, input);
    match cloud::perform(&call).await.unwrap().payload {
        Payload::Members(members) => members,
        _ => Value::Null,
    }
}

/// A cloud with a queue, its dead-letter queue, and a message that got there by being received too often.
async fn with_a_dead_letter() -> Wire {
    let wire = Wire::new().await;
    let cloud = wire.running.cloud();
    done(cloud, "CreateQueue", json!({ "QueueName": "dead" })).await;
    let policy = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:000000000000:dead"),
        "maxReceiveCount": 1,
    });
    let attributes = json!({ "RedrivePolicy": policy.to_string(), "VisibilityTimeout": "0" });
    let jobs = json!({ "QueueName": "jobs", "Attributes": attributes });
    let url = done(cloud, "CreateQueue", jobs).await["QueueUrl"].clone();
    let message = json!({ "QueueUrl": url, "MessageBody": "{\"job\":7}" });
    done(cloud, "SendMessage", message).await;
    for _ in 0..2 {
        done(cloud, "ReceiveMessage", json!({ "QueueUrl": url })).await;
    }
    assert_eq!(
        waiting(cloud),
        [("dead".to_owned(), 1), ("jobs".to_owned(), 0)]
    );
    wire
}

fn waiting(cloud: &Cloud) -> Vec<(String, usize)> {
    let region = cloud.region(REGION).unwrap();
    let queues = region.sqs.overview();
    queues
        .into_iter()
        .map(|queue| (queue.name, queue.counts.visible))
        .collect()
}

async fn get(wire: &Wire, path: &str) -> Heard {
    let line = format!("GET {path}");
    wire.send(&line, &[], b"").await.expect("an answer")
}

async fn post(wire: &Wire, act: &str, headers: &[(&str, &str)], input: &Value) -> Heard {
    let line = format!("POST /_wsless/console/{act}");
    let body = input.to_string();
    wire.send(&line, headers, body.as_bytes())
        .await
        .expect("an answer")
}

fn read(heard: &Heard) -> Value {
    serde_json::from_str(&heard.body).expect(&heard.body)
}

const OWN: &[(&str, &str)] = &[("x-wsless-console", "1")];

#[tokio::test]
async fn the_page_is_three_files_under_a_strict_policy() {
    let wire = Wire::new().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/_wsless/console.css", "text/css; charset=utf-8"),
        ("/_wsless/console.js", "text/javascript; charset=utf-8"),
    ] {
        let heard = get(&wire, path).await;
        assert_eq!(heard.status, 200, "{path}");
        assert_eq!(heard.header("content-type"), Some(kind));
        assert_eq!(heard.header("x-content-type-options"), Some("nosniff"));
        let policy = heard.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(
            !heard.body.contains("https://"),
            "{path} names a foreign thing"
        );

        let etag = heard.header("etag").unwrap().to_owned();
        let line = format!("GET {path}");
        let headers = [("if-none-match", etag.as_str())];
        let again = wire.send(&line, &headers, b"").await.unwrap();
        assert_eq!((again.status, again.body.as_str()), (304, ""));
    }
    let page = get(&wire, "/").await.body;
    assert!(
        !page.contains("<style") && !page.contains(" style="),
        "inline styles are refused"
    );
    let handler = |word: &str| word.starts_with("on") && word.contains('=');
    assert!(
        !page.split_whitespace().any(handler),
        "inline handlers are refused"
    );
    let head = wire.send("HEAD /", &[], b"").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn health_says_which_cloud_it_is() {
    let wire = Wire::new().await;
    let health = read(&get(&wire, "/_wsless/health").await);
    assert_eq!(health["id"], json!(wire.running.cloud().id));
    assert_eq!(get(&wire, "/_wsless/nothing").await.status, 404);
    assert_eq!(get(&wire, "/_wsless/console/purge").await.status, 404);
}

#[tokio::test]
async fn the_overview_has_every_section_and_names_the_regions() {
    let wire = with_a_dead_letter().await;
    let all = read(&get(&wire, "/_wsless/console/overview").await);
    for section in [
        "alarms",
        "apis",
        "cloud",
        "connections",
        "functions",
        "mappings",
        "open",
        "queues",
        "roles",
        "tables",
    ] {
        assert!(all.get(section).is_some(), "{section}");
    }
    assert_eq!(all["queues"][0]["name"], "dead");
    assert_eq!(all["queues"][0]["region"], REGION);
    assert_eq!(all["queues"][0]["counts"]["visible"], 1);
}

#[tokio::test]
async fn messages_are_seen_and_stay() {
    let wire = with_a_dead_letter().await;
    let path = format!("/_wsless/console/messages?region={REGION}&queue=dead");
    for _ in 0..2 {
        let seen = read(&get(&wire, &path).await);
        assert_eq!(seen["messages"][0]["body"], "{\"job\":7}");
        assert_eq!(seen["messages"][0]["state"], "visible");
    }
    assert_eq!(waiting(wire.running.cloud())[0].1, 1);
    for wrong in [
        "region=eu-west-1&queue=no",
        "region=eu-west-9&queue=dead",
        "",
    ] {
        let heard = get(&wire, &format!("/_wsless/console/messages?{wrong}")).await;
        assert_eq!(heard.status, 404, "{wrong}");
    }
    assert_eq!(
        wire.running.cloud().regions().len(),
        1,
        "asking makes no region"
    );
}

#[tokio::test]
async fn a_redrive_puts_dead_letters_back_and_says_how_many() {
    let wire = with_a_dead_letter().await;
    let input = json!({ "region": REGION, "queue": "dead" });
    let heard = post(&wire, "redrive", OWN, &input).await;
    assert_eq!(heard.status, 200, "{heard:?}");
    assert_eq!(read(&heard)["status"], "COMPLETED");
    assert_eq!(read(&heard)["moved"], 1);
    let there = [("dead".to_owned(), 0), ("jobs".to_owned(), 1)];
    assert_eq!(waiting(wire.running.cloud()), there);

    let none = post(
        &wire,
        "redrive",
        OWN,
        &json!({ "region": REGION, "queue": "jobs" }),
    )
    .await;
    assert_eq!(none.status, 400);
    assert_eq!(
        read(&none)["message"],
        "Source queue must be configured as a Dead Letter Queue."
    );
}

#[tokio::test]
async fn a_purge_needs_the_pages_own_header_and_origin() {
    let wire = with_a_dead_letter().await;
    let host = wire.running.cloud().address.to_string();
    let own = format!("http://{host}");
    let input = json!({ "region": REGION, "queue": "dead" });
    for refused in [
        &[][..],
        &[("x-wsless-console", "0")],
        &[("host", host.as_str()), ("origin", own.as_str())],
        &[("x-wsless-console", "1"), ("origin", "http://example.com")],
        &[("x-wsless-console", "1"), ("origin", "null")],
        &[("x-wsless-console", "1"), ("sec-fetch-site", "cross-site")],
        &[("x-wsless-console", "1"), ("sec-fetch-site", "same-site")],
    ] {
        let heard = post(&wire, "purge", refused, &input).await;
        assert_eq!(heard.status, 403, "{refused:?}");
    }
    assert_eq!(waiting(wire.running.cloud())[0].1, 1);
    let allowed = [
        ("host", host.as_str()),
        ("origin", own.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("x-wsless-console", "1"),
    ];
    assert_eq!(post(&wire, "purge", &allowed, &input).await.status, 200);
    assert_eq!(waiting(wire.running.cloud())[0].1, 0);
}

#[tokio::test]
async fn other_pages_may_not_look_on() {
    let wire = Wire::new().await;
    for path in ["overview", "events", "messages", "metrics"] {
        let line = format!("GET /_wsless/console/{path}");
        for foreign in [
            ("origin", "http://example.com"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let heard = wire.send(&line, &[foreign], b"").await.unwrap();
            assert_eq!(heard.status, 403, "{path}");
        }
    }
}

#[tokio::test]
async fn what_cant_be_done_is_refused_in_words() {
    let wire = Wire::new().await;
    let cloud = wire.running.cloud();
    cloud.region(REGION).unwrap();
    for (act, input, status) in [
        ("purge", json!({ "region": REGION, "queue": "no" }), 400),
        ("purge", json!({ "region": REGION }), 400),
        (
            "purge",
            json!({ "region": "eu-west-9", "queue": "no" }),
            404,
        ),
        ("purge", json!([]), 400),
        ("explode", json!({ "region": REGION }), 404),
        (
            "close",
            json!({ "region": REGION, "apiId": "a", "stage": "b", "connectionId": "c" }),
            403,
        ),
    ] {
        let error = acts::perform(cloud, act, &input).await.unwrap_err();
        assert_eq!(error.status.as_u16(), status, "{act} {input}: {error}");
        assert!(!error.message.is_empty());
    }
    let heard = wire
        .send("POST /_wsless/console/purge", OWN, b"not json")
        .await
        .unwrap();
    assert_eq!(heard.status, 400);
}

#[tokio::test]
async fn metrics_answer_whatever_is_asked() {
    let wire = Wire::new().await;
    for query in [
        "",
        "?minutes=15",
        "?minutes=60",
        "?minutes=0",
        "?minutes=99999999999",
        "?minutes=x",
    ] {
        let heard = get(&wire, &format!("/_wsless/console/metrics{query}")).await;
        assert_eq!(heard.status, 200, "{query}");
        assert_eq!(read(&heard)["groups"], json!([]));
    }
}

/// Reads the stream until something is in it.
async fn until(stream: &mut tokio::net::TcpStream, text: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(text) {
        let mut part = [0; 4096];
        let read = stream.read(&mut part);
        let count = tokio::time::timeout(std::time::Duration::from_secs(30), read).await;
        let count = count.expect("something").unwrap();
        assert!(count > 0, "it ended without {text}: {heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    heard
}

#[tokio::test]
async fn the_stream_tells_the_past_and_then_what_comes() {
    let wire = Wire::new().await;
    let cloud = wire.running.cloud();
    let region = cloud.region(REGION).unwrap();
    let group = json!({ "logGroupName": "/aws/lambda/hello" });
    let _ = ask(cloud, Service::Logs, "CreateLogGroup", group).await;
    region.logs.create_stream("/aws/lambda/hello", "s").unwrap();
    let write = |text: &str| {
        let events = vec![(Millis::now(), text.to_owned())];
        region
            .logs
            .put(&region, "/aws/lambda/hello", "s", events)
            .unwrap();
    };
    write("before the page");
    let mut stream = wire.connect().await;
    stream
        .write_all(b"GET /_wsless/console/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let began = until(&mut stream, "before the page").await;
    assert!(began.contains("content-type: text/event-stream"), "{began}");
    assert!(began.contains("event: overview\ndata: {"), "{began}");
    write("after it");
    done(cloud, "CreateQueue", json!({ "QueueName": "new-queue" })).await;
    let came = until(&mut stream, "new-queue").await;
    assert!(!came.contains("before the page"), "it's told once");
    assert!(
        !came.contains("\"roles\""),
        "only what changed is told: {came}"
    );
}

#[tokio::test]
async fn no_more_pages_look_on_than_are_allowed() {
    let wire = Wire::new().await;
    let cloud = wire.running.cloud();
    let all: Vec<_> = (0..PAGES).map(|_| events::answer(cloud)).collect();
    assert!(all.iter().all(|answer| answer.status() == 200));
    assert_eq!(events::answer(cloud).status(), 503);
    drop(all);
    // Their tasks find out that they are gone.
    let freed = async {
        while cloud.console.pages.available_permits() < PAGES {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), freed)
        .await
        .expect("the places are free again");
}

#[tokio::test]
async fn looking_makes_nothing() {
    let wire = Wire::new().await;
    let cloud = wire.running.cloud();
    let before = quick(cloud);
    assert_eq!(before, quick(cloud));
    assert_eq!(before["queues"], json!([]));
    assert!(cloud.regions().is_empty());
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(shortened("short"), "short");
    let long = format!("x{}", "é".repeat(TEXT));
    let cut = shortened(&long);
    assert_eq!(cut.len(), TEXT - 1);
    assert!(long.starts_with(cut));
}
