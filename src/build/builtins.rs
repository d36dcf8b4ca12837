//! connect, disconnect and push: built from the source that this program carries, once, and kept in the target directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Artifact, Error, Event, Part,
    cargo::Invocation,
    files,
    package::{self, Novelty},
    project,
    sdk::Sources,
    toolchain::Toolchain,
};
use crate::manifest::Architecture;

/// The binaries of the handlers' crate.
pub(super) const BUILTINS: [&str; 3] = ["connect", "disconnect", "push"];

/// Always small: who debugs handlers doesn't debug these.
const PROFILE: &str = "release";

/// Builds them below `folder`, unless zips of the same source, compiler, target and linker are there.
pub(super) async fn build(
    sources: &Sources,
    folder: &Path,
    (architecture, color): (Architecture, bool),
    toolchain: &Toolchain,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<BTreeMap<String, Artifact>, Error> {
    let sources = sources.clone().standalone();
    // A folder each for what differs, so that going from one processor to the other and back builds nothing anew.
    let zips = folder.join(format!("{}-{}", toolchain.target, toolchain.linker));
    let stamp_path = zips.join("stamp");
    let stamp = format!("{}\n{}", sources.hash(), toolchain.rustc);
    if std::fs::read(&stamp_path).is_ok_and(|found| found == stamp.as_bytes())
        && let Some(kept) = kept(&zips, architecture)
    {
        for artifact in kept.values() {
            on_event(Novelty::Reused.event(Part::Builtins, artifact));
        }
        return Ok(kept);
    }
    let source = folder.join("src");
    sources
        .write_to(&source)
        .map_err(|error| Error::io("write", &source, error))?;
    let binaries: BTreeSet<_> = BUILTINS.into_iter().map(str::to_owned).collect();
    let executables = Invocation {
        part: Part::Builtins,
        manifest: &source.join("Cargo.toml"),
        packages: &BTreeSet::new(),
        binaries: &binaries,
        profile: PROFILE,
        environment: project::profile_defaults(PROFILE, &source, &source),
        target_dir: &folder.join("target"),
        locked: sources.has("Cargo.lock"),
        color,
    }
    .run(toolchain, on_event)
    .await?;
    let artifacts = super::package_all(
        Part::Builtins,
        &executables,
        &zips,
        (architecture, toolchain.linker),
        on_event,
    )
    .await?;
    files::write_atomically(&stamp_path, stamp.as_bytes())
        .map_err(|error| Error::io("write", &stamp_path, error))?;
    Ok(artifacts)
}

/// The zips of an earlier build, if all are there and whole.
fn kept(zips: &Path, architecture: Architecture) -> Option<BTreeMap<String, Artifact>> {
    BUILTINS
        .into_iter()
        .map(|name| {
            let artifact = package::read_package(zips, name, architecture, None)?;
            Some((name.to_owned(), artifact))
        })
        .collect()
}
