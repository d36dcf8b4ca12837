//! Deployments, stages, the account's role for logs, and what is kept.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Client, FUNCTION, ROLE, id, told};
use crate::{
    Options,
    call::Service,
    cloud::{self, Cloud},
    gateway::Gateway,
    iam::Caller,
};

const BAD: &str = "BadRequestException";
const NOT_FOUND: &str = "NotFoundException";
const LOGGING_ROLE: &str = "arn:aws:iam::000000000000:role/wsless/wsless-api-gateway-logs";

async fn stage(client: &Client, api: &str, deployment: &str) -> Value {
    let stage = json!({ "apiId": api, "stageName": "dev", "deploymentId": deployment });
    client.ask("CreateStage", stage).await
}

fn update(api: &str, members: &Value) -> Value {
    let mut input = json!({ "apiId": api, "stageName": "dev" });
    for (key, value) in members.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}

/// Makes the account's role for logs, and sets it.
async fn set_logging_role(client: &Client) {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    });
    let policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs";
    for (operation, input) in [
        (
            "CreateRole",
            json!({
                "RoleName": "wsless-api-gateway-logs",
                "Path": "/wsless/",
                "AssumeRolePolicyDocument": trust.to_string(),
            }),
        ),
        (
            "AttachRolePolicy",
            json!({ "RoleName": "wsless-api-gateway-logs", "PolicyArn": policy }),
        ),
    ] {
        let call = client.call(Service::Iam, operation, &input);
        cloud::perform(&call).await.unwrap();
    }
    let account = client.ask("UpdateAccount", patch(LOGGING_ROLE)).await;
    assert_eq!(account["cloudwatchRoleArn"], LOGGING_ROLE);
}

fn patch(role: &str) -> Value {
    json!({ "patchOperations": [
        { "op": "replace", "path": "/cloudwatchRoleArn", "value": role },
    ] })
}

#[tokio::test]
async fn a_deployment_needs_a_route() {
    let client = Client::new();
    let api = client.api().await;
    let refusal = client
        .refusal("CreateDeployment", json!({ "apiId": api }))
        .await;
    let message = "At least one route is required before deploying the Api";
    assert_eq!(told(&refusal), (BAD, 400, message));
}

#[tokio::test]
async fn a_stage_is_told_with_awss_defaults() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    let mut made = stage(&client, &api, &deployment).await;
    let this = json!({ "apiId": api, "stageName": "dev" });
    assert_eq!(client.ask("GetStage", this).await, made);
    let members = made.as_object_mut().unwrap();
    assert_eq!(
        members.remove("createdDate"),
        members.remove("lastUpdatedDate")
    );
    assert_eq!(
        made,
        json!({
            "autoDeploy": false,
            "defaultRouteSettings": {
                "dataTraceEnabled": false,
                "detailedMetricsEnabled": false,
                "loggingLevel": "OFF",
            },
            "deploymentId": deployment,
            "routeSettings": {},
            "stageName": "dev",
            "stageVariables": {},
            "tags": {},
        })
    );
}

#[tokio::test]
async fn connections_meet_what_was_deployed_and_no_edit() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let first = client.deployment(&api).await;
    stage(&client, &api, &first).await;
    let hello = client.route(&api, "hello").await;
    assert_eq!(client.met(&api, "dev"), ["$default"]);
    let before = client.live(&api, "dev").unwrap();

    let second = client.deployment(&api).await;
    assert_eq!(
        client.met(&api, "dev"),
        ["$default"],
        "no stage points to it"
    );
    let moved = update(&api, &json!({ "deploymentId": second }));
    client.ask("UpdateStage", moved).await;
    assert_eq!(client.met(&api, "dev"), ["$default", "hello"]);
    let after = client.live(&api, "dev").unwrap();
    assert_ne!(after.revision, before.revision);

    let this = json!({ "apiId": api, "routeId": hello });
    client.ask("DeleteRoute", this).await;
    let still = client.live(&api, "dev").unwrap();
    assert_eq!(still.revision, after.revision, "an edit is no change");
    assert!(Arc::ptr_eq(&still.stage, &after.stage));
    assert!(Arc::ptr_eq(&still.snapshot, &after.snapshot));

    let back = update(&api, &json!({ "deploymentId": first }));
    client.ask("UpdateStage", back).await;
    assert_eq!(client.met(&api, "dev"), ["$default"]);
}

#[tokio::test]
async fn a_deployment_for_a_stage_moves_it() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    client
        .ask("CreateStage", json!({ "apiId": api, "stageName": "dev" }))
        .await;
    assert!(client.live(&api, "dev").is_none(), "nothing is deployed");
    let made = client
        .ask(
            "CreateDeployment",
            json!({ "apiId": api, "stageName": "dev", "description": "first" }),
        )
        .await;
    assert_eq!(made["deploymentStatus"], "DEPLOYED");
    assert_eq!(made["autoDeployed"], false);
    assert_eq!(made["description"], "first");
    assert_eq!(id(&made, "deploymentId").len(), 6);
    assert_eq!(client.met(&api, "dev"), ["$default"]);
    let nowhere = json!({ "apiId": api, "stageName": "other" });
    let refusal = client.refusal("CreateDeployment", nowhere).await;
    assert_eq!(refusal.code, NOT_FOUND);
}

#[tokio::test]
async fn deployments_are_listed_in_the_order_they_were_made() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let mut made = Vec::new();
    for _ in 0..12 {
        made.push(client.deployment(&api).await);
    }
    let mut found = Vec::new();
    let mut input = json!({ "apiId": api, "maxResults": "5" });
    loop {
        let page = client.ask("GetDeployments", input.clone()).await;
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| id(item, "deploymentId")));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(found, made);
}

#[tokio::test]
async fn a_deployment_that_a_stage_points_to_isnt_deleted() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    stage(&client, &api, &deployment).await;
    let this = json!({ "apiId": api, "deploymentId": deployment });
    let refusal = client.refusal("DeleteDeployment", this.clone()).await;
    let message = "Active stages pointing to this deployment must be moved or deleted";
    assert_eq!(told(&refusal), (BAD, 400, message));
    let gone = json!({ "apiId": api, "stageName": "dev" });
    client.ask("DeleteStage", gone).await;
    assert!(client.live(&api, "dev").is_none());
    client.ask("DeleteDeployment", this.clone()).await;
    let refusal = client.refusal("GetDeployment", this).await;
    assert_eq!(refusal.code, NOT_FOUND);
}

#[tokio::test]
async fn stages_names_and_deployments_are_checked() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    for name in ["$default", "a b", "a/b", "ä", &"a".repeat(129)] {
        let stage = json!({ "apiId": api, "stageName": name });
        assert_eq!(
            client.refusal("CreateStage", stage).await.code,
            BAD,
            "{name}"
        );
    }
    let stage = json!({ "apiId": api, "stageName": "dev", "deploymentId": "nothere" });
    assert_eq!(client.refusal("CreateStage", stage).await.code, NOT_FOUND);
    for index in 0..10 {
        let stage = json!({ "apiId": api, "stageName": format!("s-{index}_") });
        client.ask("CreateStage", stage).await;
    }
    let again = json!({ "apiId": api, "stageName": "s-1_" });
    let refusal = client.refusal("CreateStage", again).await;
    assert_eq!(
        told(&refusal),
        ("ConflictException", 409, "Stage already exists")
    );
    let eleventh = json!({ "apiId": api, "stageName": "eleventh" });
    assert_eq!(client.refusal("CreateStage", eleventh).await.status, 429);
}

#[tokio::test]
async fn throttles_stay_as_they_are_given_and_zero_is_one() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "hello").await;
    let deployment = client.deployment(&api).await;
    stage(&client, &api, &deployment).await;
    let zero = update(
        &api,
        &json!({
            "defaultRouteSettings": { "throttlingBurstLimit": 0, "throttlingRateLimit": 0 },
            "routeSettings": { "hello": { "throttlingRateLimit": 2.5 } },
        }),
    );
    let told = client.ask("UpdateStage", zero).await;
    assert_eq!(told["defaultRouteSettings"]["throttlingBurstLimit"], 0);
    assert_eq!(told["defaultRouteSettings"]["throttlingRateLimit"], 0.0);
    // What isn't sent stays [TF#14742].
    let kept = update(
        &api,
        &json!({
            "defaultRouteSettings": { "detailedMetricsEnabled": true },
        }),
    );
    let told = client.ask("UpdateStage", kept).await;
    assert_eq!(told["defaultRouteSettings"]["throttlingBurstLimit"], 0);
    assert_eq!(told["defaultRouteSettings"]["detailedMetricsEnabled"], true);
    assert_eq!(told["routeSettings"]["hello"]["throttlingRateLimit"], 2.5);
    let live = client.live(&api, "dev").unwrap();
    assert_eq!(
        live.stage.default_route_settings.throttling_burst_limit,
        Some(0)
    );

    let this = update(&api, &json!({ "routeKey": "hello" }));
    client.ask("DeleteRouteSettings", this.clone()).await;
    let refusal = client.refusal("DeleteRouteSettings", this).await;
    assert_eq!(refusal.code, NOT_FOUND);
    let unknown = update(&api, &json!({ "routeSettings": { "other": {} } }));
    let refusal = client.refusal("UpdateStage", unknown).await;
    let message = "Unable to find Route by key other within the provided RouteSettings";
    assert_eq!(refusal.message, message);
    let negative = update(
        &api,
        &json!({
            "defaultRouteSettings": { "throttlingBurstLimit": -1 },
        }),
    );
    assert_eq!(client.refusal("UpdateStage", negative).await.code, BAD);
}

#[tokio::test]
async fn stage_variables_have_their_characters_and_go_when_they_are_empty() {
    let client = Client::new();
    let api = client.api().await;
    let variables = json!({ "alias": "live", "url": "https://example.com/?a=b&c=d,e#f~" });
    let stage = json!({ "apiId": api, "stageName": "dev", "stageVariables": variables });
    let told = client.ask("CreateStage", stage).await;
    assert_eq!(told["stageVariables"], variables);
    let without = update(&api, &json!({ "stageVariables": { "url": "" } }));
    let told = client.ask("UpdateStage", without).await;
    assert_eq!(told["stageVariables"], json!({ "alias": "live" }));
    for wrong in [
        json!({ "a b": "c" }),
        json!({ "a": "b c" }),
        json!({ "a": "{}" }),
    ] {
        let wrong = update(&api, &json!({ "stageVariables": wrong }));
        assert_eq!(client.refusal("UpdateStage", wrong).await.code, BAD);
    }
}

#[tokio::test]
async fn a_stage_may_deploy_by_itself() {
    let client = Client::new();
    let api = client.api().await;
    let stage = json!({ "apiId": api, "stageName": "dev", "autoDeploy": true });
    let told = client.ask("CreateStage", stage).await;
    let message = id(&told, "lastDeploymentStatusMessage");
    assert!(
        message.starts_with("Deployment attempt failed"),
        "{message}"
    );
    client.route(&api, "$default").await;
    assert_eq!(client.met(&api, "dev"), ["$default"]);
    client.route(&api, "hello").await;
    assert_eq!(client.met(&api, "dev"), ["$default", "hello"]);
    let this = json!({ "apiId": api, "stageName": "dev" });
    let told = client.ask("GetStage", this).await;
    let deployment = id(&told, "deploymentId");
    assert_eq!(
        told["lastDeploymentStatusMessage"],
        format!("Successfully deployed stage with deployment ID '{deployment}'")
    );
    let made = json!({ "apiId": api, "deploymentId": deployment });
    assert_eq!(
        client.ask("GetDeployment", made).await["autoDeployed"],
        true
    );
    let set = update(&api, &json!({ "deploymentId": deployment }));
    let refusal = client.refusal("UpdateStage", set).await;
    let message = "Deployment ID cannot be set on stage because AutoDeploy is enabled";
    assert_eq!(refusal.message, message);
}

#[tokio::test]
async fn logs_need_the_accounts_role() {
    let client = Client::new();
    let api = client.api().await;
    client
        .ask("CreateStage", json!({ "apiId": api, "stageName": "dev" }))
        .await;
    let group = "arn:aws:logs:eu-west-1:000000000000:log-group:/wsless/chat/dev/access";
    let log = |arn: &str, format: &str| {
        update(
            &api,
            &json!({ "accessLogSettings": { "destinationArn": arn, "format": format } }),
        )
    };
    let cases = [
        (
            log(group, "$context.requestId"),
            "CloudWatch Logs role ARN must be set in account settings to enable logging",
        ),
        (
            log(group, "literal-only"),
            "The following errors are found in Access Log Format: Access Log format must include either $context.requestId or $context.extendedRequestId : 'literal-only'",
        ),
        (
            log(group, "$context.requestId\n$context.status"),
            "The following errors are found in Access Log Format: Access Log format must be single line: '$context.requestId\n$context.status'",
        ),
        (
            log("not-an-arn", "$context.requestId"),
            "Invalid ARN specified in the request. ARNs must start with 'arn:': not-an-arn",
        ),
        (
            log("arn:aws:s3:::bucket", "$context.requestId"),
            "Invalid ARN specified in the request. The ARN must be a valid CloudWatch Logs log group or Kinesis Data Firehose delivery stream ARN.",
        ),
        (
            log(group, ""),
            "Access Log value missing. Expected destinationArn and format.",
        ),
        (
            update(
                &api,
                &json!({ "defaultRouteSettings": { "loggingLevel": "INFO" } }),
            ),
            "CloudWatch Logs role ARN must be set in account settings to enable logging",
        ),
    ];
    for (input, message) in cases {
        let refusal = client.refusal("UpdateStage", input).await;
        assert_eq!(told(&refusal), (BAD, 400, message));
    }
    // A level that isn't one is passed over, and tracing alone needs no role [STK].
    let passed = update(
        &api,
        &json!({
            "defaultRouteSettings": { "loggingLevel": "DEBUG", "dataTraceEnabled": true },
        }),
    );
    let told = client.ask("UpdateStage", passed).await;
    assert_eq!(told["defaultRouteSettings"]["loggingLevel"], "OFF");
    assert_eq!(told["defaultRouteSettings"]["dataTraceEnabled"], true);
}

#[tokio::test]
async fn an_access_log_needs_its_group() {
    let client = Client::new();
    let api = client.api().await;
    client
        .ask("CreateStage", json!({ "apiId": api, "stageName": "dev" }))
        .await;
    set_logging_role(&client).await;
    let name = "/wsless/chat/dev/access";
    let make = |name: &str| {
        let input = json!({ "logGroupName": name });
        client.call(Service::Logs, "CreateLogGroup", &input)
    };
    match cloud::perform(&make("/wsless/chat/dev/access-other")).await {
        // There are no log groups where the logs aren't built yet.
        Err(error) if error.code == "UnknownOperationException" => return,
        other => other.unwrap(),
    };
    let arn = format!("arn:aws:logs:eu-west-1:000000000000:log-group:{name}");
    let log = update(
        &api,
        &json!({
            "accessLogSettings": { "destinationArn": arn, "format": "$context.requestId" },
        }),
    );
    let refusal = client.refusal("UpdateStage", log.clone()).await;
    let message = format!("Cannot enable logging. LogDestination: {name} does not exist");
    assert_eq!(told(&refusal), (NOT_FOUND, 404, message.as_str()));
    cloud::perform(&make(name)).await.unwrap();
    let told = client.ask("UpdateStage", log.clone()).await;
    assert_eq!(told["accessLogSettings"], log["accessLogSettings"]);
    let this = json!({ "apiId": api, "stageName": "dev" });
    client.ask("DeleteAccessLogSettings", this.clone()).await;
    let told = client.ask("GetStage", this).await;
    assert_eq!(told.get("accessLogSettings"), None);
}

#[tokio::test]
async fn the_accounts_role_is_set_and_taken_away() {
    let client = Client::new();
    let account = json!({
        "throttleSettings": { "burstLimit": 5000, "rateLimit": 10_000.0 },
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    });
    assert_eq!(client.ask("GetAccount", json!({})).await, account);
    let refusal = client.refusal("UpdateAccount", patch("not-an-arn")).await;
    let message = "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.";
    assert_eq!(told(&refusal), (BAD, 400, message));
    set_logging_role(&client).await;
    let set = client.ask("GetAccount", json!({})).await;
    assert_eq!(set["cloudwatchRoleArn"], LOGGING_ROLE);
    client.ask("UpdateAccount", patch("")).await;
    assert_eq!(client.ask("GetAccount", json!({})).await, account);
    let unknown = json!({ "patchOperations": [{ "op": "replace", "path": "/x", "value": "y" }] });
    assert_eq!(client.refusal("UpdateAccount", unknown).await.code, BAD);
}

/// Makes a role with a trusted service and one inline policy.
async fn make_role(client: &Client, name: &str, service: &str, policy: &Value) {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    });
    let statement = json!({ "Version": "2012-10-17", "Statement": [policy] });
    for (operation, input) in [
        (
            "CreateRole",
            json!({ "RoleName": name, "AssumeRolePolicyDocument": trust.to_string() }),
        ),
        (
            "PutRolePolicy",
            json!({
                "RoleName": name,
                "PolicyName": "own",
                "PolicyDocument": statement.to_string(),
            }),
        ),
    ] {
        let call = client.call(Service::Iam, operation, &input);
        cloud::perform(&call).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_for_logs_is_trusting_and_allows_them_everywhere() {
    let client = Client::new();
    let gateway = "apigateway.amazonaws.com";
    let all = json!({ "Effect": "Allow", "Action": "logs:*", "Resource": "*" });
    let narrow = json!({
        "Effect": "Allow",
        "Action": "logs:*",
        "Resource": "arn:aws:logs:eu-west-1:000000000000:log-group:/wsless/*",
    });
    make_role(&client, "narrow", gateway, &narrow).await;
    make_role(&client, "lambda", "lambda.amazonaws.com", &all).await;
    make_role(&client, "right", gateway, &all).await;
    let role = |name: &str| format!("arn:aws:iam::000000000000:role/{name}");
    for name in ["narrow", "lambda", "nothere"] {
        let refusal = client.refusal("UpdateAccount", patch(&role(name))).await;
        assert!(
            refusal
                .message
                .contains("does not have required permissions"),
            "{name}: {refusal}"
        );
    }
    client.ask("UpdateAccount", patch(&role("right"))).await;
}

#[tokio::test]
async fn whoever_may_not_pass_a_role_or_tag_is_refused() {
    let client = Client::new();
    let api = client.api().await;
    let paths = json!({
        "Effect": "Allow",
        "Action": "apigateway:*",
        "Resource": ["arn:aws:apigateway:eu-west-1::/apis", "arn:aws:apigateway:eu-west-1::/apis/*"],
    });
    make_role(&client, "deployer", "lambda.amazonaws.com", &paths).await;
    let as_deployer = async |operation: &str, input: Value| {
        let mut call = client.call(Service::ApiGateway, operation, &input);
        call.caller = Caller::Role {
            role: "arn:aws:iam::000000000000:role/deployer".to_owned(),
            session: "s".to_owned(),
        };
        cloud::perform(&call).await.map(|_| ())
    };
    let function =
        json!({ "apiId": api, "integrationType": "AWS_PROXY", "integrationUri": FUNCTION });
    as_deployer("CreateIntegration", function.clone())
        .await
        .unwrap();
    let mut with_role = function;
    with_role["credentialsArn"] = json!(ROLE);
    let refusal = as_deployer("CreateIntegration", with_role.clone())
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.code.as_ref(), refusal.status.as_u16()),
        ("AccessDeniedException", 403)
    );
    assert!(
        refusal.message.starts_with(&format!(
            "User: arn:aws:sts::000000000000:assumed-role/deployer/s is not authorized to perform: iam:PassRole on resource: {ROLE}"
        )),
        "{refusal}"
    );
    // To whom a role may be passed counts too.
    for (service, is_allowed) in [("lambda", false), ("apigateway", true)] {
        let passing = json!({ "Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE,
            "Condition": { "StringEquals": { "iam:PassedToService": format!("{service}.amazonaws.com") } } });
        let policy = json!({ "RoleName": "deployer", "PolicyName": "passing",
            "PolicyDocument": json!({ "Version": "2012-10-17", "Statement": [passing] }).to_string() });
        let put = client.call(Service::Iam, "PutRolePolicy", &policy);
        cloud::perform(&put).await.unwrap();
        let made = as_deployer("CreateIntegration", with_role.clone()).await;
        assert_eq!(made.is_ok(), is_allowed, "{service}: {made:?}");
    }
    let stage = json!({ "apiId": api, "stageName": "dev", "tags": { "a": "b" } });
    let refusal = as_deployer("CreateStage", stage).await.unwrap_err();
    assert_eq!(refusal.code, "AccessDeniedException");
    let refusal = as_deployer("GetAccount", json!({})).await.unwrap_err();
    assert_eq!(refusal.code, "AccessDeniedException");
    let stages = client.ask("GetStages", json!({ "apiId": api })).await;
    assert_eq!(stages, json!({ "items": [] }));
}

#[tokio::test]
async fn what_was_kept_is_there_again() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    stage(&client, &api, &deployment).await;
    client.route(&api, "hello").await;
    let region = client.cloud.region("eu-west-1").unwrap();
    let kept = region.gateway.keep();
    let kept: Value = serde_json::from_str(&kept.to_string()).unwrap();

    let again = Client {
        cloud: Cloud::for_test(Options::default()),
    };
    let gateway = &again.cloud.region("eu-west-1").unwrap().gateway;
    gateway.restore(kept.clone()).unwrap();
    assert_eq!(gateway.keep(), kept);
    assert!(gateway.has_api(&api));
    assert_eq!(again.met(&api, "dev"), ["$default"]);
    let routes = again.ask("GetRoutes", json!({ "apiId": api })).await;
    assert_eq!(
        routes,
        client.ask("GetRoutes", json!({ "apiId": api })).await
    );
    assert_eq!(gateway.overview(), region.gateway.overview());

    let empty = Gateway::default();
    empty.restore(Value::Null).unwrap();
    assert!(empty.restore(json!({ "apis": 1 })).is_err());
}

#[tokio::test]
async fn the_console_sees_stages_and_routes() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    stage(&client, &api, &deployment).await;
    let region = client.cloud.region("eu-west-1").unwrap();
    let overview = region.gateway.overview();
    let seen = overview.first().unwrap();
    assert_eq!(seen.api_id, api);
    assert_eq!(seen.stages, [("dev".to_owned(), Some(deployment))]);
    assert_eq!(seen.routes, [("$default".to_owned(), None)]);
    assert_eq!(seen.route_selection_expression, "$request.body.action");
    assert_eq!(seen.deployed["dev"], ["$default"]);
    assert_eq!(region.gateway.named("chat"), [api]);
    assert!(region.gateway.named("chap").is_empty());
}
