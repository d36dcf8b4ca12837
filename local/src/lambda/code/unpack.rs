//! Unpacking a zip that nobody vouches for.
//!
//! Writes only below the folder it's given, and no more bytes and no more files than are allowed, whatever the zip says
//! of itself. Links and other special files are refused.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Cursor, Read},
    path::Path,
};

use zip::ZipArchive;

/// More entries than this are refused: a function's code has some thousands at most.
const ENTRIES: usize = 65_536;
/// Deeper paths are refused.
const DEPTH: usize = 64;

/// Why a zip isn't unpacked.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It has no files.
    Empty,
    /// It's no zip, or one that does what it mustn't.
    Unreadable,
    /// It would be larger than allowed.
    TooLarge,
    /// The disk refuses.
    Storage(io::Error),
}

/// Unpacks a zip into a folder that is there, and holds at most so many bytes.
pub(super) fn unpack(zip: &[u8], into: &Path, most: u64) -> Result<(), Refusal> {
    if zip.is_empty() {
        return Err(Refusal::Empty);
    }
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|_| Refusal::Unreadable)?;
    if archive.is_empty() {
        return Err(Refusal::Empty);
    }
    if archive.len() > ENTRIES {
        return Err(Refusal::Unreadable);
    }
    let mut left = most;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|_| Refusal::Unreadable)?;
        let path = entry.enclosed_name().ok_or(Refusal::Unreadable)?;
        let mode = entry.unix_mode();
        let kind = mode.map_or(REGULAR, |mode| mode & KIND);
        let is_plain = kind == 0 || kind == REGULAR || (kind == FOLDER && entry.is_dir());
        if !is_plain || entry.is_symlink() || path.components().count() > DEPTH {
            return Err(Refusal::Unreadable);
        }
        let target = into.join(path);
        if entry.is_dir() {
            fs::create_dir_all(&target).map_err(refused)?;
            continue;
        }
        if entry.size() > left {
            return Err(Refusal::TooLarge);
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(refused)?;
        }
        let mut file = create(&target).map_err(refused)?;
        // What the entry really holds counts, not what it says: one byte more than is left is enough to know.
        let mut bounded = Read::take(&mut entry, left.saturating_add(1));
        let written = copy(&mut bounded, &mut file)?;
        left = left.checked_sub(written).ok_or(Refusal::TooLarge)?;
        permit(&file, mode).map_err(Refusal::Storage)?;
    }
    Ok(())
}

const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// A later entry of the same name takes the place of an earlier one; never is anything followed.
fn create(target: &Path) -> io::Result<File> {
    match fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(target)
}

fn copy(entry: &mut impl Read, file: &mut File) -> Result<u64, Refusal> {
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0_u64;
    loop {
        let read = entry.read(&mut buffer).map_err(|_| Refusal::Unreadable)?;
        if read == 0 {
            return Ok(written);
        }
        io::Write::write_all(file, buffer.get(..read).unwrap_or_default())
            .map_err(Refusal::Storage)?;
        written = written.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// On AWS the files are root's and the function isn't root: what others may is what the function may, and nobody writes.
/// A zip without modes gives plain files, which don't start.
#[cfg(unix)]
fn permit(file: &File, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let others = mode.unwrap_or(0o644) & 0o5;
    file.set_permissions(fs::Permissions::from_mode(others * 0o111))
}

#[cfg(not(unix))]
fn permit(_: &File, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

/// A name that the disk can't have, or a file where a folder should be, is the zip's fault; a full disk isn't.
fn refused(error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => Refusal::Storage(error),
        _ => Refusal::Unreadable,
    }
}
