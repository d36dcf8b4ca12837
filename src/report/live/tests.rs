//! How the live view looks, cell by cell, and what keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::{
    engine::properties::Text,
    manifest,
    observe::{Alarm, AlarmState, CountedBy, QueueDepth, series::Cost, status::Measured},
    stack::figures::{Figure, figures},
};

const MANIFEST: &str = r#"
    [project]
    name = "chat"
    [handlers.echo]
    [handlers.pong]
    [routes]
    "$default" = { handler = "echo" }
    ping = { handler = "pong", via = "direct" }
"#;

const NOON: i64 = 1_700_049_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn all_figures() -> Vec<Figure> {
    let file = std::sync::Arc::new(crate::diagnostic::SourceFile {
        path: "wsless.toml".into(),
        text: MANIFEST.into(),
    });
    let manifest = manifest::parse(&file, "dev").expect("a manifest").manifest;
    figures(&manifest, &Scope::example(), &Text::from("a1b2"))
}

/// An hour in which traffic rose and fell, a handler failed and a queue filled up.
fn busy() -> Live {
    let window = Window {
        since: at(NOON - 3600),
        until: at(NOON),
    };
    let wave = |minute: i64| {
        (f64::from(i32::try_from(minute).unwrap()) / 9.5)
            .sin()
            .abs()
    };
    let measured = all_figures()
        .into_iter()
        .map(|figure| {
            let height = match figure.name().as_str() {
                "connections-opened" | "connections-closed" => 4.0,
                "messages-in" | "messages-out" | "echo.invocations" => 60.0,
                "message-latency-p95" => 90.0,
                "echo.errors" | "execution-errors" => 2.0,
                _ => 0.0,
            };
            let points: Vec<Point> = (0..60)
                .map(|minute| Point {
                    at: at(NOON - 3600 + minute * 60),
                    value: (height * wave(minute)).round(),
                })
                .collect();
            let value = match figure.statistic {
                "Sum" => Some(points.iter().map(|point| point.value).sum()),
                "Maximum" => Some(3.0),
                _ if figure.name().starts_with("pong") => None,
                _ => Some(12.5),
            };
            Measured {
                figure,
                value,
                points,
            }
        })
        .collect();
    let queue = |queue: &str, waiting, in_flight| QueueDepth {
        queue: queue.to_owned(),
        waiting,
        in_flight,
    };
    let alarm = |name: &str, state, description: &str| Alarm {
        name: name.to_owned(),
        state,
        since: Some(at(NOON - 180)),
        description: description.to_owned(),
        reason: String::new(),
    };
    let pulse = Pulse {
        figures: measured,
        open: Some(Open {
            count: 12,
            source: CountedBy::Registry,
        }),
        queues: vec![
            queue("echo", 7, 2),
            queue("echo-dlq", 3, 0),
            queue("results", 0, 0),
            queue("results-dlq", 0, 0),
        ],
        alarms: vec![
            alarm(
                "echo-dead-letters",
                AlarmState::Alarm,
                "Some messages of echo failed every time and are in the dead-letter queue",
            ),
            alarm("echo-message-age", AlarmState::Unknown, ""),
            alarm("execution-errors", AlarmState::Ok, ""),
        ],
        cost: Cost { metrics: 59 },
        troubles: Vec::new(),
    };
    let mut live = Live::new(
        Scope::example(),
        Some("wss://a1b2.execute-api.eu-west-1.amazonaws.com/dev".into()),
        Moment::Ago(Duration::from_hours(1)),
        Duration::from_secs(10),
    );
    live.hourly = 0.0354;
    live.looked(pulse, window, 60, at(NOON + 1));
    live
}

/// What is on the screen, without colours.
fn shown(live: &Live, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| view::draw(frame, live, at(NOON + 5)))
        .expect("a frame");
    let buffer = terminal.backend().buffer().clone();
    let mut text = String::new();
    for row in buffer.content.chunks(usize::from(width)) {
        let row: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

fn press(live: &mut Live, code: KeyCode) -> Action {
    live.press(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn everything_is_on_a_screen_of_80_columns_and_24_rows() {
    insta::assert_snapshot!(shown(&busy(), 80, 24));
}

#[test]
fn a_large_screen_has_taller_pictures_and_no_more_words() {
    insta::assert_snapshot!(shown(&busy(), 200, 50));
}

#[test]
fn before_the_first_look_and_in_pause_it_says_so() {
    let mut live = Live::new(
        Scope::example(),
        None,
        Moment::Ago(Duration::from_mins(15)),
        Duration::from_secs(10),
    );
    assert!(shown(&live, 80, 24).contains("looking"));
    assert_eq!(press(&mut live, KeyCode::Char('p')), Action::None);
    let text = shown(&live, 80, 24);
    assert!(
        text.contains("paused") && text.contains("last 15m"),
        "{text}"
    );
    assert_eq!(press(&mut live, KeyCode::Char('p')), Action::Look);
}

#[test]
fn what_could_not_be_read_is_told_above_the_keys() {
    let mut live = busy();
    live.pulse.troubles = vec![
        Diagnostic::error("x", "not allowed: cloudwatch:GetMetricData"),
        Diagnostic::error("x", "second"),
    ];
    let text = shown(&live, 80, 24);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[22],
        " not allowed: cloudwatch:GetMetricData (and 1 more)"
    );
}

#[test]
fn keys_choose_the_window() {
    let mut live = busy();
    assert_eq!(press(&mut live, KeyCode::Char('2')), Action::None);
    assert_eq!(press(&mut live, KeyCode::Char('4')), Action::Look);
    assert_eq!(live.window_name(), "1d");
    assert_eq!(press(&mut live, KeyCode::Char('+')), Action::None);
    assert_eq!(press(&mut live, KeyCode::Char('-')), Action::Look);
    assert_eq!(live.window_name(), "6h");
    live.since = Moment::Ago(Duration::from_mins(90));
    assert_eq!(live.window_name(), "90m");
    assert_eq!(press(&mut live, KeyCode::Char('-')), Action::Look);
    assert_eq!(live.window_name(), "1h");
}

#[test]
fn enter_opens_the_chosen_handlers_logs_and_escape_closes_them() {
    let mut live = busy();
    press(&mut live, KeyCode::Down);
    assert_eq!(press(&mut live, KeyCode::Enter), Action::Logs);
    assert_eq!(live.shown_handler(), Some("pong"));
    assert!(shown(&live, 80, 24).contains("logs of pong"));
    let line = |second: i64, text: &str| LogLine::new(at(NOON + second), "pong", text);
    // What was asked for before isn't what is shown.
    live.logged("echo", Ok(vec![line(0, "of another")]));
    let mut lines = vec![line(0, "{\"_aws\":{}}"), line(0, "START RequestId: 1")];
    lines.extend((0..50).map(|i| line(i, &format!("line {i}\u{1b}[2J"))));
    live.logged("pong", Ok(lines));
    let text = shown(&live, 80, 24);
    assert!(
        text.contains("line 49\u{241b}[2J") && !text.contains("line 20"),
        "{text}"
    );
    assert!(
        !text.contains("of another") && !text.contains("_aws"),
        "{text}"
    );
    assert_eq!(press(&mut live, KeyCode::Char('q')), Action::None);
    assert_eq!(live.pane, Pane::None);
    assert_eq!(press(&mut live, KeyCode::Char('q')), Action::Quit);
}

#[test]
fn ctrl_c_ends_it_wherever_it_is() {
    let mut live = busy();
    press(&mut live, KeyCode::Enter);
    let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(live.press(key), Action::Quit);
}

#[test]
fn help_lies_over_the_figures() {
    let mut live = busy();
    press(&mut live, KeyCode::Char('?'));
    insta::assert_snapshot!(shown(&live, 80, 24));
    press(&mut live, KeyCode::Char('?'));
    assert_eq!(live.pane, Pane::None);
}

#[test]
fn the_connections_of_before_follow_from_those_of_now() {
    let window = Window {
        since: at(NOON - 180),
        until: at(NOON),
    };
    let points = |values: [f64; 3]| -> Vec<Point> {
        let starts = [-180, -120, -60];
        starts
            .into_iter()
            .zip(values)
            .map(|(second, value)| Point {
                at: at(NOON + second),
                value,
            })
            .collect()
    };
    let open = Open {
        count: 5,
        source: CountedBy::Registry,
    };
    let counts = open_over_time(
        open,
        &points([2.0, 3.0, 4.0]),
        &points([0.0, 1.0, 3.0]),
        &window,
        60,
    );
    // 5 now; 4 opened and 3 closed in the last minute; before, 3 and 1.
    let expected = [2.0, 4.0, 5.0];
    assert!(
        counts
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-9),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn no_size_and_no_keys_break_it(
        width in 1_u16..220,
        height in 1_u16..60,
        keys in prop::collection::vec(prop::sample::select(vec![
            KeyCode::Char('p'), KeyCode::Char('?'), KeyCode::Char('+'), KeyCode::Char('-'), KeyCode::Up,
            KeyCode::Down, KeyCode::Enter, KeyCode::Esc, KeyCode::Char('3'), KeyCode::F(5),
        ]), 0..12),
    ) {
        let mut live = busy();
        for key in keys {
            press(&mut live, key);
        }
        let text = shown(&live, width, height);
        prop_assert_eq!(text.lines().count(), usize::from(height));
    }
}
