//! How callers name a function: by name, by a part of its ARN, or by its ARN, with or without a qualifier. Pure.

use super::check::{Members, invalid, not_found};
use crate::{
    ACCOUNT,
    call::Call,
    error::{AwsError, Result},
};

/// What AWS's model says of a function's name where a new one is made or a function is changed.
const PLAIN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
/// What it says where a function is read or called.
const NAMESPACED: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

/// The qualifier of what can change.
pub(super) const LATEST: &str = "$LATEST";

/// A function as it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// The region, where it was named.
    pub(super) region: Option<&'a str>,
    /// The account, where it was named.
    pub(super) account: Option<&'a str>,
    /// The function's name.
    pub(super) name: &'a str,
    /// The version or the alias.
    pub(super) qualifier: Option<&'a str>,
}

/// Which of the model's two shapes a name has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Of functions that are made or changed.
    Plain,
    /// Of functions that are read or called.
    Namespaced,
}

impl Shape {
    fn pattern(self) -> &'static str {
        match self {
            Self::Plain => PLAIN,
            Self::Namespaced => NAMESPACED,
        }
    }

    fn most(self) -> usize {
        match self {
            Self::Plain => 140,
            Self::Namespaced => 256,
        }
    }
}

/// Takes a name apart; nothing if it hasn't the shape.
pub(super) fn parse(text: &str, shape: Shape) -> Option<Named<'_>> {
    let mut rest = text;
    if let Some(arn) = rest.strip_prefix("arn:") {
        let (partition, after) = arn.split_once(':')?;
        let right = partition.is_empty()
            || partition.strip_prefix("aws").is_some_and(|more| {
                more.bytes()
                    .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
            });
        rest = after.strip_prefix("lambda:").filter(|_| right)?;
    }
    let mut take = |fits: fn(&str) -> bool| {
        let (part, after) = rest.split_once(':')?;
        fits(part).then(|| {
            rest = after;
            part
        })
    };
    let region = take(is_region);
    let account = take(|part| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_digit()));
    let _ = take(|part| part == "function");
    let (name, qualifier) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    };
    let named = is_word(
        name,
        if shape == Shape::Namespaced {
            b"-_."
        } else {
            b"-_"
        },
    );
    let qualified = qualifier.is_none_or(|qualifier| {
        qualifier == LATEST
            || (shape == Shape::Namespaced && qualifier == "$LATEST.PUBLISHED")
            || is_word(qualifier, b"-_")
    });
    (named && qualified).then_some(Named {
        region,
        account,
        name,
        qualifier,
    })
}

/// `(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d`, without a regular expression: it's looked at with each invocation.
fn is_region(part: &str) -> bool {
    let small = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_partition = |word: &str| {
        word == "gov"
            || word
                .strip_prefix("iso")
                .is_some_and(|letter| letter.len() <= 1 && small(letter))
    };
    let part = part.strip_prefix("eusc-").unwrap_or(part);
    let mut words = part.split('-');
    let country = words.next().unwrap_or_default();
    let mut area = words.next().unwrap_or_default();
    let mut number = words.next().unwrap_or_default();
    if is_partition(area)
        && let Some(fourth) = words.next()
    {
        (area, number) = (number, fourth);
    }
    words.next().is_none()
        && (country.len() == 2 && small(country))
        && (!area.is_empty() && small(area))
        && (number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_word(text: &str, others: &[u8]) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

/// Whether a qualifier names a version by its number.
pub(super) fn number(qualifier: &str) -> Option<u64> {
    let digits = !qualifier.is_empty() && qualifier.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| qualifier.parse().ok()).flatten()
}

/// Whether a qualifier can be an alias's name.
pub(super) fn is_alias(qualifier: &str) -> bool {
    is_word(qualifier, b"-_") && !qualifier.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses a function of another region or account.
pub(super) fn within(named: &Named<'_>, region: &str) -> Result<()> {
    if let Some(other) = named.region.filter(|named| *named != region) {
        return Err(not_found(format!(
            "Functions from '{other}' are not reachable in this region ('{region}')"
        )));
    }
    if named.account.is_some_and(|account| account != ACCOUNT) {
        return Err(AwsError::new(403, "AccessDeniedException", ""));
    }
    Ok(())
}

/// The function that a call is about, by its members `FunctionName` and `Qualifier`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// The function's name.
    pub(super) name: String,
    /// The version or the alias.
    pub(super) qualifier: Option<String>,
    /// The function's ARN without the qualifier.
    pub(super) arn: String,
}

impl Subject {
    /// Reads it, noting what breaks the model's constraints.
    pub(super) fn read(
        call: &Call,
        members: &mut Members<'_>,
        shape: Shape,
    ) -> Result<Option<Self>> {
        let qualifier = members.text("Qualifier")?;
        if let Some(qualifier) = qualifier {
            members.length("qualifier", qualifier, 1, 128);
            if qualifier != "$LATEST.PUBLISHED" && !is_word(qualifier, b"-_$") {
                members.violate(
                    "qualifier",
                    qualifier,
                    &format!("Member must satisfy regular expression pattern: {QUALIFIER}"),
                );
            }
        }
        let text = members.required("FunctionName")?;
        members.length("functionName", text, 1, shape.most());
        let Some(named) = parse(text, shape) else {
            if !text.is_empty() {
                members.violate(
                    "functionName",
                    text,
                    &format!(
                        "Member must satisfy regular expression pattern: {}",
                        shape.pattern()
                    ),
                );
            }
            return Ok(None);
        };
        if let (Some(derived), Some(given)) = (named.qualifier, qualifier)
            && derived != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        within(&named, &call.region.name)?;
        Ok(Some(Self {
            name: named.name.to_owned(),
            qualifier: named.qualifier.or(qualifier).map(str::to_owned),
            arn: function(&call.region.name, named.name),
        }))
    }

    /// Reads it of a call that has no further constraints.
    pub(super) fn of(call: &Call, shape: Shape) -> Result<Self> {
        let mut members = Members::new(&call.input);
        let subject = Self::read(call, &mut members, shape)?;
        members.finish()?;
        subject.ok_or_else(|| invalid("The function's name is missing"))
    }

    /// Its ARN, with the qualifier if there's one.
    pub(super) fn qualified(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn),
            None => self.arn.clone(),
        }
    }

    /// The refusal when it isn't there.
    pub(super) fn missing(&self) -> AwsError {
        not_found(format!("Function not found: {}", self.qualified()))
    }
}

/// A function's ARN.
pub(super) fn function(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(
        region: Option<&'a str>,
        account: Option<&'a str>,
        name: &'a str,
        qualifier: Option<&'a str>,
    ) -> Named<'a> {
        Named {
            region,
            account,
            name,
            qualifier,
        }
    }

    #[test]
    fn a_function_is_named_by_name_by_part_of_its_arn_or_by_arn() {
        let region = Some("eu-west-1");
        let account = Some("000000000000");
        for (text, want) in [
            ("chat", named(None, None, "chat", None)),
            ("chat:live", named(None, None, "chat", Some("live"))),
            (
                "function:chat:$LATEST",
                named(None, None, "chat", Some(LATEST)),
            ),
            (
                "000000000000:function:chat",
                named(None, account, "chat", None),
            ),
            (
                "arn:aws:lambda:eu-west-1:000000000000:function:chat:3",
                named(region, account, "chat", Some("3")),
            ),
            // A part too short is a function of that name, as recorded of AWS.
            (
                "arn:aws:lambda:eu-west-1:000000000000:function",
                named(region, account, "function", None),
            ),
        ] {
            assert_eq!(parse(text, Shape::Plain), Some(want), "{text}");
        }
    }

    #[test]
    fn a_region_is_what_awss_model_says() {
        let pattern = r"^(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d$";
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        for region in [
            "eu-west-1",
            "us-gov-west-1",
            "us-gov-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isobb-east-1",
            "us-isoB-east-1",
            "eusc-de-east-1",
            "eusc-eusc-de-east-1",
            "eu-west-11",
            "eu-west-",
            "eu--1",
            "eu-west",
            "eu",
            "e-west-1",
            "EU-west-1",
            "eu-w\u{e9}st-1",
            "eu-west-\u{663}",
            "eu-gov-west-1-1",
            "eu-north-west-1",
            "-west-1",
            "",
        ] {
            assert_eq!(is_region(region), pattern.is_match(region), "{region}");
        }
    }

    #[test]
    fn what_has_not_the_shape_is_refused() {
        for text in [
            "",
            "*",
            "a b",
            "chat:1:2",
            "function:chat:$LATEST:extra",
            "chat:$latest",
            "arn:aws:lambda::000000000000:function:chat",
            "arn:aws:lambda:eu-west-1::function:chat",
            "arn:aws:ec2:eu-west-1:000000000000:instance:i-1",
            "arn:aws:lambda:invalid-region:000000000000:function:chat",
            "arn:aws:lambda:eu-west-1:000000000000@function:chat",
        ] {
            assert_eq!(parse(text, Shape::Namespaced), None, "{text}");
        }
    }
}
