use std::{collections::BTreeMap, time::Duration};

use super::{GOOD, parsed, seen};
use crate::manifest::*;

/// Section 4 of the design, with the handlers that it leaves out.
const EXAMPLE: &str = r#"
[project]
name = "chat"                  # [a-z][a-z0-9-]*, at most 24 characters
region = "eu-west-1"           # optional: else the AWS configuration's
tags = { team = "realtime" }   # optional

[build]
architecture = "x86_64"        # or "arm64"; the default is x86_64
profile = "release"

[api]
route-selection = "$request.body.action"
allowed-origins = ["https://chat.example.com"]   # checked at $connect; absent: any, with a warning
throttle = { rate = 500, burst = 1000 }          # absent: the account's
authorizer = "auth"            # optional: a handler that answers $connect's authorization
access-log = false

[connections]
registry = true                # the DynamoDB table that broadcast and rooms need

[handlers.echo]
binary = "echo"                # a cargo binary; default: the handler's name
memory = 256                   # MiB
timeout = "10s"
environment = { GREETING = "hello" }
reserved-concurrency = 150     # optional
policy = [{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::my-bucket/*"] }]
[handlers.echo.queue]          # optional: how its queue behaves, if a route reaches it via "queue"
order = "none"                 # or "connection": FIFO, one connection's messages in order
batch-size = 10
max-receives = 5               # then the dead-letter queue
max-concurrency = 100

[handlers.pong]
[handlers.auth]

[routes]
"$default" = { handler = "echo" }                   # via = "queue" is the default
ping = { handler = "pong", via = "direct" }         # what it returns is sent back

[alarms]
notify = ["arn:aws:sns:eu-west-1:123456789012:pager"]
dead-letters = false
message-age = { threshold = 2.5, period = "1m", periods = 3 }
handler-errors = true

[stages.prod]                  # what differs in one stage, laid over the above key by key
handlers.echo.memory = 512
"#;

fn name(name: &str) -> HandlerName {
    HandlerName::checked(name)
}

fn route(handler: &str, via: Via) -> Route {
    Route {
        handler: name(handler),
        via,
    }
}

/// A handler of which nothing is said.
fn plain(binary: &str) -> Handler {
    Handler {
        binary: binary.to_owned(),
        memory_mib: 256,
        timeout: Duration::from_secs(10),
        environment: BTreeMap::new(),
        reserved_concurrency: None,
        policy: Vec::new(),
        queue: Queue {
            order: Order::None,
            batch_size: 10,
            batch_window: Duration::ZERO,
            visibility_timeout: Duration::from_mins(1),
            max_receives: 5,
            max_concurrency: None,
            retention: Duration::from_hours(4 * 24),
        },
    }
}

fn expected() -> Manifest {
    let mut echo = plain("echo");
    echo.environment
        .insert("GREETING".to_owned(), "hello".to_owned());
    echo.reserved_concurrency = Some(150);
    echo.policy.push(PolicyStatement {
        actions: vec!["s3:GetObject".to_owned()],
        resources: vec!["arn:aws:s3:::my-bucket/*".to_owned()],
    });
    echo.queue.max_concurrency = Some(100);
    Manifest {
        project: Project {
            name: "chat".to_owned(),
            region: Some("eu-west-1".to_owned()),
            tags: BTreeMap::from([("team".to_owned(), "realtime".to_owned())]),
        },
        build: BuildSettings {
            architecture: Architecture::X86_64,
            profile: "release".to_owned(),
        },
        api: Api {
            route_selection: "$request.body.action".to_owned(),
            allowed_origins: Some(vec!["https://chat.example.com".to_owned()]),
            throttle: Some(Throttle {
                rate: 500,
                burst: 1000,
            }),
            authorizer: Some(Authorizer {
                handler: name("auth"),
                identity_sources: vec!["route.request.querystring.token".to_owned()],
            }),
            access_log: false,
        },
        connections: Connections { registry: true },
        handlers: BTreeMap::from([
            (name("auth"), plain("auth")),
            (name("echo"), echo),
            (name("pong"), plain("pong")),
        ]),
        routes: BTreeMap::from([
            (RouteKey::checked("$default"), route("echo", Via::Queue)),
            (RouteKey::checked("ping"), route("pong", Via::Direct)),
        ]),
        alarms: Alarms {
            notify: vec!["arn:aws:sns:eu-west-1:123456789012:pager".to_owned()],
            tuning: BTreeMap::from([
                (AlarmName::DeadLetters, AlarmTuning::Off),
                (
                    AlarmName::MessageAge,
                    AlarmTuning::Tuned {
                        threshold: Some(2.5),
                        period: Some(Duration::from_mins(1)),
                        periods: Some(3),
                    },
                ),
            ]),
        },
        dashboard: Dashboard { enabled: false },
        logs: Logs { retention_days: 30 },
    }
}

#[test]
fn the_example_of_the_design_means_what_it_says() {
    let parsed = parsed(EXAMPLE);
    assert_eq!(parsed.manifest, expected());
    assert_eq!(seen(&parsed.warnings), vec![]);
}

#[test]
fn a_stage_of_the_example_differs_in_what_it_says_alone() {
    let mut manifest = expected();
    if let Some(echo) = manifest.handlers.get_mut(&name("echo")) {
        echo.memory_mib = 512;
    }
    let prod = parse(&super::file(EXAMPLE), "prod").map(|parsed| parsed.manifest);
    assert_eq!(prod, Ok(manifest));
}

#[test]
fn what_is_absent_has_its_default() {
    let manifest =
        parsed("project.name = \"x\"\nhandlers.echo = {}\nroutes.say = { handler = \"echo\" }")
            .manifest;
    let default = Manifest {
        project: Project {
            name: "x".to_owned(),
            region: None,
            tags: BTreeMap::new(),
        },
        build: BuildSettings {
            architecture: Architecture::X86_64,
            profile: "release".to_owned(),
        },
        api: Api {
            route_selection: "$request.body.action".to_owned(),
            allowed_origins: None,
            throttle: None,
            authorizer: None,
            access_log: false,
        },
        connections: Connections { registry: true },
        handlers: BTreeMap::from([(name("echo"), plain("echo"))]),
        routes: BTreeMap::from([(RouteKey::checked("say"), route("echo", Via::Queue))]),
        alarms: Alarms::default(),
        dashboard: Dashboard { enabled: false },
        logs: Logs { retention_days: 30 },
    };
    assert_eq!(manifest, default);
}

#[test]
fn what_is_written_is_read() {
    let text = GOOD
        .replace("[handlers.echo]", "[build]\narchitecture = \"arm64\"\nprofile = \"lean\"\n[connections]\nregistry = false\n[dashboard]\nenabled = true\n[logs]\nretention-days = 0x7\n[handlers.echo]\nbinary = \"echo_bin\"\ntimeout = \"1m 30s\"\n[handlers.echo.queue]\norder = \"connection\"\nbatch-size = 2\nmax-receives = 1_000\nretention = \"14d\"\nvisibility-timeout = 43200")
        .replace("[api]", "[api]\nauthorizer = { handler = \"auth\", identity-sources = [\"route.request.header.Auth\"] }\naccess-log = true\n[handlers.auth]\n[api.throttle]\nrate = 1\nburst = 1\n[nothing]")
        .replace("[nothing]\n", "");
    // The origins went to the throttle's table with the header before them.
    let text = text.replace("allowed-origins = [\"https://chat.example.com\"]\n", "");
    let manifest = parsed(&text).manifest;
    assert_eq!(
        manifest.build,
        BuildSettings {
            architecture: Architecture::Arm64,
            profile: "lean".to_owned()
        }
    );
    assert!(!manifest.connections.registry);
    assert!(manifest.dashboard.enabled);
    assert_eq!(manifest.logs.retention_days, 7);
    assert!(manifest.api.access_log);
    assert_eq!(manifest.api.throttle, Some(Throttle { rate: 1, burst: 1 }));
    let sources = manifest
        .api
        .authorizer
        .map(|authorizer| authorizer.identity_sources);
    assert_eq!(sources, Some(vec!["route.request.header.Auth".to_owned()]));
    let echo = &manifest.handlers[&name("echo")];
    assert_eq!(
        (echo.binary.as_str(), echo.timeout),
        ("echo_bin", Duration::from_secs(90))
    );
    let queue = Queue {
        order: Order::Connection,
        batch_size: 2,
        batch_window: Duration::ZERO,
        visibility_timeout: Duration::from_hours(12),
        max_receives: 1000,
        max_concurrency: None,
        retention: Duration::from_hours(14 * 24),
    };
    assert_eq!(echo.queue, queue);
}
