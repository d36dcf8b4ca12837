//! Aliases: names for versions, and how their invocations are split.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Map, Value, json};

use super::{
    arn::{LATEST, Shape, Subject},
    check::{self, Members, Said, conflict, invalid, not_found, wrong_revision},
    control,
    functions::paged,
    settings::whole,
    state::{self, Alias, Function},
};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
};

const NAME: &str = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
const VERSION: &str = r"(\$LATEST(\.PUBLISHED)?|[0-9]+)";

static VERSION_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(VERSION));

/// What `CreateAlias` and `UpdateAlias` say.
struct Asked<'a> {
    subject: Subject,
    name: &'a str,
    version: Option<&'a str>,
    description: Option<&'a str>,
    other: Said<(String, f64)>,
    revision: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(call: &'a Call, must_have_version: bool) -> Result<Self> {
        let mut members = Members::new(&call.input);
        let subject = Subject::read(call, &mut members, Shape::Plain)?;
        let name = name(&mut members)?;
        let version = members.text("FunctionVersion")?;
        if let (Some(version), Some(shape)) = (version, &*VERSION_SHAPE) {
            members.length("functionVersion", version, 1, 1024);
            members.pattern("functionVersion", version, shape, VERSION);
        } else if must_have_version {
            members.missing("functionVersion");
        }
        let description = members.text("Description")?;
        if let Some(description) = description {
            members.length("description", description, 0, 256);
        }
        let other = match members.map("RoutingConfig")? {
            Some(routing) => match Members::new(routing).map("AdditionalVersionWeights")? {
                Some(weights) => read_weights(weights, &mut members)?.into(),
                None => Said::Clear,
            },
            None => Said::Nothing,
        };
        let revision = members.text("RevisionId")?;
        members.finish()?;
        Ok(Self {
            subject: subject.ok_or_else(|| invalid("The function's name is missing"))?,
            name,
            version,
            description,
            other,
            revision,
        })
    }

    /// Refuses versions that aren't there, and pairs that can't be.
    fn check(&self, function: &Function, version: &str, other: Option<&str>) -> Result<()> {
        let missing = |version: &str| {
            not_found(format!(
                "Function not found: {}:{version}",
                self.subject.arn
            ))
        };
        if other.is_some() && version == LATEST {
            return Err(invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version",
            ));
        }
        if other == Some(version) {
            return Err(invalid(format!(
                "Invalid function version {version}. Function version {version} is already included in routing configuration."
            )));
        }
        for version in std::iter::once(version).chain(other) {
            if function.release_of_version(version).is_none() {
                return Err(missing(version));
            }
        }
        Ok(())
    }

    fn arn(&self) -> String {
        format!("{}:{}", self.subject.arn, self.name)
    }
}

/// An alias's name: AWS's pattern looks ahead for names that are numbers.
fn name<'a>(members: &mut Members<'a>) -> Result<&'a str> {
    let name = members.required("Name")?;
    members.length("name", name, 1, 128);
    if !name.is_empty() && !super::arn::is_alias(name) {
        members.violate(
            "name",
            name,
            &format!("Member must satisfy regular expression pattern: {NAME}"),
        );
    }
    Ok(name)
}

/// The one additional version, and its weight.
fn read_weights(
    weights: &Map<String, Value>,
    members: &mut Members<'_>,
) -> Result<Option<(String, f64)>> {
    const FIELD: &str = "routingConfig.additionalVersionWeights";
    let shown = || {
        let pairs: Vec<String> = weights
            .iter()
            .map(|(version, weight)| match weight.as_f64() {
                // As Java writes a number.
                Some(weight) => format!("{version}={weight:?}"),
                None => format!("{version}={weight}"),
            })
            .collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let are_versions = weights
        .keys()
        .all(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()));
    if !are_versions {
        members.violate(
            FIELD,
            shown(),
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
        );
    }
    let are_weights = weights.values().all(|weight| {
        weight
            .as_f64()
            .is_some_and(|weight| (0.0..=1.0).contains(&weight))
    });
    if !are_weights {
        members.violate(
            FIELD,
            shown(),
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
        );
    }
    if weights.len() > 1 {
        return Err(invalid(
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ));
    }
    Ok(weights
        .iter()
        .next()
        .and_then(|(version, weight)| Some((version.clone(), weight.as_f64()?))))
}

/// `CreateAlias`.
pub(super) fn create(call: &Call) -> Result<Answer> {
    let asked = Asked::read(call, true)?;
    let version = asked.version.unwrap_or(LATEST);
    let control = control::of(call);
    let mut state = control.state.write();
    let function = state
        .functions
        .get_mut(&asked.subject.name)
        .ok_or_else(|| {
            not_found(format!(
                "Function not found: {}:{version}",
                asked.subject.arn
            ))
        })?;
    let other = asked.other.over(None);
    let pointed = other.as_ref().map(|(version, _)| version.as_str());
    asked.check(function, version, pointed)?;
    if function.aliases.contains_key(asked.name) {
        return Err(conflict(format!("Alias already exists: {}", asked.arn())));
    }
    let alias = Alias {
        name: asked.name.to_owned(),
        version: version.to_owned(),
        description: asked.description.unwrap_or_default().to_owned(),
        other,
        revision: state::revision(),
    };
    let answer = shape(&asked.subject.arn, &alias);
    function.aliases.insert(alias.name.clone(), alias);
    drop(state);
    control::tell_pollers(call, std::time::Duration::ZERO);
    Ok(Answer::members(201, answer))
}

/// `UpdateAlias`: what isn't said stays; empty weights go.
pub(super) fn update(call: &Call) -> Result<Answer> {
    let asked = Asked::read(call, false)?;
    let control = control::of(call);
    let mut state = control.state.write();
    let missing = || not_found(format!("Alias not found: {}", asked.arn()));
    let function = state
        .functions
        .get_mut(&asked.subject.name)
        .ok_or_else(|| asked.subject.missing())?;
    let alias = function.aliases.get(asked.name).ok_or_else(missing)?;
    if asked
        .revision
        .is_some_and(|revision| revision != alias.revision)
    {
        return Err(wrong_revision("GetFunction/GetAlias"));
    }
    let mut alias = alias.clone();
    if let Some(version) = asked.version {
        version.clone_into(&mut alias.version);
    }
    if let Some(description) = asked.description {
        description.clone_into(&mut alias.description);
    }
    alias.other = asked.other.over(alias.other);
    let pointed = alias.other.as_ref().map(|(version, _)| version.as_str());
    asked.check(function, &alias.version, pointed)?;
    alias.revision = state::revision();
    let answer = shape(&asked.subject.arn, &alias);
    function.aliases.insert(alias.name.clone(), alias);
    Ok(answer.into())
}

/// The function and the alias that a call names.
fn named(call: &Call) -> Result<(Subject, String)> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let name = name(&mut members)?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    Ok((subject, name.to_owned()))
}

/// `GetAlias`.
pub(super) fn get(call: &Call) -> Result<Answer> {
    let (subject, name) = named(call)?;
    let state = control::of(call).state.read();
    let alias = state
        .functions
        .get(&subject.name)
        .and_then(|function| function.aliases.get(&name))
        .ok_or_else(|| missing(&subject.arn, &name))?;
    Ok(shape(&subject.arn, alias).into())
}

/// The refusal of most operations when an alias isn't there.
pub(super) fn missing(arn: &str, name: &str) -> AwsError {
    not_found(format!("Cannot find alias arn: {arn}:{name}"))
}

/// `DeleteAlias`, which is done as well if there is none.
pub(super) fn delete(call: &Call) -> Result<Answer> {
    let (subject, name) = named(call)?;
    let mut state = control::of(call).state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| subject.missing())?;
    function.aliases.remove(&name);
    function.policies.remove(&name);
    function.event_configs.remove(&name);
    drop(state);
    control::tell_pollers(call, std::time::Duration::ZERO);
    Ok(Answer::empty(204))
}

/// `ListAliases`, those of one version if that's asked for.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    check::max_items(&mut members)?;
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let version = members.text("FunctionVersion")?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    let state = control::of(call).state.read();
    let function = state
        .functions
        .get(&subject.name)
        .ok_or_else(|| subject.missing())?;
    let aliases = function
        .aliases
        .values()
        .filter(|alias| version.is_none_or(|version| points_to(alias, version)))
        .map(|alias| (alias.name.clone(), alias));
    let (page, next) = check::page(&Members::new(&call.input), aliases, super::functions::PAGE)?;
    let page: Vec<Value> = page
        .into_iter()
        .map(|alias| shape(&subject.arn, alias))
        .collect();
    Ok(paged("Aliases", &page, next))
}

fn points_to(alias: &Alias, version: &str) -> bool {
    alias.version == version
        || alias
            .other
            .as_ref()
            .is_some_and(|(other, _)| other == version)
}

fn shape(arn: &str, alias: &Alias) -> Value {
    let mut shape = json!({
        "AliasArn": format!("{arn}:{}", alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    });
    if let Some((version, weight)) = &alias.other {
        shape["RoutingConfig"] = json!({ "AdditionalVersionWeights": { version: weight } });
    }
    shape
}
