use serde_json::json;

use super::*;
use crate::{
    Fidelity, Options,
    call::{Payload, Service},
};

async fn call(cloud: &Arc<Cloud>, region: &str, operation: &str, input: Value) -> Result<Value> {
    let call = Call::for_test(cloud, region, Service::DynamoDb, operation, input);
    match super::call(&call).await?.payload {
        Payload::Members(members) => Ok(members),
        other => panic!("{other:?}"),
    }
}

fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

#[tokio::test]
async fn items_are_put_and_found_and_arns_are_this_clouds() {
    let cloud = Cloud::for_test(Options::default());
    let made = call(&cloud, "eu-west-1", "CreateTable", table("things"))
        .await
        .unwrap();
    assert_eq!(
        made["TableDescription"]["TableArn"],
        "arn:aws:dynamodb:eu-west-1:000000000000:table/things"
    );
    let tagged = json!({
        "ResourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/things",
        "Tags": [{"Key": "a", "Value": "b"}],
    });
    let _ = call(&cloud, "eu-west-1", "TagResource", tagged)
        .await
        .unwrap();
    let item = json!({"TableName": "things", "Item": {"id": {"S": "1"}, "n": {"N": "7"}}});
    let _ = call(&cloud, "eu-west-1", "PutItem", item).await.unwrap();
    let key = json!({"TableName": "things", "Key": {"id": {"S": "1"}}});
    let found = call(&cloud, "eu-west-1", "GetItem", key.clone())
        .await
        .unwrap();
    assert_eq!(found["Item"]["n"]["N"], "7");

    // Another region has tables of its own.
    let missing = call(&cloud, "us-east-1", "GetItem", key).await.unwrap_err();
    assert_eq!(
        (missing.code.as_ref(), missing.status.as_u16()),
        ("ResourceNotFoundException", 400)
    );
}

#[tokio::test]
async fn a_failed_condition_is_awss_error_with_its_item() {
    let cloud = Cloud::for_test(Options::default());
    let _ = call(&cloud, "us-east-1", "CreateTable", table("things"))
        .await
        .unwrap();
    let put = json!({
        "TableName": "things",
        "Item": {"id": {"S": "1"}},
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let _ = call(&cloud, "us-east-1", "PutItem", put.clone())
        .await
        .unwrap();
    let refused = call(&cloud, "us-east-1", "PutItem", put).await.unwrap_err();
    assert_eq!(refused.code, "ConditionalCheckFailedException");
    assert_eq!(refused.message, "The conditional request failed");
    assert_eq!(refused.members["Item"]["id"]["S"], "1");
}

#[tokio::test]
async fn a_table_that_is_being_made_takes_no_items() {
    let cloud = Cloud::for_test(Options {
        fidelity: Fidelity::Aws,
        ..Options::default()
    });
    let _ = call(&cloud, "us-east-1", "CreateTable", table("things"))
        .await
        .unwrap();
    let described = call(
        &cloud,
        "us-east-1",
        "DescribeTable",
        json!({"TableName": "things"}),
    )
    .await
    .unwrap();
    assert_eq!(described["Table"]["TableStatus"], "CREATING");
    let put = json!({"TableName": "things", "Item": {"id": {"S": "1"}}});
    let refused = call(&cloud, "us-east-1", "PutItem", put).await.unwrap_err();
    assert_eq!(refused.code, "ResourceNotFoundException");
    let refused = call(
        &cloud,
        "us-east-1",
        "DeleteTable",
        json!({"TableName": "things"}),
    )
    .await
    .unwrap_err();
    assert_eq!(refused.code, "ResourceInUseException");
}

#[tokio::test]
async fn kept_tables_are_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        keep: Some(folder.path().to_owned()),
        ..Options::default()
    };
    let first = Cloud::for_test(options.clone());
    let _ = call(&first, "us-east-1", "CreateTable", table("things"))
        .await
        .unwrap();
    drop(first);
    let second = Cloud::for_test(options);
    let listed = call(&second, "us-east-1", "ListTables", json!({}))
        .await
        .unwrap();
    assert_eq!(listed["TableNames"], json!(["things"]));
}

#[tokio::test]
async fn what_a_call_needs_names_its_tables_and_indexes() {
    let cloud = Cloud::for_test(Options::default());
    let needs = |operation: &str, input: Value| {
        permissions(&Call::for_test(
            &cloud,
            "us-east-1",
            Service::DynamoDb,
            operation,
            input,
        ))
        .into_iter()
        .map(|needed| {
            format!(
                "{} {}",
                needed.action,
                needed.resource.rsplit(':').next().unwrap()
            )
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(
        needs("Query", json!({"TableName": "a", "IndexName": "by-room"})),
        ["dynamodb:Query table/a/index/by-room"]
    );
    assert_eq!(
        needs(
            "BatchWriteItem",
            json!({"RequestItems": {"a": [], "b": []}})
        ),
        [
            "dynamodb:BatchWriteItem table/a",
            "dynamodb:BatchWriteItem table/b"
        ]
    );
    assert_eq!(
        needs(
            "TransactWriteItems",
            json!({"TransactItems": [
                {"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}},
            ]})
        ),
        [
            "dynamodb:PutItem table/a",
            "dynamodb:ConditionCheckItem table/b"
        ]
    );
    assert_eq!(
        needs("BatchGetItem", json!({})),
        ["dynamodb:BatchGetItem *"]
    );
}

#[tokio::test]
async fn what_the_library_refuses_while_reading_is_a_validation_error() {
    let cloud = Cloud::for_test(Options::default());
    let refused = call(&cloud, "us-east-1", "CreateTable", table("ab"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "ValidationException");
    assert!(
        refused.message.contains("greater than or equal to 3"),
        "{refused}"
    );
    assert!(!refused.message.contains(" at line "), "{refused}");
}

#[tokio::test]
async fn expiry_is_neither_turned_on_nor_off_twice() {
    let cloud = Cloud::for_test(Options::default());
    let _ = call(&cloud, "us-east-1", "CreateTable", table("things"))
        .await
        .unwrap();
    let turn = async |enabled: bool, attribute: &str| {
        let input = json!({
            "TableName": "things",
            "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute},
        });
        let answer = call(&cloud, "us-east-1", "UpdateTimeToLive", input).await;
        answer.map(drop).map_err(|refusal| refusal.message)
    };
    let refused = |words: &str| Err(words.to_owned());
    assert_eq!(
        turn(false, "expires").await,
        refused("TimeToLive is already disabled")
    );
    assert_eq!(turn(true, "expires").await, Ok(()));
    assert_eq!(
        turn(true, "expires").await,
        refused("TimeToLive is already enabled")
    );
    assert_eq!(
        turn(true, "other").await,
        refused(
            "TimeToLive is active on a different AttributeName: current AttributeName is expires"
        )
    );
    assert_eq!(turn(false, "expires").await, Ok(()));
}

#[tokio::test]
async fn a_name_that_is_too_short_is_invalid_and_what_has_the_wrong_type_is_unreadable() {
    let cloud = Cloud::for_test(Options::default());
    let short = call(&cloud, "us-east-1", "CreateTable", table("t"))
        .await
        .unwrap_err();
    assert_eq!(short.code, "ValidationException");
    assert!(
        short.message.starts_with("1 validation error detected"),
        "{}",
        short.message
    );
    let mistyped = json!({"TableName": ["things"]});
    let mistyped = call(&cloud, "us-east-1", "DescribeTable", mistyped)
        .await
        .unwrap_err();
    assert_eq!(mistyped.code, "SerializationException");
}
