//! A call of a service, from the request to the answer.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{CONTENT_ENCODING, HeaderName},
    http::request::Parts,
};
use serde_json::{Map, Value};

use super::{
    Body, Cut,
    body::{self, Unread},
    cbor, data, json,
    protocol::{self, Protocol, Spoken},
    query, rates, rest, s3,
    sigv4::{self, Flaw, Signature, Signed},
    xml,
};
use crate::{
    call::{Answer, Call, Service},
    clock::Millis,
    cloud::{Cloud, Region, perform},
    error::{AwsError, Result},
    fault::Fate,
    iam::Caller,
    sockets,
};

const SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
/// A browser says with it what it wants the answer for.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What is asked, once its protocol is taken off.
#[derive(Debug)]
pub struct Asked {
    /// AWS's name of the operation.
    pub operation: String,
    /// Its members.
    pub input: Map<String, Value>,
}

/// Answers a request to a service.
pub async fn answer(cloud: &Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let signature = sigv4::parse(&parts.uri, &parts.headers);
    let signed_for = signature.as_ref().ok().map(|signed| &*signed.service);
    let most = protocol::most(signed_for);
    let (body, unread) = match body::read(body, most).await {
        Ok(body) => (body, None),
        Err(Unread::Broken) => return Err(Cut),
        Err(why) => (Bytes::new(), Some(why)),
    };
    let spoken = protocol::recognise(&parts, &body, signed_for);
    let request_id = request_id();
    let called = match unread {
        Some(why) => Err(spoken.unread(why, &rest::operation(spoken.service, &parts))),
        None => called(cloud, spoken, &parts, body, signature, &request_id),
    };
    let call = match called {
        Ok(call) => call,
        Err(error) => return Ok(refused(spoken, &parts, &error, &request_id)),
    };
    let answered = carried_out(&call).await?;
    let mut response = match answered {
        Ok(answer) => dressed(spoken, &call, answer),
        Err(error) => refused(spoken, &parts, &error, &request_id),
    };
    if spoken.protocol == Protocol::S3 && parts.headers.contains_key(FETCH_DEST) {
        // An object that a browser shows is of the control plane's origin: its scripts must not run.
        response.headers_mut().insert(
            hyper::header::CONTENT_SECURITY_POLICY,
            hyper::header::HeaderValue::from_static("sandbox"),
        );
    }
    Ok(response)
}

/// Answers the management API of a stage.
pub async fn managed(
    cloud: &Arc<Cloud>,
    target: data::Target,
    path: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let spoken = Spoken {
        protocol: Protocol::Rest,
        service: Some(Service::ExecuteApi),
    };
    let (parts, body) = request.into_parts();
    let request_id = request_id();
    let signature = sigv4::parse(&parts.uri, &parts.headers);
    let body = match body::read(body, protocol::most(None)).await {
        Ok(body) => body,
        Err(Unread::Broken) => return Err(Cut),
        Err(why) => {
            let error = spoken.unread(why, "PostToConnection");
            return Ok(refused(spoken, &parts, &error, &request_id));
        }
    };
    let called = (|| {
        let caller = caller(cloud, spoken, Service::ExecuteApi, &parts, &body, signature)?;
        let place = rest::find(&parts.method, path, sockets::ROUTES)?;
        let mut input = place.members();
        input.insert("apiId".to_owned(), target.api.into());
        input.insert("stage".to_owned(), target.stage.into());
        Ok(Call {
            cloud: Arc::clone(cloud),
            region: target.region?,
            caller,
            service: Service::ExecuteApi,
            operation: place.operation.to_owned(),
            input,
            body,
            headers: parts.headers.clone(),
            request_id: request_id.clone(),
        })
    })();
    let call: Call = match called {
        Ok(call) => call,
        Err(error) => return Ok(refused(spoken, &parts, &error, &request_id)),
    };
    Ok(match carried_out(&call).await? {
        Ok(answer) => dressed(spoken, &call, answer),
        Err(error) => refused(spoken, &parts, &error, &request_id),
    })
}

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Who calls, if the signature will do.
fn caller(
    cloud: &Cloud,
    spoken: Spoken,
    service: Service,
    parts: &Parts,
    body: &[u8],
    signature: Result<Signature<'_>, Flaw>,
) -> Result<Caller> {
    let signature = signature.map_err(|flaw| spoken.flaw(flaw))?;
    let meant = protocol::signing_name(service);
    if signature.service != meant {
        let flaw = Flaw::Scope(format!(
            "Credential should be scoped to correct service: '{meant}'. "
        ));
        return Err(spoken.flaw(flaw));
    }
    let (caller, secret) = cloud.iam.bearer(&signature.access_key);
    if cloud.options.verify_signatures {
        verified(&signature, parts, body, &secret).map_err(|flaw| spoken.flaw(flaw))?;
    }
    Ok(caller)
}

fn verified(
    signature: &Signature<'_>,
    parts: &Parts,
    body: &[u8],
    secret: &str,
) -> Result<(), Flaw> {
    let signed = Signed {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        body,
    };
    signature.verify(signed, secret, Millis::now())?;
    let chain = parts
        .headers
        .get(SHA256)
        .and_then(|hash| hash.to_str().ok())
        .is_some_and(|hash| hash.starts_with("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    if chain {
        let body = body::unchunk(body).map_err(|_| Flaw::Body)?;
        signature.verify_chunks(secret, &body.payload, &body.chunks)?;
    }
    Ok(())
}

/// Turns a request into a call.
fn called(
    cloud: &Arc<Cloud>,
    spoken: Spoken,
    parts: &Parts,
    body: Bytes,
    signature: Result<Signature<'_>, Flaw>,
    request_id: &str,
) -> Result<Call> {
    let region: Option<String> = signature
        .as_ref()
        .ok()
        .map(|signed| signed.region.clone().into_owned());
    let Some(service) = spoken.service else {
        signature.map_err(|flaw| spoken.flaw(flaw))?;
        return Err(unknown(spoken.protocol));
    };
    let caller = caller(cloud, spoken, service, parts, &body, signature)?;
    let region = region.unwrap_or_else(|| crate::DEFAULT_REGION.to_owned());
    let region = place(cloud, spoken, &region)?;
    let (body, headers) = unwrapped(spoken, parts, body)?;
    let asked = match spoken.protocol {
        Protocol::Json(_) => json::read(spoken, parts, &body)?,
        Protocol::Cbor => cbor::read(spoken, parts, &body)?,
        Protocol::Query => query::read(spoken, service, parts, &body)?,
        Protocol::Rest => rest::read(spoken, service, parts, &body)?,
        Protocol::S3 => s3::read(parts)?,
    };
    Ok(Call {
        cloud: Arc::clone(cloud),
        region,
        caller,
        service,
        operation: asked.operation,
        input: asked.input,
        body,
        headers: headers.into_owned(),
        request_id: request_id.to_owned(),
    })
}

fn place(cloud: &Cloud, spoken: Spoken, name: &str) -> Result<Arc<Region>> {
    // IAM, STS's global endpoint and partition-wide clients sign for this one.
    let name = if name == "aws-global" {
        crate::DEFAULT_REGION
    } else {
        name
    };
    cloud.region(name).map_err(|_| {
        spoken.flaw(Flaw::Scope(
            "Credential should be scoped to a valid region. ".to_owned(),
        ))
    })
}

/// An operation of a service that there isn't.
fn unknown(protocol: Protocol) -> AwsError {
    match protocol {
        Protocol::Query => AwsError::new(
            400,
            "InvalidAction",
            "wsless's embedded cloud doesn't have the service or its version that is called",
        ),
        _ => AwsError::new(
            400,
            "UnknownOperationException",
            "wsless's embedded cloud doesn't have the service that is called",
        ),
    }
}

/// The body without what it was wrapped in, and the headers with the trailers.
fn unwrapped(spoken: Spoken, parts: &Parts, body: Bytes) -> Result<(Bytes, Cow<'_, HeaderMap>)> {
    let headers = &parts.headers;
    let unread = |why| spoken.unread(why, "");
    if spoken.protocol == Protocol::S3 {
        let chunked = headers
            .get(SHA256)
            .is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-"));
        if !chunked {
            return Ok((body, Cow::Borrowed(headers)));
        }
        let read = body::unchunk(&body).map_err(unread)?;
        let told = headers
            .get("x-amz-decoded-content-length")
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if told.is_some_and(|told| told != read.payload.len()) {
            return Err(unread(Unread::Malformed));
        }
        let mut headers = headers.clone();
        for (name, value) in &read.trailers {
            headers.insert(name, value.clone());
        }
        return Ok((read.payload, Cow::Owned(headers)));
    }
    let zipped = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if zipped {
        let most = protocol::most(spoken.service.map(protocol::signing_name));
        let body = body::gunzip(&body, most).map_err(unread)?;
        return Ok((body, Cow::Borrowed(headers)));
    }
    Ok((body, Cow::Borrowed(headers)))
}

/// Does what is asked, as fast as AWS lets one and as well as the faults do.
async fn carried_out(call: &Call) -> Result<Result<Answer>, Cut> {
    let fate = call.cloud.faults.meet(call.service, &call.operation);
    if let Some(delay) = fate.delay {
        tokio::time::sleep(delay).await;
    }
    match fate.then {
        Fate::Perform => {
            if call.cloud.delays.are_real() {
                let allowed = call.region.rates.take(
                    call.service,
                    &call.operation,
                    Millis::now(),
                    call.cloud.delays,
                );
                if !allowed {
                    return Ok(Err(rates::throttled(call.service)));
                }
            }
            Ok(perform(call).await)
        }
        Fate::Refuse(error) => Ok(Err(error)),
        Fate::Lose => {
            let _ = perform(call).await;
            Err(Cut)
        }
        Fate::Cut => Err(Cut),
    }
}

/// An answer in the protocol's clothes.
fn dressed(spoken: Spoken, call: &Call, answer: Answer) -> Response<Body> {
    match spoken.protocol {
        Protocol::Json(content_type) => json::answer(call, content_type, answer),
        Protocol::Cbor => cbor::answer(call, answer),
        Protocol::Query => xml::answer(call, answer),
        Protocol::Rest => json::rest_answer(call, answer),
        Protocol::S3 => s3::answer(call, answer),
    }
}

/// An error in the protocol's clothes.
fn refused(spoken: Spoken, parts: &Parts, error: &AwsError, request_id: &str) -> Response<Body> {
    match spoken.protocol {
        Protocol::Json(content_type) => {
            json::error(spoken.service, content_type, error, request_id)
        }
        Protocol::Cbor => cbor::error(error, request_id),
        Protocol::Query => xml::error(spoken.service, error, request_id),
        Protocol::Rest => json::rest_error(spoken.service, error, request_id),
        Protocol::S3 => s3::error(parts, error, request_id),
    }
}
