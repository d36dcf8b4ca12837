//! The live view of a stage: what it shows, and what keys do to that. Pure but for [`Screen`], which is the terminal.

mod panels;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::Timestamp;

pub use self::screen::{Input, Screen};
use crate::{
    diagnostic::Diagnostic,
    engine::scope::Scope,
    observe::{LogLine, Moment, Open, series::Point, status::Pulse, window::Window},
    stack::figures::Part,
};

/// The windows that a key chooses, and their names.
pub const WINDOWS: [(&str, Duration); 4] = [
    ("15m", Duration::from_mins(15)),
    ("1h", Duration::from_hours(1)),
    ("6h", Duration::from_hours(6)),
    ("1d", Duration::from_hours(24)),
];

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whose stage.
    pub scope: Scope,
    /// Where clients connect.
    pub endpoint: Option<String>,
    /// How far back it looks.
    pub since: Moment,
    /// The window that the figures are of, and the seconds of a period in it; nothing before the first look.
    pub window: Option<(Window, u32)>,
    /// The figures.
    pub pulse: Pulse,
    /// When the figures were read.
    pub seen: Option<Timestamp>,
    /// How often it looks.
    pub interval: Duration,
    /// What an hour of looking costs at AWS, in dollars.
    pub hourly: f64,
    /// Whether it has stopped looking.
    pub paused: bool,
    /// Whether it's looking now.
    pub busy: bool,
    /// Which handler is chosen.
    pub chosen: usize,
    /// What lies over the figures.
    pub pane: Pane,
}

/// What lies over the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    /// Nothing.
    #[default]
    None,
    /// What keys do.
    Help,
    /// A handler's logs.
    Logs {
        /// Whose.
        handler: String,
        /// The lines, in order; nothing until they've been read.
        lines: Option<Vec<LogLine>>,
        /// Why they couldn't be read.
        trouble: Option<Diagnostic>,
    },
}

/// What a key asks of whoever reads the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing more.
    None,
    /// To end.
    Quit,
    /// To look again at once.
    Look,
    /// To read the chosen handler's logs.
    Logs,
}

impl Live {
    /// A view of a stage, before the first look.
    pub fn new(scope: Scope, endpoint: Option<String>, since: Moment, interval: Duration) -> Self {
        Self {
            scope,
            endpoint,
            since,
            window: None,
            pulse: Pulse::default(),
            seen: None,
            interval,
            hourly: 0.0,
            paused: false,
            busy: false,
            chosen: 0,
            pane: Pane::None,
        }
    }

    /// Does what a key is for.
    pub fn press(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        // In raw mode a terminal sends no signal for it.
        let interrupts = key.modifiers.contains(KeyModifiers::CONTROL)
            && matches!(key.code, KeyCode::Char('c' | 'd'));
        if interrupts {
            return Action::Quit;
        }
        match key.code {
            KeyCode::Char('q') if self.pane == Pane::None => Action::Quit,
            KeyCode::Esc | KeyCode::Char('q') if self.pane != Pane::None => {
                self.pane = Pane::None;
                Action::None
            }
            KeyCode::Char('?' | 'h') => {
                self.pane = match self.pane {
                    Pane::Help => Pane::None,
                    _ => Pane::Help,
                };
                Action::None
            }
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                if self.paused {
                    Action::None
                } else {
                    Action::Look
                }
            }
            KeyCode::Char('r') => Action::Look,
            KeyCode::Char(digit @ '1'..='4') => {
                let index = digit.to_digit(10).unwrap_or(1) as usize - 1;
                self.look_back(index)
            }
            KeyCode::Char('+' | '=') => self.look_back(self.window_index(true)),
            KeyCode::Char('-') => self.look_back(self.window_index(false)),
            KeyCode::Up | KeyCode::Char('k') => self.choose(false),
            KeyCode::Down | KeyCode::Char('j') => self.choose(true),
            KeyCode::Enter => match self.chosen_handler() {
                Some(handler) => {
                    self.pane = Pane::Logs {
                        handler,
                        lines: None,
                        trouble: None,
                    };
                    Action::Logs
                }
                None => Action::None,
            },
            _ => Action::None,
        }
    }

    /// What looking came to.
    pub fn looked(&mut self, pulse: Pulse, window: Window, period_s: u32, at: Timestamp) {
        self.pulse = pulse;
        self.window = Some((window, period_s));
        self.seen = Some(at);
        self.busy = false;
        let handlers = self.pulse.handlers().len();
        self.chosen = self.chosen.min(handlers.saturating_sub(1));
    }

    /// A handler's lines, if they're still asked for.
    pub fn logged(&mut self, of: &str, read: Result<Vec<LogLine>, Diagnostic>) {
        if let Pane::Logs {
            handler,
            lines,
            trouble,
        } = &mut self.pane
            && handler == of
        {
            match read {
                Ok(read) => (*lines, *trouble) = (Some(read), None),
                Err(why) => *trouble = Some(why),
            }
        }
    }

    /// The handler whose logs are shown.
    pub fn shown_handler(&self) -> Option<&str> {
        match &self.pane {
            Pane::Logs { handler, .. } => Some(handler),
            Pane::None | Pane::Help => None,
        }
    }

    /// The window's name.
    pub fn window_name(&self) -> String {
        match self.since {
            Moment::At(at) => format!("since {at}"),
            Moment::Ago(ago) => WINDOWS
                .iter()
                .find(|(_, known)| *known == ago)
                .map_or_else(|| minutes(ago), |(name, _)| (*name).to_owned()),
        }
    }

    fn chosen_handler(&self) -> Option<String> {
        let handlers = self.pulse.handlers();
        handlers.get(self.chosen).map(|name| (*name).to_owned())
    }

    fn choose(&mut self, next: bool) -> Action {
        let last = self.pulse.handlers().len().saturating_sub(1);
        self.chosen = if next {
            (self.chosen + 1).min(last)
        } else {
            self.chosen.saturating_sub(1)
        };
        Action::None
    }

    fn look_back(&mut self, index: usize) -> Action {
        let Some((_, ago)) = WINDOWS.get(index) else {
            return Action::None;
        };
        let since = Moment::Ago(*ago);
        if since == self.since {
            return Action::None;
        }
        self.since = since;
        Action::Look
    }

    /// The next longer window, or the next shorter.
    fn window_index(&self, longer: bool) -> usize {
        let now = match self.since {
            Moment::Ago(ago) => ago,
            Moment::At(_) => Duration::from_hours(1),
        };
        let last = WINDOWS.len() - 1;
        if longer {
            let found = WINDOWS.iter().position(|(_, length)| *length > now);
            found.unwrap_or(last)
        } else {
            let found = WINDOWS.iter().rposition(|(_, length)| *length < now);
            found.unwrap_or(0)
        }
    }
}

fn minutes(ago: Duration) -> String {
    match ago.as_secs() / 60 {
        0 => format!("{}s", ago.as_secs()),
        minutes if minutes % 60 == 0 => format!("{}h", minutes / 60),
        minutes => format!("{minutes}m"),
    }
}

/// How many connections were open at the end of each period: those that are open now, less what opened and more what
/// closed since. An estimate: a connection whose closing was lost was open longer than this says.
pub fn open_over_time(
    open: Open,
    opened: &[Point],
    closed: &[Point],
    window: &Window,
    period_s: u32,
) -> Vec<f64> {
    let step = i64::from(period_s.max(1));
    let since = window.since.as_second();
    let periods = window.periods(period_s);
    let mut change = vec![0.0; periods];
    let mut add = |points: &[Point], sign: f64| {
        for point in points {
            let index = (point.at.as_second() - since).div_euclid(step);
            if let Some(slot) = usize::try_from(index)
                .ok()
                .and_then(|index| change.get_mut(index))
            {
                *slot += sign * point.value;
            }
        }
    };
    add(opened, 1.0);
    add(closed, -1.0);
    #[allow(clippy::cast_precision_loss, reason = "a count of connections")]
    let mut after = open.count as f64;
    let mut counts: Vec<f64> = change
        .iter()
        .rev()
        .map(|change| {
            let now = after.max(0.0);
            after -= change;
            now
        })
        .collect();
    counts.reverse();
    counts
}

/// The part that handlers' rows are about.
fn of_handler(name: &str) -> Part {
    Part::Handler(name.to_owned())
}
