//! Reading an operation's members, and holding them against the constraints of AWS's model.
//!
//! A value of a wrong type is refused at once, as AWS's parser does; what breaks a constraint is collected, and all of it
//! is told in one `ValidationException`. Pure.

use std::fmt::Display;

use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::error::{AwsError, Result};

/// `InvalidParameterValueException`: what most refusals of Lambda are.
pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message).member("Type", "User")
}

/// `ResourceNotFoundException`.
pub(super) fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message).member("Type", "User")
}

/// `ResourceConflictException`.
pub(super) fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ResourceConflictException", message).member("Type", "User")
}

/// The refusal of a revision that isn't the latest; `api` is what tells the latest.
pub(super) fn wrong_revision(api: &str) -> AwsError {
    AwsError::new(
        412,
        "PreconditionFailedException",
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {api} API to retrieve the latest Revision Id"
        ),
    )
    .member("Type", "User")
}

/// What a call's members are, and which constraints they broke.
#[derive(Debug)]
pub(super) struct Members<'a> {
    input: &'a Map<String, Value>,
    violations: Vec<String>,
}

impl<'a> Members<'a> {
    /// The members of a call.
    pub(super) fn new(input: &'a Map<String, Value>) -> Self {
        Self {
            input,
            violations: Vec::new(),
        }
    }

    /// A member, if it's there and not null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.input.get(name).filter(|value| !value.is_null())
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a String")),
        }
    }

    /// A member that is a whole number; in a query it comes as text.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number
            .map(Some)
            .ok_or_else(|| wrong_type(name, "an Integer"))
    }

    /// A member that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong_type(name, "a Boolean")),
        }
    }

    /// A member that is a structure or a map.
    pub(super) fn map(&self, name: &str) -> Result<Option<&'a Map<String, Value>>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(wrong_type(name, "a Map")),
        }
    }

    /// A member that is a list of strings. A query's list of one comes as the one.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(vec![text])),
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| item.as_str().ok_or_else(|| wrong_type(name, "a List")))
                .collect::<Result<_>>()
                .map(Some),
            Some(_) => Err(wrong_type(name, "a List")),
        }
    }

    /// A map of strings, in the order it was sent.
    pub(super) fn text_map(&self, name: &str) -> Result<Option<Vec<(&'a str, &'a str)>>> {
        let Some(map) = self.map(name)? else {
            return Ok(None);
        };
        map.iter()
            .map(|(key, value)| {
                value
                    .as_str()
                    .map(|value| (key.as_str(), value))
                    .ok_or_else(|| wrong_type(name, "a String"))
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// The string that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<&'a str> {
        let text = self.text(name)?;
        if text.is_none() {
            self.missing(name);
        }
        Ok(text.unwrap_or_default())
    }

    /// Notes that a member is missing.
    pub(super) fn missing(&mut self, name: &str) {
        self.violations.push(format!(
            "Value null at '{}' failed to satisfy constraint: Member must not be null",
            camel(name)
        ));
    }

    /// Notes that a value breaks a constraint.
    pub(super) fn violate(&mut self, field: &str, value: impl Display, constraint: &str) {
        self.violations.push(format!(
            "Value '{value}' at '{}' failed to satisfy constraint: {constraint}",
            camel(field)
        ));
    }

    /// Holds a text's length against its bounds.
    pub(super) fn length(&mut self, field: &str, text: &str, least: usize, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.violate(
                field,
                text,
                &format!("Member must have length less than or equal to {most}"),
            );
        } else if length < least {
            self.violate(
                field,
                text,
                &format!("Member must have length greater than or equal to {least}"),
            );
        }
    }

    /// Holds a number against its bounds.
    pub(super) fn range(&mut self, field: &str, number: i64, least: i64, most: i64) {
        if number > most {
            self.violate(
                field,
                number,
                &format!("Member must have value less than or equal to {most}"),
            );
        } else if number < least {
            self.violate(
                field,
                number,
                &format!("Member must have value greater than or equal to {least}"),
            );
        }
    }

    /// Holds a text against a pattern; `shown` is the pattern as AWS writes it.
    pub(super) fn pattern(&mut self, field: &str, text: &str, pattern: &Regex, shown: &str) {
        if !pattern.is_match(text) {
            self.violate(
                field,
                text,
                &format!("Member must satisfy regular expression pattern: {shown}"),
            );
        }
    }

    /// Holds a text against the values that there are.
    pub(super) fn one_of(&mut self, field: &str, text: &str, values: &[&str]) {
        if !values.contains(&text) {
            self.violate(
                field,
                text,
                &format!(
                    "Member must satisfy enum value set: [{}]",
                    values.join(", ")
                ),
            );
        }
    }

    /// Refuses the call if a constraint was broken.
    pub(super) fn finish(self) -> Result<()> {
        let count = self.violations.len();
        if count == 0 {
            return Ok(());
        }
        let errors = if count == 1 { "error" } else { "errors" };
        Err(AwsError::new(
            400,
            "ValidationException",
            format!(
                "{count} validation {errors} detected: {}",
                self.violations.join("; ")
            ),
        ))
    }
}

fn wrong_type(name: &str, wanted: &str) -> AwsError {
    AwsError::new(
        400,
        "SerializationException",
        format!("The value of {name} can not be converted to {wanted}"),
    )
}

/// `functionName` of `FunctionName`; what's written small already stays.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect()
}

/// What a call says of a member that an empty structure clears.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said<T> {
    /// Nothing: it stays.
    Nothing,
    /// That there is to be none.
    Clear,
    /// What it is to be.
    This(T),
}

impl<T: Clone> Said<T> {
    /// What it is to be, by what it was.
    pub(super) fn over(&self, held: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => held,
            Self::Clear => None,
            Self::This(value) => Some(value.clone()),
        }
    }
}

impl<T> From<Option<T>> for Said<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::This)
    }
}

/// One page of a sorted list: the items after the marker, and the marker of the next page.
///
/// Each item's key is unique and in the list's order. A marker is the last key of the page before it.
pub(super) fn page<T>(
    members: &Members<'_>,
    items: impl Iterator<Item = (String, T)>,
    most: usize,
) -> Result<(Vec<T>, Option<String>)> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let asked = members
        .number("MaxItems")?
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(most)
        .clamp(1, most);
    let after = members
        .text("Marker")?
        .filter(|marker| !marker.is_empty())
        .map(|marker| {
            URL_SAFE_NO_PAD
                .decode(marker)
                .ok()
                .and_then(|key| String::from_utf8(key).ok())
                .ok_or_else(|| invalid("Invalid marker provided"))
        })
        .transpose()?;
    let mut rest = items
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after))
        .peekable();
    let mut page = Vec::new();
    let mut last = String::new();
    while page.len() < asked {
        let Some((key, item)) = rest.next() else {
            return Ok((page, None));
        };
        page.push(item);
        last = key;
    }
    let next = rest.peek().map(|_| URL_SAFE_NO_PAD.encode(&last));
    Ok((page, next))
}

/// Holds `MaxItems` against its bounds.
pub(super) fn max_items(members: &mut Members<'_>) -> Result<()> {
    if let Some(number) = members.number("MaxItems")? {
        members.range("maxItems", number, 1, 10_000);
    }
    Ok(())
}
