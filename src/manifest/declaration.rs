//! The words in which the manifest's keys are declared, once, for the decoder, the suggestions and the JSON schema.

use std::ops::RangeInclusive;

/// One key of a table.
pub(super) struct Key {
    /// As it's written.
    pub name: &'static str,
    /// What it's for: the schema's description.
    pub doc: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What its absence means.
    pub absence: Absence,
    /// A value that could stand there, as TOML.
    pub example: &'static str,
}

/// What the absence of a key means.
pub(super) enum Absence {
    /// An error.
    Required,
    /// That there's none of it, or what the key's doc says.
    Optional,
    /// A table in which everything has its default.
    Empty,
    /// `true` or `false`.
    Boolean(bool),
    /// This number.
    Integer(i64),
    /// This text; of a duration, how it's written.
    Text(&'static str),
}

/// What a key holds.
pub(super) enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A text of one form.
    Text(Text),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Integer(Integer),
    /// One of these numbers, ascending.
    IntegerChoice(&'static [i64], &'static str),
    /// Any number from zero on.
    Number,
    /// Whole seconds, as `"10s"`, `"1h 30m"` or `10`.
    Duration(Duration),
    /// An array.
    List(List),
    /// A table of these keys.
    Table(&'static [Key]),
    /// A table whose keys are the user's names.
    Map(Map),
    /// A table of these keys, or a text that stands for the table with only the first of them.
    Short(&'static Text, &'static [Key]),
    /// A table of these keys, or `false` for off, or `true` for the defaults.
    Switch(&'static [Key]),
}

/// A text of one form.
pub(super) struct Text {
    /// What it is, with its article: `a project's name`.
    pub what: &'static str,
    /// The regular expression it matches, in the syntax that both `regex-lite` and JSON Schema have.
    pub pattern: &'static str,
    /// The most characters.
    pub max: usize,
    /// The form in words, and whose rule it is.
    pub rule: &'static str,
    /// What has the form and still isn't taken, or is worth its own explanation.
    pub refused: &'static [Refused],
    /// Whether a message must not repeat it.
    pub secret: bool,
}

/// Texts that aren't taken.
pub(super) struct Refused {
    /// The regular expression they match.
    pub pattern: &'static str,
    /// What matches and is taken all the same.
    pub except: &'static [&'static str],
    /// The diagnostic's code.
    pub code: &'static str,
    /// Why.
    pub why: &'static str,
    /// What to write.
    pub mend: &'static str,
}

/// Limits of a whole number.
pub(super) struct Integer {
    /// The least.
    pub min: i64,
    /// The most.
    pub max: i64,
    /// What is counted, such as `MiB`; may be empty.
    pub unit: &'static str,
    /// Whose limit it is, and what lies beyond it.
    pub rule: &'static str,
}

/// Limits of a duration.
pub(super) struct Duration {
    /// The least, in seconds.
    pub min: u64,
    /// The most, in seconds.
    pub max: u64,
    /// Whether only 10, 20, 30 and multiples of 60 s are taken, as CloudWatch has it for periods.
    pub period: bool,
    /// Whose limit it is.
    pub rule: &'static str,
}

/// An array and its limits.
pub(super) struct List {
    /// What each item is.
    pub item: &'static Kind,
    /// The fewest items.
    pub min: usize,
    /// The most items.
    pub max: usize,
    /// Whose limits they are.
    pub rule: &'static str,
}

/// A table of the user's names.
pub(super) struct Map {
    /// What a name looks like.
    pub name: Text,
    /// What stands behind each name.
    pub value: &'static Kind,
    /// The fewest entries of the whole file, and the most that one table may have. The rules count, since a stage adds to the
    /// rest; the schema says it for one table.
    pub count: RangeInclusive<usize>,
}

/// How durations are written: numbers with `s`, `m`, `h` or `d`.
pub(super) const DURATION: &str = "^[0-9]{1,8}[smhd]( ?[0-9]{1,8}[smhd])*$";

impl Key {
    pub(super) const fn new(
        name: &'static str,
        doc: &'static str,
        kind: Kind,
        absence: Absence,
        example: &'static str,
    ) -> Self {
        Self {
            name,
            doc,
            kind,
            absence,
            example,
        }
    }
}

impl Text {
    pub(super) const fn new(
        what: &'static str,
        pattern: &'static str,
        max: usize,
        rule: &'static str,
    ) -> Self {
        Self {
            what,
            pattern,
            max,
            rule,
            refused: &[],
            secret: false,
        }
    }

    pub(super) const fn refusing(self, refused: &'static [Refused]) -> Self {
        Self { refused, ..self }
    }
}

impl Kind {
    /// What is taken, with its article, for `must be ..`.
    pub(super) fn takes(&self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Text(_) | Self::Choice(_) => "a string",
            Self::Integer(_) | Self::IntegerChoice(..) => "an integer",
            Self::Number => "a number",
            Self::Duration(_) => "a duration such as \"10s\", or whole seconds",
            Self::List(_) => "an array",
            Self::Table(_) | Self::Map(_) => "a table",
            Self::Short(..) => "a string or a table",
            Self::Switch(_) => "true, false or a table",
        }
    }

    /// The keys of a table of fixed keys.
    pub(super) fn keys(&self) -> Option<&'static [Key]> {
        match self {
            Self::Table(keys) | Self::Short(_, keys) | Self::Switch(keys) => Some(keys),
            _ => None,
        }
    }
}
