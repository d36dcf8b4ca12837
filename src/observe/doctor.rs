//! Why it doesn't work: symptom -> cause -> mend, with the evidence.
//!
//! [`Evidence`] is gathered once; what it means is decided by pure functions of it, a file a group: what differs from the
//! manifest (`drift`), what resources are in (`states`), what was logged (`logs`), what CloudWatch counted and what a
//! probe met (`symptoms`), what this machine lacks (`machine`). One cause is told once: what follows from it is listed
//! as seen beside it, not as a finding of its own.

mod drift;
mod evidence;
mod logs;
mod machine;
mod probe;
mod states;
mod symptoms;

use std::collections::BTreeSet;

pub use self::{
    evidence::{Evidence, functions},
    probe::{Answer, Probe, Probed, RouteProbe},
};
use crate::{diagnostic::Severity, engine::plan::Action, resource::api};

/// What a finding, and a check, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// What this machine needs to deploy.
    Machine,
    /// Who is calling, and where.
    Account,
    /// The API, its routes and what is live of them.
    Deployment,
    /// Who may call whom.
    Permissions,
    /// The functions.
    Functions,
    /// The queues and who reads them.
    Queues,
    /// The registry, and how connections begin and end.
    Connections,
    /// Logs and alarms.
    Monitoring,
}

impl Area {
    /// All, in the order in which they're told.
    pub const ALL: [Self; 8] = [
        Self::Machine,
        Self::Account,
        Self::Deployment,
        Self::Permissions,
        Self::Functions,
        Self::Queues,
        Self::Connections,
        Self::Monitoring,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Account => "account",
            Self::Deployment => "deployment",
            Self::Permissions => "permissions",
            Self::Functions => "functions",
            Self::Queues => "queues",
            Self::Connections => "connections",
            Self::Monitoring => "monitoring",
        }
    }
}

/// How a finding is to be taken beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Something is other than it must be.
    Cause,
    /// Something was logged. A cause that's about the same resource explains it.
    Logged,
    /// Something is counted or met. Any error explains it.
    Symptom,
}

/// Something that is wrong, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable name for machines and searches, such as `doctor::stage-deployment`.
    pub code: &'static str,
    /// Errors are wrong now; warnings cost something, or will be wrong.
    pub severity: Severity,
    /// What it's about.
    pub area: Area,
    /// What one sees of it.
    pub symptom: String,
    /// Why that is.
    pub cause: String,
    /// What to do.
    pub mend: String,
    /// The exact values, ids and statements that say so.
    pub evidence: Vec<String>,
    rank: Rank,
    /// The resources that it's about: addresses, or names of handlers and queues.
    about: BTreeSet<String>,
}

impl Finding {
    fn cause(
        code: &'static str,
        area: Area,
        symptom: impl Into<String>,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            area,
            symptom: symptom.into(),
            cause: cause.into(),
            mend: String::new(),
            evidence: Vec::new(),
            rank: Rank::Cause,
            about: BTreeSet::new(),
        }
    }

    fn ranked(mut self, rank: Rank) -> Self {
        self.rank = rank;
        self
    }

    fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    fn evidence(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn evidences(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn about(mut self, resource: impl Into<String>) -> Self {
        self.about.insert(resource.into());
        self
    }

    /// Whether this one tells what the other does.
    fn says(&self, other: &Self) -> bool {
        self.code == other.code && self.symptom == other.symptom
    }

    /// Whether this one, an error, is why there is `other`.
    fn explains(&self, other: &Self) -> bool {
        if self.severity != Severity::Error || self.rank >= other.rank {
            return false;
        }
        match other.rank {
            Rank::Cause => false,
            Rank::Logged => !self.about.is_disjoint(&other.about),
            Rank::Symptom => true,
        }
    }
}

/// A check that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Of what.
    pub area: Area,
    /// What was found.
    pub state: State,
    /// What was looked at, in a few words.
    pub words: String,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Ok,
    /// Something that will be wrong, or costs something.
    Warning,
    /// Something wrong.
    Wrong,
    /// It couldn't be made, or is of no use after what was found.
    Skipped,
}

/// What all checks came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// A check each area.
    pub checks: Vec<Check>,
    /// Errors first.
    pub findings: Vec<Finding>,
    /// What was seen too, and follows from the findings.
    pub consequences: Vec<String>,
}

impl Diagnosis {
    /// Whether anything is wrong.
    pub fn is_wrong(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many findings are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// What the evidence means.
pub fn diagnose(evidence: &Evidence) -> Diagnosis {
    let mut found = machine::findings(evidence);
    let is_there = !evidence
        .plan
        .changes
        .iter()
        .any(|change| change.address.kind() == api::KIND && change.action == Action::Create);
    if is_there {
        found.extend(drift::findings(evidence));
        found.extend(states::findings(evidence));
        found.extend(logs::findings(evidence));
        found.extend(symptoms::findings(evidence));
    } else {
        // Without an API there's nothing that could be wrong with it.
        found.push(drift::missing_api(evidence));
    }
    let (mut findings, consequences) = told_once(found);
    findings.sort_by_key(|finding| (finding.severity == Severity::Warning, finding.area));
    let checks = Area::ALL
        .into_iter()
        .map(|area| check(area, evidence, &findings, is_there))
        .collect();
    Diagnosis {
        checks,
        findings,
        consequences,
    }
}

/// The findings that no other explains, and the others in words.
fn told_once(found: Vec<Finding>) -> (Vec<Finding>, Vec<String>) {
    let is_explained: Vec<bool> = found
        .iter()
        .map(|finding| found.iter().any(|other| other.explains(finding)))
        .collect();
    let (mut kept, mut consequences) = (Vec::new(), Vec::new());
    for (finding, is_explained) in found.into_iter().zip(is_explained) {
        if is_explained {
            consequences.push(finding.symptom);
        } else {
            kept.push(finding);
        }
    }
    (kept, consequences)
}

fn check(area: Area, evidence: &Evidence, findings: &[Finding], is_there: bool) -> Check {
    let worst = findings
        .iter()
        .filter(|finding| finding.area == area)
        .map(|finding| finding.severity)
        .fold(None, |worst, severity| match (worst, severity) {
            (Some(Severity::Error), _) | (_, Severity::Error) => Some(Severity::Error),
            _ => Some(Severity::Warning),
        });
    let needs_api = !matches!(area, Area::Machine | Area::Account);
    let state = match worst {
        Some(Severity::Error) => State::Wrong,
        Some(Severity::Warning) => State::Warning,
        None if needs_api && !is_there => State::Skipped,
        None => State::Ok,
    };
    Check {
        area,
        state,
        words: machine::words(area, evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, rank: Rank, about: &str) -> Finding {
        Finding::cause(code, Area::Queues, code, "why")
            .ranked(rank)
            .about(about)
    }

    fn codes(found: Vec<Finding>) -> (Vec<&'static str>, Vec<String>) {
        let (kept, consequences) = told_once(found);
        (
            kept.iter().map(|finding| finding.code).collect(),
            consequences,
        )
    }

    #[test]
    fn what_follows_from_a_cause_is_no_finding() {
        let (kept, consequences) = codes(vec![
            finding("cause", Rank::Cause, "echo"),
            finding("logged", Rank::Logged, "echo"),
            finding("elsewhere", Rank::Logged, "ping"),
            finding("counted", Rank::Symptom, ""),
        ]);
        assert_eq!(kept, ["cause", "elsewhere"]);
        assert_eq!(consequences, ["logged", "counted"]);
    }

    #[test]
    fn a_warning_explains_nothing_and_a_symptom_alone_is_told() {
        let (kept, _) = codes(vec![
            finding("warning", Rank::Cause, "echo").warning(),
            finding("counted", Rank::Symptom, "echo"),
        ]);
        assert_eq!(kept, ["warning", "counted"]);
    }
}
