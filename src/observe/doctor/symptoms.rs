//! What is counted and met: what remains to be told if nothing else explains it. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::{Answer, Area, Evidence, Finding, Rank, evidence::Closed};
use crate::{
    manifest::Via,
    stack::{RESULTS, builtin},
};

/// A message that waits so long is stuck: what the default alarm takes for too long, too.
const STUCK_S: f64 = 120.0;
/// API Gateway's limits of a connection [aws-facts 1.6], and how near one must have come to have met it.
const IDLE: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(2);
const NEAR: Duration = Duration::from_secs(15);
/// So many connections that end together connect again together.
const HERD: usize = 20;

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut found = probe(evidence);
    found.extend(queues(evidence));
    found.extend(failed(evidence));
    found.extend(throttled(evidence));
    found.extend(alarms(evidence));
    found.extend(closed(&evidence.closed));
    found
}

fn symptom(
    code: &'static str,
    area: Area,
    symptom: impl Into<String>,
    cause: impl Into<String>,
) -> Finding {
    Finding::cause(code, area, symptom, cause).ranked(Rank::Symptom)
}

/// What messages met that were sent to try it out. While API Gateway moves over it needn't mean a thing.
fn probe(evidence: &Evidence) -> Vec<Finding> {
    let found = probes(evidence);
    if !evidence.is_moving {
        return found;
    }
    found
        .into_iter()
        .map(|finding| {
            finding.warning().mend(
                "API Gateway moves over to a deployment within two minutes: run it again then",
            )
        })
        .collect()
}

fn probes(evidence: &Evidence) -> Vec<Finding> {
    let Some(probed) = &evidence.probed else {
        return Vec::new();
    };
    if let Err(refused) = &probed.opened {
        return vec![
            symptom(
                "doctor::probe-handshake",
                Area::Connections,
                format!("nobody can connect: {}", refused.message),
                refused.notes.last().cloned().unwrap_or_default(),
            )
            .mend(match refused.help.as_deref() {
                Some(help) if !help.contains("wsless doctor") => help.to_owned(),
                _ => format!(
                    "look at what answers $connect: {}",
                    evidence.command(&format!("logs {}", connector(evidence)))
                ),
            })
            .evidences(refused.notes.iter().cloned()),
        ];
    }
    let mut found = Vec::new();
    for route in &probed.routes {
        let key = &route.key;
        let (symptom_of, cause) = match &route.answer {
            Answer::Error(frame) => (
                format!("messages on `{key}` are answered with an error"),
                format!("API Gateway says: {frame}"),
            ),
            Answer::Silence if route.via == Via::Direct => (
                format!("a message on `{key}` isn't answered"),
                "its handler returns no text, or the answer doesn't arrive".to_owned(),
            ),
            Answer::Failed(why) => (
                format!("a message on `{key}` couldn't be sent"),
                why.clone(),
            ),
            Answer::Text(_) | Answer::Silence | Answer::Untried(_) => continue,
        };
        found.push(
            symptom("doctor::probe-route", Area::Connections, symptom_of, cause)
                .about(route.handler.clone())
                .mend(evidence.command(&format!("logs {}", route.handler))),
        );
    }
    found
}

/// What answers `$connect`.
fn connector(evidence: &Evidence) -> &str {
    let routes = evidence.manifest.routes.iter();
    let mut own = routes
        .filter(|(key, _)| key.as_str() == "$connect")
        .map(|(_, route)| route.handler.as_str());
    own.next().unwrap_or(builtin::CONNECT)
}

fn queues(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for (thing, queue) in &evidence.queues {
        let held = queue.waiting + queue.in_flight;
        if let Some(of) = thing.strip_suffix("-dlq") {
            if queue.waiting > 0 {
                let handler = if of == RESULTS { builtin::PUSH } else { of };
                found.push(
                    symptom(
                        "doctor::dead-letters",
                        Area::Queues,
                        format!("{} messages for {of} were given up", queue.waiting),
                        format!(
                            "{handler} failed on them each time: they're in the dead-letter queue"
                        ),
                    )
                    .about(of)
                    .mend(format!(
                        "mend {handler} ({}), then put them back: {}",
                        evidence.command(&format!("logs {handler}")),
                        evidence.command(&format!("dlq redrive {of}"))
                    ))
                    .evidence(format!("{} holds {} messages", queue.url, queue.waiting)),
                );
            }
        } else if let Some(age) = evidence
            .figures
            .ages
            .get(thing)
            .filter(|age| **age >= STUCK_S && held > 0)
        {
            found.push(
                symptom(
                    "doctor::queue-waits",
                    Area::Queues,
                    format!("messages for {thing} wait for {age:.0} s"),
                    "they come faster than they're handled, or a message that fails blocks its group",
                )
                .about(thing.clone())
                .mend(format!(
                    "{}; raise `max-concurrency` in [handlers.{thing}.queue] if it's busy",
                    evidence.command(&format!("logs {thing}"))
                ))
                .evidence(format!(
                    "{} wait, {} are being handled",
                    queue.waiting, queue.in_flight
                )),
            );
        }
    }
    found
}

/// Requests that failed at API Gateway: the access log says why, each reason once; without it there are counts.
fn failed(evidence: &Evidence) -> Option<Finding> {
    let figures = &evidence.figures;
    let mut reasons: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for failed in &evidence.failed {
        let reason = (
            failed.route.as_str(),
            failed.status.as_str(),
            failed.why.as_str(),
        );
        *reasons.entry(reason).or_default() += 1;
    }
    let has_log = !reasons.is_empty();
    if !has_log && figures.execution_errors + figures.integration_errors == 0.0 {
        return None;
    }
    let told = reasons
        .into_iter()
        .map(|((route, status, why), count)| format!("`{route}` {status}, {count} times: {why}"));
    let counted = [
        (
            figures.execution_errors,
            "API Gateway couldn't call an integration",
        ),
        (
            figures.integration_errors,
            "an integration answered with an error",
        ),
    ];
    let counted = counted
        .into_iter()
        .filter(|(count, _)| *count > 0.0)
        .map(|(count, what)| format!("{what}: {count:.0} times since {:.0}", evidence.since));
    let finding = symptom(
        "doctor::failed-requests",
        Area::Deployment,
        "some messages or handshakes are answered with Internal server error",
        if has_log {
            "the access log says why"
        } else {
            "a permission is missing, a function fails, or a queue refuses messages"
        },
    )
    .mend(if has_log {
        evidence.command("logs")
    } else {
        "set `access-log = true` in [api], deploy, and look into it: it says why".to_owned()
    });
    Some(finding.evidences(told).evidences(counted))
}

fn throttled(evidence: &Evidence) -> Vec<Finding> {
    let throttles = evidence.figures.throttles.iter();
    throttles
        .filter(|(_, count)| **count > 0.0)
        .map(|(thing, count)| {
            symptom(
                "doctor::throttled",
                Area::Functions,
                format!("{thing} is throttled: its messages wait, or are answered with an error"),
                "more is to be done at once than its reserved concurrency, or the account's, allows",
            )
            .about(thing.clone())
            .mend(format!(
                "raise `reserved-concurrency` in [handlers.{thing}], or ask AWS for more concurrency (new accounts have 10)"
            ))
            .evidence(format!("Lambda refused {count:.0} calls since {:.0}", evidence.since))
            .evidences(evidence.account.concurrency.map(|limit| {
                format!("the account's functions may handle {limit} calls at once, all together")
            }))
        })
        .collect()
}

fn alarms(evidence: &Evidence) -> Vec<Finding> {
    let off = evidence
        .alarms
        .iter()
        .filter(|(_, alarm)| alarm.state == "ALARM");
    off.map(|(thing, alarm)| {
        symptom(
            "doctor::alarm",
            Area::Monitoring,
            format!("the alarm {thing} is in ALARM"),
            alarm.reason.clone(),
        )
        .mend(format!(
            "look at what it's about: {}",
            evidence.command("logs")
        ))
        .evidences(alarm.since.map(|since| format!("since {since:.0}")))
    })
    .collect()
}

/// How connections end that API Gateway ended.
fn closed(closed: &[Closed]) -> Vec<Finding> {
    let count = |is_it: &dyn Fn(&Closed) -> bool| closed.iter().filter(|one| is_it(one)).count();
    let near = |lasted: Duration, limit: Duration| lasted.abs_diff(limit) <= NEAR;
    let idle = count(&|one| one.code == 1001 && near(one.lasted, IDLE));
    let longest = count(&|one| one.code == 1001 && near(one.lasted, LONGEST));
    let large = count(&|one| one.code == 1009);
    let binary = count(&|one| one.code == 1003);
    let rows = [
        (
            idle,
            1,
            "doctor::idle",
            "clients lose their connection after 10 minutes",
            "nothing was sent either way: API Gateway ends what is idle",
            "let clients send a message at least every 9 minutes, and connect again when they're closed",
        ),
        (
            longest,
            HERD,
            "doctor::longest",
            "many clients lose their connection after 2 hours, together",
            "API Gateway ends each connection then; those that came together go together, and 500 a second may come back",
            "let clients connect again after a while of their own choice, before two hours",
        ),
        (
            large,
            1,
            "doctor::frames",
            "clients are closed with 1009",
            "a frame may have 32 KB, a message 128 KB",
            "let clients send less, or split a message into several frames",
        ),
        (
            binary,
            1,
            "doctor::binary",
            "clients are closed with 1003",
            "they send binary messages, which WebSocket APIs don't take",
            "let clients send text, such as base64",
        ),
    ];
    rows.into_iter()
        .filter(|(count, least, ..)| count >= least)
        .map(|(count, _, code, symptom, cause, mend)| {
            Finding::cause(code, Area::Connections, symptom, cause)
                .warning()
                .mend(mend)
                .evidence(format!("{count} connections ended so"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(all: &[(u16, u64, usize)]) -> Vec<&'static str> {
        let ended: Vec<Closed> = all
            .iter()
            .flat_map(|(code, seconds, count)| {
                let one = Closed {
                    code: *code,
                    lasted: Duration::from_secs(*seconds),
                };
                std::iter::repeat_n(one, *count)
            })
            .collect();
        closed(&ended).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_close_code_is_a_sign_only_where_a_limit_was_met() {
        // A tab that's closed is 1001 too.
        assert_eq!(codes(&[(1001, 42, 50), (1000, 600, 9)]), [""; 0]);
        assert_eq!(codes(&[(1001, 604, 1)]), ["doctor::idle"]);
        assert_eq!(codes(&[(1001, 7200, 19)]), [""; 0]);
        assert_eq!(codes(&[(1001, 7200, 20)]), ["doctor::longest"]);
        assert_eq!(
            codes(&[(1009, 5, 1), (1003, 5, 1)]),
            ["doctor::frames", "doctor::binary"]
        );
    }
}
