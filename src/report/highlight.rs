//! JSON in colours, as it was written: nothing is moved or rewritten.

use anstyle::{AnsiColor, Style};

use super::text::{inline, paint};

const KEY: Style = AnsiColor::Cyan.on_default();
const STRING: Style = AnsiColor::Green.on_default();
const LITERAL: Style = AnsiColor::Yellow.on_default();

/// A text within a line, safe for a terminal; in colours if it's a JSON object or list.
pub fn json(text: &str) -> String {
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json {
        tokens(text)
    } else {
        inline(text).into_owned()
    }
}

/// The same for what is still being typed, JSON or not yet: no character is changed, so that the cursor stays right.
pub fn typed(text: &str) -> String {
    if text.trim_start().starts_with(['{', '[']) {
        tokens(text)
    } else {
        text.to_owned()
    }
}

fn tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (style, length) = match first {
            '"' => {
                let length = string(rest);
                let is_key = rest[length..].trim_start().starts_with(':');
                (Some(if is_key { KEY } else { STRING }), length)
            }
            '-' | '0'..='9' | 'a'..='z' | 'A'..='Z' => {
                let ends = |letter: char| {
                    !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.'))
                };
                (Some(LITERAL), rest.find(ends).unwrap_or(rest.len()))
            }
            _ => (None, first.len_utf8()),
        };
        let (token, after) = rest.split_at(length);
        let safe = inline(token);
        match style {
            Some(style) => shown.push_str(&paint(style, safe)),
            None => shown.push_str(&safe),
        }
        rest = after;
    }
    shown
}

/// The bytes of a string with its quotes; of all that's left if it doesn't end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_strings_and_literals_have_their_colours() {
        let shown = json(r#"{"a": "b\"c", "n": [-1.5e3, true]}"#);
        assert!(shown.contains(&paint(KEY, "\"a\"")), "{shown:?}");
        assert!(shown.contains(&paint(STRING, r#""b\"c""#)), "{shown:?}");
        assert!(shown.contains(&paint(LITERAL, "-1.5e3")), "{shown:?}");
        assert!(shown.contains(&paint(LITERAL, "true")), "{shown:?}");
    }

    #[test]
    fn what_isnt_json_has_none() {
        assert_eq!(json("{hello}"), "{hello}");
        assert_eq!(json("\u{1b}[2J"), "\u{241b}[2J");
    }

    proptest! {
        #[test]
        fn without_its_colours_it_is_what_was_written(text in "[\\[{][\\PC]{0,40}") {
            prop_assert_eq!(strip_str(&typed(&text)).to_string(), inline(&text).into_owned());
            prop_assert_eq!(strip_str(&json(&text)).to_string(), inline(&text).into_owned());
        }
    }
}
