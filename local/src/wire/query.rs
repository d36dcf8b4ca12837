//! awsQuery's requests: forms, whose names say where in the input a value belongs.
//!
//! `Attribute.1.Name`, `Dimensions.member.2.Value` and `Tags.entry.1.key` are put together so that a service sees the input
//! that it would see in JSON: lists, maps, numbers. The types of members are those of AWS's models.

use std::{borrow::Cow, collections::BTreeMap};

use hyper::{header::HOST, http::request::Parts};
use serde_json::{Map, Value};

use super::{
    aws::Asked,
    protocol::{self, Spoken},
};
use crate::{
    call::Service,
    error::{AwsError, Result},
};

/// How deep a name may lead; CloudWatch's deepest have nine parts.
const DEEP: usize = 16;

/// The service of the version that is called.
pub fn service(parts: &Parts, body: &[u8]) -> Option<Service> {
    let version = fields(parts, body)
        .find(|(name, _)| name == "Version")
        .map(|(_, version)| version)?;
    Some(match &*version {
        "2010-05-08" => Service::Iam,
        "2011-06-15" => Service::Sts,
        "2012-11-05" => Service::Sqs,
        "2010-08-01" => Service::CloudWatch,
        _ => return None,
    })
}

/// The form's fields: a body's, or an address's.
fn fields<'a>(
    parts: &'a Parts,
    body: &'a [u8],
) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
    let form = protocol::is_form(&parts.headers);
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).chain(form_urlencoded::parse(if form { body } else { b"" }))
}

/// Reads a request.
pub fn read(spoken: Spoken, service: Service, parts: &Parts, body: &[u8]) -> Result<Asked> {
    let mut operation = None;
    let mut root = Node::default();
    for (name, value) in fields(parts, body) {
        match &*name {
            "Action" => operation = Some(value.into_owned()),
            "Version" => {}
            name if name.starts_with("X-Amz-") => {}
            name => root.put(name, value).ok_or_else(|| spoken.malformed())?,
        }
    }
    let Some(operation) = operation.filter(|operation| !operation.is_empty()) else {
        return Err(AwsError::new(
            400,
            "MissingAction",
            "The request must contain the parameter Action",
        ));
    };
    let types = Types(service);
    let mut input = match root.value("", &types) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if service == Service::Sqs {
        input = sqs(input, parts);
    }
    Ok(Asked { operation, input })
}

/// A form's value and what is below its name.
#[derive(Debug, Default)]
struct Node<'a> {
    value: Option<Cow<'a, str>>,
    below: BTreeMap<String, Node<'a>>,
}

impl<'a> Node<'a> {
    fn put(&mut self, name: &str, value: Cow<'a, str>) -> Option<()> {
        let mut node = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth >= DEEP || part.is_empty() {
                return None;
            }
            node = node.below.entry(part.to_owned()).or_default();
        }
        node.value = Some(value);
        Some(())
    }

    fn value(&self, name: &str, types: &Types) -> Value {
        if self.below.is_empty() {
            let text = self.value.as_deref().unwrap_or_default();
            return if name.is_empty() {
                Value::Object(Map::new())
            } else {
                types.scalar(name, text)
            };
        }
        if let Some(elements) = self.numbered() {
            return elements
                .into_iter()
                .map(|element| element.value(name, types))
                .collect();
        }
        if let (1, Some(elements)) = (
            self.below.len(),
            self.below.get("member").and_then(Self::numbered),
        ) {
            return elements
                .into_iter()
                .map(|element| element.value(name, types))
                .collect();
        }
        if let (1, Some(entries)) = (
            self.below.len(),
            self.below.get("entry").and_then(Self::numbered),
        ) {
            return entries
                .into_iter()
                .filter_map(|entry| entry.entry("key", "value", types))
                .collect::<Map<_, _>>()
                .into();
        }
        // CloudWatch's `Value` is a number beside a metric's name, and a string in a dimension or a tag.
        let datum = self.below.contains_key("MetricName");
        self.below
            .iter()
            .map(|(name, node)| {
                let value = match (name.as_str(), &node.value) {
                    ("Value", Some(text)) if datum => types.double(text),
                    _ => node.value(name, types),
                };
                (name.clone(), value)
            })
            .collect::<Map<_, _>>()
            .into()
    }

    /// What is below, in order, if all its names are numbers.
    fn numbered(&self) -> Option<Vec<&Self>> {
        let mut elements = self
            .below
            .iter()
            .map(|(number, node)| number.parse::<u32>().map(|number| (number, node)))
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|elements| !elements.is_empty())?;
        elements.sort_by_key(|(number, _)| *number);
        Some(elements.into_iter().map(|(_, node)| node).collect())
    }

    /// A map's entry.
    fn entry(&self, key: &str, value: &str, types: &Types) -> Option<(String, Value)> {
        let key = self.below.get(key)?.value.as_deref()?;
        let value = self
            .below
            .get(value)
            .map_or_else(|| "".into(), |node| node.value(value, types));
        Some((key.to_owned(), value))
    }
}

/// SQS's members have names of their own in the query protocol, in the singular, and its maps are flat.
fn sqs(input: Map<String, Value>, parts: &Parts) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, value) in input {
        let (name, value) = match name.as_str() {
            "Attribute" => ("Attributes", by_key(value, "Name", "Value")),
            "Tag" => ("Tags", by_key(value, "Key", "Value")),
            "MessageAttribute" => ("MessageAttributes", by_key(value, "Name", "Value")),
            "MessageSystemAttribute" => ("MessageSystemAttributes", by_key(value, "Name", "Value")),
            "AttributeName" => ("AttributeNames", value),
            "MessageAttributeName" => ("MessageAttributeNames", value),
            "MessageSystemAttributeName" => ("MessageSystemAttributeNames", value),
            "TagKey" => ("TagKeys", value),
            "ActionName" => ("Actions", value),
            "AWSAccountId" => ("AWSAccountIds", value),
            "SendMessageBatchRequestEntry"
            | "DeleteMessageBatchRequestEntry"
            | "ChangeMessageVisibilityBatchRequestEntry" => ("Entries", entries(value, parts)),
            other => {
                members.insert(other.to_owned(), value);
                continue;
            }
        };
        members.insert(name.to_owned(), value);
    }
    // Clients of the query protocol may call the queue's own address instead of naming it.
    if !members.contains_key("QueueUrl")
        && parts.uri.path().len() > 1
        && let Some(host) = parts.headers.get(HOST).and_then(|host| host.to_str().ok())
    {
        let url = format!("http://{host}{}", parts.uri.path());
        members.insert("QueueUrl".to_owned(), url.into());
    }
    members
}

fn entries(value: Value, parts: &Parts) -> Value {
    match value {
        Value::Array(entries) => entries
            .into_iter()
            .map(|entry| match entry {
                Value::Object(members) => {
                    let mut members = sqs(members, parts);
                    members.remove("QueueUrl");
                    Value::Object(members)
                }
                other => other,
            })
            .collect(),
        other => other,
    }
}

/// A list of names and values as a map; one that is alone may lack its number.
fn by_key(value: Value, key: &str, member: &str) -> Value {
    let entries = match value {
        Value::Array(entries) => entries,
        alone @ Value::Object(_) => vec![alone],
        other => return other,
    };
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            Value::Object(mut entry) => {
                let key = entry.get(key)?.as_str()?.to_owned();
                let value = entry.remove(member).unwrap_or_else(|| "".into());
                Some((key, value))
            }
            _ => None,
        })
        .collect::<Map<_, _>>()
        .into()
}

/// The types of a service's members, by name.
struct Types(Service);

impl Types {
    fn scalar(&self, name: &str, text: &str) -> Value {
        let Kinds {
            integers,
            booleans,
            doubles,
            timestamps,
            lists,
        } = self.kinds();
        let kind = if integers.contains(&name) {
            text.parse::<i64>().ok().map(Value::from)
        } else if booleans.contains(&name) {
            text.parse::<bool>().ok().map(Value::from)
        } else if doubles.contains(&name) && !text.is_empty() {
            Some(self.double(text))
        } else if timestamps.contains(&name) {
            seconds(text)
        } else if lists.contains(&name) && text.is_empty() {
            Some(Value::Array(Vec::new()))
        } else {
            None
        };
        // What isn't of its type is left as it is: the service says what is wrong with it.
        kind.unwrap_or_else(|| text.into())
    }

    #[allow(clippy::unused_self, reason = "the other types' equal")]
    fn double(&self, text: &str) -> Value {
        text.parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| text.into(), Value::Number)
    }

    fn kinds(&self) -> Kinds {
        match self.0 {
            Service::Sqs => SQS,
            Service::Iam => IAM,
            Service::Sts => STS,
            _ => CLOUDWATCH,
        }
    }
}

/// Seconds since 1970, of a time as the query protocol writes it.
fn seconds(text: &str) -> Option<Value> {
    let at = text.parse::<jiff::Timestamp>().ok()?;
    let millis = at.as_millisecond();
    Some(if millis % 1000 == 0 {
        (millis / 1000).into()
    } else {
        crate::clock::Millis(millis).seconds().into()
    })
}

#[derive(Clone, Copy)]
struct Kinds {
    integers: &'static [&'static str],
    booleans: &'static [&'static str],
    doubles: &'static [&'static str],
    timestamps: &'static [&'static str],
    lists: &'static [&'static str],
}

const SQS: Kinds = Kinds {
    integers: &[
        "DelaySeconds",
        "MaxNumberOfMessages",
        "MaxNumberOfMessagesPerSecond",
        "MaxResults",
        "VisibilityTimeout",
        "WaitTimeSeconds",
    ],
    booleans: &[],
    doubles: &[],
    timestamps: &[],
    lists: &[],
};

const IAM: Kinds = Kinds {
    integers: &["MaxItems", "MaxSessionDuration"],
    booleans: &["OnlyAttached", "SetAsDefault"],
    doubles: &[],
    timestamps: &[],
    lists: &[
        "ActionNames",
        "ContextEntries",
        "ContextKeyValues",
        "PermissionsBoundaryPolicyInputList",
        "PolicyInputList",
        "ResourceArns",
        "TagKeys",
        "Tags",
    ],
};

const STS: Kinds = Kinds {
    integers: &["DurationSeconds"],
    booleans: &[],
    doubles: &[],
    timestamps: &[],
    lists: &[
        "PolicyArns",
        "ProvidedContexts",
        "Tags",
        "TransitiveTagKeys",
    ],
};

const CLOUDWATCH: Kinds = Kinds {
    integers: &[
        "ActionsSuppressorExtensionPeriod",
        "ActionsSuppressorWaitPeriod",
        "DatapointsToAlarm",
        "EndTimeOffset",
        "EvaluationInterval",
        "EvaluationPeriods",
        "MaxContributorCount",
        "MaxDatapoints",
        "MaxRecords",
        "MaxResults",
        "Period",
        "StartTimeOffset",
        "StorageResolution",
    ],
    booleans: &[
        "ActionsEnabled",
        "IncludeLinkedAccounts",
        "PeriodicSpikes",
        "ReturnData",
        "StrictEntityValidation",
    ],
    doubles: &[
        "Counts",
        "Maximum",
        "Minimum",
        "SampleCount",
        "Sum",
        "Threshold",
        "Values",
    ],
    timestamps: &["EndDate", "EndTime", "StartDate", "StartTime", "Timestamp"],
    lists: &[
        "AlarmActions",
        "AlarmNames",
        "AlarmTypes",
        "Counts",
        "DashboardNames",
        "Dimensions",
        "ExtendedStatistics",
        "InsufficientDataActions",
        "MetricData",
        "MetricDataQueries",
        "Metrics",
        "OKActions",
        "Statistics",
        "TagKeys",
        "Tags",
        "Values",
    ],
};

#[cfg(test)]
mod tests {
    use hyper::{Request, header::CONTENT_TYPE};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::wire::protocol::Protocol;

    fn parts() -> Parts {
        let request = Request::post("/000000000000/q")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(HOST, "localhost:4510")
            .body(())
            .unwrap();
        request.into_parts().0
    }

    fn asked(service: Service, form: &str) -> Result<Asked> {
        let spoken = Spoken {
            protocol: Protocol::Query,
            service: Some(service),
        };
        read(spoken, service, &parts(), form.as_bytes())
    }

    fn input(service: Service, form: &str) -> Value {
        let asked = asked(service, &format!("Action=Do&Version=1&{form}")).unwrap();
        assert_eq!(asked.operation, "Do");
        let mut input = asked.input;
        if service == Service::Sqs {
            assert_eq!(
                input.remove("QueueUrl").unwrap(),
                "http://localhost:4510/000000000000/q"
            );
        }
        Value::Object(input)
    }

    #[test]
    fn sqs_input_is_the_same_as_in_json() {
        let form = "MessageBody=a%20b+c&DelaySeconds=5&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=30\
            &Attribute.2.Name=DelaySeconds&Attribute.2.Value=&AttributeName.1=All&Tag.1.Key=k&Tag.1.Value=v\
            &MessageAttribute.1.Name=n&MessageAttribute.1.Value.StringValue=3&MessageAttribute.1.Value.DataType=Number";
        assert_eq!(
            input(Service::Sqs, form),
            json!({
                "AttributeNames": ["All"],
                "Attributes": { "VisibilityTimeout": "30", "DelaySeconds": "" },
                "DelaySeconds": 5,
                "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "3" } },
                "MessageBody": "a b c",
                "Tags": { "k": "v" },
            })
        );
        let form = "SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.1.Id=a\
            &SendMessageBatchRequestEntry.1.DelaySeconds=1\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v";
        assert_eq!(
            input(Service::Sqs, form),
            json!({ "Entries": [
                { "Id": "a", "DelaySeconds": 1, "MessageAttributes": { "n": { "StringValue": "v" } } },
                { "Id": "b" },
            ] })
        );
    }

    #[test]
    fn cloudwatch_input_is_the_same_as_in_json() {
        let form = "Namespace=ns&MetricData.member.1.MetricName=m&MetricData.member.1.Value=2\
            &MetricData.member.1.Dimensions.member.1.Name=d&MetricData.member.1.Dimensions.member.1.Value=7\
            &MetricData.member.2.MetricName=m&MetricData.member.2.Values.member.1=1&MetricData.member.2.Values.member.2=2.5\
            &MetricData.member.2.Timestamp=2026-01-31T12%3A00%3A00Z&AlarmActions=&ActionsEnabled=false&Period=sixty";
        assert_eq!(
            input(Service::CloudWatch, form),
            json!({
                "ActionsEnabled": false,
                "AlarmActions": [],
                "MetricData": [
                    { "MetricName": "m", "Value": 2.0, "Dimensions": [{ "Name": "d", "Value": "7" }] },
                    { "MetricName": "m", "Values": [1.0, 2.5], "Timestamp": 1_769_860_800 },
                ],
                "Namespace": "ns",
                "Period": "sixty",
            })
        );
    }

    #[test]
    fn elements_are_in_the_order_of_their_numbers() {
        let form = "TagKeys.member.10=c&TagKeys.member.2=b&TagKeys.member.1=a&Map.entry.1.key=k&Map.entry.1.value=v";
        assert_eq!(
            input(Service::Iam, form),
            json!({ "Map": { "k": "v" }, "TagKeys": ["a", "b", "c"] })
        );
    }

    #[test]
    fn a_form_without_an_action_or_with_a_bottomless_name_is_refused() {
        assert_eq!(
            asked(Service::Iam, "Version=1").unwrap_err().code,
            "MissingAction"
        );
        let deep = format!("Action=Do&{}=1", vec!["a"; 100_000].join("."));
        assert_eq!(
            asked(Service::Iam, &deep).unwrap_err().code,
            "MalformedQueryString"
        );
        assert!(asked(Service::Iam, "Action=Do&a..b=1").is_err());
    }

    proptest! {
        #[test]
        fn no_form_makes_it_panic(form in "([A-Za-z.0-9]{0,12}=[ -~]{0,6}&?){0,12}", service in 0..4) {
            let service = [Service::Sqs, Service::Iam, Service::Sts, Service::CloudWatch][usize::try_from(service).unwrap()];
            let _ = asked(service, &format!("Action=Do&{form}"));
        }
    }
}
