//! Who sent a message, and by which way.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::events::{now_ms, time};
use crate::log::{self, Field, Level};
use crate::registry::{Item, Registry, Retained, Store};

tokio::task_local! {
    /// The message that a task works on, for the line of a panic.
    static CURRENT: Context;
}

/// Everything about a message but its text. Cheap to clone.
///
/// All of it comes from API Gateway, none of it from the client's text: the connection id can be trusted.
#[derive(Clone, Debug)]
pub struct Context(Arc<Inner>);

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub connection_id: String,
    pub request_id: String,
    pub route: String,
    pub stage: String,
    pub connected_at: Option<SystemTime>,
    pub received: Option<u64>,
    pub principal: Option<String>,
    pub deadline: Instant,
    pub store: Arc<Store>,
}

impl Context {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The connection that the message came from.
    pub fn connection_id(&self) -> &str {
        &self.0.connection_id
    }

    /// API Gateway's id of the message. A message that is delivered again has the same one.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The route's key, such as `$default`.
    pub fn route(&self) -> &str {
        &self.0.route
    }

    /// The stage, such as `dev`.
    pub fn stage(&self) -> &str {
        &self.0.stage
    }

    /// When the connection opened, where that's known.
    pub fn connected_at(&self) -> Option<SystemTime> {
        self.0.connected_at
    }

    /// When API Gateway received the message, where that's known; `None` for the opening and the closing of a connection.
    pub fn received_at(&self) -> Option<SystemTime> {
        time(self.0.received)
    }

    /// The same, in epoch milliseconds.
    pub(crate) fn received(&self) -> Option<u64> {
        self.0.received
    }

    /// Whom the authorizer found the client to be; `None` without an authorizer.
    pub fn principal(&self) -> Option<&str> {
        self.0.principal.as_deref()
    }

    /// How long the handler may still work on this message.
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// The rooms of this connection.
    pub fn registry(&self) -> Registry {
        Registry::new(Arc::clone(&self.0.store), self.connection_id())
    }

    /// Writes a log line that carries the connection, request, route and stage.
    pub fn info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, message.as_ref());
    }

    /// The same, as a warning.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.log(Level::Warn, message.as_ref());
    }

    /// The same, as an error. An error that the handler returns is logged anyway.
    pub fn error(&self, message: impl AsRef<str>) {
        self.log(Level::Error, message.as_ref());
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.log_with(level, message, &[]);
    }

    /// The same with more fields.
    pub(crate) fn log_with(&self, level: Level, message: &str, more: &[Field<'_>]) {
        let mut fields = self.fields();
        fields.extend_from_slice(more);
        log::write(level, message, &fields);
    }

    /// What every line about the message carries: by it `wsless logs` follows a connection, or a message.
    fn fields(&self) -> Vec<Field<'static>> {
        [
            ("connectionId", self.connection_id()),
            ("requestId", self.request_id()),
            ("route", self.route()),
            ("stage", self.stage()),
        ]
        .map(|(name, value)| (name, value.into()))
        .to_vec()
    }

    /// A future whose panics are told as being about this message.
    pub(crate) fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// A context without a cloud: connection `ada`, route `$default`, stage `test`, a minute of time, and a registry
    /// in memory in which `ada` is open.
    pub fn for_tests() -> Self {
        let store = Store::in_memory();
        store.insert(Item::own("ada"));
        Self::new(Inner {
            connection_id: "ada".into(),
            request_id: "request".into(),
            route: "$default".into(),
            stage: "test".into(),
            connected_at: Some(SystemTime::now()),
            received: Some(now_ms()),
            principal: None,
            deadline: Instant::now() + Duration::from_mins(1),
            store: Arc::new(store),
        })
    }

    /// For tests: another connection, open in the same registry.
    #[must_use]
    pub fn another_for_tests(&self, connection_id: &str) -> Self {
        self.0.store.insert(Item::own(connection_id));
        Self::new(Inner {
            connection_id: connection_id.into(),
            ..(*self.0).clone()
        })
    }

    /// For tests: what the room was sent last, as [`Registry::retained`] gives it.
    pub fn retain_for_tests(&self, room: &str, text: &str) {
        self.0
            .store
            .insert_retained(room, Retained::new(text, None));
    }

    /// For tests: the same connection, on another route.
    #[must_use]
    pub fn on_route(&self, route: &str) -> Self {
        Self::new(Inner {
            route: route.into(),
            ..(*self.0).clone()
        })
    }

    /// For tests: the same connection, as this principal.
    #[must_use]
    pub fn as_principal(&self, principal: &str) -> Self {
        Self::new(Inner {
            principal: Some(principal.into()),
            ..(*self.0).clone()
        })
    }
}

/// The fields of the message that this task works on; none outside of a handler.
pub(crate) fn fields_of_current() -> Vec<Field<'static>> {
    CURRENT.try_with(Context::fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_connections_of_a_test_share_the_rooms() {
        let ada = Context::for_tests();
        let bob = ada
            .another_for_tests("bob")
            .on_route("say")
            .as_principal("user-1");
        ada.registry().join("lobby").await.unwrap();
        bob.registry().join("lobby").await.unwrap();
        assert_eq!(ada.registry().members("lobby").await.unwrap().len(), 2);
        assert_eq!((bob.route(), bob.principal()), ("say", Some("user-1")));
        assert!(ada.remaining() > Duration::from_secs(1));
    }
}
