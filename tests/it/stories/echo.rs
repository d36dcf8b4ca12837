//! Echo: from `init` to `destroy`.

use serde_json::json;

use super::{System, control_plane};
use crate::harness::{Cloud, Project, run, shared_dir};

#[test]
fn what_init_writes_passes_its_own_tests_without_a_cloud() {
    let cloud = Cloud::ministack();
    for template in ["echo", "chat", "ticker"] {
        let mut project = Project::init(template, &cloud);
        // Documentation tests read the libraries long after cargo has let go of the build folder: in the one that
        // all tests share, another test's build would replace them meanwhile.
        let build = shared_dir("e2e").join("tests");
        project.set("CARGO_BUILD_BUILD_DIR", &build.display().to_string());
        let _ = project
            .run("cargo", ["test"])
            .succeeds()
            .says("test result: ok. ");
    }
    cloud.recorder.calls().assert_none();
}

#[test]
fn a_message_comes_back_by_both_ways_and_nothing_is_left_after_destroy_on_ministack() {
    a_message_comes_back_by_both_ways_and_nothing_is_left_after_destroy(&Cloud::ministack());
}

#[test]
fn a_message_comes_back_by_both_ways_and_nothing_is_left_after_destroy_on_the_embedded_cloud() {
    a_message_comes_back_by_both_ways_and_nothing_is_left_after_destroy(&Cloud::embedded());
}

fn a_message_comes_back_by_both_ways_and_nothing_is_left_after_destroy(cloud: &Cloud) {
    let before = cloud.inventory();
    let project = Project::init("echo", cloud);
    let system = System {
        cloud,
        project: &project,
        name: "echo",
        stage: "dev",
    };

    let planned = system.plan_of_creates();
    cloud.inventory().assert_same_as(&before);

    let address = system.deploy();
    control_plane::assert_as_aws_needs_it(&system, &planned);

    let mut session = system.open(&address);
    session
        .client
        .send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(session.client.receive_json(), json!({"pong": 7}));
    let text = "not JSON: & + % = # \" ' \\ \u{1f600}\nsecond line";
    system.send("echo", &mut session, "$default", text);
    assert_eq!(session.client.receive(), text);

    system.deploy_without_a_change();

    session.client.close();
    let (queue, count) = ("echo-dlq", 3);
    for _ in 0..count {
        put_letter(&system, queue);
    }
    let full = cloud.inventory();
    let mark = cloud.recorder.mark();
    let _ = system
        .wsless(["destroy", "--yes"])
        .exits(1)
        .warns("engine::data-loss")
        .warns("delete queue/echo-dlq would lose 3 messages")
        .warns("--allow-data-loss");
    cloud.recorder.mutations_since(mark).assert_none();
    cloud.inventory().assert_same_as(&full);
    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);

    let _ = system
        .wsless(["destroy", "--yes"])
        .succeeds()
        .says("Nothing to destroy");
    cloud.inventory().assert_same_as(&before);
}

fn put_letter(system: &System<'_>, queue: &str) {
    let sqs = aws_sdk_sqs::Client::new(&system.cloud.sdk());
    run(async {
        let found = sqs.get_queue_url().queue_name(system.thing(queue));
        let url = found.send().await?.queue_url.unwrap_or_default();
        let letter = sqs.send_message().queue_url(url).message_body("x");
        letter.send().await?;
        Ok::<_, aws_sdk_sqs::Error>(())
    })
    .expect("a message is put into a queue");
}
