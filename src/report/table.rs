//! Tables without lines: columns that fit the terminal.

use comfy_table::{ContentArrangement, Table, presets};

use super::text::{STRONG, inline, paint};

/// The table for people, with a newline at its end. Cells stay within a line unless they don't fit `width`.
pub fn render<H: AsRef<str>, C: AsRef<str>>(
    headers: &[H],
    rows: &[Vec<C>],
    width: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(
        headers
            .iter()
            .map(|header| inline(header.as_ref()).to_uppercase()),
    );
    for row in rows {
        table.add_row(row.iter().map(|cell| inline(cell.as_ref()).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut shown = String::new();
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if index == 0 {
            shown.push_str(&paint(STRONG, line));
        } else {
            shown.push_str(line);
        }
        shown.push('\n');
    }
    shown
}
