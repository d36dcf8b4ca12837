//! The console: one page at `/`, and the few calls that it lives on, below `/_wsless/console/`.
//!
//! In: requests that `wire` let in, which are this machine's programs' and the page's own. Out: the page (`page`), what is
//! there (`overview`, `curves`, a queue's messages), a stream of it as it changes (`events`), and the little that a person
//! may do (`acts`), which goes the way of every other call: [`cloud::perform`](crate::cloud::perform), as the owner.

mod acts;
mod curves;
mod events;
mod overview;
mod page;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    cloud::{Cloud, Region},
    error::{AwsError, Result},
    wire,
};

/// So many pages may look on at a time; each costs a look at everything once a second.
const PAGES: usize = 32;
/// The most of a text that is shown, in bytes: bodies and log events can be far longer than anybody reads.
const TEXT: usize = 16 * 1024;
/// So many of a queue's messages are shown.
const MESSAGES: usize = 100;

/// What the console holds of its own.
#[derive(Debug)]
pub struct Console {
    pages: Arc<Semaphore>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            pages: Arc::new(Semaphore::new(PAGES)),
        }
    }
}

/// Answers at `/` and below `/_wsless/`. Pages of other origins were refused before.
pub(crate) async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Response<wire::Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(file) = page::file(path) {
        return page::answer(file, &parts.method, &parts.headers).map(Either::Left);
    }
    let answered = match (&parts.method, path) {
        // Who finds a note of a cloud asks whether it's this one.
        (&Method::GET, "/_wsless/health") => {
            Ok(json!({ "id": cloud.id, "version": env!("CARGO_PKG_VERSION") }))
        }
        (&Method::GET, "/_wsless/console/events") => return events::answer(cloud),
        (&Method::GET, "/_wsless/console/overview") => Ok(overview::whole(cloud).await),
        (&Method::GET, "/_wsless/console/metrics") => Ok(curves::all(cloud, minutes(&parts.uri))),
        (&Method::GET, "/_wsless/console/messages") => messages(cloud, &parts.uri),
        (&Method::POST, path) => match path.strip_prefix("/_wsless/console/") {
            Some(act) => acts::answer(cloud, act, &parts.headers, body).await,
            None => Err(nothing()),
        },
        _ => Err(nothing()),
    };
    match answered {
        Ok(value) => json(StatusCode::OK, &value),
        Err(error) => json(
            error.status,
            &json!({ "code": error.code, "message": error.message }),
        ),
    }
    .map(Either::Left)
}

fn nothing() -> AwsError {
    AwsError::new(404, "NotFound", "Not found")
}

fn json(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A member of the address's query.
fn queried<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

/// A region that is there; naming one makes none.
fn region(cloud: &Cloud, name: &str) -> Result<Arc<Region>> {
    cloud
        .regions()
        .into_iter()
        .find(|region| region.name == name)
        .ok_or_else(|| AwsError::new(404, "NotFound", format!("Nothing is in region `{name}`")))
}

/// For how long curves are asked.
fn minutes(uri: &Uri) -> u32 {
    queried(uri, "minutes")
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(15)
        .clamp(5, 24 * 60)
}

/// The first messages of a queue, left where they are.
fn messages(cloud: &Cloud, uri: &Uri) -> Result<Value> {
    let region = region(cloud, &queried(uri, "region").unwrap_or_default())?;
    let name = queried(uri, "queue").unwrap_or_default();
    let queue = region
        .sqs
        .queue(&name)
        .ok_or_else(|| AwsError::new(404, "NotFound", format!("There is no queue `{name}`")))?;
    let messages: Vec<Value> = queue
        .peek(MESSAGES)
        .into_iter()
        .map(|message| {
            json!({
                "id": message.message_id,
                "state": message.state,
                "body": shortened(&message.body),
                "length": message.body.len(),
                "attributes": message.attributes,
                "messageAttributes": message.message_attributes,
            })
        })
        .collect();
    Ok(json!({ "messages": messages, "most": MESSAGES }))
}

/// The beginning of a text that is too long to show.
fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT)).unwrap_or(text)
}
