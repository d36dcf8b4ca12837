//! What the tests of the manifest share: a good manifest, and ways to spoil it.

mod example;
mod properties;
mod rules;
mod schema;
mod stages;
mod syntax;
mod values;

use std::sync::Arc;

use super::{Parsed, parse};
use crate::diagnostic::{Diagnostic, SourceFile};

/// A manifest with nothing wrong and nothing to warn of.
const GOOD: &str = r#"
[project]
name = "chat"
region = "eu-west-1"
[api]
allowed-origins = ["https://chat.example.com"]
[handlers.echo]
[handlers.pong]
[routes]
"$default" = { handler = "echo" }
ping = { handler = "pong", via = "direct" }
[alarms]
"#;

fn file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path: "wsless.toml".to_owned(),
        text: text.to_owned(),
    })
}

/// The good manifest with `from` replaced by `to`; an `[x]` of `to` is often `from` and more.
fn spoilt(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from} isn't in the good manifest");
    GOOD.replacen(from, to, 1)
}

fn errors(text: &str) -> Vec<Diagnostic> {
    parse(&file(text), "dev").err().unwrap_or_default()
}

fn parsed(text: &str) -> Parsed {
    match parse(&file(text), "dev") {
        Ok(parsed) => parsed,
        Err(errors) => panic!("refused:\n{text}\n{errors:#?}"),
    }
}

/// The code of each and the text that it points at.
fn seen(diagnostics: &[Diagnostic]) -> Vec<(&str, Vec<&str>)> {
    diagnostics
        .iter()
        .map(|found| (found.code.trim_start_matches("manifest::"), pointed(found)))
        .collect()
}

fn pointed(found: &Diagnostic) -> Vec<&str> {
    let spans = found.spans.iter();
    spans
        .map(|span| &span.file.text[span.range.clone()])
        .collect()
}

/// Asserts that a spoilt manifest has exactly one error, of this code, at these places.
#[track_caller]
fn refused(from: &str, to: &str, code: &str, at: &[&str]) -> Diagnostic {
    let text = spoilt(from, to);
    let errors = errors(&text);
    assert_eq!(
        seen(&errors),
        vec![(code, at.to_vec())],
        "{text}\n{errors:#?}"
    );
    errors.into_iter().next().expect("there's one")
}

/// Asserts that a manifest so changed has exactly one warning, of this code, at these places.
#[track_caller]
fn warned(from: &str, to: &str, code: &str, at: &[&str]) -> Diagnostic {
    let text = spoilt(from, to);
    let warnings = parsed(&text).warnings;
    assert_eq!(
        seen(&warnings),
        vec![(code, at.to_vec())],
        "{text}\n{warnings:#?}"
    );
    warnings.into_iter().next().expect("there's one")
}

/// Asserts that a manifest so changed is as good as before.
#[track_caller]
fn accepted(from: &str, to: &str) -> Parsed {
    let parsed = parsed(&spoilt(from, to));
    assert_eq!(seen(&parsed.warnings), vec![]);
    parsed
}
