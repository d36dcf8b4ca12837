//! A manifest between its text and its types: values checked one by one, each with its place in the file.

use std::{collections::BTreeMap, ops::Range, time::Duration};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The value's bytes in the file; a default's are those of the table that lacks it.
    pub span: Range<usize>,
    /// Whether the user wrote it, as opposed to a default.
    pub given: bool,
    /// The value.
    pub value: Value,
}

/// A value that is right by itself, or a poisoned one.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An error has been reported here: what depends on the value keeps silent.
    Bad,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// Whole seconds.
    Duration(Duration),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The entries by key.
    pub entries: BTreeMap<String, Entry>,
    /// Declared keys that an unknown key here was probably meant to be: their absence isn't another error.
    pub misspelt: Vec<&'static str>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key's bytes in the file.
    pub key_span: Range<usize>,
    /// Whether an error about the key itself has been reported.
    pub bad_key: bool,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The table, if it's one.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if it's one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if it's an array.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// Reads by key: nothing, if the key is absent without a default, or poisoned.
impl Table {
    pub(super) fn node(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    /// Whether the user wrote the key, rightly or not, or something that was probably meant for it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node(key).is_some_and(|node| node.given) || self.misspelt.contains(&key)
    }

    pub(super) fn table(&self, key: &str) -> Option<&Table> {
        self.node(key)?.table()
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.node(key)?.text()
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let items = self.node(key).map(Node::items).unwrap_or_default();
        items
            .iter()
            .filter_map(Node::text)
            .map(String::from)
            .collect()
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.node(key)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// An integer whose declared limits are within `u32`.
    pub(super) fn count(&self, key: &str) -> Option<u32> {
        u32::try_from(self.integer(key)?).ok()
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        match self.node(key)?.value {
            Value::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.node(key)?.value {
            Value::Boolean(flag) => Some(flag),
            _ => None,
        }
    }

    /// A table of texts, such as tags.
    pub(super) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        let Some(table) = self.table(key) else {
            return BTreeMap::new();
        };
        let texts = table.entries.iter();
        texts
            .filter_map(|(key, entry)| Some((key.clone(), entry.node.text()?.to_owned())))
            .collect()
    }
}
