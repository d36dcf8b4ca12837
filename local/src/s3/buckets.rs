//! Buckets: made, listed, deleted, and their few settings.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::json;

use super::{
    body, bucket, bucket_mut, bucket_name,
    errors::{self, invalid_argument, malformed_xml},
    input, number, objects,
    state::{AccessBlock, Bucket, Versioning},
    xml,
};
use crate::{
    DEFAULT_REGION,
    call::{Answer, Call},
    clock::Millis,
    error::{AwsError, Result},
};

/// Buckets that there may be; AWS lets an account have more [S3 quotas].
const BUCKETS: usize = 1000;
/// Tags of a bucket [S3 user guide].
const TAGS: usize = 50;
/// The canonical user id of the owner of everything.
pub const OWNER: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";

/// Whether a bucket may have this name [S3 user guide, bucket naming rules].
fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let is_end = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_address = name.split('.').count() == 4
        && name
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    (3..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte))
        && is_end(bytes.first())
        && is_end(bytes.last())
        && !name.contains("..")
        && !is_address
        && !["xn--", "sthree-", "amzn-s3-demo-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
}

/// The body, whole and as it was sent.
fn body(call: &Call) -> Result<Bytes> {
    body::receive(&call.headers, &call.body).map(|received| received.bytes)
}

/// `CreateBucket`.
pub fn create(call: &Call) -> Result<Answer> {
    let name = bucket_name(call)?;
    if !is_name(name) {
        return Err(errors::bad_name(name));
    }
    let body = body(call)?;
    let (constraint, tags) = if body.is_empty() {
        (None, Vec::new())
    } else {
        let configuration = xml::read(&body, "CreateBucketConfiguration")?;
        let constraint = configuration
            .text("LocationConstraint")
            .filter(|constraint| !constraint.is_empty())
            .map(|constraint| match constraint {
                "EU" => "eu-west-1".to_owned(),
                other => other.to_owned(),
            });
        let tags = match configuration.child("Tags") {
            Some(tags) => read_tags(tags)?,
            None => Vec::new(),
        };
        (constraint, tags)
    };
    let here = call.region.name.as_str();
    check_constraint(here, constraint.as_deref())?;
    let region = constraint.as_deref().unwrap_or(here);
    let mut state = call.cloud.s3.state.write();
    if let Some(bucket) = state.buckets.get(name) {
        // In the first region a bucket that is there is made again without complaint [S3 API, CreateBucket].
        if here == DEFAULT_REGION && bucket.region == DEFAULT_REGION {
            return Ok(created(name));
        }
        return Err(AwsError::new(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
        .member("BucketName", name));
    }
    if state.buckets.len() >= BUCKETS {
        return Err(AwsError::new(
            400,
            "TooManyBuckets",
            "You have attempted to create more buckets than allowed",
        ));
    }
    let bucket = Bucket {
        region: region.to_owned(),
        created: Millis::now(),
        versioning: None,
        // New buckets are closed to the public [S3 user guide, since 2023-04].
        access_block: Some(AccessBlock {
            block_acls: true,
            ignore_acls: true,
            block_policy: true,
            restrict_buckets: true,
        }),
        tags,
        objects: BTreeMap::new(),
    };
    state.buckets.insert(name.to_owned(), bucket);
    Ok(created(name))
}

fn created(name: &str) -> Answer {
    let mut answer = Answer::empty(200);
    objects::set(&mut answer.headers, "location", &format!("/{name}"));
    objects::set(
        &mut answer.headers,
        "x-amz-bucket-arn",
        &format!("arn:aws:s3:::{name}"),
    );
    answer
}

/// Each region's endpoint makes buckets of its own, the first one's those of others too.
fn check_constraint(here: &str, constraint: Option<&str>) -> Result<()> {
    let incompatible = |constraint: &str| {
        AwsError::new(
            400,
            "IllegalLocationConstraintException",
            format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            ),
        )
    };
    match constraint {
        Some(DEFAULT_REGION) => Err(AwsError::new(
            400,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )
        .member("LocationConstraint", DEFAULT_REGION)),
        Some(constraint) if here != DEFAULT_REGION && constraint != here => {
            Err(incompatible(constraint))
        }
        Some(constraint) if constraint.len() > 32 => Err(incompatible(constraint)),
        None if here != DEFAULT_REGION => Err(incompatible("unspecified")),
        _ => Ok(()),
    }
}

/// `HeadBucket`.
pub fn head(call: &Call) -> Result<Answer> {
    let state = call.cloud.s3.state.read();
    let bucket = bucket(&state, call)?;
    let mut answer = Answer::empty(200);
    objects::set(&mut answer.headers, "x-amz-bucket-region", &bucket.region);
    objects::set(&mut answer.headers, "x-amz-access-point-alias", "false");
    let arn = format!("arn:aws:s3:::{}", bucket_name(call)?);
    objects::set(&mut answer.headers, "x-amz-bucket-arn", &arn);
    Ok(answer)
}

/// `DeleteBucket`.
pub fn delete(call: &Call) -> Result<Answer> {
    let name = bucket_name(call)?;
    let mut state = call.cloud.s3.state.write();
    let bucket = bucket(&state, call)?;
    if !bucket.objects.is_empty() {
        let text = if bucket.versioning.is_some() {
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
        } else {
            "The bucket you tried to delete is not empty"
        };
        return Err(AwsError::new(409, "BucketNotEmpty", text).member("BucketName", name));
    }
    state.buckets.remove(name);
    Ok(Answer::empty(204))
}

/// `ListBuckets`.
pub fn list(call: &Call) -> Result<Answer> {
    let most = match number(call, "max-buckets").as_deref() {
        None => 10_000,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| (1..=10_000).contains(most))
            .ok_or_else(|| {
                invalid_argument(
                    "Argument max-buckets must be an integer between 1 and 10000",
                    "max-buckets",
                    text,
                )
            })?,
    };
    let after = match input(call, "continuation-token") {
        None | Some("") => None,
        Some(token) => Some(super::listing::parse_token(token)?),
    };
    let prefix = input(call, "prefix");
    let region = input(call, "bucket-region");
    let state = call.cloud.s3.state.read();
    let mut buckets = state.buckets.iter().filter(|(name, bucket)| {
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && region.is_none_or(|region| bucket.region == region)
            && after.as_ref().is_none_or(|after| *name > after)
    });
    let shown: Vec<_> = buckets.by_ref().take(most).collect();
    let has_more = buckets.next().is_some();
    let document = xml::document("ListAllMyBucketsResult", true, |xml| {
        xml.element("Owner", |xml| xml.text("ID", OWNER));
        xml.element("Buckets", |xml| {
            for (name, bucket) in &shown {
                xml.element("Bucket", |xml| {
                    xml.text("Name", name);
                    xml.text("CreationDate", &objects::iso(bucket.created));
                    xml.text("BucketRegion", &bucket.region);
                    xml.text("BucketArn", &format!("arn:aws:s3:::{name}"));
                });
            }
        });
        if let Some(prefix) = prefix {
            xml.text("Prefix", prefix);
        }
        if let (true, Some((last, _))) = (has_more, shown.last()) {
            xml.text("ContinuationToken", &super::listing::token(last));
        }
    });
    Ok(xml::answer(document))
}

/// `GetBucketLocation`.
pub fn location(call: &Call) -> Result<Answer> {
    let state = call.cloud.s3.state.read();
    let bucket = bucket(&state, call)?;
    let region = &bucket.region;
    let document = xml::document("LocationConstraint", true, |xml| {
        if region != DEFAULT_REGION {
            xml.raw_text(region);
        }
    });
    Ok(xml::answer(document))
}

/// `GetBucketVersioning`.
pub fn versioning(call: &Call) -> Result<Answer> {
    let state = call.cloud.s3.state.read();
    let versioning = bucket(&state, call)?.versioning;
    let document = xml::document("VersioningConfiguration", true, |xml| match versioning {
        Some(Versioning::Enabled) => xml.text("Status", "Enabled"),
        Some(Versioning::Suspended) => xml.text("Status", "Suspended"),
        None => {}
    });
    Ok(xml::answer(document))
}

/// `PutBucketVersioning`.
pub fn set_versioning(call: &Call) -> Result<Answer> {
    let configuration = xml::read(&body(call)?, "VersioningConfiguration")?;
    let versioning = match configuration.text("Status").map(str::trim) {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        Some(_) => return Err(malformed_xml()),
        None => {
            return Err(AwsError::new(
                400,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ));
        }
    };
    bucket_mut(&mut call.cloud.s3.state.write(), call)?.versioning = Some(versioning);
    Ok(Answer::empty(200))
}

/// `GetPublicAccessBlock`.
pub fn access_block(call: &Call) -> Result<Answer> {
    let state = call.cloud.s3.state.read();
    let block = bucket(&state, call)?.access_block.ok_or_else(|| {
        AwsError::new(
            404,
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
        .member("BucketName", json!(call.input.get("Bucket")))
    })?;
    let document = xml::document("PublicAccessBlockConfiguration", true, |xml| {
        xml.value("BlockPublicAcls", block.block_acls);
        xml.value("IgnorePublicAcls", block.ignore_acls);
        xml.value("BlockPublicPolicy", block.block_policy);
        xml.value("RestrictPublicBuckets", block.restrict_buckets);
    });
    Ok(xml::answer(document))
}

/// `PutPublicAccessBlock`.
pub fn set_access_block(call: &Call) -> Result<Answer> {
    let configuration = xml::read(&body(call)?, "PublicAccessBlockConfiguration")?;
    let block = AccessBlock {
        block_acls: configuration.truth("BlockPublicAcls")?,
        ignore_acls: configuration.truth("IgnorePublicAcls")?,
        block_policy: configuration.truth("BlockPublicPolicy")?,
        restrict_buckets: configuration.truth("RestrictPublicBuckets")?,
    };
    bucket_mut(&mut call.cloud.s3.state.write(), call)?.access_block = Some(block);
    Ok(Answer::empty(200))
}

/// `DeletePublicAccessBlock`.
pub fn remove_access_block(call: &Call) -> Result<Answer> {
    bucket_mut(&mut call.cloud.s3.state.write(), call)?.access_block = None;
    Ok(Answer::empty(204))
}

fn read_tags(set: &xml::Element) -> Result<Vec<(String, String)>> {
    let mut keys = BTreeSet::new();
    let mut tags = Vec::new();
    let invalid = |text: &str| AwsError::new(400, "InvalidTag", text);
    for tag in set.all("Tag") {
        let (Some(key), Some(value)) = (tag.text("Key"), tag.text("Value")) else {
            return Err(malformed_xml());
        };
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if !keys.insert(key) {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
        tags.push((key.to_owned(), value.to_owned()));
    }
    if tags.len() > TAGS {
        return Err(AwsError::new(
            400,
            "BadRequest",
            format!("Bucket tag count cannot be greater than {TAGS}"),
        ));
    }
    Ok(tags)
}

/// `GetBucketTagging`.
pub fn tags(call: &Call) -> Result<Answer> {
    let state = call.cloud.s3.state.read();
    let tags = &bucket(&state, call)?.tags;
    if tags.is_empty() {
        return Err(
            AwsError::new(404, "NoSuchTagSet", "The TagSet does not exist")
                .member("BucketName", bucket_name(call)?),
        );
    }
    let document = xml::document("Tagging", true, |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in tags {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    });
    Ok(xml::answer(document))
}

/// `PutBucketTagging`.
pub fn set_tags(call: &Call) -> Result<Answer> {
    let tagging = xml::read(&body(call)?, "Tagging")?;
    let tags = read_tags(tagging.child("TagSet").ok_or_else(malformed_xml)?)?;
    bucket_mut(&mut call.cloud.s3.state.write(), call)?.tags = tags;
    Ok(Answer::empty(204))
}

/// `DeleteBucketTagging`.
pub fn remove_tags(call: &Call) -> Result<Answer> {
    bucket_mut(&mut call.cloud.s3.state.write(), call)?.tags = Vec::new();
    Ok(Answer::empty(204))
}
