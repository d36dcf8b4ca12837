//! smithy-rpc-v2-cbor, which today's SDKs speak with CloudWatch.
//!
//! Members are the same as in JSON: a timestamp comes in as seconds since 1970, bytes come in as base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use ciborium::Value as Cbor;
use http_body_util::{Either, Full};
use hyper::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    http::request::Parts,
};
use serde_json::{Map, Number, Value};

use super::{
    Body,
    aws::Asked,
    json,
    protocol::{self, Spoken},
};
use crate::{
    call::{Answer, Call, Payload, Service},
    error::{AwsError, Result},
};

const SMITHY: HeaderName = HeaderName::from_static("smithy-protocol");
const EPOCH: u64 = 1;
/// CloudWatch's members that are doubles. A whole number is written as one too: the SDKs for Rust take nothing else.
const DOUBLES: &[&str] = &[
    "Average",
    "Maximum",
    "Minimum",
    "SampleCount",
    "Sum",
    "Threshold",
    "Value",
    "Values",
    "Counts",
    "AggregateValue",
    "ApproximateAggregateValue",
    "ApproximateValue",
    "MaxContributorValue",
    "UniqueContributors",
    "ExtendedStatistics",
];

/// Reads a request.
pub fn read(spoken: Spoken, parts: &Parts, body: &[u8]) -> Result<Asked> {
    let operation = protocol::cbor_path(&parts.uri)
        .map(|(_, operation)| operation.to_owned())
        .ok_or_else(|| AwsError::new(404, "UnknownOperationException", ""))?;
    let input = if body.is_empty() {
        Map::new()
    } else {
        match ciborium::from_reader::<Cbor, _>(body).map(from) {
            Ok(Value::Object(members)) => members,
            _ => return Err(spoken.malformed()),
        }
    };
    Ok(Asked { operation, input })
}

fn from(value: Cbor) -> Value {
    match value {
        Cbor::Integer(integer) => i64::try_from(integer)
            .map(Value::from)
            .or_else(|_| u64::try_from(integer).map(Value::from))
            .unwrap_or(Value::Null),
        Cbor::Float(float) => number(float),
        Cbor::Bytes(bytes) => BASE64_STANDARD.encode(bytes).into(),
        Cbor::Text(text) => text.into(),
        Cbor::Bool(bool) => bool.into(),
        Cbor::Array(elements) => elements.into_iter().map(from).collect(),
        Cbor::Map(members) => members
            .into_iter()
            .filter_map(|(name, member)| match (name, from(member)) {
                // A member that is null isn't there.
                (Cbor::Text(_), Value::Null) => None,
                (Cbor::Text(name), member) => Some((name, member)),
                _ => None,
            })
            .collect::<Map<_, _>>()
            .into(),
        // Of the tags, only timestamps mean anything here; their number is the same in JSON.
        Cbor::Tag(_, value) => from(*value),
        _ => Value::Null,
    }
}

/// JSON has no word for what isn't a number; the AWS JSON protocols have these.
fn number(float: f64) -> Value {
    match Number::from_f64(float) {
        Some(number) => Value::Number(number),
        None if float.is_nan() => "NaN".into(),
        None if float > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// Dresses an answer.
pub fn answer(call: &Call, answer: Answer) -> Response<Body> {
    let members = match answer.payload {
        Payload::Members(members) => to("", &members),
        _ => Cbor::Map(Vec::new()),
    };
    let mut response = response(&members, &call.request_id);
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers);
    response
}

/// Dresses an error.
pub fn error(error: &AwsError, request_id: &str) -> Response<Body> {
    let mut members = Map::new();
    members.insert(
        "__type".to_owned(),
        format!("com.amazonaws.cloudwatch#{}", error.code).into(),
    );
    members.insert(
        json::message_member(Some(Service::CloudWatch), &error.code).to_owned(),
        error.message.as_str().into(),
    );
    members.extend(error.members.as_ref().clone());
    let mut response = response(&to("", &Value::Object(members)), request_id);
    *response.status_mut() = error.status;
    json::query_error(response.headers_mut(), Some(Service::CloudWatch), error);
    response
}

fn response(members: &Cbor, request_id: &str) -> Response<Body> {
    let mut bytes = Vec::new();
    // Writing to memory doesn't fail.
    let _ = ciborium::into_writer(members, &mut bytes);
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(bytes))));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    headers.insert(SMITHY, HeaderValue::from_static("rpc-v2-cbor"));
    json::identify(&mut headers, request_id);
    *response.headers_mut() = headers;
    response
}

fn to(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(bool) => Cbor::Bool(*bool),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) if !DOUBLES.contains(&name) => Cbor::Integer(integer.into()),
            (None, Some(integer)) if !DOUBLES.contains(&name) => Cbor::Integer(integer.into()),
            _ => Cbor::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(elements) => {
            Cbor::Array(elements.iter().map(|element| to(name, element)).collect())
        }
        Value::Object(members) => match json::timestamp(value) {
            Some(at) => Cbor::Tag(EPOCH, Box::new(Cbor::Float(at.seconds()))),
            None => Cbor::Map(
                members
                    .iter()
                    .filter(|(_, member)| !member.is_null())
                    .map(|(member_name, member)| {
                        // The values of a map of statistics are doubles, by whatever name.
                        let kind = if name == "ExtendedStatistics" {
                            name
                        } else {
                            member_name
                        };
                        (Cbor::Text(member_name.clone()), to(kind, member))
                    })
                    .collect(),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::Request;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{call::timestamp, clock::Millis, wire::protocol::Protocol, wire::tests::call};

    fn asked(body: &[u8]) -> Result<Asked> {
        let (parts, ()) = Request::post("/service/GraniteServiceVersion20100801/operation/Do")
            .body(())
            .unwrap()
            .into_parts();
        let spoken = Spoken {
            protocol: Protocol::Cbor,
            service: Some(Service::CloudWatch),
        };
        read(spoken, &parts, body)
    }

    fn bytes(value: &Cbor) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn text(text: &str) -> Cbor {
        Cbor::Text(text.to_owned())
    }

    #[test]
    fn members_come_in_as_they_would_in_json() {
        let body = Cbor::Map(vec![
            (text("Time"), Cbor::Tag(EPOCH, Box::new(Cbor::Float(1.5)))),
            (
                text("Whole"),
                Cbor::Tag(EPOCH, Box::new(Cbor::Integer(7.into()))),
            ),
            (text("Blob"), Cbor::Bytes(vec![0, 255])),
            (text("Absent"), Cbor::Null),
            (text("Not"), Cbor::Float(f64::NAN)),
            (
                text("List"),
                Cbor::Array(vec![Cbor::Integer((-3).into()), Cbor::Bool(true)]),
            ),
        ]);
        let asked = asked(&bytes(&body)).unwrap();
        assert_eq!(asked.operation, "Do");
        assert_eq!(
            Value::Object(asked.input),
            json!({ "Time": 1.5, "Whole": 7, "Blob": "AP8=", "Not": "NaN", "List": [-3, true] })
        );
    }

    #[tokio::test]
    async fn answers_have_the_types_that_the_sdks_take() {
        let call = call(Service::CloudWatch, "Do");
        let members = json!({
            "Period": 60,
            "Threshold": 1,
            "Values": [1, 2.5],
            "ExtendedStatistics": { "p99": 3 },
            "Timestamp": timestamp(Millis(1500)),
            "NextToken": null,
        });
        let response = answer(&call, members.into());
        assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let read: Cbor = ciborium::from_reader(&*body).unwrap();
        let expected = Cbor::Map(vec![
            (text("Period"), Cbor::Integer(60.into())),
            (text("Threshold"), Cbor::Float(1.0)),
            (
                text("Values"),
                Cbor::Array(vec![Cbor::Float(1.0), Cbor::Float(2.5)]),
            ),
            (
                text("ExtendedStatistics"),
                Cbor::Map(vec![(text("p99"), Cbor::Float(3.0))]),
            ),
            (
                text("Timestamp"),
                Cbor::Tag(EPOCH, Box::new(Cbor::Float(1.5))),
            ),
        ]);
        assert_eq!(read, expected);
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let deep = [vec![0x81; 1_000_000], vec![0x00]].concat();
        assert_eq!(asked(&deep).unwrap_err().code, "SerializationException");
        assert_eq!(asked(b"\x01").unwrap_err().code, "SerializationException");
        assert!(asked(b"").unwrap().input.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = asked(&body);
        }
    }
}
