//! Answers: members as AWS tells them, and pages of them.
//!
//! What isn't set isn't told. Listings are in the order of ids [STK], 25 at a time if nothing else is said.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{input::Input, model::Strings, refusal::bad};
use crate::{
    call::{Answer, timestamp},
    clock::Millis,
    error::Result,
};

/// As many as a page holds if the caller doesn't say.
const PAGE: usize = 25;
/// As many as it holds at most.
const LARGEST_PAGE: usize = 500;

/// Members without those that aren't set.
pub(super) fn set(members: Value) -> Value {
    match members {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            Value::Object(members)
        }
        other => other,
    }
}

/// A map, not set if it's empty.
pub(super) fn map(strings: &Strings) -> Value {
    if strings.is_empty() {
        Value::Null
    } else {
        json!(strings)
    }
}

/// A list, not set if it's empty.
pub(super) fn list(texts: &[String]) -> Value {
    if texts.is_empty() {
        Value::Null
    } else {
        json!(texts)
    }
}

/// Parameters with their constraints.
pub(super) fn constraints(parameters: &BTreeMap<String, bool>) -> Value {
    if parameters.is_empty() {
        return Value::Null;
    }
    let members: Map<String, Value> = parameters
        .iter()
        .map(|(key, required)| (key.clone(), json!({ "required": required })))
        .collect();
    Value::Object(members)
}

/// A time: API Gateway tells whole seconds [STK].
pub(super) fn time(at: Millis) -> Value {
    timestamp(Millis(at.0 - at.0.rem_euclid(1000)))
}

/// The page of `items` that is asked for. Each comes with a key by which they're in order.
pub(super) fn page(input: Input<'_>, items: Vec<(String, Value)>) -> Result<Answer> {
    let most = match input.text("maxResults")? {
        None => PAGE,
        Some(text) => match text.parse::<usize>() {
            Ok(most) if most > 0 => most.min(LARGEST_PAGE),
            _ => return Err(bad(format!("Invalid value for maxResults: {text}"))),
        },
    };
    let after = input.text("nextToken")?.map(read_token).transpose()?;
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let mut taken = Vec::new();
    let mut last = String::new();
    for (key, item) in rest.by_ref().take(most) {
        last = key;
        taken.push(item);
    }
    let token = rest.next().map(|_| URL_SAFE_NO_PAD.encode(last));
    Ok(set(json!({ "items": taken, "nextToken": token })).into())
}

fn read_token(token: &str) -> Result<String> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| bad("Invalid next token specified"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Payload;

    fn pages(items: usize, most: usize) -> Vec<Vec<Value>> {
        let all: Vec<_> = (0..items)
            .map(|index| (format!("k{index:03}"), json!(index)))
            .collect();
        let mut input = Map::new();
        input.insert("maxResults".to_owned(), json!(most.to_string()));
        let mut pages = Vec::new();
        loop {
            let answer = page(Input::from(&input), all.clone()).expect("a page");
            let Payload::Members(members) = answer.payload else {
                panic!("no members");
            };
            pages.push(members["items"].as_array().expect("items").clone());
            match members.get("nextToken") {
                Some(token) => input.insert("nextToken".to_owned(), token.clone()),
                None => return pages,
            };
        }
    }

    #[test]
    fn pages_together_are_the_whole_in_order() {
        for items in 0..12 {
            for most in 1..14 {
                let pages = pages(items, most);
                let whole: Vec<Value> = pages.iter().flatten().cloned().collect();
                let expected: Vec<Value> = (0..items).map(|index| json!(index)).collect();
                assert_eq!(whole, expected, "{items} by {most}");
                assert_eq!(
                    pages.len(),
                    items.div_ceil(most).max(1),
                    "{items} by {most}"
                );
            }
        }
    }

    #[test]
    fn times_are_told_in_whole_seconds() {
        assert_eq!(time(Millis(1_999)), timestamp(Millis(1_000)));
        assert_eq!(time(Millis(2_000)), timestamp(Millis(2_000)));
    }
}
