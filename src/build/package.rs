//! An executable -> an inspected, reproducible zip with one entry, `bootstrap`.

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, System, ZipWriter, write::SimpleFileOptions};

use super::{
    Artifact, Error, Event, Fault, Part, Platform,
    elf::{self, GlibcVersion},
    files,
};

/// A zip must be smaller, in bytes (aws-facts.md 3.2).
pub(super) const MOST_ZIPPED: u64 = 52_428_800;
/// What is in the zip must be smaller, in bytes (aws-facts.md 3.2).
pub(super) const MOST_UNZIPPED: u64 = 262_144_000;

/// Goes up when the inspection or the zip's form changes, so that older zips are made anew.
const FORMAT: u32 = 2;

/// What came of one executable.
pub(super) enum Outcome {
    Packaged(Artifact, Novelty),
    /// What speaks against it, and its name and path.
    Refused {
        name: String,
        executable: PathBuf,
        faults: Vec<Fault>,
    },
}

/// Whether the zip is new.
#[derive(Clone, Copy)]
pub(super) enum Novelty {
    Written,
    Reused,
}

impl Novelty {
    pub(super) fn event(self, part: Part, artifact: &Artifact) -> Event {
        let (name, zip_bytes, unzipped_bytes) = (
            artifact.name.clone(),
            artifact.zip_bytes,
            artifact.unzipped_bytes,
        );
        match self {
            Self::Written => Event::Built {
                part,
                name,
                zip_bytes,
                unzipped_bytes,
            },
            Self::Reused => Event::Reused {
                part,
                name,
                zip_bytes,
                unzipped_bytes,
            },
        }
    }
}

/// What lies beside a zip: what it was made of, so that it needn't be made twice.
#[derive(Serialize, Deserialize)]
struct Stamp {
    format: u32,
    platform: String,
    /// SHA-256 of the executable, base64.
    executable: String,
    /// SHA-256 of the zip, base64.
    zip: String,
    unzipped_bytes: u64,
    glibc: Option<String>,
}

/// Inspects `executable` and zips it to `folder/NAME/bootstrap.zip`, which is cargo-lambda's place for it.
pub(super) async fn package(
    name: String,
    executable: PathBuf,
    folder: PathBuf,
    platform: Platform,
) -> Result<Outcome, Error> {
    files::blocking(move || package_now(&name, &executable, &folder, platform)).await
}

fn package_now(
    name: &str,
    executable: &Path,
    folder: &Path,
    platform: Platform,
) -> Result<Outcome, Error> {
    let zip_path = zip_path(folder, name)?;
    let refused = |faults: Vec<Fault>| {
        Ok(Outcome::Refused {
            name: name.to_owned(),
            executable: executable.to_owned(),
            faults,
        })
    };
    let size = std::fs::metadata(executable)
        .map_err(|source| Error::io("read", executable, source))?
        .len();
    if let Some(fault) = size_fault(size) {
        return refused(vec![fault]);
    }
    let bytes =
        std::fs::read(executable).map_err(|source| Error::io("read", executable, source))?;
    let digest = sha256(&bytes);
    if let Some(artifact) = read_package(folder, name, platform, Some(&digest)) {
        return Ok(Outcome::Packaged(artifact, Novelty::Reused));
    }
    let glibc = match platform {
        Platform::Host => None,
        Platform::Lambda(architecture) => match elf::inspect(&bytes, architecture) {
            Ok(glibc) => glibc,
            Err(faults) => return refused(faults),
        },
    };
    let zip =
        zip_bootstrap(&bytes, platform).map_err(|source| Error::io("zip", executable, source))?;
    if let Some(fault) = zip_fault(zip.len() as u64) {
        return refused(vec![fault]);
    }
    let stamp = Stamp {
        format: FORMAT,
        platform: platform.as_str().to_owned(),
        executable: digest,
        zip: sha256(&zip),
        unzipped_bytes: bytes.len() as u64,
        glibc: glibc.as_ref().map(ToString::to_string),
    };
    let stamp_path = stamp_path(&zip_path);
    files::write_atomically(&zip_path, &zip)
        .map_err(|source| Error::io("write", &zip_path, source))?;
    let json = serde_json::to_vec(&stamp)
        .map_err(|error| Error::io("write", &stamp_path, error.into()))?;
    files::write_atomically(&stamp_path, &json)
        .map_err(|source| Error::io("write", &stamp_path, source))?;
    Ok(Outcome::Packaged(
        artifact(name, zip_path, zip, stamp, glibc, platform),
        Novelty::Written,
    ))
}

/// The zip of `name` as it lies there, if it's whole and for this platform, and made of the executable whose SHA-256
/// is `executable`, if that is given.
pub(super) fn read_package(
    folder: &Path,
    name: &str,
    platform: Platform,
    executable: Option<&str>,
) -> Option<Artifact> {
    let zip_path = zip_path(folder, name).ok()?;
    let stamp: Stamp = serde_json::from_slice(&std::fs::read(stamp_path(&zip_path)).ok()?).ok()?;
    let fits = stamp.format == FORMAT
        && stamp.platform == platform.as_str()
        && executable.is_none_or(|executable| executable == stamp.executable);
    if !fits {
        return None;
    }
    let zip = std::fs::read(&zip_path).ok()?;
    if sha256(&zip) != stamp.zip {
        return None;
    }
    let glibc: Option<GlibcVersion> = match &stamp.glibc {
        Some(version) => Some(version.parse().ok()?),
        None => None,
    };
    Some(artifact(name, zip_path, zip, stamp, glibc, platform))
}

fn artifact(
    name: &str,
    zip_path: PathBuf,
    zip: Vec<u8>,
    stamp: Stamp,
    glibc: Option<GlibcVersion>,
    platform: Platform,
) -> Artifact {
    Artifact {
        name: name.to_owned(),
        zip_path,
        zip_bytes: zip.len() as u64,
        zip: Arc::from(zip),
        sha256_base64: stamp.zip,
        unzipped_bytes: stamp.unzipped_bytes,
        architecture: platform.architecture(),
        glibc,
    }
}

fn zip_path(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    if files::is_file_name(name) {
        Ok(folder.join(name).join("bootstrap.zip"))
    } else {
        Err(Error::BinaryName(name.to_owned()))
    }
}

fn stamp_path(zip_path: &Path) -> PathBuf {
    zip_path.with_file_name(".bootstrap.stamp")
}

fn size_fault(bytes: u64) -> Option<Fault> {
    (bytes >= MOST_UNZIPPED).then_some(Fault::Unzipped(bytes))
}

fn zip_fault(zip_bytes: u64) -> Option<Fault> {
    (zip_bytes >= MOST_ZIPPED).then_some(Fault::Zipped(zip_bytes))
}

/// SHA-256 in base64: Lambda's `CodeSha256`, if `bytes` are a zip.
pub(super) fn sha256(bytes: &[u8]) -> String {
    BASE64.encode(Sha256::digest(bytes))
}

/// The same bytes give the same zip, on any system and at any time.
fn zip_bootstrap(executable: &[u8], platform: Platform) -> std::io::Result<Vec<u8>> {
    let options = match platform {
        Platform::Lambda(_) => SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9)),
        // It goes nowhere: who waits for an edit's answer shouldn't wait for a smaller file.
        Platform::Host => {
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
        }
    };
    let options = options
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(executable)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
