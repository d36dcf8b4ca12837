//! What goes wrong on purpose: rules that hit calls.
//!
//! A rule reads `SERVICE:OPERATION=EFFECT[@WHEN]`:
//!
//! | part | is |
//! |---|---|
//! | `SERVICE` | the prefix of the service's IAM actions (`sqs`, `lambda`, `execute-api`), or `*` |
//! | `OPERATION` | an operation's name, the beginning of one (`Create*`), or `*` |
//! | `EFFECT` | `throttle`: refused as the service throttles |
//! | | `500`, `503`: refused, as the service fails and as it's unavailable |
//! | | `error(CODE,STATUS)`, `error(CODE,STATUS,MESSAGE)`: refused with this error |
//! | | `cut`: the line is cut before the call is done |
//! | | `lost`: the call is done, and the line is cut instead of answered |
//! | | `delay(200ms)`, `delay(2s)`: it begins that much later |
//! | `WHEN` | `3`: the third call, `3..5`: the third to the fifth, `3..`: the third and all that follow |
//! | | `%4`: every fourth, `30%`: three in ten, the same ones each time |
//! | | left out: every call |
//!
//! `sqs:SendMessage=throttle@3`, `lambda:*=delay(200ms)`, `execute-api:PostToConnection=lost@30%`.
//!
//! Each rule counts the calls that it's for, whatever other rules make of them. Of the rules that hit a call, all delays
//! come true, and the first other effect. Rules are applied by `wire` to AWS calls and to the management API, so that a
//! client sees exactly what it would see; calls that services make of each other aren't hit.

mod rule;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;

use self::rule::Effect;
pub use self::rule::{Broken, Rule};
use crate::{call::Service, error::AwsError, wire::rates};

/// A cloud's rules, and how often each was met.
#[derive(Debug, Default)]
pub struct Faults {
    rules: RwLock<Vec<Arc<Counted>>>,
}

#[derive(Debug)]
struct Counted {
    rule: Rule,
    /// How many calls it's for have come.
    calls: AtomicU64,
    /// How many of them it has hit.
    hits: AtomicU64,
}

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

/// How often a rule was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The rule, as it was written.
    pub rule: String,
    /// How many calls it's for have come.
    pub calls: u64,
    /// How many of them it has hit.
    pub hits: u64,
}

impl Faults {
    /// The rules that a cloud starts with.
    pub fn new(rules: Vec<Rule>) -> Self {
        let faults = Self::default();
        for rule in rules {
            faults.add(rule);
        }
        faults
    }

    /// Adds a rule, which counts from now on.
    pub fn add(&self, rule: Rule) {
        self.rules.write().push(Arc::new(Counted {
            rule,
            calls: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        }));
    }

    /// Ends all rules.
    pub fn clear(&self) {
        self.rules.write().clear();
    }

    /// How often each rule was met, in the rules' order.
    pub fn tallies(&self) -> Vec<Tally> {
        self.rules
            .read()
            .iter()
            .map(|counted| Tally {
                rule: counted.rule.to_string(),
                calls: counted.calls.load(Ordering::Relaxed),
                hits: counted.hits.load(Ordering::Relaxed),
            })
            .collect()
    }

    /// What a call meets, which is counted.
    pub fn meet(&self, service: Service, operation: &str) -> Met {
        let mut met = Met {
            delay: None,
            then: Fate::Perform,
        };
        for counted in self.rules.read().iter() {
            if !counted.rule.is_for(service, operation) {
                continue;
            }
            let number = counted.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if !counted.rule.hits(number) {
                continue;
            }
            counted.hits.fetch_add(1, Ordering::Relaxed);
            match counted.rule.effect() {
                Effect::Delay(delay) => {
                    met.delay = Some(met.delay.unwrap_or_default().saturating_add(*delay));
                }
                effect if met.then == Fate::Perform => met.then = fate(effect, service),
                _ => {}
            }
        }
        met
    }
}

fn fate(effect: &Effect, service: Service) -> Fate {
    match effect {
        Effect::Delay(_) => Fate::Perform,
        Effect::Throttle => Fate::Refuse(rates::throttled(service)),
        Effect::Fail => Fate::Refuse(failed(service)),
        Effect::Unavailable => Fate::Refuse(unavailable(service)),
        Effect::Error {
            code,
            status,
            message,
        } => {
            let mut error = AwsError::new(*status, "", message.clone());
            error.code = code.clone().into();
            Fate::Refuse(error)
        }
        Effect::Lost => Fate::Lose,
        Effect::Cut => Fate::Cut,
    }
}

/// What a service says when it fails.
fn failed(service: Service) -> AwsError {
    const INTERNAL: &str =
        "The request processing has failed because of an unknown error, exception or failure.";
    match service {
        Service::S3 => AwsError::new(
            500,
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
        Service::Lambda => AwsError::new(500, "ServiceException", "An error occurred."),
        Service::Iam => AwsError::new(500, "ServiceFailure", INTERNAL),
        Service::DynamoDb => AwsError::new(500, "InternalServerError", INTERNAL),
        Service::CloudWatch => {
            AwsError::new(500, "InternalServiceFault", INTERNAL).query("InternalServiceError")
        }
        Service::ApiGateway | Service::ExecuteApi => {
            AwsError::new(500, "InternalServerErrorException", "Internal server error")
        }
        Service::Logs | Service::Sqs | Service::Sts => {
            AwsError::new(500, "InternalFailure", INTERNAL)
        }
    }
}

/// What a service says when it can't serve.
fn unavailable(service: Service) -> AwsError {
    const UNAVAILABLE: &str = "The request has failed due to a temporary failure of the server.";
    match service {
        Service::Iam | Service::Sts | Service::S3 | Service::Sqs => {
            AwsError::new(503, "ServiceUnavailable", UNAVAILABLE)
        }
        _ => AwsError::new(503, "ServiceUnavailableException", UNAVAILABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rules: &[&str]) -> Faults {
        Faults::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    fn fates(faults: &Faults, calls: usize) -> String {
        (0..calls)
            .map(|_| match faults.meet(Service::Sqs, "SendMessage").then {
                Fate::Perform => '.',
                Fate::Refuse(_) => 'r',
                Fate::Lose => 'l',
                Fate::Cut => 'c',
            })
            .collect()
    }

    #[test]
    fn a_rule_hits_when_it_says() {
        for (when, fated) in [
            ("", "cccccc"),
            ("@3", "..c..."),
            ("@2..4", ".ccc.."),
            ("@5..", "....cc"),
            ("@%2", ".c.c.c"),
            ("@0%", "......"),
            ("@100%", "cccccc"),
        ] {
            let faults = faults(&[&format!("sqs:SendMessage=cut{when}")]);
            assert_eq!(fates(&faults, 6), fated, "{when}");
        }
    }

    #[test]
    fn a_share_is_about_that_share_and_the_same_each_time() {
        let hit = |rule: &str| fates(&faults(&[rule]), 10_000);
        let once = hit("sqs:*=cut@30%");
        assert_eq!(once, hit("sqs:*=cut@30%"));
        let count = once.matches('c').count();
        assert!((2_800..3_200).contains(&count), "{count}");
        // Another rule hits others.
        assert_ne!(once, hit("sqs:Send*=cut@30%"));
        let few = hit("sqs:*=cut@0.5%").matches('c').count();
        assert!((20..100).contains(&few), "{few}");
    }

    #[test]
    fn rules_compose_and_each_counts_for_itself() {
        let faults = faults(&[
            "sqs:SendMessage=lost@2",
            "sqs:*=throttle@2..3",
            "*:*=delay(10ms)",
            "*:Send*=delay(5ms)@1",
            "lambda:*=cut",
        ]);
        let met = faults.meet(Service::Sqs, "SendMessage");
        assert_eq!(met.delay, Some(Duration::from_millis(15)));
        assert_eq!(met.then, Fate::Perform);
        assert_eq!(faults.meet(Service::Sqs, "SendMessage").then, Fate::Lose);
        let Fate::Refuse(error) = faults.meet(Service::Sqs, "SendMessage").then else {
            panic!("a throttle");
        };
        assert_eq!(error.code, "RequestThrottled");
        faults.meet(Service::Sqs, "DeleteMessage");
        let counts: Vec<_> = faults
            .tallies()
            .into_iter()
            .map(|tally| (tally.calls, tally.hits))
            .collect();
        assert_eq!(counts, [(3, 1), (4, 2), (4, 4), (3, 1), (0, 0)]);
    }

    #[test]
    fn an_error_is_the_one_that_was_written() {
        let faults = faults(&["s3:PutObject=error(SlowDown,503, please wait)"]);
        let Fate::Refuse(error) = faults.meet(Service::S3, "PutObject").then else {
            panic!("an error");
        };
        assert_eq!(error.code, "SlowDown");
        assert_eq!(error.status, 503);
        assert_eq!(error.message, "please wait");
    }

    #[test]
    fn a_rule_that_is_added_counts_from_then_on() {
        let faults = Faults::default();
        assert_eq!(fates(&faults, 3), "...");
        faults.add("sqs:SendMessage=cut@1".parse().unwrap());
        assert_eq!(fates(&faults, 3), "c..");
        faults.clear();
        assert!(faults.tallies().is_empty());
    }
}
