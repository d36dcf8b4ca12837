//! What state resources are in: what a comparison with the manifest doesn't show. Pure.

use serde_json::Value;

use super::{Area, Evidence, Finding, Rank, drift::deploy};
use crate::manifest::Via;

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(endpoint(evidence));
    found.extend(routes(evidence));
    found.extend(functions(evidence));
    found.extend(mappings(evidence));
    found.extend(queues(evidence));
    found.extend(table(evidence));
    found.extend(logging(evidence));
    found
}

fn endpoint(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    let api = &evidence.api;
    if api.is_endpoint_disabled {
        found.push(
            Finding::cause(
                "doctor::endpoint-disabled",
                Area::Deployment,
                "nobody can connect to the API's own address, and replies never arrive",
                "the API's own endpoint is switched off (DisableExecuteApiEndpoint); pushes go to it",
            )
            .mend(format!(
                "switch it on and deploy: `aws apigatewayv2 update-api --api-id {id} --no-disable-execute-api-endpoint`, \
                 then `aws apigatewayv2 create-deployment --api-id {id} --stage-name {}`",
                evidence.scope.stage,
                id = api.id.as_deref().unwrap_or("ID"),
            ))
            .evidences(api.id.iter().map(|id| format!("GetApi of {id} says DisableExecuteApiEndpoint"))),
        );
    }
    if let Some(message) = api
        .deployment_message
        .as_ref()
        .filter(|message| is_trouble(message))
    {
        found.push(
            Finding::cause(
                "doctor::deployment-failed",
                Area::Deployment,
                "changes of the API have no effect",
                "API Gateway couldn't put the last deployment on the stage",
            )
            .mend(deploy(evidence))
            .evidence(message.clone()),
        );
    }
    found
}

/// `Successfully deployed stage with deployment ID '…'` is no trouble [apigatewayv2 model].
fn is_trouble(message: &str) -> bool {
    !message.is_empty() && !message.to_lowercase().contains("success")
}

/// Settings of single routes, which wsless never makes.
fn routes(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, setting) in &evidence.api.routes {
        let whose = if key.is_empty() {
            "all routes".to_owned()
        } else {
            format!("`{key}`")
        };
        let is_zero = setting.rate == Some(0.0) || setting.burst == Some(0);
        // That of all routes is compared with the manifest.
        if is_zero && !key.is_empty() {
            found.push(
                Finding::cause(
                    "doctor::route-throttle",
                    Area::Deployment,
                    format!("everything on {whose} is refused with 429"),
                    "the route's throttle on the stage is 0, which lets nothing through",
                )
                .mend(format!(
                    "take it away: `aws apigatewayv2 delete-route-settings --api-id {} --stage-name {} --route-key '{key}'`",
                    evidence.api.id.as_deref().unwrap_or("ID"),
                    evidence.scope.stage
                ))
                .evidence(format!(
                    "rate {}, burst {}",
                    setting.rate.map_or("unset".to_owned(), |rate| rate.to_string()),
                    setting.burst.map_or("unset".to_owned(), |burst| burst.to_string())
                )),
            );
        }
        if setting.traces_data {
            found.push(
                Finding::cause(
                    "doctor::data-trace",
                    Area::Monitoring,
                    format!("whole messages of {whose} are logged, tokens and personal data among them, and cost"),
                    "the stage traces data (DataTraceEnabled)",
                )
                .warning()
                .mend("switch it off in the stage's settings when you've seen enough"),
            );
        }
    }
    found
}

fn functions(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for (thing, function) in &evidence.functions {
        // An inactive function wakes with its next call [LDG functions-states].
        let failed = [
            (
                function.state == "Failed",
                "state",
                &function.state,
                &function.reason,
            ),
            (
                function.last_update == "Failed",
                "last update",
                &function.last_update,
                &function.update_reason,
            ),
        ];
        for (_, what, word, reason) in failed.into_iter().filter(|(failed, ..)| *failed) {
            found.push(
                Finding::cause(
                    "doctor::function-state",
                    Area::Functions,
                    format!("{thing} can't be called, or is an old one"),
                    format!("Lambda says of its {what}: {word}"),
                )
                .about(thing.clone())
                .mend(deploy(evidence))
                .evidence(reason.clone()),
            );
        }
        if function.is_in_vpc {
            // aws-facts 7 row 11.
            found.push(
                Finding::cause(
                    "doctor::vpc",
                    Area::Functions,
                    format!("{thing} may not reach AWS's services, or gets 403 from @connections"),
                    "it runs in a VPC: without a way out nothing answers, and an interface endpoint for execute-api with \
                     private DNS catches the calls to @connections",
                )
                .warning()
                .about(thing.clone())
                .mend("take it out of the VPC, or give the VPC a NAT gateway and no private DNS for execute-api"),
            );
        }
    }
    found
}

fn mappings(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for (thing, mapping) in &evidence.mappings {
        let queue = if thing == crate::stack::builtin::PUSH {
            crate::stack::RESULTS
        } else {
            thing
        };
        let held = evidence
            .queues
            .get(queue)
            .map_or(0, |queue| queue.waiting + queue.in_flight);
        // The last result stays as it is until the next batch: it's news only while there's one to come.
        if mapping.last_result.starts_with("PROBLEM") && held > 0 {
            found.push(
                Finding::cause(
                    "doctor::mapping-problem",
                    Area::Queues,
                    format!("messages for {thing} come back again and again"),
                    format!("Lambda says of the last batch: {}", mapping.last_result),
                )
                .ranked(Rank::Symptom)
                .about(thing.clone())
                .mend(format!(
                    "look into its log: {}",
                    evidence.command(&format!("logs {thing}"))
                ))
                .evidence(format!("event source mapping {}", mapping.id))
                .evidence(format!("{held} messages in the queue {queue}")),
            );
        }
    }
    found
}

fn queues(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for (thing, queue) in &evidence.queues {
        let denials: Vec<&Value> = queue.policy["Statement"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|statement| statement["Effect"] == "Deny")
            .collect();
        if !denials.is_empty() {
            found.push(
                Finding::cause(
                    "doctor::queue-policy",
                    Area::Permissions,
                    if thing == crate::stack::RESULTS {
                        "replies never arrive".to_owned()
                    } else {
                        format!("messages for {thing} are answered with Internal server error, or never taken")
                    },
                    format!("the queue {thing} has a policy that denies something; wsless gives queues none"),
                )
                .about(thing.clone())
                .mend(format!(
                    "take it away: `aws sqs set-queue-attributes --queue-url {} --attributes Policy=`",
                    queue.url
                ))
                .evidences(denials.iter().map(ToString::to_string)),
            );
        }
        if let Some(key) = &queue.key {
            // aws-facts 2.1: GenerateDataKey and Decrypt on the key.
            found.push(
                Finding::cause(
                    "doctor::queue-key",
                    Area::Permissions,
                    format!("messages for {thing} are answered with Internal server error, or never taken"),
                    "a key of your own encrypts the queue, and wsless's roles may not use it",
                )
                .about(thing.clone())
                .mend(format!(
                    "encrypt it with SQS's own key: `aws sqs set-queue-attributes --queue-url {} --attributes \
                     SqsManagedSseEnabled=true`",
                    queue.url
                ))
                .evidence(format!("KmsMasterKeyId is {key}")),
            );
        }
    }
    found
}

fn table(evidence: &Evidence) -> Option<Finding> {
    let table = evidence.table.as_ref()?;
    // An update of the table doesn't stop its use [DynamoDB model].
    let is_usable = ["ACTIVE", "UPDATING", ""].contains(&table.status.as_str());
    (!is_usable).then(|| {
        Finding::cause(
            "doctor::table-state",
            Area::Connections,
            "nobody can connect: the registry of connections can't be used",
            format!("DynamoDB says of the table: {}", table.status),
        )
        .mend(format!("wait, then {}", deploy(evidence)))
    })
}

/// The account's role for API Gateway's logs: it's set, and whether it still works nobody says [aws-facts 7, row 17].
fn logging(evidence: &Evidence) -> Option<Finding> {
    let role = evidence.account.logging.as_ref()?;
    let cause = match &role.trust {
        None => "the role that the account has set for it was deleted",
        Some(trust) if !trust.to_string().contains("apigateway.amazonaws.com") => {
            "API Gateway may not assume the role that the account has set for it"
        }
        // aws-facts 1.9: with a condition on the source the logs stay empty.
        Some(trust) if trust.to_string().contains("Condition") => {
            "the trust of the role that the account has set for it has a condition, which may never hold"
        }
        Some(_) => return None,
    };
    Some(
        Finding::cause(
            "doctor::logging-role",
            Area::Monitoring,
            "the access log is empty, and nobody says why",
            cause,
        )
        .mend(
            "make the role again: apigateway.amazonaws.com may assume it, without a condition, and it has the managed policy \
             service-role/AmazonAPIGatewayPushToCloudWatchLogs; or set another with `aws apigateway update-account`",
        )
        .evidence(format!("the account's role is {}", role.arn))
        .evidences(role.trust.iter().map(|trust| format!("its trust is {trust}"))),
    )
}

/// Routes that go straight to a handler.
pub(super) fn direct(evidence: &Evidence) -> impl Iterator<Item = (&str, &str)> {
    let routes = evidence.manifest.routes.iter();
    routes
        .filter(|(_, route)| route.via == Via::Direct)
        .map(|(key, route)| (key.as_str(), route.handler.as_str()))
}
