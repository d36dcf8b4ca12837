//! Figures over time: as a table, as CSV, as lines for machines.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{status::number, table, text::inline};
use crate::observe::{series::Point, status::Measured, window::Window};

/// The columns of one table; what is more follows in another.
const COLUMNS: usize = 6;

/// Figures over a window, in periods of so many seconds.
#[derive(Clone, Debug)]
pub struct Curves {
    /// The window.
    pub window: Window,
    /// The length of a period.
    pub period_s: u32,
    /// The figures with their points.
    pub figures: Vec<Measured>,
}

impl Curves {
    /// When the periods begin.
    pub fn times(&self) -> Vec<Timestamp> {
        let (since, until) = (self.window.since.as_second(), self.window.until.as_second());
        let step = i64::from(self.period_s.max(1));
        std::iter::successors(Some(since), |at| Some(at + step))
            .take_while(|at| *at < until)
            .filter_map(|at| Timestamp::from_second(at).ok())
            .collect()
    }

    /// A figure's values, one for each period. Of what happens CloudWatch has none where nothing did: that's 0.
    pub fn values(&self, figure: &Measured) -> Vec<Option<f64>> {
        let step = i64::from(self.period_s.max(1));
        let since = self.window.since.as_second();
        let mut values: Vec<Option<f64>> = self
            .times()
            .iter()
            .map(|_| figure.figure.is_sum().then_some(0.0))
            .collect();
        for Point { at, value } in &figure.points {
            let index = (at.as_second() - since).div_euclid(step);
            if let Some(slot) = usize::try_from(index)
                .ok()
                .and_then(|index| values.get_mut(index))
            {
                *slot = Some(*value);
            }
        }
        values
    }
}

/// A row for each period, a column for each figure; some figures at a time.
pub fn tables(curves: &Curves, width: Option<usize>) -> String {
    let tables: Vec<String> = curves
        .figures
        .chunks(COLUMNS)
        .map(|figures| rows(curves, figures, width))
        .collect();
    tables.join("\n")
}

/// The same as one table, to be gone on with: its head only at `first`.
pub fn growing(curves: &Curves, first: bool) -> String {
    let table = rows(curves, &curves.figures, None);
    if first {
        return table;
    }
    // The names are the widest of their columns, so that later rows stand below the first ones.
    table
        .split_once('\n')
        .map_or_else(String::new, |(_, rows)| rows.to_owned())
}

fn rows(curves: &Curves, figures: &[Measured], width: Option<usize>) -> String {
    let columns: Vec<Vec<Option<f64>>> =
        figures.iter().map(|figure| curves.values(figure)).collect();
    let rows: Vec<Vec<String>> = curves
        .times()
        .iter()
        .enumerate()
        .map(|(index, at)| {
            let values = columns.iter().zip(figures).map(|(column, figure)| {
                number(column.get(index).copied().flatten(), figure.figure.unit)
            });
            std::iter::once(clock(*at, curves)).chain(values).collect()
        })
        .collect();
    let headers: Vec<String> = std::iter::once("time".to_owned())
        .chain(figures.iter().map(|figure| figure.figure.name()))
        .collect();
    table::render(&headers, &rows, width)
}

/// The times of day are enough for a window of less than a day.
fn clock(at: Timestamp, curves: &Curves) -> String {
    let format = if curves.window.seconds() < 86_400 {
        "%H:%M"
    } else {
        "%m-%d %H:%M"
    };
    let zoned = at.to_zoned_datetime(TimeZone::system());
    zoned.strftime(format).to_string()
}

/// The header of a CSV.
pub fn csv_header(curves: &Curves) -> String {
    let names = curves.figures.iter().map(|figure| figure.figure.name());
    let fields: Vec<String> = std::iter::once("time".to_owned()).chain(names).collect();
    format!("{}\n", fields.join(","))
}

/// A CSV's rows. Names have no comma and no quote; a value that isn't there is an empty field.
pub fn csv_rows(curves: &Curves) -> String {
    let columns: Vec<Vec<Option<f64>>> = curves
        .figures
        .iter()
        .map(|figure| curves.values(figure))
        .collect();
    let mut shown = String::new();
    for (index, at) in curves.times().iter().enumerate() {
        shown.push_str(&at.to_string());
        for column in &columns {
            shown.push(',');
            if let Some(value) = column.get(index).copied().flatten() {
                shown.push_str(&value.to_string());
            }
        }
        shown.push('\n');
    }
    shown
}

/// For machines: a figure with all its points.
pub fn fields(curves: &Curves, figure: &Measured) -> Value {
    let points: Vec<Value> = curves
        .times()
        .into_iter()
        .zip(curves.values(figure))
        .filter_map(|(at, value)| Some(json!({ "at": at, "value": value? })))
        .collect();
    json!({
        "figure": figure.figure.name(),
        "statistic": figure.figure.statistic,
        "unit": figure.figure.unit.as_str(),
        "period_s": curves.period_s,
        "points": points,
    })
}

/// The figures that there are, and what each is made from.
pub fn list(figures: &[crate::stack::figures::Figure], width: Option<usize>) -> String {
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|figure| {
            let mut metrics: Vec<String> = figure
                .metrics
                .iter()
                .map(|metric| format!("{} {}", metric.namespace, metric.name))
                .collect();
            metrics.dedup();
            vec![
                figure.name(),
                figure.statistic.to_owned(),
                figure.unit.as_str().to_owned(),
                inline(&metrics.join(" + ")).into_owned(),
            ]
        })
        .collect();
    table::render(&["figure", "statistic", "unit", "made from"], &rows, width)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stack::figures::{Figure, Part, Unit};

    pub fn measured(key: &'static str, statistic: &'static str, points: &[(i64, f64)]) -> Measured {
        let points = points
            .iter()
            .map(|(minute, value)| Point {
                at: Timestamp::from_second(1_700_000_040 + minute * 60).expect("a time"),
                value: *value,
            })
            .collect();
        let unit = if statistic == "Sum" {
            Unit::Count
        } else {
            Unit::Milliseconds
        };
        Measured {
            figure: Figure {
                part: Part::Messages,
                key,
                label: key,
                statistic,
                unit,
                metrics: Vec::new(),
            },
            value: None,
            points,
        }
    }

    pub fn curves(figures: Vec<Measured>, minutes: i64) -> Curves {
        let at = |minute: i64| Timestamp::from_second(1_700_000_040 + minute * 60).expect("a time");
        Curves {
            window: Window {
                since: at(0),
                until: at(minutes),
            },
            period_s: 60,
            figures,
        }
    }

    #[test]
    fn where_nothing_happened_a_count_is_0_and_a_percentile_is_nothing() {
        let curves = curves(
            vec![
                measured("messages-in", "Sum", &[(1, 7.0)]),
                measured("latency", "p95", &[(1, 33.5)]),
            ],
            3,
        );
        assert_eq!(
            curves.values(&curves.figures[0]),
            [Some(0.0), Some(7.0), Some(0.0)]
        );
        assert_eq!(curves.values(&curves.figures[1]), [None, Some(33.5), None]);
        let csv = csv_header(&curves) + &csv_rows(&curves);
        assert_eq!(
            csv,
            "time,messages-in,latency\n2023-11-14T22:14:00Z,0,\n2023-11-14T22:15:00Z,7,33.5\n2023-11-14T22:16:00Z,0,\n"
        );
    }

    #[test]
    fn a_value_outside_of_the_window_is_left_out() {
        let curves = curves(
            vec![measured("messages-in", "Sum", &[(-1, 7.0), (3, 7.0)])],
            3,
        );
        assert_eq!(curves.values(&curves.figures[0]), [Some(0.0); 3]);
    }
}
