//! Whatever is sent, each request has an answer: nothing panics, nothing hangs.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

use super::Wire;
use crate::{gateway, lambda, sockets};

/// How many requests are sent of each kind.
const MANY: usize = 600;

/// Services that speak awsJson: their signing names, targets and some operations.
const JSON: &[(&str, &str, &[&str])] = &[
    (
        "sqs",
        "AmazonSQS",
        &[
            "CreateQueue",
            "DeleteQueue",
            "SetQueueAttributes",
            "GetQueueAttributes",
            "SendMessage",
            "SendMessageBatch",
            "ReceiveMessage",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "TagQueue",
            "ListQueues",
            "ListDeadLetterSourceQueues",
            "StartMessageMoveTask",
        ],
    ),
    (
        "logs",
        "Logs_20140328",
        &[
            "CreateLogGroup",
            "CreateLogStream",
            "PutLogEvents",
            "FilterLogEvents",
            "GetLogEvents",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "PutRetentionPolicy",
            "TagResource",
            "DeleteLogGroup",
        ],
    ),
    (
        "dynamodb",
        "DynamoDB_20120810",
        &[
            "CreateTable",
            "PutItem",
            "GetItem",
            "UpdateItem",
            "Query",
            "DescribeTable",
            "DeleteTable",
        ],
    ),
    (
        "monitoring",
        "GraniteServiceVersion20100801",
        &[
            "PutMetricData",
            "PutMetricAlarm",
            "DescribeAlarms",
            "GetMetricData",
            "GetMetricStatistics",
            "PutDashboard",
            "ListMetrics",
            "SetAlarmState",
            "DeleteAlarms",
        ],
    ),
];

/// Services that speak the query protocol, with their versions.
const QUERY: &[(&str, &str, &[&str])] = &[
    (
        "iam",
        "2010-05-08",
        &[
            "CreateRole",
            "PutRolePolicy",
            "AttachRolePolicy",
            "UpdateAssumeRolePolicy",
            "ListRoles",
            "TagRole",
            "CreatePolicy",
            "DeleteRole",
        ],
    ),
    (
        "sts",
        "2011-06-15",
        &["AssumeRole", "GetCallerIdentity", "GetSessionToken"],
    ),
    (
        "sqs",
        "2012-11-05",
        &["CreateQueue", "SendMessage", "SendMessageBatch"],
    ),
    (
        "monitoring",
        "2010-08-01",
        &["PutMetricAlarm", "PutMetricData", "GetMetricData"],
    ),
];

const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "HEAD"];

/// Names that members have.
const NAMES: &[&str] = &[
    "AlarmName",
    "AssumeRolePolicyDocument",
    "AttributeDefinitions",
    "Attributes",
    "Code",
    "DashboardBody",
    "DelaySeconds",
    "Dimensions",
    "EndTime",
    "Entries",
    "EvaluationPeriods",
    "FunctionName",
    "Id",
    "Key",
    "KeySchema",
    "Label",
    "MaxItems",
    "MaxNumberOfMessages",
    "MessageAttributes",
    "MessageBody",
    "MetricData",
    "MetricDataQueries",
    "MetricName",
    "Name",
    "Namespace",
    "NextToken",
    "Period",
    "PolicyDocument",
    "QueueName",
    "QueueUrl",
    "ReceiptHandle",
    "Role",
    "RoleName",
    "StartTime",
    "Statistic",
    "TableName",
    "Tags",
    "Threshold",
    "Timestamp",
    "Value",
    "Values",
    "VisibilityTimeout",
    "filterPattern",
    "limit",
    "logEvents",
    "logGroupName",
    "logStreamName",
    "message",
    "name",
    "nextToken",
    "patchOperations",
    "protocolType",
    "routeKey",
    "routeSelectionExpression",
    "tags",
    "target",
    "timestamp",
];

/// Values that services may not expect, and some that they do.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            Just(json!(0)),
            Just(json!(-1)),
            Just(json!(60)),
            Just(json!(1.5)),
            Just(json!(1e300)),
            Just(json!(i64::MIN)),
            Just(json!(u64::MAX)),
        ],
        "[a-z]{0,8}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("$request.body.action"),
            Just("http://localhost/000000000000/junk"),
            Just("arn:aws:iam::000000000000:role/junk"),
            Just("arn:aws:sqs:eu-west-1:000000000000:junk"),
            Just("arn:"),
            Just("{\"Version\":\"2012-10-17\",\"Statement\":[{}]}"),
            Just("{ $.a = \"ä\" && ("),
            Just("9999-12-31T23:59:59Z"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            members(inner).prop_map(Value::from),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((prop::sample::select(NAMES), inner), 0..6).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

/// The same junk each time: what fails once fails again.
fn runner() -> TestRunner {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn pick<T>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn every_json_call_has_an_answer() {
    let wire = Wire::new().await;
    let mut runner = runner();
    for _ in 0..MANY {
        let (service, prefix, operations) = pick(&mut runner, prop::sample::select(JSON));
        let operation = pick(&mut runner, prop::sample::select(operations));
        let body = Value::Object(pick(&mut runner, members(value()))).to_string();
        let target = format!("{prefix}.{operation}");
        let heard = wire
            .signed(
                service,
                "POST /",
                &[("x-amz-target", &target)],
                body.as_bytes(),
            )
            .await;
        assert!(heard.status < 500, "{target} {body} {heard:?}");
    }
}

#[tokio::test]
async fn every_query_call_has_an_answer() {
    let wire = Wire::new().await;
    let mut runner = runner();
    for _ in 0..MANY {
        let (service, version, operations) = pick(&mut runner, prop::sample::select(QUERY));
        let operation = pick(&mut runner, prop::sample::select(operations));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", operation);
        form.append_pair("Version", version);
        for (name, value) in pick(&mut runner, members(value())) {
            let name = format!(
                "{name}{}",
                pick(&mut runner, "(\\.(member|entry|[0-9]|key|Name)){0,3}")
            );
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            form.append_pair(&name, &text);
        }
        let body = form.finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let heard = wire
            .signed(service, "POST /", &headers, body.as_bytes())
            .await;
        assert!(heard.status < 500, "{body} {heard:?}");
    }
}

#[tokio::test]
async fn every_rest_call_has_an_answer() {
    let wire = Wire::new().await;
    let mut runner = runner();
    for _ in 0..MANY {
        let (service, prefix, routes) = pick(
            &mut runner,
            prop::sample::select(
                &[
                    ("lambda", "", lambda::ROUTES),
                    ("apigateway", "", gateway::ROUTES),
                    ("execute-api", "/_aws/execute-api/a/b", sockets::ROUTES),
                ][..],
            ),
        );
        let route = pick(&mut runner, prop::sample::select(routes));
        let mut path = String::new();
        for part in route.path.split('/').skip(1) {
            path.push('/');
            if part.starts_with('{') {
                path.push_str(&pick(
                    &mut runner,
                    "([a-z0-9]{1,8}|%[0-9A-F]{2}|\\$default|arn%3Aaws%3Alambda%3A|:){1,3}",
                ));
            } else {
                path.push_str(part);
            }
        }
        let body = Value::Object(pick(&mut runner, members(value()))).to_string();
        let line = format!("{} {prefix}{path}", route.method);
        let heard = wire.signed(service, &line, &[], body.as_bytes()).await;
        assert!(heard.status < 500, "{line} {body} {heard:?}");
    }
}

#[tokio::test]
async fn every_s3_call_has_an_answer() {
    let wire = Wire::new().await;
    let mut runner = runner();
    for _ in 0..MANY {
        let method = pick(&mut runner, prop::sample::select(METHODS));
        let path = pick(
            &mut runner,
            "(/[a-z]{3}(/([a-z.]{1,3}|%[0-9A-F]{2}){1,3})?)?",
        );
        let query = pick(
            &mut runner,
            "(\\?(list-type=2|delete|versions|tagging|uploads|uploadId=u|versionId=[a-z%]{0,3}|max-keys=-?[0-9]{1,20}|publicAccessBlock|versioning)(&prefix=%)?)?",
        );
        let path = if path.is_empty() { "/" } else { &path };
        let line = format!("{method} {path}{query}");
        let body = pick(
            &mut runner,
            "(<[a-zA-Z]{1,6}>|</[a-z]{1,3}>|&[a-z]{0,3};?|[ -~]){0,6}",
        );
        let headers = [
            ("range", "bytes=5-2"),
            ("if-none-match", "*"),
            ("content-md5", "x"),
        ];
        let some = pick(&mut runner, 0..=headers.len());
        let heard = wire
            .signed("s3", &line, &headers[..some], body.as_bytes())
            .await;
        assert!(
            heard.status < 500 || heard.status == 501,
            "{line} {body} {heard:?}"
        );
    }
}
