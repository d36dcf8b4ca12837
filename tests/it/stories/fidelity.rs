//! A cloud that is as slow and as strict as AWS: a deployment that ends well there waited for what AWS makes wait.

use std::time::Duration;

use serde_json::json;

use super::System;
use crate::harness::{Call, Calls, Client, Cloud, Connect, Project, wait_for};

/// AWS's 80 s until a deployment is live everywhere, at this pace, and then some.
const BOUND: Duration = Duration::from_mins(2);
const PACE: [&str; 4] = ["--fidelity", "aws", "--time-scale", "0.25"];
/// At this pace: until a role can be assumed (10 s), and until a deleted queue's name is free (60 s).
const ROLE: Duration = Duration::from_millis(2500);
const TOMBSTONE: Duration = Duration::from_secs(15);

#[test]
fn a_deploy_to_a_cloud_as_slow_as_aws_waits_for_all_that_isnt_there_yet() {
    let cloud = Cloud::embedded_with(&PACE);
    let before = cloud.inventory();
    let project = Project::init("echo", &cloud);
    let system = System {
        cloud: &cloud,
        project: &project,
        name: "echo",
        stage: "dev",
    };
    let output = system
        .wsless(["deploy", "--yes", "--output", "json"])
        .succeeds();
    let lines = output.json_lines();
    let result = lines.iter().rfind(|line| line["command"] == "deploy");
    let result = result.expect("a result");
    assert_eq!(result["complete"], true, "{output}");
    let waited_for: Vec<&str> = lines
        .iter()
        .filter(|line| line["event"] == "waiting")
        .filter_map(|line| line["waits_for"].as_str())
        .collect();
    let calls = cloud.recorder.calls();

    // However fast or slow this machine is: no function was made before its role could be assumed.
    let roles = calls.named("CreateRole");
    for made in answered(&calls, "CreateFunction") {
        let told = made.json();
        let role = told["Role"].as_str().map(last_part);
        let asked = format!("RoleName={}", role.expect("a role"));
        let role = roles
            .iter()
            .find(|call| call.text().split('&').any(|part| part == asked));
        lies_between(role.expect("a role"), made, ROLE);
    }
    // Nothing is ready when it's made: that was waited for, and said.
    let mappings = answered(&calls, "CreateEventSourceMapping").len();
    let looks = calls.named("GetEventSourceMapping").len();
    assert!(
        mappings > 0 && looks > mappings,
        "{mappings} mappings, {looks} looks"
    );
    assert!(
        waited_for.contains(&"the mapping to be enabled"),
        "{waited_for:#?}"
    );

    // The deployment is met by connections once it's everywhere.
    let address = result["endpoint"].as_str().expect("an address").to_owned();
    let mut client = wait_for("the deployment to be live", BOUND, || {
        Connect::new().attempt(&address).ok()
    });
    both_ways(&mut client);
    client.close();
    system.deploy_without_a_change();

    // The names of deleted queues are taken for a while: the next deployment waits for them too.
    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    wait_for("everything to be gone", BOUND, || {
        (cloud.inventory() == before).then_some(())
    });
    system.deploy();
    let calls = cloud.recorder.calls();
    let deleted = answered(&calls, "DeleteQueue");
    assert!(!deleted.is_empty());
    for deleted in deleted {
        let name = deleted.json()["QueueUrl"]
            .as_str()
            .map(last_part)
            .map(str::to_owned);
        let made = answered(&calls, "CreateQueue")
            .into_iter()
            .rfind(|call| call.json()["QueueName"].as_str() == name.as_deref());
        lies_between(deleted, made.expect("it's made again"), TOMBSTONE);
    }
}

fn both_ways(client: &mut Client) {
    client.send("slowly");
    assert_eq!(client.receive(), "slowly");
    client.send_json(&json!({"action": "ping", "id": 7}));
    assert_eq!(client.receive_json(), json!({"pong": 7}));
}

/// An operation's calls that were answered well.
fn answered<'a>(calls: &'a Calls, operation: &str) -> Vec<&'a Call> {
    let is_one = |call: &&Call| {
        call.operation == operation && call.status.is_some_and(|status| status < 300)
    };
    calls.iter().filter(is_one).collect()
}

/// The second call was answered well only this long after the first had been sent.
#[track_caller]
fn lies_between(first: &Call, second: &Call, least: Duration) {
    let took = second.ended.expect("an answer").saturating_sub(first.began);
    assert!(took >= least, "{took:?} between\n{first}\n{second}");
}

/// The name in an ARN or a URL.
fn last_part(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or_default()
}
