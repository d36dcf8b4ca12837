//! What code and roles bring about: crashes, time-outs, versions, environments, permissions.

use std::io::Write;

use aws_sdk_lambda::{primitives::Blob, types::Environment};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::ward::Ward;
use crate::harness::{Cloud, run};

#[test]
fn what_is_wrong_with_functions_and_roles_is_named_and_nothing_else() {
    let cloud = Cloud::embedded();
    let ward = Ward::healthy(&cloud);
    code(&ward);
    settings(&ward);
    roles(&ward);
}

fn code(ward: &Ward<'_>) {
    // The code itself is right, so that a deployment changes nothing: the handler is told to fail.
    for (how, code) in [
        ("panic", "doctor::panic"),
        ("sleep", "doctor::timed-out"),
        ("exit", "doctor::crash"),
        ("fail", "doctor::handler-errors"),
    ] {
        ward.ill(code, |ward| ward.fail(how), |_| ());
    }
    ward.broken(&[("doctor::wrong-binary", &|ward| {
        put_code(ward, "ping", b"this is no program\n");
        ward.fail("anything");
    })]);
    ward.ill(
        "doctor::init-crash",
        |ward| {
            put_code(ward, "ping", b"#!/bin/sh\nexit 3\n");
            ward.fail("anything");
        },
        |ward| {
            let _ = ward.project.wsless(["deploy", "--yes"]).succeeds();
        },
    );
}

fn settings(ward: &Ward<'_>) {
    ward.broken(&[
        ("doctor::alias-version", &|ward| {
            let update = ward
                .lambda()
                .update_alias()
                .function_name(ward.name("ping"))
                .name("live")
                .function_version("1");
            run(update.send()).expect("the alias on an old version");
        }),
        ("doctor::concurrency-zero", &|ward| {
            let put = ward
                .lambda()
                .put_function_concurrency()
                .function_name(ward.name("echo"))
                .reserved_concurrent_executions(0);
            run(put.send()).expect("a function that is switched off");
        }),
        ("doctor::environment", &|ward| {
            set_variable(
                ward,
                "push",
                "WSLESS_CALLBACK_URL",
                "http://127.0.0.1:9/dev",
            );
        }),
        ("doctor::origins", &|ward| {
            set_variable(
                ward,
                "connect",
                "WSLESS_ALLOWED_ORIGINS",
                "[\"https://other.example\"]",
            );
        }),
        ("doctor::gateway-trust", &|ward| {
            trust(
                ward,
                "gateway",
                &json!({
                    "Effect": "Allow",
                    "Principal": { "Service": "lambda.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                }),
            );
        }),
    ]);
    ward.broken(&[
        ("doctor::function-timeout", &|ward| {
            let update = ward
                .lambda()
                .update_function_configuration()
                .function_name(ward.name("ping"))
                .timeout(60);
            run(update.send()).expect("a function that takes its time");
        }),
        ("doctor::environment", &|ward| {
            set_variable(
                ward,
                "echo",
                "WSLESS_CONNECTIONS_TABLE",
                "ward-dev-elsewhere",
            );
        }),
        ("doctor::gateway-trust", &|ward| {
            let source = format!(
                "arn:aws:execute-api:us-east-1:000000000000:{}/*",
                ward.api()
            );
            trust(
                ward,
                "gateway",
                &json!({
                    "Effect": "Allow",
                    "Principal": { "Service": "apigateway.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                    "Condition": { "ArnLike": { "aws:SourceArn": source } },
                }),
            );
        }),
        ("doctor::handler-trust", &|ward| {
            trust(
                ward,
                "echo",
                &json!({
                    "Effect": "Allow",
                    "Principal": { "Service": "ec2.amazonaws.com" },
                    "Action": "sts:AssumeRole",
                }),
            );
        }),
    ]);
}

fn roles(ward: &Ward<'_>) {
    ward.broken(&[
        ("doctor::gateway-role", &|ward| {
            let delete = ward
                .iam()
                .delete_role_policy()
                .role_name(ward.name("gateway"))
                .policy_name("wsless");
            run(delete.send()).expect("no policy");
        }),
        ("doctor::function-missing", &|ward| {
            let delete = ward
                .lambda()
                .delete_function()
                .function_name(ward.name("ping"));
            run(delete.send()).expect("no function");
        }),
        ("doctor::handler-role", &|ward| {
            take_away(ward, "echo", "sqs:ReceiveMessage");
        }),
    ]);
    let lacking = [
        ("echo", "sqs:SendMessage", "replies of echo never arrive"),
        ("ping", "logs:PutLogEvents", "ping leaves no log"),
        ("connect", "dynamodb:PutItem", "the registry of connections"),
        (
            "push",
            "execute-api:ManageConnections",
            "@connections refuses them",
        ),
    ];
    let found = ward.broken(&[
        ("doctor::handler-role", &|ward| {
            take_away(ward, lacking[0].0, lacking[0].1);
        }),
        ("doctor::handler-role", &|ward| {
            take_away(ward, lacking[1].0, lacking[1].1);
        }),
        ("doctor::handler-role", &|ward| {
            take_away(ward, lacking[2].0, lacking[2].1);
        }),
        ("doctor::handler-role", &|ward| {
            take_away(ward, lacking[3].0, lacking[3].1);
        }),
        // A user's own variable: that it's another is told, and neither value.
        ("doctor::drift", &|ward| {
            set_variable(ward, "ping", "PRICE_KEY", "hunter2, too");
        }),
    ]);
    for (_, action, symptom) in lacking {
        let missing = format!("missing: {action} on arn:aws:");
        let told = found.iter().any(|finding| {
            finding["symptom"].to_string().contains(symptom)
                && finding["evidence"].to_string().contains(&missing)
        });
        assert!(told, "{action}: {found:#?}");
    }
    ward.is_healthy();
}

/// Makes a program of these bytes a function's live code.
#[track_caller]
fn put_code(ward: &Ward<'_>, function: &str, bootstrap: &[u8]) {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(
        "bootstrap",
        SimpleFileOptions::default().unix_permissions(0o755),
    )
    .and_then(|()| zip.write_all(bootstrap).map_err(Into::into))
    .expect("a zip");
    let zip = zip.finish().expect("a zip").into_inner();
    let update = ward
        .lambda()
        .update_function_code()
        .function_name(ward.name(function))
        .zip_file(Blob::new(zip));
    run(update.send()).expect("other code");
    publish(ward, function);
}

#[track_caller]
fn set_variable(ward: &Ward<'_>, function: &str, name: &str, value: &str) {
    let lambda = ward.lambda();
    let function_name = ward.name(function);
    run(async {
        let found = lambda
            .get_function_configuration()
            .function_name(&function_name)
            .send()
            .await?;
        let mut variables = found
            .environment
            .and_then(|environment| environment.variables)
            .unwrap_or_default();
        variables.insert(name.to_owned(), value.to_owned());
        lambda
            .update_function_configuration()
            .function_name(&function_name)
            .environment(
                Environment::builder()
                    .set_variables(Some(variables))
                    .build(),
            )
            .send()
            .await?;
        Ok::<_, aws_sdk_lambda::Error>(())
    })
    .expect("another environment");
    publish(ward, function);
}

/// Makes what a function is now what is called.
#[track_caller]
fn publish(ward: &Ward<'_>, function: &str) {
    let lambda = ward.lambda();
    let name = ward.name(function);
    run(async {
        let made = lambda.publish_version().function_name(&name).send().await?;
        lambda
            .update_alias()
            .function_name(&name)
            .name("live")
            .function_version(made.version.unwrap_or_default())
            .send()
            .await?;
        Ok::<_, aws_sdk_lambda::Error>(())
    })
    .expect("a published version");
}

#[track_caller]
fn trust(ward: &Ward<'_>, role: &str, statement: &Value) {
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let update = ward
        .iam()
        .update_assume_role_policy()
        .role_name(ward.name(role))
        .policy_document(document.to_string());
    run(update.send()).expect("another trust");
}

/// Takes an action out of a role's policy.
#[track_caller]
fn take_away(ward: &Ward<'_>, role: &str, action: &str) {
    let iam = ward.iam();
    let name = ward.name(role);
    run(async {
        let found = iam
            .get_role_policy()
            .role_name(&name)
            .policy_name("wsless")
            .send()
            .await?;
        let document = percent_encoding::percent_decode_str(&found.policy_document)
            .decode_utf8_lossy()
            .into_owned();
        let mut document: Value = serde_json::from_str(&document).unwrap_or_default();
        for statement in document["Statement"].as_array_mut().into_iter().flatten() {
            if let Some(actions) = statement["Action"].as_array_mut() {
                actions.retain(|one| one != action);
            }
        }
        if let Some(statements) = document["Statement"].as_array_mut() {
            statements.retain(|statement| {
                statement["Action"]
                    .as_array()
                    .is_none_or(|actions| !actions.is_empty())
            });
        }
        iam.put_role_policy()
            .role_name(&name)
            .policy_name("wsless")
            .policy_document(document.to_string())
            .send()
            .await?;
        Ok::<_, aws_sdk_iam::Error>(())
    })
    .unwrap_or_else(|error| panic!("{role} without {action}: {error:?}"));
}
