//! The WebSocket data plane: connections, routes, integrations, @connections.
//!
//! A handshake (`handshake`, with `opening` and `authorize`) becomes a connection, whose one task (`serve`) reads its
//! messages; each is an `exchange` on the route that the deployment's `plan` selects, with an `integration` that is called
//! through the `gate`. `manage` is the API by which functions reach connections. What decides without waiting is pure:
//! `selection`, `template`, `json_path`, `ids`, `throttle`.

mod account;
mod authorize;
mod connection;
mod event;
mod exchange;
mod gate;
mod handshake;
mod ids;
mod integration;
mod json_path;
mod manage;
mod meter;
mod opening;
mod plan;
mod record;
mod selection;
mod serve;
mod template;
mod throttle;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use parking_lot::RwLock;
use serde_json::Value;

pub use self::opening::SentNames;
use self::{
    account::Account,
    connection::Connection,
    gate::Gate,
    ids::{Id, Ids},
    plan::Plan,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    cloud::{Cloud, Region},
    cloudwatch::{Series, Tick},
    error::Result,
    gateway::model::Live,
    iam::Permission,
    wire::rest::Route,
};

/// Plans of stages that are gone are forgotten when there are so many.
const PLANS: usize = 1_000;

/// The service's state.
#[derive(Debug, Default)]
pub struct Sockets {
    ids: RwLockedIds,
    account: Account,
    open: RwLock<HashMap<Id, Arc<Connection>>>,
    /// Connections that ended. AWS has no such metric: it's the console's alone.
    closed: Series,
    /// By API and stage.
    plans: RwLock<HashMap<(String, String), Arc<Plan>>>,
    #[cfg(test)]
    fake: std::sync::OnceLock<Arc<tests::Fake>>,
}

/// An open connection, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Its id.
    pub connection_id: String,
    /// The API's.
    pub api_id: String,
    /// The stage's name.
    pub stage: String,
    /// Since when it's open.
    pub connected_at: Millis,
    /// When something last went over the line.
    pub last_active_at: Millis,
    /// The client's address.
    pub source_ip: String,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Messages from the client.
    pub received: u64,
    /// Messages to the client.
    pub sent: u64,
}

impl Sockets {
    /// The connections that are open, the oldest first, at most so many.
    pub fn connections(&self, most: usize) -> Vec<Open> {
        let mut open: Vec<Arc<Connection>> = self.open.read().values().cloned().collect();
        open.sort_by_key(|connection| (connection.connected_at, connection.id));
        open.truncate(most);
        open.iter()
            .map(|connection| {
                let (received, sent) = connection.messages();
                Open {
                    connection_id: connection.id.to_string(),
                    api_id: connection.api_id.to_string(),
                    stage: connection.stage.to_string(),
                    connected_at: connection.connected_at,
                    last_active_at: connection.last_active(),
                    source_ip: connection.source_ip.to_string(),
                    user_agent: connection.user_agent.as_deref().map(str::to_owned),
                    received,
                    sent,
                }
            })
            .collect()
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.open.read().len()
    }

    /// How many connections ended in each span of the last minutes in which any did, for the console.
    pub fn closings(&self, minutes: u32, span_s: u32) -> Vec<Tick> {
        self.closed.curve("Sum", minutes, span_s)
    }

    /// What is to be kept: what ids are sealed with, so that those of before are gone afterwards and not unknown.
    pub fn keep(&self) -> Value {
        serde_json::json!({ "ids": self.ids.keep() })
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        match kept {
            Value::Object(mut kept) => match kept.remove("ids") {
                Some(Value::String(key)) => self.ids.restore(&key),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn enter(&self, connection: &Arc<Connection>) {
        self.open
            .write()
            .insert(connection.id, Arc::clone(connection));
    }

    fn leave(&self, connection: &Connection) {
        let left = self.open.write().remove(&connection.id);
        if left.is_some() {
            self.closed.record(Millis::now(), 1.0, "Count");
        }
    }

    fn find(&self, id: Id) -> Option<Arc<Connection>> {
        self.open.read().get(&id).map(Arc::clone)
    }

    /// What is made of what is deployed on a stage; nothing if nothing is.
    fn plan(&self, gate: &Gate, api_id: &str, stage: &str) -> Option<Arc<Plan>> {
        gate.live(api_id, stage)
            .map(|live| self.planned(gate, live))
    }

    fn planned(&self, gate: &Gate, live: Live) -> Arc<Plan> {
        let key = (live.api_id.clone(), live.stage.stage_name.clone());
        let before = self.plans.read().get(&key).map(Arc::clone);
        if let Some(plan) = before
            .as_ref()
            .filter(|plan| plan.live.revision == live.revision)
        {
            return Arc::clone(plan);
        }
        let made = Plan::new(&gate.cloud, &gate.region.name, live, before.as_deref());
        let mut plans = self.plans.write();
        // Another may have made it meanwhile: then all use that one, with its throttles.
        if let Some(plan) = plans
            .get(&key)
            .filter(|plan| plan.live.revision == made.live.revision)
        {
            return Arc::clone(plan);
        }
        if plans.len() >= PLANS {
            plans.clear();
        }
        let plan = Arc::new(made);
        plans.insert(key, Arc::clone(&plan));
        plan
    }
}

/// The ids, which a restored cloud takes over.
#[derive(Debug, Default)]
struct RwLockedIds(RwLock<Ids>);

impl RwLockedIds {
    fn connection(&self) -> Id {
        self.0.read().connection()
    }

    fn real(&self, text: &str) -> Option<Id> {
        self.0.read().real(text)
    }

    fn keep(&self) -> String {
        self.0.read().keep()
    }

    fn restore(&self, kept: &str) -> Result<(), String> {
        *self.0.write() = Ids::restore(kept).ok_or("the connections' key can't be read")?;
        Ok(())
    }
}

/// Answers a handshake: `GET /{stage}` of an API, with or without `Upgrade: websocket`.
///
/// `wire` finds the API from the host (`{api}.execute-api.…`) or the path (`/_aws/execute-api/{api}/{stage}`), and puts the
/// client's [`Peer`](crate::wire::Peer), and [`SentNames`] if it knows them, among the request's extensions. On 101 the
/// connection is served until it ends.
pub async fn handshake(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    api_id: &str,
    stage: &str,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let gate = Gate {
        cloud: Arc::clone(cloud),
        region: Arc::clone(region),
    };
    handshake::answer(gate, api_id, stage, request).await
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    manage::permission(call)
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "all services' calls are awaited; this one only puts things into connections' outboxes"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    manage::perform(call)
}

/// The management API's operations, below the stage. `wire` adds the members `apiId` and `stage` to the input.
pub const ROUTES: &[Route] = &[
    Route::new("POST", "/@connections/{connectionId}", "PostToConnection"),
    Route::new("GET", "/@connections/{connectionId}", "GetConnection"),
    Route::new("DELETE", "/@connections/{connectionId}", "DeleteConnection"),
];

#[cfg(test)]
mod tests;
