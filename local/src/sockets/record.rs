//! What is written of exchanges: the stage's access log, in its own format, and failures in the execution log.

use std::sync::Arc;

use serde_json::json;

use super::{
    exchange::{Exchange, Story},
    plan::LogLevel,
};
use crate::{
    call::{Call, Service},
    clock::Millis,
    cloud::Region,
    iam::Permission,
};

/// Longer lines are cut, as on AWS.
const LINE: usize = 1024;

/// Writes a line to the stage's access log, if it has one.
pub(super) fn access(exchange: &Exchange, story: &Story<'_>) {
    let Some(log) = &exchange.plan.live.stage.access_log else {
        return;
    };
    let Some((_, group)) = log.destination_arn.split_once(":log-group:") else {
        return;
    };
    let line = line(&log.format, |path| {
        story.variable(path).or_else(|| exchange.context(path))
    });
    write(exchange, group.trim_end_matches(":*"), line);
}

/// Writes why an integration failed to the execution log, if the stage logs at all.
pub(super) fn failure(exchange: &Exchange, why: &str) {
    tracing::debug!(
        route = exchange.route.route.route_key,
        why,
        "an integration failed"
    );
    if exchange.route.log == LogLevel::Off {
        return;
    }
    let group = format!(
        "/aws/apigateway/{}/{}",
        exchange.connection.api_id, exchange.connection.stage
    );
    let mut line = format!("({}) {why}", exchange.request_id);
    cut(&mut line);
    write(exchange, &group, line);
}

/// Writes a line under the account's role: without one, or if it can't be assumed, or may not, there is no line, and nobody
/// is told [aws-facts 7, row 17].
fn write(exchange: &Exchange, group: &str, line: String) {
    let gate = &exchange.gate;
    let region = &gate.region;
    let Some(caller) = region
        .gateway
        .logging_role()
        .and_then(|role| gate.assume(&role).ok())
    else {
        return;
    };
    let stream = format!(
        "{}-{}",
        exchange.connection.stage, exchange.plan.live.revision
    );
    let may = Permission {
        action: "logs:PutLogEvents".to_owned(),
        resource: region.arn("logs", &format!("log-group:{group}:log-stream:{stream}")),
    };
    if !gate.cloud.iam.allows(&caller, &may) {
        return;
    }
    let events = vec![(exchange.at, line)];
    if put(region, group, &stream, &events).is_ok() {
        return;
    }
    // The gateway makes the execution log's group itself [STK]; it stays without a retention.
    let input = json!({ "logGroupName": group });
    let create = Call::new(
        &gate.cloud,
        region,
        caller,
        Service::Logs,
        "CreateLogGroup",
        input,
    );
    let (gate, group) = (gate.clone(), group.to_owned());
    let region = Arc::clone(region);
    gate.cloud.clone().spawn(async move {
        // Another line's may have been first.
        let _ = gate.perform(create).await;
        let _ = put(&region, &group, &stream, &events);
    });
}

fn put(
    region: &Region,
    group: &str,
    stream: &str,
    events: &[(Millis, String)],
) -> crate::error::Result<()> {
    let logs = &region.logs;
    logs.put(region, group, stream, events.to_vec())
        .or_else(|_| {
            logs.create_stream(group, stream)?;
            logs.put(region, group, stream, events.to_vec())
        })
}

/// `$context.…` of a format are replaced; what there isn't is `-`.
fn line(format: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("$context.") {
        out.push_str(before);
        let end = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
            .unwrap_or(after.len());
        let (path, more) = after.split_at(end);
        let path = path.trim_end_matches(['.', '-']);
        match value(path) {
            Some(value) if !value.is_empty() => out.push_str(&value.replace(['\n', '\r'], " ")),
            _ => out.push('-'),
        }
        rest = after.get(path.len()..).unwrap_or(more);
    }
    out.push_str(rest);
    cut(&mut out);
    out
}

fn cut(line: &mut String) {
    let mut end = LINE;
    while !line.is_char_boundary(end.min(line.len())) {
        end -= 1;
    }
    line.truncate(end);
}

impl Story<'_> {
    fn variable(&self, path: &str) -> Option<String> {
        let millis = || Some(self.latency?.as_millis().to_string());
        match path {
            "status" => Some(self.status.to_string()),
            "error.message" => self.error.map(str::to_owned),
            "error.messageString" => self.error.map(|error| format!("\"{error}\"")),
            "error.responseType" => self.error.map(|_| response_type(self.status).to_owned()),
            "integration.status" | "integrationStatus" => {
                self.integration_status.map(|status| status.to_string())
            }
            "integration.latency" | "integrationLatency" => millis(),
            "integrationErrorMessage" | "integration.error" => {
                self.integration_error.map(str::to_owned)
            }
            "authorizer.error" => self.authorizer_error.map(str::to_owned),
            _ => None,
        }
    }
}

/// The gateway's names for its refusals [DG supported-gateway-response-types].
fn response_type(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "ACCESS_DENIED",
        429 => "THROTTLED",
        504 => "INTEGRATION_TIMEOUT",
        400..=499 => "DEFAULT_4XX",
        _ => "INTEGRATION_FAILURE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_format_with_its_variables() {
        let value = |path: &str| match path {
            "requestId" => Some("r=".to_owned()),
            "identity.sourceIp" => Some("::1".to_owned()),
            _ => None,
        };
        assert_eq!(
            line(
                r#"{"id":"$context.requestId","ip":"$context.identity.sourceIp","x":"$context.authorizer.no"}."#,
                value
            ),
            r#"{"id":"r=","ip":"::1","x":"-"}."#
        );
        assert_eq!(line("$context.requestId. $context.", value), "r=. -");
        assert_eq!(line(&"é".repeat(1000), value).len(), 1024);
        assert_eq!(line("", value), "");
    }
}
