//! The dashboard as a part of the stack, and connections that a registry knows.

use serde_json::{Value, json};

use super::{BOUND, status};
use crate::harness::{Client, Cloud, Project, REGION, run, wait_for};

const MANIFEST: &str = "watched.toml";

fn manifest(dashboard: bool) -> String {
    format!(
        "[project]\nname = \"watched\"\ntags = {{ team = \"realtime\" }}\n[api]\n\
         allowed-origins = [\"https://www.example.com\"]\n[connections]\nregistry = true\n[dashboard]\n\
         enabled = {dashboard}\n[handlers.echo]\n[handlers.ping]\n[routes]\n\"$default\" = {{ handler = \"echo\" }}\n\
         ping = {{ handler = \"ping\", via = \"direct\" }}\n"
    )
}

fn name() -> String {
    format!("watched-dev-{REGION}")
}

/// The dashboard's body, if there is one.
fn body(cloud: &Cloud) -> Option<Value> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&cloud.sdk());
    let found = run(cloudwatch.get_dashboard().dashboard_name(name()).send()).ok()?;
    let body = found.dashboard_body.expect("a body");
    Some(serde_json::from_str(&body).expect("JSON"))
}

fn put(cloud: &Cloud, name: &str, body: &str) {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&cloud.sdk());
    let put = cloudwatch.put_dashboard().dashboard_name(name);
    run(put.dashboard_body(body).send()).expect("it's put");
}

fn delete(cloud: &Cloud, name: &str) {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&cloud.sdk());
    run(cloudwatch.delete_dashboards().dashboard_names(name).send()).expect("it's deleted");
}

#[test]
fn a_dashboard_comes_and_goes_with_the_manifest_and_a_registry_counts_connections() {
    let cloud = Cloud::embedded();
    let before = cloud.inventory();
    let project = Project::shared("watched", "echo", &cloud);
    let wsless = |arguments: &[&str]| {
        let always = ["--manifest", MANIFEST];
        project.wsless(arguments.iter().copied().chain(always))
    };

    // Somebody else's is never touched.
    project.write(MANIFEST, &manifest(true));
    let empty = "{\"widgets\":[]}";
    put(&cloud, &name(), empty);
    let _ = wsless(&["plan"])
        .exits(1)
        .warns("dashboard/figures: `watched-dev-us-east-1` is there and isn't this stage's");
    delete(&cloud, &name());

    let _ = wsless(&["plan"])
        .succeeds()
        .says("dashboard/figures")
        .warns("$3 a month");
    let address = wsless(&["deploy", "--yes"]).succeeds().address();
    let shown = body(&cloud).expect("a dashboard").to_string();
    for figure in [
        "\"wsless\",\"ConnectionsOpened\",\"Project\",\"watched\",\"Stage\",\"dev\"",
        "\"AWS/Lambda\",\"Throttles\",\"FunctionName\",\"watched-dev-ping\"",
        "\"AWS/SQS\",\"ApproximateNumberOfMessagesVisible\",\"QueueName\",\"watched-dev-results-dlq\"",
        "\"AWS/ApiGateway\",\"ExecutionError\",\"ApiId\"",
    ] {
        assert!(shown.contains(figure), "{figure} isn't in {shown}");
    }
    // The API's id was known before it was put.
    assert!(!shown.contains("$join"), "{shown}");
    let _ = wsless(&["deploy", "--yes"])
        .succeeds()
        .says("Nothing to change");

    // What somebody changed by hand is put right again.
    put(&cloud, &name(), empty);
    let drift = wsless(&["status", "--no-probe"]).succeeds();
    let _ = drift.says("1 to change (dashboard/figures)");
    let _ = wsless(&["deploy", "--yes"]).succeeds();
    assert_eq!(body(&cloud).expect("a dashboard").to_string(), shown);

    registered_connections_are_counted(&project, &address);

    project.write(MANIFEST, &manifest(false));
    let _ = wsless(&["deploy", "--yes"]).succeeds();
    assert_eq!(body(&cloud), None);
    let _ = wsless(&["destroy", "--yes", "--allow-data-loss"]).succeeds();
    cloud.inventory().assert_same_as(&before);
}

fn registered_connections_are_counted(project: &Project, address: &str) {
    let connect = || {
        crate::harness::Connect::new()
            .header("origin", "https://www.example.com")
            .to(address)
    };
    let mut clients: Vec<Client> = (0..3).map(|_| connect()).collect();
    let open = || status(project, &["--no-probe", "--manifest", MANIFEST])["open"].clone();
    assert_eq!(open(), json!({ "count": 3, "source": "registry" }));
    clients.pop().expect("a client").end();
    wait_for("the registry to forget who went", BOUND, || {
        (open() == json!({ "count": 2, "source": "registry" })).then_some(())
    });
}
