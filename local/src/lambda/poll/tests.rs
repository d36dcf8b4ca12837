//! Whole ways: a queue, a mapping, a function that runs.

mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    call::Service,
    lambda::run::tests::machine::{Machine, PRELUDE, until},
};

/// A handler that adds a line for each record to a file, `{group} {body}`, and fails what `fails` says.
const RECORDS: &str = "
def handle(event, r):
    failed = []
    with open(os.environ['FOLDER'] + '/seen', 'a') as f:
        f.write(''.join(json.dumps(line) + '\\n' for line in lines(event['Records'], failed)))
    return {'batchItemFailures': [{'itemIdentifier': id} for id in failed]}
def lines(records, failed):
    stuck = set()
    for record in records:
        group = record['attributes'].get('MessageGroupId', '')
        if group in stuck or fails(record['body'], int(record['attributes']['ApproximateReceiveCount'])):
            failed.append(record['messageId'])
            if group: stuck.add(group)
        else:
            yield [group, record['body'], len(records)]
serve(handle)";

const FIFO: &str = "work.fifo";

struct Way {
    machine: Machine,
    mapping: String,
}

impl Way {
    /// A queue, a dead-letter queue, a function and a mapping with these attributes.
    async fn new(queue: &str, attributes: &Value, mapping: &Value, fails: &str) -> Self {
        let code = format!("{PRELUDE}\nfails = lambda body, tries: {fails}\n{RECORDS}");
        Self::with(queue, attributes, mapping, &code).await
    }

    /// The same with this program as the function's.
    async fn with(queue: &str, attributes: &Value, mapping: &Value, program: &str) -> Self {
        let machine = Machine::new().await;
        let is_fifo = queue == FIFO;
        let dead = if is_fifo { "dead.fifo" } else { "dead" };
        let mut all = json!({
            "VisibilityTimeout": "1",
            "RedrivePolicy": json!({
                "deadLetterTargetArn": machine.region.arn("sqs", dead),
                "maxReceiveCount": 3,
            })
            .to_string(),
        });
        let mut of_dead = json!({});
        if is_fifo {
            all["FifoQueue"] = json!("true");
            of_dead["FifoQueue"] = json!("true");
        }
        for (name, value) in attributes.as_object().unwrap() {
            all[name] = value.clone();
        }
        for (name, attributes) in [(dead, of_dead), (queue, all)] {
            machine
                .ask(
                    Service::Sqs,
                    "CreateQueue",
                    json!({"QueueName": name, "Attributes": attributes}),
                )
                .await;
        }
        machine.create("consumer", program).await;
        machine
            .ask(
                Service::Lambda,
                "UpdateFunctionConfiguration",
                json!({"FunctionName": "consumer", "Timeout": 1}),
            )
            .await;
        let mut members = json!({
            "FunctionName": "consumer",
            "EventSourceArn": machine.region.arn("sqs", queue),
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        for (name, value) in mapping.as_object().unwrap() {
            members[name] = value.clone();
        }
        let made = machine
            .ask(Service::Lambda, "CreateEventSourceMapping", members)
            .await;
        Self {
            mapping: made["UUID"].as_str().unwrap().to_owned(),
            machine,
        }
    }

    async fn send(&self, queue: &str, bodies: &[String], group: Option<&str>) {
        let url = format!("{}/000000000000/{queue}", self.machine.cloud.endpoint());
        for bodies in bodies.chunks(10) {
            let entries: Vec<Value> = bodies
                .iter()
                .enumerate()
                .map(|(number, body)| {
                    let mut entry = json!({"Id": number.to_string(), "MessageBody": body});
                    if let Some(group) = group {
                        entry["MessageGroupId"] = json!(group);
                        entry["MessageDeduplicationId"] = json!(body);
                    }
                    entry
                })
                .collect();
            let sent = self
                .machine
                .ask(
                    Service::Sqs,
                    "SendMessageBatch",
                    json!({"QueueUrl": url, "Entries": entries}),
                )
                .await;
            assert!(sent.get("Failed").is_none_or(|failed| failed == &json!([])));
        }
    }

    /// What the handler has seen: group, body, and how many records its batch had.
    fn seen(&self) -> Vec<(String, String, u64)> {
        let text = std::fs::read_to_string(self.machine.path("seen")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn left(&self, queue: &str) -> usize {
        let queue = self.machine.region.sqs.queue(queue).unwrap();
        let counts = queue.counts(crate::clock::Millis::now());
        counts.visible + counts.in_flight + counts.delayed
    }

    fn bodies(&self, queue: &str) -> BTreeSet<String> {
        let queue = self.machine.region.sqs.queue(queue).unwrap();
        let all = queue.peek(usize::MAX);
        all.iter().map(|peeked| peeked.body.to_string()).collect()
    }

    async fn result(&self) -> String {
        self.machine
            .ask(
                Service::Lambda,
                "GetEventSourceMapping",
                json!({"UUID": self.mapping}),
            )
            .await["LastProcessingResult"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    async fn until_result(&self, part: &str) {
        let waited = async {
            while !self.result().await.contains(part) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waited)
            .await
            .expect("another result");
    }
}

fn numbered(name: &str, many: usize) -> Vec<String> {
    (0..many)
        .map(|number| format!("{name}-{number:04}"))
        .collect()
}

#[tokio::test]
async fn every_message_is_handled_or_ends_in_the_dead_letter_queue() {
    // One in five fails once or twice, one in ten always.
    let fails =
        "(int(body[-4:]) % 10 == 7) or (int(body[-4:]) % 5 == 1 and tries <= int(body[-4:]) % 3)";
    let way = Way::new("work", &json!({}), &json!({}), fails).await;
    let all = numbered("m", 2000);
    way.send("work", &all, None).await;
    until(|| way.left("work") == 0).await;
    let seen: BTreeSet<String> = way.seen().into_iter().map(|(_, body, _)| body).collect();
    let dead = way.bodies("dead");
    let everything: BTreeSet<String> = seen.union(&dead).cloned().collect();
    assert_eq!(everything, all.into_iter().collect());
    let hopeless = |body: &&String| body.ends_with('7');
    assert_eq!(seen.iter().filter(hopeless).count(), 0);
    assert!(dead.len() >= 200, "{}", dead.len());
}

#[tokio::test]
async fn a_groups_order_is_kept_through_failures() {
    let fails = "int(body[-4:]) % 7 == 6 and tries < 2";
    // A batch that takes as long as this would come again.
    let attributes = json!({"VisibilityTimeout": "3"});
    let way = Way::new(FIFO, &attributes, &json!({}), fails).await;
    let groups: Vec<String> = (0..8).map(|number| format!("g{number}")).collect();
    for group in &groups {
        way.send(FIFO, &numbered(group, 20), Some(group)).await;
    }
    until(|| way.left(FIFO) == 0).await;
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (group, body, _) in way.seen() {
        of.entry(group).or_default().push(body);
    }
    for group in groups {
        assert_eq!(of[&group], numbered(&group, 20));
    }
    assert_eq!(way.left("dead.fifo"), 0);
}

#[tokio::test]
async fn a_batch_is_waited_for_and_may_be_of_several_receives() {
    let mapping = json!({"BatchSize": 50, "MaximumBatchingWindowInSeconds": 1});
    let attributes = json!({"VisibilityTimeout": "30"});
    let way = Way::new("work", &attributes, &mapping, "False").await;
    way.send("work", &numbered("m", 120), None).await;
    until(|| way.left("work") == 0).await;
    let seen = way.seen();
    assert_eq!(seen.len(), 120);
    assert!(seen.iter().any(|(_, _, batch)| *batch > 10), "{seen:?}");
    assert!(seen.iter().all(|(_, _, batch)| *batch <= 50));
}

#[tokio::test]
async fn what_no_filter_wants_is_deleted_unseen() {
    let pattern = json!({"body": [{"suffix": "1"}]}).to_string();
    let mapping = json!({"FilterCriteria": {"Filters": [{"Pattern": pattern}]}});
    let way = Way::new("work", &json!({}), &mapping, "False").await;
    way.send("work", &numbered("m", 100), None).await;
    until(|| way.left("work") == 0).await;
    let seen: BTreeSet<String> = way.seen().into_iter().map(|(_, body, _)| body).collect();
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|body| body.ends_with('1')));
    assert_eq!(way.left("dead"), 0);
}

#[tokio::test]
async fn a_throttled_function_gets_its_messages_later_and_a_missing_right_is_told() {
    let attributes = json!({"VisibilityTimeout": "30"});
    let way = Way::new("work", &attributes, &json!({}), "False").await;
    let reserve = async |operation: &str, mut members: Value| {
        members["FunctionName"] = json!("consumer");
        way.machine.ask(Service::Lambda, operation, members).await;
    };
    reserve(
        "PutFunctionConcurrency",
        json!({"ReservedConcurrentExecutions": 0}),
    )
    .await;
    way.send("work", &numbered("m", 30), None).await;
    let queue = way.machine.region.sqs.queue("work").unwrap();
    until(|| queue.counts(crate::clock::Millis::now()).in_flight > 0).await;
    assert_eq!(way.seen().len(), 0);
    reserve("DeleteFunctionConcurrency", json!({})).await;
    until(|| way.left("work") == 0).await;
    assert_eq!(way.seen().len(), 30);
    assert_eq!(way.result().await, "OK");

    way.machine.allow(&["sqs:ReceiveMessage"]).await;
    way.until_result("does not have permissions to call DeleteMessage on SQS")
        .await;
    way.send("work", &numbered("later", 3), None).await;
    way.machine.allow(&["sqs:*"]).await;
    until(|| way.left("work") == 0).await;
    assert_eq!(way.seen().len(), 33);
}

#[tokio::test]
async fn a_deleted_mapping_lets_its_batch_finish_and_takes_no_other() {
    let fails = "not wait(body)
def wait(body):
    open(os.environ['FOLDER'] + '/began', 'w').close()
    while not os.path.exists(os.environ['FOLDER'] + '/go'): time.sleep(0.01)
    return True
";
    let attributes = json!({"VisibilityTimeout": "30"});
    let way = Way::new("work", &attributes, &json!({}), fails).await;
    way.send("work", &numbered("first", 1), None).await;
    let began = way.machine.path("began");
    until(|| began.exists()).await;
    way.machine
        .ask(
            Service::Lambda,
            "DeleteEventSourceMapping",
            json!({"UUID": way.mapping}),
        )
        .await;
    std::fs::write(way.machine.path("go"), "").unwrap();
    until(|| way.left("work") == 0).await;
    assert_eq!(way.seen().len(), 1);
    way.send("work", &numbered("second", 1), None).await;
    // Nothing to wait for: that nothing comes can only be seen by waiting.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((way.left("work"), way.seen().len()), (1, 1));
}
