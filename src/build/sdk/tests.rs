use super::*;

fn sources() -> Sources {
    Sources::from_files([
        ("Cargo.toml", &b"[package]\n"[..]),
        ("standalone.lock", b"version = 4\n"),
        ("standalone.toml", b"[workspace]\n[profile.release]\n"),
        ("src/lib.rs", b"mod a;\n"),
        ("src/bin/push.rs", b"fn main() {}\n"),
    ])
}

fn project() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// All files below a folder, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    files.sort();
    files
}

const WHOLE: [&str; 4] = [
    ".gitignore",
    "sdk/Cargo.toml",
    "sdk/src/bin/push.rs",
    "sdk/src/lib.rs",
];

#[test]
fn the_library_is_written_once_and_ignored_by_git() {
    let project = project();
    assert!(write(project.path(), &sources()).unwrap());
    let own = project.path().join(".wsless");
    assert_eq!(tree(&own), WHOLE);
    assert_eq!(std::fs::read(own.join(".gitignore")).unwrap(), b"*\n");
    let time = || {
        own.join("sdk/src/lib.rs")
            .metadata()
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = time();
    assert!(!write(project.path(), &sources()).unwrap());
    // cargo goes by this, and would build again.
    assert_eq!(time(), before);
}

#[test]
fn a_damaged_library_is_made_whole() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 5] = [
        ("edited", |sdk| {
            std::fs::write(sdk.join("src/lib.rs"), "mod b;\n").unwrap();
        }),
        ("missing", |sdk| {
            std::fs::remove_file(sdk.join("src/bin/push.rs")).unwrap();
        }),
        ("added to", |sdk| {
            std::fs::write(sdk.join("src/bin/more.rs"), "").unwrap();
        }),
        ("a file", |sdk| {
            std::fs::remove_dir_all(sdk).unwrap();
            std::fs::write(sdk, "").unwrap();
        }),
        ("gone", |sdk| std::fs::remove_dir_all(sdk).unwrap()),
    ];
    for (what, damage) in damages {
        let project = project();
        write(project.path(), &sources()).unwrap();
        damage(&sdk_dir(project.path()));
        assert!(write(project.path(), &sources()).unwrap(), "{what}");
        assert_eq!(tree(&project.path().join(".wsless")), WHOLE, "{what}");
        assert!(!write(project.path(), &sources()).unwrap(), "{what}");
    }
}

#[test]
fn an_older_library_is_replaced_and_its_dropped_files_with_it() {
    let project = project();
    write(project.path(), &sources()).unwrap();
    let newer = Sources::from_files([("Cargo.toml", &b"[package]\n"[..]), ("src/lib.rs", b"")]);
    assert!(write(project.path(), &newer).unwrap());
    assert_eq!(tree(&sdk_dir(project.path())), ["Cargo.toml", "src/lib.rs"]);
}

#[test]
fn what_cargo_leaves_beside_the_library_is_no_difference() {
    let project = project();
    write(project.path(), &sources()).unwrap();
    std::fs::write(sdk_dir(project.path()).join("Cargo.lock"), "").unwrap();
    assert!(!write(project.path(), &sources()).unwrap());
}

#[cfg(unix)]
#[test]
fn a_link_in_the_librarys_place_is_replaced_and_its_target_left_alone() {
    let (project, elsewhere) = (project(), project());
    std::fs::write(elsewhere.path().join("mine"), "kept").unwrap();
    std::fs::create_dir(project.path().join(".wsless")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), sdk_dir(project.path())).unwrap();
    assert!(write(project.path(), &sources()).unwrap());
    assert_eq!(tree(elsewhere.path()), ["mine"]);
    assert_eq!(tree(&project.path().join(".wsless")), WHOLE);
}

#[test]
fn a_path_that_leads_out_is_not_written() {
    let project = project();
    let folder = project.path().join("a/sdk");
    for path in ["../outside", "/outside", "src/../../outside"] {
        let error = Sources::from_files([(path, &b""[..])])
            .write_to(&folder)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
    }
    assert!(!project.path().join("a/outside").exists());
    assert!(!folder.exists());
}

#[test]
fn every_byte_and_every_name_counts_in_the_hash() {
    let hash =
        |files: &[(&'static str, &'static [u8])]| Sources::from_files(files.iter().copied()).hash();
    let all = [
        hash(&[("a", b"bc")]),
        hash(&[("ab", b"c")]),
        hash(&[("a", b"b"), ("c", b"")]),
        hash(&[("a", b"bd")]),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{index}");
    }
    assert_eq!(all[0], hash(&[("a", b"bc")]));
}

#[test]
fn standing_alone_the_crate_is_a_workspace_with_its_own_lock() {
    let alone = sources().standalone();
    assert!(alone.has("Cargo.lock"));
    assert!(!alone.has(LOCK) && !alone.has(ADDITION));
    let manifest = &alone.0[Path::new("Cargo.toml")];
    assert_eq!(manifest, b"[package]\n\n[workspace]\n[profile.release]\n");
    let bare = Sources::from_files([("Cargo.toml", &b"[package]\n"[..])]).standalone();
    assert_eq!(
        bare.0[Path::new("Cargo.toml")],
        b"[package]\n\n[workspace]\n"
    );
    assert!(!bare.has("Cargo.lock"));
}

#[test]
fn the_carried_crate_needs_nothing_of_this_workspace() {
    let carried = Sources::carried();
    assert!(carried.has("src/lib.rs") && carried.has(LOCK) && carried.has("README.md"));
    assert!(carried.0.keys().all(|path| files::stays_inside(path)));
    let text = String::from_utf8(carried.standalone().0[Path::new("Cargo.toml")].clone()).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    assert_eq!(
        manifest["package"]["name"].as_str(),
        Some("wsless-handlers")
    );
    assert!(manifest.contains_key("workspace"));
    assert!(
        !text.contains("workspace = true") && !text.contains("path = \"../"),
        "{text}"
    );
}
