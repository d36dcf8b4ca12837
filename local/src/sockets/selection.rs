//! Selection expressions and request parameters: how a key or a value is made from a message. Pure.
//!
//! `$request.body.action`, `${request.body.a}/${request.body.b}`, `\$default`, `$integration.response.statuscode`; and
//! `route.request.body.x`, `'static'` and `context.y` of request parameters [DG selection-expressions, data-mapping].

use std::cell::OnceCell;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{
    json_path::{Found, JsonPath},
    template,
};

/// An expression that was read.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Variable(Variable),
}

/// What an expression may be about.
#[derive(Clone, Debug)]
enum Variable {
    Body(JsonPath),
    /// A path of names only, which is looked for without building the document.
    BodyNames(Vec<String>),
    Header(String),
    Query(String),
    Context(String),
    Stage(String),
    Status,
    AnswerBody(JsonPath),
}

/// What expressions are evaluated on.
pub(super) struct Source<'a> {
    pub body: &'a str,
    pub document: OnceCell<Option<Value>>,
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub query: &'a dyn Fn(&str) -> Option<String>,
    pub context: &'a dyn Fn(&str) -> Option<String>,
    pub stage_variable: &'a dyn Fn(&str) -> Option<String>,
    /// An integration's answer: its status and its body.
    pub answer: Option<(u16, &'a str)>,
}

impl<'a> Source<'a> {
    /// Nothing but a message's text.
    pub fn text(body: &'a str) -> Self {
        let nothing = &|_: &str| None;
        Self {
            body,
            document: OnceCell::new(),
            header: nothing,
            query: nothing,
            context: nothing,
            stage_variable: nothing,
            answer: None,
        }
    }

    fn document(&self) -> Option<&Value> {
        self.document
            .get_or_init(|| serde_json::from_str(self.body).ok())
            .as_ref()
    }
}

impl Selection {
    /// Reads an expression.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = expression;
        while let Some(next) = rest.chars().next() {
            let after = rest.get(next.len_utf8()..).unwrap_or("");
            if next == '\\' && after.starts_with('$') {
                literal.push('$');
                rest = after.get(1..).unwrap_or("");
                continue;
            }
            if next != '$' {
                literal.push(next);
                rest = after;
                continue;
            }
            let variable = if let Some(inner) = after.strip_prefix('{') {
                let (inner, after) = inner
                    .split_once('}')
                    .ok_or_else(|| format!("`{{` has no end in `{expression}`"))?;
                let (variable, left) = Variable::parse(inner)?;
                if !left.is_empty() {
                    return Err(format!("`{inner}` can't be read at `{left}`"));
                }
                rest = after;
                variable
            } else {
                let (variable, after) = Variable::parse(after)?;
                rest = after;
                variable
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(variable));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// Reads a request parameter's value: a literal in single quotes, or one variable.
    pub fn parse_parameter(value: &str) -> Result<Self, String> {
        let part = if let Some(literal) = value
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
        {
            Part::Literal(literal.to_owned())
        } else {
            let (variable, left) = Variable::parse(value.strip_prefix("route.").unwrap_or(value))?;
            if !left.is_empty() {
                return Err(format!("`{value}` can't be read at `{left}`"));
            }
            Part::Variable(variable)
        };
        Ok(Self { parts: vec![part] })
    }

    /// The key.
    pub fn evaluate(&self, source: &Source<'_>) -> String {
        // Most expressions are one variable.
        if let [Part::Variable(variable)] = self.parts.as_slice() {
            return variable.value(source);
        }
        let mut key = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => key.push_str(literal),
                Part::Variable(variable) => key.push_str(&variable.value(source)),
            }
        }
        key
    }
}

impl Variable {
    /// What starts the text, and what's left of it.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        let named = |prefix: &str| text.strip_prefix(prefix).map(split_name);
        if let Some(rest) = text.strip_prefix("request.body") {
            let (path, rest) = JsonPath::parse_steps(rest)?;
            let variable = match path.names() {
                Some(names) => Self::BodyNames(names.into_iter().map(str::to_owned).collect()),
                None => Self::Body(path),
            };
            return Ok((variable, rest));
        }
        if let Some(rest) = text.strip_prefix("integration.response.body") {
            let (path, rest) = JsonPath::parse_steps(rest)?;
            return Ok((Self::AnswerBody(path), rest));
        }
        if let Some(rest) = text.strip_prefix("integration.response.statuscode") {
            return Ok((Self::Status, rest));
        }
        if let Some((name, rest)) = named("request.header.") {
            return Ok((Self::Header(name), rest));
        }
        if let Some((name, rest)) = named("request.querystring.") {
            return Ok((Self::Query(name), rest));
        }
        if let Some((name, rest)) = named("stageVariables.") {
            return Ok((Self::Stage(name), rest));
        }
        if let Some(rest) = text.strip_prefix("context.") {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
                .unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            return Ok((Self::Context(name.to_owned()), rest));
        }
        // AWS's only route response selection, and a key of its own.
        if let Some(rest) = text.strip_prefix("default") {
            return Ok((Self::Context("$default".to_owned()), rest));
        }
        Err(format!("`{text}` isn't a variable of expressions"))
    }

    fn value(&self, source: &Source<'_>) -> String {
        match self {
            Self::Body(path) => source.document().map(|root| found(path, root)),
            Self::BodyNames(names) => pick(source.body, names).as_ref().map(template::printed),
            Self::Header(name) => (source.header)(name),
            Self::Query(name) => (source.query)(name),
            Self::Context(name) if name == "$default" => Some("$default".to_owned()),
            Self::Context(name) => (source.context)(name),
            Self::Stage(name) => (source.stage_variable)(name),
            Self::Status => source.answer.map(|(status, _)| status.to_string()),
            Self::AnswerBody(path) => source.answer.and_then(|(_, body)| {
                let root = serde_json::from_str(body).ok()?;
                Some(found(path, &root))
            }),
        }
        .unwrap_or_default()
    }
}

fn split_name(text: &str) -> (String, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (name.to_owned(), rest)
}

fn found(path: &JsonPath, root: &Value) -> String {
    match path.find(root) {
        Found::One(found) => found.map(template::printed).unwrap_or_default(),
        Found::Many(found) => {
            template::printed(&Value::Array(found.into_iter().cloned().collect()))
        }
    }
}

/// What is at a path of names in a JSON text; nothing if it isn't there, or the text isn't JSON. All of the text is read,
/// so that half a document isn't one, but only what is looked for is built.
fn pick(text: &str, names: &[String]) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = Pick { names }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    found
}

struct Pick<'a> {
    names: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.names.is_empty() {
            return serde::Deserialize::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

/// Anything but an object has no members.
macro_rules! no_members {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(None)
        })*
    };
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    no_members!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Some((first, names)) = self.names.split_first() else {
            return Ok(None);
        };
        let mut found = None;
        while let Some(is_it) = members.next_key_seed(Is(first))? {
            if is_it {
                // A name that's there twice: the last counts, as in any reader that builds a map.
                found = members.next_value_seed(Pick { names })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(expression: &str, body: &str) -> String {
        Selection::parse(expression)
            .unwrap()
            .evaluate(&Source::text(body))
    }

    #[test]
    fn a_key_is_made_of_what_the_body_holds() {
        let body = r#"{"action":"send","v":1,"b":true,"n":null,"f":1.0,"deep":{"a":["x",{"y":2}]},"l":["a","b"],"o":{"k":"v"}}"#;
        for (expression, expected) in [
            ("$request.body.action", "send"),
            ("${request.body.action}", "send"),
            ("${request.body.action}/${request.body.v}", "send/1"),
            ("${request.body.v}-beta", "1-beta"),
            ("$request.body.v", "1"),
            ("$request.body.b", "true"),
            ("$request.body.f", "1.0"),
            ("$request.body.n", ""),
            ("$request.body.none", ""),
            ("$request.body.deep.a[1].y", "2"),
            ("$request.body['action']", "send"),
            ("$request.body.l", "[a, b]"),
            ("$request.body.o", "{k=v}"),
            ("\\$default", "$default"),
            ("fixed", "fixed"),
            ("$request.body.action.more", ""),
        ] {
            assert_eq!(key(expression, body), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_not_json_has_no_members() {
        for body in [
            "",
            "hello",
            "{",
            "{\"action\":\"x\"",
            "{\"action\":\"x\"} y",
            "[\"action\"]",
            "\"action\"",
            "1",
            "null",
        ] {
            assert_eq!(key("$request.body.action", body), "", "{body}");
            assert_eq!(key("$request.body.action[0]", body), "", "{body}");
        }
        assert_eq!(key("$request.body.action", &"[".repeat(10_000)), "");
    }

    #[test]
    fn the_last_of_two_members_of_one_name_counts() {
        assert_eq!(key("$request.body.a", r#"{"a":1,"a":2}"#), "2");
        assert_eq!(key("$request.body.a.b", r#"{"a":{"b":1},"a":3}"#), "");
    }

    #[test]
    fn a_parameter_is_a_literal_or_one_variable() {
        let value = |parameter: &str| {
            Selection::parse_parameter(parameter)
                .unwrap()
                .evaluate(&Source {
                    header: &|name| (name == "X-Y").then(|| "h".to_owned()),
                    context: &|name| (name == "identity.sourceIp").then(|| "::1".to_owned()),
                    ..Source::text(r#"{"a":{"b":"c"}}"#)
                })
        };
        assert_eq!(
            value("'application/x-www-form-urlencoded'"),
            "application/x-www-form-urlencoded"
        );
        assert_eq!(value("route.request.body.a.b"), "c");
        assert_eq!(value("route.request.header.X-Y"), "h");
        assert_eq!(value("context.identity.sourceIp"), "::1");
        assert!(Selection::parse_parameter("application/json").is_err());
    }

    #[test]
    fn what_is_no_expression_is_said() {
        for bad in [
            "$nothing.here",
            "${request.body.a",
            "$",
            "${request.body.a b}",
        ] {
            assert!(Selection::parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_picked_member_is_the_one_a_whole_reading_finds(text in r#"[{}\[\]":,a0-9 e.\-tfnul\\]{0,24}"#) {
            let names = ["a".to_owned()];
            let whole = serde_json::from_str::<Value>(&text).ok().and_then(|value| value.get("a").cloned());
            proptest::prop_assert_eq!(pick(&text, &names), whole);
        }
    }
}
