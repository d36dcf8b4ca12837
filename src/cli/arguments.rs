//! Values of arguments that several commands take.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `NAME:VALUE`
pub fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("there is no `:` after the name")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `NAME=VALUE`
pub fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("there is no `=` after the name")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `500ms`, `10s`, `2m`
pub fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "a time such as `500ms`, `10s` or `2m`".to_owned();
    let parsed: SignedDuration = text.parse().map_err(|_| refused())?;
    Duration::try_from(parsed).map_err(|_| refused())
}

/// A time, or how long ago.
pub fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let refused = || {
        "a time such as `2026-11-23T12:00:00Z`, or how long ago, such as `30m` or `2h`".to_owned()
    };
    let ago = duration(text).map_err(|_| refused())?;
    let ago = SignedDuration::try_from(ago).map_err(|_| refused())?;
    Timestamp::now().checked_sub(ago).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_taken_apart() {
        assert_eq!(
            header("Authorization: Bearer a:b"),
            Ok(("Authorization".into(), "Bearer a:b".into()))
        );
        assert_eq!(parameter("token=a=b"), Ok(("token".into(), "a=b".into())));
        assert!(header("x").is_err() && parameter("x").is_err());
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration("-1s").is_err() && duration("soon").is_err());
        let at = "2026-11-23T12:00:00Z";
        assert_eq!(since(at).map(|at| at.to_string()).as_deref(), Ok(at));
        let hour_ago = since("1h").map(|at| Timestamp::now().duration_since(at).as_mins());
        assert_eq!(hour_ago, Ok(60));
        assert!(since("yesterday").is_err() && since("-1h").is_err());
    }
}
