//! What logs tell: each line is one sign, and all lines of one sign from one handler are one finding. Pure.
//!
//! The signs are the handlers' library's own words, Lambda's, and IAM's.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::{Area, Evidence, Finding, Rank, drift::deploy, states::direct};
use crate::{
    observe::LogLine,
    stack::{RESULTS, builtin},
};

/// Lines that are shown of a finding: the last ones.
const LINES: usize = 3;
/// Characters that are shown of a line.
const CHARACTERS: usize = 300;

/// What a line is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    /// The program can't be started.
    WrongBinary,
    /// It needs a newer C library.
    Glibc,
    /// It ends before it asks for work.
    InitCrash,
    /// The handler panicked.
    Panic,
    /// The process ended while it worked.
    Crash,
    /// The function's time was up.
    TimedOut,
    /// IAM refused a call.
    Denied,
    /// `$connect`'s handler spoke to a connection that isn't open yet.
    NotOpenYet,
    /// A reply couldn't be put into the results queue.
    NoReply,
    /// @connections refused a message.
    NotPushed,
    /// A client took nothing for so long that messages to it were given up.
    SlowClient,
    /// A message is too large for API Gateway.
    TooLarge,
    /// A page of an origin that may not connect tried to.
    Origin,
    /// Some other error.
    Error,
}

/// All lines of one sign from one handler.
struct Group<'a> {
    sign: Sign,
    handler: &'a str,
    lines: Vec<&'a LogLine>,
}

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, Sign), Vec<&LogLine>> = BTreeMap::new();
    for line in &evidence.logs {
        if let Some(sign) = sign(line) {
            groups.entry((&*line.handler, sign)).or_default().push(line);
        }
    }
    let has = |handler: &str, signs: &[Sign]| {
        signs
            .iter()
            .any(|sign| groups.contains_key(&(handler, *sign)))
    };
    groups
        .iter()
        .filter(|((handler, sign), _)| match sign {
            // A process that ends is what the others look like from outside.
            Sign::Crash => !has(
                handler,
                &[Sign::WrongBinary, Sign::Glibc, Sign::InitCrash, Sign::Panic],
            ),
            Sign::InitCrash => !has(handler, &[Sign::WrongBinary, Sign::Glibc]),
            _ => true,
        })
        .map(|((handler, sign), lines)| {
            Group {
                sign: *sign,
                handler,
                lines: lines.clone(),
            }
            .finding(evidence)
        })
        .collect()
}

fn sign(line: &LogLine) -> Option<Sign> {
    let text = line.raw.as_str();
    let fields: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(message) = fields["message"].as_str() else {
        return plain(text);
    };
    let level = fields["level"].as_str().unwrap_or_default();
    let is_error = level == "ERROR";
    if !is_error && level != "WARN" {
        return None;
    }
    let says = |words: &str| message.contains(words);
    if says("isn't among allowed-origins") {
        return Some(Sign::Origin);
    }
    if message.starts_with("panic: ") || message.starts_with("the handler panicked: ") {
        return Some(Sign::Panic);
    }
    if says("the handler was not done in the function's time") {
        return Some(Sign::TimedOut);
    }
    let is_gone = says("GoneException") || says("410");
    if is_error && is_gone && fields["route"] == "$connect" {
        return Some(Sign::NotOpenYet);
    }
    if says("not authorized to perform") || says("AccessDenied") {
        return Some(Sign::Denied);
    }
    if message.starts_with("a reply wasn't sent: ") || message.starts_with("the results queue: ") {
        return Some(Sign::NoReply);
    }
    if message.starts_with("not sent: it isn't open yet") {
        return Some(Sign::NotOpenYet);
    }
    if message.starts_with("not sent: ") {
        return Some(Sign::NotPushed);
    }
    if message.starts_with("dropped for ") {
        return Some(Sign::SlowClient);
    }
    if message.starts_with("dropped: ") {
        return Some(Sign::TooLarge);
    }
    is_error.then_some(Sign::Error)
}

/// A line that isn't the handlers' library's: Lambda's, the loader's, or another program's.
fn plain(text: &str) -> Option<Sign> {
    let says = |words: &str| text.contains(words);
    if says("Runtime.InvalidEntrypoint") || says("exec format error") || says("fork/exec") {
        return Some(Sign::WrongBinary);
    }
    if says("GLIBC_") && says("not found") {
        return Some(Sign::Glibc);
    }
    if text.starts_with("INIT_REPORT ") {
        return if says("Status: timeout") {
            Some(Sign::TimedOut)
        } else {
            says("Status: error").then_some(Sign::InitCrash)
        };
    }
    if says("panicked at ") {
        return Some(Sign::Panic);
    }
    if says("Task timed out after ") || says("Status: timeout") {
        return Some(Sign::TimedOut);
    }
    if says("Runtime.ExitError") || says("Runtime exited ") {
        return Some(Sign::Crash);
    }
    says("not authorized to perform").then_some(Sign::Denied)
}

impl Group<'_> {
    fn finding(&self, evidence: &Evidence) -> Finding {
        let handler = self.handler;
        let (code, area, symptom, cause, mend) = self.words(evidence);
        let mut finding = Finding::cause(code, area, symptom, cause)
            .ranked(Rank::Logged)
            .about(handler)
            .mend(mend);
        if matches!(self.sign, Sign::NoReply) {
            finding = finding.about(RESULTS);
        }
        for denied in self.lines.iter().filter_map(|line| denied(&line.raw)) {
            let thing = denied.1.rsplit([':', '/']).next().unwrap_or_default();
            finding = finding.about(evidence.scope.thing(thing).unwrap_or(thing));
        }
        if matches!(self.sign, Sign::Error | Sign::Denied) {
            // What the handler fails at is often the registry, which its message names.
            let names_table = self.lines.iter().any(|line| line.raw.contains("registry"));
            if names_table || self.lines.iter().any(|line| line.raw.contains("dynamodb")) {
                finding = finding.about(crate::resource::table::CONNECTIONS);
            }
        }
        if matches!(self.sign, Sign::Origin | Sign::SlowClient | Sign::TooLarge) {
            finding = finding.warning();
        }
        let count = self.lines.len();
        if count > LINES {
            finding = finding.evidence(format!("{count} lines, the last of them:"));
        }
        let from = count.saturating_sub(LINES);
        finding.evidences(self.lines[from..].iter().map(|line| {
            let text = line.raw.trim();
            let shown: String = text.chars().take(CHARACTERS).collect();
            format!("{} {}: {shown}", line.at, line.handler)
        }))
    }

    #[allow(clippy::too_many_lines, reason = "a table of words, an arm a sign")]
    fn words(&self, evidence: &Evidence) -> (&'static str, Area, String, String, String) {
        let handler = self.handler;
        let is_direct = direct(evidence).any(|(_, of)| of == handler);
        let fails = failing(evidence, handler);
        let logs = evidence.command(&format!("logs {handler}"));
        let last = self.lines.last().map_or("", |line| line.raw.as_str());
        match self.sign {
            Sign::WrongBinary => (
                "doctor::wrong-binary",
                Area::Functions,
                fails,
                "its program can't be started: it's for another processor, no program at all, or not executable".into(),
                format!("{}: it builds the handler, and inspects what it ships", deploy(evidence)),
            ),
            Sign::Glibc => (
                "doctor::glibc",
                Area::Functions,
                fails,
                "its program needs a newer C library than Lambda's provided.al2023 has (2.34)".into(),
                format!("`pip install ziglang`, then {}", deploy(evidence)),
            ),
            Sign::InitCrash => (
                "doctor::init-crash",
                Area::Functions,
                fails,
                "its program ends, or takes too long, before it asks for the first message".into(),
                format!("look at what it does before `serve`, and its environment: {logs}"),
            ),
            Sign::Panic => (
                "doctor::panic",
                Area::Functions,
                fails,
                match location(last) {
                    Some(place) => format!("the handler panics at {place}"),
                    None => "the handler panics".into(),
                },
                format!("mend the handler, then {}{}", deploy(evidence), again(evidence, handler)),
            ),
            Sign::Crash => (
                "doctor::crash",
                Area::Functions,
                fails,
                "its process ends while it handles a message: it exits, aborts, or is out of memory".into(),
                format!("look at the lines before: {logs}; raise `memory` in [handlers.{handler}] if it's killed"),
            ),
            Sign::TimedOut => (
                "doctor::timed-out",
                Area::Functions,
                fails,
                "the handler isn't done in the function's time".into(),
                if is_direct {
                    format!("raise `timeout` in [handlers.{handler}] (29 s at most), or let its routes go through a queue")
                } else {
                    format!("raise `timeout` in [handlers.{handler}], or let it do less at a time")
                },
            ),
            Sign::Denied => {
                let (action, resource) = self
                    .lines
                    .iter()
                    .rev()
                    .find_map(|line| denied(&line.raw))
                    .unwrap_or_else(|| ("something".into(), "a resource".into()));
                (
                    "doctor::denied",
                    Area::Permissions,
                    fails,
                    format!("its role may not {action} on {resource}"),
                    format!(
                        "allow it in wsless.toml: `policy = [{{ actions = [\"{action}\"], resources = [\"{resource}\"] }}]` in \
                         [handlers.{handler}], then {}; if wsless gives it, a policy elsewhere denies it",
                        deploy(evidence)
                    ),
                )
            }
            Sign::NotOpenYet => (
                "doctor::not-open-yet",
                Area::Connections,
                "a greeting never arrives: @connections answers 410".into(),
                // aws-facts 1.2.
                "a connection isn't open before $connect's handler has returned".into(),
                "greet through a queue, or when the client says hello".into(),
            ),
            Sign::NoReply => (
                "doctor::no-reply",
                Area::Queues,
                format!("replies of {handler} never arrive"),
                "the results queue doesn't take them".into(),
                deploy(evidence),
            ),
            Sign::NotPushed => (
                "doctor::not-pushed",
                Area::Connections,
                "replies don't arrive".into(),
                "@connections doesn't take them".into(),
                "look at the answers; with 429 send less at once".into(),
            ),
            Sign::SlowClient => (
                "doctor::slow-client",
                Area::Connections,
                "some clients miss messages".into(),
                // aws-facts 1.7: 429 is also that client's full buffer.
                "they don't read as fast as they're sent to: their buffer at API Gateway is full".into(),
                "send them less, or let them ask".into(),
            ),
            Sign::TooLarge => (
                "doctor::too-large",
                Area::Connections,
                "some messages never arrive".into(),
                "they're larger than API Gateway takes: 128 KB".into(),
                format!("let {handler} send less at once"),
            ),
            Sign::Origin => (
                "doctor::origin-refused",
                Area::Connections,
                "pages of some origins are refused with 403".into(),
                "`allowed-origins` in [api] doesn't have them".into(),
                "add those that are yours, and deploy; the others are kept out as they should be".into(),
            ),
            Sign::Error => (
                "doctor::handler-errors",
                Area::Functions,
                fails,
                "the handler says why".into(),
                logs,
            ),
        }
    }
}

/// What one sees if a handler fails.
fn failing(evidence: &Evidence, handler: &str) -> String {
    let direct: Vec<&str> = direct(evidence)
        .filter(|(_, of)| *of == handler)
        .map(|(key, _)| key)
        .collect();
    match handler {
        builtin::PUSH => "replies never arrive".to_owned(),
        builtin::CONNECT => "nobody can connect: handshakes are refused with 502".to_owned(),
        builtin::DISCONNECT => "closed connections stay in the registry".to_owned(),
        _ if direct.contains(&"$connect") => {
            "nobody can connect: handshakes are refused with 502".to_owned()
        }
        _ if !direct.is_empty() => format!(
            "messages on `{}` are answered with Internal server error",
            direct.join("`, `")
        ),
        _ => format!("messages for {handler} come back and end in its dead-letter queue"),
    }
}

/// How to have messages handled again that were given up.
fn again(evidence: &Evidence, handler: &str) -> String {
    let queue = if handler == builtin::PUSH {
        RESULTS
    } else {
        handler
    };
    let held = evidence.queues.get(&format!("{queue}-dlq"));
    held.filter(|letters| letters.waiting > 0)
        .map_or_else(String::new, |letters| {
            format!(
                "; then put its {} dead letters back: {}",
                letters.waiting,
                evidence.command(&format!("dlq redrive {queue}"))
            )
        })
}

/// The action and the resource that IAM refused.
fn denied(text: &str) -> Option<(String, String)> {
    let pattern =
        Regex::new(r"not authorized to perform: ([a-z0-9-]+:\w+)(?: on resource: (\S+))?").ok()?;
    let found = pattern.captures(text)?;
    let action = found.get(1)?.as_str().to_owned();
    let resource = found.get(2).map_or("*", |resource| resource.as_str());
    let resource =
        resource.trim_matches(|letter: char| !(letter.is_alphanumeric() || letter == '*'));
    Some((action, resource.to_owned()))
}

/// Where a panic came from.
fn location(text: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(text.trim_end()).unwrap_or_default();
    if let Some(place) = fields["location"].as_str() {
        return Some(place.to_owned());
    }
    let (_, rest) = text.split_once("panicked at ")?;
    let place = rest.split([',', '\n', ' ']).next()?.trim_end_matches(':');
    (!place.is_empty()).then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn of(text: &str) -> Option<Sign> {
        sign(&LogLine::new(Timestamp::UNIX_EPOCH, "echo", text))
    }

    #[test]
    fn each_line_is_one_sign() {
        for (text, expected) in [
            (
                r#"{"level":"ERROR","message":"panic: no","location":"src/lib.rs:7:5"}"#,
                Sign::Panic,
            ),
            (
                r#"{"level":"ERROR","message":"the handler panicked: no","route":"say"}"#,
                Sign::Panic,
            ),
            (
                "thread 'main' panicked at src/main.rs:2:5:\nno",
                Sign::Panic,
            ),
            (
                r#"{"level":"ERROR","message":"the handler was not done in the function's time"}"#,
                Sign::TimedOut,
            ),
            (
                "2026-11-23T12:00:00Z 1-2 Task timed out after 3.00 seconds\n\n",
                Sign::TimedOut,
            ),
            (
                "RequestId: 1-2 Error: Runtime exited with error: exit status 1\n",
                Sign::Crash,
            ),
            ("Runtime.ExitError\n", Sign::Crash),
            (
                "INIT_REPORT Init Duration: 2.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
                Sign::InitCrash,
            ),
            (
                "INIT_REPORT Init Duration: 9999.00 ms\tPhase: init\tStatus: timeout",
                Sign::TimedOut,
            ),
            ("Runtime.InvalidEntrypoint", Sign::WrongBinary),
            (
                "/var/task/bootstrap: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by x)",
                Sign::Glibc,
            ),
            (
                r#"{"level":"WARN","message":"connection refused: origin https://x isn't among allowed-origins"}"#,
                Sign::Origin,
            ),
            (
                r#"{"level":"WARN","message":"not sent: PostToConnection: 403"}"#,
                Sign::NotPushed,
            ),
            (
                r#"{"level":"WARN","message":"not sent: it isn't open yet"}"#,
                Sign::NotOpenYet,
            ),
            (
                r#"{"level":"ERROR","message":"PostToConnection: 410 GoneException","route":"$connect"}"#,
                Sign::NotOpenYet,
            ),
            (
                r#"{"level":"ERROR","message":"a reply wasn't sent: the results queue: QueueDoesNotExist"}"#,
                Sign::NoReply,
            ),
            (
                r#"{"level":"ERROR","message":"dropped for 3 connections: tried 5 times"}"#,
                Sign::SlowClient,
            ),
            (
                r#"{"level":"ERROR","message":"dropped: too large for API Gateway"}"#,
                Sign::TooLarge,
            ),
            (
                r#"{"level":"ERROR","message":"the price service is down"}"#,
                Sign::Error,
            ),
        ] {
            assert_eq!(of(text), Some(expected), "{text}");
        }
        for text in [
            r#"{"level":"INFO","message":"connection opened"}"#,
            r#"{"level":"WARN","message":"something odd"}"#,
            r#"{"level":"INFO","message":"not sent: the connection is closed"}"#,
            "START RequestId: 1-2 Version: 3",
            "END RequestId: 1-2",
            "",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_denial_names_action_and_resource() {
        let text = "AccessDenied: User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: sqs:SendMessage on \
                    resource: arn:aws:sqs:eu-west-1:1:chat-dev-results because no identity-based policy allows it";
        let expected = (
            "sqs:SendMessage".to_owned(),
            "arn:aws:sqs:eu-west-1:1:chat-dev-results".to_owned(),
        );
        assert_eq!(denied(text), Some(expected));
        assert_eq!(denied("all is well"), None);
    }

    #[test]
    fn a_panic_says_where() {
        let line = r#"{"level":"ERROR","message":"panic: no","location":"src/lib.rs:7:5"}"#;
        assert_eq!(location(line).as_deref(), Some("src/lib.rs:7:5"));
        assert_eq!(
            location("thread 'main' panicked at src/main.rs:2:5:\nno").as_deref(),
            Some("src/main.rs:2:5")
        );
    }
}
