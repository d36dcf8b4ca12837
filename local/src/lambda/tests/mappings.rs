use std::time::Duration;

use super::*;
use crate::{
    clock::Millis,
    lambda::state::{EventSource, Phase},
};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:chat";

/// A cloud with a function, its rights and a queue.
async fn with_queue() -> Arc<Cloud> {
    let cloud = with_function().await;
    allow(&cloud, &["sqs:*"]).await;
    make_queue(&cloud, "chat").await;
    cloud
}

async fn make_queue(cloud: &Arc<Cloud>, name: &str) {
    let attributes = if name.strip_suffix(".fifo").is_some() {
        json!({ "FifoQueue": "true" })
    } else {
        json!({})
    };
    let input = json!({ "QueueName": name, "Attributes": attributes });
    ask(cloud, Service::Sqs, "CreateQueue", input)
        .await
        .unwrap();
}

fn mapping(others: Value) -> Value {
    let mut input = json!({ "FunctionName": "chat", "EventSourceArn": QUEUE });
    if let (Value::Object(input), Value::Object(others)) = (&mut input, others) {
        input.extend(others);
    }
    input
}

fn polled(cloud: &Arc<Cloud>) -> Vec<String> {
    let region = cloud.region("eu-west-1").unwrap();
    let polled = region.lambda.mappings().borrow().clone();
    polled.iter().map(|mapping| mapping.uuid.clone()).collect()
}

#[tokio::test]
async fn a_mapping_is_made_polled_changed_and_deleted() {
    let cloud = with_queue().await;
    let made = ask(
        &cloud,
        Service::Lambda,
        "CreateEventSourceMapping",
        mapping(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] })),
    )
    .await
    .unwrap();
    assert_eq!(made.status, 202);
    let Payload::Members(mut made) = made.payload else {
        panic!("no members")
    };
    let uuid = made["UUID"].take();
    let arn = made["EventSourceMappingArn"].take();
    made["LastModified"].take();
    assert_eq!(
        made,
        json!({
            "UUID": null,
            "BatchSize": 10,
            "MaximumBatchingWindowInSeconds": 0,
            "EventSourceArn": QUEUE,
            "FunctionArn": ARN,
            "LastModified": null,
            "State": "Creating",
            "StateTransitionReason": "USER_INITIATED",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "EventSourceMappingArn": null,
        })
    );
    let id = uuid.as_str().unwrap();
    assert_eq!(
        arn,
        format!("arn:aws:lambda:eu-west-1:000000000000:event-source-mapping:{id}")
    );
    let named = json!({ "UUID": uuid });
    let got = call(&cloud, "GetEventSourceMapping", named.clone()).await;
    assert_eq!(got["State"], "Enabled");
    assert_eq!(polled(&cloud), [id]);

    let tag = json!({ "Resource": arn, "Tags": { "a": "b" } });
    assert_eq!(status(&cloud, "TagResource", tag).await, 204);
    assert_eq!(
        call(&cloud, "ListTags", json!({ "Resource": arn })).await,
        json!({ "Tags": { "a": "b" } })
    );

    let disable =
        json!({ "UUID": uuid, "Enabled": false, "ScalingConfig": { "MaximumConcurrency": 2 } });
    let changed = call(&cloud, "UpdateEventSourceMapping", disable).await;
    assert_eq!(changed["State"], "Disabling");
    assert_eq!(changed["ScalingConfig"], json!({ "MaximumConcurrency": 2 }));
    assert!(polled(&cloud).is_empty());
    let clear = json!({ "UUID": uuid, "ScalingConfig": {}, "Enabled": true });
    let changed = call(&cloud, "UpdateEventSourceMapping", clear).await;
    assert_eq!(changed.get("ScalingConfig"), None);
    assert_eq!(polled(&cloud), [id]);

    let deleted = ask(
        &cloud,
        Service::Lambda,
        "DeleteEventSourceMapping",
        named.clone(),
    )
    .await
    .unwrap();
    assert_eq!(deleted.status, 202);
    assert!(polled(&cloud).is_empty());
    for operation in [
        "GetEventSourceMapping",
        "DeleteEventSourceMapping",
        "UpdateEventSourceMapping",
    ] {
        assert_eq!(
            refusal(&cloud, operation, named.clone()).await,
            "404 ResourceNotFoundException: The resource you requested does not exist."
        );
    }
    assert_eq!(
        refusal(&cloud, "ListTags", json!({ "Resource": arn })).await,
        format!(
            "404 ResourceNotFoundException: Event source mapping not found: {}",
            arn.as_str().unwrap()
        )
    );
}

#[tokio::test]
async fn a_mapping_that_cannot_be_is_refused_in_awss_words() {
    let cloud = with_queue().await;
    make_queue(&cloud, "order.fifo").await;
    let fifo = format!("{}order.fifo", QUEUE.strip_suffix("chat").unwrap());
    let slow = function(json!({ "FunctionName": "slow", "Timeout": 60 }));
    call(&cloud, "CreateFunction", slow).await;
    let batch = "400 InvalidParameterValueException: Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    let absent = "400 InvalidParameterValueException: Function does not exist";
    for (others, want) in [
        (json!({ "BatchSize": 11 }), batch),
        (
            json!({ "BatchSize": 10001 }),
            "400 ValidationException: 1 validation error detected: Value '10001' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10000",
        ),
        (json!({ "FunctionName": "gone" }), absent),
        (json!({ "FunctionName": "chat:gone" }), absent),
        (
            json!({ "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:gone" }),
            "400 InvalidParameterValueException: Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
        ),
        (
            json!({ "FunctionName": "slow" }),
            "400 InvalidParameterValueException: Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
        ),
        (
            json!({ "EventSourceArn": fifo, "MaximumBatchingWindowInSeconds": 1 }),
            "400 InvalidParameterValueException: Batching window is not supported for FIFO queues",
        ),
        (
            json!({ "EventSourceArn": null }),
            "400 InvalidParameterValueException: Unrecognized event source.",
        ),
        (
            json!({ "FilterCriteria": { "Filters": [{ "Pattern": "simple string" }] } }),
            "400 InvalidParameterValueException: Invalid filter pattern definition.",
        ),
        (
            json!({ "DestinationConfig": { "OnFailure": { "Destination": QUEUE } } }),
            "400 InvalidParameterValueException: Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            json!({ "ScalingConfig": { "MaximumConcurrency": 1 } }),
            "400 ValidationException: 1 validation error detected: Value '1' at 'scalingConfig.maximumConcurrency' failed to satisfy constraint: Member must have value greater than or equal to 2",
        ),
    ] {
        let refused = refusal(&cloud, "CreateEventSourceMapping", mapping(others)).await;
        assert_eq!(refused, want);
    }
}

#[tokio::test]
async fn the_functions_role_needs_each_of_the_rights() {
    let cloud = with_function().await;
    make_queue(&cloud, "chat").await;
    let needed = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
    let mut given: Vec<String> = Vec::new();
    for action in needed {
        assert_eq!(
            refusal(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await,
            format!(
                "400 InvalidParameterValueException: The function execution role does not have permissions to call {action} on SQS"
            )
        );
        given.push(format!("sqs:{action}"));
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        allow(&cloud, &given).await;
    }
    call(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await;
}

#[tokio::test]
async fn the_same_mapping_is_not_made_twice() {
    let cloud = with_queue().await;
    let made = call(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await;
    assert_eq!(
        refusal(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await,
        format!(
            "409 ResourceConflictException: An event source mapping with SQS arn (\" {QUEUE} \") and function (\" chat \") already exists. Please update or delete the existing mapping with UUID {}",
            made["UUID"].as_str().unwrap()
        )
    );
    let listed = call(
        &cloud,
        "ListEventSourceMappings",
        json!({ "EventSourceArn": QUEUE, "FunctionName": ARN }),
    )
    .await;
    assert_eq!(listed["EventSourceMappings"].as_array().unwrap().len(), 1);
    let none = json!({ "FunctionName": "other" });
    let none = call(&cloud, "ListEventSourceMappings", none).await;
    assert_eq!(none, json!({ "EventSourceMappings": [] }));
}

#[tokio::test]
async fn a_mapping_outlives_its_function_but_is_not_polled_without_it() {
    let cloud = with_queue().await;
    let made = call(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await;
    assert_eq!(polled(&cloud).len(), 1);
    call(&cloud, "DeleteFunction", chat()).await;
    let named = json!({ "UUID": made["UUID"] });
    let got = call(&cloud, "GetEventSourceMapping", named).await;
    assert_eq!(got["State"], "Enabled");
    assert!(polled(&cloud).is_empty());
    call(&cloud, "CreateFunction", function(json!({}))).await;
    assert_eq!(polled(&cloud).len(), 1);
}

#[tokio::test]
async fn a_timeout_longer_than_a_mapped_queue_hides_messages_is_refused() {
    let cloud = with_queue().await;
    call(&cloud, "CreateEventSourceMapping", mapping(json!({}))).await;
    let update = json!({ "FunctionName": "chat", "Timeout": 31 });
    assert_eq!(
        refusal(&cloud, "UpdateFunctionConfiguration", update).await,
        "400 InvalidParameterValueException: Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"
    );
    let update = json!({ "FunctionName": "chat", "Timeout": 30 });
    call(&cloud, "UpdateFunctionConfiguration", update).await;
}

fn event_source(phase: Phase, settled_in: i64) -> EventSource {
    let now = Millis::now();
    EventSource {
        uuid: "11111111-2222-3333-4444-555555555555".to_owned(),
        queue_arn: QUEUE.to_owned(),
        function_arn: ARN.to_owned(),
        is_enabled: phase != Phase::Disabling,
        batch_size: 10,
        window_s: 0,
        max_concurrency: None,
        reports_item_failures: false,
        filters: Vec::new(),
        tags: std::collections::BTreeMap::new(),
        modified: now,
        phase,
        settled_at: Millis(now.0 + settled_in),
    }
}

#[tokio::test]
async fn a_mapping_that_is_changing_cannot_be_changed() {
    let cloud = with_function().await;
    let region = cloud.region("eu-west-1").unwrap();
    let hour = i64::try_from(Duration::from_hours(1).as_millis()).unwrap();
    for (phase, state, is_polled) in [
        (Phase::Creating, "Creating", false),
        (Phase::Updating, "Updating", true),
        (Phase::Enabling, "Enabling", false),
        (Phase::Disabling, "Disabling", false),
        (Phase::Deleting, "Deleting", false),
    ] {
        let mapping = event_source(phase, hour);
        let named = json!({ "UUID": mapping.uuid });
        region
            .lambda
            .control
            .state
            .write()
            .mappings
            .insert(mapping.uuid.clone(), mapping);
        region.lambda.control.tell_pollers();
        assert_eq!(!polled(&cloud).is_empty(), is_polled, "{state}");
        let got = call(&cloud, "GetEventSourceMapping", named.clone()).await;
        assert_eq!(got["State"], state);
        for (operation, change) in [
            ("UpdateEventSourceMapping", "update"),
            ("DeleteEventSourceMapping", "delete"),
        ] {
            assert_eq!(
                refusal(&cloud, operation, named.clone()).await,
                format!(
                    "400 ResourceInUseException: Cannot {change} the event source mapping because it is in use."
                )
            );
        }
    }
}

#[tokio::test]
async fn what_the_pollers_saw_is_told_and_of_unknown_mappings_nothing_is_held() {
    let cloud = with_function().await;
    let region = cloud.region("eu-west-1").unwrap();
    let mapping = event_source(Phase::Creating, 0);
    let uuid = mapping.uuid.clone();
    region
        .lambda
        .control
        .state
        .write()
        .mappings
        .insert(uuid.clone(), mapping);
    region.lambda.control.tell_pollers();
    region.lambda.note_polled(&uuid, "OK");
    region.lambda.note_polled("unknown", "OK");
    let got = call(&cloud, "GetEventSourceMapping", json!({ "UUID": uuid })).await;
    assert_eq!(got["LastProcessingResult"], "OK");
    assert_eq!(region.lambda.control.results.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pollers_are_told_when_what_was_begun_is_done() {
    let cloud = with_function().await;
    let region = cloud.region("eu-west-1").unwrap();
    let control = &region.lambda.control;
    let mut told = region.lambda.mappings();
    let hour = Duration::from_hours(1);
    let put = |settled_in: i64| {
        let mapping = event_source(Phase::Creating, settled_in);
        let mut state = control.state.write();
        state.mappings.insert(mapping.uuid.clone(), mapping);
    };
    put(i64::try_from(hour.as_millis()).unwrap());
    let call = request(
        &cloud,
        Service::Lambda,
        "CreateEventSourceMapping",
        json!({}),
    );
    crate::lambda::control::tell_pollers(&call, hour);
    assert!(told.borrow_and_update().is_empty());
    // The timer goes by the test's clock, the state by the real one: this is how it is an hour later.
    put(0);
    told.changed().await.unwrap();
    assert_eq!(told.borrow().len(), 1);
}
