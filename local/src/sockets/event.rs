//! The events that functions get: AWS's members, in AWS's order, absent rather than null.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{connection::Connection, ids::Id};
use crate::clock::Millis;

/// An event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    /// `REQUEST`, for authorizers.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_value_headers: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_string_parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_value_query_string_parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_variables: Option<&'a RawValue>,
    pub request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<&'a str>,
    /// Authorizers' events don't have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_base64_encoded: Option<bool>,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening<'a> {
    Connect,
    Message(Id),
    Disconnect { code: u16, reason: &'a str },
}

impl Happening<'_> {
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Message(_) => "MESSAGE",
            Self::Disconnect { .. } => "DISCONNECT",
        }
    }
}

/// `requestContext`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestContext<'a> {
    route_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a RawValue>,
    event_type: &'static str,
    extended_request_id: Id,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'a str,
    connected_at: Millis,
    request_time_epoch: Millis,
    identity: &'a RawValue,
    request_id: Id,
    domain_name: &'a str,
    connection_id: Id,
    api_id: &'a str,
}

impl<'a> RequestContext<'a> {
    pub fn new(
        connection: &'a Connection,
        route_key: &'a str,
        domain_name: &'a str,
        happening: Happening<'a>,
        request_id: Id,
        at: Millis,
    ) -> Self {
        let (message_id, code, reason) = match happening {
            Happening::Connect => (None, None, None),
            Happening::Message(id) => (Some(id), None, None),
            Happening::Disconnect { code, reason } => (None, Some(code), Some(reason)),
        };
        Self {
            route_key,
            disconnect_status_code: code,
            message_id,
            authorizer: connection.authorized.as_ref().map(|said| &*said.json),
            event_type: happening.event_type(),
            extended_request_id: request_id,
            request_time: at.clf(),
            message_direction: "IN",
            disconnect_reason: reason,
            stage: &connection.stage,
            connected_at: connection.connected_at,
            request_time_epoch: at,
            identity: &connection.identity,
            request_id,
            domain_name,
            connection_id: connection.id,
            api_id: &connection.api_id,
        }
    }
}

impl Event<'_> {
    /// As it's sent.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(768 + self.body.map_or(0, str::len));
        // Its parts are strings, numbers, and JSON that was made here: writing them can't fail.
        let _ = serde_json::to_writer(&mut bytes, self);
        bytes.into()
    }
}

/// JSON of anything that can't fail to be JSON.
pub(super) fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::{connection, ids::Ids};

    #[test]
    fn a_messages_event_is_as_aws_sends_it() {
        let connection = connection::for_test(Ids::default().connection());
        let (request, message) = (Id::request(), Id::message(connection.id));
        let at = Millis(1_652_722_227_357);
        let event = Event {
            kind: None,
            method_arn: None,
            headers: None,
            multi_value_headers: None,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
            stage_variables: None,
            request_context: RequestContext::new(
                &connection,
                "$default",
                "api1.execute-api.localhost:4510",
                Happening::Message(message),
                request,
                at,
            ),
            body: Some("{\"a\":\"\u{e9}\"}"),
            is_base64_encoded: Some(false),
        };
        let id = connection.id;
        let expected = format!(
            r#"{{"requestContext":{{"routeKey":"$default","messageId":"{message}","eventType":"MESSAGE","extendedRequestId":"{request}","requestTime":"16/May/2022:17:30:27 +0000","messageDirection":"IN","stage":"dev","connectedAt":1652722217711,"requestTimeEpoch":1652722227357,"identity":{{"sourceIp":"127.0.0.1","userAgent":"test/1"}},"requestId":"{request}","domainName":"api1.execute-api.localhost:4510","connectionId":"{id}","apiId":"api1"}},"body":"{{\"a\":\"é\"}}","isBase64Encoded":false}}"#
        );
        assert_eq!(String::from_utf8_lossy(&event.bytes()), expected);
    }
}
