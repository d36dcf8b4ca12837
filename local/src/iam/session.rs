//! Temporary credentials: who bears which key.
//!
//! A service's session has one key for as long as the cloud runs, so that functions' processes don't add up; keys that STS
//! gave are many, and run out. Both are bounded.

use std::collections::{BTreeMap, HashMap, VecDeque};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Caller, Credentials, state::random_base32};
use crate::clock::Millis;

/// Keys given by STS at a time: the oldest goes.
const GIVEN: usize = 4096;
/// Services' sessions at a time.
const SERVICES: usize = 16_384;

/// The sessions that there are.
#[derive(Debug, Default)]
pub struct Sessions {
    by_key: HashMap<String, Session>,
    of_services: HashMap<Caller, String>,
    services_in_order: VecDeque<String>,
    given_in_order: VecDeque<String>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub caller: Caller,
    pub secret: String,
    pub token: String,
    pub expires: Option<Millis>,
}

impl Sessions {
    /// Who bears a key.
    pub fn find(&self, access_key: &str) -> Option<&Session> {
        self.by_key.get(access_key)
    }

    /// The key that a service's session has already.
    pub fn of_service(&self, caller: &Caller) -> Option<Credentials> {
        let key = self.of_services.get(caller)?;
        Some(credentials(key, self.by_key.get(key)?))
    }

    /// A key for a service's session, that lasts.
    pub fn give_service(&mut self, caller: &Caller) -> Credentials {
        if let Some(given) = self.of_service(caller) {
            return given;
        }
        if self.services_in_order.len() >= SERVICES
            && let Some(oldest) = self.services_in_order.pop_front()
            && let Some(gone) = self.by_key.remove(&oldest)
        {
            self.of_services.remove(&gone.caller);
        }
        let given = self.add(caller.clone(), None);
        self.of_services
            .insert(caller.clone(), given.access_key.clone());
        self.services_in_order.push_back(given.access_key.clone());
        given
    }

    /// A key that lasts until then.
    pub fn give(&mut self, caller: Caller, expires: Millis) -> Credentials {
        if self.given_in_order.len() >= GIVEN
            && let Some(oldest) = self.given_in_order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        let given = self.add(caller, Some(expires));
        self.given_in_order.push_back(given.access_key.clone());
        given
    }

    fn add(&mut self, caller: Caller, expires: Option<Millis>) -> Credentials {
        let mut key = format!("ASIA{}", random_base32());
        while self.by_key.contains_key(&key) {
            key = format!("ASIA{}", random_base32());
        }
        let session = Session {
            caller,
            secret: STANDARD.encode(rand::random::<[u8; 30]>()),
            token: STANDARD.encode([rand::random::<[u8; 32]>(); 6].concat()),
            expires,
        };
        let given = credentials(&key, &session);
        self.by_key.insert(key, session);
        given
    }

    /// What STS gave; services' sessions are made again.
    pub fn keep(&self) -> BTreeMap<&str, &Session> {
        self.given_in_order
            .iter()
            .filter_map(|key| Some((key.as_str(), self.by_key.get(key)?)))
            .collect()
    }

    /// Takes what was kept.
    pub fn restore(&mut self, kept: BTreeMap<String, Session>) {
        for (key, session) in kept.into_iter().take(GIVEN) {
            self.given_in_order.push_back(key.clone());
            self.by_key.insert(key, session);
        }
    }
}

fn credentials(key: &str, session: &Session) -> Credentials {
    Credentials {
        access_key: key.to_owned(),
        secret: session.secret.clone(),
        token: session.token.clone(),
    }
}
