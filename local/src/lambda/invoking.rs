//! `Invoke`: waiting for what a function returns, leaving it an event, or asking whether one may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;

use super::{
    Invoked,
    arn::{Shape, Subject},
    check::{Members, invalid},
    control, invoke,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
};

/// The largest payload of an invocation that is waited for.
const WAITED: usize = 6_291_456;
/// The largest of an event.
const EVENT: usize = 1_048_576;
/// What may wait in memory, of a region's events.
const WAITING: usize = 256 << 20;
/// After an error of the function's: a minute, then two (developer guide, invocation-async).
const PAUSES: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// How long an event is tried where no configuration says otherwise.
const AGE: Duration = Duration::from_hours(6);

/// `Invoke`.
pub(super) async fn operation(call: &Call) -> Result<Answer> {
    let mut members = Members::new(&call.input);
    let subject = Subject::read(call, &mut members, Shape::Namespaced)?;
    let kind = header(call, "x-amz-invocation-type").unwrap_or("RequestResponse");
    members.one_of(
        "invocationType",
        kind,
        &["Event", "RequestResponse", "DryRun"],
    );
    let log = header(call, "x-amz-log-type").unwrap_or("None");
    members.one_of("logType", log, &["None", "Tail"]);
    members.finish()?;
    let subject = subject.ok_or_else(|| invalid("The function's name is missing"))?;
    let payload = payload(&call.body, kind)?;
    let function = subject.qualified();
    match kind {
        "DryRun" => {
            call.region.lambda.resolve(&function)?;
            Ok(Answer::empty(204))
        }
        "Event" => {
            call.region.lambda.resolve(&function)?;
            leave(call, &subject, payload)?;
            Ok(Answer::empty(202))
        }
        _ => {
            let invoked = invoke(&call.cloud, &call.region, &function, payload).await?;
            Ok(answer(invoked, log == "Tail"))
        }
    }
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.get(name)?.to_str().ok()
}

/// The payload, if it's JSON and small enough. None at all is an empty object.
fn payload(body: &Bytes, kind: &str) -> Result<Bytes> {
    if kind == "Event" && body.len() > EVENT {
        return Err(AwsError::new(
            413,
            "RequestTooLargeException",
            format!(
                "{} byte payload is too large for the Event invocation type (limit {EVENT} bytes)",
                body.len()
            ),
        )
        .member("Type", "User"));
    }
    if body.len() > WAITED {
        return Err(AwsError::new(
            413,
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {WAITED} bytes for the InvokeFunction operation"),
        ));
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    let is_text = std::str::from_utf8(body);
    let broken = match is_text {
        Ok(text) => serde_json::from_str::<IgnoredAny>(text)
            .err()
            .map(|error| (error.to_string(), error.line(), error.column())),
        Err(error) => {
            let at = error.valid_up_to();
            let byte = body.get(at).copied().unwrap_or_default();
            Some((format!("Invalid UTF-8 start byte 0x{byte:x}"), 1, at + 1))
        }
    };
    let Some((why, line, column)) = broken else {
        return Ok(body.clone());
    };
    let message = format!(
        "Could not parse request body into json: Could not parse payload into json: {why}\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
    );
    Err(AwsError::new(400, "InvalidRequestContentException", message).member("Type", "User"))
}

fn answer(invoked: Invoked, with_log: bool) -> Answer {
    let mut answer = Answer::blob(200, invoked.payload);
    let mut say = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers.insert(HeaderName::from_static(name), value);
        }
    };
    say("x-amz-executed-version", &invoked.version);
    if let Some(error) = &invoked.error {
        say("x-amz-function-error", error);
    }
    if with_log {
        say("x-amz-log-result", &STANDARD.encode(&invoked.log_tail));
    }
    answer
}

/// An event's place in the memory.
struct Place {
    waiting: Arc<AtomicUsize>,
    size: usize,
}

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, size: usize) -> Option<Self> {
        // Even an empty event takes some.
        let size = size.saturating_add(1024);
        waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(size).filter(|held| *held <= WAITING)
            })
            .ok()?;
        Some(Self {
            waiting: Arc::clone(waiting),
            size,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Leaves an event to be invoked with: once, and again after errors and throttling as AWS does.
fn leave(call: &Call, subject: &Subject, payload: Bytes) -> Result<()> {
    let control = control::of(call);
    let place = Place::take(&control.waiting, payload.len()).ok_or_else(|| {
        AwsError::new(429, "TooManyRequestsException", "Rate Exceeded.")
            .member("Reason", "CallerRateLimitExceeded")
            .member("Type", "User")
    })?;
    let (retries, age) = {
        let state = control.state.read();
        let key = subject.qualifier.as_deref().unwrap_or(super::arn::LATEST);
        let config = state
            .functions
            .get(&subject.name)
            .and_then(|function| function.event_configs.get(key));
        let retries = config.and_then(|config| config.retries).unwrap_or(2);
        let age = config
            .and_then(|config| config.age_s)
            .map_or(AGE, |age| Duration::from_secs(age.into()));
        (usize::try_from(retries).unwrap_or(2), age)
    };
    let (cloud, region) = (Arc::clone(&call.cloud), Arc::clone(&call.region));
    let function = subject.qualified();
    let scaled = |wait: Duration| call.cloud.delays.scaled(wait);
    let until = Millis::now().after(scaled(age));
    call.cloud.spawn(async move {
        let _place = place;
        let mut pauses = PAUSES.iter().take(retries);
        let mut throttled = Duration::from_secs(1);
        loop {
            let pause = match invoke(&cloud, &region, &function, payload.clone()).await {
                Ok(Invoked { error: None, .. }) => return,
                Ok(_) => match pauses.next() {
                    Some(pause) => *pause,
                    None => return,
                },
                // Throttling and errors of the service don't count as tries: one second to five minutes between them.
                Err(error) if error.status.as_u16() == 429 || error.status.is_server_error() => {
                    let pause = throttled;
                    throttled = (throttled * 2).min(Duration::from_mins(5));
                    pause
                }
                Err(error) => {
                    tracing::debug!(%error, function, "an event can't be delivered");
                    return;
                }
            };
            let pause = cloud.delays.scaled(pause);
            if Millis::now().after(pause) > until {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    Ok(())
}
