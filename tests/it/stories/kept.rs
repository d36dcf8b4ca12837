//! A cloud that keeps what it holds: ended, or killed, it goes on where it was.

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use super::{BOUND, System};
use crate::harness::{Client, Cloud, Project, run, wait_for};

#[test]
fn a_kept_cloud_goes_on_where_it_was_after_its_end_and_after_a_kill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("kept").display().to_string();
    let keep = ["--keep", folder.as_str()];
    let mut cloud = Cloud::embedded_with(&keep);
    let before = cloud.inventory();
    let project = Project::init("echo", &cloud);
    let address = system(&cloud, &project).deploy();
    answers_both_ways(&address, "first");
    // Two that wait: one in an order of its own, one later than the other.
    let letters = letters(&cloud);
    let held = cloud.inventory();

    cloud.emulator.end();
    cloud.emulator.start_again(&keep);
    cloud.inventory().assert_same_as(&held);
    let kept = system(&cloud, &project);
    assert!(kept.plan().is_empty(), "{:#?}", kept.plan());
    kept.deploy_without_a_change();
    answers_both_ways(&address, "after an end");
    assert_eq!(waiting(&cloud), letters, "the messages that waited");
    wait_for("the log of the first run, and of this one", BOUND, || {
        (kept.connections().len() == 2).then_some(())
    });

    // What was done a second before a kill is kept: here a changed function, and a message more.
    project.edit(
        "wsless.toml",
        "[handlers.ping]\nmemory = 128",
        "[handlers.ping]\nmemory = 256",
    );
    kept.deploy();
    put_letter(&cloud, "third");
    let state = std::path::Path::new(&folder).join("cloud.json");
    wait_for("what changed to be kept", BOUND, || {
        let kept = std::fs::read_to_string(&state).ok()?;
        (kept.contains("third") && kept.contains("connection opened")).then_some(())
    });
    let held = cloud.inventory();
    cloud.emulator.stop();
    cloud.emulator.start_again(&keep);
    cloud.inventory().assert_same_as(&held);
    let kept = system(&cloud, &project);
    kept.deploy_without_a_change();
    assert_eq!(kept.function("ping").memory_size, Some(256));
    answers_both_ways(&address, "after a kill");
    assert_eq!(waiting(&cloud), letters + 1);

    // A run that was killed holds its lock, and is waited for or freed as on AWS.
    let _ = kept
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);
    cloud.emulator.end();
    cloud.emulator.start_again(&keep);
    cloud.inventory().assert_same_as(&before);
}

fn system<'a>(cloud: &'a Cloud, project: &'a Project) -> System<'a> {
    System {
        cloud,
        project,
        name: "echo",
        stage: "dev",
    }
}

/// A client's message comes back by the queue, and by the direct route.
#[track_caller]
fn answers_both_ways(address: &str, text: &str) {
    let mut client = Client::connect(address);
    client.send(text);
    assert_eq!(client.receive(), text);
    client.send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(client.receive_json(), json!({"pong": 7}));
    client.close();
}

/// Puts two messages where no handler takes them, and says how many wait.
fn letters(cloud: &Cloud) -> usize {
    put_letter(cloud, "first");
    put_letter(cloud, "second");
    waiting(cloud)
}

fn put_letter(cloud: &Cloud, text: &str) {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let letter = sqs.send_message().queue_url(dead_letters(cloud));
    run(letter.message_body(text).send()).expect("a message is sent");
}

fn waiting(cloud: &Cloud) -> usize {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let counted = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = sqs.get_queue_attributes().queue_url(dead_letters(cloud));
    let found = run(asked.attribute_names(counted.clone()).send()).expect("a queue's counts");
    let found = found.attributes.unwrap_or_default();
    found[&counted].parse().expect("a number")
}

fn dead_letters(cloud: &Cloud) -> String {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let found = run(sqs.get_queue_url().queue_name("echo-dev-echo-dlq").send());
    found.expect("a queue").queue_url.unwrap_or_default()
}
