//! awsQuery's answers and errors.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;

use super::{Body, json};
use crate::{
    call::{Answer, Call, Payload, Service},
    error::AwsError,
};

/// Dresses an answer.
pub fn answer(call: &Call, answer: Answer) -> Response<Body> {
    let operation = &call.operation;
    let mut members = String::new();
    if let Payload::Members(Value::Object(named)) = &answer.payload {
        for (name, member) in named {
            element(&mut members, call, name, member);
        }
    }
    let xml = format!(
        "<{operation}Response xmlns=\"{}\"><{operation}Result>{members}</{operation}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>",
        namespace(Some(call.service)),
        call.request_id,
    );
    let mut response = response(xml, &call.request_id);
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers);
    response
}

/// Dresses an error.
pub fn error(service: Option<Service>, error: &AwsError, request_id: &str) -> Response<Body> {
    let code = match error.query_code.unwrap_or(&error.code) {
        // The query protocol's word for it.
        "UnknownOperationException" => "InvalidAction",
        code => code,
    };
    let detail = if service == Some(Service::Sqs) {
        "<Detail/>"
    } else {
        ""
    };
    let xml = format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{}</Type><Code>{}</Code><Message>{}</Message>{detail}</Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        namespace(service),
        json::fault(error),
        escaped(code),
        escaped(&error.message),
    );
    let mut response = response(xml, request_id);
    *response.status_mut() = error.status;
    response
}

fn response(xml: String, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(xml))));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    json::identify(response.headers_mut(), request_id);
    response
}

fn namespace(service: Option<Service>) -> &'static str {
    match service {
        Some(Service::Iam) => "https://iam.amazonaws.com/doc/2010-05-08/",
        Some(Service::Sqs) => "http://queue.amazonaws.com/doc/2012-11-05/",
        Some(Service::CloudWatch) => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}

/// A member that is neither a plain list nor a structure.
enum Odd {
    /// A list without an element around it, each element by this name.
    FlatList(&'static str),
    /// A map without one, each entry by this name, with these names for its key and its value.
    FlatMap(&'static str, &'static str),
    /// A map of `entry`s.
    Map,
}

/// How the models write a member where it isn't as usual.
fn odd(call: &Call, name: &str) -> Option<Odd> {
    let batch = || match call.operation.as_str() {
        "SendMessageBatch" => "SendMessageBatchResultEntry",
        "DeleteMessageBatch" => "DeleteMessageBatchResultEntry",
        _ => "ChangeMessageVisibilityBatchResultEntry",
    };
    Some(match (call.service, name) {
        (Service::Sqs, "Attributes") => Odd::FlatMap("Attribute", "Name"),
        (Service::Sqs, "MessageAttributes") => Odd::FlatMap("MessageAttribute", "Name"),
        (Service::Sqs, "Tags") => Odd::FlatMap("Tag", "Key"),
        (Service::Sqs, "QueueUrls" | "queueUrls") => Odd::FlatList("QueueUrl"),
        (Service::Sqs, "Messages") => Odd::FlatList("Message"),
        (Service::Sqs, "Successful") => Odd::FlatList(batch()),
        (Service::Sqs, "Failed") => Odd::FlatList("BatchResultErrorEntry"),
        (Service::Sqs, "Results") => Odd::FlatList("ListMessageMoveTasksResultEntry"),
        (Service::Iam, "SummaryMap" | "EvalDecisionDetails") => Odd::Map,
        _ => return None,
    })
}

fn element(xml: &mut String, call: &Call, name: &str, value: &Value) {
    match (value, odd(call, name)) {
        (Value::Null, _) => {}
        (Value::Array(elements), Some(Odd::FlatList(each))) => {
            for value in elements {
                element(xml, call, each, value);
            }
        }
        (Value::Object(entries), Some(Odd::FlatMap(each, key))) => {
            for (entry, value) in entries {
                around(xml, each, |xml| {
                    around(xml, key, |xml| xml.push_str(&escaped(entry)));
                    element(xml, call, "Value", value);
                });
            }
        }
        (Value::Object(entries), Some(Odd::Map)) => around(xml, name, |xml| {
            for (entry, value) in entries {
                around(xml, "entry", |xml| {
                    around(xml, "key", |xml| xml.push_str(&escaped(entry)));
                    element(xml, call, "value", value);
                });
            }
        }),
        (Value::Array(elements), _) => around(xml, name, |xml| {
            for value in elements {
                element(xml, call, "member", value);
            }
        }),
        (Value::Object(members), _) => around(xml, name, |xml| match json::timestamp(value) {
            Some(at) => xml.push_str(&json::iso(at)),
            None => {
                for (name, member) in members {
                    element(xml, call, name, member);
                }
            }
        }),
        (Value::String(text), _) => around(xml, name, |xml| xml.push_str(&escaped(text))),
        (Value::Bool(_) | Value::Number(_), _) => {
            around(xml, name, |xml| xml.push_str(&value.to_string()));
        }
    }
}

/// An element and what it holds.
fn around(xml: &mut String, name: &str, inside: impl FnOnce(&mut String)) {
    xml.push('<');
    xml.push_str(name);
    xml.push('>');
    inside(xml);
    xml.push_str("</");
    xml.push_str(name);
    xml.push('>');
}

/// Text that may stand in XML. What XML has no word for becomes U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Else a reader would make a line feed of it.
            '\r' => escaped.push_str("&#xD;"),
            '\t' | '\n' => escaped.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;
    use crate::{call::timestamp, clock::Millis, wire::tests::call};

    async fn written(service: Service, operation: &str, members: Value) -> String {
        let call = call(service, operation);
        let body = answer(&call, members.into()).into_body();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (_, rest) = text.split_once(&format!("<{operation}Result>")).unwrap();
        let (inside, _) = rest.split_once(&format!("</{operation}Result>")).unwrap();
        inside.to_owned()
    }

    #[tokio::test]
    async fn members_are_written_as_the_models_have_them() {
        let xml = written(
            Service::CloudWatch,
            "DescribeAlarms",
            json!({
                "MetricAlarms": [{ "AlarmName": "<a&b>", "Threshold": 1.5, "ActionsEnabled": true }],
                "StateUpdated": timestamp(Millis(1_769_860_800_000)),
                "Precisely": timestamp(Millis(1_769_860_800_123)),
                "CompositeAlarms": [],
                "NextToken": null,
            }),
        )
        .await;
        assert_eq!(
            xml,
            "<MetricAlarms><member><AlarmName>&lt;a&amp;b&gt;</AlarmName><Threshold>1.5</Threshold>\
             <ActionsEnabled>true</ActionsEnabled></member></MetricAlarms>\
             <StateUpdated>2026-01-31T12:00:00Z</StateUpdated>\
             <Precisely>2026-01-31T12:00:00.123Z</Precisely><CompositeAlarms></CompositeAlarms>"
        );
        let xml = written(
            Service::Iam,
            "GetAccountSummary",
            json!({ "SummaryMap": { "Roles": 2 } }),
        )
        .await;
        assert_eq!(
            xml,
            "<SummaryMap><entry><key>Roles</key><value>2</value></entry></SummaryMap>"
        );
    }

    #[tokio::test]
    async fn sqs_writes_its_lists_and_maps_flat() {
        let xml = written(
            Service::Sqs,
            "ReceiveMessage",
            json!({ "Messages": [{
                "Body": "\r\u{1}",
                "Attributes": { "SenderId": "0" },
                "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "3" } },
            }] }),
        )
        .await;
        assert_eq!(
            xml,
            "<Message><Body>&#xD;\u{fffd}</Body><Attribute><Name>SenderId</Name><Value>0</Value></Attribute>\
             <MessageAttribute><Name>n</Name><Value><DataType>Number</DataType>\
             <StringValue>3</StringValue></Value></MessageAttribute></Message>"
        );
        let xml = written(
            Service::Sqs,
            "SendMessageBatch",
            json!({ "Successful": [{ "Id": "1" }], "Failed": [{ "Id": "2" }] }),
        )
        .await;
        assert_eq!(
            xml,
            "<SendMessageBatchResultEntry><Id>1</Id></SendMessageBatchResultEntry>\
             <BatchResultErrorEntry><Id>2</Id></BatchResultErrorEntry>"
        );
    }

    #[tokio::test]
    async fn an_error_says_whose_fault_it_is() {
        let refused = AwsError::new(400, "QueueDoesNotExist", "No \"such\" queue.")
            .query("AWS.SimpleQueueService.NonExistentQueue");
        let body = error(Some(Service::Sqs), &refused, "id").into_body();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            bytes,
            "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>\
             <Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
             <Message>No &quot;such&quot; queue.</Message><Detail/></Error>\
             <RequestId>id</RequestId></ErrorResponse>"
        );
    }
}
