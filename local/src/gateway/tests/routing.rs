//! Integrations, routes, their responses, and authorizers.

use serde_json::{Value, json};

use super::{Client, FUNCTION, QUEUE, ROLE, id, told};

const NOT_FOUND: &str = "NotFoundException";
const BAD: &str = "BadRequestException";
const CONFLICT: &str = "ConflictException";

#[tokio::test]
async fn a_functions_integration_reads_back_as_on_aws() {
    let client = Client::new();
    let api = client.api().await;
    let sent = json!({ "apiId": api, "integrationType": "AWS_PROXY", "integrationUri": FUNCTION });
    let (status, integration) = client.answer("CreateIntegration", sent).await.unwrap();
    let integration_id = id(&integration, "integrationId");
    assert_eq!((status, integration_id.len()), (201, 7));
    assert_eq!(
        integration,
        json!({
            "connectionType": "INTERNET",
            "integrationId": integration_id,
            "integrationMethod": "POST",
            "integrationType": "AWS_PROXY",
            "integrationUri": FUNCTION,
            "passthroughBehavior": "WHEN_NO_MATCH",
            "payloadFormatVersion": "1.0",
            "timeoutInMillis": 29000,
        })
    );
}

#[tokio::test]
async fn a_queues_integration_reads_back_as_it_was_sent() {
    let client = Client::new();
    let api = client.api().await;
    let sent = json!({
        "apiId": api,
        "connectionType": "INTERNET",
        "credentialsArn": ROLE,
        "integrationMethod": "POST",
        "integrationType": "AWS",
        "integrationUri": QUEUE,
        "passthroughBehavior": "NEVER",
        "requestParameters": {
            "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
        },
        "requestTemplates": { "$default": "Action=SendMessage&MessageBody=$util.urlEncode($input.body)" },
        "templateSelectionExpression": "\\$default",
        "timeoutInMillis": 3000,
    });
    let mut integration = client.ask("CreateIntegration", sent.clone()).await;
    let integration_id = id(&integration, "integrationId");
    assert_eq!(
        integration["integrationResponseSelectionExpression"],
        "${integration.response.statuscode}"
    );
    let members = integration.as_object_mut().unwrap();
    members.remove("integrationId");
    members.remove("integrationResponseSelectionExpression");
    members.remove("payloadFormatVersion");
    members.insert("apiId".to_owned(), json!(api));
    assert_eq!(integration, sent);

    // A parameter that is said empty goes, and one that isn't said stays [BC].
    let update = json!({
        "apiId": api,
        "integrationId": integration_id,
        "requestParameters": {
            "integration.request.header.X-Stage": "context.stage",
            "integration.request.header.Content-Type": "",
        },
        "templateSelectionExpression": "",
    });
    let updated = client.ask("UpdateIntegration", update).await;
    assert_eq!(
        updated["requestParameters"],
        json!({ "integration.request.header.X-Stage": "context.stage" })
    );
    assert_eq!(updated.get("templateSelectionExpression"), None);
    assert_eq!(updated["passthroughBehavior"], "NEVER");
    assert_eq!(updated["requestTemplates"], sent["requestTemplates"]);
}

/// Refuses an integration, once for each of the members that make it wrong.
async fn refused(right: Value, cases: &[(Value, &str)]) {
    let client = Client::new();
    let api = client.api().await;
    for (wrong, message) in cases {
        let mut input = right.clone();
        input["apiId"] = json!(api);
        for (key, value) in wrong.as_object().unwrap() {
            input[key] = value.clone();
        }
        let refusal = client.refusal("CreateIntegration", input).await;
        assert_eq!(told(&refusal), (BAD, 400, *message));
    }
    let none = client.ask("GetIntegrations", json!({ "apiId": api })).await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn integrations_with_functions_of_wrong_shapes_are_refused() {
    let right = json!({ "integrationType": "AWS_PROXY", "integrationUri": FUNCTION });
    let cases = [
        (
            json!({ "timeoutInMillis": 49 }),
            "Timeout should be between 50 ms and 29000 ms",
        ),
        (
            json!({ "timeoutInMillis": 29_001 }),
            "Timeout should be between 50 ms and 29000 ms",
        ),
        (
            json!({ "integrationMethod": "GET" }),
            "HttpMethod must be POST for AWS_PROXY IntegrationType.",
        ),
        (
            json!({ "integrationUri": "arn:aws:lambda:eu-west-1:000000000000:function:a" }),
            "AWS ARN for integration must contain path or action",
        ),
        (
            json!({ "integrationUri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/a/invocations" }),
            "Invalid function ARN or invalid uri",
        ),
        (
            json!({ "integrationUri": null }),
            "Invalid ARN specified in the request",
        ),
        (
            json!({ "integrationUri": QUEUE }),
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
        ),
        (
            json!({ "payloadFormatVersion": "2.0" }),
            "PayloadFormatVersion must be 1.0 for WEBSOCKET protocol Apis.",
        ),
        (
            json!({ "integrationSubtype": "SQS-SendMessage" }),
            "IntegrationSubtype cannot be set for WEBSOCKET protocol Apis.",
        ),
        (
            json!({ "credentialsArn": "not-an-arn" }),
            "Invalid role ARN",
        ),
        (
            json!({ "integrationType": "LAMBDA" }),
            "Invalid value for integrationType: LAMBDA. Must be one of: [AWS, HTTP, MOCK, HTTP_PROXY, AWS_PROXY]",
        ),
    ];
    refused(right, &cases).await;
}

#[tokio::test]
async fn integrations_with_services_of_wrong_shapes_are_refused() {
    let right = json!({
        "integrationType": "AWS",
        "integrationUri": QUEUE,
        "integrationMethod": "POST",
        "credentialsArn": ROLE,
    });
    let cases = [
        (
            json!({ "credentialsArn": null }),
            "Role ARN must be specified for AWS integrations",
        ),
        (
            json!({ "integrationMethod": null }),
            "Enumeration value for HttpMethod must be non-empty",
        ),
        (
            json!({ "requestParameters": { "method.request.header.a": "'b'" } }),
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: method.request.header.a]",
        ),
        (
            json!({ "requestParameters": { "integration.request.header.a": "b" } }),
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: b]",
        ),
        (
            json!({ "integrationType": "HTTP_PROXY", "integrationUri": "ftp://a" }),
            "Invalid HTTP endpoint specified for URI",
        ),
    ];
    refused(right, &cases).await;
}

#[tokio::test]
async fn a_mock_and_a_functions_own_integration_select_their_answers() {
    let client = Client::new();
    let api = client.api().await;
    let mock = json!({ "apiId": api, "integrationType": "MOCK" });
    let mock = client.ask("CreateIntegration", mock).await;
    let selection = "integrationResponseSelectionExpression";
    assert_eq!(mock[selection], "${integration.response.statuscode}");
    let custom = json!({ "apiId": api, "integrationType": "AWS", "integrationUri": FUNCTION });
    let custom = client.ask("CreateIntegration", custom).await;
    assert_eq!(
        custom[selection],
        "${integration.response.body.errorMessage}"
    );
}

#[tokio::test]
async fn an_integration_that_routes_refer_to_isnt_deleted() {
    let client = Client::new();
    let api = client.api().await;
    let integration = client.integration(&api).await;
    let target = format!("integrations/{integration}");
    let mut routes = Vec::new();
    for key in ["$connect", "hello"] {
        let route = json!({ "apiId": api, "routeKey": key, "target": target });
        routes.push(id(&client.ask("CreateRoute", route).await, "routeId"));
    }
    routes.sort();
    let this = json!({ "apiId": api, "integrationId": integration });
    let refusal = client.refusal("DeleteIntegration", this.clone()).await;
    let message = format!(
        "Cannot delete Integration because it is referenced by the following Routes with Ids: [{}]",
        routes.join(", ")
    );
    assert_eq!(told(&refusal), (CONFLICT, 409, message.as_str()));
    for route in routes {
        client
            .ask("DeleteRoute", json!({ "apiId": api, "routeId": route }))
            .await;
    }
    client.ask("DeleteIntegration", this.clone()).await;
    let refusal = client.refusal("GetIntegration", this).await;
    assert_eq!(refusal.code, NOT_FOUND);
}

#[tokio::test]
async fn a_route_is_told_as_on_aws_and_its_update_is_a_201() {
    let client = Client::new();
    let api = client.api().await;
    let integration = client.integration(&api).await;
    let target = format!("integrations/{integration}");
    let sent = json!({ "apiId": api, "routeKey": "$default", "target": target });
    let route = client.ask("CreateRoute", sent).await;
    let route_id = id(&route, "routeId");
    assert_eq!(
        route,
        json!({
            "apiKeyRequired": false,
            "authorizationType": "NONE",
            "routeId": route_id,
            "routeKey": "$default",
            "target": target,
        })
    );
    let update = json!({ "apiId": api, "routeId": route_id, "routeResponseSelectionExpression": "$default" });
    let (status, updated) = client.answer("UpdateRoute", update).await.unwrap();
    assert_eq!(status, 201);
    assert_eq!(updated["routeResponseSelectionExpression"], "$default");
    assert_eq!(updated["target"], target.as_str());
    let update =
        json!({ "apiId": api, "routeId": route_id, "routeResponseSelectionExpression": "" });
    let updated = client.ask("UpdateRoute", update).await;
    assert_eq!(updated.get("routeResponseSelectionExpression"), None);
    let read = client
        .ask("GetRoute", json!({ "apiId": api, "routeId": route_id }))
        .await;
    assert_eq!(read, updated);
}

#[tokio::test]
async fn route_keys_are_unique_and_leave_the_dollar_to_aws() {
    let client = Client::new();
    let api = client.api().await;
    let hello = client.route(&api, "hello").await;
    let again = json!({ "apiId": api, "routeKey": "hello" });
    let refusal = client.refusal("CreateRoute", again).await;
    let message = "Route with key hello already exists for this API";
    assert_eq!(told(&refusal), (CONFLICT, 409, message));
    for key in ["$other", "$", "$Connect"] {
        let refusal = client
            .refusal("CreateRoute", json!({ "apiId": api, "routeKey": key }))
            .await;
        assert_eq!(refusal.code, BAD, "{key}");
    }
    for key in ["$connect", "$disconnect", "$default", "join room", "1"] {
        client.route(&api, key).await;
    }
    let rename = |key: &str| json!({ "apiId": api, "routeId": hello, "routeKey": key });
    assert_eq!(
        client.refusal("UpdateRoute", rename("1")).await.code,
        CONFLICT
    );
    let renamed = client.ask("UpdateRoute", rename("goodbye")).await;
    assert_eq!(renamed["routeKey"], "goodbye");
    let kept = client.ask("UpdateRoute", rename("goodbye")).await;
    assert_eq!(kept, renamed);
}

#[tokio::test]
async fn a_routes_target_must_be_there() {
    let client = Client::new();
    let api = client.api().await;
    let route = json!({ "apiId": api, "routeKey": "a", "target": "integrations/nothere" });
    let refusal = client.refusal("CreateRoute", route).await;
    let message = "Invalid Integration identifier specified nothere";
    assert_eq!(told(&refusal), (NOT_FOUND, 404, message));
    let route = json!({ "apiId": api, "routeKey": "a", "target": "nothere" });
    assert_eq!(client.refusal("CreateRoute", route).await.code, BAD);
}

#[tokio::test]
async fn only_connect_is_authorized() {
    let client = Client::new();
    let api = client.api().await;
    let authorizer = json!({
        "apiId": api,
        "authorizerType": "REQUEST",
        "authorizerUri": FUNCTION,
        "identitySource": ["route.request.querystring.token"],
        "name": "who",
    });
    let authorizer = client.ask("CreateAuthorizer", authorizer).await;
    let authorizer_id = id(&authorizer, "authorizerId");
    let route = |key: &str, kind: &str, authorizer: Option<&str>| json!({ "apiId": api, "routeKey": key, "authorizationType": kind, "authorizerId": authorizer });
    let only = "Currently, authorization is restricted to the $connect route only";
    for (key, kind) in [
        ("hello", "CUSTOM"),
        ("$default", "AWS_IAM"),
        ("$disconnect", "CUSTOM"),
    ] {
        let refusal = client
            .refusal("CreateRoute", route(key, kind, Some(&authorizer_id)))
            .await;
        assert_eq!(told(&refusal), (BAD, 400, only));
    }
    let connect = route("$connect", "CUSTOM", Some("nothere"));
    let refusal = client.refusal("CreateRoute", connect).await;
    assert!(
        refusal
            .message
            .starts_with("Invalid authorizer ID specified")
    );
    let jwt = route("$connect", "JWT", Some(&authorizer_id));
    assert_eq!(client.refusal("CreateRoute", jwt).await.code, BAD);
    let connect = route("$connect", "CUSTOM", Some(&authorizer_id));
    let connect = client.ask("CreateRoute", connect).await;
    assert_eq!(connect["authorizerId"], authorizer_id.as_str());

    let this = json!({ "apiId": api, "authorizerId": authorizer_id });
    let refusal = client.refusal("DeleteAuthorizer", this.clone()).await;
    let message = "Cannot delete authorizer 'who', is referenced in route: $connect";
    assert_eq!(told(&refusal), (CONFLICT, 409, message));
    let route_id = id(&connect, "routeId");
    let renamed = json!({ "apiId": api, "routeId": route_id, "routeKey": "hello" });
    let refusal = client.refusal("UpdateRoute", renamed).await;
    assert_eq!(told(&refusal), (BAD, 400, only));
    let open = json!({ "apiId": api, "routeId": route_id, "authorizationType": "NONE" });
    let open = client.ask("UpdateRoute", open).await;
    assert_eq!(
        open.get("authorizerId"),
        None,
        "NONE detaches the authorizer"
    );
    client.ask("DeleteAuthorizer", this).await;
}

#[tokio::test]
async fn authorizers_are_of_the_type_request_and_have_nothing_of_http_apis() {
    let client = Client::new();
    let api = client.api().await;
    let right = json!({
        "apiId": api,
        "authorizerType": "REQUEST",
        "authorizerUri": FUNCTION,
        "identitySource": ["route.request.header.Auth", "context.stage", "stageVariables.a"],
        "name": "who",
    });
    let source = |source: &str| {
        format!(
            "Invalid request identity source expression: {source}. The sources must be separated by comma, and each source must be either a request parameter, matching 'route.request.querystring|header.[a-zA-Z0-9._-]+', or a stage variable, matching 'stageVariables.[a-zA-Z0-9._-]+', or a context parameter, matching 'context.[a-zA-Z0-9._-]+'"
        )
    };
    let cases = [
        (json!({ "authorizerType": "JWT" }), "Invalid authorizer type. Only REQUEST authorizer type is supported on WEBSOCKET protocol Apis.".to_owned()),
        (json!({ "authorizerPayloadFormatVersion": "1.0" }), "AuthorizerPayloadFormatVersion cannot be set for WEBSOCKET protocol Apis.".to_owned()),
        (json!({ "authorizerResultTtlInSeconds": 0 }), "AuthorizerResultTtlInSeconds cannot be set for WEBSOCKET protocol Apis.".to_owned()),
        (json!({ "enableSimpleResponses": false }), "EnableSimpleResponses cannot be set for WEBSOCKET protocol Apis.".to_owned()),
        (json!({ "identitySource": ["$request.header.Auth"] }), source("$request.header.Auth")),
        (json!({ "identitySource": ["route.request.header."] }), source("route.request.header.")),
        (json!({ "authorizerCredentialsArn": "" }), "Invalid role ARN".to_owned()),
        (json!({ "identityValidationExpression": "[" }), "Invalid validation expression: [".to_owned()),
        (json!({ "authorizerUri": "arn:aws:lambda:a" }), "Invalid function ARN or invalid uri".to_owned()),
    ];
    for (wrong, message) in cases {
        let mut input = right.clone();
        for (key, value) in wrong.as_object().unwrap() {
            input[key] = value.clone();
        }
        let refusal = client.refusal("CreateAuthorizer", input).await;
        assert_eq!(told(&refusal), (BAD, 400, message.as_str()));
    }
    let made = client.ask("CreateAuthorizer", right.clone()).await;
    assert_eq!(made["identitySource"], right["identitySource"]);
    let authorizer_id = id(&made, "authorizerId");
    assert_eq!(authorizer_id.len(), 6);
    // An update that is refused changes nothing [STK].
    let refused = json!({ "apiId": api, "authorizerId": authorizer_id, "name": "x", "identitySource": ["invalid"] });
    client.refusal("UpdateAuthorizer", refused).await;
    let this = json!({ "apiId": api, "authorizerId": authorizer_id });
    assert_eq!(client.ask("GetAuthorizer", this).await, made);
    let cleared = json!({ "apiId": api, "authorizerId": authorizer_id, "identitySource": [] });
    let cleared = client.ask("UpdateAuthorizer", cleared).await;
    assert_eq!(cleared.get("identitySource"), None);
    let refusal = client
        .refusal(
            "GetAuthorizer",
            json!({ "apiId": api, "authorizerId": "nothere" }),
        )
        .await;
    let message = "Invalid Authorizer identifier specified";
    assert_eq!(told(&refusal), (NOT_FOUND, 404, message));
}

#[tokio::test]
async fn there_are_ten_authorizers_at_most() {
    let client = Client::new();
    let api = client.api().await;
    for index in 0..11 {
        let authorizer = json!({
            "apiId": api,
            "authorizerType": "REQUEST",
            "authorizerUri": FUNCTION,
            "name": format!("a{index}"),
        });
        let answer = client.answer("CreateAuthorizer", authorizer).await;
        assert_eq!(answer.is_ok(), index < 10, "{index}");
        if let Err(error) = answer {
            let message = "Maximum number of Authorizers for this API has been reached. Please contact AWS if you need additional Authorizers.";
            assert_eq!(told(&error), (CONFLICT, 429, message));
        }
    }
}

#[tokio::test]
async fn there_are_300_routes_at_most() {
    let client = Client::new();
    let api = client.api().await;
    for index in 0..300 {
        client.route(&api, &format!("r{index}")).await;
    }
    let one_more = json!({ "apiId": api, "routeKey": "one-more" });
    let refusal = client.refusal("CreateRoute", one_more).await;
    assert_eq!(refusal.status, 429);
}

#[tokio::test]
async fn responses_belong_to_their_route_and_integration() {
    let client = Client::new();
    let api = client.api().await;
    let integration = client.integration(&api).await;
    let route = client.route(&api, "a").await;
    let response = json!({ "apiId": api, "routeId": route, "routeResponseKey": "$default" });
    let made = client.ask("CreateRouteResponse", response.clone()).await;
    let response_id = id(&made, "routeResponseId");
    assert_eq!(
        made,
        json!({ "routeResponseId": response_id, "routeResponseKey": "$default" })
    );
    assert_eq!(
        client.refusal("CreateRouteResponse", response).await.code,
        CONFLICT
    );
    let other = json!({ "apiId": api, "routeId": route, "routeResponseKey": "other" });
    assert_eq!(client.refusal("CreateRouteResponse", other).await.code, BAD);
    let list = json!({ "apiId": api, "routeId": route });
    assert_eq!(
        client.ask("GetRouteResponses", list.clone()).await,
        json!({ "items": [made] })
    );
    let this = json!({ "apiId": api, "routeId": route, "routeResponseId": response_id });
    client.ask("DeleteRouteResponse", this).await;
    assert_eq!(
        client.ask("GetRouteResponses", list).await,
        json!({ "items": [] })
    );

    let response = json!({
        "apiId": api,
        "integrationId": integration,
        "integrationResponseKey": "/4\\d\\d/",
        "responseTemplates": { "$default": "{}" },
        "templateSelectionExpression": "\\$default",
    });
    let made = client
        .ask("CreateIntegrationResponse", response.clone())
        .await;
    assert_eq!(made["integrationResponseKey"], "/4\\d\\d/");
    assert_eq!(made["responseTemplates"], response["responseTemplates"]);
    let mut wrong = response.clone();
    wrong["integrationResponseKey"] = json!("200");
    let refusal = client.refusal("CreateIntegrationResponse", wrong).await;
    assert_eq!(refusal.code, BAD);
    let this = json!({
        "apiId": api,
        "integrationId": integration,
        "integrationResponseId": made["integrationResponseId"],
    });
    assert_eq!(
        client.ask("GetIntegrationResponse", this.clone()).await,
        made
    );
    let mut update = this.clone();
    update["integrationResponseKey"] = json!("$default");
    update["templateSelectionExpression"] = json!("");
    let updated = client.ask("UpdateIntegrationResponse", update).await;
    assert_eq!(updated["integrationResponseKey"], "$default");
    assert_eq!(updated.get("templateSelectionExpression"), None);
    client.ask("DeleteIntegrationResponse", this).await;
    let list = json!({ "apiId": api, "integrationId": integration });
    assert_eq!(
        client.ask("GetIntegrationResponses", list).await,
        json!({ "items": [] })
    );
}

#[tokio::test]
async fn request_parameters_go_one_by_one() {
    let client = Client::new();
    let api = client.api().await;
    let key = "route.request.querystring.token";
    let route = json!({ "apiId": api, "routeKey": "$connect", "requestParameters": { key: { "required": true } } });
    let route = client.ask("CreateRoute", route).await;
    assert_eq!(route["requestParameters"][key], json!({ "required": true }));
    let this = json!({ "apiId": api, "routeId": route["routeId"], "requestParameterKey": key });
    client
        .ask("DeleteRouteRequestParameter", this.clone())
        .await;
    let refusal = client.refusal("DeleteRouteRequestParameter", this).await;
    assert_eq!(refusal.code, NOT_FOUND);
}
