//! Objects deleted, one or many.

use super::{
    body, bucket, bucket_name, conditions, errors,
    errors::malformed_xml,
    input, may, objects,
    state::{NO_VERSION, State},
    xml,
};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
};

/// Objects that one call deletes [S3 API, DeleteObjects].
const AT_ONCE: usize = 1000;

/// `DeleteObject`.
pub fn one(call: &Call) -> Result<Answer> {
    let key = input(call, "Key").unwrap_or_default();
    let version = input(call, "versionId");
    let name = bucket_name(call)?;
    let mut state = call.cloud.s3.state.write();
    conditions::of_replacement(&call.headers, key, bucket(&state, call)?.object(key))?;
    let deleted = state.delete(name, key, version)?;
    let mut answer = Answer::empty(204);
    if let Some(version) = &deleted.version {
        objects::set(&mut answer.headers, "x-amz-version-id", version);
    }
    if deleted.is_marker {
        objects::set(&mut answer.headers, "x-amz-delete-marker", "true");
    }
    Ok(answer)
}

/// One object of a `DeleteObjects`.
struct Wanted {
    key: String,
    version: Option<String>,
    etag: Option<String>,
}

fn wanted(document: &xml::Element) -> Result<Vec<Wanted>> {
    let objects = document
        .all("Object")
        .map(|object| {
            let text = |name| object.text(name).map(str::to_owned);
            Ok(Wanted {
                key: text("Key")
                    .filter(|key| !key.is_empty())
                    .ok_or_else(malformed_xml)?,
                version: text("VersionId").filter(|version| !version.is_empty()),
                etag: text("ETag"),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if objects.is_empty() || objects.len() > AT_ONCE {
        return Err(malformed_xml());
    }
    Ok(objects)
}

/// `DeleteObjects`.
pub fn many(call: &Call) -> Result<Answer> {
    if !body::has_digest(&call.headers) {
        return Err(errors::invalid_request(
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    let name = bucket_name(call)?;
    let received = body::receive(&call.headers, &call.body)?;
    let document = xml::read(&received.bytes, "Delete")?;
    let is_quiet = document.truth("Quiet")?;
    let wanted = wanted(&document)?;
    let allowed: Vec<bool> = wanted
        .iter()
        .map(|object| {
            let action = match object.version {
                Some(_) => "s3:DeleteObjectVersion",
                None => "s3:DeleteObject",
            };
            may(call, action, format!("arn:aws:s3:::{name}/{}", object.key))
        })
        .collect();
    let mut state = call.cloud.s3.state.write();
    bucket(&state, call)?;
    let document = xml::document("DeleteResult", true, |xml| {
        for (object, is_allowed) in wanted.iter().zip(allowed) {
            match delete(&mut state, name, object, is_allowed) {
                Ok(_) if is_quiet => {}
                Ok(deleted) => xml.element("Deleted", |xml| {
                    xml.text("Key", &object.key);
                    if let Some(version) = &object.version {
                        xml.text("VersionId", version);
                    }
                    if deleted.is_marker {
                        xml.text("DeleteMarker", "true");
                        let version = deleted.version.as_deref().unwrap_or(NO_VERSION);
                        xml.text("DeleteMarkerVersionId", version);
                    }
                }),
                Err(error) => xml.element("Error", |xml| {
                    xml.text("Key", &object.key);
                    if let Some(version) = &object.version {
                        xml.text("VersionId", version);
                    }
                    xml::error(xml, &error);
                }),
            }
        }
    });
    Ok(xml::answer(document))
}

fn delete(
    state: &mut State,
    bucket: &str,
    object: &Wanted,
    is_allowed: bool,
) -> Result<super::state::Deleted, AwsError> {
    if !is_allowed {
        return Err(errors::denied());
    }
    if let Some(etag) = &object.etag {
        let present = state
            .buckets
            .get(bucket)
            .and_then(|bucket| bucket.object(&object.key));
        conditions::is_one_of(&object.key, etag, present)?;
    }
    state.delete(bucket, &object.key, object.version.as_deref())
}
