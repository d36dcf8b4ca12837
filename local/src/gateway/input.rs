//! A call's members, read with AWS's checks of their types and lengths.
//!
//! A member that is null is one that isn't there, as in AWS's JSON protocols.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::{Map, Value};

use super::{model::Strings, refusal::bad};
use crate::{
    call::Call,
    error::{AwsError, Result},
};

/// A structure's members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(&'a Map<String, Value>);

impl<'a> From<&'a Map<String, Value>> for Input<'a> {
    fn from(members: &'a Map<String, Value>) -> Self {
        Self(members)
    }
}

impl<'a> Input<'a> {
    /// Those of a call.
    pub fn of(call: &'a Call) -> Self {
        Self(&call.input)
    }

    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether it was sent at all.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A text of any length.
    pub fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| mistyped(name)))
            .transpose()
    }

    /// A text that must be there, such as an id in the path.
    pub fn required(self, name: &str) -> Result<&'a str> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    }

    /// A text with as many characters as the model allows.
    pub fn sized(self, name: &str, length: RangeInclusive<usize>) -> Result<Option<String>> {
        let text = self.text(name)?;
        if let Some(text) = text {
            check_length(name, text, &length)?;
        }
        Ok(text.map(str::to_owned))
    }

    /// One of the model's words.
    pub fn one_of(self, name: &str, words: &[&str]) -> Result<Option<String>> {
        let text = self.text(name)?;
        match text {
            Some(text) if !words.contains(&text) => Err(bad(format!(
                "Invalid value for {name}: {text}. Must be one of: [{}]",
                words.join(", ")
            ))),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// True or false. A query's members are texts.
    pub fn flag(self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| {
                value
                    .as_bool()
                    .or_else(|| value.as_str()?.parse().ok())
                    .ok_or_else(|| mistyped(name))
            })
            .transpose()
    }

    /// A whole number.
    pub fn integer(self, name: &str) -> Result<Option<i64>> {
        self.get(name)
            .map(|value| value.as_i64().ok_or_else(|| mistyped(name)))
            .transpose()
    }

    /// A number.
    pub fn number(self, name: &str) -> Result<Option<f64>> {
        self.get(name)
            .map(|value| value.as_f64().ok_or_else(|| mistyped(name)))
            .transpose()
    }

    /// A structure within.
    pub fn inner(self, name: &str) -> Result<Option<Input<'a>>> {
        self.get(name)
            .map(|value| value.as_object().map(Input).ok_or_else(|| mistyped(name)))
            .transpose()
    }

    /// A map of structures.
    pub fn inners(self, name: &str) -> Result<Vec<(&'a str, Input<'a>)>> {
        let Some(inner) = self.inner(name)? else {
            return Ok(Vec::new());
        };
        inner
            .0
            .iter()
            .map(|(key, value)| {
                let members = value.as_object().ok_or_else(|| mistyped(name))?;
                Ok((key.as_str(), Input(members)))
            })
            .collect()
    }

    /// A map of texts, each of at most `longest` characters.
    pub fn strings(self, name: &str, longest: usize) -> Result<Option<Strings>> {
        let Some(inner) = self.inner(name)? else {
            return Ok(None);
        };
        let mut strings = Strings::new();
        for (key, value) in inner.0 {
            let text = value.as_str().ok_or_else(|| mistyped(name))?;
            check_length(name, text, &(0..=longest))?;
            strings.insert(key.clone(), text.to_owned());
        }
        Ok(Some(strings))
    }

    /// A map of `{"required": true}`.
    pub fn constraints(self, name: &str) -> Result<Option<BTreeMap<String, bool>>> {
        if !self.has(name) {
            return Ok(None);
        }
        let constraints: Result<_> = self
            .inners(name)?
            .into_iter()
            .map(|(key, constraint)| {
                let required = constraint.flag("required")?.unwrap_or_default();
                Ok((key.to_owned(), required))
            })
            .collect();
        constraints.map(Some)
    }

    /// A list of texts. A query's list of one is a text.
    pub fn list(self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if let Some(text) = value.as_str() {
            return Ok(Some(vec![text.to_owned()]));
        }
        let list = value.as_array().ok_or_else(|| mistyped(name))?;
        let texts: Result<_> = list
            .iter()
            .map(|item| {
                let text = item.as_str().ok_or_else(|| mistyped(name))?;
                Ok(text.to_owned())
            })
            .collect();
        texts.map(Some)
    }
}

/// What an update makes of an optional text: unsaid it stays, said empty it goes [TF].
pub(super) fn patch(field: &mut Option<String>, said: Option<String>) {
    if let Some(said) = said {
        *field = Some(said).filter(|said| !said.is_empty());
    }
}

/// What an update makes of a map: keys that aren't said stay, one that is said empty goes [BC RequestParameters].
pub(super) fn patch_strings(field: &mut Strings, said: Option<Strings>) {
    for (key, value) in said.into_iter().flatten() {
        if value.is_empty() {
            field.remove(&key);
        } else {
            field.insert(key, value);
        }
    }
}

fn check_length(name: &str, text: &str, length: &RangeInclusive<usize>) -> Result<()> {
    if length.contains(&text.chars().count()) {
        return Ok(());
    }
    Err(bad(format!(
        "Invalid value for {name}: the length must be between {} and {}",
        length.start(),
        length.end()
    )))
}

fn missing(name: &str) -> AwsError {
    bad(format!("Missing required parameter: {name}"))
}

fn mistyped(name: &str) -> AwsError {
    bad(format!("Invalid request input: {name}"))
}
