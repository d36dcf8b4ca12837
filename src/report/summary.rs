//! What a run came to: what was done, what failed and why, what remains, and what to do next.

use std::{collections::BTreeMap, time::Duration};

use super::{
    diagnostic,
    plan::sign,
    text::{self, ADDED, FAINT, LINK, LOUD, STRONG, inline, line, paint},
};
use crate::engine::{
    address::Address,
    apply::{Applied, AppliedStep},
    event::Outcome,
    plan::Action,
};

/// Steps slower than this are named among the slowest.
const SLOW: Duration = Duration::from_secs(2);

/// What a command that applied a plan came to.
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// The command, such as `deploy`.
    pub command: &'a str,
    /// What it did, such as `Deployed` or `Destroyed`.
    pub done: &'a str,
    /// How the steps ended.
    pub applied: &'a Applied,
    /// How long everything took.
    pub elapsed: Duration,
    /// How long each phase took, such as `build`.
    pub timings: Vec<(String, Duration)>,
    /// The `wss://` address, if there is one now.
    pub endpoint: Option<String>,
    /// What to try next, or what goes on from where a run ended: commands, one each.
    pub next: Vec<String>,
}

/// How many steps ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Creates done.
    pub created: usize,
    /// Updates done.
    pub changed: usize,
    /// Replacements done.
    pub replaced: usize,
    /// Deletes done.
    pub deleted: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps not begun, since another failed or the run was stopped.
    pub not_begun: usize,
}

impl Summary<'_> {
    /// How many steps ended how. The old one's delete is part of its replacement.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for step in &self.applied.steps {
            match (&step.outcome, step.action) {
                (Outcome::Failed(_) | Outcome::HoldsData(_), _) => tally.failed += 1,
                (Outcome::NotBegun(_) | Outcome::Stopped, _) => tally.not_begun += 1,
                (Outcome::Done, Action::Create) => tally.created += 1,
                (Outcome::Done, Action::Update) => tally.changed += 1,
                (Outcome::Done, Action::Replace) => tally.replaced += 1,
                (Outcome::Done, Action::Delete) if self.is_replaced(&step.address) => {}
                (Outcome::Done, Action::Delete) => tally.deleted += 1,
                (Outcome::Done, Action::Keep | Action::Tighten) => {}
            }
        }
        tally
    }

    fn is_replaced(&self, address: &Address) -> bool {
        self.applied
            .steps
            .iter()
            .any(|step| step.action == Action::Replace && step.address == *address)
    }

    /// What was done, in words; without the kinds of which there are none.
    fn work(&self) -> String {
        let tally = self.tally();
        let parts: Vec<String> = [
            (tally.created, "created"),
            (tally.changed, "changed"),
            (tally.replaced, "replaced"),
            (tally.deleted, "deleted"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        parts.join(", ")
    }
}

/// A run in which every step is done.
pub fn success(summary: &Summary<'_>) -> String {
    let mut shown = String::new();
    let head = paint(ADDED.bold(), inline(summary.done));
    let took = text::elapsed(summary.elapsed);
    let work = summary.work();
    if work.is_empty() {
        line(&mut shown, &format!("{head} ({took})"));
    } else {
        line(&mut shown, &format!("{head} in {took}: {work}"));
    }
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(endpoint) = &summary.endpoint {
        rows.push(("address", paint(LINK, inline(endpoint))));
    }
    for (what, took) in &summary.timings {
        rows.push((what, text::elapsed(*took)));
    }
    let slowest = slowest(summary.applied);
    if !slowest.is_empty() {
        rows.push(("slowest", slowest));
    }
    if !rows.is_empty() {
        shown.push('\n');
        let names: Vec<_> = rows.iter().map(|(name, _)| inline(name)).collect();
        let wide = names
            .iter()
            .map(|name| text::width(name))
            .max()
            .unwrap_or(0);
        for (name, (_, value)) in names.iter().zip(&rows) {
            let gap = " ".repeat(wide - text::width(name) + 2);
            line(&mut shown, &format!("  {}{gap}{value}", paint(FAINT, name)));
        }
    }
    if !summary.next.is_empty() {
        shown.push('\n');
        line(&mut shown, "Next:");
        for next in &summary.next {
            line(&mut shown, &format!("  {}", paint(STRONG, inline(next))));
        }
    }
    shown
}

/// A run in which some step isn't done.
pub fn failure(summary: &Summary<'_>, width: Option<usize>) -> String {
    let mut shown = String::new();
    let steps = &summary.applied.steps;
    for step in steps {
        if let Some(mut told) = step.outcome.trouble() {
            told.message = format!(
                "can't {} {}: {}",
                step.action.as_str(),
                step.address,
                told.message
            );
            shown.push_str(&diagnostic::render(&told, width));
            shown.push('\n');
        }
    }
    let mut because: BTreeMap<&Address, Vec<&AppliedStep>> = BTreeMap::new();
    for step in steps {
        if let Outcome::NotBegun(cause) = &step.outcome {
            because.entry(cause).or_default().push(step);
        }
    }
    for (cause, held) in because {
        let cause = inline(&cause.to_string()).into_owned();
        line(&mut shown, &format!("Not begun, since {cause} failed:"));
        list(&mut shown, held);
    }
    let stopped: Vec<&AppliedStep> = steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Stopped))
        .collect();
    if !stopped.is_empty() {
        line(&mut shown, "Not begun, since the run was stopped:");
        list(&mut shown, stopped);
    }
    if !shown.is_empty() && !shown.ends_with("\n\n") {
        shown.push('\n');
    }
    let tally = summary.tally();
    let state = if tally.failed > 0 {
        "failed"
    } else {
        "stopped"
    };
    let head = paint(LOUD, format!("{} {state}", inline(summary.command)));
    let took = text::elapsed(summary.elapsed);
    let ends: Vec<String> = [(tally.failed, "failed"), (tally.not_begun, "not begun")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    line(
        &mut shown,
        &format!("{head} after {took}: {}", ends.join(", ")),
    );
    let work = summary.work();
    let work = if work.is_empty() { "nothing" } else { &work };
    line(&mut shown, &format!("  done until then: {work}"));
    if !summary.next.is_empty() {
        shown.push('\n');
        let mended = if tally.failed > 0 {
            "Once that's mended, this goes on from there:"
        } else {
            "This goes on from there:"
        };
        line(&mut shown, mended);
        for next in &summary.next {
            line(&mut shown, &format!("  {}", paint(STRONG, inline(next))));
        }
    }
    shown
}

fn list(shown: &mut String, steps: Vec<&AppliedStep>) {
    for step in steps {
        let address = inline(&step.address.to_string()).into_owned();
        line(shown, &format!("  {} {address}", sign(step.action)));
    }
}

/// The three slowest steps, if any is slow.
fn slowest(applied: &Applied) -> String {
    let mut slow: Vec<&AppliedStep> = applied
        .steps
        .iter()
        .filter(|step| step.elapsed >= SLOW)
        .collect();
    slow.sort_by_key(|step| std::cmp::Reverse(step.elapsed));
    let named: Vec<String> = slow
        .iter()
        .take(3)
        .map(|step| {
            let address = step.address.to_string();
            format!("{} {}", inline(&address), text::elapsed(step.elapsed))
        })
        .collect();
    named.join(", ")
}
