//! The declarations as a JSON Schema (2020-12), for editors.

use serde_json::{Map, Value, json};

use super::{
    declaration::{Absence, DURATION, Key, Kind, Text},
    keys,
};

/// The schema of `wsless.toml`, as `wsless schema` prints it.
pub fn schema() -> Value {
    let mut schema = table(keys::MANIFEST, true);
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".to_owned(), json!("wsless.toml"));
    schema.insert(
        "description".to_owned(),
        json!("A serverless WebSocket system on AWS."),
    );
    // Sections that are absent have their defaults; these two have something in them without a default.
    schema.insert("required".to_owned(), json!(["project", "routes"]));
    Value::Object(schema)
}

/// `whole`: whether what is required must be here; in a stage it may be in the rest of the file.
fn table(keys: &'static [Key], whole: bool) -> Map<String, Value> {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), Value::Object(property(key, whole))))
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| matches!(key.absence, Absence::Required))
        .map(|key| key.name)
        .collect();
    if whole && !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn property(key: &'static Key, whole: bool) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(key.doc));
    match key.absence {
        Absence::Boolean(flag) => schema.insert("default".to_owned(), json!(flag)),
        Absence::Integer(number) => schema.insert("default".to_owned(), json!(number)),
        Absence::Text(text) => schema.insert("default".to_owned(), json!(text)),
        Absence::Required | Absence::Optional | Absence::Empty => None,
    };
    schema.extend(kind(&key.kind, whole && key.name != "stages"));
    schema
}

fn kind(kind: &'static Kind, whole: bool) -> Map<String, Value> {
    let schema = match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Text(form) => Value::Object(text(form)),
        Kind::Choice(choices) => json!({ "type": "string", "enum": choices }),
        Kind::Integer(limits) => {
            json!({ "type": "integer", "minimum": limits.min, "maximum": limits.max })
        }
        Kind::IntegerChoice(choices, _) => json!({ "type": "integer", "enum": choices }),
        Kind::Number => json!({ "type": "number", "minimum": 0 }),
        Kind::Duration(limits) => {
            let mut seconds =
                json!({ "type": "integer", "minimum": limits.min, "maximum": limits.max });
            if limits.period {
                seconds["anyOf"] = json!([{ "enum": [10, 20, 30] }, { "multipleOf": 60 }]);
            }
            // The limits of a duration in words are beyond a pattern; wsless itself checks them.
            json!({ "anyOf": [{ "type": "string", "pattern": DURATION }, seconds] })
        }
        Kind::List(list) => json!({
            "type": "array",
            // A list replaces a list, so its items are always whole.
            "items": self::kind(list.item, true),
            "minItems": list.min,
            "maxItems": list.max,
        }),
        Kind::Table(keys) => Value::Object(table(keys, whole)),
        Kind::Map(map) => {
            let mut schema = json!({
                "type": "object",
                "propertyNames": text(&map.name),
                "additionalProperties": self::kind(map.value, whole),
            });
            if whole && *map.count.start() > 0 {
                schema["minProperties"] = json!(map.count.start());
            }
            if *map.count.end() < usize::MAX {
                schema["maxProperties"] = json!(map.count.end());
            }
            schema
        }
        Kind::Short(form, keys) => json!({ "anyOf": [text(form), table(keys, whole)] }),
        Kind::Switch(keys) => json!({ "anyOf": [{ "type": "boolean" }, table(keys, whole)] }),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn text(form: &Text) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("pattern".to_owned(), json!(form.pattern));
    schema.insert("maxLength".to_owned(), json!(form.max));
    let refused: Vec<Value> = form
        .refused
        .iter()
        .map(|refused| {
            if refused.except.is_empty() {
                json!({ "pattern": refused.pattern })
            } else {
                json!({ "pattern": refused.pattern, "not": { "enum": refused.except } })
            }
        })
        .collect();
    if !refused.is_empty() {
        schema.insert("not".to_owned(), json!({ "anyOf": refused }));
    }
    schema
}
