//! Objects: written, copied, read.

use std::collections::BTreeMap;

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;

use super::{
    body, bucket, bucket_name,
    conditions::{self, Range, Read, http_date},
    errors, header, input, may,
    state::{NO_VERSION, OBJECT, Object},
    xml,
};
use crate::{
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
};

/// Bytes of a key [S3 user guide].
const KEY: usize = 1024;
/// Bytes of the user's metadata [S3 user guide].
const METADATA: usize = 2048;
/// The headers that an object keeps, and with which query's member a reader asks for another.
const KEPT: [(&str, &str); 7] = [
    ("content-type", "response-content-type"),
    ("cache-control", "response-cache-control"),
    ("content-disposition", "response-content-disposition"),
    ("content-encoding", "response-content-encoding"),
    ("content-language", "response-content-language"),
    ("expires", "response-expires"),
    ("x-amz-website-redirect-location", ""),
];

/// A header, unless it can't be one.
pub fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value.as_bytes()),
    ) {
        headers.insert(name, value);
    }
}

/// `2022-02-22T19:07:37.000Z`: S3 has whole seconds.
pub fn iso(at: Millis) -> String {
    Millis(at.0.div_euclid(1000) * 1000).iso()
}

fn key(call: &Call) -> Result<&str> {
    let key = input(call, "Key").unwrap_or_default();
    if key.len() > KEY {
        return Err(
            AwsError::new(400, "KeyTooLongError", "Your key is too long")
                .member("Size", key.len())
                .member("MaxSizeAllowed", KEY),
        );
    }
    if key.is_empty() {
        return Err(errors::no_key(key));
    }
    Ok(key)
}

/// What of the request's headers the object keeps.
fn kept_headers(headers: &HeaderMap) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for (name, _) in KEPT {
        if let Some(value) = header(headers, name) {
            let value = if name == "content-encoding" {
                without_chunking(value)
            } else {
                value.to_owned()
            };
            if !value.is_empty() {
                kept.insert(name.to_owned(), value);
            }
        }
    }
    kept.entry("content-type".to_owned())
        .or_insert_with(|| "binary/octet-stream".to_owned());
    if let Some(class) = header(headers, "x-amz-storage-class").filter(|class| *class != "STANDARD")
    {
        kept.insert("x-amz-storage-class".to_owned(), class.to_owned());
    }
    let mut size = 0;
    for (name, value) in headers {
        if let Some(short) = name.as_str().strip_prefix("x-amz-meta-") {
            let value = String::from_utf8_lossy(value.as_bytes());
            size += short.len() + value.len();
            kept.insert(name.as_str().to_owned(), value.into_owned());
        }
    }
    if size > METADATA {
        return Err(AwsError::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        )
        .member("Size", size)
        .member("MaxSizeAllowed", METADATA));
    }
    Ok(kept)
}

/// The encodings that are the object's own, not the transfer's.
fn without_chunking(encodings: &str) -> String {
    encodings
        .split(',')
        .map(str::trim)
        .filter(|encoding| !encoding.eq_ignore_ascii_case("aws-chunked"))
        .collect::<Vec<_>>()
        .join(",")
}

/// `PutObject`, and `CopyObject`, which is the same with a source.
pub fn put(call: &Call) -> Result<Answer> {
    let key = key(call)?;
    let bucket_name = bucket_name(call)?;
    if let Some(source) = header(&call.headers, "x-amz-copy-source") {
        return copy(call, bucket_name, key, source);
    }
    if call.body.len() > OBJECT {
        return Err(errors::too_large(call.body.len()));
    }
    let headers = kept_headers(&call.headers)?;
    let received = body::receive(&call.headers, &call.body)?;
    let object = Object {
        version: NO_VERSION.to_owned(),
        is_marker: false,
        etag: received.etag(),
        modified: Millis::now(),
        headers,
        checksum: received.checksum,
        body: received.bytes,
    };
    let mut answer = Answer::empty(200);
    describe_written(&mut answer.headers, &object);
    set(&mut answer.headers, "x-amz-checksum-type", "FULL_OBJECT");
    let (name, value) = &object.checksum;
    set(&mut answer.headers, name, value);
    let version = write(call, bucket_name, key, object)?;
    set_version(&mut answer.headers, &version);
    Ok(answer)
}

/// Writes, if the conditions hold: nobody comes between the look and the write.
fn write(call: &Call, bucket_name: &str, key: &str, object: Object) -> Result<String> {
    let mut state = call.cloud.s3.state.write();
    let present = bucket(&state, call)?.object(key);
    conditions::of_write(&call.headers, key, present)?;
    state.put(bucket_name, key, object)
}

fn describe_written(headers: &mut HeaderMap, object: &Object) {
    set(headers, "etag", &object.etag);
    // All objects are encrypted, since 2023-01 [S3 user guide].
    set(headers, "x-amz-server-side-encryption", "AES256");
}

fn set_version(headers: &mut HeaderMap, version: &str) {
    if version != NO_VERSION {
        set(headers, "x-amz-version-id", version);
    }
}

fn copy(call: &Call, bucket_name: &str, key: &str, source: &str) -> Result<Answer> {
    let (path, version) = match source.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (source, None),
    };
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
    let Some((from, source_key)) = path.split_once('/').filter(|(_, key)| !key.is_empty()) else {
        return Err(errors::invalid_argument(
            "Invalid copy source object key",
            "x-amz-copy-source",
            source,
        ));
    };
    if !may(
        call,
        "s3:GetObject",
        format!("arn:aws:s3:::{from}/{source_key}"),
    ) {
        return Err(errors::denied());
    }
    let replaces =
        header(&call.headers, "x-amz-metadata-directive").is_some_and(|word| word == "REPLACE");
    if from == bucket_name && source_key == key && !replaces && version.is_none() {
        return Err(errors::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut object = {
        let state = call.cloud.s3.state.read();
        let found = state
            .buckets
            .get(from)
            .ok_or_else(|| errors::no_bucket(from))?;
        match version {
            Some(version) => found
                .version(source_key, version)
                .filter(|object| !object.is_marker),
            None => found.object(source_key),
        }
        .ok_or_else(|| errors::no_key(source_key))?
        .clone()
    };
    if replaces {
        object.headers = kept_headers(&call.headers)?;
    }
    object.modified = Millis::now();
    let (etag, modified) = (object.etag.clone(), object.modified);
    let mut headers = HeaderMap::new();
    set(&mut headers, "x-amz-server-side-encryption", "AES256");
    let written = write(call, bucket_name, key, object)?;
    set_version(&mut headers, &written);
    let document = xml::document("CopyObjectResult", true, |xml| {
        xml.text("LastModified", &iso(modified));
        xml.text("ETag", &etag);
    });
    let mut answer = xml::answer(document);
    answer.headers.extend(headers);
    Ok(answer)
}

/// `GetObject`.
pub fn get(call: &Call) -> Result<Answer> {
    read(call, true)
}

/// `HeadObject`.
pub fn head(call: &Call) -> Result<Answer> {
    read(call, false)
}

fn read(call: &Call, with_body: bool) -> Result<Answer> {
    let key = key(call)?;
    let object = find(call, key)?;
    let mut answer = Answer::empty(200);
    let headers = &mut answer.headers;
    set(headers, "last-modified", &http_date(object.modified));
    set(headers, "accept-ranges", "bytes");
    describe_written(headers, &object);
    set_version(headers, &object.version);
    if conditions::of_read(&call.headers, &object)? == Read::NotModified {
        answer.status = hyper::StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    for (name, value) in &object.headers {
        set(headers, name, value);
    }
    for (name, member) in KEPT {
        if let Some(value) = input(call, member).filter(|_| !member.is_empty()) {
            set(headers, name, value);
        }
    }
    let length = object.body.len();
    let wanted = header(&call.headers, "range");
    let (first, end) = match conditions::range(wanted, length) {
        Range::Whole => (0, length),
        Range::Part(first, end) => {
            answer.status = hyper::StatusCode::PARTIAL_CONTENT;
            let last = end.saturating_sub(1);
            set(
                headers,
                "content-range",
                &format!("bytes {first}-{last}/{length}"),
            );
            (first, end)
        }
        Range::Unsatisfiable => {
            return Err(AwsError::new(
                416,
                "InvalidRange",
                "The requested range is not satisfiable",
            )
            .member("RangeRequested", wanted.unwrap_or_default())
            .member("ActualObjectSize", length));
        }
    };
    let is_whole = end - first == length;
    let wants_checksum = header(&call.headers, "x-amz-checksum-mode")
        .is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    if wants_checksum && is_whole {
        let (name, value) = &object.checksum;
        set(headers, name, value);
        set(headers, "x-amz-checksum-type", "FULL_OBJECT");
    }
    set(headers, "content-length", &(end - first).to_string());
    if with_body {
        answer.payload = crate::call::Payload::Blob(object.body.slice(first..end));
    }
    Ok(answer)
}

/// The object that is to be read.
pub fn find(call: &Call, key: &str) -> Result<Object> {
    let state = call.cloud.s3.state.read();
    let found = bucket(&state, call)?;
    if let Some(version) = input(call, "versionId") {
        let object = found
            .version(key, version)
            .ok_or_else(|| errors::no_version(key, version))?;
        if object.is_marker {
            return Err(AwsError::new(
                405,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            )
            .member("Method", "GET")
            .member("ResourceType", "DeleteMarker"));
        }
        return Ok(object.clone());
    }
    if let Some(object) = found.object(key) {
        return Ok(object.clone());
    }
    drop(state);
    // Who may not list isn't told what there isn't [S3 API, GetObject].
    let resource = format!("arn:aws:s3:::{}", bucket_name(call)?);
    if may(call, "s3:ListBucket", resource) {
        Err(errors::no_key(key))
    } else {
        Err(errors::denied())
    }
}
