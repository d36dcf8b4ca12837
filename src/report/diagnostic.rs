//! How a diagnostic is shown: the excerpt of the file, what's wrong there, why, and what to do next.

use std::{ops::Range, sync::Arc};

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Message, Renderer, Snippet,
    renderer::DEFAULT_TERM_WIDTH,
};

use super::text;
use crate::diagnostic::{Diagnostic, Severity, SourceFile, Span};

/// Lines longer than this many characters are shown only around what is pointed at.
const LONG_LINE: usize = 300;
/// What of a long line is shown on each side, in characters.
const AROUND: usize = 60;

/// The diagnostic for people, coloured, with a newline at its end.
pub fn render(diagnostic: &Diagnostic, width: Option<usize>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(text::sanitize(&diagnostic.message))
        .id(diagnostic.code);
    let notes = diagnostic
        .notes
        .iter()
        .map(|note| message(&Level::NOTE, note));
    let help = diagnostic
        .help
        .iter()
        .map(|help| message(&Level::HELP, help));
    let group = Group::with_title(title)
        .elements(snippets(&diagnostic.spans))
        .elements(notes)
        .elements(help);
    let renderer = Renderer::styled().term_width(width.unwrap_or(DEFAULT_TERM_WIDTH));
    let mut rendered = renderer.render(&[group]);
    rendered.push('\n');
    rendered
}

fn message<'a>(level: &Level<'a>, said: &'a str) -> Message<'a> {
    level.clone().message(text::sanitize(said))
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
            let excerpt = Excerpt::new(
                &file.text,
                spans.iter().map(|span| span.range.clone()).collect(),
            );
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

/// A text that is safe to show, and ranges moved to where they are in it.
struct Excerpt {
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Excerpt {
    fn new(source: &str, ranges: Vec<Range<usize>>) -> Self {
        let ranges: Vec<Range<usize>> = ranges
            .into_iter()
            .map(|range| within(source, &range))
            .collect();
        let mut text = String::with_capacity(source.len());
        let mut moved = vec![0..0; ranges.len()];
        let mut start = 0;
        for line in source.split_inclusive('\n') {
            let end = start + line.len();
            let kept = kept_of_line(line, start, &ranges);
            for (offset, character) in line.char_indices() {
                let at = start + offset;
                mark(at, text.len(), &ranges, &mut moved);
                let ends_line =
                    line[offset..].len() <= 2 && matches!(&line[offset..], "\n" | "\r\n");
                if ends_line || kept.contains(&at) {
                    match character {
                        '\r' if ends_line => {}
                        _ => text.push(text::stand_in(character).unwrap_or(character)),
                    }
                } else if at + character.len_utf8() == kept.start || at == kept.end {
                    text.push('…');
                }
            }
            start = end;
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

/// The bytes of a line that are shown: all, unless it's long.
fn kept_of_line(line: &str, start: usize, ranges: &[Range<usize>]) -> Range<usize> {
    let end = start + line.len();
    if line.len() <= LONG_LINE {
        return start..end;
    }
    let pointed = ranges
        .iter()
        .flat_map(|range| [range.start, range.end])
        .filter(|at| (start..end).contains(at))
        .min()
        .unwrap_or(start)
        - start;
    let from = line[..pointed]
        .char_indices()
        .rev()
        .take(AROUND)
        .last()
        .map_or(pointed, |(at, _)| at);
    let to = line[pointed..]
        .char_indices()
        .nth(2 * AROUND)
        .map_or(line.len(), |(at, _)| pointed + at);
    start + from..start + to
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
