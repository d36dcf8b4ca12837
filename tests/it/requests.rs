//! Every request of a stage's whole life is one that AWS's own service models allow: members, types, patterns, lengths.

use crate::harness::{Cloud, Fault, Project, Recorder, run};

#[test]
fn every_request_of_echos_life_is_valid() {
    let cloud = Cloud::ministack();
    let project = Project::init("echo", &cloud);
    let life = Life::begin(&cloud, &project);
    life.goes_on(ECHO_RICH);
    somebody_interferes(&cloud);
    project.edit(
        "src/lib.rs",
        "Pong { pong: id }",
        "Pong { pong: id.or(Some(0)) }",
    );
    life.goes_on(&ECHO_RICH.replace("querystring.token", "querystring.key"));
    life.goes_on(ECHO_ORDERED);
    life.ends(&[
        "apigatewayv2.CreateAuthorizer",
        "apigatewayv2.DeleteAuthorizer",
        "apigatewayv2.DeleteIntegrationResponse",
        "apigatewayv2.TagResource",
        "apigatewayv2.UpdateApi",
        "apigatewayv2.UpdateAuthorizer",
        "apigatewayv2.UpdateIntegration",
        "dynamodb.Scan",
        "iam.DetachRolePolicy",
        "iam.UpdateAssumeRolePolicy",
        "lambda.DeleteFunctionConcurrency",
        "lambda.PutFunctionConcurrency",
        "lambda.RemovePermission",
        "lambda.UpdateFunctionCode",
        "sqs.SetQueueAttributes",
    ]);
}

#[test]
fn every_request_of_chats_life_is_valid() {
    let cloud = Cloud::ministack();
    let project = Project::init("chat", &cloud);
    let life = Life::begin(&cloud, &project);
    life.goes_on(CHAT_RICH);
    life.goes_on(&CHAT_RICH.replace("tags =", "# tags ="));
    life.goes_on(CHAT_DIRECT);
    life.ends(&[
        "apigatewayv2.DeleteIntegration",
        "apigatewayv2.DeleteRoute",
        "apigatewayv2.DeleteRouteResponse",
        "dynamodb.TagResource",
        "dynamodb.UntagResource",
        "lambda.RemovePermission",
        "sqs.TagQueue",
        "sqs.UntagQueue",
    ]);
}

/// The operations of every life. What isn't sent can't be wrong, so an operation that isn't sent any more hides mistakes.
const OPERATIONS: [&str; 81] = [
    "apigateway.GetAccount",
    "apigateway.UpdateAccount",
    "apigatewayv2.CreateApi",
    "apigatewayv2.CreateDeployment",
    "apigatewayv2.CreateIntegration",
    "apigatewayv2.CreateIntegrationResponse",
    "apigatewayv2.CreateRoute",
    "apigatewayv2.CreateRouteResponse",
    "apigatewayv2.CreateStage",
    "apigatewayv2.DeleteAccessLogSettings",
    "apigatewayv2.DeleteApi",
    "apigatewayv2.DeleteIntegration",
    "apigatewayv2.DeleteRouteResponse",
    "apigatewayv2.GetApis",
    "apigatewayv2.GetAuthorizers",
    "apigatewayv2.GetDeployments",
    "apigatewayv2.GetIntegrationResponses",
    "apigatewayv2.GetIntegrations",
    "apigatewayv2.GetRouteResponses",
    "apigatewayv2.GetRoutes",
    "apigatewayv2.GetStages",
    "apigatewayv2.UpdateRoute",
    "apigatewayv2.UpdateStage",
    "cloudwatch.DeleteAlarms",
    "cloudwatch.DescribeAlarms",
    "cloudwatch.ListTagsForResource",
    "cloudwatch.PutMetricAlarm",
    "dynamodb.CreateTable",
    "dynamodb.DeleteTable",
    "dynamodb.DescribeTable",
    "dynamodb.DescribeTimeToLive",
    "dynamodb.ListTagsOfResource",
    "dynamodb.Scan",
    "dynamodb.UpdateTimeToLive",
    "iam.AttachRolePolicy",
    "iam.CreateRole",
    "iam.DeleteRole",
    "iam.DeleteRolePolicy",
    "iam.GetRolePolicy",
    "iam.ListAttachedRolePolicies",
    "iam.ListRolePolicies",
    "iam.ListRoleTags",
    "iam.ListRoles",
    "iam.PutRolePolicy",
    "lambda.AddPermission",
    "lambda.CreateAlias",
    "lambda.CreateEventSourceMapping",
    "lambda.CreateFunction",
    "lambda.DeleteEventSourceMapping",
    "lambda.DeleteFunction",
    "lambda.GetAlias",
    "lambda.GetEventSourceMapping",
    "lambda.GetFunction",
    "lambda.GetPolicy",
    "lambda.ListEventSourceMappings",
    "lambda.ListFunctions",
    "lambda.ListTags",
    "lambda.ListVersionsByFunction",
    "lambda.PublishVersion",
    "lambda.UpdateAlias",
    "lambda.UpdateEventSourceMapping",
    "lambda.UpdateFunctionConfiguration",
    "logs.CreateLogGroup",
    "logs.DeleteLogGroup",
    "logs.DescribeLogGroups",
    "logs.ListTagsForResource",
    "logs.PutRetentionPolicy",
    "s3.CreateBucket",
    "s3.DeleteBucket",
    "s3.DeleteObject",
    "s3.DeleteObjects",
    "s3.GetObject",
    "s3.ListObjectsV2",
    "s3.PutObject",
    "s3.PutPublicAccessBlock",
    "sqs.CreateQueue",
    "sqs.DeleteQueue",
    "sqs.GetQueueAttributes",
    "sqs.ListQueueTags",
    "sqs.ListQueues",
    "sts.GetCallerIdentity",
];

/// Everything that can be changed of the echo template's stage, changed.
const ECHO_RICH: &str = r#"
[project]
name = "echo"
tags = { team = "realtime", "cost-centre" = "42 / B" }

[api]
route-selection = "$request.body.type"
allowed-origins = ["https://a.example.com", "https://b.example.com:8443"]
throttle = { rate = 500, burst = 1000 }
authorizer = { handler = "gate", identity-sources = ["route.request.querystring.token", "route.request.header.X-Tenant"] }
access-log = true

[connections]
registry = true

[handlers.echo]
memory = 1024
timeout = "25s"
environment = { GREETING = "hello & good-bye", EMPTY = "", UNICODE = "grüße" }
reserved-concurrency = 5
policy = [{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::my-bucket/*"] }]
[handlers.echo.queue]
batch-size = 100
batch-window = "5s"
visibility-timeout = "4m"
max-receives = 3
max-concurrency = 20
retention = "14d"

[handlers.ping]
memory = 256
timeout = "29s"

[handlers.gate]
binary = "ping"

[routes]
"$default" = { handler = "echo" }
"say hello" = { handler = "echo" }
ping = { handler = "ping", via = "direct" }

[logs]
retention-days = 7

[alarms]
notify = ["arn:aws:sns:us-east-1:000000000000:pager"]
message-age = { threshold = 300, period = "5m", periods = 2 }
handler-throttles = false
"#;

/// And then: back to what was, but in order, with every route the other way, and nothing that can be left out.
const ECHO_ORDERED: &str = r#"
[project]
name = "echo"

[connections]
registry = false

[handlers.echo]
environment = { GREETING = "hello" }
[handlers.echo.queue]
order = "connection"

[handlers.ping]
[handlers.ping.queue]
order = "connection"

[routes]
"$default" = { handler = "echo", via = "direct" }
"say hello" = { handler = "echo" }
ping = { handler = "ping" }
"#;

const CHAT_RICH: &str = r#"
[project]
name = "chat"
tags = { team = "realtime" }

[api]
access-log = true

[handlers.chat]
memory = 512
[handlers.chat.queue]
order = "connection"
batch-size = 1

[handlers.hello]
binary = "chat"

[routes]
"$connect" = { handler = "hello", via = "direct" }
"$disconnect" = { handler = "hello", via = "direct" }
join = { handler = "chat" }
say = { handler = "chat", via = "direct" }
"$default" = { handler = "chat", via = "direct" }
"#;

const CHAT_DIRECT: &str = r#"
[project]
name = "chat"

[handlers.chat]

[routes]
"$default" = { handler = "chat", via = "direct" }
"#;

/// What ministack does without seeing it done: tags of APIs and stages don't show what changed after they were made, and
/// to stop an access log it deletes the stage, so that call doesn't reach it.
const UNSEEN: [&str; 3] = ["TagResource", "UntagResource", STOP_LOGGING];
const STOP_LOGGING: &str = "DeleteAccessLogSettings";

/// A role is assumed by somebody else and may do more, as if by hand.
fn somebody_interferes(cloud: &Cloud) {
    let iam = aws_sdk_iam::Client::new(&cloud.sdk());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    run(async {
        iam.update_assume_role_policy()
            .role_name("echo-dev-ping")
            .policy_document(trust)
            .send()
            .await?;
        iam.attach_role_policy()
            .role_name("echo-dev-ping")
            .policy_arn("arn:aws:iam::aws:policy/ReadOnlyAccess")
            .send()
            .await?;
        Ok::<_, aws_sdk_iam::Error>(())
    })
    .expect("a role that was made");
}

/// A stage from its first plan to its end.
struct Life<'a> {
    recorder: &'a Recorder,
    project: &'a Project,
}

impl<'a> Life<'a> {
    /// Plans, and deploys twice.
    fn begin(cloud: &'a Cloud, project: &'a Project) -> Self {
        let recorder = &cloud.recorder;
        recorder.fault(Fault::on(STOP_LOGGING).always().answer(204, "", b""));
        let _ = project.wsless(["plan"]).succeeds();
        let life = Self { recorder, project };
        life.deploy_twice();
        life
    }

    /// Deploys another manifest twice.
    fn goes_on(&self, manifest: &str) {
        self.project.write("wsless.toml", manifest);
        self.deploy_twice();
    }

    /// Destroys, and checks every request since its beginning; these operations were among them.
    fn ends(&self, operations: &[&str]) {
        let _ = self.project.wsless(["destroy", "--yes"]).succeeds();
        let check = self.recorder.check_against_models();
        check.assert_valid();
        let missing: Vec<_> = OPERATIONS
            .iter()
            .chain(operations)
            .filter(|operation| check.count(operation) == 0)
            .collect();
        assert!(
            missing.is_empty(),
            "never sent: {missing:?}\n{:#?}",
            check.checked
        );
    }

    /// Deploys, and once more to see that nothing is left to be done.
    fn deploy_twice(&self) {
        let _ = self.project.wsless(["deploy", "--yes"]).succeeds();
        let mark = self.recorder.mark();
        let again = self.project.wsless(["deploy", "--yes"]).succeeds();
        let left = self.recorder.mutations_since(mark).except("s3");
        let is_unseen = |operation: &str| UNSEEN.contains(&operation);
        assert!(
            left.iter().all(|call| is_unseen(&call.operation)),
            "the second deployment did this:\n{left}\n{again}"
        );
    }
}
