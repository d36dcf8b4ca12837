//! How often the control plane may be called, where the cloud is as strict about rates as AWS. Pure but for the clock.
//!
//! Fifteen calls a second and region, `GetFunction` a hundred (developer guide, gettingstarted-limits).

use std::time::Instant;

use crate::error::AwsError;

/// The buckets of a region.
#[derive(Debug, Default)]
pub(super) struct Rates {
    calls: Bucket,
    reads: Bucket,
}

#[derive(Debug, Default)]
struct Bucket {
    spent: f64,
    at: Option<Instant>,
}

impl Rates {
    /// Takes a call's share, or refuses.
    pub(super) fn take(&mut self, operation: &str, now: Instant) -> Result<(), AwsError> {
        let has_room = match operation {
            // Their rate is the concurrency.
            "Invoke" => true,
            "GetFunction" => self.reads.take(100.0, now),
            _ => self.calls.take(15.0, now),
        };
        if has_room {
            return Ok(());
        }
        Err(
            AwsError::new(429, "TooManyRequestsException", "Rate exceeded")
                .member("Reason", "CallerRateLimitExceeded")
                .member("Type", "User"),
        )
    }
}

impl Bucket {
    fn take(&mut self, rate: f64, now: Instant) -> bool {
        let passed = self
            .at
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.spent = (self.spent - passed * rate).max(0.0);
        let has_room = self.spent + 1.0 <= rate;
        if has_room {
            self.spent += 1.0;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fifteen_calls_a_second_pass_and_the_sixteenth_is_throttled() {
        let mut rates = Rates::default();
        let now = Instant::now();
        for _ in 0..15 {
            assert_eq!(rates.take("GetPolicy", now), Ok(()));
        }
        let refused = rates.take("GetPolicy", now).unwrap_err();
        assert_eq!(refused.code, "TooManyRequestsException");
        assert_eq!(rates.take("GetFunction", now), Ok(()), "has its own rate");
        let later = now + Duration::from_secs(1);
        assert_eq!(rates.take("GetPolicy", later), Ok(()));
    }
}
