//! Stages of one project, and projects whose names run into each other, in one account.

use std::collections::BTreeMap;

use super::System;
use crate::harness::{Cloud, Project};

#[test]
fn two_stages_live_side_by_side_and_each_has_its_own_settings_on_ministack() {
    two_stages_live_side_by_side_and_each_has_its_own_settings(&Cloud::ministack());
}

#[test]
fn two_stages_live_side_by_side_and_each_has_its_own_settings_on_the_embedded_cloud() {
    two_stages_live_side_by_side_and_each_has_its_own_settings(&Cloud::embedded());
}

fn two_stages_live_side_by_side_and_each_has_its_own_settings(cloud: &Cloud) {
    let before = cloud.inventory();
    let project = Project::init("echo", cloud);
    let manifest = project.read("wsless.toml");
    project.write(
        "wsless.toml",
        &format!(
            "{manifest}\n[stages.prod]\nhandlers.echo.memory = 512\nhandlers.echo.queue.max-receives = 9\n\
             handlers.ping.environment = {{ MOOD = \"calm\" }}\nlogs.retention-days = 90\n"
        ),
    );
    let [dev, prod] = ["dev", "prod"].map(|stage| System {
        cloud,
        project: &project,
        name: "echo",
        stage,
    });
    let prods_address = prod.deploy();
    let with_prod = cloud.inventory();
    let devs_address = dev.deploy();
    assert_ne!(devs_address, prods_address);

    assert_eq!(dev.function("echo").memory_size, Some(128));
    assert_eq!(prod.function("echo").memory_size, Some(512));
    let mood = |system: &System<'_>| {
        let environment = system.function("ping").environment;
        let variables = environment.and_then(|found| found.variables);
        variables.and_then(|variables| variables.get("MOOD").cloned())
    };
    assert_eq!((mood(&dev), mood(&prod)), (None, Some("calm".to_owned())));
    prod.deploy_without_a_change();
    dev.deploy_without_a_change();

    let mut in_prod = prod.open(&prods_address);
    let mut in_dev = dev.open(&devs_address);
    prod.send("echo", &mut in_prod, "$default", "to prod");
    dev.send("echo", &mut in_dev, "$default", "to dev");
    assert_eq!(in_prod.client.receive(), "to prod");
    assert_eq!(in_dev.client.receive(), "to dev");

    let _ = dev.wsless(["destroy", "--yes"]).succeeds();
    cloud.inventory().assert_same_as(&with_prod);
    prod.deploy_without_a_change();
    prod.send("echo", &mut in_prod, "$default", "still here");
    assert_eq!(in_prod.client.receive(), "still here");
    let _ = prod.wsless(["destroy", "--yes"]).succeeds();
    cloud.inventory().assert_same_as(&before);
}

#[test]
fn projects_whose_names_begin_alike_leave_each_other_alone_on_ministack() {
    projects_whose_names_begin_alike_leave_each_other_alone(&Cloud::ministack());
}

#[test]
fn projects_whose_names_begin_alike_leave_each_other_alone_on_the_embedded_cloud() {
    projects_whose_names_begin_alike_leave_each_other_alone(&Cloud::embedded());
}

fn projects_whose_names_begin_alike_leave_each_other_alone(cloud: &Cloud) {
    let before = cloud.inventory();
    // One folder for all of them: their handlers are the same, so they are built once.
    let project = Project::init_as("a", "echo", cloud);
    let system = |name, stage| System {
        cloud,
        project: &project,
        name,
        stage,
    };
    let (short, long) = (system("a", "b"), system("a-b", "c"));
    short.deploy();
    let with_short = cloud.inventory();

    // Every name of this one, a-b-c-echo, begins as the other's names do: a-b-.
    project.edit("wsless.toml", "name = \"a\"", "name = \"a-b\"");
    long.plan_of_creates();
    long.deploy();
    long.deploy_without_a_change();
    let with_both = cloud.inventory();

    project.edit("wsless.toml", "name = \"a-b\"", "name = \"a\"");
    assert_eq!(short.plan(), BTreeMap::new());
    // And this one would have exactly its names: it is refused before anything is done.
    let mark = cloud.recorder.mark();
    let twin = system("a", "b-c");
    let _ = twin
        .wsless(["deploy", "--yes"])
        .exits(1)
        .warns("engine::foreign")
        .warns("`a-b-c-echo` is there and isn't this stage's");
    cloud.recorder.mutations_since(mark).assert_none();
    let _ = twin
        .wsless(["destroy", "--yes"])
        .succeeds()
        .says("Nothing to destroy");
    cloud.inventory().assert_same_as(&with_both);

    let _ = short.wsless(["destroy", "--yes"]).succeeds();
    project.edit("wsless.toml", "name = \"a\"", "name = \"a-b\"");
    long.deploy_without_a_change();
    let gone = cloud.inventory().gone_since(&with_both);
    assert_eq!(
        gone.len(),
        with_short.added_since(&before).len() - 1,
        "{gone:#?}"
    );
    let _ = long.wsless(["destroy", "--yes"]).succeeds();
    cloud.inventory().assert_same_as(&before);
}
