//! Runs killed at every call that changes something: just before it, and after it was done but before its answer came.
//!
//! Every 23rd of these places; with `WSLESS_CUTS=all` in the environment all of them, which takes an hour on 2 cores. The next
//! run ends where an undisturbed one does: no orphan, no twin, and an open connection is answered throughout.

use std::time::Duration;

use serde_json::json;

use super::{Story, assert_same_shape, cut_off::without_versions};
use crate::harness::{Client, Cloud};

/// Everything that a manifest can ask of an account, but an authorizer.
const BEFORE: &str = r#"
[project]
name = "echo"
tags = { team = "one", phase = "a" }

[api]
route-selection = "$request.body.action"
throttle = { rate = 1000, burst = 500 }
access-log = true

[connections]
registry = true

[handlers.echo]
reserved-concurrency = 5

[handlers.ping]
environment = { GREETING = "hello" }

[routes]
"$default" = { handler = "echo" }
ping = { handler = "ping", via = "direct" }
late = { handler = "ping" }
"#;

/// The same system with all of it changed that can be changed while connections are open.
fn after() -> String {
    let changes = [
        ("phase = \"a\"", "stage-of-life = \"b\""),
        ("rate = 1000", "rate = 2000"),
        ("access-log = true", "access-log = false"),
        (
            "reserved-concurrency = 5",
            "memory = 256\ntimeout = \"20s\"",
        ),
        ("GREETING = \"hello\"", "GREETING = \"good day\""),
        (
            "late = { handler = \"ping\" }",
            "soon = { handler = \"echo\", via = \"direct\" }",
        ),
    ];
    let changed = changes.iter().fold(BEFORE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    guarded(&changed)
}

/// The system with an authorizer, which nobody passes: only who is connected already has a connection.
fn guarded(manifest: &str) -> String {
    manifest.replace("[api]\n", "[api]\nauthorizer = \"gate\"\n")
        + "\n[handlers.gate]\nbinary = \"ping\"\n"
}

/// The stage whose runs are killed; its name is part of no resource's.
const STAGE: &str = "severed";

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// So many calls changed something; the next isn't sent.
    Before(usize),
    /// This one was done, and its answer didn't come.
    Answer(usize),
}

/// Both, for each of so many calls.
fn cuts(changes: usize) -> impl Iterator<Item = Cut> {
    let all = (0..changes).flat_map(|number| [Cut::Before(number), Cut::Answer(number + 1)]);
    let is_whole = std::env::var("WSLESS_CUTS").is_ok_and(|chosen| chosen == "all");
    // An odd step, so that both kinds have their turn.
    all.step_by(if is_whole { 1 } else { 23 })
}

impl Story {
    fn everything() -> Self {
        let story = Self::untold(Cloud::embedded());
        story.write(BEFORE);
        story
    }

    /// Runs a command that makes so many changes until it's cut off there; its lock has expired then. If it makes fewer,
    /// nothing is run.
    fn cut(&self, cut: Cut, changes: usize, command: &[&str]) {
        let recorder = &self.cloud.recorder;
        match cut {
            Cut::Before(number) if number < changes => recorder.hold_after_mutations(number),
            Cut::Answer(number) if number <= changes => {
                recorder.hold_from_the_answer_of_mutation(number);
            }
            _ => return,
        }
        let run = self.start_with(command);
        recorder.wait_until_held(Duration::from_mins(1));
        let _ = run.kill();
        recorder.release();
        if let Some(mut lock) = self.object(STAGE, "lock.json") {
            lock["expires_at"] = "2026-01-02T03:07:05Z".into();
            self.put_object(STAGE, "lock.json", lock.to_string().as_bytes());
        }
    }

    /// The changes that a run makes, the lock's and the record's included.
    fn changes_of_run(&self, command: &[&str]) -> usize {
        let mark = self.cloud.recorder.mark();
        let _ = self.start_with(command).wait().succeeds();
        self.cloud.recorder.mutations_since(mark).len()
    }
}

#[test]
fn a_first_deploy_and_a_destroy_killed_at_any_call_are_finished_by_the_next() {
    let story = Story::everything();
    story.write(&guarded(BEFORE));
    let deploy = ["deploy", "--yes", "--stage", STAGE];
    let destroy = ["destroy", "--yes", "--allow-data-loss", "--stage", STAGE];
    // What all stages share is there then, the bucket for one.
    let _ = story.deploy("calm").succeeds();
    let calm = without_versions(story.shape("calm"));
    let made = story.changes_of_run(&deploy);
    let taken = story.changes_of_run(&destroy);
    assert!(made > 60 && taken > 40, "{made} changes and {taken} back");
    let longest = made.max(taken);
    for (to_there, to_back) in cuts(longest).zip(cuts(longest)) {
        story.cut(to_there, made, &deploy);
        let _ = story.start_with(&deploy).wait().succeeds();
        assert_same_shape(&without_versions(story.shape(STAGE)), &calm);
        story.cut(to_back, taken, &destroy);
        let _ = story.start_with(&destroy).wait().succeeds();
        assert_eq!(story.shape(STAGE), [""; 0], "{to_back:?}");
    }
    println!(
        "{} of {} cut points of a first deploy, {} of {} of a destroy",
        cuts(made).count(),
        2 * made,
        cuts(taken).count(),
        2 * taken
    );
}

#[test]
fn an_update_killed_at_any_call_is_finished_by_the_next_and_connections_stay_open() {
    let story = Story::everything();
    let deploy = ["deploy", "--yes", "--stage", STAGE];
    let (before, after) = (BEFORE.to_owned(), after());
    let deployed = story.deploy(STAGE).succeeds();
    let at_first = without_versions(story.shape(STAGE));
    let mut client = Client::connect(&deployed.address());
    let mut answers = |cut: &str| {
        client.send_json(&json!({"action": "ping", "id": 7}));
        assert_eq!(client.receive_json(), json!({"pong": 7}), "{cut}");
    };
    answers("nothing was cut yet");

    let there = {
        story.write(&after);
        story.changes_of_run(&deploy)
    };
    let at_last = without_versions(story.shape(STAGE));
    let back = {
        story.write(&before);
        story.changes_of_run(&deploy)
    };
    assert!(there > 20 && back > 20, "{there} changes and {back} back");
    assert_same_shape(&without_versions(story.shape(STAGE)), &at_first);

    // There and back again, cut both times.
    let longest = there.max(back);
    for (to_there, to_back) in cuts(longest).zip(cuts(longest)) {
        for (manifest, cut, changes, whole) in [
            (&after, to_there, there, &at_last),
            (&before, to_back, back, &at_first),
        ] {
            story.write(manifest);
            story.cut(cut, changes, &deploy);
            answers(&format!("{cut:?}, cut"));
            let _ = story.deploy(STAGE).succeeds();
            assert_same_shape(&without_versions(story.shape(STAGE)), whole);
            answers(&format!("{cut:?}, mended"));
        }
    }
    println!(
        "{} of {} cut points of an update",
        cuts(there).count() + cuts(back).count(),
        2 * (there + back)
    );
}
