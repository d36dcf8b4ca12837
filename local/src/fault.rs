//! What goes wrong on purpose: rules that hit calls.
//!
//! A rule reads `SERVICE:OPERATION=EFFECT[@WHEN]`. It's applied by `wire`, so that a client sees exactly what it would see.

use std::time::Duration;

use crate::{call::Service, error::AwsError};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {}

impl std::str::FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Err(format!("`{text}` isn't a rule"))
    }
}

/// A cloud's rules, and how often each was met.
#[derive(Debug, Default)]
pub struct Faults {}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It's done.
    Perform,
    /// It's refused, and nothing is done.
    Refuse(AwsError),
    /// It's done, but the answer is lost.
    Lose,
    /// It never arrives.
    Cut,
}

/// What a call meets.
#[derive(Clone, Debug, PartialEq)]
pub struct Met {
    /// How long it takes before anything happens.
    pub delay: Option<Duration>,
    /// What happens.
    pub then: Fate,
}

impl Faults {
    /// The rules that a cloud starts with.
    pub fn new(rules: Vec<Rule>) -> Self {
        let _ = rules;
        Self {}
    }

    /// What a call meets, which is counted.
    pub fn meet(&self, service: Service, operation: &str) -> Met {
        let _ = (service, operation);
        Met {
            delay: None,
            then: Fate::Perform,
        }
    }
}
