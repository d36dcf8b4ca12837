//! Under the API: integrations, routes, responses, the deployment's hash, the stage.

use super::*;

#[test]
fn each_queued_handlers_integration_sends_to_its_queue_with_the_template_and_the_role() {
    let stack = stack_of(FULL);
    let queued: Vec<_> = of_kind(&stack, "integration")
        .filter_map(|(name, _)| name.strip_prefix("queue:"))
        .collect();
    assert_eq!(queued, ["both", "ordered", "plain"]);
    for (handler, queue, grouped) in [
        ("both", "both", false),
        ("ordered", "ordered.fifo", true),
        ("plain", "plain", false),
    ] {
        let address = format!("integration/queue:{handler}");
        let integration = at(&stack, &address);
        let uri = format!("arn:aws:apigateway:eu-west-1:sqs:path/123456789012/chat-dev-{queue}");
        assert_eq!(integration["integration_type"], "AWS");
        assert_eq!(integration["uri"], uri);
        assert_eq!(
            integration["credentials_arn"],
            "arn:aws:iam::123456789012:role/wsless/chat/dev/chat-dev-gateway"
        );
        assert_eq!(integration["passthrough"], "NEVER");
        assert_eq!(integration["template_selection"], "\\$default");
        assert_eq!(
            integration["request_parameters"]["integration.request.header.Content-Type"],
            "'application/x-www-form-urlencoded'"
        );
        let template = integration["request_templates"]["$default"]
            .as_str()
            .expect("a template");
        assert_eq!(template.contains("MessageGroupId="), grouped);
        // There's an authorizer, so its principal goes along.
        assert!(template.contains("principalId"));
        let needs = needs(&stack, &address);
        for needed in ["role/gateway", &format!("queue/{handler}")] {
            assert!(needs.contains(&needed.to_owned()), "{needs:?}");
        }
    }
}

#[test]
fn an_integration_is_shared_by_all_routes_that_lead_to_it() {
    let stack = stack_of(FULL);
    let target = |key: &str| text(&at(&stack, &format!("route/{key}"))["target"]);
    assert_eq!(target("say"), "integrations/(integration/queue:ordered id)");
    assert_eq!(target("shout"), target("say"));
    assert_eq!(
        target("ping"),
        "integrations/(integration/function:answering id)"
    );
    assert_eq!(target("pong"), target("ping"));
    assert_eq!(
        target("read"),
        "integrations/(integration/function:both id)"
    );
    assert_eq!(target("post"), "integrations/(integration/queue:both id)");
    assert_eq!(of_kind(&stack, "integration").count(), 7);
}

#[test]
fn direct_routes_answer_and_no_others_do() {
    let stack = stack_of(FULL);
    let names = |kind: &'static str| -> Vec<String> {
        let mut names: Vec<_> = of_kind(&stack, kind)
            .map(|(name, _)| name.to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("route-response"), ["ping", "pong", "read"]);
    assert_eq!(
        names("integration-response"),
        ["function:answering", "function:both"]
    );
    for (key, route) in of_kind(&stack, "route") {
        let answers = ["ping", "pong", "read"].contains(&key);
        assert_eq!(route.get("response_selection").is_some(), answers, "{key}");
    }
}

#[test]
fn the_authorizer_stands_before_the_handshake_alone() {
    let stack = stack_of(FULL);
    for (key, route) in of_kind(&stack, "route") {
        let is_handshake = key == "$connect";
        let authorization = if is_handshake { "CUSTOM" } else { "NONE" };
        assert_eq!(route["authorization"], authorization, "{key}");
        assert_eq!(route.get("authorizer_id").is_some(), is_handshake, "{key}");
    }
    let authorizer = at(&stack, "authorizer/auth");
    assert_eq!(
        authorizer["uri"],
        "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:chat-dev-auth:live/invocations"
    );
}

#[test]
fn the_stage_goes_live_after_everything_it_leads_to() {
    for manifest in ALL {
        let stack = stack_of(manifest);
        let needs = needs(&stack, "stage/dev");
        let missing: Vec<_> = stack
            .resources
            .iter()
            .filter(|desired| {
                matches!(
                    desired.address.kind(),
                    "alias" | "event-source-mapping" | "function-policy" | "deployment"
                )
            })
            .map(|desired| desired.address.to_string())
            .filter(|address| !needs.contains(address))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    let needs = needs(&stack_of(FULL), "stage/dev");
    for needed in ["log-group/api:access", "account-logging/api-gateway"] {
        assert!(needs.contains(&needed.to_owned()), "{needs:?}");
    }
}

#[test]
fn a_deployment_is_a_snapshot_of_everything_under_the_api() {
    let stack = stack_of(FULL);
    let needs = needs(&stack, "deployment/current");
    for desired in &stack.resources {
        let is_part = matches!(
            desired.address.kind(),
            "authorizer" | "integration" | "integration-response" | "route" | "route-response"
        );
        let address = desired.address.to_string();
        assert_eq!(
            needs.contains(&address),
            is_part || desired.address.kind() == "api",
            "{address}"
        );
    }
}

fn hash(text: &str) -> String {
    let stack = stack_of(text);
    let hash = at(&stack, "deployment/current")["configuration"].as_str();
    hash.expect("a hash").to_owned()
}

#[test]
fn the_deployments_hash_changes_when_something_under_the_api_does() {
    let before = hash(FULL);
    let changes = [
        (
            "[routes]",
            "[api]\nroute-selection = \"$request.body.kind\"\n[routes]",
        ),
        (
            "authorizer = \"auth\"",
            "authorizer = { handler = \"auth\", identity-sources = [\"route.request.header.Auth\"] }",
        ),
        ("authorizer = \"auth\"\n", ""),
        ("ping = {", "pings = {"),
        ("pong = { handler = \"answering\", via = \"direct\" }\n", ""),
        (
            "say = { handler = \"ordered\" }",
            "say = { handler = \"plain\" }",
        ),
        (
            "say = { handler = \"ordered\" }",
            "say = { handler = \"ordered\", via = \"direct\" }",
        ),
        ("order = \"connection\"", "order = \"none\""),
        (
            "\"$default\" =",
            "\"$disconnect\" = { handler = \"answering\" }\n\"$default\" =",
        ),
    ];
    let mut hashes = vec![before];
    for (from, to) in changes {
        let text = if to.contains("route-selection") {
            changed(
                FULL,
                "[api]",
                "[api]\nroute-selection = \"$request.body.kind\"",
            )
        } else {
            changed(FULL, from, to)
        };
        let hash = hash(&text);
        assert!(!hashes.contains(&hash), "{from} -> {to}");
        hashes.push(hash);
    }
}

#[test]
fn the_deployments_hash_stays_when_nothing_under_the_api_changes() {
    let before = hash(FULL);
    let changes = [
        (
            "{ team = \"realtime\" }",
            "{ team = \"batch\", more = \"\" }",
        ),
        ("\"arm64\"", "\"x86_64\""),
        (
            "\"https://chat.example.com\"",
            "\"https://other.example.com\"",
        ),
        ("throttle = { rate = 500, burst = 1000 }\n", ""),
        ("access-log = true", "access-log = false"),
        ("[handlers.auth]", "[handlers.auth]\nmemory = 1024"),
        ("GREETING = \"hello\"", "GREETING = \"good-bye\""),
        ("reserved-concurrency = 50", "reserved-concurrency = 60"),
        ("s3:GetObject", "s3:PutObject"),
        ("batch-size = 100", "batch-size = 200"),
        ("timeout = \"20s\"", "timeout = \"25s\""),
        ("notify = [", "dead-letters = false\nnotify = ["),
        ("[routes]", "[connections]\nregistry = false\n[routes]"),
        ("[routes]", "[logs]\nretention-days = 7\n[routes]"),
    ];
    for (from, to) in changes {
        assert_eq!(hash(&changed(FULL, from, to)), before, "{from} -> {to}");
    }
    let manifest = parsed(FULL, "dev").expect("a good manifest");
    let scope = scope_of(&manifest, "dev");
    let other = stack(&manifest, &codes_of(&manifest, " as changed"), &scope).expect("a stack");
    let hash = &at(&other, "deployment/current")["configuration"];
    assert_eq!(*hash, before, "other code");
}
