//! Policies with an ARN, and their versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    aws_managed,
    input::{
        description, document, limit, missing, moment, name, optional, page, path, path_prefix,
        required, shown_tags, size, tags, truth,
    },
    policy::{Kind, Policy},
    role_policies::policy_arn,
    roles::{encoded, malformed},
    state::{Managed, Store, Version, new_id},
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
};

/// Policies that there may be [IAM quotas].
const POLICIES: usize = 1500;
/// Characters of a document that count [IAM quotas].
const SIZE: usize = 6144;
/// The same with white space, which AWS doesn't count: here there's an end to it, for memory's sake.
const TEXT: usize = 5 * SIZE;
/// Versions of a policy [IAM quotas].
const VERSIONS: usize = 5;

fn no_policy(arn: &str) -> AwsError {
    missing(format!("Policy {arn} was not found."))
}

fn find<'s>(store: &'s Store, arn: &str) -> Result<&'s Managed> {
    store.policy(arn).ok_or_else(|| no_policy(arn))
}

/// A customer's policy, to be changed.
fn own<'s>(store: &'s mut Store, arn: &str) -> Result<&'s mut Managed> {
    if aws_managed::find(arn).is_some() {
        return Err(AwsError::new(
            403,
            "AccessDenied",
            format!("Policy {arn} is AWS's own and can't be changed."),
        ));
    }
    store.policies.get_mut(arn).ok_or_else(|| no_policy(arn))
}

fn read(call: &Call) -> Result<&str> {
    let text = document(call, "PolicyDocument")?;
    Policy::parse(Kind::Managed, text).map_err(malformed)?;
    if size(text) > SIZE || text.len() > TEXT {
        return Err(limit(format!("Cannot exceed quota for PolicySize: {SIZE}")));
    }
    Ok(text)
}

fn show(store: &Store, policy: &Managed, is_whole: bool) -> Value {
    let attached = store
        .roles
        .values()
        .filter(|role| role.attached.contains(&policy.arn))
        .count();
    let bounding = store
        .roles
        .values()
        .filter(|role| role.boundary.as_ref() == Some(&policy.arn))
        .count();
    let mut shown = json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default),
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounding,
        "IsAttachable": true,
        "CreateDate": moment(policy.created),
        "UpdateDate": moment(policy.updated),
    });
    if is_whole {
        if let Some(description) = &policy.description {
            shown["Description"] = json!(description);
        }
        shown["Tags"] = shown_tags(&policy.tags);
    }
    shown
}

fn show_version(policy: &Managed, number: u32, version: &Version, with_document: bool) -> Value {
    let mut shown = json!({
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default,
        "CreateDate": moment(version.created),
    });
    if with_document {
        shown["Document"] = json!(encoded(&version.document));
    }
    shown
}

/// `CreatePolicy`.
pub fn create(call: &Call) -> Result<Answer> {
    let name = name(call, "PolicyName", 128)?;
    let path = path(call)?;
    let description = description(call)?;
    let tags = tags(call)?;
    let text = read(call)?;
    let mut store = call.cloud.iam.store.write();
    if store
        .policies
        .values()
        .any(|policy| policy.name.eq_ignore_ascii_case(name))
    {
        return Err(AwsError::new(
            409,
            "EntityAlreadyExists",
            format!("A policy called {name} already exists. Duplicate names are not allowed."),
        ));
    }
    if store.policies.len() >= POLICIES {
        return Err(limit(format!(
            "Cannot exceed quota for PoliciesPerAccount: {POLICIES}"
        )));
    }
    let now = Millis::now();
    let version = Version {
        document: text.to_owned(),
        created: now,
    };
    let policy = Managed {
        name: name.to_owned(),
        path: path.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:policy{path}{name}"),
        id: new_id("ANPA"),
        description,
        created: now,
        updated: now,
        versions: BTreeMap::from([(1, version)]),
        default: 1,
        tags,
    };
    let shown = show(&store, &policy, true);
    store.policies.insert(policy.arn.clone(), policy);
    Ok(json!({ "Policy": shown }).into())
}

/// `GetPolicy`.
pub fn get(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let store = call.cloud.iam.store.read();
    Ok(json!({ "Policy": show(&store, find(&store, arn)?, true) }).into())
}

/// `ListPolicies`.
pub fn list(call: &Call) -> Result<Answer> {
    let prefix = path_prefix(call)?;
    let scope = optional(call, "Scope").unwrap_or("All");
    let only_attached = truth(call, "OnlyAttached");
    let store = call.cloud.iam.store.read();
    let awss = aws_managed::all()
        .filter(|_| scope != "Local")
        .map(|policy| -> &Managed { policy });
    let own = store.policies.values().filter(|_| scope != "AWS");
    let all: BTreeMap<String, &Managed> = awss
        .chain(own)
        .filter(|policy| policy.path.starts_with(prefix))
        .filter(|policy| {
            !only_attached
                || store
                    .roles
                    .values()
                    .any(|role| role.attached.contains(&policy.arn))
        })
        .map(|policy| (policy.arn.clone(), policy))
        .collect();
    let page = page(call, "Policies", all, |policy| show(&store, policy, false))?;
    Ok(Value::Object(page).into())
}

/// `DeletePolicy`.
pub fn delete(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let mut store = call.cloud.iam.store.write();
    let conflict = |text: &str| AwsError::new(409, "DeleteConflict", text);
    let versions = own(&mut store, arn)?.versions.len();
    let is_used = store
        .roles
        .values()
        .any(|role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn));
    if is_used {
        return Err(conflict("Cannot delete a policy attached to entities."));
    }
    if versions > 1 {
        return Err(conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
             The default version is deleted with the policy.",
        ));
    }
    store.policies.remove(arn);
    Ok(json!({}).into())
}

/// `CreatePolicyVersion`.
pub fn create_version(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let text = read(call)?;
    let mut store = call.cloud.iam.store.write();
    let policy = own(&mut store, arn)?;
    if policy.versions.len() >= VERSIONS {
        return Err(limit(format!(
            "A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must delete an \
             existing version."
        )));
    }
    let now = Millis::now();
    let number = policy.versions.keys().max().map_or(1, |last| last + 1);
    let version = Version {
        document: text.to_owned(),
        created: now,
    };
    policy.updated = now;
    if truth(call, "SetAsDefault") {
        policy.default = number;
    }
    let shown = show_version(policy, number, &version, false);
    policy.versions.insert(number, version);
    store.settle_users_of(arn, now, call.cloud.delays.of(Delay::Role));
    Ok(json!({ "PolicyVersion": shown }).into())
}

/// The version that a call names.
fn version_number(call: &Call, arn: &str) -> Result<u32> {
    let id = required(call, "VersionId")?;
    id.strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| no_version(arn, id))
}

fn no_version(arn: &str, id: &str) -> AwsError {
    missing(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}

/// `GetPolicyVersion`.
pub fn get_version(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let number = version_number(call, arn)?;
    let store = call.cloud.iam.store.read();
    let policy = find(&store, arn)?;
    let version = policy
        .versions
        .get(&number)
        .ok_or_else(|| no_version(arn, &format!("v{number}")))?;
    Ok(json!({ "PolicyVersion": show_version(policy, number, version, true) }).into())
}

/// `ListPolicyVersions`.
pub fn list_versions(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let store = call.cloud.iam.store.read();
    let policy = find(&store, arn)?;
    // The newest first, as AWS lists them.
    let versions = policy
        .versions
        .iter()
        .rev()
        .enumerate()
        .map(|(at, (number, version))| (format!("{at:010}"), (*number, version)));
    let page = page(call, "Versions", versions, |(number, version)| {
        show_version(policy, number, version, false)
    })?;
    Ok(Value::Object(page).into())
}

/// `DeletePolicyVersion`.
pub fn delete_version(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let number = version_number(call, arn)?;
    let mut store = call.cloud.iam.store.write();
    let policy = own(&mut store, arn)?;
    if number == policy.default {
        return Err(AwsError::new(
            409,
            "DeleteConflict",
            "Cannot delete the default version of a policy.",
        ));
    }
    policy
        .versions
        .remove(&number)
        .ok_or_else(|| no_version(arn, &format!("v{number}")))?;
    Ok(json!({}).into())
}

/// `SetDefaultPolicyVersion`.
pub fn set_default_version(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let number = version_number(call, arn)?;
    let mut store = call.cloud.iam.store.write();
    let policy = own(&mut store, arn)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(arn, &format!("v{number}")));
    }
    policy.default = number;
    policy.updated = Millis::now();
    store.settle_users_of(arn, Millis::now(), call.cloud.delays.of(Delay::Role));
    Ok(json!({}).into())
}

/// `ListEntitiesForPolicy`.
pub fn list_entities(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let prefix = path_prefix(call)?;
    let wants_roles = optional(call, "EntityFilter").is_none_or(|filter| filter == "Role");
    let store = call.cloud.iam.store.read();
    find(&store, arn)?;
    let roles = store
        .roles
        .values()
        .filter(|role| wants_roles && role.attached.contains(arn))
        .filter(|role| role.path.starts_with(prefix))
        .map(|role| (role.name.clone(), role));
    let mut page = page(
        call,
        "PolicyRoles",
        roles,
        |role| json!({ "RoleName": role.name, "RoleId": role.id }),
    )?;
    page.insert("PolicyGroups".to_owned(), json!([]));
    page.insert("PolicyUsers".to_owned(), json!([]));
    Ok(Value::Object(page).into())
}

/// `ListPolicyTags`.
pub fn list_tags(call: &Call) -> Result<Answer> {
    let arn = policy_arn(call)?;
    let store = call.cloud.iam.store.read();
    let policy = find(&store, arn)?;
    Ok(json!({ "Tags": shown_tags(&policy.tags), "IsTruncated": false }).into())
}
