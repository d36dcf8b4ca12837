//! Building for Lambda with zig, which links against an older glibc than this machine may have.

use crate::harness::{Project, Venv};

/// The echo template, C code of its dependencies and the built-in handlers included.
#[test]
fn zig_links_all_handlers_against_a_glibc_that_lambda_has() {
    let mut project = Project::offline();
    let _ = project.wsless(["init", "echo"]).succeeds();
    let python = Venv::zig().python();
    let python = python.to_str().expect("a path in UTF-8");
    project.set("CARGO_ZIGBUILD_PYTHON_PATH", python);
    project.set("WSLESS_LINKER", "zig");
    let build = ["build", "--manifest", "echo/wsless.toml"];
    let table = project.wsless(build).succeeds();
    let rows: Vec<Vec<&str>> = table
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<_>| row.len() > 3)
        .collect();
    let binaries: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(
        binaries,
        ["echo", "ping", "connect", "disconnect", "push"],
        "{table}"
    );
    for row in rows {
        let (major, minor) = row[2].split_once('.').expect("a version of glibc");
        let version: [u32; 2] = [major, minor].map(|number| number.parse().expect("a number"));
        assert!(version <= [2, 34], "{table}");
    }
    // What was linked starts here too: it misses nothing but Lambda.
    let started = project.run("echo/target/x86_64-unknown-linux-gnu/release/echo", []);
    assert!(
        started.stderr.contains("AWS_LAMBDA_RUNTIME_API"),
        "{started}\n{table}"
    );
}
