//! SQS without a function in between: the request that a template makes, sent under the integration's role.
//!
//! What the template makes is an HTTP request's body, and is read as SQS reads it: its content type decides.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Answer, Failure, request_body, response, within};
use crate::{
    call::{Call, Payload, Service},
    error::AwsError,
    sockets::{
        exchange::Exchange,
        plan::{IntegrationPlan, Place},
    },
};

const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// Sends it, and makes of the answer what the integration responses say.
pub(super) async fn send(
    exchange: &Exchange,
    integration: &IntegrationPlan,
    region: &str,
    account: &str,
    queue: &str,
) -> Result<Answer, Failure> {
    let cloud = &exchange.gate.cloud;
    let role = integration.credentials.as_deref().ok_or_else(|| {
        Failure::Execution("the integration has no credentials to call SQS with".to_owned())
    })?;
    let body = request_body(exchange, integration)?;
    let request = Request::new(exchange, integration, body)?;
    let caller = exchange.gate.assume(role).map_err(|_| {
        Failure::Execution(format!(
            "API Gateway does not have permission to assume the provided role {role}"
        ))
    })?;
    let url = format!("{}/{account}/{queue}", cloud.endpoint());
    let json = request.is_json();
    let asked = request.read(&url);
    let request_id = uuid::Uuid::new_v4().to_string();
    let answered = match asked {
        Ok((operation, input)) => {
            let region = exchange
                .gate
                .cloud
                .region(region)
                .map_err(|error| Failure::Execution(error.to_string()))?;
            let call = Call {
                request_id: request_id.clone(),
                ..Call::new(
                    cloud,
                    &region,
                    caller,
                    Service::Sqs,
                    &operation,
                    input.into(),
                )
            };
            let gate = exchange.gate.clone();
            let calling = async move { gate.perform(call).await };
            within(exchange, integration.timeout, calling)
                .await?
                .map(|answer| (operation, answer))
        }
        Err(error) => Err(error),
    };
    let (status, body) = match answered {
        Ok((operation, answer)) => {
            let members = match answer.payload {
                Payload::Members(members) => members,
                _ => Value::Null,
            };
            let body = if json {
                members.to_string()
            } else {
                success(&operation, &members, &request_id)
            };
            (answer.status.as_u16(), body)
        }
        Err(error) => {
            let body = if json {
                json!({"__type": error.code, "message": error.message}).to_string()
            } else {
                refusal(&error, &request_id)
            };
            (error.status.as_u16(), body)
        }
    };
    response::made(exchange, integration, status, body, None)
}

/// The request as SQS would get it.
struct Request {
    headers: BTreeMap<String, String>,
    query: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn new(
        exchange: &Exchange,
        integration: &IntegrationPlan,
        body: String,
    ) -> Result<Self, Failure> {
        let mut request = Self {
            headers: BTreeMap::new(),
            query: Vec::new(),
            body,
        };
        for (place, value) in &integration.parameters {
            let value = match value {
                Ok(value) => exchange.with_source(None, |source| value.evaluate(source)),
                Err(why) => {
                    return Err(Failure::Execution(format!(
                        "a request parameter can't be used: {why}"
                    )));
                }
            };
            match place {
                Place::Header(name) => {
                    request.headers.insert(name.to_ascii_lowercase(), value);
                }
                Place::Query(name) => request.query.push((name.clone(), value)),
                // The path is the queue's.
                Place::Path(_) => {}
                Place::Unknown(target) => {
                    return Err(Failure::Execution(format!(
                        "`{target}` isn't a place for a request parameter"
                    )));
                }
            }
        }
        Ok(request)
    }

    fn content_type(&self) -> &str {
        let whole = self.headers.get("content-type").map_or("", String::as_str);
        whole.split(';').next().unwrap_or("").trim()
    }

    fn is_json(&self) -> bool {
        self.content_type() == "application/x-amz-json-1.0"
    }

    /// The operation and its members.
    fn read(&self, queue_url: &str) -> Result<(String, Map<String, Value>), AwsError> {
        let target = self.headers.get("x-amz-target").map(String::as_str);
        if self.is_json() {
            let operation = target
                .and_then(|target| target.strip_prefix("AmazonSQS."))
                .ok_or_else(|| AwsError::unknown_operation("sqs", target.unwrap_or("")))?;
            let input = serde_json::from_str(&self.body)
                .map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))?;
            return Ok((operation.to_owned(), input));
        }
        let mut pairs = self.query.clone();
        if self.content_type() == "application/x-www-form-urlencoded" {
            pairs.extend(form_urlencoded::parse(self.body.as_bytes()).into_owned());
        }
        members(&pairs, queue_url)
    }
}

/// Puts the members of SQS's query protocol together: lists and maps are flattened there.
fn members(
    pairs: &[(String, String)],
    queue_url: &str,
) -> Result<(String, Map<String, Value>), AwsError> {
    let mut input = Map::new();
    let mut action = None;
    let mut attributes = Attributes::default();
    let mut system = Attributes::default();
    for (name, value) in pairs {
        let attribute = ["MessageAttribute.", "MessageAttributes."]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        let own = ["MessageSystemAttribute.", "MessageSystemAttributes."]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        match (name.as_str(), attribute, own) {
            ("Action", ..) => action = Some(value.clone()),
            ("Version" | "QueueUrl", ..) => {}
            (_, Some(rest), _) => attributes.take(rest, value)?,
            (_, _, Some(rest)) => system.take(rest, value)?,
            (
                "DelaySeconds" | "MaxNumberOfMessages" | "VisibilityTimeout" | "WaitTimeSeconds",
                ..,
            ) => {
                let number: i64 = value.parse().map_err(|_| {
                    AwsError::new(
                        400,
                        "InvalidParameterValue",
                        format!("Value {value} for parameter {name} is invalid."),
                    )
                })?;
                input.insert(name.clone(), number.into());
            }
            _ => {
                input.insert(name.clone(), value.clone().into());
            }
        }
    }
    let action = action.ok_or_else(|| {
        AwsError::new(
            400,
            "MissingAction",
            "The request must contain the parameter Action.",
        )
    })?;
    input.insert("QueueUrl".to_owned(), queue_url.into());
    if let Some(attributes) = attributes.finish() {
        input.insert("MessageAttributes".to_owned(), attributes);
    }
    if let Some(system) = system.finish() {
        input.insert("MessageSystemAttributes".to_owned(), system);
    }
    Ok((action, input))
}

/// A message has ten attributes at most, but the refusal is SQS's.
const NUMBERS: usize = 100;

/// `1.Name`, `1.Value.DataType`, `1.Value.StringValue`, by number.
#[derive(Default)]
struct Attributes(BTreeMap<usize, (String, Map<String, Value>)>);

impl Attributes {
    fn take(&mut self, rest: &str, value: &str) -> Result<(), AwsError> {
        let malformed = || {
            AwsError::new(
                400,
                "MalformedQueryString",
                format!("the message attribute `{rest}` can't be read"),
            )
        };
        let (number, member) = rest.split_once('.').ok_or_else(malformed)?;
        let number = number.parse().map_err(|_| malformed())?;
        if number > NUMBERS {
            return Err(malformed());
        }
        let attribute = self.0.entry(number).or_default();
        match member {
            "Name" | "Key" => value.clone_into(&mut attribute.0),
            member => {
                let member = member.strip_prefix("Value.").ok_or_else(malformed)?;
                attribute.1.insert(member.to_owned(), value.into());
            }
        }
        Ok(())
    }

    fn finish(self) -> Option<Value> {
        let members: Map<String, Value> = self
            .0
            .into_values()
            .map(|(name, value)| (name, Value::Object(value)))
            .collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }
}

/// SQS's answer in XML.
fn success(operation: &str, members: &Value, request_id: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\"?><{operation}Response xmlns=\"{NAMESPACE}\">");
    if members
        .as_object()
        .is_some_and(|members| !members.is_empty())
    {
        element(&mut out, &format!("{operation}Result"), members);
    }
    out.push_str("<ResponseMetadata>");
    element(&mut out, "RequestId", &request_id.into());
    out.push_str("</ResponseMetadata></");
    out.push_str(operation);
    out.push_str("Response>");
    out
}

fn refusal(error: &AwsError, request_id: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\"?><ErrorResponse xmlns=\"{NAMESPACE}\">");
    let kind = if error.status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    };
    let code = error.query_code.unwrap_or(&error.code);
    element(
        &mut out,
        "Error",
        &json!({"Type": kind, "Code": code, "Message": error.message}),
    );
    element(&mut out, "RequestId", &request_id.into());
    out.push_str("</ErrorResponse>");
    out
}

fn element(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => {
            for item in items {
                element(out, name, item);
            }
        }
        Value::Null => {}
        other => {
            out.push('<');
            out.push_str(name);
            out.push('>');
            match other {
                Value::Object(members) => {
                    for (name, value) in members {
                        element(out, name, value);
                    }
                }
                Value::String(text) => escaped(out, text),
                other => out.push_str(&other.to_string()),
            }
            out.push_str("</");
            out.push_str(name);
            out.push('>');
        }
    }
}

fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<(String, Map<String, Value>), AwsError> {
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect();
        members(&pairs, "http://127.0.0.1:9/000000000000/q")
    }

    #[test]
    fn a_form_becomes_a_send_message() {
        let (operation, input) = read("Action=SendMessage&MessageBody=a%26b+c&MessageAttribute.1.Name=x&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=%3D&MessageAttributes.2.Name=y&MessageAttributes.2.Value.DataType=Binary&MessageAttributes.2.Value.BinaryValue=AAE%3D&DelaySeconds=3&MessageGroupId=g&Version=2012-11-05").unwrap();
        assert_eq!(operation, "SendMessage");
        assert_eq!(
            Value::Object(input),
            json!({
                "MessageBody": "a&b c",
                "DelaySeconds": 3,
                "MessageGroupId": "g",
                "QueueUrl": "http://127.0.0.1:9/000000000000/q",
                "MessageAttributes": {
                    "x": {"DataType": "String", "StringValue": "="},
                    "y": {"DataType": "Binary", "BinaryValue": "AAE="},
                },
            })
        );
    }

    #[test]
    fn what_isnt_a_form_of_sqs_is_refused_as_sqs_does() {
        assert_eq!(read("MessageBody=x").unwrap_err().code, "MissingAction");
        assert_eq!(
            read("Action=SendMessage&DelaySeconds=x").unwrap_err().code,
            "InvalidParameterValue"
        );
        for bad in [
            "MessageAttribute.x.Name=a",
            "MessageAttribute.1=a",
            "MessageAttribute.999999999.Name=a",
            "MessageAttribute.1.Other=a",
        ] {
            assert_eq!(
                read(&format!("Action=SendMessage&{bad}")).unwrap_err().code,
                "MalformedQueryString",
                "{bad}"
            );
        }
    }

    #[test]
    fn answers_are_sqss_xml() {
        assert_eq!(
            success("SendMessage", &json!({"MessageId": "m<1>"}), "r"),
            "<?xml version=\"1.0\"?><SendMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><SendMessageResult><MessageId>m&lt;1&gt;</MessageId></SendMessageResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendMessageResponse>"
        );
        let error = AwsError::new(403, "AccessDenied", "no");
        assert!(refusal(&error, "r").contains("<Code>AccessDenied</Code><Message>no</Message>"));
    }
}
