//! What outlives the cloud: the functions and mappings, and the zips of their code.
//!
//! Where the cloud keeps its state in a folder, the zips are files in it; else they're in the value itself, in base64.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    control::Control,
    state::{Function, Named, Release, State},
};
use crate::clock::Millis;

#[derive(Deserialize)]
struct Kept {
    state: State,
    #[serde(default)]
    zips: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Keeping<'a> {
    state: &'a State,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    zips: BTreeMap<String, String>,
}

impl Control {
    /// What is to be kept.
    pub(super) fn keep(&self) -> Value {
        let packages: Vec<_> = {
            let state = self.state.read();
            state
                .functions
                .values()
                .flat_map(Function::releases)
                .filter_map(|release| release.live.as_ref())
                .map(|live| Arc::clone(&live.package))
                .collect()
        };
        let mut zips = BTreeMap::new();
        if self.packages.keeps_files() {
            self.packages.sweep();
        } else {
            for package in packages {
                if let Ok(zip) = std::fs::read(package.zip()) {
                    zips.entry(package.sha256().to_owned())
                        .or_insert_with(|| STANDARD.encode(zip));
                }
            }
        }
        let state = self.state.read();
        let keeping = Keeping {
            state: &state,
            zips,
        };
        serde_json::to_value(keeping).unwrap_or_default()
    }

    /// Takes what was kept. Versions whose code is gone were deleted after the state was kept last: they stay away.
    pub(super) fn restore(&self, kept: Value) -> Result<(), String> {
        if kept.is_null() {
            return Ok(());
        }
        let Kept { mut state, zips } =
            serde_json::from_value(kept).map_err(|error| error.to_string())?;
        let now = Millis::now();
        state.functions.retain(|_, function| {
            let name = function.name.clone();
            let mut gone = Vec::new();
            for release in function.releases_mut() {
                if let Err(why) = self.enliven(&name, release, &zips) {
                    tracing::warn!(
                        function = name,
                        version = release.version(),
                        why,
                        "not restored"
                    );
                    gone.push(release.number);
                }
            }
            for number in gone.iter().flatten() {
                function.versions.remove(number);
            }
            !gone.contains(&None)
        });
        for mapping in state.mappings.values_mut() {
            mapping.settled_at = mapping.settled_at.min(now);
        }
        state.forget_gone(now);
        *self.state.write() = state;
        self.tell_pollers();
        Ok(())
    }

    fn enliven(
        &self,
        function: &str,
        release: &mut Release,
        zips: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let sha256 = &release.settings.code_sha256;
        let package = if let Some(package) = self.packages.known(sha256) {
            package
        } else {
            let zip = zips
                .get(sha256)
                .and_then(|zip| STANDARD.decode(zip).ok())
                .map(Bytes::from)
                .or_else(|| self.packages.read_kept(sha256))
                .ok_or("its code is gone")?;
            self.packages.take(&zip).map_err(|error| error.message)?
        };
        if package.sha256() != sha256 {
            return Err("its code isn't what it was".to_owned());
        }
        // Nothing is under way any more.
        release.ready_at = release.ready_at.min(Millis::now());
        let named = Named {
            region: &self.region,
            name: function,
        };
        release.enliven(&named, package);
        Ok(())
    }
}
