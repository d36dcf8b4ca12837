//! The pictures above the tables: a number, and how it went over the window.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style},
    text::{Line, Span},
    widgets::{Sparkline, SparklineBar},
};

use super::{
    Live, of_handler, open_over_time,
    view::{FAINT, LOUD, STRONG},
};
use crate::{
    observe::{CountedBy, series::Point, status::Measured},
    report::status::number,
    stack::figures::{Part, Unit},
};

/// A picture with what it comes to.
struct Panel {
    title: &'static str,
    value: String,
    style: Style,
    points: Vec<Option<f64>>,
    color: Color,
}

/// Draws the four pictures side by side.
pub fn panels(frame: &mut Frame<'_>, area: Rect, live: &Live) {
    let all = [
        connections(live),
        messages(live),
        latency(live),
        errors(live),
    ];
    let areas: [Rect; 4] = Layout::horizontal([Constraint::Ratio(1, 4); 4]).areas(area);
    for (panel, area) in all.into_iter().zip(areas) {
        let [title, value, curve] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(0),
        ])
        .areas(inset(area));
        frame.render_widget(Line::from(Span::styled(panel.title, FAINT)), title);
        frame.render_widget(Line::from(Span::styled(panel.value, panel.style)), value);
        frame.render_widget(
            Sparkline::default()
                .data(bars(&panel.points, usize::from(curve.width)))
                .max(SCALE)
                .style(Style::new().fg(panel.color)),
            curve,
        );
    }
}

/// A column free at each side.
fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    }
}

const SCALE: u64 = 1000;

/// Values as heights, as many as there are columns: the most of those that share one.
fn bars(points: &[Option<f64>], columns: usize) -> Vec<SparklineBar> {
    let most = points.iter().flatten().copied().fold(0.0, f64::max);
    let count = points.len().max(1);
    (0..columns)
        .map(|column| {
            let from = column * count / columns.max(1);
            let to = ((column + 1) * count).div_ceil(columns.max(1)).min(count);
            let here = points.get(from..to).unwrap_or_default();
            let value = here.iter().flatten().copied().reduce(f64::max);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of the scale"
            )]
            let height = value.map(|value| {
                if most > 0.0 {
                    (value / most * SCALE as f64).clamp(0.0, SCALE as f64) as u64
                } else {
                    0
                }
            });
            SparklineBar::from(height.unwrap_or(0))
        })
        .collect()
}

fn connections(live: &Live) -> Panel {
    let pulse = &live.pulse;
    let points = |key: &str| pulse.figure(&Part::Connections, key).map(|one| &one.points);
    let curve = match (
        pulse.open,
        points("connections-opened"),
        points("connections-closed"),
        &live.window,
    ) {
        (Some(open), Some(opened), Some(closed), Some((window, period_s))) => {
            open_over_time(open, opened, closed, window, *period_s)
        }
        _ => Vec::new(),
    };
    let value = match pulse.open {
        None => "-".to_owned(),
        Some(open) => match open.source {
            CountedBy::Registry => format!("{} open", open.count),
            CountedBy::RegistryAtLeast => format!("{}+ open", open.count),
            CountedBy::Metrics => format!("about {} open", open.count),
        },
    };
    Panel {
        title: "connections",
        value,
        style: STRONG,
        points: curve.into_iter().map(Some).collect(),
        color: Color::Cyan,
    }
}

fn messages(live: &Live) -> Panel {
    let rate = |key: &str| {
        let sum = live.pulse.value(&Part::Messages, key)?;
        let (window, _) = live.window?;
        Some(sum / window.minutes())
    };
    let shown =
        |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    Panel {
        title: "messages a minute",
        value: format!(
            "in {} out {}",
            shown(rate("messages-in")),
            shown(rate("messages-out"))
        ),
        style: STRONG,
        points: curve(live, &Part::Messages, &["messages-in"]),
        color: Color::Blue,
    }
}

fn latency(live: &Live) -> Panel {
    let value = |key: &str| {
        let value = live.pulse.value(&Part::Messages, key);
        number(value, Unit::Milliseconds)
    };
    Panel {
        title: "frame to push",
        value: format!("p95 {}", value("message-latency-p95")),
        style: STRONG,
        points: percentile(live, "message-latency-p95"),
        color: Color::Magenta,
    }
}

fn errors(live: &Live) -> Panel {
    let pulse = &live.pulse;
    let api = ["client-errors", "integration-errors", "execution-errors"];
    let of_api: f64 = api
        .iter()
        .filter_map(|key| pulse.value(&Part::Errors, key))
        .fold(0.0, |sum, value| sum + value);
    let handlers = pulse.handlers();
    let of_handlers: f64 = handlers
        .iter()
        .filter_map(|name| pulse.value(&of_handler(name), "errors"))
        .fold(0.0, |sum, value| sum + value);
    let mut points = curve(live, &Part::Errors, &api);
    for name in &handlers {
        add(&mut points, &curve(live, &of_handler(name), &["errors"]));
    }
    let is_bad = of_api + of_handlers > 0.0;
    Panel {
        title: "errors",
        value: format!("api {of_api:.0} handlers {of_handlers:.0}"),
        style: if is_bad { LOUD } else { STRONG },
        points,
        color: Color::Red,
    }
}

/// What some figures of a part came to together, period by period.
fn curve(live: &Live, part: &Part, keys: &[&str]) -> Vec<Option<f64>> {
    let mut sum = Vec::new();
    for key in keys {
        if let Some(measured) = live.pulse.figure(part, key) {
            add(&mut sum, &by_period(live, measured, Some(0.0)));
        }
    }
    sum
}

fn percentile(live: &Live, key: &str) -> Vec<Option<f64>> {
    let measured = live.pulse.figure(&Part::Messages, key);
    measured.map_or_else(Vec::new, |measured| by_period(live, measured, None))
}

fn by_period(live: &Live, measured: &Measured, otherwise: Option<f64>) -> Vec<Option<f64>> {
    let Some((window, period_s)) = &live.window else {
        return Vec::new();
    };
    let step = i64::from((*period_s).max(1));
    let periods = window.periods(*period_s);
    let mut values = vec![otherwise; periods];
    for Point { at, value } in &measured.points {
        let index = (at.as_second() - window.since.as_second()).div_euclid(step);
        if let Some(slot) = usize::try_from(index)
            .ok()
            .and_then(|index| values.get_mut(index))
        {
            *slot = Some(*value);
        }
    }
    values
}

fn add(sum: &mut Vec<Option<f64>>, more: &[Option<f64>]) {
    if sum.len() < more.len() {
        sum.resize(more.len(), Some(0.0));
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = Some(sum.unwrap_or(0.0) + more.unwrap_or(0.0));
    }
}
