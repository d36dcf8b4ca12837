use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::machine::{Machine, is_there, until, updated};
use crate::lambda::run::perform_by;

const PID: &str = "serve(lambda event, r: os.getpid())";

#[tokio::test]
async fn a_process_is_kept_for_the_next_invocation() {
    let machine = Machine::new().await;
    let target = machine.python("warm", PID);
    let first = machine.value(&target, &json!({})).await;
    for _ in 0..20 {
        assert_eq!(machine.value(&target, &json!({})).await, first);
    }
}

#[tokio::test]
async fn a_process_has_awss_environment_and_no_other() {
    let machine = Machine::new().await;
    let target = machine.python(
        "environment",
        "serve(lambda event, r: {'env': dict(os.environ), 'cwd': os.getcwd(), 'group': os.getpgid(0) == os.getpid(),
            'tmp': os.path.isdir(os.environ['TMPDIR']), 'event': event, 'headers': dict(r.getheaders())})",
    );
    let target = updated(&target, |version| {
        version
            .environment
            .insert("MINE".to_owned(), "yes".to_owned());
    });
    let told = machine.value(&target, &json!({"a": [1]})).await;
    let env = &told["env"];
    assert_eq!(env["MINE"], "yes");
    assert_eq!(env["AWS_LAMBDA_FUNCTION_NAME"], "environment");
    assert_eq!(env["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
    assert_eq!(env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
    assert_eq!(env["AWS_LAMBDA_LOG_GROUP_NAME"], "/aws/lambda/environment");
    assert_eq!(env["AWS_REGION"], "eu-west-1");
    assert_eq!(env["AWS_ENDPOINT_URL"], machine.cloud.endpoint());
    assert_eq!(env["_HANDLER"], "bootstrap");
    let stream = env["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap();
    assert!(stream.contains("/[$LATEST]"), "{stream}");
    for absent in ["HOME", "USER", "CARGO", "AWS_EXECUTION_ENV"] {
        assert_eq!(env[absent], Value::Null, "{absent}");
    }
    assert_eq!(told["event"], json!({"a": [1]}));
    assert_eq!((&told["group"], &told["tmp"]), (&json!(true), &json!(true)));
    assert_eq!(told["cwd"], target.version.code.display().to_string());
    let headers = &told["headers"];
    assert_eq!(
        headers["lambda-runtime-invoked-function-arn"],
        target.invoked_arn
    );
    let deadline: i64 = headers["lambda-runtime-deadline-ms"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = deadline - crate::clock::Millis::now().0;
    assert!((1..=60_000).contains(&left), "{left}");
    let folder = env["TMPDIR"].as_str().unwrap().to_owned();
    machine.cloud.ending().cancel();
    until(|| !std::path::Path::new(&folder).exists()).await;
}

/// Each waits until all are there: if any of them had to wait for another's end, none would end.
#[tokio::test]
async fn invocations_that_take_time_run_at_once() {
    const MANY: usize = 30;
    let machine = Arc::new(Machine::new().await);
    let target = machine.python(
        "slow",
        "
folder = os.environ['FOLDER'] + '/met'
os.makedirs(folder, exist_ok=True)
def meet(event, r):
    open(folder + '/%d' % event['number'], 'w').close()
    while len(os.listdir(folder)) < event['all']: time.sleep(0.01)
    return os.getpid()
serve(meet)",
    );
    let mut all = tokio::task::JoinSet::new();
    for number in 0..MANY {
        let (machine, target) = (Arc::clone(&machine), target.clone());
        all.spawn(async move {
            machine
                .value(&target, &json!({"number": number, "all": MANY}))
                .await
                .as_u64()
                .unwrap()
        });
    }
    let pids: BTreeSet<u64> = all.join_all().await.into_iter().collect();
    assert_eq!(pids.len(), MANY);
}

#[tokio::test]
async fn a_burst_of_quick_invocations_is_the_work_of_a_few_processes() {
    let machine = Arc::new(Machine::new().await);
    let target = machine.python("quick", PID);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (machine, target) = (Arc::clone(&machine), target.clone());
        all.spawn(async move { machine.value(&target, &json!({})).await.as_u64().unwrap() });
    }
    let pids: BTreeSet<u64> = all.join_all().await.into_iter().collect();
    // A few, plus some for the machine's hiccups: not hundreds.
    assert!(pids.len() <= 40, "{}", pids.len());
}

#[tokio::test]
async fn reserved_concurrency_is_kept_and_throttles() {
    let machine = Arc::new(Machine::new().await);
    let mut target = machine.python("reserved", "serve(lambda event, r: time.sleep(1000))");
    target.reserved_concurrency = Some(1);
    let held = {
        let (machine, target) = (Arc::clone(&machine), target.clone());
        tokio::spawn(async move { machine.invoke(&target, &json!({})).await })
    };
    until(|| !machine.region.lambda.runner.pids().is_empty()).await;
    let error = machine.invoke(&target, &json!({})).await.unwrap_err();
    assert_eq!(error.code, "TooManyRequestsException");
    assert_eq!(error.message, "Rate Exceeded.");
    assert_eq!(
        error.members["Reason"],
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    );
    held.abort();
    target.reserved_concurrency = Some(0);
    assert!(machine.invoke(&target, &json!({})).await.is_err());
}

#[tokio::test]
async fn an_invocation_whose_caller_left_is_still_run() {
    let machine = Machine::new().await;
    let target = machine.python(
        "left",
        "serve(lambda event, r: open(os.environ['FOLDER'] + '/done', 'w').close())",
    );
    let event = json!({});
    let waited =
        tokio::time::timeout(Duration::from_millis(1), machine.invoke(&target, &event)).await;
    assert!(waited.is_err());
    let done = machine.path("done");
    until(|| done.exists()).await;
}

#[tokio::test]
async fn an_update_is_what_the_next_invocation_meets_and_the_old_process_goes() {
    let machine = Machine::new().await;
    let target = machine.python(
        "updated",
        "serve(lambda event, r: [os.getpid(), os.environ['REVISION']])",
    );
    let of = |revision: &str| {
        updated(&target, |version| {
            revision.clone_into(&mut version.revision);
            version
                .environment
                .insert("REVISION".to_owned(), revision.to_owned());
        })
    };
    let old = machine.value(&of("1"), &json!({})).await;
    let new = machine.value(&of("2"), &json!({})).await;
    assert_eq!((&old[1], &new[1]), (&json!("1"), &json!("2")));
    until(|| !is_there(old[0].as_u64().unwrap())).await;
    assert!(is_there(new[0].as_u64().unwrap()));
}

#[tokio::test]
async fn what_has_been_idle_for_long_ends() {
    let machine = Machine::new().await;
    machine.limit(|limits| limits.idle = Duration::from_millis(200));
    let target = machine.python("idle", PID);
    let pid = machine.value(&target, &json!({})).await.as_u64().unwrap();
    machine.empty().await;
    until(|| !is_there(pid)).await;
    assert_ne!(machine.value(&target, &json!({})).await, pid);
}

#[tokio::test]
async fn no_process_is_left_when_the_cloud_ends() {
    let machine = Arc::new(Machine::new().await);
    // Its child is another process that would live on.
    let child = "
import subprocess
child = subprocess.Popen(['sleep', '1000'])
";
    let idle = machine.python(
        "idle",
        &format!("{child}serve(lambda event, r: [os.getpid(), child.pid])"),
    );
    let busy = machine.python(
        "busy",
        &format!(
            "{child}
def stay(event, r):
    with open(os.environ['FOLDER'] + '/busy~', 'w') as f: json.dump([os.getpid(), child.pid], f)
    os.rename(os.environ['FOLDER'] + '/busy~', os.environ['FOLDER'] + '/busy')
    time.sleep(1000)
serve(stay)"
        ),
    );
    let mut pids = machine.value(&idle, &json!({})).await;
    let held = {
        let machine = Arc::clone(&machine);
        tokio::spawn(async move { machine.invoke(&busy, &json!({})).await })
    };
    let file = machine.path("busy");
    until(|| file.exists()).await;
    let more: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    pids.as_array_mut()
        .unwrap()
        .extend(more.as_array().unwrap().clone());
    let pids: Vec<u64> = pids
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| is_there(*pid)));
    machine.cloud.ending().cancel();
    until(|| pids.iter().all(|pid| !is_there(*pid))).await;
    assert!(held.await.unwrap().is_err());
}

#[tokio::test]
async fn what_no_process_was_free_for_in_time_is_throttled_and_never_run() {
    let machine = Arc::new(Machine::new().await);
    machine.limit(|limits| limits.processes = 1);
    let target = machine.python(
        "busy",
        "
def handle(event, r):
    open(os.environ['FOLDER'] + '/runs', 'a').write(event)
    while not os.path.exists(os.environ['FOLDER'] + '/go'): time.sleep(0.01)
serve(handle)",
    );
    let run = |event: &'static str, latest: Option<Instant>| {
        let (machine, target) = (Arc::clone(&machine), target.clone());
        tokio::spawn(async move {
            let payload = json!(event).to_string().into();
            perform_by(&machine.cloud, &machine.region, &target, payload, latest).await
        })
    };
    let first = run("1", None);
    let runs = machine.path("runs");
    let has_run = || std::fs::read_to_string(&runs).unwrap_or_default();
    until(|| has_run() == "1").await;
    let late = run("2", Some(Instant::now()));
    let patient = run("3", Some(Instant::now() + Duration::from_hours(1)));
    std::fs::write(machine.path("go"), "").unwrap();
    assert!(first.await.unwrap().is_ok());
    assert_eq!(late.await.unwrap().unwrap_err().status, 429);
    assert!(patient.await.unwrap().is_ok());
    assert_eq!(has_run(), "13");
}
