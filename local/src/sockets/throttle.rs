//! Rates: so many a second, so many at once.

use std::time::Instant;

use parking_lot::Mutex;

/// A bucket of tokens: it holds `burst`, and `rate` come back a second. Either 0 lets nothing through, as on AWS.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub fn new(rate: f64, burst: f64) -> Self {
        Self {
            rate,
            burst,
            level: Mutex::new((burst, Instant::now())),
        }
    }

    /// Whether it's for these limits.
    pub fn is(&self, rate: f64, burst: f64) -> bool {
        self.rate.to_bits() == rate.to_bits() && self.burst.to_bits() == burst.to_bits()
    }

    /// Is as full as another was.
    pub fn go_on_from(&self, other: &Self) {
        let level = *other.level.lock();
        *self.level.lock() = level;
    }

    /// Takes a token, if there's one.
    pub fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        if self.rate <= 0.0 {
            return false;
        }
        let mut level = self.level.lock();
        let (tokens, then) = *level;
        let back = now.saturating_duration_since(then).as_secs_f64() * self.rate;
        let tokens = (tokens + back).min(self.burst);
        let taken = tokens >= 1.0;
        *level = (if taken { tokens - 1.0 } else { tokens }, now.max(then));
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let bucket = Bucket::new(10.0, 3.0);
        let start = Instant::now();
        let at = |millis| bucket.take_at(start + Duration::from_millis(millis));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(110), at(120)], [true, false]);
        assert_eq!(
            [at(10_000), at(10_000), at(10_000), at(10_000)],
            [true, true, true, false]
        );
        // An earlier time than before gives nothing back.
        assert!(!at(0));
    }

    #[test]
    fn a_limit_of_0_lets_nothing_through() {
        assert!(!Bucket::new(0.0, 5000.0).take());
        assert!(!Bucket::new(1000.0, 0.0).take());
    }
}
