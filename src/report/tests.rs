//! What people and machines read, as a whole.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use anstream::adapter::strip_str;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    aws::{Error, Operation, Service},
    diagnostic::SourceFile,
    engine::{
        address::Address,
        apply::{Applied, AppliedStep},
        event::{Event, Outcome},
        plan::{Action, Change, FieldChange},
        properties::unknown,
    },
};

const SECRET: &str = "hunter2";

/// Without styles.
pub fn plain(styled: &str) -> String {
    strip_str(styled).to_string()
}

/// What was written, from outside.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What `show` wrote to standard output and error.
fn written(output: Output, verbose: u8, show: impl FnOnce(&Report)) -> (String, String) {
    let (out, err) = (Written::default(), Written::default());
    let options = Options {
        output,
        color: ColorChoice::Auto,
        verbose,
    };
    show(&Report::to_writers(options, out.clone(), err.clone()));
    (out.text(), err.text())
}

/// The objects of standard output, each of which must be a line.
fn records(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).expect(line);
            assert_eq!(record["schema"], "wsless/1");
            record
        })
        .collect()
}

fn address(text: &str) -> Address {
    let (kind, name) = text.split_once('/').unwrap();
    Address::new(kind, name)
}

fn change(of: &str, action: Action, fields: Vec<FieldChange>) -> Change {
    Change {
        address: address(of),
        action,
        fields,
        observed: None,
        deleted_with: None,
        data_at_risk: None,
        is_gone: false,
    }
}

fn field(path: &str, before: Value, after: Value) -> FieldChange {
    FieldChange {
        path: path.to_owned(),
        before: Some(before).filter(|value| !value.is_null()),
        after: Some(after).filter(|value| !value.is_null()),
        secret: false,
        is_outside: false,
    }
}

fn secret(before: Value, after: Value) -> FieldChange {
    FieldChange {
        secret: true,
        ..field("environment.TOKEN", before, after)
    }
}

fn gone_with(of: &str, parent: &str) -> Change {
    Change {
        deleted_with: Some(address(parent)),
        ..change(of, Action::Delete, Vec::new())
    }
}

fn template(name: &str) -> Value {
    json!(format!(
        "Action=SendMessage&MessageBody=$util.urlEncode($input.body)&MessageAttribute.1.Name={name}\
         &MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=$context.stage"
    ))
}

/// One of everything.
fn every_action() -> Plan {
    let none = Value::Null;
    Plan {
        changes: vec![
            change(
                "role/echo",
                Action::Create,
                vec![
                    field("name", none.clone(), json!("chat-dev-echo")),
                    field("policy[0].resources", none.clone(), unknown()),
                    secret(none.clone(), json!(SECRET)),
                ],
            ),
            change(
                "function/echo",
                Action::Update,
                vec![
                    field("memory_mib", json!(256), json!(512)),
                    field("environment.NEW", none.clone(), json!("x")),
                    field("environment.OLD", json!("y"), none.clone()),
                    secret(json!("old"), json!(SECRET)),
                    field("role", json!("arn:aws:iam::1:role/r"), unknown()),
                ],
            ),
            change(
                "integration/echo",
                Action::Update,
                vec![field("template", template("request"), template("route"))],
            ),
            change(
                "role/push",
                Action::Update,
                vec![field(
                    "policy[0].actions",
                    json!([
                        "dynamodb:GetItem",
                        "dynamodb:DeleteItem",
                        "execute-api:ManageConnections"
                    ]),
                    json!([
                        "dynamodb:GetItem",
                        "dynamodb:Scan",
                        "execute-api:ManageConnections"
                    ]),
                )],
            ),
            change("deployment/main", Action::Update, Vec::new()),
            Change {
                data_at_risk: Some("12 messages".into()),
                ..change(
                    "queue/echo",
                    Action::Replace,
                    vec![
                        field("delay", json!(0), json!(5)),
                        field("fifo", json!(false), json!(true)),
                    ],
                )
            },
            change("table/connections", Action::Keep, Vec::new()),
            change("api/old", Action::Delete, Vec::new()),
            gone_with("integration/ping", "api/old"),
            gone_with("route/ping", "integration/ping"),
            change("route/\u{1b}[2J", Action::Delete, Vec::new()),
        ],
    }
}

fn forces(_: &Address, path: &str) -> bool {
    path == "fifo"
}

#[test]
fn a_plan_shows_what_differs_and_no_secret() {
    let (out, err) = written(Output::Human, 0, |report| {
        report.plan(&every_action(), &forces, "chat");
    });
    assert_snapshot!(out, @r#"
    + role/echo
    ~ function/echo
        memory_mib: 256 -> 512
      + environment.NEW: "x"
      - environment.OLD: "y"
        environment.TOKEN: (hidden) -> (hidden)
        role: "arn:aws:iam::1:role/r" -> (known after apply)
    ~ integration/echo
        template:
          - …ode($input.body)&MessageAttribute.1.Name=request&MessageAttribute.1.Value.DataType=String…
          + …ode($input.body)&MessageAttribute.1.Name=route&MessageAttribute.1.Value.DataType=String…
    ~ role/push
        policy[0].actions:
          - "dynamodb:DeleteItem"
          + "dynamodb:Scan"
    ~ deployment/main
        renewed, since what it captures changes
    -/+ queue/echo
        would lose 12 messages
        delay: 0 -> 5
        fifo: false -> true  forces the replacement
    - api/old
        with it: integration/ping, route/ping
    - route/␛[2J

    Data would be lost: queue/echo (12 messages)
    Plan: 1 to create, 4 to change, 1 to replace, 4 to delete, 1 unchanged
    "#);
    assert_eq!(err, "");
}

#[test]
fn a_verbose_plan_shows_all_fields_of_what_is_made() {
    let mut plan = every_action();
    plan.changes.truncate(1);
    let (out, _) = written(Output::Human, 1, |report| {
        report.plan(&plan, &forces, "chat");
    });
    assert_snapshot!(out, @r#"
    + role/echo
        name: "chat-dev-echo"
        policy[0].resources: (known after apply)
        environment.TOKEN: (hidden)

    Plan: 1 to create, 0 to change, 0 to replace, 0 to delete, 0 unchanged
    "#);
}

#[test]
fn a_plan_without_changes_says_so() {
    let plan = Plan {
        changes: vec![change("role/echo", Action::Keep, Vec::new())],
    };
    let (out, _) = written(Output::Human, 0, |report| {
        report.plan(&plan, &forces, "chat");
    });
    assert_eq!(
        out,
        "Nothing to change: 1 resource is as the manifest says\n"
    );
}

#[test]
fn a_plan_for_machines_has_all_changes_and_no_secret() {
    let (out, err) = written(Output::Json, 0, |report| {
        report.plan(&every_action(), &forces, "chat");
    });
    assert_eq!(err, "");
    assert!(!out.contains(SECRET) && !out.contains("\"old\""), "{out}");
    let records = records(&out);
    let [plan] = records.as_slice() else {
        panic!("{out}");
    };
    assert_eq!(plan["type"], "plan");
    assert_eq!(
        plan["summary"],
        json!({ "create": 1, "update": 4, "replace": 1, "delete": 4, "keep": 1 })
    );
    let changes = plan["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 10);
    assert_eq!(
        changes[1]["fields"],
        json!([
            { "path": "memory_mib", "before": 256, "outside": false, "after": 512 },
            { "path": "environment.NEW", "before": null, "outside": false, "after": "x" },
            { "path": "environment.OLD", "before": "y", "outside": false, "after": null },
            { "path": "environment.TOKEN", "secret": true },
            { "path": "role", "before": "arn:aws:iam::1:role/r", "outside": false, "unknown": true },
        ])
    );
    assert_eq!(changes[1]["outside"], false);
    assert_eq!(changes[5]["fields"][1]["forces_replacement"], true);
    assert_eq!(changes[5]["data_at_risk"], "12 messages");
    assert_eq!(changes[8]["deleted_with"], "integration/ping");
}

#[test]
fn no_secret_is_shown_however_verbose() {
    for verbose in 0..4 {
        let (out, _) = written(Output::Human, verbose, |report| {
            report.plan(&every_action(), &forces, "chat");
        });
        assert!(!out.contains(SECRET), "{out}");
        assert!(out.contains("environment.TOKEN: (hidden)"));
    }
}

fn manifest() -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path: "wsless.toml".into(),
        text: "[handlers.echo]\r\n\tmemroy = 256 # \u{1b}[31mred\r\n\r\n[routes]\r\n\
               ping = { handler = \"ech\" }\r\nlast ="
            .into(),
    })
}

fn pointing(message: &str, at: &str) -> Diagnostic {
    let file = manifest();
    let start = file.text.find(at).unwrap();
    Diagnostic::error("manifest::test", message).at(&file, start..start + at.len(), "here")
}

#[test]
fn a_diagnostic_shows_its_place_and_neutralises_what_the_file_holds() {
    let told = pointing("unknown key `memroy`", "memroy")
        .note("a handler has `memory`")
        .help("did you mean `memory`?");
    assert_snapshot!(plain(&diagnostic::render(&told, Some(80))), @r#"
    error[manifest::test]: unknown key `memroy`
     --> wsless.toml:2:2
      |
    2 |     memroy = 256 # ␛[31mred
      |     ^^^^^^ here
      |
      = note: a handler has `memory`
      = help: did you mean `memory`?
    "#);
}

#[test]
fn a_diagnostic_shows_several_places_in_several_files() {
    let file = manifest();
    let cargo = Arc::new(SourceFile {
        path: "Cargo.toml".into(),
        text: "[package]\nname = \"x\"\n".into(),
    });
    let told = pointing("no handler `ech`", "\"ech\"")
        .at(&file, 0..15, "the handlers begin here")
        .at(&cargo, 17..20, "the package");
    assert_snapshot!(plain(&diagnostic::render(&told, Some(80))), @r#"
    error[manifest::test]: no handler `ech`
     --> wsless.toml:5:20
      |
    1 | [handlers.echo]
      | --------------- the handlers begin here
    ...
    5 | ping = { handler = "ech" }
      |                    ^^^^^ here
      |
     ::: Cargo.toml:2:8
      |
    2 | name = "x"
      |        ^^^ the package
    "#);
}

#[test]
fn a_diagnostic_about_no_file_is_wrapped_between_words() {
    let told = Diagnostic::warning(
        "manifest::any-origin",
        "any website may connect to this system \x1b[0m",
    )
    .note("browsers send the origin of the page; without a list of allowed origins none is refused")
    .help("set `allowed-origins`");
    assert_snapshot!(plain(&diagnostic::render(&told, Some(60))), @r#"
    warning[manifest::any-origin]: any website may connect to
      this system ␛[0m
      note: browsers send the origin of the page; without a list
            of allowed origins none is refused
      help: set `allowed-origins`
    "#);
}

#[test]
fn a_diagnostic_for_machines_has_lines_columns_and_bytes() {
    let (out, err) = written(Output::Json, 0, |report| {
        report.diagnostic(&pointing("no handler `ech`", "\"ech\"").help("\u{9b}31m"));
    });
    assert!(err.starts_with("error[manifest::test]"), "{err}");
    assert!(!out.contains('\u{9b}'));
    let record = &records(&out)[0];
    assert_eq!(record["type"], "error");
    assert_eq!(record["code"], "manifest::test");
    assert_eq!(record["help"], "\u{9b}31m");
    let start = manifest().text.find("\"ech\"").unwrap();
    assert_eq!(
        record["spans"],
        json!([{ "path": "wsless.toml", "line": 5, "column": 20, "start": start, "end": start + 5, "label": "here" }])
    );
}

fn step(of: &str, action: Action, outcome: Outcome, milliseconds: u64) -> AppliedStep {
    AppliedStep {
        address: address(of),
        action,
        outcome,
        elapsed: Duration::from_millis(milliseconds),
    }
}

fn denied() -> Error {
    Error::unexpected(
        Operation::put(Service::Lambda, "UpdateFunctionConfiguration"),
        "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008\x1b[2J",
    )
}

fn summary(applied: &Applied) -> Summary<'_> {
    Summary {
        command: "deploy",
        done: "Deployed",
        applied,
        elapsed: Duration::from_millis(41_250),
        timings: vec![("build".into(), Duration::from_millis(12_300))],
        endpoint: Some("wss://a1b2.execute-api.eu-west-1.amazonaws.com/dev".into()),
        next: vec!["wsless logs --follow".into()],
    }
}

fn partly() -> Applied {
    Applied {
        steps: vec![
            step("role/echo", Action::Create, Outcome::Done, 800),
            step(
                "function/echo",
                Action::Update,
                Outcome::Failed(denied()),
                2100,
            ),
            step(
                "alias/echo",
                Action::Update,
                Outcome::NotBegun(address("function/echo")),
                0,
            ),
            step(
                "route/echo",
                Action::Create,
                Outcome::NotBegun(address("function/echo")),
                0,
            ),
            step("queue/old", Action::Delete, Outcome::Stopped, 0),
        ],
        ..Applied::default()
    }
}

#[test]
fn a_failed_run_says_what_failed_why_and_what_remains() {
    let applied = partly();
    let mut summary = summary(&applied);
    summary.next = vec!["wsless deploy --stage dev".into()];
    let (out, err) = written(Output::Human, 0, |report| report.summary(&summary));
    assert_eq!(out, "");
    assert_snapshot!(err, @r#"
    error[aws::refused]: can't update function/echo: lambda:UpdateFunctionConfiguration failed: 'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 3008␛[2J
      help: lower the handler's `memory`: a new account may be capped at 3008 MiB

    Not begun, since function/echo failed:
      ~ alias/echo
      + route/echo
    Not begun, since the run was stopped:
      - queue/old

    deploy failed after 41.2s: 1 failed, 3 not begun
      done until then: 1 created

    Once that's mended, this goes on from there:
      wsless deploy --stage dev
    "#);
}

#[test]
fn a_run_that_is_done_says_where_it_is_and_what_took_how_long() {
    let applied = Applied {
        steps: vec![
            step("role/echo", Action::Create, Outcome::Done, 800),
            step("function/echo", Action::Create, Outcome::Done, 9100),
            step("api/main", Action::Replace, Outcome::Done, 2100),
            step("api/main", Action::Delete, Outcome::Done, 300),
        ],
        ..Applied::default()
    };
    let (out, err) = written(Output::Human, 0, |report| {
        report.summary(&summary(&applied));
    });
    assert_snapshot!(out, @r#"
    Deployed in 41.2s: 2 created, 1 replaced

      address  wss://a1b2.execute-api.eu-west-1.amazonaws.com/dev
      build    12.3s
      slowest  function/echo 9.1s, api/main 2.1s

    Next:
      wsless logs --follow
    "#);
    assert_eq!(err, "");
}

#[test]
fn a_failed_run_for_machines_tells_each_step() {
    let applied = partly();
    let (out, err) = written(Output::Json, 0, |report| report.summary(&summary(&applied)));
    assert!(err.contains("deploy failed"), "{err}");
    let record = &records(&out)[0];
    assert_eq!(
        (&record["type"], &record["complete"]),
        (&json!("result"), &json!(false))
    );
    assert_eq!(record["elapsed_ms"], 41_250);
    assert_eq!(record["timings_ms"], json!({ "build": 12_300 }));
    assert_eq!(record["steps"][1]["outcome"], "failed");
    assert_eq!(
        record["steps"][1]["error"]["operation"],
        "lambda:UpdateFunctionConfiguration"
    );
    assert_eq!(record["steps"][2]["because_of"], "function/echo");
}

fn show_a_run(report: &Report) {
    let progress = report.progress(&every_action());
    progress.event(&Event::Started {
        address: address("role/echo"),
        action: Action::Create,
    });
    progress.event(&Event::Finished {
        address: address("role/echo"),
        action: Action::Create,
        outcome: Outcome::Done,
        elapsed: Duration::from_millis(1200),
    });
    progress.finish();
    let phase = report.phase("Building");
    phase.line("\x1b[32mCompiling\x1b[0m x");
    phase.done("Built");
    report.say("words");
}

#[test]
fn without_a_terminal_progress_is_plain_lines() {
    let (out, err) = written(Output::Human, 0, show_a_run);
    assert_eq!(out, "words\n");
    // Cargo's own line is passed on as it came.
    assert_eq!(
        err,
        "+ role/echo  1.2s\n\nBuilding\n\x1b[32mCompiling\x1b[0m x\n"
    );
}

#[test]
fn for_machines_progress_is_events_and_words_are_elsewhere() {
    let (out, err) = written(Output::Json, 0, show_a_run);
    let events: Vec<Value> = records(&out)
        .iter()
        .map(|record| {
            assert_eq!(record["type"], "event");
            record["event"].clone()
        })
        .collect();
    assert_eq!(events, ["started", "finished", "phase"]);
    assert_eq!(err, "\x1b[32mCompiling\x1b[0m x\nwords\n");
}

#[test]
fn a_table_has_columns_and_its_cells_stay_in_their_rows() {
    let rows = vec![
        vec!["echo", "ok"],
        vec!["a longer name", "two\nlines\x1b[1m"],
    ];
    let (out, _) = written(Output::Human, 0, |report| {
        report.table(&["name", "state"], &rows);
    });
    assert_snapshot!(out, @r#"
    NAME           STATE
    echo           ok
    a longer name  two␤lines␛[1m
    "#);
}

#[test]
fn colours_are_written_when_asked_for_only() {
    let shown = |color| {
        let out = Written::default();
        let options = Options {
            color,
            ..Options::default()
        };
        Report::to_writers(options, out.clone(), io::sink()).plan(&every_action(), &forces, "chat");
        out.text()
    };
    let coloured = shown(ColorChoice::Always);
    assert!(coloured.contains("\x1b[32m+\x1b[0m"), "{coloured}");
    assert!(!shown(ColorChoice::Never).contains('\x1b'));
    assert_eq!(plain(&coloured), shown(ColorChoice::Never));
}

#[test]
fn a_line_of_a_megabyte_is_shown_in_part() {
    let file = Arc::new(SourceFile {
        path: "long.toml".into(),
        text: "x".repeat(1 << 20),
    });
    let told = Diagnostic::error("a::b", "long").at(&file, 500_000..500_003, "here");
    let shown = plain(&diagnostic::render(&told, Some(80)));
    assert!(shown.contains("^^^ here"), "{} bytes", shown.len());
    assert!(shown.len() < 2000, "{} bytes", shown.len());
}

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z =\"\\n\\t]{0,12}",
        Just("\r\n".to_owned()),
        any::<char>().prop_map(String::from),
        Just("\u{1b}[31m".to_owned()),
        Just("日本🦀\u{301}".to_owned()),
        Just("x".repeat(400)),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_diagnostic() -> impl Strategy<Value = Diagnostic> {
    let files = proptest::collection::vec((any_text(), any_text()), 1..3);
    let spans =
        proptest::collection::vec((0..3_usize, 0..900_usize, 0..900_usize, any_text()), 0..5);
    (any_text(), files, spans, any_text()).prop_map(|(message, files, spans, help)| {
        let files: Vec<Arc<SourceFile>> = files
            .into_iter()
            .map(|(path, text)| Arc::new(SourceFile { path, text }))
            .collect();
        let mut told = Diagnostic::error("a::b", message)
            .note(help.clone())
            .help(help);
        for (file, start, end, label) in spans {
            told = told.at(&files[file % files.len()], start..end, label);
        }
        told
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_diagnostic_makes_rendering_panic_or_commands_the_terminal(
        told in any_diagnostic(),
        width in proptest::option::of(0..200_usize),
    ) {
        let shown = plain(&diagnostic::render(&told, width));
        prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{:?}", shown);
        let (kind, fields) = json::diagnostic(&told);
        let line = json::line(kind, fields);
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert!(serde_json::from_str::<Value>(&line).is_ok());
    }
}
