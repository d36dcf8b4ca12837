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

async fn world() -> World {
    let world = World::new().await;
    for name in ["connect", "bye"] {
        world.function(name, |_| returned(&json!({"statusCode": 200})));
    }
    world
}

fn status(answer: &Result<(u16, Value)>) -> (u16, String) {
    match answer {
        Ok((status, _)) => (*status, String::new()),
        Err(error) => (error.status.as_u16(), error.code.to_string()),
    }
}

#[tokio::test]
async fn a_connection_can_be_posted_to_looked_at_and_closed() {
    let world = world().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let id = world.only().await;
    let before = world
        .manage("GetConnection", &api, &id, "")
        .await
        .expect("there")
        .1;
    assert_eq!(
        before["connectedAt"].as_str().map(str::len),
        Some("2022-02-22T19:07:37.123Z".len())
    );
    assert_eq!(before["identity"]["sourceIp"], "127.0.0.1");
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(
        world
            .manage("PostToConnection", &api, &id, "héllo")
            .await
            .expect("posted")
            .0,
        200
    );
    assert_eq!(client.text().await, "héllo");
    let after = world
        .manage("GetConnection", &api, &id, "")
        .await
        .expect("there")
        .1;
    assert!(after["lastActiveAt"].as_str() > before["lastActiveAt"].as_str());
    world
        .manage("PostToConnection", &api, &id, Bytes::from_static(b"a\xffb"))
        .await
        .expect("posted");
    assert_eq!(client.text().await, "a\u{fffd}b");
    assert_eq!(
        world
            .manage("DeleteConnection", &api, &id, "")
            .await
            .expect("closed")
            .0,
        204
    );
    assert_eq!(
        client.closed().await,
        (1000, "Connection Closed Normally".to_owned())
    );
    let bye = world.wait_for_events("bye", 1).await.remove(0);
    assert_eq!(bye["requestContext"]["disconnectStatusCode"], 1000);
    for operation in ["PostToConnection", "GetConnection", "DeleteConnection"] {
        assert_eq!(
            status(&world.manage(operation, &api, &id, "x").await),
            (410, "GoneException".to_owned())
        );
    }
}

#[tokio::test]
async fn a_connection_is_there_only_once_connect_has_returned() {
    let world = world().await;
    let api = world.api(spec()).await;
    let cloud = Arc::clone(world.running.cloud());
    let region = Arc::clone(&world.region);
    let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
    world.slow_function("connect", move |event| {
        let (cloud, region, send) = (Arc::clone(&cloud), Arc::clone(&region), send.clone());
        Box::pin(async move {
            let context = &event["requestContext"];
            let input = json!({"apiId": context["apiId"], "stage": "dev", "connectionId": context["connectionId"]});
            let call = Call {
                body: "early".into(),
                ..Call::for_test(&cloud, &region.name, Service::ExecuteApi, "PostToConnection", input)
            };
            let _ = send.send(cloud::perform(&call).await.expect_err("too early").status.as_u16());
            returned(&json!({"statusCode": 200}))
        })
    });
    let _client = world.connect(&api).await;
    assert_eq!(seen.recv().await, Some(410));
}

#[tokio::test]
async fn ids_that_never_were_and_places_that_arent_are_told_from_what_is_gone() {
    let world = world().await;
    let api = world.api(spec()).await;
    let other = world.api(spec()).await;
    let _client = world.connect(&api).await;
    let id = world.only().await;
    for invented in ["AAAAAAAAAAAAA=", "L0SM9cOFvHcCIhw=", "", "x"] {
        assert_eq!(
            status(&world.manage("GetConnection", &api, invented, "").await),
            (400, "BadRequestException".to_owned()),
            "{invented}"
        );
    }
    assert_eq!(
        status(&world.manage("GetConnection", &other, &id, "").await).0,
        403
    );
    assert_eq!(
        status(&world.manage("GetConnection", "nosuch", &id, "").await).0,
        403
    );
    assert_eq!(status(&world.manage("Other", &api, &id, "").await).0, 400);
}

#[tokio::test]
async fn a_post_is_at_most_128_kb_and_comes_in_fragments() {
    let world = world().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let id = world.only().await;
    let before = world
        .manage("GetConnection", &api, &id, "")
        .await
        .expect("there")
        .1;
    let too_big = world
        .manage("PostToConnection", &api, &id, vec![b'x'; 131_073])
        .await;
    assert_eq!(
        status(&too_big),
        (413, "PayloadTooLargeException".to_owned())
    );
    assert_eq!(
        world
            .manage("GetConnection", &api, &id, "")
            .await
            .expect("there")
            .1,
        before
    );
    // A character on the border of two fragments is put together again.
    let text = format!(
        "{}é{}",
        "x".repeat(32 * 1024 - 1),
        "y".repeat(131_072 - 32 * 1024 - 1)
    );
    world
        .manage("PostToConnection", &api, &id, text.clone())
        .await
        .expect("posted");
    assert_eq!(client.text().await, text);
    client
        .hears_nothing_until("still there", "still there")
        .await;
}

#[tokio::test]
async fn a_client_that_doesnt_read_is_no_place_to_post_to() {
    let world = world().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let id = world.only().await;
    let data = Bytes::from(vec![b'z'; 128 * 1024]);
    let mut taken = 0;
    // Until the socket's buffers and the outbox are full.
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            match world
                .manage("PostToConnection", &api, &id, data.clone())
                .await
            {
                Ok(_) => taken += 1,
                Err(error) => return error,
            }
            assert!(taken < 1_000, "it takes without end");
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it's refused");
    assert_eq!(
        (refused.status.as_u16(), &*refused.code),
        (429, "LimitExceededException")
    );
    // What was taken arrives, and then there's room again.
    for _ in 0..taken {
        assert_eq!(client.text().await.len(), data.len());
    }
    world
        .manage("PostToConnection", &api, &id, "more")
        .await
        .expect("posted");
    assert_eq!(client.text().await, "more");
}

#[tokio::test]
async fn a_role_needs_manage_connections_on_the_method() {
    let world = world().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let id = world.only().await;
    let resource =
        format!("arn:aws:execute-api:{REGION}:000000000000:{api}/dev/POST/@connections/*");
    let role = world.role("poster", "lambda.amazonaws.com", json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:ManageConnections", "Resource": resource}]})).await;
    let as_role = async |operation: &str| {
        let mut call = world.make_call(
            Service::ExecuteApi,
            operation,
            &json!({"apiId": api, "stage": "dev", "connectionId": id}),
        );
        call.caller = world
            .running
            .cloud()
            .iam
            .assume(&role, "lambda.amazonaws.com", "s")
            .expect("assumed");
        call.body = "by a role".into();
        cloud::perform(&call)
            .await
            .map(|answer| answer.status.as_u16())
            .map_err(|error| error.status.as_u16())
    };
    assert_eq!(as_role("PostToConnection").await, Ok(200));
    assert_eq!(client.text().await, "by a role");
    assert_eq!(as_role("DeleteConnection").await, Err(403));
}

#[tokio::test]
async fn open_connections_are_listed() {
    let world = world().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    client.hears_nothing_until("x", "x").await;
    let open = world.region.sockets.connections(10);
    let [one] = open.as_slice() else {
        panic!("{open:?}")
    };
    assert_eq!(
        (
            one.received,
            one.sent,
            one.api_id.as_str(),
            one.stage.as_str()
        ),
        (1, 1, api.as_str(), "dev")
    );
    assert!(world.region.sockets.connections(0).is_empty());
}
