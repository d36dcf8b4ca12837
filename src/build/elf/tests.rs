use std::{process::Command, sync::OnceLock};

use proptest::prelude::*;

use super::*;

/// The processor of this machine, which the samples are compiled for.
const HERE: Architecture = if cfg!(target_arch = "aarch64") {
    Architecture::Arm64
} else {
    Architecture::X86_64
};

const ELSEWHERE: Architecture = if cfg!(target_arch = "aarch64") {
    Architecture::X86_64
} else {
    Architecture::Arm64
};

/// A small program, linked as plain cargo links on this machine.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| compile("fn main() { println!(\"{:?}\", std::env::args()) }", &[]))
}

fn compile(source: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("a.rs"), folder.path().join("a"));
    std::fs::write(&input, source).unwrap();
    let status = Command::new("rustc")
        .args(["-Cstrip=symbols", "-o"])
        .args([&output, &input])
        .args(options)
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(output).unwrap()
}

/// `bytes` with every `from` made `to`, which has the same length.
fn edited(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter_map(|(place, window)| (window == from).then_some(place))
        .collect();
    assert!(!places.is_empty(), "nothing to edit");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

fn faults(bytes: &[u8]) -> Vec<Fault> {
    inspect(bytes, HERE).unwrap_err()
}

#[test]
fn a_plain_program_passes_with_the_newest_glibc_that_it_needs() {
    let glibc = inspect(program(), HERE).unwrap().unwrap();
    assert!(glibc <= "2.34".parse().unwrap(), "{glibc}");
    assert!(glibc >= "2.17".parse().unwrap(), "{glibc}");
}

#[test]
fn versions_are_ordered_by_number_not_by_letter() {
    let version = |text: &str| text.parse::<GlibcVersion>().unwrap();
    assert!(version("2.4") < version("2.34"));
    assert!(version("2.2.5") < version("2.17"));
    assert!(version("2.34") < version("2.34.1"));
    assert_eq!(version("2.2.5").to_string(), "2.2.5");
}

#[test]
fn a_program_for_another_processor_is_refused() {
    let found = HERE.as_str().to_owned();
    assert_eq!(
        inspect(program(), ELSEWHERE).unwrap_err(),
        [Fault::Machine {
            found,
            wanted: ELSEWHERE
        }]
    );
    // e_machine is the half word at 18; 243 is RISC-V.
    let mut bytes = program().to_vec();
    bytes[18..20].copy_from_slice(&243u16.to_le_bytes());
    assert_eq!(
        faults(&bytes),
        [Fault::Machine {
            found: "ELF machine 243".to_owned(),
            wanted: HERE
        }]
    );
}

#[test]
fn a_newer_glibc_is_refused_with_the_symbols_that_need_it() {
    let bytes = edited(program(), b"GLIBC_2.34\0", b"GLIBC_2.38\0");
    let faults = faults(&bytes);
    let [Fault::Glibc { version, symbols }] = faults.as_slice() else {
        panic!("{faults:?}")
    };
    assert_eq!(version, "GLIBC_2.38");
    assert!(
        symbols.iter().any(|name| name == "__libc_start_main"),
        "{symbols:?}"
    );
}

#[test]
fn a_mark_of_a_later_glibc_that_is_no_number_is_refused() {
    let bytes = edited(program(), b"GLIBC_2.34\0", b"GLIBC_ABI_\0");
    assert!(
        matches!(&faults(&bytes)[..], [Fault::Glibc { version, .. }] if version == "GLIBC_ABI_")
    );
}

#[test]
fn symbols_lose_their_names_but_not_their_versions_without_sections() {
    let mut bytes = edited(program(), b"GLIBC_2.34\0", b"GLIBC_2.38\0");
    // e_shoff, e_shnum
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x3e].fill(0);
    assert_eq!(
        faults(&bytes),
        [Fault::Glibc {
            version: "GLIBC_2.38".to_owned(),
            symbols: vec![]
        }]
    );
}

#[test]
fn a_library_that_lambda_has_not_got_is_refused() {
    let bytes = edited(program(), b"libgcc_s.so.1\0", b"libssl.so.3\0\0\0");
    assert_eq!(faults(&bytes), [Fault::Library("libssl.so.3".to_owned())]);
}

#[test]
fn a_loader_that_lambda_has_not_got_is_refused() {
    let (ours, theirs) = match HERE {
        Architecture::X86_64 => (
            &b"/lib64/ld-linux-x86-64.so.2\0"[..],
            &b"/lib/ld-musl-x86_64.so.1\0\0\0\0"[..],
        ),
        Architecture::Arm64 => (
            &b"/lib/ld-linux-aarch64.so.1\0"[..],
            &b"/lib/ld-musl-aarch64.so.1\0\0"[..],
        ),
    };
    let found = faults(&edited(program(), ours, theirs));
    assert!(matches!(&found[..], [Fault::Loader(path)] if path.contains("ld-musl")));
}

#[test]
fn a_static_program_passes_and_needs_no_glibc() {
    // The C library's static half is part of libc6-dev, which a machine that links C has.
    let bytes = compile("fn main() {}", &["-Ctarget-feature=+crt-static"]);
    assert_eq!(inspect(&bytes, HERE), Ok(None));
}

#[test]
fn a_shared_library_is_no_program() {
    let bytes = compile(
        "#[unsafe(no_mangle)] pub extern \"C\" fn f() { println!() }",
        &["--crate-type=cdylib"],
    );
    assert_eq!(faults(&bytes), [Fault::NotProgram("a shared library")]);
}

#[test]
fn other_files_are_named_for_what_they_are() {
    for (bytes, what) in [
        (&b""[..], "an empty file"),
        (b"#!/bin/sh\n", "a script"),
        (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "a macOS program"),
        (b"MZ\x90\0", "a Windows program"),
        (b"hello", "some other file"),
    ] {
        assert_eq!(faults(bytes), [Fault::NotElf(what)]);
    }
    for (place, byte, what) in [
        (4, 1, "a 32-bit file"),
        (5, 2, "a big-endian file"),
        (16, 1, "an object file, not linked yet"),
        (16, 4, "a core dump"),
    ] {
        let mut bytes = program().to_vec();
        bytes[place] = byte;
        let found = faults(&bytes);
        assert!(
            matches!(&found[..], [Fault::NotProgram(found)] if *found == what),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn a_program_cut_off_anywhere_in_its_tables_never_passes() {
    for length in (1..4096).step_by(7) {
        assert!(inspect(&program()[..length], HERE).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = inspect(&bytes, HERE);
    }

    #[test]
    fn no_bytes_after_a_good_beginning_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = inspect(&[&program()[..64], &bytes].concat(), HERE);
    }

    #[test]
    fn no_edit_of_a_good_program_makes_it_panic(
        edits in prop::collection::vec((0..1024usize, any::<u8>()), 1..20),
        far in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut bytes = program().to_vec();
        for (place, byte) in edits {
            bytes[place] = byte;
        }
        for (place, byte) in far {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = inspect(&bytes, HERE);
    }
}
