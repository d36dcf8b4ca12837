//! Pages of sorted lists. Pure.
//!
//! A page's token names the last thing that was given, so that what comes or goes between two pages does no harm.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The page that follows a token, and the next token; nothing if the token isn't one of ours.
/// The list must be sorted by `key_of`.
pub fn cut<T, K: Ord + Serialize + DeserializeOwned>(
    list: impl IntoIterator<Item = T>,
    token: Option<&str>,
    most: usize,
    key_of: impl Fn(&T) -> K,
) -> Option<(Vec<T>, Option<String>)> {
    let after: Option<K> = match token {
        None => None,
        Some(token) => Some(read(token)?),
    };
    let mut page = Vec::new();
    let mut last = None;
    for item in list {
        let key = key_of(&item);
        if after.as_ref().is_some_and(|after| key <= *after) {
            continue;
        }
        if page.len() == most {
            return Some((page, last.map(|last| write(&last))));
        }
        page.push(item);
        last = Some(key);
    }
    Some((page, None))
}

/// An opaque token of a value.
pub fn write<K: Serialize>(value: &K) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// The value of a token.
pub fn read<K: DeserializeOwned>(token: &str) -> Option<K> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::cut;

    fn page(list: &[&str], token: Option<&str>) -> Option<(Vec<String>, Option<String>)> {
        cut(
            list.iter().map(ToString::to_string),
            token,
            2,
            String::clone,
        )
    }

    #[test]
    fn pages_go_on_after_what_was_given_even_if_that_is_gone() {
        let (first, token) = page(&["a", "b", "c", "d"], None).unwrap();
        assert_eq!(first, ["a", "b"]);
        let (second, token) = page(&["a", "c", "d"], token.as_deref()).unwrap();
        assert_eq!(second, ["c", "d"]);
        assert_eq!(token, None);
    }

    #[test]
    fn a_token_of_somebody_elses_is_refused() {
        assert_eq!(page(&["a"], Some("x y")), None);
        assert_eq!(page(&["a"], Some("")), None);
    }
}
