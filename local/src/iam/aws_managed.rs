//! AWS's own policies, as far as systems of this kind use them, with their real documents. They can't be changed.
//!
//! [AWS managed policy reference, 2026-09]

use std::{collections::BTreeMap, sync::LazyLock};

use super::state::{Managed, Version};
use crate::clock::Millis;

static POLICIES: LazyLock<BTreeMap<String, Managed>> = LazyLock::new(|| {
    LIST.iter()
        .map(|&(path, name, version, (created, updated), document)| {
            let arn = format!("arn:aws:iam::aws:policy{path}{name}");
            let (created, updated) = (moment(created), moment(updated));
            let managed = Managed {
                name: name.to_owned(),
                path: path.to_owned(),
                id: id(name),
                description: None,
                created,
                updated,
                versions: BTreeMap::from([(
                    version,
                    Version {
                        document: document.into(),
                        created: updated,
                    },
                )]),
                default: version,
                tags: Vec::new(),
                arn: arn.clone(),
            };
            (arn, managed)
        })
        .collect()
});

/// The policy of an ARN.
pub fn find(arn: &str) -> Option<&'static Managed> {
    POLICIES.get(arn)
}

/// All of them, by ARN.
pub fn all() -> impl Iterator<Item = &'static Managed> {
    POLICIES.values()
}

fn moment(text: &str) -> Millis {
    let parsed = text.parse::<jiff::Timestamp>();
    Millis(parsed.map_or(0, jiff::Timestamp::as_millisecond))
}

/// The same in every cloud; what AWS has is different, and nobody asks for it.
fn id(name: &str) -> String {
    let letters: String = name
        .bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|byte| char::from(byte.to_ascii_uppercase()))
        .chain(std::iter::repeat('A'))
        .take(16)
        .collect();
    format!("ANPA{letters}")
}

/// Path, name, the default version's number, when it was made and last changed, document.
type Entry = (
    &'static str,
    &'static str,
    u32,
    (&'static str, &'static str),
    &'static str,
);

const LIST: &[Entry] = &[
    (
        "/",
        "AWSDenyAll",
        2,
        ("2019-05-01T22:36:14Z", "2023-12-18T16:42:05Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"#,
            r#""Resource":"*"}]}"#
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaBasicExecutionRole",
        1,
        ("2015-04-09T15:03:43Z", "2015-04-09T15:03:43Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","#,
            r#""logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaDynamoDBExecutionRole",
        1,
        ("2015-04-09T15:09:29Z", "2015-04-09T15:09:29Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:DescribeStream","#,
            r#""dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","logs:CreateLogGroup","#,
            r#""logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaRole",
        1,
        ("2015-02-06T18:41:28Z", "2015-02-06T18:41:28Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:InvokeFunction"],"#,
            r#""Resource":["*"]}]}"#
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaSQSQueueExecutionRole",
        1,
        ("2018-06-14T21:50:45Z", "2018-06-14T21:50:45Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","#,
            r#""sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","logs:CreateLogStream","#,
            r#""logs:PutLogEvents"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/service-role/",
        "AWSLambdaVPCAccessExecutionRole",
        3,
        ("2016-02-11T23:15:26Z", "2024-01-05T22:38:26Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"AWSLambdaVPCAccessExecutionPermissions","#,
            r#""Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","#,
            r#""ec2:CreateNetworkInterface","ec2:DescribeNetworkInterfaces","ec2:DescribeSubnets","#,
            r#""ec2:DeleteNetworkInterface","ec2:AssignPrivateIpAddresses","ec2:UnassignPrivateIpAddresses"],"#,
            r#""Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "AWSLambda_FullAccess",
        7,
        ("2020-11-17T21:14:08Z", "2026-02-12T18:00:51Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","#,
            r#""Action":["cloudformation:DescribeStacks","cloudformation:ListStackResources","#,
            r#""cloudwatch:ListMetrics","cloudwatch:GetMetricData","ec2:DescribeSecurityGroups","#,
            r#""ec2:DescribeSubnets","ec2:DescribeVpcs","kms:DescribeKey","kms:ListAliases","iam:GetPolicy","#,
            r#""iam:GetPolicyVersion","iam:GetRole","iam:GetRolePolicy","iam:ListAttachedRolePolicies","#,
            r#""iam:ListRolePolicies","iam:ListRoles","lambda:*","logs:DescribeLogGroups","#,
            r#""states:DescribeStateMachine","states:ListStateMachines","tag:GetResources","#,
            r#""xray:GetTraceSummaries","xray:BatchGetTraces"],"Resource":"*"},{"Effect":"Allow","#,
            r#""Action":"iam:PassRole","Resource":"*","#,
            r#""Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}},{"Effect":"Allow","#,
            r#""Action":["logs:DescribeLogStreams","logs:GetLogEvents","logs:FilterLogEvents","#,
            r#""logs:StartLiveTail","logs:StopLiveTail"],"#,
            r#""Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"},{"Effect":"Allow","#,
            r#""Action":"iam:CreateServiceLinkedRole","#,
            r#""Resource":"arn:aws:iam::*:role/aws-service-role/lambda.amazonaws.com/AWSServiceRoleForLambda","#,
            r#""Condition":{"StringEquals":{"iam:AWSServiceName":"lambda.amazonaws.com"}}}]}"#
        ),
    ),
    (
        "/",
        "AWSXRayDaemonWriteAccess",
        2,
        ("2018-08-28T23:00:33Z", "2024-02-13T21:58:30Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"AWSXRayDaemonWriteAccess","Effect":"Allow","#,
            r#""Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","#,
            r#""xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":["*"]}]}"#
        ),
    ),
    (
        "/",
        "AdministratorAccess",
        1,
        ("2015-02-06T18:39:46Z", "2015-02-06T18:39:46Z"),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    (
        "/",
        "AmazonAPIGatewayAdministrator",
        1,
        ("2015-07-09T17:34:45Z", "2015-07-09T17:34:45Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["apigateway:*"],"#,
            r#""Resource":"arn:aws:apigateway:*::/*"}]}"#
        ),
    ),
    (
        "/",
        "AmazonAPIGatewayInvokeFullAccess",
        2,
        ("2015-07-09T17:36:12Z", "2018-12-18T18:25:10Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["execute-api:Invoke","#,
            r#""execute-api:ManageConnections"],"Resource":"arn:aws:execute-api:*:*:*"}]}"#
        ),
    ),
    (
        "/service-role/",
        "AmazonAPIGatewayPushToCloudWatchLogs",
        1,
        ("2015-11-11T23:41:46Z", "2015-11-11T23:41:46Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","#,
            r#""logs:CreateLogStream","logs:DescribeLogGroups","logs:DescribeLogStreams","logs:PutLogEvents","#,
            r#""logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "AmazonS3FullAccess",
        2,
        ("2015-02-06T18:40:58Z", "2021-09-27T20:16:37Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"#,
            r#""Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "AmazonS3ReadOnlyAccess",
        3,
        ("2015-02-06T18:40:59Z", "2023-08-10T21:31:39Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","#,
            r#""s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "AmazonSQSFullAccess",
        1,
        ("2015-02-06T18:41:07Z", "2015-02-06T18:41:07Z"),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*"],"Resource":"*"}]}"#,
    ),
    (
        "/",
        "AmazonSQSReadOnlyAccess",
        4,
        ("2015-02-06T18:41:08Z", "2024-05-24T18:16:44Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"AmazonSQSReadOnlyAccess","Effect":"Allow","#,
            r#""Action":["sqs:GetQueueAttributes","sqs:GetQueueUrl","sqs:ListDeadLetterSourceQueues","#,
            r#""sqs:ListQueues","sqs:ListMessageMoveTasks","sqs:ListQueueTags"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "CloudWatchLogsFullAccess",
        8,
        ("2015-02-06T18:40:02Z", "2026-02-12T18:00:33Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"CloudWatchLogsFullAccess","Effect":"Allow","#,
            r#""Action":["logs:*","cloudwatch:GenerateQuery","cloudwatch:GenerateQueryResultsSummary","#,
            r#""observabilityadmin:GetS3TableIntegration","observabilityadmin:ListS3TableIntegrations","#,
            r#""observabilityadmin:ListTelemetryPipelines"],"Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "IAMFullAccess",
        2,
        ("2015-02-06T18:40:38Z", "2019-06-21T19:40:00Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:*","#,
            r#""organizations:DescribeAccount","organizations:DescribeOrganization","#,
            r#""organizations:DescribeOrganizationalUnit","organizations:DescribePolicy","#,
            r#""organizations:ListChildren","organizations:ListParents","organizations:ListPoliciesForTarget","#,
            r#""organizations:ListRoots","organizations:ListPolicies","organizations:ListTargetsForPolicy"],"#,
            r#""Resource":"*"}]}"#
        ),
    ),
    (
        "/",
        "IAMReadOnlyAccess",
        4,
        ("2015-02-06T18:40:39Z", "2018-01-25T19:11:27Z"),
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GenerateCredentialReport","#,
            r#""iam:GenerateServiceLastAccessedDetails","iam:Get*","iam:List*","iam:SimulateCustomPolicy","#,
            r#""iam:SimulatePrincipalPolicy"],"Resource":"*"}]}"#
        ),
    ),
];
