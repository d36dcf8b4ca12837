//! Windows of time: which ones CloudWatch has.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::moment::Moment;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// How long CloudWatch keeps values, and how finely: the seconds of a period for those that are older than so many days
/// [CloudWatch model, GetMetricData].
const KEPT: [(i64, i64); 3] = [(0, MINUTE), (15, 5 * MINUTE), (63, 60 * MINUTE)];
/// Nothing older is there.
const OLDEST: i64 = 455 * DAY;

/// A window that CloudWatch can answer for: whole minutes, or what it keeps of longer ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Where it begins.
    pub since: Timestamp,
    /// Where it ends; what is then isn't in it.
    pub until: Timestamp,
}

/// Why there is no such window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It ends before it begins.
    #[error("the window is empty: it would end before it begins")]
    Empty,
    /// CloudWatch has nothing of then.
    #[error("CloudWatch keeps nothing for longer than 455 days")]
    TooOld,
}

impl Window {
    /// The window from `since` to `until`, or to the last minute of which CloudWatch knows: values are `lag` late.
    pub fn new(
        since: Moment,
        until: Option<Moment>,
        now: Timestamp,
        lag: Duration,
    ) -> Result<Self, WindowError> {
        let now_s = now.as_second();
        let until = match until {
            Some(until) => until.seen_from(now).as_second().min(now_s),
            None => now_s - i64::try_from(lag.as_secs()).unwrap_or(0),
        };
        // Where nothing is late, the minute that runs counts too.
        let until = if lag.is_zero() {
            up(until, MINUTE)
        } else {
            down(until, MINUTE)
        };
        let since = match since {
            // As long as it was asked for, however late values are.
            Moment::Ago(ago) => until - i64::try_from(ago.as_secs()).unwrap_or(i64::MAX / 2),
            Moment::At(at) => at.as_second(),
        };
        let since = down(since, MINUTE);
        if since < now_s - OLDEST {
            return Err(WindowError::TooOld);
        }
        let since = down(since, grain(now_s - since));
        if since >= until {
            return Err(WindowError::Empty);
        }
        Ok(Self {
            since: Timestamp::from_second(since).unwrap_or_default(),
            until: Timestamp::from_second(until).unwrap_or_default(),
        })
    }

    /// The part of it that is made of whole periods which have ended, and of which CloudWatch knows.
    #[must_use]
    pub fn closed(self, period_s: u32, now: Timestamp, lag: Duration) -> Self {
        let period = i64::from(period_s.max(1));
        let since = self.since.as_second();
        let known = now.as_second() - i64::try_from(lag.as_secs()).unwrap_or(0);
        let end = self.until.as_second().min(known);
        let whole = (end - since).max(0).div_euclid(period);
        Self {
            until: Timestamp::from_second(since + whole * period).unwrap_or(self.until),
            ..self
        }
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> u32 {
        u32::try_from(self.until.as_second() - self.since.as_second()).unwrap_or(u32::MAX)
    }

    /// How many periods of so many seconds it has, the last perhaps cut off.
    pub fn periods(&self, period_s: u32) -> usize {
        self.seconds().div_ceil(period_s.max(1)) as usize
    }

    /// Its length in minutes.
    pub fn minutes(&self) -> f64 {
        f64::from(self.seconds()) / 60.0
    }

    /// The shortest period in seconds that CloudWatch has for this window, and that makes at most so many of it.
    pub fn period(&self, now: Timestamp, most: u32) -> u32 {
        let finest = self.finest(now);
        // What people count in.
        let round = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map(|minutes| minutes * 60);
        let fits = |period: &u32| {
            *period >= finest
                && period.is_multiple_of(finest)
                && self.seconds().div_ceil(*period) <= most
        };
        round.into_iter().find(fits).unwrap_or_else(|| {
            let day = 86_400;
            self.seconds().div_ceil(most.max(1)).div_ceil(day).max(1) * day
        })
    }

    /// The shortest period in seconds that CloudWatch has for this window.
    pub fn finest(&self, now: Timestamp) -> u32 {
        let age = now.as_second() - self.since.as_second();
        u32::try_from(grain(age)).unwrap_or(60)
    }

    /// The whole of it as one period.
    pub fn whole(&self, now: Timestamp) -> u32 {
        self.seconds().next_multiple_of(self.finest(now))
    }
}

/// How finely CloudWatch keeps what is so many seconds old.
fn grain(age: i64) -> i64 {
    KEPT.iter()
        .rev()
        .find(|(days, _)| age >= days * DAY)
        .map_or(MINUTE, |(_, grain)| *grain)
}

fn down(at: i64, width: i64) -> i64 {
    at - at.rem_euclid(width)
}

fn up(at: i64, width: i64) -> i64 {
    down(at, width) + width
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn ago(text: &str) -> Moment {
        text.parse().expect("a duration")
    }

    #[test]
    fn a_window_is_as_long_as_it_was_asked_for_and_ends_where_values_end() {
        let now = at("2026-11-27T10:07:31Z");
        let late = Window::new(ago("1h"), None, now, Duration::from_mins(2)).unwrap();
        assert_eq!(late.until, at("2026-11-27T10:05:00Z"));
        assert_eq!(late.since, at("2026-11-27T09:05:00Z"));
        let here = Window::new(ago("15m"), None, now, Duration::ZERO).unwrap();
        assert_eq!(here.until, at("2026-11-27T10:08:00Z"));
        assert_eq!(here.since, at("2026-11-27T09:53:00Z"));
    }

    #[test]
    fn an_empty_window_and_one_of_long_ago_are_refused() {
        let now = at("2026-11-27T10:07:31Z");
        let then = Moment::At(at("2026-11-27T11:00:00Z"));
        assert_eq!(
            Window::new(then, None, now, Duration::ZERO),
            Err(WindowError::Empty)
        );
        let then = Moment::At(at("2020-01-01T00:00:00Z"));
        assert_eq!(
            Window::new(then, None, now, Duration::ZERO),
            Err(WindowError::TooOld)
        );
    }

    #[test]
    fn what_is_old_is_asked_for_as_coarsely_as_it_is_kept() {
        let now = at("2026-11-27T10:07:31Z");
        let month = Window::new(ago("30d"), None, now, Duration::ZERO).unwrap();
        assert_eq!(month.finest(now), 300);
        assert_eq!(month.since.as_second() % 300, 0);
        let year = Window::new(ago("365d"), None, now, Duration::ZERO).unwrap();
        assert_eq!(year.finest(now), 3600);
    }

    proptest! {
        #[test]
        fn a_period_is_one_that_cloudwatch_has_and_makes_no_more_than_asked(
            minutes in 1_i64..600_000,
            most in 1_u32..500,
        ) {
            let now = at("2026-11-27T10:07:31Z");
            let since = Moment::Ago(Duration::from_mins(minutes.unsigned_abs()));
            let window = Window::new(since, None, now, Duration::ZERO).unwrap();
            let period = window.period(now, most);
            prop_assert_eq!(period % window.finest(now), 0);
            prop_assert!(window.seconds().div_ceil(period) <= most);
            prop_assert_eq!(window.whole(now) % window.finest(now), 0);
            prop_assert!(window.whole(now) >= window.seconds());
        }
    }
}
