//! Functions: creating, reading, listing and deleting them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    arn::{self, LATEST, Shape, Subject},
    check::{self, Members, conflict, invalid},
    control, shape,
    shape::Shown,
    source::{self, Source},
    state::{Function, Made, Named, Release, Settings},
    tags,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
    iam::Permission,
};

/// `ListFunctions` and `ListVersionsByFunction` answer at most so many at a time, whatever is asked for.
pub(super) const PAGE: usize = 50;

/// Makes a function.
pub(super) async fn create(call: &Call) -> Result<Answer> {
    source::must_fit(call)?;
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let name = subject.as_ref().map_or("", |subject| &subject.name);
    let mut settings = Settings::defaults(name);
    if members.value("Role").is_none() {
        members.missing("role");
    }
    settings.read(name, &mut members)?;
    if let Some(architecture) = super::settings::architecture(&mut members)? {
        settings.architecture = architecture;
    }
    let tags = tags::read(&mut members)?;
    let code = match members.map("Code")? {
        Some(code) => Some(Source::read(code, "code.", &mut members)?),
        None => None,
    };
    if code.is_none() {
        members.missing("code");
    }
    let publishes = members.flag("Publish")?.unwrap_or_default();
    members.finish()?;
    let (Some(subject), Some(code)) = (subject, code) else {
        return Err(invalid("The function's name or its code is missing"));
    };
    if subject.name.chars().count() > 64 {
        return Err(invalid(format!(
            "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64",
            subject.name
        )));
    }
    settings.check(&call.input)?;
    tags::check(&tags)?;
    let exists = || conflict(format!("Function already exist: {}", subject.name));
    let control = control::of(call);
    if control.state.read().functions.contains_key(&subject.name) {
        return Err(exists());
    }
    must_be_assumable(call, &settings.role, &subject.name)?;
    let package = code.fetch(call).await?;
    package.sha256().clone_into(&mut settings.code_sha256);
    settings.code_size = package.size();

    let made = Made {
        at: Millis::now(),
        takes: call.cloud.delays.of(Delay::FunctionPending),
        is_new: true,
    };
    let named = Named {
        region: &control.region,
        name: &subject.name,
    };
    let latest = Release::new(&named, None, settings, package, made);
    let mut function = Function {
        name: subject.name.clone(),
        tags,
        reserved: None,
        latest,
        before: None,
        versions: BTreeMap::new(),
        last_number: 0,
        published: None,
        aliases: BTreeMap::new(),
        policies: BTreeMap::new(),
        event_configs: BTreeMap::new(),
    };
    if publishes {
        function.publish(&control.region, None, made);
    }
    let newest = function.versions.values().next_back();
    let shown = newest.unwrap_or(&function.latest);
    let answer = shape::configuration(&control.region, &function, shown, None, Shown::Changed);
    {
        let mut state = control.state.write();
        if state.functions.contains_key(&subject.name) {
            return Err(exists());
        }
        state.functions.insert(subject.name.clone(), function);
    }
    control::tell_pollers(call, std::time::Duration::ZERO);
    Ok(Answer::members(201, answer))
}

/// Refuses a role that the caller may not pass, or that Lambda can't assume.
pub(super) fn must_be_assumable(call: &Call, role: &str, function: &str) -> Result<()> {
    if role.split(':').nth(4) != Some(crate::ACCOUNT) {
        return Err(AwsError::new(
            403,
            "AccessDeniedException",
            "Cross-account pass role is not allowed.",
        ));
    }
    let pass = Permission {
        action: "iam:PassRole".to_owned(),
        resource: role.to_owned(),
    };
    call.cloud.iam.authorize(call, &pass)?;
    call.cloud
        .iam
        .assume(role, "lambda.amazonaws.com", function)
        .map(drop)
        .map_err(|_| invalid("The role defined for the function cannot be assumed by Lambda."))
}

/// `GetFunction`.
pub(super) fn get(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let control = control::of(call);
    let now = Millis::now();
    let mut members = json!({});
    {
        let state = control.state.read();
        let (function, release) = find(&state.functions, &subject)?;
        let qualifier = subject.qualifier.as_deref();
        members["Configuration"] = shape::configuration(
            &control.region,
            function,
            release,
            qualifier,
            Shown::Now(now),
        );
        members["Code"] = json!({
            "RepositoryType": "S3",
            "Location": location(call, &release.settings.code_sha256),
        });
        if let Some(reserved) = function.reserved {
            members["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
        }
        if !function.tags.is_empty() {
            members["Tags"] = json!(function.tags);
        }
    }
    let list_tags = Permission {
        action: "lambda:ListTags".to_owned(),
        resource: subject.arn,
    };
    // AWS leaves the tags out, and says why, where the caller may not list them.
    if let Err(denied) = call.cloud.iam.authorize(call, &list_tags) {
        if let Value::Object(members) = &mut members {
            members.remove("Tags");
        }
        members["TagsError"] = json!({ "ErrorCode": denied.code, "Message": denied.message });
    }
    Ok(members.into())
}

/// Where the zip of a version can be read; AWS's is in a bucket of Lambda's own.
fn location(call: &Call, sha256: &str) -> String {
    let sha256 = percent_encoding::utf8_percent_encode(sha256, percent_encoding::NON_ALPHANUMERIC);
    format!(
        "{}/_aws/lambda/code/{}/{sha256}",
        call.cloud.endpoint(),
        call.region.name
    )
}

/// `GetFunctionConfiguration`.
pub(super) fn configuration(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let control = control::of(call);
    let state = control.state.read();
    let (function, release) = find(&state.functions, &subject)?;
    let shown = Shown::Now(Millis::now());
    let qualifier = subject.qualifier.as_deref();
    Ok(shape::configuration(&control.region, function, release, qualifier, shown).into())
}

/// The version that a call is about.
pub(super) fn find<'a>(
    functions: &'a BTreeMap<String, Function>,
    subject: &Subject,
) -> Result<(&'a Function, &'a Release)> {
    functions
        .get(&subject.name)
        .and_then(|function| {
            let release = function.release(subject.qualifier.as_deref())?;
            Some((function, release))
        })
        .ok_or_else(|| subject.missing())
}

/// `ListFunctions`, with all their versions if that's asked for.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    check::max_items(&mut members)?;
    let version = members.text("FunctionVersion")?;
    if let Some(version) = version {
        members.one_of("functionVersion", version, &["ALL"]);
    }
    let members = {
        members.finish()?;
        Members::new(&call.input)
    };
    let control = control::of(call);
    let shown = Shown::Listed(Millis::now());
    let state = control.state.read();
    let functions = state.functions.values();
    let (page, next) = if version.is_some() {
        let all = functions.flat_map(|function| {
            function.releases().map(move |release| {
                let number = release.number.unwrap_or(0);
                (
                    format!("{}:{number:020}", function.name),
                    (function, release),
                )
            })
        });
        check::page(&members, sorted(all), PAGE)?
    } else {
        let latest =
            functions.map(|function| (function.name.clone(), (function, &function.latest)));
        check::page(&members, latest, PAGE)?
    };
    let page: Vec<Value> = page
        .into_iter()
        .map(|(function, release)| {
            let qualifier = version.map(|_| release.version());
            shape::configuration(
                &control.region,
                function,
                release,
                qualifier.as_deref(),
                shown,
            )
        })
        .collect();
    Ok(paged("Functions", &page, next))
}

/// The keys of versions don't sort as their functions' names do: `a:1` comes after `a-b:1`.
fn sorted<T>(items: impl Iterator<Item = (String, T)>) -> impl Iterator<Item = (String, T)> {
    let mut items: Vec<(String, T)> = items.collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    items.into_iter()
}

/// A page of a list, with the marker of the next.
pub(super) fn paged(name: &str, page: &[Value], next: Option<String>) -> Answer {
    let mut members = json!({ name: page });
    if let Some(next) = next {
        members["NextMarker"] = json!(next);
    }
    members.into()
}

/// `DeleteFunction`: all of it, or one of its versions. Its mappings stay, as AWS leaves them.
pub(super) fn delete(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let control = control::of(call);
    let missing = || check::not_found(format!("Function not found: {}", subject.arn));
    let version = match subject.qualifier.as_deref() {
        None => None,
        Some(LATEST) => {
            return Err(invalid(
                "$LATEST version cannot be deleted without deleting the function.",
            ));
        }
        Some(qualifier) if arn::is_alias(qualifier) => {
            return Err(invalid("Deletion of aliases is not currently supported."));
        }
        Some(qualifier) => match arn::number(qualifier) {
            Some(number) => Some(number),
            None => return Err(missing()),
        },
    };
    let gone: Vec<Release> = {
        let mut state = control.state.write();
        match version {
            None => {
                let function = state.functions.remove(&subject.name).ok_or_else(missing)?;
                std::iter::once(function.latest)
                    .chain(function.versions.into_values())
                    .collect()
            }
            Some(number) => {
                let function = state.functions.get_mut(&subject.name).ok_or_else(missing)?;
                must_be_unreferenced(function, &number.to_string())?;
                function.policies.remove(&number.to_string());
                function.event_configs.remove(&number.to_string());
                function.versions.remove(&number).into_iter().collect()
            }
        }
    };
    let packages = gone
        .into_iter()
        .filter_map(|release| release.live)
        .map(|live| live.package);
    control.packages.retire(packages, Millis::now());
    control::tell_pollers(call, std::time::Duration::ZERO);
    Ok(Answer::empty(204))
}

/// A version that an alias points to can't be deleted.
fn must_be_unreferenced(function: &Function, version: &str) -> Result<()> {
    let aliases: Vec<&str> = function
        .aliases
        .values()
        .filter(|alias| {
            alias.version == version
                || alias
                    .other
                    .as_ref()
                    .is_some_and(|(other, _)| other == version)
        })
        .map(|alias| alias.name.as_str())
        .collect();
    if aliases.is_empty() {
        return Ok(());
    }
    Err(conflict(format!(
        "Unable to delete version because the following aliases reference it: [{}]",
        aliases.join(", ")
    )))
}

/// The zip of a version that is there, by its digest: what `GetFunction`'s `Location` points to.
pub fn zip(region: &crate::cloud::Region, sha256: &str) -> Option<std::path::PathBuf> {
    region
        .lambda
        .control
        .packages
        .known(sha256)
        .map(|package| Arc::clone(&package).zip().to_owned())
}
