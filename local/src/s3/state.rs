//! What S3 holds: buckets, and the versions of their objects. Pure.
//!
//! Sizes are counted as they change, so that what is held is bounded.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::errors;
use crate::{clock::Millis, error::Result};

/// Bytes of one object.
pub const OBJECT: usize = 64 * 1024 * 1024;
/// Bytes of all objects together, with what is known of them.
pub const TOTAL: usize = 1_000_000_000;
/// What an object weighs beyond its bytes and names.
const OVERHEAD: usize = 512;

/// The version id of objects that were written without versioning.
pub const NO_VERSION: &str = "null";

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub buckets: BTreeMap<String, Bucket>,
    #[serde(skip)]
    weight: usize,
}

/// A bucket.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bucket {
    pub region: String,
    pub created: Millis,
    pub versioning: Option<Versioning>,
    pub access_block: Option<AccessBlock>,
    pub tags: Vec<(String, String)>,
    /// By key; the newest version is the last one. A key without versions isn't here.
    pub objects: BTreeMap<String, Vec<Object>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    Enabled,
    Suspended,
}

/// What of the public is kept out; the bucket is private anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "S3's model has these four, and they're independent"
)]
pub struct AccessBlock {
    pub block_acls: bool,
    pub ignore_acls: bool,
    pub block_policy: bool,
    pub restrict_buckets: bool,
}

/// A version of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// `null` without versioning.
    pub version: String,
    /// It says that the object was deleted, and has nothing else.
    pub is_marker: bool,
    #[serde(with = "as_base64")]
    pub body: Bytes,
    /// Quotes included.
    pub etag: String,
    pub modified: Millis,
    /// Headers that are given back as they came, `x-amz-meta-…` among them.
    pub headers: BTreeMap<String, String>,
    /// The checksum's header and value.
    pub checksum: (String, String),
}

impl Object {
    /// A delete marker.
    pub fn marker() -> Self {
        Self {
            version: NO_VERSION.to_owned(),
            is_marker: true,
            body: Bytes::new(),
            etag: String::new(),
            modified: Millis::now(),
            headers: BTreeMap::new(),
            checksum: Default::default(),
        }
    }

    fn weight(&self, key: &str) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.body.len() + key.len() + headers + OVERHEAD
    }
}

/// What a deletion came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The version that was deleted, or the marker that was made.
    pub version: Option<String>,
    /// Whether that is a marker.
    pub is_marker: bool,
}

impl State {
    /// Writes an object; says which version it is.
    pub fn put(&mut self, bucket: &str, key: &str, mut object: Object) -> Result<String> {
        let found = self
            .buckets
            .get_mut(bucket)
            .ok_or_else(|| errors::no_bucket(bucket))?;
        let added = object.weight(key);
        object.version = match found.versioning {
            Some(Versioning::Enabled) => new_version(),
            _ => NO_VERSION.to_owned(),
        };
        let versions = found.objects.entry(key.to_owned()).or_default();
        let replaced = versions
            .iter()
            .position(|old| old.version == object.version);
        let freed = replaced
            .and_then(|at| versions.get(at))
            .map_or(0, |old| old.weight(key));
        if self.weight.saturating_sub(freed) + added > TOTAL {
            if versions.is_empty() {
                found.objects.remove(key);
            }
            return Err(errors::full());
        }
        if let Some(at) = replaced {
            versions.remove(at);
        }
        self.weight = self.weight.saturating_sub(freed) + added;
        let version = object.version.clone();
        versions.push(object);
        Ok(version)
    }

    /// Deletes a version, or the object: with versioning that makes a marker.
    pub fn delete(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Result<Deleted> {
        let found = self
            .buckets
            .get_mut(bucket)
            .ok_or_else(|| errors::no_bucket(bucket))?;
        let Some(wanted) = version.or(found.versioning.is_none().then_some(NO_VERSION)) else {
            let version = self.put(bucket, key, Object::marker())?;
            return Ok(Deleted {
                version: Some(version),
                is_marker: true,
            });
        };
        let Some(versions) = found.objects.get_mut(key) else {
            return Ok(Deleted {
                version: version.map(str::to_owned),
                is_marker: false,
            });
        };
        let gone = versions
            .iter()
            .position(|object| object.version == wanted)
            .map(|at| versions.remove(at));
        if versions.is_empty() {
            found.objects.remove(key);
        }
        let freed = gone.as_ref().map_or(0, |object| object.weight(key));
        self.weight = self.weight.saturating_sub(freed);
        Ok(Deleted {
            version: version.map(str::to_owned),
            is_marker: gone.is_some_and(|object| object.is_marker),
        })
    }

    /// Counts anew what everything weighs.
    pub fn weigh(&mut self) {
        self.weight = self
            .buckets
            .values()
            .flat_map(|bucket| &bucket.objects)
            .flat_map(|(key, versions)| versions.iter().map(|object| object.weight(key)))
            .sum();
    }

    /// What everything weighs.
    #[cfg(test)]
    pub fn weight(&self) -> usize {
        self.weight
    }
}

impl Bucket {
    /// The newest version of an object, if that isn't a marker.
    pub fn object(&self, key: &str) -> Option<&Object> {
        self.newest(key).filter(|object| !object.is_marker)
    }

    /// The newest version, marker or not.
    pub fn newest(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)?.last()
    }

    /// One version.
    pub fn version(&self, key: &str, version: &str) -> Option<&Object> {
        self.objects
            .get(key)?
            .iter()
            .find(|object| object.version == version)
    }
}

/// Thirty-two characters, as S3's are.
fn new_version() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD
        .encode(rand::random::<[u8; 24]>())
        .replace('-', ".")
}

/// Bodies are kept in base 64.
mod as_base64 {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(body))
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(D::Error::custom)
    }
}
