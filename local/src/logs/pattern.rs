//! Filter patterns: terms and JSON conditions. Pure.
//!
//! [CloudWatch Logs User Guide, Filter and pattern syntax] Terms: all must be in a message, none of those with `-`; if
//! all have `?`, one is enough. JSON: `{ $.level = "ERROR" && $.time > 5 }`. Between `%` a term is a regular expression.
//! Space-delimited patterns (`[ip, user]`) are refused.

use regex_lite::Regex;
use serde_json::Value;

const LONGEST: usize = 1024;
const DEEPEST: usize = 16;

/// What messages are to be like.
#[derive(Debug)]
pub enum Pattern {
    /// Like anything.
    Everything,
    /// Have these terms.
    Terms(Terms),
    /// Are JSON of which this is true.
    Json(Condition),
}

/// Terms of a message.
#[derive(Debug, Default)]
pub struct Terms {
    all: Vec<Term>,
    none: Vec<Term>,
    any: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

/// A condition on JSON.
#[derive(Debug)]
pub enum Condition {
    /// Both.
    And(Box<Self>, Box<Self>),
    /// One of them.
    Or(Box<Self>, Box<Self>),
    /// Something about a property.
    Is(Vec<Step>, Test),
}

/// One step of `$.a[0].b`.
#[derive(Debug)]
pub enum Step {
    /// `.a`
    Name(String),
    /// `[0]`
    Index(usize),
    /// `[*]`
    Every,
}

/// What is to be true of a property.
#[derive(Debug)]
pub enum Test {
    /// `= 5`, `> 5`
    Number(Sign, f64),
    /// `= "ERROR*"`
    Text(bool, Vec<String>),
    /// `= %regex%`
    Regex(bool, Regex),
    /// `IS NULL`
    Null,
    /// `IS TRUE`
    Truth(bool),
    /// `EXISTS`, `NOT EXISTS`
    Exists(bool),
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Reads a pattern.
pub fn parse(text: &str) -> Result<Pattern, String> {
    let text = text.trim();
    if text.chars().count() > LONGEST {
        return Err("Invalid filter pattern: it is too long".to_owned());
    }
    if text.is_empty() {
        return Ok(Pattern::Everything);
    }
    if text.starts_with('[') {
        return Err(
            "wsless's embedded cloud doesn't have space-delimited filter patterns".to_owned(),
        );
    }
    if let Some(inner) = text.strip_prefix('{') {
        let inner = inner.strip_suffix('}').ok_or("Invalid filter pattern")?;
        let mut parser = Parser { rest: inner.trim() };
        let condition = parser.either(0).ok_or("Invalid filter pattern")?;
        return if parser.rest.is_empty() {
            Ok(Pattern::Json(condition))
        } else {
            Err("Invalid filter pattern".to_owned())
        };
    }
    terms(text).map(Pattern::Terms)
}

fn terms(text: &str) -> Result<Terms, String> {
    let mut terms = Terms::default();
    let mut rest = text;
    while !rest.is_empty() {
        let mark = rest
            .chars()
            .next()
            .filter(|first| matches!(first, '?' | '-'));
        if mark.is_some() {
            rest = rest.get(1..).unwrap_or_default();
        }
        let term;
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = closing(quoted).ok_or("Invalid filter pattern: a quote isn't closed")?;
            term = Term::Text(unescaped(quoted.get(..end).unwrap_or_default()));
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else if let Some(inner) = rest.strip_prefix('%') {
            let (regex, after) = inner
                .split_once('%')
                .ok_or("Invalid filter pattern: a regular expression isn't closed")?;
            term = Term::Regex(self::regex(regex).ok_or("Invalid regular expression")?);
            rest = after;
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // What isn't a letter, a digit or an underscore has to be quoted.
            let plain = |character: char| {
                character.is_alphanumeric()
                    || matches!(character, '_' | '.' | ':' | '/' | '@' | ',' | '#' | ';')
            };
            if word.is_empty() || !word.chars().all(plain) {
                return Err(format!("Invalid character(s) in term '{word}'"));
            }
            term = Term::Text(word.to_owned());
            rest = after;
        }
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err("Invalid filter pattern".to_owned());
        }
        rest = rest.trim_start();
        match mark {
            Some('-') => terms.none.push(term),
            Some(_) => terms.any.push(term),
            None => terms.all.push(term),
        }
    }
    Ok(terms)
}

/// Where a quoted text ends.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, character)| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends.then_some(index)
    })
}

fn unescaped(text: &str) -> String {
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}

fn regex(text: &str) -> Option<Regex> {
    (!text.is_empty()).then(|| Regex::new(text).ok()).flatten()
}

impl Pattern {
    /// Whether a message is like this.
    pub fn matches(&self, message: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Terms(terms) => terms.matches(message),
            Self::Json(condition) => {
                // Most messages aren't JSON: not even tried.
                message.trim_start().starts_with('{')
                    && serde_json::from_str(message)
                        .is_ok_and(|message: Value| condition.matches(&message))
            }
        }
    }
}

impl Terms {
    fn matches(&self, message: &str) -> bool {
        if self.none.iter().any(|term| term.is_in(message)) {
            return false;
        }
        // With other terms beside them, those with `?` are ignored, as in AWS.
        if self.all.is_empty() && !self.any.is_empty() {
            return self.any.iter().any(|term| term.is_in(message));
        }
        self.all.iter().all(|term| term.is_in(message))
    }
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Condition {
    fn matches(&self, message: &Value) -> bool {
        match self {
            Self::And(left, right) => left.matches(message) && right.matches(message),
            Self::Or(left, right) => left.matches(message) || right.matches(message),
            Self::Is(steps, Test::Exists(wanted)) => find(message, steps).is_empty() != *wanted,
            Self::Is(steps, test) => find(message, steps).iter().any(|value| test.holds(value)),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Number(sign, wanted) => match value.as_f64() {
                Some(number) => match sign {
                    Sign::Equal => (number - wanted).abs() <= f64::EPSILON * wanted.abs(),
                    Sign::Unequal => (number - wanted).abs() > f64::EPSILON * wanted.abs(),
                    Sign::Less => number < *wanted,
                    Sign::AtMost => number <= *wanted,
                    Sign::Greater => number > *wanted,
                    Sign::AtLeast => number >= *wanted,
                },
                None => *sign == Sign::Unequal && !value.is_null(),
            },
            Self::Text(equal, parts) => match value {
                Value::String(text) => fits(text, parts) == *equal,
                Value::Null => false,
                other => fits(&other.to_string(), parts) == *equal,
            },
            Self::Regex(equal, regex) => value
                .as_str()
                .is_some_and(|text| regex.is_match(text) == *equal),
            Self::Null => value.is_null(),
            Self::Truth(truth) => value.as_bool() == Some(*truth),
            Self::Exists(_) => true,
        }
    }
}

/// Whether a text has these parts in a row, with anything where a `*` was.
fn fits(text: &str, parts: &[String]) -> bool {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    if parts.len() == 1 {
        return text == first;
    }
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    for part in parts.iter().skip(1).take(parts.len() - 2) {
        match rest.find(part.as_str()) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

fn find<'a>(root: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![root];
    for step in steps {
        found = found
            .into_iter()
            .flat_map(|value| -> Vec<&Value> {
                match step {
                    Step::Name(name) => value.get(name).into_iter().collect(),
                    Step::Index(index) => value.get(*index).into_iter().collect(),
                    Step::Every => value
                        .as_array()
                        .map(|list| list.iter().collect())
                        .unwrap_or_default(),
                }
            })
            .collect();
    }
    found
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, sign: &str) -> bool {
        if let Some(rest) = self.rest.strip_prefix(sign) {
            self.rest = rest.trim_start();
            true
        } else {
            false
        }
    }

    /// A word of letters only, whatever its case.
    fn word(&mut self, word: &str) -> bool {
        let end = self
            .rest
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        let is_it = found.eq_ignore_ascii_case(word);
        if is_it {
            self.rest = rest.trim_start();
        }
        is_it
    }

    fn either(&mut self, depth: usize) -> Option<Condition> {
        let mut left = self.both(depth)?;
        while self.eat("||") {
            let right = self.both(depth)?;
            left = Condition::Or(Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn both(&mut self, depth: usize) -> Option<Condition> {
        let mut left = self.one(depth)?;
        while self.eat("&&") {
            let right = self.one(depth)?;
            left = Condition::And(Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn one(&mut self, depth: usize) -> Option<Condition> {
        if depth > DEEPEST {
            return None;
        }
        if self.eat("(") {
            let inner = self.either(depth + 1)?;
            return self.eat(")").then_some(inner);
        }
        let steps = self.selector()?;
        Some(Condition::Is(steps, self.test()?))
    }

    fn selector(&mut self) -> Option<Vec<Step>> {
        self.rest = self.rest.strip_prefix('$')?;
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                let end = rest
                    .find(|character: char| {
                        character.is_whitespace() || "=!<>.[()&|]".contains(character)
                    })
                    .unwrap_or(rest.len());
                let (name, rest) = rest.split_at(end);
                self.rest = rest;
                if !name.is_empty() {
                    steps.push(Step::Name(name.to_owned()));
                } else if !rest.starts_with('[') {
                    return None;
                }
            } else if let Some(rest) = self.rest.strip_prefix('[') {
                let quote = rest
                    .chars()
                    .next()
                    .filter(|first| matches!(first, '"' | '\''));
                let (step, rest) = if let Some(quote) = quote {
                    let (name, rest) = rest.get(1..)?.split_once(quote)?;
                    (Step::Name(name.to_owned()), rest.strip_prefix(']')?)
                } else {
                    let (index, rest) = rest.split_once(']')?;
                    let step = if index.trim() == "*" {
                        Step::Every
                    } else {
                        Step::Index(index.trim().parse().ok()?)
                    };
                    (step, rest)
                };
                self.rest = rest;
                steps.push(step);
            } else {
                self.rest = self.rest.trim_start();
                return (!steps.is_empty()).then_some(steps);
            }
        }
    }

    fn test(&mut self) -> Option<Test> {
        if self.word("IS") {
            return if self.word("NULL") {
                Some(Test::Null)
            } else if self.word("TRUE") {
                Some(Test::Truth(true))
            } else {
                self.word("FALSE").then_some(Test::Truth(false))
            };
        }
        if self.word("NOT") {
            return self.word("EXISTS").then_some(Test::Exists(false));
        }
        if self.word("EXISTS") {
            return Some(Test::Exists(true));
        }
        let sign = [
            ("!=", Sign::Unequal),
            (">=", Sign::AtLeast),
            ("<=", Sign::AtMost),
            ("=", Sign::Equal),
            (">", Sign::Greater),
            ("<", Sign::Less),
        ]
        .into_iter()
        .find_map(|(text, sign)| self.eat(text).then_some(sign))?;
        let equal = match sign {
            Sign::Equal => Some(true),
            Sign::Unequal => Some(false),
            _ => None,
        };
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let end = closing(quoted)?;
            let text = unescaped(quoted.get(..end)?);
            self.rest = quoted.get(end + 1..)?.trim_start();
            return Some(Test::Text(equal?, parts(&text)));
        }
        if let Some(inner) = self.rest.strip_prefix('%') {
            let (text, rest) = inner.split_once('%')?;
            self.rest = rest.trim_start();
            return Some(Test::Regex(equal?, regex(text)?));
        }
        let word = self.value()?;
        if let Ok(number) = word.parse::<f64>()
            && word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        {
            return Some(Test::Number(sign, number));
        }
        Some(Test::Text(equal?, parts(word)))
    }

    /// An unquoted value.
    fn value(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .find(|character: char| character.is_whitespace() || "()&|\"".contains(character))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        (!word.is_empty()).then_some(word)
    }
}

/// What stands between the `*` of a text.
fn parts(text: &str) -> Vec<String> {
    text.split('*').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    fn matches(pattern: &str, message: &str) -> bool {
        parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn terms_are_all_there_or_one_of_them_or_not_there() {
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("ERROR", "[ERROR] boom", true),
            ("ERROR", "error", false),
            ("ERROR boom", "boom: an ERROR", true),
            ("ERROR boom", "an ERROR", false),
            ("\"an ERROR\"", "an ERROR", true),
            ("\"an ERROR\"", "ERROR an", false),
            ("\"a-b\"", "x a-b y", true),
            ("ERROR -boom", "ERROR", true),
            ("ERROR -boom", "ERROR boom", false),
            ("-\"big boom\"", "big small boom", true),
            ("?ERROR ?WARN", "WARN", true),
            ("?ERROR ?WARN", "INFO", false),
            ("?ERROR WARN", "ERROR", false),
            ("?ERROR WARN", "WARN", true),
            ("\"say \\\"hi\\\"\"", "say \"hi\"", true),
            ("%ERR[0-9]{2}%", "ERR42", true),
            ("%ERR[0-9]{2}%", "ERRxx", false),
            ("RequestId:", "START RequestId: 1", true),
        ] {
            assert_eq!(
                matches(pattern, message),
                expected,
                "{pattern} on {message}"
            );
        }
    }

    #[test]
    fn json_is_judged_by_its_properties() {
        let message = r#"{"level":"ERROR","time":12.5,"user":{"id":"u-17","roles":["a","b"]},
                          "none":null,"yes":true,"dotted.name":1,"code":404}"#;
        for (pattern, expected) in [
            (r#"{ $.level = "ERROR" }"#, true),
            (r"{ $.level = ERROR }", true),
            (r#"{ $.level = "INFO" }"#, false),
            (r#"{ $.level != "INFO" }"#, true),
            (r#"{ $.missing != "INFO" }"#, false),
            (r#"{ $.level = "ERR*" }"#, true),
            (r#"{ $.level = "*R*R" }"#, true),
            (r#"{ $.level = "*X*" }"#, false),
            (r"{ $.user.id = u-* }", true),
            (r"{ $.time > 12 }", true),
            (r"{ $.time >= 12.5 && $.time <= 1.25e1 }", true),
            (r"{ $.time < 12.5 }", false),
            (r"{ $.time = 12.5 }", true),
            (r"{ $.code = 404 }", true),
            (r"{ $.code != 404 }", false),
            (r#"{ $.code = "4*" }"#, true),
            (r"{ $.level > 5 }", false),
            (r"{ $.none IS NULL }", true),
            (r"{ $.level IS NULL }", false),
            (r"{ $.yes IS TRUE }", true),
            (r"{ $.yes IS FALSE }", false),
            (r"{ $.missing NOT EXISTS }", true),
            (r"{ $.level NOT EXISTS }", false),
            (r"{ $.level EXISTS }", true),
            (r"{ $.user.roles[1] = b }", true),
            (r"{ $.user.roles[*] = b }", true),
            (r"{ $.user.roles[2] = b }", false),
            (r#"{ $["dotted.name"] = 1 }"#, true),
            (r"{ $.['dotted.name'] = 1 }", true),
            (r"{ $.level = %^ERR% }", true),
            (
                r#"{ ($.level = "INFO" || $.time > 5) && $.yes IS TRUE }"#,
                true,
            ),
            (
                r#"{ $.level = "INFO" || $.time > 50 && $.yes IS TRUE }"#,
                false,
            ),
            (r#"{$.level="ERROR"&&$.time>5}"#, true),
        ] {
            assert_eq!(matches(pattern, message), expected, "{pattern}");
        }
        assert!(!matches("{ $.a = 1 }", "no JSON"));
        assert!(!matches("{ $.a = 1 }", "INFO {\"a\": 1}"));
    }

    #[test]
    fn what_isnt_a_pattern_is_refused() {
        for pattern in [
            "a-b",
            "\"open",
            "-",
            "?",
            "a=b",
            "\"a\"b",
            "%(%",
            "%open",
            "[ip, user]",
            "{ $.a }",
            "{ $.a = }",
            "{ a = 1 }",
            "{ $.a = 1",
            "{ $.a = 1 } }",
            "{ $.a > \"x\" }",
            "{ $.a = 1 && }",
            "{ $.a = 1 || || $.b = 2 }",
            "{ ($.a = 1 }",
            "{ $. = 1 }",
            "{ $.a[x] = 1 }",
            "{ $.a IS MAYBE }",
            "{}",
        ] {
            assert!(parse(pattern).is_err(), "{pattern}");
        }
        assert!(parse(&"x".repeat(1025)).is_err());
        assert!(parse(&format!("{{ {} }}", "(".repeat(900))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_or_matching_fail(
            pattern in "[\\[\\]{}$.a-c=!<>&|()\"'%*?\\- 0-9ISNULEXT]{0,40}|\\PC{0,40}",
            message in "\\PC{0,40}",
        ) {
            if let Ok(pattern) = parse(&pattern) {
                pattern.matches(&message);
                pattern.matches("{\"a\": {\"b\": [1, null, \"c\"]}}");
            }
        }

        #[test]
        fn a_quoted_text_is_found_wherever_it_stands(
            before in "[a-z\" \\\\-]{0,9}", text in "[a-z\" \\\\-]{1,9}", after in "[a-z\" \\\\-]{0,9}",
        ) {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            let message = format!("{before}{text}{after}");
            let found = matches(&format!("\"{quoted}\""), &message);
            prop_assert!(found);
            let left_out = !matches(&format!("-\"{quoted}\""), &message);
            prop_assert!(left_out);
        }
    }
}
