//! One metric with its dimensions: its values by time.
//!
//! A value goes into a fine span (a second at high resolution, else ten seconds) and into its minute. Fine spans are
//! kept for 3 hours and minutes for 15 days, as AWS keeps them; a minute's percentiles for a day of minutes.
//! Writing takes one short lock and allocates only when a span is new or a value differs from all before it.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{summary::Summary, unit::Unit};
use crate::clock::Millis;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const FINE_KEPT: i64 = 180 * MINUTE;
const MINUTES_KEPT: i64 = 15 * 24 * 60 * MINUTE;
/// So many minutes keep their spread.
const SPREADS: usize = 24 * 60;
/// A metric's values rarely have more than one unit; what comes in more than this many is left out.
const UNITS: usize = 8;

/// One metric with its dimensions.
#[derive(Debug, Default)]
pub struct Series {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    units: Vec<(Unit, Spans)>,
    first: Option<Millis>,
    last: Option<Millis>,
}

#[derive(Debug, Default)]
struct Spans {
    fine: VecDeque<Span>,
    minutes: VecDeque<Span>,
}

#[derive(Debug)]
struct Span {
    start: i64,
    high: bool,
    summary: Summary,
}

/// How finely a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// By the second: `StorageResolution` 1.
    High,
    /// By the minute.
    Standard,
}

/// Which windows are asked for: each `period` long, the first beginning at `start`, none beginning at `end` or later.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Where the first begins.
    pub start: Millis,
    /// Before this, the last begins.
    pub end: Millis,
    /// Each one's length in milliseconds.
    pub period: i64,
    /// Whether what has standard resolution shows in whole minutes only, as in AWS.
    pub strict: bool,
}

/// What the windows that have values came to.
pub type Points = Vec<(Millis, Summary)>;

impl Series {
    /// Adds a value; the unit is CloudWatch's word (`Count`, `Milliseconds`).
    pub fn record(&self, at: Millis, value: f64, unit: &str) {
        if !value.is_finite() {
            return;
        }
        let unit = Unit::parse(unit).unwrap_or(Unit::NONE);
        self.add(at, unit, Resolution::Standard, |summary| {
            summary.add(value, 1.0);
        });
    }

    /// Adds what `change` adds to a span.
    pub fn add(
        &self,
        at: Millis,
        unit: Unit,
        resolution: Resolution,
        change: impl Fn(&mut Summary),
    ) {
        let high = resolution == Resolution::High;
        let width = if high { SECOND } else { 10 * SECOND };
        let mut state = self.state.lock();
        state.first.get_or_insert(at);
        state.last = state.last.max(Some(at));
        let index = if let Some(index) = state.units.iter().position(|(known, _)| *known == unit) {
            index
        } else if state.units.len() < UNITS {
            state.units.push((unit, Spans::default()));
            state.units.len() - 1
        } else {
            return;
        };
        let Some((_, spans)) = state.units.get_mut(index) else {
            return;
        };
        if let Some(summary) = span(&mut spans.fine, floor(at.0, width), high, FINE_KEPT) {
            change(summary);
        }
        if let Some(summary) = span(&mut spans.minutes, floor(at.0, MINUTE), high, MINUTES_KEPT) {
            change(summary);
        }
        if let Some(old) = spans.minutes.len().checked_sub(SPREADS + 1)
            && let Some(old) = spans.minutes.get_mut(old)
        {
            old.summary.forget_spread();
        }
    }

    /// When the first value and the latest were for.
    pub fn life(&self) -> Option<(Millis, Millis)> {
        let state = self.state.lock();
        Some((state.first?, state.last?))
    }

    /// What windows came to, by unit; of one unit, or of all there are.
    pub fn read(&self, windows: &Windows, unit: Option<Unit>) -> Vec<(Unit, Points)> {
        if windows.period <= 0 {
            return Vec::new();
        }
        let state = self.state.lock();
        let mut read: Vec<(Unit, Points)> = state
            .units
            .iter()
            .filter(|(known, _)| unit.is_none_or(|unit| unit == *known))
            .map(|(known, spans)| (*known, spans.read(windows)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        read.sort_by_key(|(unit, _)| *unit);
        read
    }
}

impl Spans {
    fn read(&self, windows: &Windows) -> Points {
        let minutes = windows.period % MINUTE == 0 && windows.start.0 % MINUTE == 0;
        let spans = if minutes { &self.minutes } else { &self.fine };
        let start_of = |span: &Span| {
            if minutes || span.high || !windows.strict {
                span.start
            } else {
                floor(span.start, MINUTE)
            }
        };
        let mut points = Points::new();
        let from = spans.partition_point(|span| start_of(span) < windows.start.0);
        for span in spans.range(from..) {
            let start = start_of(span);
            if start >= windows.end.0 {
                break;
            }
            let since = start.saturating_sub(windows.start.0);
            let window = Millis(windows.start.0 + since - since.rem_euclid(windows.period));
            match points.last_mut() {
                Some((last, summary)) if *last == window => summary.merge(&span.summary),
                _ => points.push((window, span.summary.clone())),
            }
        }
        points
    }
}

/// The span that begins then, made if it isn't there; nothing if it's too old. What is too old goes.
fn span(spans: &mut VecDeque<Span>, start: i64, high: bool, kept: i64) -> Option<&mut Summary> {
    let newest = spans.back().map_or(start, |back| back.start.max(start));
    let oldest = newest.saturating_sub(kept);
    if start < oldest {
        return None;
    }
    while spans.front().is_some_and(|front| front.start < oldest) {
        spans.pop_front();
    }
    let index = match spans.back() {
        Some(back) if back.start == start => spans.len() - 1,
        Some(back) if back.start > start => spans.partition_point(|span| span.start < start),
        _ => spans.len(),
    };
    if spans.get(index).is_none_or(|span| span.start != start) {
        spans.insert(
            index,
            Span {
                start,
                high,
                summary: Summary::default(),
            },
        );
    }
    let span = spans.get_mut(index)?;
    span.high |= high;
    Some(&mut span.summary)
}

fn floor(at: i64, width: i64) -> i64 {
    at - at.rem_euclid(width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FINE_KEPT, MINUTE, Resolution, SPREADS, Series, Windows};
    use crate::{
        clock::Millis,
        cloudwatch::{summary::Statistic, unit::Unit},
    };

    const BASE: i64 = 1_700_000_040_000;

    fn sums(series: &Series, start: i64, end: i64, period: i64, strict: bool) -> Vec<(i64, f64)> {
        let windows = Windows {
            start: Millis(start),
            end: Millis(end),
            period,
            strict,
        };
        series
            .read(&windows, None)
            .into_iter()
            .flat_map(|(_, points)| points)
            .map(|(at, summary)| (at.0 - BASE, summary.sum))
            .collect()
    }

    #[test]
    fn values_are_found_in_the_windows_they_fall_in_whatever_order_they_came_in() {
        let series = Series::default();
        for offset in [125_000, 0, 61_000, 59_999, 60_000] {
            series.record(Millis(BASE + offset), 1.0, "Count");
        }
        assert_eq!(
            sums(&series, BASE, BASE + 180_000, MINUTE, false),
            [(0, 2.0), (60_000, 2.0), (120_000, 1.0)]
        );
        assert_eq!(
            sums(&series, BASE, BASE + 120_000, 2 * MINUTE, false),
            [(0, 4.0)]
        );
    }

    #[test]
    fn a_window_shorter_than_a_minute_shows_standard_values_in_whole_minutes_if_it_is_strict() {
        let series = Series::default();
        series.record(Millis(BASE + 15_000), 1.0, "Count");
        series.record(Millis(BASE + 35_000), 2.0, "Count");
        let end = BASE + 60_000;
        assert_eq!(
            sums(&series, BASE, end, 10_000, false),
            [(10_000, 1.0), (30_000, 2.0)]
        );
        assert_eq!(sums(&series, BASE, end, 10_000, true), [(0, 3.0)]);
    }

    #[test]
    fn high_resolution_keeps_seconds() {
        let series = Series::default();
        for second in 0..5 {
            series.add(
                Millis(BASE + second * 1000 + 7),
                Unit::NONE,
                Resolution::High,
                |summary| summary.add(1.0, 1.0),
            );
        }
        assert_eq!(sums(&series, BASE, BASE + 5000, 1000, true).len(), 5);
    }

    #[test]
    fn fine_spans_are_kept_for_three_hours_and_minutes_for_longer() {
        let series = Series::default();
        series.record(Millis(BASE), 1.0, "Count");
        let later = BASE + FINE_KEPT + 2 * MINUTE;
        series.record(Millis(later), 1.0, "Count");
        assert_eq!(sums(&series, BASE, later + 1, 10_000, false).len(), 1);
        assert_eq!(sums(&series, BASE, later + 1, MINUTE, false).len(), 2);
    }

    #[test]
    fn the_percentiles_of_minutes_go_after_a_day_of_minutes() {
        let series = Series::default();
        let count = i64::try_from(SPREADS).unwrap() + 1;
        for minute in 0..count {
            series.record(Millis(BASE + minute * MINUTE), 1.0, "Count");
        }
        let windows = Windows {
            start: Millis(BASE),
            end: Millis(BASE + count * MINUTE),
            period: MINUTE,
            strict: false,
        };
        let points = &series.read(&windows, None)[0].1;
        assert_eq!(points[0].1.get(Statistic::Percentile(50.0)), None);
        assert_eq!(points[0].1.get(Statistic::Sum), Some(1.0));
        assert_eq!(points[1].1.get(Statistic::Percentile(50.0)), Some(1.0));
    }

    #[test]
    fn units_are_kept_apart() {
        let series = Series::default();
        series.record(Millis(BASE), 1.0, "Seconds");
        series.record(Millis(BASE), 1000.0, "Milliseconds");
        let windows = Windows {
            start: Millis(BASE),
            end: Millis(BASE + MINUTE),
            period: MINUTE,
            strict: false,
        };
        let names: Vec<&str> = series
            .read(&windows, None)
            .iter()
            .map(|(unit, _)| unit.name())
            .collect();
        assert_eq!(names, ["Milliseconds", "Seconds"]);
        assert_eq!(series.read(&windows, Unit::parse("Seconds")).len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_the_windows_no_value_is_lost_or_counted_twice(
            offsets in prop::collection::vec(0i64..7_200_000, 1..60),
            high in any::<bool>(),
            period in prop::sample::select(vec![1i64, 5, 10, 20, 30, 60, 300, 3600]),
            start in 0i64..60,
        ) {
            let series = Series::default();
            let resolution = if high { Resolution::High } else { Resolution::Standard };
            for offset in &offsets {
                series.add(Millis(BASE + offset), Unit::NONE, resolution, |summary| {
                    summary.add(1.0, 1.0);
                });
            }
            // Only high resolution has windows of less than ten seconds.
            let period = if high { period } else { period.max(10) } * 1000;
            let start = BASE - start * 60_000;
            let found = sums(&series, start, BASE + 7_200_000, period, false);
            let sum: f64 = found.iter().map(|(_, sum)| sum).sum();
            prop_assert!((sum - f64::from(u32::try_from(offsets.len()).unwrap())).abs() < 1e-9);
            prop_assert!(found.is_sorted_by(|(one, _), (other, _)| one < other));
        }
    }
}
