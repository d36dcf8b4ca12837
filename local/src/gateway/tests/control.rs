//! APIs, models, tags, and what the verbs need.

use serde_json::{Value, json};

use super::{Client, id, told};
use crate::{call::Service, gateway::permission};

const NOT_FOUND: &str = "NotFoundException";
const BAD: &str = "BadRequestException";
const CONFLICT: &str = "ConflictException";

#[tokio::test]
async fn an_api_is_told_with_awss_defaults() {
    let client = Client::new();
    let sent = json!({
        "name": "chat",
        "protocolType": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
    });
    let (status, mut api) = client.answer("CreateApi", sent).await.unwrap();
    assert_eq!(status, 201);
    let api_id = id(&api, "apiId");
    assert_eq!(api_id.len(), 10);
    assert!(
        api_id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    );
    let created = api["createdDate"]["$timestamp"].as_i64().unwrap();
    assert_eq!(created % 1000, 0, "whole seconds");
    assert_eq!(client.ask("GetApi", json!({ "apiId": api_id })).await, api);
    api.as_object_mut().unwrap().remove("createdDate");
    assert_eq!(
        api,
        json!({
            "apiEndpoint": format!("ws://127.0.0.1:9/_aws/execute-api/{api_id}"),
            "apiId": api_id,
            "apiKeySelectionExpression": "$request.header.x-api-key",
            "disableExecuteApiEndpoint": false,
            "ipAddressType": "ipv4",
            "name": "chat",
            "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        })
    );
}

#[tokio::test]
async fn what_isnt_a_websocket_api_is_refused() {
    let client = Client::new();
    let http = json!({ "name": "a", "protocolType": "HTTP" });
    let refusal = client.refusal("CreateApi", http).await;
    assert_eq!(refusal.code, BAD);
    assert!(refusal.message.contains("WebSocket APIs only"), "{refusal}");
    let selection = "$request.body.action";
    for (field, name) in [
        ("corsConfiguration", "CorsConfiguration"),
        ("target", "Target"),
        ("routeKey", "RouteKey"),
        ("credentialsArn", "CredentialsArn"),
    ] {
        let mut api = json!({ "name": "a", "protocolType": "WEBSOCKET", "routeSelectionExpression": selection });
        api[field] = json!("x");
        let refusal = client.refusal("CreateApi", api).await;
        let message = format!("{name} cannot be set for WEBSOCKET protocol Apis.");
        assert_eq!(told(&refusal), (BAD, 400, message.as_str()));
    }
    let without = json!({ "name": "a", "protocolType": "WEBSOCKET" });
    assert_eq!(client.refusal("CreateApi", without).await.code, BAD);
    let nameless = json!({ "protocolType": "WEBSOCKET", "routeSelectionExpression": selection });
    assert_eq!(client.refusal("CreateApi", nameless).await.code, BAD);
    let list = client.ask("GetApis", json!({})).await;
    assert_eq!(list, json!({ "items": [] }));
}

#[tokio::test]
async fn an_unknown_api_is_named_with_the_account() {
    let client = Client::new();
    for operation in [
        "GetApi",
        "DeleteApi",
        "UpdateApi",
        "GetRoutes",
        "CreateDeployment",
    ] {
        let refusal = client.refusal(operation, json!({ "apiId": "abc" })).await;
        let message = "Invalid API identifier specified 000000000000:abc";
        assert_eq!(told(&refusal), (NOT_FOUND, 404, message));
    }
}

#[tokio::test]
async fn apis_are_listed_in_pages() {
    let client = Client::new();
    let mut created = Vec::new();
    for _ in 0..30 {
        created.push(client.api().await);
    }
    created.sort();
    let mut found = Vec::new();
    let mut input = json!({ "maxResults": "7" });
    let mut pages = 0;
    loop {
        let page = client.ask("GetApis", input.clone()).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 7);
        found.extend(items.iter().map(|api| id(api, "apiId")));
        pages += 1;
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!((found, pages), (created, 5));
    let default = client.ask("GetApis", json!({})).await;
    assert_eq!(default["items"].as_array().unwrap().len(), 25);
    assert!(default["nextToken"].is_string());
    for wrong in [
        json!({ "nextToken": "%" }),
        json!({ "maxResults": "0" }),
        json!({ "maxResults": "x" }),
    ] {
        assert_eq!(client.refusal("GetApis", wrong).await.code, BAD);
    }
}

#[tokio::test]
async fn a_deleted_api_takes_all_that_is_in_it() {
    let client = Client::new();
    let api = client.api().await;
    client.route(&api, "$default").await;
    let deployment = client.deployment(&api).await;
    let stage = json!({ "apiId": api, "stageName": "dev", "deploymentId": deployment });
    client.ask("CreateStage", stage).await;
    assert!(client.live(&api, "dev").is_some());
    let (status, _) = client
        .answer("DeleteApi", json!({ "apiId": api }))
        .await
        .unwrap();
    assert_eq!(status, 204);
    assert!(client.live(&api, "dev").is_none());
    assert_eq!(
        client
            .refusal("GetStages", json!({ "apiId": api }))
            .await
            .code,
        NOT_FOUND
    );
}

#[tokio::test]
async fn an_update_keeps_what_isnt_said_and_clears_what_is_said_empty() {
    let client = Client::new();
    let api = client.api().await;
    let said = json!({ "apiId": api, "description": "for people", "version": "1" });
    client.ask("UpdateApi", said).await;
    let renamed = client
        .ask(
            "UpdateApi",
            json!({ "apiId": api, "name": "other", "version": "" }),
        )
        .await;
    assert_eq!(renamed["name"], "other");
    assert_eq!(renamed["description"], "for people");
    assert_eq!(renamed.get("version"), None);
}

#[tokio::test]
async fn models_are_kept_and_told() {
    let client = Client::new();
    let api = client.api().await;
    let sent = json!({ "apiId": api, "name": "Message", "schema": "{}" });
    let made = client.ask("CreateModel", sent.clone()).await;
    assert_eq!(made["contentType"], "application/json");
    assert_eq!(client.refusal("CreateModel", sent).await.code, CONFLICT);
    let this = json!({ "apiId": api, "modelId": made["modelId"] });
    assert_eq!(client.ask("GetModel", this.clone()).await, made);
    let template = client.ask("GetModelTemplate", this.clone()).await;
    assert!(template["value"].is_string());
    let mut update = this.clone();
    update["schema"] = json!("{\"type\":\"object\"}");
    let updated = client.ask("UpdateModel", update).await;
    assert_eq!(updated["schema"], "{\"type\":\"object\"}");
    client.ask("DeleteModel", this).await;
    let list = client.ask("GetModels", json!({ "apiId": api })).await;
    assert_eq!(list, json!({ "items": [] }));
}

#[tokio::test]
async fn apis_and_stages_bear_tags_and_nothing_else_does() {
    let client = Client::new();
    let api = client.api().await;
    let stage = json!({ "apiId": api, "stageName": "dev", "tags": { "a": "1" } });
    client.ask("CreateStage", stage).await;
    let root = "arn:aws:apigateway:eu-west-1::/apis";
    for arn in [format!("{root}/{api}"), format!("{root}/{api}/stages/dev")] {
        let tags = json!({ "resource-arn": arn, "tags": { "b": "2", "c": "3" } });
        let (status, _) = client.answer("TagResource", tags).await.unwrap();
        assert_eq!(status, 201);
        let untag = json!({ "resource-arn": arn, "tagKeys": ["c"] });
        let (status, _) = client.answer("UntagResource", untag).await.unwrap();
        assert_eq!(status, 204);
        let tags = client.ask("GetTags", json!({ "resource-arn": arn })).await;
        assert_eq!(tags["tags"]["b"], "2");
        assert_eq!(tags["tags"].get("c"), None);
    }
    let told_tags = client.ask("GetApi", json!({ "apiId": api })).await;
    assert_eq!(told_tags["tags"], json!({ "b": "2" }));
    let stage = json!({ "apiId": api, "stageName": "dev" });
    let stage = client.ask("GetStage", stage).await;
    assert_eq!(stage["tags"], json!({ "a": "1", "b": "2" }));
    for arn in [
        format!("{root}/{api}/routes/a"),
        format!("{root}/{api}/stages/other"),
        format!("{root}/nothere"),
        format!("{root}/"),
        format!("arn:aws:apigateway:us-east-1::/apis/{api}"),
        "nonsense".to_owned(),
    ] {
        let refusal = client
            .refusal("GetTags", json!({ "resource-arn": arn }))
            .await;
        assert_eq!(refusal.code, NOT_FOUND, "{arn}");
    }
    let reserved = json!({ "resource-arn": format!("{root}/{api}"), "tags": { "aws:a": "1" } });
    assert_eq!(client.refusal("TagResource", reserved).await.code, BAD);
}

#[tokio::test]
async fn domains_and_links_are_empty_lists() {
    let client = Client::new();
    for operation in ["GetDomainNames", "GetVpcLinks", "GetApiMappings"] {
        let input = json!({ "domainName": "example.com" });
        assert_eq!(client.ask(operation, input).await, json!({ "items": [] }));
    }
    let refusal = client.refusal("ExportApi", json!({})).await;
    assert_eq!(refusal.code, "UnknownOperationException");
}

#[tokio::test]
async fn members_of_wrong_types_are_refused() {
    let client = Client::new();
    let api = client.api().await;
    let stage = |members: Value| {
        let mut stage = json!({ "apiId": api, "stageName": "dev" });
        for (key, value) in members.as_object().unwrap() {
            stage[key] = value.clone();
        }
        stage
    };
    for (operation, input) in [
        ("CreateRoute", json!({ "apiId": api, "routeKey": 1 })),
        ("CreateRoute", json!({ "apiId": 1, "routeKey": "a" })),
        (
            "CreateRoute",
            json!({ "apiId": api, "routeKey": "a", "requestParameters": { "a": 1 } }),
        ),
        (
            "CreateIntegration",
            json!({ "apiId": api, "integrationType": "MOCK", "requestTemplates": { "a": 1 } }),
        ),
        (
            "CreateIntegration",
            json!({ "apiId": api, "integrationType": "MOCK", "timeoutInMillis": "a" }),
        ),
        ("CreateStage", stage(json!({ "autoDeploy": "perhaps" }))),
        ("CreateStage", stage(json!({ "defaultRouteSettings": [] }))),
        (
            "CreateStage",
            stage(json!({ "defaultRouteSettings": { "throttlingRateLimit": "1" } })),
        ),
        ("CreateStage", stage(json!({ "accessLogSettings": "a" }))),
        (
            "UntagResource",
            json!({ "resource-arn": format!("arn:aws:apigateway:eu-west-1::/apis/{api}"), "tagKeys": [1] }),
        ),
    ] {
        let refusal = client.refusal(operation, input.clone()).await;
        assert_eq!(refusal.code, BAD, "{operation} {input}");
    }
}

#[test]
fn permissions_are_verbs_on_paths() {
    let client = Client::new();
    let cases = [
        ("CreateApi", json!({}), "POST", "/apis"),
        (
            "GetRoute",
            json!({ "apiId": "a", "routeId": "r" }),
            "GET",
            "/apis/a/routes/r",
        ),
        (
            "UpdateStage",
            json!({ "apiId": "a", "stageName": "dev" }),
            "PATCH",
            "/apis/a/stages/dev",
        ),
        ("UpdateAccount", json!({}), "PATCH", "/account"),
        (
            "TagResource",
            json!({ "resource-arn": "arn:aws:apigateway:eu-west-1::/apis/a" }),
            "POST",
            "/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa",
        ),
    ];
    for (operation, input, verb, path) in cases {
        let call = client.call(Service::ApiGateway, operation, &input);
        let permission = permission(&call);
        assert_eq!(permission.action, format!("apigateway:{verb}"));
        assert_eq!(
            permission.resource,
            format!("arn:aws:apigateway:eu-west-1::{path}")
        );
    }
}
