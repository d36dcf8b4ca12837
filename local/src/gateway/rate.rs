//! The control plane's rates: how many calls an account may make in a region.
//!
//! 10 calls a second with bursts of 40, one CreateDeployment in 5 s, one UpdateAccount in 20 s [DG limits]. They're kept
//! only where the cloud is as strict about rates as AWS.

use std::time::Duration;

use parking_lot::Mutex;

use crate::{clock::Millis, fidelity::Delays};

/// A region's rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    all: Mutex<Rate>,
    deployments: Mutex<Rate>,
    account: Mutex<Rate>,
}

impl Rates {
    /// Whether a call may be made now.
    pub fn allow(&self, operation: &str, now: Millis, delays: Delays) -> bool {
        let every = |millis| delays.scaled(Duration::from_millis(millis));
        let own = match operation {
            "CreateDeployment" => self.deployments.lock().take(now, every(5_000), 1),
            "UpdateAccount" => self.account.lock().take(now, every(20_000), 1),
            _ => true,
        };
        own && self.all.lock().take(now, every(100), 40)
    }
}

/// One rate: when the calls that were allowed would have been made at an even pace.
#[derive(Debug, Default)]
struct Rate {
    until: Millis,
}

impl Rate {
    fn take(&mut self, now: Millis, every: Duration, burst: u32) -> bool {
        let until = self.until.max(now);
        if now.until(until) > every.saturating_mul(burst.saturating_sub(1)) {
            return false;
        }
        self.until = until.after(every);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_an_even_pace() {
        let mut rate = Rate::default();
        let every = Duration::from_millis(100);
        let start = Millis(1_000_000);
        let burst = (0..50).filter(|_| rate.take(start, every, 40)).count();
        assert_eq!(burst, 40);
        assert!(rate.take(start.after(every), every, 40));
        assert!(!rate.take(start.after(every), every, 40));
        let later = start.after(Duration::from_mins(1));
        let burst = (0..50).filter(|_| rate.take(later, every, 40)).count();
        assert_eq!(burst, 40);
    }

    #[test]
    fn a_pace_of_no_time_is_no_limit() {
        let mut rate = Rate::default();
        let allowed = (0..1000).filter(|_| rate.take(Millis(5), Duration::ZERO, 1));
        assert_eq!(allowed.count(), 1000);
    }
}
