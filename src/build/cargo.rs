//! The one cargo invocation: its arguments, its lines as they come, and the executables that it names.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use cargo_metadata::Message;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use super::{Error, Event, Linker, Part, embedded, toolchain::Toolchain};

/// How long what cargo started (a compiler cache's server, say) may hold its output open once cargo has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// One `cargo build`.
pub(super) struct Invocation<'a> {
    pub(super) part: Part,
    /// The Cargo.toml; cargo runs in its folder, so that its configuration counts.
    pub(super) manifest: &'a Path,
    /// Package ids; none means the manifest's own package.
    pub(super) packages: &'a BTreeSet<String>,
    pub(super) binaries: &'a BTreeSet<String>,
    pub(super) profile: &'a str,
    pub(super) environment: Vec<(String, String)>,
    pub(super) target_dir: &'a Path,
    /// Whether the lock file is to be taken as it is.
    pub(super) locked: bool,
    pub(super) color: bool,
}

impl Invocation<'_> {
    /// Builds; the executables by the binary's name.
    pub(super) async fn run(
        &self,
        toolchain: &Toolchain,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<BTreeMap<String, PathBuf>, Error> {
        on_event(Event::Started {
            part: self.part,
            binaries: self.binaries.iter().cloned().collect(),
            target: toolchain.target.clone(),
            linker: toolchain.linker,
        });
        let mut command = match toolchain.linker {
            Linker::Zig => {
                let mut command = Command::new(&toolchain.program);
                command.arg(embedded::ZIGBUILD);
                command
            }
            Linker::Host => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut command = Command::new(cargo);
                command.arg("build");
                command
            }
        };
        command
            .args(self.arguments(toolchain))
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            // A progress bar redraws its line, which no line-by-line reader can show.
            .env("CARGO_TERM_PROGRESS_WHEN", "never")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(folder) = self.manifest.parent() {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|source| Error::NoRust {
            program: command
                .as_std()
                .get_program()
                .to_string_lossy()
                .into_owned(),
            source,
        })?;
        let (succeeded, code, executables) = self.follow(child, on_event).await?;
        if !succeeded {
            return Err(Error::Cargo {
                part: self.part,
                binaries: self
                    .binaries
                    .iter()
                    .filter(|name| !executables.contains_key(*name))
                    .cloned()
                    .collect(),
                code,
            });
        }
        match self
            .binaries
            .iter()
            .find(|name| !executables.contains_key(*name))
        {
            Some(missing) => Err(Error::NoExecutable {
                name: missing.clone(),
            }),
            None => Ok(executables),
        }
    }

    /// What follows `cargo build`.
    fn arguments(&self, toolchain: &Toolchain) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut option = |name: &str, value: OsString| {
            arguments.push(name.into());
            arguments.push(value);
        };
        option("--manifest-path", self.manifest.into());
        for package in self.packages {
            option("--package", package.into());
        }
        for binary in self.binaries {
            option("--bin", binary.into());
        }
        option("--profile", self.profile.into());
        // The host's own target is named too: it keeps what is built for Lambda apart from the user's own builds, and
        // flags for the target away from build scripts.
        option(
            "--target",
            match toolchain.linker {
                Linker::Zig => embedded::with_glibc(&toolchain.target).into(),
                Linker::Host => toolchain.target.clone().into(),
            },
        );
        option("--target-dir", self.target_dir.into());
        option("--message-format", "json-render-diagnostics".into());
        option(
            "--color",
            if self.color { "always" } else { "never" }.into(),
        );
        if self.locked {
            arguments.push("--locked".into());
        }
        arguments
    }

    /// Reads all that cargo says until it ends: whether it succeeded, its exit code, the executables.
    async fn follow(
        &self,
        mut child: Child,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<(bool, Option<i32>, BTreeMap<String, PathBuf>), Error> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut executables = BTreeMap::new();
        let status = {
            let messages = each_line(stdout, |line| {
                if let Some((name, path)) = self.executable(&line) {
                    executables.insert(name, path);
                }
            });
            let words = each_line(stderr, |line| on_event(Event::CargoLine(line)));
            let output = async {
                tokio::join!(messages, words);
            };
            tokio::pin!(output);
            let status = tokio::select! {
                biased;
                () = &mut output => None,
                status = child.wait() => {
                    // Whatever is still unread is in the pipes already; somebody else may hold them open for ever.
                    let _ = tokio::time::timeout(DRAIN, &mut output).await;
                    Some(status)
                }
            };
            match status {
                Some(status) => status,
                None => child.wait().await,
            }
        };
        let status =
            status.map_err(|source| Error::io("wait for cargo on", self.manifest, source))?;
        Ok((status.success(), status.code(), executables))
    }

    /// The name and path of an executable that was asked for, if this line of cargo's JSON is about one.
    fn executable(&self, line: &str) -> Option<(String, PathBuf)> {
        let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(line) else {
            return None;
        };
        let wanted = artifact.target.is_bin()
            && self.binaries.contains(&artifact.target.name)
            && (self.packages.is_empty() || self.packages.contains(&artifact.package_id.repr));
        let path = artifact.executable.filter(|_| wanted)?;
        Some((artifact.target.name, path.into_std_path_buf()))
    }
}

/// Calls `take` with each line of a stream, whatever its bytes. A stream that breaks off has ended.
async fn each_line(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(String)) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line);
        take(text.trim_end_matches(['\n', '\r']).to_owned());
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_whatever_their_bytes_and_their_ends() {
        let mut lines = Vec::new();
        each_line(Some(&b"one\r\n\n\xff two\nlast"[..]), |line| {
            lines.push(line);
        })
        .await;
        assert_eq!(lines, ["one", "", "\u{fffd} two", "last"]);
    }
}
