//! Help, usage, completions, the schema: what needs neither a project nor a cloud.

use super::assert_golden;
use crate::harness::Project;

const COMMANDS: [&str; 21] = [
    "init",
    "demo",
    "dev",
    "local",
    "build",
    "plan",
    "deploy",
    "destroy",
    "connect",
    "doctor",
    "history",
    "status",
    "metrics",
    "logs",
    "dlq",
    "unlock",
    "policy",
    "ci",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_is_as_agreed() {
    let project = Project::offline();
    let help = project.wsless(["--help"]).succeeds();
    assert_golden!("help", help.stdout_redacted());
    for command in COMMANDS {
        let help = project.wsless([command, "--help"]).succeeds();
        assert!(help.stderr.is_empty(), "{help}");
        assert_golden!(format!("help-{command}"), help.stdout_redacted());
    }
}

#[test]
fn help_names_every_command() {
    let help = Project::offline().wsless(["--help"]).succeeds();
    let (_, commands) = help.stdout.split_once("Commands:\n").expect("commands");
    let (commands, _) = commands.split_once("\n\n").expect("their end");
    let listed: Vec<_> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
}

#[test]
fn wrong_usage_is_told_on_standard_error_with_its_own_exit_code() {
    let project = Project::offline();
    for arguments in [
        &["deplox"][..],
        &["deploy", "--no-such"],
        &["init", "--template", "echos"],
        &["plan", "--output", "xml"],
        &["plan", "--color", "sometimes"],
        &["completions"],
        &["unlock", "one", "two"],
        &[],
    ] {
        let output = project.wsless(arguments.iter().copied()).exits(64);
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{output}"
        );
    }
    let typo = project.wsless(["deplox"]).exits(64);
    assert_golden!("usage-typo", typo.stderr_redacted());
}

#[test]
fn the_version_is_the_packages() {
    let _ = Project::offline()
        .wsless(["--version"])
        .succeeds()
        .says(concat!("wsless ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_are_scripts_that_name_the_commands() {
    let project = Project::offline();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = project.wsless(["completions", shell]).succeeds();
        for command in COMMANDS {
            assert!(script.stdout.contains(command), "{shell}: no {command}");
        }
        assert!(script.stderr.is_empty(), "{script}");
    }
    project.write(
        "completions.bash",
        &project.wsless(["completions", "bash"]).stdout,
    );
    let _ = project.run("bash", ["-n", "completions.bash"]).succeeds();
}

#[test]
fn the_schema_is_the_committed_one() {
    let committed = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/schema/wsless.schema.json"
    ));
    let printed = Project::offline().wsless(["schema"]).succeeds();
    let schema: serde_json::Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(
        printed.stdout == committed,
        "the schema is another one than schema/wsless.schema.json; if that's meant, run\n\n    \
         cargo run -- schema > schema/wsless.schema.json\n\nand commit the file"
    );
}

#[test]
fn colours_come_only_when_they_are_asked_for() {
    let mut project = Project::offline();
    project.write("wsless.toml", "nonsense = 1\n");
    let colored = |project: &Project, arguments: &[&str]| {
        let output = project.wsless(arguments.iter().copied()).exits(1);
        output.stderr.contains("\u{1b}[")
    };
    // Streams are files here, not terminals.
    assert!(!colored(&project, &["plan"]));
    assert!(colored(&project, &["plan", "--color", "always"]));
    assert!(!colored(&project, &["plan", "--color", "never"]));
    project.set("NO_COLOR", "1");
    assert!(!colored(&project, &["plan"]));
    assert!(
        colored(&project, &["plan", "--color", "always"]),
        "an argument is said later than a variable"
    );
    project.unset("NO_COLOR");
    project.set("CLICOLOR_FORCE", "1");
    assert!(colored(&project, &["plan"]));
    assert!(!colored(&project, &["plan", "--color", "never"]));
}
