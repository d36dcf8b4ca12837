//! What wsless says when something is wrong: a value that every part can make and only `report` shows.
//!
//! A diagnostic answers four questions: what happened, to what, why, and what to do next.

use std::{fmt, ops::Range, sync::Arc};

/// A text file that diagnostics point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user wrote it, for people to read.
    pub path: String,
    /// The whole text, so that a span can be shown in its line.
    pub text: String,
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file pointed into.
    pub file: Arc<SourceFile>,
    /// The bytes pointed at.
    pub range: Range<usize>,
    /// A few words shown beside the bytes; may be empty.
    pub label: String,
}

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What was asked for can't be done.
    Error,
    /// It can be done, and the user should know something first.
    Warning,
}

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// A stable name for machines and searches, such as `manifest::unknown-key`.
    pub code: &'static str,
    /// What happened, to what.
    pub message: String,
    /// Where in the user's files, if it's about a file.
    pub spans: Vec<Span>,
    /// Why: facts and causes, one each.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            spans: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// Points at `range` of `file`, with `label` beside it.
    #[must_use]
    pub fn at(
        mut self,
        file: &Arc<SourceFile>,
        range: Range<usize>,
        label: impl Into<String>,
    ) -> Self {
        self.spans.push(Span {
            file: Arc::clone(file),
            range,
            label: label.into(),
        });
        self
    }

    /// Adds a reason.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
