//! A stage's alarms and their states.

use aws_sdk_cloudwatch::types::StateValue;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    aws::{Aws, Error},
    engine::{scope::Scope, stack::Stack},
    resource::alarm,
};

/// An alarm, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alarm {
    /// Its name without the stage's prefix, such as `echo-dead-letters`.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What it means.
    pub description: String,
    /// Why it's in this state, in CloudWatch's words; untrusted.
    pub reason: String,
}

/// What an alarm can say; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmState {
    /// `ALARM`: its threshold is reached.
    Alarm,
    /// `INSUFFICIENT_DATA`: it's new, or CloudWatch can't tell.
    Unknown,
    /// `OK`.
    Ok,
}

/// The alarms that the stack has, the gravest first. What isn't in the cloud isn't in the list.
pub async fn alarms(aws: &Aws, scope: &Scope, stack: &Stack) -> Result<Vec<Alarm>, Error> {
    let found = alarm::described(aws, scope).await?;
    // Another stage's names may begin with the same letters.
    let ours = |name: &str| {
        stack.resources.iter().any(|desired| {
            desired.address.kind() == alarm::KIND && desired.properties["name"] == *name
        })
    };
    let mut alarms: Vec<Alarm> = found
        .into_iter()
        .filter_map(|found| {
            let name = found.alarm_name.filter(|name| ours(name))?;
            Some(Alarm {
                name: scope.thing(&name).unwrap_or(&name).to_owned(),
                state: match found.state_value {
                    Some(StateValue::Alarm) => AlarmState::Alarm,
                    Some(StateValue::Ok) => AlarmState::Ok,
                    _ => AlarmState::Unknown,
                },
                since: found
                    .state_updated_timestamp
                    .and_then(|at| Timestamp::from_second(at.secs()).ok()),
                description: found.alarm_description.unwrap_or_default(),
                reason: found.state_reason.unwrap_or_default(),
            })
        })
        .collect();
    alarms.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
    Ok(alarms)
}
