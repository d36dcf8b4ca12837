//! What is asked of functions by tools that look at everything: how events are tried again, and what a function hasn't.

use serde_json::{Value, json};

use super::{
    arn::{LATEST, Shape, Subject},
    check::{Members, invalid, not_found},
    control,
    functions::find,
    state::EventConfig,
};
use crate::{
    call::{Answer, Call, timestamp},
    clock::Millis,
    error::{AwsError, Result},
};

/// `PutFunctionEventInvokeConfig` and `UpdateFunctionEventInvokeConfig`; the second keeps what isn't said.
pub(super) fn put_event_config(call: &Call, keeps: bool) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Plain)?;
    let retries = members.number("MaximumRetryAttempts")?;
    if let Some(retries) = retries {
        members.range("maximumRetryAttempts", retries, 0, 2);
    }
    let age = members.number("MaximumEventAgeInSeconds")?;
    if let Some(age) = age {
        members.range("maximumEventAgeInSeconds", age, 60, 21_600);
    }
    let destinations = members.map("DestinationConfig")?;
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    if destinations.is_none() && retries.is_none() && age.is_none() {
        return Err(invalid(
            "You must specify at least one of error handling or destination setting.",
        ));
    }
    let has_destination = destinations.is_some_and(|destinations| {
        destinations
            .values()
            .any(|one| one.get("Destination").is_some_and(Value::is_string))
    });
    if has_destination {
        return Err(invalid(
            "wsless's embedded cloud doesn't have destinations of events",
        ));
    }
    let key = key(&subject);
    let mut state = control::of(call).state.write();
    let function = state
        .functions
        .get_mut(&subject.name)
        .filter(|function| function.release(subject.qualifier.as_deref()).is_some())
        .ok_or_else(|| not_found("The function doesn't exist."))?;
    let old = function.event_configs.get(&key).filter(|_| keeps);
    if keeps && old.is_none() {
        return Err(no_event_config(&subject));
    }
    let old = old.cloned().unwrap_or_default();
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let config = EventConfig {
        retries: number(retries).or(old.retries),
        age_s: number(age).or(old.age_s),
        modified: Millis::now(),
    };
    let answer = event_config(&subject, &config);
    function.event_configs.insert(key, config);
    Ok(answer.into())
}

fn key(subject: &Subject) -> String {
    subject
        .qualifier
        .clone()
        .unwrap_or_else(|| LATEST.to_owned())
}

fn no_event_config(subject: &Subject) -> AwsError {
    not_found(format!(
        "The function {}:{} doesn't have an EventInvokeConfig",
        subject.arn,
        key(subject)
    ))
}

fn event_config(subject: &Subject, config: &EventConfig) -> Value {
    let mut shape = json!({
        "LastModified": timestamp(config.modified),
        "FunctionArn": format!("{}:{}", subject.arn, key(subject)),
        "DestinationConfig": { "OnSuccess": {}, "OnFailure": {} },
    });
    if let Some(retries) = config.retries {
        shape["MaximumRetryAttempts"] = json!(retries);
    }
    if let Some(age) = config.age_s {
        shape["MaximumEventAgeInSeconds"] = json!(age);
    }
    shape
}

/// `GetFunctionEventInvokeConfig`.
pub(super) fn get_event_config(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Plain)?;
    let state = control::of(call).state.read();
    let config = state
        .functions
        .get(&subject.name)
        .and_then(|function| function.event_configs.get(&key(&subject)))
        .ok_or_else(|| no_event_config(&subject))?;
    Ok(event_config(&subject, config).into())
}

/// `ListFunctionEventInvokeConfigs`.
pub(super) fn list_event_configs(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Plain)?;
    let state = control::of(call).state.read();
    let (function, _) = find(&state.functions, &subject)?;
    let all: Vec<Value> = function
        .event_configs
        .iter()
        .map(|(qualifier, config)| {
            let subject = Subject {
                qualifier: Some(qualifier.clone()),
                ..subject.clone()
            };
            event_config(&subject, config)
        })
        .collect();
    Ok(json!({ "FunctionEventInvokeConfigs": all }).into())
}

/// `GetProvisionedConcurrencyConfig` and `ListProvisionedConcurrencyConfigs`: nothing is provisioned here.
pub(super) fn provisioned(call: &Call) -> Result<Answer> {
    if call.input.get("List").is_some_and(|list| list == "ALL") {
        return of_any(call, json!({ "ProvisionedConcurrencyConfigs": [] }));
    }
    let _ = of_any(call, Value::Null)?;
    Err(AwsError::new(
        404,
        "ProvisionedConcurrencyConfigNotFoundException",
        "No Provisioned Concurrency Config found for this function",
    ))
}

/// `DeleteFunctionEventInvokeConfig`.
pub(super) fn delete_event_config(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Plain)?;
    let mut state = control::of(call).state.write();
    state
        .functions
        .get_mut(&subject.name)
        .and_then(|function| function.event_configs.remove(&key(&subject)))
        .map(|_| Answer::empty(204))
        .ok_or_else(|| no_event_config(&subject))
}

/// What is the same of every function that is there.
pub(super) fn of_any(call: &Call, answer: Value) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let state = control::of(call).state.read();
    find(&state.functions, &subject)?;
    Ok(answer.into())
}

/// `GetRuntimeManagementConfig`.
pub(super) fn runtime_management(call: &Call) -> Result<Answer> {
    let subject = Subject::of(call, Shape::Namespaced)?;
    let arn = format!("{}:{}", subject.arn, key(&subject));
    of_any(
        call,
        json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": arn }),
    )
}
