//! The methods that templates call: those of Java's strings, lists and maps that are used in practice.

use std::rc::Rc;

use super::value::Value;

/// A method's answer; or nothing if the value has no such method; or why it failed.
pub(super) type Called = Result<Option<Value>, String>;

/// Patterns longer than this are nobody's.
const PATTERN: usize = 1_000;

/// Calls a method that doesn't change the value.
pub(super) fn call(value: &Value, name: &str, arguments: &[Value]) -> Called {
    let own = match value {
        Value::Null => of_text("", name, arguments),
        Value::Text(text) => of_text(text, name, arguments),
        Value::List(items) => Ok(of_list(items, name, arguments)),
        Value::Map(members) => Ok(of_map(members, name, arguments)),
        Value::Int(_) | Value::Float(_) => Ok(of_number(value, name)),
        _ => Ok(None),
    }?;
    Ok(own.or_else(|| of_any(value, name, arguments)))
}

fn of_any(value: &Value, name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("toString", []) => Value::text(value.printed()),
        ("equals", [other]) => Value::Bool(value.equals(other)),
        _ => return None,
    })
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "Java's own rule for these methods is to cut"
)]
fn of_number(value: &Value, name: &str) -> Option<Value> {
    Some(match (name, value) {
        ("intValue" | "longValue", Value::Float(float)) => Value::Int(*float as i64),
        ("intValue" | "longValue", other) => other.clone(),
        ("doubleValue", other) => Value::Float(other.number()?),
        _ => return None,
    })
}

fn of_text(text: &str, name: &str, arguments: &[Value]) -> Called {
    let string = |value: &Value| value.printed();
    Ok(Some(match (name, arguments) {
        ("length", []) => Value::count(text.encode_utf16().count()),
        ("isEmpty", []) => Value::Bool(text.is_empty()),
        ("trim", []) => Value::text(text.trim_matches(|c| c <= ' ')),
        ("toLowerCase", []) => Value::text(text.to_lowercase()),
        ("toUpperCase", []) => Value::text(text.to_uppercase()),
        ("contains", [part]) => Value::Bool(text.contains(&string(part))),
        ("startsWith", [part]) => Value::Bool(text.starts_with(&string(part))),
        ("endsWith", [part]) => Value::Bool(text.ends_with(&string(part))),
        ("equals", [other]) => Value::Bool(text == string(other)),
        ("equalsIgnoreCase", [other]) => {
            Value::Bool(text.to_lowercase() == string(other).to_lowercase())
        }
        ("concat", [other]) => Value::text(format!("{text}{}", string(other))),
        ("indexOf", [part]) => index(text, text.find(&string(part))),
        ("lastIndexOf", [part]) => index(text, text.rfind(&string(part))),
        ("charAt", [Value::Int(at)]) => Value::text(
            part(text, *at, at.saturating_add(1))
                .ok_or_else(|| format!("charAt({at}) is beyond the text's end"))?,
        ),
        ("substring", [Value::Int(from)]) => {
            let end = i64::try_from(text.encode_utf16().count()).unwrap_or(i64::MAX);
            Value::text(
                part(text, *from, end)
                    .ok_or_else(|| format!("substring({from}) is beyond the text's end"))?,
            )
        }
        ("substring", [Value::Int(from), Value::Int(to)]) => Value::text(
            part(text, *from, *to)
                .ok_or_else(|| format!("substring({from}, {to}) is beyond the text's end"))?,
        ),
        ("replace", [from, to]) => {
            let from = string(from);
            if from.is_empty() {
                return Err("replace needs something to replace".to_owned());
            }
            Value::text(grown(text.replace(&from, &string(to)))?)
        }
        ("replaceAll", [pattern, with]) => replace(text, &string(pattern), &string(with), 0)?,
        ("replaceFirst", [pattern, with]) => replace(text, &string(pattern), &string(with), 1)?,
        ("matches", [pattern]) => {
            let whole = regex(&format!("^(?:{})$", string(pattern)))?;
            Value::Bool(whole.is_match(text))
        }
        ("split", [pattern]) => {
            let pattern = regex(&string(pattern))?;
            let mut parts: Vec<&str> = pattern.split(text).collect();
            // Java leaves out empty parts at the end.
            while parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
                parts.pop();
            }
            Value::List(Rc::new(parts.into_iter().map(Value::text).collect()))
        }
        _ => return Ok(None),
    }))
}

/// Java counts in UTF-16.
fn index(text: &str, at: Option<usize>) -> Value {
    at.and_then(|at| text.get(..at))
        .map_or(Value::Int(-1), |before| {
            Value::count(before.encode_utf16().count())
        })
}

fn part(text: &str, from: i64, to: i64) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let from = usize::try_from(from).ok()?;
    let to = usize::try_from(to).ok()?;
    units.get(from..to).map(String::from_utf16_lossy)
}

fn regex(pattern: &str) -> Result<regex_lite::Regex, String> {
    if pattern.len() > PATTERN {
        return Err(format!("a pattern has at most {PATTERN} characters"));
    }
    regex_lite::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("the pattern `{pattern}` can't be used: {error}"))
}

fn replace(text: &str, pattern: &str, with: &str, most: usize) -> Result<Value, String> {
    let pattern = regex(pattern)?;
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for (count, captures) in pattern.captures_iter(text).enumerate() {
        let Some(whole) = captures.get(0).filter(|_| most == 0 || count < most) else {
            break;
        };
        replaced.push_str(text.get(end..whole.start()).unwrap_or(""));
        expand(&mut replaced, with, &captures)?;
        end = whole.end();
        replaced = grown(replaced)?;
    }
    replaced.push_str(text.get(end..).unwrap_or(""));
    Ok(Value::text(grown(replaced)?))
}

/// Java's replacements: `$1` is a group, `\` takes what follows as it is.
fn expand(out: &mut String, with: &str, captures: &regex_lite::Captures<'_>) -> Result<(), String> {
    let mut characters = with.chars().peekable();
    while let Some(next) = characters.next() {
        match next {
            '\\' => out.push(
                characters
                    .next()
                    .ok_or("the replacement ends in a backslash")?,
            ),
            '$' => {
                let group = characters
                    .next()
                    .and_then(|digit| digit.to_digit(10))
                    .and_then(|digit| usize::try_from(digit).ok())
                    .ok_or("`$` in the replacement needs a group's number")?;
                out.push_str(captures.get(group).map_or("", |group| group.as_str()));
            }
            other => out.push(other),
        }
    }
    Ok(())
}

fn grown(text: String) -> Result<String, String> {
    if text.len() > super::MOST_OUTPUT {
        Err("a text grows too big".to_owned())
    } else {
        Ok(text)
    }
}

fn of_list(items: &[Value], name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("size" | "length", []) => Value::count(items.len()),
        ("isEmpty", []) => Value::Bool(items.is_empty()),
        ("get", [Value::Int(at)]) => usize::try_from(*at)
            .ok()
            .and_then(|at| items.get(at))
            .cloned()
            .unwrap_or(Value::Null),
        ("contains", [item]) => Value::Bool(items.iter().any(|other| other.equals(item))),
        ("indexOf", [item]) => items
            .iter()
            .position(|other| other.equals(item))
            .map_or(Value::Int(-1), Value::count),
        _ => return None,
    })
}

fn of_map(members: &[(Rc<str>, Value)], name: &str, arguments: &[Value]) -> Option<Value> {
    let of = |key: &Value| {
        let key = key.printed();
        members
            .iter()
            .find(|(name, _)| **name == *key)
            .map(|(_, value)| value)
    };
    Some(match (name, arguments) {
        ("size", []) => Value::count(members.len()),
        ("isEmpty", []) => Value::Bool(members.is_empty()),
        ("get", [key]) => of(key).cloned().unwrap_or(Value::Null),
        ("getOrDefault", [key, other]) => of(key).unwrap_or(other).clone(),
        ("containsKey", [key]) => Value::Bool(of(key).is_some()),
        ("keySet", []) => Value::List(Rc::new(
            members
                .iter()
                .map(|(name, _)| Value::Text(Rc::clone(name)))
                .collect(),
        )),
        ("values", []) => Value::List(Rc::new(
            members.iter().map(|(_, value)| value.clone()).collect(),
        )),
        ("entrySet", []) => Value::List(Rc::new(members.iter().map(entry).collect())),
        _ => return None,
    })
}

fn entry((name, value): &(Rc<str>, Value)) -> Value {
    Value::Map(Rc::new(vec![
        (Rc::from("key"), Value::Text(Rc::clone(name))),
        (Rc::from("value"), value.clone()),
    ]))
}

/// Calls a method that changes the value; nothing if it isn't one.
pub(super) fn change(value: &mut Value, name: &str, arguments: &[Value]) -> Option<Value> {
    match (value, name, arguments) {
        (Value::List(items), "add", [item]) => {
            Rc::make_mut(items).push(item.clone());
            Some(Value::Bool(true))
        }
        (Value::List(items), "addAll", [Value::List(more)]) => {
            Rc::make_mut(items).extend(more.iter().cloned());
            Some(Value::Bool(true))
        }
        (Value::List(items), "remove", [Value::Int(at)]) => {
            let at = usize::try_from(*at).ok().filter(|at| *at < items.len())?;
            Some(Rc::make_mut(items).remove(at))
        }
        (Value::Map(members), "put", [name, value]) => {
            Some(put(Rc::make_mut(members), &name.printed(), value.clone()))
        }
        (Value::Map(members), "putAll", [Value::Map(more)]) => {
            for (name, value) in more.iter() {
                put(Rc::make_mut(members), name, value.clone());
            }
            Some(Value::Null)
        }
        (Value::Map(members), "remove", [name]) => {
            let name = name.printed();
            let at = members.iter().position(|(key, _)| **key == *name);
            Some(at.map_or(Value::Null, |at| Rc::make_mut(members).remove(at).1))
        }
        _ => None,
    }
}

/// Sets a member, and says what was there.
pub(super) fn put(members: &mut Vec<(Rc<str>, Value)>, name: &str, value: Value) -> Value {
    if let Some((_, there)) = members.iter_mut().find(|(key, _)| **key == *name) {
        return std::mem::replace(there, value);
    }
    members.push((Rc::from(name), value));
    Value::Null
}
