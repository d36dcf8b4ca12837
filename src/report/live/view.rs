//! How a live view looks: a function of what it shows, the time and the size.

use anstream::adapter::strip_str;
use jiff::{Timestamp, tz::TimeZone};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Table, TableState, Wrap},
};

use super::{Live, Pane, WINDOWS, of_handler, panels::panels};
use crate::{
    observe::{AlarmState, Level, LogLine},
    report::{
        log,
        status::{ago, number},
        text::{cut, inline},
    },
    stack::figures::{Part, Unit},
};

pub const FAINT: Style = Style::new().fg(Color::DarkGray);
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub const LOUD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const WARNED: Style = Style::new().fg(Color::Yellow);

/// From so many rows on, pictures are taller.
const TALL: u16 = 36;
/// From so many columns on, there's room for the endpoint.
const WIDE: u16 = 160;
/// Wider tables would part names from their numbers.
const TABLE: u16 = 100;
/// Alarms that are shown one a row.
const ALARM_ROWS: usize = 5;

/// Draws the view.
pub fn draw(frame: &mut Frame<'_>, live: &Live, now: Timestamp) {
    let area = frame.area();
    if area.width < 20 || area.height < 5 {
        frame.render_widget(Paragraph::new("too small"), area);
        return;
    }
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    head(frame, top, live, now);
    match &live.pane {
        Pane::Logs {
            handler,
            lines,
            trouble,
        } => {
            let trouble = trouble.as_ref().map(|trouble| trouble.message.as_str());
            logs(frame, body, handler, lines.as_deref(), trouble);
        }
        Pane::None | Pane::Help => figures(frame, body, live, now),
    }
    foot(frame, bottom, live);
    if live.pane == Pane::Help {
        help(frame, area);
    }
}

fn head(frame: &mut Frame<'_>, area: Rect, live: &Live, now: Timestamp) {
    let scope = &live.scope;
    let mut left = vec![
        Span::styled(format!(" {} {}", scope.project, scope.stage), STRONG),
        Span::raw(format!(
            "  {}  last {}",
            scope.identity.region,
            live.window_name()
        )),
    ];
    if let Some(endpoint) = live.endpoint.as_ref().filter(|_| area.width >= WIDE) {
        left.push(Span::styled(format!("  {}", inline(endpoint)), FAINT));
    }
    let alarms = live
        .pulse
        .alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .count();
    if alarms > 0 {
        let word = if alarms == 1 { "alarm" } else { "alarms" };
        left.push(Span::styled(format!("  {alarms} {word}"), LOUD));
    }
    let state = match (live.paused, live.seen) {
        (true, _) => Span::styled("paused ", WARNED),
        (false, None) => Span::styled("looking ", FAINT),
        (false, Some(seen)) => {
            let busy = if live.busy { ", looking" } else { "" };
            Span::styled(format!("{} ago{busy} ", ago(now, seen)), FAINT)
        }
    };
    let left = Line::from(left);
    let cost = format!(
        "{} metrics, ${:.2} an hour  ",
        live.pulse.cost.metrics, live.hourly
    );
    let mut right = vec![state];
    let taken = left.width() + cost.len() + right[0].width();
    if live.seen.is_some() && taken < usize::from(area.width) {
        right.insert(0, Span::styled(cost, FAINT));
    }
    frame.render_widget(left, area);
    frame.render_widget(Line::from(right).alignment(Alignment::Right), area);
}

fn foot(frame: &mut Frame<'_>, area: Rect, live: &Live) {
    let keys = match live.pane {
        Pane::Logs { .. } => " Esc back",
        Pane::None | Pane::Help => {
            " q quit  p pause  1-4 window  \u{2191}\u{2193} handler  Enter logs  ? help"
        }
    };
    frame.render_widget(Line::from(Span::styled(keys, FAINT)), area);
}

fn figures(frame: &mut Frame<'_>, area: Rect, live: &Live, now: Timestamp) {
    let pictures = if area.height >= TALL { 9 } else { 4 };
    let troubles = u16::from(!live.pulse.troubles.is_empty());
    let on: Vec<_> = live
        .pulse
        .alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .collect();
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let handlers = 1 + rows(live.pulse.handlers().len());
    let queues = 1 + rows(live.pulse.queue_names().len());
    let alarms = 1 + rows(on.len().min(ALARM_ROWS));
    let wanted = pictures + handlers + queues + alarms + troubles;
    let gap = u16::from(area.height >= wanted + 3);
    // What doesn't fit goes from the handlers first: their rows can be moved through.
    let [curves, _, first, _, second, _, third, _, fourth] = Layout::vertical([
        Constraint::Length(pictures.min(area.height)),
        Constraint::Length(gap),
        Constraint::Max(handlers),
        Constraint::Length(gap),
        Constraint::Length(queues.min(area.height / 4)),
        Constraint::Length(gap),
        Constraint::Length(alarms),
        // What is left over is above the trouble, which stands at the edge.
        Constraint::Min(0),
        Constraint::Length(troubles),
    ])
    .areas(area);
    panels(frame, curves, live);
    handler_rows(frame, first, live);
    queue_rows(frame, second, live);
    alarm_rows(frame, third, live, now);
    if let Some(trouble) = live.pulse.troubles.first() {
        let more = live.pulse.troubles.len() - 1;
        let more = if more > 0 {
            format!(" (and {more} more)")
        } else {
            String::new()
        };
        let text = format!(" {}{more}", inline(&trouble.message));
        frame.render_widget(Line::from(Span::styled(text, LOUD)), fourth);
    }
}

fn handler_rows(frame: &mut Frame<'_>, area: Rect, live: &Live) {
    let pulse = &live.pulse;
    let rows = pulse.handlers().into_iter().map(|name| {
        let part = of_handler(name);
        let of = |key: &str| {
            let measured = pulse.figure(&part, key);
            let value = measured.and_then(|one| one.value);
            let unit = measured.map_or(Unit::Count, |one| one.figure.unit);
            let is_bad = matches!(key, "errors" | "throttles") && value.unwrap_or(0.0) > 0.0;
            right(
                number(value, unit),
                if is_bad { LOUD } else { Style::new() },
            )
        };
        Row::new(vec![
            Cell::from(format!(" {}", inline(name))),
            of("invocations"),
            of("errors"),
            of("throttles"),
            of("duration-p50"),
            of("duration-p95"),
            of("duration-p99"),
        ])
    });
    let titles = ["invocations", "errors", "throttles", "p50", "p95", "p99"];
    let table = Table::new(rows, widths([11, 7, 9, 8, 8, 8]))
        .header(header(" handler", titles))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(Some(live.chosen));
    frame.render_stateful_widget(table, narrow(area), &mut state);
}

fn queue_rows(frame: &mut Frame<'_>, area: Rect, live: &Live) {
    let pulse = &live.pulse;
    let rows = pulse.queue_names().into_iter().map(|name| {
        let part = Part::Queue(name.to_owned());
        let held = pulse.queue(name);
        let dead = pulse.queue(&format!("{name}-dlq")).map(|dead| dead.waiting);
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |c| c.to_string());
        let plain = |text: String| right(text, Style::new());
        let of = |key: &str, unit| plain(number(pulse.value(&part, key), unit));
        let dead_style = if dead.unwrap_or(0) > 0 {
            LOUD
        } else {
            Style::new()
        };
        Row::new(vec![
            Cell::from(format!(" {}", inline(name))),
            plain(count(held.map(|held| held.waiting))),
            plain(count(held.map(|held| held.in_flight))),
            of("depth", Unit::Count),
            of("age", Unit::Seconds),
            right(count(dead), dead_style),
        ])
    });
    let titles = ["waiting", "in flight", "most", "longest", "dead"];
    let table = Table::new(rows, widths([11, 9, 9, 8, 8])).header(header(" queue", titles));
    frame.render_widget(table, narrow(area));
}

fn header<const N: usize>(first: &'static str, titles: [&'static str; N]) -> Row<'static> {
    let cells = titles.map(|title| right(title.to_owned(), FAINT));
    Row::new(std::iter::once(Cell::from(first)).chain(cells)).style(FAINT)
}

fn right(text: String, style: Style) -> Cell<'static> {
    Cell::from(Line::from(Span::styled(text, style)).alignment(Alignment::Right))
}

fn narrow(area: Rect) -> Rect {
    Rect {
        width: area.width.min(TABLE),
        ..area
    }
}

/// Names take what is left.
fn widths<const N: usize>(columns: [u16; N]) -> Vec<Constraint> {
    std::iter::once(Constraint::Min(10))
        .chain(columns.into_iter().map(Constraint::Length))
        .collect()
}

fn alarm_rows(frame: &mut Frame<'_>, area: Rect, live: &Live, now: Timestamp) {
    let alarms = &live.pulse.alarms;
    let count = |state| alarms.iter().filter(|alarm| alarm.state == state).count();
    let (on, fine, unknown) = (
        count(AlarmState::Alarm),
        count(AlarmState::Ok),
        count(AlarmState::Unknown),
    );
    let mut lines = vec![Line::from(vec![
        Span::styled(" alarms  ", FAINT),
        Span::styled(format!("{on} on"), if on > 0 { LOUD } else { Style::new() }),
        Span::styled(
            format!("  {fine} ok"),
            if on > 0 { Style::new() } else { GOOD },
        ),
        Span::styled(format!("  {unknown} without data"), FAINT),
    ])];
    for alarm in alarms
        .iter()
        .filter(|alarm| alarm.state == AlarmState::Alarm)
        .take(ALARM_ROWS)
    {
        let since = alarm.since.map_or_else(String::new, |at| ago(now, at));
        let name = Span::styled(format!(" {} ", inline(&alarm.name)), LOUD);
        let why = format!("{since}  {}", inline(&alarm.description));
        let room = usize::from(area.width).saturating_sub(name.width());
        let why = Span::raw(cut(&why, room).into_owned());
        lines.push(Line::from(vec![name, why]));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The last lines that fit.
fn logs(
    frame: &mut Frame<'_>,
    area: Rect,
    handler: &str,
    lines: Option<&[LogLine]>,
    trouble: Option<&str>,
) {
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(FAINT)
        .title(format!(" logs of {} ", inline(handler)));
    let room = usize::from(block.inner(area).height);
    let told = match (trouble, lines) {
        (Some(trouble), _) => vec![Line::from(Span::styled(inline(trouble).into_owned(), LOUD))],
        (None, None) => vec![Line::from(Span::styled(" reading", FAINT))],
        (None, Some(lines)) => {
            let told: Vec<Line<'_>> = lines
                .iter()
                .filter(|line| !line.content.is_noise())
                .map(log_line)
                .collect();
            if told.is_empty() {
                vec![Line::from(Span::styled(
                    " nothing in the last minutes",
                    FAINT,
                ))]
            } else {
                let from = told.len().saturating_sub(room);
                told.into_iter().skip(from).collect()
            }
        }
    };
    let mut text = Paragraph::new(told).block(block);
    if trouble.is_some() {
        text = text.wrap(Wrap { trim: false });
    }
    frame.render_widget(text, area);
}

fn log_line(line: &LogLine) -> Line<'static> {
    let text = strip_str(&log::words(&line.content, None)).to_string();
    let style = match line.content.level {
        Level::Error => Style::new().fg(Color::Red),
        Level::Warn => WARNED,
        Level::Info => Style::new(),
        Level::Debug => FAINT,
    };
    let at = line.at.to_zoned_datetime(TimeZone::system());
    Line::from(vec![
        Span::styled(at.strftime(" %H:%M:%S ").to_string(), FAINT),
        Span::styled(text, style),
    ])
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let windows: Vec<&str> = WINDOWS.iter().map(|(name, _)| *name).collect();
    let lines = [
        ("q", "quit".to_owned()),
        ("p, Space", "pause, and go on".to_owned()),
        ("r", "look now".to_owned()),
        ("1 to 4", format!("look back {}", windows.join(", "))),
        ("+ -", "look back further, less far".to_owned()),
        ("\u{2191} \u{2193}", "choose a handler".to_owned()),
        ("Enter", "its logs".to_owned()),
        ("Esc", "back".to_owned()),
        ("?", "this, and away again".to_owned()),
    ];
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let size = Rect {
        x: area.x + area.width.saturating_sub(48) / 2,
        y: area.y + area.height.saturating_sub(rows + 2) / 2,
        width: area.width.min(48),
        height: area.height.min(rows + 2),
    };
    let lines: Vec<Line<'_>> = lines
        .into_iter()
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!(" {key:<10}"), STRONG),
                Span::raw(what),
            ])
        })
        .collect();
    frame.render_widget(Clear, size);
    let block = Block::bordered().title(" keys ").border_style(FAINT);
    let text = Paragraph::new(lines)
        .block(block)
        .wrap(Wrap { trim: false });
    frame.render_widget(text, size);
}
