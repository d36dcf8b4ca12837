//! connect, disconnect and push: built from the source that this program carries, once, and kept in the target directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    Artifact, Error, Event, Part, Platform, Request,
    cargo::Invocation,
    files,
    package::{self, Novelty},
    project,
    sdk::Sources,
    toolchain::Toolchain,
};
/// The binaries of the handlers' crate.
pub(super) const BUILTINS: [&str; 3] = ["connect", "disconnect", "push"];

/// Builds them, unless zips of the same source, compiler, target and linker are there.
pub(super) async fn build(
    sources: &Sources,
    target_dir: &Path,
    request: &Request,
    toolchain: &Toolchain,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<BTreeMap<String, Artifact>, Error> {
    let sources = sources.clone().standalone();
    let folder = &target_dir.join("wsless/builtins");
    // For Lambda always small: who debugs handlers doesn't debug these. On this machine as quickly as may be: with the
    // handlers' profile, and in their target directory, what both need is compiled once.
    let (profile, target_dir) = match request.platform {
        Platform::Lambda(_) => ("release", folder.join("target")),
        Platform::Host => (request.profile.as_str(), target_dir.to_owned()),
    };
    // A folder each for what differs, so that going from one processor to the other and back builds nothing anew.
    let zips = folder.join(match request.platform {
        Platform::Lambda(_) => format!("{}-{}", toolchain.target, toolchain.linker),
        Platform::Host => format!("host-{profile}"),
    });
    let stamp_path = zips.join("stamp");
    let stamp = format!("{}\n{}", sources.hash(), toolchain.rustc);
    if std::fs::read(&stamp_path).is_ok_and(|found| found == stamp.as_bytes())
        && let Some(kept) = kept(&zips, request.platform)
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
        profile,
        environment: project::profile_defaults(profile, request.platform, &source, &source),
        target_dir: &target_dir,
        locked: sources.has("Cargo.lock"),
        color: request.color,
    }
    .run(toolchain, on_event)
    .await?;
    let artifacts = super::package_all(
        Part::Builtins,
        &executables,
        &zips,
        (request.platform, toolchain.linker),
        on_event,
    )
    .await?;
    files::write_atomically(&stamp_path, stamp.as_bytes())
        .map_err(|error| Error::io("write", &stamp_path, error))?;
    Ok(artifacts)
}

/// The zips of an earlier build, if all are there and whole.
fn kept(zips: &Path, platform: Platform) -> Option<BTreeMap<String, Artifact>> {
    BUILTINS
        .into_iter()
        .map(|name| {
            let artifact = package::read_package(zips, name, platform, None)?;
            Some((name.to_owned(), artifact))
        })
        .collect()
}
