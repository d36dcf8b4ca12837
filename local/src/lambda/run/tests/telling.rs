//! What running functions leaves in CloudWatch.

use serde_json::{Value, json};

use super::machine::Machine;
use crate::{call::Service, clock::Millis};

const GROUP: &str = "/aws/lambda/tells";

async fn events(machine: &Machine) -> Vec<String> {
    let found = machine
        .call(
            Service::Logs,
            "FilterLogEvents",
            json!({"logGroupName": GROUP}),
        )
        .await
        .unwrap_or_default();
    found["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

/// The lines that there are once so many invocations are reported.
async fn events_of(machine: &Machine, invocations: usize) -> Vec<String> {
    let waited = async {
        loop {
            let events = events(machine).await;
            let reports = events.iter().filter(|event| event.starts_with("REPORT "));
            if reports.count() == invocations {
                return events;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waited)
        .await
        .expect("the reports don't come")
}

async fn sum(machine: &Machine, metric: &str, dimensions: Value) -> f64 {
    let found = machine
        .ask(
            Service::CloudWatch,
            "GetMetricStatistics",
            json!({
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": dimensions,
                "StartTime": Millis::now().0 / 1000 - 600,
                "EndTime": Millis::now().0 / 1000 + 600,
                "Period": 60,
                "Statistics": ["Sum"],
            }),
        )
        .await;
    found["Datapoints"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|point| point["Sum"].as_f64())
        .sum()
}

#[tokio::test]
async fn what_a_function_writes_is_in_its_log_group_in_order() {
    let machine = Machine::new().await;
    let target = machine.python(
        "tells",
        "serve(lambda event, r: print('told', event, flush=True))",
    );
    for number in 0..3 {
        machine.value(&target, &json!(number)).await;
    }
    let events = events_of(&machine, 3).await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event.split(' ').next().unwrap())
        .collect();
    let invocation = ["START", "told", "END", "REPORT"];
    let expected: Vec<&str> = ["INIT_START"]
        .into_iter()
        .chain(invocation)
        .chain(invocation)
        .chain(invocation)
        .collect();
    assert_eq!(kinds, expected, "{events:#?}");
    assert_eq!(events[2], "told 0\n");
    let streams = machine
        .ask(
            Service::Logs,
            "DescribeLogStreams",
            json!({"logGroupName": GROUP}),
        )
        .await;
    let name = streams["logStreams"][0]["logStreamName"].as_str().unwrap();
    assert!(name.contains("/[$LATEST]"), "{name}");
}

#[tokio::test]
async fn a_function_that_may_not_log_runs_and_leaves_nothing() {
    let machine = Machine::new().await;
    machine
        .ask(
            Service::Logs,
            "CreateLogGroup",
            json!({"logGroupName": GROUP}),
        )
        .await;
    machine.allow(&["logs:CreateLogStream"]).await;
    let target = machine.python(
        "tells",
        "serve(lambda event, r: print('told', event, flush=True))",
    );
    machine.value(&target, &json!(1)).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(events(&machine).await, Vec::<String>::new());
    // Allowed, it does: what was dropped is gone.
    machine
        .allow(&["logs:CreateLogStream", "logs:PutLogEvents"])
        .await;
    let waited = async {
        loop {
            machine.value(&target, &json!(2)).await;
            let events = events(&machine).await;
            if !events.is_empty() {
                return events;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let events = tokio::time::timeout(std::time::Duration::from_mins(1), waited)
        .await
        .expect("a log");
    assert!(!events.iter().any(|event| event.contains("told 1")));
}

#[tokio::test]
async fn invocations_and_errors_are_counted() {
    let machine = Machine::new().await;
    let mut target = machine.python(
        "counted",
        "
while True:
    id, event, r = next()
    if event is None: call('POST', 'invocation/%s/error' % id, '{}')
    else: respond(id, event)",
    );
    target.invoked_arn.push_str(":live");
    for _ in 0..4 {
        machine.value(&target, &json!(1)).await;
    }
    machine.failure(&target).await;
    target.reserved_concurrency = Some(0);
    assert!(machine.invoke(&target, &json!(1)).await.is_err());
    let name = json!({"Name": "FunctionName", "Value": "counted"});
    let alias = json!({"Name": "Resource", "Value": "counted:live"});
    let version = json!({"Name": "ExecutedVersion", "Value": "$LATEST"});
    for dimensions in [
        json!([name]),
        json!([name, alias]),
        json!([name, alias, version]),
    ] {
        let sum = async |metric: &str| sum(&machine, metric, dimensions.clone()).await;
        assert!((sum("Invocations").await - 5.0).abs() < 0.1, "{dimensions}");
        assert!((sum("Errors").await - 1.0).abs() < 0.1, "{dimensions}");
        assert!((sum("Throttles").await - 1.0).abs() < 0.1, "{dimensions}");
        assert!(sum("Duration").await > 0.0, "{dimensions}");
    }
}
