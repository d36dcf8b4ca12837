//! A plan for a pull request's comment, in GitHub's Markdown.
//!
//! What the cloud says stands in a code block whose fence is longer than any within: nothing in it is Markdown or a
//! mention.

use std::fmt::Write;

use anstream::adapter::strip_str;

use super::plan::{self, Forces, Room};
use crate::engine::plan::{Action, Plan};

/// The characters that a comment can have [GitHub: 65,536], less what stands around the plan.
const MOST: usize = 60_000;

/// The plan under a title, with a newline at its end.
pub fn render(plan: &Plan, forces: Forces<'_>, room: Room, title: &str) -> String {
    let shown = strip_str(&plan::render(plan, forces, room)).to_string();
    let (mut lines, mut closing): (Vec<&str>, &str) = (shown.lines().collect(), "");
    if let Some(last) = lines.pop() {
        closing = last;
    }
    let mut text = format!("### wsless: {title}\n\n**{closing}**\n");
    for change in plan.effective() {
        if change.data_at_risk.is_some() {
            text.push_str("\n> [!WARNING]\n> Data would be lost: look for it below.\n");
            break;
        }
    }
    if plan.is_empty() {
        return text;
    }
    let mut body = String::new();
    let mut left_out = 0;
    for line in lines.iter().map(|line| line.trim_end()) {
        if body.len() + line.len() > MOST {
            left_out += 1;
            continue;
        }
        body.push_str(&coloured(line));
        body.push('\n');
    }
    if left_out > 0 {
        // Writing to a string doesn't fail.
        let _ = writeln!(body, "({left_out} more lines: `wsless plan` shows them)");
    }
    let fence = "`".repeat(longest_run(&body, '`').max(2) + 1);
    let open = if plan.count(Action::Delete) + plan.count(Action::Replace) > 0 {
        " open"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "\n<details{open}><summary>What changes</summary>\n\n{fence}diff\n{}\n{fence}\n\n</details>",
        body.trim_end()
    );
    text
}

/// A line whose first character gives it a colour: only `+`, `-` and `!` have one.
fn coloured(line: &str) -> String {
    for (sign, instead) in [
        ("~ ", "! "),
        ("-/+ ", "! "),
        ("  + ", "+   "),
        ("  - ", "-   "),
    ] {
        if let Some(rest) = line.strip_prefix(sign) {
            return format!("{instead}{rest}");
        }
    }
    line.to_owned()
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|character| character != of)
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::{
        address::Address,
        plan::{Change, FieldChange},
    };

    fn change(action: Action, kind: &'static str, name: &str, after: &str) -> Change {
        Change {
            address: Address::new(kind, name),
            action,
            fields: vec![FieldChange {
                path: "template".to_owned(),
                before: Some(json!("old")),
                after: Some(json!(after)),
                secret: false,
                is_outside: false,
            }],
            observed: None,
            deleted_with: None,
            data_at_risk: None,
            is_gone: false,
        }
    }

    fn shown(plan: &Plan) -> String {
        let room = Room {
            width: 100,
            verbose: 0,
        };
        render(plan, &|_, _| false, room, "chat in prod")
    }

    #[test]
    fn a_plan_is_a_coloured_block_that_nothing_in_it_can_leave() {
        let plan = Plan {
            changes: vec![
                change(Action::Create, "queue", "echo", "x"),
                change(
                    Action::Update,
                    "integration",
                    "queue:echo",
                    "````\n@everyone",
                ),
            ],
        };
        let text = shown(&plan);
        assert!(
            text.starts_with("### wsless: chat in prod\n\n**Plan: 1 to create, 1 to change"),
            "{text}"
        );
        assert!(text.contains("\n+ queue/echo\n"), "{text}");
        assert!(text.contains("\n! integration/queue:echo\n"), "{text}");
        let fences = text
            .lines()
            .filter(|line| line.starts_with("`````"))
            .count();
        assert_eq!(fences, 2, "{text}");
    }

    #[test]
    fn nothing_to_change_is_one_line_and_a_long_plan_fits_a_comment() {
        assert_eq!(
            shown(&Plan::default()),
            "### wsless: chat in prod\n\n**Nothing to change: there is no resource**\n"
        );
        let many = Plan {
            changes: (0..5_000)
                .map(|number| {
                    change(
                        Action::Create,
                        "route",
                        &format!("route-number-{number}"),
                        "x",
                    )
                })
                .collect(),
        };
        let text = shown(&many);
        assert!(text.chars().count() < 65_536, "{}", text.len());
        assert!(text.contains("more lines"));
    }
}
