//! S3's errors, in its words [S3 API reference, error responses; recorded answers in LocalStack's snapshots].

use super::state::{OBJECT, TOTAL};
use crate::error::AwsError;

pub fn bad_name(name: &str) -> AwsError {
    AwsError::new(
        400,
        "InvalidBucketName",
        "The specified bucket is not valid.",
    )
    .member("BucketName", name)
}

pub fn no_bucket(name: &str) -> AwsError {
    AwsError::new(404, "NoSuchBucket", "The specified bucket does not exist")
        .member("BucketName", name)
}

pub fn no_key(key: &str) -> AwsError {
    AwsError::new(404, "NoSuchKey", "The specified key does not exist.").member("Key", key)
}

pub fn no_version(key: &str, version: &str) -> AwsError {
    AwsError::new(
        404,
        "NoSuchVersion",
        "The specified version does not exist.",
    )
    .member("Key", key)
    .member("VersionId", version)
}

pub fn denied() -> AwsError {
    AwsError::new(403, "AccessDenied", "Access Denied")
}

pub fn precondition(condition: &str) -> AwsError {
    AwsError::new(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
    .member("Condition", condition)
}

pub fn not_implemented(header: &str) -> AwsError {
    AwsError::new(
        501,
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
    )
    .member("Header", header)
}

pub fn malformed_xml() -> AwsError {
    AwsError::new(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

pub fn invalid_argument(message: &str, name: &str, value: &str) -> AwsError {
    AwsError::new(400, "InvalidArgument", message)
        .member("ArgumentName", name)
        .member("ArgumentValue", value)
}

pub fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidRequest", message)
}

pub fn too_large(size: usize) -> AwsError {
    AwsError::new(
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    )
    .member("ProposedSize", size)
    .member("MaxSizeAllowed", OBJECT)
}

/// Not an error of S3's, which has room for everybody.
pub fn full() -> AwsError {
    AwsError::new(
        400,
        "EntityTooLarge",
        format!(
            "wsless's embedded cloud holds its objects in memory, and at most {} MB of them: delete some first",
            TOTAL / 1_000_000
        ),
    )
}
