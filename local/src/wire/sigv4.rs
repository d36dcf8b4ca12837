//! SigV4: who signed a request, and whether the signature is right.
//!
//! Every request must bear a signature that is whole; it's recomputed only in a cloud that verifies signatures.
//! Pure: the time and the secret are given. Source: AWS's "Signature Version 4 signing process".

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use hyper::{HeaderMap, Method, Uri, header::AUTHORIZATION};
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};
use sha2::{Digest, Sha256};

use super::body::Chunk;
use crate::clock::Millis;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const STREAMING: &str = "STREAMING-";
/// How far a request's date may be from ours.
const SKEW: i64 = 15 * 60 * 1000;
/// All that a canonical request encodes: everything but unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// The same, in a path.
const PATH: &AsciiSet = &ENCODED.remove(b'/');

/// What is wrong with a signature. How it's said is the protocol's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is none.
    Missing,
    /// It's of the version before (`AWS …`, `AWSAccessKeyId=…`), which newer regions don't take.
    Old,
    /// Parts of it lack, or can't be read.
    Incomplete(String),
    /// It's for another service, or for a region that can't be.
    Scope(String),
    /// It's too old, or from the future.
    Expired(String),
    /// The body isn't what was signed.
    Body,
    /// It's another one than ours.
    Mismatch,
}

/// A request's signature, as its headers or its address have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Whose key it's made with.
    pub access_key: Cow<'a, str>,
    /// `20260131`.
    day: Cow<'a, str>,
    /// The region that is called.
    pub region: Cow<'a, str>,
    /// The service that is called, by its signing name.
    pub service: Cow<'a, str>,
    /// The names of the headers that are signed, joined by `;`.
    signed_headers: Cow<'a, str>,
    /// Hexadecimal.
    hex: Cow<'a, str>,
    /// `20260131T120000Z`.
    date: Cow<'a, str>,
    /// For how many seconds a presigned address is good.
    expires: Option<i64>,
}

/// The parts of a request that a signature is over.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path and the query, as sent.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as sent.
    pub body: &'a [u8],
}

/// Finds the signature in the headers or in the query.
pub fn parse<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<Signature<'a>, Flaw> {
    match headers.get(AUTHORIZATION) {
        Some(value) => in_header(value.to_str().unwrap_or_default(), headers),
        None => in_query(uri.query().unwrap_or_default()),
    }
}

fn in_header<'a>(value: &'a str, headers: &'a HeaderMap) -> Result<Signature<'a>, Flaw> {
    let Some(parts) = value
        .strip_prefix(ALGORITHM)
        .filter(|parts| parts.starts_with(' '))
    else {
        if value.starts_with("AWS ") {
            return Err(Flaw::Old);
        }
        return Err(Flaw::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{}'.",
            value.split(' ').next().unwrap_or_default()
        )));
    };
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for part in parts.split(',') {
        match part.trim().split_once('=') {
            Some(("Credential", value)) => credential = Some(value),
            Some(("SignedHeaders", value)) => signed_headers = Some(value),
            Some(("Signature", value)) => signature = Some(value),
            _ => {}
        }
    }
    let date = headers
        .get("x-amz-date")
        .or_else(|| headers.get("date"))
        .and_then(|date| date.to_str().ok());
    let (Some(credential), Some(signed_headers), Some(signature), Some(date)) =
        (credential, signed_headers, signature, date)
    else {
        return Err(Flaw::Incomplete(lacking(&[
            ("'Credential' parameter", credential.is_none()),
            ("'Signature' parameter", signature.is_none()),
            ("'SignedHeaders' parameter", signed_headers.is_none()),
            (
                "existence of either a 'X-Amz-Date' or a 'Date' header",
                date.is_none(),
            ),
        ])));
    };
    let [access_key, day, region, service] = scope(credential)?;
    Ok(Signature {
        access_key: Cow::Borrowed(access_key),
        day: Cow::Borrowed(day),
        region: Cow::Borrowed(region),
        service: Cow::Borrowed(service),
        signed_headers: Cow::Borrowed(signed_headers),
        hex: Cow::Borrowed(signature),
        date: Cow::Borrowed(date),
        expires: None,
    })
}

fn lacking(parts: &[(&str, bool)]) -> String {
    let said: Vec<String> = parts
        .iter()
        .filter(|(_, lacks)| *lacks)
        .map(|(part, _)| format!("Authorization header requires {part}."))
        .collect();
    said.join(" ")
}

fn in_query(query: &str) -> Result<Signature<'_>, Flaw> {
    let find = |wanted: &str| {
        pairs(query)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    // Looked at first, since most requests without a header have no signature at all.
    if !query.contains("X-Amz-") {
        if find("AWSAccessKeyId").is_some() && find("Signature").is_some() {
            return Err(Flaw::Old);
        }
        return Err(Flaw::Missing);
    }
    let Some(algorithm) = find("X-Amz-Algorithm") else {
        return Err(Flaw::Missing);
    };
    let parts = (
        find("X-Amz-Credential"),
        find("X-Amz-SignedHeaders"),
        find("X-Amz-Signature"),
        find("X-Amz-Date"),
    );
    let (Some(credential), Some(signed_headers), Some(signature), Some(date)) = parts else {
        return Err(Flaw::Incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', \
             'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string \
             parameters."
                .to_owned(),
        ));
    };
    if algorithm != ALGORITHM {
        return Err(Flaw::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'."
        )));
    }
    let [access_key, day, region, service] =
        scope(&credential)?.map(|part| Cow::Owned(part.to_owned()));
    let expires = match find("X-Amz-Expires") {
        None => None,
        Some(expires) => match expires.parse() {
            Ok(expires @ 0..=604_800) => Some(expires),
            _ => {
                return Err(Flaw::Incomplete(
                    "X-Amz-Expires must be a number of seconds of at most a week (604800)."
                        .to_owned(),
                ));
            }
        },
    };
    Ok(Signature {
        access_key,
        day,
        region,
        service,
        signed_headers,
        hex: signature,
        date,
        expires,
    })
}

/// A query's names and values, decoded. A plus sign is one.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_decode_str(name).decode_utf8_lossy(),
                percent_decode_str(value).decode_utf8_lossy(),
            )
        })
}

/// `AKID/20260131/eu-west-1/sqs/aws4_request`. An access key's id has no slash.
fn scope(credential: &str) -> Result<[&str; 4], Flaw> {
    let mut parts = credential.split('/');
    match [(); 5].map(|()| parts.next()) {
        [
            Some(access_key),
            Some(day),
            Some(region),
            Some(service),
            Some("aws4_request"),
        ] if parts.next().is_none()
            && !access_key.is_empty()
            && day.len() == 8
            && !region.is_empty()
            && !service.is_empty() =>
        {
            Ok([access_key, day, region, service])
        }
        // The credential itself isn't repeated: it may be a secret that was pasted into the wrong place.
        _ => Err(Flaw::Incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term."
                .to_owned(),
        )),
    }
}

impl Signature<'_> {
    /// Recomputes the signature with the secret that it should have been made with.
    pub fn verify(&self, request: Signed<'_>, secret: &str, now: Millis) -> Result<(), Flaw> {
        let at = self.at()?;
        self.is_current(at, now)?;
        let payload = self.payload(request)?;
        let canonical = self.canonical(request, &payload);
        let scope = self.scope();
        let text = format!(
            "{ALGORITHM}\n{}\n{scope}\n{}",
            basic(at),
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        if matches(&self.key(secret), &text, &self.hex) {
            Ok(())
        } else {
            Err(Flaw::Mismatch)
        }
    }

    /// Checks the chain of signatures of a signed stream's chunks.
    pub fn verify_chunks(
        &self,
        secret: &str,
        payload: &[u8],
        chunks: &[Chunk],
    ) -> Result<(), Flaw> {
        let key = self.key(secret);
        let at = basic(self.at()?);
        let empty = hex(&Sha256::digest(b""));
        let mut before = self.hex.clone().into_owned();
        for chunk in chunks {
            let data = payload.get(chunk.range.clone()).ok_or(Flaw::Body)?;
            let text = format!(
                "{ALGORITHM}-PAYLOAD\n{at}\n{}\n{before}\n{empty}\n{}",
                self.scope(),
                hex(&Sha256::digest(data)),
            );
            let signature = chunk.signature.clone().ok_or(Flaw::Mismatch)?;
            if !matches(&key, &text, &signature) {
                return Err(Flaw::Mismatch);
            }
            before = signature;
        }
        Ok(())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }

    fn at(&self) -> Result<Millis, Flaw> {
        let parsed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &*self.date)
            .and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date))
            .or_else(|_| jiff::fmt::rfc2822::parse(&self.date).map(|date| date.timestamp()))
            .map(|at| Millis(at.as_millisecond()));
        match parsed {
            Ok(at) if basic(at).starts_with(&*self.day) => Ok(at),
            Ok(_) => Err(Flaw::Scope(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}'.",
                self.day, self.date
            ))),
            Err(_) => Err(Flaw::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                self.date
            ))),
        }
    }

    fn is_current(&self, at: Millis, now: Millis) -> Result<(), Flaw> {
        let age = now.0.saturating_sub(at.0);
        let (oldest, words) = match self.expires {
            Some(seconds) => (seconds * 1000, format!("{seconds} s")),
            None => (SKEW, "15 min.".to_owned()),
        };
        let moved = |by: i64| basic(Millis(now.0.saturating_add(by)));
        if age > oldest {
            Err(Flaw::Expired(format!(
                "Signature expired: {} is now earlier than {} ({} - {words})",
                basic(at),
                moved(-oldest),
                basic(now),
            )))
        } else if age < -SKEW {
            Err(Flaw::Expired(format!(
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                basic(at),
                moved(SKEW),
                basic(now),
            )))
        } else {
            Ok(())
        }
    }

    /// The payload's hash as it was signed, once it's clear that it is the payload's.
    fn payload(&self, request: Signed<'_>) -> Result<String, Flaw> {
        let is_s3 = self.service == "s3";
        let header = request
            .headers
            .get("x-amz-content-sha256")
            .and_then(|hash| hash.to_str().ok());
        match header {
            Some(hash) if is_s3 && (hash == UNSIGNED || hash.starts_with(STREAMING)) => {
                Ok(hash.to_owned())
            }
            Some(hash) => {
                if hash == hex(&Sha256::digest(request.body)) {
                    Ok(hash.to_owned())
                } else if hash == UNSIGNED {
                    Err(Flaw::Mismatch)
                } else {
                    Err(Flaw::Body)
                }
            }
            None if is_s3 && !request.headers.contains_key(AUTHORIZATION) => {
                Ok(UNSIGNED.to_owned())
            }
            None => Ok(hex(&Sha256::digest(request.body))),
        }
    }

    fn canonical(&self, request: Signed<'_>, payload: &str) -> String {
        let path = if self.service == "s3" {
            // As sent; a client that encodes less than others signed what it should have sent.
            let segments: Vec<String> = request
                .uri
                .path()
                .split('/')
                .map(|segment| {
                    let decoded: Vec<u8> = percent_decode_str(segment).collect();
                    percent_encode(&decoded, ENCODED).to_string()
                })
                .collect();
            segments.join("/")
        } else {
            utf8_percent_encode(&normal(request.uri.path()), PATH).to_string()
        };
        let mut query: Vec<(String, String)> = pairs(request.uri.query().unwrap_or_default())
            .filter(|(name, _)| name != "X-Amz-Signature")
            .map(|(name, value)| (encoded(&name), encoded(&value)))
            .collect();
        query.sort();
        let query: Vec<String> = query
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut canonical = format!("{}\n{path}\n{}\n", request.method, query.join("&"));
        for name in self.signed_headers.split(';') {
            let values: Vec<String> = request
                .headers
                .get_all(name)
                .iter()
                .map(|value| {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    value.split_whitespace().collect::<Vec<_>>().join(" ")
                })
                .collect();
            canonical.push_str(name);
            canonical.push(':');
            canonical.push_str(&values.join(","));
            canonical.push('\n');
        }
        canonical.push('\n');
        canonical.push_str(&self.signed_headers);
        canonical.push('\n');
        canonical.push_str(payload);
        canonical
    }

    fn key(&self, secret: &str) -> Vec<u8> {
        [&*self.day, &*self.region, &*self.service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
                keyed(&key, part.as_bytes())
                    .finalize()
                    .into_bytes()
                    .to_vec()
            })
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    // A key of any length is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(text);
    mac
}

/// Compares in constant time.
fn matches(key: &[u8], text: &str, signature: &str) -> bool {
    unhex(signature)
        .is_some_and(|signature| keyed(key, text.as_bytes()).verify_slice(&signature).is_ok())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A path without `.`, `..` and doubled slashes, as signers make it for all services but S3.
fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut normal = format!("/{}", kept.join("/"));
    let last = path.rsplit('/').next();
    if matches!(last, Some("" | "." | "..")) && !kept.is_empty() {
        normal.push('/');
    }
    normal
}

/// `20260131T120000Z`.
fn basic(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}
