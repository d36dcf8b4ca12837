//! What a span of time came to: how many values, their sum and extremes, and their spread. Pure.
//!
//! Percentiles are exact while a span has at most [`EXACT`] different values; beyond that they come from a histogram
//! whose error is at most 1 % of the value. Of a statistic set with different values only the extremes are known, so
//! that it has no percentiles, as in AWS.

/// So many different values are kept as they are.
const EXACT: usize = 64;
/// Each of the histogram's bars is this much wider than the one before: an error of (1.02 - 1) / (1.02 + 1) at most.
const GROWTH: f64 = 1.02;
/// Below this a value counts as zero.
const SMALLEST: f64 = 1e-9;
/// Makes the index of the smallest value's bar positive, so that its sign can be the value's.
const OFFSET: f64 = 1100.0;

/// What a span of time came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// How many values there were.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub minimum: f64,
    /// The greatest.
    pub maximum: f64,
    spread: Spread,
}

/// How the values are spread; sorted.
#[derive(Clone, Debug)]
enum Spread {
    Values(Vec<(f64, f64)>),
    Histogram(Vec<(i32, f64)>),
    Unknown,
}

/// What is asked of a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// How many values.
    SampleCount,
    /// Their mean.
    Average,
    /// Their sum.
    Sum,
    /// The least.
    Minimum,
    /// The greatest.
    Maximum,
    /// `p99`: so many percent are at most this.
    Percentile(f64),
    /// `tm90`: the mean of the least so many percent.
    TrimmedMean(f64),
}

impl Statistic {
    /// `Sum`, `p99.9`, `tm90`.
    pub fn parse(name: &str) -> Option<Self> {
        let percent = |digits: &str| {
            let plain = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            let percent: f64 = digits.parse().ok()?;
            (plain && (0.0..=100.0).contains(&percent)).then_some(percent)
        };
        Some(match name {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                if let Some(digits) = name.strip_prefix("tm") {
                    Self::TrimmedMean(percent(digits)?)
                } else {
                    Self::Percentile(percent(name.strip_prefix('p')?)?)
                }
            }
        })
    }

    /// Whether it's one of the five that have their own member.
    pub fn is_plain(self) -> bool {
        !matches!(self, Self::Percentile(_) | Self::TrimmedMean(_))
    }
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: 0.0,
            sum: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            spread: Spread::Values(Vec::new()),
        }
    }
}

impl Summary {
    /// What is known of a statistic set.
    pub fn of_set(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        // AWS has percentiles of a set only if all its values are the same [CloudWatch model, PutMetricData].
        let same = (maximum - minimum).abs() <= f64::EPSILON * maximum.abs();
        Self {
            count,
            sum,
            minimum,
            maximum,
            spread: if same || count <= 1.0 {
                Spread::Values(vec![(minimum, count)])
            } else {
                Spread::Unknown
            },
        }
    }

    /// Adds a value that came so many times.
    pub fn add(&mut self, value: f64, times: f64) {
        self.count += times;
        self.sum += value * times;
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
        self.spread.add(value, times);
    }

    /// Adds another span's values.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        match &other.spread {
            Spread::Values(values) => {
                for (value, times) in values {
                    self.spread.add(*value, *times);
                }
            }
            Spread::Histogram(bars) => {
                self.spread.widen();
                if let Spread::Histogram(own) = &mut self.spread {
                    for (bar, times) in bars {
                        put(own, *bar, *times, Ord::cmp);
                    }
                }
            }
            Spread::Unknown => self.spread = Spread::Unknown,
        }
    }

    /// Forgets the spread, and with it the percentiles.
    pub fn forget_spread(&mut self) {
        self.spread = Spread::Unknown;
    }

    /// A statistic of it; nothing without values, or if it isn't known.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        if self.count <= 0.0 {
            return None;
        }
        match statistic {
            Statistic::SampleCount => Some(self.count),
            Statistic::Average => Some(self.sum / self.count),
            Statistic::Sum => Some(self.sum),
            Statistic::Minimum => Some(self.minimum),
            Statistic::Maximum => Some(self.maximum),
            Statistic::Percentile(percent) => self.percentile(percent),
            Statistic::TrimmedMean(percent) => self.trimmed_mean(percent),
        }
    }

    fn percentile(&self, percent: f64) -> Option<f64> {
        if percent <= 0.0 {
            return Some(self.minimum);
        }
        let wanted = self.count * percent / 100.0;
        let mut seen = 0.0;
        let mut last = None;
        for (value, times) in self.pairs()? {
            seen += times;
            last = Some(value);
            // The sum of many counts may be a little off.
            if seen + 1e-9 * self.count >= wanted {
                break;
            }
        }
        last.map(|value| value.clamp(self.minimum, self.maximum))
    }

    fn trimmed_mean(&self, percent: f64) -> Option<f64> {
        let wanted = self.count * percent / 100.0;
        let (mut seen, mut sum) = (0.0, 0.0);
        for (value, times) in self.pairs()? {
            let taken = times.min(wanted - seen);
            if taken <= 0.0 {
                break;
            }
            seen += taken;
            sum += value.clamp(self.minimum, self.maximum) * taken;
        }
        (seen > 0.0).then(|| sum / seen)
    }

    /// The values and how often each came, from the least; nothing if they aren't known.
    fn pairs(&self) -> Option<Box<dyn Iterator<Item = (f64, f64)> + '_>> {
        match &self.spread {
            Spread::Values(values) => Some(Box::new(values.iter().copied())),
            Spread::Histogram(bars) => Some(Box::new(
                bars.iter().map(|(bar, times)| (value_of(*bar), *times)),
            )),
            Spread::Unknown => None,
        }
    }
}

impl Spread {
    fn add(&mut self, value: f64, times: f64) {
        if let Self::Values(values) = self {
            if values.len() < EXACT
                || values
                    .binary_search_by(|(known, _)| known.total_cmp(&value))
                    .is_ok()
            {
                put(values, value, times, f64::total_cmp);
                return;
            }
            self.widen();
        }
        if let Self::Histogram(bars) = self {
            put(bars, bar_of(value), times, Ord::cmp);
        }
    }

    /// From values to a histogram.
    fn widen(&mut self) {
        if let Self::Values(values) = self {
            let mut bars = Vec::with_capacity(values.len() * 2);
            for (value, times) in values {
                put(&mut bars, bar_of(*value), *times, Ord::cmp);
            }
            *self = Self::Histogram(bars);
        }
    }
}

/// Counts a key in a sorted list.
fn put<K>(
    sorted: &mut Vec<(K, f64)>,
    key: K,
    times: f64,
    compare: impl Fn(&K, &K) -> std::cmp::Ordering,
) {
    match sorted.binary_search_by(|(known, _)| compare(known, &key)) {
        Ok(at) => {
            if let Some((_, count)) = sorted.get_mut(at) {
                *count += times;
            }
        }
        Err(at) => sorted.insert(at, (key, times)),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "CloudWatch's values are within 2^360, so that the bar is within ±15,000; a cast saturates"
)]
fn bar_of(value: f64) -> i32 {
    let size = value.abs();
    if size < SMALLEST {
        return 0;
    }
    let bar = (size.ln() / GROWTH.ln()).ceil() + OFFSET;
    (bar * value.signum()) as i32
}

fn value_of(bar: i32) -> f64 {
    if bar == 0 {
        return 0.0;
    }
    let power = f64::from(bar.abs()) - OFFSET;
    f64::from(bar.signum()) * 2.0 * GROWTH.powf(power) / (GROWTH + 1.0)
}

#[cfg(test)]
mod tests {
    use super::{Statistic, Summary};

    fn of(values: impl IntoIterator<Item = f64>) -> Summary {
        let mut summary = Summary::default();
        for value in values {
            summary.add(value, 1.0);
        }
        summary
    }

    #[test]
    fn a_few_values_have_exact_percentiles() {
        let summary = of((1..=50).map(f64::from));
        assert_eq!(summary.get(Statistic::Percentile(50.0)), Some(25.0));
        assert_eq!(summary.get(Statistic::Percentile(98.0)), Some(49.0));
        assert_eq!(summary.get(Statistic::Percentile(100.0)), Some(50.0));
        assert_eq!(summary.get(Statistic::Percentile(0.0)), Some(1.0));
        assert_eq!(summary.get(Statistic::TrimmedMean(10.0)), Some(3.0));
    }

    #[test]
    fn many_values_have_percentiles_within_one_percent() {
        let mut state = 7u64;
        let mut values: Vec<f64> = (0..20_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let unit = f64::from(u32::try_from(state >> 33).unwrap()) / 2f64.powi(31);
                // From a thousandth to a hundred thousand, both signs.
                (if state.is_multiple_of(3) { -1.0 } else { 1.0 }) * 10f64.powf(unit * 8.0 - 3.0)
            })
            .collect();
        let summary = of(values.iter().copied());
        values.sort_by(f64::total_cmp);
        for percent in [1u32, 5, 25, 50, 75, 90, 99] {
            let exact = values[(values.len() * percent as usize).div_ceil(100) - 1];
            let found = summary
                .get(Statistic::Percentile(f64::from(percent)))
                .unwrap();
            let error = ((found - exact) / exact).abs();
            assert!(error <= 0.0101, "p{percent}: {found} for {exact}");
        }
    }

    #[test]
    fn what_is_merged_is_what_all_values_together_are() {
        let mut one = of((0..100).map(f64::from));
        one.merge(&of((100..200).map(f64::from)));
        let both = of((0..200).map(f64::from));
        for statistic in [
            Statistic::SampleCount,
            Statistic::Sum,
            Statistic::Average,
            Statistic::Minimum,
            Statistic::Maximum,
            Statistic::Percentile(90.0),
        ] {
            assert_eq!(one.get(statistic), both.get(statistic), "{statistic:?}");
        }
    }

    #[test]
    fn a_statistic_set_has_percentiles_only_if_its_values_are_the_same() {
        let p50 = Statistic::Percentile(50.0);
        assert_eq!(Summary::of_set(3.0, 6.0, 1.0, 3.0).get(p50), None);
        assert_eq!(Summary::of_set(3.0, 6.0, 2.0, 2.0).get(p50), Some(2.0));
    }

    #[test]
    fn statistics_are_known_by_their_names() {
        assert_eq!(Statistic::parse("p99.9"), Some(Statistic::Percentile(99.9)));
        assert_eq!(Statistic::parse("tm90"), Some(Statistic::TrimmedMean(90.0)));
        for wrong in ["p", "p101", "p-1", "pinf", "p1e1", "sum", "IQM", ""] {
            assert_eq!(Statistic::parse(wrong), None, "{wrong}");
        }
    }
}
