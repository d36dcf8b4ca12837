//! The schema and the reader agree, by a small validator of what the schema uses.

use regex_lite::Regex;
use serde_json::{Value, json};

use super::{GOOD, errors};
use crate::manifest::{
    AlarmName,
    declaration::{Key, Kind, Text},
    keys, schema,
};

/// Whether `value` is valid by `schema`. A keyword that it doesn't know is an error of the test.
fn valid(schema: &Value, value: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return schema
            .as_bool()
            .expect("a schema is an object or a boolean");
    };
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" => true,
        "type" => match rule.as_str().expect("a type is a word") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("type {other}"),
        },
        "properties" => value.as_object().is_none_or(|object| {
            object
                .iter()
                .all(|(key, value)| rule.get(key).is_none_or(|rule| valid(rule, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let known = schema.get("properties").and_then(Value::as_object);
            object
                .iter()
                .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)))
                .all(|(_, value)| valid(rule, value))
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|object| object.keys().all(|key| valid(rule, &json!(key)))),
        "required" => value.as_object().is_none_or(|object| {
            let names = rule.as_array().expect("names").iter();
            names
                .filter_map(Value::as_str)
                .all(|name| object.contains_key(name))
        }),
        "maxProperties" => value
            .as_object()
            .is_none_or(|object| object.len() as u64 <= rule.as_u64().expect("a number")),
        "minProperties" => value
            .as_object()
            .is_none_or(|object| object.len() as u64 >= rule.as_u64().expect("a number")),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| valid(rule, item))),
        "minItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 >= rule.as_u64().expect("a number")),
        "maxItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 <= rule.as_u64().expect("a number")),
        "minimum" => value
            .as_f64()
            .is_none_or(|value| value >= rule.as_f64().expect("a number")),
        "maximum" => value
            .as_f64()
            .is_none_or(|value| value <= rule.as_f64().expect("a number")),
        "multipleOf" => value
            .as_i64()
            .is_none_or(|value| value % rule.as_i64().expect("a number") == 0),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().expect("a number")),
        "pattern" => value.as_str().is_none_or(|text| {
            Regex::new(rule.as_str().expect("a pattern"))
                .expect("a valid one")
                .is_match(text)
        }),
        "enum" => rule.as_array().expect("choices").contains(value),
        "not" => !valid(rule, value),
        "anyOf" => rule
            .as_array()
            .expect("schemas")
            .iter()
            .any(|rule| valid(rule, value)),
        other => panic!("keyword {other}"),
    })
}

pub(super) fn by_schema(schema: &Value, text: &str) -> Option<bool> {
    let value: toml::Value = toml::from_str(text).ok()?;
    Some(valid(schema, &serde_json::to_value(value).ok()?))
}

/// A manifest in which `key` of the table at `path` is `value`; names of the user's are `echo`.
fn manifest(path: &[&str], key: &str, value: &str) -> String {
    let mut text = String::from("project.name = \"chat\"\n");
    if [path, &[key]].concat() == ["project", "name"] || [path, &[key]].concat() == ["project"] {
        text.clear();
    }
    let path = [path, &[key]].concat().join(".");
    text = format!("{text}{path} = {value}\n");
    if !path.starts_with("routes") {
        text.push_str("routes.x = { handler = \"echo\" }\n");
    }
    text
}

/// Calls `check` with each key of each table, down to the last, and the table's path.
fn each_key(
    path: &mut Vec<&'static str>,
    keys: &'static [Key],
    check: &mut dyn FnMut(&[&'static str], &'static Key),
) {
    for key in keys {
        check(path, key);
        path.push(key.name);
        match &key.kind {
            Kind::Map(map) => {
                if let Some(keys) = map.value.keys() {
                    path.push("echo");
                    each_key(path, keys, check);
                    path.pop();
                }
            }
            kind => {
                if let Some(keys) = kind.keys() {
                    each_key(path, keys, check);
                }
            }
        }
        path.pop();
    }
}

/// Codes that are about one value alone, as a schema is.
const VALUE_CODES: [&str; 5] = [
    "manifest::unknown-key",
    "manifest::wrong-type",
    "manifest::out-of-range",
    "manifest::invalid-value",
    "manifest::reserved",
];

fn by_reader(text: &str) -> bool {
    errors(text)
        .iter()
        .all(|found| !VALUE_CODES.contains(&found.code))
}

#[test]
fn the_schema_and_the_reader_take_the_same_values_of_every_key() {
    let schema = schema();
    let mut checked = 0;
    each_key(&mut Vec::new(), keys::MANIFEST, &mut |path, key| {
        let mut values: Vec<String> = [
            "true",
            "0",
            "-1",
            "1.5",
            "\"\"",
            "\"?\"",
            "[]",
            "{}",
            "{ x = 1 }",
            "[1]",
            "1979-05-27",
        ]
        .map(String::from)
        .into();
        values.push(key.example.to_owned());
        match &key.kind {
            Kind::Integer(limits) => values.extend(
                [limits.min - 1, limits.min, limits.max, limits.max + 1].map(|n| n.to_string()),
            ),
            Kind::Duration(limits) => values.extend(
                [
                    limits.min.saturating_sub(1),
                    limits.min,
                    limits.max,
                    limits.max + 1,
                    10,
                    60,
                    61,
                ]
                .map(|n| n.to_string()),
            ),
            Kind::IntegerChoice(choices, _) => values.extend(
                choices
                    .iter()
                    .flat_map(|n| [n.to_string(), (n + 1).to_string()]),
            ),
            Kind::Choice(choices) => {
                values.extend(choices.iter().map(|word| format!("\"{word}\"")));
            }
            Kind::Text(text) => values.extend(
                [text.max, text.max + 1].map(|length| format!("\"{}\"", "a".repeat(length))),
            ),
            Kind::Map(map) => {
                let inner = if matches!(map.value, Kind::Table(_)) {
                    "{ handler = \"echo\" }"
                } else {
                    "\"x\""
                };
                for name in [
                    "a",
                    "AB",
                    "A-b",
                    "push",
                    "x-dlq",
                    "$connect",
                    "$other",
                    "aws:x",
                    "WSLESS_X",
                    "AWS_REGION",
                    "",
                ] {
                    values.push(format!("{{ \"{name}\" = {inner} }}"));
                }
            }
            _ => {}
        }
        for value in values {
            let text = manifest(path, key.name, &value);
            // A date is a string to JSON, and a table is to a schema what its required keys say it is.
            if value.contains("1979") {
                continue;
            }
            let Some(valid) = by_schema(&schema, &text) else {
                continue;
            };
            let read = by_reader(&text)
                && errors(&text)
                    .iter()
                    .all(|found| found.code != "manifest::missing");
            // In a stage the rest may be elsewhere, so only the reader misses it.
            let read = if path.first() == Some(&"stages") {
                by_reader(&text)
            } else {
                read
            };
            assert_eq!(valid, read, "{text}\n{:#?}", errors(&text));
            checked += 1;
        }
    });
    assert!(checked > 1000, "{checked}");
}

#[test]
fn every_example_and_every_default_is_taken() {
    let schema = schema();
    each_key(&mut Vec::new(), keys::MANIFEST, &mut |path, key| {
        let text = manifest(path, key.name, key.example);
        assert!(by_reader(&text), "{text}\n{:#?}", errors(&text));
        // Of tables whose keys are all required, one key is right and not enough.
        let whole = path.first() == Some(&"stages")
            || errors(&text)
                .iter()
                .all(|found| found.code != "manifest::missing");
        assert_eq!(by_schema(&schema, &text), Some(whole), "{text}");
    });
}

#[test]
fn every_key_has_a_doc_and_every_pattern_compiles() {
    fn check(text: &Text) {
        let patterns = text.refused.iter().map(|refused| refused.pattern);
        for pattern in patterns.chain([text.pattern]) {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }
    fn kind(of: &Kind) {
        match of {
            Kind::Text(text) => check(text),
            Kind::Short(text, _) => check(text),
            Kind::List(list) => kind(list.item),
            Kind::Map(map) => {
                check(&map.name);
                kind(map.value);
            }
            _ => {}
        }
    }
    each_key(&mut Vec::new(), keys::MANIFEST, &mut |_, key| {
        assert!(key.doc.ends_with('.'), "{}", key.doc);
        kind(&key.kind);
    });
    assert!(Regex::new(crate::manifest::declaration::DURATION).is_ok());
}

#[test]
fn every_alarm_is_declared() {
    let alarms = keys::MANIFEST
        .iter()
        .find(|key| key.name == "alarms")
        .and_then(|key| key.kind.keys());
    let declared: Vec<_> = alarms
        .into_iter()
        .flatten()
        .map(|key| key.name)
        .filter(|name| *name != "notify")
        .collect();
    assert_eq!(declared, AlarmName::ALL.map(AlarmName::as_str));
}

#[test]
fn the_schema_is_one_of_2020_12_and_describes_its_keys() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(by_schema(&schema, GOOD), Some(true));
    let memory = &schema["properties"]["handlers"]["additionalProperties"]["properties"]["memory"];
    assert_eq!(
        (&memory["minimum"], &memory["maximum"], &memory["default"]),
        (&json!(128), &json!(10240), &json!(256))
    );
    assert_eq!(memory["description"], "Memory in MiB.");
    let stage = &schema["properties"]["stages"]["additionalProperties"];
    assert_eq!(stage["required"], Value::Null);
    assert_eq!(
        stage["properties"]["project"]["properties"]["name"],
        Value::Null
    );
    assert!(stage["properties"].get("stages").is_none());
}
