//! awsJson 1.0 and 1.1, and the answers of restJson1.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    http::request::Parts,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    Body,
    aws::Asked,
    body::Stream,
    protocol::{self, Spoken},
};
use crate::{
    call::{Answer, Call, Payload, Service, TIMESTAMP},
    clock::Millis,
    error::{AwsError, Result},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const JSON: &str = "application/json";
const EVENTS: &str = "application/vnd.amazon.eventstream";

/// Reads an awsJson request.
pub fn read(spoken: Spoken, parts: &Parts, body: &[u8]) -> Result<Asked> {
    let operation = protocol::target(&parts.headers)
        .map(|(_, operation)| operation.to_owned())
        .filter(|operation| !operation.is_empty())
        .ok_or_else(|| AwsError::new(400, "UnknownOperationException", ""))?;
    let input = object(body).ok_or_else(|| spoken.malformed())?;
    Ok(Asked { operation, input })
}

/// A JSON object; an empty body is an empty one.
pub fn object(body: &[u8]) -> Option<Map<String, Value>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Some(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Some(members),
        Ok(Value::Null) => Some(Map::new()),
        _ => None,
    }
}

/// Dresses an answer for awsJson.
pub fn answer(call: &Call, content_type: &'static str, answer: Answer) -> Response<Body> {
    let body = match &answer.payload {
        Payload::Members(Value::Null) => Bytes::from_static(b"{}"),
        Payload::Members(members) => written(members, Time::Seconds),
        // An operation without output has an empty object.
        Payload::Blob(blob) if blob.is_empty() => Bytes::from_static(b"{}"),
        _ => Bytes::new(),
    };
    let content_type = match answer.payload {
        Payload::Stream(_) => EVENTS,
        _ => content_type,
    };
    response(answer, body, content_type, &call.request_id)
}

/// Dresses an answer for restJson1.
pub fn rest_answer(call: &Call, answer: Answer) -> Response<Body> {
    let time = match call.service {
        Service::Lambda => Time::Seconds,
        _ => Time::Iso,
    };
    let body = match &answer.payload {
        Payload::Members(Value::Null) => Bytes::new(),
        Payload::Members(members) if answer.status != StatusCode::NO_CONTENT => {
            written(members, time)
        }
        _ => Bytes::new(),
    };
    let content_type = match &answer.payload {
        Payload::Stream(_) => EVENTS,
        Payload::Blob(blob) if blob.is_empty() => "",
        Payload::Members(Value::Null) => "",
        _ if answer.status == StatusCode::NO_CONTENT => "",
        _ => JSON,
    };
    response(answer, body, content_type, &call.request_id)
}

/// A response of an answer; `members` are its members as bytes.
fn response(
    answer: Answer,
    members: Bytes,
    content_type: &'static str,
    request_id: &str,
) -> Response<Body> {
    let body = match answer.payload {
        Payload::Blob(blob) if members.is_empty() => Either::Left(Full::new(blob)),
        Payload::Members(_) | Payload::Blob(_) => Either::Left(Full::new(members)),
        Payload::Stream(stream) => Either::Right(Stream(stream)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let headers = response.headers_mut();
    if !content_type.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    identify(headers, request_id);
    response
}

/// Says the request's id where the JSON protocols say it.
pub fn identify(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Dresses an error for awsJson.
pub fn error(
    service: Option<Service>,
    content_type: &'static str,
    error: &AwsError,
    request_id: &str,
) -> Response<Body> {
    let mut members = Map::new();
    let namespace = match service {
        Some(Service::Sqs) => "com.amazonaws.sqs#",
        Some(Service::DynamoDb) => "com.amazonaws.dynamodb.v20120810#",
        Some(Service::CloudWatch) => "com.amazonaws.cloudwatch#",
        _ => "",
    };
    members.insert(
        "__type".to_owned(),
        format!("{namespace}{}", error.code).into(),
    );
    members.insert(
        message_member(service, &error.code).to_owned(),
        error.message.as_str().into(),
    );
    members.extend(error.members.as_ref().clone());
    let mut response = Response::new(Either::Left(Full::new(written(
        &Value::Object(members),
        Time::Seconds,
    ))));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    identify(headers, request_id);
    query_error(headers, service, error);
    response
}

/// What the services that spoke the query protocol once add, for clients that know its codes.
pub fn query_error(headers: &mut HeaderMap, service: Option<Service>, error: &AwsError) {
    if !matches!(service, Some(Service::Sqs | Service::CloudWatch)) {
        return;
    }
    let code = error.query_code.unwrap_or(&error.code);
    let fault = fault(error);
    if let Ok(value) = HeaderValue::from_str(&format!("{code};{fault}")) {
        headers.insert(QUERY_ERROR, value);
    }
}

/// Whose fault an error is, in the query protocol's words.
pub fn fault(error: &AwsError) -> &'static str {
    if error.status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    }
}

/// Dresses an error for restJson1.
pub fn rest_error(service: Option<Service>, error: &AwsError, request_id: &str) -> Response<Body> {
    let mut members = Map::new();
    if service == Some(Service::Lambda) {
        let whose = if error.status.is_server_error() {
            "Service"
        } else {
            "User"
        };
        members.insert("Type".to_owned(), whose.into());
    }
    members.insert(
        message_member(service, &error.code).to_owned(),
        error.message.as_str().into(),
    );
    members.extend(error.members.as_ref().clone());
    let mut response = Response::new(Either::Left(Full::new(written(
        &Value::Object(members),
        Time::Seconds,
    ))));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        headers.insert(ERROR_TYPE, code);
    }
    identify(headers, request_id);
    response
}

/// The name of an error's message: most are `message`, those that AWS's models name otherwise are here.
pub fn message_member(service: Option<Service>, code: &str) -> &'static str {
    // Those of Lambda that aren't `Message`.
    const LAMBDA: &[&str] = &[
        "AliasLimitExceededException",
        "CapacityProviderLimitExceededException",
        "CodeArtifactUserDeletedException",
        "CodeArtifactUserFailedException",
        "CodeArtifactUserPendingException",
        "CodeStorageExceededException",
        "FunctionVersionsPerCapacityProviderLimitExceededException",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "ModeNotSupportedException",
        "PolicyLengthExceededException",
        "PreconditionFailedException",
        "ProvisionedConcurrencyConfigNotFoundException",
        "RequestTooLargeException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "RuntimeAliasDeletedException",
        "RuntimeVersionDeletedException",
        "SerializedRequestEntityTooLargeException",
        "TooManyRequestsException",
        "UnsupportedMediaTypeException",
    ];
    let upper = match service {
        Some(Service::Lambda) => !LAMBDA.contains(&code),
        Some(Service::DynamoDb) => matches!(
            code,
            "IdempotentParameterMismatchException"
                | "TransactionCanceledException"
                | "TransactionInProgressException"
        ),
        Some(Service::CloudWatch) => matches!(
            code,
            "ConflictException"
                | "InternalServiceFault"
                | "KmsAccessDeniedException"
                | "KmsKeyDisabledException"
                | "KmsKeyNotFoundException"
        ),
        _ => false,
    };
    if upper { "Message" } else { "message" }
}

/// How a protocol writes a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Seconds since 1970.
    Seconds,
    /// `2026-01-31T12:00:00Z`.
    Iso,
}

/// Members as JSON, their timestamps as the protocol has them.
fn written(members: &Value, time: Time) -> Bytes {
    // Members are plain values, whose names are strings: nothing in them can fail to be written.
    serde_json::to_vec(&Timed(members, time))
        .map(Bytes::from)
        .unwrap_or_default()
}

/// The time that a value is, if it's a timestamp.
pub fn timestamp(value: &Value) -> Option<Millis> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(TIMESTAMP)?.as_i64().map(Millis)
}

/// `2026-01-31T12:00:00Z`, with milliseconds if there are any.
pub fn iso(at: Millis) -> String {
    let iso = at.iso();
    match iso.strip_suffix(".000Z") {
        Some(whole) => format!("{whole}Z"),
        None => iso,
    }
}

struct Timed<'a>(&'a Value, Time);

impl Serialize for Timed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, time) = *self;
        match value {
            Value::Object(members) => match timestamp(value) {
                Some(at) if time == Time::Iso => serializer.serialize_str(&iso(at)),
                Some(at) => serializer.serialize_f64(at.seconds()),
                None => {
                    let mut map = serializer.serialize_map(Some(members.len()))?;
                    for (name, member) in members {
                        map.serialize_entry(name, &Timed(member, time))?;
                    }
                    map.end()
                }
            },
            Value::Array(elements) => {
                serializer.collect_seq(elements.iter().map(|element| Timed(element, time)))
            }
            plain => plain.serialize(serializer),
        }
    }
}
