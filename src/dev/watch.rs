//! Which files of a project changed: the folders of its packages, without what cargo and wsless write there themselves.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use notify_debouncer_full::{
    DebounceEventResult, Debouncer, RecommendedCache, new_debouncer,
    notify::{self, EventKind, RecommendedWatcher, RecursiveMode},
};
use tokio::sync::mpsc;

/// An editor writes a file in several steps: they are one change if no more than this is between them.
const SETTLED: Duration = Duration::from_millis(50);
/// Folders that hold nothing that people write.
const IGNORED: [&str; 2] = ["target", "node_modules"];

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
#[error("can't watch {}", path.display())]
pub struct WatchError {
    /// What was to be watched.
    pub path: PathBuf,
    /// Why it can't be.
    pub source: notify::Error,
}

/// A watched project.
pub struct Watch {
    changes: mpsc::Receiver<PathBuf>,
    // Dropped, it watches no more.
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
}

impl Watch {
    /// Watches these folders and what is in them.
    pub fn new(folders: &[PathBuf]) -> Result<Self, WatchError> {
        // One is enough: what comes while somebody is still busy with an earlier one is the same news.
        let (sender, changes) = mpsc::channel(1);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WatchError { path, source }
        };
        let roots = folders.to_vec();
        let mut debouncer = new_debouncer(SETTLED, None, move |result: DebounceEventResult| {
            let events = result.unwrap_or_default();
            let changed = events
                .iter()
                .filter(|event| !matches!(event.kind, EventKind::Access(_)))
                .flat_map(|event| &event.paths)
                .find(|path| roots.iter().any(|root| is_source(root, path)));
            if let Some(path) = changed {
                let _ = sender.try_send(path.clone());
            }
        })
        .map_err(failed(Path::new("files")))?;
        for folder in folders {
            debouncer
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(failed(folder))?;
            // target/ has thousands of folders: what is ignored isn't watched at all.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() && is_source(folder, &path) {
                    debouncer
                        .watch(&path, RecursiveMode::Recursive)
                        .map_err(failed(&path))?;
                }
            }
        }
        Ok(Self {
            changes,
            _debouncer: debouncer,
        })
    }

    /// Waits for a change: one of the files.
    pub async fn changed(&mut self) -> PathBuf {
        match self.changes.recv().await {
            Some(path) => path,
            // The watcher's thread is gone: nothing will ever come.
            None => std::future::pending().await,
        }
    }
}

/// Whether a file or folder within `root` is one that people write: not cargo's, git's, wsless's or an editor's own.
fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else {
        return false;
    };
    let mut names = path.iter().map(|name| name.to_string_lossy());
    // What begins with a dot is some tool's own, but for cargo's configuration.
    let is_tools =
        |name: &str| IGNORED.contains(&name) || (name.starts_with('.') && name != ".cargo");
    let is_backup = |name: &str| {
        ["~", "#", ".swp"].iter().any(|end| name.ends_with(end))
            // vim tries with a file of this kind whether it may write.
            || name.bytes().all(|byte| byte.is_ascii_digit())
    };
    !names.any(|name| is_tools(&name) || is_backup(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_write_is_no_change_wherever_the_project_lies() {
        let root = Path::new("/home/me/.cache/target/project");
        let is_source = |path: &str| is_source(root, &root.join(path));
        for path in [
            "src/lib.rs",
            "wsless.toml",
            "Cargo.lock",
            ".cargo/config.toml",
            "assets/a.json",
        ] {
            assert!(is_source(path), "{path}");
        }
        for path in [
            "target",
            "target/debug/echo",
            ".wsless/packages/1.zip",
            ".git/index",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "src/#lib.rs#",
            "src/4913",
            "node_modules/a/index.js",
        ] {
            assert!(!is_source(path), "{path}");
        }
        assert!(!super::is_source(root, Path::new("/elsewhere/src/lib.rs")));
    }

    #[tokio::test]
    async fn a_written_file_is_a_change_and_a_built_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("src/bin")).unwrap();
        std::fs::create_dir(root.join("target")).unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&root)).unwrap();
        std::fs::write(root.join("target/built"), "1").unwrap();
        std::fs::write(root.join("src/bin/echo.rs"), "fn main() {}").unwrap();
        assert_eq!(watch.changed().await, root.join("src/bin/echo.rs"));
        std::fs::write(root.join("wsless.toml"), "[project]").unwrap();
        let mut changed = watch.changed().await;
        while changed.starts_with(root.join("src")) {
            changed = watch.changed().await;
        }
        assert_eq!(changed, root.join("wsless.toml"));
    }
}
