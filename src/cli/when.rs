//! A time that is given as an argument.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil, tz::TimeZone};

/// A moment, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(SignedDuration),
    /// Then.
    At(Timestamp),
}

impl When {
    /// The moment, at this moment.
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(duration) => now.saturating_sub(duration).unwrap_or(Timestamp::MIN),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        // Without an offset it's a time of this place.
        if let Ok(here) = text.parse::<civil::DateTime>()
            && let Ok(here) = here.to_zoned_datetime(TimeZone::system())
        {
            return Ok(Self::At(here.timestamp()));
        }
        let duration = text
            .parse::<Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
        match duration {
            Ok(duration) if !duration.is_negative() => Ok(Self::Ago(duration)),
            _ => Err("write how long ago, such as 15m, 2h or 1d, or a time, such as 2026-11-27T10:00:00Z".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: i64) -> Result<When, String> {
        Ok(When::Ago(SignedDuration::from_secs(seconds)))
    }

    #[test]
    fn a_time_is_a_moment_or_how_long_ago_it_was() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h 30m", 5_400),
        ] {
            assert_eq!(text.parse(), ago(seconds), "{text}");
        }
        let moment: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        for text in ["2026-11-27T10:00:00Z", "2026-11-27T12:00:00+02:00"] {
            assert_eq!(text.parse(), Ok(When::At(moment)), "{text}");
        }
        assert!(matches!("2026-11-27".parse(), Ok(When::At(_))));
        assert!(matches!("2026-11-27T10:00".parse(), Ok(When::At(_))));
        for text in ["", "15", "-15m", "soon", "1month", "99999999999999999999h"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
        let now = moment;
        assert_eq!(
            When::Ago(SignedDuration::from_secs(60)).moment(now),
            now - SignedDuration::from_secs(60)
        );
        assert_eq!(When::Ago(SignedDuration::MAX).moment(now), Timestamp::MIN);
    }
}
