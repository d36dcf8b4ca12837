//! A phase that takes a while, such as a build: a spinner once it's long, and another program's lines above it.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    Mode, Report,
    json::milliseconds,
    progress::lock,
    text::{self, FAINT, inline, paint},
};

/// Phases shorter than this leave no trace.
const SHORT: Duration = Duration::from_millis(500);

/// A phase that has begun. Dropped without [`Phase::done`], it ends silently: what went wrong is told elsewhere.
pub struct Phase {
    report: Report,
    title: String,
    began: Instant,
    shown: Arc<Mutex<Shown>>,
    ended: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What has been shown of a phase.
enum Shown {
    Nothing,
    Title,
    Spinner(ProgressBar),
}

impl Phase {
    pub(super) fn new(report: &Report, title: &str) -> Self {
        let shown = Arc::new(Mutex::new(Shown::Nothing));
        let (ended, end) = mpsc::channel::<()>();
        let title = inline(title).into_owned();
        // Nothing turns while a line is being typed.
        let is_shown = report.mode() != Mode::Json && !report.is_typing();
        let thread = is_shown.then(|| {
            let (report, title, shown) = (report.clone(), title.clone(), Arc::clone(&shown));
            std::thread::Builder::new().spawn(move || {
                if end.recv_timeout(SHORT) == Err(mpsc::RecvTimeoutError::Timeout) {
                    show(&report, &title, &shown);
                }
            })
        });
        Self {
            report: report.clone(),
            title,
            began: Instant::now(),
            shown,
            ended: Some(ended),
            // Without the thread there's no spinner; nothing else is lost.
            thread: thread.and_then(Result::ok),
        }
    }

    /// Passes on a line of another program (cargo) as it is, colours included, to standard error.
    ///
    /// The line is trusted: it's the user's own tool's.
    pub fn line(&self, line: &str) {
        if self.report.mode() == Mode::Plain {
            show(&self.report, &self.title, &self.shown);
        }
        self.report.pass_through(line);
    }

    /// Ends the phase well, with what was done, such as `Built 3 handlers`. Returns how long it took.
    pub fn done(mut self, what: &str) -> Duration {
        let took = self.began.elapsed();
        self.end();
        if self.report.mode() == Mode::Json {
            let fields = json!({
                "event": "phase",
                "phase": self.title,
                "elapsed_ms": milliseconds(took),
            });
            self.report.record("event", fields);
        } else if took >= SHORT {
            let line = format!("{}  {}\n", inline(what), paint(FAINT, text::elapsed(took)));
            self.report.print_err(&line);
        }
        took
    }

    fn end(&mut self) {
        self.ended = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let shown = std::mem::replace(&mut *lock(&self.shown), Shown::Nothing);
        if let Shown::Spinner(spinner) = shown {
            spinner.finish_and_clear();
            self.report.bars().remove(&spinner);
        }
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.end();
    }
}

/// Shows that the phase runs, if that isn't shown yet.
fn show(report: &Report, title: &str, shown: &Mutex<Shown>) {
    let mut shown = lock(shown);
    if !matches!(*shown, Shown::Nothing) {
        return;
    }
    if report.mode() == Mode::Plain {
        *shown = Shown::Title;
        report.print_err(&format!("{title}\n"));
        return;
    }
    let spinner = report.bars().add(ProgressBar::new_spinner());
    let template = if report.stderr_color() {
        "{spinner:.cyan} {wide_msg} {elapsed}"
    } else {
        "{spinner} {wide_msg} {elapsed}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        spinner.set_style(style);
    }
    spinner.set_message(title.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    *shown = Shown::Spinner(spinner);
}
