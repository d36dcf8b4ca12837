//! What a deploy changes, when little has changed.

use serde_json::json;

use super::{System, objects, updates};
use crate::harness::{Cloud, Output, Project};

const SECRET: &str = "hunter2-Zk9vQw";

#[test]
fn a_change_reaches_what_it_is_about_and_open_connections_stay_on_ministack() {
    a_change_reaches_what_it_is_about_and_open_connections_stay(&Cloud::ministack());
}

#[test]
fn a_change_reaches_what_it_is_about_and_open_connections_stay_on_the_embedded_cloud() {
    a_change_reaches_what_it_is_about_and_open_connections_stay(&Cloud::embedded());
}

fn a_change_reaches_what_it_is_about_and_open_connections_stay(cloud: &Cloud) {
    let project = Project::init("echo", cloud);
    let system = System {
        cloud,
        project: &project,
        name: "echo",
        stage: "dev",
    };
    let address = system.deploy();
    let mut session = system.open(&address);
    system.send("echo", &mut session, "$default", "before");
    assert_eq!(session.client.receive(), "before");

    a_changed_handler_is_all_that_changes(&system);
    system.send("echo", &mut session, "$default", "after");
    assert_eq!(session.client.receive(), "AFTER");

    changed_settings_reach_one_function_and_secrets_are_never_shown(&system);
    system.deploy_without_a_change();

    what_the_manifest_drops_is_gone(&system);
    system.send("echo", &mut session, "$default", "still here");
    assert_eq!(session.client.receive(), "STILL HERE");
    system.deploy_without_a_change();
}

fn a_changed_handler_is_all_that_changes(system: &System<'_>) {
    let before = system.cloud.inventory();
    // In the binary, not in the library that ping shares: only with the link-time optimization that users have, and
    // tests don't wait for, does a library's change leave the binaries that don't use it as they were, byte for byte.
    system.project.edit(
        "src/bin/echo.rs",
        "handlers::echo",
        "|message, context| async move {
        let loud = message.text().to_uppercase();
        handlers::echo(wsless_handlers::Message::new(loud), context).await
    }",
    );
    assert_eq!(system.plan(), updates(["alias/echo", "function/echo"]));
    system.deploy();
    let after = system.cloud.inventory();
    assert_eq!(
        after.gone_since(&before),
        ["lambda function echo-dev-echo alias live -> 1"]
    );
    assert_eq!(
        after.added_since(&before),
        [
            "lambda function echo-dev-echo alias live -> 2",
            "lambda function echo-dev-echo version 2",
            "s3 object wsless-000000000000-us-east-1/echo/dev/history/000002.json",
        ]
    );
}

fn changed_settings_reach_one_function_and_secrets_are_never_shown(system: &System<'_>) {
    system.project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        &format!("[handlers.ping]\nmemory = 256\nenvironment = {{ API_TOKEN = \"{SECRET}\" }}"),
    );
    let is_silent = |output: Output| output.succeeds().never_says(SECRET);
    assert_eq!(system.plan(), updates(["alias/ping", "function/ping"]));
    let _ = is_silent(system.wsless(["plan"])).says("environment.API_TOKEN");
    let shown = is_silent(system.wsless(["plan", "--output", "json"]));
    let fields = shown.json_lines().into_iter().find_map(|line| {
        let changes = line["changes"].as_array()?;
        let change = changes
            .iter()
            .find(|change| change["address"] == "function/ping")?;
        Some(change["fields"].clone())
    });
    assert_eq!(
        fields.expect("the fields of a change"),
        json!([
            {"path": "environment.API_TOKEN", "secret": true},
            {"path": "memory_mib", "before": 128, "outside": false, "after": 256},
        ])
    );
    let before = system.cloud.inventory();
    let mark = system.cloud.recorder.mark();
    let _ = is_silent(system.wsless(["deploy", "--yes", "-vv"]));
    let sent = system.cloud.recorder.calls_since(mark);
    let of = |name: &str| sent.named(name).len();
    assert_eq!(of("UpdateFunctionConfiguration"), 1, "{sent}");
    assert_eq!(of("UpdateFunctionCode"), 0, "{sent}");
    assert_eq!(
        system.cloud.inventory().gone_since(&before),
        ["lambda function echo-dev-ping alias live -> 1"]
    );
    let ping = system.function("ping");
    assert_eq!(ping.memory_size, Some(256));
    let variables = ping.environment.and_then(|found| found.variables);
    assert_eq!(variables.expect("an environment")["API_TOKEN"], SECRET);

    // Changed again, the old and the new value are both secret.
    system
        .project
        .edit("wsless.toml", SECRET, &format!("new-{SECRET}"));
    let _ = is_silent(system.wsless(["deploy", "--yes", "--output", "json", "-vv"]));
    let kept = objects(system.cloud);
    assert!(kept.keys().any(|key| key.ends_with("/record.json")));
    for (key, text) in kept {
        assert!(!text.contains(SECRET), "{key} holds the secret:\n{text}");
    }
}

fn what_the_manifest_drops_is_gone(system: &System<'_>) {
    let manifest = system.project.read("wsless.toml");
    let start = manifest.find("[handlers.ping]").expect("ping's table");
    let end = start + manifest[start..].find("\n[routes]").expect("the routes");
    let dropped = manifest[start..end].to_owned();
    system.project.edit("wsless.toml", &dropped, "");
    system.project.edit(
        "wsless.toml",
        "ping = { handler = \"ping\", via = \"direct\" }",
        "",
    );
    let plan = system.plan();
    let of = |action: &str| -> Vec<&str> {
        let found = plan.iter().filter(|(_, found)| *found == action);
        found.map(|(address, _)| address.as_str()).collect()
    };
    assert_eq!(
        of("delete"),
        [
            "alarm/ping-handler-errors",
            "alarm/ping-handler-throttles",
            "alias/ping",
            "function-policy/ping",
            "function/ping",
            "integration-response/function:ping",
            "integration/function:ping",
            "log-group/ping",
            "role/ping",
            "route-response/ping",
            "route/ping",
        ]
    );
    assert_eq!(of("update"), ["deployment/current", "stage/dev"]);
    assert_eq!(plan.len(), 13, "{plan:#?}");

    let before = system.cloud.inventory();
    system.deploy();
    let after = system.cloud.inventory();
    let gone = after.gone_since(&before);
    let (pings, others): (Vec<&str>, Vec<&str>) = gone
        .iter()
        .map(String::as_str)
        .partition(|line| is_of_ping(line));
    assert!(
        others.is_empty(),
        "more is gone than what is ping's: {others:#?}"
    );
    // Its role and policy, function, four versions with $LATEST, alias, log group, two alarms, route, integration.
    assert_eq!(pings.len(), 13, "{pings:#?}");
    let left: Vec<_> = after.lines().filter(|line| is_of_ping(line)).collect();
    assert!(left.is_empty(), "{left:#?}");
    let added = after.added_since(&before);
    let is_new = |what: &str| added.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        (added.len(), is_new(" deployment "), is_new("/history/")),
        (2, 1, 1),
        "{added:#?}"
    );
    super::control_plane::assert_stage_is_on_the_newest_deployment(system);
}

fn is_of_ping(line: &str) -> bool {
    line.contains("-ping") || line.contains(" route ping ")
}
