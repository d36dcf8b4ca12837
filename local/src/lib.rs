//! The embedded cloud: AWS's wire protocols and the WebSocket data plane on one loopback port, for serverless WebSocket systems.
//!
//! In: [`Options`]. Out: a [`Running`] cloud that unmodified AWS clients talk to. It's as strict as AWS where a client
//! could tell the difference, and shares no code with wsless itself: an emulator that does agrees with its client's mistakes.
//!
//! `wire` turns a request into a [`call::Call`], a service turns the call into an answer, `wire` puts it into the caller's
//! protocol. Services talk to each other through [`cloud::Cloud`], never over the wire.

pub mod call;
pub mod clock;
pub mod cloud;
pub mod cloudwatch;
pub mod console;
pub mod dynamodb;
pub mod error;
pub mod fault;
pub mod fidelity;
pub mod gateway;
pub mod iam;
pub mod keep;
pub mod lambda;
pub mod logs;
pub mod options;
pub mod s3;
pub mod sockets;
pub mod sqs;
pub mod sts;
pub mod wire;

pub use self::{
    cloud::{Running, StartError, start},
    fault::Rule,
    fidelity::Fidelity,
    options::Options,
};

/// The one account there is.
pub const ACCOUNT: &str = "000000000000";
/// The region of a call that names none.
pub const DEFAULT_REGION: &str = "us-east-1";
