use std::io::Read;

use super::*;
use crate::manifest::Architecture;

const LAMBDA: Platform = Platform::Lambda(Architecture::X86_64);

/// The smallest file that the inspection lets through: headers of a static program, and nothing else.
fn executable(filling: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2; // ET_EXEC
    bytes[18] = 62; // EM_X86_64
    bytes[24] = 1; // e_entry
    bytes[54] = 56; // e_phentsize
    bytes.extend_from_slice(filling);
    bytes
}

fn package_bytes(folder: &Path, bytes: &[u8]) -> Outcome {
    let path = folder.join("program");
    std::fs::write(&path, bytes).unwrap();
    package_now("echo", &path, &folder.join("lambda"), LAMBDA).unwrap()
}

fn packaged(outcome: Outcome) -> (Artifact, Novelty) {
    match outcome {
        Outcome::Packaged(artifact, novelty) => (artifact, novelty),
        Outcome::Refused { faults, .. } => panic!("{faults:?}"),
    }
}

#[test]
fn the_zip_holds_one_executable_file_called_bootstrap() {
    let bytes = executable(b"filling");
    let zip = zip_bootstrap(&bytes, LAMBDA).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert_eq!(archive.len(), 1);
    let mut entry = archive.by_index(0).unwrap();
    assert_eq!(entry.name().unwrap(), "bootstrap");
    assert_eq!(entry.unix_mode(), Some(0o100_755));
    assert_eq!(entry.last_modified(), Some(DateTime::DEFAULT));
    assert_eq!(entry.compression(), CompressionMethod::Deflated);
    let mut inside = Vec::new();
    entry.read_to_end(&mut inside).unwrap();
    assert_eq!(inside, bytes);
}

#[test]
fn the_same_executable_gives_the_same_zip_wherever_and_whenever() {
    let bytes = executable(&vec![7; 100_000]);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, _) = packaged(package_bytes(one.path(), &bytes));
    // Another time of the file, in another folder.
    let path = two.path().join("program");
    std::fs::write(&path, &bytes).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let folder = two.path().join("lambda");
    let (second, _) = packaged(package_now("echo", &path, &folder, LAMBDA).unwrap());
    assert_eq!(first.zip, second.zip);
    assert_eq!(first.sha256_base64, second.sha256_base64);
    assert_eq!(std::fs::read(&second.zip_path).unwrap(), &*second.zip);
    assert_eq!(second.zip_path, folder.join("echo/bootstrap.zip"));
    assert_eq!(second.unzipped_bytes, bytes.len() as u64);
}

#[test]
fn the_hash_is_the_one_that_lambda_gives() {
    // base64 of SHA-256 of nothing, as any tool prints it.
    assert_eq!(sha256(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

#[test]
fn an_unchanged_executable_is_zipped_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, novelty) = packaged(package_bytes(folder.path(), &executable(b"a")));
    assert!(matches!(novelty, Novelty::Written));
    let (again, novelty) = packaged(package_bytes(folder.path(), &executable(b"a")));
    assert!(matches!(novelty, Novelty::Reused));
    assert_eq!(first, again);
    let (changed, novelty) = packaged(package_bytes(folder.path(), &executable(b"b")));
    assert!(matches!(novelty, Novelty::Written));
    assert_ne!(first.sha256_base64, changed.sha256_base64);
}

#[test]
fn a_damaged_or_missing_zip_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = packaged(package_bytes(folder.path(), &executable(b"a")));
    std::fs::write(&first.zip_path, b"half a zi").unwrap();
    let (again, novelty) = packaged(package_bytes(folder.path(), &executable(b"a")));
    assert!(matches!(novelty, Novelty::Written));
    assert_eq!(std::fs::read(&again.zip_path).unwrap(), &*first.zip);
    std::fs::remove_file(&first.zip_path).unwrap();
    let (_, novelty) = packaged(package_bytes(folder.path(), &executable(b"a")));
    assert!(matches!(novelty, Novelty::Written));
}

#[test]
fn a_zip_for_another_processor_is_not_taken_for_this_one() {
    let folder = tempfile::tempdir().unwrap();
    packaged(package_bytes(folder.path(), &executable(b"a")));
    let lambda = folder.path().join("lambda");
    assert!(read_package(&lambda, "echo", LAMBDA, None).is_some());
    assert!(read_package(&lambda, "echo", Platform::Lambda(Architecture::Arm64), None).is_none());
}

#[test]
fn what_would_not_run_is_never_zipped() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = package_bytes(folder.path(), b"#!/bin/sh\n");
    assert!(
        matches!(&outcome, Outcome::Refused { faults, .. } if faults == &[Fault::NotElf("a script")])
    );
    assert!(!folder.path().join("lambda").exists());
}

#[test]
fn an_executable_of_250_mb_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    // Sparse: it takes no room.
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(MOST_UNZIPPED).unwrap();
    let outcome = package_now("echo", &path, folder.path(), LAMBDA).unwrap();
    assert!(
        matches!(&outcome, Outcome::Refused { faults, .. } if faults == &[Fault::Unzipped(MOST_UNZIPPED)])
    );
    assert_eq!(size_fault(MOST_UNZIPPED - 1), None);
}

#[test]
fn a_zip_of_50_mb_is_refused() {
    assert_eq!(zip_fault(MOST_ZIPPED), Some(Fault::Zipped(MOST_ZIPPED)));
    assert_eq!(zip_fault(MOST_ZIPPED - 1), None);
}

#[test]
fn nothing_is_written_outside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    std::fs::write(&path, executable(b"")).unwrap();
    for name in ["../echo", "/echo", "..", ""] {
        let outcome = package_now(name, &path, &folder.path().join("a/b"), LAMBDA);
        assert!(matches!(outcome, Err(Error::BinaryName(_))), "{name:?}");
    }
    assert!(!folder.path().join("a").exists());
}

#[test]
fn for_this_machine_nothing_is_inspected_or_compressed_and_its_zip_isnt_lambdas() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo");
    let bytes = vec![b'x'; 10_000];
    std::fs::write(&path, &bytes).unwrap();
    let outcome = package_now("echo", &path, &folder.path().join("host"), Platform::Host).unwrap();
    let Outcome::Packaged(artifact, _) = outcome else {
        panic!("refused");
    };
    assert!(artifact.zip_bytes > 10_000, "{artifact:?}");
    assert_eq!(artifact.architecture, Architecture::of_this_machine());
    assert!(read_package(&folder.path().join("host"), "echo", LAMBDA, None).is_none());
    assert!(read_package(&folder.path().join("host"), "echo", Platform::Host, None).is_some());
}
