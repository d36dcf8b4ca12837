//! What functions logged that tells of trouble. Only so much is read: a function in a loop of errors says the same again.

use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    aws::{Aws, Error},
    engine::scope::Scope,
    observe::logs::{LogLine, Page, Source, Window, page},
};

/// Pages that are read of a group. A page may be empty and not the last one.
const PAGES: usize = 10;
/// Events that are read of a group.
const EVENTS: usize = 2000;

/// Lines that are about trouble: our handlers' own, and those of Lambda around them.
const TROUBLE: &str = r#"?ERROR ?WARN ?"timed out" ?"Runtime." ?"Runtime exited" ?panicked ?"exec format" ?GLIBC ?"Status: error" ?"not authorized""#;
/// Connections that the limits of API Gateway ended [aws-facts 1.6].
const CLOSED: &str = "{ ($.closeCode = 1001) || ($.closeCode = 1003) || ($.closeCode = 1009) }";

/// Requests that failed, in the access log's format.
const FAILED: &str = r#"{ $.status = "5*" }"#;

/// A request that API Gateway says failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The route's key.
    pub route: String,
    /// The status.
    pub status: String,
    /// Why, in API Gateway's words or the integration's; untrusted.
    pub why: String,
}

/// A connection that didn't end in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code.
    pub code: u16,
    /// How long it was open.
    pub lasted: Duration,
}

/// What the functions logged of trouble, in order.
pub(super) async fn troubles(
    aws: &Aws,
    scope: &Scope,
    things: &[&str],
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    let groups = things
        .iter()
        .map(|thing| lines(aws, scope, thing, TROUBLE, since));
    let mut lines: Vec<LogLine> = try_join_all(groups).await?.into_iter().flatten().collect();
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

/// The connections that didn't end in order, as the handler of `$disconnect` logged them.
pub(super) async fn closings(
    aws: &Aws,
    scope: &Scope,
    closer: &str,
    since: Timestamp,
) -> Result<Vec<Closed>, Error> {
    let lines = lines(aws, scope, closer, CLOSED, since).await?;
    Ok(lines.iter().filter_map(|line| closed(&line.raw)).collect())
}

/// The requests that the access log says failed; none without a log.
pub(super) async fn failures(
    aws: &Aws,
    scope: &Scope,
    since: Timestamp,
) -> Result<Vec<Failed>, Error> {
    let lines = read(aws, &Source::access_log(scope), FAILED, since).await?;
    Ok(lines.iter().filter_map(|line| failed(&line.raw)).collect())
}

fn failed(text: &str) -> Option<Failed> {
    let fields: Value = serde_json::from_str(text).ok()?;
    let said = |name: &str| {
        let text = fields[name].as_str()?;
        // API Gateway's word for nothing.
        (text != "-" && !text.is_empty()).then(|| text.to_owned())
    };
    Some(Failed {
        route: said("routeKey").unwrap_or_default(),
        status: said("status")?,
        why: said("integrationErrorMessage")
            .or_else(|| said("authorizer.error"))
            .or_else(|| said("error.message"))
            .unwrap_or_default(),
    })
}

fn closed(text: &str) -> Option<Closed> {
    let fields: Value = serde_json::from_str(text).ok()?;
    let code = fields["closeCode"].as_u64()?;
    let lasted = fields["ConnectionDuration"].as_f64().unwrap_or_default();
    Some(Closed {
        code: u16::try_from(code).ok()?,
        lasted: Duration::try_from_secs_f64(lasted / 1000.0).unwrap_or_default(),
    })
}

async fn lines(
    aws: &Aws,
    scope: &Scope,
    thing: &str,
    pattern: &str,
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    read(aws, &Source::of_handler(scope, thing), pattern, since).await
}

/// The lines of a group; none if there's no such group, which the plan tells.
async fn read(
    aws: &Aws,
    source: &Source,
    pattern: &str,
    since: Timestamp,
) -> Result<Vec<LogLine>, Error> {
    let window = Window {
        from: since.as_millisecond(),
        until: None,
    };
    let mut lines = Vec::new();
    let mut token = None;
    for _ in 0..PAGES {
        let Page::Events(events, next) = page(aws, source, Some(pattern), window, token).await?
        else {
            break;
        };
        lines.extend(events.into_iter().map(|event| source.line(event)));
        token = next;
        if token.is_none() || lines.len() >= EVENTS {
            break;
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_connection_is_read_from_the_metrics_line() {
        let line = r#"{"closeCode":1001,"ConnectionDuration":603900.0,"_aws":{}}"#;
        let expected = Closed {
            code: 1001,
            lasted: Duration::from_millis(603_900),
        };
        assert_eq!(closed(line), Some(expected));
        assert_eq!(closed("connection closed: 1001"), None);
        assert_eq!(closed(r#"{"closeCode":70000}"#), None);
    }

    #[test]
    fn a_failed_request_says_why_in_the_nearest_words() {
        let line = r#"{"routeKey":"ping","status":"500","integrationErrorMessage":"-","authorizer.error":"-","error.message":"Internal server error"}"#;
        let expected = Failed {
            route: "ping".into(),
            status: "500".into(),
            why: "Internal server error".into(),
        };
        assert_eq!(failed(line), Some(expected));
        assert_eq!(failed("no JSON"), None);
    }
}
