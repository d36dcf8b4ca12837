//! Who may connect: authorizer functions, signatures, API keys.

use std::time::Instant;

use serde_json::{Map, Value};

use super::{
    connection::Authorized,
    event::{Event, raw},
    exchange::Exchange,
    gate::Right,
    opening::Opening,
    plan::{function_of, with_variables},
};
use crate::{
    gateway::model::Authorizer,
    iam::{Caller, Permission},
};

/// An authorizer's context may be so big [DG websocket-limits].
const CONTEXT: usize = 8 * 1024;

/// The body of a refusal has this message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub message: String,
    /// Why, for the log.
    pub why: String,
}

impl Refusal {
    pub fn new(status: u16, message: &str, why: impl Into<String>) -> Self {
        Self {
            status,
            message: message.to_owned(),
            why: why.into(),
        }
    }

    fn failed(why: impl Into<String>) -> Self {
        Self::new(500, "Internal server error", why)
    }
}

/// Asks the authorizer.
pub(super) async fn custom(
    exchange: &Exchange,
    opening: &Opening,
    authorizer: &Authorizer,
) -> Result<Authorized, Refusal> {
    // Without what it's to judge by it isn't asked [BC CreateAuthorizer.IdentitySource].
    for source in &authorizer.identity_source {
        if identity(exchange, opening, source).is_none_or(|value| value.is_empty()) {
            return Err(Refusal::new(
                401,
                "Unauthorized",
                format!("the identity source {source} is missing"),
            ));
        }
    }
    let stage = &exchange.plan.live.stage;
    let uri = with_variables(authorizer.authorizer_uri.as_deref().unwrap_or(""), stage);
    let function = function_of(&uri)
        .ok_or_else(|| Refusal::failed(format!("`{uri}` isn't a function's URI")))?;
    let source_arn = exchange.gate.region.arn(
        "execute-api",
        &format!(
            "{}/authorizers/{}",
            exchange.connection.api_id, authorizer.authorizer_id
        ),
    );
    let right = match &authorizer.authorizer_credentials_arn {
        Some(role) if !role.is_empty() => Right::Role(role),
        _ => Right::Policy(&source_arn),
    };
    exchange
        .gate
        .may_invoke(function, right)
        .map_err(|error| Refusal::failed(error.message))?;
    let since = Instant::now();
    let invoked = exchange
        .gate
        .invoke(function, event(exchange, opening))
        .await
        .map_err(|error| Refusal::failed(error.to_string()))?;
    let latency = since.elapsed().as_millis();
    let answer: Value = serde_json::from_slice(&invoked.payload)
        .map_err(|error| Refusal::failed(format!("what it returned isn't JSON: {error}")))?;
    if invoked.error.is_some() {
        let message = answer
            .get("errorMessage")
            .and_then(Value::as_str)
            .unwrap_or("");
        // The one error that AWS takes for an answer.
        return Err(if message == "Unauthorized" {
            Refusal::new(401, "Unauthorized", message)
        } else {
            Refusal::failed(format!("the authorizer failed: {message}"))
        });
    }
    judged(&answer, &exchange.route.arn, latency)
}

/// What an authorizer gets.
fn event(exchange: &Exchange, opening: &Opening) -> bytes::Bytes {
    let headers = opening.headers.single();
    let multi = opening.headers.multi();
    let query = opening.query.single();
    let multi_query = opening.query.multi();
    let variables = raw(&exchange.plan.live.stage.stage_variables);
    Event {
        kind: Some("REQUEST"),
        method_arn: Some(&exchange.route.arn),
        headers: Some(&headers),
        multi_value_headers: Some(&multi),
        query_string_parameters: Some(&query),
        multi_value_query_string_parameters: Some(&multi_query),
        stage_variables: Some(&variables),
        request_context: super::event::RequestContext::new(
            &exchange.connection,
            "$connect",
            &exchange.plan.domain,
            exchange.happening(),
            exchange.request_id,
            exchange.at,
        ),
        body: None,
        is_base64_encoded: None,
    }
    .bytes()
}

/// `route.request.header.Auth`, `route.request.querystring.token`, `stageVariables.x`, `context.y`.
fn identity(exchange: &Exchange, opening: &Opening, source: &str) -> Option<String> {
    if let Some(name) = source.strip_prefix("route.request.header.") {
        return opening.header(name).map(str::to_owned);
    }
    if let Some(name) = source.strip_prefix("route.request.querystring.") {
        return opening.parameter(name).map(str::to_owned);
    }
    if let Some(name) = source.strip_prefix("stageVariables.") {
        return exchange.plan.stage_variable(name);
    }
    exchange.context(source.strip_prefix("context.")?)
}

/// What an authorizer's answer comes to.
fn judged(answer: &Value, method_arn: &str, latency: u128) -> Result<Authorized, Refusal> {
    let principal = answer
        .get("principalId")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal::failed("the authorizer returned no principalId"))?;
    let statements = match answer
        .get("policyDocument")
        .and_then(|policy| policy.get("Statement"))
    {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Err(Refusal::failed("the authorizer returned no policy")),
    };
    let mut allowed = false;
    for statement in statements {
        let effect = statement.get("Effect").and_then(Value::as_str);
        let hits = names(statement.get("Action"), |action| {
            action == "*" || matches(&action.to_lowercase(), "execute-api:invoke")
        }) && names(statement.get("Resource"), |resource| {
            matches(resource, method_arn)
        });
        match effect {
            Some("Allow") => allowed |= hits,
            Some("Deny") if hits => {
                return Err(Refusal::new(
                    403,
                    "User is not authorized to access this resource with an explicit deny in an identity-based policy",
                    "the authorizer's policy denies it",
                ));
            }
            Some("Deny") => {}
            _ => return Err(Refusal::failed("a statement of the policy has no effect")),
        }
    }
    if !allowed {
        return Err(Refusal::new(
            403,
            "User is not authorized to access this resource",
            "the authorizer's policy doesn't allow it",
        ));
    }
    let mut values = vec![("principalId".to_owned(), principal.to_owned())];
    match answer.get("context") {
        None | Some(Value::Null) => {}
        Some(Value::Object(members)) => {
            for (name, value) in members {
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    Value::Null => continue,
                    _ => {
                        return Err(Refusal::failed(format!(
                            "the authorizer's context has a value that is neither text, number nor boolean: {name}"
                        )));
                    }
                };
                values.push((name.clone(), value));
            }
        }
        _ => return Err(Refusal::failed("the authorizer's context isn't an object")),
    }
    let size: usize = values
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > CONTEXT {
        return Err(Refusal::failed("the authorizer's context is too big"));
    }
    let mut shown: Map<String, Value> = values
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    let latency = u64::try_from(latency).unwrap_or(u64::MAX);
    shown.insert("integrationLatency".to_owned(), latency.into());
    values.push(("integrationLatency".to_owned(), latency.to_string()));
    Ok(Authorized {
        json: raw(&shown),
        values: values.into_boxed_slice(),
    })
}

/// Whether one of a member's texts does.
fn names(member: Option<&Value>, does: impl Fn(&str) -> bool) -> bool {
    match member {
        Some(Value::String(text)) => does(text),
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).any(does),
        _ => false,
    }
}

/// IAM's wildcards: `*` is any text, `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match (pattern.get(at), text.get(here)) {
            (Some(b'*'), _) => {
                star = Some((at, here));
                at += 1;
            }
            (Some(b'?'), Some(_)) => {
                at += 1;
                here += 1;
            }
            (Some(one), Some(other)) if one == other => {
                at += 1;
                here += 1;
            }
            _ => match star {
                Some((before, from)) => {
                    star = Some((before, from + 1));
                    at = before + 1;
                    here = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Looks at the signature's bearer: whether it may invoke the route. The signature itself is `wire`'s matter.
pub(super) fn signed(exchange: &Exchange, opening: &Opening) -> Result<Caller, Refusal> {
    let missing = || {
        Refusal::new(
            403,
            "Missing Authentication Token",
            "the request isn't signed",
        )
    };
    let key = access_key(opening).ok_or_else(missing)?;
    let (caller, _) = exchange.gate.cloud.iam.bearer(&key);
    let permission = Permission {
        action: "execute-api:Invoke".to_owned(),
        resource: exchange.route.arn.clone(),
    };
    if exchange.gate.cloud.iam.allows(&caller, &permission) {
        return Ok(caller);
    }
    let who = match &caller {
        Caller::Owner { .. } => exchange.gate.region.arn("iam", "root"),
        Caller::Role { role, session } => format!(
            "arn:aws:sts::{}:assumed-role/{}/{session}",
            crate::ACCOUNT,
            role.rsplit('/').next().unwrap_or("")
        ),
    };
    let message = format!(
        "User: {who} is not authorized to perform: execute-api:Invoke on resource: {}",
        permission.resource
    );
    Err(Refusal::new(403, &message, "IAM doesn't allow it"))
}

/// The key that a request is signed with, in its header or its query.
fn access_key(opening: &Opening) -> Option<String> {
    let credential = match opening.parameter("X-Amz-Credential") {
        Some(credential) if opening.parameter("X-Amz-Signature").is_some() => credential,
        _ => {
            let header = opening.header("Authorization")?;
            let rest = header.strip_prefix("AWS4-HMAC-SHA256")?;
            let (_, rest) = rest.split_once("Credential=")?;
            rest.split([',', ' ']).next()?
        }
    };
    let (key, scope) = credential.split_once('/')?;
    scope
        .contains("/execute-api/")
        .then(|| key.to_owned())
        .filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api1/dev/$connect";

    fn judge(answer: &Value) -> Result<Authorized, Refusal> {
        judged(answer, ARN, 7)
    }

    fn policy(effect: &str, resource: &str) -> Value {
        json!({"principalId": "ada", "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource},
        ]}})
    }

    #[test]
    fn a_policy_that_allows_the_connect_route_lets_in() {
        for resource in [
            ARN,
            "*",
            "arn:aws:execute-api:us-east-1:*:api1/*",
            "arn:aws:execute-api:*:*:api?/dev/*",
        ] {
            assert!(judge(&policy("Allow", resource)).is_ok(), "{resource}");
        }
        let implicit =
            judge(&policy("Allow", "arn:aws:execute-api:us-east-1:*:api2/*")).unwrap_err();
        assert_eq!(
            (implicit.status, implicit.message.as_str()),
            (403, "User is not authorized to access this resource")
        );
        let explicit = judge(&policy("Deny", "*")).unwrap_err();
        assert_eq!(explicit.status, 403);
        assert!(
            explicit
                .message
                .ends_with("explicit deny in an identity-based policy")
        );
        let both = json!({"principalId": "x", "policyDocument": {"Statement": [
            {"Effect": "Allow", "Action": ["execute-api:*"], "Resource": ["*"]},
            {"Effect": "Deny", "Action": "execute-api:Inv*", "Resource": ARN},
        ]}});
        assert_eq!(judge(&both).unwrap_err().status, 403);
    }

    #[test]
    fn an_answer_that_isnt_one_is_the_gateways_failure() {
        let mut named = policy("Allow", "*");
        named["context"] = json!({"a": {"b": 1}});
        for bad in [
            json!(null),
            json!({}),
            json!({"principalId": "x"}),
            json!({"isAuthorized": true}),
            json!({"principalId": 1, "policyDocument": {"Statement": []}}),
            policy("Maybe", "*"),
            named,
            json!({"principalId": "x", "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, "context": {"big": "x".repeat(9000)}}),
        ] {
            assert_eq!(judge(&bad).unwrap_err().status, 500, "{bad}");
        }
    }

    #[test]
    fn its_context_becomes_texts() {
        let mut answer = policy("Allow", "*");
        answer["context"] = json!({"tenant": "t1", "n": 5, "ok": true, "no": null});
        let authorized = judge(&answer).unwrap();
        assert_eq!(
            authorized.json.get(),
            r#"{"principalId":"ada","tenant":"t1","n":"5","ok":"true","integrationLatency":7}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn wildcards_match_as_a_regular_expression_would(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let regex = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex_lite::Regex::new(&regex).unwrap().is_match(&text);
            proptest::prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
