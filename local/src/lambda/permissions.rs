//! Resource policies: who else may invoke a function. The function, each version and each alias has its own.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::{
    aliases,
    arn::{self, LATEST, Shape, Subject},
    check::{Members, conflict, invalid, not_found, wrong_revision},
    control,
    settings::whole,
    state::{self, Function},
};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
};

/// The largest policy.
const MOST: usize = 20_480;
const STATEMENT: &str = "([a-zA-Z0-9-_]+)";
const ACTION: &str = r"(lambda:[*]|lambda:[a-zA-Z]+|[*])";
const PRINCIPAL: &str = r"[^\s]+";
const SOURCE: &str = r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)";
const ACCOUNT: &str = r"\d{12}";
const TOKEN: &str = r"[a-zA-Z0-9._\-]+";
const ORGANISATION: &str = "o-[a-z0-9]{10,32}";

/// A member of which the model says the shape.
struct Shaped {
    name: &'static str,
    shown: &'static str,
    most: usize,
    pattern: Option<Regex>,
}

static SHAPES: LazyLock<[Shaped; 7]> = LazyLock::new(|| {
    [
        ("StatementId", STATEMENT, 100),
        ("Action", ACTION, 10_000),
        ("Principal", PRINCIPAL, 2048),
        ("SourceArn", SOURCE, 10_000),
        ("SourceAccount", ACCOUNT, 12),
        ("EventSourceToken", TOKEN, 256),
        ("PrincipalOrgID", ORGANISATION, 34),
    ]
    .map(|(name, shown, most)| Shaped {
        name,
        shown,
        most,
        pattern: whole(shown),
    })
});

/// `AddPermission`.
pub(super) fn add(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Namespaced)?;
    for name in ["StatementId", "Action", "Principal"] {
        members.required(name)?;
    }
    for shaped in &*SHAPES {
        if let (Some(text), Some(pattern)) = (members.text(shaped.name)?, &shaped.pattern) {
            members.length(shaped.name, text, 0, shaped.most);
            members.pattern(shaped.name, text, pattern, shaped.shown);
        }
    }
    if let Some(auth) = members.text("FunctionUrlAuthType")? {
        members.one_of("functionUrlAuthType", auth, &["NONE", "AWS_IAM"]);
    }
    members.finish()?;
    let members = Members::new(&call.input);
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    if subject.qualifier.as_deref() == Some(LATEST) {
        return Err(invalid(
            "We currently do not support adding policies for $LATEST.",
        ));
    }
    let statement = statement(&members, &subject)?;
    let id = members.text("StatementId")?.unwrap_or_default();
    let mut state = control::of(call).state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| not_found(format!("Function not found: {}", subject.arn)))?;
    must_be_there(function, &subject)?;
    let key = subject.qualifier.clone().unwrap_or_default();
    let held = function.policies.get(&key);
    if let Some(revision) = members.text("RevisionId")?
        && held.is_none_or(|policy| policy.revision != revision)
    {
        return Err(wrong_revision("GetPolicy"));
    }
    let mut policy = held.cloned().unwrap_or_default();
    if policy.statements.iter().any(|held| held["Sid"] == id) {
        return Err(conflict(format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    let text = statement.to_string();
    policy.statements.push(statement);
    let size = document(&policy.statements).len();
    if size > MOST {
        return Err(AwsError::new(
            400,
            "PolicyLengthExceededException",
            format!("The final policy size ({size}) is bigger than the limit ({MOST})."),
        )
        .member("Type", "User"));
    }
    policy.revision = state::revision();
    function.policies.insert(key, policy);
    Ok(Answer::members(201, json!({ "Statement": text })))
}

/// The statement, its members in the order in which AWS writes them.
fn statement(members: &Members<'_>, subject: &Subject) -> Result<Value> {
    let mut equals = Map::new();
    for (name, key) in [
        ("SourceAccount", "AWS:SourceAccount"),
        ("FunctionUrlAuthType", "lambda:FunctionUrlAuthType"),
        ("EventSourceToken", "lambda:EventSourceToken"),
        ("PrincipalOrgID", "aws:PrincipalOrgID"),
    ] {
        if let Some(text) = members.text(name)? {
            equals.insert(key.to_owned(), text.into());
        }
    }
    let mut condition = Map::new();
    if !equals.is_empty() {
        condition.insert("StringEquals".to_owned(), equals.into());
    }
    if let Some(url) = members.flag("InvokedViaFunctionUrl")? {
        let via = json!({ "lambda:InvokedViaFunctionUrl": url.to_string() });
        condition.insert("Bool".to_owned(), via);
    }
    if let Some(source) = members.text("SourceArn")? {
        condition.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": source }));
    }
    let mut statement = json!({
        "Sid": members.text("StatementId")?,
        "Effect": "Allow",
        "Principal": principal(members.text("Principal")?.unwrap_or_default())?,
        "Action": members.text("Action")?,
        "Resource": subject.qualified(),
    });
    if !condition.is_empty() {
        statement["Condition"] = condition.into();
    }
    Ok(statement)
}

/// Everybody, a service, an account, or somebody of an account.
fn principal(text: &str) -> Result<Value> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_service = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".amazon.com",
        ".aws.internal",
    ]
    .iter()
    .any(|end| text.ends_with(end))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let mut parts = text.splitn(6, ':');
    let is_somebody = parts.next() == Some("arn")
        && parts
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && matches!(parts.next(), Some("iam" | "sts"))
        && parts.next() == Some("")
        && parts.next().is_some_and(|account| account.len() == 12)
        && parts.next().is_some_and(|who| !who.is_empty());
    if text == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
    } else if is_service {
        Ok(json!({ "Service": text }))
    } else if is_somebody {
        Ok(json!({ "AWS": text }))
    } else {
        Err(invalid(
            "The provided principal was invalid. Please check the principal and try again.",
        ))
    }
}

/// Refuses a qualifier that names nothing.
fn must_be_there(function: &Function, subject: &Subject) -> Result<()> {
    let Some(qualifier) = subject.qualifier.as_deref() else {
        return Ok(());
    };
    if function.release(Some(qualifier)).is_some() {
        Ok(())
    } else if arn::is_alias(qualifier) {
        Err(aliases::missing(&subject.arn, qualifier))
    } else {
        Err(subject.missing())
    }
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements }).to_string()
}

/// `GetPolicy`.
pub(super) fn get(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let state = control::of(call).state.read();
    let policy = state
        .functions
        .get(&subject.name)
        .and_then(|function| {
            let key = subject.qualifier.as_deref().unwrap_or_default();
            function.policies.get(key)
        })
        .ok_or_else(|| not_found("The resource you requested does not exist."))?;
    Ok(json!({
        "Policy": document(&policy.statements),
        "RevisionId": policy.revision,
    })
    .into())
}

/// `RemovePermission`.
pub(super) fn remove(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Namespaced)?;
    let id = members.required("StatementId")?;
    members.length("statementId", id, 1, 100);
    let revision = members.text("RevisionId")?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    let mut state = control::of(call).state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| not_found(format!("No policy found for: {}", subject.arn)))?;
    must_be_there(function, &subject)?;
    let key = subject.qualifier.as_deref().unwrap_or_default();
    let policy = function
        .policies
        .get_mut(key)
        .ok_or_else(|| not_found("No policy is associated with the given resource."))?;
    let at = policy
        .statements
        .iter()
        .position(|statement| statement["Sid"] == id)
        .ok_or_else(|| not_found(format!("Statement {id} is not found in resource policy.")))?;
    if revision.is_some_and(|revision| revision != policy.revision) {
        return Err(wrong_revision("GetPolicy"));
    }
    policy.statements.remove(at);
    policy.revision = state::revision();
    if policy.statements.is_empty() {
        function.policies.remove(key);
    }
    Ok(Answer::empty(204))
}
