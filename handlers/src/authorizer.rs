//! Deciding who may connect: a REQUEST authorizer of `$connect`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Error;
use crate::context::Context;
use crate::environment::Environment;
use crate::events::{Event, RequestContext};
use crate::log::Level;
use crate::message::Handshake;
use crate::registry::Store;
use crate::runtime::{self, Invocation};
use crate::serve;

/// May the client connect, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    principal: String,
    allow: bool,
    context: BTreeMap<String, String>,
}

impl Decision {
    /// The client may connect. Handlers find the principal in [`Context::principal`].
    pub fn allow(principal: impl Into<String>) -> Self {
        Self {
            principal: principal.into(),
            allow: true,
            context: BTreeMap::new(),
        }
    }

    /// The client may not: its handshake ends with 403. (A missing identity source ends with 401 before this is asked.)
    pub fn deny() -> Self {
        Self {
            principal: "denied".into(),
            allow: false,
            context: BTreeMap::new(),
        }
    }

    /// Adds a value that API Gateway keeps with the connection, as `$context.authorizer.KEY`. 8 KB in all.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.insert(key.into(), value.into());
        self
    }

    /// WebSocket authorizers answer with an IAM policy; simple answers are for HTTP APIs (API Gateway v2 model,
    /// EnableSimpleResponses).
    fn policy(&self, method_arn: &str) -> Value {
        let effect = if self.allow { "Allow" } else { "Deny" };
        json!({
            "principalId": self.principal,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}],
            },
            "context": self.context,
        })
    }
}

/// Serves a handler as the system's authorizer (`[api] authorizer`).
///
/// ```no_run
/// # use wsless_handlers::{serve_authorizer, Context, Decision, Error, Handshake};
/// # async fn user_of(token: &str) -> Option<String> { None }
/// # async fn main_() -> Result<(), Error> {
/// serve_authorizer(|request: Handshake, _context: Context| async move {
///     let token = request.query("token").unwrap_or_default();
///     Ok(user_of(token).await.map_or_else(Decision::deny, Decision::allow))
/// })
/// .await
/// # }
/// ```
///
/// An error ends the handshake with 500. The decision is taken once a connection; it isn't cached.
pub async fn serve_authorizer<F, Fut>(handler: F) -> Result<(), Error>
where
    F: Fn(Handshake, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Decision, Error>> + Send + 'static,
{
    let handler = Arc::new(handler);
    runtime::run(
        |_| Environment::read().map(Arc::new),
        move |environment: Arc<Environment>, invocation: Invocation| {
            let handler = Arc::clone(&handler);
            async move {
                let started = Instant::now();
                let event: Event = serde_json::from_slice(&invocation.event)?;
                let arn = event
                    .method_arn
                    .ok_or("not an authorizer's event: no methodArn")?;
                let request = event.request_context.unwrap_or_default();
                let handshake = Handshake::new(
                    event.headers.as_ref(),
                    event.query_string_parameters.as_ref(),
                    request.source_ip(),
                );
                let context = context(&request, &environment, invocation.deadline);
                let decision = serve::guarded(&context, handler(handshake, context.clone()))
                    .await
                    .inspect_err(|error| context.log(Level::Error, &error.to_string()))?;
                let word = if decision.allow { "allowed" } else { "denied" };
                context.log(
                    Level::Info,
                    &format!("{word} in {} ms", started.elapsed().as_millis()),
                );
                Ok(decision.policy(&arn).to_string().into_bytes())
            }
        },
    )
    .await
}

/// An authorizer has no registry: the connection isn't there yet.
fn context(
    request: &RequestContext,
    environment: &Environment,
    deadline: tokio::time::Instant,
) -> Context {
    serve::context(request, environment, Arc::new(Store::Off), deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_a_policy_on_the_events_own_method() {
        let arn = "arn:aws:execute-api:eu-west-1:1:api/dev/$connect";
        let policy = Decision::allow("user-1").with("team", "blue").policy(arn);
        assert_eq!(policy["principalId"], "user-1");
        assert_eq!(policy["policyDocument"]["Statement"][0]["Effect"], "Allow");
        assert_eq!(policy["policyDocument"]["Statement"][0]["Resource"], arn);
        assert_eq!(policy["context"]["team"], "blue");
        let denied = Decision::deny().policy(arn);
        assert_eq!(denied["policyDocument"]["Statement"][0]["Effect"], "Deny");
    }
}
