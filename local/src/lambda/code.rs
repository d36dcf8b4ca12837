//! Functions' code: zips that are unpacked once, however many versions use them, and gone when none does.
//!
//! A package lives as long as somebody holds it. Whoever takes code away from a function retires the package first: an
//! invocation that began a moment ago may still start a process from it.

mod unpack;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use self::unpack::Refusal;
use super::check::invalid;
use crate::{
    clock::Millis,
    error::{AwsError, Result},
};

/// The largest zip that is taken in a request.
pub(super) const ZIPPED: usize = 52_428_800;
/// The largest size that a zip may unpack to.
pub(super) const UNZIPPED: u64 = 262_144_000;

/// How long code stays that no version uses any more: the longest that a function runs.
const GRACE: Duration = Duration::from_mins(15);
/// How many such packages stay at most.
const RETIRED: usize = 32;

/// One zip, unpacked.
#[derive(Debug)]
pub struct Package {
    folder: PathBuf,
    task: PathBuf,
    zip: PathBuf,
    sha256: String,
    size: u64,
}

impl Package {
    /// Where it's unpacked to.
    pub fn path(&self) -> &Path {
        &self.task
    }

    /// The zip as it was given.
    pub fn zip(&self) -> &Path {
        &self.zip
    }

    /// Base64 of the zip's SHA-256.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The zip's size.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::debug!(folder = %self.folder.display(), %error, "a function's code stays");
        }
    }
}

/// A region's packages.
#[derive(Debug)]
pub(super) struct Packages {
    folder: PathBuf,
    /// Where the zips are kept beyond the cloud's end, if they are.
    kept: Option<PathBuf>,
    known: Mutex<HashMap<String, Weak<Package>>>,
    retired: Mutex<VecDeque<(Millis, Arc<Package>)>>,
    /// The kept zips that weren't used when the state was kept last.
    unused: Mutex<BTreeSet<PathBuf>>,
    count: AtomicU64,
}

impl Packages {
    /// Packages that are unpacked below a folder.
    pub(super) fn new(folder: PathBuf, kept: Option<PathBuf>) -> Self {
        Self {
            folder,
            kept,
            known: Mutex::default(),
            retired: Mutex::default(),
            unused: Mutex::default(),
            count: AtomicU64::new(0),
        }
    }

    /// Unpacks a zip, unless it's there already. Takes its time: not for the async threads.
    pub(super) fn take(&self, zip: &Bytes) -> Result<Arc<Package>> {
        let digest = Sha256::digest(zip);
        let sha256 = STANDARD.encode(digest);
        if let Some(package) = self.known(&sha256) {
            return Ok(package);
        }
        let package = Arc::new(self.unpack(zip, &hexadecimal(&digest), sha256)?);
        // Two that unpacked the same at a time end with one.
        let mut known = self.known.lock();
        if let Some(other) = known.get(package.sha256()).and_then(Weak::upgrade) {
            return Ok(other);
        }
        known.retain(|_, package| package.strong_count() > 0);
        known.insert(package.sha256.clone(), Arc::downgrade(&package));
        Ok(package)
    }

    /// A package that is there already.
    pub(super) fn known(&self, sha256: &str) -> Option<Arc<Package>> {
        self.known.lock().get(sha256).and_then(Weak::upgrade)
    }

    fn unpack(&self, zip: &Bytes, name: &str, sha256: String) -> Result<Package> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{name}-{count}"));
        let task = folder.join("task");
        std::fs::create_dir_all(&task).map_err(|error| storage(&error))?;
        // From here on dropping it cleans up.
        let mut package = Package {
            zip: folder.join("code.zip"),
            task,
            folder,
            sha256,
            size: u64::try_from(zip.len()).unwrap_or(u64::MAX),
        };
        if let Some(kept) = &self.kept {
            std::fs::create_dir_all(kept).map_err(|error| storage(&error))?;
            package.zip = kept.join(format!("{name}.zip"));
        }
        unpack::unpack(zip, package.path(), UNZIPPED).map_err(|refusal| match refusal {
            Refusal::Empty => invalid("Uploaded file must be a non-empty zip"),
            Refusal::TooLarge => invalid(format!(
                "Unzipped size must be smaller than {UNZIPPED} bytes"
            )),
            Refusal::Unreadable => invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
            Refusal::Storage(error) => storage(&error),
        })?;
        let partial = package.folder.join("partial.zip");
        let partial = self
            .kept
            .as_ref()
            .map_or(partial, |kept| kept.join(format!("{name}-{count}.partial")));
        std::fs::write(&partial, zip)
            .and_then(|()| std::fs::rename(&partial, &package.zip))
            .map_err(|error| storage(&error))?;
        Ok(package)
    }

    /// Lets go of code that a version doesn't use any more, a while later.
    pub(super) fn retire(&self, packages: impl IntoIterator<Item = Arc<Package>>, now: Millis) {
        let mut gone = Vec::new();
        let mut retired = self.retired.lock();
        retired.extend(
            packages
                .into_iter()
                .map(|package| (now.after(GRACE), package)),
        );
        while retired
            .front()
            .is_some_and(|(until, _)| *until <= now || retired.len() > RETIRED)
        {
            gone.extend(retired.pop_front());
        }
        drop(retired);
        // The folders are removed without the lock.
        drop(gone);
    }

    /// Whether zips are kept as files.
    pub(super) fn keeps_files(&self) -> bool {
        self.kept.is_some()
    }

    /// The kept zip of a digest (in base64), if it's there.
    pub(super) fn read_kept(&self, sha256: &str) -> Option<Bytes> {
        let name = hexadecimal(&STANDARD.decode(sha256).ok()?);
        let zip = self.kept.as_ref()?.join(format!("{name}.zip"));
        std::fs::read(zip).ok().map(Bytes::from)
    }

    /// Removes the kept zips that nothing has used since the state was kept last: until then, what is on the disk may
    /// still need them.
    pub(super) fn sweep(&self) {
        let Some(kept) = &self.kept else { return };
        let Ok(entries) = std::fs::read_dir(kept) else {
            return;
        };
        let used: BTreeSet<PathBuf> = self
            .known
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .map(|package| package.zip.clone())
            .collect();
        let mut unused = self.unused.lock();
        let now: BTreeSet<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| !used.contains(path))
            .collect();
        for path in now.intersection(&unused) {
            let _ = std::fs::remove_file(path);
        }
        *unused = now;
    }
}

/// Hexadecimal digits of bytes.
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn storage(error: &std::io::Error) -> AwsError {
    tracing::warn!(%error, "a function's code can't be stored");
    AwsError::new(
        500,
        "ServiceException",
        format!("The function's code can't be stored: {error}"),
    )
}

#[cfg(test)]
#[path = "code/tests.rs"]
mod tests;
