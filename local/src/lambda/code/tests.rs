use std::{
    io::{Cursor, Write as _},
    path::Path,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{unpack::Refusal, *};
use crate::lambda::tests::zip;

fn unpacked(zip: &[u8], most: u64) -> Result<tempfile::TempDir, Refusal> {
    let folder = tempfile::tempdir().unwrap();
    unpack::unpack(zip, folder.path(), most).map(|()| folder)
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn a_file_may_be_what_others_may_of_it_and_nobody_writes() {
    let zip = zip(&[
        ("bootstrap", 0o755, b"a"),
        ("plain", 0o644, b"b"),
        ("secret", 0o700, b"c"),
        ("deep/er/file", 0o666, b"d"),
    ]);
    let folder = unpacked(&zip, 100).unwrap();
    for (name, want) in [
        ("bootstrap", 0o555),
        ("plain", 0o444),
        ("secret", 0),
        ("deep/er/file", 0o444),
    ] {
        assert_eq!(mode(&folder.path().join(name)), want, "{name}");
    }
}

#[test]
fn a_file_does_not_leave_the_folder() {
    for name in ["../evil", "a/../../evil", "/evil", "a/../../../../evil"] {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("inner");
        std::fs::create_dir(&into).unwrap();
        // An absolute path is taken as one below the folder, or refused; others are refused.
        let _ = unpack::unpack(&zip(&[(name, 0o644, b"x")]), &into, 100);
        assert!(!folder.path().join("evil").exists(), "{name}");
        assert!(!Path::new("/evil").exists(), "{name}");
    }
}

#[test]
fn links_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .add_symlink("link", "/etc", SimpleFileOptions::default())
        .unwrap();
    writer
        .start_file("link/passwd", SimpleFileOptions::default())
        .unwrap();
    writer.write_all(b"x").unwrap();
    let zip = writer.finish().unwrap().into_inner();
    assert!(matches!(unpacked(&zip, 100), Err(Refusal::Unreadable)));
}

#[test]
fn a_bomb_is_refused_whatever_it_says_of_itself() {
    let large = vec![0; 100_000];
    let mut bomb = zip(&[("a", 0o644, &large)]);
    assert!(matches!(unpacked(&bomb, 99_999), Err(Refusal::TooLarge)));
    assert!(unpacked(&bomb, 100_000).is_ok());
    // Both headers say 10 bytes.
    let says = u32::try_from(large.len()).unwrap().to_le_bytes();
    let places: Vec<usize> = bomb
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == says)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bomb[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    assert!(unpacked(&bomb, 99_999).is_err());
}

#[test]
fn what_is_no_zip_is_told_from_an_empty_one() {
    assert!(matches!(
        unpacked(b"garbage", 100),
        Err(Refusal::Unreadable)
    ));
    assert!(matches!(unpacked(b"", 100), Err(Refusal::Empty)));
    assert!(matches!(unpacked(&zip(&[]), 100), Err(Refusal::Empty)));
    let whole = zip(&[("a", 0o644, b"abc")]);
    for length in 1..whole.len() {
        assert!(unpacked(&whole[..length], 100).is_err(), "{length}");
    }
}

#[test]
fn a_file_where_a_folder_should_be_is_the_zips_fault() {
    let both = zip(&[("a", 0o644, b"x"), ("a/b", 0o644, b"y")]);
    assert!(matches!(unpacked(&both, 100), Err(Refusal::Unreadable)));
    let long = "n".repeat(300);
    let long = zip(&[(&long, 0o644, b"x")]);
    assert!(matches!(unpacked(&long, 100), Err(Refusal::Unreadable)));
}

#[test]
fn broken_bytes_break_nothing() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file("a/b", stored).unwrap();
    writer.write_all(b"hello").unwrap();
    writer.add_directory("c", stored).unwrap();
    let whole = writer.finish().unwrap().into_inner();
    for at in 0..whole.len() {
        for byte in [0, 0x2e, 0x2f, 0x7f, 0xff] {
            let mut broken = whole.clone();
            broken[at] = byte;
            // Unpacked or refused: neither a panic nor anything outside.
            let _ = unpacked(&broken, 100);
        }
    }
}

#[test]
fn code_is_unpacked_once_and_gone_a_while_after_its_last_use() {
    let folder = tempfile::tempdir().unwrap();
    let packages = Packages::new(folder.path().to_owned(), None);
    let bytes = Bytes::from(zip(&[("bootstrap", 0o755, b"x")]));
    let one = packages.take(&bytes).unwrap();
    let two = packages.take(&bytes).unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    let path = one.path().to_owned();
    assert!(path.join("bootstrap").exists());
    assert_eq!(std::fs::read(one.zip()).unwrap(), bytes);
    drop(two);
    packages.retire([one], Millis(0));
    assert!(path.exists(), "an invocation may just start it");
    packages.retire([], Millis(0).after(GRACE));
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    packages.take(&bytes).unwrap();
}

#[test]
fn refused_code_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let packages = Packages::new(folder.path().to_owned(), None);
    assert!(packages.take(&Bytes::from_static(b"garbage")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
