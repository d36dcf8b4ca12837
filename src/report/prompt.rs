//! A question with yes or no for an answer.
//!
//! Not dialoguer's own: that one hides the cursor, and a Ctrl-C at the question leaves it hidden.

use std::io;

use dialoguer::console::{Key, Term};

use super::{Confirm, text};

/// Asks on `term`; Enter alone, Escape and Ctrl-C mean no.
pub fn ask(term: &Term, question: &str) -> io::Result<Confirm> {
    let mut answer = Answer::default();
    // It's written anew after each key, so it must stay within a line.
    let columns = usize::from(term.size().1).saturating_sub(20);
    let question = text::cut(question, columns.max(20));
    loop {
        term.clear_line()?;
        term.write_str(&format!("{question} [y/N] {}", answer.typed()))?;
        match answer.press(&term.read_key_raw()?) {
            None => {}
            Some(confirm) => {
                term.clear_line()?;
                let word = if confirm == Confirm::Yes { "yes" } else { "no" };
                term.write_line(&format!("{question} {word}"))?;
                return Ok(confirm);
            }
        }
    }
}

/// What was typed so far.
#[derive(Default)]
struct Answer(String);

impl Answer {
    fn typed(&self) -> &str {
        &self.0
    }

    /// Takes a key; the answer if that ends it.
    fn press(&mut self, key: &Key) -> Option<Confirm> {
        match key {
            Key::Enter => {
                let yes = ["y", "yes"].contains(&self.0.to_lowercase().as_str());
                return Some(if yes { Confirm::Yes } else { Confirm::No });
            }
            Key::Escape | Key::CtrlC | Key::Char('\u{4}') => return Some(Confirm::No),
            Key::Backspace => {
                self.0.pop();
            }
            Key::Char(character) if character.is_alphanumeric() && self.0.len() < 8 => {
                self.0.push(*character);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(keys: &[Key]) -> Option<Confirm> {
        let mut answer = Answer::default();
        keys.iter().find_map(|key| answer.press(key))
    }

    #[test]
    fn only_a_typed_yes_and_enter_mean_yes() {
        let y = Key::Char('y');
        assert_eq!(answer(std::slice::from_ref(&y)), None);
        assert_eq!(answer(&[y.clone(), Key::Enter]), Some(Confirm::Yes));
        let yes = "YES".chars().map(Key::Char).chain([Key::Enter]);
        assert_eq!(answer(&yes.collect::<Vec<_>>()), Some(Confirm::Yes));
        assert_eq!(answer(&[Key::Enter]), Some(Confirm::No));
        assert_eq!(answer(&[y.clone(), Key::CtrlC]), Some(Confirm::No));
        assert_eq!(answer(&[y.clone(), y, Key::Enter]), Some(Confirm::No));
    }

    #[test]
    fn what_was_typed_can_be_taken_back() {
        let keys = [Key::Char('y'), Key::Backspace, Key::Enter];
        assert_eq!(answer(&keys), Some(Confirm::No));
    }
}
