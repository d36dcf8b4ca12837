//! The values that a template's references lead to, and how they're printed: as Java prints them.

use std::{fmt::Write as _, rc::Rc};

use serde_json::Value as Json;

/// How deep lists and maps may be in each other; a JSON document is at most 128 deep.
const DEPTH: usize = 200;

/// A value. Lists and maps are copied when they're changed, so that none can be in itself.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing: it prints as an empty string, is false, and equals an empty string.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(Rc<str>, Value)>>),
    /// `$input`.
    Input,
    /// `$util`.
    Util,
    /// `$context`, or what is below it so far.
    Context(Rc<str>),
    /// `$stageVariables`.
    StageVariables,
    /// `$foreach`: how many rounds there were before, and how many there are.
    Foreach(usize, usize),
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(float)) if number.is_f64() => Self::Float(float),
                // A number of more than 63 bits prints as it was written.
                _ => Self::text(number.to_string()),
            },
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::List(Rc::new(items.iter().map(Self::from_json).collect())),
            Json::Object(members) => Self::Map(Rc::new(
                members
                    .iter()
                    .map(|(name, value)| (Rc::from(name.as_str()), Self::from_json(value)))
                    .collect(),
            )),
        }
    }

    /// Velocity 1's rule: only null and false are false.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members
                .iter()
                .find(|(key, _)| &**key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Equal as Velocity has it: numbers by value, else as they print.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            _ => match (self.number(), other.number()) {
                (Some(one), Some(other)) => {
                    one.partial_cmp(&other) == Some(std::cmp::Ordering::Equal)
                }
                _ => self.printed() == other.printed(),
            },
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "comparing and dividing numbers beyond 2^53 is as imprecise in AWS's templates"
    )]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::Float(float) => Some(*float),
            _ => None,
        }
    }

    pub(super) fn printed(&self) -> String {
        let mut text = String::new();
        self.print(&mut text);
        text
    }

    /// Java's `toString`: `{a=1, b=[2, 3]}`.
    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::Null
            | Self::Input
            | Self::Util
            | Self::Context(_)
            | Self::StageVariables
            | Self::Foreach(..) => {}
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Int(int) => {
                let _ = write!(out, "{int}");
            }
            Self::Float(float) => {
                let _ = write!(out, "{float:?}");
            }
            Self::Text(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.print_inside(out);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(name);
                    out.push('=');
                    value.print_inside(out);
                }
                out.push('}');
            }
        }
    }

    fn print_inside(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            other => other.print(out),
        }
    }

    /// About how much memory it is, or nothing if that's beyond `most`, or if it's too deep: what is walked through later
    /// was weighed before. A value may hold another many times: without `most` this could take for ever.
    pub(super) fn weight(&self, most: usize) -> Option<usize> {
        let mut left = most;
        self.weigh(&mut left, DEPTH).then(|| most - left)
    }

    fn weigh(&self, left: &mut usize, depth: usize) -> bool {
        let own = match self {
            Self::Text(text) => text.len() + 1,
            _ => 1,
        };
        let Some(rest) = left.checked_sub(own) else {
            return false;
        };
        *left = rest;
        match (self, depth.checked_sub(1)) {
            (Self::List(items), Some(depth)) => items.iter().all(|item| item.weigh(left, depth)),
            (Self::Map(members), Some(depth)) => members.iter().all(|(name, value)| {
                *left = left.saturating_sub(name.len());
                value.weigh(left, depth)
            }),
            (Self::List(_) | Self::Map(_), None) => false,
            _ => true,
        }
    }
}
