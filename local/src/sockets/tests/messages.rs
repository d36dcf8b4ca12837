use super::*;

#[tokio::test]
async fn a_route_answers_only_if_it_has_a_response() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![
                ("one", "echo", false),
                ("two", "echo", true),
                ("$default", "echo", true),
            ],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    client.send(r#"{"action":"one"}"#).await;
    world.wait_for_events("echo", 1).await;
    client
        .hears_nothing_until(r#"{"action":"two"}"#, r#"{"action":"two"}"#)
        .await;
    client
        .hears_nothing_until("no json at all", "no json at all")
        .await;
    let events = world.events("echo");
    let keys: Vec<_> = events
        .iter()
        .map(|event| event["requestContext"]["routeKey"].as_str().unwrap_or(""))
        .collect();
    assert_eq!(keys, ["one", "two", "$default"]);
    let context = &events[1]["requestContext"];
    let tail = |id: &str| context[id].as_str().map(|id| id[8..].to_owned());
    assert_eq!(tail("messageId"), tail("connectionId"));
    assert_eq!(events[1]["body"], r#"{"action":"two"}"#);
}

#[tokio::test]
async fn a_message_without_a_route_is_forbidden_and_the_connection_stays() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![("known", "echo", true)],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    client.send(r#"{"action":"unknown"}"#).await;
    let frame = client.text().await;
    let id = world.only().await;
    let request = serde_json::from_str::<Value>(&frame).expect("JSON")["requestId"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(
        frame,
        format!(r#"{{"message": "Forbidden", "connectionId":"{id}", "requestId":"{request}"}}"#)
    );
    client
        .hears_nothing_until(r#"{"action":"known"}"#, r#"{"action":"known"}"#)
        .await;
}

#[tokio::test]
async fn failures_are_told_even_where_nothing_is_answered() {
    let world = World::new().await;
    world.function("fails", |_| failed("boom"));
    world.function("malformed", |_| returned(&json!({"status": 200})));
    world.function("odd", |_| {
        returned(&json!({"statusCode": 501, "body": "x"}))
    });
    let api = world
        .api(Spec {
            routes: vec![
                ("fails", "fails", false),
                ("malformed", "malformed", false),
                ("denied", "ok", false),
                ("odd", "odd", false),
                ("gone", "nosuch", true),
                ("$default", "echo", true),
            ],
            ..Spec::default()
        })
        .await;
    let arn = format!("arn:aws:execute-api:{REGION}:000000000000:{api}/dev/denied");
    world.fake.refused.lock().insert(arn);
    let mut client = world.connect(&api).await;
    for action in ["fails", "malformed", "denied", "gone"] {
        client.send(&json!({"action": action}).to_string()).await;
        assert_eq!(
            message_of(&client.text().await),
            "Internal server error",
            "{action}"
        );
    }
    assert!(world.events("ok").is_empty());
    // A status alone changes nothing.
    client.send(r#"{"action":"odd"}"#).await;
    world.wait_for_events("odd", 1).await;
    client.hears_nothing_until("x", "x").await;
}

#[tokio::test]
async fn a_function_that_takes_too_long_goes_on_after_the_error() {
    let world = World::new().await;
    let (go, wait) = tokio::sync::watch::channel(false);
    let (done, over) = tokio::sync::watch::channel(false);
    world.slow_function("slow", move |_| {
        let (mut wait, done) = (wait.clone(), done.clone());
        Box::pin(async move {
            let _ = wait.wait_for(|go| *go).await;
            let _ = done.send(true);
            returned(&json!({"statusCode": 200, "body": "late"}))
        })
    });
    let api = world.api(Spec::default()).await;
    let integration = world
        .function_integration(&api, "slow", json!({"timeoutInMillis": 50}))
        .await;
    world
        .route(&api, "$default", &integration, true, json!({}))
        .await;
    world.deploy(&api, json!({})).await;
    let mut client = world.connect(&api).await;
    client.send("x").await;
    assert_eq!(message_of(&client.text().await), "Internal server error");
    go.send(true).expect("heard");
    let mut over = over;
    tokio::time::timeout(PATIENCE, over.wait_for(|over| *over))
        .await
        .expect("it goes on")
        .expect("done");
}

#[tokio::test]
async fn messages_of_one_connection_run_side_by_side_but_not_without_end() {
    let world = World::new().await;
    let (go, wait) = tokio::sync::watch::channel(0);
    world.slow_function("slow", move |event| {
        let mut wait = wait.clone();
        Box::pin(async move {
            let number: i32 = event["body"].as_str().unwrap_or("").parse().unwrap_or(0);
            let _ = wait.wait_for(|go| *go >= 100 - number).await;
            returned(&json!({"statusCode": 200, "body": event["body"]}))
        })
    });
    let api = world
        .api(Spec {
            routes: vec![("$default", "slow", true)],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    for number in 0..100 {
        client.send(&number.to_string()).await;
    }
    assert_eq!(world.wait_for_events("slow", 32).await.len(), 32);
    // The last of those that are under way is the first to be answered.
    go.send(100 - 31).expect("heard");
    assert_eq!(client.text().await, "31");
    go.send(1000).expect("heard");
    let mut rest = Vec::new();
    while rest.len() < 99 {
        rest.push(client.text().await.parse::<i32>().expect("a number"));
    }
    rest.sort_unstable();
    assert_eq!(
        rest,
        (0..100).filter(|number| *number != 31).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn open_connections_move_to_a_new_deployment_and_not_before() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    let integration = world.function_integration(&api, "ok", json!({})).await;
    world
        .route(&api, "new", &integration, false, json!({}))
        .await;
    let ask = r#"{"action":"new"}"#;
    client.hears_nothing_until(ask, ask).await;
    assert!(world.events("ok").is_empty());
    world.deploy(&api, json!({})).await;
    client.send(ask).await;
    world.wait_for_events("ok", 1).await;
    client.hears_nothing_until("x", "x").await;
    // A stage that's gone leads nowhere.
    world
        .gateway("DeleteStage", json!({"apiId": api, "stageName": "dev"}))
        .await;
    client.send("x").await;
    assert_eq!(message_of(&client.text().await), "Forbidden");
}

#[tokio::test]
async fn a_routes_throttle_is_its_own() {
    let world = World::new().await;
    let api = world.api(Spec {
        routes: vec![("few", "ok", true), ("$default", "echo", true)],
        stage: json!({"routeSettings": {"few": {"throttlingBurstLimit": 2, "throttlingRateLimit": 0.001}}}),
        ..Spec::default()
    }).await;
    let mut client = world.connect(&api).await;
    for _ in 0..2 {
        client.send(r#"{"action":"few"}"#).await;
        assert_eq!(client.text().await, "");
    }
    client.send(r#"{"action":"few"}"#).await;
    assert_eq!(message_of(&client.text().await), "Too Many Requests");
    client.hears_nothing_until("x", "x").await;
    // Another deployment of the same limits doesn't fill it again.
    world.deploy(&api, json!({})).await;
    client.send(r#"{"action":"few"}"#).await;
    assert_eq!(message_of(&client.text().await), "Too Many Requests");
}

#[tokio::test]
async fn what_happens_is_counted() {
    let world = World::new().await;
    world.function("fails", |_| failed("boom"));
    let api = world
        .api(Spec {
            routes: vec![
                ("$connect", "ok", false),
                ("fails", "fails", false),
                ("known", "echo", true),
            ],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    client
        .hears_nothing_until(r#"{"action":"known"}"#, r#"{"action":"known"}"#)
        .await;
    client.send(r#"{"action":"fails"}"#).await;
    client.text().await;
    client.send(r#"{"action":"unknown"}"#).await;
    client.text().await;
    let sum = async |metric: &str, dimensions: Value| {
        let now = crate::clock::Millis::now();
        let answer = world.call(Service::CloudWatch, "GetMetricStatistics", json!({
            "Namespace": "AWS/ApiGateway", "MetricName": metric, "Dimensions": dimensions, "Statistics": ["Sum", "SampleCount"], "Period": 3600,
            "StartTime": (now.0 - 7_200_000) / 1000, "EndTime": (now.0 + 7_200_000) / 1000,
        })).await;
        answer["Datapoints"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|point| point["Sum"].as_f64())
            .sum::<f64>()
    };
    let stage = json!([{"Name": "ApiId", "Value": api}, {"Name": "Stage", "Value": "dev"}]);
    let whole = json!([{"Name": "ApiId", "Value": api}]);
    for (metric, expected) in [
        ("ConnectCount", 1.0),
        ("MessageCount", 6.0),
        ("IntegrationError", 1.0),
        ("ClientError", 1.0),
        ("ExecutionError", 0.0),
    ] {
        assert!(
            (sum(metric, stage.clone()).await - expected).abs() < 0.1,
            "{metric}"
        );
        assert!(
            (sum(metric, whole.clone()).await - expected).abs() < 0.1,
            "{metric}"
        );
    }
    assert!(sum("IntegrationLatency", stage).await >= 0.0);
}

#[tokio::test]
async fn a_function_behind_a_template_gets_what_the_template_makes() {
    let world = World::new().await;
    world.function("custom", |event| {
        if event["fail"] == true {
            return failed("no such room");
        }
        returned(&json!({"heard": event["said"]}))
    });
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let integration = world.function_integration(&api, "custom", json!({
        "integrationType": "AWS", "integrationMethod": "POST", "passthroughBehavior": "NEVER",
        "templateSelectionExpression": "$request.body.kind",
        "requestTemplates": {"say": "{\"said\": $input.json('$.text')}", "fail": "{\"fail\": true}", "bad": "\n#foreach"},
        "integrationResponseSelectionExpression": "$integration.response.body.errorMessage",
    })).await;
    for (key, template) in [
        (
            "$default",
            "{\"ok\": \"$input.path('$.heard')\", \"by\": \"$context.routeKey\"}",
        ),
        ("/no such.*/", "{\"lost\": true}"),
    ] {
        world.gateway("CreateIntegrationResponse", json!({"apiId": api, "integrationId": integration, "integrationResponseKey": key, "templateSelectionExpression": "\\$default", "responseTemplates": {"$default": template}})).await;
    }
    world
        .route(&api, "custom", &integration, true, json!({}))
        .await;
    world.deploy(&api, json!({})).await;
    let mut client = world.connect(&api).await;
    client
        .hears_nothing_until(
            r#"{"action":"custom","kind":"say","text":"hi \u00e9"}"#,
            r#"{"ok": "hi é", "by": "custom"}"#,
        )
        .await;
    client
        .hears_nothing_until(r#"{"action":"custom","kind":"fail"}"#, r#"{"lost": true}"#)
        .await;
    for kind in ["bad", "none"] {
        client
            .send(&json!({"action": "custom", "kind": kind}).to_string())
            .await;
        assert_eq!(
            message_of(&client.text().await),
            "Internal server error",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn what_happens_is_written_to_the_stages_access_log() {
    let world = World::new().await;
    world.function("fails", |_| failed("boom"));
    let role = world.role("logger", "apigateway.amazonaws.com", json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]})).await;
    let patch = json!([{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]);
    world
        .gateway("UpdateAccount", json!({"patchOperations": patch}))
        .await;
    world
        .call(
            Service::Logs,
            "CreateLogGroup",
            json!({"logGroupName": "/access"}),
        )
        .await;
    let api = world.api(Spec {
        routes: vec![("$connect", "ok", false), ("known", "echo", true), ("fails", "fails", false)],
        stage: json!({
            "accessLogSettings": {
                "destinationArn": format!("arn:aws:logs:{REGION}:000000000000:log-group:/access"),
                "format": "$context.requestId $context.eventType $context.routeKey $context.status $context.error.message $context.integration.status",
            },
            "defaultRouteSettings": {"loggingLevel": "ERROR"},
        }),
        ..Spec::default()
    }).await;
    let mut client = world.connect(&api).await;
    client
        .hears_nothing_until(r#"{"action":"known"}"#, r#"{"action":"known"}"#)
        .await;
    for action in ["fails", "unknown"] {
        client.send(&json!({"action": action}).to_string()).await;
        client.text().await;
    }
    let lines = async |group: &str| {
        let call = world.make_call(
            Service::Logs,
            "FilterLogEvents",
            &json!({"logGroupName": group}),
        );
        let page = match cloud::perform(&call).await.map(|answer| answer.payload) {
            Ok(Payload::Members(page)) => page,
            _ => Value::Null,
        };
        let events = page["events"].as_array().cloned().unwrap_or_default();
        events
            .iter()
            .filter_map(|event| event["message"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let mut access: Vec<_> = lines("/access")
        .await
        .iter()
        .map(|line| line.split_once(' ').expect("an id").1.to_owned())
        .collect();
    access.sort();
    assert_eq!(
        access,
        [
            "CONNECT $connect 200 - 200",
            "MESSAGE - 403 Forbidden -",
            "MESSAGE fails 502 Internal server error -",
            "MESSAGE known 200 - 200",
        ]
    );
    let group = format!("/aws/apigateway/{api}/dev");
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(line) = lines(&group).await.into_iter().next() {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it's told");
    assert!(told.contains("boom"), "{told}");
}
