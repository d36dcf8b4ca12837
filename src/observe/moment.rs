//! Times of the past, as people name them in arguments.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil::DateTime, tz::TimeZone};

/// A time of the past as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago: `15m`, `2h`, `1d`, `1h30m`.
    Ago(Duration),
    /// Then: `2026-11-27T10:00:00Z`, or without an offset in the machine's time zone.
    At(Timestamp),
}

impl Moment {
    /// When that is, seen from `now`.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => SignedDuration::try_from(ago)
                .ok()
                .and_then(|ago| now.checked_sub(ago).ok())
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        // A date alone is its first moment.
        if let Ok(here) = text.parse::<DateTime>()
            && let Ok(here) = here.to_zoned_datetime(TimeZone::system())
        {
            return Ok(Self::At(here.timestamp()));
        }
        text.parse::<Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .map(Self::Ago)
            .ok_or_else(|| {
                "write how long ago, such as 15m, 2h or 1d, or a time, such as 2026-11-27T10:00:00Z"
                    .to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_how_long_ago_it_was() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
        ] {
            let ago = Moment::Ago(Duration::from_secs(seconds));
            assert_eq!(text.parse(), Ok(ago), "{text}");
        }
        let moment: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        for text in ["2026-11-27T10:00:00Z", "2026-11-27T12:00:00+02:00"] {
            assert_eq!(text.parse(), Ok(Moment::At(moment)), "{text}");
        }
        assert!(matches!("2026-11-27".parse(), Ok(Moment::At(_))));
        assert!(matches!("2026-11-27T10:00".parse(), Ok(Moment::At(_))));
        for text in [
            "",
            "15",
            "-15m",
            "soon",
            "yesterday",
            "1y",
            "1month",
            "99999999999999999999h",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn how_long_ago_is_counted_from_now_and_ends_where_time_begins() {
        let now: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let seen = |ago| Moment::Ago(ago).seen_from(now);
        assert_eq!(
            seen(Duration::from_mins(1)),
            now - SignedDuration::from_mins(1)
        );
        assert_eq!(seen(Duration::MAX), Timestamp::UNIX_EPOCH);
        assert_eq!(Moment::At(now).seen_from(Timestamp::UNIX_EPOCH), now);
    }
}
