//! What goes wrong on purpose: rules that hit calls.
//!
//! A rule reads `SERVICE:OPERATION=EFFECT[@WHEN]`. It's applied by `wire`, so that a client sees exactly what it would see.

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {}

/// A cloud's rules, and how often each was met.
#[derive(Debug, Default)]
pub struct Faults {}

impl Faults {
    /// The rules that a cloud starts with.
    pub fn new(rules: Vec<Rule>) -> Self {
        let _ = rules;
        Self {}
    }
}
