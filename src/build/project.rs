//! What the user's Cargo.toml says: which binaries there are, where the target directory is, what the profile sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
};

use cargo_metadata::{Metadata, MetadataCommand};
use tokio::process::Command;

use super::{Error, Platform, UnknownBinary, files, sdk};

/// What `release` is here unless the user says otherwise: small handlers start sooner and upload sooner (toolchain.md D).
/// Panics unwind, so that one bad message fails alone and not its whole batch.
const RELEASE_DEFAULTS: [(&str, &str); 4] = [
    ("opt-level", "s"),
    ("lto", "fat"),
    ("codegen-units", "1"),
    ("strip", "symbols"),
];

/// What `[profile.dev]` is on this machine where the user says nothing: each edit is linked, zipped and unpacked anew, and
/// debug information is most of that. Panics say their file and line without it.
const DEV_DEFAULTS: [(&str, &str); 1] = [("debug", "0")];

/// The user's package or workspace.
pub(super) struct Project {
    /// cargo's target directory, `CARGO_TARGET_DIR` and configuration heeded.
    pub(super) target_dir: PathBuf,
    /// Where the Cargo.toml with the profiles is.
    pub(super) workspace_root: PathBuf,
    /// The folders of the workspace's packages, the handlers' library not among them.
    pub(super) package_folders: BTreeSet<PathBuf>,
    manifest: PathBuf,
    /// Binary name -> ids of the packages that have it.
    binaries: BTreeMap<String, Vec<String>>,
}

impl Project {
    /// Asks cargo about the project in `folder`, an absolute path.
    pub(super) async fn read(folder: &Path) -> Result<Self, Error> {
        let manifest = folder.join("Cargo.toml");
        let command = MetadataCommand::new()
            .manifest_path(&manifest)
            .current_dir(folder)
            .no_deps()
            .cargo_command();
        let program = command.get_program().to_string_lossy().into_owned();
        let output = Command::from(command)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| Error::NoRust { program, source })?;
        let query = |message: String| Error::Query {
            command: "cargo metadata",
            message,
        };
        if !output.status.success() {
            return Err(query(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let metadata = MetadataCommand::parse(String::from_utf8_lossy(&output.stdout))
            .map_err(|error| query(error.to_string()))?;
        Ok(Self::from_metadata(&metadata, manifest, folder))
    }

    fn from_metadata(metadata: &Metadata, manifest: PathBuf, folder: &Path) -> Self {
        // In a workspace, cargo takes path dependencies below its root for members: the handlers' library too, whose
        // binaries aren't the user's.
        let ours = sdk::sdk_dir(folder);
        let mut binaries: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut package_folders = BTreeSet::new();
        for package in metadata.workspace_packages() {
            if package.manifest_path.as_std_path().starts_with(&ours) {
                continue;
            }
            package_folders.extend(
                package
                    .manifest_path
                    .parent()
                    .map(|folder| folder.as_std_path().to_owned()),
            );
            for target in package.targets.iter().filter(|target| target.is_bin()) {
                binaries
                    .entry(target.name.clone())
                    .or_default()
                    .push(package.id.repr.clone());
            }
        }
        Self {
            target_dir: metadata.target_directory.clone().into_std_path_buf(),
            workspace_root: metadata.workspace_root.clone().into_std_path_buf(),
            package_folders,
            manifest,
            binaries,
        }
    }

    /// The ids of the packages that `wanted` are in.
    pub(super) fn select(&self, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
        let mut packages = BTreeSet::new();
        let mut unknown = Vec::new();
        for name in wanted {
            if !files::is_file_name(name) {
                return Err(Error::BinaryName(name.clone()));
            }
            match self.binaries.get(name).map(Vec::as_slice) {
                Some([package]) => {
                    packages.insert(package.clone());
                }
                None | Some([]) => unknown.push(UnknownBinary {
                    name: name.clone(),
                    nearest: self.nearest(name),
                    known: self.binaries.keys().cloned().collect(),
                    manifest: self.manifest.clone(),
                }),
                Some(several) => {
                    return Err(Error::AmbiguousBinary {
                        name: name.clone(),
                        packages: several.to_vec(),
                    });
                }
            }
        }
        if unknown.is_empty() {
            Ok(packages)
        } else {
            Err(Error::UnknownBinaries(unknown))
        }
    }

    /// The name most like `name`, if it's like enough to be what was meant.
    fn nearest(&self, name: &str) -> Option<String> {
        self.binaries
            .keys()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, known)| *distance <= 1 + name.len().max(known.len()) / 4)
            .min()
            .map(|(_, known)| known.clone())
    }
}

/// The environment that gives a profile its defaults, without the settings that the user has made: in the workspace's
/// Cargo.toml, in cargo's configuration files, or in the environment.
pub(super) fn profile_defaults(
    profile: &str,
    platform: Platform,
    workspace_root: &Path,
    folder: &Path,
) -> Vec<(String, String)> {
    let defaults: &[(&str, &str)] = match (profile, platform) {
        ("release", Platform::Lambda(_)) => &RELEASE_DEFAULTS,
        ("dev", Platform::Host) => &DEV_DEFAULTS,
        _ => return Vec::new(),
    };
    let profile_keys = |file: &Path| profile_keys(file, profile);
    let mut set = profile_keys(&workspace_root.join("Cargo.toml"));
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders = folder.ancestors().map(|ancestor| ancestor.join(".cargo"));
    for configuration in folders.chain(home) {
        set.extend(profile_keys(&configuration.join("config.toml")));
        set.extend(profile_keys(&configuration.join("config")));
    }
    // Who asks for debug information doesn't want it stripped.
    if set.contains("debug") {
        set.insert("strip".to_owned());
    }
    defaults
        .iter()
        .filter(|(key, _)| !set.contains(*key))
        .map(|(key, value)| (variable(profile, key), (*value).to_owned()))
        .filter(|(variable, _)| std::env::var_os(variable).is_none())
        .collect()
}

/// cargo's environment variable for a key of `[profile.X]`.
fn variable(profile: &str, key: &str) -> String {
    format!("CARGO_PROFILE_{profile}_{key}")
        .to_uppercase()
        .replace('-', "_")
}

/// The keys of `[profile.X]` in a TOML file; none if there's no such file. What is wrong with it, cargo says.
fn profile_keys(file: &Path, profile: &str) -> BTreeSet<String> {
    let keys = || {
        let text = std::fs::read_to_string(file).ok()?;
        let document: toml::Table = text.parse().ok()?;
        let settings = document.get("profile")?.get(profile)?.as_table()?;
        Some(settings.keys().cloned().collect())
    };
    keys().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Architecture;

    const LAMBDA: Platform = Platform::Lambda(Architecture::X86_64);

    fn project(binaries: &[(&str, &[&str])]) -> Project {
        Project {
            target_dir: "/p/target".into(),
            workspace_root: "/p".into(),
            package_folders: BTreeSet::new(),
            manifest: "/p/Cargo.toml".into(),
            binaries: binaries
                .iter()
                .map(|(name, packages)| {
                    let packages = packages.iter().map(ToString::to_string).collect();
                    ((*name).to_owned(), packages)
                })
                .collect(),
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn binaries_of_several_packages_are_selected_together() {
        let project = project(&[("a", &["one"]), ("b", &["two"]), ("c", &["three"])]);
        assert_eq!(
            project.select(&names(&["a", "b"])).unwrap(),
            names(&["one", "two"])
        );
    }

    #[test]
    fn all_unknown_binaries_are_named_each_with_the_one_that_was_meant() {
        let project = project(&[("echo", &["p"]), ("broadcast", &["p"])]);
        let error = project
            .select(&names(&["ehco", "brodcast", "zebra", "echo"]))
            .unwrap_err();
        let Error::UnknownBinaries(unknown) = &error else {
            panic!("{error:?}")
        };
        let found: Vec<_> = unknown
            .iter()
            .map(|one| (one.name.as_str(), one.nearest.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("brodcast", Some("broadcast")),
                ("ehco", Some("echo")),
                ("zebra", None)
            ]
        );
        let diagnostics = error.diagnostics();
        assert_eq!(diagnostics.len(), 3);
        assert_eq!(diagnostics[1].help.as_deref(), Some("did you mean `echo`?"));
        assert_eq!(
            diagnostics[1].notes[0],
            "looked for in the packages of `/p/Cargo.toml`"
        );
    }

    #[test]
    fn a_binary_of_two_packages_is_refused() {
        let project = project(&[("echo", &["one", "two"])]);
        let error = project.select(&names(&["echo"])).unwrap_err();
        assert!(
            matches!(&error, Error::AmbiguousBinary { packages, .. } if packages == &["one", "two"]),
            "{error:?}"
        );
    }

    #[test]
    fn a_binary_name_that_leads_out_of_the_folder_is_refused() {
        let project = project(&[("../echo", &["one"])]);
        let error = project.select(&names(&["../echo"])).unwrap_err();
        assert!(matches!(error, Error::BinaryName(_)), "{error:?}");
    }

    #[test]
    fn what_the_user_sets_of_the_release_profile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let keys = || {
            profile_defaults("release", LAMBDA, folder.path(), &folder.path().join("sub"))
                .into_iter()
                .map(|(key, _)| key.trim_start_matches("CARGO_PROFILE_RELEASE_").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(), ["OPT_LEVEL", "LTO", "CODEGEN_UNITS", "STRIP"]);
        write("Cargo.toml", "[profile.release]\nopt-level = 3\n");
        assert_eq!(keys(), ["LTO", "CODEGEN_UNITS", "STRIP"]);
        write(".cargo/config.toml", "[profile.release]\nlto = false\n");
        assert_eq!(keys(), ["CODEGEN_UNITS", "STRIP"]);
        write("Cargo.toml", "[profile.release]\ndebug = true\n");
        assert_eq!(keys(), ["OPT_LEVEL", "CODEGEN_UNITS"]);
    }

    #[test]
    fn only_release_for_lambda_and_dev_for_this_machine_have_defaults() {
        let defaults = |profile, platform| {
            profile_defaults(profile, platform, Path::new("/p"), Path::new("/p"))
        };
        assert!(defaults("dev", LAMBDA).is_empty());
        assert!(defaults("release", Platform::Host).is_empty());
        assert_eq!(
            defaults("dev", Platform::Host),
            [("CARGO_PROFILE_DEV_DEBUG".to_owned(), "0".to_owned())]
        );
    }
}
