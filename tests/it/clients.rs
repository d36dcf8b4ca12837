//! Clients that nobody here wrote, and emulators that nobody here wrote, as the embedded cloud's witnesses.

mod answers;
mod cli;

use std::process::{Command, Output};

use crate::harness::{Cloud, Credentials, Venv};

/// A command that finds this cloud and nothing else of this machine's.
fn command(program: &std::path::Path, cloud: &Cloud) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(cloud.environment())
        // Past the recorder, which passes an answer on when it's whole: a live tail never is.
        .env("AWS_ENDPOINT_URL", cloud.emulator.endpoint())
        // As `wsless local` says.
        .env("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
        .env("AWS_DEFAULT_REGION", crate::harness::REGION)
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("LANG", "C.UTF-8");
    command
}

/// One of the scripts in `python/`, by an unmodified boto3.
fn script(name: &str, cloud: &Cloud) -> Output {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/python");
    command(&Venv::boto().python(), cloud)
        .arg(path.join(name))
        .output()
        .expect("python starts")
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// boto3's session: values and refusals are asserted by the script.
#[track_caller]
fn a_session_of_boto3(cloud: &Cloud) {
    let before = cloud.inventory();
    let said = printed(&script("boto_session.py", cloud));
    let calls = said.split(' ').next().and_then(|text| text.parse().ok());
    assert!(calls.is_some_and(|calls: u32| calls > 150), "{said}");
    cloud.inventory().assert_same_as(&before);
}

#[test]
fn an_unmodified_boto3_does_a_days_work_in_every_service_and_leaves_nothing() {
    a_session_of_boto3(&Cloud::embedded());
}

#[test]
fn boto3s_signatures_are_right_and_a_wrong_secret_is_refused() {
    let mut cloud = Cloud::embedded_with(&["--verify-signatures"]);
    a_session_of_boto3(&cloud);

    cloud.use_credentials(Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: "guessed".to_owned(),
    });
    let refused = script("boto_session.py", &cloud);
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("SignatureDoesNotMatch"), "{words}");
}
