//! Figures as pictures: which go into one, and their scales. The terminal's picture; `svg` draws the file's.

use jiff::{Timestamp, tz::TimeZone};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    symbols::Marker,
    text::Line,
    widgets::{Axis, Chart, Dataset, GraphType, Widget},
};

use super::{
    series::Curves,
    status::number,
    text::{FAINT, STRONG, inline, paint},
};
use crate::stack::figures::{Part, Unit};

/// The colours of lines, in order; told apart on dark and on light ground.
pub const COLORS: [Color; 6] = [
    Color::Cyan,
    Color::Magenta,
    Color::Yellow,
    Color::Green,
    Color::Blue,
    Color::Red,
];

/// Figures that share a picture: of one kind and unit.
pub struct Panel {
    /// What they are.
    pub title: String,
    /// Their unit.
    pub unit: Unit,
    /// Them, with a value for each period.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
}

/// The pictures of some figures, in the figures' order.
pub fn panels(curves: &Curves) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for measured in &curves.figures {
        let figure = &measured.figure;
        let what = match &figure.part {
            Part::Connections => "connections".to_owned(),
            Part::Messages => "messages".to_owned(),
            Part::Errors => "errors".to_owned(),
            Part::Handler(name) => name.clone(),
            Part::Queue(name) => format!("queue {name}"),
        };
        let unit = match figure.unit {
            Unit::Count => "",
            Unit::Milliseconds => ", ms",
            Unit::Seconds => ", s",
        };
        let title = format!("{what}{unit}");
        let line = (figure.name(), curves.values(measured));
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.lines.push(line),
            None => panels.push(Panel {
                title,
                unit: figure.unit,
                lines: vec![line],
            }),
        }
    }
    panels
}

impl Panel {
    /// The end of the scale: the first round number that nothing exceeds.
    pub fn top(&self) -> f64 {
        let most = self
            .lines
            .iter()
            .flat_map(|(_, values)| values.iter().flatten())
            .copied()
            .fold(0.0, f64::max);
        round_up(most)
    }
}

/// The next of 1, 2, 5, 10, 20, 50, ...
pub fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 1.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|top| *top >= value)
        .unwrap_or(10.0 * power)
}

/// The pictures, one below the other, `width` columns wide.
pub fn render(curves: &Curves, width: usize, height: usize) -> String {
    let mut shown = String::new();
    for panel in panels(curves) {
        shown.push_str(&paint(STRONG, inline(&panel.title)));
        for (index, (name, _)) in panel.lines.iter().enumerate() {
            let style =
                ansi(COLORS[index % COLORS.len()]).map_or(FAINT, anstyle::AnsiColor::on_default);
            shown.push_str("  ");
            shown.push_str(&paint(style, inline(name)));
        }
        shown.push('\n');
        shown.push_str(&text(&chart(&panel, curves, width, height)));
    }
    shown
}

fn chart(panel: &Panel, curves: &Curves, width: usize, height: usize) -> Buffer {
    let area = Rect::new(
        0,
        0,
        u16::try_from(width).unwrap_or(u16::MAX),
        u16::try_from(height).unwrap_or(u16::MAX),
    );
    let times = curves.times();
    let points: Vec<Vec<(f64, f64)>> = panel
        .lines
        .iter()
        .map(|(_, values)| {
            let points = times.iter().zip(values).filter_map(|(at, value)| {
                #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
                Some((at.as_second() as f64, (*value)?))
            });
            points.collect()
        })
        .collect();
    let datasets = panel
        .lines
        .iter()
        .zip(&points)
        .enumerate()
        .map(|(index, (_, points))| {
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(GraphType::Line)
                .style(Style::new().fg(COLORS[index % COLORS.len()]))
                .data(points)
        })
        .collect();
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let bounds = [
        curves.window.since.as_second() as f64,
        curves.window.until.as_second() as f64,
    ];
    let top = panel.top();
    let chart = Chart::new(datasets)
        // The names are in the title, where they hide nothing.
        .legend_position(None)
        .x_axis(
            Axis::default()
                .bounds(bounds)
                .labels([
                    clock(curves.window.since),
                    clock(middle(curves)),
                    clock(curves.window.until),
                ])
                .style(Style::new().fg(Color::DarkGray)),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, top])
                .labels([
                    Line::from("0"),
                    Line::from(number(Some(top / 2.0), panel.unit)),
                    Line::from(number(Some(top), panel.unit)),
                ])
                .style(Style::new().fg(Color::DarkGray)),
        );
    let mut buffer = Buffer::empty(area);
    chart.render(area, &mut buffer);
    buffer
}

fn middle(curves: &Curves) -> Timestamp {
    let (since, until) = (curves.window.since, curves.window.until);
    let middle = i64::midpoint(since.as_second(), until.as_second());
    Timestamp::from_second(middle).unwrap_or(since)
}

fn clock(at: Timestamp) -> String {
    let zoned = at.to_zoned_datetime(TimeZone::system());
    zoned.strftime("%H:%M").to_string()
}

/// A buffer as lines with colours.
fn text(buffer: &Buffer) -> String {
    let mut shown = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut color = Color::Reset;
        for x in 0..buffer.area.width {
            let Some(cell) = buffer.cell((x, y)) else {
                continue;
            };
            if cell.fg != color {
                row.push_str(&anstyle::Reset.to_string());
                if let Some(fg) = ansi(cell.fg) {
                    row.push_str(&fg.on_default().to_string());
                }
                color = cell.fg;
            }
            row.push_str(cell.symbol());
        }
        let reset = if color == Color::Reset {
            String::new()
        } else {
            anstyle::Reset.to_string()
        };
        shown.push_str(row.trim_end());
        shown.push_str(&reset);
        shown.push('\n');
    }
    shown
}

fn ansi(color: Color) -> Option<anstyle::AnsiColor> {
    use anstyle::AnsiColor;
    Some(match color {
        Color::Cyan => AnsiColor::Cyan,
        Color::Magenta => AnsiColor::Magenta,
        Color::Yellow => AnsiColor::Yellow,
        Color::Green => AnsiColor::Green,
        Color::Blue => AnsiColor::Blue,
        Color::Red => AnsiColor::Red,
        Color::DarkGray => AnsiColor::BrightBlack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::report::series::tests::{curves, measured};

    #[test]
    fn a_scale_ends_at_a_round_number_that_nothing_exceeds() {
        for (most, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (3.0, 5.0),
            (50.0, 50.0),
            (51.0, 100.0),
            (999.0, 1000.0),
            (f64::NAN, 1.0),
        ] {
            assert!((round_up(most) - top).abs() < 1e-9, "{most}");
        }
    }

    #[test]
    fn figures_of_one_kind_and_unit_share_a_picture() {
        let curves = curves(
            vec![
                measured("messages-in", "Sum", &[(0, 1.0)]),
                measured("latency-p50", "p50", &[(0, 1.0)]),
                measured("messages-out", "Sum", &[(0, 1.0)]),
            ],
            2,
        );
        let titles: Vec<(String, usize)> = panels(&curves)
            .into_iter()
            .map(|panel| (panel.title, panel.lines.len()))
            .collect();
        assert_eq!(
            titles,
            [("messages".to_owned(), 2), ("messages, ms".to_owned(), 1)]
        );
    }

    #[test]
    fn a_picture_has_its_title_its_scale_and_no_line_that_is_too_wide() {
        let points: Vec<(i64, f64)> = (0..30)
            .map(|minute| (minute, f64::from(u8::try_from(minute % 7).unwrap())))
            .collect();
        let curves = curves(vec![measured("messages-in", "Sum", &points)], 30);
        let shown = strip_str(&render(&curves, 60, 8)).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 9, "{shown}");
        assert_eq!(lines[0], "messages  messages-in");
        assert!(lines[1].trim_start().starts_with("10"), "{shown}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= 60),
            "{shown}"
        );
        assert!(
            shown
                .chars()
                .any(|c| ('\u{2801}'..='\u{28ff}').contains(&c))
        );
    }

    #[test]
    fn no_size_is_too_small_for_a_picture() {
        let curves = curves(vec![measured("messages-in", "Sum", &[(0, 1.0)])], 2);
        for (width, height) in [(0, 0), (1, 1), (5, 2), (20, 3)] {
            let _ = render(&curves, width, height);
        }
    }
}
