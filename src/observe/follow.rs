//! Following figures: each period once, when it's over and CloudWatch knows of it.

use std::time::Duration;

use jiff::Timestamp;

use super::window::Window;

/// What an emulator writes last in a period, it writes within this.
const GRACE: Duration = Duration::from_secs(2);

/// Which periods have been told.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Where the next begins, in seconds since 1970.
    next: i64,
    period: i64,
    /// How long after its end a period is told.
    after: Duration,
}

impl Follow {
    /// What comes after a window.
    pub fn after(window: &Window, period_s: u32, lag: Duration) -> Self {
        Self {
            next: window.until.as_second(),
            period: i64::from(period_s.max(1)),
            after: lag + GRACE,
        }
    }

    /// How long until there's something to tell.
    pub fn wait(&self, now: Timestamp) -> Duration {
        let due = self.next + self.period;
        let due = Timestamp::from_second(due).unwrap_or(Timestamp::MAX);
        let ahead = Duration::try_from(now.duration_until(due)).unwrap_or_default();
        // Once it's over its delay begins; before, that is added.
        if now < due {
            return ahead + self.after;
        }
        let over = Duration::try_from(due.duration_until(now)).unwrap_or_default();
        self.after.saturating_sub(over)
    }

    /// The periods that can be told now, and haven't been; nothing if there is none.
    pub fn due(&mut self, now: Timestamp) -> Option<Window> {
        let known = now.as_second() - i64::try_from(self.after.as_secs()).unwrap_or(i64::MAX / 2);
        let whole = (known - self.next).div_euclid(self.period);
        if whole < 1 {
            return None;
        }
        let until = self.next + whole * self.period;
        let window = Window {
            since: Timestamp::from_second(self.next).ok()?,
            until: Timestamp::from_second(until).ok()?,
        };
        self.next = until;
        Some(window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_period_is_told_once_and_only_when_it_is_known() {
        let window = Window {
            since: at(0),
            until: at(600),
        };
        let mut follow = Follow::after(&window, 60, Duration::from_mins(2));
        assert_eq!(follow.due(at(660)), None);
        assert_eq!(follow.due(at(660 + 121)), None);
        let told = follow.due(at(660 + 122)).expect("a period");
        assert_eq!((told.since, told.until), (at(600), at(660)));
        assert_eq!(follow.due(at(660 + 123)), None);
        // A laptop that slept catches up.
        let told = follow.due(at(1000 + 122)).expect("periods");
        assert_eq!((told.since, told.until), (at(660), at(960)));
    }

    proptest! {
        #[test]
        fn periods_neither_overlap_nor_leave_gaps(steps in prop::collection::vec(0_i64..500, 1..50)) {
            let window = Window { since: at(0), until: at(600) };
            let mut follow = Follow::after(&window, 60, Duration::ZERO);
            let (mut now, mut end) = (600, 600);
            for step in steps {
                now += step;
                if let Some(told) = follow.due(at(now)) {
                    prop_assert_eq!(told.since, at(end));
                    prop_assert!(told.until > told.since && told.until <= at(now));
                    end = told.until.as_second();
                }
                prop_assert!(follow.wait(at(now)) <= Duration::from_secs(62));
                let wait = i64::try_from(follow.wait(at(now)).as_secs()).unwrap();
                let mut later = follow.clone();
                prop_assert!(later.due(at(now + wait + 1)).is_some());
            }
        }
    }
}
