//! Which Rust is here, and what links for Lambda: zig by choice, the host's own linker where it may do.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{Error, Platform, files};
use crate::manifest::Architecture;

/// What links the binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linker {
    /// zig, against glibc 2.34, whatever this machine has.
    Zig,
    /// This machine's own, against its own glibc.
    Host,
}

impl fmt::Display for Linker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Zig => "zig",
            Self::Host => "host",
        })
    }
}

/// What `WSLESS_LINKER` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkerChoice {
    /// zig if it's there, else the host's if the processor is the same.
    Auto,
    /// This one.
    Forced(Linker),
}

impl LinkerChoice {
    /// Reads `WSLESS_LINKER`: `auto`, `zig` or `host`.
    pub(super) fn from_environment() -> Result<Self, Error> {
        let setting = std::env::var_os("WSLESS_LINKER").unwrap_or_default();
        Self::parse(&setting.to_string_lossy())
    }

    fn parse(setting: &str) -> Result<Self, Error> {
        match setting {
            "" | "auto" => Ok(Self::Auto),
            "zig" => Ok(Self::Forced(Linker::Zig)),
            "host" => Ok(Self::Forced(Linker::Host)),
            other => Err(Error::LinkerSetting(other.to_owned())),
        }
    }

    /// The linker, and the target that rustc is given. `zig` is whether zig was found.
    fn decide(
        self,
        host: &str,
        architecture: Architecture,
        zig: bool,
    ) -> Result<(Linker, String), Error> {
        let lambda = format!("{}-unknown-linux-gnu", rust_architecture(architecture));
        // On a musl machine the host's own target makes static binaries, which run on Lambda as well.
        let same = host.starts_with(rust_architecture(architecture)) && host.contains("-linux-");
        match self {
            Self::Auto | Self::Forced(Linker::Zig) if zig => Ok((Linker::Zig, lambda)),
            Self::Auto | Self::Forced(Linker::Host) if same => Ok((Linker::Host, host.to_owned())),
            // Who forces this has a cross linker set in .cargo/config.toml.
            Self::Forced(Linker::Host) => Ok((Linker::Host, lambda)),
            Self::Auto | Self::Forced(Linker::Zig) => Err(Error::NoZig {
                target: lambda,
                host: host.to_owned(),
            }),
        }
    }
}

/// How Rust names a processor.
fn rust_architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

/// What builds the binaries.
pub(super) struct Toolchain {
    /// What `rustc -vV` says: two that say the same make the same.
    pub(super) rustc: String,
    /// What links.
    pub(super) linker: Linker,
    /// The Rust target, such as `x86_64-unknown-linux-gnu`.
    pub(super) target: String,
    /// The program that answers as the linker's wrapper.
    pub(super) program: PathBuf,
}

impl Toolchain {
    /// Finds what builds for `platform` in the project at `folder`, and checks that it's complete.
    pub(super) async fn find(
        folder: &Path,
        platform: Platform,
        choice: LinkerChoice,
        program: &Path,
    ) -> Result<Self, Error> {
        let rustc = ask_rustc(folder, &["-vV"]).await?;
        let host = rustc
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .ok_or_else(|| Error::Query {
                command: "rustc -vV",
                message: format!("it named no host: {rustc}"),
            })?;
        let (linker, target) = match platform {
            Platform::Host => (Linker::Host, host.to_owned()),
            Platform::Lambda(architecture) => {
                let zig = choice != LinkerChoice::Forced(Linker::Host)
                    && files::blocking(|| cargo_zigbuild::Zig::find_zig().is_ok()).await;
                choice.decide(host, architecture, zig)?
            }
        };
        let libraries =
            ask_rustc(folder, &["--print", "target-libdir", "--target", &target]).await?;
        let installed =
            std::fs::read_dir(libraries.trim()).is_ok_and(|mut entries| entries.next().is_some());
        if !installed {
            return Err(Error::NoTarget { target });
        }
        Ok(Self {
            rustc,
            linker,
            target,
            program: program.to_owned(),
        })
    }
}

async fn ask_rustc(folder: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| Error::NoRust {
            program: program.to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Query {
            command: "rustc",
            message: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: &str = "x86_64-unknown-linux-gnu";

    fn decide(
        setting: &str,
        host: &str,
        architecture: Architecture,
        zig: bool,
    ) -> Result<(Linker, String), Error> {
        LinkerChoice::parse(setting)?.decide(host, architecture, zig)
    }

    #[test]
    fn zig_links_where_it_is_found() {
        let (linker, target) =
            decide("", "aarch64-apple-darwin", Architecture::Arm64, true).unwrap();
        assert_eq!(linker, Linker::Zig);
        assert_eq!(target, "aarch64-unknown-linux-gnu");
    }

    #[test]
    fn without_zig_the_host_links_for_its_own_processor_alone() {
        let (linker, target) = decide("auto", LINUX, Architecture::X86_64, false).unwrap();
        assert_eq!((linker, target.as_str()), (Linker::Host, LINUX));
        for (host, architecture) in [
            (LINUX, Architecture::Arm64),
            ("x86_64-apple-darwin", Architecture::X86_64),
            ("x86_64-pc-windows-msvc", Architecture::X86_64),
        ] {
            let error = decide("auto", host, architecture, false).unwrap_err();
            let help = error.diagnostics()[0].help.clone().unwrap();
            assert!(help.contains("pip install ziglang"), "{help}");
        }
    }

    #[test]
    fn a_musl_host_builds_for_itself() {
        let host = "x86_64-unknown-linux-musl";
        let (_, target) = decide("", host, Architecture::X86_64, false).unwrap();
        assert_eq!(target, host);
    }

    #[test]
    fn a_forced_linker_is_taken_or_missed() {
        let (linker, _) = decide("host", LINUX, Architecture::X86_64, true).unwrap();
        assert_eq!(linker, Linker::Host);
        let (_, target) = decide("host", LINUX, Architecture::Arm64, false).unwrap();
        assert_eq!(target, "aarch64-unknown-linux-gnu");
        let missed = decide("zig", LINUX, Architecture::X86_64, false).unwrap_err();
        assert!(matches!(missed, Error::NoZig { .. }), "{missed:?}");
        let unknown = decide("mold", LINUX, Architecture::X86_64, true).unwrap_err();
        assert!(matches!(unknown, Error::LinkerSetting(_)), "{unknown:?}");
    }

    #[tokio::test]
    async fn a_target_without_its_standard_library_is_named_with_the_mend() {
        let libdir = ask_rustc(
            Path::new("."),
            &[
                "--print",
                "target-libdir",
                "--target",
                "aarch64-unknown-linux-gnu",
            ],
        )
        .await
        .unwrap();
        if Path::new(libdir.trim()).is_dir() {
            eprintln!("skipped: the arm64 target is installed");
            return;
        }
        let found = Toolchain::find(
            Path::new("."),
            Platform::Lambda(Architecture::Arm64),
            LinkerChoice::Forced(Linker::Host),
            Path::new("wsless"),
        )
        .await;
        let Err(error) = found else {
            panic!("a toolchain without a standard library was accepted")
        };
        let help = error.diagnostics()[0].help.clone().unwrap();
        assert!(
            help.contains("rustup target add aarch64-unknown-linux-gnu"),
            "{help}"
        );
    }
}
