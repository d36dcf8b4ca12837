//! The recorder names, classifies and passes on what is sent, and its faults look like AWS's.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_apigatewayv2::types::ProtocolType;
use aws_sdk_cloudwatch::types::ComparisonOperator;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::harness::{Cloud, Credentials, Fault, run};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// One write and one read of each service, in each of AWS's protocols.
async fn talk(sdk: &SdkConfig) {
    let iam = aws_sdk_iam::Client::new(sdk);
    let role = iam.create_role().role_name("r").path("/wsless/a/b/");
    role.assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap();
    iam.list_roles().send().await.unwrap();
    let sqs = aws_sdk_sqs::Client::new(sdk);
    sqs.create_queue().queue_name("q").send().await.unwrap();
    sqs.list_queues().send().await.unwrap();
    let gateway = aws_sdk_apigatewayv2::Client::new(sdk);
    let api = gateway
        .create_api()
        .name("a")
        .protocol_type(ProtocolType::Websocket)
        .route_selection_expression("$request.body.action")
        .send()
        .await
        .unwrap();
    gateway
        .get_routes()
        .api_id(api.api_id.unwrap())
        .send()
        .await
        .unwrap();
    let lambda = aws_sdk_lambda::Client::new(sdk);
    lambda.list_functions().send().await.unwrap();
    let s3 = aws_sdk_s3::Client::new(sdk);
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    s3.put_object()
        .bucket("bucket")
        .key("stage/lock")
        .if_none_match("*")
        .body(b"{}".to_vec().into())
        .send()
        .await
        .unwrap();
    s3.list_objects_v2().bucket("bucket").send().await.unwrap();
    let cloudwatch = aws_sdk_cloudwatch::Client::new(sdk);
    cloudwatch
        .put_metric_alarm()
        .alarm_name("alarm")
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .statistic(aws_sdk_cloudwatch::types::Statistic::Maximum)
        .period(60)
        .evaluation_periods(1)
        .threshold(60.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .send()
        .await
        .unwrap();
    cloudwatch.describe_alarms().send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(sdk);
    logs.create_log_group()
        .log_group_name("/aws/lambda/f")
        .send()
        .await
        .unwrap();
    let sts = aws_sdk_sts::Client::new(sdk);
    sts.get_caller_identity().send().await.unwrap();
}

#[test]
fn calls_are_named_and_told_apart_and_valid_by_the_models() {
    let cloud = Cloud::ministack();
    let mark = cloud.recorder.mark();
    run(talk(&cloud.recorded_sdk()));

    let calls = cloud.recorder.calls_since(mark);
    let expected = [
        ("iam CreateRole", true),
        ("iam ListRoles", false),
        ("sqs CreateQueue", true),
        ("sqs ListQueues", false),
        ("apigateway CreateApi", true),
        ("apigateway GetRoutes", false),
        ("lambda ListFunctions", false),
        ("s3 CreateBucket", true),
        ("s3 PutObject", true),
        ("s3 ListObjectsV2", false),
        ("monitoring PutMetricAlarm", true),
        ("monitoring DescribeAlarms", false),
        ("logs CreateLogGroup", true),
        ("sts GetCallerIdentity", false),
    ];
    let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(calls.names(), names);
    let mutations: Vec<_> = expected
        .iter()
        .filter(|(_, mutates)| *mutates)
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(calls.mutations().names(), mutations);
    assert!(
        calls
            .iter()
            .all(|call| call.status.is_some_and(|status| status < 300)),
        "{calls}"
    );
    cloud
        .recorder
        .mutations_since(cloud.recorder.mark())
        .assert_none();

    let checked = cloud.recorder.check_against_models();
    checked.assert_valid();
    let total: usize = checked.checked.iter().map(|(_, count)| count).sum();
    assert_eq!(total, expected.len(), "{:?}", checked.checked);
    assert_eq!(checked.count("apigatewayv2.CreateApi"), 1);
    assert_eq!(checked.count("s3.PutObject"), 1);
}

#[test]
fn signatures_stay_valid_through_the_recorder_and_policies_hold() {
    let allowed = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}],
    });
    let mut cloud = Cloud::ministack_with_auth(&allowed);
    let sqs = aws_sdk_sqs::Client::new(&cloud.recorded_sdk());
    run(sqs.list_queues().send()).expect("what the policy allows");
    let refused = run(sqs.create_queue().queue_name("q").send());
    let code = code(refused);
    assert!(code.contains("AccessDenied"), "{code}");

    let secret_access_key = "a-wrong-secret".to_owned();
    cloud.use_credentials(Credentials {
        secret_access_key,
        ..cloud.credentials().clone()
    });
    let sqs = aws_sdk_sqs::Client::new(&cloud.recorded_sdk());
    let code = self::code(run(sqs.list_queues().send()));
    assert!(code.contains("Signature"), "{code}");
}

fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.code().unwrap_or("an error without a code").to_owned(),
    }
}

#[test]
fn an_injected_error_is_read_by_each_protocols_client() {
    let cloud = Cloud::ministack();
    let sdk = cloud.recorded_sdk();
    let operations = [
        "ListRoles",
        "ListQueues",
        "ListTables",
        "GetApis",
        "ListFunctions",
        "DescribeAlarms",
        "ListObjectsV2",
    ];
    for operation in operations {
        cloud
            .recorder
            .fail_next(operation, 400, "TestCode", "a <message> & more");
    }
    let codes = run(async {
        let s3 = aws_sdk_s3::Client::new(&sdk);
        [
            code(aws_sdk_iam::Client::new(&sdk).list_roles().send().await),
            code(aws_sdk_sqs::Client::new(&sdk).list_queues().send().await),
            code(
                aws_sdk_dynamodb::Client::new(&sdk)
                    .list_tables()
                    .send()
                    .await,
            ),
            code(
                aws_sdk_apigatewayv2::Client::new(&sdk)
                    .get_apis()
                    .send()
                    .await,
            ),
            code(
                aws_sdk_lambda::Client::new(&sdk)
                    .list_functions()
                    .send()
                    .await,
            ),
            code(
                aws_sdk_cloudwatch::Client::new(&sdk)
                    .describe_alarms()
                    .send()
                    .await,
            ),
            code(s3.list_objects_v2().bucket("bucket").send().await),
        ]
    });
    assert_eq!(codes, ["TestCode"; 7]);
    assert_eq!(cloud.recorder.unused_faults(), Vec::<String>::new());
}

#[test]
fn a_fault_counts_its_calls_and_a_lost_response_is_applied() {
    let cloud = Cloud::ministack();
    let sdk = cloud.recorded_sdk();
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let fault = Fault::on("CreateQueue").containing("second").skip(1);
    cloud.recorder.fault(fault.error(400, "TestCode", "no"));
    let create = |name: &str| code(run(sqs.create_queue().queue_name(name).send()));
    assert_eq!(create("first"), "no error", "another name");
    assert_eq!(create("second"), "no error", "the first call is skipped");
    assert_eq!(create("second"), "TestCode");
    assert_eq!(create("second"), "no error", "it has been in effect once");

    cloud
        .recorder
        .fault(Fault::on("CreateQueue").lose_response());
    let mark = cloud.recorder.mark();
    assert_eq!(create("third"), "no error", "the SDK tries again");
    let calls = cloud.recorder.calls_since(mark).named("CreateQueue");
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, Some(200)]);
}

#[test]
fn mutations_are_held_after_the_nth_and_reads_pass_until_then() {
    let cloud = Cloud::ministack();
    let sdk = cloud.recorded_sdk();
    cloud.recorder.hold_after_mutations(1);
    let before = cloud.inventory();
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    run(sqs.list_queues().send()).unwrap();
    run(sqs.create_queue().queue_name("first").send()).unwrap();
    let second = sqs.create_queue().queue_name("second");
    let held = std::thread::spawn(move || {
        run(async { tokio::time::timeout(Duration::from_mins(1), second.send()).await })
    });

    cloud.recorder.wait_until_held(Duration::from_secs(20));
    assert_eq!(cloud.inventory().added_since(&before), ["sqs queue first"]);
    cloud.recorder.release();
    held.join()
        .unwrap()
        .expect("the held call ends")
        .expect("and is tried again");
    assert!(cloud.inventory().has("sqs queue second"));
}
