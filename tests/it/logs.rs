//! `wsless logs`: every line once, in order; one connection's and one message's way; filters, levels, times.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{
    Client, ClientMessage, Cloud, Kind, Project, Running, put_client_message, run, wait_for,
};

/// A build under load takes long; what is waited for is a condition, not a time.
const BOUND: Duration = Duration::from_mins(5);

/// The lines of the log that a command has printed as JSON.
fn logged(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["type"] == "log")
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect()
}

/// The log groups of a project that nobody deployed, written to by the test itself.
struct Groups {
    logs: aws_sdk_cloudwatchlogs::Client,
}

impl Groups {
    fn of(cloud: &Cloud) -> Self {
        Self {
            logs: aws_sdk_cloudwatchlogs::Client::new(&cloud.sdk()),
        }
    }

    fn make(&self, handler: &str) {
        let group = format!("/aws/lambda/small-dev-{handler}");
        run(async {
            let made = self.logs.create_log_group().log_group_name(&group);
            made.send().await?;
            let stream = self.logs.create_log_stream().log_group_name(&group);
            stream.log_stream_name("s").send().await?;
            Ok::<_, aws_sdk_cloudwatchlogs::Error>(())
        })
        .expect("a log group");
    }

    /// Writes lines, each this many seconds before `now`.
    fn put(&self, now: Timestamp, group: &str, stream: &str, lines: &[(i64, &str)]) {
        let now = now.as_millisecond();
        let events = lines.iter().map(|(ago, text)| {
            aws_sdk_cloudwatchlogs::types::InputLogEvent::builder()
                .timestamp(now - ago * 1000)
                .message(*text)
                .build()
                .expect("an event")
        });
        let put = self.logs.put_log_events().log_group_name(group);
        run(put
            .log_stream_name(stream)
            .set_log_events(Some(events.collect()))
            .send())
        .expect("lines are written");
    }

    fn write(&self, now: Timestamp, handler: &str, lines: &[(i64, &str)]) {
        let group = format!("/aws/lambda/small-dev-{handler}");
        self.put(now, &group, "s", lines);
    }
}

/// A project with the handlers `one` and `two`, and the built-in ones.
fn small(cloud: &Cloud) -> Project {
    let project = Project::empty(cloud);
    project.write(
        "wsless.toml",
        "[project]\nname = \"small\"\n[api]\nallowed-origins = [\"https://www.example.com\"]\n[handlers.one]\n\
         [handlers.two]\n[routes]\n\"$default\" = { handler = \"one\" }\nother = { handler = \"two\" }\n",
    );
    project
}

/// A system with a few lines of every kind in its logs, and when they were written.
fn told() -> (Cloud, Project, Timestamp) {
    let cloud = Cloud::embedded();
    let project = small(&cloud);
    let groups = Groups::of(&cloud);
    for handler in ["one", "two", "push"] {
        groups.make(handler);
    }
    let written = Timestamp::now();
    groups.write(
        written,
        "one",
        &[
            (7_000, r#"{"level":"INFO","message":"long ago"}"#),
            (50, "START RequestId: 1 Version: 1\n"),
            (40, r#"{"level":"WARN","message":"slow","connectionId":"a=","requestId":"r1","tookMs":7}"#),
            (39, r#"{"PushSent":1.0,"_aws":{"CloudWatchMetrics":[]}}"#),
            (20, "END RequestId: 1\n"),
            (19, "REPORT RequestId: 1\tDuration: 1.23 ms\t\n"),
        ],
    );
    groups.write(
        written,
        "two",
        &[
            (45, "plain \u{1b}[2J words\n"),
            (
                30,
                r#"{"level":"ERROR","message":"lost","connectionId":"b=","requestId":"r1"}"#,
            ),
            (
                10,
                "2026-11-27T10:00:00.000Z 2 Task timed out after 3.00 seconds\n\n",
            ),
        ],
    );
    groups.write(
        written,
        "push",
        &[(
            35,
            r#"{"level":"DEBUG","message":"sent","connectionId":"a="}"#,
        )],
    );
    (cloud, project, written)
}

#[test]
fn lines_are_chosen_by_handler_level_time_pattern_and_number() {
    let (_cloud, project, written) = told();
    let shown = |arguments: &[&str]| {
        let all = ["logs", "--output", "json"]
            .iter()
            .chain(arguments)
            .copied();
        let output = project.wsless(all).succeeds();
        let lines = logged(&output.stdout);
        lines
            .iter()
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", text("handler"), text("level"), text("message"))
            })
            .collect::<Vec<_>>()
    };
    let timed_out = "two error 2026-11-27T10:00:00.000Z 2 Task timed out after 3.00 seconds";
    let plain = "two info plain \u{1b}[2J words";
    let all = [
        plain,
        "one warn slow",
        "push debug sent",
        "two error lost",
        timed_out,
    ];
    assert_eq!(shown(&[]), all);
    assert_eq!(shown(&["--all"]).len(), all.len() + 4);
    assert_eq!(
        shown(&["one", "push"]),
        ["one warn slow", "push debug sent"]
    );
    assert_eq!(
        shown(&["--level", "warn"]),
        ["one warn slow", "two error lost", timed_out]
    );
    assert_eq!(shown(&["--level", "error"]), ["two error lost", timed_out]);
    assert_eq!(
        shown(&["--since", "2h", "-n", "2"]),
        ["two error lost", timed_out]
    );
    assert_eq!(shown(&["--since", "2h"])[0], "one info long ago");
    let ago = |seconds: i64| (written - SignedDuration::from_secs(seconds)).to_string();
    assert_eq!(
        shown(&["--since", &ago(42), "--until", &ago(25)]),
        all[1..4]
    );
    assert_eq!(shown(&["--until", &ago(6_900)]), ["one info long ago"]);
    assert_eq!(shown(&["--since", &ago(32)]), all[3..]);
    assert_eq!(
        shown(&["--connection", "a="]),
        ["one warn slow", "push debug sent"]
    );
    assert_eq!(
        shown(&["--request", "r1"]),
        ["one warn slow", "two error lost"]
    );
    assert_eq!(
        shown(&["--request", "r1", "--connection", "b="]),
        ["two error lost"]
    );
    assert_eq!(shown(&["--filter", "{ $.tookMs > 5 }"]), ["one warn slow"]);
    assert_eq!(
        shown(&["--filter", "\"timed out\"", "--level", "error"]),
        [timed_out]
    );
}

#[test]
fn a_line_is_a_record_for_machines_and_words_for_people() {
    let (_cloud, project, written) = told();
    let line = &logged(&project.wsless(["logs", "one", "--output", "json"]).stdout)[0];
    assert_eq!(
        line["fields"],
        json!({"connectionId": "a=", "requestId": "r1", "tookMs": 7})
    );
    assert!(
        line["raw"]
            .as_str()
            .is_some_and(|raw| raw.starts_with("{\"level\"")),
        "{line}"
    );
    let time: Timestamp = line["time"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    assert_eq!(time.as_millisecond(), written.as_millisecond() - 40_000);

    let people = project.wsless(["logs"]).succeeds();
    let _ = people
        .clone()
        .says("Z  one         warn   slow connectionId=a= requestId=r1 tookMs=7\n")
        .says("two         info   plain \u{241b}[2J words\n")
        .never_says("\u{1b}")
        .warns("No log group yet: connect, disconnect.");
    assert_eq!(people.stdout.lines().count(), 5, "{people}");
    let _ = project
        .wsless(["logs", "one", "--filter", "nothing_has_this"])
        .succeeds()
        .warns("No such line since");
}

#[test]
fn what_cant_be_read_is_told_with_what_to_do() {
    let cloud = Cloud::embedded();
    let project = small(&cloud);
    let _ = project
        .wsless(["logs"])
        .exits(1)
        .warns("error[logs::no-groups]: the stage `dev` of `small` has no logs of one, two, push, connect, disconnect")
        .warns("wsless deploy --stage dev");
    let _ = project
        .wsless(["logs", "onne", "access-log"])
        .exits(64)
        .warns("there is no handler `onne`")
        .warns("there are one, two, push, connect, disconnect")
        .warns("did you mean `one`?")
        .warns("`access-log = true` in [api]");
    Groups::of(&cloud).make("one");
    let _ = project
        .wsless(["logs", "one", "--filter", "{ $.a = "])
        .exits(1)
        .warns("InvalidParameterException")
        .warns("the pattern is { $.a = ")
        .warns("'single quotes'");
    for wrong in [
        &["--since", "soon"][..],
        &["--since", "1h", "--until", "2h"],
        &["--follow", "--until", "1h"],
        &["--live"],
        &["--level", "loud"],
        &["-n", "-1"],
    ] {
        let arguments = ["logs"].iter().chain(wrong).copied();
        let output = project.wsless(arguments).exits(64);
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{output}"
        );
    }
}

#[test]
fn following_waits_for_groups_and_ends_well_by_a_signal_or_without_a_reader() {
    let cloud = Cloud::embedded();
    let project = small(&cloud);
    let groups = Groups::of(&cloud);
    let follow = project.start(["logs", "one", "two", "--follow", "--output", "json"]);
    wait_for("the groups to be missed", BOUND, || {
        let told = "No log group yet: one, two; waiting for them.";
        follow.stderr().contains(told).then_some(())
    });
    groups.make("one");
    groups.write(Timestamp::now(), "one", &[(0, "first")]);
    groups.make("two");
    groups.write(Timestamp::now(), "two", &[(0, "second")]);
    wait_for("lines of groups that came later", BOUND, || {
        let lines = logged(&follow.stdout());
        (lines.len() == 2).then_some(())
    });
    follow.interrupt();
    let _ = follow.wait().exits(0);

    // `head` goes when it has its line; the next one that is written tells.
    let binary = env!("CARGO_BIN_EXE_wsless");
    let mut piped = project.begin(
        "bash",
        [
            "-c",
            &format!("set -o pipefail; {binary} logs one --follow | head -1"),
        ],
    );
    wait_for("the end of what nobody reads", BOUND, || {
        groups.write(Timestamp::now(), "one", &[(0, "again")]);
        piped.has_ended().then_some(())
    });
    let output = piped.wait().exits(0);
    assert!(
        output.stdout.contains("first") && !output.stderr.contains("error"),
        "{output}"
    );
}

/// A handler that logs numbered lines at a rate, by the library's way.
const BURST: &str = r#"
use std::time::{Duration, Instant};
use wsless_handlers::{Context, Error, Message, Reply, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(|message: Message, context: Context| async move {
        let asked: serde_json::Value = message.json()?;
        let (count, rate) = (asked["lines"].as_u64().unwrap_or(0), asked["rate"].as_u64().unwrap_or(1));
        let began = Instant::now();
        for number in 0..count {
            let due = began + Duration::from_millis(number * 1000 / rate);
            tokio::time::sleep_until(due.into()).await;
            context.info(format!("line {number}"));
        }
        Ok(Reply::none())
    })
    .await
}
"#;

const BURSTS: [&str; 5] = ["ab", "cd", "ef", "gh", "ij"];
/// Lines that each handler writes, and how many in a second.
const LINES: u64 = 3_000;
const RATE: u64 = 400;

/// A system of five handlers that log when they're told to.
fn busy(cloud: &Cloud) -> Project {
    let project = Project::init_as("busy", "echo", cloud);
    let mut manifest =
        "[project]\nname = \"busy\"\n[api]\nroute-selection = \"$request.body.action\"\n\
        allowed-origins = [\"https://www.example.com\"]\n"
            .to_owned();
    for name in BURSTS {
        manifest += &[
            &format!("[handlers.{name}]\nbinary = \"burst\"\ntimeout = \"5m\"\n"),
            &format!("[routes.{name}]\nhandler = \"{name}\"\n"),
        ]
        .map(String::as_str)
        .concat();
    }
    project.write("wsless.toml", &manifest);
    project.write("src/bin/burst.rs", BURST);
    project.edit(
        "Cargo.toml",
        "[\"macros\", \"rt\"]",
        "[\"macros\", \"rt\", \"time\"]",
    );
    project
}

/// Has each handler log its lines, 2,000 a second in all, while `followers` follow; then ends them. Each must have told
/// every line once, and each handler's in order.
fn follow_a_burst(cloud: &Cloud, project: &Project, followers: &[&[&str]]) {
    let address = project.wsless(["deploy", "--yes"]).succeeds().address();
    let endpoint = cloud.emulator.endpoint();
    let running: Vec<Running> = followers
        .iter()
        .map(|more| {
            let arguments = [
                "logs",
                "--follow",
                "--output",
                "json",
                "--endpoint-url",
                &endpoint,
            ];
            project.start(arguments.into_iter().chain(more.iter().copied()))
        })
        .collect();
    let mut client = crate::harness::Connect::new()
        .header("Origin", "https://www.example.com")
        .to(&address);
    for name in BURSTS {
        client.send_json(&json!({"action": name, "lines": LINES, "rate": RATE}));
    }
    let groups = Groups::of(cloud);
    for follower in &running {
        wait_for("every handler's last line", BOUND, || {
            let told = follower.stdout();
            let handled = told.matches("\"message\":\"handled\"").count();
            (handled == BURSTS.len()).then_some(())
        });
    }
    // What was read twice would be told before what comes now.
    for name in BURSTS {
        let group = format!("/aws/lambda/busy-dev-{name}");
        let stream = groups.logs.create_log_stream().log_group_name(&group);
        run(stream.log_stream_name("end").send()).expect("a stream");
        groups.put(Timestamp::now(), &group, "end", &[(0, "end of it")]);
    }
    for (follower, more) in running.into_iter().zip(followers) {
        wait_for("the end of each handler's log", BOUND, || {
            let told = follower.stdout();
            (told.matches("\"end of it\"").count() >= BURSTS.len()).then_some(())
        });
        follower.interrupt();
        let output = follower.wait().exits(0);
        let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for line in logged(&output.stdout) {
            let number = line["message"]
                .as_str()
                .and_then(|text| text.strip_prefix("line "));
            if let Some(number) = number {
                let handler = line["handler"].as_str().expect("a handler").to_owned();
                numbers
                    .entry(handler)
                    .or_default()
                    .push(number.parse().expect("a number"));
            }
        }
        let expected: Vec<u64> = (0..LINES).collect();
        for name in BURSTS {
            let told = &numbers[name];
            let wrong = told
                .iter()
                .zip(&expected)
                .position(|(told, expected)| told != expected);
            let around = wrong.map(|at| &told[at.saturating_sub(3)..(at + 10).min(told.len())]);
            assert!(
                *told == expected,
                "{name}, {more:?}: {} lines, wrong at {wrong:?}, around it {around:?}",
                told.len(),
            );
        }
    }
    client.close();
}

#[test]
fn two_thousand_lines_a_second_are_followed_each_once_and_in_order_whatever_fails() {
    let throttled = ["--fault", "logs:FilterLogEvents=throttle@30%"];
    let cloud = Cloud::embedded_with(&throttled);
    let mut project = busy(&cloud);
    follow_a_burst(&cloud, &project, &[&[], &["--live"]]);
    // Events that can't be read at once, empty pages, and AWS's rates.
    let as_aws = ["--fidelity", "aws", "--time-scale", "0.05"];
    let cloud = Cloud::embedded_with(&[&throttled[..], &as_aws].concat());
    project.use_cloud(&cloud);
    follow_a_burst(&cloud, &project, &[&[]]);
}

/// The handlers, in order, that a run of `logs` shows lines of, and the lines.
fn path(project: &Project, arguments: &[&str]) -> (Vec<String>, Vec<Value>) {
    let all = ["logs", "--output", "json"]
        .iter()
        .chain(arguments)
        .copied();
    let lines = logged(&project.wsless(all).succeeds().stdout);
    let said = |line: &Value| {
        format!(
            "{}: {}",
            line["handler"].as_str().unwrap_or_default(),
            line["message"].as_str().unwrap_or_default()
        )
    };
    (lines.iter().map(said).collect(), lines)
}

#[test]
fn a_connection_and_a_message_are_followed_from_handler_to_handler() {
    let cloud = Cloud::embedded();
    let project = Project::init("echo", &cloud);
    project.edit(
        "wsless.toml",
        "route-selection = \"$request.body.action\"",
        "route-selection = \"$request.body.action\"\naccess-log = true",
    );
    project.edit(
        "src/lib.rs",
        "pub async fn echo(message: Message, _context: Context) -> Result<Reply, Error> {",
        "pub async fn echo(message: Message, context: Context) -> Result<Reply, Error> {\n    \
         context.warn(format!(\"got {}\", message.text()));\n    \
         assert!(message.text() != \"panic\", \"told to\");",
    );
    let address = project.wsless(["deploy", "--yes"]).succeeds().address();
    let mut ada = Client::connect(&address);
    let mut bob = Client::connect(&address);
    for (client, text) in [(&mut ada, "hello"), (&mut bob, "other")] {
        client.send(text);
        assert_eq!(client.receive(), text);
    }
    ada.send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(ada.receive_json(), json!({"pong": 7}));
    ada.send("panic");

    let got = wait_for("ada's message in the log", BOUND, || {
        let lines = path(&project, &["echo", "--level", "warn"]).1;
        lines
            .into_iter()
            .find(|line| line["message"] == "got hello")
    });
    let connection = got["fields"]["connectionId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let request = got["fields"]["requestId"]
        .as_str()
        .expect("an id")
        .to_owned();
    ada.close();
    let followed = ["--connection", &connection];
    let told = wait_for("ada's end in the log", BOUND, || {
        let (told, _) = path(&project, &followed);
        let has = |what: &str| told.iter().any(|line| line.starts_with(what));
        let is_over = has("disconnect: connection closed") && has("echo: the handler panicked");
        (is_over && has("push: sent")).then_some(told)
    });
    let of = |handler: &str| -> Vec<&str> {
        let lines = told
            .iter()
            .filter_map(|line| line.strip_prefix(handler)?.strip_prefix(": "));
        lines.collect()
    };
    assert_eq!(of("connect"), ["connection opened"]);
    // A message that fails is tried again: the second time may have come already.
    assert_eq!(
        of("echo")[..5],
        [
            "got hello",
            "handled",
            "got panic",
            "panic: told to",
            "the handler panicked: told to"
        ]
    );
    assert_eq!(of("ping"), ["handled"]);
    assert_eq!(of("push"), ["sent"]);
    assert_eq!(of("disconnect").len(), 1);
    let access = of("access-log");
    assert_eq!(access[0], "CONNECT $connect 200");
    assert!(
        access.contains(&"MESSAGE ping 200") && access.contains(&"MESSAGE $default 200"),
        "{access:?}"
    );
    assert!(
        !told.iter().any(|line| line.contains("got other")),
        "{told:?}"
    );

    let (told, lines) = path(&project, &["echo", "push", "--request", &request]);
    assert_eq!(told, ["echo: got hello", "echo: handled", "push: sent"]);
    for line in &lines {
        assert_eq!(line["fields"]["connectionId"], *connection, "{line}");
        assert_eq!(line["fields"]["route"], "$default", "{line}");
    }
    for waited in &lines[1..] {
        assert!(waited["fields"]["waitedMs"].is_u64(), "{waited}");
    }
    let (told, _) = path(&project, &["access-log", "--request", &request]);
    assert_eq!(told, ["access-log: MESSAGE $default 200"]);
    bob.close();
}

#[test]
fn logs_are_read_and_followed_on_a_cloud_that_we_didnt_write() {
    let cloud = Cloud::ministack();
    assert_eq!(cloud.emulator.kind(), Kind::Ministack);
    let project = Project::init("echo", &cloud);
    let address = project.wsless(["deploy", "--yes"]).succeeds().address();
    let follow = project.start(["logs", "--follow", "--output", "json"]);
    let mut client = Client::connect(&address);
    let opened = wait_for("the connection in the log", BOUND, || {
        let lines = logged(&follow.stdout());
        lines
            .into_iter()
            .find(|line| line["message"] == "connection opened")
    });
    assert_eq!(opened["handler"], "connect");
    let id = opened["fields"]["connectionId"].as_str().expect("an id");
    put_client_message(
        &cloud,
        "echo-dev-echo",
        &ClientMessage::new(id, "$default", "dev", "hello"),
    );
    assert_eq!(client.receive(), "hello");
    wait_for("the message's way in the log", BOUND, || {
        let lines = logged(&follow.stdout());
        let said = messages(&lines);
        (said.contains(&"handled") && said.contains(&"sent")).then_some(())
    });
    client.close();
    wait_for("the connection's end in the log", BOUND, || {
        let lines = logged(&follow.stdout());
        let closed = |line: &&Value| {
            line["handler"] == "disconnect"
                && line["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("connection closed"))
        };
        lines.iter().find(closed).map(|_| ())
    });
    follow.terminate();
    let followed = logged(&follow.wait().exits(0).stdout);
    let (told, _) = path(&project, &["--connection", id]);
    let mut both: Vec<String> = followed
        .iter()
        .filter(|line| line["fields"]["connectionId"] == id)
        .map(|line| {
            format!(
                "{}: {}",
                line["handler"].as_str().unwrap_or_default(),
                line["message"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let mut told = told;
    both.sort();
    told.sort();
    assert_eq!(both, told);
}
