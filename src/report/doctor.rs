//! Checks and what they found: a line a check, and symptom, cause, mend and evidence of each finding.

use anstyle::Style;
use serde_json::json;

use super::{
    Report,
    text::{ADDED, CHANGED, FAINT, LOUD, STRONG, inline, line, paint, sanitize, width, wrap},
};
use crate::diagnostic::Severity;

/// The columns of the words before a finding's lines.
const LABELS: usize = 10;
/// The columns of a check's name.
const NAMES: usize = 13;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing was found.
    Ok,
    /// Something that costs, or will be wrong.
    Warning,
    /// Something wrong.
    Wrong,
    /// It wasn't made.
    Skipped,
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
            Self::Skipped => "skipped",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => ADDED,
            Self::Warning => CHANGED,
            Self::Wrong => LOUD,
            Self::Skipped => FAINT,
        }
    }
}

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// Of what.
    pub name: &'a str,
    /// How it went.
    pub mark: Mark,
    /// What was looked at.
    pub words: &'a str,
}

/// A finding.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// A stable name.
    pub code: &'a str,
    /// How grave it is.
    pub severity: Severity,
    /// What one sees.
    pub symptom: &'a str,
    /// Why.
    pub cause: &'a str,
    /// What to do.
    pub mend: &'a str,
    /// What says so; untrusted.
    pub evidence: &'a [String],
}

impl Report {
    /// A check, on standard output.
    pub fn check(&self, checked: &Checked<'_>) {
        if self.is_json() {
            let fields = json!({
                "check": checked.name,
                "state": checked.mark.word(),
                "words": checked.words,
            });
            self.record("check", fields);
        } else {
            self.print_out(&check(checked));
        }
    }

    /// A finding, on standard output.
    pub fn finding(&self, found: &Found<'_>) {
        if self.is_json() {
            let fields = json!({
                "code": found.code,
                "severity": severity(found.severity),
                "symptom": found.symptom,
                "cause": found.cause,
                "mend": found.mend,
                "evidence": found.evidence,
            });
            self.record("finding", fields);
        } else {
            let columns = self.0.width.unwrap_or(super::NO_TERMINAL_WIDTH);
            self.print_out(&finding(found, columns));
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn check(checked: &Checked<'_>) -> String {
    let pad = |text: &str, columns: usize| " ".repeat(columns.saturating_sub(width(text)));
    let (word, name) = (checked.mark.word(), inline(checked.name));
    format!(
        "{}{}{name}{}{}\n",
        paint(checked.mark.style(), word),
        pad(word, LABELS),
        pad(&name, NAMES),
        paint(FAINT, inline(checked.words))
    )
}

fn finding(found: &Found<'_>, columns: usize) -> String {
    let style = match found.severity {
        Severity::Error => LOUD,
        Severity::Warning => CHANGED,
    };
    let mut shown = String::from("\n");
    let title = format!("{}[{}]", severity(found.severity), found.code);
    line(
        &mut shown,
        &format!(
            "{}: {}",
            paint(style, title),
            paint(STRONG, inline(found.symptom))
        ),
    );
    labelled(&mut shown, "cause", found.cause, columns);
    labelled(&mut shown, "mend", found.mend, columns);
    for evidence in found.evidence {
        labelled(&mut shown, "evidence", evidence, columns);
    }
    shown
}

/// `text` beside its label, over several lines if it's long; nothing if it's empty.
fn labelled(shown: &mut String, label: &str, text: &str, columns: usize) {
    if text.is_empty() {
        return;
    }
    let room = columns.saturating_sub(LABELS + 2).max(20);
    let text = wrap(&sanitize(text).replace('\n', " "), room);
    for (index, part) in text.lines().enumerate() {
        let label = if index == 0 { label } else { "" };
        let gap = " ".repeat(LABELS.saturating_sub(label.len()));
        line(shown, &format!("  {}{gap}{part}", paint(FAINT, label)));
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_check_is_a_line() {
        let checked = Checked {
            name: "queues",
            mark: Mark::Wrong,
            words: "4 queues",
        };
        let shown = strip_str(&check(&checked)).to_string();
        assert_eq!(shown, "wrong     queues       4 queues\n");
    }

    #[test]
    fn a_finding_says_symptom_cause_mend_and_evidence_and_commands_no_terminal() {
        let evidence = ["\u{1b}[2J".to_owned(), "word ".repeat(20)];
        let found = Found {
            code: "doctor::panic",
            severity: Severity::Error,
            symptom: "nothing comes",
            cause: "it panics",
            mend: "mend it",
            evidence: &evidence,
        };
        let shown = strip_str(&finding(&found, 60)).to_string();
        assert_eq!(
            shown,
            "\nerror[doctor::panic]: nothing comes\n  cause     it panics\n  mend      mend it\n  evidence  \
             \u{241b}[2J\n  evidence  word word word word word word word word word\n            word word word word word \
             word word word word\n            word word \n"
        );
    }
}
