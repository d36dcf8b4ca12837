//! What values may be together.

use std::time::Duration;

use super::{GOOD, accepted, errors, parsed, refused, seen, spoilt, warned};
use crate::manifest::{HandlerName, Via};

#[test]
fn a_handler_s_name_is_plain_and_free() {
    let handler = |name: &str| {
        spoilt(
            "[routes]",
            &format!(
                "[handlers.{name}]\n[routes]\nx = {{ handler = {} }}",
                if name.starts_with('"') {
                    name.to_owned()
                } else {
                    format!("\"{name}\"")
                }
            ),
        )
    };
    for bad in ["push", "results", "gateway", "a-dlq"] {
        assert_eq!(seen(&errors(&handler(bad))), [("reserved", vec![bad])]);
    }
    for bad in ["Echo", "a-", "a_b", "1a", "\"\"", "\"a b\""] {
        assert_eq!(seen(&errors(&handler(bad))), [("invalid-value", vec![bad])]);
    }
    let help = |name: &str| errors(&handler(name)).pop().and_then(|found| found.help);
    assert_eq!(help("My_Echo").as_deref(), Some("write `my-echo`"));
    // What is suggested is taken.
    assert_eq!(help("Push"), None);
    for good in ["a", "pushing", "a--b", "dlq"] {
        assert_eq!(seen(&errors(&handler(good))), []);
    }
}

#[test]
fn connect_names_the_handler_that_replaces_the_built_in_one() {
    for name in ["connect", "disconnect"] {
        let text = spoilt(
            "[routes]",
            &format!("[handlers.{name}]\n[routes]\nx = {{ handler = \"{name}\" }}"),
        );
        assert_eq!(seen(&errors(&text)), [("reserved", vec![name])]);
        let other = text.replace(
            "x = {",
            &format!("\"${name}\" = {{ handler = \"echo\" }}\nx = {{"),
        );
        assert_eq!(seen(&errors(&other)), [("reserved", vec![name])]);
        let right = text.replace("x = {", &format!("\"${name}\" = {{"));
        assert_eq!(seen(&errors(&right)), []);
    }
}

#[test]
fn a_function_s_name_has_at_most_64_characters() {
    // chat-dev- is 9.
    let name = |length: usize| "h".repeat(length);
    let text = |name: &str| GOOD.replace("pong", name);
    assert_eq!(seen(&errors(&text(&name(55)))), []);
    let found = errors(&text(&name(56)));
    let long = name(56);
    assert_eq!(seen(&found), [("name-too-long", vec![long.as_str()])]);
    assert!(
        found[0]
            .message
            .contains(&format!("`chat-dev-{long}` is 1 character too long")),
        "{}",
        found[0].message
    );
}

#[test]
fn a_route_s_handler_is_declared() {
    let found = refused(
        "handler = \"echo\"",
        "handler = \"ecko\"",
        "unknown-handler",
        &["\"ecko\""],
    );
    assert_eq!(found.help.as_deref(), Some("did you mean `echo`?"));
    let found = refused(
        "handler = \"echo\"",
        "handler = \"something\"",
        "unknown-handler",
        &["\"something\""],
    );
    assert_eq!(
        found.help.as_deref(),
        Some("declare it: [handlers.something]")
    );
    refused(
        "handler = \"echo\"",
        "handler = \"push\"",
        "unknown-handler",
        &["\"push\""],
    );
}

#[test]
fn a_poisoned_handler_is_declared_all_the_same() {
    refused(
        "[handlers.echo]",
        "[handlers.echo]\ntimeout = 0\n[handlers.echo.queue]\nvisibility-timeout = 1",
        "out-of-range",
        &["0"],
    );
    refused(
        "[handlers.echo]",
        "[handlers]\necho = 5",
        "wrong-type",
        &["5"],
    );
}

#[test]
fn an_authorizer_is_a_handler_of_its_own() {
    refused(
        "[api]",
        "[api]\nauthorizer = \"oath\"",
        "unknown-handler",
        &["\"oath\""],
    );
    refused(
        "[api]",
        "[api]\nauthorizer = { handler = \"oath\" }",
        "unknown-handler",
        &["\"oath\""],
    );
    refused(
        "[api]",
        "[api]\nauthorizer = \"echo\"",
        "authorizer-routed",
        &["\"echo\"", "\"$default\""],
    );
    accepted("[api]", "[handlers.auth]\n[api]\nauthorizer = \"auth\"");
    refused("[api]", "[api]\nauthorizer = {}", "missing", &["{}"]);
}

#[test]
fn a_direct_handler_ends_before_api_gateway_stops_waiting() {
    refused(
        "[handlers.pong]",
        "[handlers.pong]\ntimeout = \"30s\"",
        "direct-timeout",
        &["\"30s\"", "ping"],
    );
    accepted("[handlers.pong]", "[handlers.pong]\ntimeout = \"29s\"");
    // The handshake is direct whatever is said.
    let text = spoilt(
        "[routes]",
        "[routes]\n\"$connect\" = { handler = \"echo\" }",
    )
    .replace("[handlers.echo]", "[handlers.echo]\ntimeout = 60");
    assert_eq!(
        seen(&errors(&text)),
        [("direct-timeout", vec!["60", "\"$connect\""])]
    );
}

#[test]
fn the_lifecycle_s_routes_are_direct() {
    for key in ["$connect", "$disconnect"] {
        refused(
            "[routes]",
            &format!("[routes]\n\"{key}\" = {{ handler = \"echo\", via = \"queue\" }}"),
            "queued-lifecycle",
            &["\"queue\""],
        );
        let manifest = accepted(
            "[routes]",
            &format!("[routes]\n\"{key}\" = {{ handler = \"echo\" }}"),
        )
        .manifest;
        let via = manifest
            .routes
            .iter()
            .find(|(route, _)| route.as_str() == key)
            .map(|(_, route)| route.via);
        assert_eq!(via, Some(Via::Direct));
    }
}

#[test]
fn there_is_a_route_and_there_are_at_most_300() {
    let found = errors("[project]\nname = \"a\"\n[handlers.echo]\n");
    assert_eq!(seen(&found), [("missing", vec![""])]);
    let found = errors("[project]\nname = \"a\"\n[handlers.echo]\n[routes]\n");
    assert_eq!(seen(&found), [("missing", vec!["routes"])]);
    let many = |count: usize, more: &str| {
        let routes: Vec<String> = (0..count)
            .map(|n| format!("r{n} = {{ handler = \"echo\" }}\n"))
            .collect();
        let routes = routes.concat();
        spoilt("[routes]", &format!("[routes]\n{more}{routes}"))
    };
    // With $default and ping, $connect and $disconnect.
    assert_eq!(seen(&errors(&many(296, ""))), []);
    assert_eq!(
        seen(&errors(&many(297, ""))),
        [("out-of-range", vec!["routes"])]
    );
    let named = "\"$connect\" = { handler = \"echo\" }\n\"$disconnect\" = { handler = \"echo\" }\n";
    assert_eq!(seen(&errors(&many(296, named))), []);
    assert_eq!(
        seen(&errors(&many(297, named))),
        [("out-of-range", vec!["routes"])]
    );
}

#[test]
fn a_batch_is_small_or_gathered_on_an_unordered_queue() {
    let queue = |lines: &str| format!("[handlers.echo]\n[handlers.echo.queue]\n{lines}");
    refused(
        "[handlers.echo]",
        &queue("batch-size = 11"),
        "conflict",
        &["11"],
    );
    refused(
        "[handlers.echo]",
        &queue("batch-size = 11\norder = \"connection\""),
        "conflict",
        &["11", "\"connection\""],
    );
    refused(
        "[handlers.echo]",
        &queue("batch-window = 1\norder = \"connection\""),
        "conflict",
        &["1", "\"connection\""],
    );
    refused(
        "[handlers.echo]",
        &queue("batch-size = 11\nbatch-window = \"x\""),
        "invalid-value",
        &["\"x\""],
    );
    accepted(
        "[handlers.echo]",
        &queue("batch-size = 11\nbatch-window = 1"),
    );
    accepted(
        "[handlers.echo]",
        &queue("batch-size = 10\norder = \"connection\""),
    );
}

#[test]
fn a_message_stays_hidden_while_its_handler_works() {
    let echo = |lines: &str| format!("[handlers.echo]\n{lines}");
    refused(
        "[handlers.echo]",
        &echo("timeout = 60\nqueue.visibility-timeout = 59"),
        "conflict",
        &["59", "60"],
    );
    refused(
        "[handlers.echo]",
        &echo("queue.visibility-timeout = 9"),
        "conflict",
        &["9"],
    );
    accepted(
        "[handlers.echo]",
        &echo("timeout = 60\nqueue.visibility-timeout = 60"),
    );
    let manifest = accepted(
        "[handlers.echo]",
        &echo("timeout = 60\nqueue.batch-window = 5"),
    )
    .manifest;
    let queue = &manifest.handlers[&HandlerName::checked("echo")].queue;
    assert_eq!(queue.visibility_timeout, Duration::from_secs(365));
}

#[test]
fn all_periods_of_an_alarm_are_at_most_a_day() {
    let alarm = |tuning: &str| format!("[alarms]\nhandler-errors = {{ {tuning} }}");
    refused(
        "[alarms]",
        &alarm("period = \"1h\", periods = 25"),
        "conflict",
        &["25"],
    );
    accepted("[alarms]", &alarm("period = \"1h\", periods = 24"));
    refused("[alarms]", &alarm("periods = 1441"), "conflict", &["1441"]);
    accepted("[alarms]", &alarm("periods = 1440"));
    refused(
        "[alarms]",
        &alarm("period = 61, periods = 1441"),
        "out-of-range",
        &["61"],
    );
}

#[test]
fn who_is_told_is_in_the_project_s_region() {
    let notify =
        |region: &str| format!("[alarms]\nnotify = [\"arn:aws:sns:{region}:123456789012:p\"]");
    accepted("[alarms]", &notify("eu-west-1"));
    refused(
        "[alarms]",
        &notify("eu-west-2"),
        "conflict",
        &["\"arn:aws:sns:eu-west-2:123456789012:p\"", "\"eu-west-1\""],
    );
    let text = spoilt("[alarms]", &notify("eu-west-2")).replace("region = \"eu-west-1\"\n", "");
    assert_eq!(seen(&parsed(&text).warnings), []);
}

#[test]
fn an_open_door_is_pointed_out() {
    warned(
        "allowed-origins = [\"https://chat.example.com\"]\n",
        "",
        "any-origin",
        &["api"],
    );
    warned(
        "[api]\nallowed-origins = [\"https://chat.example.com\"]\n",
        "",
        "any-origin",
        &[],
    );
}

#[test]
fn what_nothing_calls_is_pointed_out() {
    warned(
        "[routes]",
        "[handlers.idle]\n[routes]",
        "unused-handler",
        &["idle"],
    );
    warned(
        "ping = { handler = \"pong\", via = \"direct\" }",
        "",
        "unused-handler",
        &["pong"],
    );
    warned(
        "[routes]",
        "[handlers.pong.queue]\nbatch-size = 1\n[routes]",
        "unused-queue",
        &["queue"],
    );
    accepted(
        "[routes]",
        "[handlers.pong.queue]\nbatch-size = 1\n[routes]\nx = { handler = \"pong\" }",
    );
}

#[test]
fn a_missing_default_route_is_pointed_out() {
    warned("\"$default\" =", "other =", "no-default-route", &["routes"]);
}

#[test]
fn a_wide_policy_is_pointed_out() {
    let policy = |action: &str, resource: &str| {
        format!(
            "[handlers.echo]\npolicy = [{{ actions = [\"{action}\"], resources = [\"{resource}\"] }}]"
        )
    };
    warned(
        "[handlers.echo]",
        &policy("s3:GetObject", "*"),
        "wide-policy",
        &["\"*\""],
    );
    warned(
        "[handlers.echo]",
        &policy("*", "arn:aws:s3:::b"),
        "wide-policy",
        &["\"*\""],
    );
    warned(
        "[handlers.echo]",
        &policy("s3:*", "arn:aws:s3:::b"),
        "wide-policy",
        &["\"s3:*\""],
    );
    accepted("[handlers.echo]", &policy("s3:Get*", "arn:aws:s3:::b/*"));
}

#[test]
fn a_queue_that_loses_messages_under_load_is_pointed_out() {
    warned(
        "[handlers.echo]",
        "[handlers.echo]\nqueue.max-receives = 4",
        "few-receives",
        &["4"],
    );
    warned(
        "[handlers.echo]",
        "[handlers.echo]\nqueue.max-concurrency = 51\nreserved-concurrency = 50",
        "throttled-queue",
        &["51", "50"],
    );
    accepted(
        "[handlers.echo]",
        "[handlers.echo]\nqueue.max-concurrency = 50\nreserved-concurrency = 50",
    );
}
