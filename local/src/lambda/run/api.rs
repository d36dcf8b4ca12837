//! Lambda's Runtime API (2018-06-01) over HTTP: what a function's process says, and what it's told.
//!
//! The hottest path of the cloud: two requests an invocation.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    outcome::{Failure, MOST_RETURNED, Outcome},
    pool::{Next, Work},
    process::{Given, Process, Wrong},
};
use crate::cloud::Cloud;

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
/// An error's type may be a text of anybody's.
const MOST_ERROR_TYPE: usize = 256;

type Reply = Response<Full<Bytes>>;

/// Answers a function's process: the Runtime API under `/_runtime/{process}/2018-06-01/runtime/`.
///
/// `path` is what follows `/_runtime/`. `next` waits as long as it takes.
pub async fn runtime_api(
    cloud: &Arc<Cloud>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Reply {
    let path = path.trim_start_matches('/');
    let (id, path) = path.split_once('/').unwrap_or((path, ""));
    let Some(process) = find(cloud, id) else {
        return no_process();
    };
    let Some(path) = path.strip_prefix("2018-06-01/runtime/") else {
        return if path.contains("extension") || path.contains("telemetry") {
            refuse(
                501,
                "Extension.NotSupported",
                "wsless's embedded cloud runs no extensions.",
            )
        } else {
            refuse(404, "NotFound", "The Runtime API doesn't have that.")
        };
    };
    let parts = path.split('/').collect::<Vec<_>>();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["invocation", "next"]) => next(&process).await,
        ("POST", ["invocation", request, "response"]) => respond(&process, request, body),
        ("POST", ["invocation", request, "error"]) => {
            let outcome = Outcome::Reported {
                kind: error_type(headers),
                payload: body,
            };
            accepted(process.answer(request, outcome), "InvocationErrorResponse")
        }
        ("POST", ["init", "error"]) => {
            let outcome = Outcome::Reported {
                kind: error_type(headers),
                payload: body,
            };
            accepted(process.fail(outcome), "InitError")
        }
        (
            _,
            ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"],
        ) => refuse(
            405,
            "MethodNotAllowed",
            "The Runtime API doesn't have that.",
        ),
        _ => refuse(404, "NotFound", "The Runtime API doesn't have that."),
    }
}

/// The same for a request whose body is so large that it wasn't read: the invocation fails by it.
pub fn too_large(cloud: &Cloud, path: &str) -> Reply {
    let parts = path.trim_start_matches('/').split('/').collect::<Vec<_>>();
    match parts.as_slice() {
        [id, _, _, "invocation", request, "response"] => match find(cloud, id) {
            Some(process) => respond_too_large(&process, request),
            None => no_process(),
        },
        _ => refuse(413, "RequestEntityTooLarge", "The request is too large."),
    }
}

fn no_process() -> Reply {
    refuse(403, "InvalidProcess", "There is no such process.")
}

/// A process by its id, `{region}.{number}`.
fn find(cloud: &Cloud, id: &str) -> Option<Arc<Process>> {
    let (region, number) = id.rsplit_once('.')?;
    let number = u128::from_str_radix(number, 16).ok()?;
    cloud.region(region).ok()?.lambda.runner.process(number)
}

/// Work that is on its way to a process; put back if the process doesn't wait for it any longer.
struct Awaited {
    process: Arc<Process>,
    later: oneshot::Receiver<Work>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.later.close();
        if let Ok(work) = self.later.try_recv() {
            self.process.pool.put_back(work);
        }
    }
}

async fn next(process: &Arc<Process>) -> Reply {
    let took = match process.ask() {
        Ok(took) => took,
        Err(wrong) => return wrong_order(wrong, "Ready"),
    };
    let work = match process.pool.next(process, took) {
        Next::Now(work) => *work,
        Next::Later(later) => {
            let mut awaited = Awaited {
                process: Arc::clone(process),
                later,
            };
            match (&mut awaited.later).await {
                Ok(work) => work,
                Err(_) => return refuse(403, "Shutdown", "The process is to end."),
            }
        }
        Next::Never => {
            process.stop();
            return refuse(403, "Shutdown", "The process is to end.");
        }
    };
    match process.begin(work) {
        Ok(given) => give(given),
        Err(work) => {
            process.pool.put_back(*work);
            refuse(403, "Shutdown", "The process is to end.")
        }
    }
}

fn give(given: Given) -> Reply {
    let mut reply = Response::new(Full::new(given.payload));
    let headers = reply.headers_mut();
    headers.reserve(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(DEADLINE, HeaderValue::from(given.deadline.0));
    // X-Ray's form; nothing is sampled here.
    let trace = format!(
        "Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0",
        given.deadline.0 / 1000,
        rand::random::<u128>() >> 32,
        rand::random::<u64>()
    );
    for (name, value) in [
        (REQUEST_ID, given.request.as_str()),
        (ARN, &given.arn),
        (TRACE, &trace),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    reply
}

fn respond(process: &Arc<Process>, request: &str, body: Bytes) -> Reply {
    if body.len() <= MOST_RETURNED {
        return accepted(
            process.answer(request, Outcome::Returned(body)),
            "InvocationResponse",
        );
    }
    respond_too_large(process, request)
}

fn respond_too_large(process: &Arc<Process>, request: &str) -> Reply {
    match process.answer(request, Outcome::Failed(Failure::TooLarge)) {
        Ok(()) => refuse(
            413,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({MOST_RETURNED} bytes)."),
        ),
        Err(wrong) => wrong_order(wrong, "InvocationResponse"),
    }
}

fn error_type(headers: &HeaderMap) -> String {
    headers
        .get(ERROR_TYPE)
        .and_then(|value| value.to_str().ok())
        .map_or_else(
            || "Runtime.Unknown".to_owned(),
            |kind| kind.chars().take(MOST_ERROR_TYPE).collect(),
        )
}

fn accepted(result: Result<(), Wrong>, to: &str) -> Reply {
    match result {
        Ok(()) => reply(202, Bytes::from_static(b"{\"status\":\"OK\"}\n")),
        Err(wrong) => wrong_order(wrong, to),
    }
}

/// As Lambda's runtime manager refuses.
fn wrong_order(wrong: Wrong, to: &str) -> Reply {
    match wrong {
        Wrong::Request => refuse(400, "InvalidRequestID", "Invalid request ID"),
        Wrong::State(from) => refuse(
            403,
            "InvalidStateTransition",
            &format!(
                "State transition from {from} to {to} failed for runtime. Error: State transition is not allowed"
            ),
        ),
    }
}

fn refuse(status: u16, kind: &str, message: &str) -> Reply {
    let body = json!({"errorMessage": message, "errorType": kind}).to_string();
    reply(status, Bytes::from(body))
}

fn reply(status: u16, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}
