//! `wsless.toml` -> [`Manifest`]: parsed once, checked against AWS's limits, every error with its place in the file.
//!
//! In: the text of one file and the stage that is meant. Out: a [`Manifest`] in which nothing needs checking again,
//! or all that is wrong with the file at once. Knows nothing of AWS's calls, of building, or of the network.
//!
//! The way of a file: TOML's document -> `document` checks each value by its declaration in `keys` -> `overlay` lays a
//! stage over the rest and fills in defaults -> `rules` checks what is about more than one value, and makes the types.
//! A key is added in `keys`, a rule in `rules`; the schema and the suggestions follow from the declarations.

pub mod code;
mod declaration;
mod document;
mod keys;
mod model;
mod overlay;
mod rules;
mod schema;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;

use std::{collections::HashSet, ops::Range, sync::Arc};

pub use model::*;
pub use schema::schema;
pub use suggest::nearest;

use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use document::Reader;
use rules::Rules;
use tree::Table;

/// The most bytes of a manifest; a few hundred routes take a tenth of it.
const MAX_BYTES: usize = 1 << 20;

/// The most errors that are told of; who has more has another kind of file.
const MAX_ERRORS: usize = 100;

/// A manifest that can be deployed, and what its author should know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The manifest, with the stage laid over it.
    pub manifest: Manifest,
    /// What can be done and may not be meant, by place.
    pub warnings: Vec<Diagnostic>,
}

/// Parses a manifest for one stage, which need not be among its `[stages]`.
///
/// An error is all that is wrong: with the stage's name, with the file, and with what each of its stages makes of it,
/// by place, each once.
pub fn parse(file: &Arc<SourceFile>, stage: &str) -> Result<Parsed, Vec<Diagnostic>> {
    let mut errors: Vec<Diagnostic> = check_stage_name(stage).err().into_iter().collect();
    let good_stage = errors.is_empty().then_some(stage);
    if file.text.len() > MAX_BYTES {
        errors.push(too_large(file));
        return Err(errors);
    }
    let read = syntax::read(file);
    errors.extend(read.found);
    let Some(mut base) = read.whole else {
        return Err(told(errors));
    };

    let stages = base.entries.remove("stages");
    let stages = stages.as_ref().and_then(|stages| stages.node.table());
    let mut result = pass(file, good_stage, &base, overlay_of(stages, stage));
    let mut reported = result.places();
    let mut warnings = std::mem::take(&mut result.warnings);
    errors.append(&mut result.errors);
    for (name, entry) in stages.iter().flat_map(|stages| &stages.entries) {
        let overlay = entry.node.table();
        if name == stage || overlay.is_none() {
            continue;
        }
        let name = (!entry.bad_key).then_some(name.as_str());
        let mut other = pass(file, name, &base, overlay);
        // What another stage has in common with those before it is said already; its warnings are for those who
        // deploy it, but for what is written for it alone.
        let own = overlay.map(overlay::places).unwrap_or_default();
        other
            .errors
            .retain(|error| !reported.contains(&place(error)));
        other.warnings.retain(|warning| {
            let span = warning.spans.first();
            span.is_some_and(|span| own.contains(&span.range.start))
                && !reported.contains(&place(warning))
        });
        reported.extend(other.places());
        errors.append(&mut other.errors);
        warnings.append(&mut other.warnings);
    }
    if errors.is_empty() {
        Ok(Parsed {
            manifest: result.manifest,
            warnings: by_place(warnings),
        })
    } else {
        Err(told(errors))
    }
}

/// Checks a stage's name: `[a-z][a-z0-9-]*`, at most 20 characters, not ending in `-`.
pub fn check_stage_name(stage: &str) -> Result<(), Diagnostic> {
    check_name(&keys::STAGE_NAME, stage)
}

/// Checks a project's name: `[a-z][a-z0-9-]*`, at most 24 characters, not ending in `-`.
pub fn check_project_name(name: &str) -> Result<(), Diagnostic> {
    check_name(&keys::PROJECT_NAME, name)
}

fn check_name(rule: &'static declaration::Text, name: &str) -> Result<(), Diagnostic> {
    let file = Arc::new(SourceFile {
        path: String::new(),
        text: String::new(),
    });
    let mut reader = Reader::new(&file);
    reader.text(rule, name, &(0..0));
    match reader.found.pop() {
        None => Ok(()),
        Some(mut found) => {
            // The name is from the command line, so there's no line to show.
            found.spans.clear();
            found.message = found.message.replace(&document::place(&[]), "");
            Err(found)
        }
    }
}

/// What the rules make of one stage.
struct Pass {
    manifest: Manifest,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// A diagnostic's code and places: what is equal in both is about the same thing.
type Place = (&'static str, Vec<Range<usize>>);

impl Pass {
    fn places(&self) -> HashSet<Place> {
        self.errors
            .iter()
            .chain(&self.warnings)
            .map(place)
            .collect()
    }
}

fn place(diagnostic: &Diagnostic) -> Place {
    let ranges = diagnostic.spans.iter().map(|span| span.range.clone());
    (diagnostic.code, ranges.collect())
}

fn overlay_of<'t>(stages: Option<&'t Table>, stage: &str) -> Option<&'t Table> {
    stages?.table(stage)
}

fn pass(
    file: &Arc<SourceFile>,
    stage: Option<&str>,
    base: &Table,
    overlay: Option<&Table>,
) -> Pass {
    let mut root = base.clone();
    if let Some(overlay) = overlay {
        overlay::lay(&mut root, overlay);
    }
    let mut found = overlay::complete(file, keys::MANIFEST, &mut root);
    let mut rules = Rules::new(file, stage, &root);
    let manifest = rules.manifest();
    found.append(&mut rules.found);
    let (errors, warnings) = found
        .into_iter()
        .partition(|found| found.severity == Severity::Error);
    Pass {
        manifest,
        errors,
        warnings,
    }
}

fn too_large(file: &SourceFile) -> Diagnostic {
    let size = file.text.len();
    Diagnostic::error(
        code::TOO_LARGE,
        format!("{} is too large: {size} bytes", file.path),
    )
    .note(format!("a manifest has at most {MAX_BYTES} bytes"))
    .help("check that it's the file you meant")
}

/// The errors by place, the first of them if there are very many.
fn told(errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told = by_place(errors);
    let more = told.len().saturating_sub(MAX_ERRORS);
    if more > 0 {
        told.truncate(MAX_ERRORS);
        told.push(
            Diagnostic::error(code::TOO_MANY, format!("and {more} more errors like these"))
                .help("check that it's the file you meant"),
        );
    }
    told
}

fn by_place(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|found| found.spans.first().map(|span| span.range.start));
    diagnostics
}
