//! A queue's attributes: what they may be, what they are if nobody says, and how they're read back.
//!
//! Pure. What depends on other queues (that a dead-letter queue exists) is checked in `manage`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    errors,
    message::Rules,
    redrive::{Allow, Redrive},
};
use crate::error::Result;

/// What FIFO queues' names end with.
pub const SUFFIX: &str = ".fifo";

/// The attributes that can be set, in the order that they're read back in.
pub const SETTABLE: [&str; 15] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// A queue's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    visibility_timeout: u32,
    retention: u32,
    delay: u32,
    wait: u32,
    largest: u32,
    policy: Option<String>,
    redrive: Option<Redrive>,
    allow: Option<Allow>,
    kms_key: Option<String>,
    kms_reuse: u32,
    sse: bool,
    fifo: Option<Fifo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fifo {
    content_based: bool,
    scope: Scope,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Scope {
    Queue,
    MessageGroup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Limit {
    PerQueue,
    PerMessageGroupId,
}

impl Settings {
    /// The attributes of a new queue.
    pub fn new(name: &str, attributes: &[(&str, &str)]) -> Result<Self> {
        let given = attributes.iter().find(|(name, _)| *name == "FifoQueue");
        let fifo = match given {
            None => false,
            Some((_, value)) if value.eq_ignore_ascii_case("true") => true,
            // It's there or it isn't; `false` isn't a value of it [LS snapshot].
            Some(_) => return Err(errors::unknown_attribute("FifoQueue")),
        };
        check_name(name, fifo)?;
        let mut settings = Self {
            visibility_timeout: 30,
            retention: 345_600,
            delay: 0,
            wait: 0,
            largest: 1_048_576,
            policy: None,
            redrive: None,
            allow: None,
            kms_key: None,
            kms_reuse: 300,
            sse: true,
            fifo: fifo.then_some(Fifo {
                content_based: false,
                scope: Scope::Queue,
                limit: Limit::PerQueue,
            }),
        };
        if let Some((_, raw @ "")) = attributes.iter().find(|(name, _)| *name == "RedrivePolicy") {
            // Only what is there can be taken away.
            Redrive::read(raw)?;
        }
        settings.set(attributes)?;
        Ok(settings)
    }

    /// Changes what is named; nothing if one of it is wrong.
    pub fn set(&mut self, attributes: &[(&str, &str)]) -> Result<()> {
        let mut changed = self.clone();
        for (name, value) in attributes {
            changed.set_one(name, value)?;
        }
        let given = |wanted: &str| {
            attributes
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| *value)
        };
        let kms = given("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
        let sse = given("SqsManagedSseEnabled").is_some_and(|sse| sse.eq_ignore_ascii_case("true"));
        if kms && sse {
            return Err(errors::attribute_name(
                "You can use one type of server-side encryption (SSE) at one time. \
                 You can either enable KMS SSE or SQS SSE.",
            ));
        }
        if kms {
            changed.sse = false;
        }
        if sse {
            changed.kms_key = None;
        }
        if changed.fifo.is_some_and(|fifo| {
            fifo.limit == Limit::PerMessageGroupId && fifo.scope != Scope::MessageGroup
        }) {
            // The rule is the developer guide's; the words aren't recorded.
            return Err(errors::attribute_value(
                "FifoThroughputLimit",
                Some(
                    "The perMessageGroupId value is allowed only when the value for DeduplicationScope is \
                     messageGroup.",
                ),
            ));
        }
        *self = changed;
        Ok(())
    }

    fn set_one(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "VisibilityTimeout" => self.visibility_timeout = whole(name, value, 0, 43_200)?,
            "MessageRetentionPeriod" => self.retention = whole(name, value, 60, 1_209_600)?,
            "DelaySeconds" => self.delay = whole(name, value, 0, 900)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = whole(name, value, 0, 20)?,
            "MaximumMessageSize" => self.largest = whole(name, value, 1024, 1_048_576)?,
            "KmsDataKeyReusePeriodSeconds" => self.kms_reuse = whole(name, value, 60, 86_400)?,
            "KmsMasterKeyId" => self.kms_key = (!value.is_empty()).then(|| value.to_owned()),
            "SqsManagedSseEnabled" => self.sse = truth(name, value)?,
            "Policy" => {
                if !value.is_empty() && !is_policy(value) {
                    return Err(errors::attribute_value(name, None));
                }
                self.policy = (!value.is_empty()).then(|| value.to_owned());
            }
            "RedrivePolicy" => {
                self.redrive = (!value.is_empty())
                    .then(|| Redrive::read(value))
                    .transpose()?;
            }
            "RedriveAllowPolicy" => {
                self.allow = (!value.is_empty())
                    .then(|| Allow::read(value))
                    .transpose()?;
            }
            "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit" => self.set_fifo(name, value)?,
            _ => return Err(errors::unknown_attribute(name)),
        }
        Ok(())
    }

    fn set_fifo(&mut self, name: &str, value: &str) -> Result<()> {
        let Some(fifo) = &mut self.fifo else {
            return Err(match name {
                "DeduplicationScope" | "FifoThroughputLimit" => errors::attribute_name(format!(
                    "You can specify the {name} only when FifoQueue is set to true."
                )),
                _ => errors::unknown_attribute(name),
            });
        };
        match (name, value) {
            ("FifoQueue", _) => {
                if !truth(name, value)? {
                    return Err(errors::attribute_value(
                        name,
                        Some("Modifying queue type is not supported."),
                    ));
                }
            }
            ("ContentBasedDeduplication", _) => fifo.content_based = truth(name, value)?,
            ("DeduplicationScope", "queue") => fifo.scope = Scope::Queue,
            ("DeduplicationScope", "messageGroup") => fifo.scope = Scope::MessageGroup,
            ("FifoThroughputLimit", "perQueue") => fifo.limit = Limit::PerQueue,
            ("FifoThroughputLimit", "perMessageGroupId") => fifo.limit = Limit::PerMessageGroupId,
            _ => return Err(errors::attribute_value(name, None)),
        }
        Ok(())
    }

    /// An attribute as it's read back; nothing if the queue hasn't got it.
    pub fn get(&self, name: &str) -> Option<String> {
        let number = |number: u32| Some(number.to_string());
        let fifo = self.fifo;
        match name {
            "VisibilityTimeout" => number(self.visibility_timeout),
            "MessageRetentionPeriod" => number(self.retention),
            "DelaySeconds" => number(self.delay),
            "ReceiveMessageWaitTimeSeconds" => number(self.wait),
            "MaximumMessageSize" => number(self.largest),
            "Policy" => self.policy.clone(),
            "RedrivePolicy" => self.redrive.as_ref().map(|redrive| redrive.raw.clone()),
            "RedriveAllowPolicy" => self.allow.as_ref().map(|allow| allow.raw.clone()),
            "KmsMasterKeyId" => self.kms_key.clone(),
            "KmsDataKeyReusePeriodSeconds" => {
                self.kms_key.as_ref().and_then(|_| number(self.kms_reuse))
            }
            "SqsManagedSseEnabled" => Some(self.sse.to_string()),
            "FifoQueue" => fifo.map(|_| "true".to_owned()),
            "ContentBasedDeduplication" => fifo.map(|fifo| fifo.content_based.to_string()),
            "DeduplicationScope" => fifo.map(|fifo| {
                match fifo.scope {
                    Scope::Queue => "queue",
                    Scope::MessageGroup => "messageGroup",
                }
                .to_owned()
            }),
            "FifoThroughputLimit" => fifo.map(|fifo| {
                match fifo.limit {
                    Limit::PerQueue => "perQueue",
                    Limit::PerMessageGroupId => "perMessageGroupId",
                }
                .to_owned()
            }),
            _ => None,
        }
    }

    /// The first of these attributes that the queue has another value of.
    pub fn difference<'a>(&self, attributes: &[(&'a str, &str)]) -> Result<Option<&'a str>> {
        let mut wanted = self.clone();
        wanted.set(attributes)?;
        let differs = |name: &str| match name {
            "RedrivePolicy" | "RedriveAllowPolicy" | "Policy" => {
                parsed(self.get(name)) != parsed(wanted.get(name))
            }
            _ => self.get(name) != wanted.get(name),
        };
        Ok(attributes
            .iter()
            .map(|(name, _)| *name)
            .find(|name| differs(name)))
    }

    /// How long a received message is hidden.
    pub fn visibility_timeout(&self) -> Duration {
        Duration::from_secs(self.visibility_timeout.into())
    }

    /// How long a message is kept.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention.into())
    }

    /// How long a new message is hidden that doesn't say.
    pub fn delay(&self) -> Duration {
        Duration::from_secs(self.delay.into())
    }

    /// How long a receive waits that doesn't say.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait.into())
    }

    /// What senders may do.
    pub fn rules(&self) -> Rules {
        Rules {
            fifo: self.fifo.is_some(),
            content_based: self.fifo.is_some_and(|fifo| fifo.content_based),
            largest: usize::try_from(self.largest).unwrap_or(usize::MAX),
        }
    }

    /// Whether deduplication ids are each group's own.
    pub fn dedup_by_group(&self) -> bool {
        self.fifo
            .is_some_and(|fifo| fifo.scope == Scope::MessageGroup)
    }

    /// Where messages go that can't be handled.
    pub fn redrive(&self) -> Option<&Redrive> {
        self.redrive.as_ref()
    }

    /// Whether a queue may have this one as its dead-letter queue.
    pub fn allows_source(&self, arn: &str) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.allows(arn))
    }

    /// The queue's own policy.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }
}

fn check_name(name: &str, fifo: bool) -> Result<()> {
    let base = if fifo {
        name.strip_suffix(SUFFIX).unwrap_or_default()
    } else {
        name
    };
    let shaped = (1..=80).contains(&name.len())
        && !base.is_empty()
        && base
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if shaped {
        return Ok(());
    }
    Err(errors::invalid(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
         must end with .fifo suffix and be 1 to 80 in length."
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

fn whole(name: &str, value: &str, least: u32, most: u32) -> Result<u32> {
    value
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| errors::attribute_value(name, None))
}

fn truth(name: &str, value: &str) -> Result<bool> {
    if value.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(errors::attribute_value(name, None))
    }
}

fn parsed(json: Option<String>) -> Option<Value> {
    let mut value: Value = serde_json::from_str(&json?).ok()?;
    // 5 and "5" are one count.
    if let Some(max) = value.get_mut("maxReceiveCount")
        && let Some(number) = max.as_u64()
    {
        *max = number.to_string().into();
    }
    Some(value)
}

/// Whether it's a policy's document as far as its form goes: who is named in it isn't looked up.
fn is_policy(text: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return false,
    };
    let has = |statement: &Value, names: [&str; 2]| {
        names.into_iter().any(|name| statement.get(name).is_some())
    };
    !statements.is_empty()
        && statements.iter().all(|statement| {
            matches!(
                statement.get("Effect").and_then(Value::as_str),
                Some("Allow" | "Deny")
            ) && has(statement, ["Principal", "NotPrincipal"])
                && has(statement, ["Action", "NotAction"])
                && has(statement, ["Resource", "NotResource"])
        })
}
