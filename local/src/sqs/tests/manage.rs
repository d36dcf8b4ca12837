//! Queues: making, finding, reading, changing, deleting.

use super::*;

fn invalid(message: &str) -> (String, String, String) {
    (
        "InvalidParameterValueException".to_owned(),
        "InvalidParameterValue".to_owned(),
        message.to_owned(),
    )
}

fn attribute_name(message: &str) -> (String, String, String) {
    let code = "InvalidAttributeName".to_owned();
    (code.clone(), code, message.to_owned())
}

fn attribute_value(message: &str) -> (String, String, String) {
    let code = "InvalidAttributeValue".to_owned();
    (code.clone(), code, message.to_owned())
}

fn creation(name: &str, attributes: Value) -> Value {
    let mut creation = json!({"QueueName": name});
    creation["Attributes"] = attributes;
    creation
}

#[tokio::test]
async fn a_new_queue_reads_back_with_awss_defaults() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    assert_eq!(url, format!("http://127.0.0.1:9/{ACCOUNT}/jobs"));
    let mut attributes = caught.attributes(&url).await;
    for name in ["CreatedTimestamp", "LastModifiedTimestamp"] {
        let at: i64 = attributes[name]
            .as_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert!(at > 1_700_000_000 && at < 100_000_000_000);
        attributes.as_object_mut().expect("an object").remove(name);
    }
    assert_eq!(
        attributes,
        json!({
            "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0", "DelaySeconds": "0", "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600", "QueueArn": arn_of("jobs"),
            "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
        })
    );
    let fifo = caught
        .queue("jobs.fifo", json!({"ContentBasedDeduplication": "True"}))
        .await;
    let attributes = caught.attributes(&fifo).await;
    for (name, value) in [
        ("FifoQueue", "true"),
        ("ContentBasedDeduplication", "true"),
        ("DeduplicationScope", "queue"),
        ("FifoThroughputLimit", "perQueue"),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
}

#[tokio::test]
async fn only_the_attributes_that_are_asked_for_are_answered() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let ask = |names: Value| json!({"QueueUrl": url, "AttributeNames": names});
    assert_eq!(
        caught
            .get("GetQueueAttributes", json!({"QueueUrl": url}))
            .await,
        json!({})
    );
    assert_eq!(
        caught
            .get("GetQueueAttributes", ask(json!(["Policy"])))
            .await,
        json!({})
    );
    assert_eq!(
        caught
            .get("GetQueueAttributes", ask(json!(["QueueArn"])))
            .await,
        json!({"Attributes": {"QueueArn": arn_of("jobs")}})
    );
    assert_eq!(
        caught
            .refused("GetQueueAttributes", ask(json!(["Foo"])))
            .await,
        attribute_name("Unknown Attribute Foo.")
    );
}

#[tokio::test]
async fn the_same_queue_may_be_made_again_but_not_another_of_its_name() {
    let caught = instant();
    let url = caught
        .queue(
            "jobs",
            json!({"DelaySeconds": "5", "VisibilityTimeout": "10"}),
        )
        .await;
    assert_eq!(caught.queue("jobs", json!({})).await, url);
    assert_eq!(
        caught.queue("jobs", json!({"DelaySeconds": "5"})).await,
        url
    );
    assert_eq!(
        caught.refused("CreateQueue", creation("jobs", json!({"VisibilityTimeout": "10", "DelaySeconds": "6"}))).await,
        (
            "QueueNameExists".to_owned(),
            "QueueAlreadyExists".to_owned(),
            "A queue already exists with the same name and a different value for attribute DelaySeconds".to_owned(),
        )
    );
}

#[tokio::test]
async fn names_and_types_are_checked() {
    let caught = instant();
    let standard =
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    let long = "a".repeat(81);
    for name in ["a/b", "a.fifo", "ü", &long] {
        assert_eq!(
            caught
                .refused("CreateQueue", json!({"QueueName": name}))
                .await,
            invalid(standard)
        );
    }
    let fifo = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
                must end with .fifo suffix and be 1 to 80 in length.";
    let long = format!("{}.fifo", "a".repeat(76));
    for name in ["a", ".fifo", "a.b.fifo", &long] {
        let creation = creation(name, json!({"FifoQueue": "true"}));
        assert_eq!(caught.refused("CreateQueue", creation).await, invalid(fifo));
    }
    for (attribute, value, words) in [
        ("FifoQueue", "false", "Unknown Attribute FifoQueue."),
        (
            "ContentBasedDeduplication",
            "true",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            "DeduplicationScope",
            "queue",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            "FifoThroughputLimit",
            "perQueue",
            "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
        ),
        ("Nothing", "1", "Unknown Attribute Nothing."),
        ("QueueArn", "1", "Unknown Attribute QueueArn."),
    ] {
        let creation = creation("jobs", json!({attribute: value}));
        assert_eq!(
            caught.refused("CreateQueue", creation).await,
            attribute_name(words)
        );
    }
    let url = caught.queue("jobs.fifo", json!({})).await;
    let change = json!({"QueueUrl": url, "Attributes": {"FifoQueue": "false"}});
    assert_eq!(
        caught.refused("SetQueueAttributes", change).await,
        attribute_value(
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
        )
    );
    let (code, query, message) = caught.refused("CreateQueue", json!({})).await;
    assert_eq!(
        (&*code, &*query),
        ("MissingRequiredParameterException", "MissingParameter")
    );
    assert_eq!(message, "The request must contain the parameter QueueName.");
}

#[tokio::test]
async fn attributes_out_of_range_are_refused_and_change_nothing() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let before = caught.attributes(&url).await;
    for (name, value) in [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "x"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("DelaySeconds", "901"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("KmsDataKeyReusePeriodSeconds", "59"),
        ("SqsManagedSseEnabled", "maybe"),
        ("Policy", "nonsense"),
        ("Policy", "{}"),
        (
            "Policy",
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*"}]}"#,
        ),
    ] {
        let change = json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "7", name: value}});
        assert_eq!(
            caught.refused("SetQueueAttributes", change).await,
            attribute_value(&format!("Invalid value for the parameter {name}.")),
            "{value}"
        );
    }
    assert_eq!(caught.attributes(&url).await, before);
}

#[tokio::test]
async fn encryption_is_one_or_the_other() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let set = |attributes: Value| json!({"QueueUrl": url, "Attributes": attributes});
    assert_eq!(
        caught
            .refused(
                "SetQueueAttributes",
                set(json!({"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"}))
            )
            .await,
        attribute_name(
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
        )
    );
    let keys = json!({"KmsMasterKeyId": "key", "KmsDataKeyReusePeriodSeconds": "6000"});
    caught.get("SetQueueAttributes", set(keys)).await;
    let attributes = caught.attributes(&url).await;
    assert_eq!(attributes["SqsManagedSseEnabled"], "false");
    assert_eq!(attributes["KmsDataKeyReusePeriodSeconds"], "6000");
    caught
        .get(
            "SetQueueAttributes",
            set(json!({"KmsMasterKeyId": "", "KmsDataKeyReusePeriodSeconds": "300"})),
        )
        .await;
    let attributes = caught.attributes(&url).await;
    assert_eq!(attributes["SqsManagedSseEnabled"], "false");
    assert!(attributes.get("KmsMasterKeyId").is_none());
    assert!(attributes.get("KmsDataKeyReusePeriodSeconds").is_none());
}

#[tokio::test]
async fn a_redrive_policy_is_checked_echoed_and_taken_away() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    caught.queue("dlq", json!({})).await;
    caught.queue("dlq.fifo", json!({})).await;
    let refusal = |raw: &str, reason: &str| {
        invalid(&format!(
            "Value {raw} for parameter RedrivePolicy is invalid. Reason: {reason}"
        ))
    };
    for (raw, reason) in [
        (json!({"deadLetterTargetArn": arn_of("nothing"), "maxReceiveCount": 5}).to_string(), "Dead letter target does not exist."),
        (json!({"deadLetterTargetArn": "dummy", "maxReceiveCount": 5}).to_string(), "Dead letter target does not exist."),
        (
            json!({"deadLetterTargetArn": arn_of("dlq").replace(ACCOUNT, "111111111111"), "maxReceiveCount": 5}).to_string(),
            "Dead letter target owner should be same as the source.",
        ),
        (
            json!({"deadLetterTargetArn": arn_of("dlq.fifo"), "maxReceiveCount": 5}).to_string(),
            "Dead-letter queue must be same type of queue as the source.",
        ),
        (
            json!({"deadLetterTargetArn": arn_of("dlq"), "maxReceiveCount": 0}).to_string(),
            "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            json!({"deadLetterTargetArn": arn_of("dlq"), "maxReceiveCount": "many"}).to_string(),
            "Invalid value for maxReceiveCount: many, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            json!({"deadLetterTargetArn": arn_of("dlq")}).to_string(),
            "Redrive policy does not contain mandatory attribute: maxReceiveCount.",
        ),
        ("nonsense".to_owned(), "Redrive policy is not a valid JSON map."),
    ] {
        let change = json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": raw}});
        assert_eq!(caught.refused("SetQueueAttributes", change).await, refusal(&raw, reason));
        let creation = creation("other", json!({"RedrivePolicy": raw}));
        assert_eq!(caught.refused("CreateQueue", creation).await, refusal(&raw, reason));
    }
    for max in [json!(5), json!("5")] {
        let raw = json!({"deadLetterTargetArn": arn_of("dlq"), "maxReceiveCount": max}).to_string();
        let change = json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": raw}});
        caught.get("SetQueueAttributes", change).await;
        assert_eq!(caught.attributes(&url).await["RedrivePolicy"], raw);
    }
    let sources = caught
        .get("ListDeadLetterSourceQueues", json!({"QueueUrl": "dlq"}))
        .await;
    assert_eq!(sources, json!({"queueUrls": [url]}));
    caught
        .get(
            "SetQueueAttributes",
            json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": ""}}),
        )
        .await;
    assert!(caught.attributes(&url).await.get("RedrivePolicy").is_none());
    let sources = caught
        .get("ListDeadLetterSourceQueues", json!({"QueueUrl": "dlq"}))
        .await;
    assert_eq!(sources, json!({"queueUrls": []}));
}

#[tokio::test]
async fn a_dead_letter_queue_chooses_its_sources() {
    let caught = instant();
    let dlq = caught.queue("dlq", json!({})).await;
    let allow = |policy: Value| json!({"QueueUrl": dlq, "Attributes": {"RedriveAllowPolicy": policy.to_string()}});
    let redrive = json!({"deadLetterTargetArn": arn_of("dlq"), "maxReceiveCount": 5}).to_string();
    let jobs = creation("jobs", json!({"RedrivePolicy": redrive}));
    for (policy, fine) in [
        (json!({"redrivePermission": "denyAll"}), false),
        (
            json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn_of("others")]}),
            false,
        ),
        (
            json!({"redrivePermission": "byQueue", "sourceQueueArns": [arn_of("jobs")]}),
            true,
        ),
        (json!({"redrivePermission": "allowAll"}), true),
    ] {
        caught
            .get("SetQueueAttributes", allow(policy.clone()))
            .await;
        assert_eq!(
            caught.attributes(&dlq).await["RedriveAllowPolicy"],
            policy.to_string()
        );
        assert_eq!(
            caught.ask("CreateQueue", jobs.clone()).await.is_ok(),
            fine,
            "{policy}"
        );
    }
    for policy in [
        json!({"redrivePermission": "some"}),
        json!({"redrivePermission": "byQueue"}),
        json!({"redrivePermission": "byQueue", "sourceQueueArns": vec![arn_of("a"); 11]}),
        json!({"redrivePermission": "allowAll", "sourceQueueArns": [arn_of("a")]}),
        json!([]),
    ] {
        caught.refused("SetQueueAttributes", allow(policy)).await;
    }
}

#[tokio::test]
async fn queues_are_listed_by_name_page_by_page() {
    let caught = instant();
    assert_eq!(caught.get("ListQueues", json!({})).await, json!({}));
    for name in ["b-1", "a-2", "a-1", "a-3"] {
        caught.queue(name, json!({})).await;
    }
    let url = |name: &str| format!("http://127.0.0.1:9/{ACCOUNT}/{name}");
    let all = caught
        .get("ListQueues", json!({"QueueNamePrefix": "a-"}))
        .await;
    assert_eq!(
        all,
        json!({"QueueUrls": [url("a-1"), url("a-2"), url("a-3")]})
    );
    let first = caught
        .get(
            "ListQueues",
            json!({"QueueNamePrefix": "a-", "MaxResults": 2}),
        )
        .await;
    assert_eq!(first["QueueUrls"], json!([url("a-1"), url("a-2")]));
    let rest = json!({"QueueNamePrefix": "a-", "MaxResults": 2, "NextToken": first["NextToken"]});
    assert_eq!(
        caught.get("ListQueues", rest).await,
        json!({"QueueUrls": [url("a-3")]})
    );
    caught.refused("ListQueues", json!({"MaxResults": 0})).await;
    caught
        .refused("ListQueues", json!({"MaxResults": 1001}))
        .await;
    caught
        .refused("ListQueues", json!({"MaxResults": 2, "NextToken": "!"}))
        .await;
}

#[tokio::test]
async fn a_queue_that_isnt_there_is_told_in_each_protocols_words() {
    let mut caught = instant();
    let words = |text: &str| {
        (
            "QueueDoesNotExist".to_owned(),
            "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            text.to_owned(),
        )
    };
    let url = json!({"QueueUrl": format!("http://127.0.0.1:9/{ACCOUNT}/nothing")});
    for (operation, input) in [
        ("GetQueueUrl", json!({"QueueName": "nothing"})),
        ("ReceiveMessage", url.clone()),
        ("DeleteQueue", url.clone()),
    ] {
        assert_eq!(
            caught.refused(operation, input).await,
            words("The specified queue does not exist.")
        );
    }
    caught.form = true;
    assert_eq!(
        caught.refused("GetQueueAttributes", url).await,
        words("The specified queue does not exist for this wsdl version.")
    );
    let (code, ..) = caught
        .refused("PurgeQueue", json!({"QueueUrl": "http://127.0.0.1:9/"}))
        .await;
    assert_eq!(code, "InvalidAddress");
    caught.queue("jobs", json!({})).await;
    let found = caught
        .get(
            "GetQueueUrl",
            json!({"QueueName": "jobs", "QueueOwnerAWSAccountId": ACCOUNT}),
        )
        .await;
    assert_eq!(
        found["QueueUrl"],
        format!("http://127.0.0.1:9/{ACCOUNT}/jobs")
    );
    caught
        .refused(
            "GetQueueUrl",
            json!({"QueueName": "jobs", "QueueOwnerAWSAccountId": "111111111111"}),
        )
        .await;
}

#[tokio::test]
async fn like_aws_a_deleted_queues_name_is_taken_for_a_while() {
    let instant = instant();
    let url = instant.queue("jobs", json!({})).await;
    instant.get("DeleteQueue", json!({"QueueUrl": url})).await;
    instant.queue("jobs", json!({})).await;

    let caught = like_aws();
    let url = caught.queue("jobs", json!({})).await;
    caught.get("DeleteQueue", json!({"QueueUrl": url})).await;
    let (code, query, message) = caught
        .refused("CreateQueue", json!({"QueueName": "jobs"}))
        .await;
    assert_eq!(code, "QueueDeletedRecently");
    assert_eq!(query, "AWS.SimpleQueueService.QueueDeletedRecently");
    assert!(message.starts_with("You must wait 60 seconds"), "{message}");
    // It's still listed, and isn't found: what a lister must live with.
    assert_eq!(
        caught.get("ListQueues", json!({})).await["QueueUrls"],
        json!([url])
    );
    let (code, ..) = caught
        .refused("ListQueueTags", json!({"QueueUrl": url}))
        .await;
    assert_eq!(code, "QueueDoesNotExist");
}

#[tokio::test]
async fn like_aws_a_new_queue_is_found_by_its_maker_first() {
    let mut caught = like_aws();
    let url = caught.queue("jobs", json!({})).await;
    caught.attributes(&url).await;
    assert!(caught.region().sqs.queue("jobs").is_none());
    caught.caller = Caller::Role {
        role: "arn:aws:iam::000000000000:role/other".to_owned(),
        session: "s".to_owned(),
    };
    let (code, ..) = caught
        .refused("ListQueueTags", json!({"QueueUrl": url}))
        .await;
    assert_eq!(code, "QueueDoesNotExist");
    assert_eq!(caught.get("ListQueues", json!({})).await, json!({}));
}

#[tokio::test]
async fn like_aws_a_purge_is_the_only_one_for_a_minute() {
    for (caught, twice) in [(instant(), true), (like_aws(), false)] {
        let url = caught.queue("jobs", json!({})).await;
        caught.send(&url, "a").await;
        caught.send(&url, "b").await;
        caught.take(&url, 1, 60).await;
        caught.get("PurgeQueue", json!({"QueueUrl": url})).await;
        let attributes = caught.attributes(&url).await;
        assert_eq!(attributes["ApproximateNumberOfMessages"], "0");
        assert_eq!(attributes["ApproximateNumberOfMessagesNotVisible"], "0");
        let again = caught.ask("PurgeQueue", json!({"QueueUrl": url})).await;
        assert_eq!(again.is_ok(), twice);
        if let Err(error) = again {
            assert_eq!(error.status, 403);
            assert_eq!(
                error.message,
                "Only one PurgeQueue operation on jobs is allowed every 60 seconds."
            );
        }
    }
}

#[tokio::test]
async fn tags_come_and_go() {
    let caught = instant();
    let made =
        json!({"QueueName": "jobs", "tags": {"tag1": "value1", "tag2": "value2", "tag3": ""}});
    let url = caught.get("CreateQueue", made).await["QueueUrl"].clone();
    let list = json!({"QueueUrl": url});
    assert_eq!(
        caught.get("ListQueueTags", list.clone()).await,
        json!({"Tags": {"tag1": "value1", "tag2": "value2", "tag3": ""}})
    );
    // A second creation's tags aren't applied.
    caught
        .get(
            "CreateQueue",
            json!({"QueueName": "jobs", "tags": {"tag4": "x"}}),
        )
        .await;
    caught
        .get(
            "UntagQueue",
            json!({"QueueUrl": url, "TagKeys": ["tag1", "tag3", "none"]}),
        )
        .await;
    assert_eq!(
        caught.get("ListQueueTags", list.clone()).await,
        json!({"Tags": {"tag2": "value2"}})
    );
    caught
        .get("UntagQueue", json!({"QueueUrl": url, "TagKeys": ["tag2"]}))
        .await;
    assert_eq!(caught.get("ListQueueTags", list.clone()).await, json!({}));
    let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("k{n}"), "v".into())).collect();
    for tags in [
        json!(many),
        json!({"aws:x": "y"}),
        json!({"": "y"}),
        json!({"a*": "y"}),
    ] {
        caught
            .refused("TagQueue", json!({"QueueUrl": url, "Tags": tags}))
            .await;
    }
    assert_eq!(caught.get("ListQueueTags", list).await, json!({}));
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let add = |label: &str, accounts: Value, actions: Value| json!({"QueueUrl": url, "Label": label, "AWSAccountIds": accounts, "Actions": actions});
    let other = "111111111111";
    caught
        .get(
            "AddPermission",
            add("one", json!([ACCOUNT, other]), json!(["ReceiveMessage"])),
        )
        .await;
    let policy = caught.attributes(&url).await["Policy"]
        .as_str()
        .expect("a policy")
        .to_owned();
    assert_eq!(
        serde_json::from_str::<Value>(&policy).expect("JSON"),
        json!({
            "Version": "2008-10-17",
            "Id": format!("{}/SQSDefaultPolicy", arn_of("jobs")),
            "Statement": [{
                "Sid": "one", "Effect": "Allow",
                "Principal": {"AWS": [format!("arn:aws:iam::{ACCOUNT}:root"), format!("arn:aws:iam::{other}:root")]},
                "Action": "SQS:ReceiveMessage", "Resource": arn_of("jobs"),
            }],
        })
    );
    assert_eq!(
        caught
            .refused("AddPermission", add("one", json!([other]), json!(["*"])))
            .await,
        invalid("Value one for parameter Label is invalid. Reason: Already exists.")
    );
    assert_eq!(
        caught
            .refused(
                "AddPermission",
                add("two", json!([other]), json!(["CreateQueue"]))
            )
            .await,
        invalid(
            "Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action."
        )
    );
    assert_eq!(
        caught
            .refused("AddPermission", add("two", json!([]), json!(["*"])))
            .await,
        invalid("Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.")
    );
    let remove = |label: &str| json!({"QueueUrl": url, "Label": label});
    assert_eq!(
        caught.refused("RemovePermission", remove("two")).await,
        invalid("Value two for parameter Label is invalid. Reason: can't find label.")
    );
    caught.get("RemovePermission", remove("one")).await;
    assert!(caught.attributes(&url).await.get("Policy").is_none());
}
