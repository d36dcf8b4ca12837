//! A cloud that is as slow and as strict about rates as AWS.

use serde_json::{Value, json};

use super::{Client, id, told, until};
use crate::{call::Service, clock::Millis, cloud};

/// An API with a route that is deployed to `dev`, where rates allow it.
async fn deployed(client: &Client) -> (String, String) {
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    let stage = json!({ "apiId": api, "stageName": "dev", "deploymentId": deployment });
    client.ask("CreateStage", stage).await;
    (api, deployment)
}

#[tokio::test]
async fn a_moved_stage_serves_what_was_before_until_the_move_has_spread() {
    // 80 s are 2 s; one CreateDeployment in 5 s is one in 125 ms.
    let client = Client::slow(0.025);
    let (api, _) = deployed(&client).await;
    assert_eq!(
        client.met(&api, "dev"),
        ["$default"],
        "a new stage is there"
    );
    client.route(&api, "hello").await;
    let made = made_when_allowed(&client, json!({ "apiId": api })).await;
    let before = client.live(&api, "dev").unwrap();
    let moved =
        json!({ "apiId": api, "stageName": "dev", "deploymentId": id(&made, "deploymentId") });
    let stage = client.ask("UpdateStage", moved).await;
    assert_eq!(stage["deploymentId"], made["deploymentId"]);
    let during = client.live(&api, "dev").unwrap();
    // Unless the machine slept for 2 s just now.
    let was_during = during.stage.moves_at > Millis::now();
    if was_during {
        assert!(!during.snapshot.routes.contains_key("hello"));
    }
    assert_ne!(during.revision, before.revision, "the stage is another");
    until(async || client.met(&api, "dev") == ["$default", "hello"]).await;
    let after = client.live(&api, "dev").unwrap();
    assert!(after.stage.moves_at <= Millis::now());
    if was_during {
        assert_ne!(after.revision, during.revision, "what it serves is another");
    }
}

#[tokio::test]
async fn a_deployment_is_pending_before_it_is_deployed() {
    let client = Client::slow(0.5);
    let api = client.api().await;
    client.route(&api, "$default").await;
    let made = client
        .ask("CreateDeployment", json!({ "apiId": api }))
        .await;
    assert_eq!(made["deploymentStatus"], "PENDING");
    let this = json!({ "apiId": api, "deploymentId": made["deploymentId"] });
    until(async || {
        let deployment = client.answer("GetDeployment", this.clone()).await;
        deployment.is_ok_and(|(_, deployment)| deployment["deploymentStatus"] == "DEPLOYED")
    })
    .await;
}

#[tokio::test]
async fn what_is_new_is_there_before_it_is_listed() {
    // A listing's second is 100 s.
    let client = Client::slow(100.0);
    let api = client.api().await;
    let listed = client.ask("GetApis", json!({})).await;
    assert_eq!(listed, json!({ "items": [] }));
    let found = client.ask("GetApi", json!({ "apiId": api })).await;
    assert_eq!(found["apiId"], api.as_str());
}

#[tokio::test]
async fn a_second_change_of_an_api_at_a_time_is_refused() {
    let client = Client::slow(1.0);
    let api = client.api().await;
    let other = client.api().await;
    let create = |api: &str, key: &str| {
        let route = json!({ "apiId": api, "routeKey": key });
        client.call(Service::ApiGateway, "CreateRoute", &route)
    };
    let (first, second, elsewhere) = (create(&api, "a"), create(&api, "b"), create(&other, "a"));
    let read = client.call(Service::ApiGateway, "GetApi", &json!({ "apiId": api }));
    let (first, second, elsewhere, read) = tokio::join!(
        cloud::perform(&first),
        cloud::perform(&second),
        cloud::perform(&elsewhere),
        cloud::perform(&read),
    );
    assert!(first.is_ok());
    let message =
        "Unable to complete operation due to concurrent modification. Please try again later.";
    let refusal = second.unwrap_err();
    assert_eq!(told(&refusal), ("ConflictException", 409, message));
    assert!(elsewhere.is_ok());
    assert!(read.is_ok());
    client.route(&api, "b").await;
}

#[tokio::test]
async fn calls_that_come_too_fast_are_refused() {
    let client = Client::slow(100.0);
    let mut refused = None;
    for _ in 0..41 {
        if let Err(error) = client.answer("GetApis", json!({})).await {
            refused = Some(error);
        }
    }
    let refusal = refused.unwrap();
    assert_eq!(
        told(&refusal),
        ("TooManyRequestsException", 429, "Too Many Requests")
    );
}

#[tokio::test]
async fn an_instant_cloud_has_no_rates() {
    let client = Client::new();
    for _ in 0..100 {
        client.ask("GetApis", json!({})).await;
    }
}

/// A deployment, as soon as the rate allows it.
async fn made_when_allowed(client: &Client, input: Value) -> Value {
    let mut made = Value::Null;
    until(
        async || match client.answer("CreateDeployment", input.clone()).await {
            Ok((_, members)) => {
                made = members;
                true
            }
            Err(error) => {
                assert_eq!(error.code, "TooManyRequestsException", "{error}");
                false
            }
        },
    )
    .await;
    made
}
