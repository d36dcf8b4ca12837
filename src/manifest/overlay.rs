//! One stage's tree: the file's own, with the stage's laid over it and every default filled in.

use std::{collections::HashSet, ops::Range, sync::Arc};

use super::{
    code,
    declaration::{Absence, Key, Kind},
    document::{place, seconds},
    suggest,
    tree::{Entry, Node, Table, Value},
};
use crate::diagnostic::{Diagnostic, SourceFile};

/// Lays `over` onto `base`: tables are merged key by key, everything else replaces. Each value keeps its own place.
pub(super) fn lay(base: &mut Table, over: &Table) {
    for (name, entry) in &over.entries {
        match base.entries.get_mut(name) {
            Some(under) => {
                under.bad_key |= entry.bad_key;
                match (&mut under.node.value, &entry.node.value) {
                    (Value::Table(under), Value::Table(over)) => lay(under, over),
                    _ => *under = entry.clone(),
                }
            }
            None => {
                base.entries.insert(name.clone(), entry.clone());
            }
        }
    }
    base.misspelt.extend(&over.misspelt);
}

/// Fills in what is absent and reports what must not be.
pub(super) fn complete(
    file: &Arc<SourceFile>,
    keys: &'static [Key],
    root: &mut Table,
) -> Vec<Diagnostic> {
    let mut filler = Filler {
        file,
        path: Vec::new(),
        found: Vec::new(),
    };
    filler.table(keys, root, &(0..0));
    filler.found
}

struct Filler<'f> {
    file: &'f Arc<SourceFile>,
    path: Vec<String>,
    found: Vec<Diagnostic>,
}

impl Filler<'_> {
    fn table(&mut self, keys: &'static [Key], table: &mut Table, span: &Range<usize>) {
        for key in keys {
            if !table.entries.contains_key(key.name)
                && let Some(value) = self.absent(key, table, span)
            {
                let node = Node {
                    span: span.clone(),
                    given: false,
                    value,
                };
                let entry = Entry {
                    key_span: span.clone(),
                    bad_key: false,
                    node,
                };
                table.entries.insert(key.name.to_owned(), entry);
            }
            if let Some(entry) = table.entries.get_mut(key.name) {
                self.within(key.name, &key.kind, &mut entry.node);
            }
        }
    }

    /// What stands for an absent key, if anything.
    fn absent(&mut self, key: &Key, table: &Table, span: &Range<usize>) -> Option<Value> {
        match key.absence {
            Absence::Required => {
                // A misspelt key is one error, not two.
                if !table.misspelt.contains(&key.name) {
                    let message = format!("`{}` is missing{}", key.name, place(&self.path));
                    let found = Diagnostic::error(code::MISSING, message)
                        .note(key.doc)
                        .help(format!("for example `{} = {}`", key.name, key.example));
                    self.found.push(found.at(self.file, span.clone(), ""));
                }
                None
            }
            Absence::Optional => None,
            Absence::Empty => Some(Value::Table(Table::default())),
            Absence::Boolean(flag) => Some(Value::Boolean(flag)),
            Absence::Integer(number) => Some(match key.kind {
                Kind::Duration(_) => {
                    Value::Duration(std::time::Duration::from_secs(number.unsigned_abs()))
                }
                _ => Value::Integer(number),
            }),
            Absence::Text(text) => Some(match key.kind {
                Kind::Duration(_) => Value::Duration(std::time::Duration::from_secs(seconds(text))),
                _ => Value::Text(text.to_owned()),
            }),
        }
    }

    fn within(&mut self, name: &str, kind: &'static Kind, node: &mut Node) {
        let span = node.span.clone();
        self.path.push(suggest::key(name));
        match (kind, &mut node.value) {
            (Kind::Map(map), Value::Table(table)) => {
                for (name, entry) in &mut table.entries {
                    self.within(name, map.value, &mut entry.node);
                }
            }
            (Kind::List(list), Value::List(items)) => {
                for item in items {
                    if let (Some(keys), Value::Table(table)) = (list.item.keys(), &mut item.value) {
                        self.table(keys, table, &item.span);
                    }
                }
            }
            (kind, Value::Table(table)) => {
                if let Some(keys) = kind.keys() {
                    self.table(keys, table, &span);
                }
            }
            _ => {}
        }
        self.path.pop();
    }
}

/// Where a tree's keys and values begin, to tell whether a diagnostic is about it.
pub(super) fn places(table: &Table) -> HashSet<usize> {
    let mut places = HashSet::new();
    gather(table, &mut places);
    places
}

fn gather(table: &Table, places: &mut HashSet<usize>) {
    for entry in table.entries.values() {
        places.insert(entry.key_span.start);
        places.insert(entry.node.span.start);
        places.extend(entry.node.items().iter().map(|item| item.span.start));
        if let Some(table) = entry.node.table() {
            gather(table, places);
        }
    }
}
