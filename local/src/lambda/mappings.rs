//! Event source mappings: which queue's messages go to which function, and how.
//!
//! A change takes a while in which the next is refused; what state that is is computed when it's read.

mod filter;
mod rules;

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use self::rules::Asked;
use super::{
    arn::{self, LATEST, Shape},
    check::{self, Members, conflict, invalid, not_found},
    control,
    functions::paged,
    state::{EventSource, Phase, State},
    tags,
};
use crate::{
    ACCOUNT,
    call::{Answer, Call, timestamp},
    clock::Millis,
    error::{AwsError, Result},
    fidelity::Delay,
    iam::Permission,
};

/// `ListEventSourceMappings` answers at most so many at a time.
const PAGE: usize = 100;

fn missing() -> AwsError {
    not_found("The resource you requested does not exist.")
}

/// `CreateEventSourceMapping`.
pub(super) fn create(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let asked = Asked::read(&mut members)?;
    let tags = tags::read(&mut members)?;
    let queue_arn = members.text("EventSourceArn")?;
    let function = function(call, &mut members)?;
    if function.is_none() && members.value("FunctionName").is_none() {
        members.missing("functionName");
    }
    members.finish()?;
    tags::check(&tags)?;
    let queue_arn = queue_arn.ok_or_else(|| invalid("Unrecognized event source."))?;
    let function_arn = function.ok_or_else(|| invalid("Function does not exist"))?;
    let now = Millis::now();
    let takes = call.cloud.delays.of(Delay::Mapping);
    let mapping = EventSource {
        uuid: Uuid::new_v4().to_string(),
        queue_arn: queue_arn.to_owned(),
        function_arn,
        is_enabled: asked.is_enabled.unwrap_or(true),
        batch_size: asked.batch_size.unwrap_or(10),
        window_s: asked.window_s.unwrap_or(0),
        max_concurrency: asked.max_concurrency.over(None),
        reports_item_failures: asked.reports_item_failures.unwrap_or_default(),
        filters: asked.filters.unwrap_or_default(),
        tags,
        modified: now,
        phase: Phase::Creating,
        settled_at: now.after(takes),
    };
    rules::check(&mapping)?;
    check_against_others(call, &mapping)?;
    let control = control::of(call);
    {
        let mut state = control.state.write();
        state.forget_gone(now);
        if let Some(other) = same(&state, &mapping) {
            let function = name_of(&mapping.function_arn);
            return Err(conflict(format!(
                "An event source mapping with SQS arn (\" {queue_arn} \") and function (\" {function} \") already exists. Please update or delete the existing mapping with UUID {}",
                other.uuid
            )));
        }
        if !state.has(&mapping.function_arn) {
            return Err(invalid("Function does not exist"));
        }
        state.mappings.insert(mapping.uuid.clone(), mapping.clone());
    }
    control::tell_pollers(call, takes);
    Ok(answer(call, &mapping, "Creating"))
}

/// The ARN of the function that a call names, as it named it. A function that isn't there has none.
fn function(call: &Call, members: &mut Members<'_>) -> Result<Option<String>> {
    let Some(text) = members.text("FunctionName")? else {
        return Ok(None);
    };
    members.length("functionName", text, 1, 256);
    let Some(named) = arn::parse(text, Shape::Namespaced) else {
        return Ok(None);
    };
    arn::within(&named, &call.region.name)?;
    let arn = arn::function(&call.region.name, named.name);
    Ok(Some(match named.qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }))
}

/// The function as the duplicate's refusal calls it: its name, with what qualifies it.
fn name_of(function_arn: &str) -> &str {
    function_arn.splitn(7, ':').nth(6).unwrap_or(function_arn)
}

fn same<'a>(state: &'a State, mapping: &EventSource) -> Option<&'a EventSource> {
    state.mappings.values().find(|other| {
        other.uuid != mapping.uuid
            && other.queue_arn == mapping.queue_arn
            && other.function_arn == mapping.function_arn
    })
}

/// What depends on the function, its role, and the queue.
fn check_against_others(call: &Call, mapping: &EventSource) -> Result<()> {
    let absent = || invalid("Function does not exist");
    let (role, timeout_s) = {
        let state = control::of(call).state.read();
        let named = arn::parse(&mapping.function_arn, Shape::Namespaced).ok_or_else(absent)?;
        let release = state
            .functions
            .get(named.name)
            .and_then(|function| function.release(named.qualifier))
            .ok_or_else(absent)?;
        (release.settings.role.clone(), release.settings.timeout_s)
    };
    let queue = queue_name(call, &mapping.queue_arn)?;
    let caller = call
        .cloud
        .iam
        .assume(
            &role,
            "lambda.amazonaws.com",
            name_of(&mapping.function_arn),
        )
        .map_err(|_| invalid("The role defined for the function cannot be assumed by Lambda."))?;
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
        let permission = Permission {
            action: format!("sqs:{action}"),
            resource: mapping.queue_arn.clone(),
        };
        if !call.cloud.iam.allows(&caller, &permission) {
            return Err(invalid(format!(
                "The function execution role does not have permissions to call {action} on SQS"
            )));
        }
    }
    let queue = call.region.sqs.queue(queue).ok_or_else(|| {
        invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
        )
    })?;
    if queue.is_fifo() && mapping.window_s > 0 {
        return Err(invalid("Batching window is not supported for FIFO queues"));
    }
    hides_long_enough(queue.visibility_timeout(), timeout_s)
}

/// The name of a queue of this region and account.
fn queue_name<'a>(call: &Call, arn: &'a str) -> Result<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let (_, _, service) = (parts.next(), parts.next(), parts.next());
    let (region, account, name) = (parts.next(), parts.next(), parts.next());
    if service != Some("sqs") {
        return Err(invalid(format!(
            "Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn : {arn}"
        )));
    }
    let is_here = region == Some(call.region.name.as_str()) && account == Some(ACCOUNT);
    name.filter(|name| is_here && !name.is_empty()).ok_or_else(|| {
        invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
        )
    })
}

fn hides_long_enough(visibility: Duration, timeout_s: u32) -> Result<()> {
    if visibility >= Duration::from_secs(timeout_s.into()) {
        return Ok(());
    }
    Err(invalid(format!(
        "Queue visibility timeout: {} seconds is less than Function timeout: {timeout_s} seconds",
        visibility.as_secs()
    )))
}

/// Refuses a function's timeout that is longer than a queue that is mapped to its `$LATEST` hides a message.
pub(super) fn must_hide_long_enough(call: &Call, function_arn: &str, timeout_s: u32) -> Result<()> {
    let now = Millis::now();
    let latest = format!("{function_arn}:{LATEST}");
    let queues: Vec<String> = {
        let state = control::of(call).state.read();
        state
            .mappings
            .values()
            .filter(|mapping| !mapping.is_gone(now))
            .filter(|mapping| [function_arn, &latest].contains(&mapping.function_arn.as_str()))
            .map(|mapping| mapping.queue_arn.clone())
            .collect()
    };
    for arn in queues {
        let queue = queue_name(call, &arn)
            .ok()
            .and_then(|name| call.region.sqs.queue(name));
        if let Some(queue) = queue {
            hides_long_enough(queue.visibility_timeout(), timeout_s)?;
        }
    }
    Ok(())
}

/// `GetEventSourceMapping`.
pub(super) fn get(call: &Call) -> Result<Answer> {
    let uuid = uuid(call)?;
    let now = Millis::now();
    let state = control::of(call).state.read();
    let mapping = state.mapping(&uuid, now).ok_or_else(missing)?;
    Ok(shape(call, mapping, mapping.state(now)).into())
}

fn uuid(call: &Call) -> Result<String> {
    let mut members = Members::new(&call.input);
    let uuid = members.required("UUID")?;
    members.finish()?;
    Ok(uuid.to_owned())
}

/// `ListEventSourceMappings`.
pub(super) fn list(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    check::max_items(&mut members)?;
    let queue = members.text("EventSourceArn")?;
    let function = function(call, &mut members)?;
    let is_named = members.value("FunctionName").is_some();
    members.finish()?;
    let now = Millis::now();
    let state = control::of(call).state.read();
    let found = state
        .mappings
        .values()
        .filter(|mapping| !mapping.is_gone(now))
        .filter(|mapping| queue.is_none_or(|queue| mapping.queue_arn == queue))
        .filter(|mapping| !is_named || function.as_ref() == Some(&mapping.function_arn))
        .map(|mapping| (mapping.uuid.clone(), mapping));
    let (page, next) = check::page(&Members::new(&call.input), found, PAGE)?;
    let page: Vec<Value> = page
        .into_iter()
        .map(|mapping| shape(call, mapping, mapping.state(now)))
        .collect();
    Ok(paged("EventSourceMappings", &page, next))
}

/// `UpdateEventSourceMapping`: what isn't said stays; empty structures clear.
pub(super) fn update(call: &Call) -> Result<Answer> {
    let uuid = uuid(call)?;
    let mut members = Members::new(&call.input);
    let asked = Asked::read(&mut members)?;
    let function = function(call, &mut members)?;
    let is_named = members.value("FunctionName").is_some();
    members.finish()?;
    if is_named && function.is_none() {
        return Err(invalid("Function does not exist"));
    }
    let control = control::of(call);
    let now = Millis::now();
    let takes = call.cloud.delays.of(Delay::Mapping);
    let apply = |state: &State| -> Result<EventSource> {
        let old = state.mapping(&uuid, now).ok_or_else(missing)?;
        if !old.is_settled(now) {
            return Err(in_use("update"));
        }
        let mut mapping = old.clone();
        if let Some(function) = &function {
            mapping.function_arn.clone_from(function);
        }
        asked.apply(&mut mapping);
        mapping.phase = match (old.is_enabled, mapping.is_enabled) {
            (false, true) => Phase::Enabling,
            (true, false) => Phase::Disabling,
            _ => Phase::Updating,
        };
        mapping.modified = now;
        mapping.settled_at = now.after(takes);
        rules::check(&mapping)?;
        if let Some(other) = same(state, &mapping) {
            return Err(conflict(format!(
                "An event source mapping with SQS arn (\" {} \") and function (\" {} \") already exists. Please update or delete the existing mapping with UUID {}",
                mapping.queue_arn,
                name_of(&mapping.function_arn),
                other.uuid
            )));
        }
        Ok(mapping)
    };
    let wanted = apply(&control.state.read())?;
    check_against_others(call, &wanted)?;
    let mapping = {
        let mut state = control.state.write();
        let mapping = apply(&state)?;
        state.mappings.insert(uuid.clone(), mapping.clone());
        mapping
    };
    control::tell_pollers(call, takes);
    let state = match mapping.phase {
        Phase::Enabling => "Enabling",
        Phase::Disabling => "Disabling",
        _ => "Updating",
    };
    Ok(answer(call, &mapping, state))
}

fn in_use(change: &str) -> AwsError {
    AwsError::new(
        400,
        "ResourceInUseException",
        format!("Cannot {change} the event source mapping because it is in use."),
    )
    .member("Type", "User")
}

/// `DeleteEventSourceMapping`.
pub(super) fn delete(call: &Call) -> Result<Answer> {
    let uuid = uuid(call)?;
    let control = control::of(call);
    let now = Millis::now();
    let takes = call.cloud.delays.of(Delay::Mapping);
    let mapping = {
        let mut state = control.state.write();
        state.forget_gone(now);
        let mapping = state.mappings.get_mut(&uuid).ok_or_else(missing)?;
        if !mapping.is_settled(now) {
            return Err(in_use("delete"));
        }
        mapping.phase = Phase::Deleting;
        mapping.settled_at = now.after(takes);
        mapping.clone()
    };
    control::tell_pollers(call, takes);
    let answer = answer(call, &mapping, "Deleting");
    control.results.lock().remove(&uuid);
    Ok(answer)
}

/// The answer to a change: in the state of being changed, even where that takes no time.
fn answer(call: &Call, mapping: &EventSource, state: &str) -> Answer {
    Answer::members(202, shape(call, mapping, state))
}

fn shape(call: &Call, mapping: &EventSource, state: &str) -> Value {
    let arn = format!("event-source-mapping:{}", mapping.uuid);
    let types: &[&str] = if mapping.reports_item_failures {
        &["ReportBatchItemFailures"]
    } else {
        &[]
    };
    let mut shape = json!({
        "UUID": mapping.uuid,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "EventSourceArn": mapping.queue_arn,
        "FunctionArn": mapping.function_arn,
        "LastModified": timestamp(mapping.modified),
        "State": state,
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": types,
        "EventSourceMappingArn": call.region.arn("lambda", &arn),
    });
    if !mapping.filters.is_empty() {
        let filters: Vec<Value> = mapping
            .filters
            .iter()
            .map(|pattern| json!({ "Pattern": pattern }))
            .collect();
        shape["FilterCriteria"] = json!({ "Filters": filters });
    }
    if let Some(most) = mapping.max_concurrency {
        shape["ScalingConfig"] = json!({ "MaximumConcurrency": most });
    }
    if let Some(result) = control::of(call).results.lock().get(&mapping.uuid) {
        shape["LastProcessingResult"] = json!(result);
    }
    shape
}
