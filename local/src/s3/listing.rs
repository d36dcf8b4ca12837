//! Lists of objects: by prefix, rolled up at a delimiter, page by page.
//!
//! [S3 API reference: ListObjectsV2, ListObjects, ListObjectVersions]

use std::ops::Bound;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    bucket, bucket_name, buckets,
    errors::invalid_argument,
    input, number,
    objects::iso,
    state::{Bucket, Object},
    xml::{self, Xml},
};
use crate::{
    call::{Answer, Call},
    error::Result,
};

/// Keys of a page.
const PAGE: usize = 1000;
/// What isn't escaped with `encoding-type=url`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page<'b> {
    /// Keys with their objects, sorted.
    pub objects: Vec<(&'b str, &'b Object)>,
    /// What keys have in common up to the delimiter, sorted.
    pub prefixes: Vec<&'b str>,
    /// The last key or common prefix, if there's more.
    pub next: Option<&'b str>,
}

/// What is to be listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'w> {
    pub prefix: &'w str,
    pub delimiter: Option<&'w str>,
    /// What comes after it.
    pub after: Option<&'w str>,
    pub most: usize,
}

/// A page of the objects that aren't deleted.
pub fn page<'b>(bucket: &'b Bucket, wanted: &Wanted<'_>) -> Page<'b> {
    let mut page = Page::default();
    if wanted.most == 0 {
        return page;
    }
    let mut last = None;
    let from = match wanted.after {
        Some(after) if after >= wanted.prefix => Bound::Excluded(after),
        _ => Bound::Included(wanted.prefix),
    };
    let keys = bucket
        .objects
        .range::<str, _>((from, Bound::Unbounded))
        .take_while(|(key, _)| key.starts_with(wanted.prefix));
    for (key, versions) in keys {
        let Some(object) = versions.last().filter(|object| !object.is_marker) else {
            continue;
        };
        let common = common_prefix(key, wanted);
        if let Some(common) = common
            && (page.prefixes.last() == Some(&common) || wanted.after == Some(common))
        {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == wanted.most {
            page.next = last;
            break;
        }
        match common {
            Some(common) => page.prefixes.push(common),
            None => page.objects.push((key, object)),
        }
        last = Some(common.unwrap_or(key));
    }
    page
}

/// A key up to the delimiter after the prefix, if it has one there.
fn common_prefix<'k>(key: &'k str, wanted: &Wanted<'_>) -> Option<&'k str> {
    let delimiter = wanted.delimiter?;
    let rest = key.get(wanted.prefix.len()..)?;
    let at = rest.find(delimiter)?;
    key.get(..wanted.prefix.len() + at + delimiter.len())
}

/// A token that says where a list goes on.
pub fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1/{last}"))
}

/// Where a token says.
pub fn parse_token(token: &str) -> Result<String> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("1/").map(str::to_owned))
        .ok_or_else(|| {
            invalid_argument(
                "The continuation token provided is incorrect",
                "continuation-token",
                token,
            )
        })
}

fn most(call: &Call) -> Result<usize> {
    let Some(text) = number(call, "max-keys").filter(|text| !text.is_empty()) else {
        return Ok(PAGE);
    };
    let text = &*text;
    match text.parse::<i64>() {
        Ok(number) if number < 0 => Err(invalid_argument(
            "Argument maxKeys must be an integer between 0 and 2147483647",
            "maxKeys",
            text,
        )),
        Ok(number) if number <= i64::from(i32::MAX) => Ok(usize::try_from(number).unwrap_or(PAGE)),
        _ => Err(invalid_argument(
            "Provided max-keys not an integer or within integer range",
            "max-keys",
            text,
        )),
    }
}

/// How keys are written in the answer.
#[derive(Clone, Copy)]
struct Encoding {
    is_url: bool,
}

impl Encoding {
    fn of(call: &Call) -> Result<Self> {
        match input(call, "encoding-type") {
            None | Some("") => Ok(Self { is_url: false }),
            Some(word) if word.eq_ignore_ascii_case("url") => Ok(Self { is_url: true }),
            Some(word) => Err(invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                word,
            )),
        }
    }

    fn text(self, xml: &mut Xml, name: &str, text: &str) {
        if self.is_url {
            xml.text(name, &utf8_percent_encode(text, UNRESERVED).to_string());
        } else {
            xml.text(name, text);
        }
    }
}

/// What every kind of list begins with.
fn head(
    xml: &mut Xml,
    call: &Call,
    encoding: Encoding,
    wanted: &Wanted<'_>,
    most: usize,
    is_truncated: bool,
) {
    xml.text("Name", bucket_name(call).unwrap_or_default());
    encoding.text(xml, "Prefix", wanted.prefix);
    xml.value("MaxKeys", most);
    if let Some(delimiter) = wanted.delimiter {
        encoding.text(xml, "Delimiter", delimiter);
    }
    if encoding.is_url {
        xml.text("EncodingType", "url");
    }
    xml.value("IsTruncated", is_truncated);
}

fn contents(xml: &mut Xml, encoding: Encoding, page: &Page<'_>, with_owner: bool) {
    for (key, object) in &page.objects {
        xml.element("Contents", |xml| {
            encoding.text(xml, "Key", key);
            about(xml, object);
            if with_owner {
                xml.element("Owner", |xml| xml.text("ID", buckets::OWNER));
            }
            xml.text("StorageClass", class(object));
        });
    }
    common(xml, encoding, &page.prefixes);
}

fn about(xml: &mut Xml, object: &Object) {
    xml.text("LastModified", &iso(object.modified));
    xml.text("ETag", &object.etag);
    let algorithm = object.checksum.0.strip_prefix("x-amz-checksum-");
    let algorithm = algorithm.unwrap_or_default().to_ascii_uppercase();
    xml.text("ChecksumAlgorithm", &algorithm);
    xml.text("ChecksumType", "FULL_OBJECT");
    xml.value("Size", object.body.len());
}

fn class(object: &Object) -> &str {
    object
        .headers
        .get("x-amz-storage-class")
        .map_or("STANDARD", String::as_str)
}

fn common(xml: &mut Xml, encoding: Encoding, prefixes: &[&str]) {
    for prefix in prefixes {
        xml.element("CommonPrefixes", |xml| {
            encoding.text(xml, "Prefix", prefix);
        });
    }
}

/// `ListObjectsV2`.
pub fn v2(call: &Call) -> Result<Answer> {
    let most = most(call)?;
    let encoding = Encoding::of(call)?;
    let token_given = input(call, "continuation-token");
    if token_given == Some("") {
        return Err(invalid_argument(
            "The continuation token provided is incorrect",
            "continuation-token",
            "",
        ));
    }
    let start_after = input(call, "start-after").filter(|start| !start.is_empty());
    let from_token = token_given.map(parse_token).transpose()?;
    let wanted = Wanted {
        prefix: input(call, "prefix").unwrap_or_default(),
        delimiter: input(call, "delimiter").filter(|delimiter| !delimiter.is_empty()),
        after: from_token.as_deref().or(start_after),
        most: most.min(PAGE),
    };
    let with_owner = input(call, "fetch-owner").is_some_and(|word| word == "true");
    let state = call.cloud.s3.state.read();
    let page = page(bucket(&state, call)?, &wanted);
    let document = xml::document("ListBucketResult", true, |xml| {
        head(
            xml,
            call,
            encoding,
            &wanted,
            most.min(PAGE),
            page.next.is_some(),
        );
        xml.value("KeyCount", page.objects.len() + page.prefixes.len());
        if let Some(token) = token_given {
            xml.text("ContinuationToken", token);
        }
        if let Some(next) = page.next {
            xml.text("NextContinuationToken", &token(next));
        }
        if let Some(start) = start_after {
            encoding.text(xml, "StartAfter", start);
        }
        contents(xml, encoding, &page, with_owner);
    });
    Ok(xml::answer(document))
}

/// `ListObjects`.
pub fn v1(call: &Call) -> Result<Answer> {
    let most = most(call)?;
    let encoding = Encoding::of(call)?;
    let marker = input(call, "marker").unwrap_or_default();
    let wanted = Wanted {
        prefix: input(call, "prefix").unwrap_or_default(),
        delimiter: input(call, "delimiter").filter(|delimiter| !delimiter.is_empty()),
        after: Some(marker).filter(|marker| !marker.is_empty()),
        most: most.min(PAGE),
    };
    let state = call.cloud.s3.state.read();
    let page = page(bucket(&state, call)?, &wanted);
    let document = xml::document("ListBucketResult", true, |xml| {
        head(
            xml,
            call,
            encoding,
            &wanted,
            most.min(PAGE),
            page.next.is_some(),
        );
        encoding.text(xml, "Marker", marker);
        // Without a delimiter the last key is the marker [S3 API, ListObjects].
        if let (Some(next), true) = (page.next, wanted.delimiter.is_some()) {
            encoding.text(xml, "NextMarker", next);
        }
        contents(xml, encoding, &page, true);
    });
    Ok(xml::answer(document))
}

/// `ListObjectVersions`.
pub fn versions(call: &Call) -> Result<Answer> {
    let most = most(call)?.min(PAGE);
    let encoding = Encoding::of(call)?;
    let key_marker = input(call, "key-marker").unwrap_or_default();
    let version_marker = input(call, "version-id-marker").filter(|marker| !marker.is_empty());
    if version_marker.is_some() && key_marker.is_empty() {
        return Err(invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            version_marker.unwrap_or_default(),
        ));
    }
    let wanted = Wanted {
        prefix: input(call, "prefix").unwrap_or_default(),
        delimiter: input(call, "delimiter").filter(|delimiter| !delimiter.is_empty()),
        after: Some(key_marker).filter(|marker| !marker.is_empty()),
        most,
    };
    let state = call.cloud.s3.state.read();
    let found = bucket(&state, call)?;
    let page = version_page(found, &wanted, version_marker);
    let document = xml::document("ListVersionsResult", true, |xml| {
        head(xml, call, encoding, &wanted, most, page.next.is_some());
        encoding.text(xml, "KeyMarker", key_marker);
        xml.text("VersionIdMarker", version_marker.unwrap_or_default());
        if let Some((key, version)) = page.next {
            encoding.text(xml, "NextKeyMarker", key);
            if let Some(version) = version {
                xml.text("NextVersionIdMarker", version);
            }
        }
        for (key, object, is_latest) in &page.versions {
            let name = if object.is_marker {
                "DeleteMarker"
            } else {
                "Version"
            };
            xml.element(name, |xml| {
                encoding.text(xml, "Key", key);
                xml.text("VersionId", &object.version);
                xml.value("IsLatest", is_latest);
                if object.is_marker {
                    xml.text("LastModified", &iso(object.modified));
                } else {
                    about(xml, object);
                    xml.text("StorageClass", class(object));
                }
                xml.element("Owner", |xml| xml.text("ID", buckets::OWNER));
            });
        }
        common(xml, encoding, &page.prefixes);
    });
    Ok(xml::answer(document))
}

#[derive(Debug, Default)]
struct VersionPage<'b> {
    /// The newest of each key first, and whether it's that.
    versions: Vec<(&'b str, &'b Object, bool)>,
    prefixes: Vec<&'b str>,
    next: Option<(&'b str, Option<&'b str>)>,
}

fn version_page<'b>(
    bucket: &'b Bucket,
    wanted: &Wanted<'_>,
    after_version: Option<&str>,
) -> VersionPage<'b> {
    let mut page = VersionPage::default();
    if wanted.most == 0 {
        return page;
    }
    let mut last = None;
    let keys = bucket
        .objects
        .range::<str, _>((Bound::Included(wanted.prefix), Bound::Unbounded))
        .take_while(|(key, _)| key.starts_with(wanted.prefix));
    for (key, versions) in keys {
        let is_marked = wanted.after == Some(key.as_str()) && after_version.is_some();
        if wanted.after.is_some_and(|after| key.as_str() <= after) && !is_marked {
            continue;
        }
        if let Some(common) = common_prefix(key, wanted) {
            if page.prefixes.last() == Some(&common) || wanted.after == Some(common) {
                continue;
            }
            if page.versions.len() + page.prefixes.len() == wanted.most {
                page.next = last;
                return page;
            }
            page.prefixes.push(common);
            last = Some((common, None));
            continue;
        }
        let mut is_past = !is_marked;
        for (at, object) in versions.iter().rev().enumerate() {
            if !is_past {
                is_past = after_version == Some(object.version.as_str());
                continue;
            }
            if page.versions.len() + page.prefixes.len() == wanted.most {
                page.next = last;
                return page;
            }
            page.versions.push((key, object, at == 0));
            last = Some((key, Some(object.version.as_str())));
        }
    }
    page
}
