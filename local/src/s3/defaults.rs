//! What every bucket and object has unless told otherwise, and here can't be told: clients that look at all settings find
//! them as AWS has them [S3 API reference; S3 user guide, default settings].

use super::{
    bucket, bucket_name,
    buckets::OWNER,
    errors, input,
    objects::find,
    xml::{self, Xml},
};
use crate::{
    call::{Answer, Call},
    error::{AwsError, Result},
};

/// Answers the question for a setting; nothing if the operation isn't one.
pub fn answer(call: &Call) -> Option<Result<Answer>> {
    let missing = |code: &'static str, message: &'static str| {
        Some(of_bucket(call).and(Err(none(call, code, message))))
    };
    let written = |root: &str, inside: &dyn Fn(&mut Xml)| {
        let document = || xml::answer(xml::document(root, true, inside));
        Some(of_bucket(call).map(|()| document()))
    };
    match call.operation.as_str() {
        "GetBucketAcl" => written("AccessControlPolicy", &owned),
        "GetBucketAccelerateConfiguration" => written("AccelerateConfiguration", &|_| ()),
        "GetBucketEncryption" => written("ServerSideEncryptionConfiguration", &|xml| {
            xml.element("Rule", |xml| {
                xml.element("ApplyServerSideEncryptionByDefault", |xml| {
                    xml.text("SSEAlgorithm", "AES256");
                });
                xml.value("BucketKeyEnabled", false);
            });
        }),
        "GetBucketLogging" => written("BucketLoggingStatus", &|_| ()),
        "GetBucketNotificationConfiguration" => written("NotificationConfiguration", &|_| ()),
        "GetBucketOwnershipControls" => written("OwnershipControls", &|xml| {
            xml.element("Rule", |xml| {
                xml.text("ObjectOwnership", "BucketOwnerEnforced");
            });
        }),
        "GetBucketRequestPayment" => written("RequestPaymentConfiguration", &|xml| {
            xml.text("Payer", "BucketOwner");
        }),
        "ListMultipartUploads" => written("ListMultipartUploadsResult", &|xml| {
            xml.text("Bucket", input(call, "Bucket").unwrap_or_default());
            xml.text("KeyMarker", "");
            xml.text("UploadIdMarker", "");
            xml.value("MaxUploads", 1000);
            xml.value("IsTruncated", false);
        }),
        "GetBucketCors" => missing(
            "NoSuchCORSConfiguration",
            "The CORS configuration does not exist",
        ),
        "GetBucketLifecycleConfiguration" => missing(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ),
        "GetBucketPolicy" | "GetBucketPolicyStatus" => {
            missing("NoSuchBucketPolicy", "The bucket policy does not exist")
        }
        "GetBucketReplication" => missing(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        "GetBucketWebsite" => missing(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        "GetObjectLockConfiguration" => missing(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        "GetObjectAcl" => Some(of_object(call, "AccessControlPolicy", owned)),
        "GetObjectTagging" => Some(of_object(call, "Tagging", |xml| {
            xml.element("TagSet", |_| ());
        })),
        _ => None,
    }
}

/// The owner may do everything, and nobody else anything.
fn owned(xml: &mut Xml) {
    xml.element("Owner", |xml| xml.text("ID", OWNER));
    xml.element("AccessControlList", |xml| {
        xml.element("Grant", |xml| {
            xml.open(
                "Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"",
            );
            xml.text("ID", OWNER);
            xml.close("Grantee");
            xml.text("Permission", "FULL_CONTROL");
        });
    });
}

fn of_bucket(call: &Call) -> Result<()> {
    bucket(&call.cloud.s3.state.read(), call).map(|_| ())
}

fn of_object(call: &Call, root: &str, inside: impl FnOnce(&mut Xml)) -> Result<Answer> {
    let key = input(call, "Key").unwrap_or_default();
    find(call, key)?;
    Ok(xml::answer(xml::document(root, true, inside)))
}

fn none(call: &Call, code: &'static str, message: &'static str) -> AwsError {
    match bucket_name(call) {
        Ok(name) => AwsError::new(404, code, message).member("BucketName", name),
        Err(_) => errors::bad_name(""),
    }
}
