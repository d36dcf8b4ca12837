use super::*;

fn spec() -> Spec {
    Spec {
        routes: vec![
            ("$connect", "connect", false),
            ("$disconnect", "bye", false),
            ("$default", "echo", true),
        ],
        ..Spec::default()
    }
}

#[tokio::test]
async fn connecting_and_disconnecting_are_told_as_aws_tells_them() {
    let world = World::new().await;
    world.function("connect", |_| {
        returned(&json!({"statusCode": 201, "body": "not for the client"}))
    });
    world.function("bye", |_| failed("nobody cares"));
    let stage = json!({"stageVariables": {"color": "blue"}});
    let api = world.api(Spec { stage, ..spec() }).await;
    let (mut client, response) = world
        .try_connect(
            &format!("{api}/dev?a=1&a=2"),
            &[("user-agent", "test/1"), ("x-own", "1")],
        )
        .await
        .expect("connected");
    let mut names: Vec<_> = response
        .headers()
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["connection", "date", "sec-websocket-accept", "upgrade"]
    );
    let id = world.only().await;
    let event = world.events("connect").remove(0);
    let context = &event["requestContext"];
    // As this client writes them.
    assert_eq!(event["headers"]["user-agent"], "test/1");
    assert_eq!(event["headers"]["x-own"], "1");
    assert_eq!(event["headers"]["X-Forwarded-Proto"], "https");
    assert_eq!(
        event["multiValueHeaders"]["Sec-WebSocket-Version"],
        json!(["13"])
    );
    assert_eq!(event["queryStringParameters"], json!({"a": "2"}));
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({"a": ["1", "2"]})
    );
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event.get("body"), None);
    assert_eq!(context["routeKey"], "$connect");
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["messageDirection"], "IN");
    assert_eq!(context["connectionId"], id);
    assert_eq!(context["requestId"], context["extendedRequestId"]);
    assert_eq!(
        context["identity"],
        json!({"sourceIp": "127.0.0.1", "userAgent": "test/1"})
    );
    assert_eq!(context["apiId"], api);
    let port = world.running.cloud().address.port();
    assert_eq!(
        context["domainName"],
        format!("{api}.execute-api.localhost:{port}")
    );
    for absent in ["messageId", "authorizer", "accountId", "disconnectReason"] {
        assert_eq!(context.get(absent), None);
    }
    client.send("hi").await;
    assert_eq!(client.text().await, "hi");
    let message = world.events("echo").remove(0);
    assert_eq!(
        message["requestContext"]["connectedAt"],
        context["connectedAt"]
    );
    assert_eq!(message.get("headers"), None);
    let close = CloseFrame {
        code: 4001.into(),
        reason: "mine".into(),
    };
    client.0.close(Some(close)).await.expect("closed");
    let bye = world.wait_for_events("bye", 1).await.remove(0);
    let told = &bye["requestContext"];
    assert_eq!(told["disconnectStatusCode"], 4001);
    assert_eq!(told["disconnectReason"], "mine");
    assert_eq!(told["eventType"], "DISCONNECT");
    assert_eq!(told["connectedAt"], context["connectedAt"]);
    assert_eq!(
        bye["headers"],
        json!({"Host": context["domainName"], "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""})
    );
    assert_eq!(world.region.sockets.count(), 0);
}

#[tokio::test]
async fn what_the_connect_function_says_decides_the_handshake() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let path = format!("{api}/dev");
    for (answer, status, body) in [
        (
            returned(&json!({"statusCode": 403, "body": "go away"})),
            403,
            Some("go away"),
        ),
        (returned(&json!({"statusCode": 501})), 501, Some("")),
        (returned(&json!({"body": "x"})), 502, None),
        (returned(&Value::Null), 502, None),
        (failed("boom"), 502, None),
    ] {
        let answer = Mutex::new(Some(answer));
        world.function("connect", move |_| {
            answer.lock().take().expect("asked once")
        });
        let (got, said) = world.try_connect(&path, &[]).await.err().expect("refused");
        assert_eq!(got, status);
        match body {
            Some(body) => assert_eq!(said, body),
            None => assert_eq!(message_of(&said), "Internal server error"),
        }
    }
    // Nothing of it is told to `$disconnect`, and nothing is left.
    assert!(world.events("bye").is_empty());
    assert_eq!(world.region.sockets.count(), 0);
}

#[tokio::test]
async fn a_subprotocol_is_taken_only_if_the_function_says_so() {
    let world = World::new().await;
    world.function("connect", |event| {
        let offered = event["headers"]["Sec-WebSocket-Protocol"]
            .as_str()
            .unwrap_or("")
            .to_owned();
        let chosen = offered.split(", ").last().unwrap_or("").to_owned();
        returned(&json!({"statusCode": 200, "headers": {"sec-websocket-protocol": chosen}}))
    });
    let api = world.api(spec()).await;
    let offer = [("sec-websocket-protocol", "v1, v2")];
    let (_client, response) = world
        .try_connect(&format!("{api}/dev"), &offer)
        .await
        .expect("connected");
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
}

#[tokio::test]
async fn what_isnt_deployed_is_forbidden() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    for path in [format!("{api}/prod"), "nosuchapi1/dev".to_owned()] {
        let (status, body) = world.try_connect(&path, &[]).await.err().expect("refused");
        assert_eq!(
            (status, message_of(&body).as_str()),
            (403, "Forbidden"),
            "{path}"
        );
    }
    world
        .gateway(
            "UpdateApi",
            json!({"apiId": api, "disableExecuteApiEndpoint": true}),
        )
        .await;
    world.function("connect", |_| returned(&json!({"statusCode": 200})));
    // Not before it's deployed.
    drop(world.connect(&api).await);
    world.deploy(&api, json!({})).await;
    assert_eq!(
        world
            .try_connect(&format!("{api}/dev"), &[])
            .await
            .err()
            .expect("refused")
            .0,
        403
    );
}

#[tokio::test]
async fn without_a_connect_route_a_connection_opens() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let mut client = world.connect(&api).await;
    client.send("x").await;
    assert_eq!(client.text().await, "x");
}

#[tokio::test]
async fn a_function_that_may_not_be_invoked_ends_the_handshake() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    world.function("connect", |_| returned(&json!({"statusCode": 200})));
    let arn = format!("arn:aws:execute-api:{REGION}:000000000000:{api}/dev/$connect");
    world.fake.refused.lock().insert(arn);
    assert_eq!(
        world
            .try_connect(&format!("{api}/dev"), &[])
            .await
            .err()
            .expect("refused")
            .0,
        500
    );
    assert!(world.events("connect").is_empty());
}

#[tokio::test]
async fn a_connect_function_that_takes_too_long_is_a_timeout() {
    let world = World::new().await;
    world.slow_function("connect", |_| Box::pin(std::future::pending()));
    let api = world.api(Spec::default()).await;
    let integration = world
        .function_integration(&api, "connect", json!({"timeoutInMillis": 50}))
        .await;
    world
        .route(&api, "$connect", &integration, false, json!({}))
        .await;
    world.deploy(&api, json!({})).await;
    assert_eq!(
        world
            .try_connect(&format!("{api}/dev"), &[])
            .await
            .err()
            .expect("refused")
            .0,
        504
    );
}

#[tokio::test]
async fn a_client_that_leaves_during_the_handshake_is_told_to_disconnect() {
    let world = World::new().await;
    let (go, wait) = tokio::sync::watch::channel(false);
    world.slow_function("connect", move |_| {
        let mut wait = wait.clone();
        Box::pin(async move {
            let _ = wait.wait_for(|go| *go).await;
            returned(&json!({"statusCode": 200}))
        })
    });
    world.function("bye", |_| returned(&json!({"statusCode": 200})));
    let api = world.api(spec()).await;
    let path = format!("{api}/dev");
    let connecting = world.try_connect(&path, &[]);
    tokio::select! {
        _ = connecting => panic!("it can't be done"),
        _ = world.wait_for_events("connect", 1) => {}
    }
    go.send(true).expect("heard");
    let bye = world.wait_for_events("bye", 1).await.remove(0);
    assert_eq!(bye["requestContext"]["disconnectStatusCode"], 1006);
}

#[tokio::test]
async fn a_throttle_of_nothing_lets_nobody_in() {
    let world = World::new().await;
    world.function("connect", |_| returned(&json!({"statusCode": 200})));
    let stage =
        json!({"defaultRouteSettings": {"throttlingBurstLimit": 0, "throttlingRateLimit": 0.0}});
    let api = world.api(Spec { stage, ..spec() }).await;
    let (status, body) = world
        .try_connect(&format!("{api}/dev"), &[])
        .await
        .err()
        .expect("refused");
    assert_eq!(
        (status, message_of(&body).as_str()),
        (429, "Too Many Requests")
    );
}

#[tokio::test]
async fn a_service_behind_connect_needs_its_answer_mapped_twice() {
    let world = World::new().await;
    let mock = json!({"integrationType": "MOCK", "requestTemplates": {"$default": "{\"statusCode\": 200}"}, "templateSelectionExpression": "\\$default"});
    for (response, answers, opens) in [
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (true, true, true),
    ] {
        let api = world.api(Spec::default()).await;
        let integration = world.integration(&api, mock.clone(), json!({})).await;
        if response {
            world.gateway("CreateIntegrationResponse", json!({"apiId": api, "integrationId": integration, "integrationResponseKey": "$default"})).await;
        }
        world
            .route(&api, "$connect", &integration, answers, json!({}))
            .await;
        world.deploy(&api, json!({})).await;
        let connected = world.try_connect(&format!("{api}/dev"), &[]).await;
        match connected {
            Ok(_) => assert!(opens, "{response} {answers}"),
            Err((status, _)) => assert_eq!((status, opens), (500, false)),
        }
    }
}

#[tokio::test]
async fn the_end_of_the_cloud_closes_connections_in_order() {
    let world = World::new().await;
    world.function("connect", |_| returned(&json!({"statusCode": 200})));
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let stopping = tokio::spawn(world.running.stop());
    assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
    stopping.await.expect("ended").expect("in order");
}
