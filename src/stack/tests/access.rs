//! Least privilege: who may do what, and on what.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// Each role's statements: its name, the actions, the resources.
fn statements(stack: &Stack) -> Vec<(String, Vec<String>, Vec<String>)> {
    of_kind(stack, "role")
        .flat_map(|(role, properties)| {
            let statements = properties["policy"].as_array().expect("statements");
            statements.iter().map(move |statement| {
                (
                    role.to_owned(),
                    texts(&statement["actions"]),
                    texts(&statement["resources"]),
                )
            })
        })
        .collect()
}

#[test]
fn no_statement_has_a_star_for_what_aws_can_name() {
    let user = "arn:aws:s3:::my-bucket/*";
    for manifest in ALL {
        let stack = stack_of(manifest);
        let mut seen = 0;
        for (role, actions, resources) in statements(&stack) {
            for action in actions {
                assert!(!action.contains(['*', '?']), "{role} may {action}");
            }
            for resource in resources.iter().filter(|resource| *resource != user) {
                // A log group's streams and a stage's connections come and go: they can't be named beforehand.
                let named = resource
                    .strip_suffix("/POST/@connections/*")
                    .or_else(|| {
                        resource
                            .strip_suffix(":*")
                            .filter(|group| group.contains(":log-group:/aws/lambda/"))
                    })
                    .unwrap_or(resource);
                assert!(
                    named.starts_with("arn:aws:") && !named.contains(['*', '?']),
                    "{role} is let at {resource}"
                );
                seen += 1;
            }
        }
        assert!(seen >= 6, "{seen} resources");
    }
}

#[test]
fn each_role_reaches_its_own_things_alone() {
    let stack = stack_of(FULL);
    let own = |role: &str| -> Vec<(String, Vec<String>)> {
        let all = statements(&stack).into_iter();
        all.filter(|(of, ..)| of == role)
            .flat_map(|(_, actions, resources)| {
                actions
                    .into_iter()
                    .map(move |action| (action, resources.clone()))
            })
            .filter(|(action, _)| !action.starts_with("logs:"))
            .collect()
    };
    let sqs = |thing: &str| {
        vec![format!(
            "arn:aws:sqs:eu-west-1:123456789012:chat-dev-{thing}"
        )]
    };
    let consumes = |thing: &str| {
        ["DeleteMessage", "GetQueueAttributes", "ReceiveMessage"]
            .map(|action| (format!("sqs:{action}"), sqs(thing)))
            .to_vec()
    };
    let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/chat-dev-connections";
    let index = format!("{table}/index/by-room");
    let registry = |actions: &[&str]| -> Vec<_> {
        let resources = vec![table.to_owned(), index.clone()];
        actions
            .iter()
            .map(|action| (format!("dynamodb:{action}"), resources.clone()))
            .collect()
    };
    let replies = || ("sqs:SendMessage".to_owned(), sqs("results.fifo"));
    let items = || registry(&["DeleteItem", "GetItem", "PutItem", "Query"]);
    let s3 = (
        "s3:GetObject".to_owned(),
        vec!["arn:aws:s3:::my-bucket/*".to_owned()],
    );
    let connections =
        "arn:aws:execute-api:eu-west-1:123456789012:(api/websocket id)/dev/POST/@connections/*";
    let push = (
        "execute-api:ManageConnections".to_owned(),
        vec![connections.to_owned()],
    );
    let queues = [sqs("both"), sqs("ordered.fifo"), sqs("plain")].concat();

    assert_eq!(own("auth"), []);
    assert_eq!(own("answering"), [vec![replies()], items()].concat());
    assert_eq!(
        own("plain"),
        [vec![replies()], items(), consumes("plain"), vec![s3]].concat()
    );
    assert_eq!(
        own("ordered"),
        [vec![replies()], items(), consumes("ordered.fifo")].concat()
    );
    assert_eq!(
        own("connect"),
        registry(&["BatchWriteItem", "PutItem", "Query"])
    );
    assert_eq!(own("disconnect"), registry(&["BatchWriteItem", "Query"]));
    assert_eq!(
        own("push"),
        [
            consumes("results.fifo"),
            vec![replies(), push],
            registry(&["BatchWriteItem", "GetItem", "PutItem", "Query"])
        ]
        .concat()
    );
    assert_eq!(own("gateway"), [("sqs:SendMessage".to_owned(), queues)]);
    for (role, actions, resources) in statements(&stack) {
        if actions[0].starts_with("logs:") {
            let group = format!(
                "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/chat-dev-{role}:*"
            );
            assert_eq!(resources, [group]);
        }
    }
}

#[test]
fn roles_are_assumed_by_the_one_service_that_needs_them() {
    let stack = stack_of(FULL);
    for (role, properties) in of_kind(&stack, "role") {
        let service = match role {
            "gateway" => "apigateway.amazonaws.com",
            _ => "lambda.amazonaws.com",
        };
        assert_eq!(properties["trusted_service"], service, "{role}");
        assert_eq!(properties["path"], "/wsless/chat/dev/", "{role}");
    }
}

#[test]
fn without_a_registry_nobody_has_rights_to_a_table() {
    for (role, actions, _) in statements(&stack_of(LEAST)) {
        let uses_it = actions.iter().any(|action| action.starts_with("dynamodb:"));
        assert!(!uses_it, "{role} may {actions:?}");
    }
}

#[test]
fn only_who_answers_the_handshake_enters_connections_in_batches() {
    let stack = stack_of(OWN_LIFECYCLE);
    let mut who = Vec::new();
    for (role, actions, _) in statements(&stack) {
        if actions.contains(&"dynamodb:BatchWriteItem".to_owned()) {
            who.push(role);
        }
    }
    assert_eq!(who, ["connect", "farewell", "push"]);
}

/// The function policies: by function, whom they let in.
fn callers(stack: &Stack) -> BTreeMap<String, Vec<String>> {
    of_kind(stack, "function-policy")
        .map(|(function, properties)| (function.to_owned(), texts(&properties["source_arns"])))
        .collect()
}

const API: &str = "arn:aws:execute-api:eu-west-1:123456789012:(api/websocket id)";

fn routes(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| format!("{API}/dev/{key}")).collect()
}

#[test]
fn each_function_is_open_to_exactly_the_routes_that_call_it() {
    assert_eq!(
        callers(&stack_of(FULL)),
        BTreeMap::from([
            ("answering".to_owned(), routes(&["ping", "pong"])),
            (
                "auth".to_owned(),
                vec![format!("{API}/authorizers/(authorizer/auth id)")]
            ),
            ("both".to_owned(), routes(&["read"])),
            ("connect".to_owned(), routes(&["$connect"])),
            ("disconnect".to_owned(), routes(&["$disconnect"])),
        ])
    );
    assert_eq!(
        callers(&stack_of(OWN_LIFECYCLE)),
        BTreeMap::from([
            ("connect".to_owned(), routes(&["$connect"])),
            ("farewell".to_owned(), routes(&["$disconnect"])),
        ])
    );
}

/// A function's policy as Lambda keeps it.
fn policy_bytes(function: &str, sources: &[String]) -> usize {
    let statements: Vec<Value> = sources
        .iter()
        .map(|source| {
            json!({
                "Sid": "wsless-0123456789abcdef",
                "Effect": "Allow",
                "Principal": { "Service": "apigateway.amazonaws.com" },
                "Action": "lambda:InvokeFunction",
                "Resource": format!("arn:aws:lambda:eu-west-1:123456789012:function:{function}:live"),
                "Condition": { "ArnLike": { "AWS:SourceArn": source.replace("(api/websocket id)", "a1b2c3d4e5") } },
            })
        })
        .collect();
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements })
        .to_string()
        .len()
}

#[test]
fn a_function_behind_more_routes_than_its_policy_holds_is_open_to_the_stage_and_no_further() {
    // Lambda's limit for a function's resource policy is 20 KB.
    const LIMIT: usize = 20_480;
    for (length, some, too_many) in [(4, 40, 60), (128, 20, 40)] {
        let with_routes = |count: usize| {
            let routes: Vec<String> = (0..count)
                .map(|number| {
                    format!("{number:0>length$} = {{ handler = \"echo\", via = \"direct\" }}\n")
                })
                .collect();
            let routes = routes.concat();
            let handler = "e".repeat(64 - "least-dev-".len());
            let manifest = changed(
                LEAST,
                "ping = { handler = \"echo\", via = \"direct\" }\n",
                &routes,
            );
            let manifest = manifest.replace("echo", &handler);
            let stack = stack_of(&manifest);
            (callers(&stack)[&handler].clone(), handler)
        };
        let (sources, handler) = with_routes(some);
        assert_eq!(sources.len(), some);
        assert!(policy_bytes(&format!("least-dev-{handler}"), &sources) <= LIMIT);
        assert_eq!(with_routes(too_many).0, [format!("{API}/dev/*")]);
        // Wherever the switch is, what is written in full fits.
        for count in some..too_many {
            let (sources, handler) = with_routes(count);
            assert!(policy_bytes(&format!("least-dev-{handler}"), &sources) <= LIMIT);
        }
    }
}

#[test]
fn the_gateways_policy_fits_however_many_queues_it_leads_to() {
    let enqueue = |handlers: usize| {
        let manifest: Vec<String> = (0..handlers)
            .map(|number| {
                let handler = format!("{number:n>40}");
                format!("[handlers.h{handler}]\n[routes.r{number}]\nhandler = \"h{handler}\"\n")
            })
            .collect();
        let stack = stack_of(&format!(
            "[project]\nname = \"many\"\n{}",
            manifest.concat()
        ));
        let properties = at(&stack, "role/gateway").clone();
        let role: crate::resource::role::Role =
            serde_json::from_value(properties).expect("a role without references");
        let policy = crate::resource::role::permission_policy(&role.policy);
        assert!(policy.to_string().len() <= 10_240);
        texts(&at(&stack, "role/gateway")["policy"][0]["resources"])
    };
    assert_eq!(enqueue(50).len(), 50);
    assert_eq!(
        enqueue(250),
        ["arn:aws:sqs:eu-west-1:123456789012:many-dev-*"]
    );
}
