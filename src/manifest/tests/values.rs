//! What one value may be.

use super::{GOOD, accepted, errors, refused, seen, spoilt};

/// The header of a section, and a section that [`GOOD`] doesn't have.
fn under(section: &str, line: &str) -> (String, String) {
    let header = format!("[{section}]");
    if GOOD.contains(&header) {
        (header.clone(), format!("{header}\n{line}"))
    } else {
        ("[alarms]".to_owned(), format!("{header}\n{line}\n[alarms]"))
    }
}

#[track_caller]
fn no(section: &str, line: &str, code: &str, at: &str) -> crate::diagnostic::Diagnostic {
    let (from, to) = under(section, line);
    refused(&from, &to, code, &[at])
}

#[track_caller]
fn yes(section: &str, line: &str) {
    let (from, to) = under(section, line);
    accepted(&from, &to);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    let found = no("handlers.echo", "memmory = 256", "unknown-key", "memmory");
    assert_eq!(found.message, "unknown key `memmory` in [handlers.echo]");
    assert_eq!(found.help.as_deref(), Some("did you mean `memory`?"));
    assert_eq!(found.spans[0].label, "perhaps `memory`");
    assert!(found.notes[0].contains("`reserved-concurrency`"));
    let found = no("handlers.echo", "xyzzy = 256", "unknown-key", "xyzzy");
    assert_eq!(found.help, None);
    let found = errors(&format!("colour = 1\n{GOOD}"));
    assert_eq!(found[0].message, "unknown key `colour` at the top level");
}

#[test]
fn a_misspelt_key_isn_t_missing_too() {
    refused("name = ", "nane = ", "unknown-key", &["nane"]);
    refused("[routes]", "[route]", "unknown-key", &["route"]);
    refused(
        "{ handler = \"echo\"",
        "{ handlr = \"echo\"",
        "unknown-key",
        &["handlr"],
    );
    // Both headers, or the table would be there twice over.
    let text = GOOD.replace("[handlers.", "[handler.");
    assert_eq!(seen(&errors(&text)), [("unknown-key", vec!["handler"])]);
}

#[test]
fn each_type_is_checked() {
    for (section, line, at) in [
        ("connections", "registry = \"true\"", "\"true\""),
        ("dashboard", "enabled = 1", "1"),
        ("build", "profile = 1", "1"),
        ("build", "architecture = true", "true"),
        ("handlers.echo", "memory = 256.0", "256.0"),
        ("logs", "retention-days = \"7\"", "\"7\""),
        ("alarms", "dead-letters = { threshold = \"1\" }", "\"1\""),
        ("alarms", "dead-letters = 1", "1"),
        ("handlers.echo", "timeout = 1979-05-27", "1979-05-27"),
        ("api", "authorizer = 1", "1"),
        ("api", "throttle = []", "[]"),
        ("handlers.echo", "policy = {}", "{}"),
        ("handlers.echo", "environment = [1]", "[1]"),
        ("handlers.echo", "environment = { PORT = 1 }", "1"),
        ("routes", "x = \"echo\"", "\"echo\""),
        ("handlers", "x = 1", "1"),
    ] {
        no(section, line, "wrong-type", at);
    }
    let found = no("handlers.echo", "memory = \"256\"", "wrong-type", "\"256\"");
    assert_eq!(
        found.message,
        "`memory` in [handlers.echo] must be an integer"
    );
    assert_eq!(found.spans[0].label, "a string");
    assert_eq!(found.help.as_deref(), Some("for example `memory = 256`"));
    let found = no(
        "api",
        "throttle = { rate = 1, burst = \"1\" }",
        "wrong-type",
        "\"1\"",
    );
    assert_eq!(
        found.message,
        "`burst` in [api.throttle] must be an integer"
    );
    refused(
        "[handlers.pong]",
        "[[handlers.pong]]",
        "wrong-type",
        &["[[handlers.pong]]"],
    );
}

#[test]
fn a_project_s_name_is_short_and_plain() {
    for bad in [
        "Chat",
        "1chat",
        "chat-",
        "ch_at",
        "",
        "-",
        "a234567890123456789012345",
    ] {
        let code = if bad.len() > 24 {
            "out-of-range"
        } else {
            "invalid-value"
        };
        refused(
            "\"chat\"",
            &format!("\"{bad}\""),
            code,
            &[&format!("\"{bad}\"")],
        );
    }
    accepted("\"chat\"", "\"a23456789012345678901234\"");
    accepted("\"chat\"", "\"a\"");
    refused("name = \"chat\"\n", "", "missing", &["[project]"]);
}

#[test]
fn a_region_is_a_region() {
    for good in ["us-gov-west-1", "eusc-de-east-1", "ap-southeast-7"] {
        accepted("eu-west-1", good);
    }
    for bad in ["Ireland", "eu-west", "eu_west_1", "eu-west-1a"] {
        refused("eu-west-1", bad, "invalid-value", &[&format!("\"{bad}\"")]);
    }
}

#[test]
fn tags_are_what_aws_takes() {
    yes(
        "project",
        "tags = { \"cost center\" = \"\", \"équipe\" = \"temps-réel @1+2=3/4:5_6.7\" }",
    );
    for bad in ["\"aws:x\"", "\"AWS:x\"", "\"wsless:x\""] {
        no(
            "project",
            &format!("tags = {{ {bad} = \"1\" }}"),
            "reserved",
            bad,
        );
    }
    for bad in ["\"a;b\"", "\"\"", "\"a*\"", "\"☃\""] {
        no(
            "project",
            &format!("tags = {{ {bad} = \"1\" }}"),
            "invalid-value",
            bad,
        );
    }
    no(
        "project",
        "tags = { a = \"b,c\" }",
        "invalid-value",
        "\"b,c\"",
    );
    no("project", "tags = { a = \"☃\" }", "invalid-value", "\"☃\"");
    let long = |length: usize| "k".repeat(length);
    no(
        "project",
        &format!("tags = {{ {} = \"\" }}", long(129)),
        "out-of-range",
        &long(129),
    );
    let value = format!("\"{}\"", long(257));
    no(
        "project",
        &format!("tags = {{ a = {value} }}"),
        "out-of-range",
        &value,
    );
    yes(
        "project",
        &format!("tags = {{ {} = \"{}\" }}", long(128), long(256)),
    );
    let many = |count: usize| {
        (10..10 + count)
            .map(|n| format!("t{n} = \"\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    yes("project", &format!("tags = {{ {} }}", many(40)));
    no(
        "project",
        &format!("tags = {{ {} }}", many(41)),
        "out-of-range",
        "t50",
    );
}

#[test]
fn a_build_is_for_a_processor_of_lambda_s() {
    let found = no(
        "build",
        "architecture = \"arm\"",
        "invalid-value",
        "\"arm\"",
    );
    assert_eq!(found.help.as_deref(), Some("did you mean `arm64`?"));
    no("build", "profile = \"a b\"", "invalid-value", "\"a b\"");
    no(
        "handlers.echo",
        "binary = \"../echo\"",
        "invalid-value",
        "\"../echo\"",
    );
}

#[test]
fn a_route_selection_reads_the_body() {
    for good in [
        "$request.body.action",
        "$request.body.a.b",
        "${request.body.a}",
        "${request.body.a}/${request.body.b}",
        "v1-${request.body.a}",
    ] {
        yes("api", &format!("route-selection = \"{good}\""));
    }
    for bad in [
        "action",
        "$request.header.x",
        "$request.body",
        "$request.body.",
        "${request.body.a",
        "plain",
        "${request.body.a}$x",
    ] {
        let value = format!("\"{bad}\"");
        no(
            "api",
            &format!("route-selection = {value}"),
            "invalid-value",
            &value,
        );
    }
}

#[test]
fn an_origin_is_as_browsers_send_it() {
    for good in [
        "http://localhost:5173",
        "https://a.b",
        "chrome-extension://abc",
        "http://[::1]:80x",
    ] {
        let good = good.trim_end_matches("80x");
        let good = good.trim_end_matches(':');
        accepted("https://chat.example.com", good);
    }
    for bad in [
        "chat.example.com",
        "https://a.b/",
        "https://a.b/c",
        "https://*.b",
        "*",
        "https://A.b",
        "https://a.b:443",
        "http://a.b:80",
        "https://",
        "null",
        "https://a b",
    ] {
        refused(
            "https://chat.example.com",
            bad,
            "invalid-value",
            &[&format!("\"{bad}\"")],
        );
    }
    refused(
        "[\"https://chat.example.com\"]",
        "[]",
        "out-of-range",
        &["[]"],
    );
}

/// A list of 16 origins that takes this many bytes as JSON.
fn origins(bytes: usize) -> String {
    // Two brackets, 15 commas, and the quotes.
    let letters = bytes - 2 - 15 - 2 * 16;
    let origin = |length: usize| format!("\"https://{}\"", "a".repeat(length - "https://".len()));
    let mut list = vec![origin(letters / 16); 15];
    list.push(origin(letters - letters / 16 * 15));
    format!("[{}]", list.join(","))
}

#[test]
fn the_origins_fit_into_an_environment() {
    let given = "[\"https://chat.example.com\"]";
    accepted(given, &origins(2048));
    let large = origins(2049);
    let found = refused(given, &large, "out-of-range", &[&large]);
    assert_eq!(found.spans[0].label, "1 byte too many");
    assert!(found.notes[0].contains("4096"), "{found:?}");
    assert!(found.help.is_some());
}

#[test]
fn the_origins_count_in_the_environment_of_the_handler_that_gets_them() {
    let environment = |length: usize| {
        let value = "s".repeat(length);
        format!("[handlers.pong]\nenvironment = {{ KEY = \"{value}\" }}")
    };
    let large = environment(3072 - 100);
    accepted("[handlers.pong]", &large);
    let connects = "[routes]\n\"$connect\" = { handler = \"pong\", via = \"direct\" }";
    let text = spoilt("[handlers.pong]", &large).replacen("[routes]", connects, 1);
    accepted("[routes]", connects);
    // The list with its name is more than the hundred bytes that are left.
    let text = text.replacen(
        "[\"https://chat.example.com\"]",
        "[\"https://chat.example.com\", \"https://www.chat.example.com\"]",
        1,
    );
    let found = errors(&text);
    assert_eq!(seen(&found), [("out-of-range", vec!["pong"])]);
    assert!(found[0].message.contains("allowed-origins"), "{found:?}");
}

#[test]
fn a_throttle_of_zero_is_explained() {
    let found = no(
        "api",
        "throttle = { rate = 0, burst = 1 }",
        "out-of-range",
        "0",
    );
    assert!(found.notes[0].contains("429"), "{found:?}");
    no(
        "api",
        "throttle = { rate = 1, burst = 0 }",
        "out-of-range",
        "0",
    );
    no(
        "api",
        "throttle = { rate = 1, burst = -1 }",
        "out-of-range",
        "-1",
    );
    no(
        "api",
        "throttle = { rate = 3_000_000_000, burst = 1 }",
        "out-of-range",
        "3_000_000_000",
    );
    no(
        "api",
        "throttle = { rate = 99999999999999999999, burst = 1 }",
        "out-of-range",
        "99999999999999999999",
    );
    no("api", "throttle = { rate = 1 }", "missing", "{ rate = 1 }");
}

#[test]
fn an_identity_source_is_in_a_websocket_api_s_words() {
    let source = |source: &str| {
        format!(
            "authorizer = {{ handler = \"auth\", identity-sources = [\"{source}\"] }}\n[handlers.auth]\n[api.throttle]\nrate = 1\nburst = 1\n[nothing]"
        )
    };
    let text = |one: &str| {
        spoilt(
            "[api]",
            &format!(
                "[handlers.auth]\n[api]\n{}",
                source(one).lines().next().unwrap_or_default()
            ),
        )
    };
    for good in [
        "route.request.header.Auth",
        "route.request.querystring.token",
        "context.domainName",
        "stageVariables.x",
    ] {
        assert_eq!(seen(&errors(&text(good))), []);
    }
    for bad in [
        "$request.header.Auth",
        "route.request.body.x",
        "method.request.header.x",
        "token",
    ] {
        let found = errors(&text(bad));
        assert_eq!(
            seen(&found),
            [("invalid-value", vec![format!("\"{bad}\"").as_str()])]
        );
        assert_eq!(
            found[0].notes[0].contains("HTTP APIs"),
            bad.starts_with('$')
        );
    }
}

#[test]
fn a_handler_has_lambda_s_limits() {
    for (line, at) in [
        ("memory = 127", "127"),
        ("memory = 10241", "10241"),
        ("timeout = 0", "0"),
        ("timeout = -1", "-1"),
        ("timeout = 901", "901"),
        ("timeout = \"15m 1s\"", "\"15m 1s\""),
        ("timeout = 99999999999999999999", "99999999999999999999"),
        ("timeout = \"99999999d\"", "\"99999999d\""),
        ("reserved-concurrency = 0", "0"),
    ] {
        no("handlers.echo", line, "out-of-range", at);
    }
    for line in [
        "memory = 128",
        "memory = 10_240",
        "timeout = 1",
        "timeout = \"15m\"",
        "reserved-concurrency = 1",
    ] {
        yes("handlers.echo", line);
    }
    for bad in ["10", "10 s", "0.5s", "100ms", "s", "", "-1s"] {
        let value = format!("\"{bad}\"");
        no(
            "handlers.echo",
            &format!("timeout = {value}"),
            "invalid-value",
            &value,
        );
    }
}

#[test]
fn the_environment_s_names_are_free_ones() {
    for bad in [
        "AWS_REGION",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_ANYTHING",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "WSLESS_TABLE",
    ] {
        no(
            "handlers.echo",
            &format!("environment = {{ {bad} = \"1\" }}"),
            "reserved",
            bad,
        );
    }
    for bad in ["X", "1A", "\"A B\"", "A-B", "_A"] {
        no(
            "handlers.echo",
            &format!("environment = {{ {bad} = \"1\" }}"),
            "invalid-value",
            bad,
        );
    }
    yes(
        "handlers.echo",
        "environment = { TZ = \"UTC\", AWS_XRAY_CONTEXT_MISSING = \"\", a_1 = \"é\" }",
    );
}

#[test]
fn the_environment_s_size_is_told_without_its_values() {
    // {"KEY":"..."} is ten bytes around the value.
    let line = |length: usize| format!("environment = {{ KEY = \"{}\" }}", "s".repeat(length));
    yes("handlers.echo", &line(3072 - 10));
    let found = no("handlers.echo", &line(3072 - 9), "out-of-range", "echo");
    assert!(
        !format!("{found:?}")
            .replace(&found.spans[0].file.text, "")
            .replace(&format!("{:?}", found.spans[0].file.text), "")
            .contains("sss")
    );
    let found = no(
        "handlers.echo",
        "environment = { KEY = \"secret\\u0000\" }",
        "invalid-value",
        "\"secret\\u0000\"",
    );
    assert!(!found.message.contains("secret"), "{}", found.message);
}

#[test]
fn a_policy_is_of_actions_on_resources() {
    let policy = |actions: &str, resources: &str| {
        format!("policy = [{{ actions = [{actions}], resources = [{resources}] }}]")
    };
    for good in ["\"s3:GetObject\"", "\"dynamodb:Get*\", \"s3:Put?bject\""] {
        yes(
            "handlers.echo",
            &policy(
                good,
                "\"arn:aws:s3:::b/*\", \"arn:aws-cn:sqs:cn-north-1:123456789012:q\"",
            ),
        );
    }
    for bad in [
        "\"GetObject\"",
        "\"s3:\"",
        "\"s3:Get Object\"",
        "\"s3:a:b\"",
    ] {
        no(
            "handlers.echo",
            &policy(bad, "\"arn:aws:s3:::b\""),
            "invalid-value",
            bad,
        );
    }
    for bad in ["\"my-bucket\"", "\"arn:aws:s3\"", "\"**\""] {
        no(
            "handlers.echo",
            &policy("\"s3:GetObject\"", bad),
            "invalid-value",
            bad,
        );
    }
    no(
        "handlers.echo",
        &policy("", "\"arn:aws:s3:::b\""),
        "out-of-range",
        "[]",
    );
    no(
        "handlers.echo",
        &policy("\"s3:GetObject\"", ""),
        "out-of-range",
        "[]",
    );
    no(
        "handlers.echo",
        "policy = [{ actions = [\"s3:GetObject\"] }]",
        "missing",
        "{ actions = [\"s3:GetObject\"] }",
    );
}

#[test]
fn a_queue_has_the_limits_of_sqs_and_its_event_sources() {
    for (line, at) in [
        ("batch-size = 0", "0"),
        ("batch-size = 10001\nbatch-window = 1", "10001"),
        ("batch-window = 301", "301"),
        ("visibility-timeout = \"12h 1s\"", "\"12h 1s\""),
        ("max-receives = 0", "0"),
        ("max-receives = 1001", "1001"),
        ("max-concurrency = 1", "1"),
        ("max-concurrency = 1001", "1001"),
        ("retention = 59", "59"),
        ("retention = \"15d\"", "\"15d\""),
    ] {
        no("handlers.echo.queue", line, "out-of-range", at);
    }
    no(
        "handlers.echo.queue",
        "order = \"fifo\"",
        "invalid-value",
        "\"fifo\"",
    );
    for line in [
        "batch-size = 10000\nbatch-window = 300",
        "batch-size = 1",
        "max-receives = 1000",
        "max-concurrency = 2",
        "retention = 60",
        "retention = \"14d\"",
    ] {
        yes("handlers.echo.queue", line);
    }
}

#[test]
fn a_route_s_key_is_the_user_s_or_one_of_three() {
    let found = no(
        "routes",
        "\"$conect\" = { handler = \"echo\" }",
        "reserved",
        "\"$conect\"",
    );
    assert_eq!(found.help.as_deref(), Some("did you mean `$connect`?"));
    for bad in ["\"$\"", "\"$x\"", "\"$connect2\""] {
        no(
            "routes",
            &format!("{bad} = {{ handler = \"echo\" }}"),
            "reserved",
            bad,
        );
    }
    for bad in ["\"\"", "\"a\\nb\"", "\"\\u007f\""] {
        no(
            "routes",
            &format!("{bad} = {{ handler = \"echo\" }}"),
            "invalid-value",
            bad,
        );
    }
    let long = "k".repeat(129);
    no(
        "routes",
        &format!("{long} = {{ handler = \"echo\" }}"),
        "out-of-range",
        &long,
    );
    yes(
        "routes",
        &format!(
            "{} = {{ handler = \"echo\" }}\n\"sagen: grüß Gott $1\" = {{ handler = \"echo\" }}",
            "k".repeat(128)
        ),
    );
    no(
        "routes",
        "x = { handler = \"echo\", via = \"dirct\" }",
        "invalid-value",
        "\"dirct\"",
    );
    no(
        "routes",
        "x = { via = \"direct\" }",
        "missing",
        "{ via = \"direct\" }",
    );
}

#[test]
fn an_alarm_is_off_or_tuned_within_cloudwatch_s_limits() {
    for good in [
        "true",
        "false",
        "{}",
        "{ threshold = 0 }",
        "{ threshold = 1.5, period = 10, periods = 8640 }",
        "{ period = \"1d\", periods = 1 }",
    ] {
        yes("alarms", &format!("dead-letters = {good}"));
    }
    for (bad, at) in [
        ("{ threshold = -1 }", "-1"),
        ("{ threshold = inf }", "inf"),
        ("{ threshold = nan }", "nan"),
        ("{ threshold = 1e999 }", "1e999"),
        ("{ period = 5 }", "5"),
        ("{ period = 40 }", "40"),
        ("{ period = 90 }", "90"),
        ("{ period = \"2d\" }", "\"2d\""),
        ("{ periods = 0 }", "0"),
    ] {
        no(
            "alarms",
            &format!("message-age = {bad}"),
            "out-of-range",
            at,
        );
    }
    no(
        "alarms",
        "dead-leters = false",
        "unknown-key",
        "dead-leters",
    );
}

#[test]
fn who_is_told_is_a_topic_or_a_function() {
    yes(
        "alarms",
        "notify = [\"arn:aws:lambda:eu-west-1:123456789012:function:page:live\"]",
    );
    for bad in [
        "pager",
        "arn:aws:sqs:eu-west-1:123456789012:pager",
        "arn:aws:sns:eu-west-1:12:pager",
    ] {
        let value = format!("\"{bad}\"");
        no(
            "alarms",
            &format!("notify = [{value}]"),
            "invalid-value",
            &value,
        );
    }
    let topic = "\"arn:aws:sns:eu-west-1:123456789012:p\"";
    yes("alarms", &format!("notify = [{}]", [topic; 5].join(",")));
    let six = format!("[{}]", [topic; 6].join(","));
    no("alarms", &format!("notify = {six}"), "out-of-range", &six);
}

#[test]
fn logs_are_kept_as_long_as_cloudwatch_can() {
    let found = no("logs", "retention-days = 10", "out-of-range", "10");
    assert_eq!(found.help.as_deref(), Some("the nearest is 7"));
    yes("logs", "retention-days = 3653");
}
