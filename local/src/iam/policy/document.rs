//! Policy documents: what IAM takes, what it refuses and in which words. Pure.
//!
//! Texts [IAM's answers as recorded in moto's validator and LocalStack's snapshots; aws-facts 3.1].

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Named, Patterns, Policy, Principals, Statement,
    condition::Condition,
    pattern::{Case, Pattern, Wildcards},
};

/// What a document is for, which decides on its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A role's own policy.
    Inline,
    /// A policy with an ARN.
    Managed,
    /// Who may assume a role.
    Trust,
    /// Who may do something to a resource.
    Resource,
}

impl Kind {
    fn is_identity(self) -> bool {
        matches!(self, Self::Inline | Self::Managed)
    }
}

/// Why a document is refused, in IAM's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl From<Malformed> for String {
    fn from(reason: Malformed) -> Self {
        reason.0
    }
}

type Result<T> = std::result::Result<T, Malformed>;

fn malformed<T>(reason: impl Into<String>) -> Result<T> {
    Err(Malformed(reason.into()))
}

fn syntax<T>() -> Result<T> {
    malformed("Syntax errors in policy.")
}

const STATEMENT_MEMBERS: [&str; 10] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
    // Taken by IAM, and of no effect.
    "Comment",
];

const TRUST_ACTIONS: [&str; 6] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:setsourceidentity",
    "sts:tagsession",
    "sts:*",
];

impl Policy {
    /// Reads a document, as strictly as IAM.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let Ok(Value::Object(document)) = serde_json::from_str(text) else {
            return if kind == Kind::Trust {
                malformed("This policy contains invalid Json")
            } else {
                syntax()
            };
        };
        if let Some(odd) = document
            .keys()
            .find(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
        {
            return if kind == Kind::Trust {
                malformed(format!("Has prohibited field {odd}"))
            } else {
                syntax()
            };
        }
        let version = match document.get("Version") {
            None => "2008-10-17",
            Some(Value::String(version)) if version == "2012-10-17" || version == "2008-10-17" => {
                version
            }
            Some(_) => return syntax(),
        };
        if kind == Kind::Managed && version != "2012-10-17" {
            return malformed("Policy document must be version 2012-10-17 or greater.");
        }
        if document.get("Id").is_some_and(|id| !id.is_string()) {
            return syntax();
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
            Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
            _ => return syntax(),
        };
        let variables = version == "2012-10-17";
        let statements = statements
            .iter()
            .map(|statement| match statement {
                Value::Object(members) => Statement::parse(kind, members, variables),
                _ => syntax(),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut sids = BTreeSet::new();
        let is_unique = statements
            .iter()
            .filter_map(|statement| statement.sid.as_deref())
            .all(|sid| sid.is_empty() || sids.insert(sid));
        if !is_unique {
            return malformed("Statement IDs (SID) in a single policy must be unique.");
        }
        let needs_context = statements.iter().any(|statement| {
            !statement.conditions.is_empty()
                || statement.actions.have_variables()
                || statement.resources.have_variables()
        });
        Ok(Self {
            statements,
            needs_context,
        })
    }
}

impl Statement {
    fn parse(kind: Kind, members: &Map<String, Value>, variables: bool) -> Result<Self> {
        if let Some(odd) = members
            .keys()
            .find(|key| !STATEMENT_MEMBERS.contains(&key.as_str()))
        {
            return if kind == Kind::Trust {
                malformed(format!("Has prohibited field {odd}"))
            } else {
                syntax()
            };
        }
        let has = |name| members.contains_key(name);
        if has("Action") && has("NotAction")
            || has("Resource") && has("NotResource")
            || has("Principal") && has("NotPrincipal")
        {
            return syntax();
        }
        let sid = match members.get("Sid") {
            None => None,
            Some(Value::String(sid)) => Some(sid.clone()),
            Some(_) => return syntax(),
        };
        let denies = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => false,
            Some("Deny") => true,
            _ => return syntax(),
        };
        if kind.is_identity()
            && let Some(sid) = &sid
            && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return malformed(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
                 [0-9A-Za-z]*",
            );
        }
        let principals = principals(kind, members)?;
        let actions = actions(kind, members, variables)?;
        let resources = resources(kind, members, variables)?;
        let conditions = conditions(members, variables)?;
        Ok(Self {
            sid,
            denies,
            principals,
            actions,
            resources,
            conditions,
        })
    }
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn actions(kind: Kind, members: &Map<String, Value>, variables: bool) -> Result<Patterns> {
    let (value, is_all_but) = match (members.get("Action"), members.get("NotAction")) {
        (Some(value), _) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) if kind == Kind::Trust => {
            return malformed("Missing required field Action");
        }
        (None, None) => return malformed("Policy statement must contain actions."),
    };
    let Some(texts) = texts(value) else {
        return syntax();
    };
    if texts.is_empty() {
        return malformed("Policy statement must contain actions.");
    }
    for action in &texts {
        if *action == "*" && kind != Kind::Trust {
            continue;
        }
        if kind == Kind::Trust {
            if !TRUST_ACTIONS.contains(&action.to_ascii_lowercase().as_str()) {
                return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
            }
            continue;
        }
        let Some((vendor, name)) = action.split_once(':') else {
            return malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            );
        };
        if name.contains(':') {
            return malformed("Actions/Condition can contain only one colon.");
        }
        let is_vendor = !vendor.is_empty()
            && vendor
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_vendor {
            return malformed(format!("Vendor {vendor} is not valid"));
        }
        if name.is_empty() {
            return syntax();
        }
    }
    let patterns = texts
        .into_iter()
        .map(|action| Pattern::new(action, Case::Ignored, Wildcards::Work, variables))
        .collect();
    Ok(if is_all_but {
        Patterns::None(patterns)
    } else {
        Patterns::Any(patterns)
    })
}

fn resources(kind: Kind, members: &Map<String, Value>, variables: bool) -> Result<Patterns> {
    let (value, is_all_but) = match (members.get("Resource"), members.get("NotResource")) {
        (Some(_), _) if kind == Kind::Trust => return malformed("Has prohibited field Resource"),
        (_, Some(_)) if kind == Kind::Trust => {
            return malformed("Has prohibited field NotResource");
        }
        (Some(value), _) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) if kind.is_identity() => {
            return malformed("Policy statement must contain resources.");
        }
        (None, None) => return Ok(Patterns::Everything),
    };
    let Some(texts) = texts(value) else {
        return syntax();
    };
    if texts.is_empty() {
        return malformed("Policy statement must contain resources.");
    }
    if kind.is_identity() {
        for resource in &texts {
            check_arn(resource)?;
        }
    }
    let patterns = texts
        .into_iter()
        .map(|resource| Pattern::new(resource, Case::Matters, Wildcards::Work, variables))
        .collect();
    Ok(if is_all_but {
        Patterns::None(patterns)
    } else {
        Patterns::Any(patterns)
    })
}

fn check_arn(resource: &str) -> Result<()> {
    if resource == "*" {
        return Ok(());
    }
    let in_format = || {
        malformed(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        ))
    };
    let Some(rest) = resource.strip_prefix("arn:") else {
        // An ARN whose beginning is a wildcard is left to matching.
        return if resource.starts_with("*:") || resource.starts_with("arn*") {
            Ok(())
        } else {
            in_format()
        };
    };
    let mut parts = rest.splitn(5, ':');
    let partition = parts.next().unwrap_or_default();
    if !["aws", "aws-cn", "aws-us-gov", "*"].contains(&partition) {
        let mut part = || parts.next().unwrap_or("*");
        let (vendor, region, account, name) = (part(), part(), part(), part());
        return malformed(format!(
            "Partition \"{partition}\" is not valid for resource \"arn:{partition}:{vendor}:{region}:{account}:{name}\"."
        ));
    }
    match parts.next() {
        None | Some("") => return in_format(),
        Some(vendor) if vendor.contains(['*', '?']) && vendor != "*" => {
            return malformed(
                "Resource vendor must be fully qualified and cannot contain regexes.",
            );
        }
        Some("iam")
            if parts
                .next()
                .is_some_and(|region| !region.is_empty() && region != "*") =>
        {
            return malformed(format!(
                "IAM resource {resource} cannot contain region information."
            ));
        }
        Some(_) => {}
    }
    Ok(())
}

fn principals(kind: Kind, members: &Map<String, Value>) -> Result<Principals> {
    let (value, is_all_but) = match (members.get("Principal"), members.get("NotPrincipal")) {
        (Some(_), _) | (_, Some(_)) if kind.is_identity() => {
            return malformed("Policy document should not specify a principal.");
        }
        (Some(value), _) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) if kind.is_identity() => return Ok(Principals::Unnamed),
        (None, None) => return malformed("Missing required field Principal"),
    };
    let named = match value {
        Value::String(text) if text == "*" => vec![Named::Everybody],
        Value::Object(groups) if !groups.is_empty() => {
            let mut named = Vec::new();
            for (group, value) in groups {
                let Some(texts) = texts(value).filter(|texts| !texts.is_empty()) else {
                    return syntax();
                };
                for text in texts {
                    named.push(principal(group, text)?);
                }
            }
            named
        }
        Value::String(text) => {
            return malformed(format!("Invalid principal in policy: \"{text}\""));
        }
        _ => return syntax(),
    };
    Ok(if is_all_but {
        Principals::AllBut(named)
    } else {
        Principals::Only(named)
    })
}

fn principal(group: &str, text: &str) -> Result<Named> {
    let invalid = |group: &str| {
        malformed(format!(
            "Invalid principal in policy: \"{group}\":\"{text}\""
        ))
    };
    let is_account =
        |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    match group {
        "AWS" if text == "*" => Ok(Named::Everybody),
        "AWS" if is_account(text) => Ok(Named::Account(text.to_owned())),
        "AWS" => {
            let mut parts = text.splitn(6, ':');
            let mut part = || parts.next().unwrap_or_default();
            let (arn, _partition, vendor, region, account, name) =
                (part(), part(), part(), part(), part(), part());
            if arn != "arn"
                || !["iam", "sts"].contains(&vendor)
                || !region.is_empty()
                || !is_account(account)
            {
                return invalid("AWS");
            }
            match name.split_once('/') {
                _ if vendor == "iam" && name == "root" => Ok(Named::Account(account.to_owned())),
                // Wildcards within a principal's ARN aren't taken [IAM JSON policy elements: Principal].
                Some((kind, name))
                    if ["user", "role", "assumed-role", "federated-user"].contains(&kind)
                        && !name.is_empty()
                        && !name.contains('*') =>
                {
                    Ok(Named::Arn(text.to_owned()))
                }
                _ => invalid("AWS"),
            }
        }
        "Service" => {
            let is_service = text.split('.').count() >= 3
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
                && (text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn"));
            if is_service {
                Ok(Named::Service(text.to_owned()))
            } else {
                invalid("SERVICE")
            }
        }
        "Federated" | "CanonicalUser" => Ok(Named::Foreign),
        _ => syntax(),
    }
}

fn conditions(members: &Map<String, Value>, variables: bool) -> Result<Vec<Condition>> {
    let operators = match members.get("Condition") {
        None => return Ok(Vec::new()),
        Some(Value::Object(operators)) => operators,
        Some(_) => return syntax(),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return syntax();
        };
        for (key, wanted) in keys {
            let one = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                _ => None,
            };
            let wanted: Option<Vec<_>> = match wanted {
                Value::Array(items) => items.iter().map(one).collect(),
                single => one(single).map(|text| vec![text]),
            };
            let condition =
                wanted.and_then(|wanted| Condition::new(operator, key, &wanted, variables));
            match condition {
                // A key has a vendor, as an action does.
                Some(_) if !key.contains(':') => {
                    return malformed(
                        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                    );
                }
                Some(condition) => conditions.push(condition),
                None => return syntax(),
            }
        }
    }
    Ok(conditions)
}
