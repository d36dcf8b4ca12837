//! Connections, messages and errors that are counted while they're made, and what is said of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{BOUND, named, status};
use crate::harness::{Client, Cloud, Connect, Project, run, wait_for};

/// No route is named by default, so that a text without an action is the client's error. A queue's message is tried once.
const MANIFEST: &str = r#"
[project]
name = "echo"
[api]
allowed-origins = ["https://www.example.com"]
[connections]
registry = false
[handlers.echo]
timeout = "5s"
[handlers.echo.queue]
visibility-timeout = "5s"
max-receives = 1
[handlers.ping]
[routes]
echo = { handler = "echo" }
ping = { handler = "ping", via = "direct" }
[alarms]
dead-letters = { threshold = 2, period = "10s", periods = 1 }
handler-errors = { threshold = 1, period = "10s", periods = 1 }
message-age = false
"#;

/// How much is sent.
const CONNECTIONS: usize = 5;
const CLOSED: usize = 3;
const ECHOES: usize = 3;
const PINGS: usize = 2;
const FAILURES: usize = 2;
/// What comes back.
const ECHOED: usize = CONNECTIONS * ECHOES;
const PINGED: usize = CONNECTIONS * PINGS;

/// A project whose handlers fail when they're told to, deployed; and where clients connect.
fn deployed(cloud: &Cloud) -> (Project, String) {
    let project = Project::init("echo", cloud);
    project.write("wsless.toml", MANIFEST);
    project.edit(
        "src/lib.rs",
        "    Ok(Reply::to_sender(message.text()))\n",
        "    if message.text().contains(\"fail\") {\n        return Err(\"told to\".into());\n    }\n    \
         Ok(Reply::to_sender(message.text()))\n",
    );
    project.edit(
        "src/lib.rs",
        "    let id = message.json::<Ping>().ok().and_then(|ping| ping.id);\n",
        "    let id = message.json::<Ping>().ok().and_then(|ping| ping.id);\n    if id == Some(13) {\n        \
         return Err(\"told to\".into());\n    }\n",
    );
    let address = project.wsless(["deploy", "--yes"]).succeeds().address();
    (project, address)
}

fn from_the_page() -> Connect {
    Connect::new().header("origin", "https://www.example.com")
}

/// Sends what there is to be answered, and takes the answers.
fn talk(client: &mut Client) {
    for number in 0..ECHOES {
        let message = json!({ "action": "echo", "number": number });
        client.send_json(&message);
        assert_eq!(client.receive_json(), message);
    }
    for id in 0..PINGS {
        client.send_json(&json!({ "action": "ping", "id": id }));
        assert_eq!(client.receive_json(), json!({ "pong": id }));
    }
}

/// Takes away what lets API Gateway call a handler.
fn forbid(cloud: &Cloud, function: &str) {
    let lambda = aws_sdk_lambda::Client::new(&cloud.sdk());
    run(async {
        let policy = lambda
            .get_policy()
            .function_name(function)
            .qualifier("live")
            .send()
            .await
            .expect("a policy");
        let policy: Value = serde_json::from_str(policy.policy().expect("a text")).expect("JSON");
        for statement in policy["Statement"].as_array().expect("statements") {
            lambda
                .remove_permission()
                .function_name(function)
                .qualifier("live")
                .statement_id(statement["Sid"].as_str().expect("an id"))
                .send()
                .await
                .expect("it's removed");
        }
    });
}

/// How often a function was called, by what Lambda itself wrote into its log.
fn reports(cloud: &Cloud, function: &str) -> usize {
    let logs = aws_sdk_cloudwatchlogs::Client::new(&cloud.sdk());
    let group = format!("/aws/lambda/{function}");
    let found = run(logs.filter_log_events().log_group_name(group).send()).expect("log events");
    let events = found.events().iter();
    let texts = events.filter_map(|event| event.message());
    texts.filter(|text| text.starts_with("REPORT ")).count()
}

#[test]
fn status_and_metrics_say_exactly_what_happened_and_alarms_go_on_and_off() {
    let cloud = Cloud::embedded();
    let (project, address) = deployed(&cloud);
    nothing_has_happened(&project, &address);
    let (mut lasted, _open) = traffic(&cloud, &address);
    lasted.sort();

    let now = wait_for("the figures", BOUND, || {
        let now = status(&project, &["--no-probe"]);
        let is_there = now["figures"]["connections-closed"] == whole(CLOSED)
            && now["figures"]["messages-out"] == whole(ECHOED + PINGED)
            && named(&now["queues"], "echo")["dead_letters"] == FAILURES;
        is_there.then_some(now)
    });
    connections_are_told(&now, &lasted);
    messages_and_errors_are_told(&now["figures"]);
    handlers_are_told(&cloud, &now);
    let echo = named(&now["queues"], "echo");
    assert_eq!(
        (&echo["waiting"], &echo["in_flight"]),
        (&json!(0), &json!(0))
    );

    the_same_as_series(&project);
    what_people_read(&project);
    alarms_go_on_and_off(&cloud, &project);
    drift_is_seen(&project);

    let _ = project
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    let _ = project
        .wsless(["status", "--no-probe"])
        .exits(1)
        .warns("the stage dev of echo isn't deployed here")
        .warns("wsless deploy --stage dev");
}

fn nothing_has_happened(project: &Project, address: &str) {
    let quiet = status(project, &["--no-probe"]);
    assert_eq!(quiet["figures"]["connections-opened"], 0.0);
    assert_eq!(quiet["figures"]["connection-duration-p50"], Value::Null);
    assert_eq!(quiet["open"], json!({ "count": 0, "source": "metrics" }));
    assert_eq!(quiet["deployed"]["number"], 1);
    assert_eq!(quiet["endpoint"], address);
    assert_eq!(
        quiet["drift"],
        json!({ "create": 0, "update": 0, "replace": 0, "delete": 0 })
    );
    assert_eq!(quiet["probe"], Value::Null);
}

/// A client, with when it began to connect and when it was connected.
type Connected = (Instant, Instant, Client);

/// All that is sent. Between which bounds those connections lasted that closed, and those that are open still.
fn traffic(cloud: &Cloud, address: &str) -> (Vec<(Duration, Duration)>, Vec<Connected>) {
    let mut clients: Vec<Connected> = (0..CONNECTIONS)
        .map(|_| {
            let before = Instant::now();
            let client = from_the_page().to(address);
            (before, Instant::now(), client)
        })
        .collect();
    assert_eq!(Connect::new().refused_by(address).status, 403);
    for (_, _, client) in &mut clients {
        talk(client);
    }
    let last = &mut clients.last_mut().expect("a client").2;
    for _ in 0..FAILURES {
        last.send_json(&json!({ "action": "echo", "fail": true }));
    }
    // The client's error, the handler's, and one of what lies between.
    last.send("no action");
    assert_eq!(last.receive_json()["message"], "Forbidden");
    last.send_json(&json!({ "action": "ping", "id": 13 }));
    assert_eq!(last.receive_json()["message"], "Internal server error");
    forbid(cloud, "echo-dev-ping");
    last.send_json(&json!({ "action": "ping", "id": 1 }));
    assert_eq!(last.receive_json()["message"], "Internal server error");
    let lasted = clients
        .drain(..CLOSED)
        .map(|(before, after, client)| {
            let least = after.elapsed();
            client.end();
            (least, before.elapsed())
        })
        .collect();
    (lasted, clients)
}

fn connections_are_told(now: &Value, lasted: &[(Duration, Duration)]) {
    let figures = &now["figures"];
    assert_eq!(figures["connections-opened"], whole(CONNECTIONS));
    assert_eq!(figures["connections-refused"], 1.0);
    assert_eq!(
        now["open"],
        json!({ "count": CONNECTIONS - CLOSED, "source": "metrics" })
    );
    let tolerance = Duration::from_millis(100);
    for (key, (least, most)) in [
        ("connection-duration-p50", lasted[CLOSED / 2]),
        ("connection-duration-p95", lasted[CLOSED - 1]),
    ] {
        let ms = figures[key].as_f64().expect("a duration");
        let told = Duration::from_secs_f64(ms / 1000.0);
        assert!(
            told + tolerance >= least && told <= most + tolerance,
            "{key}: {told:?} isn't between {least:?} and {most:?}"
        );
    }
}

fn messages_and_errors_are_told(figures: &Value) {
    // The ping that failed reached its handler; the one that wasn't let through didn't.
    let taken = ECHOED + FAILURES + PINGED + 1;
    assert_eq!(figures["messages-in"], whole(taken));
    assert_eq!(figures["messages-out"], whole(ECHOED + PINGED));
    // API Gateway counts those that it refused too, and the three errors that it sent.
    let errors = 3;
    assert_eq!(
        figures["messages"],
        whole(taken + 2 + ECHOED + PINGED + errors)
    );
    assert_eq!(figures["client-errors"], 1.0);
    assert_eq!(figures["integration-errors"], 1.0);
    assert_eq!(figures["execution-errors"], 1.0);
    assert_eq!(figures["pushes-gone"], 0.0);
    let latency = figures["message-latency-p50"].as_f64().expect("a latency");
    assert!((0.0..60_000.0).contains(&latency), "{latency}");
}

fn handlers_are_told(cloud: &Cloud, now: &Value) {
    let handler = |name: &str| &named(&now["handlers"], name)["figures"];
    let ping = handler("ping");
    assert_eq!(ping["invocations"], whole(PINGED + 1));
    assert_eq!(ping["errors"], 1.0);
    assert_eq!(ping["throttles"], 0.0);
    assert!(ping["duration-p99"].as_f64().is_some_and(|ms| ms > 0.0));
    assert_eq!(handler("connect")["invocations"], whole(CONNECTIONS + 1));
    assert_eq!(handler("disconnect")["invocations"], whole(CLOSED));
    // A batch with a failed message isn't a failed invocation.
    assert_eq!(handler("echo")["errors"], 0.0);
    for name in ["echo", "push"] {
        let function = format!("echo-dev-{name}");
        assert_eq!(
            handler(name)["invocations"],
            whole(reports(cloud, &function)),
            "{name}"
        );
    }
}

fn whole(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

/// The same figures over time: their sum is the window's.
fn the_same_as_series(project: &Project) {
    let csv = project
        .wsless([
            "metrics",
            "messages-out",
            "connections-opened",
            "--csv",
            "--since",
            "15m",
        ])
        .succeeds();
    let mut lines = csv.stdout.lines();
    assert_eq!(
        lines.next(),
        Some("time,messages-out,connections-opened"),
        "{csv}"
    );
    let mut sums = [0.0_f64; 2];
    let mut rows = 0;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), 3, "{csv}");
        for (sum, field) in sums.iter_mut().zip(&fields[1..]) {
            *sum += field.parse::<f64>().expect("a number");
        }
        rows += 1;
    }
    assert_eq!(rows, 15, "{csv}");
    let expected = [whole(ECHOED + PINGED), whole(CONNECTIONS)];
    assert!(
        sums.iter()
            .zip(expected)
            .all(|(sum, expected)| (sum - expected).abs() < 0.5),
        "{sums:?} in {csv}"
    );

    let json = project
        .wsless(["metrics", "ping", "--output", "json", "--since", "15m"])
        .succeeds();
    let errors = json
        .json_lines()
        .into_iter()
        .find(|line| line["figure"] == "ping.errors")
        .expect("the handler's errors");
    let values = errors["points"].as_array().expect("points").iter();
    let sum: f64 = values.filter_map(|point| point["value"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 0.5, "{errors}");
    assert_eq!(errors["period_s"], 60);

    let _ = project
        .wsless(["metrics", "--svg", "figures.svg"])
        .succeeds();
    assert!(project.read("figures.svg").contains("connections-opened"));
    let _ = project
        .wsless(["metrics", "messages-in", "--plot"])
        .succeeds()
        .says("messages-in");
    let _ = project
        .wsless(["metrics", "mesages-in"])
        .exits(64)
        .warns("did you mean `messages-in`?");
    let list = project.wsless(["metrics", "--list"]).succeeds();
    let _ = list.says("execution-errors").says("AWS/Lambda Throttles");
}

fn what_people_read(project: &Project) {
    let _ = project
        .wsless(["status"])
        .succeeds()
        .says("answers 403")
        .says("open 2 (estimated: opened less closed in two hours), opened 5")
        .says("drift")
        .warns("CloudWatch was asked for");
}

fn alarm(project: &Project, name: &str) -> String {
    let now = status(project, &["--no-probe"]);
    let state = named(&now["alarms"], name)["state"].as_str();
    state.expect("a state").to_owned()
}

fn alarms_go_on_and_off(cloud: &Cloud, project: &Project) {
    let becomes = |name: &str, state: &str| {
        wait_for(&format!("{name} to be {state}"), BOUND, || {
            (alarm(project, name) == state).then_some(())
        });
    };
    becomes("echo-dead-letters", "alarm");
    let _ = project
        .wsless(["status", "--no-probe"])
        .succeeds()
        .says("echo-dead-letters")
        .says("Some messages of echo failed every time");
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    run(async {
        let queue = sqs.get_queue_url().queue_name("echo-dev-echo-dlq");
        let url = queue.send().await.expect("a queue").queue_url;
        let purge = sqs.purge_queue().set_queue_url(url);
        purge.send().await.expect("it's emptied");
    });
    becomes("echo-dead-letters", "ok");
    // It failed once, some time ago: that is over by itself.
    becomes("ping-handler-errors", "ok");
}

fn drift_is_seen(project: &Project) {
    // The permissions that were taken away above.
    let drift = &status(project, &["--no-probe"])["drift"];
    let changes = ["create", "update"].map(|action| drift[action].as_u64().expect("a count"));
    assert!(changes.iter().sum::<u64>() > 0, "{drift}");
    let _ = project.wsless(["deploy", "--yes"]).succeeds();
    let now = status(project, &["--no-probe"]);
    assert_eq!(
        (&now["drift"]["create"], &now["drift"]["update"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(now["deployed"]["number"], 2);
    project.edit(
        "wsless.toml",
        "[handlers.ping]\n",
        "[handlers.ping]\nmemory = 512\n",
    );
    let _ = project
        .wsless(["status", "--no-probe"])
        .succeeds()
        .says("function/ping");
}
