//! The live view in a real terminal: it's drawn, it follows the terminal's size, and the terminal is given back.

use std::path::Path;

use crate::harness::{Cloud, Output, Project};

/// What a terminal is told to leave the screen that the view was on, and to show its cursor again.
const LEFT: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

/// Runs the live view in a terminal of 80 columns and 24 rows.
#[track_caller]
fn watch(project: &Project, steps: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/python/terminal.py");
    let script = script.display().to_string();
    let before = [script.as_str(), "80", "24"];
    let after = [
        "--",
        env!("CARGO_BIN_EXE_wsless"),
        "status",
        "--watch",
        "--interval",
        "1s",
        "--manifest",
        "live.toml",
    ];
    project
        .run(
            "python3",
            before.into_iter().chain(steps.iter().copied()).chain(after),
        )
        .succeeds()
}

#[test]
fn the_live_view_follows_keys_and_size_and_gives_the_terminal_back_whatever_ends_it() {
    let cloud = Cloud::embedded();
    let mut project = Project::shared("watched", "echo", &cloud);
    project.set("TERM", "xterm-256color");
    let manifest = "[project]\nname = \"live\"\n[connections]\nregistry = false\n[api]\n\
                    allowed-origins = [\"https://www.example.com\"]\n[handlers.echo]\n[handlers.ping]\n[routes]\n\
                    \"$default\" = { handler = \"echo\" }\nping = { handler = \"ping\", via = \"direct\" }\n";
    project.write("live.toml", manifest);
    let _ = project
        .wsless(["deploy", "--yes", "--manifest", "live.toml"])
        .succeeds();
    // Words alone: what is blank already isn't drawn again.
    let keys = [
        "see:live dev",
        "see:invocations",
        // A handler can be chosen once it has been looked.
        "see:ping",
        "key:?",
        "see:further",
        "key:?",
        "size:120x40",
        "see:frame to push",
        "key:\r",
        "see:Esc",
        "key:q",
        "see:invocations",
        "key:q",
    ];
    for steps in [
        &keys[..],
        &["see:invocations", "key:\u{3}"],
        &["see:invocations", "signal:SIGTERM"],
        &["see:invocations", "signal:SIGINT"],
    ] {
        let output = watch(&project, steps);
        let _ = output.says("exit code 0").says(LEFT).says(CURSOR);
    }
}

#[test]
fn without_a_terminal_the_live_view_is_refused() {
    let project = Project::offline();
    let _ = project
        .wsless(["status", "--watch"])
        .exits(64)
        .warns("--watch needs a terminal")
        .warns("wsless metrics --follow");
    let _ = project
        .wsless(["status", "--interval", "5s"])
        .exits(64)
        .warns("--watch");
}
