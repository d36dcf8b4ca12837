//! How a plan is shown: as a diff that fits a screen.
//!
//! What is made takes a line each, what changes shows each differing field, what is kept shows nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    difference::{Long, long},
    text::{self, ADDED, CHANGED, FAINT, LOUD, REMOVED, STRONG, inline, line, paint},
};
use crate::engine::{
    address::Address,
    plan::{Action, Change, FieldChange, Plan},
    properties::is_unknown,
};

/// Whether a change of the field at a path is what makes the resource of an address be replaced.
pub type Forces<'a> = &'a dyn Fn(&Address, &str) -> bool;

/// How much of a plan is shown, and in what room.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Columns.
    pub width: usize,
    /// 0: creates are a line each; 1: with all their fields; 2: and no value is cut.
    pub verbose: u8,
}

/// The sign of an action.
pub fn sign(action: Action) -> String {
    match action {
        Action::Create => paint(ADDED, "+"),
        Action::Update | Action::Tighten => paint(CHANGED, "~"),
        Action::Replace => format!("{}/{}", paint(REMOVED, "-"), paint(ADDED, "+")),
        Action::Delete => paint(REMOVED, "-"),
        Action::Keep => " ".to_owned(),
    }
}

/// The plan for people, coloured, with a newline at its end.
pub fn render(plan: &Plan, forces: Forces<'_>, room: Room) -> String {
    let mut shown = String::new();
    let folded = folded(plan);
    for change in plan.effective() {
        // A second copy's delete may bear the address of a change that isn't folded.
        if change.deleted_with.is_none() || !folded.contains_key(&change.address) {
            render_change(&mut shown, change, &folded, forces, room);
        }
    }
    if !shown.is_empty() {
        shown.push('\n');
    }
    for change in plan.effective() {
        if let Some(risk) = &change.data_at_risk {
            line(
                &mut shown,
                &paint(
                    LOUD,
                    format!("Data would be lost: {} ({})", address(change), inline(risk)),
                ),
            );
        }
    }
    line(&mut shown, &closing(plan));
    shown
}

/// `Plan: 12 to create, 1 to change, 0 to replace, 2 to delete, 30 unchanged`
fn closing(plan: &Plan) -> String {
    let kept = plan.count(Action::Keep);
    if plan.is_empty() {
        let all = match kept {
            0 => "there is no resource".to_owned(),
            1 => "1 resource is as the manifest says".to_owned(),
            kept => format!("all {kept} resources are as the manifest says"),
        };
        return format!("{} {all}", paint(STRONG, "Nothing to change:"));
    }
    let part = |action, style, word: &str| match plan.count(action) {
        0 => format!("0 to {word}"),
        count => paint(style, format!("{count} to {word}")),
    };
    format!(
        "{} {}, {}, {}, {}, {kept} unchanged",
        paint(STRONG, "Plan:"),
        part(Action::Create, ADDED, "create"),
        part(Action::Update, CHANGED, "change"),
        part(Action::Replace, CHANGED, "replace"),
        part(Action::Delete, REMOVED, "delete"),
    )
}

/// Deletes that go with another one that's listed, and that one.
///
/// What would lose data is listed itself.
fn folded(plan: &Plan) -> BTreeMap<&Address, &Address> {
    let deleted: BTreeMap<&Address, &Change> = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Delete)
        .map(|change| (&change.address, change))
        .collect();
    deleted
        .values()
        .filter(|change| change.data_at_risk.is_none())
        .filter_map(|change| {
            let mut root = change.deleted_with.as_ref()?;
            // Bounded, should the parents ever form a ring.
            for _ in 0..deleted.len() {
                match deleted.get(root)?.deleted_with.as_ref() {
                    Some(above) => root = above,
                    None => return Some((&change.address, root)),
                }
            }
            None
        })
        .collect()
}

fn render_change(
    shown: &mut String,
    change: &Change,
    folded: &BTreeMap<&Address, &Address>,
    forces: Forces<'_>,
    room: Room,
) {
    line(
        shown,
        &format!("{} {}", sign(change.action), paint(STRONG, address(change))),
    );
    if let Some(risk) = &change.data_at_risk {
        line(
            shown,
            &format!(
                "    {}",
                paint(LOUD, format!("would lose {}", inline(risk)))
            ),
        );
    }
    if change.is_gone {
        line(shown, &format!("    {}", paint(LOUD, "deleted outside")));
    }
    match change.action {
        Action::Create if room.verbose == 0 => {}
        Action::Create => {
            for field in &change.fields {
                render_created(shown, field, room);
            }
        }
        Action::Update if change.fields.is_empty() => line(
            shown,
            &format!(
                "    {}",
                paint(FAINT, "renewed, since what it captures changes")
            ),
        ),
        Action::Update => {
            for field in &change.fields {
                render_field(shown, field, false, room);
            }
        }
        Action::Replace => {
            for field in &change.fields {
                let decisive = forces(&change.address, &field.path);
                render_field(shown, field, decisive, room);
            }
        }
        Action::Delete => {
            if let Some(parent) = &change.deleted_with {
                let with = format!("with {}", inline(&parent.to_string()));
                line(shown, &format!("    {}", paint(FAINT, with)));
            }
            let gone: Vec<String> = folded
                .iter()
                .filter(|(_, root)| **root == &change.address)
                .map(|(address, _)| inline(&address.to_string()).into_owned())
                .collect();
            if !gone.is_empty() {
                for wrapped in wrap("with it: ", &gone, room) {
                    line(shown, &format!("    {}", paint(FAINT, wrapped)));
                }
            }
        }
        Action::Keep | Action::Tighten => {}
    }
}

/// `items` after `lead`, separated by commas, in lines that fit; at most three unless verbose.
fn wrap(lead: &str, items: &[String], room: Room) -> Vec<String> {
    let width = room.width.saturating_sub(4).max(20);
    let mut lines = vec![lead.to_owned()];
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { ", " } else { "" };
        let current = lines.last().map_or(0, |line| text::width(line));
        if current + text::width(item) + 1 > width && current > text::width(lead) {
            if lines.len() == 3 && room.verbose == 0 {
                let more = format!("and {} more", items.len() - index);
                lines.push(format!("{:1$}{more}", "", text::width(lead)));
                break;
            }
            lines.push(" ".repeat(text::width(lead)));
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(item);
            line.push_str(comma);
        }
    }
    lines
        .into_iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn render_created(shown: &mut String, field: &FieldChange, room: Room) {
    let path = inline(&field.path);
    let value = value(field.after.as_ref(), field.secret);
    let value = fit(&value, path.len() + 6, room);
    line(shown, &format!("    {}: {value}", paint(FAINT, path)));
}

fn render_field(shown: &mut String, field: &FieldChange, forced: bool, room: Room) {
    let path = inline(&field.path);
    let why = [
        (forced, CHANGED, "forces the replacement"),
        (field.is_outside, LOUD, "changed outside"),
    ]
    .into_iter()
    .filter(|(is_so, ..)| *is_so)
    .fold(String::new(), |why, (_, style, words)| {
        why + "  " + &paint(style, words)
    });
    let (before, after) = (field.before.as_ref(), field.after.as_ref());
    if let Some((sign, style, only)) = match (before, after) {
        (None, after) => Some(("+", ADDED, after)),
        (before, None) => Some(("-", REMOVED, before)),
        _ => None,
    } {
        let value = value(only, field.secret);
        let value = fit(&value, text::width(&path) + 6, room);
        let sign = paint(style, sign);
        line(
            shown,
            &format!("  {sign} {path}: {}{why}", paint(style, value)),
        );
        return;
    }
    let (old, new) = (value(before, field.secret), value(after, field.secret));
    let room_for_line = room.width.saturating_sub(text::width(&path) + 10);
    if text::width(&old) + text::width(&new) <= room_for_line {
        line(
            shown,
            &format!(
                "    {path}: {} -> {}{why}",
                paint(REMOVED, old),
                paint(ADDED, new)
            ),
        );
        return;
    }
    line(shown, &format!("    {path}:{why}"));
    if field.secret || after.is_some_and(is_unknown) {
        line(
            shown,
            &format!("      {} {}", paint(REMOVED, "-"), fit(&old, 8, room)),
        );
        line(
            shown,
            &format!("      {} {}", paint(ADDED, "+"), fit(&new, 8, room)),
        );
        return;
    }
    let columns = room.width.saturating_sub(8).max(30);
    for part in long(before, after, columns, room.verbose > 1) {
        match part {
            Long::Removed(excerpt) => {
                let (lead, changed, trail) = excerpt.safe();
                let changed = paint(REMOVED, changed);
                line(
                    shown,
                    &format!("      {} {lead}{changed}{trail}", paint(REMOVED, "-")),
                );
            }
            Long::Added(excerpt) => {
                let (lead, changed, trail) = excerpt.safe();
                let changed = paint(ADDED, changed);
                line(
                    shown,
                    &format!("      {} {lead}{changed}{trail}", paint(ADDED, "+")),
                );
            }
            Long::Said(words) => line(shown, &format!("        {}", paint(FAINT, words))),
        }
    }
}

/// A value in one line. A secret one isn't looked at.
fn value(value: Option<&Value>, secret: bool) -> String {
    match value {
        _ if secret => "(hidden)".to_owned(),
        None => "(none)".to_owned(),
        Some(value) if is_unknown(value) => "(known after apply)".to_owned(),
        Some(value) => inline(&value.to_string()).into_owned(),
    }
}

fn fit(value: &str, taken: usize, room: Room) -> String {
    if room.verbose > 1 {
        return value.to_owned();
    }
    text::cut(value, room.width.saturating_sub(taken).max(20)).into_owned()
}

fn address(change: &Change) -> String {
    inline(&change.address.to_string()).into_owned()
}
