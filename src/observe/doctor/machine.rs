//! What this machine and the account bring, and what each check looked at, in words. Pure.

use jiff::SignedDuration;

use super::{Area, Evidence, Finding};

/// AWS refuses signatures that are five minutes off [SigV4]; some minutes more are near.
const OFF: SignedDuration = SignedDuration::from_mins(4);
const ASKEW: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for missing in evidence.toolchain.as_ref().err().into_iter().flatten() {
        found.push(
            Finding::cause(
                "doctor::toolchain",
                Area::Machine,
                "this machine can't build the handlers",
                missing.message.clone(),
            )
            .warning()
            .mend(missing.help.clone().unwrap_or_default())
            .evidences(missing.notes.iter().cloned()),
        );
    }
    if let Some(ahead) = evidence.account.clock.filter(|ahead| ahead.abs() >= ASKEW) {
        let finding = Finding::cause(
            "doctor::clock",
            Area::Account,
            "AWS refuses this machine's calls, now or soon",
            format!(
                "this machine's clock is {:#} {} AWS's",
                ahead.abs(),
                if ahead.is_negative() {
                    "ahead of"
                } else {
                    "behind"
                }
            ),
        )
        .mend("set the clock, by NTP at best");
        found.push(if ahead.abs() < OFF {
            finding.warning()
        } else {
            finding
        });
    }
    found.extend(evidence.unseen.iter().map(|error| {
        Finding::cause(
            "doctor::unseen",
            Area::Account,
            "a part couldn't be looked at",
            error.to_string(),
        )
        .warning()
        .mend(error.likely_mend().unwrap_or_default())
        .evidences(error.request_id().map(|id| format!("AWS request id {id}")))
    }));
    found
}

/// What was looked at, and found so.
pub(super) fn words(area: Area, evidence: &Evidence) -> String {
    let of =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match area {
        Area::Machine => evidence
            .toolchain
            .as_ref()
            .map_or("nothing can be built here".to_owned(), Clone::clone),
        Area::Account => format!(
            "{} in {}",
            evidence.scope.identity.arn, evidence.scope.identity.region
        ),
        Area::Deployment => match (&evidence.last, &evidence.lock) {
            (_, Some(holder)) => format!(
                "{} is at work on it, with `{}`, since {:.0}",
                holder.identity, holder.command, holder.acquired_at
            ),
            (Some(last), None) => format!(
                "deployment {} of {:.0}, {}",
                last.number,
                last.started_at,
                of(evidence.stack.resources.len(), "resource")
            ),
            (None, None) => "no record of a deployment".to_owned(),
        },
        Area::Permissions => {
            let kind = |kind: &str| {
                let all = evidence.stack.resources.iter();
                all.filter(|desired| desired.address.kind() == kind).count()
            };
            format!(
                "{}, {}",
                of(kind(crate::resource::role::KIND), "role"),
                of(
                    kind(crate::resource::function_policy::KIND),
                    "function policy"
                )
                .replace("policys", "policies")
            )
        }
        Area::Functions => of(evidence.functions.len(), "function"),
        Area::Queues => {
            let held: u64 = evidence
                .queues
                .values()
                .map(|queue| queue.waiting + queue.in_flight)
                .sum();
            format!(
                "{}, {} in them",
                of(evidence.queues.len(), "queue"),
                of(usize::try_from(held).unwrap_or(usize::MAX), "message")
            )
        }
        Area::Connections => match &evidence.probed {
            Some(probed) => probed.words(),
            None if evidence.table.is_some() => "the registry".to_owned(),
            None => "no registry".to_owned(),
        },
        Area::Monitoring => format!(
            "{}, logs since {:.0}",
            of(evidence.alarms.len(), "alarm"),
            evidence.since
        ),
    }
}
