//! AddPermission and RemovePermission: statements of the queue's policy, by their label.

use serde_json::{Value, json};

use super::super::{errors, input, queue_of};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
};

/// Actions of one statement, and statements of one policy [SQSG].
const ACTIONS: usize = 7;
const STATEMENTS: usize = 20;
/// What others can be allowed [SQS model, AddPermission].
const FOR_OTHERS: [&str; 9] = [
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
/// What only the owner can do.
const OWNERS: [&str; 12] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// AddPermission [the policy's form: LS snapshot].
pub fn add(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let label = label(call)?;
    let accounts = input::texts(&call.input, "AWSAccountIds", "AWSAccountId")?;
    let actions = input::texts(&call.input, "Actions", "ActionName")?;
    let known = |account: &&str| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if accounts.is_empty() || !accounts.iter().all(known) {
        return Err(errors::invalid_value(
            format!("[{}]", accounts.join(", ")),
            "PrincipalId",
            "Unable to verify.",
        ));
    }
    if actions.is_empty() {
        return Err(errors::missing("Actions"));
    }
    for action in &actions {
        if !FOR_OTHERS.contains(action) {
            return Err(errors::invalid_value(
                format!("SQS:{action}"),
                "ActionName",
                if OWNERS.contains(action) {
                    "Only the queue owner is allowed to invoke this action."
                } else {
                    "Please refer to the appropriate WSDL for a list of valid actions. "
                },
            ));
        }
    }
    if actions.len() > ACTIONS {
        return Err(errors::over_limit(format!(
            "{} Actions were found, maximum allowed is {ACTIONS}.",
            actions.len()
        )));
    }
    let principals: Vec<_> = accounts
        .iter()
        .map(|account| format!("arn:aws:iam::{account}:root"))
        .collect();
    let actions: Vec<_> = actions
        .iter()
        .map(|action| format!("SQS:{action}"))
        .collect();
    let statement = json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_more(principals) },
        "Action": one_or_more(actions),
        "Resource": queue.arn(),
    });
    queue.change_settings(Millis::now(), |settings| {
        let mut policy = read(settings.policy()).unwrap_or_else(|| {
            json!({
                "Version": "2008-10-17",
                "Id": format!("{}/SQSDefaultPolicy", queue.arn()),
                "Statement": [],
            })
        });
        let mut statements = statements(&policy);
        if statements.iter().any(|statement| statement["Sid"] == label) {
            return Err(errors::invalid_value(label, "Label", "Already exists."));
        }
        if statements.len() >= STATEMENTS {
            return Err(errors::over_limit(format!(
                "{STATEMENTS} statements were found, maximum allowed is {STATEMENTS}."
            )));
        }
        statements.push(statement);
        policy["Statement"] = statements.into();
        settings.set(&[("Policy", &policy.to_string())])
    })?;
    Ok(json!({}).into())
}

/// RemovePermission: without its last statement the policy is gone [LS snapshot].
pub fn remove(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let label = label(call)?;
    queue.change_settings(Millis::now(), |settings| {
        let mut policy = read(settings.policy()).unwrap_or_else(|| json!({}));
        let mut statements = statements(&policy);
        let before = statements.len();
        statements.retain(|statement| statement["Sid"] != label);
        if statements.len() == before {
            return Err(errors::invalid_value(label, "Label", "can't find label."));
        }
        let gone = statements.is_empty();
        policy["Statement"] = statements.into();
        let policy = if gone {
            String::new()
        } else {
            policy.to_string()
        };
        settings.set(&[("Policy", &policy)])
    })?;
    Ok(json!({}).into())
}

fn label(call: &Call) -> Result<&str> {
    let label = input::required(&call.input, "Label")?;
    let shaped = label.len() <= 80
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if shaped {
        Ok(label)
    } else {
        Err(errors::invalid_value(
            label,
            "Label",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
        ))
    }
}

fn read(policy: Option<&str>) -> Option<Value> {
    serde_json::from_str(policy?).ok()
}

/// A policy's statements, as a list even if it's one.
fn statements(policy: &Value) -> Vec<Value> {
    match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn one_or_more(mut texts: Vec<String>) -> Value {
    match texts.pop() {
        Some(one) if texts.is_empty() => one.into(),
        Some(last) => {
            texts.push(last);
            texts.into()
        }
        None => Value::Null,
    }
}
