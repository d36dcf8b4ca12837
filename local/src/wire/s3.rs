//! S3's side of the wire: which operation a method, a path and a query are, and errors in S3's XML.
//!
//! In the input: `Bucket`, `Key`, and the query's members by the model's names (`continuation-token` is
//! `ContinuationToken`, a string; `MaxKeys` and its like are numbers). Members in headers stay there, and bodies are the
//! service's: it takes and gives blobs. Trailers of a chunked body are among the headers.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{Body, aws::Asked, body::Stream, guard, xml::escaped};
use crate::{
    call::{Answer, Call, Payload},
    error::{AwsError, Result},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const NUMBERS: &[&str] = &[
    "MaxBuckets",
    "MaxKeys",
    "MaxParts",
    "MaxUploads",
    "PartNumber",
    "PartNumberMarker",
];

/// A part of a bucket or an object that a query without a value names (`?tagging`), and how operations name it.
const PARTS: &[(&str, &str)] = &[
    ("accelerate", "AccelerateConfiguration"),
    ("acl", "Acl"),
    ("attributes", "Attributes"),
    ("cors", "Cors"),
    ("encryption", "Encryption"),
    ("legal-hold", "LegalHold"),
    ("lifecycle", "LifecycleConfiguration"),
    ("location", "Location"),
    ("logging", "Logging"),
    ("notification", "NotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "OwnershipControls"),
    ("policy", "Policy"),
    ("policyStatus", "PolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "Replication"),
    ("requestPayment", "RequestPayment"),
    ("retention", "Retention"),
    ("tagging", "Tagging"),
    ("versioning", "Versioning"),
    ("website", "Website"),
];

/// Reads a request.
pub fn read(parts: &Parts) -> Result<Asked> {
    let (bucket, key) = address(parts);
    let query: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let operation = operation(
        &parts.method,
        &parts.headers,
        bucket.is_some(),
        key.is_some(),
        &query,
    )
    .ok_or_else(|| {
        AwsError::new(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        )
    })?;
    let mut input = Map::new();
    for (name, value) in query {
        if name.starts_with("X-Amz-") || matches!(name.as_str(), "x-id" | "list-type") {
            continue;
        }
        let name = pascal(&name);
        let number = NUMBERS
            .contains(&name.as_str())
            .then(|| value.parse::<i64>().ok())
            .flatten();
        input.insert(name, number.map_or_else(|| Value::from(value), Value::from));
    }
    if let Some(bucket) = bucket {
        input.insert("Bucket".to_owned(), bucket.into());
    }
    if let Some(key) = key {
        input.insert("Key".to_owned(), key.into());
    }
    Ok(Asked { operation, input })
}

/// `continuation-token` is `ContinuationToken`.
fn pascal(name: &str) -> String {
    name.split('-')
        .flat_map(|part| {
            let mut characters = part.chars();
            characters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(characters)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The bucket and the key, decoded: `/bucket/key`, or the bucket before the host's name.
fn address(parts: &Parts) -> (Option<String>, Option<String>) {
    let decoded = |part: &str| {
        (!part.is_empty()).then(|| percent_decode_str(part).decode_utf8_lossy().into_owned())
    };
    let path = parts.uri.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let host = guard::host(&parts.uri, &parts.headers)
        .map(|host| host.name)
        .unwrap_or_default();
    if let Some(bucket) = virtual_bucket(host) {
        return (Some(bucket.to_owned()), decoded(path));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (decoded(bucket), decoded(key))
}

/// The bucket of `{bucket}.localhost`, `{bucket}.s3.localhost` and `{bucket}.s3.{region}.localhost`.
fn virtual_bucket(host: &str) -> Option<&str> {
    let name = host.strip_suffix(".localhost")?;
    if name == "s3" || name.starts_with("s3.") {
        return None;
    }
    match name
        .rfind(".s3.")
        .or_else(|| name.strip_suffix(".s3").map(str::len))
    {
        Some(end) => name.get(..end),
        None => Some(name),
    }
}

fn operation(
    method: &Method,
    headers: &HeaderMap,
    bucket: bool,
    key: bool,
    query: &[(String, String)],
) -> Option<String> {
    let has = |wanted: &str| query.iter().any(|(name, _)| name == wanted);
    let part = PARTS
        .iter()
        .find(|(name, _)| has(name))
        .map(|(_, part)| *part);
    let copies = headers.contains_key(COPY_SOURCE);
    let method = method.as_str();
    if !bucket {
        return (method == "GET").then(|| "ListBuckets".to_owned());
    }
    if let Some(part) = part {
        let verb = match method {
            "GET" => "Get",
            "PUT" => "Put",
            "DELETE" => "Delete",
            _ => return None,
        };
        // What a bucket has without the word in its operations' names.
        let of = match part {
            "PublicAccessBlock" | "ObjectLockConfiguration" => "",
            _ if key => "Object",
            _ => "Bucket",
        };
        let part = match (verb, part) {
            ("Delete", "LifecycleConfiguration") => "Lifecycle",
            _ => part,
        };
        return Some(format!("{verb}{of}{part}"));
    }
    let operation = match (method, key) {
        ("GET", false) if has("versions") => "ListObjectVersions",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false)
            if query
                .iter()
                .any(|(name, value)| name == "list-type" && value == "2") =>
        {
            "ListObjectsV2"
        }
        ("GET", false) if has("session") => "CreateSession",
        ("GET", false) => "ListObjects",
        ("HEAD", false) => "HeadBucket",
        ("PUT", false) => "CreateBucket",
        ("DELETE", false) => "DeleteBucket",
        ("POST", false) if has("delete") => "DeleteObjects",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("PUT", true) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", true) if has("uploadId") => "UploadPart",
        ("PUT", true) if has("renameObject") => "RenameObject",
        ("PUT", true) if copies => "CopyObject",
        ("PUT", true) => "PutObject",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("POST", true) if has("restore") => "RestoreObject",
        ("POST", true) if has("select") => "SelectObjectContent",
        _ => return None,
    };
    Some(operation.to_owned())
}

/// Dresses an answer.
pub fn answer(call: &Call, answer: Answer) -> Response<Body> {
    let body = match answer.payload {
        Payload::Blob(blob) => Either::Left(Full::new(blob)),
        Payload::Stream(stream) => Either::Right(Stream(stream)),
        // The service writes its XML itself.
        Payload::Members(_) => Either::Left(Full::default()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    identify(response.headers_mut(), &call.request_id);
    response
}

fn identify(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HOST_ID, id.clone());
        headers.insert(REQUEST_ID, id);
    }
}

/// Dresses an error. A `HEAD`'s has no body, so that clients know the status only, as on AWS.
pub fn error(parts: &Parts, error: &AwsError, request_id: &str) -> Response<Body> {
    let bodiless = parts.method == Method::HEAD || error.status == StatusCode::NOT_MODIFIED;
    let body = if bodiless {
        Bytes::new()
    } else {
        let mut members = String::new();
        for (name, value) in error.members.iter() {
            let value = match value {
                Value::String(text) => escaped(text),
                other => escaped(&other.to_string()),
            };
            let _ = write!(members, "<{name}>{value}</{name}>");
        }
        Bytes::from(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{members}<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>",
            escaped(&error.code),
            escaped(&error.message),
        ))
    };
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = error.status;
    if !bodiless {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    identify(response.headers_mut(), request_id);
    response
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use serde_json::json;

    use super::*;

    fn asked(method: &str, host: &str, uri: &str, copies: bool) -> Result<(String, Value), String> {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", host);
        if copies {
            request = request.header(COPY_SOURCE, "/a/b");
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        read(&parts)
            .map(|asked| (asked.operation, asked.input.into()))
            .map_err(|error| error.code.into_owned())
    }

    #[test]
    fn a_method_a_path_and_a_query_are_an_operation() {
        for (method, uri, operation) in [
            ("GET", "/", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("PUT", "/b/", "CreateBucket"),
            ("HEAD", "/b", "HeadBucket"),
            ("DELETE", "/b", "DeleteBucket"),
            ("GET", "/b?list-type=2&prefix=p", "ListObjectsV2"),
            ("GET", "/b", "ListObjects"),
            ("GET", "/b?versions", "ListObjectVersions"),
            ("GET", "/b?location", "GetBucketLocation"),
            ("GET", "/b?versioning", "GetBucketVersioning"),
            ("PUT", "/b?versioning=", "PutBucketVersioning"),
            ("GET", "/b?publicAccessBlock", "GetPublicAccessBlock"),
            ("PUT", "/b?publicAccessBlock", "PutPublicAccessBlock"),
            ("DELETE", "/b?publicAccessBlock", "DeletePublicAccessBlock"),
            ("PUT", "/b?lifecycle", "PutBucketLifecycleConfiguration"),
            ("DELETE", "/b?lifecycle", "DeleteBucketLifecycle"),
            ("GET", "/b?object-lock", "GetObjectLockConfiguration"),
            ("PUT", "/b?encryption", "PutBucketEncryption"),
            ("PUT", "/b?tagging", "PutBucketTagging"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("GET", "/b/k", "GetObject"),
            ("GET", "/b/k?x-id=GetObject", "GetObject"),
            ("HEAD", "/b/k", "HeadObject"),
            ("PUT", "/b/k", "PutObject"),
            ("DELETE", "/b/k", "DeleteObject"),
            ("GET", "/b/k?tagging", "GetObjectTagging"),
            ("PUT", "/b/k?acl", "PutObjectAcl"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
        ] {
            let (found, _) = asked(method, "localhost", uri, false).unwrap();
            assert_eq!(found, operation, "{method} {uri}");
        }
        let (found, _) = asked("PUT", "localhost", "/b/k", true).unwrap();
        assert_eq!(found, "CopyObject");
        for (method, uri) in [
            ("POST", "/"),
            ("PATCH", "/b"),
            ("POST", "/b?policy"),
            ("POST", "/b/k"),
        ] {
            let refused = asked(method, "localhost", uri, false);
            assert_eq!(
                refused,
                Err("MethodNotAllowed".to_owned()),
                "{method} {uri}"
            );
        }
    }

    #[test]
    fn the_bucket_is_in_the_path_or_before_the_host() {
        let input = |host: &str, uri: &str| asked("GET", host, uri, false).unwrap().1;
        let both = json!({ "Bucket": "b", "Key": "k/ä +" });
        assert_eq!(input("127.0.0.1:4510", "/b/k/%C3%A4%20+"), both);
        assert_eq!(input("localhost", "/b/k/%C3%A4%20%2B"), both);
        assert_eq!(input("s3.localhost:1", "/b/k/%C3%A4%20+"), both);
        assert_eq!(input("s3.eu-west-1.localhost", "/b/k/%C3%A4%20+"), both);
        assert_eq!(input("b.localhost:4510", "/k/%C3%A4%20+"), both);
        assert_eq!(input("b.s3.localhost", "/k/%C3%A4%20+"), both);
        assert_eq!(input("b.s3.eu-west-1.localhost", "/k/%C3%A4%20+"), both);
        assert_eq!(
            input(
                "my.b.localhost",
                "/?list-type=2&max-keys=5&continuation-token=t%20u&X-Amz-Date=1"
            ),
            json!({ "Bucket": "my.b", "MaxKeys": 5, "ContinuationToken": "t u" })
        );
    }
}
