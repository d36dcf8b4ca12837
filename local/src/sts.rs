//! STS: who is calling, and roles' sessions.
//!
//! Anybody may ask who is calling. Whether a role can be assumed is for its trust policy, and, where that names the whole
//! account, for the caller's own policies too [IAM user guide, policy evaluation logic for roles' trust].

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    iam::{
        Caller, Credentials, Permission, Trust,
        access::{self, not_to_be_assumed},
        input::{invalid, length, moment, number, required, unfit},
        policy::{Context, Principal},
        state::Verdict,
    },
};

/// What a call needs: nothing beforehand. Anybody may ask who is calling, and what assuming a role needs depends on it.
pub fn permission(_call: &Call) -> Permission {
    Permission::decided_within()
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "all services are called alike, and others wait"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    match call.operation.as_str() {
        "GetCallerIdentity" => get_caller_identity(call),
        "AssumeRole" => assume_role(call),
        "GetSessionToken" => get_session_token(call),
        "GetAccessKeyInfo" => get_access_key_info(call),
        "AssumeRoleWithWebIdentity" => Err(AwsError::new(
            400,
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account: wsless's embedded cloud knows no identity providers, use \
             AssumeRole or any access key instead",
        )),
        other => Err(AwsError::unknown_operation("sts", other)),
    }
}

fn get_caller_identity(call: &Call) -> Result<Answer> {
    let identity = call.cloud.iam.identity(&call.caller).ok_or_else(gone)?;
    Ok(json!({
        "UserId": identity.user_id,
        "Account": ACCOUNT,
        "Arn": call.caller.arn(),
    })
    .into())
}

fn gone() -> AwsError {
    AwsError::new(
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    )
}

fn assume_role(call: &Call) -> Result<Answer> {
    let role_arn = length("RoleArn", required(call, "RoleArn")?, 20, 2048)?;
    let session = required(call, "RoleSessionName")?;
    let session = length("RoleSessionName", session, 2, 64)?;
    let is_session = session
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || "_+=,.@-".contains(char));
    if !is_session {
        return Err(unfit("RoleSessionName", session, "[\\w+=,.@-]*"));
    }
    let duration = number(call, "DurationSeconds", 900, 43_200)?.unwrap_or(3600);
    let is_role = role_arn
        .strip_prefix("arn:aws:iam::")
        .is_some_and(|rest| rest.contains(":role/"));
    if !is_role {
        return Err(invalid(format!("{role_arn} is invalid")));
    }
    if ["Policy", "PolicyArns"]
        .iter()
        .any(|member| call.input.contains_key(*member))
    {
        return Err(invalid(
            "wsless's embedded cloud doesn't have session policies: the session would have more rights than asked for"
                .to_owned(),
        ));
    }
    let iam = &call.cloud.iam;
    let caller = call.caller.arn();
    let refused = || not_to_be_assumed(&caller, role_arn);
    may_assume(call, role_arn, &caller)
        .then_some(())
        .ok_or_else(refused)?;
    let assumed = Caller::Role {
        role: role_arn.to_owned(),
        session: session.to_owned(),
    };
    let identity = iam.identity(&assumed).ok_or_else(refused)?;
    if matches!(call.caller, Caller::Role { .. }) && duration > 3600 {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining".to_owned(),
        ));
    }
    if identity.max_session.is_some_and(|most| duration > most) {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
                .to_owned(),
        ));
    }
    let arn = assumed.arn();
    let (given, expires) = give(call, assumed, duration);
    Ok(json!({
        "Credentials": show(&given, expires),
        "AssumedRoleUser": { "AssumedRoleId": identity.user_id, "Arn": arn },
    })
    .into())
}

/// Whether the role trusts the caller, and the caller's own policies agree.
fn may_assume(call: &Call, role_arn: &str, caller: &str) -> bool {
    let mut context = Context::new();
    context.insert("aws:PrincipalArn".to_owned(), vec![caller.to_owned()]);
    context.insert("aws:PrincipalAccount".to_owned(), vec![ACCOUNT.to_owned()]);
    for (key, member) in [
        ("sts:ExternalId", "ExternalId"),
        ("sts:RoleSessionName", "RoleSessionName"),
        ("sts:SourceIdentity", "SourceIdentity"),
    ] {
        if let Some(value) = call.input.get(member).and_then(Value::as_str) {
            context.insert(key.to_owned(), vec![value.to_owned()]);
        }
    }
    let arns = match &call.caller {
        Caller::Owner { .. } => vec![caller],
        Caller::Role { role, .. } => vec![caller, role.as_str()],
    };
    let trusts = |account| {
        let principal = Principal::Aws {
            account,
            arns: &arns,
        };
        call.cloud.iam.trusts(role_arn, principal, &context)
    };
    // Named itself, a caller needs no policy of its own; named with its account, it does. A deny of its own always counts.
    match (
        trusts(None),
        trusts(Some(ACCOUNT)),
        access::verdict(&call.cloud.iam, call, &Permission::of(call, role_arn)),
    ) {
        (_, _, Verdict::Denied | Verdict::DeniedByBoundary) | (_, Some(Trust::Denied), _) => false,
        (Some(Trust::Yes), _, _) | (_, Some(Trust::Yes), Verdict::Allowed) => true,
        _ => false,
    }
}

fn get_session_token(call: &Call) -> Result<Answer> {
    let duration = number(call, "DurationSeconds", 900, 129_600)?.unwrap_or(43_200);
    if let Caller::Role { .. } = call.caller {
        return Err(AwsError::new(
            403,
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let (given, expires) = give(call, call.caller.clone(), duration);
    Ok(json!({ "Credentials": show(&given, expires) }).into())
}

fn get_access_key_info(call: &Call) -> Result<Answer> {
    length("AccessKeyId", required(call, "AccessKeyId")?, 16, 128)?;
    Ok(json!({ "Account": ACCOUNT }).into())
}

fn give(call: &Call, caller: Caller, seconds: i64) -> (Credentials, Millis) {
    let duration = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let expires = Millis::now().after(duration);
    (call.cloud.iam.temporary(caller, expires), expires)
}

fn show(given: &Credentials, expires: Millis) -> Value {
    json!({
        "AccessKeyId": given.access_key,
        "SecretAccessKey": given.secret,
        "SessionToken": given.token,
        "Expiration": moment(expires),
    })
}
