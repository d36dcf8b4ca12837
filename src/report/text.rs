//! Text made safe and fit to show. Everything from a file or from AWS goes through [`sanitize`] or [`inline`].

use std::{borrow::Cow, time::Duration};

use anstyle::{AnsiColor, Style};
use dialoguer::console;

/// Added.
pub const ADDED: Style = AnsiColor::Green.on_default();
/// Changed.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
/// Removed, or failed.
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// What must not be overlooked.
pub const LOUD: Style = AnsiColor::Red.on_default().bold();
/// What stands out.
pub const STRONG: Style = Style::new().bold();
/// What may be overlooked.
pub const FAINT: Style = Style::new().dimmed();
/// An address to copy.
pub const LINK: Style = AnsiColor::Cyan.on_default().bold();

/// A colour of a name's own: the same name has the same one everywhere.
pub fn hue(name: &str) -> Style {
    const HUES: [AnsiColor; 6] = [
        AnsiColor::Cyan,
        AnsiColor::Magenta,
        AnsiColor::Blue,
        AnsiColor::Green,
        AnsiColor::Yellow,
        AnsiColor::BrightCyan,
    ];
    let sum = name.bytes().fold(0, |sum: usize, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    HUES[sum % HUES.len()].on_default()
}

/// Puts `text` in a style; an edge without colours strips it again.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Adds a line to what is shown.
pub fn line(shown: &mut String, text: &str) {
    shown.push_str(text);
    shown.push('\n');
}

/// Text without a character that could command a terminal or reorder a line; newlines and tabs stay.
///
/// A CRLF becomes a newline, other control characters become their pictures (escape becomes `␛`).
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| stand_in(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        safe.push(stand_in(character).unwrap_or(character));
    }
    Cow::Owned(safe)
}

/// [`sanitize`] for a text that stays within a line: newlines and tabs become pictures too.
pub fn inline(text: &str) -> Cow<'_, str> {
    let safe = sanitize(text);
    if safe.contains(['\n', '\t']) {
        return Cow::Owned(safe.replace('\n', "\u{2424}").replace('\t', "\u{2409}"));
    }
    safe
}

/// What is shown for a character that must not reach a terminal.
pub fn stand_in(character: char) -> Option<char> {
    match character {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)),
        '\u{7f}' => Some('\u{2421}'),
        // The C1 controls, and what reorders or breaks lines: marks, embeddings, overrides, isolates, separators.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => Some(char::REPLACEMENT_CHARACTER),
        _ => None,
    }
}

/// The columns that a text without styles takes.
pub fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text`, or what of it fits into `columns` with `…` at its end.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut left = columns.saturating_sub(1);
    for character in text.chars() {
        let takes = width(character.encode_utf8(&mut [0; 4]));
        if takes > left {
            break;
        }
        left -= takes;
        kept.push(character);
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// `text` with newlines instead of spaces where a line would be wider than `columns`; words stay whole.
pub fn wrap(text: &str, columns: usize) -> String {
    let mut wrapped = String::with_capacity(text.len() + 8);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            wrapped.push('\n');
        }
        let mut taken = 0;
        for (index, word) in line.split(' ').enumerate() {
            let wide = width(word);
            if index > 0 && taken + 1 + wide > columns && taken > 0 {
                wrapped.push('\n');
                taken = 0;
            } else if index > 0 {
                wrapped.push(' ');
                taken += 1;
            }
            wrapped.push_str(word);
            taken += wide;
        }
    }
    wrapped
}

/// `0.4s`, `12.3s`, `2m 05s`.
pub fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        // Cut, not rounded, so that 59.96 s isn't shown as 60.0s.
        return format!("{seconds}.{}s", duration.subsec_millis() / 100);
    }
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

/// The same, with milliseconds where it's below a second: `3.4 ms`, `0.9 ms`, `340 ms`, `1.2s`.
pub fn precise(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..100_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        100_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => elapsed(duration),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_times_are_told_in_milliseconds() {
        let shown = |micros| precise(Duration::from_micros(micros));
        assert_eq!(shown(940), "0.9 ms");
        assert_eq!(shown(3_460), "3.4 ms");
        assert_eq!(shown(340_900), "340 ms");
        assert_eq!(shown(1_240_000), "1.2s");
    }

    #[test]
    fn escapes_become_pictures_and_line_ends_become_newlines() {
        assert_eq!(
            sanitize("a\r\nb\x1b[31m\u{9b}\rc\td"),
            "a\nb␛[31m\u{fffd}␍c\td"
        );
        assert_eq!(inline("a\nb\tc"), "a\u{2424}b\u{2409}c");
        assert!(matches!(sanitize("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_cut_text_fits_also_when_characters_are_wide() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(elapsed(Duration::from_millis(1234)), "1.2s");
        assert_eq!(elapsed(Duration::from_millis(59_960)), "59.9s");
        assert_eq!(elapsed(Duration::from_secs(125)), "2m 05s");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(text in any::<String>()) {
            let safe = sanitize(&text);
            prop_assert!(safe.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert!(!inline(&text).chars().any(char::is_control));
        }

        #[test]
        fn wrapping_only_trades_spaces_for_newlines(text in "[a-c \\n]{0,60}", columns in 1_usize..20) {
            let wrapped = wrap(&text, columns);
            prop_assert_eq!(wrapped.replace('\n', " "), text.replace('\n', " "));
            for line in wrapped.lines() {
                prop_assert!(width(line) <= columns || !line.trim_start().contains(' '));
            }
        }

        #[test]
        fn a_cut_text_is_never_wider_than_asked(text in "\\PC{0,40}", columns in 1_usize..30) {
            prop_assert!(width(&cut(&text, columns)) <= columns);
        }
    }
}
