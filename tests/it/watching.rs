//! Watching a system that runs: traffic of known size, and what `status`, `metrics`, alarms and the dashboard say of it.

mod dashboard;
mod terminal;
mod traffic;

use std::time::Duration;

use serde_json::Value;

use crate::harness::Project;

/// What anything asynchronous in a cloud may take; building isn't part of it.
const BOUND: Duration = Duration::from_mins(2);

/// What `wsless status` says to machines, whatever its exit code.
#[track_caller]
fn status(project: &Project, arguments: &[&str]) -> Value {
    let always = ["status", "--output", "json", "--since", "15m"];
    let output = project.wsless(always.into_iter().chain(arguments.iter().copied()));
    let lines = output.json_lines();
    let found = lines.into_iter().find(|line| line["command"] == "status");
    found.unwrap_or_else(|| panic!("no status\n{output}"))
}

/// The entry of this name in a list.
#[track_caller]
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list:#}"))
}
