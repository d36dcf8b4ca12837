//! Versions: publishing `$LATEST`, and listing what was published.

use serde_json::Value;

use super::{
    arn::{Shape, Subject},
    check::{self, Members, invalid, wrong_revision},
    control,
    functions::{PAGE, paged},
    shape::{self, Shown},
    state::Made,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::Result,
    fidelity::Delay,
};

/// `PublishVersion`: of the same code and configuration as the last version, it's the last version.
pub(super) fn publish(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let description = members.text("Description")?;
    if let Some(description) = description {
        members.length("description", description, 0, 256);
    }
    let sha256 = members
        .text("CodeSha256")?
        .filter(|digest| !digest.is_empty());
    let revision = members.text("RevisionId")?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    let control = control::of(call);
    let now = Millis::now();
    let mut state = control.state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| subject.missing())?;
    if revision.is_some_and(|revision| revision != function.latest.revision(now)) {
        return Err(wrong_revision("GetFunction/GetAlias"));
    }
    let current = &function.latest.settings.code_sha256;
    if let Some(digest) = sha256.filter(|digest| digest != current) {
        return Err(invalid(format!(
            "CodeSHA256 ({digest}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
        )));
    }
    function.must_be_ready(&control.region, now)?;
    let made = Made {
        at: now,
        takes: call.cloud.delays.of(Delay::FunctionPending),
        is_new: true,
    };
    let number = function.publish(&control.region, description, made);
    let release = number
        .and_then(|number| function.versions.get(&number))
        .ok_or_else(|| subject.missing())?;
    let version = release.version();
    let shown = Shown::Now(now);
    let answer = shape::configuration(&control.region, function, release, Some(&version), shown);
    drop(state);
    // An alias or a mapping may have waited for this number.
    control::tell_pollers(call, std::time::Duration::ZERO);
    Ok(Answer::members(201, answer))
}

/// `ListVersionsByFunction`.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    check::max_items(&mut members)?;
    let subject = Subject::read(call, &mut members, Shape::Namespaced)?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    let control = control::of(call);
    let shown = Shown::Listed(Millis::now());
    let state = control.state.read();
    let function = state
        .functions
        .get(&subject.name)
        .ok_or_else(|| subject.missing())?;
    let releases = function
        .releases()
        .map(|release| (format!("{:020}", release.number.unwrap_or(0)), release));
    let (page, next) = check::page(&Members::new(&call.input), releases, PAGE)?;
    let page: Vec<Value> = page
        .into_iter()
        .map(|release| {
            let version = release.version();
            shape::configuration(&control.region, function, release, Some(&version), shown)
        })
        .collect();
    Ok(paged("Versions", &page, next))
}
