//! Laws that hold for every text.

use proptest::prelude::*;

use super::{GOOD, file};
use crate::manifest::{check_stage_name, parse};

/// The good manifest with stages, so that overlays are reached too.
fn whole() -> String {
    format!(
        "{GOOD}\n[stages.prod]\nhandlers.echo.memory = 512\nhandlers.echo.queue = {{ order = \"connection\" }}\n"
    )
}

/// Pieces of manifests, to make what is nearly one.
const PIECES: [&str; 24] = [
    "[",
    "]",
    "{",
    "}",
    "=",
    "\"",
    "'''",
    "\n",
    ".",
    ",",
    "#",
    "$connect",
    "handlers",
    "echo",
    "queue",
    "via",
    "-1",
    "99999999999999999999",
    "inf",
    "\\u0000",
    "é",
    "[[routes]]",
    "= [",
    "stages.dev.",
];

/// Every span is a place in the file, and what is refused has a reason that points somewhere or needs no place.
fn check(text: &str, stage: &str) {
    let file = file(text);
    let found = match parse(&file, stage) {
        Ok(parsed) => parsed.warnings,
        Err(errors) => {
            assert!(!errors.is_empty());
            errors
        }
    };
    for span in found.iter().flat_map(|found| &found.spans) {
        assert!(
            text.get(span.range.clone()).is_some(),
            "{span:?} of {text:?}"
        );
    }
    let starts: Vec<_> = found
        .iter()
        .map(|found| found.spans.first().map(|span| span.range.start))
        .collect();
    assert!(starts.is_sorted(), "{found:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>(), stage in any::<String>()) {
        check(&text, &stage);
    }

    #[test]
    fn no_spoilt_manifest_panics(edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, 0..PIECES.len()), 1..6)) {
        let mut text = whole();
        for (at, cut, piece) in edits {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let from = at.index(places.len());
            let to = (from + cut).min(places.len() - 1);
            text.replace_range(places[from]..places[to], PIECES[piece]);
        }
        check(&text, "dev");
    }

    #[test]
    fn names_that_are_taken_make_names_that_aws_takes(
        project in "[a-z][a-z0-9-]{0,30}",
        stage in "[a-z][a-z0-9-]{0,25}",
        handler in "[a-z][a-z0-9-]{0,50}",
    ) {
        let text = GOOD.replace("\"chat\"", &format!("\"{project}\"")).replace("pong", &handler);
        if parse(&file(&text), &stage).is_ok() {
            prop_assert!(check_stage_name(&stage).is_ok());
            let function = format!("{project}-{stage}-{handler}");
            prop_assert!(function.len() <= 64);
            let queue = format!("{function}-dlq.fifo");
            prop_assert!(queue.len() <= 80);
        }
    }

    #[test]
    fn names_within_the_limits_are_taken(
        project in "[a-z][a-z0-9-]{0,20}[a-z0-9]",
        stage in "[a-z][a-z0-9-]{0,12}[a-z0-9]",
        handler in "[a-z][a-z0-9-]{0,23}[0-9]",
    ) {
        let text = GOOD.replace("\"chat\"", &format!("\"{project}\"")).replace("pong", &handler);
        prop_assert!(parse(&file(&text), &stage).is_ok());
    }
}
