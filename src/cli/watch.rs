//! `wsless status --watch`: looks again and again, and shows what it finds until it's ended.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{Failure, signals::Signals, status::window};
use crate::{
    aws::Aws,
    diagnostic::Diagnostic,
    manifest::Manifest,
    observe::{
        self, LogLine, Moment,
        series::Cost,
        status::{self, Measured, Pulse, Reading, Stage},
        window::Window,
    },
    report::{
        Report,
        live::{Action, Input, Live, Screen},
    },
};

/// Periods of a window: a picture is about so wide.
const PERIODS: u32 = 60;
/// AWS has a value a minute: it isn't asked more often, however often the rest is looked at.
const FIGURES_EVERY: Duration = Duration::from_mins(1);
/// How far back logs are read.
const LOGS: SignedDuration = SignedDuration::from_mins(15);

/// What is watched.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub aws: &'a Aws,
    pub manifest: &'a Manifest,
    pub stage: &'a Stage,
    pub since: Moment,
    pub interval: Duration,
}

/// Something under way, if anything is.
type Pending<'a, T> = Option<Pin<Box<dyn Future<Output = T> + 'a>>>;

/// The figures of the last look that asked for them.
struct Kept {
    read: Instant,
    since: Moment,
    window: Window,
    period_s: u32,
    figures: Vec<Measured>,
    cost: Cost,
}

impl Watch<'_> {
    pub async fn run(&self, report: &Report) -> Result<(), Failure> {
        // A window that can't be is told before the screen is taken.
        window(self.since, None, status::lag(self.aws))?;
        let mut signals = Signals::listen()?;
        let mut live = Live::new(
            self.stage.scope.clone(),
            self.stage.gateway.endpoint.clone(),
            self.since,
            self.interval,
        );
        let mut screen = Screen::open(report.has_color())?;
        let mut kept: Option<Kept> = None;
        let mut looking: Pending<'_, (Result<Kept, Failure>, Pulse)> = None;
        let mut reading: Pending<'_, (String, Result<Vec<LogLine>, Diagnostic>)> = None;
        let mut due = Instant::now();
        loop {
            if looking.is_none() && !live.paused && Instant::now() >= due {
                live.busy = true;
                let fresh = kept.take().filter(|kept| self.is_fresh(kept, live.since));
                looking = Some(Box::pin(self.look(live.since, fresh)));
                if let Some(handler) = live.shown_handler().filter(|_| reading.is_none()) {
                    reading = Some(Box::pin(self.logs(handler.to_owned())));
                }
            }
            screen.draw(&live)?;
            tokio::select! {
                input = screen.input() => {
                    let action = match input {
                        Input::Key(key) => live.press(key),
                        Input::Resized => Action::None,
                        Input::Closed => Action::Quit,
                    };
                    match action {
                        Action::None => {}
                        Action::Quit => return Ok(()),
                        Action::Look => due = Instant::now(),
                        Action::Logs => {
                            if let Some(handler) = live.shown_handler() {
                                reading = Some(Box::pin(self.logs(handler.to_owned())));
                            }
                        }
                    }
                }
                (figures, mut pulse) = pending(&mut looking) => {
                    looking = None;
                    due = Instant::now() + self.interval;
                    match figures {
                        Ok(now) => {
                            pulse.figures.clone_from(&now.figures);
                            pulse.cost.metrics += now.cost.metrics;
                            live.hourly = self.hourly(&pulse);
                            live.looked(pulse, now.window, now.period_s, Timestamp::now());
                            kept = Some(now);
                        }
                        Err(failure) => {
                            // What was read before stays.
                            pulse.figures = std::mem::take(&mut live.pulse.figures);
                            pulse.troubles.extend(failure.diagnostics);
                            live.pulse = pulse;
                            live.busy = false;
                        }
                    }
                }
                (handler, lines) = pending(&mut reading) => {
                    reading = None;
                    live.logged(&handler, lines);
                }
                () = tokio::time::sleep_until(due.into()), if looking.is_none() && !live.paused => {}
                // The age of what is shown goes on.
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = signals.received() => return Ok(()),
            }
        }
    }

    /// Whether AWS would say nothing new.
    fn is_fresh(&self, kept: &Kept, since: Moment) -> bool {
        kept.since == since && kept.read.elapsed() < self.figures_every()
    }

    /// How often figures are asked for.
    fn figures_every(&self) -> Duration {
        if self.aws.has_own_endpoint() {
            self.interval
        } else {
            FIGURES_EVERY.max(self.interval)
        }
    }

    fn hourly(&self, pulse: &Pulse) -> f64 {
        let looks = Duration::from_hours(1).as_secs_f64() / self.figures_every().as_secs_f64();
        pulse.cost.dollars() * looks
    }

    /// What is so now, and the figures if those that are kept are old.
    async fn look(&self, since: Moment, fresh: Option<Kept>) -> (Result<Kept, Failure>, Pulse) {
        let now = Box::pin(status::now(self.aws, self.manifest, self.stage));
        if let Some(kept) = fresh {
            return (Ok(kept), now.await);
        }
        futures::join!(self.figures(since), now)
    }

    async fn figures(&self, since: Moment) -> Result<Kept, Failure> {
        let window = window(since, None, status::lag(self.aws))?;
        let period_s = window.period(Timestamp::now(), PERIODS);
        let reading = Reading {
            window,
            period_s: Some(period_s),
            probes: false,
        };
        let (figures, cost) = status::measured(self.aws, &self.stage.figures, &reading).await?;
        Ok(Kept {
            read: Instant::now(),
            since,
            window,
            period_s,
            figures,
            cost,
        })
    }

    async fn logs(&self, handler: String) -> (String, Result<Vec<LogLine>, Diagnostic>) {
        let since = Timestamp::now()
            .checked_sub(LOGS)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let read = observe::recent(self.aws, &self.stage.scope, [handler.as_str()], since).await;
        (handler, read.map_err(|error| error.diagnostic()))
    }
}

/// What is under way, or never.
async fn pending<T>(work: &mut Pending<'_, T>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
