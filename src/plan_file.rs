//! A plan that is kept, so that what is deployed later is what was looked at: `plan --out`, `deploy --plan`.
//!
//! Holds what the plan shows and no secret. Deploying by it plans again, and refuses if that isn't the same.

use std::{io, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{diagnostic::Diagnostic, engine::scope::Scope};

/// The format's version.
const SCHEMA: &str = "wsless-plan/1";
/// No plan is larger.
const MOST_BYTES: u64 = 64 << 20;

/// A plan, whose it is and when it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    schema: String,
    /// The version of wsless that made it.
    wsless: String,
    project: String,
    stage: String,
    account: String,
    region: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// The commit that it was made from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The changes, as `--output json` shows them.
    changes: Vec<Value>,
}

impl PlanFile {
    /// A plan's file. `plan` is what `--output json` shows.
    pub fn new(scope: &Scope, commit: Option<String>, plan: &Value) -> Self {
        let changes = plan["changes"].as_array().cloned().unwrap_or_default();
        Self {
            schema: SCHEMA.to_owned(),
            wsless: env!("CARGO_PKG_VERSION").to_owned(),
            project: scope.project.clone(),
            stage: scope.stage.clone(),
            account: scope.identity.account.clone(),
            region: scope.identity.region.clone(),
            made_at: Timestamp::now(),
            commit,
            changes: changes.into_iter().map(without_counts).collect(),
        }
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        std::fs::write(path, text).map_err(|error| {
            Diagnostic::error(
                "plan::io",
                format!("can't write the plan to {}: {error}", path.display()),
            )
            .help("check the folder given to --out")
        })
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let unreadable = |why: String| {
            Diagnostic::error(
                "plan::unreadable",
                format!("{} isn't a plan that this wsless can read", path.display()),
            )
            .note(why)
            .help("make it with `wsless plan --out FILE`, of the same version")
        };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
        if size.len() > MOST_BYTES {
            let error = io::Error::from(io::ErrorKind::FileTooLarge);
            return Err(unreadable(error.to_string()));
        }
        let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let file: Self =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if file.schema != SCHEMA {
            return Err(unreadable(format!("its schema is `{}`", file.schema)));
        }
        Ok(file)
    }

    /// Whether it's a plan for this stage.
    pub fn check_scope(&self, scope: &Scope) -> Result<(), Diagnostic> {
        let identity = &scope.identity;
        let theirs = [&self.project, &self.stage, &self.account, &self.region];
        let ours = [
            &scope.project,
            &scope.stage,
            &identity.account,
            &identity.region,
        ];
        if theirs == ours {
            return Ok(());
        }
        let named = |[project, stage, account, region]: [&String; 4]| {
            format!("{stage} of {project} in {region}, account {account}")
        };
        Err(Diagnostic::error(
            "plan::another-stage",
            format!("the plan is for {}", named(theirs)),
        )
        .note(format!("what would be deployed is {}", named(ours)))
        .help("pass the stage, region and credentials that the plan was made with"))
    }

    /// Refuses a plan that isn't this one any more.
    pub fn check_same(&self, now: &Self) -> Result<(), Diagnostic> {
        let address = |change: &Value| change["address"].as_str().unwrap_or_default().to_owned();
        let mut moved: Vec<String> = self
            .changes
            .iter()
            .filter(|change| !now.changes.contains(change))
            .chain(
                now.changes
                    .iter()
                    .filter(|change| !self.changes.contains(change)),
            )
            .map(address)
            .collect();
        if moved.is_empty() {
            return Ok(());
        }
        moved.sort();
        moved.dedup();
        let (shown, rest) = moved.split_at(moved.len().min(10));
        let more = match rest.len() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Err(Diagnostic::error(
            "plan::moved",
            "the cloud or the project isn't what it was when the plan was made",
        )
        .note(format!("different by now: {}{more}", shown.join(", ")))
        .note(format!("the plan was made at {:.0}", self.made_at))
        .help("plan again, and look at what changed: `wsless plan --out FILE`"))
    }
}

/// How many messages a queue holds changes all the time, and is looked at again before anything is deleted.
fn without_counts(mut change: Value) -> Value {
    if let Some(change) = change.as_object_mut() {
        change.remove("data_at_risk");
    }
    change
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::Identity;

    fn scope(stage: &str) -> Scope {
        Scope {
            project: "chat".to_owned(),
            stage: stage.to_owned(),
            identity: Identity::of_account("123456789012", "eu-west-1"),
        }
    }

    fn file(changes: &Value) -> PlanFile {
        PlanFile::new(&scope("prod"), None, &json!({ "changes": changes }))
    }

    #[test]
    fn a_plan_is_the_same_until_a_change_differs_and_not_when_a_queue_fills() {
        let one = json!({"address": "queue/a", "action": "delete", "data_at_risk": "1 message"});
        let fuller =
            json!({"address": "queue/a", "action": "delete", "data_at_risk": "9 messages"});
        let other = json!({"address": "queue/b", "action": "create"});
        assert!(
            file(&json!([one]))
                .check_same(&file(&json!([fuller])))
                .is_ok()
        );
        for (then, now) in [
            (json!([one]), json!([one, other])),
            (json!([one, other]), json!([one])),
        ] {
            let refusal = file(&then).check_same(&file(&now)).unwrap_err();
            assert_eq!(refusal.notes[0], "different by now: queue/b");
        }
    }

    #[test]
    fn a_plan_is_for_its_stage_and_what_is_no_plan_is_refused() {
        let plan = file(&json!([]));
        assert!(plan.check_scope(&scope("prod")).is_ok());
        assert!(plan.check_scope(&scope("dev")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        plan.write(&path).unwrap();
        assert_eq!(PlanFile::read(&path).unwrap(), plan);
        for junk in ["", "{}", "[1", "{\"schema\":\"wsless-plan/9\"}"] {
            std::fs::write(&path, junk).unwrap();
            assert_eq!(PlanFile::read(&path).unwrap_err().code, "plan::unreadable");
        }
    }
}
