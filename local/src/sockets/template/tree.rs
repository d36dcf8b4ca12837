//! What a template is made of, once it's read.

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Reference(Reference),
    Set(Reference, Expression),
    If(Vec<(Expression, Vec<Node>)>, Vec<Node>),
    Foreach(String, Expression, Vec<Node>, usize),
    Break,
    Stop,
}

/// `$name.property.method(…)[…]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    /// As it's written, which is what it prints if there's no such variable.
    pub raw: String,
    /// Backslashes before it.
    pub escapes: usize,
    /// `$!`: prints nothing rather than itself.
    pub quiet: bool,
    pub name: String,
    pub steps: Vec<Step>,
    pub line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Property(String),
    Method(String, Vec<Expression>),
    Index(Expression),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// In single quotes, or without anything to be put in.
    Text(String),
    /// In double quotes.
    Template(Vec<Node>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Range(Box<Expression>, Box<Expression>, usize),
    Reference(Reference),
    Not(Box<Expression>),
    Negative(Box<Expression>, usize),
    Two(Operator, Box<Expression>, Box<Expression>, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
