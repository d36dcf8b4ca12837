//! This program as the linker. cargo-zigbuild writes scripts that call the program it's part of, as `PROGRAM zig cc -- ...`,
//! and a link named `ar` to it; and it sets variables of its own process, so it gets a process of its own.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::{Command, ExitCode},
};

use cargo_zigbuild::{Build, Zig};
use clap::Parser;

/// The first argument that makes this program set up zig and become cargo.
pub(super) const ZIGBUILD: &str = "__zigbuild";

/// A Rust target with the glibc of `provided.al2023`, in cargo-zigbuild's notation.
pub(super) fn with_glibc(target: &str) -> String {
    format!("{target}.2.34")
}

#[derive(Parser)]
#[command(name = "zig")]
struct ZigArguments {
    #[command(subcommand)]
    zig: Zig,
}

/// Does this process's work if it was started as a tool of a build (linker, archiver, or zig's setup), and gives its exit
/// code; else gives nothing, and the arguments are a user's. To be called first thing in `main`, with
/// `std::env::args_os()`, before there are other threads: it changes the process's environment.
///
/// Unlike the rest of the library it writes to standard error, as a linker does; cargo shows that in its own messages.
pub fn embedded_tool(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next()?;
    if Path::new(&program).file_stem()? == "ar" {
        return Some(finish(
            strings(arguments).and_then(|args| Ok(Zig::Ar { args }.execute()?)),
        ));
    }
    let first = arguments.next()?;
    if first == "zig" {
        let arguments = std::iter::once(first).chain(arguments);
        return Some(finish(strings(arguments).and_then(|arguments| {
            Ok(ZigArguments::try_parse_from(arguments)?.zig.execute()?)
        })));
    }
    if first == ZIGBUILD {
        let arguments = std::iter::once(first).chain(arguments);
        return Some(match zigbuild(arguments) {
            Ok(code) => code,
            Err(error) => finish(Err(error)),
        });
    }
    None
}

/// Makes zig the linker of a `cargo build` with these arguments, and runs it.
fn zigbuild(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, Failure> {
    let mut build = Build::try_parse_from(arguments)?;
    build.enable_zig_ar = true;
    // Twice, since another build may be writing the same wrapper scripts for the first time.
    let mut cargo = build.build_command().or_else(|_| build.build_command())?;
    become_(&mut cargo)
}

/// Runs `command` in this process's place, so that who ends this process ends cargo.
#[cfg(unix)]
fn become_(command: &mut Command) -> Result<ExitCode, Failure> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

/// Runs `command` and ends as it ends.
#[cfg(not(unix))]
fn become_(command: &mut Command) -> Result<ExitCode, Failure> {
    let code = command
        .status()?
        .code()
        .and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn strings(arguments: impl Iterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    arguments
        .map(|argument| {
            argument.into_string().map_err(|argument| {
                format!(
                    "the linker's argument `{}` isn't UTF-8, which zig's wrapper needs",
                    argument.display()
                )
                .into()
            })
        })
        .collect()
}

/// cargo-zigbuild's errors are of a type that only it depends on; they're shown here, and go nowhere else.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn finish(outcome: Result<(), Failure>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let mut text = format!("error: zig couldn't be used as the linker: {error}\n");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.extend(["  caused by: ", &inner.to_string(), "\n"]);
        cause = inner.source();
    }
    // Nobody is left to tell if this fails.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_users_arguments_are_left_to_the_user() {
        for words in [
            &["wsless"][..],
            &["wsless", "build"],
            &["/usr/bin/wsless", "deploy", "zig"],
            &["wsless", "--help"],
            &[],
        ] {
            assert!(embedded_tool(arguments(words)).is_none(), "{words:?}");
        }
    }

    #[test]
    fn the_wrappers_arguments_are_the_linkers() {
        // What cargo-zigbuild's scripts pass.
        let parsed = ZigArguments::try_parse_from([
            "zig",
            "cc",
            "--",
            "-g",
            "-target",
            "x86_64-linux-gnu.2.34",
            "-o",
            "out",
        ])
        .unwrap();
        let Zig::Cc { args } = parsed.zig else {
            panic!("{:?}", parsed.zig)
        };
        assert_eq!(
            args,
            ["-g", "-target", "x86_64-linux-gnu.2.34", "-o", "out"]
        );
    }
}
