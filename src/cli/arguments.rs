//! Values of arguments that several commands take.

use std::time::Duration;

use crate::observe::Moment;

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

/// `500ms`, `10s`, `2m`, `1d`
pub fn duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(Moment::Ago(duration)) => Ok(duration),
        _ => Err("a time such as `500ms`, `10s` or `2m`".to_owned()),
    }
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
        assert!(duration("2026-11-23T12:00:00Z").is_err());
    }
}
