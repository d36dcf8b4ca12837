//! Conditions on reads and writes: which hold for the object that is there. Pure.
//!
//! [S3 user guide, conditional requests; aws-facts 3.8]

use hyper::HeaderMap;

use super::{
    errors::{no_key, not_implemented, precondition},
    header,
    state::Object,
};
use crate::{clock::Millis, error::Result};

/// What a read comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Whole,
    NotModified,
}

/// Whether a write may be: `present` is the object that is there, if there's one.
pub fn of_write(headers: &HeaderMap, key: &str, present: Option<&Object>) -> Result<()> {
    if let Some(tags) = header(headers, "if-none-match") {
        // Only "if there's none" is there for writes [aws-facts 3.8].
        if tags.trim() != "*" {
            return Err(not_implemented("If-None-Match"));
        }
        if headers.contains_key("if-match") {
            return Err(not_implemented("If-Match"));
        }
        if present.is_some() {
            return Err(precondition("If-None-Match"));
        }
    }
    of_replacement(headers, key, present)
}

/// Whether what is there is what the writer thinks.
pub fn of_replacement(headers: &HeaderMap, key: &str, present: Option<&Object>) -> Result<()> {
    match header(headers, "if-match") {
        None => Ok(()),
        Some(tags) => is_one_of(key, tags, present),
    }
}

/// Whether the object is one of those that tags name; `*` names any.
pub fn is_one_of(key: &str, tags: &str, present: Option<&Object>) -> Result<()> {
    let present = present.ok_or_else(|| no_key(key))?;
    if names(tags, &present.etag) {
        Ok(())
    } else {
        Err(precondition("If-Match"))
    }
}

/// Whether an object is to be read.
pub fn of_read(headers: &HeaderMap, object: &Object) -> Result<Read> {
    let modified = object.modified.0.div_euclid(1000);
    let since = |name| header(headers, name).and_then(parse_date);
    match header(headers, "if-match") {
        Some(tags) if !names(tags, &object.etag) => return Err(precondition("If-Match")),
        Some(_) => {}
        None => {
            if since("if-unmodified-since").is_some_and(|date| modified > date) {
                return Err(precondition("If-Unmodified-Since"));
            }
        }
    }
    let is_known = match header(headers, "if-none-match") {
        Some(tags) => names(tags, &object.etag),
        None => since("if-modified-since").is_some_and(|date| modified <= date),
    };
    Ok(if is_known {
        Read::NotModified
    } else {
        Read::Whole
    })
}

/// Whether a list of ETags, with or without quotes, has this one.
fn names(tags: &str, etag: &str) -> bool {
    let bare = |tag: &str| {
        let tag = tag.trim();
        tag.strip_prefix("W/")
            .unwrap_or(tag)
            .trim_matches('"')
            .to_owned()
    };
    tags.split(',')
        .map(bare)
        .any(|tag| tag == "*" || tag == bare(etag))
}

/// `Tue, 22 Feb 2022 19:07:37 GMT`, in seconds.
pub fn parse_date(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().as_second())
}

/// The same, written.
pub fn http_date(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// Where a range of an object begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// There's none, or none that S3 looks at.
    Whole,
    /// From the first byte to the one after the last.
    Part(usize, usize),
    /// There's nothing there.
    Unsatisfiable,
}

/// The range of a `Range` header. What isn't understood is no range [RFC 9110, 14.2].
pub fn range(header: Option<&str>, length: usize) -> Range {
    let Some((first, last)) = header
        .and_then(|header| header.trim().strip_prefix("bytes="))
        .filter(|spec| !spec.contains(','))
        .and_then(|spec| spec.split_once('-'))
    else {
        return Range::Whole;
    };
    match (first.trim(), last.trim()) {
        ("", suffix) => match suffix.parse::<usize>() {
            Ok(0) => Range::Unsatisfiable,
            Ok(_) if length == 0 => Range::Unsatisfiable,
            Ok(suffix) => Range::Part(length.saturating_sub(suffix), length),
            Err(_) => Range::Whole,
        },
        (first, last) => {
            let end = match last {
                "" => Ok(usize::MAX),
                last => last.parse::<usize>(),
            };
            match (first.parse::<usize>(), end) {
                (Ok(first), Ok(last)) if first > last => Range::Whole,
                (Ok(first), Ok(_)) if first >= length => Range::Unsatisfiable,
                (Ok(first), Ok(last)) => Range::Part(first, last.saturating_add(1).min(length)),
                _ => Range::Whole,
            }
        }
    }
}
