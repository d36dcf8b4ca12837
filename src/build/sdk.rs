//! The handlers' crate, whose source this program carries: written to `.wsless/sdk` for the user's handlers, and to the
//! target directory for the built-in ones.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use super::{Error, files};

static SOURCE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/handlers/src");

/// What is added to Cargo.toml where the crate is built by itself: it's the root of its own workspace then.
const ADDITION: &str = "standalone.toml";
/// The lock file where the crate is built by itself.
const LOCK: &str = "standalone.lock";

/// A crate's files: their paths below its folder, and their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources(BTreeMap<PathBuf, Vec<u8>>);

impl Sources {
    /// The handlers' crate. Its tests aren't carried: they need this workspace.
    pub(super) fn carried() -> Self {
        let mut sources = Self::from_files([
            (
                "Cargo.toml",
                &include_bytes!("../../handlers/Cargo.toml")[..],
            ),
            (ADDITION, include_bytes!("../../handlers/standalone.toml")),
            (LOCK, include_bytes!("../../handlers/standalone.lock")),
            ("README.md", include_bytes!("../../handlers/README.md")),
        ]);
        sources.add(&SOURCE);
        sources
    }

    /// These files.
    pub(super) fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(
            files
                .into_iter()
                .map(|(path, bytes)| (path.into(), bytes.to_vec()))
                .collect(),
        )
    }

    fn add(&mut self, folder: &Dir<'_>) {
        for file in folder.files() {
            self.0
                .insert(Path::new("src").join(file.path()), file.contents().to_vec());
        }
        for folder in folder.dirs() {
            self.add(folder);
        }
    }

    /// The same crate as somebody's dependency. It must not be a workspace's root: cargo allows none inside another.
    fn library(mut self) -> Self {
        self.0.remove(Path::new(ADDITION));
        self.0.remove(Path::new(LOCK));
        self
    }

    /// The same crate as the root of a workspace of its own, with its lock file in use if it has one.
    pub(super) fn standalone(mut self) -> Self {
        let addition = self.0.remove(Path::new(ADDITION));
        if let Some(manifest) = self.0.get_mut(Path::new("Cargo.toml")) {
            manifest.push(b'\n');
            manifest.extend_from_slice(addition.as_deref().unwrap_or(b"[workspace]\n"));
        }
        if let Some(lock) = self.0.remove(Path::new(LOCK)) {
            self.0.insert("Cargo.lock".into(), lock);
        }
        self
    }

    /// Whether there's a file at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(Path::new(path))
    }

    /// A hash of all paths and bytes, in hexadecimal.
    pub(super) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (path, bytes) in &self.0 {
            let path = path.to_string_lossy();
            for part in [path.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        format!("{:x}", hasher.finalize())
    }

    /// Whether `folder` holds exactly these files. What cargo or an editor adds beside Cargo.toml doesn't count, what is
    /// added under `src` does: cargo would build it.
    fn are_in(&self, folder: &Path) -> bool {
        let same = self.0.iter().all(|(path, bytes)| {
            std::fs::read(folder.join(path)).is_ok_and(|found| found == *bytes)
        });
        same && self.has_no_more(folder, Path::new("src"))
    }

    fn has_no_more(&self, folder: &Path, below: &Path) -> bool {
        let Ok(entries) = std::fs::read_dir(folder.join(below)) else {
            // No `src` is as good as none of these files in it.
            return true;
        };
        entries.flatten().all(|entry| {
            let path = below.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.has_no_more(folder, &path),
                _ => self.0.contains_key(&path),
            }
        })
    }

    /// Makes `folder` hold these files, if it doesn't; whether it was written. A folder that differs is replaced whole.
    pub(super) fn write_to(&self, folder: &Path) -> io::Result<bool> {
        if self.are_in(folder) {
            return Ok(false);
        }
        let new = files::beside(folder);
        let old = files::beside(folder);
        let written = self.write_new(&new).and_then(|()| {
            if folder.symlink_metadata().is_ok() {
                std::fs::rename(folder, &old)?;
            }
            std::fs::rename(&new, folder)
        });
        for leftover in [&new, &old] {
            // A link is taken away, not what it leads to.
            let _ = std::fs::remove_file(leftover).or_else(|_| std::fs::remove_dir_all(leftover));
        }
        match written {
            Ok(()) => Ok(true),
            // Another wsless may have been quicker with the same files.
            Err(_) if self.are_in(folder) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write_new(&self, folder: &Path) -> io::Result<()> {
        for (path, bytes) in &self.0 {
            if !files::stays_inside(path) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("`{}` leads out of the folder", path.display()),
                ));
            }
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Where a project has the handlers' library.
pub(super) fn sdk_dir(project_dir: &Path) -> PathBuf {
    project_dir.join(".wsless/sdk")
}

/// Writes the handlers' library to `.wsless/sdk` below `project_dir` if it's missing there, older, or was edited, and a
/// `.gitignore` beside it; whether the library was written. [`super::build`] does this by itself.
pub fn write_sdk(project_dir: &Path) -> Result<bool, Error> {
    write(project_dir, &Sources::carried())
}

pub(super) fn write(project_dir: &Path, sources: &Sources) -> Result<bool, Error> {
    let folder = sdk_dir(project_dir);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::io("write", &path, source)
    };
    let own = project_dir.join(".wsless");
    std::fs::create_dir_all(&own).map_err(failed(&own))?;
    let ignore = own.join(".gitignore");
    if !ignore.exists() {
        files::write_atomically(&ignore, b"*\n").map_err(failed(&ignore))?;
    }
    let library = sources.clone().library();
    library.write_to(&folder).map_err(failed(&folder))
}

#[cfg(test)]
mod tests;
