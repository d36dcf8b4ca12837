//! Trying it out: a real message on each route, each over a connection of its own, so that answers can't be mixed up.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    client::{Client, ClientError, Handshake, Selection},
    diagnostic::Diagnostic,
    manifest::{Manifest, Via},
};

/// A direct route is answered within API Gateway's 29 s, or with an error.
const DIRECT: Duration = Duration::from_secs(31);
/// A queued route may say nothing at all. An error comes within seconds.
const QUEUED: Duration = Duration::from_secs(5);
/// What API Gateway says itself [aws-facts 1.1, 1.4].
const ERRORS: [&str; 5] = [
    "Forbidden",
    "Internal server error",
    "Too Many Requests",
    "Bad request body",
    "Endpoint request timed out",
];

/// What to try.
pub struct Probe<'a> {
    /// How to connect.
    pub handshake: &'a Handshake,
    /// Which routes there are.
    pub manifest: &'a Manifest,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Probed {
    /// How long the handshake took, or why it was refused.
    pub opened: Result<Duration, Diagnostic>,
    /// What came of a message on each route; none if nobody could connect.
    pub routes: Vec<RouteProbe>,
}

/// What became of a message on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteProbe {
    /// The route's key.
    pub key: String,
    /// The handler that gets it.
    pub handler: String,
    /// The way to it.
    pub via: Via,
    /// What came.
    pub answer: Answer,
}

/// What came after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The handler's text; untrusted.
    Text(String),
    /// An error of API Gateway's own.
    Error(String),
    /// Nothing.
    Silence,
    /// The message couldn't be sent.
    Failed(String),
    /// None was sent, and why.
    Untried(String),
}

impl Probe<'_> {
    /// Tries it out.
    pub async fn run(&self) -> Probed {
        let began = Instant::now();
        let opened = match self.handshake.open().await {
            Ok(client) => {
                let took = began.elapsed();
                let _ = client.close().await;
                Ok(took)
            }
            Err(error) => Err(error.diagnostic()),
        };
        if opened.is_err() {
            return Probed {
                opened,
                routes: Vec::new(),
            };
        }
        let selection = Selection::of(&self.manifest.api.route_selection).ok();
        let messages = self
            .manifest
            .routes
            .iter()
            .filter(|(key, _)| !["$connect", "$disconnect"].contains(&key.as_str()));
        let routes = messages.map(|(key, route)| {
            let selection = selection.as_ref();
            async move {
                let answer = match message(key.as_str(), selection) {
                    Some(text) => self.ask(&text, route.via).await,
                    None => Answer::Untried(
                        "the route selection is too involved to make a message by itself"
                            .to_owned(),
                    ),
                };
                RouteProbe {
                    key: key.as_str().to_owned(),
                    handler: route.handler.as_str().to_owned(),
                    via: route.via,
                    answer,
                }
            }
        });
        Probed {
            opened,
            routes: join_all(routes).await,
        }
    }

    async fn ask(&self, text: &str, via: Via) -> Answer {
        let patience = match via {
            Via::Direct => DIRECT,
            Via::Queue => QUEUED,
        };
        let asked = async {
            let mut client: Client = self.handshake.open().await?;
            client.send(text).await?;
            let answer = client.receive(patience).await;
            let _ = client.close().await;
            answer
        };
        match asked.await {
            Ok(text) if is_gateways(&text) => Answer::Error(text),
            Ok(text) => Answer::Text(text),
            Err(ClientError::Silence(_)) => Answer::Silence,
            Err(error) => Answer::Failed(error.diagnostic().message),
        }
    }
}

impl Probed {
    /// What it came to.
    pub fn words(&self) -> String {
        let Ok(took) = &self.opened else {
            return "nobody can connect".to_owned();
        };
        let of = |is_it: &dyn Fn(&Answer) -> bool| {
            self.routes
                .iter()
                .filter(|route| is_it(&route.answer))
                .count()
        };
        format!(
            "connected in {} ms; {} of {} routes answered, {} said nothing",
            took.as_millis(),
            of(&|answer| matches!(answer, Answer::Text(_))),
            self.routes.len(),
            of(&|answer| matches!(answer, Answer::Silence))
        )
    }
}

/// The message that goes on a route, if one can be made.
fn message(key: &str, selection: Option<&Selection>) -> Option<String> {
    // What isn't JSON selects nothing.
    if key == "$default" {
        return Some("wsless doctor".to_owned());
    }
    let text = json!({ "wsless": "doctor" }).to_string();
    selection.map(|selection| selection.wrap(key, &text))
}

/// Whether API Gateway said it, and not the handler.
fn is_gateways(text: &str) -> bool {
    let fields: Value = serde_json::from_str(text).unwrap_or_default();
    let says = fields["message"]
        .as_str()
        .is_some_and(|words| ERRORS.contains(&words));
    says && fields["connectionId"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_gateway_is_told_from_a_handlers_text() {
        assert!(is_gateways(
            r#"{"message": "Internal server error", "connectionId":"a=", "requestId":"b="}"#
        ));
        assert!(!is_gateways(r#"{"message": "Forbidden"}"#));
        assert!(!is_gateways(r#"{"message": "hello", "connectionId":"a="}"#));
        assert!(!is_gateways("Internal server error"));
    }

    #[test]
    fn the_message_of_a_route_selects_it() {
        let selection = Selection::of("$request.body.action").ok();
        assert_eq!(
            message("ping", selection.as_ref()).as_deref(),
            Some(r#"{"action":"ping","wsless":"doctor"}"#)
        );
        assert_eq!(message("$default", None).as_deref(), Some("wsless doctor"));
        assert_eq!(message("ping", None), None);
    }
}
