//! Changing a function's code or its configuration. One change at a time: while one is under way, the next is refused.

use std::sync::Arc;

use super::{
    arn::{Shape, Subject},
    check::{Members, invalid, wrong_revision},
    control,
    functions::must_be_assumable,
    mappings,
    shape::{self, Shown},
    source::{self, Source},
    state::{Function, Made, Settings},
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
};

/// `UpdateFunctionCode`.
pub(super) async fn code(call: &Call) -> Result<Answer> {
    source::must_fit(call)?;
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let architecture = super::settings::architecture(&mut members)?;
    let source = Source::read(&call.input, "", &mut members)?;
    let revision = members.text("RevisionId")?;
    let publishes = members.flag("Publish")?.unwrap_or_default();
    let is_dry = members.flag("DryRun")?.unwrap_or_default();
    members.finish()?;
    let subject = unqualified(subject)?;
    let control = control::of(call);
    // Before the work of unpacking, and again when it's done.
    let check = |function: &Function| ready(call, function, revision);
    {
        let state = control.state.read();
        check(
            state
                .functions
                .get(&subject.name)
                .ok_or_else(|| subject.missing())?,
        )?;
    }
    let package = source.fetch(call).await?;
    let mut state = control.state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| subject.missing())?;
    check(function)?;
    let mut settings = function.latest.settings.clone();
    package.sha256().clone_into(&mut settings.code_sha256);
    settings.code_size = package.size();
    if let Some(architecture) = architecture {
        settings.architecture = architecture;
    }
    if is_dry {
        let mut answer = shape::configuration(
            &control.region,
            function,
            &function.latest,
            None,
            Shown::Now(Millis::now()),
        );
        answer["CodeSha256"] = settings.code_sha256.into();
        answer["CodeSize"] = settings.code_size.into();
        return Ok(answer.into());
    }
    let (made, old) = put(call, function, settings, Some(package));
    let number = if publishes {
        function.publish(
            &control.region,
            None,
            Made {
                is_new: true,
                takes: call.cloud.delays.of(Delay::FunctionPending),
                ..made
            },
        )
    } else {
        None
    };
    let published = number.and_then(|number| function.versions.get(&number));
    let version = published.map(super::state::Release::version);
    let answer = shape::configuration(
        &control.region,
        function,
        published.unwrap_or(&function.latest),
        version.as_deref(),
        Shown::Changed,
    );
    drop(state);
    control.packages.retire(old, made.at);
    Ok(answer.into())
}

/// `UpdateFunctionConfiguration`: what isn't said stays.
pub(super) fn configuration(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let revision = members.text("RevisionId")?;
    let name = subject.as_ref().map_or("", |subject| &subject.name);
    // The constraints first, of what is said alone.
    Settings::defaults(name).read(name, &mut members)?;
    members.finish()?;
    let members = Members::new(&call.input);
    let subject = unqualified(subject)?;
    let control = control::of(call);
    let wanted = {
        let state = control.state.read();
        let function = state
            .functions
            .get(&subject.name)
            .ok_or_else(|| subject.missing())?;
        ready(call, function, revision)?;
        changed(call, function)?
    };
    if let Some(role) = members.text("Role")? {
        must_be_assumable(call, role, &subject.name)?;
    }
    if members.value("Timeout").is_some() {
        mappings::must_hide_long_enough(call, &subject.arn, wanted.timeout_s)?;
    }
    let mut state = control.state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .ok_or_else(|| subject.missing())?;
    ready(call, function, revision)?;
    // Anew: somebody may have changed the code since.
    let settings = changed(call, function)?;
    let (made, old) = put(call, function, settings, None);
    let latest = &function.latest;
    let answer = shape::configuration(&control.region, function, latest, None, Shown::Changed);
    drop(state);
    control.packages.retire(old, made.at);
    Ok(answer.into())
}

/// The settings that a function has after a change.
fn changed(call: &Call, function: &Function) -> Result<Settings> {
    let mut settings = function.latest.settings.clone();
    settings.read(&function.name, &mut Members::new(&call.input))?;
    settings.check(&call.input)?;
    Ok(settings)
}

fn put(
    call: &Call,
    function: &mut Function,
    settings: Settings,
    package: Option<Arc<super::code::Package>>,
) -> (Made, Option<Arc<super::code::Package>>) {
    let made = Made {
        at: Millis::now(),
        takes: call.cloud.delays.of(Delay::FunctionUpdate),
        is_new: false,
    };
    let package = package.or_else(|| {
        let live = function.latest.live.as_ref()?;
        Some(Arc::clone(&live.package))
    });
    let old =
        package.and_then(|package| function.update(&call.region.name, settings, package, made));
    (made, old)
}

fn ready(call: &Call, function: &Function, revision: Option<&str>) -> Result<()> {
    let now = Millis::now();
    if revision.is_some_and(|revision| revision != function.latest.revision(now)) {
        return Err(wrong_revision("GetFunction/GetAlias"));
    }
    function.must_be_ready(&call.region.name, now)
}

/// Only `$LATEST` changes.
fn unqualified(subject: Option<Subject>) -> Result<Subject> {
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    match subject.qualifier.as_deref() {
        None | Some(super::arn::LATEST) => Ok(subject),
        Some(_) => Err(AwsError::new(
            400,
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
        )),
    }
}
