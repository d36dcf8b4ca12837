//! Members of CloudWatch Logs' calls, and its errors. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    cloud::Region,
    error::{AwsError, Result},
};

/// What a retention may be, in days [CloudWatch Logs model, PutRetentionPolicy].
const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
/// The patterns of the model.
const GROUP: &str = "[\\.\\-_/#A-Za-z0-9]+";
const STREAM: &str = "[^:*]*";
const IDENTIFIER: &str = "[\\w#+=/:,.@-]*";
const RESOURCE: &str = "[\\w+=/:,.@-]*";

/// A parameter is wrong.
pub fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterException", message)
}

/// It's there already.
pub fn exists(message: &str) -> AwsError {
    AwsError::new(400, "ResourceAlreadyExistsException", message)
}

/// There are too many.
pub fn limit(message: &str) -> AwsError {
    AwsError::new(400, "LimitExceededException", message)
}

/// No such group.
pub fn no_group() -> AwsError {
    AwsError::new(
        400,
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
}

/// No such stream.
pub fn no_stream() -> AwsError {
    AwsError::new(
        400,
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
}

/// A page's token isn't one of ours, or is too old.
pub fn bad_token() -> AwsError {
    invalid("The specified nextToken is invalid.")
}

fn broken(value: &str, at: &str, constraint: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"
    ))
}

fn malformed(name: &str, wanted: &str) -> AwsError {
    AwsError::new(
        400,
        "SerializationException",
        format!("the member {name} should be {wanted}"),
    )
}

/// Members of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    members: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Those of a call.
    pub fn of(members: &'a Map<String, Value>) -> Self {
        Self { members }
    }

    /// A member; nothing if it's absent or null.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| malformed(name, "a string")))
            .transpose()
    }

    /// A text that must be there.
    pub fn required(self, name: &str) -> Result<&'a str> {
        self.text(name)?
            .ok_or_else(|| broken("null", name, "Member must not be null"))
    }

    /// A group's name that must be there.
    pub fn group(self) -> Result<&'a str> {
        let name = self.required("logGroupName")?;
        check_group(name, "logGroupName")?;
        Ok(name)
    }

    /// A group, by name or identifier, of which one must be there.
    pub fn group_or_identifier(self, region: &Region) -> Result<String> {
        match (self.text("logGroupName")?, self.text("logGroupIdentifier")?) {
            (Some(_), Some(_)) => Err(AwsError::new(
                400,
                "ValidationException",
                "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
            )),
            (Some(name), None) => {
                check_group(name, "logGroupName")?;
                Ok(name.to_owned())
            }
            (None, Some(identifier)) => identified(region, identifier, "logGroupIdentifier"),
            (None, None) => Err(AwsError::new(
                400,
                "ValidationException",
                "Either LogGroup name or LogGroup ARN must be specified.",
            )),
        }
    }

    /// A stream's name that must be there.
    pub fn stream(self) -> Result<&'a str> {
        let name = self.required("logStreamName")?;
        check_stream(name, "logStreamName")?;
        Ok(name)
    }

    /// A stream's name, or the beginning of one.
    pub fn stream_prefix(self) -> Result<Option<&'a str>> {
        let prefix = self.text("logStreamNamePrefix")?;
        if let Some(prefix) = prefix {
            check_stream(prefix, "logStreamNamePrefix")?;
        }
        Ok(prefix)
    }

    /// Streams' names.
    pub fn streams(self, name: &str) -> Result<Option<Vec<String>>> {
        let names = self.texts(name, 100)?;
        for stream in names.iter().flatten() {
            check_stream(stream, name)?;
        }
        Ok(names)
    }

    /// Texts: at least one, at most so many.
    pub fn texts(self, name: &str, most: usize) -> Result<Option<Vec<String>>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let list = value.as_array().ok_or_else(|| malformed(name, "a list"))?;
        let bound = |word: &str, bound: usize| {
            broken(
                &format!("'[{} members]'", list.len()),
                name,
                &format!("Member must have length {word} than or equal to {bound}"),
            )
        };
        if list.is_empty() {
            return Err(bound("greater", 1));
        }
        if list.len() > most {
            return Err(bound("less", most));
        }
        list.iter()
            .map(|text| {
                text.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| malformed(name, "a list of strings"))
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// A whole number within bounds.
    pub fn whole(self, name: &str, least: i64, most: i64) -> Result<Option<i64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let whole = value
            .as_i64()
            .ok_or_else(|| malformed(name, "an integer"))?;
        let bound = |word: &str, bound: i64| {
            broken(
                &format!("'{whole}'"),
                name,
                &format!("Member must have value {word} than or equal to {bound}"),
            )
        };
        if whole < least {
            return Err(bound("greater", least));
        }
        if whole > most {
            return Err(bound("less", most));
        }
        Ok(Some(whole))
    }

    /// How many things a page may have.
    pub fn limit(self, most: usize) -> Result<usize> {
        let bound = i64::try_from(most).unwrap_or(i64::MAX);
        let limit = self.whole("limit", 1, bound)?;
        Ok(limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(most))
    }

    /// A truth.
    pub fn truth(self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| value.as_bool().ok_or_else(|| malformed(name, "a boolean")))
            .transpose()
    }

    /// One of a few words.
    pub fn word(self, name: &str, words: &[&str]) -> Result<Option<&'a str>> {
        let word = self.text(name)?;
        match word {
            Some(word) if !words.contains(&word) => Err(broken(
                &format!("'{word}'"),
                name,
                &format!("Member must satisfy enum value set: [{}]", words.join(", ")),
            )),
            word => Ok(word),
        }
    }

    /// How many days events are kept, which must be there.
    pub fn retention(self) -> Result<i64> {
        let days = self
            .whole("retentionInDays", i64::MIN, i64::MAX)?
            .ok_or_else(|| broken("null", "retentionInDays", "Member must not be null"))?;
        if RETENTIONS.contains(&days) {
            return Ok(days);
        }
        let known: Vec<String> = RETENTIONS.iter().map(i64::to_string).collect();
        Err(broken(
            &format!("'{days}'"),
            "retentionInDays",
            &format!("Member must satisfy enum value set: [{}]", known.join(", ")),
        ))
    }

    /// Tags; nothing if none were sent.
    pub fn tags(self) -> Result<Option<BTreeMap<String, String>>> {
        let Some(value) = self.get("tags") else {
            return Ok(None);
        };
        let tags = value
            .as_object()
            .ok_or_else(|| malformed("tags", "a map"))?;
        if tags.is_empty() || tags.len() > 50 {
            let (word, bound) = if tags.is_empty() {
                ("greater", 1)
            } else {
                ("less", 50)
            };
            return Err(broken(
                &format!("'{{{} entries}}'", tags.len()),
                "tags",
                &format!("Member must have length {word} than or equal to {bound}"),
            ));
        }
        tags.iter()
            .map(|(key, value)| {
                let value = value
                    .as_str()
                    .ok_or_else(|| malformed("tags", "a map of strings"))?;
                check_tag(key, value)?;
                Ok((key.clone(), value.to_owned()))
            })
            .collect::<Result<_>>()
            .map(Some)
    }
}

fn check_tag(key: &str, value: &str) -> Result<()> {
    let plain = |text: &str| {
        text.chars().all(|character| {
            character.is_alphanumeric()
                || character.is_whitespace()
                || "_.:/=+-@".contains(character)
        })
    };
    if key.starts_with("aws:") {
        return Err(invalid(
            "Tag keys that start with aws: are reserved for AWS.",
        ));
    }
    if !(1..=128).contains(&key.chars().count()) || !plain(key) {
        return Err(broken(
            &format!("'{key}'"),
            "tags",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length \
             greater than or equal to 1, Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+)$]",
        ));
    }
    if value.chars().count() > 256 || !plain(value) {
        return Err(broken(
            &format!("'{value}'"),
            "tags",
            "Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length \
             greater than or equal to 0, Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$]",
        ));
    }
    Ok(())
}

/// Whether this may be a group's name.
pub fn check_group(name: &str, at: &str) -> Result<()> {
    if name.is_empty() {
        return Err(too_short(at));
    }
    if name.len() > 512 {
        return Err(too_long());
    }
    let shaped = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte));
    if shaped {
        Ok(())
    } else {
        Err(pattern(name, at, GROUP))
    }
}

fn check_stream(name: &str, at: &str) -> Result<()> {
    if name.is_empty() {
        return Err(too_short(at));
    }
    if name.chars().count() > 512 {
        return Err(too_long());
    }
    if name.contains([':', '*']) {
        return Err(pattern(name, at, STREAM));
    }
    Ok(())
}

fn too_short(at: &str) -> AwsError {
    broken(
        "''",
        at,
        "Member must have length greater than or equal to 1",
    )
}

fn too_long() -> AwsError {
    invalid("Invalid LogGroup or LogStream, both must have length less than or equal to 512.")
}

fn pattern(value: &str, at: &str, pattern: &str) -> AwsError {
    broken(
        &format!("'{value}'"),
        at,
        &format!("Member must satisfy regular expression pattern: {pattern}"),
    )
}

/// The group of a name or an ARN, which must not end with `:*`.
pub fn identified(region: &Region, identifier: &str, at: &str) -> Result<String> {
    if identifier.is_empty() {
        return Err(too_short(at));
    }
    let shaped = identifier.len() <= 2048
        && identifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_#+=/:,.@-".contains(&byte));
    if !shaped {
        return Err(pattern(identifier, at, IDENTIFIER));
    }
    if identifier.starts_with("arn:") {
        return group_of_arn(region, identifier).ok_or_else(no_group);
    }
    check_group(identifier, at)?;
    Ok(identifier.to_owned())
}

/// The group of `resourceArn`, which must be there and must not end with `:*`.
pub fn resource(region: &Region, members: Members<'_>) -> Result<String> {
    let arn = members.required("resourceArn")?;
    let shaped = (1..=1011).contains(&arn.len())
        && arn
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=/:,.@-#".contains(&byte));
    if !shaped {
        return Err(pattern(arn, "resourceArn", RESOURCE));
    }
    group_of_arn(region, arn).ok_or_else(no_group)
}

fn group_of_arn(region: &Region, arn: &str) -> Option<String> {
    arn.strip_prefix(&region.arn("logs", "log-group:"))
        .map(str::to_owned)
}
