//! Roles: made, read, changed, deleted, tagged.
//!
//! Texts of errors [IAM's answers as recorded in moto and LocalStack's snapshots; aws-facts 3.1].

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    OWNER,
    input::{
        add_tags, description, document, invalid, length, limit, missing, moment, name, number,
        optional, page, path, path_prefix, required, role_name, shown_tags, size, tag_keys, tags,
    },
    policy::{Kind, Policy},
    state::{Role, Store, Timeline, new_id},
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
};

/// Roles that there may be [IAM quotas].
const ROLES: usize = 1000;
/// Characters of a trust policy that count [IAM quotas].
const TRUST_SIZE: usize = 2048;
/// What isn't escaped in a URL-encoded document [RFC 3986, as IAM has it].
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A document as IAM's answers have it.
pub fn encoded(document: &str) -> String {
    utf8_percent_encode(document, UNRESERVED).to_string()
}

/// No role of this name.
pub fn no_role(name: &str) -> AwsError {
    missing(format!("The role with name {name} cannot be found."))
}

/// `MalformedPolicyDocument`.
pub fn malformed(reason: impl Into<String>) -> AwsError {
    AwsError::new(400, "MalformedPolicyDocument", reason)
}

/// Roles that a service made for itself can't be changed.
fn changeable<'s>(store: &'s mut Store, name: &str) -> Result<&'s mut Role> {
    let role = store.roles.get_mut(name).ok_or_else(|| no_role(name))?;
    if role.path.starts_with("/aws-service-role/") {
        return Err(AwsError::new(
            400,
            "UnmodifiableEntity",
            format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            ),
        ));
    }
    Ok(role)
}

/// A role that a policy may be put on.
pub fn open_to_policies(store: &mut Store, call: &Call) -> Result<String> {
    let name = role_name(call)?;
    changeable(store, name).map(|role| role.name.clone())
}

/// A role as answers show it; lists leave out its tags, its boundary and its last use [IAM API, ListRoles].
fn show(role: &Role, is_whole: bool) -> Value {
    let mut shown = json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": moment(role.created),
        "AssumeRolePolicyDocument": encoded(&role.trust),
    });
    if let Some(description) = &role.description {
        shown["Description"] = json!(description);
    }
    shown["MaxSessionDuration"] = json!(role.max_session);
    if is_whole {
        if let Some(boundary) = &role.boundary {
            shown["PermissionsBoundary"] = json!({
                "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
                "PermissionsBoundaryArn": boundary,
            });
        }
        if !role.tags.is_empty() {
            shown["Tags"] = shown_tags(&role.tags);
        }
    }
    shown
}

/// A trust policy, read; and whether those that it names are there.
fn trust(store: &Store, text: &str) -> Result<(String, Policy)> {
    let policy = Policy::parse(Kind::Trust, text).map_err(malformed)?;
    for arn in policy.principal_arns() {
        let Some(ours) = arn.strip_prefix(&format!("arn:aws:iam::{ACCOUNT}:")) else {
            continue;
        };
        let is_there = ours == format!("user/{OWNER}") || store.role(arn).is_some();
        if !is_there {
            return Err(malformed(format!(
                "Invalid principal in policy: \"AWS\":\"{arn}\""
            )));
        }
    }
    if size(text) > TRUST_SIZE {
        return Err(limit(format!(
            "Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}"
        )));
    }
    // IAM gives trust policies back without white space.
    let compact = serde_json::from_str::<Value>(text)
        .map_err(|error| malformed(error.to_string()))?
        .to_string();
    Ok((compact, policy))
}

fn boundary(store: &Store, call: &Call) -> Result<Option<String>> {
    let Some(arn) = optional(call, "PermissionsBoundary") else {
        return Ok(None);
    };
    length("PermissionsBoundary", arn, 20, 2048)?;
    if store.policy(arn).is_none() {
        return Err(missing(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        )));
    }
    Ok(Some(arn.to_owned()))
}

/// `CreateRole`.
pub fn create(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let path = path(call)?;
    let text = document(call, "AssumeRolePolicyDocument")?;
    let description = description(call)?;
    let max_session = number(call, "MaxSessionDuration", 3600, 43_200)?.unwrap_or(3600);
    let tags = tags(call)?;
    if path.starts_with("/aws-service-role/") {
        return Err(invalid(
            "The specified value for path is invalid. Roles with the path /aws-service-role/ are made by services only.",
        ));
    }
    let mut store = call.cloud.iam.store.write();
    // Names that differ by case only are the same [IAM identifiers].
    if store
        .roles
        .keys()
        .any(|taken| taken.eq_ignore_ascii_case(name))
    {
        return Err(AwsError::new(
            409,
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    if store.roles.len() >= ROLES {
        return Err(limit(format!(
            "Cannot exceed quota for RolesPerAccount: {ROLES}"
        )));
    }
    let (trust_text, trust) = trust(&store, text)?;
    let boundary = boundary(&store, call)?;
    let role = Role {
        name: name.to_owned(),
        path: path.to_owned(),
        description,
        max_session,
        boundary,
        tags,
        ..bare(name, path, trust_text)
    };
    let shown = show(&role, true);
    add(&mut store, call, role, trust);
    Ok(json!({ "Role": shown }).into())
}

fn bare(name: &str, path: &str, trust: String) -> Role {
    Role {
        name: name.to_owned(),
        path: path.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role{path}{name}"),
        id: new_id("AROA"),
        created: Millis::now(),
        description: None,
        max_session: 3600,
        trust,
        boundary: None,
        tags: Vec::new(),
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
        trusts: Timeline::default(),
        rights: Timeline::default(),
    }
}

fn add(store: &mut Store, call: &Call, mut role: Role, trust: Policy) {
    let now = Millis::now();
    let delay = call.cloud.delays.of(Delay::Role);
    role.trusts.set(now, now.after(delay), trust);
    let name = role.name.clone();
    store.roles.insert(name.clone(), role);
    store.settle_rights(&name, now, delay);
}

/// `GetRole`.
pub fn get(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let store = call.cloud.iam.store.read();
    let role = store.roles.get(name).ok_or_else(|| no_role(name))?;
    let mut shown = show(role, true);
    shown["RoleLastUsed"] = json!({});
    Ok(json!({ "Role": shown }).into())
}

/// `ListRoles`.
pub fn list(call: &Call) -> Result<Answer> {
    let prefix = path_prefix(call)?;
    let store = call.cloud.iam.store.read();
    let roles = store
        .roles
        .values()
        .filter(|role| role.path.starts_with(prefix))
        .map(|role| (role.name.clone(), role));
    let page = page(call, "Roles", roles, |role| show(role, false))?;
    Ok(Value::Object(page).into())
}

/// `UpdateRole`.
pub fn update(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let new_description = description(call)?;
    let max_session = number(call, "MaxSessionDuration", 3600, 43_200)?;
    let mut store = call.cloud.iam.store.write();
    let role = changeable(&mut store, name)?;
    // What isn't given is set to its default [IAM API, UpdateRole].
    role.max_session = max_session.unwrap_or(3600);
    if optional(call, "Description").is_some() {
        role.description = new_description;
    }
    Ok(json!({}).into())
}

/// `UpdateRoleDescription`.
pub fn update_description(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    required(call, "Description")?;
    let new_description = description(call)?;
    let mut store = call.cloud.iam.store.write();
    let role = changeable(&mut store, name)?;
    role.description = new_description;
    Ok(json!({ "Role": show(role, true) }).into())
}

/// `UpdateAssumeRolePolicy`.
pub fn update_trust(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let text = document(call, "PolicyDocument")?;
    let mut store = call.cloud.iam.store.write();
    changeable(&mut store, name)?;
    let (text, trust) = trust(&store, text)?;
    let role = changeable(&mut store, name)?;
    let now = Millis::now();
    role.trust = text;
    role.trusts
        .set(now, now.after(call.cloud.delays.of(Delay::Role)), trust);
    Ok(json!({}).into())
}

/// `DeleteRole`.
pub fn delete(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let mut store = call.cloud.iam.store.write();
    let role = changeable(&mut store, name)?;
    let conflict = |text: &str| AwsError::new(409, "DeleteConflict", text);
    if !role.attached.is_empty() {
        return Err(conflict(
            "Cannot delete entity, must detach all policies first.",
        ));
    }
    if !role.inline.is_empty() {
        return Err(conflict(
            "Cannot delete entity, must delete policies first.",
        ));
    }
    store.roles.remove(name);
    Ok(json!({}).into())
}

/// `TagRole`.
pub fn tag(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let new = tags(call)?;
    let mut store = call.cloud.iam.store.write();
    let role = changeable(&mut store, name)?;
    add_tags(&mut role.tags, new)?;
    Ok(json!({}).into())
}

/// `UntagRole`.
pub fn untag(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let keys = tag_keys(call)?;
    let mut store = call.cloud.iam.store.write();
    let role = changeable(&mut store, name)?;
    role.tags
        .retain(|(key, _)| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
    Ok(json!({}).into())
}

/// `ListRoleTags`.
pub fn list_tags(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let store = call.cloud.iam.store.read();
    let role = store.roles.get(name).ok_or_else(|| no_role(name))?;
    let tags: BTreeMap<&String, &String> =
        role.tags.iter().map(|(key, value)| (key, value)).collect();
    let tags = tags
        .into_iter()
        .map(|(key, value)| (key.clone(), (key, value)));
    let page = page(
        call,
        "Tags",
        tags,
        |(key, value)| json!({ "Key": key, "Value": value }),
    )?;
    Ok(Value::Object(page).into())
}

/// `PutRolePermissionsBoundary`.
pub fn put_boundary(call: &Call) -> Result<Answer> {
    required(call, "PermissionsBoundary")?;
    set_boundary(call)
}

/// `DeleteRolePermissionsBoundary`.
pub fn delete_boundary(call: &Call) -> Result<Answer> {
    set_boundary(call)
}

fn set_boundary(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    let mut store = call.cloud.iam.store.write();
    changeable(&mut store, name)?;
    let arn = boundary(&store, call)?;
    changeable(&mut store, name)?.boundary = arn;
    store.settle_rights(name, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// `CreateServiceLinkedRole`.
pub fn create_service_linked(call: &Call) -> Result<Answer> {
    let service = name(call, "AWSServiceName", 128)?;
    let description = description(call)?;
    // Only some have such roles; of those that are here, the gateway does [API Gateway developer guide].
    let Some(title) = (match service {
        "ops.apigateway.amazonaws.com" => Some("APIGateway"),
        _ => None,
    }) else {
        return Err(AwsError::new(
            400,
            "InvalidInput",
            format!(
                "Service role for {service} can't be made: the service has none, or isn't here"
            ),
        ));
    };
    if optional(call, "CustomSuffix").is_some() {
        return Err(AwsError::new(
            400,
            "InvalidInput",
            format!("Custom suffix is not allowed for {service}"),
        ));
    }
    let role_name = format!("AWSServiceRoleFor{title}");
    let trust_text = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string();
    let trust = Policy::parse(Kind::Trust, &trust_text).map_err(malformed)?;
    let mut store = call.cloud.iam.store.write();
    if store.roles.contains_key(&role_name) {
        return Err(AwsError::new(
            400,
            "InvalidInput",
            format!(
                "Service role name {role_name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let role = Role {
        description,
        ..bare(
            &role_name,
            &format!("/aws-service-role/{service}/"),
            trust_text,
        )
    };
    let mut shown = Map::new();
    shown.insert("Role".to_owned(), show(&role, true));
    add(&mut store, call, role, trust);
    Ok(Value::Object(shown).into())
}
