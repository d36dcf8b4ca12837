//! S3: buckets and objects, with conditional writes, as far as locks and records need them.
//!
//! This service reads and writes its own XML, because its bodies are blobs: `xml` does it. `state` holds what there is,
//! `conditions`, `listing` and `body` decide purely, `buckets`, `objects` and `deletes` are the operations.
//!
//! Everything is in memory, and bounded: an object to 64 MB, all of them to [`state::TOTAL`].

mod body;
mod buckets;
mod conditions;
mod defaults;
mod deletes;
mod errors;
mod listing;
mod objects;
mod state;
#[cfg(test)]
mod tests;
mod xml;

use std::borrow::Cow;

use hyper::HeaderMap;
use parking_lot::RwLock;
use serde_json::{Value, json};

use self::state::{Bucket, State};
use crate::{
    ACCOUNT,
    call::{Answer, Call},
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct S3 {
    state: RwLock<State>,
}

impl S3 {
    /// What is to be kept.
    pub fn keep(&self) -> Value {
        json!(&*self.state.read())
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        let mut state: State = serde_json::from_value(kept).map_err(|error| error.to_string())?;
        state.weigh();
        *self.state.write() = state;
        Ok(())
    }
}

/// A member of the path or the query, by its name there; the wire gives some by the model's names.
fn input<'c>(call: &'c Call, member: &str) -> Option<&'c str> {
    value(call, member)?.as_str()
}

/// A number in the query, as it came.
fn number<'c>(call: &'c Call, member: &str) -> Option<Cow<'c, str>> {
    match value(call, member)? {
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

fn value<'c>(call: &'c Call, member: &str) -> Option<&'c Value> {
    call.input
        .get(member)
        .or_else(|| call.input.get(&modelled(member)))
}

/// `continuation-token` is `ContinuationToken` in the model.
fn modelled(member: &str) -> String {
    member
        .split('-')
        .flat_map(|part| {
            let (first, rest) = part.split_at(part.len().min(1));
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}

/// A header, if it's text.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bucket_name(call: &Call) -> Result<&str> {
    input(call, "Bucket").ok_or_else(|| errors::bad_name(""))
}

/// The bucket that is meant, if it's the account's that the caller expects.
fn bucket<'s>(state: &'s State, call: &Call) -> Result<&'s Bucket> {
    let name = bucket_name(call)?;
    check_owner(call)?;
    state
        .buckets
        .get(name)
        .ok_or_else(|| errors::no_bucket(name))
}

/// The same, to be changed.
fn bucket_mut<'s>(state: &'s mut State, call: &Call) -> Result<&'s mut Bucket> {
    let name = bucket_name(call)?;
    check_owner(call)?;
    state
        .buckets
        .get_mut(name)
        .ok_or_else(|| errors::no_bucket(name))
}

fn check_owner(call: &Call) -> Result<()> {
    match header(&call.headers, "x-amz-expected-bucket-owner") {
        Some(owner) if owner != ACCOUNT => Err(errors::denied()),
        _ => Ok(()),
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    let operation = call.operation.as_str();
    let is_versioned = input(call, "versionId").is_some();
    let action = match operation {
        "ListBuckets" => "ListAllMyBuckets",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetBucketCors" => "GetBucketCORS",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetObject" | "HeadObject" if is_versioned => "GetObjectVersion",
        "HeadObject" => "GetObject",
        "DeleteObject" if is_versioned => "DeleteObjectVersion",
        "CopyObject" => "PutObject",
        // Each object's own right is asked.
        "DeleteObjects" => return Permission::decided_within(),
        other => other,
    };
    let bucket = input(call, "Bucket").unwrap_or("*");
    let resource = match input(call, "Key") {
        Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
        None => format!("arn:aws:s3:::{bucket}"),
    };
    Permission {
        action: format!("s3:{action}"),
        resource,
    }
}

/// Whether the caller may do something to a resource that isn't the call's own.
fn may(call: &Call, action: &str, resource: String) -> bool {
    let permission = Permission {
        action: action.to_owned(),
        resource,
    };
    call.cloud.iam.allows(&call.caller, &permission)
}

/// Does what is asked.
#[allow(
    clippy::unused_async,
    reason = "all services are called alike, and others wait"
)]
pub async fn call(call: &Call) -> Result<Answer> {
    if let Some(answer) = elsewhere(call) {
        return Ok(answer);
    }
    let operation = match call.operation.as_str() {
        "CreateBucket" => buckets::create,
        "HeadBucket" => buckets::head,
        "DeleteBucket" => buckets::delete,
        "ListBuckets" => buckets::list,
        "GetBucketLocation" => buckets::location,
        "GetBucketVersioning" => buckets::versioning,
        "PutBucketVersioning" => buckets::set_versioning,
        "GetPublicAccessBlock" => buckets::access_block,
        "PutPublicAccessBlock" => buckets::set_access_block,
        "DeletePublicAccessBlock" => buckets::remove_access_block,
        "GetBucketTagging" => buckets::tags,
        "PutBucketTagging" => buckets::set_tags,
        "DeleteBucketTagging" => buckets::remove_tags,
        "PutObject" | "CopyObject" => objects::put,
        "GetObject" => objects::get,
        "HeadObject" => objects::head,
        "DeleteObject" => deletes::one,
        "DeleteObjects" => deletes::many,
        "ListObjectsV2" => listing::v2,
        "ListObjects" => listing::v1,
        "ListObjectVersions" => listing::versions,
        other => {
            return defaults::answer(call)
                .unwrap_or_else(|| Err(AwsError::unknown_operation("s3", other)));
        }
    };
    operation(call)
}

/// A bucket of another region is reached there only: S3 says where.
fn elsewhere(call: &Call) -> Option<Answer> {
    if matches!(
        call.operation.as_str(),
        "CreateBucket" | "ListBuckets" | "GetBucketLocation"
    ) {
        return None;
    }
    let name = input(call, "Bucket")?;
    let region = {
        let state = call.cloud.s3.state.read();
        let region = &state.buckets.get(name)?.region;
        (*region != call.region.name).then(|| region.clone())?
    };
    let body = if call.operation.starts_with("Head") {
        String::new()
    } else {
        xml::document("Error", false, |xml| {
            xml.text("Code", "PermanentRedirect");
            xml.text(
                "Message",
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
                 future requests to this endpoint.",
            );
            xml.text("Endpoint", &format!("s3.{region}.amazonaws.com"));
            xml.text("Bucket", name);
            xml.text("RequestId", &call.request_id);
        })
    };
    let mut answer = xml::answer(body);
    answer.status = hyper::StatusCode::MOVED_PERMANENTLY;
    objects::set(&mut answer.headers, "x-amz-bucket-region", &region);
    Some(answer)
}
