//! A dead letter for people: whose, when, how often, and the text. All of it is untrusted.

use super::text::{FAINT, STRONG, inline, line, paint};
use crate::dead_letters::DeadLetter;

/// The letter, coloured, with an empty line after it.
pub fn render(letter: &DeadLetter) -> String {
    let mut shown = String::new();
    let sent = letter
        .sent_at
        .map_or_else(String::new, |at| format!("  sent {at:.0}"));
    line(
        &mut shown,
        &format!(
            "{}{}",
            paint(STRONG, inline(&letter.id)),
            paint(FAINT, format!("{sent}, received {} times", letter.received))
        ),
    );
    for (name, value) in &letter.attributes {
        let attribute = format!("  {}={}", inline(name), inline(value));
        line(&mut shown, &paint(FAINT, attribute));
    }
    line(&mut shown, &format!("  {}", inline(&letter.body)));
    shown.push('\n');
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_letter_says_whose_it_is_and_commands_no_terminal() {
        let letter = DeadLetter {
            id: "m-1".to_owned(),
            sent_at: "2026-01-02T03:04:05.678Z".parse().ok(),
            received: 6,
            group: None,
            attributes: BTreeMap::from([("connectionId".to_owned(), "L0=".to_owned())]),
            body: "{\"a\":1}\u{1b}[2J".to_owned(),
        };
        assert_eq!(
            strip_str(&render(&letter)).to_string(),
            "m-1  sent 2026-01-02T03:04:05Z, received 6 times\n  connectionId=L0=\n  {\"a\":1}\u{241b}[2J\n\n"
        );
    }
}
