//! Manifest + artifacts + account, region and stage -> [`Stack`]: which resources, their names, policies and edges.
//!
//! Pure: no I/O, no clock, no randomness. The same inputs give the same stack, byte for byte.

mod access;
mod alarms;
mod dashboard;
pub mod figures;
mod gateway;
mod handlers;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{handlers::ROOM_INDEX, template::sqs_template};
use crate::{
    engine::{
        address::Address,
        properties::Text,
        scope::Scope,
        stack::{Builder, Stack, StackError},
    },
    manifest::{HandlerName, Manifest, Order, RouteKey, Via},
    resource::{api, table::CONNECTIONS},
};

/// The built-in handlers' names.
pub mod builtin {
    /// Answers `$connect`: checks the origin, enters the connection into the registry.
    pub const CONNECT: &str = "connect";
    /// Answers `$disconnect`: takes the connection out of the registry.
    pub const DISCONNECT: &str = "disconnect";
    /// Sends what the results queue holds to the connections.
    pub const PUSH: &str = "push";
}

/// The results queue's name: what handlers reply is in it until `push` sends it.
pub const RESULTS: &str = "results";
/// The name of the role with which API Gateway sends to queues.
pub(crate) const GATEWAY: &str = "gateway";
/// API Gateway's own routes.
const CONNECT_ROUTE: &str = "$connect";
const DISCONNECT_ROUTE: &str = "$disconnect";

/// A function's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Base64 of the zip's SHA-256.
    pub sha256: String,
    /// Where the zip is.
    pub package: String,
}

/// The code of every function of a stage, by handler name; the built-in ones under theirs.
pub type Codes = BTreeMap<String, Code>;

/// Why a stack couldn't be made: a mistake of ours, shown as such.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A function has no code.
    #[error("no code was built for the handler `{0}`")]
    NoCode(String),
    /// The edges don't add up.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// The handlers whose code a manifest's stage needs: the user's binaries and the built-in handlers.
pub fn builtins(manifest: &Manifest) -> Vec<&'static str> {
    let routed = |key: &str| manifest.routes.keys().any(|route| route.as_str() == key);
    let mut names = vec![builtin::PUSH];
    if !routed(CONNECT_ROUTE) {
        names.push(builtin::CONNECT);
    }
    if !routed(DISCONNECT_ROUTE) {
        names.push(builtin::DISCONNECT);
    }
    names
}

/// The stack of `manifest` for `scope`.
pub fn stack(manifest: &Manifest, codes: &Codes, scope: &Scope) -> Result<Stack, Error> {
    let mut draft = Draft {
        manifest,
        codes,
        scope,
        builder: Builder::default(),
        tags: scope
            .tags()
            .into_iter()
            .chain(manifest.project.tags.clone())
            .collect(),
    };
    draft.api();
    draft.registry();
    draft.results_queue();
    for name in manifest.handlers.keys() {
        draft.handler(name)?;
    }
    for name in builtins(manifest) {
        draft.builtin(name)?;
    }
    draft.routes();
    draft.alarms();
    draft.dashboard();
    Ok(draft.builder.build()?)
}

/// A stack while it's being made.
struct Draft<'a> {
    manifest: &'a Manifest,
    codes: &'a Codes,
    scope: &'a Scope,
    builder: Builder,
    tags: BTreeMap<String, String>,
}

impl Draft<'_> {
    fn api_address() -> Address {
        Address::new(api::KIND, api::NAME)
    }

    fn api_id() -> Text {
        Text::reference(&Self::api_address(), "id")
    }

    /// Whether a route reaches the handler through its queue.
    fn is_queued(&self, handler: &HandlerName) -> bool {
        self.routed(handler, Via::Queue).next().is_some()
    }

    /// The keys of the routes that reach the handler by this way.
    fn routed(&self, handler: &HandlerName, via: Via) -> impl Iterator<Item = &RouteKey> {
        self.manifest
            .routes
            .iter()
            .filter(move |(_, route)| route.handler == *handler && route.via == via)
            .map(|(key, _)| key)
    }

    /// The handlers that have a queue.
    fn queued_handlers(&self) -> BTreeSet<&HandlerName> {
        self.manifest
            .handlers
            .keys()
            .filter(|name| self.is_queued(name))
            .collect()
    }

    fn is_authorizer(&self, handler: &HandlerName) -> bool {
        self.manifest
            .api
            .authorizer
            .as_ref()
            .is_some_and(|authorizer| authorizer.handler == *handler)
    }

    /// Replies keep a connection's order if anything does.
    fn results_order(&self) -> Order {
        let ordered = self
            .queued_handlers()
            .into_iter()
            .any(|name| self.manifest.handlers[name].queue.order == Order::Connection);
        if ordered {
            Order::Connection
        } else {
            Order::None
        }
    }

    /// A queue's name at AWS.
    fn queue_name(&self, thing: &str, order: Order) -> String {
        let suffix = match order {
            Order::None => "",
            Order::Connection => ".fifo",
        };
        format!("{}{suffix}", self.scope.name(thing))
    }

    fn queue_arn(&self, thing: &str, order: Order) -> String {
        self.scope.arn("sqs", &self.queue_name(thing, order))
    }

    fn table_arn(&self) -> String {
        self.scope.arn(
            "dynamodb",
            &format!("table/{}", self.scope.name(CONNECTIONS)),
        )
    }
}
