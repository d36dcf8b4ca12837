//! Queues and who reads them, the registry, how connections begin and end.

use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use super::observed::{BOUND, has_logged};
use super::ward::Ward;
use crate::harness::{Cloud, run, wait_for};

#[test]
fn what_is_wrong_with_queues_and_connections_is_named_and_nothing_else() {
    let cloud = Cloud::embedded();
    let ward = Ward::healthy(&cloud);
    settings(&ward);
    queues(&ward);
    connections(&ward);
}

fn settings(ward: &Ward<'_>) {
    let dynamodb = aws_sdk_dynamodb::Client::new(&ward.sdk);
    ward.broken(&[
        ("doctor::mapping-disabled", &|ward| {
            let update = ward
                .lambda()
                .update_event_source_mapping()
                .uuid(mapping(ward, "echo"))
                .enabled(false);
            run(update.send()).expect("a disabled mapping");
        }),
        ("doctor::mapping-reports", &|ward| {
            let update = ward
                .lambda()
                .update_event_source_mapping()
                .uuid(mapping(ward, "push"))
                .set_function_response_types(Some(Vec::new()));
            run(update.send()).expect("a mapping without reports");
        }),
        ("doctor::visibility", &|ward| {
            set(ward, "echo", QueueAttributeName::VisibilityTimeout, "3");
        }),
        ("doctor::redrive", &|ward| {
            set(ward, "results", QueueAttributeName::RedrivePolicy, "");
        }),
        ("doctor::table-ttl", &|ward| {
            let off = TimeToLiveSpecification::builder()
                .enabled(false)
                .attribute_name("expires")
                .build()
                .expect("a specification");
            let update = dynamodb
                .update_time_to_live()
                .table_name(ward.name("connections"))
                .time_to_live_specification(off);
            run(update.send()).expect("no time to live");
        }),
    ]);
    ward.broken(&[
        ("doctor::mapping-target", &|ward| {
            let lambda = ward.lambda();
            run(async {
                lambda
                    .create_alias()
                    .function_name(ward.name("echo"))
                    .name("old")
                    .function_version("1")
                    .send()
                    .await?;
                lambda
                    .update_event_source_mapping()
                    .uuid(mapping_of(&lambda, &ward.name("echo")).await?)
                    .function_name(format!("{}:old", ward.name("echo")))
                    .send()
                    .await?;
                Ok::<_, aws_sdk_lambda::Error>(())
            })
            .expect("a mapping of another alias");
        }),
        ("doctor::mapping-missing", &|ward| {
            let delete = ward
                .lambda()
                .delete_event_source_mapping()
                .uuid(mapping(ward, "push"));
            run(delete.send()).expect("no mapping");
        }),
        ("doctor::table-missing", &|ward| {
            let delete = dynamodb.delete_table().table_name(ward.name("connections"));
            run(delete.send()).expect("no table");
        }),
    ]);
    ward.broken(&[("doctor::queue-missing", &|ward| {
        let delete = ward.sqs().delete_queue().queue_url(ward.url("echo"));
        run(delete.send()).expect("no queue");
    })]);
}

fn queues(ward: &Ward<'_>) {
    ward.ill(
        "doctor::queue-policy",
        |ward| {
            let policy = json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "nobody",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:SendMessage",
                    "Resource": "*",
                }],
            });
            set(
                ward,
                "results",
                QueueAttributeName::Policy,
                &policy.to_string(),
            );
        },
        |ward| set(ward, "results", QueueAttributeName::Policy, ""),
    );
    ward.ill(
        "doctor::dead-letters",
        |ward| {
            let send = ward
                .sqs()
                .send_message()
                .queue_url(ward.url("echo-dlq"))
                .message_body("x");
            run(send.send()).expect("a dead letter");
        },
        |ward| {
            let purge = ["dlq", "purge", "echo", "--yes"];
            let _ = ward.project.wsless(purge).succeeds();
        },
    );
}

fn connections(ward: &Ward<'_>) {
    ward.ill(
        "doctor::origin-refused",
        |ward| ward.refuses("https://other.example"),
        |_| (),
    );
    ward.ill(
        "doctor::frames",
        |ward| {
            let mut client = ward.open();
            // One frame, as browsers send it.
            client.send(&"x".repeat(40_000));
            assert_eq!(client.closed(), Some(1009));
            wait_for("the farewell to be logged", BOUND, || {
                has_logged(ward, "disconnect", "\"closeCode\":1009").then_some(())
            });
        },
        |_| (),
    );
    ward.is_healthy();
}

#[track_caller]
fn set(ward: &Ward<'_>, queue: &str, name: QueueAttributeName, value: &str) {
    let update = ward
        .sqs()
        .set_queue_attributes()
        .queue_url(ward.url(queue))
        .attributes(name, value);
    run(update.send()).expect("another attribute");
}

#[track_caller]
fn mapping(ward: &Ward<'_>, function: &str) -> String {
    run(mapping_of(&ward.lambda(), &ward.name(function))).expect("a mapping")
}

async fn mapping_of(
    lambda: &aws_sdk_lambda::Client,
    function: &str,
) -> Result<String, aws_sdk_lambda::Error> {
    let found = lambda.list_event_source_mappings().send().await?;
    let ours = found
        .event_source_mappings
        .unwrap_or_default()
        .into_iter()
        .find(|mapping| {
            let arn = mapping.function_arn.as_deref().unwrap_or_default();
            arn.contains(&format!(":{function}:"))
        });
    Ok(ours.and_then(|mapping| mapping.uuid).unwrap_or_default())
}
