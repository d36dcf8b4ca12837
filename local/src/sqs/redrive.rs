//! RedrivePolicy and RedriveAllowPolicy: where messages go that can't be handled, and who may send them there.
//!
//! Both come as JSON in a string, and are read back as they were sent [LS snapshot].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors;
use crate::error::Result;

/// A queue's redrive policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// As it was sent.
    pub raw: String,
    /// The dead-letter queue's ARN.
    pub target: String,
    /// How often a message is received before it goes there.
    pub max: u32,
}

/// Who may name a queue as its dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// As it was sent.
    pub raw: String,
    /// The sources that may: all without a list.
    pub sources: Option<Vec<String>>,
}

impl Redrive {
    /// Reads a policy. The words on what is missing aren't recorded.
    pub fn read(raw: &str) -> Result<Self> {
        let refuse = |reason: &str| errors::invalid_value(raw, "RedrivePolicy", reason);
        let policy = serde_json::from_str(raw)
            .ok()
            .and_then(|value: Value| value.as_object().cloned())
            .ok_or_else(|| refuse("Redrive policy is not a valid JSON map."))?;
        let lacks = |name: &str| {
            refuse(&format!(
                "Redrive policy does not contain mandatory attribute: {name}."
            ))
        };
        let target = policy
            .get("deadLetterTargetArn")
            .and_then(Value::as_str)
            .filter(|target| !target.is_empty())
            .ok_or_else(|| lacks("deadLetterTargetArn"))?;
        let given = policy
            .get("maxReceiveCount")
            .ok_or_else(|| lacks("maxReceiveCount"))?;
        let max = match given {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|max| u32::try_from(max).ok()),
        };
        let max = max.filter(|max| (1..=1000).contains(max)).ok_or_else(|| {
            let given = given
                .as_str()
                .map_or_else(|| given.to_string(), str::to_owned);
            refuse(&format!(
                "Invalid value for maxReceiveCount: {given}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        Ok(Self {
            raw: raw.to_owned(),
            target: target.to_owned(),
            max,
        })
    }
}

impl Allow {
    /// Reads a policy. The words aren't recorded; the rules are the model's.
    pub fn read(raw: &str) -> Result<Self> {
        let refuse = |reason: &str| errors::invalid_value(raw, "RedriveAllowPolicy", reason);
        let policy = serde_json::from_str(raw)
            .ok()
            .and_then(|value: Value| value.as_object().cloned())
            .ok_or_else(|| refuse("Redrive allow policy is not a valid JSON map."))?;
        let named = policy.get("sourceQueueArns");
        let sources = match policy.get("redrivePermission").and_then(Value::as_str) {
            Some("allowAll") if named.is_none() => None,
            Some("denyAll") if named.is_none() => Some(Vec::new()),
            Some("allowAll" | "denyAll") => {
                return Err(refuse(
                    "sourceQueueArns can be given only when redrivePermission is byQueue.",
                ));
            }
            Some("byQueue") => {
                let named = named
                    .and_then(Value::as_array)
                    .filter(|named| (1..=10).contains(&named.len()))
                    .and_then(|named| {
                        named
                            .iter()
                            .map(|arn| arn.as_str().map(str::to_owned))
                            .collect()
                    })
                    .ok_or_else(|| refuse("sourceQueueArns must hold 1 to 10 queue ARNs."))?;
                Some(named)
            }
            _ => {
                return Err(refuse(
                    "redrivePermission must be one of allowAll, denyAll, byQueue.",
                ));
            }
        };
        Ok(Self {
            raw: raw.to_owned(),
            sources,
        })
    }

    /// Whether this queue may.
    pub fn allows(&self, source: &str) -> bool {
        self.sources
            .as_ref()
            .is_none_or(|sources| sources.iter().any(|arn| arn == source))
    }
}
