//! The part of JSONPath that the gateway's expressions and templates are written in. Pure.
//!
//! `$`, `.name`, `['name']`, `[0]`, `[-1]`, `[0,1]`, `['a','b']`, `[1:3]`, `[*]`, `.*`, `..name`. Filters and scripts are
//! errors, said when the path is parsed.

use serde_json::Value;

/// Longer paths are nobody's.
const STEPS: usize = 64;
/// What a path with wildcards may find.
const FINDS: usize = 10_000;

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Names(Vec<String>),
    Index(i64),
    Indices(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    All,
    Deep(Option<String>),
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// A path that leads to one place, and what is there.
    One(Option<&'a Value>),
    /// A path that leads to many.
    Many(Vec<&'a Value>),
}

impl JsonPath {
    /// Reads a path that starts with `$`.
    pub fn parse(path: &str) -> Result<Self, String> {
        let rest = path
            .trim()
            .strip_prefix('$')
            .ok_or_else(|| format!("the JSONPath `{path}` doesn't start with `$`"))?;
        let (parsed, left) = Self::parse_steps(rest)?;
        if left.is_empty() {
            Ok(parsed)
        } else {
            Err(format!("the JSONPath `{path}` can't be read at `{left}`"))
        }
    }

    /// Reads steps for as long as there are any: what follows `$` or `request.body`. Also what's left.
    pub fn parse_steps(text: &str) -> Result<(Self, &str), String> {
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let step = if let Some(after) = rest.strip_prefix("..") {
                let (name, after) = name(after);
                if let Some(after) = after.strip_prefix('*').filter(|_| name.is_empty()) {
                    Some((Step::Deep(None), after))
                } else if name.is_empty() {
                    return Err(format!("`..` needs a name in `{text}`"));
                } else {
                    Some((Step::Deep(Some(name.to_owned())), after))
                }
            } else if let Some(after) = rest.strip_prefix(".*") {
                Some((Step::All, after))
            } else if let Some(after) = rest.strip_prefix('.') {
                let (name, after) = name(after);
                (!name.is_empty()).then(|| (Step::Name(name.to_owned()), after))
            } else if let Some(after) = rest.strip_prefix('[') {
                Some(bracket(after).map_err(|what| format!("{what} in the JSONPath `{text}`"))?)
            } else {
                None
            };
            let Some((step, after)) = step else { break };
            if steps.len() == STEPS {
                return Err(format!("a JSONPath has at most {STEPS} steps"));
            }
            steps.push(step);
            rest = after;
        }
        Ok((Self { steps }, rest))
    }

    /// The names, if the path is nothing but names: such a path can be followed without reading all of a document.
    pub fn names(&self) -> Option<Vec<&str>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// What is there.
    pub fn find<'a>(&self, root: &'a Value) -> Found<'a> {
        let mut many = false;
        let mut here = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in here {
                match step {
                    Step::Name(name) => next.extend(value.get(name)),
                    Step::Index(index) => next.extend(at(value, *index)),
                    Step::Names(names) => {
                        next.extend(names.iter().filter_map(|name| value.get(name)));
                    }
                    Step::Indices(indices) => {
                        next.extend(indices.iter().filter_map(|index| at(value, *index)));
                    }
                    Step::Slice(from, to) => next.extend(slice(value, *from, *to)),
                    Step::All => next.extend(children(value)),
                    Step::Deep(name) => deep(value, name.as_deref(), &mut next),
                }
                next.truncate(FINDS);
            }
            many |= !matches!(step, Step::Name(_) | Step::Index(_));
            here = next;
        }
        if many {
            Found::Many(here)
        } else {
            Found::One(here.first().copied())
        }
    }
}

fn name(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// What is between brackets, after the first of them.
fn bracket(text: &str) -> Result<(Step, &str), &'static str> {
    let mut names = Vec::new();
    let mut indices = Vec::new();
    let mut rest = text.trim_start();
    if let Some(after) = rest.strip_prefix('*') {
        let after = after
            .trim_start()
            .strip_prefix(']')
            .ok_or("`[` has no end")?;
        return Ok((Step::All, after));
    }
    if rest.starts_with('?') || rest.starts_with('(') {
        return Err("filters and scripts aren't supported");
    }
    loop {
        if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
            let (text, after) = rest
                .get(1..)
                .and_then(|inner| inner.split_once(quote))
                .ok_or("a quote has no end")?;
            names.push(text.to_owned());
            rest = after.trim_start();
        } else {
            let (from, after) = number(rest);
            let after = after.trim_start();
            if let Some(after) = after.strip_prefix(':') {
                let (to, after) = number(after.trim_start());
                let after = after
                    .trim_start()
                    .strip_prefix(']')
                    .ok_or("`[` has no end")?;
                return Ok((Step::Slice(from, to), after));
            }
            indices.push(from.ok_or("what is in `[` isn't understood")?);
            rest = after;
        }
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let after = rest.strip_prefix(']').ok_or("`[` has no end")?;
        let step = match (names.as_mut_slice(), indices.as_slice()) {
            ([name], []) => Step::Name(std::mem::take(name)),
            ([], [index]) => Step::Index(*index),
            (_, []) => Step::Names(names),
            ([], _) => Step::Indices(indices),
            _ => return Err("names and numbers are mixed"),
        };
        return Ok((step, after));
    }
}

fn number(text: &str) -> (Option<i64>, &str) {
    let end = text
        .char_indices()
        .find(|(index, c)| !(c.is_ascii_digit() || (*index == 0 && *c == '-')))
        .map_or(text.len(), |(index, _)| index);
    let (digits, rest) = text.split_at(end);
    (digits.parse().ok(), rest)
}

/// An index from the start, or from the end if it's negative.
fn place(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

fn at(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    items.get(place(index, items.len())?)
}

fn slice(value: &Value, from: Option<i64>, to: Option<i64>) -> &[Value] {
    let Some(items) = value.as_array() else {
        return &[];
    };
    let length = items.len();
    let from = from.map_or(0, |from| place(from, length).unwrap_or(0));
    let to = to.map_or(length, |to| place(to, length).unwrap_or(0).min(length));
    items.get(from..to).unwrap_or(&[])
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// All below, or those of a name. serde_json bounds how deep a document is.
fn deep<'a>(value: &'a Value, name: Option<&str>, found: &mut Vec<&'a Value>) {
    if found.len() >= FINDS {
        return;
    }
    match name {
        Some(name) => found.extend(value.get(name)),
        None => found.extend(children(value)),
    }
    for child in children(value) {
        deep(child, name, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(path: &str) -> Option<Value> {
        let document = json!({"a": {"b c": [1, 2, {"d": true}], "x-y": null}, "n": 1.5});
        match JsonPath::parse(path).unwrap().find(&document) {
            Found::One(found) => found.cloned(),
            Found::Many(found) => Some(found.into_iter().cloned().collect()),
        }
    }

    #[test]
    fn a_path_leads_to_one_place_or_to_many() {
        assert_eq!(one("$.n"), Some(json!(1.5)));
        assert_eq!(one("$.a['b c'][2].d"), Some(json!(true)));
        assert_eq!(one("$['a'][\"b c\"][-2]"), Some(json!(2)));
        assert_eq!(one("$.a['b c'][0,1]"), Some(json!([1, 2])));
        assert_eq!(one("$.a['b c'][1:]"), Some(json!([2, {"d": true}])));
        assert_eq!(one("$.a['b c'][:-2]"), Some(json!([1])));
        assert_eq!(one("$..d"), Some(json!([true])));
        assert_eq!(one("$.a['b c'][*].d"), Some(json!([true])));
        assert_eq!(one("$['a','n'].x-y"), Some(json!([null])));
        assert_eq!(one("$.a.x-y"), Some(json!(null)));
        assert_eq!(one("$.nothing.here"), None);
        assert_eq!(one("$.n[0]"), None);
    }

    #[test]
    fn what_a_path_lacks_is_said() {
        for bad in [
            "a.b",
            "$.a[?(@.b)]",
            "$.a[",
            "$.a['b",
            "$..",
            "$.a b",
            "$[0,'a']",
            "$[]",
            "$.a[99999999999999999999]",
        ] {
            assert!(JsonPath::parse(bad).is_err(), "{bad}");
        }
    }
}
