//! `@connections`: posting to a connection, looking at it, closing it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    connection::{Connection, Posted},
    gate::Gate,
    meter::Metric,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
    iam::Permission,
};

/// A post's limit [BC PostToConnection].
const POST: usize = 128 * 1024;

fn text<'a>(call: &'a Call, name: &str) -> &'a str {
    call.input.get(name).and_then(Value::as_str).unwrap_or("")
}

/// `execute-api:ManageConnections` on `…:{api}/{stage}/{METHOD}/@connections/{id}` [DG control-access-iam].
pub(super) fn permission(call: &Call) -> Permission {
    let method = match call.operation.as_str() {
        "PostToConnection" => "POST",
        "DeleteConnection" => "DELETE",
        _ => "GET",
    };
    let resource = format!(
        "{}/{}/{method}/@connections/{}",
        text(call, "apiId"),
        text(call, "stage"),
        text(call, "connectionId")
    );
    Permission {
        action: "execute-api:ManageConnections".to_owned(),
        resource: call.region.arn("execute-api", &resource),
    }
}

/// Does what is asked.
pub(super) fn perform(call: &Call) -> Result<Answer> {
    if !matches!(
        call.operation.as_str(),
        "PostToConnection" | "GetConnection" | "DeleteConnection"
    ) {
        return Err(AwsError::unknown_operation("execute-api", &call.operation));
    }
    let sockets = &call.region.sockets;
    let gate = Gate {
        cloud: call.cloud.clone(),
        region: call.region.clone(),
    };
    let (api_id, stage) = (text(call, "apiId"), text(call, "stage"));
    let forbidden = || AwsError::new(403, "ForbiddenException", "Forbidden");
    let plan = sockets
        .plan(&gate, api_id, stage)
        .filter(|plan| !plan.live.snapshot.disable_execute_api_endpoint)
        .ok_or_else(forbidden)?;
    // An id that was never given out is told from one whose connection is gone [STK websocket_management].
    let named = text(call, "connectionId");
    let id = sockets.ids.real(named).ok_or_else(|| {
        AwsError::new(
            400,
            "BadRequestException",
            format!("Invalid connectionId: {named}"),
        )
    })?;
    if !sockets.account.may_send(gate.cloud.delays) {
        return Err(AwsError::new(
            429,
            "LimitExceededException",
            "Rate exceeded",
        ));
    }
    let gone = || AwsError::new(410, "GoneException", "");
    if call.operation == "PostToConnection" && call.body.len() > POST {
        return Err(AwsError::new(
            413,
            "PayloadTooLargeException",
            "Message too long",
        ));
    }
    let connection = sockets.find(id).ok_or_else(gone)?;
    if *connection.api_id != *api_id || *connection.stage != *stage {
        return Err(forbidden());
    }
    match call.operation.as_str() {
        "PostToConnection" => {
            let now = Millis::now();
            match connection.post(as_text(&call.body)) {
                Posted::Taken => {
                    connection.touch(now);
                    plan.meter.record(&call.region, now, Metric::Message, 1.0);
                    Ok(Answer::empty(200))
                }
                Posted::Full => Err(AwsError::new(
                    429,
                    "LimitExceededException",
                    "The client's buffer is full",
                )),
                Posted::Gone => Err(gone()),
            }
        }
        "DeleteConnection" => match connection.close() {
            Posted::Gone => Err(gone()),
            _ => Ok(Answer::empty(204)),
        },
        _ => Ok(shown(&connection).into()),
    }
}

fn shown(connection: &Connection) -> Value {
    let mut identity = json!({ "sourceIp": connection.source_ip });
    if let Some(agent) = &connection.user_agent {
        identity["userAgent"] = json!(agent);
    }
    json!({
        "connectedAt": connection.connected_at.iso(),
        "identity": identity,
        "lastActiveAt": connection.last_active().iso(),
    })
}

/// Clients get text: what isn't is replaced, not refused.
fn as_text(body: &Bytes) -> Bytes {
    match String::from_utf8_lossy(body) {
        std::borrow::Cow::Borrowed(_) => body.clone(),
        std::borrow::Cow::Owned(text) => text.into(),
    }
}
