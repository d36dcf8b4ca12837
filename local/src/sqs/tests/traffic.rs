//! Messages: sending, receiving, deleting, hiding, putting aside.

use std::time::Duration;

use super::*;

fn words(error: &AwsError) -> (&str, &str) {
    (error.query_code.unwrap_or_default(), &error.message)
}

#[tokio::test]
async fn a_message_comes_as_it_was_sent() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let body = "& + % = # \" ' \\ \n 😀";
    let sent = caught
        .get(
            "SendMessage",
            json!({
                "QueueUrl": url, "MessageBody": body, "MessageGroupId": "fair",
                "MessageAttributes": {"connectionId": {"DataType": "String", "StringValue": "L0SM9cOFvHcCIhw="}},
                "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-x"}},
            }),
        )
        .await;
    assert!(sent.get("SequenceNumber").is_none());
    let taken = caught.take(&url, 10, 30).await;
    assert_eq!(taken.len(), 1);
    let message = &taken[0];
    assert_eq!(message["Body"], body);
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(
        message["MD5OfMessageAttributes"],
        sent["MD5OfMessageAttributes"]
    );
    assert_eq!(
        message["MessageAttributes"],
        json!({"connectionId": {"StringValue": "L0SM9cOFvHcCIhw=", "DataType": "String"}})
    );
    let system = message["Attributes"].as_object().expect("attributes");
    let names: Vec<_> = system.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SenderId",
            "ApproximateFirstReceiveTimestamp",
            "ApproximateReceiveCount",
            "SentTimestamp",
            "MessageGroupId",
            "AWSTraceHeader"
        ]
    );
    assert_eq!(system["SenderId"], ACCOUNT);
    assert_eq!(system["ApproximateReceiveCount"], "1");
    // Nothing is told that wasn't asked for.
    caught.get("ChangeMessageVisibility", json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0})).await;
    let plain = caught
        .get(
            "ReceiveMessage",
            json!({"QueueUrl": url, "VisibilityTimeout": 0}),
        )
        .await;
    let members: Vec<_> = plain["Messages"][0]
        .as_object()
        .expect("a message")
        .keys()
        .collect();
    assert_eq!(members, ["MessageId", "ReceiptHandle", "MD5OfBody", "Body"]);
    let some = caught
        .get(
            "ReceiveMessage",
            json!({"QueueUrl": url, "AttributeNames": ["SenderId"]}),
        )
        .await;
    assert_eq!(
        some["Messages"][0]["Attributes"],
        json!({"SenderId": ACCOUNT})
    );
    assert_eq!(
        caught.get("ReceiveMessage", json!({"QueueUrl": url})).await,
        json!({})
    );
}

#[tokio::test]
async fn a_roles_session_is_the_sender() {
    let mut caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    caught.caller = Caller::Role {
        role: "arn:aws:iam::000000000000:role/sender".to_owned(),
        session: "session".to_owned(),
    };
    caught.send(&url, "x").await;
    let taken = caught.take(&url, 1, 0).await;
    let sender = taken[0]["Attributes"]["SenderId"]
        .as_str()
        .expect("a sender");
    assert!(
        sender.starts_with("AROA") && sender.ends_with(":session"),
        "{sender}"
    );
    assert_eq!(sender.len(), 21 + ":session".len());
}

#[tokio::test]
async fn message_attributes_are_chosen_by_name_all_or_beginning() {
    let caught = instant();
    let url = caught
        .queue("jobs", json!({"VisibilityTimeout": "0"}))
        .await;
    let attribute = |value: &str| json!({"DataType": "String", "StringValue": value});
    caught
        .get(
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "msg", "MessageAttributes": {
                "Help.Me": attribute("Me"), "Hello": attribute("There"), "General": attribute("Kenobi"),
            }}),
        )
        .await;
    // The digests are AWS's own.
    for (wanted, names, md5) in [
        (
            json!(["All"]),
            vec!["General", "Hello", "Help.Me"],
            "4c360f3fdafd970e05fae2f149d997f5",
        ),
        (
            json!(["*"]),
            vec!["General", "Hello", "Help.Me"],
            "4c360f3fdafd970e05fae2f149d997f5",
        ),
        (
            json!([".*"]),
            vec!["General", "Hello", "Help.Me"],
            "4c360f3fdafd970e05fae2f149d997f5",
        ),
        (
            json!(["Hello", "General"]),
            vec!["General", "Hello"],
            "fca026605781cb4126a1e9044df24232",
        ),
        (
            json!(["Foo", "Hello"]),
            vec!["Hello"],
            "a311262e065454b75da111d535b8dacd",
        ),
        (
            json!(["Hel.*"]),
            vec!["Hello", "Help.Me"],
            "83fee93c1bcd8b9a5a923ffacdc636c7",
        ),
        (json!(["Foo", "Help"]), vec![], ""),
        (json!(["AWS."]), vec![], ""),
        (json!([]), vec![], ""),
    ] {
        let answer = caught
            .get(
                "ReceiveMessage",
                json!({"QueueUrl": url, "MessageAttributeNames": wanted}),
            )
            .await;
        let message = &answer["Messages"][0];
        let found: Vec<_> = message["MessageAttributes"]
            .as_object()
            .map(|found| found.keys().map(String::as_str).collect())
            .unwrap_or_default();
        assert_eq!(found, names, "{wanted}");
        assert_eq!(
            message["MD5OfMessageAttributes"]
                .as_str()
                .unwrap_or_default(),
            md5,
            "{wanted}"
        );
    }
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table of what is refused")]
async fn parameters_out_of_range_are_refused_in_awss_words() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let fifo = caught.queue("jobs.fifo", json!({})).await;
    let spaces = "group 123";
    for (operation, input, code, message) in [
        (
            "SendMessage",
            json!({"QueueUrl": url}),
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": ""}),
            "MissingParameter",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "SendMessage",
            json!({"MessageBody": ""}),
            "MissingParameter",
            "The request must contain the parameter QueueUrl.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "x", "DelaySeconds": 901}),
            "InvalidParameterValue",
            "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "x", "MessageGroupId": spaces}),
            "InvalidParameterValue",
            "Value group 123 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include \
             alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "x", "MessageGroupId": ""}),
            "InvalidParameterValue",
            "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include \
             alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "x", "MessageDeduplicationId": "d"}),
            "InvalidParameterValue",
            "Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": fifo, "MessageBody": "x", "MessageGroupId": "g"}),
            "InvalidParameterValue",
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": fifo, "MessageBody": "x", "MessageDeduplicationId": "d"}),
            "MissingParameter",
            "The request must contain the parameter MessageGroupId.",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": fifo, "MessageBody": "x", "MessageDeduplicationId": "d", "MessageGroupId": "g", "DelaySeconds": 2}),
            "InvalidParameterValue",
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url, "MaxNumberOfMessages": 11}),
            "InvalidParameterValue",
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url, "WaitTimeSeconds": 21}),
            "InvalidParameterValue",
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url, "WaitTimeSeconds": -1}),
            "InvalidParameterValue",
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            "DeleteMessage",
            json!({"QueueUrl": url, "ReceiptHandle": "garbage"}),
            "ReceiptHandleIsInvalid",
            "The input receipt handle \"garbage\" is not a valid receipt handle.",
        ),
        (
            "ChangeMessageVisibility",
            json!({"QueueUrl": url, "ReceiptHandle": "INVALID", "VisibilityTimeout": 60}),
            "ReceiptHandleIsInvalid",
            "The input receipt handle \"INVALID\" is not a valid receipt handle.",
        ),
    ] {
        let error = caught
            .ask(operation, input.clone())
            .await
            .expect_err("refused");
        assert_eq!(words(&error), (code, message), "{operation} {input}");
    }
    for input in [
        json!({"QueueUrl": url, "VisibilityTimeout": 43201}),
        json!({"QueueUrl": url, "VisibilityTimeout": -1}),
        json!({"QueueUrl": url, "MaxNumberOfMessages": {}}),
        json!({"QueueUrl": url, "AttributeNames": ["Foo"]}),
        json!({"QueueUrl": url, "ReceiveRequestAttemptId": "a"}),
        json!({"QueueUrl": 5}),
    ] {
        caught.refused("ReceiveMessage", input).await;
    }
}

#[tokio::test]
async fn a_batch_is_checked_as_a_whole_and_then_one_by_one() {
    let caught = instant();
    let url = caught
        .queue("jobs", json!({"MaximumMessageSize": "1024"}))
        .await;
    let batch = |entries: Value| json!({"QueueUrl": url, "Entries": entries});
    let many: Vec<_> = (0..20)
        .map(|n| json!({"Id": n.to_string(), "MessageBody": "x"}))
        .collect();
    let big = "a".repeat(1_048_576);
    for (entries, code, message) in [
        (
            json!([]),
            "AWS.SimpleQueueService.EmptyBatchRequest",
            "There should be at least one SendMessageBatchRequestEntry in the request.",
        ),
        (
            json!(many),
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        (
            json!([{"Id": "a:b", "MessageBody": "x"}]),
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
        ),
        (
            json!([{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}]),
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            "Id a repeated.",
        ),
        (
            json!([{"Id": "a", "MessageBody": big}, {"Id": "b", "MessageBody": "y"}]),
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
    ] {
        let error = caught
            .ask("SendMessageBatch", batch(entries))
            .await
            .expect_err("refused");
        assert_eq!(words(&error), (code, message));
    }
    let answer = caught
        .get("SendMessageBatch", batch(json!([{"Id": "big", "MessageBody": "a".repeat(1025)}, {"Id": "small", "MessageBody": "a"}])))
        .await;
    assert_eq!(
        answer["Failed"],
        json!([{
            "Id": "big", "SenderFault": true, "Code": "InvalidParameterValue",
            "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
        }])
    );
    assert_eq!(answer["Successful"][0]["Id"], "small");
    assert_eq!(
        answer["Successful"][0]["MD5OfMessageBody"],
        "0cc175b9c0f1b6a831c399e269772661"
    );
    let all = caught
        .get(
            "SendMessageBatch",
            batch(json!([{"Id": "1", "MessageBody": "b"}])),
        )
        .await;
    assert!(all.get("Failed").is_none());

    let taken = caught.take(&url, 10, 30).await;
    assert_eq!(bodies(&taken), ["a", "b"]);
    let handles = |extra: Value| {
        let mut entries = vec![
            json!({"Id": "good", "ReceiptHandle": taken[0]["ReceiptHandle"]}),
            json!({"Id": "bad", "ReceiptHandle": "x"}),
        ];
        for entry in &mut entries {
            for (name, value) in extra.as_object().expect("an object") {
                entry[name] = value.clone();
            }
        }
        batch(json!(entries))
    };
    for (operation, extra) in [
        (
            "ChangeMessageVisibilityBatch",
            json!({"VisibilityTimeout": 60}),
        ),
        ("DeleteMessageBatch", json!({})),
    ] {
        let answer = caught.get(operation, handles(extra)).await;
        assert_eq!(answer["Successful"], json!([{"Id": "good"}]));
        assert_eq!(answer["Failed"][0]["Id"], "bad");
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    }
    assert_eq!(
        caught.attributes(&url).await["ApproximateNumberOfMessagesNotVisible"],
        "1"
    );
}

#[tokio::test]
async fn a_fifo_batch_without_its_ids_fails_whole() {
    let caught = instant();
    let url = caught.queue("jobs.fifo", json!({})).await;
    for (entry, message) in [
        (
            json!({"Id": "a", "MessageBody": "x", "MessageDeduplicationId": "d"}),
            "The request must contain the parameter MessageGroupId.",
        ),
        (
            json!({"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}),
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ),
    ] {
        let error = caught
            .ask(
                "SendMessageBatch",
                json!({"QueueUrl": url, "Entries": [entry]}),
            )
            .await
            .expect_err("refused");
        assert_eq!(words(&error), ("InvalidParameterValue", message));
    }
}

#[tokio::test]
async fn a_deleted_message_is_gone_and_may_be_deleted_again() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    caught.send(&url, "x").await;
    let taken = caught.take(&url, 1, 30).await;
    let handle = &taken[0]["ReceiptHandle"];
    for _ in 0..3 {
        caught
            .get(
                "DeleteMessage",
                json!({"QueueUrl": url, "ReceiptHandle": handle}),
            )
            .await;
    }
    let change = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 42});
    let error = caught
        .ask("ChangeMessageVisibility", change)
        .await
        .expect_err("gone");
    assert_eq!(
        error.message,
        format!(
            "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
             visibility timeout change.",
            handle.as_str().expect("text")
        )
    );
}

#[tokio::test]
async fn a_fifo_queue_drops_duplicates_by_id_or_content_in_its_scope() {
    let caught = instant();
    let send = async |url: &str, body: &str, group: &str, id: Option<&str>| {
        let mut input = json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group});
        if let Some(id) = id {
            input["MessageDeduplicationId"] = id.into();
        }
        caught.get("SendMessage", input).await
    };
    let url = caught.queue("ids.fifo", json!({})).await;
    let first = send(&url, "a", "g", Some("1")).await;
    let again = send(&url, "b", "h", Some("1")).await;
    assert_eq!(again["MessageId"], first["MessageId"]);
    assert_eq!(again["SequenceNumber"], first["SequenceNumber"]);
    let next = send(&url, "c", "g", Some("2")).await;
    let number = |sent: &Value| {
        sent["SequenceNumber"]
            .as_str()
            .expect("a number")
            .parse::<u128>()
            .expect("a number")
    };
    assert!(number(&next) > number(&first));
    assert_eq!(
        first["SequenceNumber"].as_str().expect("a number").len(),
        20
    );
    let taken = caught.take(&url, 10, 30).await;
    assert_eq!(bodies(&taken), ["a", "c"]);
    assert_eq!(taken[0]["Attributes"]["MessageDeduplicationId"], "1");
    assert_eq!(
        taken[0]["Attributes"]["SequenceNumber"],
        first["SequenceNumber"]
    );
    caught
        .get(
            "DeleteMessage",
            json!({"QueueUrl": url, "ReceiptHandle": taken[0]["ReceiptHandle"]}),
        )
        .await;
    assert_eq!(
        send(&url, "a", "g", Some("1")).await["MessageId"],
        first["MessageId"]
    );
    // A purge forgets.
    caught.get("PurgeQueue", json!({"QueueUrl": url})).await;
    assert_ne!(
        send(&url, "a", "g", Some("1")).await["MessageId"],
        first["MessageId"]
    );

    let url = caught
        .queue(
            "content.fifo",
            json!({"ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup"}),
        )
        .await;
    for (body, group) in [("x", "g"), ("x", "g"), ("x", "h"), ("y", "g")] {
        send(&url, body, group, None).await;
    }
    assert_eq!(bodies(&caught.take(&url, 10, 30).await), ["x", "y", "x"]);
}

#[test]
fn a_duplicate_is_known_for_five_minutes() {
    let caught = instant();
    let region = caught.region();
    let attributes = [("FifoQueue", "true")];
    let queue = Queue::new(
        "q.fifo",
        arn_of("q.fifo"),
        settings::Settings::new("q.fifo", &attributes).expect("settings"),
        BTreeMap::new(),
        queue::Birth {
            at: Millis(0),
            found_at: Millis(0),
            creator: caught.caller.clone(),
        },
    );
    let input = json!({"MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"});
    let rules = queue.settings().rules();
    let sending =
        message::Sending::read(input.as_object().expect("an object"), rules, false).expect("fine");
    let send = |at: i64| {
        queue
            .send(&region, Millis(at), &sending, &Arc::from("me"))
            .expect("sent")
            .id
    };
    let first = send(0);
    assert_eq!(send(299_999), first);
    assert_ne!(send(300_000), first);
}

#[tokio::test]
async fn what_fails_too_often_goes_to_the_dead_letter_queue_as_it_was() {
    let caught = instant();
    let dlq = caught.queue("dlq", json!({})).await;
    let redrive = json!({"deadLetterTargetArn": arn_of("dlq"), "maxReceiveCount": 1}).to_string();
    let url = caught
        .queue(
            "jobs",
            json!({"RedrivePolicy": redrive, "VisibilityTimeout": "0"}),
        )
        .await;
    let sent = caught.send(&url, "a").await;
    let first = caught.take(&url, 1, 0).await;
    assert_eq!(first[0]["Attributes"]["ApproximateReceiveCount"], "1");
    assert!(caught.take(&url, 1, 0).await.is_empty());
    let dead = caught.take(&dlq, 10, 0).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["MessageId"], sent["MessageId"]);
    let attributes = &dead[0]["Attributes"];
    assert_eq!(attributes["ApproximateReceiveCount"], "2");
    assert_eq!(
        attributes["SentTimestamp"],
        first[0]["Attributes"]["SentTimestamp"]
    );
    assert_eq!(
        attributes["ApproximateFirstReceiveTimestamp"],
        first[0]["Attributes"]["ApproximateFirstReceiveTimestamp"]
    );
    assert_eq!(attributes["DeadLetterQueueSourceArn"], arn_of("jobs"));
    // Without its dead-letter queue a message stays.
    caught.send(&url, "b").await;
    caught.get("DeleteQueue", json!({"QueueUrl": dlq})).await;
    for _ in 0..3 {
        assert_eq!(bodies(&caught.take(&url, 1, 0).await), ["b"]);
    }
}

#[tokio::test]
async fn dead_letter_queues_can_have_their_own() {
    let caught = instant();
    let attributes = |target: &str| {
        let redrive =
            json!({"deadLetterTargetArn": arn_of(target), "maxReceiveCount": 1}).to_string();
        json!({"RedrivePolicy": redrive, "VisibilityTimeout": "0"})
    };
    let third = caught.queue("q3", json!({})).await;
    let second = caught.queue("q2", attributes("q3")).await;
    let first = caught.queue("q1", attributes("q2")).await;
    caught.send(&first, "x").await;
    for url in [&first, &second] {
        assert_eq!(caught.take(url, 1, 0).await.len(), 1);
        assert!(caught.take(url, 1, 0).await.is_empty());
    }
    assert_eq!(caught.take(&third, 1, 0).await.len(), 1);
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let queue = caught.region().sqs.queue("jobs").expect("there");
    queue.set_capacity(1 << 20);
    let body = "a".repeat(600_000);
    caught.send(&url, &body).await;
    let error = caught
        .ask("SendMessage", json!({"QueueUrl": url, "MessageBody": body}))
        .await
        .expect_err("full");
    assert_eq!(error.code, "OverLimit");
    assert!(error.message.contains("1 MiB"), "{}", error.message);
    queue.purge(Millis::now(), None).expect("purged");
    caught.send(&url, &body).await;
}

#[test]
fn a_delayed_message_is_due_later_and_an_old_one_gone() {
    let caught = instant();
    let region = caught.region();
    let settings = settings::Settings::new(
        "q",
        &[("DelaySeconds", "5"), ("MessageRetentionPeriod", "60")],
    );
    let queue = Queue::new(
        "q",
        arn_of("q"),
        settings.expect("settings"),
        BTreeMap::new(),
        queue::Birth {
            at: Millis(0),
            found_at: Millis(0),
            creator: caught.caller.clone(),
        },
    );
    let rules = queue.settings().rules();
    let send = |input: Value| {
        let sending = message::Sending::read(input.as_object().expect("an object"), rules, false);
        queue
            .send(
                &region,
                Millis(0),
                &sending.expect("fine"),
                &Arc::from("me"),
            )
            .expect("sent");
    };
    send(json!({"MessageBody": "queue's"}));
    send(json!({"MessageBody": "now", "DelaySeconds": 0}));
    send(json!({"MessageBody": "own", "DelaySeconds": 7}));
    let at = |at: i64| {
        let hidden = Some(Duration::from_secs(100));
        let taken = queue
            .take(&region, Millis(at), 10, hidden, None)
            .expect("taken");
        taken
            .iter()
            .map(|taken| taken.message.body.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(at(0), ["now"]);
    assert!(at(4999).is_empty());
    assert_eq!(at(5000), ["queue's"]);
    assert_eq!(at(7000), ["own"]);
    assert_eq!(queue.counts(Millis(59_999)).in_flight, 3);
    assert_eq!(queue.counts(Millis(60_000)), Counts::default());
}
