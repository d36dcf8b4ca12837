//! What ministack doesn't need and AWS does, read back: deployments, permissions, route responses, credentials,
//! mappings, queues' attributes, tags.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigatewayv2::types::Route;
use aws_sdk_lambda::types::FunctionResponseType;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::{System, policy};
use crate::harness::run;

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// Everything of the echo template's system.
#[track_caller]
pub fn assert_as_aws_needs_it(system: &System<'_>, planned: &BTreeMap<String, String>) {
    assert_stage_is_on_the_newest_deployment(system);
    assert_functions_may_be_called_by_their_routes_only(system);
    assert_direct_routes_answer(system);
    assert_queue_integrations_have_credentials(system);
    assert_mappings_report_failures(system);
    assert_queues_retry_and_give_up(system);
    assert_all_is_tagged(system, planned);
}

/// The stage's deployment is the newest one, and says which configuration it's of.
#[track_caller]
pub fn assert_stage_is_on_the_newest_deployment(system: &System<'_>) {
    let gateway = aws_sdk_apigatewayv2::Client::new(&system.cloud.sdk());
    let api = api_id(system);
    let (stage, deployments) = run(async {
        let stage = gateway.get_stage().api_id(&api).stage_name(system.stage);
        let deployments = gateway.get_deployments().api_id(&api);
        Ok::<_, aws_sdk_apigatewayv2::Error>((stage.send().await?, deployments.send().await?))
    })
    .expect("a stage and deployments");
    let deployments = deployments.items.unwrap_or_default();
    // Without the hash, the next deploy couldn't tell what is live.
    let hash = |text: &str| {
        text.strip_prefix("wsless ")
            .is_some_and(|hash| hash.len() == 32 && hash.chars().all(|c| c.is_ascii_hexdigit()))
    };
    for deployment in &deployments {
        let description = deployment.description.as_deref().unwrap_or_default();
        assert!(hash(description), "{deployment:?}");
    }
    let newest = deployments
        .iter()
        .max_by_key(|deployment| deployment.created_date)
        .expect("a deployment");
    assert_eq!(stage.deployment_id, newest.deployment_id, "{deployments:?}");
}

/// Each alias has a statement for exactly the routes that lead to it; who is reached by a queue has none.
#[track_caller]
fn assert_functions_may_be_called_by_their_routes_only(system: &System<'_>) {
    let lambda = aws_sdk_lambda::Client::new(&system.cloud.sdk());
    let api = api_id(system);
    for (function, routes) in [
        ("connect", &["$connect"][..]),
        ("disconnect", &["$disconnect"]),
        ("ping", &["ping"]),
        ("echo", &[]),
        ("push", &[]),
    ] {
        let name = system.thing(function);
        let policy = run(lambda
            .get_policy()
            .function_name(&name)
            .qualifier("live")
            .send());
        // AWS answers 404 where ministack answers an empty policy.
        let text = policy.ok().and_then(|found| found.policy);
        let policy: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
        let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
        let found: Vec<Value> = statements
            .into_iter()
            .map(|mut statement| {
                let sid = statement.as_object_mut().and_then(|it| it.remove("Sid"));
                assert!(sid.is_some_and(|sid| sid.is_string()));
                statement
            })
            .collect();
        let wanted: Vec<Value> = routes
            .iter()
            .map(|route| {
                let source = format!(
                    "arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{}/{route}",
                    system.stage
                );
                json!({
                    "Effect": "Allow",
                    "Principal": {"Service": "apigateway.amazonaws.com"},
                    "Action": "lambda:InvokeFunction",
                    "Resource": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:live"),
                    "Condition": {"ArnLike": {"AWS:SourceArn": source}},
                })
            })
            .collect();
        assert_eq!(found, wanted, "{function}");
    }
}

/// Sending a result back takes a selection expression and a response, on direct routes and on no other.
#[track_caller]
fn assert_direct_routes_answer(system: &System<'_>) {
    let gateway = aws_sdk_apigatewayv2::Client::new(&system.cloud.sdk());
    let api = api_id(system);
    let routes = run(gateway.get_routes().api_id(&api).send()).expect("routes");
    let responses = |route: &Route| -> Vec<String> {
        let id = route.route_id.as_deref().unwrap_or_default();
        let found = run(gateway
            .get_route_responses()
            .api_id(&api)
            .route_id(id)
            .send());
        let found = found.expect("route responses").items.unwrap_or_default();
        found
            .into_iter()
            .filter_map(|one| one.route_response_key)
            .collect()
    };
    let found: BTreeMap<String, (Option<String>, Vec<String>)> = routes
        .items
        .unwrap_or_default()
        .iter()
        .map(|route| {
            let selection = route.route_response_selection_expression.clone();
            let key = route.route_key.clone().unwrap_or_default();
            (key, (selection, responses(route)))
        })
        .collect();
    let silent = || (None, Vec::new());
    let default = || "$default".to_owned();
    let wanted = BTreeMap::from([
        ("$connect".to_owned(), silent()),
        ("$default".to_owned(), silent()),
        ("$disconnect".to_owned(), silent()),
        ("ping".to_owned(), (Some(default()), vec![default()])),
    ]);
    assert_eq!(found, wanted);
}

/// ministack keeps an integration's type and URI only, so the rest is seen in what was sent.
#[track_caller]
fn assert_queue_integrations_have_credentials(system: &System<'_>) {
    let made = system.cloud.recorder.calls().named("CreateIntegration");
    let of_queues: Vec<Value> = made
        .iter()
        .map(crate::harness::Call::json)
        .filter(|body| body["integrationType"] == "AWS")
        .collect();
    let [queue] = &of_queues[..] else {
        panic!("one integration with a queue: {of_queues:#?}");
    };
    let role = format!(
        "arn:aws:iam::{ACCOUNT}:role/wsless/{}/{}/{}",
        system.name,
        system.stage,
        system.thing("gateway")
    );
    assert_eq!(queue["credentialsArn"], role);
    assert_eq!(queue["passthroughBehavior"], "NEVER");
    let uri = format!(
        "arn:aws:apigateway:{REGION}:sqs:path/{ACCOUNT}/{}",
        system.thing("echo")
    );
    assert_eq!(queue["integrationUri"], uri);

    let document = policy(system, &system.thing("gateway")).expect("API Gateway's role");
    let one = |value: &Value| match value {
        Value::Array(values) if values.len() == 1 => values[0].clone(),
        other => other.clone(),
    };
    let statement = one(&document["Statement"]);
    assert_eq!(one(&statement["Action"]), "sqs:SendMessage");
    let queue = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", system.thing("echo"));
    assert_eq!(one(&statement["Resource"]), queue);

    let gateway = aws_sdk_apigatewayv2::Client::new(&system.cloud.sdk());
    let kept = run(gateway.get_integrations().api_id(api_id(system)).send());
    let kept = kept.expect("integrations").items.unwrap_or_default();
    assert!(
        kept.iter()
            .any(|found| found.integration_uri.as_deref() == Some(&uri))
    );
}

/// Mappings call the alias, and a message that fails comes back without the rest of its batch.
#[track_caller]
fn assert_mappings_report_failures(system: &System<'_>) {
    let lambda = aws_sdk_lambda::Client::new(&system.cloud.sdk());
    let mappings = run(lambda.list_event_source_mappings().send()).expect("mappings");
    let mut found: Vec<String> = mappings
        .event_source_mappings
        .unwrap_or_default()
        .iter()
        .map(|mapping| {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let reports: Vec<_> = mapping
                .function_response_types()
                .iter()
                .map(FunctionResponseType::as_str)
                .collect();
            format!(
                "{} -> {} {} {reports:?}",
                text(&mapping.event_source_arn),
                text(&mapping.function_arn),
                text(&mapping.state)
            )
        })
        .collect();
    found.sort();
    let wanted = [("echo", "echo"), ("results", "push")].map(|(queue, function)| {
        format!(
            "arn:aws:sqs:{REGION}:{ACCOUNT}:{} -> arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}:live Enabled \
             [\"ReportBatchItemFailures\"]",
            system.thing(queue),
            system.thing(function)
        )
    });
    assert_eq!(found, wanted);
}

/// A message is hidden for six times its function's timeout, tried five times, then kept for 14 days.
#[track_caller]
fn assert_queues_retry_and_give_up(system: &System<'_>) {
    for (queue, function) in [("echo", "echo"), ("results", "push")] {
        let timeout = system.function(function).timeout.expect("a timeout");
        let attributes = queue_attributes(system, queue);
        let visibility = &attributes[&QueueAttributeName::VisibilityTimeout];
        assert_eq!(*visibility, (timeout * 6).to_string(), "{queue}");
        let redrive = &attributes[&QueueAttributeName::RedrivePolicy];
        let redrive: Value = serde_json::from_str(redrive).expect("a redrive policy in JSON");
        let letters = format!(
            "arn:aws:sqs:{REGION}:{ACCOUNT}:{}",
            system.thing(&format!("{queue}-dlq"))
        );
        assert_eq!(redrive["deadLetterTargetArn"], letters, "{queue}");
        let receives = redrive["maxReceiveCount"].to_string();
        assert_eq!(receives.trim_matches('"'), "5", "{queue}");

        let letters = queue_attributes(system, &format!("{queue}-dlq"));
        let retention = &letters[&QueueAttributeName::MessageRetentionPeriod];
        assert_eq!(retention, "1209600", "{queue}");
        assert!(!letters.contains_key(&QueueAttributeName::RedrivePolicy));
    }
}

#[track_caller]
fn queue_attributes(system: &System<'_>, queue: &str) -> HashMap<QueueAttributeName, String> {
    let sqs = aws_sdk_sqs::Client::new(&system.cloud.sdk());
    run(async {
        let found = sqs.get_queue_url().queue_name(system.thing(queue));
        let url = found.send().await?.queue_url.unwrap_or_default();
        let found = sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::All);
        let attributes = found.send().await?.attributes.unwrap_or_default();
        Ok::<_, aws_sdk_sqs::Error>(attributes)
    })
    .unwrap_or_else(|error| panic!("the attributes of {queue}: {error:?}"))
}

/// Everything of a kind that takes tags says whose it is.
#[track_caller]
fn assert_all_is_tagged(system: &System<'_>, planned: &BTreeMap<String, String>) {
    let mut kinds = BTreeMap::new();
    for address in planned.keys() {
        let (kind, name) = address.split_once('/').expect("an address");
        let Some(tags) = tags(system, kind, name) else {
            continue;
        };
        *kinds.entry(kind).or_insert(0) += 1;
        for (key, value) in [
            ("wsless:project", system.name),
            ("wsless:stage", system.stage),
        ] {
            let found = tags.get(key).map(String::as_str);
            assert_eq!(found, Some(value), "{key} of {address}");
        }
    }
    let wanted = BTreeMap::from([
        ("alarm", 14),
        ("api", 1),
        ("event-source-mapping", 2),
        ("function", 5),
        ("log-group", 5),
        ("queue", 4),
        ("role", 6),
        ("stage", 1),
    ]);
    assert_eq!(kinds, wanted);
}

/// A resource's tags; nothing for kinds that take none.
fn tags(system: &System<'_>, kind: &str, name: &str) -> Option<HashMap<String, String>> {
    let sdk = system.cloud.sdk();
    let thing = system.thing(name);
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
    let gateway = |rest: &str| {
        let client = aws_sdk_apigatewayv2::Client::new(&sdk);
        let arn = format!(
            "arn:aws:apigateway:{REGION}::/apis/{}{rest}",
            api_id(system)
        );
        let found = run(client.get_tags().resource_arn(arn).send());
        found.expect("an API's or stage's tags").tags
    };
    let lambda = |arn: String| {
        let client = aws_sdk_lambda::Client::new(&sdk);
        let found = run(client.list_tags().resource(arn).send());
        found.expect("a function's or mapping's tags").tags
    };
    let found = match kind {
        "alarm" => {
            let client = aws_sdk_cloudwatch::Client::new(&sdk);
            let arn = arn("cloudwatch", &format!("alarm:{thing}"));
            let found = run(client.list_tags_for_resource().resource_arn(arn).send());
            let tags = found.expect("an alarm's tags").tags.unwrap_or_default();
            Some(
                tags.into_iter()
                    .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
                    .collect(),
            )
        }
        "api" => gateway(""),
        "stage" => gateway(&format!("/stages/{name}")),
        "function" => lambda(arn("lambda", &format!("function:{thing}"))),
        "event-source-mapping" => {
            let client = aws_sdk_lambda::Client::new(&sdk);
            let found = run(client
                .list_event_source_mappings()
                .function_name(format!("{thing}:live"))
                .send());
            let found = found.expect("a mapping").event_source_mappings;
            let id = found.unwrap_or_default().remove(0).uuid;
            let rest = format!("event-source-mapping:{}", id.unwrap_or_default());
            lambda(arn("lambda", &rest))
        }
        "log-group" => {
            let client = aws_sdk_cloudwatchlogs::Client::new(&sdk);
            let arn = arn("logs", &format!("log-group:/aws/lambda/{thing}"));
            let found = run(client.list_tags_for_resource().resource_arn(arn).send());
            found.expect("a log group's tags").tags
        }
        "queue" => {
            let client = aws_sdk_sqs::Client::new(&sdk);
            let url = run(client.get_queue_url().queue_name(thing).send());
            let url = url.expect("a queue").queue_url.unwrap_or_default();
            let found = run(client.list_queue_tags().queue_url(url).send());
            found.expect("a queue's tags").tags
        }
        "role" => {
            let client = aws_sdk_iam::Client::new(&sdk);
            let found = run(client.list_role_tags().role_name(thing).send());
            let tags = found.expect("a role's tags").tags;
            Some(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
        }
        _ => return None,
    };
    Some(found.unwrap_or_default())
}

/// The id of the system's API: there is only one.
#[track_caller]
fn api_id(system: &System<'_>) -> String {
    let gateway = aws_sdk_apigatewayv2::Client::new(&system.cloud.sdk());
    let found = run(gateway.get_apis().send()).expect("the APIs");
    let apis = found.items.unwrap_or_default();
    let [api] = &apis[..] else {
        panic!("one API: {apis:#?}");
    };
    api.api_id.clone().expect("an API's id")
}
