//! Metric math: a useful part of it. Pure.
//!
//! Ids, numbers, `+ - * / ^`, comparisons, brackets, lists, and the functions of [`apply`]. What is not there is refused
//! with a message that says so; AWS's own would be taken for a mistake of the caller's.

use std::collections::BTreeMap;

use crate::clock::Millis;

/// Values by time.
pub type Values = BTreeMap<Millis, f64>;

/// Deeper expressions are refused.
const DEEPEST: usize = 32;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `100`.
    Number(f64),
    /// `m1`.
    Id(String),
    /// `"m"` in `METRICS("m")`.
    Text(String),
    /// `[m1, m2]`.
    List(Vec<Self>),
    /// `-m1`.
    Negative(Box<Self>),
    /// `m1 / m2`.
    Operation(&'static str, Box<Self>, Box<Self>),
    /// `SUM(METRICS())`.
    Call(String, Vec<Self>),
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// One number.
    Number(f64),
    /// One series.
    Series(Values),
    /// Several series.
    Several(Vec<Values>),
    /// A text, such as `REPEAT`.
    Text(String),
}

/// What an expression is worked out with.
pub trait Scope {
    /// What an id stands for.
    fn of(&self, id: &str) -> Option<Outcome>;
    /// The ids of the metrics (not the expressions) that there are.
    fn metrics(&self) -> Vec<String>;
    /// When the windows begin, from the oldest.
    fn windows(&self) -> &[Millis];
    /// How long a window of an id is, in seconds.
    fn period(&self, id: &str) -> Option<f64>;
}

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { rest: text.trim() };
    let expression = parser.comparison(0)?;
    if parser.rest.is_empty() {
        Ok(expression)
    } else {
        Err(format!("unexpected `{}`", parser.rest))
    }
}

/// The ids that an expression names.
pub fn ids(expression: &Expression) -> Vec<&str> {
    match expression {
        Expression::Id(id) => vec![id],
        Expression::Number(_) | Expression::Text(_) => Vec::new(),
        Expression::List(parts) | Expression::Call(_, parts) => {
            parts.iter().flat_map(ids).collect()
        }
        Expression::Negative(inner) => ids(inner),
        Expression::Operation(_, left, right) => {
            let mut all = ids(left);
            all.extend(ids(right));
            all
        }
    }
}

/// Works an expression out.
pub fn evaluate(expression: &Expression, scope: &dyn Scope) -> Result<Outcome, String> {
    match expression {
        Expression::Number(number) => Ok(Outcome::Number(*number)),
        Expression::Text(text) => Ok(Outcome::Text(text.clone())),
        Expression::Id(id) if matches!(id.as_str(), "REPEAT" | "LINEAR") => {
            Ok(Outcome::Text(id.clone()))
        }
        Expression::Id(id) => scope
            .of(id)
            .ok_or_else(|| format!("there is no metric with the id {id}")),
        Expression::List(parts) => {
            let mut several = Vec::new();
            for part in parts {
                match evaluate(part, scope)? {
                    Outcome::Series(values) => several.push(values),
                    Outcome::Several(values) => several.extend(values),
                    Outcome::Number(_) | Outcome::Text(_) => {
                        return Err("a list can have only series".to_owned());
                    }
                }
            }
            Ok(Outcome::Several(several))
        }
        Expression::Negative(inner) => map(evaluate(inner, scope)?, |value| -value),
        Expression::Operation(sign, left, right) => {
            let (left, right) = (evaluate(left, scope)?, evaluate(right, scope)?);
            combine(left, right, &|left, right| operate(sign, left, right))
        }
        Expression::Call(name, arguments) => apply(name, arguments, scope),
    }
}

fn operate(sign: &str, left: f64, right: f64) -> Option<f64> {
    let truth = |truth: bool| Some(f64::from(u8::from(truth)));
    match sign {
        "+" => Some(left + right),
        "-" => Some(left - right),
        "*" => Some(left * right),
        "/" => Some(left / right),
        "^" => Some(left.powf(right)),
        "<" => truth(left < right),
        "<=" => truth(left <= right),
        ">" => truth(left > right),
        ">=" => truth(left >= right),
        "==" => truth((left - right).abs() < f64::EPSILON),
        _ => truth((left - right).abs() >= f64::EPSILON),
    }
    // What can't be divided has no datapoint.
    .filter(|value| value.is_finite())
}

/// Two operands: times that only one has fall away, as in AWS.
fn combine(
    left: Outcome,
    right: Outcome,
    operate: &dyn Fn(f64, f64) -> Option<f64>,
) -> Result<Outcome, String> {
    let of = |values: &Values, operate: &dyn Fn(f64) -> Option<f64>| {
        values
            .iter()
            .filter_map(|(at, value)| Some((*at, operate(*value)?)))
            .collect::<Values>()
    };
    let both = |left: &Values, right: &Values| {
        left.iter()
            .filter_map(|(at, value)| Some((*at, operate(*value, *right.get(at)?)?)))
            .collect::<Values>()
    };
    Ok(match (left, right) {
        (Outcome::Number(left), Outcome::Number(right)) => {
            Outcome::Number(operate(left, right).unwrap_or_default())
        }
        (Outcome::Series(left), Outcome::Number(right)) => {
            Outcome::Series(of(&left, &|value| operate(value, right)))
        }
        (Outcome::Number(left), Outcome::Series(right)) => {
            Outcome::Series(of(&right, &|value| operate(left, value)))
        }
        (Outcome::Series(left), Outcome::Series(right)) => Outcome::Series(both(&left, &right)),
        (Outcome::Several(left), Outcome::Number(right)) => Outcome::Several(
            left.iter()
                .map(|left| of(left, &|value| operate(value, right)))
                .collect(),
        ),
        (Outcome::Number(left), Outcome::Several(right)) => Outcome::Several(
            right
                .iter()
                .map(|right| of(right, &|value| operate(left, value)))
                .collect(),
        ),
        (Outcome::Several(left), Outcome::Series(right)) => {
            Outcome::Several(left.iter().map(|left| both(left, &right)).collect())
        }
        (Outcome::Series(left), Outcome::Several(right)) => {
            Outcome::Several(right.iter().map(|right| both(&left, right)).collect())
        }
        _ => return Err("these two can't be put together".to_owned()),
    })
}

fn map(outcome: Outcome, change: impl Fn(f64) -> f64) -> Result<Outcome, String> {
    let of = |values: Values| -> Values {
        values
            .into_iter()
            .map(|(at, value)| (at, change(value)))
            .collect()
    };
    match outcome {
        Outcome::Number(number) => Ok(Outcome::Number(change(number))),
        Outcome::Series(values) => Ok(Outcome::Series(of(values))),
        Outcome::Several(several) => Ok(Outcome::Several(several.into_iter().map(of).collect())),
        Outcome::Text(text) => Err(format!("`{text}` isn't a number")),
    }
}

/// The functions.
fn apply(name: &str, arguments: &[Expression], scope: &dyn Scope) -> Result<Outcome, String> {
    let first = || -> Result<Outcome, String> {
        evaluate(
            arguments
                .first()
                .ok_or_else(|| format!("{name} needs an argument"))?,
            scope,
        )
    };
    match name {
        "METRICS" => {
            let part = match arguments {
                [] => "",
                [Expression::Text(part)] => part.as_str(),
                _ => return Err("METRICS takes nothing, or a part of an id in quotes".to_owned()),
            };
            Ok(Outcome::Several(
                scope
                    .metrics()
                    .iter()
                    .filter(|id| id.contains(part))
                    .filter_map(|id| match scope.of(id) {
                        Some(Outcome::Series(values)) => Some(values),
                        _ => None,
                    })
                    .collect(),
            ))
        }
        "SUM" | "AVG" | "MIN" | "MAX" => Ok(fold(name, first()?)?),
        "ABS" => map(first()?, f64::abs),
        "CEIL" => map(first()?, f64::ceil),
        "FLOOR" => map(first()?, f64::floor),
        "PERIOD" => match arguments {
            [Expression::Id(id)] => scope
                .period(id)
                .map(Outcome::Number)
                .ok_or_else(|| format!("there is no metric with the id {id}")),
            _ => Err("PERIOD takes an id".to_owned()),
        },
        "FILL" => {
            let filling = evaluate(
                arguments
                    .get(1)
                    .ok_or("FILL takes a series and what to fill it with")?,
                scope,
            )?;
            each(first()?, |values| fill(values, &filling, scope.windows()))
        }
        "RATE" | "DIFF" => each(first()?, |values| Ok(difference(&values, name == "RATE"))),
        "RUNNING_SUM" => each(first()?, |values| {
            let mut sum = 0.0;
            Ok(values
                .into_iter()
                .map(|(at, value)| {
                    sum += value;
                    (at, sum)
                })
                .collect())
        }),
        "IF" => {
            let [_, then, otherwise] = arguments else {
                return Err("IF takes a condition and two values".to_owned());
            };
            choose(
                first()?,
                &evaluate(then, scope)?,
                &evaluate(otherwise, scope)?,
            )
        }
        _ => Err(format!("wsless's embedded cloud doesn't have {name}")),
    }
}

/// One series becomes one number, several become one series.
fn fold(name: &str, outcome: Outcome) -> Result<Outcome, String> {
    #[allow(clippy::cast_precision_loss, reason = "there are never that many")]
    let of = |values: &[f64]| -> Option<f64> {
        if values.is_empty() {
            return None;
        }
        Some(match name {
            "SUM" => values.iter().sum(),
            "AVG" => values.iter().sum::<f64>() / values.len() as f64,
            "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
            _ => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    };
    match outcome {
        Outcome::Number(number) => Ok(Outcome::Number(number)),
        Outcome::Series(values) => {
            let values: Vec<f64> = values.into_values().collect();
            Ok(of(&values).map_or(Outcome::Series(Values::new()), Outcome::Number))
        }
        Outcome::Several(several) => {
            let mut by_time: BTreeMap<Millis, Vec<f64>> = BTreeMap::new();
            for (at, value) in several.into_iter().flatten() {
                by_time.entry(at).or_default().push(value);
            }
            Ok(Outcome::Series(
                by_time
                    .into_iter()
                    .filter_map(|(at, values)| Some((at, of(&values)?)))
                    .collect(),
            ))
        }
        Outcome::Text(text) => Err(format!("`{text}` isn't a series")),
    }
}

fn each(
    outcome: Outcome,
    change: impl Fn(Values) -> Result<Values, String>,
) -> Result<Outcome, String> {
    match outcome {
        Outcome::Series(values) => change(values).map(Outcome::Series),
        Outcome::Several(several) => several
            .into_iter()
            .map(change)
            .collect::<Result<_, _>>()
            .map(Outcome::Several),
        Outcome::Number(_) | Outcome::Text(_) => Err("it takes a series".to_owned()),
    }
}

fn fill(values: Values, filling: &Outcome, windows: &[Millis]) -> Result<Values, String> {
    let known = values;
    let of = |at: Millis| -> Option<f64> {
        match filling {
            Outcome::Number(number) => Some(*number),
            Outcome::Series(other) => other.get(&at).copied(),
            Outcome::Text(how) if how == "REPEAT" => {
                known.range(..at).next_back().map(|(_, value)| *value)
            }
            Outcome::Text(_) => {
                let (before, from) = known.range(..at).next_back()?;
                let (after, to) = known.range(at..).next()?;
                let part = (at.seconds() - before.seconds()) / (after.seconds() - before.seconds());
                Some(from + (to - from) * part)
            }
            Outcome::Several(_) => None,
        }
    };
    if matches!(filling, Outcome::Several(_)) {
        return Err("FILL takes one value".to_owned());
    }
    let mut filled = known.clone();
    for at in windows {
        if !known.contains_key(at)
            && let Some(value) = of(*at)
        {
            filled.insert(*at, value);
        }
    }
    Ok(filled)
}

fn difference(values: &Values, a_second: bool) -> Values {
    values
        .iter()
        .zip(values.iter().skip(1))
        .map(|((before, from), (at, to))| {
            let seconds = if a_second {
                at.seconds() - before.seconds()
            } else {
                1.0
            };
            (*at, (to - from) / seconds)
        })
        .collect()
}

fn choose(condition: Outcome, then: &Outcome, otherwise: &Outcome) -> Result<Outcome, String> {
    let of = |outcome: &Outcome, at: Millis| match outcome {
        Outcome::Number(number) => Some(*number),
        Outcome::Series(values) => values.get(&at).copied(),
        _ => None,
    };
    match condition {
        Outcome::Number(truth) => Ok(if truth == 0.0 {
            otherwise.clone()
        } else {
            then.clone()
        }),
        Outcome::Series(truths) => Ok(Outcome::Series(
            truths
                .into_iter()
                .filter_map(|(at, truth)| {
                    let chosen = if truth == 0.0 { otherwise } else { then };
                    Some((at, of(chosen, at)?))
                })
                .collect(),
        )),
        _ => Err("IF's condition is a number or a series".to_owned()),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, sign: &str) -> bool {
        if let Some(rest) = self.rest.strip_prefix(sign) {
            self.rest = rest.trim_start();
            true
        } else {
            false
        }
    }

    fn one_of(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.eat(sign))
    }

    fn comparison(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEEPEST {
            return Err("the expression is nested too deeply".to_owned());
        }
        let mut left = self.sum(depth)?;
        while let Some(sign) = self.one_of(&["<=", ">=", "==", "!=", "<", ">"]) {
            let right = self.sum(depth)?;
            left = Expression::Operation(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.product(depth)?;
        while let Some(sign) = self.one_of(&["+", "-"]) {
            let right = self.product(depth)?;
            left = Expression::Operation(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Expression, String> {
        let mut left = self.power(depth)?;
        while let Some(sign) = self.one_of(&["*", "/"]) {
            let right = self.power(depth)?;
            left = Expression::Operation(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn power(&mut self, depth: usize) -> Result<Expression, String> {
        let left = self.operand(depth)?;
        if self.eat("^") {
            let right = self.operand(depth)?;
            return Ok(Expression::Operation("^", Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEEPEST {
            return Err("the expression is nested too deeply".to_owned());
        }
        if self.eat("-") {
            return Ok(Expression::Negative(Box::new(self.operand(depth + 1)?)));
        }
        if self.eat("(") {
            let inner = self.comparison(depth + 1)?;
            return if self.eat(")") {
                Ok(inner)
            } else {
                Err("a bracket isn't closed".to_owned())
            };
        }
        if self.eat("[") {
            return Ok(Expression::List(self.list("]", depth)?));
        }
        for quote in ['"', '\''] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let (text, rest) = rest.split_once(quote).ok_or("a quote isn't closed")?;
                self.rest = rest.trim_start();
                return Ok(Expression::Text(text.to_owned()));
            }
        }
        let end = self
            .rest
            .find(|character: char| {
                !(character.is_ascii_alphanumeric() || character == '_' || character == '.')
            })
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(if self.rest.is_empty() {
                "it ends too soon".to_owned()
            } else {
                format!("unexpected `{}`", self.rest)
            });
        }
        let word = word.to_owned();
        self.rest = rest.trim_start();
        if word.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
            return word
                .parse()
                .map(Expression::Number)
                .map_err(|_| format!("`{word}` isn't a number"));
        }
        if self.eat("(") {
            return Ok(Expression::Call(word, self.list(")", depth)?));
        }
        Ok(Expression::Id(word))
    }

    fn list(&mut self, end: &str, depth: usize) -> Result<Vec<Expression>, String> {
        let mut parts = Vec::new();
        if self.eat(end) {
            return Ok(parts);
        }
        loop {
            parts.push(self.comparison(depth + 1)?);
            if self.eat(end) {
                return Ok(parts);
            }
            if !self.eat(",") {
                return Err("a bracket isn't closed".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Outcome, Scope, Values, evaluate, parse};
    use crate::clock::Millis;

    struct Test {
        windows: Vec<Millis>,
    }

    fn series(values: &[(i64, f64)]) -> Values {
        values
            .iter()
            .map(|(second, value)| (Millis(second * 1000), *value))
            .collect()
    }

    impl Scope for Test {
        fn of(&self, id: &str) -> Option<Outcome> {
            Some(Outcome::Series(match id {
                "m1" => series(&[(0, 1.0), (60, 2.0), (120, 4.0)]),
                "m2" => series(&[(0, 10.0), (120, 0.0)]),
                _ => return None,
            }))
        }

        fn metrics(&self) -> Vec<String> {
            vec!["m1".to_owned(), "m2".to_owned()]
        }

        fn windows(&self) -> &[Millis] {
            &self.windows
        }

        fn period(&self, _: &str) -> Option<f64> {
            Some(60.0)
        }
    }

    fn of(text: &str) -> Result<Outcome, String> {
        let scope = Test {
            windows: vec![Millis(0), Millis(60_000), Millis(120_000)],
        };
        evaluate(&parse(text)?, &scope)
    }

    #[test]
    fn arithmetic_has_its_precedence_and_works_where_both_have_values() {
        for (text, expected) in [
            ("m1 + m2 * 2", series(&[(0, 21.0), (120, 4.0)])),
            ("(m1 + m2) * 2", series(&[(0, 22.0), (120, 8.0)])),
            ("100 * m1 / m2", series(&[(0, 10.0)])),
            ("-m1", series(&[(0, -1.0), (60, -2.0), (120, -4.0)])),
            (
                "SUM(METRICS())",
                series(&[(0, 11.0), (60, 2.0), (120, 4.0)]),
            ),
            ("MAX([m1, m2])", series(&[(0, 10.0), (60, 2.0), (120, 4.0)])),
            ("FILL(m2, 0)", series(&[(0, 10.0), (60, 0.0), (120, 0.0)])),
            (
                "FILL(m2, REPEAT)",
                series(&[(0, 10.0), (60, 10.0), (120, 0.0)]),
            ),
            (
                "FILL(m2, LINEAR)",
                series(&[(0, 10.0), (60, 5.0), (120, 0.0)]),
            ),
            ("RATE(m1) * 60", series(&[(60, 1.0), (120, 2.0)])),
            (
                "IF(m1 > 1, m1, 0)",
                series(&[(0, 0.0), (60, 2.0), (120, 4.0)]),
            ),
            (
                "m1 / PERIOD(m1) * 60",
                series(&[(0, 1.0), (60, 2.0), (120, 4.0)]),
            ),
        ] {
            assert_eq!(of(text), Ok(Outcome::Series(expected)), "{text}");
        }
        assert_eq!(of("SUM(m1) / 7"), Ok(Outcome::Number(1.0)));
    }

    #[test]
    fn what_isnt_an_expression_is_refused() {
        for text in [
            "",
            "m1 +",
            "(m1",
            "[m1",
            "m1 m2",
            "m3",
            "SEARCH('x', 'Sum', 60)",
            "1..2",
            "FILL(m1)",
            "\"a",
            "€",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"-".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_or_working_out_fail(
            text in "(m1|m2|SUM|FILL|METRICS|IF|RATE|REPEAT|[-+*/^<>=!()\\[\\],.\" 0-9]){0,20}|\\PC{0,30}",
        ) {
            let _ = of(&text);
        }
    }
}
