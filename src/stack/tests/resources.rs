//! Which resources there are, how they hang together, and what all have.

use serde_json::json;

use super::*;

#[test]
fn the_echo_template_becomes_these_resources() {
    let template = include_str!("../../../templates/echo/wsless.toml.j2");
    let stack = stack_of(&template.replace("{{ name }}", "echo"));
    let mut addresses = addresses(&stack);
    addresses.sort();
    insta::assert_snapshot!(addresses.join("\n"), @r"
    alarm/connect-failures
    alarm/connect-handler-throttles
    alarm/echo-dead-letters
    alarm/echo-handler-errors
    alarm/echo-handler-throttles
    alarm/echo-message-age
    alarm/execution-errors
    alarm/integration-errors
    alarm/ping-handler-errors
    alarm/ping-handler-throttles
    alarm/push-handler-errors
    alarm/push-handler-throttles
    alarm/results-dead-letters
    alarm/results-message-age
    alias/connect
    alias/disconnect
    alias/echo
    alias/ping
    alias/push
    api/websocket
    deployment/current
    event-source-mapping/echo
    event-source-mapping/push
    function-policy/connect
    function-policy/disconnect
    function-policy/ping
    function/connect
    function/disconnect
    function/echo
    function/ping
    function/push
    integration-response/function:ping
    integration/function:connect
    integration/function:disconnect
    integration/function:ping
    integration/queue:echo
    log-group/connect
    log-group/disconnect
    log-group/echo
    log-group/ping
    log-group/push
    queue/echo
    queue/echo-dlq
    queue/results
    queue/results-dlq
    role/connect
    role/disconnect
    role/echo
    role/gateway
    role/ping
    role/push
    route-response/ping
    route/$connect
    route/$default
    route/$disconnect
    route/ping
    stage/dev
    ");
}

#[test]
fn each_resource_comes_after_all_that_it_needs() {
    for manifest in ALL {
        let stack = stack_of(manifest);
        let order = addresses(&stack);
        for (position, address) in order.iter().enumerate() {
            for needed in needs(&stack, address) {
                let found = order[..position].contains(&needed);
                assert!(found, "{address} comes before {needed}");
            }
        }
    }
}

#[test]
fn the_same_manifest_makes_the_same_stack() {
    for manifest in ALL {
        let first = format!("{:?}", stack_of(manifest));
        assert_eq!(first, format!("{:?}", stack_of(manifest)));
    }
}

#[test]
fn everything_that_takes_tags_has_them() {
    const TAGGED: [&str; 9] = [
        "alarm",
        "api",
        "event-source-mapping",
        "function",
        "log-group",
        "queue",
        "role",
        "stage",
        "table",
    ];
    // AWS gives these no tags, or they're a part of what has them; the account's logging role is everybody's.
    const UNTAGGED: [&str; 9] = [
        "account-logging",
        "alias",
        "authorizer",
        "deployment",
        "function-policy",
        "integration",
        "integration-response",
        "route",
        "route-response",
    ];
    let stack = stack_of(FULL);
    for kind in TAGGED.iter().chain(&UNTAGGED) {
        assert!(of_kind(&stack, kind).count() > 0, "no {kind}");
    }
    for desired in &stack.resources {
        let kind = desired.address.kind();
        let mut tags = json!({
            "team": "realtime",
            "wsless:project": "chat",
            "wsless:stage": "dev",
        });
        if kind == "role" {
            // IAM is one for all regions.
            tags["wsless:region"] = json!("eu-west-1");
        }
        let expected = TAGGED.contains(&kind).then_some(tags);
        assert!(expected.is_some() || UNTAGGED.contains(&kind), "{kind}?");
        assert_eq!(
            desired.properties.get("tags"),
            expected.as_ref(),
            "{}",
            desired.address
        );
    }
}

#[test]
fn each_queued_handler_has_a_queue_with_a_dead_letter_queue_and_is_fed_from_it() {
    let stack = stack_of(FULL);
    for (handler, suffix, receives) in [("both", "", 5), ("ordered", ".fifo", 5), ("plain", "", 7)]
    {
        let name = format!("chat-dev-{handler}{suffix}");
        let queue = at(&stack, &format!("queue/{handler}"));
        assert_eq!(queue["name"], name);
        assert_eq!(
            text(&queue["dead_letter"]["queue_arn"]),
            format!("(queue/{handler}-dlq arn)")
        );
        assert_eq!(queue["dead_letter"]["max_receives"], receives);
        assert_eq!(queue["fifo"].is_object(), suffix == ".fifo");

        let dead_letters = at(&stack, &format!("queue/{handler}-dlq"));
        assert_eq!(
            dead_letters["name"],
            format!("chat-dev-{handler}-dlq{suffix}")
        );
        // SQS wants a FIFO queue's dead-letter queue to be one too.
        assert_eq!(dead_letters["fifo"], queue["fifo"]);
        assert!(dead_letters["dead_letter"].is_null());
        assert_eq!(dead_letters["retention_s"], 14 * 86_400);

        let mapping = at(&stack, &format!("event-source-mapping/{handler}"));
        assert_eq!(
            text(&mapping["function_arn"]),
            format!("(alias/{handler} arn)")
        );
        assert_eq!(
            mapping["queue_arn"],
            format!("arn:aws:sqs:eu-west-1:123456789012:{name}")
        );
        assert_eq!(mapping["report_failures"], true);
        let needs = needs(&stack, &format!("event-source-mapping/{handler}"));
        assert!(needs.contains(&format!("queue/{handler}")), "{needs:?}");
    }
    let plain = at(&stack, "event-source-mapping/plain");
    assert_eq!(plain["batch_size"], 100);
    assert_eq!(plain["batch_window_s"], 5);
    assert_eq!(plain["max_concurrency"], 20);
    for handler in ["answering", "auth"] {
        assert_eq!(find(&stack, &format!("queue/{handler}")), None);
        assert_eq!(
            find(&stack, &format!("event-source-mapping/{handler}")),
            None
        );
    }
}

#[test]
fn no_queue_hides_a_message_for_less_than_its_function_runs() {
    for manifest in ALL {
        let stack = stack_of(manifest);
        for (function, mapping) in of_kind(&stack, "event-source-mapping") {
            let queue = mapping["queue_arn"]
                .as_str()
                .and_then(|arn| arn.rsplit(':').next());
            let (_, queue) = of_kind(&stack, "queue")
                .find(|(_, found)| found["name"].as_str() == queue)
                .expect("its queue");
            let timeout = &at(&stack, &format!("function/{function}"))["timeout_s"];
            assert!(
                queue["visibility_timeout_s"].as_u64() >= timeout.as_u64(),
                "{function}: {queue}"
            );
        }
    }
}

#[test]
fn replies_keep_their_order_if_any_queue_does() {
    let ordered = stack_of(FULL);
    assert_eq!(
        at(&ordered, "queue/results")["name"],
        "chat-dev-results.fifo"
    );
    let unordered = stack_of(&changed(FULL, "order = \"connection\"", "order = \"none\""));
    assert_eq!(at(&unordered, "queue/results")["name"], "chat-dev-results");
    for stack in [ordered, unordered] {
        let name = at(&stack, "queue/results")["name"].as_str();
        let mapping = at(&stack, "event-source-mapping/push");
        let source = mapping["queue_arn"].as_str();
        assert_eq!(source.and_then(|arn| arn.rsplit(':').next()), name);
    }
}

#[test]
fn a_function_knows_its_system_and_what_the_manifest_tells_it() {
    let stack = stack_of(FULL);
    let environment = |thing: &str| -> Vec<(String, String)> {
        let function = at(&stack, &format!("function/{thing}"));
        let environment = function["environment"].as_object().expect("a table");
        environment
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let table = || pair("WSLESS_CONNECTIONS_TABLE", "chat-dev-connections");
    let project = || pair("WSLESS_PROJECT", "chat");
    let results = || pair("WSLESS_RESULTS_QUEUE_URL", "(queue/results url)");
    let stage = || pair("WSLESS_STAGE", "dev");
    let origins = pair("WSLESS_ALLOWED_ORIGINS", r#"["https://chat.example.com"]"#);
    let callback = pair("WSLESS_CALLBACK_URL", "(api/websocket callback_url)/dev");
    assert_eq!(
        environment("plain"),
        [
            pair("GREETING", "hello"),
            table(),
            project(),
            results(),
            stage()
        ]
    );
    assert_eq!(environment("auth"), [project(), stage()]);
    assert_eq!(
        environment("connect"),
        [origins, table(), project(), stage()]
    );
    assert_eq!(environment("disconnect"), [table(), project(), stage()]);
    assert_eq!(
        environment("push"),
        [callback, table(), project(), results(), stage()]
    );
}

#[test]
fn who_replaces_the_built_in_handler_gets_its_origins() {
    let stack = stack_of(OWN_LIFECYCLE);
    let knows = |thing: &str| {
        let function = at(&stack, &format!("function/{thing}"));
        !function["environment"]["WSLESS_ALLOWED_ORIGINS"].is_null()
    };
    assert!(knows("connect"));
    assert!(!knows("farewell"));
    assert_eq!(find(&stack, "function/disconnect"), None);
}

#[test]
fn what_is_switched_off_is_not_there() {
    let least = stack_of(LEAST);
    for kind in ["table", "authorizer", "account-logging"] {
        assert_eq!(of_kind(&least, kind).count(), 0, "{kind}");
    }
    assert_eq!(find(&least, "role/gateway"), None);
    let stage = at(&least, "stage/dev");
    assert!(stage.get("throttle").is_none() && stage.get("access_log").is_none());

    let full = stack_of(FULL);
    let stage = at(&full, "stage/dev");
    assert_eq!(stage["throttle"], json!({ "rate": 500, "burst": 1000 }));
    assert_eq!(
        stage["access_log"]["destination_arn"],
        "arn:aws:logs:eu-west-1:123456789012:log-group:/wsless/chat/dev/access"
    );
}

#[test]
fn alarms_watch_every_queue_and_function_and_tell_whom_the_manifest_names() {
    let stack = stack_of(FULL);
    for (name, alarm) in of_kind(&stack, "alarm") {
        assert_eq!(
            alarm["actions"],
            json!(["arn:aws:sns:eu-west-1:123456789012:pager"]),
            "{name}"
        );
        assert_eq!(alarm["treat_missing_data"], "notBreaching", "{name}");
    }
    for queue in ["both", "ordered", "plain", "results"] {
        for kind in ["dead-letters", "message-age"] {
            at(&stack, &format!("alarm/{queue}-{kind}"));
        }
    }
    let dead = at(&stack, "alarm/ordered-dead-letters");
    assert_eq!(
        dead["dimensions"],
        json!({ "QueueName": "chat-dev-ordered-dlq.fifo" })
    );
    let failures = at(&stack_of(OWN_LIFECYCLE), "alarm/connect-failures").clone();
    assert_eq!(
        failures["dimensions"],
        json!({ "FunctionName": "own-dev-connect" })
    );
    let tuned = stack_of(&changed(
        FULL,
        "[alarms]",
        "[alarms]\ndead-letters = false\nmessage-age = { threshold = 7, period = \"5m\", periods = 2 }",
    ));
    assert_eq!(find(&tuned, "alarm/plain-dead-letters"), None);
    let age = at(&tuned, "alarm/plain-message-age");
    assert_eq!(age["threshold"], 7.0);
    assert_eq!(age["period_s"], 300);
    assert_eq!(age["evaluation_periods"], 2);
}

#[test]
fn a_function_without_code_is_no_stack() {
    let manifest = parsed(LEAST, "dev").expect("a good manifest");
    let mut codes = codes_of(&manifest, "");
    codes.remove("echo");
    let missing = stack(&manifest, &codes, &scope_of(&manifest, "dev"));
    assert_eq!(missing, Err(crate::stack::Error::NoCode("echo".to_owned())));
}
