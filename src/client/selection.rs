//! Which message selects a route: the inverse of a route selection expression, where it's simple enough.

use serde_json::{Map, Value};

/// A route selection expression that reads one field of the message, such as `$request.body.action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    path: Vec<String>,
}

/// An expression for which no message can be made by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route selection `{0}` doesn't read one field of the message")]
pub struct NotSimple(pub String);

impl Selection {
    /// Reads an expression: `$request.body.NAME`, with or without braces, and with names within names.
    pub fn of(expression: &str) -> Result<Self, NotSimple> {
        let not_simple = || NotSimple(expression.to_owned());
        let inner = expression
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .or_else(|| expression.strip_prefix('$'))
            .ok_or_else(not_simple)?;
        let path = inner.strip_prefix("request.body.").ok_or_else(not_simple)?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
        };
        if !path.split('.').all(is_name) {
            return Err(not_simple());
        }
        Ok(Self {
            path: path.split('.').map(str::to_owned).collect(),
        })
    }

    /// The message that selects `route`: `text`'s fields if it's a JSON object, else `text` as the field `data`.
    pub fn wrap(&self, route: &str, text: &str) -> String {
        // On `$default` goes what selects nothing: it's sent as it is. The other two can't be selected by a message.
        if route == "$default" {
            return text.to_owned();
        }
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => Map::from_iter([("data".to_owned(), other)]),
            Err(_) if text.trim().is_empty() => Map::new(),
            Err(_) => Map::from_iter([("data".to_owned(), text.into())]),
        };
        Value::Object(put(&self.path, route, fields)).to_string()
    }
}

/// The fields with the route at the path, first, so that it's seen.
fn put(path: &[String], route: &str, mut fields: Map<String, Value>) -> Map<String, Value> {
    let Some((name, rest)) = path.split_first() else {
        return fields;
    };
    let value = if rest.is_empty() {
        route.into()
    } else {
        let inner = match fields.get(name) {
            Some(Value::Object(inner)) => inner.clone(),
            _ => Map::new(),
        };
        put(rest, route, inner).into()
    };
    fields.shift_remove(name);
    let mut all = Map::from_iter([(name.clone(), value)]);
    all.extend(fields);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_is_put_where_the_expression_reads_it() {
        let wrap =
            |expression: &str, text: &str| Selection::of(expression).unwrap().wrap("ping", text);
        let action = "$request.body.action";
        assert_eq!(wrap(action, r#"{"id":7}"#), r#"{"action":"ping","id":7}"#);
        assert_eq!(wrap("${request.body.action}", ""), r#"{"action":"ping"}"#);
        assert_eq!(wrap(action, "hello"), r#"{"action":"ping","data":"hello"}"#);
        assert_eq!(wrap(action, "[1]"), r#"{"action":"ping","data":[1]}"#);
        assert_eq!(wrap(action, r#"{"action":"x"}"#), r#"{"action":"ping"}"#);
        assert_eq!(
            wrap("$request.body.head.kind", r#"{"head":{"n":1},"b":2}"#),
            r#"{"head":{"kind":"ping","n":1},"b":2}"#
        );
    }

    #[test]
    fn on_default_a_text_goes_as_it_is() {
        let selection = Selection::of("$request.body.action").unwrap();
        assert_eq!(selection.wrap("$default", "hello"), "hello");
    }

    #[test]
    fn an_expression_of_more_than_one_field_is_refused() {
        for expression in [
            "${request.body.a}/${request.body.b}",
            "$request.body.a[0]",
            "$request.body.",
            "$request.header.x",
            "$context.connectionId",
            "action",
            "",
        ] {
            let refused = Selection::of(expression).unwrap_err();
            assert_eq!(refused, NotSimple(expression.to_owned()));
        }
    }
}
