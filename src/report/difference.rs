//! Where two long values differ, in few words.

use serde_json::Value;

use super::text::inline;

/// Characters shown on each side of a difference at least.
const AROUND: usize = 20;
/// A difference is widened to whole words of at most this many characters on each side.
const WORD: usize = 16;
/// Removed, and added, items shown of a list or lines of a text.
const ITEMS: usize = 6;

/// A line of a long difference.
#[derive(Debug, PartialEq, Eq)]
pub enum Long {
    /// Only before.
    Removed(Excerpt),
    /// Only after.
    Added(Excerpt),
    /// About what isn't shown.
    Said(String),
}

/// A part of a text: what differs, and a little around it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The same in both, before the difference.
    pub lead: String,
    /// What differs.
    pub changed: String,
    /// The same in both, after the difference.
    pub trail: String,
}

impl Excerpt {
    /// The three parts, safe to show in a line.
    pub fn safe(&self) -> (String, String, String) {
        let safe = |text: &str| inline(text).into_owned();
        (safe(&self.lead), safe(&self.changed), safe(&self.trail))
    }
}

/// How two values differ that don't fit in a line of `columns`; nothing is cut if `whole`.
///
/// Lists differ in items, texts of several lines in lines, everything else in characters.
pub fn long(
    before: Option<&Value>,
    after: Option<&Value>,
    columns: usize,
    whole: bool,
) -> Vec<Long> {
    let null = Value::Null;
    match (before.unwrap_or(&null), after.unwrap_or(&null)) {
        (Value::Array(before), Value::Array(after)) => {
            let mut removed: Vec<String> = before.iter().map(Value::to_string).collect();
            let mut added: Vec<String> = Vec::new();
            for item in after.iter().map(Value::to_string) {
                match removed.iter().position(|other| *other == item) {
                    Some(same) => {
                        removed.remove(same);
                    }
                    None => added.push(item),
                }
            }
            if removed.is_empty() && added.is_empty() {
                return vec![Long::Said("the same items in another order".into())];
            }
            pairs(&removed, &added, columns, whole)
        }
        (Value::String(before), Value::String(after))
            if before.contains('\n') || after.contains('\n') =>
        {
            let (before, after) = (lines(before), lines(after));
            let head = common(before.iter(), after.iter());
            let tail = common(before[head..].iter().rev(), after[head..].iter().rev());
            pairs(
                &before[head..before.len() - tail],
                &after[head..after.len() - tail],
                columns,
                whole,
            )
        }
        (before, after) => pairs(&[before.to_string()], &[after.to_string()], columns, whole),
    }
}

/// The lines with their ends, so that a text that gains a last newline differs in a line.
fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => line.to_owned(),
            None => format!("{line} (no newline at the end)"),
        })
        .collect()
}

fn common<T: PartialEq>(a: impl Iterator<Item = T>, b: impl Iterator<Item = T>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

fn pairs(removed: &[String], added: &[String], columns: usize, whole: bool) -> Vec<Long> {
    let limit = if whole { usize::MAX } else { ITEMS };
    let mut shown = Vec::new();
    for index in 0..removed.len().max(added.len()).min(limit) {
        let (old, new) = match (removed.get(index), added.get(index)) {
            (Some(old), Some(new)) => {
                let (old, new) = excerpts(old, new, columns, whole);
                (Some(old), Some(new))
            }
            (old, new) => {
                let alone = |text: &String| excerpts(text, "", columns, whole).0;
                (old.map(alone), new.map(alone))
            }
        };
        shown.extend(old.map(Long::Removed));
        shown.extend(new.map(Long::Added));
    }
    let hidden = removed.len().saturating_sub(limit) + added.len().saturating_sub(limit);
    if hidden > 0 {
        shown.push(Long::Said(format!("and {hidden} more; -vv shows all")));
    }
    shown
}

/// The two texts around what differs between them, each in at most `columns` characters.
fn excerpts(old: &str, new: &str, columns: usize, whole: bool) -> (Excerpt, Excerpt) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let same_before = common(old.iter(), new.iter());
    let same_after = common(
        old[same_before..].iter().rev(),
        new[same_before..].iter().rev(),
    );
    let whole_word = |same: &[char], from_end: bool| {
        let inside = |c: &&char| c.is_alphanumeric();
        let part = if from_end {
            same.iter().rev().take_while(inside).count()
        } else {
            same.iter().take_while(inside).count()
        };
        if part <= WORD { part } else { 0 }
    };
    let same_before = same_before - whole_word(&old[..same_before], true);
    let same_after = same_after - whole_word(&old[old.len() - same_after..], false);
    let differs = old.len().max(new.len()) - same_before - same_after;
    let around = (columns.saturating_sub(differs) / 2).max(AROUND);
    let excerpt = |text: &[char]| {
        let end = text.len() - same_after;
        let (lead, changed, trail) = (&text[..same_before], &text[same_before..end], &text[end..]);
        if whole || text.len() <= columns {
            return Excerpt {
                lead: lead.iter().collect(),
                changed: changed.iter().collect(),
                trail: trail.iter().collect(),
            };
        }
        let lead = last(lead, around);
        let trail = first(trail, around);
        let left = columns.saturating_sub(lead.chars().count() + trail.chars().count());
        Excerpt {
            changed: middle(changed, left.max(10)),
            lead,
            trail,
        }
    };
    (excerpt(&old), excerpt(&new))
}

fn last(text: &[char], count: usize) -> String {
    if text.len() <= count {
        return text.iter().collect();
    }
    let kept = text[text.len() + 1 - count..].iter();
    std::iter::once(&'…').chain(kept).collect()
}

fn first(text: &[char], count: usize) -> String {
    if text.len() <= count {
        return text.iter().collect();
    }
    text[..count - 1]
        .iter()
        .chain(std::iter::once(&'…'))
        .collect()
}

fn middle(text: &[char], count: usize) -> String {
    if text.len() <= count {
        return text.iter().collect();
    }
    let half = (count - 1) / 2;
    let (start, end) = (&text[..half], &text[text.len() - half..]);
    start
        .iter()
        .chain(std::iter::once(&'…'))
        .chain(end)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_text_is_cut_to_where_it_differs() {
        let text = |word: &str| json!(format!("{}{word}{}", "a".repeat(200), "b".repeat(200)));
        let parts = long(Some(&text("one")), Some(&text("two")), 60, false);
        let [Long::Removed(old), Long::Added(new)] = parts.as_slice() else {
            panic!("{parts:?}");
        };
        assert_eq!((old.changed.as_str(), new.changed.as_str()), ("one", "two"));
        assert_eq!(old.lead, format!("…{}", "a".repeat(27)));
        assert_eq!(new.trail, format!("{}…", "b".repeat(27)));
    }

    #[test]
    fn lists_differ_in_items_and_say_when_only_the_order_does() {
        let parts = long(
            Some(&json!(["a", "b", "c"])),
            Some(&json!(["c", "a"])),
            60,
            false,
        );
        assert!(matches!(parts.as_slice(), [Long::Removed(old)] if old.changed == "\"b\""));
        let parts = long(
            Some(&json!(["a", "b"])),
            Some(&json!(["b", "a"])),
            60,
            false,
        );
        assert_eq!(
            parts,
            [Long::Said("the same items in another order".into())]
        );
    }

    #[test]
    fn texts_differ_in_the_lines_between_equal_ones() {
        let parts = long(
            Some(&json!("a\nb\nc\n")),
            Some(&json!("a\nx\ny\nc\n")),
            60,
            false,
        );
        let shown: Vec<(&str, String)> = parts
            .iter()
            .map(|part| match part {
                Long::Removed(text) => ("-", text.changed.clone()),
                Long::Added(text) => ("+", text.changed.clone()),
                Long::Said(words) => ("", words.clone()),
            })
            .collect();
        assert_eq!(
            shown,
            [("-", "b".into()), ("+", "x".into()), ("+", "y".into())]
        );
    }

    proptest! {
        #[test]
        fn what_differs_is_shown_and_fits(old in "[ab\u{20ac}\n]{0,120}", new in "[ab\u{20ac}\n]{0,120}") {
            prop_assume!(old != new);
            let parts = long(Some(&json!(old)), Some(&json!(new)), 40, false);
            prop_assert!(!parts.is_empty());
            for part in parts {
                if let Long::Removed(text) | Long::Added(text) = part {
                    let (lead, changed, trail) = text.safe();
                    prop_assert!(lead.chars().count() + changed.chars().count() + trail.chars().count() <= 52);
                }
            }
        }
    }
}
