//! Whether a stage's endpoint answers: a connection is opened and closed again.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{Client, ClientError};

/// A handshake's handler may have to start first.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Probe {
    /// A connection opened.
    Opened {
        /// Within so many milliseconds.
        took_ms: u64,
    },
    /// The endpoint answered that it may not: a probe has no origin and no credentials.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Within so many milliseconds.
        took_ms: u64,
    },
    /// The endpoint is there, and fails.
    Failed {
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer.
    Silent {
        /// Why, as far as is known; untrusted.
        why: String,
    },
}

impl Probe {
    /// Whether clients can hope to connect.
    pub fn answers(&self) -> bool {
        matches!(self, Self::Opened { .. } | Self::Refused { .. })
    }
}

/// Opens a connection to `wss://…`, and closes it.
pub async fn probe(address: &str) -> Probe {
    let began = Instant::now();
    let opened = tokio::time::timeout(PATIENCE, Client::connect(address)).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match opened {
        Ok(Ok(client)) => {
            // Whether the goodbye arrives doesn't matter here.
            let _ = tokio::time::timeout(PATIENCE, client.close()).await;
            Probe::Opened { took_ms }
        }
        Ok(Err(ClientError::Refused(refusal))) => {
            let status = refusal.status;
            if (400..500).contains(&status) {
                Probe::Refused { status, took_ms }
            } else {
                Probe::Failed { status }
            }
        }
        Ok(Err(error)) => Probe::Silent {
            why: error.to_string(),
        },
        Err(_) => Probe::Silent {
            why: format!("no answer within {} s", PATIENCE.as_secs()),
        },
    }
}
