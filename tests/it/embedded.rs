//! `wsless demo`, `dev` and `local` as people use them: the embedded cloud in the binary itself.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Project, Running, wait_for};

/// A build under load takes long; what is waited for is a condition, not a time.
pub const BOUND: Duration = Duration::from_mins(5);

/// A project without a cloud, whose embedded clouds put their files into a folder of its own.
pub fn alone() -> Project {
    let mut project = Project::offline();
    let work = project.path("tmp");
    std::fs::create_dir(&work).unwrap();
    project.set("TMPDIR", &work.display().to_string());
    project
}

/// The lines of JSON that a running command has printed.
pub fn told(running: &Running) -> Vec<Value> {
    let lines = running.stdout();
    lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// A line of a running command, once it's there.
pub fn line(running: &Running, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, BOUND, || told(running).into_iter().find(&is_it))
}

/// What runs in this folder or below it, and what was left there.
fn left_in(folder: &Path) -> Vec<String> {
    let mut left: Vec<String> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|process| {
            let cwd = std::fs::read_link(process.path().join("cwd")).ok()?;
            cwd.starts_with(folder).then(|| {
                format!(
                    "process {} in {}",
                    process.file_name().display(),
                    cwd.display()
                )
            })
        })
        .collect();
    let files = std::fs::read_dir(folder).unwrap().flatten();
    left.extend(files.map(|file| file.file_name().to_string_lossy().into_owned()));
    left
}

#[test]
fn the_demo_plays_each_template_to_its_end_and_leaves_nothing() {
    let mut project = alone();
    // Not in our own target/, where cargo would take it for a part of our workspace.
    let cache = project.path("cache").display().to_string();
    project.set("XDG_CACHE_HOME", &cache);
    for (template, answers) in [
        ("echo", &["< hello", "< {\"pong\":7}", "< HELLO AGAIN"][..]),
        (
            "chat",
            &[
                "\"event\":\"welcome\"",
                "\"names\":[\"Ada\"]",
                "still here.",
            ],
        ),
        (
            "ticker",
            &[
                "{\"event\":\"subscribed\",\"symbol\":\"ACME\"}",
                "Acme Tools and Daughters",
            ],
        ),
    ] {
        let mut output = project
            .wsless(["demo", "--once", "--template", template])
            .succeeds();
        for answer in answers {
            output = output.says(answer);
        }
        let _ = output.says("connection opened").says("and nothing is left");
        assert_eq!(left_in(&project.path("tmp")), [""; 0]);
    }
}

#[test]
fn dev_swaps_a_changed_handler_under_an_open_connection_and_survives_mistakes() {
    let root = alone();
    let _ = root.wsless(["init", "echo"]).succeeds();
    let mut project = root;
    project.enter("echo");
    project.build_apart();
    let dev = project.start(["dev", "--port", "0", "--output", "json"]);
    let first = line(&dev, "the first deployment", |line| {
        line["command"] == "dev"
    });
    assert_eq!(first["complete"], true, "{first}");
    let address = first["endpoint"].as_str().expect("an address").to_owned();

    let mut client = Client::connect(&address);
    client.send("before");
    assert_eq!(client.receive(), "before");
    client.send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(client.receive_json(), json!({"pong": 7}));
    let logged = line(&dev, "a handler's log line", |line| line["type"] == "log");
    assert_eq!(logged["handler"], "connect", "{logged}");

    // What isn't Rust is told, and nothing ends.
    let source = project.read("src/lib.rs");
    project.write("src/lib.rs", "this is not Rust");
    let _ = line(&dev, "cargo's refusal", |line| {
        line["code"] == "build::cargo"
    });
    client.send("meanwhile");
    assert_eq!(client.receive(), "meanwhile");

    project.write(
        "src/lib.rs",
        &source.replace("message.text())", "message.text().to_uppercase())"),
    );
    let rounds = |dev: &Running| {
        told(dev)
            .iter()
            .filter(|line| line["command"] == "dev")
            .count()
    };
    wait_for("the changed handler's deployment", BOUND, || {
        (rounds(&dev) == 2).then_some(())
    });
    client.send("after");
    assert_eq!(client.receive(), "AFTER");

    // A manifest that can't be read, and one that drops a route.
    let manifest = project.read("wsless.toml");
    project.write("wsless.toml", "[project\n");
    let _ = line(&dev, "the manifest's mistake", |line| {
        line["code"] == "manifest::syntax"
    });
    project.write(
        "wsless.toml",
        &manifest.replace("memory = 128", "memory = 256"),
    );
    wait_for("the changed manifest's deployment", BOUND, || {
        (rounds(&dev) >= 3).then_some(())
    });
    client.send("still open");
    assert_eq!(client.receive(), "STILL OPEN");

    dev.interrupt();
    let _ = dev.wait().exits(0);
    assert!(
        client.closed().is_some(),
        "the cloud said nothing when it ended"
    );
    assert_eq!(
        left_in(&project.path("../tmp").canonicalize().unwrap()),
        [""; 0]
    );
}

#[test]
fn a_cloud_is_found_while_it_runs_and_never_after() {
    let project = alone();
    project.write("wsless.toml", "[project]\nname = \"small\"\n[api]\nallowed-origins = [\"https://www.example.com\"]\n[handlers.small]\n[routes]\n\"$default\" = { handler = \"small\" }\n");
    let _ = project
        .wsless(["unlock", "--local"])
        .exits(1)
        .warns("no embedded cloud runs on this machine")
        .warns("wsless local");

    let cloud = project.start(["local", "--port", "0", "--output", "json"]);
    let first = line(&cloud, "the cloud's address", |line| {
        line["command"] == "local"
    });
    assert_eq!(first["environment"]["AWS_ENDPOINT_URL"], first["endpoint"]);
    let _ = project.wsless(["unlock", "--local"]).succeeds();

    // Another one on the same port.
    let endpoint = first["endpoint"].as_str().expect("an address");
    let port = endpoint.rsplit(':').next().expect("a port");
    let _ = project
        .wsless(["local", "--port", port])
        .exits(1)
        .warns("can't listen on 127.0.0.1:")
        .warns("--port");

    cloud.terminate();
    let _ = cloud.wait().exits(0);
    let _ = project
        .wsless(["unlock", "--local"])
        .exits(1)
        .warns("no embedded cloud runs");
    assert_eq!(left_in(&project.path("tmp")), [""; 0]);

    // One that was killed leaves a note that nobody believes.
    let cloud = project.start(["local", "--port", "0", "--output", "json"]);
    let _ = line(&cloud, "the cloud's address", |line| {
        line["command"] == "local"
    });
    let _ = cloud.kill();
    let _ = project
        .wsless(["unlock", "--local"])
        .exits(1)
        .warns("no embedded cloud runs");
}

#[test]
fn a_cloud_that_cant_be_had_as_asked_says_why() {
    let project = alone();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for command in ["local", "demo"] {
        let _ = project
            .wsless([command, "--port", &port])
            .exits(1)
            .warns("error[local::start]: can't listen on 127.0.0.1:")
            .warns("Address already in use");
    }
    let _ = project
        .wsless(["local", "--fault", "sqs"])
        .exits(64)
        .warns("--fault");
    let _ = project
        .wsless(["local", "--time-scale", "0"])
        .exits(64)
        .warns("a factor above 0");
    project.write("kept/cloud.json", "not JSON");
    let _ = project
        .wsless(["local", "--port", "0", "--keep", "kept"])
        .exits(1)
        .warns("kept")
        .warns("name another folder with --keep");
    assert_eq!(project.read("kept/cloud.json"), "not JSON");
    let _ = project
        .wsless(["dev"])
        .exits(1)
        .warns("there is no wsless.toml");
}

#[test]
fn dev_that_is_ended_while_it_deploys_frees_the_lock_that_a_kept_cloud_would_remember() {
    let mut project = alone();
    let _ = project.wsless(["init", "echo"]).succeeds();
    project.enter("echo");
    project.build_apart();
    let kept = ["dev", "--port", "0", "--keep", ".cloud", "--output", "json"];
    let slow = ["--fault", "lambda:CreateFunction=delay(3s)"];
    let dev = project.start(kept.into_iter().chain(slow));
    wait_for("the deployment to take the lock", BOUND, || {
        let told = project.wsless(["unlock", "--local", "--output", "json"]);
        let told = told.json_lines().pop()?;
        told["holder"]["id"].is_string().then_some(())
    });
    dev.interrupt();
    let _ = dev.wait().exits(0);

    let dev = project.start(kept);
    let first = line(&dev, "the next deployment", |line| line["command"] == "dev");
    assert_eq!(first["complete"], true, "{first}");
    dev.interrupt();
    let _ = dev.wait().exits(0);
}
