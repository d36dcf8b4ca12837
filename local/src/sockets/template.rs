//! Mapping templates: the part of the Velocity Template Language that API Gateway's templates are written in. Pure.
//!
//! In: a template, parsed once, and [`Given`], what it's rendered with. Out: text, or a [`Fault`] that names the line.
//! It promises to end: nesting, steps and output are bounded, and no template or input makes it panic.
//!
//! Where API Gateway differs from Velocity, it's followed: what `$context`, `$stageVariables` or `$input` don't have is an
//! empty string (Velocity would print the reference's own text, which is what an unknown variable still does).

mod evaluate;
mod methods;
mod parse;
mod tree;
mod value;

use std::fmt;

use self::tree::Node;

/// What a rendered template may come to: more than the biggest message, percent-encoded.
pub const MOST_OUTPUT: usize = 1024 * 1024;

/// A template that was read.
#[derive(Clone, Debug)]
pub struct Template {
    nodes: Vec<Node>,
}

/// What is wrong with a template, or with what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What, as a clause.
    pub what: String,
}

/// What a template is rendered with.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// `$input.body`.
    pub body: &'a str,
    /// `$context.…`, by what follows the first dot.
    pub context: &'a dyn Fn(&str) -> Option<String>,
    /// `$stageVariables.…`.
    pub stage_variables: &'a dyn Fn(&str) -> Option<String>,
    /// `$input.params('…')`: only `$connect` has any.
    pub parameters: &'a dyn Fn(&str) -> Option<String>,
}

impl Template {
    /// Reads a template.
    pub fn parse(source: &str) -> Result<Self, Fault> {
        parse::parse(source).map(|nodes| Self { nodes })
    }

    /// Makes the text.
    pub fn render(&self, given: Given<'_>) -> Result<String, Fault> {
        evaluate::render(&self.nodes, given)
    }
}

/// A JSON value as API Gateway makes a string of it: `text`, `1`, `[a, b]`, `{k=v}`.
pub(super) fn printed(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::String(text) => text.clone(),
        other => value::Value::from_json(other).printed(),
    }
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "line {} of the template: {}",
            self.line, self.what
        )
    }
}

impl fmt::Debug for Given<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Given")
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
