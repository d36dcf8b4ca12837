//! The evaluation of a region's alarms, for as long as the region is there.

use std::{sync::Weak, time::Duration};

use crate::{clock::Millis, cloud::Region, fidelity::Delays};

/// How often something may be due.
const TICK: i64 = 10_000;
/// The gauges are read this long before a period ends, so that they belong to it.
const BEFORE: i64 = 500;
/// The alarms are evaluated this long after, so that what was written last is seen.
const AFTER: i64 = 100;

/// Evaluates a region's alarms at the end of each period, until the region is gone.
pub async fn run(region: Weak<Region>, delays: Delays) {
    loop {
        let boundary = Millis(next(Millis::now().0 + BEFORE));
        sleep_until(Millis(boundary.0 - BEFORE)).await;
        let Some(here) = region.upgrade() else {
            return;
        };
        let due = boundary.0 % 60_000 == 0 || here.cloudwatch.alarms().any_is_fast();
        if !due {
            drop(here);
            sleep_until(boundary).await;
            continue;
        }
        observe(&here);
        drop(here);
        sleep_until(Millis(boundary.0 + AFTER)).await;
        let Some(here) = region.upgrade() else {
            return;
        };
        here.cloudwatch.evaluate(boundary, delays.are_real());
    }
}

/// Writes the gauges of the other services: what is so, rather than what happened.
fn observe(region: &Region) {
    region.sqs.observe(region);
}

fn next(now: i64) -> i64 {
    now - now.rem_euclid(TICK) + TICK
}

async fn sleep_until(then: Millis) {
    let wait = Millis::now().until(then);
    // Never less than a moment, whatever the clock does.
    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_period_ends_later_than_now() {
        assert_eq!(next(0), 10_000);
        assert_eq!(next(9_999), 10_000);
        assert_eq!(next(10_000), 20_000);
    }
}
