//! Where a function's code comes from: the request itself, or an object of S3.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

use super::{
    check::{Members, invalid},
    code::{Package, UNZIPPED, ZIPPED},
};
use crate::{
    call::{Answer, Call, Payload, Service},
    error::{AwsError, Result},
};

/// The largest request.
const REQUEST: usize = 70_167_211;

/// Where the code is.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// In the request, in base64.
    Here(&'a str),
    /// In a bucket.
    Bucket {
        bucket: &'a str,
        key: &'a str,
        version: Option<&'a str>,
    },
    /// Nowhere.
    Nothing,
}

/// Refuses a request that is too large.
pub(super) fn must_fit(call: &Call) -> Result<()> {
    if call.body.len() < REQUEST {
        return Ok(());
    }
    Err(too_large(format!(
        "Request must be smaller than {REQUEST} bytes for the {} operation",
        call.operation
    )))
}

fn too_large(message: String) -> AwsError {
    AwsError::new(413, "RequestEntityTooLargeException", message)
}

impl<'a> Source<'a> {
    /// Reads the members that say where it is.
    pub(super) fn read(
        from: &'a Map<String, Value>,
        prefix: &str,
        members: &mut Members<'_>,
    ) -> Result<Self> {
        let code = Members::new(from);
        if code.text("ImageUri")?.is_some() {
            return Err(invalid(
                "Please don't provide ImageUri when updating a function with packageType Zip.",
            ));
        }
        let bucket = code.text("S3Bucket")?;
        let key = code.text("S3Key")?;
        for (name, text, most) in [("s3Bucket", bucket, 63), ("s3Key", key, 1024)] {
            if let Some(text) = text {
                let least = if name == "s3Key" { 1 } else { 3 };
                members.length(&format!("{prefix}{name}"), text, least, most);
            }
        }
        let zip = code.text("ZipFile")?;
        match (zip, bucket, key) {
            (Some(zip), None, None) => Ok(Self::Here(zip)),
            (None, Some(bucket), Some(key)) => Ok(Self::Bucket {
                bucket,
                key,
                version: code.text("S3ObjectVersion")?,
            }),
            (None, None, None) => Ok(Self::Nothing),
            (None, _, _) => Err(invalid("Please provide both S3Bucket and S3Key.")),
            (Some(_), _, _) => Err(invalid(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            )),
        }
    }

    /// Gets the code and unpacks it.
    pub(super) async fn fetch(&self, call: &Call) -> Result<Arc<Package>> {
        let packages = Arc::clone(&call.region.lambda.control.packages);
        let work: Box<dyn FnOnce() -> Result<Arc<Package>> + Send> = match *self {
            Self::Nothing => return Err(invalid("Please provide a source for function code.")),
            Self::Here(text) => {
                let text = text.to_owned();
                Box::new(move || packages.take(&decode(&text)?))
            }
            Self::Bucket {
                bucket,
                key,
                version,
            } => {
                let zip = object(call, bucket, key, version).await?;
                Box::new(move || packages.take(&zip))
            }
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| AwsError::new(500, "ServiceException", error.to_string()))?
    }
}

fn decode(text: &str) -> Result<Bytes> {
    let zip = STANDARD.decode(text).map_err(|_| {
        AwsError::new(
            400,
            "SerializationException",
            "The value of ZipFile can not be converted to a Blob",
        )
    })?;
    if zip.len() > ZIPPED {
        return Err(too_large(format!(
            "Zipped size must be smaller than {ZIPPED} bytes"
        )));
    }
    Ok(zip.into())
}

/// Reads an object as the caller, which is who needs the right to.
async fn object(call: &Call, bucket: &str, key: &str, version: Option<&str>) -> Result<Bytes> {
    let mut input = Map::new();
    input.insert("Bucket".to_owned(), bucket.into());
    input.insert("Key".to_owned(), key.into());
    if let Some(version) = version {
        input.insert("VersionId".to_owned(), version.into());
        input.insert("versionId".to_owned(), version.into());
    }
    let get = Call::new(
        &call.cloud,
        &call.region,
        call.caller.clone(),
        Service::S3,
        "GetObject",
        input.into(),
    );
    // On the heap: this is a call's way to another call.
    let Answer { payload, .. } = Box::pin(crate::cloud::perform(&get))
        .await
        .map_err(|error| {
            invalid(format!(
                "Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}",
                error.code, error.message
            ))
        })?;
    let too_large = || {
        invalid(format!(
            "Unzipped size must be smaller than {UNZIPPED} bytes"
        ))
    };
    let fits = |length: usize| u64::try_from(length).is_ok_and(|length| length <= UNZIPPED);
    match payload {
        Payload::Blob(zip) if fits(zip.len()) => Ok(zip),
        Payload::Blob(_) => Err(too_large()),
        Payload::Stream(mut parts) => {
            let mut zip = BytesMut::new();
            while let Some(part) = parts.recv().await {
                zip.extend_from_slice(&part);
                if !fits(zip.len()) {
                    return Err(too_large());
                }
            }
            Ok(zip.freeze())
        }
        Payload::Members(_) => Err(AwsError::new(
            500,
            "ServiceException",
            "S3 answered without the object",
        )),
    }
}
