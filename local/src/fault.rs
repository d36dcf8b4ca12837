//! What goes wrong on purpose: rules that hit calls.
//!
//! A rule reads `SERVICE:OPERATION=EFFECT[@WHEN]`. It's applied by `wire`, so that a client sees exactly what it would see.

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

impl Faults {
    /// The rules that a cloud starts with.
    pub fn new(rules: Vec<Rule>) -> Self {
        let _ = rules;
        Self {}
    }
}
