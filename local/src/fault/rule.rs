//! One rule: how it's written, what it's for, which of its calls it hits. Pure.

use std::{fmt, str::FromStr, time::Duration};

use crate::call::Service;

/// No call is delayed longer.
const LONGEST: Duration = Duration::from_hours(1);
const EFFECTS: &str =
    "throttle, 500, 503, cut, lost, error(CODE,STATUS), error(CODE,STATUS,MESSAGE) or delay(200ms)";

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    text: String,
    /// Without one, every service.
    service: Option<Service>,
    operation: Name,
    effect: Effect,
    when: When,
}

/// What a rule does to a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Throttle,
    Fail,
    Unavailable,
    Error {
        code: String,
        status: u16,
        message: String,
    },
    Lost,
    Cut,
    Delay(Duration),
}

#[derive(Clone, Debug, PartialEq)]
enum Name {
    Exactly(String),
    Beginning(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Always,
    /// From the one call to the other, both among them.
    Calls(u64, u64),
    Every(u64),
    /// Of one.
    Share(f64),
}

/// Why a text isn't a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` isn't a fault rule: {reason}")]
pub struct Broken {
    /// The text.
    pub rule: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Rule {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Broken> {
        parse(text.trim()).map_err(|reason| Broken {
            rule: text.to_owned(),
            reason,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Rule {
    pub(super) fn is_for(&self, service: Service, operation: &str) -> bool {
        self.service.is_none_or(|of| of == service)
            && match &self.operation {
                Name::Exactly(name) => name == operation,
                Name::Beginning(name) => operation.starts_with(name),
            }
    }

    /// Whether it hits its so-manieth call, from 1 on.
    pub(super) fn hits(&self, number: u64) -> bool {
        match self.when {
            When::Always => true,
            When::Calls(from, to) => (from..=to).contains(&number),
            When::Every(every) => number.is_multiple_of(every),
            When::Share(share) => chance(&self.text, number) < share,
        }
    }

    pub(super) fn effect(&self) -> &Effect {
        &self.effect
    }
}

/// A number from 0 to 1 for the so-manieth call of a rule: the same in each run, as if thrown otherwise.
fn chance(seed: &str, number: u64) -> f64 {
    // FNV-1a of the rule, then splitmix64's mixing.
    let seed = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper half is fine enough, and exact as a float.
    f64::from(u32::try_from(mixed >> 32).unwrap_or(u32::MAX)) / 4_294_967_296.0
}

fn parse(text: &str) -> Result<Rule, String> {
    let (call, rest) = text
        .split_once('=')
        .ok_or("it reads SERVICE:OPERATION=EFFECT[@WHEN], and there is no `=`")?;
    let (service, operation) = call
        .split_once(':')
        .ok_or("before the `=` it names a call, as sqs:SendMessage")?;
    // A message of an error may have an `@`, what comes after its bracket may not.
    let split = rest
        .rfind('@')
        .filter(|at| rest.get(*at..).is_some_and(|after| !after.contains(')')));
    let (effect, when) = match split {
        Some(at) => {
            let (effect, when) = rest.split_at(at);
            (effect, when.strip_prefix('@'))
        }
        None => (rest, None),
    };
    Ok(Rule {
        text: text.to_owned(),
        service: parse_service(service.trim())?,
        operation: parse_operation(operation.trim())?,
        effect: parse_effect(effect.trim())?,
        when: when.map_or(Ok(When::Always), |when| parse_when(when.trim()))?,
    })
}

fn parse_service(text: &str) -> Result<Option<Service>, String> {
    const SERVICES: [Service; 10] = [
        Service::ApiGateway,
        Service::CloudWatch,
        Service::DynamoDb,
        Service::ExecuteApi,
        Service::Iam,
        Service::Lambda,
        Service::Logs,
        Service::S3,
        Service::Sqs,
        Service::Sts,
    ];
    if text == "*" {
        return Ok(None);
    }
    SERVICES
        .into_iter()
        .find(|service| service.prefix() == text)
        .map(Some)
        .ok_or_else(|| {
            let names: Vec<&str> = SERVICES.into_iter().map(Service::prefix).collect();
            format!(
                "there is no service `{text}`; there are {}, and `*` for all",
                names.join(", ")
            )
        })
}

fn parse_operation(text: &str) -> Result<Name, String> {
    let (name, begins) = match text.strip_suffix('*') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let shaped = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match (shaped, begins) {
        (true, true) => Ok(Name::Beginning(name.to_owned())),
        (true, false) if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            Ok(Name::Exactly(name.to_owned()))
        }
        _ => Err(format!(
            "`{text}` isn't an operation: it's a name such as SendMessage, a beginning such as Create*, or `*`"
        )),
    }
}

fn parse_effect(text: &str) -> Result<Effect, String> {
    let (name, argument) = match text.split_once('(') {
        None => (text, None),
        Some((name, rest)) => match rest.strip_suffix(')') {
            Some(argument) => (name, Some(argument)),
            None => return Err(format!("`{text}` has no closing bracket at its end")),
        },
    };
    match (name, argument) {
        ("throttle", None) => Ok(Effect::Throttle),
        ("500", None) => Ok(Effect::Fail),
        ("503", None) => Ok(Effect::Unavailable),
        ("lost", None) => Ok(Effect::Lost),
        ("cut", None) => Ok(Effect::Cut),
        ("delay", Some(duration)) => parse_duration(duration.trim()).map(Effect::Delay),
        ("error", Some(arguments)) => parse_error(arguments),
        _ => Err(format!("`{text}` isn't an effect: that is {EFFECTS}")),
    }
}

fn parse_error(arguments: &str) -> Result<Effect, String> {
    let mut arguments = arguments.splitn(3, ',').map(str::trim);
    let code = arguments.next().unwrap_or_default();
    let status = arguments.next().unwrap_or_default();
    let shaped = !code.is_empty()
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if !shaped {
        return Err(format!(
            "`{code}` isn't an error's code; that is a word such as ThrottlingException"
        ));
    }
    let status = status
        .parse::<u16>()
        .ok()
        .filter(|status| (400..600).contains(status))
        .ok_or_else(|| {
            format!("`{status}` isn't an error's status; that is a number from 400 to 599")
        })?;
    Ok(Effect::Error {
        code: code.to_owned(),
        status,
        message: arguments
            .next()
            .map_or_else(|| "A fault rule says so.".to_owned(), str::to_owned),
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.trim().parse().map(Duration::from_millis).ok(),
        (None, Some(seconds)) => seconds.trim().parse().map(Duration::from_secs).ok(),
        _ => None,
    };
    duration
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("`{text}` isn't a delay: that is 200ms or 2s, and at most an hour"))
}

fn parse_when(text: &str) -> Result<When, String> {
    let wrong = || {
        format!(
            "`@{text}` doesn't say when: that is @3, @3..5, @3.., @%4 (every fourth call) or @30% (three in ten)"
        )
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    if let Some(share) = text.strip_suffix('%') {
        return share
            .parse::<f64>()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share))
            .map(|share| When::Share(share / 100.0))
            .ok_or_else(wrong);
    }
    if let Some(every) = text.strip_prefix('%') {
        return number(every).map(When::Every).ok_or_else(wrong);
    }
    match text.split_once("..") {
        None => number(text).map(|call| When::Calls(call, call)),
        Some((from, "")) => number(from).map(|from| When::Calls(from, u64::MAX)),
        Some((from, to)) => number(from)
            .zip(number(to))
            .filter(|(from, to)| from <= to)
            .map(|(from, to)| When::Calls(from, to)),
    }
    .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_documented() {
        for text in [
            "sqs:SendMessage=throttle@3",
            "*:*=500",
            "lambda:Create*=503@3..5",
            "execute-api:PostToConnection=lost@30%",
            "dynamodb:PutItem=cut@%4",
            "iam:*=delay(200ms)@2..",
            "iam:*=delay(2s)",
            "s3:PutObject=error(SlowDown,503)",
            "sqs:SendMessage=error(AWS.SimpleQueueService.NonExistentQueue,400,no, @ all)@1",
            "  sqs : SendMessage = cut @ 3  ",
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text.trim());
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_is_wrong() {
        for (text, reason) in [
            ("", "no `=`"),
            ("sqs:SendMessage", "no `=`"),
            ("sqs=cut", "names a call"),
            ("sns:Publish=cut", "no service `sns`; there are apigateway"),
            ("sqs:sendMessage=cut", "`sendMessage` isn't an operation"),
            ("sqs:=cut", "`` isn't an operation"),
            ("sqs:*Message=cut", "isn't an operation"),
            ("sqs:*=explode", "`explode` isn't an effect"),
            ("sqs:*=throttle(1)", "isn't an effect"),
            ("sqs:*=delay", "isn't an effect"),
            ("sqs:*=delay(fast)", "isn't a delay"),
            ("sqs:*=delay(99999999999999999999s)", "isn't a delay"),
            ("sqs:*=delay(2h)", "isn't a delay"),
            ("sqs:*=delay(1s", "no closing bracket"),
            ("sqs:*=error(,500)", "isn't an error's code"),
            ("sqs:*=error(Oh)", "isn't an error's status"),
            ("sqs:*=error(Oh,200)", "isn't an error's status"),
            ("sqs:*=cut@", "doesn't say when"),
            ("sqs:*=cut@0", "doesn't say when"),
            ("sqs:*=cut@5..3", "doesn't say when"),
            ("sqs:*=cut@%0", "doesn't say when"),
            ("sqs:*=cut@101%", "doesn't say when"),
            ("sqs:*=cut@NaN%", "doesn't say when"),
        ] {
            let broken = text.parse::<Rule>().unwrap_err();
            assert!(broken.reason.contains(reason), "{text}: {}", broken.reason);
            assert!(broken.to_string().starts_with(&format!("`{text}` isn't")));
        }
    }
}
