//! Bodies as they come: in chunks or whole, with digests that must be right. Pure.
//!
//! [S3 API reference, Signature calculations for a chunked upload; Checking object integrity]

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

/// Takes a body out of its chunks, if it has any, and compares its digests with those that came with it.
pub fn receive(headers: &HeaderMap, body: &Bytes) -> Result<Received> {
    let (bytes, trailers) = unchunked(headers, body)?;
    let md5: [u8; 16] = Md5::digest(&bytes).into();
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
    let checksum = checksum(headers, &trailers, &bytes)?;
    Ok(Received {
        bytes,
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

fn checksum(
    headers: &HeaderMap,
    trailers: &[(String, String)],
    bytes: &[u8],
) -> Result<(String, String)> {
    let in_headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let in_trailers = trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut found = in_headers.chain(in_trailers).filter(|(name, _)| {
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

/// The bytes without their chunks' frames, and what trails them.
///
/// Signatures of single chunks aren't looked at. A body that has its decoded length already is left as it is.
fn unchunked(headers: &HeaderMap, body: &Bytes) -> Result<(Bytes, Vec<(String, String)>)> {
    let is_chunked = header(headers, "x-amz-content-sha256")
        .is_some_and(|hash| hash.starts_with("STREAMING-"))
        || header(headers, "content-encoding").is_some_and(|encodings| {
            encodings
                .split(',')
                .any(|encoding| encoding.trim().eq_ignore_ascii_case("aws-chunked"))
        });
    let length: Option<usize> = header(headers, "x-amz-decoded-content-length")
        .and_then(|length| length.trim().parse().ok());
    if !is_chunked || length == Some(body.len()) {
        return Ok((body.clone(), Vec::new()));
    }
    let incomplete = || {
        AwsError::new(
            400,
            "IncompleteBody",
            "The request body terminated unexpectedly",
        )
    };
    let (bytes, trailers) = chunks(body).ok_or_else(incomplete)?;
    if length.is_some_and(|length| length != bytes.len()) {
        return Err(incomplete());
    }
    Ok((bytes, trailers))
}

fn chunks(body: &[u8]) -> Option<(Bytes, Vec<(String, String)>)> {
    let mut bytes = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let line;
        (line, rest) = split_line(rest)?;
        let size = line.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        bytes.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    while let Some((line, after)) = split_line(rest) {
        rest = after;
        if let Some((name, value)) = line.split_once(':') {
            trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    Some((bytes.into(), trailers))
}

/// A line, and what follows its `\r\n`.
fn split_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(2..)?))
}
