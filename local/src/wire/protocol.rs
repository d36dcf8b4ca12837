//! Which protocol a request speaks, to which service, and how that protocol words what the wire itself refuses.

use hyper::{
    HeaderMap, Uri,
    header::{CONTENT_TYPE, HeaderName},
    http::request::Parts,
};

use super::{body::Unread, query, rest, sigv4::Flaw};
use crate::{call::Service, error::AwsError};

/// The most that a request to Lambda may be (AWS's own limit), and an object here.
const LARGE: usize = 70_167_211;
/// The most that any other request may be: DynamoDB's 16 MB batches are the largest that AWS takes, ten are enough here.
const SMALL: usize = 10 * 1024 * 1024;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const SMITHY: HeaderName = HeaderName::from_static("smithy-protocol");

/// A protocol of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// awsJson, with the content type that it was asked with.
    Json(&'static str),
    /// smithy-rpc-v2-cbor.
    Cbor,
    /// awsQuery: forms in, XML out.
    Query,
    /// restJson1.
    Rest,
    /// S3's restXml.
    S3,
}

/// What a request speaks, to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The protocol.
    pub protocol: Protocol,
    /// The service; absent if the request names one that there isn't.
    pub service: Option<Service>,
}

/// The most that a request's body may be, going by the service that it's signed for.
pub fn most(signed_for: Option<&str>) -> usize {
    match signed_for {
        Some("lambda" | "s3") => LARGE,
        _ => SMALL,
    }
}

/// The service of a signing name.
pub fn signed(name: &str) -> Option<Service> {
    Some(match name {
        "apigateway" => Service::ApiGateway,
        "monitoring" => Service::CloudWatch,
        "dynamodb" => Service::DynamoDb,
        "execute-api" => Service::ExecuteApi,
        "iam" => Service::Iam,
        "lambda" => Service::Lambda,
        "logs" => Service::Logs,
        "s3" => Service::S3,
        "sqs" => Service::Sqs,
        "sts" => Service::Sts,
        _ => return None,
    })
}

/// The signing name of a service.
pub fn signing_name(service: Service) -> &'static str {
    match service {
        Service::CloudWatch => "monitoring",
        other => other.prefix(),
    }
}

/// The service of a target's prefix, or of a CBOR path's.
fn targeted(prefix: &str) -> Option<Service> {
    Some(match prefix {
        "AmazonSQS" => Service::Sqs,
        "DynamoDB_20120810" => Service::DynamoDb,
        "GraniteServiceVersion20100801" => Service::CloudWatch,
        "Logs_20140328" => Service::Logs,
        _ => return None,
    })
}

/// Tells the protocol and the service. `signed_for` is the signature's service.
pub fn recognise(parts: &Parts, body: &[u8], signed_for: Option<&str>) -> Spoken {
    let headers = &parts.headers;
    if headers.contains_key(SMITHY) {
        return Spoken {
            protocol: Protocol::Cbor,
            service: cbor_path(&parts.uri).and_then(|(service, _)| targeted(service)),
        };
    }
    if let Some((prefix, _)) = target(headers) {
        return Spoken {
            protocol: Protocol::Json(json_version(headers)),
            service: targeted(prefix),
        };
    }
    let service = signed_for.and_then(signed);
    let rest = |service| Spoken {
        protocol: Protocol::Rest,
        service: Some(service),
    };
    match service {
        Some(Service::S3) => {
            return Spoken {
                protocol: Protocol::S3,
                service,
            };
        }
        Some(service @ (Service::Lambda | Service::ApiGateway | Service::ExecuteApi)) => {
            return rest(service);
        }
        _ => {}
    }
    let form = is_form(headers);
    if form
        || parts
            .uri
            .query()
            .is_some_and(|query| query.contains("Action="))
    {
        return Spoken {
            protocol: Protocol::Query,
            service: query::service(parts, body).or(service),
        };
    }
    match service {
        // A signature for a service that speaks JSON, and no target.
        Some(Service::Sqs | Service::DynamoDb | Service::Logs) => Spoken {
            protocol: Protocol::Json(json_version(headers)),
            service,
        },
        Some(_) => Spoken {
            protocol: Protocol::Query,
            service,
        },
        None => match rest::owner(parts.uri.path()) {
            Some(service) => rest(service),
            None => Spoken {
                protocol: Protocol::S3,
                service: Some(Service::S3),
            },
        },
    }
}

/// The two parts of `X-Amz-Target`.
pub fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    headers.get(TARGET)?.to_str().ok()?.split_once('.')
}

/// The service and the operation of `/service/{service}/operation/{operation}`, which may have something before it.
pub fn cbor_path(uri: &Uri) -> Option<(&str, &str)> {
    let (_, rest) = uri.path().split_once("/service/")?;
    let (service, operation) = rest.split_once("/operation/")?;
    (!operation.contains('/')).then_some((service, operation))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn json_version(headers: &HeaderMap) -> &'static str {
    if content_type(headers).starts_with("application/x-amz-json-1.1") {
        "application/x-amz-json-1.1"
    } else {
        "application/x-amz-json-1.0"
    }
}

/// Whether the body is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("application/x-www-form-urlencoded")
}

impl Spoken {
    /// A signature that won't do, in the protocol's words.
    pub fn flaw(self, flaw: Flaw) -> AwsError {
        let unsigned_status = if self.service == Some(Service::DynamoDb) {
            400
        } else {
            403
        };
        let wrong = |message: String| match self.protocol {
            Protocol::Query => AwsError::new(403, "SignatureDoesNotMatch", message),
            Protocol::S3 => AwsError::new(400, "AuthorizationHeaderMalformed", message),
            Protocol::Rest => AwsError::new(403, "InvalidSignatureException", message),
            Protocol::Json(_) | Protocol::Cbor => {
                AwsError::new(400, "InvalidSignatureException", message)
            }
        };
        match flaw {
            Flaw::Missing => match self.protocol {
                Protocol::S3 => AwsError::new(403, "AccessDenied", "Access Denied"),
                Protocol::Query => AwsError::new(
                    403,
                    "MissingAuthenticationToken",
                    "Request is missing Authentication Token",
                ),
                Protocol::Rest | Protocol::Json(_) | Protocol::Cbor => AwsError::new(
                    unsigned_status,
                    "MissingAuthenticationTokenException",
                    "Missing Authentication Token",
                ),
            },
            Flaw::Old => match self.protocol {
                Protocol::S3 => AwsError::new(
                    400,
                    "InvalidRequest",
                    "The authorization mechanism you have provided is not supported. Please use \
                     AWS4-HMAC-SHA256.",
                ),
                _ => self.flaw(Flaw::Incomplete(
                    "Unsupported AWS 'algorithm': 'AWS'.".to_owned(),
                )),
            },
            Flaw::Incomplete(message) => match self.protocol {
                Protocol::S3 => AwsError::new(400, "AuthorizationHeaderMalformed", message),
                Protocol::Query => AwsError::new(400, "IncompleteSignature", message),
                Protocol::Rest => AwsError::new(403, "IncompleteSignatureException", message),
                Protocol::Json(_) | Protocol::Cbor => {
                    AwsError::new(400, "IncompleteSignatureException", message)
                }
            },
            Flaw::Scope(message) => wrong(message),
            Flaw::Expired(message) => match self.protocol {
                Protocol::S3 => AwsError::new(
                    403,
                    "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.",
                ),
                _ => wrong(message),
            },
            Flaw::Body if self.protocol == Protocol::S3 => AwsError::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ),
            Flaw::Mismatch if self.protocol == Protocol::S3 => AwsError::new(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.",
            ),
            Flaw::Body | Flaw::Mismatch => wrong(
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details."
                    .to_owned(),
            ),
        }
    }

    /// A body that won't do, in the protocol's words.
    pub fn unread(self, why: Unread, operation: &str) -> AwsError {
        match (why, self.protocol) {
            (Unread::TooLarge, Protocol::S3) => AwsError::new(
                400,
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
            ),
            (Unread::TooLarge, _) if self.service == Some(Service::Lambda) => AwsError::new(
                413,
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {LARGE} bytes for the {operation} operation"),
            ),
            (Unread::TooLarge, _) => AwsError::new(
                413,
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {SMALL} bytes"),
            ),
            (Unread::Broken | Unread::Malformed, Protocol::S3) => AwsError::new(
                400,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header.",
            ),
            (Unread::Broken | Unread::Malformed, _) => self.malformed(),
        }
    }

    /// A body that the protocol can't read.
    pub fn malformed(self) -> AwsError {
        match self.protocol {
            Protocol::Query => AwsError::new(
                400,
                "MalformedQueryString",
                "The query string contains a syntax error.",
            ),
            Protocol::S3 => AwsError::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
            Protocol::Json(_) | Protocol::Cbor | Protocol::Rest => AwsError::new(
                400,
                "SerializationException",
                "Could not parse request body",
            ),
        }
    }
}
