//! IAM: roles with their trust, inline and attached policies, and who may do what.
//!
//! `policy` decides, purely; `state` holds the roles, `session` the credentials that were given for them; `access` asks
//! the one about the other and says no in the called service's words. The operations are in `roles`, `role_policies`,
//! `managed` and `account`.
//!
//! Whoever bears a key that the cloud didn't give out is the account's owner and may do everything: a program that is
//! started with any key whatever works. Roles are checked, always.

pub(crate) mod access;
mod account;
mod aws_managed;
pub(crate) mod input;
mod managed;
pub mod policy;
mod role_policies;
mod roles;
mod session;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use parking_lot::RwLock;
use serde_json::{Value, json};

use self::{
    policy::{Context, Decision, Principal, Request},
    session::Sessions,
    state::Store,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Caller {
    /// Whoever bears a key that the cloud didn't give out: the account's owner, who may do everything.
    Owner {
        /// The access key's id.
        access_key: String,
    },
    /// A role's session.
    Role {
        /// The role's ARN.
        role: String,
        /// The session's name.
        session: String,
    },
}

impl Caller {
    /// Its ARN, as `GetCallerIdentity` and denials name it.
    ///
    /// The owner is a user, not root: AWS lets root assume no role and warns of its use, so that tools treat it
    /// specially.
    pub fn arn(&self) -> String {
        match self {
            Self::Owner { .. } => format!("arn:aws:iam::{ACCOUNT}:user/{OWNER}"),
            Self::Role { role, session } => {
                let name = role.rsplit('/').next().unwrap_or_default();
                format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}")
            }
        }
    }
}

/// The one user's name.
pub const OWNER: &str = "local";
/// The one user's id.
pub const OWNER_ID: &str = "AIDAQAAAAAAALOCALOWNER";
/// The secret of every key that the cloud didn't give out.
const OWNERS_SECRET: &str = "test";

/// What a call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `sqs:SendMessage`.
    pub action: String,
    /// The ARN of what is touched, or `*`.
    pub resource: String,
}

impl Permission {
    /// The action of an operation's own name.
    pub fn of(call: &Call, resource: impl Into<String>) -> Self {
        Self {
            action: format!("{}:{}", call.service.prefix(), call.operation),
            resource: resource.into(),
        }
    }

    /// Nothing that could be asked beforehand: the service asks itself, for each thing that is touched, or nobody is
    /// refused. Only whether the caller's key counts is looked at.
    pub fn decided_within() -> Self {
        Self {
            action: String::new(),
            resource: "*".to_owned(),
        }
    }
}

/// Temporary credentials of a role.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key: String,
    /// The secret.
    pub secret: String,
    /// The session token.
    pub token: String,
}

/// IAM's state.
#[derive(Debug, Default)]
pub struct Iam {
    store: RwLock<Store>,
    sessions: RwLock<Sessions>,
}

/// Who a caller is, beyond its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `AROA…:session`, or `AIDA…`.
    pub user_id: String,
    /// The longest session in seconds, if it's a role.
    pub max_session: Option<i64>,
}

/// A role in a list of all.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its trust policy.
    pub trust: String,
    /// The names of the policies within it.
    pub inline: Vec<String>,
    /// The ARNs of those that are attached.
    pub attached: Vec<String>,
}

impl Iam {
    /// Refuses what the caller may not do, with the service's own code.
    pub fn authorize(&self, call: &Call, permission: &Permission) -> Result<()> {
        access::authorize(self, call, permission)
    }

    /// Whether a caller may do it; for services that act under a role without a call of its own (Lambda's logs).
    pub fn allows(&self, caller: &Caller, permission: &Permission) -> bool {
        access::allows(self, caller, permission)
    }

    /// A service (`lambda.amazonaws.com`) assumes a role: the session, or why it can't be, in IAM's words.
    pub fn assume(&self, role_arn: &str, service: &str, session: &str) -> Result<Caller> {
        // API Gateway assumes roles without the keys about the source, so that conditions on them fail [aws-facts 2.1];
        // which function Lambda assumes a role for isn't known before there is one.
        let mut context = Context::new();
        if service != "apigateway.amazonaws.com" {
            context.insert("aws:SourceAccount".to_owned(), vec![ACCOUNT.to_owned()]);
        }
        let decision = self.trusts(role_arn, Principal::Service(service), &context);
        if decision != Some(Trust::Yes) {
            return Err(access::not_to_be_assumed(service, role_arn));
        }
        Ok(Caller::Role {
            role: role_arn.to_owned(),
            session: session.to_owned(),
        })
    }

    /// Whether a role trusts a principal; nothing if there's no such role, or not everywhere yet.
    pub(crate) fn trusts(
        &self,
        role_arn: &str,
        principal: Principal<'_>,
        context: &Context,
    ) -> Option<Trust> {
        let trust = {
            let store = self.store.read();
            store.role(role_arn)?.trusts.at(Millis::now())?.clone()
        };
        let request = Request {
            action: "sts:AssumeRole",
            resource: role_arn,
            principal,
            context,
        };
        Some(match trust.evaluate(&request) {
            Decision::Allowed => Trust::Yes,
            Decision::NotAllowed => Trust::No,
            Decision::Denied(_) => Trust::Denied,
        })
    }

    /// Credentials for a session, as a function's process gets them: the same ones for the same session.
    pub fn credentials(&self, caller: &Caller) -> Credentials {
        if let Some(given) = self.sessions.read().of_service(caller) {
            return given;
        }
        self.sessions.write().give_service(caller)
    }

    /// Credentials that last until then.
    pub(crate) fn temporary(&self, caller: Caller, expires: Millis) -> Credentials {
        self.sessions.write().give(caller, expires)
    }

    /// Who bears this access key, and the secret that its signatures are made with.
    ///
    /// A temporary key of the cloud's that has run out, or is forgotten, is a session of no role: whatever is called with
    /// it is refused as AWS does.
    pub fn bearer(&self, access_key: &str) -> (Caller, String) {
        if let Some(found) = self.sessions.read().find(access_key) {
            let has_expired = found
                .expires
                .is_some_and(|expires| expires <= Millis::now());
            let caller = if has_expired {
                access::lapsed(access::EXPIRED)
            } else {
                found.caller.clone()
            };
            return (caller, found.secret.clone());
        }
        let caller = if is_of_this_account(access_key) {
            access::lapsed(access::UNKNOWN)
        } else {
            Caller::Owner {
                access_key: access_key.to_owned(),
            }
        };
        (caller, OWNERS_SECRET.to_owned())
    }

    /// Who a caller is; nothing if its role is gone.
    pub fn identity(&self, caller: &Caller) -> Option<Identity> {
        match caller {
            Caller::Owner { .. } => Some(Identity {
                user_id: OWNER_ID.to_owned(),
                max_session: None,
            }),
            Caller::Role { role, session } => {
                let store = self.store.read();
                let role = store.role(role)?;
                Some(Identity {
                    user_id: format!("{}:{session}", role.id),
                    max_session: Some(role.max_session),
                })
            }
        }
    }

    /// All roles, for the console.
    pub fn overview(&self) -> Vec<Overview> {
        let store = self.store.read();
        let roles = store.roles.values().map(|role| Overview {
            name: role.name.clone(),
            arn: role.arn.clone(),
            trust: role.trust.clone(),
            inline: role.inline.keys().cloned().collect(),
            attached: role.attached.iter().cloned().collect(),
        });
        roles.collect()
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        json!({ "store": &*self.store.read(), "sessions": self.sessions.read().keep() })
    }

    /// Takes what was kept.
    pub fn restore(&self, mut kept: Value) -> Result<(), String> {
        let said = |error: serde_json::Error| error.to_string();
        let mut store: Store = serde_json::from_value(kept["store"].take()).map_err(said)?;
        let sessions = serde_json::from_value(kept["sessions"].take()).map_err(said)?;
        store.settle_all(Millis::now())?;
        *self.store.write() = store;
        self.sessions.write().restore(sessions);
        Ok(())
    }
}

/// What a role's trust says of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Yes,
    No,
    Denied,
}

/// Whether a temporary key is one of this cloud's: the account's number is in it, as in AWS's own keys.
fn is_of_this_account(access_key: &str) -> bool {
    access_key.len() == 20 && access_key.starts_with("ASIAQAAAAAAA")
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    let resource = access::resource(&call.cloud.iam, call);
    Permission::of(call, resource)
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "all services are called alike, and others wait"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    let operation = match call.operation.as_str() {
        "CreateRole" => roles::create,
        "GetRole" => roles::get,
        "ListRoles" => roles::list,
        "UpdateRole" => roles::update,
        "UpdateRoleDescription" => roles::update_description,
        "UpdateAssumeRolePolicy" => roles::update_trust,
        "DeleteRole" => roles::delete,
        "TagRole" => roles::tag,
        "UntagRole" => roles::untag,
        "ListRoleTags" => roles::list_tags,
        "PutRolePermissionsBoundary" => roles::put_boundary,
        "DeleteRolePermissionsBoundary" => roles::delete_boundary,
        "CreateServiceLinkedRole" => roles::create_service_linked,
        "PutRolePolicy" => role_policies::put,
        "GetRolePolicy" => role_policies::get,
        "ListRolePolicies" => role_policies::list,
        "DeleteRolePolicy" => role_policies::delete,
        "AttachRolePolicy" => role_policies::attach,
        "DetachRolePolicy" => role_policies::detach,
        "ListAttachedRolePolicies" => role_policies::list_attached,
        "CreatePolicy" => managed::create,
        "GetPolicy" => managed::get,
        "ListPolicies" => managed::list,
        "DeletePolicy" => managed::delete,
        "CreatePolicyVersion" => managed::create_version,
        "GetPolicyVersion" => managed::get_version,
        "ListPolicyVersions" => managed::list_versions,
        "DeletePolicyVersion" => managed::delete_version,
        "SetDefaultPolicyVersion" => managed::set_default_version,
        "ListEntitiesForPolicy" => managed::list_entities,
        "ListPolicyTags" => managed::list_tags,
        "GetUser" => account::get_user,
        "ListUsers" => account::list_users,
        "ListGroups" => account::list_groups,
        "ListAccessKeys" => account::list_access_keys,
        "ListAccountAliases" => account::list_aliases,
        "GetAccountSummary" => account::summary,
        "ListInstanceProfiles" => account::list_instance_profiles,
        "ListInstanceProfilesForRole" => account::list_instance_profiles_for_role,
        "GetAccountPasswordPolicy" => account::password_policy,
        "ListAttachedUserPolicies" => account::list_attached_user_policies,
        "ListGroupsForUser" => account::list_groups_for_user,
        "ListMFADevices" => account::list_mfa_devices,
        "ListSAMLProviders" => account::list_saml_providers,
        "ListServerCertificates" => account::list_server_certificates,
        "ListUserPolicies" => account::list_user_policies,
        "ListUserTags" => account::list_user_tags,
        "ListOpenIDConnectProviders" => account::list_oidc_providers,
        other => return Err(AwsError::unknown_operation("iam", other)),
    };
    operation(call)
}
