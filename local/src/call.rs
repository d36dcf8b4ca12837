//! One call of an operation, free of the protocol it came in, and its answer.
//!
//! Member names are those of AWS's models as they are on the wire (`FunctionName`, `routeKey`), so that a service's code
//! reads like the API's documentation.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::{
    clock::Millis,
    cloud::{Cloud, Region},
    iam::Caller,
};

/// The services that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the services'")]
pub enum Service {
    ApiGateway,
    CloudWatch,
    DynamoDb,
    ExecuteApi,
    Iam,
    Lambda,
    Logs,
    S3,
    Sqs,
    Sts,
}

impl Service {
    /// The prefix of the service's IAM actions, which is also what fault rules name it by.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiGateway => "apigateway",
            Self::CloudWatch => "cloudwatch",
            Self::DynamoDb => "dynamodb",
            Self::ExecuteApi => "execute-api",
            Self::Iam => "iam",
            Self::Lambda => "lambda",
            Self::Logs => "logs",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
        }
    }
}

/// A call: who wants what of which service, where.
#[derive(Clone, Debug)]
pub struct Call {
    /// The cloud that is called.
    pub cloud: Arc<Cloud>,
    /// The region that is called.
    pub region: Arc<Region>,
    /// Who calls.
    pub caller: Caller,
    /// Of which service.
    pub service: Service,
    /// AWS's name of the operation.
    pub operation: String,
    /// The operation's members. In the REST protocols those of the path, the query and the JSON body together; in the
    /// query protocol lists and maps are put together (`Attribute.1.Name` becomes a map's entry).
    pub input: Map<String, Value>,
    /// The request's body as it came, for operations whose body is a blob.
    pub body: Bytes,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The id that the answer bears.
    pub request_id: String,
}

impl Call {
    /// A call that comes from within: of members alone, with a request id of its own. What isn't an object has no members.
    pub fn new(
        cloud: &Arc<Cloud>,
        region: &Arc<Region>,
        caller: Caller,
        service: Service,
        operation: &str,
        input: Value,
    ) -> Self {
        Self {
            cloud: Arc::clone(cloud),
            region: Arc::clone(region),
            caller,
            service,
            operation: operation.to_owned(),
            input: match input {
                Value::Object(members) => members,
                _ => Map::new(),
            },
            body: Bytes::new(),
            headers: HeaderMap::new(),
            request_id: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// A call by the account's owner, for unit tests.
    ///
    /// # Panics
    ///
    /// If the members aren't an object, or the region's name isn't one.
    #[cfg(test)]
    pub fn for_test(
        cloud: &Arc<Cloud>,
        region: &str,
        service: Service,
        operation: &str,
        input: Value,
    ) -> Self {
        assert!(input.is_object(), "{input} isn't an object");
        let region = cloud.region(region).expect("a region");
        let owner = Caller::Owner {
            access_key: "test".to_owned(),
        };
        Self {
            request_id: "test".to_owned(),
            ..Self::new(cloud, &region, owner, service, operation, input)
        }
    }
}

/// What a call is answered with.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// Headers beyond the protocol's own.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
}

/// An answer's body.
#[derive(Debug)]
pub enum Payload {
    /// Members, for the protocol to write. A timestamp in it is made by [`timestamp`].
    Members(Value),
    /// A blob, written as it is.
    Blob(Bytes),
    /// Blobs as they come, such as an event stream's messages.
    Stream(mpsc::Receiver<Bytes>),
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self::blob(status, Bytes::new())
    }

    /// An answer that is a blob.
    pub fn blob(status: u16, body: Bytes) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            headers: HeaderMap::new(),
            payload: Payload::Blob(body),
        }
    }

    /// Members with a status of their own.
    pub fn members(status: u16, members: Value) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            headers: HeaderMap::new(),
            payload: Payload::Members(members),
        }
    }
}

impl From<Value> for Answer {
    fn from(members: Value) -> Self {
        Self::members(200, members)
    }
}

/// The member that marks a timestamp, in milliseconds.
pub const TIMESTAMP: &str = "$timestamp";

/// A timestamp as a member of an answer: each protocol writes it its own way.
pub fn timestamp(at: Millis) -> Value {
    serde_json::json!({ TIMESTAMP: at.0 })
}
