//! A role's policies: its own, and those that are attached to it.

use serde_json::{Value, json};

use super::{
    input::{document, length, limit, missing, name, page, path_prefix, required, role_name, size},
    policy::{Kind, Policy},
    roles::{encoded, malformed, no_role, open_to_policies},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
};

/// Characters that count, of a role's own policies together [IAM quotas].
const INLINE_SIZE: usize = 10_240;
/// Characters of them with white space, which AWS doesn't count: here there's an end to it, for memory's sake.
const INLINE_TEXT: usize = 5 * INLINE_SIZE;
/// Policies that may be attached to a role [IAM quotas].
const ATTACHED: usize = 10;

fn no_policy(name: &str) -> AwsError {
    missing(format!("The role policy with name {name} cannot be found."))
}

/// `PutRolePolicy`.
pub fn put(call: &Call) -> Result<Answer> {
    let policy_name = name(call, "PolicyName", 128)?;
    let text = document(call, "PolicyDocument")?;
    let mut store = call.cloud.iam.store.write();
    let role_name = open_to_policies(&mut store, call)?;
    Policy::parse(Kind::Inline, text).map_err(malformed)?;
    let role = store
        .roles
        .get_mut(&role_name)
        .ok_or_else(|| no_role(&role_name))?;
    let (mut counted, mut whole) = (size(text), text.len());
    for (_, other) in role.inline.iter().filter(|(name, _)| *name != policy_name) {
        counted += size(other);
        whole += other.len();
    }
    if counted > INLINE_SIZE || whole > INLINE_TEXT {
        return Err(limit(format!(
            "Maximum policy size of {INLINE_SIZE} bytes exceeded for role {role_name}"
        )));
    }
    role.inline.insert(policy_name.to_owned(), text.to_owned());
    store.settle_rights(&role_name, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// `GetRolePolicy`.
pub fn get(call: &Call) -> Result<Answer> {
    let role_name = role_name(call)?;
    let policy_name = name(call, "PolicyName", 128)?;
    let store = call.cloud.iam.store.read();
    let role = store
        .roles
        .get(role_name)
        .ok_or_else(|| no_role(role_name))?;
    let text = role
        .inline
        .get(policy_name)
        .ok_or_else(|| no_policy(policy_name))?;
    Ok(json!({
        "RoleName": role_name,
        "PolicyName": policy_name,
        "PolicyDocument": encoded(text),
    })
    .into())
}

/// `ListRolePolicies`.
pub fn list(call: &Call) -> Result<Answer> {
    let role_name = role_name(call)?;
    let store = call.cloud.iam.store.read();
    let role = store
        .roles
        .get(role_name)
        .ok_or_else(|| no_role(role_name))?;
    let names = role.inline.keys().map(|name| (name.clone(), name));
    let page = page(call, "PolicyNames", names, |name| json!(name))?;
    Ok(Value::Object(page).into())
}

/// `DeleteRolePolicy`.
pub fn delete(call: &Call) -> Result<Answer> {
    let policy_name = name(call, "PolicyName", 128)?;
    let mut store = call.cloud.iam.store.write();
    let role_name = open_to_policies(&mut store, call)?;
    store
        .roles
        .get_mut(&role_name)
        .and_then(|role| role.inline.remove(policy_name))
        .ok_or_else(|| no_policy(policy_name))?;
    store.settle_rights(&role_name, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// The ARN of a policy, as it was given.
pub fn policy_arn(call: &Call) -> Result<&str> {
    let arn = length("PolicyArn", required(call, "PolicyArn")?, 20, 2048)?;
    let is_arn = arn
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":policy/"))
        .is_some_and(|(account, name)| {
            !name.is_empty()
                && (account == "aws"
                    || account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
        });
    if is_arn {
        Ok(arn)
    } else {
        Err(AwsError::new(
            400,
            "InvalidInput",
            format!("ARN {arn} is not valid."),
        ))
    }
}

/// `AttachRolePolicy`.
pub fn attach(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let mut store = call.cloud.iam.store.write();
    let role_name = open_to_policies(&mut store, call)?;
    if store.policy(arn).is_none() {
        return Err(missing(format!(
            "Policy {arn} does not exist or is not attachable."
        )));
    }
    let role = store
        .roles
        .get_mut(&role_name)
        .ok_or_else(|| no_role(&role_name))?;
    if role.attached.contains(arn) {
        return Ok(json!({}).into());
    }
    if role.attached.len() >= ATTACHED {
        return Err(limit(format!(
            "Cannot exceed quota for PoliciesPerRole: {ATTACHED}"
        )));
    }
    role.attached.insert(arn.to_owned());
    store.settle_rights(&role_name, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// `DetachRolePolicy`.
pub fn detach(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let mut store = call.cloud.iam.store.write();
    let role_name = open_to_policies(&mut store, call)?;
    let was_attached = store
        .roles
        .get_mut(&role_name)
        .is_some_and(|role| role.attached.remove(arn));
    if !was_attached {
        return Err(missing(format!("Policy {arn} was not found.")));
    }
    store.settle_rights(&role_name, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// `ListAttachedRolePolicies`.
pub fn list_attached(call: &Call) -> Result<Answer> {
    let role_name = role_name(call)?;
    let prefix = path_prefix(call)?;
    let store = call.cloud.iam.store.read();
    let role = store
        .roles
        .get(role_name)
        .ok_or_else(|| no_role(role_name))?;
    let attached = role
        .attached
        .iter()
        .filter_map(|arn| store.policy(arn))
        .filter(|policy| policy.path.starts_with(prefix))
        .map(|policy| (policy.arn.clone(), policy));
    let page = page(
        call,
        "AttachedPolicies",
        attached,
        |policy| json!({ "PolicyName": policy.name, "PolicyArn": policy.arn }),
    )?;
    Ok(Value::Object(page).into())
}
