//! Redrives of dead-letter queues.

use std::time::{Duration, Instant};

use super::*;

/// A source with a dead-letter queue that has these messages: the URLs of both.
async fn dead(caught: &Caught, fifo: bool, messages: &[&str]) -> (String, String) {
    let suffix = if fifo { ".fifo" } else { "" };
    let (jobs, dlq) = (format!("jobs{suffix}"), format!("dlq{suffix}"));
    let target = caught.queue(&dlq, json!({})).await;
    let redrive = json!({"deadLetterTargetArn": arn_of(&dlq), "maxReceiveCount": 1}).to_string();
    let source = caught.queue(&jobs, json!({"RedrivePolicy": redrive})).await;
    for body in messages {
        let mut input = json!({"QueueUrl": source, "MessageBody": body});
        if fifo {
            input["MessageGroupId"] = "g".into();
            input["MessageDeduplicationId"] = (*body).into();
        }
        caught.get("SendMessage", input).await;
        caught.take(&source, 10, 0).await;
        assert!(caught.take(&source, 10, 0).await.is_empty());
    }
    (source, target)
}

/// The newest task, once it isn't running any more.
async fn ended(caught: &Caught, source: &str) -> Value {
    let start = Instant::now();
    loop {
        let list = caught
            .get("ListMessageMoveTasks", json!({"SourceArn": arn_of(source)}))
            .await;
        let task = list["Results"][0].clone();
        if task["Status"] != "RUNNING" {
            return task;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{task}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn messages_go_back_where_they_came_from_as_new_ones() {
    for fifo in [false, true] {
        let caught = instant();
        let (source, dlq) = dead(&caught, fifo, &["1", "2"]).await;
        let name = if fifo { "dlq.fifo" } else { "dlq" };
        let before = caught.take(&dlq, 10, 0).await;
        let started = caught
            .get("StartMessageMoveTask", json!({"SourceArn": arn_of(name)}))
            .await;
        let handle = started["TaskHandle"].as_str().expect("a handle");
        assert_eq!(
            crate::sqs::moving::read_handle(handle).expect("readable").1,
            arn_of(name)
        );
        let task = ended(&caught, name).await;
        assert_eq!(task["Status"], "COMPLETED");
        assert_eq!(task["ApproximateNumberOfMessagesMoved"], 2);
        assert_eq!(task["ApproximateNumberOfMessagesToMove"], 2);
        assert!(task.get("TaskHandle").is_none() && task.get("DestinationArn").is_none());
        assert!(task["StartedTimestamp"].is_i64());
        let back = caught.take(&source, 10, 30).await;
        assert_eq!(bodies(&back), ["1", "2"]);
        assert_ne!(back[0]["MessageId"], before[0]["MessageId"]);
        assert_eq!(back[0]["Attributes"]["ApproximateReceiveCount"], "1");
        assert!(
            back[0]["Attributes"]
                .get("DeadLetterQueueSourceArn")
                .is_none()
        );
        assert!(caught.take(&dlq, 10, 0).await.is_empty());
    }
}

#[tokio::test]
async fn messages_go_to_the_destination_that_is_named() {
    let caught = instant();
    dead(&caught, false, &["1", "2", "3"]).await;
    let other = caught.queue("other", json!({})).await;
    let start = json!({"SourceArn": arn_of("dlq"), "DestinationArn": arn_of("other")});
    caught.get("StartMessageMoveTask", start).await;
    let task = ended(&caught, "dlq").await;
    assert_eq!(task["DestinationArn"], arn_of("other"));
    assert_eq!(bodies(&caught.take(&other, 10, 30).await), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_slow_task_can_be_cancelled_and_is_the_only_one() {
    let caught = instant();
    dead(&caught, false, &["1", "2", "3"]).await;
    let start = json!({"SourceArn": arn_of("dlq"), "MaxNumberOfMessagesPerSecond": 1});
    let started = caught.get("StartMessageMoveTask", start.clone()).await;
    let (_, query, message) = caught.refused("StartMessageMoveTask", start).await;
    assert_eq!(query, "InvalidParameterValue");
    assert_eq!(
        message,
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
    );
    let list = caught
        .get("ListMessageMoveTasks", json!({"SourceArn": arn_of("dlq")}))
        .await;
    assert_eq!(list["Results"][0]["TaskHandle"], started["TaskHandle"]);
    assert_eq!(list["Results"][0]["MaxNumberOfMessagesPerSecond"], 1);
    let cancelled = caught
        .get(
            "CancelMessageMoveTask",
            json!({"TaskHandle": started["TaskHandle"]}),
        )
        .await;
    assert!(
        cancelled["ApproximateNumberOfMessagesMoved"]
            .as_u64()
            .expect("a number")
            <= 3
    );
    assert_eq!(ended(&caught, "dlq").await["Status"], "CANCELLED");
    caught
        .refused(
            "CancelMessageMoveTask",
            json!({"TaskHandle": started["TaskHandle"]}),
        )
        .await;
}

#[tokio::test]
async fn a_task_fails_where_a_message_cant_go_and_loses_nothing() {
    let caught = instant();
    let (source, dlq) = dead(&caught, false, &["1"]).await;
    caught.send(&dlq, "sent here").await;
    caught
        .get("StartMessageMoveTask", json!({"SourceArn": arn_of("dlq")}))
        .await;
    let task = ended(&caught, "dlq").await;
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(task["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(bodies(&caught.take(&dlq, 10, 0).await), ["sent here"]);
    assert_eq!(bodies(&caught.take(&source, 10, 0).await), ["1"]);
}

#[tokio::test]
async fn what_a_task_names_must_be_there() {
    let caught = instant();
    dead(&caught, false, &[]).await;
    caught.queue("alone", json!({})).await;
    let handle = |id: &str, source: &str| {
        base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            json!({"taskId": id, "sourceArn": arn_of(source)}).to_string(),
        )
    };
    for (operation, input, status, message) in [
        (
            "StartMessageMoveTask",
            json!({"SourceArn": arn_of("alone")}),
            400,
            "Source queue must be configured as a Dead Letter Queue.",
        ),
        (
            "StartMessageMoveTask",
            json!({"SourceArn": arn_of("nothing")}),
            404,
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (
            "StartMessageMoveTask",
            json!({"SourceArn": arn_of("dlq"), "DestinationArn": arn_of("nothing")}),
            404,
            "The resource that you specified for the DestinationArn parameter doesn't exist.",
        ),
        (
            "ListMessageMoveTasks",
            json!({"SourceArn": "dlq"}),
            400,
            "You must use this format to specify the SourceArn: arn:<partition>:<service>:<region>:<account-id>:<resource-id>",
        ),
        (
            "CancelMessageMoveTask",
            json!({"TaskHandle": "nonsense"}),
            400,
            "Value for parameter TaskHandle is invalid.",
        ),
        (
            "CancelMessageMoveTask",
            json!({"TaskHandle": handle("x", "dlq")}),
            404,
            "Task does not exist.",
        ),
        (
            "CancelMessageMoveTask",
            json!({"TaskHandle": handle("x", "nothing")}),
            404,
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
    ] {
        let error = caught
            .ask(operation, input.clone())
            .await
            .expect_err("refused");
        assert_eq!(
            (error.status.as_u16(), &*error.message),
            (status, message),
            "{operation} {input}"
        );
    }
}
