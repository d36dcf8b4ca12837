//! Handshakes: from a request to a connection that is served, or a refusal.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use tokio::sync::oneshot;

use super::{
    authorize::{self, Refusal},
    connection::Connection,
    event::raw,
    exchange::{Exchange, FORBIDDEN, INTERNAL_SERVER_ERROR, Kind, Story, TOO_MANY_REQUESTS, frame},
    gate::Gate,
    ids::Id,
    integration::{Answer, Outcome, ProxyAnswer},
    meter::Metric,
    opening::Opening,
    plan::{Plan, RoutePlan},
    record, serve,
};
use crate::{clock::Millis, gateway::model::Route, iam::Caller};

type Reply = Response<Full<Bytes>>;

/// Answers a handshake. On 101 the connection is served until it ends.
pub(super) async fn answer(
    gate: Gate,
    api_id: &str,
    stage: &str,
    mut request: Request<Incoming>,
) -> Reply {
    let sockets = &gate.region.sockets;
    let connection_id = sockets.ids.connection();
    let request_id = Id::request();
    let refused = |status, message: &str| refusal(status, message, connection_id, request_id);
    let opening = match Opening::read(&request) {
        Ok(opening) => opening,
        Err(no) => {
            let status = no.status.as_u16();
            let mut reply = refused(status, no.message);
            if let Some((name, value)) = no.header {
                reply
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
            return reply;
        }
    };
    let Some(plan) = sockets
        .plan(&gate, api_id, stage)
        .filter(|plan| !plan.live.snapshot.disable_execute_api_endpoint)
    else {
        return refused(403, FORBIDDEN);
    };
    let at = Millis::now();
    let route = plan.routes.get("$connect").map(Arc::clone);
    let free = sockets.account.may_connect(gate.cloud.delays)
        && route.as_ref().is_none_or(|route| route.is_free());
    if !free {
        plan.meter
            .record(&gate.region, at, Metric::ClientError, 1.0);
        return refused(429, TOO_MANY_REQUESTS);
    }
    let caller = match &route {
        Some(route) if route.route.authorization_type == "AWS_IAM" => {
            match authorize::signer(&gate.cloud, &request) {
                Ok(caller) => Some(caller),
                Err(no) => {
                    plan.meter
                        .record(&gate.region, at, Metric::ClientError, 1.0);
                    return refused(no.status, &no.message);
                }
            }
        }
        _ => None,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let (sender, reply) = oneshot::channel();
    let handshake = Handshake {
        gate: gate.clone(),
        plan,
        // Without a `$connect` route the connection opens; a route of nothing stands for it.
        route: route.unwrap_or_else(|| Arc::new(RoutePlan::nothing("$connect"))),
        opening: Box::new(opening),
        caller,
        connection_id,
        request_id,
        at,
    };
    // A client that goes away while `$connect` runs doesn't stop it: what the function wrote down must be undone by
    // `$disconnect`.
    gate.cloud
        .spawn_to_end(serve::connection(handshake, upgrade, sender));
    reply
        .await
        .unwrap_or_else(|_| refused(503, "Service Unavailable"))
}

/// A handshake that is under way.
#[derive(Debug)]
pub(super) struct Handshake {
    pub gate: Gate,
    pub plan: Arc<Plan>,
    pub route: Arc<RoutePlan>,
    pub opening: Box<Opening>,
    /// Who signed the request, if it had to be.
    pub caller: Option<Caller>,
    pub connection_id: Id,
    pub request_id: Id,
    pub at: Millis,
}

impl Handshake {
    /// Asks everybody who is to be asked. The connection and the 101, or a refusal.
    pub async fn decide(mut self) -> Result<(Arc<Connection>, Reply), Box<Reply>> {
        let Self {
            connection_id,
            request_id,
            ..
        } = self;
        let accept = self.opening.accept.clone();
        let protocols = self.opening.protocols.clone();
        let caller = self.caller.take();
        let mut exchange = self.exchange();
        if let Err(refused) = admit(&mut exchange, caller.as_ref()).await {
            exchange.count(Metric::ClientError, 1.0);
            record::access(
                &exchange,
                &Story {
                    status: refused.status,
                    error: Some(&refused.message),
                    authorizer_error: Some(&refused.why),
                    ..Story::default()
                },
            );
            if refused.status >= 500 {
                record::failure(&exchange, &refused.why);
            }
            return Err(Box::new(refusal(
                refused.status,
                &refused.message,
                connection_id,
                request_id,
            )));
        }
        let mut protocol = None;
        match exchange.integrate().await {
            Outcome::Nothing => {}
            Outcome::Answered(Answer::Proxy(answer)) => {
                if !(200..300).contains(&answer.status) {
                    return Err(Box::new(returned(answer)));
                }
                protocol = answer
                    .headers
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))
                    .map(|(_, value)| value.trim().to_owned())
                    .filter(|chosen| protocols.contains(chosen));
            }
            Outcome::Answered(Answer::Made {
                status,
                body,
                matched,
            }) => {
                // AWS ends the handshake with 500 if what a service answers isn't mapped, both times [ASC].
                if !matched || !exchange.route.two_way {
                    return Err(Box::new(refusal(
                        500,
                        INTERNAL_SERVER_ERROR,
                        connection_id,
                        request_id,
                    )));
                }
                if !(200..300).contains(&status) {
                    return Err(Box::new(returned(ProxyAnswer::new(status, body.into()))));
                }
            }
            Outcome::Failed(failure) => {
                let message = match failure.status() {
                    504 => "Endpoint request timed out",
                    _ => INTERNAL_SERVER_ERROR,
                };
                return Err(Box::new(refusal(
                    failure.status(),
                    message,
                    connection_id,
                    request_id,
                )));
            }
        }
        let reply = switching(&accept, protocol.as_deref());
        Ok((exchange.connection, reply))
    }

    fn exchange(self) -> Exchange {
        let opening = self.opening;
        let mut identity = serde_json::Map::new();
        identity.insert("sourceIp".to_owned(), opening.source_ip.clone().into());
        if let Some(agent) = &opening.user_agent {
            identity.insert("userAgent".to_owned(), agent.clone().into());
        }
        let stage = &self.plan.live.stage.stage_name;
        let connection = Connection::new(
            self.connection_id,
            &self.plan.live.api_id,
            stage,
            self.at,
            &opening.source_ip,
            opening.user_agent.as_deref(),
            raw(&identity),
            None,
        );
        Exchange {
            gate: self.gate,
            connection: Arc::new(connection),
            plan: self.plan,
            route: self.route,
            request_id: self.request_id,
            at: self.at,
            kind: Kind::Connect(opening),
        }
    }
}

/// Whether it may connect, before its integration is asked.
async fn admit(exchange: &mut Exchange, caller: Option<&Caller>) -> Result<(), Refusal> {
    let Kind::Connect(opening) = &exchange.kind else {
        return Ok(());
    };
    let route: &Route = &exchange.route.route;
    if route.authorization_type == "CUSTOM" {
        let id = route.authorizer_id.as_deref().unwrap_or("");
        let authorizer = exchange.plan.live.snapshot.authorizers.get(id);
        let authorizer = authorizer.ok_or_else(|| {
            Refusal::new(
                500,
                INTERNAL_SERVER_ERROR,
                format!("there is no authorizer {id}"),
            )
        })?;
        let authorized = authorize::custom(exchange, opening, authorizer).await?;
        if let Some(connection) = Arc::get_mut(&mut exchange.connection) {
            connection.authorized = Some(authorized);
        }
    }
    if let Some(caller) = caller {
        authorize::invoker(exchange, caller)?;
        if let Some(connection) = Arc::get_mut(&mut exchange.connection) {
            connection.identity = identity_of(connection, caller);
        }
    }
    // There are no usage plans here, so that no key can be a right one.
    if exchange.route.route.api_key_required {
        return Err(Refusal::new(403, FORBIDDEN, "an API key is required"));
    }
    Ok(())
}

/// `requestContext.identity` of a signed request.
fn identity_of(connection: &Connection, caller: &Caller) -> Box<serde_json::value::RawValue> {
    let mut identity: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(connection.identity.get()).unwrap_or_default();
    if let Caller::Owner { access_key } = caller {
        identity.insert("accessKey".to_owned(), access_key.clone().into());
    }
    identity.insert("accountId".to_owned(), crate::ACCOUNT.into());
    identity.insert("userArn".to_owned(), caller.arn().into());
    raw(&identity)
}

/// The 101: nothing is in it but what RFC 6455 asks for.
fn switching(accept: &str, protocol: Option<&str>) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    put(headers, header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        put(headers, header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    reply
}

/// A refusal of the gateway's own.
fn refusal(status: u16, message: &str, connection_id: Id, request_id: Id) -> Reply {
    let mut reply = Reply::new(Full::new(frame(message, connection_id, request_id)));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    put(
        headers,
        HeaderName::from_static("x-amzn-requestid"),
        request_id.as_str(),
    );
    reply
}

/// A refusal of the integration's: its status, its body, and of its headers those that are about the body.
fn returned(answer: ProxyAnswer) -> Reply {
    let ProxyAnswer {
        status,
        headers,
        body,
    } = answer;
    let mut reply = Reply::new(Full::new(body));
    // 1xx can't end a handshake.
    *reply.status_mut() = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        let of_the_transport = name == header::CONNECTION
            || name == header::UPGRADE
            || name == header::TRANSFER_ENCODING
            || name == header::CONTENT_LENGTH
            || name.as_str().starts_with("sec-websocket");
        if !of_the_transport {
            put(reply.headers_mut(), name, &value);
        }
    }
    reply
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
