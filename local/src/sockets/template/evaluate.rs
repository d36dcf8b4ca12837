//! Makes the text of a template that was read.

use std::{cell::OnceCell, collections::HashMap, rc::Rc};

use base64::Engine as _;
use serde_json::Value as Json;

use super::{
    Fault, Given, MOST_OUTPUT, methods,
    tree::{Expression, Node, Operator, Reference, Step},
    value::Value,
};
use crate::sockets::json_path::{Found, JsonPath};

/// What a rendering may cost: a step is a node, an operation, or 64 bytes of a value that's made.
const STEPS: usize = 200_000;
const BASE64: base64::engine::general_purpose::GeneralPurpose =
    base64::engine::general_purpose::STANDARD;

/// Makes the text.
pub(super) fn render(nodes: &[Node], given: Given<'_>) -> Result<String, Fault> {
    let mut machine = Machine {
        given,
        variables: HashMap::new(),
        left: STEPS,
        parsed: OnceCell::new(),
        line: 1,
    };
    let mut out = String::with_capacity(given.body.len() + 256);
    machine.run(nodes, &mut out)?;
    Ok(out)
}

struct Machine<'a> {
    given: Given<'a>,
    variables: HashMap<String, Value>,
    left: usize,
    parsed: OnceCell<Result<Json, String>>,
    line: usize,
}

/// Whether what follows is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Stop,
}

impl Machine<'_> {
    fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::new(self.line, what)
    }

    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.fault("it takes too many steps")),
        }
    }

    /// A value was made: it costs what it weighs.
    fn made(&mut self, value: Value) -> Result<Value, Fault> {
        self.weighed(&value)?;
        Ok(value)
    }

    fn weighed(&mut self, value: &Value) -> Result<(), Fault> {
        match value.weight(self.left.saturating_mul(64)) {
            Some(weight) => self.spend(1 + weight / 64),
            None => Err(self.fault("a value grows too big or too deep")),
        }
    }

    fn bounded(&self, out: &str) -> Result<(), Fault> {
        if out.len() > MOST_OUTPUT {
            return Err(self.fault(format!("it makes more than {MOST_OUTPUT} bytes")));
        }
        Ok(())
    }

    fn run(&mut self, nodes: &[Node], out: &mut String) -> Result<Flow, Fault> {
        for node in nodes {
            self.spend(1)?;
            let flow = match node {
                Node::Text(text) => {
                    self.spend(text.len() / 64)?;
                    out.push_str(text);
                    Flow::On
                }
                Node::Reference(reference) => {
                    self.show(reference, out)?;
                    Flow::On
                }
                Node::Set(target, value) => {
                    self.set(target, value)?;
                    Flow::On
                }
                Node::If(arms, otherwise) => {
                    let mut chosen = otherwise;
                    for (condition, nodes) in arms {
                        if self.evaluate(condition)?.is_true() {
                            chosen = nodes;
                            break;
                        }
                    }
                    self.run(chosen, out)?
                }
                Node::Foreach(item, list, nodes, line) => {
                    self.foreach(item, list, nodes, *line, out)?
                }
                Node::Break => Flow::Break,
                Node::Stop => Flow::Stop,
            };
            self.bounded(out)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn foreach(
        &mut self,
        item: &str,
        list: &Expression,
        nodes: &[Node],
        line: usize,
        out: &mut String,
    ) -> Result<Flow, Fault> {
        self.line = line;
        let items = match self.evaluate(list)? {
            Value::List(items) => items,
            Value::Map(members) => {
                Rc::new(members.iter().map(|(_, value)| value.clone()).collect())
            }
            Value::Null => return Ok(Flow::On),
            _ => return Err(self.fault("#foreach needs a list or a map")),
        };
        let names = [item, "foreach", "velocityCount"];
        let before = names.map(|name| self.variables.get(name).cloned());
        let mut flow = Flow::On;
        for (index, value) in items.iter().enumerate() {
            self.spend(1)?;
            self.variables.insert(item.to_owned(), value.clone());
            self.variables
                .insert("foreach".to_owned(), Value::Foreach(index, items.len()));
            self.variables
                .insert("velocityCount".to_owned(), Value::count(index + 1));
            flow = self.run(nodes, out)?;
            if flow != Flow::On {
                break;
            }
        }
        for (name, value) in names.into_iter().zip(before) {
            match value {
                Some(value) => self.variables.insert(name.to_owned(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(if flow == Flow::Stop { flow } else { Flow::On })
    }

    /// Prints a reference: its value, or itself if there's no such variable.
    fn show(&mut self, reference: &Reference, out: &mut String) -> Result<(), Fault> {
        let value = self.resolve(reference)?;
        let (escapes, literal) = match &value {
            // Backslashes escape only what there is.
            Some(_) => (reference.escapes / 2, reference.escapes % 2 == 1),
            None => (reference.escapes, false),
        };
        out.extend(std::iter::repeat_n('\\', escapes));
        match value {
            Some(value) if !literal => {
                let value = self.settled(value);
                self.weighed(&value)?;
                value.print(out);
            }
            None if reference.quiet => {}
            _ => out.push_str(&reference.raw),
        }
        Ok(())
    }

    fn set(&mut self, target: &Reference, value: &Expression) -> Result<(), Fault> {
        self.line = target.line;
        let value = self.evaluate(value)?;
        if matches!(
            target.name.as_str(),
            "input" | "util" | "context" | "stageVariables"
        ) {
            return Err(self.fault(format!("{} can't be set", target.raw)));
        }
        match target.steps.as_slice() {
            [] => {
                self.variables.insert(target.name.clone(), value);
                Ok(())
            }
            [step] => {
                let key = match step {
                    Step::Property(name) => Value::text(name.as_str()),
                    Step::Index(index) => self.evaluate(index)?,
                    Step::Method(..) => Value::Null,
                };
                match (self.variables.get_mut(&target.name), &key) {
                    (Some(Value::Map(members)), _) => {
                        methods::put(Rc::make_mut(members), &key.printed(), value);
                        Ok(())
                    }
                    (Some(Value::List(items)), Value::Int(at)) => {
                        let place = usize::try_from(*at)
                            .ok()
                            .and_then(|at| Rc::make_mut(items).get_mut(at));
                        match place {
                            Some(place) => {
                                *place = value;
                                Ok(())
                            }
                            None => Err(self.fault(format!("{} isn't there", target.raw))),
                        }
                    }
                    _ => Err(self.fault(format!("{} can't be set", target.raw))),
                }
            }
            _ => Err(self.fault(format!("#set of {} isn't supported", target.raw))),
        }
    }

    /// Follows a reference; nothing if there's no such variable.
    fn resolve(&mut self, reference: &Reference) -> Result<Option<Value>, Fault> {
        self.line = reference.line;
        self.spend(1 + reference.steps.len())?;
        let mut value = match reference.name.as_str() {
            "input" => Value::Input,
            "util" => Value::Util,
            "context" => Value::Context(Rc::from("")),
            "stageVariables" => Value::StageVariables,
            name => match self.variables.get(name) {
                Some(value) => value.clone(),
                None => return Ok(None),
            },
        };
        for (index, step) in reference.steps.iter().enumerate() {
            value = match step {
                Step::Property(name) => self.property(&value, name, reference)?,
                Step::Index(at) => {
                    let at = self.evaluate(at)?;
                    match &value {
                        Value::Map(_) => value.member(&at.printed()).cloned(),
                        Value::List(_) => methods::call(&value, "get", &[at]).ok().flatten(),
                        _ => None,
                    }
                    .unwrap_or(Value::Null)
                }
                Step::Method(name, written) => {
                    let mut arguments = Vec::with_capacity(written.len());
                    for argument in written {
                        arguments.push(self.evaluate(argument)?);
                    }
                    // The line of the call, not of what its arguments ran.
                    self.line = reference.line;
                    self.call(value, name, &arguments, reference, index)?
                }
            };
            value = self.made(value)?;
        }
        Ok(Some(value))
    }

    fn property(
        &mut self,
        value: &Value,
        name: &str,
        reference: &Reference,
    ) -> Result<Value, Fault> {
        Ok(match value {
            Value::Input if name == "body" => Value::text(self.given.body),
            Value::Input | Value::Util => {
                return Err(self.fault(format!("{} isn't supported", reference.raw)));
            }
            Value::Context(path) if path.is_empty() => Value::Context(Rc::from(name)),
            Value::Context(path) => Value::Context(Rc::from(format!("{path}.{name}"))),
            Value::StageVariables => {
                (self.given.stage_variables)(name).map_or(Value::Null, Value::text)
            }
            Value::Foreach(index, length) => match name {
                "index" => Value::count(*index),
                "count" => Value::count(index + 1),
                "hasNext" => Value::Bool(index + 1 < *length),
                "first" => Value::Bool(*index == 0),
                "last" => Value::Bool(index + 1 == *length),
                _ => return Err(self.fault(format!("$foreach.{name} isn't supported"))),
            },
            Value::Text(text) if name == "empty" => Value::Bool(text.is_empty()),
            Value::Text(text) if name == "bytes" => Value::count(text.len()),
            other => other.member(name).cloned().unwrap_or(Value::Null),
        })
    }

    fn call(
        &mut self,
        value: Value,
        name: &str,
        arguments: &[Value],
        reference: &Reference,
        index: usize,
    ) -> Result<Value, Fault> {
        let answer = match &value {
            Value::Input => self.input(name, arguments),
            Value::Util => utility(name, arguments),
            Value::Context(path) if name == "get" => match arguments {
                [key] if path.is_empty() => {
                    return Ok(Value::Context(Rc::from(key.printed())));
                }
                [key] => {
                    let path = format!("{path}.{}", key.printed());
                    return Ok(Value::Context(Rc::from(path)));
                }
                _ => Ok(None),
            },
            Value::StageVariables if name == "get" => match arguments {
                [key] => Ok(Some(
                    (self.given.stage_variables)(&key.printed()).map_or(Value::Null, Value::text),
                )),
                _ => Ok(None),
            },
            _ => {
                // `$list.add(…)` changes the variable; deeper down it would change a copy.
                if index == 0 {
                    self.weighed(&value)?;
                    for argument in arguments {
                        self.weighed(argument)?;
                    }
                    // Freed before it's changed: else it would be copied each time.
                    let kept = matches!(value, Value::List(_) | Value::Map(_));
                    if kept {
                        drop(value);
                        if let Some(variable) = self.variables.get_mut(&reference.name) {
                            if let Some(answer) = methods::change(variable, name, arguments) {
                                return Ok(answer);
                            }
                            let variable = variable.clone();
                            return self.answered(
                                methods::call(&variable, name, arguments),
                                name,
                                arguments.len(),
                                reference,
                            );
                        }
                        return Ok(Value::Null);
                    }
                }
                let settled = self.settled(value);
                methods::call(&settled, name, arguments)
            }
        };
        self.answered(answer, name, arguments.len(), reference)
    }

    fn answered(
        &self,
        answer: methods::Called,
        name: &str,
        arguments: usize,
        reference: &Reference,
    ) -> Result<Value, Fault> {
        match answer {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.fault(format!(
                "{name} with {arguments} argument{} isn't supported in {}",
                if arguments == 1 { "" } else { "s" },
                reference.raw
            ))),
            Err(what) => Err(self.fault(what)),
        }
    }

    /// `$context.…` is looked up when it's used: until then more of its path may follow.
    fn settled(&self, value: Value) -> Value {
        match value {
            Value::Context(path) => (self.given.context)(&path).map_or(Value::Null, Value::text),
            other => other,
        }
    }

    fn document(&self) -> Result<&Json, String> {
        let body = self.given.body;
        self.parsed
            .get_or_init(|| {
                serde_json::from_str(body).map_err(|error| format!("the body isn't JSON: {error}"))
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// `$input`'s methods.
    fn input(&mut self, name: &str, arguments: &[Value]) -> methods::Called {
        match (name, arguments) {
            ("json", [path]) => {
                let path = JsonPath::parse(&path.printed())?;
                let text = match path.find(self.document()?) {
                    Found::One(None) => String::new(),
                    Found::One(Some(found)) => found.to_string(),
                    Found::Many(found) => serde_json::to_string(&found).unwrap_or_default(),
                };
                Ok(Some(Value::text(text)))
            }
            ("path", [path]) => {
                let path = JsonPath::parse(&path.printed())?;
                Ok(Some(match path.find(self.document()?) {
                    Found::One(found) => found.map_or(Value::Null, Value::from_json),
                    Found::Many(found) => {
                        Value::List(Rc::new(found.into_iter().map(Value::from_json).collect()))
                    }
                }))
            }
            ("params", [name]) => Ok(Some(
                (self.given.parameters)(&name.printed()).map_or(Value::Null, Value::text),
            )),
            _ => Ok(None),
        }
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Value, Fault> {
        self.spend(1)?;
        let value = match expression {
            Expression::Null => Value::Null,
            Expression::Bool(bool) => Value::Bool(*bool),
            Expression::Int(int) => Value::Int(*int),
            Expression::Float(float) => Value::Float(*float),
            Expression::Text(text) => Value::text(text.as_str()),
            Expression::Template(nodes) => {
                let mut text = String::new();
                self.run(nodes, &mut text)?;
                Value::text(text)
            }
            Expression::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.evaluate(item)?);
                }
                Value::List(Rc::new(values))
            }
            Expression::Map(members) => {
                let mut values = Vec::with_capacity(members.len());
                for (key, value) in members {
                    let key = self.evaluate(key)?.printed();
                    let value = self.evaluate(value)?;
                    methods::put(&mut values, &key, value);
                }
                Value::Map(Rc::new(values))
            }
            Expression::Range(first, last, line) => {
                let (first, last) = (self.evaluate(first)?, self.evaluate(last)?);
                self.range(&first, &last, *line)?
            }
            Expression::Reference(reference) => match self.resolve(reference)? {
                Some(value) => self.settled(value),
                None => Value::Null,
            },
            Expression::Not(inner) => Value::Bool(!self.evaluate(inner)?.is_true()),
            Expression::Negative(inner, line) => match self.evaluate(inner)? {
                Value::Int(int) => Value::Int(int.saturating_neg()),
                Value::Float(float) => Value::Float(-float),
                _ => return Err(Fault::new(*line, "`-` needs a number")),
            },
            Expression::Two(operator, left, right, line) => {
                self.operate(*operator, left, right, *line)?
            }
        };
        self.made(value)
    }

    fn range(&mut self, first: &Value, last: &Value, line: usize) -> Result<Value, Fault> {
        let (Value::Int(first), Value::Int(last)) = (first, last) else {
            return Err(Fault::new(line, "a range needs whole numbers"));
        };
        let length = usize::try_from(first.abs_diff(*last)).unwrap_or(usize::MAX);
        self.spend(length)?;
        let mut items: Vec<Value> = (*first.min(last)..=*first.max(last))
            .map(Value::Int)
            .collect();
        if first > last {
            items.reverse();
        }
        Ok(Value::List(Rc::new(items)))
    }

    fn operate(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
        line: usize,
    ) -> Result<Value, Fault> {
        let left = self.evaluate(left)?;
        // The logical ones don't look at the right if the left decides.
        match operator {
            Operator::And if !left.is_true() => return Ok(Value::Bool(false)),
            Operator::Or if left.is_true() => return Ok(Value::Bool(true)),
            _ => {}
        }
        let right = self.evaluate(right)?;
        Ok(match operator {
            Operator::And | Operator::Or => Value::Bool(right.is_true()),
            Operator::Equal => Value::Bool(left.equals(&right)),
            Operator::NotEqual => Value::Bool(!left.equals(&right)),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                // Velocity compares numbers only, and finds all else false.
                let order = match (&left, &right) {
                    (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
                    _ => left
                        .number()
                        .zip(right.number())
                        .and_then(|(left, right)| left.partial_cmp(&right)),
                };
                Value::Bool(order.is_some_and(|order| match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            Operator::Add
                if matches!((&left, &right), (Value::Text(_), _) | (_, Value::Text(_))) =>
            {
                let mut text = left.printed();
                right.print(&mut text);
                self.bounded(&text)?;
                Value::text(text)
            }
            _ => calculate(operator, &left, &right).map_err(|what| Fault::new(line, what))?,
        })
    }
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Result<Value, &'static str> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let whole = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        };
        return whole
            .map(Value::Int)
            .ok_or("the numbers are too big, or one is divided by 0");
    }
    let (Some(left), Some(right)) = (left.number(), right.number()) else {
        return Err("an arithmetic operator needs numbers");
    };
    Ok(Value::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => left % right,
    }))
}

/// `$util`'s methods.
fn utility(name: &str, arguments: &[Value]) -> methods::Called {
    let [argument] = arguments else {
        return Ok(None);
    };
    let text = argument.printed();
    Ok(Some(match name {
        "urlEncode" => {
            Value::text(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
        }
        "urlDecode" => {
            let spaced = text.replace('+', " ");
            Value::text(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy())
        }
        "escapeJavaScript" => Value::text(escaped(&text)),
        "base64Encode" => Value::text(BASE64.encode(text)),
        "base64Decode" => {
            let bytes = BASE64
                .decode(text)
                .map_err(|error| format!("base64Decode: {error}"))?;
            Value::text(String::from_utf8_lossy(&bytes))
        }
        "parseJson" => Value::from_json(
            &serde_json::from_str(&text).map_err(|error| format!("parseJson: {error}"))?,
        ),
        _ => return Ok(None),
    }))
}

/// As Apache Commons does it, which API Gateway uses: `'` and `/` too, and all beyond ASCII.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 16);
    for unit in text.encode_utf16() {
        let known = match unit {
            0x08 => Some('b'),
            0x09 => Some('t'),
            0x0a => Some('n'),
            0x0c => Some('f'),
            0x0d => Some('r'),
            _ => u8::try_from(unit)
                .ok()
                .map(char::from)
                .filter(|c| matches!(c, '"' | '\'' | '\\' | '/')),
        };
        match (known, u8::try_from(unit)) {
            (Some(known), _) => {
                out.push('\\');
                out.push(known);
            }
            (None, Ok(plain @ 0x20..=0x7e)) => out.push(char::from(plain)),
            _ => {
                let _ = write!(out, "\\u{unit:04X}");
            }
        }
    }
    out
}
