//! What differs from the manifest, in terms of what one sees of it. Pure.
//!
//! A change that only follows from another (its new value isn't known yet, or it's a snapshot of what changes) is none
//! of its own.

mod functions;
mod gateway;
mod queues;
mod roles;
mod surroundings;

use serde_json::Value;

use super::{Area, Evidence, Finding};
use crate::{
    engine::{
        address::Address,
        plan::{Action, Change, FieldChange},
        properties::is_unknown,
        resource::Observed,
    },
    resource::{
        alias, api, deployment, event_source_mapping, function, function_policy, integration,
        integration_response, route, route_response,
    },
};

/// The longest value that's shown.
const SHOWN: usize = 300;
/// Kinds whose resources go with those of the same name of another kind.
const PARTS: [(&str, &str); 6] = [
    (alias::KIND, function::KIND),
    (function_policy::KIND, function::KIND),
    (function_policy::KIND, alias::KIND),
    (event_source_mapping::KIND, alias::KIND),
    (integration_response::KIND, integration::KIND),
    (route_response::KIND, route::KIND),
];

/// A resource that differs.
struct Case<'a> {
    evidence: &'a Evidence,
    change: &'a Change,
    /// What differs of it by itself.
    fields: Vec<&'a FieldChange>,
}

impl Case<'_> {
    /// The resource's name within its kind.
    fn name(&self) -> &str {
        self.change.address.name()
    }

    fn is_missing(&self) -> bool {
        self.change.action == Action::Create
    }

    /// What's there.
    fn observed(&self) -> Option<&Observed> {
        self.change.observed.as_ref()
    }

    /// The differing field at or under a path.
    fn field(&self, path: &str) -> Option<&FieldChange> {
        let is_under = |field: &&&FieldChange| {
            field
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.fields.iter().find(is_under).copied()
    }

    /// A cause about this resource, mended by a deployment, with all that differs for evidence.
    fn finding(
        &self,
        code: &'static str,
        area: Area,
        symptom: impl Into<String>,
        cause: impl Into<String>,
    ) -> Finding {
        let mut finding = Finding::cause(code, area, symptom, cause)
            .about(self.change.address.to_string())
            .about(self.name())
            .mend(deploy(self.evidence));
        if let Some(observed) = self.observed() {
            finding = finding.evidence(format!("{} is {}", self.change.address, observed.id));
            finding = finding.evidences(self.fields.iter().map(|field| told(field)));
        } else {
            finding = finding.evidence(format!("{} isn't there", self.change.address));
        }
        finding
    }
}

/// The mend of most things.
pub(super) fn deploy(evidence: &Evidence) -> String {
    format!("run {}", evidence.command("deploy"))
}

/// There is no API at all.
pub(super) fn missing_api(evidence: &Evidence) -> Finding {
    let scope = &evidence.scope;
    let stage = format!(
        "{} as {} in {}",
        scope.project, scope.stage, scope.identity.region
    );
    let finding = match &evidence.last {
        None => Finding::cause(
            "doctor::not-deployed",
            Area::Deployment,
            format!("nobody can connect: there is no API of {stage}"),
            "it was never deployed here, or it was destroyed",
        ),
        Some(last) => Finding::cause(
            "doctor::api-missing",
            Area::Deployment,
            format!("nobody can connect: the API of {stage} is gone"),
            "somebody deleted it, or took its tags away: by them it's found",
        )
        .evidence(format!(
            "deployment {} of {:.0} by {} made it",
            last.number, last.started_at, last.identity
        ))
        .evidences(
            last.resources
                .get("api/main")
                .and_then(|attributes| attributes.get("id").map(|id| format!("its id was {id}"))),
        ),
    };
    finding
        .mend(deploy(evidence))
        .evidence(format!(
            "no WebSocket API in {} bears the tags wsless:project={} and wsless:stage={}",
            scope.identity.region, scope.project, scope.stage
        ))
        .about("api/main")
}

/// All that differs.
pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    let changes: Vec<&Change> = evidence.plan.effective().collect();
    let mut found: Vec<Finding> = foreign(evidence);
    let (mut other, mut left_over) = (Vec::new(), Vec::new());
    for change in &changes {
        if change.action == Action::Delete {
            match twin(evidence, change) {
                Some(finding) => found.push(finding),
                None if change.deleted_with.is_none() => left_over.push(*change),
                None => {}
            }
            continue;
        }
        if follows(change, &changes) {
            continue;
        }
        let known = |field: &&FieldChange| !field.after.as_ref().is_some_and(is_unknown);
        let case = Case {
            evidence,
            change,
            fields: change.fields.iter().filter(known).collect(),
        };
        if case.fields.is_empty() && !case.is_missing() {
            continue;
        }
        match specific(&case) {
            Some(finding) => match found.iter_mut().find(|known| known.says(&finding)) {
                // Two halves of one thing, such as what an answer takes.
                Some(known) => known.evidence.extend(finding.evidence),
                None => found.push(finding),
            },
            None => other.extend(
                case.fields
                    .iter()
                    .map(|field| format!("{}: {}", change.address, told(field))),
            ),
        }
    }
    found.extend(differing(evidence, other));
    found.extend(leftovers(evidence, &left_over));
    found
}

fn specific(case: &Case<'_>) -> Option<Finding> {
    gateway::finding(case)
        .or_else(|| roles::finding(case))
        .or_else(|| functions::finding(case))
        .or_else(|| queues::finding(case))
        .or_else(|| surroundings::finding(case))
}

/// Whether a change is only there because of another one.
fn follows(change: &Change, changes: &[&Change]) -> bool {
    let kind = change.address.kind();
    let is_made = |kind: &str, name: &str| {
        changes.iter().any(|other| {
            other.action == Action::Create
                && other.address.kind() == kind
                && other.address.name() == name
        })
    };
    // What went with what it's a part of.
    let is_part = PARTS
        .iter()
        .any(|(part, whole)| *part == kind && is_made(whole, change.address.name()));
    if change.action == Action::Create && is_part {
        return true;
    }
    // A new snapshot of what changes anyway.
    kind == deployment::KIND
        && changes.iter().any(|other| {
            let kind = other.address.kind();
            deployment::SNAPSHOT.contains(&kind) || kind == api::KIND
        })
}

/// Somebody else's things that bear the stage's names.
fn foreign(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .foreign
        .iter()
        .map(|foreign| {
            Finding::cause(
                "doctor::foreign",
                Area::Account,
                format!("{} can't be deployed", foreign.address),
                "something that isn't this stage's has its name, or lost the stage's tags",
            )
            .mend(
                "give it back its tags wsless:project and wsless:stage if it's this stage's, else rename the project or \
                 the stage",
            )
            .evidence(format!("it's {}", foreign.id))
            .about(foreign.address.to_string())
        })
        .collect()
}

/// One of two of the same.
fn twin(evidence: &Evidence, change: &Change) -> Option<Finding> {
    let kept = if change.address.kind() == api::KIND {
        // A stage has one, and others that bear its tags are found under their ids.
        evidence.stack.get(&Address::new(api::KIND, api::NAME))?
    } else {
        evidence.stack.get(&change.address)?
    };
    let id = |change: &Change| change.observed.as_ref().map(|found| found.id.clone());
    let of_ours = evidence
        .plan
        .changes
        .iter()
        .find(|other| other.address == kept.address && other.action != Action::Delete);
    let evidence_of = |finding: Finding| {
        finding
            .evidences(
                of_ours
                    .and_then(id)
                    .map(|id| format!("{id} is the one that's kept")),
            )
            .evidences(id(change).map(|id| format!("{id} bears the stage's tags too")))
            .mend(format!("{}: it deletes the other one", deploy(evidence)))
            .about(change.address.to_string())
    };
    Some(evidence_of(if change.address.kind() == api::KIND {
        Finding::cause(
            "doctor::two-apis",
            Area::Deployment,
            "some clients may talk to another API than the one that's deployed",
            "two APIs bear this stage's tags: one was left by a deployment that was cut off, or somebody made it",
        )
    } else {
        Finding::cause(
            "doctor::twin",
            Area::Deployment,
            format!("{} is there twice", change.address),
            "one was left by a deployment that was cut off, or somebody made it",
        )
    }))
}

/// What has no meaning of its own.
fn differing(evidence: &Evidence, other: Vec<String>) -> Option<Finding> {
    let about = match other.as_slice() {
        [] => return None,
        [one] => format!("something isn't as wsless.toml says: {one}"),
        several => format!("{} things aren't as wsless.toml says", several.len()),
    };
    Some(
        Finding::cause(
            "doctor::drift",
            Area::Deployment,
            about,
            "wsless.toml was changed since the last deployment, or somebody changed it in the cloud",
        )
        .warning()
        .mend(deploy(evidence))
        .evidences(other),
    )
}

/// What the manifest doesn't have any more.
fn leftovers(evidence: &Evidence, left: &[&Change]) -> Option<Finding> {
    if left.is_empty() {
        return None;
    }
    let told = left.iter().map(|change| {
        let id = change
            .observed
            .as_ref()
            .map_or("", |found| found.id.as_str());
        format!("{} is {id}", change.address)
    });
    Some(
        Finding::cause(
            "doctor::left-over",
            Area::Deployment,
            format!(
                "{} resources are there that wsless.toml doesn't have",
                left.len()
            ),
            "they were taken out of it since the last deployment, or a deployment was cut off",
        )
        .warning()
        .mend(deploy(evidence))
        .evidences(told),
    )
}

/// A difference in words, without what's secret.
fn told(field: &FieldChange) -> String {
    if field.secret {
        return format!("{} is another (its value is secret)", field.path);
    }
    let value = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), shown);
    format!(
        "{} is {}, should be {}",
        field.path,
        value(&field.before),
        value(&field.after)
    )
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}
