//! The account's own limits, which all APIs of a region share. Only a cloud that is as strict as AWS has them.

use super::{
    plan::{ACCOUNT_BURST, ACCOUNT_RATE},
    throttle::Bucket,
};
use crate::fidelity::Delays;

/// New connections a second [DG websocket-limits].
const CONNECTIONS: f64 = 500.0;

/// A region's rates.
#[derive(Debug)]
pub(super) struct Account {
    requests: Bucket,
    connections: Bucket,
}

impl Account {
    /// Whether a connection may be opened now.
    pub fn may_connect(&self, delays: Delays) -> bool {
        !delays.are_real() || (self.connections.take() && self.requests.take())
    }

    /// Whether a message may be sent now, by a client or to one.
    pub fn may_send(&self, delays: Delays) -> bool {
        !delays.are_real() || self.requests.take()
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            requests: Bucket::new(ACCOUNT_RATE, ACCOUNT_BURST),
            connections: Bucket::new(CONNECTIONS, CONNECTIONS),
        }
    }
}
