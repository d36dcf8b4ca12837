//! A project's runs see a clean environment, and its output is ready for snapshots.

use crate::harness::{Cloud, Project, redact};

#[test]
fn a_run_sees_no_aws_configuration_but_the_clouds() {
    let mut project = Project::offline();
    let offline = project.run("env", []).succeeds();
    assert!(!offline.stdout.contains("AWS_"), "{offline}");
    assert!(!offline.stdout.contains("NO_COLOR"), "{offline}");

    let cloud = Cloud::ministack();
    project.use_cloud(&cloud);
    let _ = project
        .run("env", [])
        .succeeds()
        .says(&format!("AWS_ENDPOINT_URL={}", cloud.recorder.endpoint()))
        .says("AWS_REGION=us-east-1")
        .never_says("AWS_PROFILE");
    project.unset("AWS_REGION");
    let _ = project.run("env", []).never_says("AWS_REGION");
}

#[test]
fn a_run_ends_with_its_code_and_streams_apart() {
    let project = Project::offline();
    project.write("deep/file", "one two");
    project.edit("deep/file", "two", "three");
    let output = project
        .run("sh", ["-c", "cat deep/file; pwd >&2; exit 3"])
        .exits(3)
        .says("one three");
    assert_eq!(output.stderr_redacted(), "[PROJECT]\n");
}

#[test]
#[should_panic(expected = "is 2 times in file")]
fn an_edit_must_mean_one_place() {
    let project = Project::offline();
    project.write("file", "a a");
    project.edit("file", "a", "b");
}

#[test]
fn a_killed_run_gives_what_it_had_printed() {
    let project = Project::offline();
    let running = project.begin("sh", ["-c", "echo begun; exec sleep 100"]);
    crate::harness::wait_for("its first line", std::time::Duration::from_secs(20), || {
        running.stdout().contains("begun").then_some(())
    });
    assert_eq!(running.kill().stdout, "begun\n");
}

#[test]
fn what_differs_from_run_to_run_is_redacted() {
    let text = "\u{1b}[32mdone\u{1b}[0m in 1m 2.5s at 2026-11-23T15:18:44Z: ws://1a2b3c4d.execute-api.localhost:20001/dev \
        f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    assert_eq!(
        redact(text),
        "done in [DURATION] at [TIME]: ws://[API].execute-api.localhost:[PORT]/dev [UUID]"
    );
    assert_eq!(redact("timeout 10 messages"), "timeout 10 messages");
}

#[test]
fn two_projects_with_one_binarys_name_build_apart() {
    let build = |word: &str| {
        let project = Project::offline();
        project.write(
            "Cargo.toml",
            "[package]\nname = \"twin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        project.write(
            "src/main.rs",
            &format!("fn main() {{ println!(\"{word}\") }}"),
        );
        let _ = project
            .run("cargo", ["build", "--release", "--offline"])
            .succeeds();
        project
    };
    let projects = ["one", "two"].map(|word| (word, build(word)));
    for (word, project) in &projects {
        let program = project.path("target/release/twin");
        let output = project.run(program.to_str().unwrap(), []).succeeds();
        assert_eq!(output.stdout.trim(), *word);
    }
}
