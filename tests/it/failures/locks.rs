//! The stage's lock, and the bucket that holds it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Cloud, Fault, wait_for};

use super::{BUCKET, Story};

const ID: &str = "6f1c1f6e-0000-4000-8000-000000000001";

/// Somebody else's lock, acquired and expiring at these times.
fn lock(acquired: &str, expires: &str) -> Value {
    json!({
        "id": ID,
        "identity": "arn:aws:iam::000000000000:user/mallory",
        "host": "build-7",
        "run": "https://ci.example.com/runs/7",
        "command": "deploy",
        "acquired_at": acquired,
        "expires_at": expires,
    })
}

#[test]
fn a_locked_stage_is_left_alone_until_its_lock_is_freed_or_dead() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    let live = lock("2026-01-02T03:04:05Z", "2199-01-01T00:00:00Z");
    story.put_object("calm", "lock.json", live.to_string().as_bytes());
    story.edit("timeout = \"10s\"", "timeout = \"11s\"");

    let mark = recorder.mark();
    for command in ["deploy", "destroy"] {
        let _ = story.wsless([command, "--yes", "--stage", "calm"])
            .exits(75)
            .warns("the stage is locked by arn:aws:iam::000000000000:user/mallory on build-7, for `deploy`, since 2026-01-02T03:04:05Z")
            .warns("https://ci.example.com/runs/7")
            .warns(&format!("wsless unlock {ID} --stage calm"));
    }
    let told = story
        .wsless(["deploy", "--yes", "--stage", "calm", "--output", "json"])
        .exits(75);
    assert_eq!(
        told.json_lines().last().unwrap()["code"],
        "lock::held",
        "{told}"
    );
    let _ = story
        .wsless(["unlock", "--stage", "calm"])
        .succeeds()
        .says("mallory")
        .says(&format!("wsless unlock {ID} --stage calm"));
    let _ = story
        .wsless(["unlock", "another-id", "--stage", "calm"])
        .exits(75)
        .warns("`another-id`")
        .warns(ID);
    assert_eq!(story.object("calm", "lock.json"), Some(live));
    super::assert_same_shape(
        &story
            .shape("calm")
            .into_iter()
            .filter(|line| !line.ends_with("/lock.json"))
            .collect::<Vec<_>>(),
        &story.undisturbed,
    );
    let tried = recorder.mutations_since(mark);
    assert!(
        tried
            .iter()
            .all(|call| call.operation == "PutObject" && call.status == Some(412)),
        "{tried}"
    );

    let _ = story
        .wsless(["unlock", ID, "--stage", "calm"])
        .succeeds()
        .says("Freed.");
    assert_eq!(story.object("calm", "lock.json"), None);
    let _ = story
        .wsless(["unlock", "--stage", "calm"])
        .succeeds()
        .says("The stage isn't locked.");
    let _ = story
        .wsless(["unlock", ID, "--stage", "calm"])
        .succeeds()
        .says("The stage isn't locked.");

    // Not a lock at all: nobody's word for it, so nothing is done.
    story.put_object("calm", "lock.json", b"<html>not a lock</html>");
    let _ = story
        .deploy("calm")
        .exits(1)
        .warns("error[lock::odd]")
        .warns(&format!("s3://{BUCKET}/echo/calm/lock.json"));

    // A holder that died is outlived.
    let dead = lock("2026-01-02T03:04:05Z", "2026-01-02T03:07:05Z");
    story.put_object("calm", "lock.json", dead.to_string().as_bytes());
    let _ = story.deploy("calm").succeeds().says("changed");
    assert_eq!(story.object("calm", "lock.json"), None);
}

#[test]
fn of_two_deploys_at_once_one_works_and_the_other_doesnt_disturb_it() {
    let story = Story::begin();
    let recorder = &story.cloud.recorder;
    // The first is held up in the middle of its work until the second has been turned away.
    recorder.fault(Fault::on("CreateApi").delay(Duration::from_secs(8)));
    let first = story.start(["deploy", "--yes", "--stage", "both"]);
    let mark = recorder.mark();
    wait_for("the first to be at work", Duration::from_mins(2), || {
        let calls = recorder.calls_since(mark).named("CreateApi");
        (!calls.is_empty()).then_some(())
    });
    let _ = story
        .deploy("both")
        .exits(75)
        .warns("the stage is locked by")
        .warns("for `deploy`");
    let _ = first.wait().succeeds();
    story.assert_whole("both");

    // Whoever waits goes on when the other has ended.
    let live = lock("2026-01-02T03:04:05Z", "2199-01-01T00:00:00Z");
    story.put_object("waited-for", "lock.json", live.to_string().as_bytes());
    let _ = story
        .wsless(["deploy", "--yes", "--stage", "waited-for", "--wait=1s"])
        .exits(75)
        .warns("Waiting for arn:aws:iam::000000000000:user/mallory on build-7")
        .warns("the stage is locked by");
    let mark = recorder.mark();
    let waiting = story.start(["deploy", "--yes", "--stage", "waited-for", "--wait"]);
    wait_for("the lock to be tried", Duration::from_mins(2), || {
        let tried = recorder.calls_since(mark).named("PutObject");
        let mut tried = tried.iter();
        tried.any(|call| call.status == Some(412)).then_some(())
    });
    let _ = story
        .wsless(["unlock", ID, "--stage", "waited-for"])
        .succeeds();
    let _ = waiting.wait().succeeds().warns("Waiting for ");
    story.assert_whole("waited-for");

    let pair = [1, 2].map(|_| story.start(["deploy", "--yes", "--stage", "race"]));
    let codes = pair.map(|deploy| deploy.wait().code);
    assert!(codes.contains(&0), "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 0 | 75)), "{codes:?}");
    story.assert_whole("race");
}

#[test]
fn a_bucket_that_cant_hold_the_lock_is_told_and_nothing_is_deployed() {
    let cloud = Cloud::ministack();
    let story = Story::untold(cloud);
    let before = story.cloud.inventory();
    let recorder = &story.cloud.recorder;

    recorder.fail_next(
        "CreateBucket",
        409,
        "BucketAlreadyExists",
        "The requested bucket name is not available.",
    );
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns(BUCKET)
        .warns("somebody else's account has this");
    // What S3 answers when the bucket isn't the expected owner's.
    recorder.fail_next("GetObject", 403, "AccessDenied", "Access Denied");
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns("s3:GetObject failed: AccessDenied")
        .warns(BUCKET);
    story.cloud.inventory().assert_same_as(&before);

    // An S3 that takes every write: then everybody would have the lock.
    recorder.fault(
        Fault::on("PutObject")
            .containing("lock.json")
            .always()
            .answer(200, "application/xml", b""),
    );
    let _ = story
        .wsless(["deploy"])
        .exits(1)
        .warns("error[lock::unconditional]")
        .warns("If-None-Match");
    story.cloud.inventory().assert_same_as(&before);
}
