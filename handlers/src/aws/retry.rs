//! Waiting between attempts: exponential, with full jitter, so that functions that failed together don't come back together.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The delays of one series of attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    attempts: u32,
}

impl Backoff {
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            attempts: 0,
        }
    }

    /// How many delays were taken.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next delay: between a tenth and the whole of base * 2^n, at most the cap.
    pub fn next_delay(&mut self) -> Duration {
        let most = self
            .base
            .saturating_mul(1 << self.attempts.min(16))
            .min(self.cap);
        self.attempts += 1;
        most.mul_f64(0.1 + 0.9 * random())
    }
}

/// A number in 0..1. The standard library seeds its hash maps with the only randomness that jitter needs.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_stay_in_their_bounds() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(800));
        for most in [100, 200, 400, 800, 800, 800] {
            let delay = backoff.next_delay();
            assert!(delay <= Duration::from_millis(most), "{delay:?} of {most}");
            assert!(
                delay >= Duration::from_millis(most / 10),
                "{delay:?} of {most}"
            );
        }
        assert_eq!(backoff.attempts(), 6);
    }

    #[test]
    fn two_series_do_not_march_in_step() {
        let delays: Vec<Duration> = (0..8)
            .map(|_| Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).next_delay())
            .collect();
        assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
    }
}
