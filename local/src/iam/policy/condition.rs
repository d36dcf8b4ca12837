//! Conditions: operators on a request's context. Pure.
//!
//! An absent key fails a condition, except that negated operators, `…IfExists` and `ForAllValues:` hold then
//! [IAM user guide, condition operators; multivalued context keys].

use std::net::IpAddr;

use super::{
    Context,
    pattern::{Case, Pattern, Wildcards, values},
};

/// One operator on one key.
#[derive(Clone, Debug)]
pub struct Condition {
    key: String,
    test: Test,
    negated: bool,
    if_exists: bool,
    set: Set,
}

/// How a key of several values is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// As a single value.
    None,
    Any,
    All,
}

#[derive(Clone, Debug)]
enum Test {
    Text(Vec<Pattern>),
    Arn(Vec<[Pattern; 6]>),
    Numeric(Comparison, Vec<f64>),
    /// In milliseconds.
    Date(Comparison, Vec<i64>),
    Bool(Vec<bool>),
    Ip(Vec<Network>),
    /// The key is absent; `false`: it's there.
    Null(Vec<bool>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `203.0.113.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Condition {
    /// Compiles an operator; nothing if there's no such operator, or a value isn't of its type.
    pub fn new(operator: &str, key: &str, wanted: &[String], variables: bool) -> Option<Self> {
        let (set, operator) = if let Some(rest) = strip(operator, "ForAnyValue:") {
            (Set::Any, rest)
        } else if let Some(rest) = strip(operator, "ForAllValues:") {
            (Set::All, rest)
        } else {
            (Set::None, operator)
        };
        let (if_exists, operator) = match operator
            .len()
            .checked_sub("IfExists".len())
            .and_then(|at| operator.split_at_checked(at))
        {
            Some((start, end)) if end.eq_ignore_ascii_case("IfExists") => (true, start),
            _ => (false, operator),
        };
        let (test, negated) = test(operator, wanted, variables)?;
        if matches!(test, Test::Null(_)) && (if_exists || set != Set::None) {
            return None;
        }
        Some(Self {
            key: key.to_owned(),
            test,
            negated,
            if_exists,
            set,
        })
    }

    /// Whether the request's context satisfies it.
    pub fn holds(&self, context: &Context) -> bool {
        let found = values(context, &self.key).filter(|values| !values.is_empty());
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&found.is_none());
        }
        let Some(found) = found else {
            return self.if_exists
                || match self.set {
                    Set::None => self.negated,
                    Set::Any => false,
                    Set::All => true,
                };
        };
        let fits = |value: &String| self.test.fits(value, context) != self.negated;
        match (self.set, self.negated) {
            (Set::Any, _) | (Set::None, false) => found.iter().any(fits),
            (Set::All, _) | (Set::None, true) => found.iter().all(fits),
        }
    }
}

/// `text` without `start`, whatever its case: operators have none.
fn strip<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let (found, rest) = text.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

/// An operator's test, and whether it's the opposite that is wanted.
fn test(operator: &str, wanted: &[String], variables: bool) -> Option<(Test, bool)> {
    let text = |case, wildcards| {
        Test::Text(
            wanted
                .iter()
                .map(|value| Pattern::new(value, case, wildcards, variables))
                .collect(),
        )
    };
    let arns = || {
        Test::Arn(
            wanted
                .iter()
                .map(|value| {
                    arn_parts(value)
                        .map(|part| Pattern::new(part, Case::Matters, Wildcards::Work, variables))
                })
                .collect(),
        )
    };
    let bools = || {
        wanted
            .iter()
            .map(|value| parse_bool(value))
            .collect::<Option<Vec<_>>>()
    };
    let networks = || {
        wanted
            .iter()
            .map(|value| Network::parse(value))
            .collect::<Option<Vec<_>>>()
    };
    Some(match operator.to_ascii_lowercase().as_str() {
        "stringequals" => (text(Case::Matters, Wildcards::AreLiteral), false),
        "stringnotequals" => (text(Case::Matters, Wildcards::AreLiteral), true),
        "stringequalsignorecase" => (text(Case::Ignored, Wildcards::AreLiteral), false),
        "stringnotequalsignorecase" => (text(Case::Ignored, Wildcards::AreLiteral), true),
        "stringlike" => (text(Case::Matters, Wildcards::Work), false),
        "stringnotlike" => (text(Case::Matters, Wildcards::Work), true),
        // The two behave alike [IAM user guide, ARN condition operators].
        "arnequals" | "arnlike" => (arns(), false),
        "arnnotequals" | "arnnotlike" => (arns(), true),
        "bool" => (Test::Bool(bools()?), false),
        "null" => (Test::Null(bools()?), false),
        "ipaddress" => (Test::Ip(networks()?), false),
        "notipaddress" => (Test::Ip(networks()?), true),
        other => {
            if let Some(rest) = other.strip_prefix("numeric") {
                let (comparison, negated) = comparison(rest)?;
                let numbers = wanted.iter().map(|value| parse_number(value));
                (
                    Test::Numeric(comparison, numbers.collect::<Option<_>>()?),
                    negated,
                )
            } else {
                let (comparison, negated) = comparison(other.strip_prefix("date")?)?;
                let dates = wanted.iter().map(|value| parse_date(value));
                (
                    Test::Date(comparison, dates.collect::<Option<_>>()?),
                    negated,
                )
            }
        }
    })
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    Some(match name {
        "equals" => (Comparison::Equal, false),
        "notequals" => (Comparison::Equal, true),
        "lessthan" => (Comparison::Less, false),
        "lessthanequals" => (Comparison::LessOrEqual, false),
        "greaterthan" => (Comparison::Greater, false),
        "greaterthanequals" => (Comparison::GreaterOrEqual, false),
        _ => return None,
    })
}

impl Test {
    fn fits(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text(patterns) => patterns
                .iter()
                .any(|pattern| pattern.matches(value, context)),
            Self::Arn(arns) => {
                let parts = arn_parts(value);
                arns.iter().any(|arn| {
                    arn.iter()
                        .zip(parts)
                        .all(|(pattern, part)| pattern.matches(part, context))
                })
            }
            Self::Numeric(comparison, wanted) => parse_number(value)
                .is_some_and(|value| wanted.iter().any(|wanted| comparison.is(&value, wanted))),
            Self::Date(comparison, wanted) => parse_date(value)
                .is_some_and(|value| wanted.iter().any(|wanted| comparison.is(&value, wanted))),
            Self::Bool(wanted) => parse_bool(value).is_some_and(|value| wanted.contains(&value)),
            Self::Ip(networks) => value
                .parse()
                .is_ok_and(|address| networks.iter().any(|network| network.has(address))),
            // Decided before any value is looked at.
            Self::Null(_) => false,
        }
    }
}

impl Comparison {
    fn is<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
        }
    }
}

/// An ARN's six parts, the last with all the colons that are left; what isn't an ARN has too few, and the rest empty.
fn arn_parts(arn: &str) -> [&str; 6] {
    let mut parts = arn.splitn(6, ':');
    [(); 6].map(|()| parts.next().unwrap_or_default())
}

fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn parse_number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|value: &f64| !value.is_nan())
}

/// ISO 8601, or seconds since 1970 [IAM user guide, date condition operators].
fn parse_date(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    let midnight = format!("{text}T00:00:00Z").parse::<jiff::Timestamp>();
    midnight.ok().map(jiff::Timestamp::as_millisecond)
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= longest)?,
            None => longest,
        };
        Some(Self { address, prefix })
    }

    fn has(self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= self.prefix
    }
}
