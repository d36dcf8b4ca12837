//! What a resource is to look like, as a tree of values in which texts may refer to other resources' attributes.
//!
//! A resource type describes itself with a `Desired` struct; [`Text`] is its string that may hold references. The
//! engine sees the struct as [`serde_json::Value`]: it finds the references, replaces them once they're known, and
//! compares the result with what the cloud has. A user's own strings are always literals: no text of a manifest can
//! turn into a reference.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::address::Address;

const JOIN: &str = "$join";
const UNKNOWN: &str = "$unknown";

/// An attribute of another resource, known once that resource is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Whose attribute.
    pub address: Address,
    /// Which, such as `arn`, `id`, `url`.
    pub attribute: String,
}

/// A string of literals and references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Reference(Reference),
}

impl Text {
    /// The `attribute` of the resource at `address`.
    pub fn reference(address: &Address, attribute: &str) -> Self {
        Self(vec![Piece::Reference(Reference {
            address: address.clone(),
            attribute: attribute.to_owned(),
        })])
    }

    /// This text with `next` after it.
    #[must_use]
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    /// The text, if it holds no reference.
    ///
    /// What the engine hands to a resource type is always resolved, so there this is the whole text.
    pub fn as_literal(&self) -> Option<String> {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Some(text.as_str()),
                Piece::Reference(_) => None,
            })
            .collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Literal(text.to_owned())])
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(vec![Piece::Literal(text)])
    }
}

/// Shows references as `(kind/name attribute)`.
impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => formatter.write_str(text)?,
                Piece::Reference(reference) => {
                    write!(formatter, "({} {})", reference.address, reference.attribute)?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(literal) = self.as_literal() {
            return serializer.serialize_str(&literal);
        }
        let pieces: Vec<Value> = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => json!(text),
                Piece::Reference(reference) => {
                    json!([
                        reference.address.kind(),
                        reference.address.name(),
                        reference.attribute
                    ])
                }
            })
            .collect();
        json!({ JOIN: pieces }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// The references in a tree.
pub fn references(value: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    visit(value, &mut |reference| {
        found.insert(reference);
    });
    found
}

fn visit(value: &Value, each: &mut impl FnMut(Reference)) {
    match value {
        Value::Object(object) => {
            if let Some(pieces) = join_pieces(object) {
                pieces.iter().filter_map(reference_of).for_each(each);
            } else {
                object.values().for_each(|value| visit(value, each));
            }
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, each)),
        _ => {}
    }
}

/// The tree with each text's references replaced by what `known` says; a text with an unknown one becomes
/// [`unknown`] as a whole.
pub fn resolve(value: &Value, known: &impl Fn(&Reference) -> Option<String>) -> Value {
    match value {
        Value::Object(object) => match join_pieces(object) {
            Some(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Value::String(text) => Some(text.clone()),
                    other => reference_of(other).and_then(|reference| known(&reference)),
                })
                .collect::<Option<String>>()
                .map_or_else(unknown, Value::String),
            None => object
                .iter()
                .map(|(key, value)| (key.clone(), resolve(value, known)))
                .collect::<Map<_, _>>()
                .into(),
        },
        Value::Array(values) => values.iter().map(|value| resolve(value, known)).collect(),
        other => other.clone(),
    }
}

/// The mark of a value that AWS has yet to give.
pub fn unknown() -> Value {
    json!({ UNKNOWN: true })
}

/// Whether a value is [`unknown`].
pub fn is_unknown(value: &Value) -> bool {
    value.get(UNKNOWN).is_some()
}

/// Whether anything in the tree is [`unknown`].
pub fn has_unknown(value: &Value) -> bool {
    is_unknown(value)
        || match value {
            Value::Object(object) => object.values().any(has_unknown),
            Value::Array(values) => values.iter().any(has_unknown),
            _ => false,
        }
}

fn join_pieces(object: &Map<String, Value>) -> Option<&Vec<Value>> {
    object.get(JOIN).and_then(Value::as_array)
}

fn reference_of(piece: &Value) -> Option<Reference> {
    match piece.as_array()?.as_slice() {
        [
            Value::String(kind),
            Value::String(name),
            Value::String(attribute),
        ] => Some(Reference {
            address: Address::new(kind, name),
            attribute: attribute.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_id() -> Text {
        Text::reference(&Address::new("api", "main"), "id")
    }

    #[test]
    fn a_text_without_references_is_a_plain_string() {
        let text = Text::from("a").then("b");
        assert_eq!(serde_json::to_value(&text).unwrap(), json!("ab"));
    }

    #[test]
    fn references_are_found_and_replaced_wherever_they_stand() {
        let tree = json!({ "list": [Text::from("arn:").then(api_id()).then("/x")] });
        assert_eq!(references(&tree).len(), 1);
        let resolved = resolve(&tree, &|_| Some("a1b2".into()));
        assert_eq!(resolved, json!({ "list": ["arn:a1b2/x"] }));
        assert!(has_unknown(&resolve(&tree, &|_| None)));
    }

    #[test]
    fn a_users_text_that_looks_like_a_reference_stays_text() {
        let hostile = r#"{"$join":[["api","main","id"]]}"#;
        let tree = json!({ "environment": { "X": Text::from(hostile) } });
        assert!(references(&tree).is_empty());
        assert_eq!(
            resolve(&tree, &|_| Some("no".into()))["environment"]["X"],
            json!(hostile)
        );
    }
}
