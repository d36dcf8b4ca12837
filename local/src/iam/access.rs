//! Who may do what: asks a role's policies, and says no in the words of the service that is called.
//!
//! Texts [IAM user guide, access denied error messages]; codes by service [aws-facts 4.3].

use std::sync::Arc;

use serde_json::Value;

use super::{
    Caller, Iam, Permission,
    policy::Context,
    state::{Rights, Verdict},
};
use crate::{
    ACCOUNT,
    call::{Call, Service},
    clock::Millis,
    error::{AwsError, Result},
};

/// The session's name of a key that has run out; its role has no ARN.
pub const EXPIRED: &str = "expired";
/// The session's name of a key that the cloud has forgotten; its role has no ARN.
pub const UNKNOWN: &str = "unknown";

static NO_CONTEXT: Context = Context::new();

/// Whoever bears a key that doesn't count any more.
pub fn lapsed(why: &str) -> Caller {
    Caller::Role {
        role: String::new(),
        session: why.to_owned(),
    }
}

/// Refuses what the caller may not do.
pub fn authorize(iam: &Iam, call: &Call, permission: &Permission) -> Result<()> {
    let Caller::Role { role, session } = &call.caller else {
        return Ok(());
    };
    let Some(found) = find(iam, role) else {
        return Err(bad_token(
            call.service,
            role.is_empty() && session == EXPIRED,
        ));
    };
    if permission.action.is_empty() {
        return Ok(());
    }
    let verdict = found
        .rights
        .as_deref()
        .map_or(Verdict::NotAllowed, |rights| {
            let context;
            let context = if rights.needs_context() {
                context = of_call(call, permission, &found);
                &context
            } else {
                &NO_CONTEXT
            };
            rights.judge(&permission.action, &permission.resource, context)
        });
    match verdict {
        Verdict::Allowed => Ok(()),
        _ => Err(denied(call, permission, verdict)),
    }
}

/// Whether a caller may do it, outside any call.
pub fn allows(iam: &Iam, caller: &Caller, permission: &Permission) -> bool {
    let Caller::Role { role, session } = caller else {
        return true;
    };
    let Some(found) = find(iam, role) else {
        return false;
    };
    found.rights.as_deref().is_some_and(|rights| {
        let context;
        let context = if rights.needs_context() {
            context = of_role(&found, role, session);
            &context
        } else {
            &NO_CONTEXT
        };
        rights.judge(&permission.action, &permission.resource, context) == Verdict::Allowed
    })
}

/// What a role may do for STS: whether its own policies allow, or deny, that it assumes another.
pub fn verdict(iam: &Iam, call: &Call, permission: &Permission) -> Verdict {
    let Caller::Role { role, .. } = &call.caller else {
        return Verdict::Allowed;
    };
    let Some(found) = find(iam, role) else {
        return Verdict::NotAllowed;
    };
    found
        .rights
        .as_deref()
        .map_or(Verdict::NotAllowed, |rights| {
            let context = of_call(call, permission, &found);
            rights.judge(&permission.action, &permission.resource, &context)
        })
}

/// A role as a check needs it.
struct Found {
    rights: Option<Arc<Rights>>,
    /// Its id and tags, if conditions are looked at.
    about: Option<(String, super::state::Tags)>,
}

fn find(iam: &Iam, role: &str) -> Option<Found> {
    let store = iam.store.read();
    let role = store.role(role)?;
    let rights = role.rights.at(Millis::now()).cloned();
    let about = rights
        .as_ref()
        .filter(|rights| rights.needs_context())
        .map(|_| (role.id.clone(), role.tags.clone()));
    Some(Found { rights, about })
}

/// The condition keys that every request has [IAM user guide, global condition keys].
fn of_role(found: &Found, role: &str, session: &str) -> Context {
    let now = Millis::now();
    let mut context = Context::new();
    let mut set = |key: &str, value: String| {
        context.insert(key.to_owned(), vec![value]);
    };
    set("aws:CurrentTime", now.iso());
    set("aws:EpochTime", (now.0 / 1000).to_string());
    set("aws:PrincipalArn", role.to_owned());
    set("aws:PrincipalAccount", ACCOUNT.to_owned());
    set("aws:PrincipalType", "AssumedRole".to_owned());
    set("aws:PrincipalIsAWSService", "false".to_owned());
    set("aws:ResourceAccount", ACCOUNT.to_owned());
    set("aws:SecureTransport", "false".to_owned());
    set("aws:SourceIp", "127.0.0.1".to_owned());
    set("aws:ViaAWSService", "false".to_owned());
    if let Some((id, tags)) = &found.about {
        set("aws:userid", format!("{id}:{session}"));
        for (key, value) in tags {
            set(&format!("aws:PrincipalTag/{key}"), value.clone());
        }
    }
    context
}

/// Those, and what the call itself says.
fn of_call(call: &Call, permission: &Permission, found: &Found) -> Context {
    let mut context = match &call.caller {
        Caller::Role { role, session } => of_role(found, role, session),
        Caller::Owner { .. } => Context::new(),
    };
    let mut set = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            context.insert(key.to_owned(), values);
        }
    };
    let region = match call.service {
        Service::Iam => "us-east-1",
        _ => call.region.name.as_str(),
    };
    set("aws:RequestedRegion", vec![region.to_owned()]);
    if let Some(agent) = call.headers.get("user-agent") {
        let agent = String::from_utf8_lossy(agent.as_bytes()).into_owned();
        set("aws:UserAgent", vec![agent]);
    }
    if permission.action == "iam:PassRole" {
        let to = match call.service {
            Service::ApiGateway => "apigateway.amazonaws.com",
            Service::Logs => "logs.amazonaws.com",
            _ => "lambda.amazonaws.com",
        };
        set("iam:PassedToService", vec![to.to_owned()]);
    }
    if call.service == Service::Lambda {
        let function = crate::lambda::function_arn(call);
        set("lambda:FunctionArn", function.into_iter().collect());
    }
    if call.service == Service::Iam {
        for (key, member) in [
            ("iam:PolicyARN", "PolicyArn"),
            ("iam:PermissionsBoundary", "PermissionsBoundary"),
            ("iam:AWSServiceName", "AWSServiceName"),
        ] {
            let value = call.input.get(member).and_then(Value::as_str);
            set(key, value.map(str::to_owned).into_iter().collect());
        }
    }
    let tags = tags(call);
    let mut keys: Vec<String> = tags.iter().map(|(key, _)| key.clone()).collect();
    if let Some(Value::Array(untagged)) = call.input.get("TagKeys") {
        keys.extend(untagged.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    set("aws:TagKeys", keys);
    for (key, value) in tags {
        set(&format!("aws:RequestTag/{key}"), vec![value]);
    }
    context
}

/// The tags in a call, in whichever of AWS's ways.
fn tags(call: &Call) -> Vec<(String, String)> {
    let found = ["Tags", "tags"]
        .into_iter()
        .find_map(|member| call.input.get(member));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match found {
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
            .collect(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|tag| Some((text(tag.get("Key")?)?, text(tag.get("Value")?)?)))
            .collect(),
        _ => Vec::new(),
    }
}

fn denied(call: &Call, permission: &Permission, verdict: Verdict) -> AwsError {
    // SQS writes its actions so [aws/serverless-application-model#3633].
    let action = match call.service {
        Service::Sqs => permission.action.to_ascii_lowercase(),
        _ => permission.action.clone(),
    };
    let why = match verdict {
        Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        Verdict::DeniedByBoundary => "with an explicit deny in a permissions boundary".to_owned(),
        Verdict::NotWithinBoundary => {
            format!("because no permissions boundary allows the {action} action")
        }
        Verdict::NotAllowed | Verdict::Allowed => {
            format!("because no identity-based policy allows the {action} action")
        }
    };
    let resource = match call.service {
        Service::S3 => format!("\"{}\"", permission.resource),
        // The management API hides the account.
        Service::ExecuteApi => permission.resource.replace(
            ACCOUNT,
            &format!("********{}", ACCOUNT.get(8..).unwrap_or_default()),
        ),
        _ => permission.resource.clone(),
    };
    let user = call.caller.arn();
    let text = format!(
        "User: {user} is not authorized to perform: {action} on resource: {resource} {why}"
    );
    match call.service {
        Service::Iam | Service::Sts | Service::S3 | Service::CloudWatch => {
            AwsError::new(403, "AccessDenied", text)
        }
        Service::Sqs => AwsError::new(403, "AccessDeniedException", text).query("AccessDenied"),
        Service::DynamoDb | Service::Logs => AwsError::new(400, "AccessDeniedException", text),
        Service::ApiGateway | Service::ExecuteApi | Service::Lambda => {
            AwsError::new(403, "AccessDeniedException", text)
        }
    }
}

/// Why a role can't be assumed: STS says the same of a role that isn't there and of one that doesn't trust.
pub fn not_to_be_assumed(user: &str, role_arn: &str) -> AwsError {
    AwsError::new(
        403,
        "AccessDenied",
        format!(
            "User: {user} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        ),
    )
}

fn bad_token(service: Service, has_expired: bool) -> AwsError {
    let invalid = "The security token included in the request is invalid.";
    let expired = "The security token included in the request is expired";
    match (service, has_expired) {
        (Service::S3, true) => {
            AwsError::new(400, "ExpiredToken", "The provided token has expired.")
        }
        (Service::S3, false) => AwsError::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        (Service::Iam | Service::Sts | Service::CloudWatch, true) => {
            AwsError::new(403, "ExpiredToken", expired)
        }
        (Service::Iam | Service::Sts | Service::CloudWatch, false) => {
            AwsError::new(403, "InvalidClientTokenId", invalid)
        }
        (Service::Sqs, true) => {
            AwsError::new(403, "ExpiredTokenException", expired).query("ExpiredToken")
        }
        (Service::Sqs, false) => {
            AwsError::new(403, "UnrecognizedClientException", invalid).query("InvalidClientTokenId")
        }
        (Service::Lambda | Service::ApiGateway | Service::ExecuteApi, true) => {
            AwsError::new(403, "ExpiredTokenException", expired)
        }
        (Service::Lambda | Service::ApiGateway | Service::ExecuteApi, false) => {
            AwsError::new(403, "UnrecognizedClientException", invalid)
        }
        (Service::DynamoDb | Service::Logs, true) => {
            AwsError::new(400, "ExpiredTokenException", expired)
        }
        (Service::DynamoDb | Service::Logs, false) => {
            AwsError::new(400, "UnrecognizedClientException", invalid)
        }
    }
}

/// The ARN of what an IAM operation touches.
pub fn resource(iam: &Iam, call: &Call) -> String {
    let text = |member: &str| call.input.get(member).and_then(Value::as_str);
    let ours = |resource: &str| format!("arn:aws:iam::{ACCOUNT}:{resource}");
    let operation = call.operation.as_str();
    let role_is_meant = !matches!(operation, "ListRoles" | "ListEntitiesForPolicy");
    if let (true, Some(name)) = (role_is_meant, text("RoleName")) {
        if let Some(role) = iam.store.read().roles.get(name) {
            return role.arn.clone();
        }
        let path = text("Path").filter(|_| operation == "CreateRole");
        return ours(&format!("role{}{name}", path.unwrap_or("/")));
    }
    if let Some(arn) = text("PolicyArn") {
        return arn.to_owned();
    }
    match operation {
        "ListRoles" => ours(&format!("role{}", text("PathPrefix").unwrap_or("/"))),
        "CreatePolicy" => ours(&format!(
            "policy{}{}",
            text("Path").unwrap_or("/"),
            text("PolicyName").unwrap_or_default()
        )),
        "ListPolicies" => ours(&format!("policy{}", text("PathPrefix").unwrap_or("/"))),
        "GetUser" | "ListAccessKeys" => ours(&format!(
            "user/{}",
            text("UserName").unwrap_or(super::OWNER)
        )),
        "ListUsers" => ours(&format!("user{}", text("PathPrefix").unwrap_or("/"))),
        "CreateServiceLinkedRole" => {
            let service = text("AWSServiceName").unwrap_or_default();
            ours(&format!("role/aws-service-role/{service}/*"))
        }
        _ => "*".to_owned(),
    }
}
