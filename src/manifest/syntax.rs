//! Text -> document, with the syntax errors that a person would count, and no stack used up by any text.

use std::{collections::HashSet, sync::Arc, thread};

use toml::de::{DeTable, Error};

use super::{code, document::Reader, keys, tree::Table};
use crate::diagnostic::{Diagnostic, SourceFile};

/// The parser nests at most 80 values of at most 80 dotted keys each, and drops them recursively: 6400 levels, which
/// a thread's usual 2 MiB don't hold.
const STACK: usize = 64 << 20;

/// What a text says.
pub(super) struct Read {
    /// The tree, unless it lacks what syntax errors hide.
    pub whole: Option<Table>,
    /// What is wrong with the text and with single values.
    pub found: Vec<Diagnostic>,
}

/// Reads a file, on a stack that is deep enough for it.
pub(super) fn read(file: &Arc<SourceFile>) -> Read {
    let joined = thread::scope(|scope| {
        let reader = thread::Builder::new()
            .name("manifest".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || document(file));
        reader.map(thread::ScopedJoinHandle::join)
    });
    match joined {
        Ok(Ok(read)) => read,
        // The parser is another's: should it panic, it's a file that can't be read.
        Ok(Err(_)) => Read {
            whole: None,
            found: vec![Diagnostic::error(
                code::SYNTAX,
                format!("{} can't be read as TOML", file.path),
            )],
        },
        // No thread to be had: this one's stack will do for any file that was written by a person.
        Err(_) => document(file),
    }
}

fn document(file: &Arc<SourceFile>) -> Read {
    let (document, errors) = DeTable::parse_recoverable(&file.text);
    let places = Lines::new(&file.text);
    let mut reader = Reader::new(file);
    let tree = reader.table(keys::MANIFEST, document.get_ref());
    let values = reader.found;
    let Broken {
        mut found,
        hides,
        lines,
        from,
    } = broken(file, &places, errors);
    // What stands in a broken line, or after what runs on into the next ones, may have been read amiss.
    found.extend(values.into_iter().filter(|value| {
        value.spans.first().is_some_and(|span| {
            let (at, end) = (span.range.start, span.range.end);
            end <= from && !lines.contains(&places.of(at))
        })
    }));
    Read {
        whole: (!hides).then_some(tree),
        found,
    }
}

/// The syntax errors of a file.
struct Broken {
    found: Vec<Diagnostic>,
    /// Whether parts of the file are missing in the tree.
    hides: bool,
    /// The lines with an error.
    lines: HashSet<usize>,
    /// From where on nothing is sure.
    from: usize,
}

fn broken(file: &Arc<SourceFile>, places: &Lines, mut errors: Vec<Error>) -> Broken {
    let text = file.text.as_str();
    let start = |error: &Error| floor(text, error.span().map_or(0, |span| span.start));
    errors.sort_by_key(start);
    let mut broken = Broken {
        found: Vec::new(),
        hides: false,
        lines: HashSet::new(),
        from: usize::MAX,
    };
    let unclosed = errors.iter().any(|error| {
        error.message().starts_with("unclosed array")
            || error.message().starts_with("unclosed inline")
    });
    for error in errors {
        let at = start(&error);
        let end = floor(text, error.span().map_or(0, |span| span.end)).max(at);
        let message = error.message();
        let duplicate = message.starts_with("duplicate key");
        broken.hides |= !duplicate;
        // One error a line, and one for all that an unclosed bracket swallows.
        let fresh = broken.lines.insert(places.of(at));
        if !fresh || at >= broken.from {
            continue;
        }
        let found = if duplicate {
            let name = text.get(at..end).unwrap_or_default();
            Diagnostic::error(code::SYNTAX, format!("{name} is there twice"))
                .help("keep one of them; a table's keys can be in one place only")
        } else if at == end && message.starts_with("string values must be quoted") {
            Diagnostic::error(code::SYNTAX, "a value is missing")
        } else {
            Diagnostic::error(code::SYNTAX, message)
        };
        let bracket = ["array", "inline table", "key-value pairs"]
            .iter()
            .any(|word| message.contains(word));
        let found = if unclosed && bracket {
            broken.from = at;
            found.note("a `[` or `{` before this isn't closed")
        } else {
            if message.contains("unclosed") || message.contains("multi-line") {
                broken.from = at;
            }
            found
        };
        broken.found.push(found.at(file, at..end, ""));
    }
    broken
}

/// Where a text's lines end: a file may have an error in each of a hundred thousand lines.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The number of the line, from 0, that the byte `at` is in.
    fn of(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at)
    }
}

/// The nearest character's boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
