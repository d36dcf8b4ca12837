//! Bodies, and the digests that came with them and must be right. Pure.
//!
//! The wire has taken chunks apart already, and put what trailed them among the headers.
//! [S3 user guide, checking object integrity]

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::HeaderMap;
use md5::{Digest as _, Md5};

use super::{
    errors::{invalid_request, not_implemented},
    header,
};
use crate::error::{AwsError, Result};

const PREFIX: &str = "x-amz-checksum-";

/// A body that was received.
#[derive(Debug)]
pub struct Received {
    pub bytes: Bytes,
    pub md5: [u8; 16],
    /// The checksum's header and value: the one that came with it, or the one that S3 makes itself.
    pub checksum: (String, String),
}

impl Received {
    /// The ETag, quotes included.
    pub fn etag(&self) -> String {
        let mut etag = String::with_capacity(34);
        etag.push('"');
        for byte in self.md5 {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        etag
    }
}

/// Compares a body's digests with those that came with it.
pub fn receive(headers: &HeaderMap, body: &Bytes) -> Result<Received> {
    let md5: [u8; 16] = Md5::digest(body).into();
    if let Some(wanted) = header(headers, "content-md5") {
        let invalid = || {
            AwsError::new(
                400,
                "InvalidDigest",
                "The Content-MD5 you specified was invalid.",
            )
            .member("Content-MD5", wanted)
        };
        let digest = STANDARD.decode(wanted).map_err(|_| invalid())?;
        if digest.len() != md5.len() {
            return Err(invalid());
        }
        if digest != md5 {
            return Err(AwsError::new(
                400,
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            )
            .member("ExpectedDigest", wanted)
            .member("CalculatedDigest", STANDARD.encode(md5)));
        }
    }
    let checksum = checksum(headers, body)?;
    Ok(Received {
        bytes: body.clone(),
        md5,
        checksum,
    })
}

/// Whether the request says anything of its body's integrity.
pub fn has_digest(headers: &HeaderMap) -> bool {
    headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
        || headers.keys().any(|name| name.as_str().starts_with(PREFIX))
}

fn checksum(headers: &HeaderMap, bytes: &[u8]) -> Result<(String, String)> {
    let given = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let mut found = given.filter(|(name, _)| {
        name.starts_with(PREFIX)
            && ![
                "x-amz-checksum-mode",
                "x-amz-checksum-type",
                "x-amz-checksum-algorithm",
            ]
            .contains(name)
    });
    let Some((name, wanted)) = found.next() else {
        let name = format!("{PREFIX}crc64nvme");
        let made = compute("crc64nvme", bytes).unwrap_or_default();
        return Ok((name, made));
    };
    if found.next().is_some() {
        return Err(invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    let algorithm = name.strip_prefix(PREFIX).unwrap_or_default();
    let Some(made) = compute(algorithm, bytes) else {
        return Err(not_implemented(name));
    };
    if made.len() != wanted.len() || STANDARD.decode(wanted).is_err() {
        return Err(invalid_request(format!(
            "Value for {name} header is invalid."
        )));
    }
    if made != wanted {
        return Err(AwsError::new(
            400,
            "BadDigest",
            format!(
                "The {} you specified did not match the calculated checksum.",
                algorithm.to_ascii_uppercase()
            ),
        ));
    }
    Ok((name.to_owned(), made))
}

/// A checksum in base 64; nothing of an algorithm that isn't here.
fn compute(algorithm: &str, bytes: &[u8]) -> Option<String> {
    use crc_fast::{CrcAlgorithm, checksum};
    let crc32 = |algorithm| {
        let value = u32::try_from(checksum(algorithm, bytes)).unwrap_or_default();
        STANDARD.encode(value.to_be_bytes())
    };
    Some(match algorithm {
        "crc32" => crc32(CrcAlgorithm::Crc32IsoHdlc),
        "crc32c" => crc32(CrcAlgorithm::Crc32Iscsi),
        "crc64nvme" => STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes()),
        "sha1" => STANDARD.encode(sha1::Sha1::digest(bytes)),
        "sha256" => STANDARD.encode(sha2::Sha256::digest(bytes)),
        "sha512" => STANDARD.encode(sha2::Sha512::digest(bytes)),
        "md5" => STANDARD.encode(Md5::digest(bytes)),
        _ => return None,
    })
}
