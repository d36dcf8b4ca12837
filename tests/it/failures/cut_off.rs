//! Runs that end before their end: killed, or asked to stop.

use std::time::Duration;

use crate::harness::{Fault, wait_for};

use super::Story;

/// How a dead run's lock is got rid of.
#[derive(Clone, Copy)]
enum Way {
    /// By hand.
    Unlock,
    /// It expires.
    Expiry,
}

impl Story {
    /// Runs a command until it has made this many changes, and kills it before the next.
    fn kill_after(&self, changes: usize, command: &str, stage: &str) {
        let recorder = &self.cloud.recorder;
        recorder.hold_after_mutations(changes);
        let run = self.start([command, "--yes", "--stage", stage]);
        recorder.wait_until_held(Duration::from_mins(3));
        let _ = run.kill();
        recorder.release();
    }

    /// Gets rid of the lock that a dead run left, if it got that far.
    fn bury(&self, stage: &str, way: Way) {
        let Some(mut lock) = self.object(stage, "lock.json") else {
            return;
        };
        match way {
            Way::Unlock => {
                let told = self
                    .wsless(["unlock", "--stage", stage, "--output", "json"])
                    .succeeds();
                let told = told.json_lines().pop().expect("a result");
                let id = &told["holder"]["id"];
                let id = id.as_str().expect("an id");
                let _ = self.wsless(["unlock", id, "--stage", stage]).succeeds();
            }
            Way::Expiry => {
                lock["expires_at"] = "2026-01-02T03:07:05Z".into();
                self.put_object(stage, "lock.json", lock.to_string().as_bytes());
            }
        }
    }

    /// The changes that a run of a command makes, the lock's and the record's included.
    fn changes_of(&self, command: &str, stage: &str) -> usize {
        let mark = self.cloud.recorder.mark();
        let _ = self.wsless([command, "--yes", "--stage", stage]).succeeds();
        self.cloud.recorder.mutations_since(mark).len()
    }
}

#[test]
fn a_first_deploy_killed_anywhere_is_finished_by_the_next() {
    let story = Story::begin();
    let all = story.changes_of("deploy", "measured");
    assert!(all > 60, "{all} changes");
    for (number, way) in [
        Way::Unlock,
        Way::Expiry,
        Way::Unlock,
        Way::Expiry,
        Way::Unlock,
        Way::Expiry,
    ]
    .into_iter()
    .enumerate()
    {
        let stage = format!("cut-{number}");
        // The first after the lock, the last just before the record.
        let after = 2 + (all - 5) * number / 5;
        story.kill_after(after, "deploy", &stage);
        story.bury(&stage, way);
        let _ = story.deploy(&stage).succeeds();
        let record = story.object(&stage, "record.json").expect("a record");
        assert_eq!(record["complete"], true);
        story.assert_whole(&stage);
    }
}

#[test]
fn an_update_and_a_destroy_killed_anywhere_are_finished_by_the_next() {
    let story = Story::begin();
    let manifest = story.project.read(&story.manifest);
    for (number, way) in [Way::Expiry, Way::Unlock].into_iter().enumerate() {
        let stage = format!("turn-{number}");
        let _ = story.deploy(&stage).succeeds();
        // A changed function, a new route and its handler's queue, and a route that goes.
        let changed = manifest
            .replace("timeout = \"10s\"", "timeout = \"12s\"")
            .replace(
                "ping = { handler = \"ping\", via = \"direct\" }",
                "pong = { handler = \"ping\" }",
            );
        assert_ne!(changed, manifest);
        story.write(&changed);
        if number == 0 {
            let _ = story.deploy("calm").succeeds();
        }
        let whole = story.shape("calm");
        story.kill_after(4 + 8 * number, "deploy", &stage);
        story.bury(&stage, way);
        let _ = story.deploy(&stage).succeeds();
        super::assert_same_shape(
            &without_versions(story.shape(&stage)),
            &without_versions(whole),
        );
        let _ = story.deploy(&stage).succeeds().says("Nothing to change");
        story.write(&manifest);
    }

    let stages = ["turn-0", "turn-1", "down"];
    let _ = story.deploy("down").succeeds();
    for (number, stage) in stages.into_iter().enumerate() {
        let way = if number == 1 {
            Way::Expiry
        } else {
            Way::Unlock
        };
        story.kill_after(3 + 18 * number, "destroy", stage);
        story.bury(stage, way);
        let _ = story
            .wsless(["destroy", "--yes", "--stage", stage])
            .succeeds();
        assert_eq!(story.shape(stage), Vec::<String>::new());
    }
}

/// A version that was published before the kill may have been published for nothing.
pub(super) fn without_versions(mut shape: Vec<String>) -> Vec<String> {
    shape.retain(|line| !line.contains(" version "));
    for line in &mut shape {
        if let Some((alias, _)) = line
            .split_once(" -> ")
            .filter(|(line, _)| line.contains(" alias "))
        {
            *line = alias.to_owned();
        }
    }
    shape
}

#[test]
fn a_deploy_that_is_asked_to_stop_finishes_what_is_under_way_and_frees_the_lock() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    for stage in ["ctrl-c", "sigterm"] {
        recorder.fault(Fault::on("CreateFunction").delay(Duration::from_secs(2)));
        let mark = recorder.mark();
        let run = story.start(["deploy", "--yes", "--output", "json", "--stage", stage]);
        wait_for("a function to be made", Duration::from_mins(2), || {
            let calls = recorder.calls_since(mark).named("CreateFunction");
            (!calls.is_empty()).then_some(())
        });
        if stage == "ctrl-c" {
            run.interrupt();
        } else {
            run.terminate();
        }
        let told = run
            .wait()
            .exits(1)
            .warns("Stopping: what is under way is finished first.")
            .warns("Not begun, since the run was stopped:")
            .warns("deploy stopped after");
        let steps = told.json_lines().pop().expect("a result")["steps"].clone();
        let steps = steps.as_array().expect("steps");
        let ends = |outcome: &str| {
            steps
                .iter()
                .filter(|step| step["outcome"] == outcome)
                .count()
        };
        assert!(ends("stopped") > 0 && ends("done") > 0, "{told}");
        assert_eq!(ends("failed"), 0, "{told}");
        assert_eq!(story.object(stage, "lock.json"), None);
        let record = story.object(stage, "record.json").expect("a record");
        assert_eq!(record["complete"], false);
        let _ = story.deploy(stage).succeeds();
        story.assert_whole(stage);
    }
}
