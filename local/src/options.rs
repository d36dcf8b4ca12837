//! How a cloud is to be.

use std::{net::Ipv4Addr, path::PathBuf};

use crate::{Fidelity, Rule};

/// How a cloud is to be; the default is an instant, forgetful cloud on a free port.
#[derive(Clone, Debug)]
pub struct Options {
    /// The loopback address that it listens on.
    pub host: Ipv4Addr,
    /// The port that it listens on; 0 takes a free one.
    pub port: u16,
    /// Where it keeps what it holds; without it, everything is gone when it ends.
    pub keep: Option<PathBuf>,
    /// How much of AWS's slowness it has.
    pub fidelity: Fidelity,
    /// What every wait of AWS's is multiplied by: delays, tombstones, idle and lifetime limits of connections.
    pub time_scale: f64,
    /// What goes wrong, and when.
    pub faults: Vec<Rule>,
    /// Whether a request whose signature is wrong is refused. The secret of a key that isn't the cloud's own is `test`.
    pub verify_signatures: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST,
            port: 0,
            keep: None,
            fidelity: Fidelity::Instant,
            time_scale: 1.0,
            faults: Vec::new(),
            verify_signatures: false,
        }
    }
}
