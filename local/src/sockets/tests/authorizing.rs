use super::*;

fn judge(event: &Value) -> Result<Invoked> {
    let policy = |effect: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]});
    match event["queryStringParameters"]["token"].as_str() {
        Some("allow") => returned(
            &json!({"principalId": "ada", "policyDocument": policy("Allow"), "context": {"tenant": "t1", "n": 5}}),
        ),
        Some("deny") => returned(&json!({"principalId": "ada", "policyDocument": policy("Deny")})),
        Some("who") => failed("Unauthorized"),
        Some("odd") => returned(&json!({"isAuthorized": true})),
        _ => failed("boom"),
    }
}

async fn authorized() -> (World, String, String) {
    let world = World::new().await;
    world.function("judge", |event| judge(&event));
    let api = world
        .api(Spec {
            routes: vec![("$disconnect", "ok", false), ("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let uri = format!(
        "arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda:{REGION}:000000000000:function:judge/invocations"
    );
    let authorizer = world.gateway("CreateAuthorizer", json!({"apiId": api, "name": "j", "authorizerType": "REQUEST", "authorizerUri": uri, "identitySource": ["route.request.querystring.token"]})).await;
    let id = authorizer["authorizerId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let integration = world.function_integration(&api, "ok", json!({})).await;
    world
        .route(
            &api,
            "$connect",
            &integration,
            false,
            json!({"authorizationType": "CUSTOM", "authorizerId": id}),
        )
        .await;
    world.deploy(&api, json!({})).await;
    (world, api, id)
}

#[tokio::test]
async fn an_authorizer_decides_who_connects() {
    let (world, api, _) = authorized().await;
    for (query, status, message) in [
        ("", 401, "Unauthorized"),
        ("?token=", 401, "Unauthorized"),
        ("?token=who", 401, "Unauthorized"),
        (
            "?token=deny",
            403,
            "User is not authorized to access this resource with an explicit deny in an identity-based policy",
        ),
        ("?token=odd", 500, "Internal server error"),
        ("?token=boom", 500, "Internal server error"),
    ] {
        let (got, body) = world
            .try_connect(&format!("{api}/dev{query}"), &[])
            .await
            .err()
            .expect("refused");
        assert_eq!(
            (got, message_of(&body).as_str()),
            (status, message),
            "{query}"
        );
    }
    // Without what it judges by, it isn't asked; and a refused client reaches no integration.
    assert_eq!(world.events("judge").len(), 4);
    assert!(world.events("ok").is_empty());
}

#[tokio::test]
async fn what_an_authorizer_says_is_in_all_later_events() {
    let (world, api, _) = authorized().await;
    let (mut client, _) = world
        .try_connect(&format!("{api}/dev?token=allow"), &[])
        .await
        .expect("connected");
    client.hears_nothing_until("x", "x").await;
    client.0.close(None).await.expect("closed");
    let ok = world.wait_for_events("ok", 2).await;
    for event in [&ok[0], &world.events("echo")[0], &ok[1]] {
        let said = &event["requestContext"]["authorizer"];
        assert_eq!(said["principalId"], "ada");
        assert_eq!(said["tenant"], "t1");
        assert_eq!(said["n"], "5");
        assert!(said["integrationLatency"].is_u64());
    }
    let asked = world.events("judge").remove(0);
    assert_eq!(asked["type"], "REQUEST");
    assert_eq!(
        asked["methodArn"],
        format!("arn:aws:execute-api:{REGION}:000000000000:{api}/dev/$connect")
    );
    assert_eq!(asked["stageVariables"], json!({}));
    assert_eq!(asked["requestContext"]["eventType"], "CONNECT");
    assert_eq!(asked.get("isBase64Encoded"), None);
}

#[tokio::test]
async fn an_authorizer_needs_leave_to_be_asked() {
    let (world, api, id) = authorized().await;
    let arn = format!("arn:aws:execute-api:{REGION}:000000000000:{api}/authorizers/{id}");
    world.fake.refused.lock().insert(arn);
    assert_eq!(
        world
            .try_connect(&format!("{api}/dev?token=allow"), &[])
            .await
            .err()
            .expect("refused")
            .0,
        500
    );
    assert!(world.events("judge").is_empty());
}

#[tokio::test]
async fn a_signed_connection_needs_a_signature_and_leave() {
    let world = World::new().await;
    let api = world.api(Spec::default()).await;
    let integration = world.function_integration(&api, "ok", json!({})).await;
    world
        .route(
            &api,
            "$connect",
            &integration,
            false,
            json!({"authorizationType": "AWS_IAM"}),
        )
        .await;
    world.deploy(&api, json!({})).await;
    let path = format!("{api}/dev");
    let (status, body) = world.try_connect(&path, &[]).await.err().expect("refused");
    assert_eq!(
        (status, message_of(&body).as_str()),
        (403, "Missing Authentication Token")
    );
    let signed = |key: &str, service: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=00"
        )
    };
    let headers = |authorization: &str| {
        vec![
            ("authorization", authorization.to_owned()),
            ("x-amz-date", "20260101T000000Z".to_owned()),
        ]
    };
    let connect = async |authorization: String| {
        let headers = headers(&authorization);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        world.try_connect(&path, &headers).await.map(|_| ())
    };
    assert_eq!(
        connect(signed("AKIAOWNER", "sqs"))
            .await
            .expect_err("refused")
            .0,
        403
    );
    connect(signed("AKIAOWNER", "execute-api"))
        .await
        .expect("connected");
    let context = &world.events("ok")[0]["requestContext"];
    assert_eq!(context["identity"]["accessKey"], "AKIAOWNER");
    let iam = &world.running.cloud().iam;
    let other = world.role("other", "lambda.amazonaws.com", json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]})).await;
    let key = iam
        .credentials(
            &iam.assume(&other, "lambda.amazonaws.com", "s")
                .expect("assumed"),
        )
        .access_key;
    let (status, body) = connect(signed(&key, "execute-api"))
        .await
        .expect_err("refused");
    assert_eq!(status, 403);
    assert!(message_of(&body).contains(
        "is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api"
    ));
    let may = world.role("may", "lambda.amazonaws.com", json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": format!("arn:aws:execute-api:{REGION}:*:{api}/dev/$connect")}]})).await;
    let key = iam
        .credentials(
            &iam.assume(&may, "lambda.amazonaws.com", "s")
                .expect("assumed"),
        )
        .access_key;
    connect(signed(&key, "execute-api"))
        .await
        .expect("connected");
}

#[tokio::test]
async fn a_key_is_never_the_right_one() {
    let world = World::new().await;
    let api = world.api(Spec::default()).await;
    let integration = world.function_integration(&api, "ok", json!({})).await;
    world
        .route(
            &api,
            "$connect",
            &integration,
            false,
            json!({"apiKeyRequired": true}),
        )
        .await;
    world.deploy(&api, json!({})).await;
    let (status, body) = world
        .try_connect(&format!("{api}/dev"), &[("x-api-key", "k")])
        .await
        .err()
        .expect("refused");
    assert_eq!((status, message_of(&body).as_str()), (403, "Forbidden"));
}
