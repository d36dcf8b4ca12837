//! Patterns with `*`, `?` and policy variables such as `${aws:username}`. Pure.
//!
//! Matching takes no memory unless there's a variable in the pattern, and time in proportion to text times pattern at
//! worst.

use super::Context;

/// Whether case matters: in resources it does, in actions it doesn't [IAM JSON policy elements: Action, Resource].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Matters,
    Ignored,
}

/// Whether `*` and `?` stand for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    Work,
    AreLiteral,
}

/// A pattern, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    form: Form,
    case: Case,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Anything,
    Exact(String),
    Prefix(String),
    Glob(Vec<Atom>),
    Template(Vec<Piece>),
}

/// One step of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Atom {
    Char(char),
    One,
    Many,
}

/// A part of a pattern with variables.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Atom(Atom),
    Variable {
        key: String,
        fallback: Option<String>,
    },
}

impl Pattern {
    /// Compiles a pattern. Variables are those of version 2012-10-17; before it, `${` is literal.
    pub fn new(text: &str, case: Case, wildcards: Wildcards, variables: bool) -> Self {
        let pieces = pieces(text, wildcards, variables);
        Self {
            form: form(pieces),
            case,
        }
    }

    /// Whether what it matches depends on the request's context.
    pub fn has_variables(&self) -> bool {
        matches!(self.form, Form::Template(_))
    }

    /// Whether a text is of this form. A variable that the request doesn't have matches nothing.
    pub fn matches(&self, text: &str, context: &Context) -> bool {
        match &self.form {
            Form::Anything => true,
            Form::Exact(exact) => match self.case {
                Case::Matters => exact == text,
                Case::Ignored => exact.eq_ignore_ascii_case(text),
            },
            Form::Prefix(prefix) => match self.case {
                Case::Matters => text.starts_with(prefix.as_str()),
                Case::Ignored => text
                    .get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
            },
            Form::Glob(atoms) => glob(atoms, text, self.case),
            Form::Template(pieces) => {
                resolve(pieces, context).is_some_and(|atoms| glob(&atoms, text, self.case))
            }
        }
    }
}

/// A key's values; names of condition keys have no case [IAM JSON policy elements: Condition].
pub fn values<'c>(context: &'c Context, key: &str) -> Option<&'c [String]> {
    if let Some(values) = context.get(key) {
        return Some(values);
    }
    context
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, values)| values.as_slice())
}

fn pieces(text: &str, wildcards: Wildcards, variables: bool) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if variables
            && let Some((inside, after)) = rest
                .strip_prefix("${")
                .and_then(|inner| inner.split_once('}'))
        {
            pieces.push(match inside {
                // The ways to say the characters themselves [IAM policy variables].
                "*" | "?" | "$" => Piece::Atom(Atom::Char(inside.chars().next().unwrap_or('$'))),
                _ => variable(inside),
            });
            rest = after;
            continue;
        }
        let atom = match (next, wildcards) {
            ('*', Wildcards::Work) => Atom::Many,
            ('?', Wildcards::Work) => Atom::One,
            (other, _) => Atom::Char(other),
        };
        if !(atom == Atom::Many && pieces.last() == Some(&Piece::Atom(Atom::Many))) {
            pieces.push(Piece::Atom(atom));
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
    }
    pieces
}

/// `aws:username`, or `aws:username, 'nobody'`.
fn variable(inside: &str) -> Piece {
    let (key, fallback) = match inside.split_once(',') {
        Some((key, fallback)) => (
            key.trim(),
            Some(fallback.trim().trim_matches('\'').to_owned()),
        ),
        None => (inside.trim(), None),
    };
    Piece::Variable {
        key: key.to_owned(),
        fallback,
    }
}

/// The quickest form that says the same.
fn form(pieces: Vec<Piece>) -> Form {
    let mut atoms = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        match piece {
            Piece::Atom(atom) => atoms.push(*atom),
            Piece::Variable { .. } => return Form::Template(pieces),
        }
    }
    let literal = |atoms: &[Atom]| {
        atoms
            .iter()
            .map(|atom| match atom {
                Atom::Char(char) => Some(*char),
                Atom::One | Atom::Many => None,
            })
            .collect::<Option<String>>()
    };
    if atoms == [Atom::Many] {
        return Form::Anything;
    }
    if let Some(exact) = literal(&atoms) {
        return Form::Exact(exact);
    }
    if let Some((Atom::Many, start)) = atoms.split_last()
        && let Some(prefix) = literal(start)
    {
        return Form::Prefix(prefix);
    }
    Form::Glob(atoms)
}

/// The variables' values put in; they're taken literally.
fn resolve(pieces: &[Piece], context: &Context) -> Option<Vec<Atom>> {
    let mut atoms = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Atom(atom) => atoms.push(*atom),
            Piece::Variable { key, fallback } => {
                let value = match values(context, key) {
                    // A key with several values is no variable.
                    Some([value]) => value,
                    _ => fallback.as_ref()?,
                };
                atoms.extend(value.chars().map(Atom::Char));
            }
        }
    }
    Some(atoms)
}

/// Greedy matching that goes back to the last `*` only, which is enough for globs.
fn glob(atoms: &[Atom], text: &str, case: Case) -> bool {
    let is = |one: char, other: char| match case {
        Case::Matters => one == other,
        Case::Ignored => one.eq_ignore_ascii_case(&other),
    };
    let mut at = 0;
    let mut rest = text;
    let mut again: Option<(usize, &str)> = None;
    loop {
        let next = rest.chars().next();
        match (atoms.get(at), next) {
            (None, None) => return true,
            (Some(Atom::Many), _) => {
                again = Some((at + 1, rest));
                at += 1;
                continue;
            }
            (Some(Atom::One), Some(_)) => {
                at += 1;
                rest = skip(rest);
                continue;
            }
            (Some(Atom::Char(wanted)), Some(found)) if is(*wanted, found) => {
                at += 1;
                rest = skip(rest);
                continue;
            }
            _ => {}
        }
        // The last star takes one character more.
        let Some((after, from)) = again else {
            return false;
        };
        if from.is_empty() {
            return false;
        }
        again = Some((after, skip(from)));
        at = after;
        rest = skip(from);
    }
}

fn skip(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}
