//! What can go wrong in a build, and the mend.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::{Fault, Linker, Part};
use crate::diagnostic::Diagnostic;

/// How to get zig, in one line.
const GET_ZIG: &str = "`pip install ziglang` (or put `zig` on the PATH), then run this again";

/// Why nothing was built, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The project's folder holds no Cargo.toml.
    #[error("there is no Cargo.toml at `{path}`")]
    NoManifest {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// cargo or rustc can't be started.
    #[error("`{program}` can't be started: {source}")]
    NoRust {
        /// What was to be started.
        program: String,
        /// Why it wasn't.
        source: io::Error,
    },
    /// cargo or rustc answered a question with an error.
    #[error("`{command}` failed")]
    Query {
        /// The question.
        command: &'static str,
        /// What it said.
        message: String,
    },
    /// The manifest names binaries that the project hasn't got.
    #[error("{} that the manifest names: {}", plural(.0.len(), "binary isn't there", "binaries aren't there"),
        list(.0.iter().map(|unknown| &unknown.name)))]
    UnknownBinaries(Vec<UnknownBinary>),
    /// Several packages have a binary of this name.
    #[error("the binary `{name}` is in several packages")]
    AmbiguousBinary {
        /// The binary.
        name: String,
        /// The packages, as cargo names them.
        packages: Vec<String>,
    },
    /// A binary's name is no file name.
    #[error("the binary's name `{0}` can't be a file's name")]
    BinaryName(String),
    /// `WSLESS_LINKER` is none of its values.
    #[error("WSLESS_LINKER is `{0}`, which is no linker")]
    LinkerSetting(String),
    /// zig is needed, and isn't there.
    #[error("zig, which links the handlers for Lambda, can't be found")]
    NoZig {
        /// The target to link for.
        target: String,
        /// The machine that this is.
        host: String,
    },
    /// Rust's standard library for the target isn't installed.
    #[error("Rust's standard library for `{target}` isn't installed")]
    NoTarget {
        /// The target.
        target: String,
    },
    /// cargo ended with an error, and has said which.
    #[error("cargo couldn't build {}", list(.binaries))]
    Cargo {
        /// Which of the two builds it was.
        part: Part,
        /// What wasn't built.
        binaries: Vec<String>,
        /// cargo's exit code; absent, a signal ended it.
        code: Option<i32>,
    },
    /// cargo reported success, and no executable for this binary.
    #[error("cargo built `{name}` and named no executable for it")]
    NoExecutable {
        /// The binary.
        name: String,
    },
    /// Binaries that would fail on Lambda, all of them.
    #[error("Lambda couldn't run {}", list(.0.iter().map(|refusal| &refusal.name)))]
    Refused(Vec<Refusal>),
    /// A file couldn't be read or written.
    #[error("couldn't {action} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A binary that the project hasn't got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBinary {
    /// The name that the manifest has.
    pub name: String,
    /// The most similar name that is there.
    pub nearest: Option<String>,
    /// All names that are there.
    pub known: Vec<String>,
    /// The Cargo.toml whose packages were looked through.
    pub manifest: PathBuf,
}

/// A binary that would fail on Lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The binary.
    pub name: String,
    /// The executable.
    pub executable: PathBuf,
    /// What speaks against it; at least one thing.
    pub faults: Vec<Fault>,
    /// What linked it.
    pub linker: Linker,
}

impl Error {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The same, for people: one diagnostic for each binary that it's about, else one.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::UnknownBinaries(unknown) => {
                unknown.iter().map(UnknownBinary::diagnostic).collect()
            }
            Self::Refused(refusals) => refusals.iter().map(Refusal::diagnostic).collect(),
            other => vec![other.diagnostic()],
        }
    }

    fn diagnostic(&self) -> Diagnostic {
        let error = |code| Diagnostic::error(code, self.to_string());
        match self {
            Self::NoManifest { .. } => error("build::no-manifest")
                .note("handlers are cargo binaries of the package or workspace beside wsless.toml")
                .help("run this in the project's folder, or make a project with `wsless init`"),
            Self::NoRust { .. } => error("build::no-rust")
                .note("the handlers are built with the Rust that is installed here")
                .help("install Rust from https://rustup.rs, or put its `bin` folder on the PATH"),
            Self::Query { message, .. } => error("build::query").note(message.trim()),
            Self::AmbiguousBinary { packages, .. } => error("build::ambiguous-binary")
                .note(format!("it's in {}", list(packages)))
                .help("give one of them another name, in its [[bin]] or under src/bin"),
            Self::BinaryName(_) => error("build::binary-name")
                .note("the zip is kept in a folder of this name, below the target directory")
                .help("name the binary with letters, digits, `-` and `_`"),
            Self::LinkerSetting(_) => error("build::linker-setting")
                .help("set it to `auto`, `zig` or `host`, or unset it, which means `auto`"),
            Self::NoZig { target, host } => error("build::no-zig")
                .note(format!(
                    "this machine is `{host}`, so its own linker can't be counted on to link for `{target}`"
                ))
                .help(GET_ZIG),
            Self::NoTarget { target } => error("build::no-target").help(format!(
                "`rustup target add {target}`, or your distribution's package of it, then run this again"
            )),
            Self::Cargo {
                part,
                code,
                ..
            } => {
                let ended = match code {
                    Some(code) => format!("it ended with exit code {code}"),
                    None => "a signal ended it".to_owned(),
                };
                let diagnostic = error("build::cargo").note(format!("{ended}; its own messages are above"));
                match part {
                    Part::Handlers => diagnostic,
                    Part::Builtins => diagnostic.note(
                        "these are wsless's own handlers, built from the source that it carries",
                    ),
                }
            }
            Self::NoExecutable { .. } => error("build::no-executable")
                .note("cargo's list of artifacts has none of that name")
                .help("see whether `cargo build` alone makes it"),
            Self::Io { .. } => error("build::io"),
            // Both have a diagnostic for each binary instead.
            Self::UnknownBinaries(_) => error("build::unknown-binary"),
            Self::Refused(_) => error("build::refused"),
        }
    }
}

impl UnknownBinary {
    fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(
            "build::unknown-binary",
            format!("the project has no binary `{}`", self.name),
        )
        .note(format!(
            "looked for in the packages of `{}`",
            self.manifest.display()
        ));
        let diagnostic = if self.known.is_empty() {
            diagnostic.note("they have no binaries at all")
        } else {
            diagnostic.note(format!("they have {}", list(&self.known)))
        };
        diagnostic.help(match &self.nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!(
                "add src/bin/{}.rs, or set `binary` in the handler's table of wsless.toml",
                self.name
            ),
        })
    }
}

impl Refusal {
    fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(
            "build::refused",
            format!("Lambda couldn't run the binary `{}`", self.name),
        );
        let mut mends = Vec::new();
        for fault in &self.faults {
            diagnostic = diagnostic.note(fault.to_string());
            let mend = fault.mend(self.linker);
            if !mends.contains(&mend) {
                mends.push(mend);
            }
        }
        diagnostic
            .note(format!("inspected: `{}`", self.executable.display()))
            .help(mends.join("; "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf(what) => write!(formatter, "it's {what}, not a Linux program"),
            Self::NotProgram(what) => write!(formatter, "it's {what}, not a 64-bit Linux program"),
            Self::Damaged(why) => write!(formatter, "its headers are damaged: {why}"),
            Self::Machine { found, wanted } => write!(
                formatter,
                "it's for {found}, and the functions run on {}",
                wanted.as_str()
            ),
            Self::Glibc { version, symbols } => {
                write!(formatter, "it needs {version}, and Lambda's glibc is 2.34")?;
                if !symbols.is_empty() {
                    write!(formatter, " (for {})", list(symbols))?;
                }
                Ok(())
            }
            Self::Loader(path) => write!(
                formatter,
                "its loader is `{path}`, which isn't there on Lambda"
            ),
            Self::Library(name) => write!(
                formatter,
                "it needs the shared library {name}, which isn't there on Lambda"
            ),
            Self::Unzipped(bytes) => write!(
                formatter,
                "it has {bytes} bytes, and Lambda takes less than {}",
                super::package::MOST_UNZIPPED
            ),
            Self::Zipped(bytes) => write!(
                formatter,
                "its zip has {bytes} bytes, and Lambda takes less than {}",
                super::package::MOST_ZIPPED
            ),
        }
    }
}

impl Fault {
    fn mend(&self, linker: Linker) -> String {
        match (self, linker) {
            (Self::Glibc { .. } | Self::Loader(_), Linker::Host) => {
                format!("zig links against glibc 2.34: {GET_ZIG}")
            }
            (Self::Glibc { .. }, Linker::Zig) => {
                "look for a linker set in .cargo/config.toml or CARGO_TARGET_..._LINKER, which goes before zig, or a \
                 dependency that brings libraries built on this machine"
                    .to_owned()
            }
            (Self::Loader(_), Linker::Zig) => {
                "look for link arguments in .cargo/config.toml, RUSTFLAGS or a build script".to_owned()
            }
            (Self::Library(name), _) => library_mend(name),
            (Self::Machine { wanted, .. }, _) => format!(
                "set `architecture` in [build] to the processor you mean (now {}), and look for a linker set in \
                 .cargo/config.toml",
                wanted.as_str()
            ),
            (Self::Unzipped(_) | Self::Zipped(_), _) => {
                "build with `strip = \"symbols\"`, `opt-level = \"s\"` and `lto = \"fat\"`, and load embedded data \
                 from elsewhere at run time"
                    .to_owned()
            }
            (Self::NotElf(_) | Self::NotProgram(_) | Self::Damaged(_), _) => {
                "look for a linker, crate type or link arguments set in Cargo.toml or .cargo/config.toml".to_owned()
            }
        }
    }
}

/// How to do without a shared library.
fn library_mend(name: &str) -> String {
    if name.starts_with("libssl.") || name.starts_with("libcrypto.") {
        return "use rustls in place of OpenSSL, or the openssl crate's feature `vendored`"
            .to_owned();
    }
    let crate_feature = [
        (
            "libz.",
            "libz-sys's feature `static`, or flate2's default backend",
        ),
        ("libsqlite3.", "rusqlite's feature `bundled`"),
        (
            "libcurl.",
            "curl's feature `static-curl`, or a client in Rust",
        ),
        ("libpq.", "pq-sys's feature `bundled`, or tokio-postgres"),
        ("libzstd.", "zstd without its feature `pkg-config`"),
        (
            "libstdc++.",
            "a link of the C++ library with `-static-libstdc++`",
        ),
    ]
    .into_iter()
    .find_map(|(prefix, feature)| name.starts_with(prefix).then_some(feature));
    match crate_feature {
        Some(feature) => format!("link {name} into the binary: {feature}"),
        None => format!(
            "link {name} into the binary: most crates that need it have a feature `vendored`, `bundled` or `static`"
        ),
    }
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn list<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
