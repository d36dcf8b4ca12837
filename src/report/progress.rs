//! What is shown while a plan is applied.
//!
//! On a terminal: a bar for the whole and a line for each thing that runs, below a line for each that ended. Elsewhere:
//! plain lines. For machines: the events.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Mode, Report, json,
    plan::sign,
    text::{self, ADDED, FAINT, REMOVED, STRONG, cut, inline, paint},
};
use crate::engine::{
    address::Address,
    event::{Event, Outcome},
    plan::{Action, Plan},
};

/// How often the bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);
/// Plain lines tell of waits longer than this.
const LONG_WAIT: Duration = Duration::from_secs(2);
/// Lines for what runs now; more are counted.
const LINES: usize = 8;
/// The bar's own columns.
const BAR: usize = 24;

/// Shows the progress of one apply. Give [`Progress::event`] to the engine as its observer.
pub struct Progress {
    report: Report,
    board: Arc<Mutex<Board>>,
    bar: Option<ProgressBar>,
    watch: Option<Watch>,
}

impl Progress {
    pub(super) fn new(report: &Report, plan: &Plan) -> Self {
        let board = Arc::new(Mutex::new(Board::new(plan, Instant::now())));
        let mut progress = Self {
            report: report.clone(),
            board,
            bar: None,
            watch: None,
        };
        match report.mode() {
            Mode::Json => {}
            Mode::Plain => progress.watch = Some(Watch::new(report, &progress.board)),
            Mode::Terminal => progress.bar = Some(bar(report, &progress.board)),
        }
        progress
    }

    /// Shows an event.
    pub fn event(&self, event: &Event) {
        if self.report.mode() == Mode::Json {
            self.report.record("event", json::event(event));
            return;
        }
        // Drawing reads the board, so it mustn't be held while something is printed.
        let ended = lock(&self.board).take(event, Instant::now(), self.report.bar_width());
        if let Some(line) = ended {
            self.report.print_err(&format!("{line}\n"));
        }
    }

    /// Takes the bar away. Dropping does the same.
    pub fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.watch = None;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            self.report.bars().remove(bar);
        }
        let board = lock(&self.board);
        if self.report.mode() != Mode::Json && board.done + board.failed > 0 {
            // Apart from what comes next.
            self.report.print_err("\n");
        }
    }
}

/// A bar whose text is read from the board whenever it's drawn.
fn bar(report: &Report, board: &Arc<Mutex<Board>>) -> ProgressBar {
    let bar = report.bars().add(ProgressBar::no_length());
    let (board, report) = (Arc::clone(board), report.clone());
    let text = move |_: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
        let drawn = lock(&board).draw(Instant::now(), report.bar_width());
        // A bar that can't be written is a bar not seen.
        let _ = out.write_str(&report.err_text(&drawn));
    };
    if let Ok(style) = ProgressStyle::with_template("{board}") {
        bar.set_style(style.with_key("board", text));
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Looks at the board from time to time, to tell of long waits where no bar does.
struct Watch {
    end: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn new(report: &Report, board: &Arc<Mutex<Board>>) -> Self {
        let end = Arc::new((Mutex::new(false), Condvar::new()));
        let (ended, board, report) = (Arc::clone(&end), Arc::clone(board), report.clone());
        let look = move || {
            let (flag, bell) = &*ended;
            let mut over = lock(flag);
            while !*over {
                over = bell
                    .wait_timeout(over, LONG_WAIT / 8)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                let lines = lock(&board).overdue(Instant::now());
                for line in lines {
                    report.print_err(&format!("{line}\n"));
                }
            }
        };
        // Without the thread, long waits go untold; nothing else is lost.
        let thread = std::thread::Builder::new().spawn(look).ok();
        Self { end, thread }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *lock(&self.end.0) = true;
        self.end.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The lock, also after a panic elsewhere: what it guards is only shown.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What runs, and how far it is.
struct Board {
    began: Instant,
    total: usize,
    done: usize,
    failed: usize,
    replaced: BTreeSet<Address>,
    running: Vec<Running>,
}

struct Running {
    address: Address,
    action: Action,
    since: Instant,
    waits: Option<Wait>,
}

struct Wait {
    what: String,
    since: Instant,
    told: bool,
}

impl Board {
    fn new(plan: &Plan, now: Instant) -> Self {
        let replaced = plan
            .effective()
            .filter(|change| change.action == Action::Replace)
            .map(|change| change.address.clone())
            .collect();
        Self {
            began: now,
            total: plan.effective().count(),
            done: 0,
            failed: 0,
            replaced,
            running: Vec::new(),
        }
    }

    /// Takes an event in; returns the line that it leaves, of at most `width` columns.
    fn take(&mut self, event: &Event, now: Instant, width: usize) -> Option<String> {
        match event {
            Event::Started { address, action } => {
                // A replacement that makes the new one first deletes the old one in a step of its own.
                // So does an update that takes something away when nobody uses it any more.
                if *action == Action::Tighten
                    || *action == Action::Delete && self.replaced.remove(address)
                {
                    self.total += 1;
                }
                self.running.push(Running {
                    address: address.clone(),
                    action: *action,
                    since: now,
                    waits: None,
                });
                None
            }
            Event::Waiting { address, waits_for } => {
                let running = self
                    .running
                    .iter_mut()
                    .find(|running| running.address == *address)?;
                let same = running
                    .waits
                    .as_ref()
                    .is_some_and(|wait| wait.what == *waits_for);
                if !same {
                    running.waits = Some(Wait {
                        what: waits_for.clone(),
                        since: now,
                        told: false,
                    });
                }
                None
            }
            Event::Finished {
                address,
                action,
                outcome,
                elapsed,
            } => {
                self.running.retain(|running| running.address != *address);
                let shown = address.to_string();
                let address = inline(&shown);
                let took = if elapsed.is_zero() {
                    String::new()
                } else {
                    format!("  {}", paint(FAINT, text::elapsed(*elapsed)))
                };
                match outcome {
                    Outcome::Done => {
                        self.done += 1;
                        Some(format!("{} {address}{took}", sign(*action)))
                    }
                    Outcome::Failed(_) | Outcome::HoldsData(_) => {
                        self.failed += 1;
                        let error = outcome
                            .trouble()
                            .map(|told| told.message)
                            .unwrap_or_default();
                        // The summary has it whole.
                        let left = width.saturating_sub(text::width(&address) + 12).max(20);
                        let error = cut(&inline(&error), left).into_owned();
                        Some(format!("{} {address}{took}  {error}", paint(REMOVED, "x")))
                    }
                    // The summary names what wasn't begun.
                    Outcome::NotBegun(_) | Outcome::Stopped => None,
                }
            }
        }
    }

    /// Lines about waits that have become long since the last time.
    fn overdue(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for running in &mut self.running {
            let Some(wait) = &mut running.waits else {
                continue;
            };
            if !wait.told && now.duration_since(wait.since) >= LONG_WAIT {
                wait.told = true;
                let address = running.address.to_string();
                lines.push(format!(
                    "  {} waits for {}",
                    inline(&address),
                    inline(&wait.what)
                ));
            }
        }
        lines
    }

    /// What runs, and below it the bar; each line fits into `width` columns.
    fn draw(&self, now: Instant, width: usize) -> String {
        let mut drawn = String::new();
        for running in self.running.iter().take(LINES) {
            let address = running.address.to_string();
            let doing = doing(running.action);
            let address = cut(&inline(&address), width.saturating_sub(22)).into_owned();
            let took = text::elapsed(now.duration_since(running.since));
            let taken = doing.len() + text::width(&address) + text::width(&took) + 7;
            let waits = match &running.waits {
                Some(wait) => format!("waits for {}", inline(&wait.what)),
                None => String::new(),
            };
            let waits = cut(&waits, width.saturating_sub(taken)).into_owned();
            let line = format!("  {doing} {address}  {took}  {}", paint(FAINT, waits));
            text::line(&mut drawn, &line);
        }
        if self.running.len() > LINES {
            let more = format!("  and {} more", self.running.len() - LINES);
            text::line(&mut drawn, &paint(FAINT, more));
        }
        let total = self.total.max(self.done + self.failed);
        let filled = (BAR * self.done).checked_div(total).unwrap_or(BAR);
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("  {}", paint(REMOVED, format!("{failed} failed"))),
        };
        let parts = [
            paint(ADDED, "━".repeat(filled)),
            paint(FAINT, "─".repeat(BAR - filled)),
            format!(" {}  ", paint(STRONG, format!("{}/{total}", self.done))),
            paint(FAINT, text::elapsed(now.duration_since(self.began))),
            failed,
        ];
        drawn + &parts.concat()
    }
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Create => "creating",
        Action::Update => "changing",
        Action::Replace => "replacing",
        Action::Delete => "deleting",
        Action::Keep => "keeping",
        Action::Tighten => "tightening",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::{Error, Operation, Service},
        engine::plan::Change,
        report::tests::plain,
    };

    fn change(kind: &str, action: Action) -> Change {
        Change {
            address: Address::new(kind, "echo"),
            action,
            fields: Vec::new(),
            observed: None,
            deleted_with: None,
            data_at_risk: None,
            is_gone: false,
        }
    }

    fn started(kind: &str, action: Action) -> Event {
        Event::Started {
            address: Address::new(kind, "echo"),
            action,
        }
    }

    fn waiting(kind: &str, what: &str) -> Event {
        Event::Waiting {
            address: Address::new(kind, "echo"),
            waits_for: what.to_owned(),
        }
    }

    fn finished(kind: &str, action: Action, outcome: Outcome) -> Event {
        Event::Finished {
            address: Address::new(kind, "echo"),
            action,
            outcome,
            elapsed: Duration::from_millis(1240),
        }
    }

    #[test]
    fn the_board_shows_what_runs_what_it_waits_for_and_how_far_all_is() {
        let now = Instant::now();
        let plan = Plan {
            changes: ["role", "function", "queue"]
                .map(|kind| change(kind, Action::Create))
                .into(),
        };
        let mut board = Board::new(&plan, now);
        board.take(&started("role", Action::Create), now, 80);
        let ended = board.take(&finished("role", Action::Create, Outcome::Done), now, 80);
        assert_eq!(plain(&ended.unwrap()), "+ role/echo  1.2s");
        board.take(&started("function", Action::Create), now, 80);
        board.take(&waiting("function", "the role to be assumable"), now, 80);
        let drawn = board.draw(now + Duration::from_secs(3), 60);
        assert_eq!(
            plain(&drawn),
            "  creating function/echo  3.0s  waits for the role to be as…\n\
             ━━━━━━━━──────────────── 1/3  3.0s"
        );
        let narrow = plain(&board.draw(now, 40));
        assert!(
            narrow.lines().all(|line| text::width(line) <= 40),
            "{narrow}"
        );
    }

    #[test]
    fn a_failed_step_leaves_a_line_with_the_error() {
        let now = Instant::now();
        let mut board = Board::new(&Plan::default(), now);
        let call = Operation::create(Service::Lambda, "CreateFunction");
        let error = Error::unexpected(call, "no\x1b[2J luck");
        let ended = board.take(
            &finished("function", Action::Create, Outcome::Failed(error)),
            now,
            80,
        );
        assert_eq!(
            plain(&ended.unwrap()),
            "x function/echo  1.2s  lambda:CreateFunction failed: no␛[2J luck"
        );
    }

    #[test]
    fn a_long_wait_is_told_once() {
        let now = Instant::now();
        let mut board = Board::new(&Plan::default(), now);
        board.take(&started("function", Action::Create), now, 80);
        board.take(&waiting("function", "the role"), now, 80);
        board.take(
            &waiting("function", "the role"),
            now + Duration::from_secs(1),
            80,
        );
        assert!(board.overdue(now + Duration::from_millis(1900)).is_empty());
        assert_eq!(
            board.overdue(now + Duration::from_secs(2)),
            ["  function/echo waits for the role"]
        );
        assert!(board.overdue(now + Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn the_old_ones_delete_counts_as_a_step_of_a_replacement() {
        let now = Instant::now();
        let plan = Plan {
            changes: vec![change("api", Action::Replace)],
        };
        let mut board = Board::new(&plan, now);
        for action in [Action::Replace, Action::Delete] {
            board.take(&started("api", action), now, 80);
            board.take(&finished("api", action, Outcome::Done), now, 80);
        }
        assert_eq!((board.done, board.total), (2, 2));
    }
}
