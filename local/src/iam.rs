//! IAM: roles with their trust, inline and attached policies, and who may do what.
//!
//! `policy` decides, purely; this part holds the roles and the credentials that were given for them.

pub mod policy;

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
pub struct Iam {}

impl Iam {
    /// Refuses what the caller may not do, with the service's own code.
    pub fn authorize(&self, call: &Call, permission: &Permission) -> Result<()> {
        let _ = (call, permission);
        Ok(())
    }

    /// Whether a caller may do it; for services that act under a role without a call of its own (Lambda's logs).
    pub fn allows(&self, caller: &Caller, permission: &Permission) -> bool {
        let _ = (caller, permission);
        true
    }

    /// A service (`lambda.amazonaws.com`) assumes a role: the session, or why it can't be, in IAM's words.
    pub fn assume(&self, role_arn: &str, service: &str, session: &str) -> Result<Caller> {
        let _ = service;
        Ok(Caller::Role {
            role: role_arn.to_owned(),
            session: session.to_owned(),
        })
    }

    /// Credentials for a session, as a function's process gets them.
    pub fn credentials(&self, caller: &Caller) -> Credentials {
        let _ = caller;
        Credentials {
            access_key: String::new(),
            secret: String::new(),
            token: String::new(),
        }
    }

    /// Who bears this access key, and the secret that its signatures are made with.
    pub fn bearer(&self, access_key: &str) -> (Caller, String) {
        (
            Caller::Owner {
                access_key: access_key.to_owned(),
            },
            "test".to_owned(),
        )
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        Value::Null
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        let _ = kept;
        Ok(())
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("iam", &call.operation))
}
