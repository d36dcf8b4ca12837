//! A broken manifest: every mistake at once, each with its place and its mend.

use super::assert_golden;
use crate::harness::Project;

const BROKEN: &str = r#"[project]
name = "Chat"
owner = "me"

[api]
route-selection = "request.body.action"
allowed-origins = ["https://chat.example.com/"]
throttle = { rate = 0, burst = 10 }

[handlers.echo]
memory = 64
timeout = "45s"
enviroment = { GREETING = "hello" }

[handlers.echo.queue]
order = "connection"
batch-size = 100

[handlers.push]
environment = { AWS_REGION = "mine" }

[routes]
"$default" = { handler = "ecko" }
ping = { handler = "echo", via = "direct" }
pong = { handler = "echo", via = "directly" }
"#;

#[test]
fn every_mistake_of_a_manifest_is_shown_at_once_with_its_place_and_mend() {
    let project = Project::offline();
    project.write("wsless.toml", BROKEN);
    let output = project.wsless(["plan"]).exits(1);
    assert!(output.stdout.is_empty(), "{output}");
    assert_golden!("broken-manifest", output.stderr);
    // No build was begun, and nothing was written.
    let left: Vec<_> = std::fs::read_dir(project.dir())
        .expect("the folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert_eq!(left, ["wsless.toml"]);
}

#[test]
fn mistakes_are_told_to_machines_too() {
    let project = Project::offline();
    project.write("wsless.toml", BROKEN);
    let output = project.wsless(["plan", "--output", "json"]).exits(1);
    let lines = output.json_lines();
    assert!(lines.len() >= 8, "{output}");
    let pretty: Vec<_> = lines
        .iter()
        .map(|line| serde_json::to_string_pretty(line).expect("JSON"))
        .collect();
    assert_golden!("broken-manifest-json", pretty[..2].join("\n"));
}

#[test]
fn a_manifest_that_is_no_toml_is_shown_where_it_breaks() {
    let project = Project::offline();
    project.write("wsless.toml", "[project]\nname = \"chat\nregion = 5\n");
    let output = project.wsless(["deploy"]).exits(1);
    assert_golden!("no-toml", output.stderr_redacted());
}

#[test]
fn a_folder_without_a_manifest_is_told_how_to_get_one() {
    let output = Project::offline().wsless(["deploy"]).exits(1);
    assert_golden!("no-manifest", output.stderr_redacted());
}

#[test]
fn a_stage_with_a_bad_name_is_refused() {
    let project = Project::offline();
    project.write(
        "wsless.toml",
        "[project]\nname = \"chat\"\n[handlers.echo]\n[routes]\nping = { handler = \"echo\" }\n",
    );
    let output = project.wsless(["plan", "--stage", "My_Stage"]).exits(1);
    assert_golden!("bad-stage", output.stderr_redacted());
}
