//! The account's other things, of which there are few: one user, and empty lists.

#![allow(
    clippy::unnecessary_wraps,
    reason = "an operation is a function like all others"
)]

use serde_json::json;

use super::{
    OWNER, OWNER_ID,
    input::{missing, optional, path_prefix, role_name},
    roles::no_role,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call, timestamp},
    clock::Millis,
    error::Result,
};

fn user() -> serde_json::Value {
    json!({
        "Path": "/",
        "UserName": OWNER,
        "UserId": OWNER_ID,
        "Arn": format!("arn:aws:iam::{ACCOUNT}:user/{OWNER}"),
        "CreateDate": timestamp(Millis(1_700_000_000_000)),
    })
}

/// The user that a call names; without a name, whoever calls.
fn check_user(call: &Call) -> Result<()> {
    match optional(call, "UserName") {
        None | Some(OWNER) => Ok(()),
        Some(name) => Err(missing(format!(
            "The user with name {name} cannot be found."
        ))),
    }
}

/// `GetUser`.
pub fn get_user(call: &Call) -> Result<Answer> {
    check_user(call)?;
    if optional(call, "UserName").is_none() && matches!(call.caller, super::Caller::Role { .. }) {
        return Err(super::input::invalid(
            "Must specify userName when calling with non-User credentials",
        ));
    }
    Ok(json!({ "User": user() }).into())
}

/// `ListUsers`.
pub fn list_users(call: &Call) -> Result<Answer> {
    let users = if path_prefix(call)? == "/" {
        json!([user()])
    } else {
        json!([])
    };
    Ok(json!({ "Users": users, "IsTruncated": false }).into())
}

/// `ListGroups`.
pub fn list_groups(_call: &Call) -> Result<Answer> {
    Ok(json!({ "Groups": [], "IsTruncated": false }).into())
}

/// `ListAccessKeys`: the owner has any key.
pub fn list_access_keys(call: &Call) -> Result<Answer> {
    check_user(call)?;
    Ok(json!({ "AccessKeyMetadata": [], "IsTruncated": false }).into())
}

/// `ListAccountAliases`.
pub fn list_aliases(_call: &Call) -> Result<Answer> {
    Ok(json!({ "AccountAliases": [], "IsTruncated": false }).into())
}

/// `GetAccountSummary`.
pub fn summary(call: &Call) -> Result<Answer> {
    let store = call.cloud.iam.store.read();
    Ok(json!({ "SummaryMap": {
        "Users": 1,
        "UsersQuota": 5000,
        "Groups": 0,
        "GroupsQuota": 300,
        "Roles": store.roles.len(),
        "RolesQuota": 1000,
        "Policies": store.policies.len(),
        "PoliciesQuota": 1500,
        "PolicySizeQuota": 6144,
        "AttachedPoliciesPerRoleQuota": 10,
        "AssumeRolePolicySizeQuota": 2048,
        "VersionsPerPolicyQuota": 5,
        "InstanceProfiles": 0,
        "InstanceProfilesQuota": 1000,
        "MFADevices": 0,
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 0,
        "Providers": 0,
        "ServerCertificates": 0,
    } })
    .into())
}

/// `ListInstanceProfiles`.
pub fn list_instance_profiles(_call: &Call) -> Result<Answer> {
    Ok(json!({ "InstanceProfiles": [], "IsTruncated": false }).into())
}

/// `ListInstanceProfilesForRole`.
pub fn list_instance_profiles_for_role(call: &Call) -> Result<Answer> {
    let name = role_name(call)?;
    if !call.cloud.iam.store.read().roles.contains_key(name) {
        return Err(no_role(name));
    }
    list_instance_profiles(call)
}

/// `ListOpenIDConnectProviders`.
pub fn list_oidc_providers(_call: &Call) -> Result<Answer> {
    Ok(json!({ "OpenIDConnectProviderList": [] }).into())
}

/// `ListSAMLProviders`.
pub fn list_saml_providers(_call: &Call) -> Result<Answer> {
    Ok(json!({ "SAMLProviderList": [] }).into())
}

/// `ListServerCertificates`.
pub fn list_server_certificates(_call: &Call) -> Result<Answer> {
    Ok(json!({ "ServerCertificateMetadataList": [], "IsTruncated": false }).into())
}

/// `GetAccountPasswordPolicy`: nobody made one.
pub fn password_policy(_call: &Call) -> Result<Answer> {
    Err(missing(format!(
        "The Password Policy with domain name {ACCOUNT} cannot be found."
    )))
}

/// A list of something that the one user has none of.
fn none_of_user(call: &Call, list: &str) -> Result<Answer> {
    check_user(call)?;
    Ok(json!({ list: [], "IsTruncated": false }).into())
}

/// `ListAttachedUserPolicies`.
pub fn list_attached_user_policies(call: &Call) -> Result<Answer> {
    none_of_user(call, "AttachedPolicies")
}

/// `ListGroupsForUser`.
pub fn list_groups_for_user(call: &Call) -> Result<Answer> {
    none_of_user(call, "Groups")
}

/// `ListMFADevices`.
pub fn list_mfa_devices(call: &Call) -> Result<Answer> {
    none_of_user(call, "MFADevices")
}

/// `ListUserPolicies`.
pub fn list_user_policies(call: &Call) -> Result<Answer> {
    none_of_user(call, "PolicyNames")
}

/// `ListUserTags`.
pub fn list_user_tags(call: &Call) -> Result<Answer> {
    none_of_user(call, "Tags")
}
