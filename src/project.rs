//! A project on disk, opened for one stage: its manifest, its handlers' code, its stack.
//!
//! What every command that deploys has in common before the engine takes over. Does I/O; decides nothing about the cloud.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

use crate::{
    aws::Identity,
    build::{self, Artifact, Artifacts, Platform},
    diagnostic::{Diagnostic, SourceFile},
    engine::{address::Address, scope::Scope, stack::Stack},
    manifest::{self, Architecture, HandlerName, Manifest},
    resource,
    stack::{self, Code, Codes},
};

/// The manifest's file name.
pub const MANIFEST: &str = "wsless.toml";
/// The bytes that are read of a manifest, however many it has; more than it may have.
const MOST_READ: u64 = 8 << 20;
/// Where wsless keeps what it makes in a project; ignored by git.
const OWN_DIR: &str = ".wsless";

/// How long a zip is kept that nobody asked for again: longer than any deployment runs.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// A project, opened for one stage.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of the manifest.
    pub dir: PathBuf,
    /// The stage.
    pub stage: String,
    /// The manifest with the stage's overrides.
    pub manifest: Manifest,
    /// What the user should know of the manifest.
    pub warnings: Vec<Diagnostic>,
    /// Whether its functions run on this machine, in the embedded cloud.
    is_here: bool,
}

/// The manifest that a command is about: at `path`, or the one of the current folder or the nearest one above it.
pub fn locate(path: Option<&Path>) -> Result<PathBuf, Vec<Diagnostic>> {
    match path {
        Some(path) if path.is_dir() => Ok(path.join(MANIFEST)),
        Some(path) => Ok(path.to_owned()),
        None => find(),
    }
}

impl Project {
    /// Reads the manifest at `path`, or the one of the current folder or the nearest one above it.
    pub fn open(path: Option<&Path>, stage: &str) -> Result<Self, Vec<Diagnostic>> {
        let path = locate(path)?;
        let text = read(&path).map_err(|error| vec![unreadable(&path, &error)])?;
        let file = Arc::new(SourceFile {
            path: shown(&path),
            text,
        });
        let parsed = manifest::parse(&file, stage)?;
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self {
            dir,
            stage: stage.to_owned(),
            manifest: parsed.manifest,
            warnings: parsed.warnings,
            is_here: false,
        })
    }

    /// Its functions run on this machine, whatever processor the manifest names for Lambda.
    #[must_use]
    pub fn here(mut self) -> Self {
        self.is_here = true;
        self.manifest.build.architecture = Architecture::of_this_machine();
        self
    }

    /// Whose stage it is in an account and region.
    pub fn scope(&self, identity: &Identity) -> Scope {
        Scope {
            project: self.manifest.project.name.clone(),
            stage: self.stage.clone(),
            identity: identity.clone(),
        }
    }

    /// The cargo binaries that the handlers name.
    pub fn binaries(&self) -> BTreeSet<String> {
        self.manifest
            .handlers
            .values()
            .map(|handler| handler.binary.clone())
            .collect()
    }

    /// Builds the handlers and the built-in ones.
    pub async fn build(
        &self,
        color: bool,
        on_event: &(dyn Fn(build::Event) + Sync),
    ) -> Result<Artifacts, build::Error> {
        build::build(&self.request(color), on_event).await
    }

    /// What would build the handlers, in words; or why nothing would.
    pub async fn toolchain(&self) -> Result<String, build::Error> {
        build::check(&self.request(false)).await
    }

    fn request(&self, color: bool) -> build::Request {
        build::Request {
            project_dir: self.dir.clone(),
            platform: if self.is_here {
                Platform::Host
            } else {
                Platform::Lambda(self.manifest.build.architecture)
            },
            profile: self.manifest.build.profile.clone(),
            binaries: self.binaries(),
            builtins: true,
            color,
        }
    }

    /// Each function's code, its zip kept under its own hash so that nobody else's build can take its place.
    pub fn codes(&self, artifacts: &Artifacts) -> io::Result<Codes> {
        let packages = self.dir.join(OWN_DIR).join("packages");
        std::fs::create_dir_all(&packages)?;
        let mut kept: BTreeMap<String, Code> = BTreeMap::new();
        let mut codes = Codes::new();
        for (name, handler) in &self.manifest.handlers {
            if let Some(artifact) = artifacts.handlers.get(&handler.binary) {
                codes.insert(
                    name.as_str().to_owned(),
                    keep(&packages, artifact, &mut kept)?,
                );
            }
        }
        for name in stack::builtins(&self.manifest) {
            if let Some(artifact) = artifacts.builtins.get(name) {
                codes.insert(name.to_owned(), keep(&packages, artifact, &mut kept)?);
            }
        }
        forget_others(&packages, &kept);
        Ok(codes)
    }

    /// In the place of each function's code, nothing: for what depends on which functions there are, not on what they do.
    pub fn unbuilt(&self) -> Codes {
        let handlers = self.manifest.handlers.keys();
        handlers
            .map(HandlerName::as_str)
            .chain(stack::builtins(&self.manifest))
            .map(|name| {
                let code = Code {
                    sha256: String::new(),
                    package: String::new(),
                };
                (name.to_owned(), code)
            })
            .collect()
    }

    /// The stack of the project's stage.
    pub fn stack(&self, codes: &Codes, scope: &Scope) -> Result<Stack, Diagnostic> {
        stack(&self.manifest, codes, scope)
    }

    /// The commit that is checked out, with `+` if files differ from it; nothing outside of git.
    pub async fn commit(&self) -> Option<String> {
        let git = |arguments: &'static [&'static str]| async move {
            let output = tokio::process::Command::new("git")
                .arg("-C")
                .arg(&self.dir)
                .args(arguments)
                .stdin(std::process::Stdio::null())
                .output()
                .await
                .ok()?;
            output
                .status
                .success()
                .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let commit = git(&["rev-parse", "HEAD"]).await?;
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).await?;
        Some(if changed.is_empty() {
            commit
        } else {
            format!("{commit}+")
        })
    }
}

/// The stack of a manifest's stage.
pub fn stack(manifest: &Manifest, codes: &Codes, scope: &Scope) -> Result<Stack, Diagnostic> {
    stack::stack(manifest, codes, scope).map_err(|error| {
        Diagnostic::error("stack::inconsistent", error.to_string())
            .note("this is a mistake in wsless, not in your project")
    })
}

/// The names of a stage's functions: its handlers and the built-in ones.
pub fn functions(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let handlers = manifest.handlers.keys().map(manifest::HandlerName::as_str);
    handlers.chain(stack::builtins(manifest))
}

/// The address that clients connect to; nothing without a stage to connect to.
pub fn endpoint(
    attributes: &BTreeMap<Address, resource::Attributes>,
    stage: &str,
) -> Option<String> {
    let of = |kind, name| attributes.get(&Address::new(kind, name));
    of(resource::stage::KIND, stage)?;
    of(resource::api::KIND, resource::api::NAME)?
        .get("client_url")
        .map(|url| format!("{url}/{stage}"))
}

fn keep(
    packages: &Path,
    artifact: &Artifact,
    kept: &mut BTreeMap<String, Code>,
) -> io::Result<Code> {
    if let Some(code) = kept
        .values()
        .find(|code| code.sha256 == artifact.sha256_base64)
    {
        return Ok(code.clone());
    }
    let name = format!("{:x}.zip", Sha256::digest(&artifact.zip));
    let path = packages.join(&name);
    if std::fs::metadata(&path).is_ok_and(|found| found.len() == artifact.zip_bytes) {
        mark_used(&path);
    } else {
        let half = packages.join(format!("{name}.{}", std::process::id()));
        std::fs::write(&half, &artifact.zip)?;
        std::fs::rename(&half, &path)?;
    }
    let code = Code {
        sha256: artifact.sha256_base64.clone(),
        package: path.display().to_string(),
    };
    kept.insert(name, code.clone());
    Ok(code)
}

/// Makes the file a young one again, so that nobody forgets it. A file that can't be touched is no harm.
fn mark_used(path: &Path) {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes the zips of earlier builds, but not what another stage, deployed from the same folder, may still need. One
/// that can't be removed is no harm.
fn forget_others(packages: &Path, kept: &BTreeMap<String, Code>) {
    let is_old = |entry: &std::fs::DirEntry| {
        let age = entry
            .metadata()
            .and_then(|found| found.modified())
            .map(|modified| modified.elapsed().unwrap_or_default());
        age.is_ok_and(|age| age > FORGOTTEN_AFTER)
    };
    for entry in std::fs::read_dir(packages).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_kept = name.to_str().is_some_and(|name| kept.contains_key(name));
        if !is_kept && is_old(&entry) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn find() -> Result<PathBuf, Vec<Diagnostic>> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    for (level, dir) in here.ancestors().enumerate() {
        if dir.join(MANIFEST).is_file() {
            // The manifest of this very folder is shown by its bare name.
            return Ok(if level == 0 {
                PathBuf::from(MANIFEST)
            } else {
                dir.join(MANIFEST)
            });
        }
    }
    Err(vec![
        Diagnostic::error(
            "project::no-manifest",
            format!("there is no {MANIFEST} in {} or above it", here.display()),
        )
        .help("run `wsless init DIR` to make a project, or pass --manifest"),
    ])
}

/// The file's text, or as much of it as shows that it's too large to be a manifest.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MOST_READ)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let shown = shown(path);
    let error = match error.kind() {
        io::ErrorKind::NotFound => Diagnostic::error(
            "project::no-manifest",
            format!("there is no manifest at {shown}"),
        ),
        io::ErrorKind::InvalidData => {
            return Diagnostic::error(
                "project::unreadable-manifest",
                format!("{shown} isn't text in UTF-8"),
            )
            .help("save it as UTF-8, or check the path given to --manifest");
        }
        _ => Diagnostic::error(
            "project::unreadable-manifest",
            format!("can't read {shown}: {error}"),
        ),
    };
    error.help("check the path given to --manifest, or run `wsless init DIR` to make a project")
}

fn shown(path: &Path) -> String {
    path.strip_prefix("./")
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zips_that_nobody_asked_for_in_a_day_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, hours: u64| {
            let file = std::fs::File::create(dir.path().join(name)).unwrap();
            let then = SystemTime::now() - Duration::from_hours(hours);
            file.set_modified(then).unwrap();
        };
        made("kept.zip", 100);
        made("of-another-stage.zip", 23);
        made("used-again.zip", 100);
        made("old.zip", 25);
        mark_used(&dir.path().join("used-again.zip"));
        let code = Code {
            sha256: String::new(),
            package: String::new(),
        };
        forget_others(dir.path(), &BTreeMap::from([("kept.zip".to_owned(), code)]));
        let mut left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["kept.zip", "of-another-stage.zip", "used-again.zip"]);
    }
}
