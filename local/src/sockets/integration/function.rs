//! Functions: as proxies, which get the event and answer for themselves, and as services, which get what a template makes.

use std::borrow::Cow;

use base64::Engine as _;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Answer, Failure, request_body, response, right, within};
use crate::{
    lambda::Invoked,
    sockets::{exchange::Exchange, plan::IntegrationPlan},
};

/// What a proxy answered.
#[derive(Debug, Default)]
pub(in crate::sockets) struct ProxyAnswer {
    pub status: u16,
    /// Only `$connect`'s are looked at.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl ProxyAnswer {
    pub fn new(status: u16, body: Bytes) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub fn into_body(self) -> Bytes {
        self.body
    }
}

/// What AWS takes for a proxy's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    status_code: u16,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
}

/// Invokes a function with the event.
pub(super) async fn proxy(
    exchange: &Exchange,
    integration: &IntegrationPlan,
    function: &str,
) -> Result<Answer, Failure> {
    let invoked = invoke(exchange, integration, function, exchange.event()).await?;
    if let Some(error) = &invoked.error {
        return Err(failed(error, &invoked));
    }
    answer(&invoked.payload).map(Answer::Proxy)
}

/// Invokes a function with what the template makes of the message.
pub(super) async fn custom(
    exchange: &Exchange,
    integration: &IntegrationPlan,
    function: &str,
) -> Result<Answer, Failure> {
    let request = request_body(exchange, integration)?;
    let invoked = invoke(exchange, integration, function, request.into()).await?;
    let body = String::from_utf8_lossy(&invoked.payload).into_owned();
    let failure = invoked
        .error
        .as_deref()
        .map(|error| failed(error, &invoked));
    response::made(exchange, integration, 200, body, failure)
}

async fn invoke(
    exchange: &Exchange,
    integration: &IntegrationPlan,
    function: &str,
    payload: Bytes,
) -> Result<Invoked, Failure> {
    let gate = &exchange.gate;
    gate.may_invoke(function, right(exchange, integration))
        .map_err(|error| Failure::Execution(error.message))?;
    let (gate, function) = (gate.clone(), function.to_owned());
    let invoking = async move { gate.invoke(&function, payload).await };
    within(exchange, integration.timeout, invoking)
        .await?
        .map_err(|error| match error.status.as_u16() {
            status @ (429 | 502) => Failure::Integration(status, error.to_string()),
            _ => Failure::Execution(error.to_string()),
        })
}

fn failed(error: &str, invoked: &Invoked) -> Failure {
    let said = serde_json::from_slice::<Value>(&invoked.payload).ok();
    let message = said
        .as_ref()
        .and_then(|said| said.get("errorMessage")?.as_str());
    Failure::Integration(200, format!("{error}: {}", message.unwrap_or("no message")))
}

/// Reads what a proxy answered: an object with a whole `statusCode`, and a text as `body` if there's one.
fn answer(payload: &[u8]) -> Result<ProxyAnswer, Failure> {
    let written: Written<'_> =
        serde_json::from_slice(payload).map_err(|error| Failure::Malformed(error.to_string()))?;
    let body = written.body.unwrap_or_default();
    let body = if written.is_base64_encoded == Some(true) {
        base64::engine::general_purpose::STANDARD
            .decode(body.as_bytes())
            .map_err(|error| Failure::Malformed(error.to_string()))?
            .into()
    } else {
        Bytes::from(body.into_owned())
    };
    let headers = written
        .headers
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(value) => Some((name, value)),
            Value::Number(_) | Value::Bool(_) => Some((name, value.to_string())),
            _ => None,
        })
        .collect();
    Ok(ProxyAnswer {
        status: written.status_code,
        headers,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_answer_has_a_whole_status_and_a_text() {
        let good =
            answer(br#"{"statusCode":200,"body":"a\n","headers":{"X":"y","N":1},"other":[]}"#)
                .unwrap();
        assert_eq!(good.status, 200);
        assert_eq!(
            good.headers,
            [
                ("X".to_owned(), "y".to_owned()),
                ("N".to_owned(), "1".to_owned())
            ]
        );
        assert_eq!(good.into_body(), "a\n");
        let coded = answer(br#"{"statusCode":200,"body":"w6k=","isBase64Encoded":true}"#).unwrap();
        assert_eq!(coded.into_body(), "é");
        assert_eq!(answer(br#"{"statusCode":204}"#).unwrap().into_body(), "");
        assert_eq!(
            answer(br#"{"statusCode":204,"body":null}"#)
                .unwrap()
                .into_body(),
            ""
        );
        for bad in [
            "null",
            "\"x\"",
            "{}",
            "[]",
            "",
            "not json",
            r#"{"statusCode":"200"}"#,
            r#"{"statusCode":200.5}"#,
            r#"{"statusCode":200,"body":{"a":1}}"#,
            r#"{"statusCode":200,"body":1}"#,
            r#"{"body":"x"}"#,
            r#"{"statusCode":-1}"#,
        ] {
            assert!(
                matches!(answer(bad.as_bytes()), Err(Failure::Malformed(_))),
                "{bad}"
            );
        }
    }
}
