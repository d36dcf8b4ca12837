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
    clock::Millis,
    cloud::Cloud,
    gateway::model::Authorizer,
    iam::{
        Caller, Permission,
        policy::{Context, Decision, Kind, Policy, Principal, Request},
    },
    wire::sigv4::{self, Flaw, Signed},
};

const INVOKE: &str = "execute-api:Invoke";

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
    let conditions = Context::from([(
        "aws:SourceIp".to_owned(),
        vec![exchange.connection.source_ip.to_string()],
    )]);
    judged(&answer, &exchange.route.arn, &conditions, latency)
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
fn judged(
    answer: &Value,
    method_arn: &str,
    conditions: &Context,
    latency: u128,
) -> Result<Authorized, Refusal> {
    let principal = answer
        .get("principalId")
        .and_then(Value::as_str)
        .ok_or_else(|| Refusal::failed("the authorizer returned no principalId"))?;
    let document = answer
        .get("policyDocument")
        .ok_or_else(|| Refusal::failed("the authorizer returned no policyDocument"))?;
    let policy = Policy::parse(Kind::Inline, &document.to_string())
        .map_err(|why| Refusal::failed(format!("the authorizer's policy: {why}")))?;
    let decision = policy.evaluate(&Request {
        action: INVOKE,
        resource: method_arn,
        principal: Principal::Anonymous,
        context: conditions,
    });
    match decision {
        Decision::Allowed => {}
        Decision::Denied(_) => {
            return Err(Refusal::new(
                403,
                "User is not authorized to access this resource with an explicit deny in an identity-based policy",
                "the authorizer's policy denies it",
            ));
        }
        Decision::NotAllowed => {
            return Err(Refusal::new(
                403,
                "User is not authorized to access this resource",
                "the authorizer's policy doesn't allow it",
            ));
        }
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

/// Who signed a request; a signature that's wrong is refused if the cloud looks at signatures.
pub(super) fn signer<B>(cloud: &Cloud, request: &hyper::Request<B>) -> Result<Caller, Refusal> {
    let flawed = |flaw: Flaw| {
        let message = match &flaw {
            Flaw::Missing | Flaw::Old => "Missing Authentication Token",
            Flaw::Incomplete(message) | Flaw::Scope(message) | Flaw::Expired(message) => message,
            Flaw::Body | Flaw::Mismatch => {
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
            }
        };
        Refusal::new(403, message, "the signature won't do")
    };
    let (uri, headers) = (request.uri(), request.headers());
    let signature = sigv4::parse(uri, headers).map_err(flawed)?;
    if signature.service != "execute-api" {
        return Err(flawed(Flaw::Scope(
            "Credential should be scoped to correct service: 'execute-api'.".to_owned(),
        )));
    }
    let (caller, secret) = cloud.iam.bearer(&signature.access_key);
    if cloud.options.verify_signatures {
        let signed = Signed {
            method: request.method(),
            uri,
            headers,
            body: &[],
        };
        signature
            .verify(signed, &secret, Millis::now())
            .map_err(flawed)?;
    }
    Ok(caller)
}

/// Whether who signed may invoke the route.
pub(super) fn invoker(exchange: &Exchange, caller: &Caller) -> Result<(), Refusal> {
    let permission = Permission {
        action: INVOKE.to_owned(),
        resource: exchange.route.arn.clone(),
    };
    if exchange.gate.cloud.iam.allows(caller, &permission) {
        return Ok(());
    }
    let message = format!(
        "User: {} is not authorized to perform: {INVOKE} on resource: {}",
        caller.arn(),
        permission.resource
    );
    Err(Refusal::new(403, &message, "IAM doesn't allow it"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:api1/dev/$connect";

    fn judge(answer: &Value) -> Result<Authorized, Refusal> {
        judged(answer, ARN, &Context::new(), 7)
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
            "arn:aws:execute-api:us-east-1:000000000000:api?/dev/*",
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
}
