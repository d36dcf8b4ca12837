//! The API: what is live, its routes, who may call whom, who is let in.

use aws_sdk_apigatewayv2::types::{AuthorizationType, RouteSettings};
use jiff::Timestamp;

use super::ward::{Ward, findings};
use crate::harness::{Cloud, run};

#[test]
fn what_is_wrong_with_the_api_is_named_and_nothing_else() {
    let cloud = Cloud::embedded();
    not_deployed(&cloud);
    let ward = Ward::healthy(&cloud);
    live(&ward);
    parts(&ward);
    probed(&ward);
    gone(&ward);
}

/// Without any deployment there's one thing to say.
fn not_deployed(cloud: &Cloud) {
    let project = Ward::project(cloud);
    let mark = cloud.recorder.mark();
    let output = project
        .wsless(["doctor", "--probe", "--output", "json"])
        .exits(1);
    cloud.recorder.mutations_since(mark).assert_none();
    let found = findings(&output);
    assert_eq!(found.len(), 1, "{output}");
    assert_eq!(found[0]["code"], "doctor::not-deployed", "{output}");
}

fn live(ward: &Ward<'_>) {
    ward.broken(&[
        ("doctor::stage-deployment", &|ward| {
            let (gateway, api) = (ward.gateway(), ward.api());
            run(async {
                let made = gateway.create_deployment().api_id(&api).send().await?;
                gateway
                    .update_stage()
                    .api_id(&api)
                    .stage_name("dev")
                    .deployment_id(made.deployment_id.unwrap_or_default())
                    .send()
                    .await?;
                Ok::<_, aws_sdk_apigatewayv2::Error>(())
            })
            .expect("a stage on another deployment");
        }),
        ("doctor::function-policy", &|ward| forbid(ward, "connect")),
    ]);
    let ping = |ward: &Ward<'_>, settings| {
        let update = ward
            .gateway()
            .update_stage()
            .api_id(ward.api())
            .stage_name("dev")
            .route_settings("ping", settings);
        run(update.send()).expect("a route that lets nothing through");
    };
    ward.ill(
        "doctor::route-throttle",
        |ward| ping(ward, nothing()),
        |ward| {
            let delete = ward
                .gateway()
                .delete_route_settings()
                .api_id(ward.api())
                .stage_name("dev")
                .route_key("ping");
            run(delete.send()).expect("no settings of the route");
        },
    );
    let switch = |ward: &Ward<'_>, off: bool| {
        let update = ward
            .gateway()
            .update_api()
            .api_id(ward.api())
            .disable_execute_api_endpoint(off);
        run(update.send()).expect("an updated API");
    };
    ward.ill(
        "doctor::endpoint-disabled",
        |ward| switch(ward, true),
        |ward| switch(ward, false),
    );
    ward.broken(&[("doctor::stage-missing", &|ward| {
        let delete = ward
            .gateway()
            .delete_stage()
            .api_id(ward.api())
            .stage_name("dev");
        run(delete.send()).expect("no stage");
    })]);
}

/// A throttle that lets nothing through.
fn nothing() -> RouteSettings {
    RouteSettings::builder()
        .throttling_rate_limit(0.0)
        .throttling_burst_limit(0)
        .build()
}

#[allow(clippy::too_many_lines, reason = "a list of ways to break it")]
fn parts(ward: &Ward<'_>) {
    ward.broken(&[
        ("doctor::throttle", &|ward| {
            let update = ward
                .gateway()
                .update_stage()
                .api_id(ward.api())
                .stage_name("dev")
                .default_route_settings(nothing());
            run(update.send()).expect("a stage that lets nothing through");
        }),
        ("doctor::route-selection", &|ward| {
            let update = ward
                .gateway()
                .update_api()
                .api_id(ward.api())
                .route_selection_expression("$request.body.kind");
            run(update.send()).expect("another route selection");
        }),
        ("doctor::mapping-template", &|ward| {
            let update = ward
                .gateway()
                .update_integration()
                .api_id(ward.api())
                .integration_id(integration(ward, "Queue of echo"))
                .request_templates("$default", "Action=SendMessage&MessageBody=$input.body");
            run(update.send()).expect("a naive template");
        }),
        ("doctor::integration-timeout", &|ward| {
            let update = ward
                .gateway()
                .update_integration()
                .api_id(ward.api())
                .integration_id(integration(ward, "Function ping"))
                .timeout_in_millis(50);
            run(update.send()).expect("an impatient integration");
        }),
        // A route that nobody asked for isn't wrong, yet it's there.
        ("doctor::left-over", &|ward| {
            let target = format!("integrations/{}", integration(ward, "Function ping"));
            let create = ward
                .gateway()
                .create_route()
                .api_id(ward.api())
                .route_key("extra")
                .target(target);
            run(create.send()).expect("a route more");
        }),
        ("doctor::route-missing", &|ward| {
            let delete = ward
                .gateway()
                .delete_route()
                .api_id(ward.api())
                .route_id(route(ward, "ping"));
            run(delete.send()).expect("no route");
        }),
        ("doctor::identity-source", &|ward| {
            let (gateway, api) = (ward.gateway(), ward.api());
            run(async {
                let found = gateway.get_authorizers().api_id(&api).send().await?;
                let authorizers = found.items.unwrap_or_default();
                let id = authorizers[0].authorizer_id.clone().unwrap_or_default();
                gateway
                    .update_authorizer()
                    .api_id(&api)
                    .authorizer_id(id)
                    .identity_source("route.request.header.Authorization")
                    .send()
                    .await?;
                Ok::<_, aws_sdk_apigatewayv2::Error>(())
            })
            .expect("another identity source");
        }),
        ("doctor::authorization", &|ward| {
            let update = ward
                .gateway()
                .update_route()
                .api_id(ward.api())
                .route_id(route(ward, "$connect"))
                .authorization_type(AuthorizationType::None);
            run(update.send()).expect("an open door");
        }),
    ]);
    ward.broken(&[
        ("doctor::no-answer", &|ward| {
            let (gateway, api, route) = (ward.gateway(), ward.api(), route(ward, "ping"));
            run(async {
                let found = gateway
                    .get_route_responses()
                    .api_id(&api)
                    .route_id(&route)
                    .send()
                    .await?;
                for response in found.items.unwrap_or_default() {
                    gateway
                        .delete_route_response()
                        .api_id(&api)
                        .route_id(&route)
                        .route_response_id(response.route_response_id.unwrap_or_default())
                        .send()
                        .await?;
                }
                Ok::<_, aws_sdk_apigatewayv2::Error>(())
            })
            .expect("no route response");
        }),
        // A statement for another route is none for this one.
        ("doctor::function-policy", &|ward| {
            forbid(ward, "ping");
            let source = format!(
                "arn:aws:execute-api:us-east-1:000000000000:{}/dev/pong",
                ward.api()
            );
            let add = ward
                .lambda()
                .add_permission()
                .function_name(ward.name("ping"))
                .qualifier("live")
                .statement_id("wsless-narrow")
                .action("lambda:InvokeFunction")
                .principal("apigateway.amazonaws.com")
                .source_arn(source);
            run(add.send()).expect("a permission for another route");
        }),
    ]);
}

/// A probe meets what isn't to be seen from outside, and what is to be seen explains what it meets.
fn probed(ward: &Ward<'_>) {
    let probe = ["--probe", "--query", "token=letmein"];
    let codes = |output: &crate::harness::Output| -> Vec<String> {
        let code = |finding: &serde_json::Value| finding["code"].as_str().map(str::to_owned);
        findings(output).iter().filter_map(code).collect()
    };
    let since = Timestamp::now();
    let output = ward.doctor(since, &probe);
    assert_eq!((output.code, codes(&output).len()), (0, 0), "{output}");
    let output = ward.doctor(since, &["--probe"]);
    assert_eq!(codes(&output), ["doctor::probe-handshake"], "{output}");
    forbid(ward, "ping");
    let output = ward.doctor(since, &probe);
    assert_eq!(codes(&output), ["doctor::function-policy"], "{output}");
    let result = output.json_lines().pop().expect("a result");
    let consequences = result["consequences"].to_string();
    assert!(consequences.contains("`ping`"), "{consequences}");
}

/// Another API, and none.
fn gone(ward: &Ward<'_>) {
    ward.broken(&[
        ("doctor::two-apis", &|ward| {
            let create = ward
                .gateway()
                .create_api()
                .name("ward-dev")
                .protocol_type(aws_sdk_apigatewayv2::types::ProtocolType::Websocket)
                .route_selection_expression("$request.body.action")
                .tags("wsless:project", "ward")
                .tags("wsless:stage", "dev");
            run(create.send()).expect("another API");
        }),
        // Of the probe before.
        ("doctor::function-policy", &|_| ()),
    ]);
    ward.broken(&[("doctor::api-missing", &|ward| {
        let delete = ward.gateway().delete_api().api_id(ward.api());
        run(delete.send()).expect("no API");
    })]);
    ward.is_healthy();
}

/// Takes every permission of a function's alias away.
#[track_caller]
fn forbid(ward: &Ward<'_>, function: &str) {
    let lambda = ward.lambda();
    let name = ward.name(function);
    run(async {
        let found = lambda
            .get_policy()
            .function_name(&name)
            .qualifier("live")
            .send()
            .await?;
        let policy: serde_json::Value =
            serde_json::from_str(&found.policy.unwrap_or_default()).unwrap_or_default();
        for statement in policy["Statement"].as_array().into_iter().flatten() {
            lambda
                .remove_permission()
                .function_name(&name)
                .qualifier("live")
                .statement_id(statement["Sid"].as_str().unwrap_or_default())
                .send()
                .await?;
        }
        Ok::<_, aws_sdk_lambda::Error>(())
    })
    .unwrap_or_else(|error| panic!("no permission of {function}: {error:?}"));
}

#[track_caller]
fn route(ward: &Ward<'_>, key: &str) -> String {
    let routes = run(ward.gateway().get_routes().api_id(ward.api()).send()).expect("routes");
    let found = routes
        .items
        .unwrap_or_default()
        .into_iter()
        .find(|route| route.route_key.as_deref() == Some(key));
    found.and_then(|route| route.route_id).expect("the route")
}

#[track_caller]
fn integration(ward: &Ward<'_>, description: &str) -> String {
    let found = run(ward.gateway().get_integrations().api_id(ward.api()).send());
    let found = found
        .expect("integrations")
        .items
        .unwrap_or_default()
        .into_iter()
        .find(|found| found.description.as_deref() == Some(description));
    found
        .and_then(|found| found.integration_id)
        .expect("the integration")
}
