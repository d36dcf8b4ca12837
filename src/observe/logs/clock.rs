//! What time it is for CloudWatch, as far as it can be told.
//!
//! A machine's clock may be minutes off, for AWS takes signatures up to five minutes old. When an event was ingested is
//! told by CloudWatch's own clock, and it's never in the future.

/// More than a clock can be off by: AWS refuses older signatures [SigV4: 5 minutes].
const MOST_OFF: i64 = 5 * 60_000;

/// A lower bound of CloudWatch's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    ahead: Option<i64>,
}

impl Clock {
    /// An event that was ingested then has arrived here now.
    pub fn learn(&mut self, ingested: i64, here: i64) {
        let ahead = ingested.saturating_sub(here).clamp(-MOST_OFF, MOST_OFF);
        self.ahead = Some(self.ahead.map_or(ahead, |known| known.max(ahead)));
    }

    /// The time that it is at least for CloudWatch, when it's `here` on this machine.
    pub fn at_least(&self, here: i64) -> i64 {
        here.saturating_add(self.ahead.unwrap_or(-MOST_OFF))
    }
}

/// This machine's time, in epoch milliseconds.
pub fn here() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_s_time_is_never_overestimated_and_soon_nearly_right() {
        let mut clock = Clock::default();
        assert_eq!(clock.at_least(1_000_000), 700_000);
        // This machine is two minutes fast; events arrive seconds after they were ingested.
        for (cloud, delay) in [(0, 9_000), (10_000, 3_000), (20_000, 6_000)] {
            clock.learn(cloud, cloud + 120_000 + delay);
        }
        assert_eq!(clock.at_least(1_000_000 + 120_000), 1_000_000 - 3_000);
        // An old event teaches nothing.
        clock.learn(0, 10_000_000);
        assert_eq!(clock.at_least(1_000_000 + 120_000), 1_000_000 - 3_000);
        let mut slow = Clock::default();
        slow.learn(60_000, 0);
        assert_eq!(slow.at_least(0), 60_000);
    }
}
