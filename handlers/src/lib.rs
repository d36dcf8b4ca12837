//! The library that the handlers of a wsless system are written with.
//!
//! ```no_run
//! use wsless_handlers::{serve, Context, Error, Message, Reply};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Error> {
//!     serve(|message: Message, _context: Context| async move { Ok(Reply::to_sender(message.text())) }).await
//! }
//! ```
//!
//! The same handler serves a route of either way, `via = "queue"` and `via = "direct"`: [`serve`] says what each means.
//! Everything here is delivered at least once: a handler must bear the same message twice.
//!
//! - [`Message`]: what came in; [`Context`]: who sent it, and the [`Registry`] of connections and rooms;
//!   [`Reply`]: what goes out, and to whom.
//! - [`serve_authorizer`]: a handler that decides who may connect.
//! - [`Publisher`]: sending to clients from outside Lambda.
//! - [`ResultMessage`]: the format of the results queue, for back ends that don't use this library.
//! - [`Metrics`]: CloudWatch metrics without a call.
//!
//! Handlers are tested without a cloud: [`Context::for_tests`] has a registry in memory.

mod authorizer;
mod aws;
#[doc(hidden)]
pub mod builtin;
mod context;
mod environment;
mod events;
mod lifecycle;
mod log;
mod message;
mod metrics;
mod publisher;
mod registry;
mod reply;
mod results;
mod runtime;
mod serve;

pub use authorizer::{Decision, serve_authorizer};
pub use context::Context;
pub use message::{Close, Handshake, Message};
pub use metrics::{Metrics, Unit};
pub use publisher::Publisher;
pub use registry::{Member, Registry, RegistryError};
pub use reply::Reply;
pub use results::{MAX_DATA_BYTES, ResultMessage, To};
pub use serve::serve;

/// Any error. `?` turns every error type into it, and `"words".into()` makes one.
///
/// A handler that returns one has failed at that message: a queued message is tried again and then goes to the
/// dead-letter queue; on a direct route the client gets API Gateway's `Internal server error` frame.
pub type Error = Box<dyn std::error::Error + Send + Sync + 'static>;
