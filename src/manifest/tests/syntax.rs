use super::{GOOD, errors, file, refused, seen, spoilt};
use crate::manifest::{check_stage_name, parse};

#[test]
fn syntax_errors_of_several_lines_come_at_once_with_the_values_between_them() {
    let text = "[project]\nname = \"chat\nregion = 5\n[logs]\nretention-days = seven\n[handlers.echo]\nmemory = 1\n";
    let found = errors(text);
    let codes: Vec<_> = found.iter().map(|found| found.code).collect();
    assert_eq!(
        codes,
        [
            "manifest::syntax",
            "manifest::wrong-type",
            "manifest::syntax",
            "manifest::out-of-range"
        ],
        "{found:#?}"
    );
}

#[test]
fn an_unclosed_bracket_is_one_error_however_much_it_swallows() {
    let found = errors(
        "[alarms]\nbefore = 1\nnotify = [\"a\"\n[logs]\nretention-days = 7\nfoo = 1\n[api]\nbar = 2\n",
    );
    let codes: Vec<_> = found.iter().map(|found| found.code).collect();
    assert_eq!(
        codes,
        ["manifest::unknown-key", "manifest::syntax"],
        "{found:#?}"
    );
    assert!(found[1].notes[0].contains("isn't closed"));
}

#[test]
fn a_key_that_is_there_twice_hides_no_other_error() {
    let text = spoilt(
        "[handlers.echo]",
        "[handlers.echo]\nmemory = 256\nmemory = 256\n",
    );
    let text = text.replace("handler = \"pong\"", "handler = \"pnog\"");
    let found = errors(&text);
    assert_eq!(
        seen(&found),
        [
            ("syntax", vec!["memory"]),
            ("unknown-handler", vec!["\"pnog\""])
        ]
    );
    assert_eq!(found[0].message, "memory is there twice");
}

#[test]
fn a_missing_value_is_called_that() {
    let found = errors("[api]\naccess-log =\n");
    assert_eq!(found[0].message, "a value is missing");
}

#[test]
fn a_file_of_more_than_a_mebibyte_is_refused_unread() {
    let text = format!("{GOOD}#{}", "x".repeat(1 << 20));
    assert_eq!(seen(&errors(&text)), [("too-large", vec![])]);
    let text = format!("{GOOD}#{}", "x".repeat((1 << 20) - GOOD.len() - 1));
    assert_eq!(seen(&errors(&text)), []);
}

#[test]
fn no_depth_of_nesting_uses_up_the_stack() {
    let mut deep = String::new();
    let level = format!("{{ {}a = ", "a.".repeat(78));
    deep.push_str(&level.repeat(79));
    deep.push('1');
    deep.push_str(&" }".repeat(79));
    // Dropped with the document, and dropped by the parser as a duplicate.
    assert!(!errors(&format!("x = {deep}")).is_empty());
    assert!(!errors(&format!("x = 1\nx = {deep}")).is_empty());
    assert!(!errors(&format!("x = {}", "[".repeat(400_000))).is_empty());
    assert!(!errors(&format!("x = {}", "{a=".repeat(200_000))).is_empty());
    assert!(!errors(&format!("{}x = 1", "a.".repeat(400_000))).is_empty());
}

#[test]
fn ten_errors_are_ten_and_in_the_file_s_order() {
    let text = r#"
[project]
name = "Chat"
regoin = "eu-west-1"
[build]
architecture = "arm"
[api]
allowed-origins = ["https://a/"]
throttle = { rate = 0, burst = 1 }
[handlers.echo]
memory = "256"
timeout = "16m"
[routes]
ping = { handler = "ecoh" }
"$else" = { handler = "echo" }
[logs]
retention-days = 8
"#;
    let found = errors(text);
    assert_eq!(
        seen(&found),
        [
            ("invalid-value", vec!["\"Chat\""]),
            ("unknown-key", vec!["regoin"]),
            ("invalid-value", vec!["\"arm\""]),
            ("invalid-value", vec!["\"https://a/\""]),
            ("out-of-range", vec!["0"]),
            ("wrong-type", vec!["\"256\""]),
            ("out-of-range", vec!["\"16m\""]),
            ("unknown-handler", vec!["\"ecoh\""]),
            ("reserved", vec!["\"$else\""]),
            ("out-of-range", vec!["8"]),
        ],
        "{found:#?}"
    );
}

#[test]
fn an_error_is_at_its_line_and_column() {
    let found = refused(
        "[handlers.echo]",
        "[handlers.echo]\n  memmory = 256",
        "unknown-key",
        &["memmory"],
    );
    let before = &found.spans[0].file.text[..found.spans[0].range.start];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    assert_eq!((line, column), (8, 3));
}

#[test]
fn a_stage_s_name_is_checked() {
    for good in ["dev", "a", "a-1", "x2345678901234567890"] {
        assert_eq!(check_stage_name(good), Ok(()));
        assert!(parse(&file(GOOD), good).is_ok());
    }
    for bad in [
        "",
        "Dev",
        "1a",
        "a-",
        "a_b",
        "é",
        "x23456789012345678901",
        "a\n",
    ] {
        let found = check_stage_name(bad).expect_err(bad);
        assert!(found.spans.is_empty());
        assert!(!found.message.contains("top level"), "{}", found.message);
        let found = parse(&file(GOOD), bad).expect_err(bad);
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    let found = check_stage_name("My Stage").expect_err("has a space");
    assert_eq!(found.help.as_deref(), Some("write `my-stage`"));
}
