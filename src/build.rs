//! cargo -> bootstrap binaries -> reproducible zips, each binary inspected before it may be shipped.
//!
//! In: the project's folder and the names of the binaries that the manifest wants ([`Request`]). Out: [`Artifacts`],
//! whose zips Lambda's `provided.al2023` runs as they are. What happens meanwhile goes out as [`Event`]s: nothing here
//! prints, but for [`embedded_tool`], where this program stands in for the linker. Knows nothing of AWS's calls, nor
//! of the rest of the manifest.
//!
//! The parts: `project` finds binaries and settings in the user's Cargo.toml; `toolchain` chooses how to link;
//! `cargo` runs the one cargo invocation; `elf` refuses what would die at its first call; `package` makes the zip;
//! `sdk` carries the handlers' crate, and `builtins` builds its binaries.

mod builtins;
mod cargo;
mod check;
mod elf;
mod embedded;
mod error;
mod files;
mod package;
mod project;
mod sdk;
mod toolchain;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use check::check;
pub use elf::{Fault, GlibcVersion};
pub use embedded::embedded_tool;
pub use error::{Error, Refusal, UnknownBinary};
pub use sdk::write_sdk;
pub use toolchain::Linker;

use crate::manifest::Architecture;
use project::Project;
use sdk::Sources;
use toolchain::{LinkerChoice, Toolchain};

/// What to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The folder of `wsless.toml`, which holds the project's `Cargo.toml`.
    pub project_dir: PathBuf,
    /// Where the functions run.
    pub platform: Platform,
    /// The cargo profile of the handlers.
    pub profile: String,
    /// The cargo binaries that the manifest names.
    pub binaries: BTreeSet<String>,
    /// Whether the built-in handlers are wanted too.
    pub builtins: bool,
    /// Whether cargo's own lines may carry colours.
    pub color: bool,
}

/// Where the functions run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// On Lambda, on this processor: linked for its glibc, and inspected.
    Lambda(Architecture),
    /// On this machine, in the embedded cloud: whatever its own toolchain makes, zipped without being compressed.
    Host,
}

impl Platform {
    /// The processor, in AWS's words.
    pub fn architecture(self) -> Architecture {
        match self {
            Self::Lambda(architecture) => architecture,
            Self::Host => Architecture::of_this_machine(),
        }
    }

    /// What zips for it are told apart by.
    fn as_str(self) -> &'static str {
        match self {
            Self::Lambda(architecture) => architecture.as_str(),
            Self::Host => "host",
        }
    }
}

/// Which of the two builds an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The user's handlers.
    Handlers,
    /// connect, disconnect and push, from the source that this program carries.
    Builtins,
}

/// What happens while a build runs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handlers' library was missing or differed, and was written here.
    SdkWritten(PathBuf),
    /// Another wsless builds in the same target directory: this one goes on when that one is done.
    Waiting {
        /// The file that the other one has locked.
        lock: PathBuf,
    },
    /// cargo begins.
    Started {
        /// What it builds.
        part: Part,
        /// The binaries' names.
        binaries: Vec<String>,
        /// The Rust target, such as `x86_64-unknown-linux-gnu`.
        target: String,
        /// What links them.
        linker: Linker,
    },
    /// A line of cargo's own standard error: progress, or a rendered diagnostic of the compiler.
    CargoLine(String),
    /// A binary passed the inspection, and its zip was written.
    Built {
        /// Whose binary.
        part: Part,
        /// Its name.
        name: String,
        /// The zip's size.
        zip_bytes: u64,
        /// The executable's size.
        unzipped_bytes: u64,
    },
    /// The binary is what it was, so its zip is too.
    Reused {
        /// Whose binary.
        part: Part,
        /// Its name.
        name: String,
        /// The zip's size.
        zip_bytes: u64,
        /// The executable's size.
        unzipped_bytes: u64,
    },
}

/// One function's code, ready to upload.
#[derive(Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The binary's name.
    pub name: String,
    /// Where the zip lies.
    pub zip_path: PathBuf,
    /// The zip, less than 50 MB. What is uploaded is this, not the file: another project with the same target directory
    /// may have written its own there since.
    pub zip: Arc<[u8]>,
    /// The SHA-256 of the zip in base64, which is what Lambda gives as `CodeSha256`.
    pub sha256_base64: String,
    /// The zip's size.
    pub zip_bytes: u64,
    /// The executable's size.
    pub unzipped_bytes: u64,
    /// The processor that it runs on.
    pub architecture: Architecture,
    /// The newest glibc that it asks for; absent, it's static, or for this machine alone.
    pub glibc: Option<GlibcVersion>,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All but the zip's bytes, which would fill the screen.
        formatter
            .debug_struct("Artifact")
            .field("name", &self.name)
            .field("zip_path", &self.zip_path)
            .field("sha256_base64", &self.sha256_base64)
            .field("zip_bytes", &self.zip_bytes)
            .field("unzipped_bytes", &self.unzipped_bytes)
            .field("architecture", &self.architecture)
            .field("glibc", &self.glibc)
            .finish_non_exhaustive()
    }
}

/// What a build yields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// The user's handlers, by the binary's name.
    pub handlers: BTreeMap<String, Artifact>,
    /// connect, disconnect and push, if they were asked for.
    pub builtins: BTreeMap<String, Artifact>,
}

/// Builds what `request` asks for, and tells `on_event` what happens.
///
/// Writes into the project's target directory and `.wsless`. Environment: `WSLESS_LINKER` is `auto` (the default: zig,
/// or else the host's own linker if the processor is the same), `zig` or `host`; `CARGO_ZIGBUILD_PYTHON_PATH` and
/// `CARGO_ZIGBUILD_ZIG_PATH` say where zig is; cargo's and rustc's own variables mean what they mean to cargo.
/// Dropping the future ends cargo.
pub async fn build(
    request: &Request,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Artifacts, Error> {
    let surroundings = Surroundings {
        sources: Sources::carried(),
        linker: LinkerChoice::from_environment()?,
        program: builder()?,
        target_dir: None,
    };
    build_in(request, &surroundings, on_event).await
}

/// This program's own file, which stands in for the linker.
fn builder() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|source| Error::Io {
        action: "find this program's own file",
        path: PathBuf::new(),
        source,
    })
}

/// The folders whose files a build reads: those of the packages in the project's workspace, and the project's own.
///
/// Where cargo can't read the workspace, the project's own alone: that is where the mistake is.
pub async fn source_folders(project_dir: &Path) -> BTreeSet<PathBuf> {
    let folder = std::path::absolute(project_dir).unwrap_or_else(|_| project_dir.to_owned());
    let mut folders = match Project::read(&folder).await {
        Ok(project) => project.package_folders,
        Err(_) => BTreeSet::new(),
    };
    folders.insert(folder);
    folders
}

/// What a build takes from outside its request; tests put other things in its place.
struct Surroundings {
    /// The handlers' crate.
    sources: Sources,
    /// How to link.
    linker: LinkerChoice,
    /// The program that answers as [`embedded_tool`].
    program: PathBuf,
    /// Where to build in place of cargo's own choice.
    target_dir: Option<PathBuf>,
}

async fn build_in(
    request: &Request,
    surroundings: &Surroundings,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<Artifacts, Error> {
    let project_dir = std::path::absolute(&request.project_dir)
        .map_err(|source| Error::io("find", &request.project_dir, source))?;
    let manifest = project_dir.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Error::NoManifest { path: manifest });
    }
    // The project depends on the library by its path, so cargo can't read the project without it.
    if sdk::write(&project_dir, &surroundings.sources)? {
        on_event(Event::SdkWritten(sdk::sdk_dir(&project_dir)));
    }
    let mut project = Project::read(&project_dir).await?;
    if let Some(elsewhere) = &surroundings.target_dir {
        project.target_dir.clone_from(elsewhere);
    }
    let selection = project.select(&request.binaries)?;
    let toolchain = Toolchain::find(
        &project_dir,
        request.platform,
        surroundings.linker,
        &surroundings.program,
    )
    .await?;

    // Held until the executables are read: in a target directory that projects share, a binary of the same name from
    // another project would otherwise take its place in between.
    let _lock = files::lock(&project.target_dir.join("wsless/lock"), on_event).await?;
    let mut artifacts = Artifacts::default();
    if !request.binaries.is_empty() {
        let executables = cargo::Invocation {
            part: Part::Handlers,
            manifest: &manifest,
            packages: &selection,
            binaries: &request.binaries,
            profile: &request.profile,
            environment: project::profile_defaults(
                &request.profile,
                request.platform,
                &project.workspace_root,
                &project_dir,
            ),
            target_dir: &project.target_dir,
            locked: false,
            color: request.color,
        }
        .run(&toolchain, on_event)
        .await?;
        artifacts.handlers = package_all(
            Part::Handlers,
            &executables,
            &project.target_dir.join(match request.platform {
                // cargo-lambda's place for it.
                Platform::Lambda(_) => "lambda",
                Platform::Host => "wsless/host",
            }),
            (request.platform, toolchain.linker),
            on_event,
        )
        .await?;
    }
    if request.builtins {
        artifacts.builtins = builtins::build(
            &surroundings.sources,
            &project.target_dir,
            request,
            &toolchain,
            on_event,
        )
        .await?;
    }
    Ok(artifacts)
}

/// Inspects and zips executables, each to `folder/NAME/bootstrap.zip`. All that are refused are named at once.
async fn package_all(
    part: Part,
    executables: &BTreeMap<String, PathBuf>,
    folder: &Path,
    (platform, linker): (Platform, Linker),
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<BTreeMap<String, Artifact>, Error> {
    let packaging = executables.iter().map(|(name, executable)| {
        package::package(
            name.clone(),
            executable.clone(),
            folder.to_owned(),
            platform,
        )
    });
    let mut artifacts = BTreeMap::new();
    let mut refusals = Vec::new();
    for outcome in futures::future::join_all(packaging).await {
        match outcome? {
            package::Outcome::Refused {
                name,
                executable,
                faults,
            } => refusals.push(Refusal {
                name,
                executable,
                faults,
                linker,
            }),
            package::Outcome::Packaged(artifact, novelty) => {
                on_event(novelty.event(part, &artifact));
                artifacts.insert(artifact.name.clone(), artifact);
            }
        }
    }
    if refusals.is_empty() {
        Ok(artifacts)
    } else {
        Err(Error::Refused(refusals))
    }
}

#[cfg(test)]
mod tests;
