//! Functions as AWS answers them: `FunctionConfiguration`, with its defaults. Pure.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    arn,
    state::{Function, Release},
};
use crate::clock::Millis;

/// For what a version is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As the answer to the call that made or changed it: as under way, even where that takes no time.
    Changed,
    /// As it is now.
    Now(Millis),
    /// In a list, which leaves the state out.
    Listed(Millis),
}

/// A version's configuration; the qualifier is the one in the ARN.
pub(super) fn configuration(
    region: &str,
    function: &Function,
    release: &Release,
    qualifier: Option<&str>,
    shown: Shown,
) -> Value {
    let settings = &release.settings;
    let mut arn = arn::function(region, &function.name);
    if let Some(qualifier) = qualifier {
        arn.push(':');
        arn.push_str(qualifier);
    }
    let revision = match shown {
        Shown::Changed => &release.revisions.0,
        Shown::Now(now) | Shown::Listed(now) => release.revision(now),
    };
    let mut logging = Map::new();
    logging.insert("LogFormat".to_owned(), json!(settings.logging.format));
    if let Some(level) = &settings.logging.application_level {
        logging.insert("ApplicationLogLevel".to_owned(), json!(level));
    }
    if let Some(level) = &settings.logging.system_level {
        logging.insert("SystemLogLevel".to_owned(), json!(level));
    }
    logging.insert("LogGroup".to_owned(), json!(settings.logging.group));
    let is_snapshot = settings.snap_start != "None" && release.number.is_some();
    let mut shape = json!({
        "FunctionName": function.name,
        "FunctionArn": arn,
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": settings.code_size,
        "Description": settings.description,
        "Timeout": settings.timeout_s,
        "MemorySize": settings.memory_mib,
        "LastModified": last_modified(release.modified),
        "CodeSha256": settings.code_sha256,
        "Version": release.version(),
        "TracingConfig": { "Mode": settings.tracing },
        "RevisionId": revision,
        "PackageType": "Zip",
        "Architectures": [settings.architecture],
        "EphemeralStorage": { "Size": settings.ephemeral_mib },
        "SnapStart": {
            "ApplyOn": settings.snap_start,
            "OptimizationStatus": if is_snapshot { "On" } else { "Off" },
        },
        "LoggingConfig": logging,
    });
    let Value::Object(members) = &mut shape else {
        return shape;
    };
    if let Some(environment) = &settings.environment {
        members.insert(
            "Environment".to_owned(),
            json!({ "Variables": environment }),
        );
    }
    if let Some(target) = &settings.dead_letter {
        members.insert(
            "DeadLetterConfig".to_owned(),
            json!({ "TargetArn": target }),
        );
    }
    if let Some(key) = &settings.kms_key {
        members.insert("KMSKeyArn".to_owned(), json!(key));
    }
    let is_ready = match shown {
        Shown::Changed => false,
        Shown::Now(now) => release.is_ready(now),
        Shown::Listed(_) => return shape,
    };
    members.extend(state(release, is_ready));
    members.insert(
        "RuntimeVersionConfig".to_owned(),
        json!({ "RuntimeVersionArn": runtime_version(region, &settings.runtime) }),
    );
    shape
}

/// As recorded: a new version has no `LastUpdateStatus` until it's active, and an update's reason is a creation's.
fn state(release: &Release, is_ready: bool) -> Map<String, Value> {
    const REASON: &str = "The function is being created.";
    let members: &[(&str, &str)] = match (is_ready, release.is_new) {
        (true, _) => &[("State", "Active"), ("LastUpdateStatus", "Successful")],
        (false, true) => &[
            ("State", "Pending"),
            ("StateReason", REASON),
            ("StateReasonCode", "Creating"),
        ],
        (false, false) => &[
            ("State", "Active"),
            ("LastUpdateStatus", "InProgress"),
            ("LastUpdateStatusReason", REASON),
            ("LastUpdateStatusReasonCode", "Creating"),
        ],
    };
    members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

/// `2023-01-01T00:00:00.000+0000`.
pub(super) fn last_modified(at: Millis) -> String {
    let iso = at.iso();
    format!("{}+0000", iso.strip_suffix('Z').unwrap_or(&iso))
}

/// A made-up version of a runtime, always the same, of the shape that AWS's have.
fn runtime_version(region: &str, runtime: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(runtime.as_bytes())
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    format!("arn:aws:lambda:{region}::runtime:{digest}")
}
