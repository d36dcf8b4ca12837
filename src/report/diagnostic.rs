//! How a diagnostic is shown: the excerpt of the file, what's wrong there, why, and what to do next.

use std::{ops::Range, sync::Arc};

use annotate_snippets::{
    Annotation, AnnotationKind, Level, Renderer, Snippet, renderer::DEFAULT_TERM_WIDTH,
};
use anstyle::AnsiColor;

use super::text::{self, STRONG};
use crate::diagnostic::{Diagnostic, Severity, SourceFile, Span};

/// Columns that a text has at least, however narrow the terminal.
const NARROW: usize = 40;
/// What stands before a note below an excerpt: a margin as wide as a line number, ` = note: `.
const MARGIN: usize = 14;

/// The diagnostic for people, coloured, with a newline at its end; wrapped if `width` is known.
pub fn render(diagnostic: &Diagnostic, width: Option<usize>) -> String {
    if diagnostic.spans.is_empty() {
        return without_excerpt(diagnostic, width);
    }
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message =
        |level: Level<'static>, said: &String| level.message(wrapped(said, width, MARGIN));
    let notes = diagnostic
        .notes
        .iter()
        .map(|note| message(Level::NOTE, note));
    let help = diagnostic
        .help
        .iter()
        .map(|help| message(Level::HELP, help));
    let group = level
        .primary_title(text::sanitize(&diagnostic.message))
        .id(diagnostic.code)
        .elements(snippets(&diagnostic.spans))
        .elements(notes)
        .elements(help);
    let renderer = Renderer::styled().term_width(width.unwrap_or(DEFAULT_TERM_WIDTH));
    format!("{}\n", renderer.render(&[group]))
}

/// The same look, without a margin for notes to hang on.
fn without_excerpt(diagnostic: &Diagnostic, width: Option<usize>) -> String {
    let (style, name) = match diagnostic.severity {
        Severity::Error => (AnsiColor::BrightRed.on_default().bold(), "error"),
        Severity::Warning => (AnsiColor::Yellow.on_default().bold(), "warning"),
    };
    // The first line has the code before it, so the message is wrapped with that and taken off it again.
    let head = format!("{name}[{}]", diagnostic.code);
    let message = wrapped(&format!("{head}: {}", diagnostic.message), width, 2);
    let message = message.strip_prefix(&head).unwrap_or(&message);
    let mut lines = message.split('\n');
    let first = lines.next().unwrap_or_default();
    let mut shown = format!(
        "{}{}\n",
        text::paint(style, head),
        text::paint(STRONG, first)
    );
    for line in lines {
        text::line(&mut shown, &format!("  {}", text::paint(STRONG, line)));
    }
    let notes = diagnostic.notes.iter().map(|note| ("note", note));
    let help = diagnostic.help.iter().map(|help| ("help", help));
    for (name, said) in notes.chain(help) {
        let said = wrapped(said, width, 8).replace('\n', "\n        ");
        let name = text::paint(STRONG, format!("{name}:"));
        text::line(&mut shown, &format!("  {name} {said}"));
    }
    shown
}

/// A text that is safe to show, wrapped into what `taken` columns leave.
fn wrapped(said: &str, width: Option<usize>, taken: usize) -> String {
    let safe = text::sanitize(said);
    match width {
        Some(width) => text::wrap(&safe, width.saturating_sub(taken).max(NARROW)),
        None => safe.into_owned(),
    }
}

/// One snippet a file, in the order in which the files are first pointed into.
fn snippets(spans: &[Span]) -> Vec<Snippet<'_, Annotation<'_>>> {
    let mut files: Vec<(&Arc<SourceFile>, Vec<&Span>)> = Vec::new();
    for span in spans {
        match files.iter_mut().find(|(file, _)| **file == span.file) {
            Some((_, spans)) => spans.push(span),
            None => files.push((&span.file, vec![span])),
        }
    }
    files
        .into_iter()
        .map(|(file, spans)| {
            let ranges: Vec<Range<usize>> = spans.iter().map(|span| span.range.clone()).collect();
            let excerpt = Excerpt::new(&file.text, &ranges);
            let annotations =
                spans
                    .iter()
                    .zip(excerpt.ranges)
                    .enumerate()
                    .map(|(index, (span, range))| {
                        let kind = if index == 0 {
                            AnnotationKind::Primary
                        } else {
                            AnnotationKind::Context
                        };
                        let label = text::inline(&span.label);
                        kind.span(range).label((!label.is_empty()).then_some(label))
                    });
            Snippet::source(excerpt.text)
                .path(text::inline(&file.path))
                .annotations(annotations)
        })
        .collect()
}

/// A text that is safe to show, in which every character has its column, and ranges moved to where they are in it.
struct Excerpt {
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Excerpt {
    fn new(source: &str, ranges: &[Range<usize>]) -> Self {
        let ranges: Vec<Range<usize>> = ranges.iter().map(|range| within(source, range)).collect();
        let mut text = String::with_capacity(source.len());
        let mut moved = vec![0..0; ranges.len()];
        for (at, character) in source.char_indices() {
            mark(at, text.len(), &ranges, &mut moved);
            if !source[at..].starts_with("\r\n") {
                text.push(text::stand_in(character).unwrap_or(character));
            }
        }
        mark(source.len(), text.len(), &ranges, &mut moved);
        Self {
            text,
            ranges: moved,
        }
    }
}

/// Notes that byte `at` of the source is byte `now` of the excerpt.
fn mark(at: usize, now: usize, ranges: &[Range<usize>], moved: &mut [Range<usize>]) {
    for (range, moved) in ranges.iter().zip(moved) {
        if range.start == at {
            moved.start = now;
        }
        if range.end == at {
            moved.end = now;
        }
    }
}

/// `range` moved into `text` and onto characters' borders.
fn within(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
    start..end
}

/// Where a span is, for machines.
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The bytes, moved into the text.
    pub range: Range<usize>,
}

/// Where `span` is.
pub fn place(span: &Span) -> Place {
    let text = &span.file.text;
    let range = within(text, &span.range);
    let before = &text[..range.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        range,
    }
}
