//! How anything is shown: the only part that prints. Commands hand it values.
//!
//! What to show is decided in pure functions that return strings (one file each kind of thing); only [`Report`] writes.
//! People read results on standard output, everything else on standard error. Machines (`--output json`) read standard
//! output: one JSON object a line and nothing else, see [`json`]. It knows the values of `diagnostic`, `dead_letters`,
//! `engine`, `observe` and `aws::Error` and what figures are (`stack::figures`), and nothing of the manifest, the rest of
//! the stack or any resource type.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::{AutoStream, adapter::strip_str};
use dialoguer::console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::{Value, json};

use crate::{
    dead_letters::DeadLetter,
    diagnostic::Diagnostic,
    engine::plan::Plan,
    observe::{series::Cost, status::Status},
    stack::figures::Figure,
};

mod dead_letter;
mod diagnostic;
mod difference;
mod doctor;
mod editor;
mod frame;
mod highlight;
pub mod json;
pub mod live;
mod log;
mod markdown;
mod phase;
mod plan;
mod plot;
mod progress;
mod prompt;
mod series;
mod status;
mod summary;
mod svg;
mod table;
pub mod text;

pub use doctor::{Checked, Found, Mark};
pub use editor::TypedLines;
pub use frame::{Frame, Way};
pub use log::{Lines, Times};
pub use phase::Phase;
pub use plan::Forces;
pub use progress::Progress;
pub use series::Curves;
pub use summary::{Summary, Tally};

/// The columns of what isn't written to a terminal.
const NO_TERMINAL_WIDTH: usize = 100;
/// The rows of a picture.
const PLOT_HEIGHT: usize = 10;

/// Who reads standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// People.
    #[default]
    Human,
    /// Machines.
    Json,
    /// People who read a pull request: a plan in Markdown. Anything else is as for people.
    Markdown,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal that can, unless `NO_COLOR` is set; anywhere if `CLICOLOR_FORCE` is.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the user asked of the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Who reads.
    pub output: Output,
    /// When to colour.
    pub color: ColorChoice,
    /// How many `-v` were given.
    pub verbose: u8,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// Yes.
    Yes,
    /// No, or no answer.
    No,
    /// Nobody is there to ask.
    NoTerminal,
}

/// Where everything is shown. Clones show in the same place.
#[derive(Clone)]
pub struct Report(Arc<Inner>);

struct Inner {
    options: Options,
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    out_color: bool,
    err_color: bool,
    out_is_terminal: bool,
    out_is_closed: AtomicBool,
    width: Option<usize>,
    mode: Mode,
    bars: MultiProgress,
    /// How to write while a line is being typed.
    above: Mutex<Option<editor::Above>>,
}

type Sink = Box<dyn Write + Send>;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Bars that move.
    Terminal,
    /// Lines.
    Plain,
    /// Events.
    Json,
}

impl Report {
    /// A report to this process's standard output and error.
    pub fn new(options: Options) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let color = |auto: anstream::ColorChoice| match options.color {
            ColorChoice::Auto => auto != anstream::ColorChoice::Never,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let mode = match options.output {
            Output::Json => Mode::Json,
            Output::Human | Output::Markdown if err.is_terminal() && !dumb => Mode::Terminal,
            Output::Human | Output::Markdown => Mode::Plain,
        };
        let target = match mode {
            Mode::Terminal => ProgressDrawTarget::stderr(),
            Mode::Plain | Mode::Json => ProgressDrawTarget::hidden(),
        };
        let width = [Term::stdout(), Term::stderr()]
            .iter()
            .find_map(Term::size_checked)
            .map(|(_, columns)| usize::from(columns))
            .filter(|columns| *columns > 0);
        Self(Arc::new(Inner {
            options,
            out_color: color(AutoStream::choice(&out)),
            err_color: color(AutoStream::choice(&err)),
            out_is_terminal: out.is_terminal(),
            out_is_closed: AtomicBool::new(false),
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            width,
            mode,
            bars: MultiProgress::with_draw_target(target),
            above: Mutex::default(),
        }))
    }

    /// A report to writers that are no terminals.
    pub fn to_writers(
        options: Options,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        let color = options.color == ColorChoice::Always;
        Self(Arc::new(Inner {
            options,
            out_color: color,
            err_color: color,
            out_is_terminal: false,
            out_is_closed: AtomicBool::new(false),
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            width: None,
            mode: match options.output {
                Output::Human | Output::Markdown => Mode::Plain,
                Output::Json => Mode::Json,
            },
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            above: Mutex::default(),
        }))
    }

    /// Whether machines read standard output.
    pub fn is_json(&self) -> bool {
        self.0.options.output == Output::Json
    }

    /// How many `-v` were given.
    pub fn verbose(&self) -> u8 {
        self.0.options.verbose
    }

    /// Whether people sit at a terminal: it shows what's printed, and their keys are read.
    pub fn is_on_terminal(&self) -> bool {
        !self.is_json() && io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Whether standard output is coloured.
    pub fn has_color(&self) -> bool {
        self.0.out_color
    }

    /// Whether standard error is coloured: what to tell cargo, whose lines a [`Phase`] passes on.
    pub fn stderr_color(&self) -> bool {
        self.0.err_color
    }

    /// A diagnostic, on standard error; for machines on standard output too.
    pub fn diagnostic(&self, told: &Diagnostic) {
        let (kind, fields) = json::diagnostic(told);
        self.record(kind, fields);
        self.print_err(&diagnostic::render(told, self.0.width));
    }

    /// Diagnostics, one after the other.
    pub fn diagnostics<'a>(&self, all: impl IntoIterator<Item = &'a Diagnostic>) {
        for (index, diagnostic) in all.into_iter().enumerate() {
            if index > 0 {
                self.print_err("\n");
            }
            self.diagnostic(diagnostic);
        }
    }

    /// What would change, to what. `forces` says which fields make a replacement necessary.
    pub fn plan(&self, plan: &Plan, forces: Forces<'_>, title: &str) {
        if self.is_json() {
            self.record("plan", json::plan(plan, forces));
            return;
        }
        let room = plan::Room {
            width: self.0.width.unwrap_or(NO_TERMINAL_WIDTH),
            verbose: self.verbose(),
        };
        self.print_out(&if self.0.options.output == Output::Markdown {
            markdown::render(plan, forces, room, title)
        } else {
            plan::render(plan, forces, room)
        });
    }

    /// Begins to show how `plan` is applied.
    pub fn progress(&self, plan: &Plan) -> Progress {
        Progress::new(self, plan)
    }

    /// Begins a phase such as `Building 3 handlers`.
    pub fn phase(&self, title: &str) -> Phase {
        Phase::new(self, title)
    }

    /// What a command that applied a plan came to.
    pub fn summary(&self, summary: &Summary<'_>) {
        self.record("result", json::summary(summary));
        if !summary.applied.is_complete() {
            self.print_err(&summary::failure(summary, self.0.width));
        } else if !self.is_json() {
            self.print_out(&summary::success(summary));
        }
    }

    /// A command's result for machines: `fields` and the command's name. People are shown it otherwise.
    pub fn result(&self, command: &str, fields: Value) {
        let mut named = json!({ "command": command });
        if let (Some(named), Value::Object(fields)) = (named.as_object_mut(), fields) {
            named.extend(fields);
        }
        self.record("result", named);
    }

    /// A document that a command makes, such as an IAM policy: JSON that can be put into a file as it is.
    pub fn document(&self, command: &str, document: &Value) {
        if self.is_json() {
            self.result(command, json!({ "document": document }));
        } else {
            let text = serde_json::to_string_pretty(document).unwrap_or_default();
            self.print_out(&format!("{text}\n"));
        }
    }

    /// A table of a command's results. Machines are given them by [`Report::result`].
    pub fn table<H: AsRef<str>, C: AsRef<str>>(&self, headers: &[H], rows: &[Vec<C>]) {
        if !self.is_json() {
            self.print_out(&table::render(headers, rows, self.0.width));
        }
    }

    /// A command's result in words; on standard error when machines read standard output.
    pub fn say(&self, words: &str) {
        let words = format!("{}\n", text::sanitize(words));
        if self.is_json() {
            self.print_err(&words);
        } else {
            self.print_out(&words);
        }
    }

    /// Where lines that these handlers logged are shown, on standard output.
    pub fn log<'n>(&self, handlers: impl IntoIterator<Item = &'n str>, times: Times) -> Lines {
        Lines::new(self, handlers, times)
    }

    /// Whether whoever read standard output has gone, as `head` does when it has enough.
    pub fn is_out_closed(&self) -> bool {
        self.0.out_is_closed.load(Ordering::Relaxed)
    }

    /// A stage's status, and what looking cost.
    pub fn status(&self, found: &Status) {
        if self.is_json() {
            self.result("status", status::fields(found));
            return;
        }
        let now = jiff::Timestamp::now();
        self.print_out(&status::render(found, now, self.0.width));
        self.cost(found.pulse.cost);
    }

    /// What reading figures costs; nothing for machines, who are given the number.
    pub fn cost(&self, cost: Cost) {
        if !self.is_json() {
            self.print_err(&format!(
                "{}\n",
                text::paint(text::FAINT, status::cost(cost))
            ));
        }
    }

    /// Which figures there are.
    pub fn figures(&self, figures: &[Figure]) {
        for figure in figures {
            let fields = json!({
                "figure": figure.name(),
                "statistic": figure.statistic,
                "unit": figure.unit.as_str(),
            });
            if self.is_json() {
                self.result("metrics", fields);
            }
        }
        if !self.is_json() {
            self.print_out(&series::list(figures, self.0.width));
        }
    }

    /// Figures over time, as tables.
    pub fn curves(&self, curves: &Curves) {
        if self.is_json() {
            self.curves_for_machines(curves);
        } else {
            self.print_out(&series::tables(curves, self.0.width));
        }
    }

    /// Figures over time that go on; `first` says that no period of them was shown before.
    pub fn growing_curves(&self, curves: &Curves, first: bool) {
        if self.is_json() {
            self.curves_for_machines(curves);
        } else {
            self.print_out(&series::growing(curves, first));
        }
    }

    fn curves_for_machines(&self, curves: &Curves) {
        for figure in &curves.figures {
            self.result("metrics", series::fields(curves, figure));
        }
    }

    /// The same as CSV, whoever reads.
    pub fn csv(&self, curves: &Curves, first: bool) {
        if first {
            self.print_out(&series::csv_header(curves));
        }
        self.print_out(&series::csv_rows(curves));
    }

    /// The same as pictures in the terminal.
    pub fn plot(&self, curves: &Curves) {
        let width = self.0.width.unwrap_or(NO_TERMINAL_WIDTH);
        self.print_out(&plot::render(curves, width, PLOT_HEIGHT));
    }

    /// The same as a picture for a file.
    pub fn svg(&self, curves: &Curves, title: &str) -> String {
        svg::render(curves, title)
    }

    /// A message that failed every time. Machines are given it by [`Report::result`].
    pub fn dead_letter(&self, letter: &DeadLetter) {
        if !self.is_json() {
            self.print_out(&dead_letter::render(letter));
        }
    }

    /// Words beside the results, on standard error.
    pub fn note(&self, words: &str) {
        self.print_err(&format!("{}\n", text::sanitize(words)));
    }

    /// Asks; no is what a mere Enter, Escape and Ctrl-C mean.
    ///
    /// Standard input and error must be terminals, and machines are never asked.
    pub fn confirm(&self, question: &str) -> Confirm {
        let asked = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.is_json() || !asked {
            return Confirm::NoTerminal;
        }
        let question = text::inline(question);
        let answer = self
            .0
            .bars
            .suspend(|| prompt::ask(&Term::stderr(), &question));
        answer.unwrap_or(Confirm::No)
    }

    /// A line for machines; nothing for people.
    fn record(&self, kind: &str, fields: Value) {
        if self.is_json() {
            self.write(&self.0.out, &format!("{}\n", json::line(kind, fields)));
        }
    }

    fn print_out(&self, styled: &str) {
        let text = if self.0.out_color {
            Cow::Borrowed(styled)
        } else {
            Cow::Owned(strip_str(styled).to_string())
        };
        self.write(&self.0.out, &text);
    }

    fn print_err(&self, styled: &str) {
        self.write(&self.0.err, &self.err_text(styled));
    }

    /// Another program's line, as it is.
    fn pass_through(&self, line: &str) {
        self.write(&self.0.err, &format!("{line}\n"));
    }

    /// The text as standard error can show it.
    fn err_text<'a>(&self, styled: &'a str) -> Cow<'a, str> {
        if self.0.err_color {
            Cow::Borrowed(styled)
        } else {
            Cow::Owned(strip_str(styled).to_string())
        }
    }

    /// Writes above whatever moves.
    fn write(&self, sink: &Mutex<Sink>, text: &str) {
        if let Some(above) = progress::lock(&self.0.above).as_mut() {
            above(text.to_owned());
            return;
        }
        self.0.bars.suspend(|| {
            let is_out = std::ptr::eq(sink, &raw const self.0.out);
            let mut sink = progress::lock(sink);
            // A reader that went away is no reason to stop a deployment half-way.
            let written = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
            if is_out && written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                self.0.out_is_closed.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Whether somebody types a line.
    fn is_typing(&self) -> bool {
        progress::lock(&self.0.above).is_some()
    }

    fn mode(&self) -> Mode {
        self.0.mode
    }

    fn bars(&self) -> &MultiProgress {
        &self.0.bars
    }

    /// The columns of a bar now: the terminal may have been resized.
    fn bar_width(&self) -> usize {
        if self.0.mode != Mode::Terminal {
            return 2 * NO_TERMINAL_WIDTH;
        }
        let columns = Term::stderr().size().1;
        // A full last column would wrap on some terminals.
        usize::from(columns).saturating_sub(1).max(30)
    }
}

#[cfg(test)]
mod tests;
