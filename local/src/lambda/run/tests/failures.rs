use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::machine::{Machine, is_there, until, updated};

#[tokio::test]
async fn a_function_whose_time_is_up_is_killed_with_all_its_processes() {
    let machine = Machine::new().await;
    let target = machine.python(
        "late",
        "
import subprocess
def stay(event, r):
    child = subprocess.Popen(['sleep', '1000'])
    print('pids', os.getpid(), child.pid, flush=True)
    time.sleep(1000)
serve(stay)",
    );
    let target = updated(&target, |version| {
        version.timeout = Duration::from_secs(1);
    });
    let (payload, log) = machine.failure(&target).await;
    assert_eq!(payload["errorType"], "Sandbox.Timedout");
    let message = payload["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("RequestId: ")
            && message.ends_with(" Error: Task timed out after 1.00 seconds"),
        "{message}"
    );
    assert!(
        log.contains(" Task timed out after 1.00 seconds\n"),
        "{log}"
    );
    assert!(log.contains("\tDuration: 1000.00 ms\t"), "{log}");
    assert!(log.ends_with("\tStatus: timeout\n"), "{log}");
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("pids "))
        .unwrap();
    for pid in line.split(' ') {
        let pid = pid.parse().unwrap();
        until(|| !is_there(pid)).await;
    }
    machine.empty().await;
}

#[tokio::test]
async fn a_crash_is_that_invocations_loss_and_no_others() {
    let machine = Machine::new().await;
    let target = machine.python(
        "crash",
        "
def handle(event, r):
    if event is None: os._exit(101)
    if event == 'kill': os.kill(os.getpid(), 9)
    return 'well'
serve(handle)",
    );
    assert_eq!(machine.value(&target, &json!(1)).await, "well");
    let (payload, log) = machine.failure(&target).await;
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    let message = payload["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with(" Error: Runtime exited with error: exit status 101"),
        "{message}"
    );
    assert!(log.contains("\nRuntime.ExitError\n"), "{log}");
    assert_eq!(machine.value(&target, &json!(1)).await, "well");
    let invoked = machine.invoke(&target, &json!("kill")).await.unwrap();
    let payload: Value = serde_json::from_slice(&invoked.payload).unwrap();
    let message = payload["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with(" Error: Runtime exited with error: signal: killed"),
        "{message}"
    );
    assert_eq!(machine.value(&target, &json!(1)).await, "well");
}

#[tokio::test]
async fn an_answer_counts_though_the_process_ends_right_after_it() {
    let machine = Machine::new().await;
    let target = machine.python("once", "id, event, r = next(); respond(id, event)");
    for number in 0..5 {
        assert_eq!(machine.value(&target, &json!(number)).await, number);
    }
}

#[tokio::test]
async fn a_program_that_ends_at_its_start_fails_its_invocation_after_a_second_try() {
    let machine = Machine::new().await;
    let target = machine.python(
        "start",
        "open(os.environ['FOLDER'] + '/starts', 'a').write('x'); sys.exit(2)",
    );
    let (payload, log) = machine.failure(&target).await;
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    assert!(
        payload["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("exit status 2")
    );
    assert!(log.contains("REPORT RequestId: "), "{log}");
    assert_eq!(
        std::fs::read_to_string(machine.path("starts")).unwrap(),
        "xx"
    );
}

#[tokio::test]
async fn a_function_that_cant_start_isnt_started_without_end() {
    let machine = Arc::new(Machine::new().await);
    let target = machine.python(
        "spin",
        "open(os.environ['FOLDER'] + '/starts', 'a').write('x'); sys.exit(2)",
    );
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let (_, _) = machine.failure(&target).await;
        calls += 1;
    }
    let starts = std::fs::read_to_string(machine.path("starts"))
        .unwrap()
        .len();
    assert!(starts <= 16, "{starts} starts for {calls} calls");
}

#[tokio::test]
async fn a_start_that_fails_now_and_then_fails_no_invocation() {
    let machine = Arc::new(Machine::new().await);
    let target = machine.python(
        "flaky",
        "
path = os.environ['FOLDER'] + '/starts'
open(path, 'a').write('x')
if os.path.getsize(path) == 1: sys.exit(1)
serve(lambda event, r: event)",
    );
    assert_eq!(machine.value(&target, &json!("a")).await, "a");
}

#[tokio::test]
async fn what_a_function_says_of_its_failed_start_is_what_the_caller_gets() {
    let machine = Machine::new().await;
    let target = machine.python(
        "init",
        "
call('POST', 'init/error', json.dumps({'errorType': 'My.Error', 'errorMessage': 'no table', 'stackTrace': []}),
     {'Lambda-Runtime-Function-Error-Type': 'My.Error'})
time.sleep(1000)",
    );
    let (payload, _) = machine.failure(&target).await;
    assert_eq!(
        payload,
        json!({"errorType": "My.Error", "errorMessage": "no table", "stackTrace": []})
    );
    machine.empty().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_ended_and_gets_the_functions_time_once_more() {
    let machine = Machine::new().await;
    machine.limit(|limits| limits.init = Duration::from_millis(100));
    let target = machine.python("long", "time.sleep(1000)");
    let target = updated(&target, |version| {
        version.timeout = Duration::from_millis(300);
    });
    let (payload, log) = machine.failure(&target).await;
    assert_eq!(payload["errorType"], "Sandbox.Timedout");
    assert!(log.contains("Task timed out after 0.30 seconds"), "{log}");
    machine.empty().await;
}

#[tokio::test]
async fn what_isnt_a_program_is_an_invalid_entrypoint() {
    let machine = Machine::new().await;
    for (name, bootstrap, words) in [
        (
            "missing",
            None,
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
        (
            "mode",
            Some(("#!/bin/sh\n", 0o644)),
            "fork/exec /var/task/bootstrap: permission denied",
        ),
        (
            "format",
            Some(("\u{7f}ELFno", 0o755)),
            "fork/exec /var/task/bootstrap: exec format error",
        ),
        (
            "interpreter",
            Some(("#!/no/such/interpreter\n", 0o755)),
            "fork/exec /var/task/bootstrap: no such file or directory",
        ),
    ] {
        let target = machine.function(name, bootstrap);
        let (payload, _) = machine.failure(&target).await;
        assert_eq!(payload["errorType"], "Runtime.InvalidEntrypoint", "{name}");
        let message = payload["errorMessage"].as_str().unwrap();
        assert!(message.ends_with(&format!(" Error: {words}")), "{message}");
    }
}
