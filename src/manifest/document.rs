//! TOML -> tree: each key and value checked by its declaration, every error reported.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use regex_lite::Regex;
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::{
    code,
    declaration::{self, Integer, Key, Kind, List, Map, Text},
    keys, suggest,
    tree::{Entry, Node, Table, Value},
};
use crate::diagnostic::{Diagnostic, SourceFile};

/// Checks values against declarations. The depth of its recursion is that of the declarations, not of the file.
pub(super) struct Reader<'f> {
    file: &'f Arc<SourceFile>,
    /// The tables around what is being read.
    path: Vec<String>,
    /// The declarations' regular expressions, each compiled once.
    patterns: HashMap<&'static str, Option<Regex>>,
    /// What was found, in the order of reading.
    pub found: Vec<Diagnostic>,
}

/// How a message calls what is being read.
#[derive(Clone)]
struct Subject<'k> {
    /// The key, as in `` `memory` ``, or `item 2 of ..`.
    words: String,
    /// A valid line for the key, if there is one.
    example: Option<&'k Key>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f Arc<SourceFile>) -> Self {
        Self {
            file,
            path: Vec::new(),
            patterns: HashMap::new(),
            found: Vec::new(),
        }
    }

    /// Reads a table of fixed keys.
    pub(super) fn table(&mut self, keys: &'static [Key], table: &DeTable<'_>) -> Table {
        let mut result = Table::default();
        let known = |name: &str| keys.iter().find(|key| key.name == name);
        // A key that is there already isn't what an unknown one was meant to be.
        let free = || {
            keys.iter()
                .map(|key| key.name)
                .filter(|name| !table.contains_key(*name))
        };
        for (name, value) in table {
            let Some(key) = known(name.get_ref()) else {
                let near = suggest::nearest(name.get_ref(), free());
                self.unknown(name.get_ref(), name.span(), keys, near);
                if let Some(key) = near.and_then(known) {
                    result.misspelt.push(key.name);
                }
                continue;
            };
            let subject = Subject {
                words: format!("`{}`", key.name),
                example: Some(key),
            };
            let node = self.value(&subject, key.name, &key.kind, value);
            result.insert(key.name, name.span(), node);
        }
        result
    }

    fn value(
        &mut self,
        subject: &Subject<'_>,
        name: &str,
        kind: &'static Kind,
        value: &Spanned<DeValue<'_>>,
    ) -> Node {
        let span = value.span();
        let checked = match (kind, value.get_ref()) {
            (Kind::Boolean | Kind::Switch(_), DeValue::Boolean(flag)) => Value::Boolean(*flag),
            (Kind::Text(text), DeValue::String(string)) => {
                if self.text(text, string, &span) {
                    Value::Text(string.clone().into_owned())
                } else {
                    Value::Bad
                }
            }
            (Kind::Choice(choices), DeValue::String(string)) => {
                self.choice(subject, choices, string, &span)
            }
            (Kind::Integer(limits), DeValue::Integer(number)) => {
                self.integer(subject, limits, number, &span)
            }
            (Kind::IntegerChoice(choices, rule), DeValue::Integer(number)) => {
                self.integer_choice(subject, choices, rule, number, &span)
            }
            (Kind::Number, DeValue::Integer(_) | DeValue::Float(_)) => {
                self.number(subject, value.get_ref(), &span)
            }
            (Kind::Duration(limits), DeValue::String(_) | DeValue::Integer(_)) => {
                self.duration(subject, limits, value.get_ref(), &span)
            }
            (Kind::List(list), DeValue::Array(_)) => self.list(subject, list, value),
            (Kind::Map(map), DeValue::Table(table)) => {
                self.path.push(suggest::key(name));
                let table = self.map(map, table);
                self.path.pop();
                Value::Table(table)
            }
            (
                Kind::Table(keys) | Kind::Short(_, keys) | Kind::Switch(keys),
                DeValue::Table(table),
            ) => {
                self.path.push(suggest::key(name));
                let table = self.table(keys, table);
                self.path.pop();
                Value::Table(table)
            }
            (Kind::Short(text, keys), DeValue::String(string)) => {
                let (true, Some(first)) = (self.text(text, string, &span), keys.first()) else {
                    return Node::bad(span);
                };
                let mut table = Table::default();
                let text = Value::Text(string.clone().into_owned());
                table.insert(first.name, span.clone(), Node::given(span.clone(), text));
                Value::Table(table)
            }
            (_, other) => self.wrong_type(subject, kind, other, &span),
        };
        Node::given(span, checked)
    }

    fn map(&mut self, map: &'static Map, table: &DeTable<'_>) -> Table {
        let mut result = Table::default();
        for (name, value) in table {
            let bad_key = !self.text(&map.name, name.get_ref(), &name.span());
            let subject = Subject {
                words: format!("`{}`", suggest::key(name.get_ref())),
                example: None,
            };
            let node = self.value(&subject, name.get_ref(), map.value, value);
            result.insert(name.get_ref().as_ref(), name.span(), node);
            if let Some(entry) = result.entries.get_mut(name.get_ref().as_ref()) {
                entry.bad_key = bad_key;
            }
        }
        result
    }

    fn list(
        &mut self,
        subject: &Subject<'_>,
        list: &'static List,
        value: &Spanned<DeValue<'_>>,
    ) -> Value {
        let Some(items) = value.get_ref().as_array() else {
            return Value::Bad;
        };
        let count = items.len();
        if count < list.min || count > list.max {
            let message = if count == 0 {
                format!("{}{} is empty", subject.words, self.place())
            } else {
                let place = self.place();
                let limit = list.max;
                format!(
                    "{}{place} has {count} items, more than {limit}",
                    subject.words
                )
            };
            let found = Diagnostic::error(code::OUT_OF_RANGE, message);
            self.report(found.note(list.rule), value.span(), "");
            return Value::Bad;
        }
        let mut nodes = Vec::with_capacity(count);
        for (index, item) in items.iter().enumerate() {
            let subject = Subject {
                words: format!("item {} of {}", index + 1, subject.words),
                example: subject.example,
            };
            let name = subject
                .example
                .map_or_else(String::new, |key| format!("{}[{index}]", key.name));
            nodes.push(self.value(&subject, &name, list.item, item));
        }
        Value::List(nodes)
    }

    /// Whether a text is of its form; reports it otherwise.
    pub(super) fn text(&mut self, text: &'static Text, string: &str, span: &Range<usize>) -> bool {
        let shown = if text.secret {
            "the value".to_owned()
        } else {
            format!("`{}`", suggest::shown(string))
        };
        let place = self.place();
        let length = string.chars().count();
        if length > text.max {
            let message = format!("{}{place} is too long: {length} characters", text.what);
            let note = format!("at most {} characters; {}", text.max, text.rule);
            let found = Diagnostic::error(code::OUT_OF_RANGE, message).note(note);
            self.report(
                found,
                span.clone(),
                format!("{} too many", length - text.max),
            );
            return false;
        }
        for refused in text.refused {
            if self.matches(refused.pattern, string) && !refused.except.contains(&string) {
                let message = format!("{shown} can't be {}{place}", text.what);
                let mut found = Diagnostic::error(refused.code, message).note(refused.why);
                let near = suggest::nearest(string, refused.except.iter().copied());
                found = found.help(near.map_or(refused.mend.to_owned(), meant));
                let label = if refused.code == code::RESERVED {
                    "reserved"
                } else {
                    ""
                };
                self.report(found, span.clone(), label);
                return false;
            }
        }
        if self.matches(text.pattern, string) {
            return true;
        }
        let message = if string.is_empty() {
            format!("{}{place} is empty", text.what)
        } else {
            format!("{shown} isn't {}{place}", text.what)
        };
        let mut found = Diagnostic::error(code::INVALID_VALUE, message).note(text.rule);
        if text.pattern == keys::NAME
            && let Some(name) = suggest::name(string, text.max)
            && !text
                .refused
                .iter()
                .any(|refused| self.matches(refused.pattern, &name))
        {
            found = found.help(format!("write `{name}`"));
        }
        self.report(found, span.clone(), "");
        false
    }

    fn choice(
        &mut self,
        subject: &Subject<'_>,
        choices: &'static [&'static str],
        string: &str,
        span: &Range<usize>,
    ) -> Value {
        if choices.contains(&string) {
            return Value::Text(string.to_owned());
        }
        let shown = suggest::shown(string);
        let message = format!("{}{} can't be `{shown}`", subject.words, self.place());
        let found = Diagnostic::error(code::INVALID_VALUE, message).note(format!(
            "it's one of {}",
            suggest::listed(choices.iter().copied())
        ));
        let near = suggest::nearest(string, choices.iter().copied());
        let found = found.help(near.map_or_else(|| example(subject), meant));
        self.report(found, span.clone(), "");
        Value::Bad
    }

    fn integer(
        &mut self,
        subject: &Subject<'_>,
        limits: &'static Integer,
        number: &DeInteger<'_>,
        span: &Range<usize>,
    ) -> Value {
        let value = parsed(number);
        if let Some(value) = value.filter(|value| (limits.min..=limits.max).contains(value)) {
            return Value::Integer(value);
        }
        let space = if limits.unit.is_empty() { "" } else { " " };
        let (min, max, unit) = (limits.min, limits.max, limits.unit);
        let label = match value {
            Some(value) if value < min => format!("less than {min}"),
            _ => format!("more than {max}"),
        };
        let message = format!(
            "{}{} is out of range: {}{space}{unit}",
            subject.words,
            self.place(),
            suggest::shown(&number.to_string())
        );
        let help = if max == i64::from(i32::MAX) {
            format!("write {min}{space}{unit} or more")
        } else {
            format!("write a number from {min} to {max}")
        };
        let found = Diagnostic::error(code::OUT_OF_RANGE, message).note(limits.rule);
        self.report(found.help(help), span.clone(), label);
        Value::Bad
    }

    fn integer_choice(
        &mut self,
        subject: &Subject<'_>,
        choices: &'static [i64],
        rule: &str,
        number: &DeInteger<'_>,
        span: &Range<usize>,
    ) -> Value {
        let value = parsed(number).unwrap_or(i64::MAX);
        if choices.contains(&value) {
            return Value::Integer(value);
        }
        let shown = suggest::shown(&number.to_string());
        let message = format!("{}{} can't be {shown}", subject.words, self.place());
        let all: Vec<String> = choices.iter().map(i64::to_string).collect();
        let note = format!("{rule}: {}", all.join(", "));
        let mut found = Diagnostic::error(code::OUT_OF_RANGE, message).note(note);
        if let Some(near) = choices.iter().min_by_key(|choice| value.abs_diff(**choice)) {
            found = found.help(format!("the nearest is {near}"));
        }
        self.report(found, span.clone(), "");
        Value::Bad
    }

    fn number(&mut self, subject: &Subject<'_>, value: &DeValue<'_>, span: &Range<usize>) -> Value {
        let number = match value {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a threshold beyond 2^53 is none"
            )]
            DeValue::Integer(integer) => parsed(integer).map(|number| number as f64),
            _ => None,
        };
        if let Some(number) = number.filter(|number| number.is_finite() && *number >= 0.0) {
            return Value::Number(number);
        }
        let message = format!("{}{} is out of range", subject.words, self.place());
        let found = Diagnostic::error(code::OUT_OF_RANGE, message)
            .note("a finite number, not below zero")
            .help(example(subject));
        self.report(found, span.clone(), "");
        Value::Bad
    }

    fn duration(
        &mut self,
        subject: &Subject<'_>,
        limits: &'static declaration::Duration,
        value: &DeValue<'_>,
        span: &Range<usize>,
    ) -> Value {
        let seconds = match value {
            DeValue::String(string) if self.matches(declaration::DURATION, string) => {
                seconds(string)
            }
            DeValue::String(string) => {
                let shown = suggest::shown(string);
                let message = format!(
                    "`{shown}` isn't a duration ({}{})",
                    subject.words,
                    self.place()
                );
                let found = Diagnostic::error(code::INVALID_VALUE, message)
                    .note("whole numbers with `s`, `m`, `h` or `d`, such as \"90s\" or \"1h 30m\"")
                    .help(example(subject));
                self.report(found, span.clone(), "");
                return Value::Bad;
            }
            DeValue::Integer(number) => match parsed(number).map(u64::try_from) {
                Some(Ok(seconds)) => seconds,
                // Below zero is below every least; what doesn't fit is above every most.
                Some(Err(_)) => {
                    return self.duration_range(subject, limits, value, "less than zero", span);
                }
                None => u64::MAX,
            },
            _ => return Value::Bad,
        };
        let label = if seconds < limits.min {
            format!("less than {}", in_words(limits.min))
        } else if seconds > limits.max {
            format!("more than {}", in_words(limits.max))
        } else if limits.period && !matches!(seconds, 10 | 20 | 30) && seconds % 60 != 0 {
            "not a period that CloudWatch has".to_owned()
        } else {
            return Value::Duration(Duration::from_secs(seconds));
        };
        self.duration_range(subject, limits, value, &label, span)
    }

    fn duration_range(
        &mut self,
        subject: &Subject<'_>,
        limits: &'static declaration::Duration,
        value: &DeValue<'_>,
        label: &str,
        span: &Range<usize>,
    ) -> Value {
        let shown = match value {
            DeValue::Integer(number) => number.to_string(),
            value => value.as_str().unwrap_or_default().to_owned(),
        };
        let message = format!(
            "{}{} is out of range: {}",
            subject.words,
            self.place(),
            suggest::shown(&shown)
        );
        let (min, max) = (in_words(limits.min), in_words(limits.max));
        let found = Diagnostic::error(code::OUT_OF_RANGE, message)
            .note(limits.rule)
            .help(format!("write a duration from {min} to {max}"));
        self.report(found, span.clone(), label);
        Value::Bad
    }

    fn wrong_type(
        &mut self,
        subject: &Subject<'_>,
        kind: &Kind,
        value: &DeValue<'_>,
        span: &Range<usize>,
    ) -> Value {
        let message = format!("{}{} must be {}", subject.words, self.place(), kind.takes());
        let found = Diagnostic::error(code::WRONG_TYPE, message);
        let label = match value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let found = if subject.example.is_some() {
            found.help(example(subject))
        } else if matches!(kind, Kind::Table(keys) if keys.first().is_some_and(|key| key.name == "handler"))
        {
            found.help("write a route as `{ handler = \"echo\" }`")
        } else {
            found
        };
        self.report(found, span.clone(), label);
        Value::Bad
    }

    fn unknown(
        &mut self,
        name: &str,
        span: Range<usize>,
        keys: &'static [Key],
        near: Option<&str>,
    ) {
        let message = format!("unknown key `{}`{}", suggest::shown(name), self.place());
        let mut found = Diagnostic::error(code::UNKNOWN_KEY, message);
        found = match self.path.as_slice() {
            [stages, _, project]
                if stages == "stages" && project == "project" && name == "name" =>
            {
                found.note("a project has the same name in every stage")
            }
            [stages, _] if stages == "stages" && name == "stages" => {
                found.note("a stage has no stages of its own")
            }
            _ => {
                let known = suggest::listed(keys.iter().map(|key| key.name));
                found.note(format!("known here: {known}"))
            }
        };
        let label = if let Some(near) = near {
            found = found.help(meant(near));
            format!("perhaps `{near}`")
        } else {
            String::new()
        };
        self.report(found, span, label);
    }

    /// ` in [handlers.echo]`.
    fn place(&self) -> String {
        place(&self.path)
    }

    fn report(&mut self, found: Diagnostic, span: Range<usize>, label: impl Into<String>) {
        self.found.push(found.at(self.file, span, label));
    }

    fn matches(&mut self, pattern: &'static str, text: &str) -> bool {
        let compiled = self
            .patterns
            .entry(pattern)
            .or_insert_with(|| Regex::new(pattern).ok());
        // A test compiles every declared pattern.
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// ` in [handlers.echo]`, or where no header is.
pub(super) fn place(path: &[String]) -> String {
    if path.is_empty() {
        " at the top level".to_owned()
    } else {
        format!(" in [{}]", path.join("."))
    }
}

/// A TOML integer, if it fits.
fn parsed(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The seconds of a text of the form [`declaration::DURATION`].
pub(super) fn seconds(text: &str) -> u64 {
    let mut total = 0_u64;
    let mut number = 0_u64;
    for byte in text.bytes() {
        let unit = match byte {
            b'0'..=b'9' => {
                number = number
                    .saturating_mul(10)
                    .saturating_add(u64::from(byte - b'0'));
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => continue,
        };
        total = total.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    total
}

/// Seconds as people say them, in the largest unit that leaves no rest.
pub(super) fn in_words(seconds: u64) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => {
            format!("{} days", seconds / 86_400)
        }
        _ if seconds.is_multiple_of(3600) && seconds > 3600 => format!("{} h", seconds / 3600),
        _ => format!("{seconds} s"),
    }
}

fn meant(near: &str) -> String {
    format!("did you mean `{near}`?")
}

fn example(subject: &Subject<'_>) -> String {
    match subject.example {
        Some(key) => format!("for example `{} = {}`", key.name, key.example),
        None => String::new(),
    }
}

impl Node {
    fn given(span: Range<usize>, value: Value) -> Self {
        Self {
            span,
            given: true,
            value,
        }
    }

    fn bad(span: Range<usize>) -> Self {
        Self::given(span, Value::Bad)
    }
}

impl Table {
    fn insert(&mut self, name: &str, key_span: Range<usize>, node: Node) {
        let entry = Entry {
            key_span,
            bad_key: false,
            node,
        };
        self.entries.insert(name.to_owned(), entry);
    }
}
