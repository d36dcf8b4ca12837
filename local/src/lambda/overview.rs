//! Functions and event source mappings as the console shows them.

use serde::Serialize;

use super::{Lambda, state::Release};
use crate::clock::Millis;

/// A function in a list of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionView {
    /// Its name.
    pub name: String,
    /// Such as `provided.al2023`.
    pub runtime: String,
    /// Such as `index.handler`.
    pub handler: String,
    /// In MiB.
    pub memory: u32,
    /// In seconds.
    pub timeout: u32,
    /// The name of its role.
    pub role: String,
    /// Where its logs go.
    pub log_group: String,
    /// What was published of it, with when, the oldest first.
    pub versions: Vec<(u64, Millis)>,
    /// Its aliases, by name.
    pub aliases: Vec<AliasView>,
    /// How many may run at once, if that's said.
    pub reserved: Option<u32>,
    /// What became of the last change: `Active`, `Pending`, `Updating`.
    pub status: &'static str,
    /// When `$LATEST` was last changed.
    pub modified: Millis,
}

/// An alias of a function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasView {
    /// Its name.
    pub name: String,
    /// The version that it names.
    pub version: String,
    /// The other version that it leads to, with its share.
    pub other: Option<(String, f64)>,
}

/// An event source mapping in a list of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingView {
    /// Its id.
    pub uuid: String,
    /// The queue.
    pub queue_arn: String,
    /// The function, alias or version.
    pub function_arn: String,
    /// `Enabled`, `Disabled`, or on its way there.
    pub state: &'static str,
    /// Messages at a time.
    pub batch_size: u32,
    /// What the poller saw last.
    pub last_result: Option<String>,
}

impl Lambda {
    /// All functions, by name.
    pub fn function_views(&self) -> Vec<FunctionView> {
        let now = Millis::now();
        let state = self.control.state.read();
        let functions = state.functions.values().map(|function| {
            let latest = &function.latest;
            let settings = &latest.settings;
            let role = settings.role.rsplit('/').next().unwrap_or_default();
            FunctionView {
                name: function.name.clone(),
                runtime: settings.runtime.clone(),
                handler: settings.handler.clone(),
                memory: settings.memory_mib,
                timeout: settings.timeout_s,
                role: role.to_owned(),
                log_group: settings.logging.group.clone(),
                versions: function
                    .versions
                    .iter()
                    .map(|(number, release)| (*number, release.modified))
                    .collect(),
                aliases: function
                    .aliases
                    .values()
                    .map(|alias| AliasView {
                        name: alias.name.clone(),
                        version: alias.version.clone(),
                        other: alias.other.clone(),
                    })
                    .collect(),
                reserved: function.reserved,
                status: status(latest, now),
                modified: latest.modified,
            }
        });
        functions.collect()
    }

    /// All event source mappings that aren't gone, by id.
    pub fn mapping_views(&self) -> Vec<MappingView> {
        let now = Millis::now();
        let results = self.control.results.lock().clone();
        let state = self.control.state.read();
        let mappings = state
            .mappings
            .values()
            .filter(|mapping| !mapping.is_gone(now))
            .map(|mapping| MappingView {
                uuid: mapping.uuid.clone(),
                queue_arn: mapping.queue_arn.clone(),
                function_arn: mapping.function_arn.clone(),
                state: mapping.state(now),
                batch_size: mapping.batch_size,
                last_result: results.get(&mapping.uuid).cloned(),
            });
        mappings.collect()
    }
}

fn status(latest: &Release, now: Millis) -> &'static str {
    match (latest.is_ready(now), latest.is_new) {
        (true, _) => "Active",
        (false, true) => "Pending",
        (false, false) => "Updating",
    }
}
