//! A queue's tags: at most 50, with keys of 1 to 128 letters and values of up to 256 [SQSG].

use std::collections::BTreeMap;

use serde_json::json;

use super::super::{errors, input, queue_of};
use crate::{
    call::{Answer, Call},
    error::Result,
};

const MOST: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 256;

/// TagQueue.
pub fn tag(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let given = input::text_map(&call.input, "Tags", "Tag")?;
    if given.is_empty() {
        return Err(errors::missing("Tags"));
    }
    queue.with_tags(|tags| {
        let mut changed = tags.clone();
        add(&mut changed, &given, queue.name())?;
        *tags = changed;
        Ok(json!({}).into())
    })
}

/// UntagQueue.
pub fn untag(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let keys = input::texts(&call.input, "TagKeys", "TagKey")?;
    if keys.is_empty() {
        return Err(errors::invalid(
            "Tag keys must be between 1 and 128 characters in length.",
        ));
    }
    queue.with_tags(|tags| tags.retain(|key, _| !keys.contains(&key.as_str())));
    Ok(json!({}).into())
}

/// ListQueueTags.
pub fn list(call: &Call) -> Result<Answer> {
    let queue = queue_of(call)?;
    let tags = queue.with_tags(|tags| tags.clone());
    Ok(if tags.is_empty() {
        json!({}).into()
    } else {
        json!({ "Tags": tags }).into()
    })
}

/// Adds tags to those that are there; a key that is there gets the new value. All words but the first aren't recorded.
pub fn add(tags: &mut BTreeMap<String, String>, given: &[(&str, &str)], queue: &str) -> Result<()> {
    for (key, value) in given {
        if !(1..=KEY).contains(&key.chars().count()) {
            return Err(errors::invalid(
                "Tag keys must be between 1 and 128 characters in length.",
            ));
        }
        if value.chars().count() > VALUE {
            return Err(errors::invalid(
                "Tag values must be between 0 and 256 characters in length.",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(errors::invalid("Tag keys can't start with aws:."));
        }
        let fits = |text: &str| {
            text.chars()
                .all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter))
        };
        if !(fits(key) && fits(value)) {
            return Err(errors::invalid(
                "Tags can only contain letters, digits, spaces and the characters _ . : / = + - @.",
            ));
        }
        tags.insert((*key).to_owned(), (*value).to_owned());
    }
    if tags.len() > MOST {
        return Err(errors::invalid(format!(
            "Too many tags added for queue {queue}."
        )));
    }
    Ok(())
}
