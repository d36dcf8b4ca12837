//! One exchange: a message (or a connect, or a disconnect), the route it takes, and what came of it.

use std::{cell::OnceCell, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{
    connection::Connection,
    event::{Event, Happening, RequestContext},
    gate::Gate,
    ids::Id,
    integration::{self, Answer, Outcome},
    meter::Metric,
    opening::Opening,
    plan::{Plan, RoutePlan, Target},
    record,
    selection::Source,
};
use crate::clock::Millis;

/// What the gateway says itself.
pub(super) const FORBIDDEN: &str = "Forbidden";
pub(super) const TOO_MANY_REQUESTS: &str = "Too Many Requests";
pub(super) const INTERNAL_SERVER_ERROR: &str = "Internal server error";

/// A message on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub gate: Gate,
    pub connection: Arc<Connection>,
    pub plan: Arc<Plan>,
    pub route: Arc<RoutePlan>,
    pub request_id: Id,
    pub at: Millis,
    pub kind: Kind,
}

/// What it's about.
#[derive(Debug)]
pub(super) enum Kind {
    Connect(Box<Opening>),
    Message { id: Id, body: Utf8Bytes },
    Disconnect { code: u16, reason: String },
}

/// What is told of an exchange afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Story<'a> {
    /// The status that the client got, or would have got.
    pub status: u16,
    pub error: Option<&'a str>,
    pub integration_status: Option<u16>,
    pub latency: Option<Duration>,
    pub integration_error: Option<&'a str>,
    pub authorizer_error: Option<&'a str>,
}

/// The gateway's own frame, word for word.
pub(super) fn frame(message: &str, connection_id: Id, request_id: Id) -> Bytes {
    format!(
        r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#
    )
    .into()
}

impl Exchange {
    /// Sends a message on its route. What is to be sent back, if anything is.
    pub async fn message(self) -> Option<Bytes> {
        let outcome = self.integrate().await;
        match outcome {
            Outcome::Answered(answer) if self.route.two_way => Some(answer.into_frame()),
            Outcome::Answered(_) | Outcome::Nothing => None,
            Outcome::Failed(_) => Some(frame(
                INTERNAL_SERVER_ERROR,
                self.connection.id,
                self.request_id,
            )),
        }
    }

    /// Calls the route's integration, measures it, and tells of it.
    pub async fn integrate(&self) -> Outcome {
        let Some(integration) = &self.route.integration else {
            return Outcome::Nothing;
        };
        if matches!(self.kind, Kind::Connect(_)) {
            self.count(Metric::Connect, 1.0);
        }
        let since = std::time::Instant::now();
        let outcome = integration::call(self, integration).await;
        let latency = since.elapsed();
        // There's none for mocks [DG websocket-api-logging].
        if !matches!(integration.target, Target::Mock) {
            self.count(Metric::IntegrationLatency, latency.as_secs_f64() * 1000.0);
        }
        if let Outcome::Failed(failure) = &outcome {
            let metric = if failure.is_execution() {
                Metric::ExecutionError
            } else {
                Metric::IntegrationError
            };
            self.count(metric, 1.0);
            record::failure(self, &failure.why());
        }
        self.tell(&outcome, latency);
        outcome
    }

    fn tell(&self, outcome: &Outcome, latency: Duration) {
        if self.plan.live.stage.access_log.is_none() {
            return;
        }
        let why;
        let mut story = Story {
            status: 200,
            latency: Some(latency),
            ..Story::default()
        };
        match outcome {
            Outcome::Answered(answer) => {
                story.integration_status = Some(answer.status());
                if let (Kind::Connect(_), Answer::Proxy(proxy)) = (&self.kind, answer) {
                    story.status = proxy.status;
                }
            }
            Outcome::Nothing => {}
            Outcome::Failed(failure) => {
                why = failure.why();
                story.status = failure.status();
                story.error = Some(INTERNAL_SERVER_ERROR);
                story.integration_error = Some(&why);
            }
        }
        record::access(self, &story);
    }

    pub fn count(&self, metric: Metric, value: f64) {
        let region = &self.gate.region;
        self.plan.meter.record(region, self.at, metric, value);
        if let Some(meter) = &self.route.meter {
            meter.record(region, self.at, metric, value);
        }
    }

    /// What the client said: nothing but messages has a body.
    pub fn body(&self) -> &str {
        match &self.kind {
            Kind::Message { body, .. } => body,
            _ => "",
        }
    }

    pub fn happening(&self) -> Happening<'_> {
        match &self.kind {
            Kind::Connect(_) => Happening::Connect,
            Kind::Message { id, .. } => Happening::Message(*id),
            Kind::Disconnect { code, reason } => Happening::Disconnect {
                code: *code,
                reason,
            },
        }
    }

    /// The event for a function.
    pub fn event(&self) -> Bytes {
        let (headers, multi, query, multi_query);
        let context = RequestContext::new(
            &self.connection,
            &self.route.route.route_key,
            &self.plan.domain,
            self.happening(),
            self.request_id,
            self.at,
        );
        let mut event = Event {
            kind: None,
            method_arn: None,
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: self.plan.stage_variables.as_deref(),
            request_context: context,
            body: None,
            is_base64_encoded: Some(false),
        };
        match &self.kind {
            Kind::Message { body, .. } => event.body = Some(body),
            Kind::Connect(opening) => {
                headers = opening.headers.single();
                multi = opening.headers.multi();
                event.headers = Some(&headers);
                event.multi_value_headers = Some(&multi);
                if !opening.query.0.is_empty() {
                    query = opening.query.single();
                    multi_query = opening.query.multi();
                    event.query_string_parameters = Some(&query);
                    event.multi_value_query_string_parameters = Some(&multi_query);
                }
            }
            Kind::Disconnect { .. } => {
                let shown = super::opening::Pairs(
                    [
                        ("Host", self.plan.domain.as_str()),
                        ("x-api-key", ""),
                        ("X-Forwarded-For", ""),
                        ("x-restapi", ""),
                    ]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                );
                headers = shown.single();
                multi = shown.multi();
                event.headers = Some(&headers);
                event.multi_value_headers = Some(&multi);
            }
        }
        event.bytes()
    }

    /// `$context.…`, by what follows the first dot.
    pub fn context(&self, path: &str) -> Option<String> {
        let connection = &self.connection;
        if let Some(name) = path.strip_prefix("authorizer.") {
            let said = connection.authorized.as_ref()?;
            let found = said.values.iter().find(|(there, _)| there == name);
            return found.map(|(_, value)| value.clone());
        }
        Some(match path {
            "connectionId" => connection.id.to_string(),
            "requestId" | "extendedRequestId" => self.request_id.to_string(),
            "routeKey" => self.route.route.route_key.clone(),
            "stage" => connection.stage.to_string(),
            "apiId" => connection.api_id.to_string(),
            "connectedAt" => connection.connected_at.0.to_string(),
            "requestTimeEpoch" => self.at.0.to_string(),
            "requestTime" => self.at.clf(),
            "domainName" => self.plan.domain.clone(),
            "eventType" => self.happening().event_type().to_owned(),
            "messageDirection" => "IN".to_owned(),
            "identity.sourceIp" => connection.source_ip.to_string(),
            "identity.userAgent" => connection.user_agent.as_deref()?.to_owned(),
            "messageId" => match &self.kind {
                Kind::Message { id, .. } => id.to_string(),
                _ => return None,
            },
            "disconnectStatusCode" | "disconnectReason" => match &self.kind {
                Kind::Disconnect { code, .. } if path == "disconnectStatusCode" => code.to_string(),
                Kind::Disconnect { reason, .. } => reason.clone(),
                _ => return None,
            },
            _ => return None,
        })
    }

    pub fn header(&self, name: &str) -> Option<String> {
        match &self.kind {
            Kind::Connect(opening) => opening.header(name).map(str::to_owned),
            _ => None,
        }
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        match &self.kind {
            Kind::Connect(opening) => opening.parameter(name).map(str::to_owned),
            _ => None,
        }
    }

    /// Gives what expressions are evaluated on.
    pub fn with_source<T>(
        &self,
        answer: Option<(u16, &str)>,
        then: impl FnOnce(&Source<'_>) -> T,
    ) -> T {
        then(&Source {
            body: self.body(),
            document: OnceCell::new(),
            header: &|name| self.header(name),
            query: &|name| self.parameter(name),
            context: &|path| self.context(path),
            stage_variable: &|name| self.plan.stage_variable(name),
            answer,
        })
    }
}
