//! Policies: what a set of JSON documents allows. Pure.
//!
//! A document is parsed once ([`Policy::parse`], which refuses what IAM refuses) and kept compiled; [`evaluate`] asks any
//! number of them about one request, without allocating. Identity policies, roles' trust and resource policies are the
//! same thing with different members.
//!
//! An explicit deny wins, then any allow; what nothing allows isn't allowed [IAM user guide, policy evaluation logic].

mod condition;
mod document;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::document::{Kind, Malformed};
use self::{condition::Condition, pattern::Pattern};

/// The condition keys of a request (`aws:SourceArn`), each with its values. Their names' case doesn't matter.
pub type Context = BTreeMap<String, Vec<String>>;

/// A document, compiled.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
    needs_context: bool,
}

/// One statement of a document.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its `Sid`, if it has one.
    pub sid: Option<String>,
    denies: bool,
    principals: Principals,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `sqs:SendMessage`.
    pub action: &'a str,
    /// The ARN of what is touched; for roles' trust it isn't looked at.
    pub resource: &'a str,
    /// Who asks; identity policies don't look at it.
    pub principal: Principal<'a>,
    /// The condition keys that the request has.
    pub context: &'a Context,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// Nobody known.
    Anonymous,
    /// A service, such as `lambda.amazonaws.com`.
    Service(&'a str),
    /// A user, a role or a role's session.
    Aws {
        /// The account, if a policy that names the whole account is to count.
        account: Option<&'a str>,
        /// The ARNs that mean it: a session's own, and its role's.
        arns: &'a [&'a str],
    },
}

/// What policies say of a request.
#[derive(Clone, Copy, Debug)]
pub enum Decision<'p> {
    /// It's allowed.
    Allowed,
    /// Nothing allows it.
    NotAllowed,
    /// This statement denies it.
    Denied(&'p Statement),
}

impl Decision<'_> {
    /// Whether it's allowed.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// Whose requests a statement is about.
#[derive(Clone, Debug, PartialEq)]
enum Principals {
    /// It names none: an identity policy's statement.
    Unnamed,
    Only(Vec<Named>),
    AllBut(Vec<Named>),
}

/// A principal that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Everybody,
    Account(String),
    Arn(String),
    Service(String),
    /// Federated or canonical users, of which there are none here.
    Foreign,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
enum Patterns {
    /// Not named, as the resources of a trust policy: everything.
    Everything,
    Any(Vec<Pattern>),
    None(Vec<Pattern>),
}

/// What policies say together.
pub fn evaluate<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    request: &Request<'_>,
) -> Decision<'p> {
    let mut decision = Decision::NotAllowed;
    for policy in policies {
        for statement in &policy.statements {
            let may_matter = statement.denies || !decision.is_allowed();
            if !may_matter || !statement.applies(request) {
                continue;
            }
            if statement.denies {
                return Decision::Denied(statement);
            }
            decision = Decision::Allowed;
        }
    }
    decision
}

impl Policy {
    /// What it says of a request on its own.
    pub fn evaluate(&self, request: &Request<'_>) -> Decision<'_> {
        evaluate([self], request)
    }

    /// Whether anything in it looks at the request's context: if not, none needs to be put together.
    pub fn needs_context(&self) -> bool {
        self.needs_context
    }

    /// The ARNs of AWS principals that it names, for whoever must see that they exist.
    pub fn principal_arns(&self) -> impl Iterator<Item = &str> {
        self.statements
            .iter()
            .flat_map(|statement| match &statement.principals {
                Principals::Unnamed => [].iter(),
                Principals::Only(named) | Principals::AllBut(named) => named.iter(),
            })
            .filter_map(|named| match named {
                Named::Arn(arn) => Some(arn.as_str()),
                _ => None,
            })
    }
}

impl Statement {
    fn applies(&self, request: &Request<'_>) -> bool {
        self.actions.have(request.action, request.context)
            && self.resources.have(request.resource, request.context)
            && self.principals.have(request.principal)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request.context))
    }
}

impl Patterns {
    fn have(&self, text: &str, context: &Context) -> bool {
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(text, context))
        };
        match self {
            Self::Everything => true,
            Self::Any(patterns) => any(patterns),
            Self::None(patterns) => !any(patterns),
        }
    }

    fn have_variables(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Any(patterns) | Self::None(patterns) => {
                patterns.iter().any(Pattern::has_variables)
            }
        }
    }
}

impl Principals {
    fn have(&self, principal: Principal<'_>) -> bool {
        let any = |named: &[Named]| named.iter().any(|named| named.is(principal));
        match self {
            Self::Unnamed => true,
            Self::Only(named) => any(named),
            Self::AllBut(named) => !any(named),
        }
    }
}

impl Named {
    fn is(&self, principal: Principal<'_>) -> bool {
        match (self, principal) {
            (Self::Everybody, _) => true,
            (
                Self::Account(account),
                Principal::Aws {
                    account: Some(own), ..
                },
            ) => account == own,
            (Self::Arn(arn), Principal::Aws { arns, .. }) => arns.contains(&arn.as_str()),
            (Self::Service(service), Principal::Service(own)) => service == own,
            _ => false,
        }
    }
}
