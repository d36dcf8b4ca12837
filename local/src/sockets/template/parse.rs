//! Reads a template into nodes.

use std::cell::Cell;

use super::{
    Fault,
    tree::{Expression, Node, Operator, Reference, Step},
};

/// How deep blocks, parentheses and strings may be in each other: the reader and the evaluator call themselves for each.
const DEPTH: usize = 40;
/// How often something may be begun: a bracket that turns out to be text is read twice, and so is what is in it.
const WORK: usize = 200_000;

/// Operators as they're written, how tightly they bind, longer ones first.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessOrEqual, 4),
    (">=", Operator::GreaterOrEqual, 4),
    ("<", Operator::Less, 4),
    (">", Operator::Greater, 4),
    ("+", Operator::Add, 5),
    ("-", Operator::Subtract, 5),
    ("*", Operator::Multiply, 6),
    ("/", Operator::Divide, 6),
    ("%", Operator::Remainder, 6),
];

/// The same as words.
const WORDS: &[(&str, Operator, u8)] = &[
    ("or", Operator::Or, 1),
    ("and", Operator::And, 2),
    ("eq", Operator::Equal, 3),
    ("ne", Operator::NotEqual, 3),
    ("lt", Operator::Less, 4),
    ("le", Operator::LessOrEqual, 4),
    ("gt", Operator::Greater, 4),
    ("ge", Operator::GreaterOrEqual, 4),
];

/// Velocity's directives that there aren't here.
const LACKING: &[&str] = &[
    "macro", "define", "parse", "include", "evaluate", "literal", "block",
];

/// What ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Text,
    ElseIf,
    Else,
    Close,
}

/// Reads a whole template.
pub(super) fn parse(source: &str) -> Result<Vec<Node>, Fault> {
    Parser::new(source, 1).all()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    work: usize,
    /// A place, and its line: lines are counted on from there.
    counted: Cell<(usize, usize)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, first_line: usize) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            work: 0,
            counted: Cell::new((0, first_line)),
        }
    }

    fn all(&mut self) -> Result<Vec<Node>, Fault> {
        let (nodes, end) = self.block()?;
        match end {
            Ending::Text => Ok(nodes),
            Ending::ElseIf => Err(self.fault("#elseif without #if")),
            Ending::Else => Err(self.fault("#else without #if")),
            Ending::Close => Err(self.fault("#end without a block")),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn line(&self) -> usize {
        let (place, line) = self.counted.get();
        let lines = |from, to| {
            let between: &str = self.text.get(from..to).unwrap_or("");
            between.bytes().filter(|byte| *byte == b'\n').count()
        };
        let line = if place <= self.at {
            line + lines(place, self.at)
        } else {
            line - lines(self.at, place)
        };
        self.counted.set((self.at, line));
        line
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.line(), what)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// A directive that stands at its line's end takes the line's end with it.
    fn gobble(&mut self) {
        let rest = self.rest();
        let after = rest.trim_start_matches([' ', '\t']);
        let after = after
            .strip_prefix("\r\n")
            .or_else(|| after.strip_prefix(['\n', '\r']));
        if let Some(after) = after {
            self.at += rest.len() - after.len();
        }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        self.work += 1;
        if self.depth > DEPTH {
            return Err(self.fault(format!("it's nested more than {DEPTH} deep")));
        }
        if self.work > WORK {
            return Err(self.fault("it's too much to read"));
        }
        Ok(())
    }

    /// Nodes up to what ends them.
    fn block(&mut self) -> Result<(Vec<Node>, Ending), Fault> {
        self.deeper()?;
        let mut nodes = Vec::new();
        let end = loop {
            let rest = self.rest();
            let plain = rest.find(['$', '#', '\\']).unwrap_or(rest.len());
            if plain > 0 {
                text(&mut nodes, rest.get(..plain).unwrap_or(""));
                self.at += plain;
                continue;
            }
            match self.peek() {
                None => break Ending::Text,
                Some('\\') => self.escaped(&mut nodes)?,
                Some('$') => match self.reference(0)? {
                    Some(reference) => nodes.push(Node::Reference(reference)),
                    None => self.plain(&mut nodes),
                },
                Some(_) => {
                    if let Some(end) = self.directive(&mut nodes)? {
                        break end;
                    }
                }
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// One character that means nothing here.
    fn plain(&mut self, nodes: &mut Vec<Node>) {
        if let Some(next) = self.peek() {
            text(nodes, next.encode_utf8(&mut [0; 4]));
            self.at += next.len_utf8();
        }
    }

    /// Backslashes: they're text, unless a reference or a directive follows.
    fn escaped(&mut self, nodes: &mut Vec<Node>) -> Result<(), Fault> {
        let rest = self.rest();
        let count = rest.len() - rest.trim_start_matches('\\').len();
        self.at += count;
        match self.peek() {
            Some('$') => {
                if let Some(reference) = self.reference(count)? {
                    nodes.push(Node::Reference(reference));
                    return Ok(());
                }
                text(nodes, &"\\".repeat(count));
            }
            Some('#') if known(word(self.rest().get(1..).unwrap_or("")).0) => {
                text(nodes, &"\\".repeat(count / 2));
                if count % 2 == 1 {
                    self.plain(nodes);
                }
            }
            _ => text(nodes, &"\\".repeat(count)),
        }
        Ok(())
    }

    /// At `#`.
    fn directive(&mut self, nodes: &mut Vec<Node>) -> Result<Option<Ending>, Fault> {
        let start = self.at;
        if self.eat("##") {
            let rest = self.rest();
            self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            return Ok(None);
        }
        if self.eat("#*") {
            let end = self
                .rest()
                .find("*#")
                .ok_or_else(|| self.fault("the comment `#*` has no end"))?;
            self.at += end + 2;
            self.gobble();
            return Ok(None);
        }
        if self.eat("#[[") {
            let rest = self.rest();
            let end = rest
                .find("]]#")
                .ok_or_else(|| self.fault("`#[[` has no end"))?;
            text(nodes, rest.get(..end).unwrap_or(""));
            self.at += end + 3;
            return Ok(None);
        }
        let (name, length) = word(self.rest().get(1..).unwrap_or(""));
        if LACKING.contains(&name) {
            return Err(self.fault(format!("#{name} isn't supported")));
        }
        if !known(name) {
            self.plain(nodes);
            return Ok(None);
        }
        self.at = start + 1 + length;
        match name {
            "end" => {
                self.gobble();
                return Ok(Some(Ending::Close));
            }
            "else" => {
                self.gobble();
                return Ok(Some(Ending::Else));
            }
            "elseif" => return Ok(Some(Ending::ElseIf)),
            "set" => nodes.push(self.set()?),
            "if" => nodes.push(self.conditional()?),
            "foreach" => nodes.push(self.foreach()?),
            "break" => {
                self.gobble();
                nodes.push(Node::Break);
            }
            _ => nodes.push(Node::Stop),
        }
        Ok(None)
    }

    fn open(&mut self, name: &str) -> Result<(), Fault> {
        self.skip_space();
        if self.eat("(") {
            Ok(())
        } else {
            Err(self.fault(format!("#{name} needs `(`")))
        }
    }

    fn close(&mut self, name: &str) -> Result<(), Fault> {
        self.skip_space();
        if self.eat(")") {
            self.gobble();
            Ok(())
        } else {
            Err(self.fault(format!(
                "#{name} needs `)` before `{}`",
                excerpt(self.rest())
            )))
        }
    }

    fn set(&mut self) -> Result<Node, Fault> {
        self.open("set")?;
        self.skip_space();
        let target = self
            .reference(0)?
            .ok_or_else(|| self.fault("#set needs a variable"))?;
        let writable = |step: &Step| !matches!(step, Step::Method(..));
        if !target.steps.iter().all(writable) {
            return Err(self.fault(format!("#set can't set {}", target.raw)));
        }
        self.skip_space();
        if !self.eat("=") {
            return Err(self.fault("#set needs `=`"));
        }
        let value = self.expression(0)?;
        self.close("set")?;
        Ok(Node::Set(target, value))
    }

    fn conditional(&mut self) -> Result<Node, Fault> {
        let opened = self.line();
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        let mut name = "if";
        loop {
            self.open(name)?;
            let condition = self.expression(0)?;
            self.close(name)?;
            let (nodes, end) = self.block()?;
            arms.push((condition, nodes));
            match end {
                Ending::ElseIf => {
                    name = "elseif";
                    continue;
                }
                Ending::Close => {}
                Ending::Text => return Err(Fault::new(opened, "#if has no #end")),
                Ending::Else => {
                    let (nodes, end) = self.block()?;
                    otherwise = nodes;
                    if end != Ending::Close {
                        return Err(Fault::new(opened, "#else has no #end"));
                    }
                }
            }
            return Ok(Node::If(arms, otherwise));
        }
    }

    fn foreach(&mut self) -> Result<Node, Fault> {
        let opened = self.line();
        self.open("foreach")?;
        self.skip_space();
        let item = self
            .reference(0)?
            .filter(|item| item.steps.is_empty())
            .ok_or_else(|| self.fault("#foreach needs a variable"))?;
        self.skip_space();
        let (word, length) = word(self.rest());
        if word != "in" {
            return Err(self.fault("#foreach needs `in`"));
        }
        self.at += length;
        let list = self.expression(0)?;
        self.close("foreach")?;
        let (nodes, end) = self.block()?;
        if end != Ending::Close {
            return Err(Fault::new(opened, "#foreach has no #end"));
        }
        Ok(Node::Foreach(item.name, list, nodes, opened))
    }

    /// At `$`: a reference, or nothing if it isn't one.
    fn reference(&mut self, escapes: usize) -> Result<Option<Reference>, Fault> {
        let start = self.at;
        let line = self.line();
        if !self.eat("$") {
            return Ok(None);
        }
        let quiet = self.eat("!");
        let braced = self.eat("{");
        let name = identifier(self.rest()).to_owned();
        if name.is_empty() {
            self.at = start;
            return Ok(None);
        }
        self.at += name.len();
        self.deeper()?;
        let mut steps = Vec::new();
        loop {
            let before = self.at;
            let depth = self.depth;
            if self.eat(".") {
                let property = identifier(self.rest()).to_owned();
                if property.is_empty() {
                    self.at = before;
                    break;
                }
                self.at += property.len();
                if self.eat("(") {
                    let arguments = self.list(")")?;
                    steps.push(Step::Method(property, arguments));
                } else {
                    steps.push(Step::Property(property));
                }
            } else if self.eat("[") {
                // A bracket that isn't an index is text: templates write JSON around references.
                if let Ok(index) = self.expression(0)
                    && self.closes("]")
                {
                    steps.push(Step::Index(index));
                } else {
                    self.at = before;
                    self.depth = depth;
                    break;
                }
            } else {
                break;
            }
        }
        self.depth -= 1;
        if braced && !self.eat("}") {
            self.at = start;
            return Ok(None);
        }
        let raw = self.text.get(start..self.at).unwrap_or("").to_owned();
        Ok(Some(Reference {
            raw,
            escapes,
            quiet,
            name,
            steps,
            line,
        }))
    }

    fn closes(&mut self, end: &str) -> bool {
        self.skip_space();
        self.eat(end)
    }

    /// Expressions between commas, up to an end.
    fn list(&mut self, end: &str) -> Result<Vec<Expression>, Fault> {
        let mut items = Vec::new();
        if self.closes(end) {
            return Ok(items);
        }
        loop {
            items.push(self.expression(0)?);
            if self.closes(end) {
                return Ok(items);
            }
            if !self.eat(",") {
                return Err(self.fault(format!(
                    "`{end}` is missing before `{}`",
                    excerpt(self.rest())
                )));
            }
        }
    }

    /// An expression whose operators bind more tightly than `least`.
    fn expression(&mut self, least: u8) -> Result<Expression, Fault> {
        self.deeper()?;
        let mut left = self.operand()?;
        loop {
            self.skip_space();
            let line = self.line();
            let rest = self.rest();
            let name = identifier(rest);
            let found = OPERATORS
                .iter()
                .find(|(text, ..)| rest.starts_with(text))
                .or_else(|| WORDS.iter().find(|(text, ..)| *text == name));
            let Some((written, operator, strength)) = found.filter(|found| found.2 > least) else {
                break;
            };
            self.at += written.len();
            let right = self.expression(*strength)?;
            left = Expression::Two(*operator, Box::new(left), Box::new(right), line);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression, Fault> {
        self.skip_space();
        let line = self.line();
        match self.peek() {
            Some('$') => match self.reference(0)? {
                Some(reference) => Ok(Expression::Reference(reference)),
                None => Err(self.fault("`$` needs a name")),
            },
            Some('\'') => self.quoted('\'').map(Expression::Text),
            Some('"') => {
                let text = self.quoted('"')?;
                if !text.contains(['$', '#', '\\']) {
                    return Ok(Expression::Text(text));
                }
                let mut inner = Parser::new(&text, line);
                inner.depth = self.depth;
                inner.work = self.work;
                let nodes = inner.all()?;
                self.work = inner.work;
                Ok(Expression::Template(nodes))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.expression(0)?;
                if self.closes(")") {
                    Ok(inner)
                } else {
                    Err(self.fault("`)` is missing"))
                }
            }
            Some('[') => {
                self.at += 1;
                self.bracketed(line)
            }
            Some('{') => {
                self.at += 1;
                self.map()
            }
            Some('!') => {
                self.at += 1;
                Ok(Expression::Not(Box::new(self.tight()?)))
            }
            Some('-') => {
                self.at += 1;
                Ok(Expression::Negative(Box::new(self.tight()?), line))
            }
            Some(digit) if digit.is_ascii_digit() => self.number(),
            _ => {
                let name = identifier(self.rest());
                self.at += name.len();
                match name {
                    "true" => Ok(Expression::Bool(true)),
                    "false" => Ok(Expression::Bool(false)),
                    "null" => Ok(Expression::Null),
                    "not" => Ok(Expression::Not(Box::new(self.tight()?))),
                    "" => Err(self.fault(format!(
                        "a value is missing before `{}`",
                        excerpt(self.rest())
                    ))),
                    _ => Err(self.fault(format!("`{name}` isn't a value"))),
                }
            }
        }
    }

    /// What a prefix operator is put before.
    fn tight(&mut self) -> Result<Expression, Fault> {
        self.deeper()?;
        let operand = self.operand()?;
        self.depth -= 1;
        Ok(operand)
    }

    /// `[a, b]` or `[1..3]`, after the bracket.
    fn bracketed(&mut self, line: usize) -> Result<Expression, Fault> {
        if self.closes("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.expression(0)?;
        self.skip_space();
        if self.eat("..") {
            let last = self.expression(0)?;
            if self.closes("]") {
                return Ok(Expression::Range(Box::new(first), Box::new(last), line));
            }
            return Err(self.fault("`]` is missing"));
        }
        let mut items = vec![first];
        if self.closes("]") {
            return Ok(Expression::List(items));
        }
        if !self.eat(",") {
            return Err(self.fault("`]` is missing"));
        }
        items.extend(self.list("]")?);
        Ok(Expression::List(items))
    }

    /// `{"a": 1}`, after the brace.
    fn map(&mut self) -> Result<Expression, Fault> {
        let mut members = Vec::new();
        if self.closes("}") {
            return Ok(Expression::Map(members));
        }
        loop {
            let key = self.expression(0)?;
            if !self.closes(":") {
                return Err(self.fault("`:` is missing"));
            }
            members.push((key, self.expression(0)?));
            if self.closes("}") {
                return Ok(Expression::Map(members));
            }
            if !self.eat(",") {
                return Err(self.fault("`}` is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Expression, Fault> {
        let rest = self.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(rest);
        let fraction = rest
            .get(end..)
            .and_then(|rest| rest.strip_prefix('.'))
            .map_or(0, digits);
        if fraction > 0 {
            end += 1 + fraction;
        }
        let written = rest.get(..end).unwrap_or("");
        let number = if fraction > 0 {
            written.parse().ok().map(Expression::Float)
        } else {
            written.parse().ok().map(Expression::Int)
        };
        let number = number.ok_or_else(|| self.fault(format!("`{written}` is too big")))?;
        self.at += end;
        Ok(number)
    }

    /// A quoted text. A quote in it is written twice.
    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let opened = self.line();
        let mut text = String::new();
        let mut rest = self.rest().get(1..).unwrap_or("");
        loop {
            let (part, after) = rest
                .split_once(quote)
                .ok_or_else(|| Fault::new(opened, format!("the quote {quote} has no end")))?;
            text.push_str(part);
            let Some(doubled) = after.strip_prefix(quote) else {
                self.at = self.text.len() - after.len();
                return Ok(text);
            };
            text.push(quote);
            rest = doubled;
        }
    }
}

fn text(nodes: &mut Vec<Node>, more: &str) {
    if let Some(Node::Text(text)) = nodes.last_mut() {
        text.push_str(more);
    } else if !more.is_empty() {
        nodes.push(Node::Text(more.to_owned()));
    }
}

fn known(directive: &str) -> bool {
    matches!(
        directive,
        "end" | "else" | "elseif" | "set" | "if" | "foreach" | "break" | "stop"
    )
}

/// A directive's name, with braces around it or without, and how long it's written.
fn word(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix('{') {
        let name = identifier(inner);
        let closed = inner
            .get(name.len()..)
            .is_some_and(|rest| rest.starts_with('}'));
        return if closed {
            (name, name.len() + 2)
        } else {
            ("", 0)
        };
    }
    let name = identifier(text);
    (name, name.len())
}

/// Velocity's identifiers: a letter, then letters, digits, `-`, `_`.
fn identifier(text: &str) -> &str {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .unwrap_or(text.len());
    if starts {
        text.get(..end).unwrap_or("")
    } else {
        ""
    }
}

fn excerpt(text: &str) -> String {
    if text.is_empty() {
        "the end".to_owned()
    } else {
        text.chars().take(12).collect()
    }
}
