//! What IAM holds: roles and customers' policies, and which of their documents work by now.
//!
//! A change isn't seen at once everywhere: a [`Timeline`] knows what holds at a moment. Texts are what is kept; compiled
//! policies are made from them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    aws_managed,
    policy::{self, Context, Decision, Kind, Policy, Principal, Request},
};
use crate::clock::Millis;

/// Changes of one role that are under way at a time; more than that are seen sooner.
const UNDER_WAY: usize = 32;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Store {
    /// By name.
    pub roles: BTreeMap<String, Role>,
    /// The customers' policies, by ARN.
    pub policies: BTreeMap<String, Managed>,
}

/// A role.
#[derive(Debug, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    /// `/`, or `/wsless/`.
    pub path: String,
    pub arn: String,
    /// `AROA…`.
    pub id: String,
    pub created: Millis,
    pub description: Option<String>,
    /// In seconds.
    pub max_session: i64,
    /// The trust policy, without white space between its members.
    pub trust: String,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub tags: Tags,
    /// By name.
    pub inline: BTreeMap<String, String>,
    /// ARNs.
    pub attached: BTreeSet<String>,
    /// Whom it trusts; nobody can assume a role that isn't everywhere yet.
    #[serde(skip)]
    pub trusts: Timeline<Policy>,
    /// What it may do.
    #[serde(skip)]
    pub rights: Timeline<Rights>,
}

/// Tags, in the order they were given.
pub type Tags = Vec<(String, String)>;

/// A policy with an ARN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Managed {
    pub name: String,
    pub path: String,
    pub arn: String,
    /// `ANPA…`.
    pub id: String,
    pub description: Option<String>,
    pub created: Millis,
    pub updated: Millis,
    /// By number.
    pub versions: BTreeMap<u32, Version>,
    /// The number of the version that works.
    pub default: u32,
    pub tags: Tags,
}

/// A version of a managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    pub document: String,
    pub created: Millis,
}

/// What may be done, compiled.
#[derive(Debug, Default)]
pub struct Rights {
    policies: Vec<Policy>,
    boundary: Option<Policy>,
    needs_context: bool,
}

/// What rights say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    NotAllowed,
    NotWithinBoundary,
    Denied,
    DeniedByBoundary,
}

impl Rights {
    /// Whether a request's context matters.
    pub fn needs_context(&self) -> bool {
        self.needs_context
    }

    /// Whether it may be done.
    pub fn judge(&self, action: &str, resource: &str, context: &Context) -> Verdict {
        let request = Request {
            action,
            resource,
            principal: Principal::Anonymous,
            context,
        };
        let own = policy::evaluate(&self.policies, &request);
        if let Decision::Denied(_) = own {
            return Verdict::Denied;
        }
        match self.boundary.as_ref().map(|limit| limit.evaluate(&request)) {
            Some(Decision::Denied(_)) => Verdict::DeniedByBoundary,
            Some(Decision::NotAllowed) if own.is_allowed() => Verdict::NotWithinBoundary,
            _ if own.is_allowed() => Verdict::Allowed,
            _ => Verdict::NotAllowed,
        }
    }
}

/// Values, each from a moment on.
#[derive(Debug)]
pub struct Timeline<T> {
    values: Vec<(Millis, Arc<T>)>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T> Timeline<T> {
    /// The value from `at` on; what is past and replaced is forgotten.
    pub fn set(&mut self, now: Millis, at: Millis, value: T) {
        let past = self.values.iter().filter(|(from, _)| *from <= now).count();
        self.values.drain(..past.saturating_sub(1));
        if self.values.len() >= UNDER_WAY {
            self.values.remove(0);
        }
        self.values.push((at, Arc::new(value)));
    }

    /// The value now; none before the first.
    pub fn at(&self, now: Millis) -> Option<&Arc<T>> {
        self.values
            .iter()
            .rev()
            .find(|(from, _)| *from <= now)
            .map(|(_, value)| value)
    }
}

impl Managed {
    /// The document that works.
    pub fn document(&self) -> Option<&str> {
        self.versions
            .get(&self.default)
            .map(|version| version.document.as_str())
    }
}

impl Store {
    /// A policy of AWS's or of a customer's.
    pub fn policy(&self, arn: &str) -> Option<&Managed> {
        aws_managed::find(arn).or_else(|| self.policies.get(arn))
    }

    /// A role by its ARN.
    pub fn role(&self, arn: &str) -> Option<&Role> {
        let (_, name) = arn.rsplit_once('/')?;
        self.roles.get(name).filter(|role| role.arn == arn)
    }

    /// Makes what a role may do from its documents as they are now, to work after `delay`.
    pub fn settle_rights(&mut self, name: &str, now: Millis, delay: Duration) {
        let Some(role) = self.roles.get(name) else {
            return;
        };
        let managed = |arn: &String| self.policy(arn).and_then(Managed::document);
        let policies: Vec<Policy> = role
            .inline
            .values()
            .map(String::as_str)
            .chain(role.attached.iter().filter_map(managed))
            .filter_map(|text| Policy::parse(Kind::Inline, text).ok())
            .collect();
        let boundary = role.boundary.as_ref().map(|arn| {
            managed(arn)
                .and_then(|text| Policy::parse(Kind::Inline, text).ok())
                // A boundary that isn't there any more allows nothing.
                .unwrap_or_default()
        });
        let needs_context = policies.iter().chain(&boundary).any(Policy::needs_context);
        let rights = Rights {
            policies,
            boundary,
            needs_context,
        };
        if let Some(role) = self.roles.get_mut(name) {
            role.rights.set(now, now.after(delay), rights);
        }
    }

    /// The same for each role that a managed policy is attached to, or bounds.
    pub fn settle_users_of(&mut self, arn: &str, now: Millis, delay: Duration) {
        let users: Vec<String> = self
            .roles
            .values()
            .filter(|role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn))
            .map(|role| role.name.clone())
            .collect();
        for name in users {
            self.settle_rights(&name, now, delay);
        }
    }

    /// After it was read from where it's kept: what it holds works.
    pub fn settle_all(&mut self, now: Millis) -> Result<(), String> {
        for role in self.roles.values_mut() {
            let trust = Policy::parse(Kind::Trust, &role.trust)
                .map_err(|error| format!("the trust of the role {}: {error}", role.name))?;
            role.trusts.set(now, now, trust);
        }
        let names: Vec<String> = self.roles.keys().cloned().collect();
        for name in names {
            self.settle_rights(&name, now, Duration::ZERO);
        }
        Ok(())
    }
}

/// An id such as `AROA` and sixteen characters more; all of one account begin alike, as AWS's do.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", random_base32())
}

/// Ten bytes in base 32: the account's number 0 in the first of them, as AWS has it in access keys, then chance.
pub fn random_base32() -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let chance = u128::from(rand::random::<u64>() & ((1 << 39) - 1));
    // The highest bit is set in AWS's keys too: they begin with A and a Q or later.
    let bits = (1_u128 << 79) | chance;
    (0..16)
        .rev()
        .filter_map(|at| usize::try_from((bits >> (at * 5)) & 31).ok())
        .filter_map(|index| LETTERS.get(index))
        .map(|letter| char::from(*letter))
        .collect()
}
