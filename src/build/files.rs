//! Files written whole or not at all, and the lock between builds.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    path::{Component, Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{Error, Event};

/// How often a taken lock is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A path beside `path` that no other build uses.
pub(super) fn beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{number}.tmp", process::id()))
}

/// Writes a file so that readers see the old bytes or the new, nothing between. Makes its folder.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = beside(path);
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is what counts.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Whether `path` stays below the folder it's joined to.
pub(super) fn stays_inside(path: &Path) -> bool {
    path.components().next().is_some()
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

/// Whether `name` is one file's name, on any system.
pub(super) fn is_file_name(name: &str) -> bool {
    let path = Path::new(name);
    path.components().count() == 1 && stays_inside(path) && !name.contains(['/', '\\', ':', '\0'])
}

/// Waits for the lock on `path`, which lasts as long as the file that is returned. On file systems without locks, there
/// is none to wait for.
pub(super) async fn lock(path: &Path, on_event: &(dyn Fn(Event) + Sync)) -> Result<File, Error> {
    let file = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| File::options().create(true).append(true).open(path))
        .map_err(|source| Error::io("open", path, source))?;
    let mut waiting = false;
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if !waiting {
            waiting = true;
            on_event(Event::Waiting {
                lock: path.to_owned(),
            });
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(file)
}

/// Does `work`, which reads, hashes or compresses, where it holds up no other task.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It can't be cancelled, since nobody else has its handle: so it panicked, and goes on panicking here.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_file_names() {
        for name in ["echo", "chat-room", "a.b", "übung"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in [
            "", ".", "..", "a/b", "/a", "a/", "../a", "a\\b", "c:a", "a\0",
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("taken");
        std::fs::create_dir(&target).unwrap();
        write_atomically(&target, b"bytes").unwrap_err();
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["taken"]);
    }

    #[tokio::test]
    async fn a_second_build_waits_until_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        let first = lock(&path, &|_| {}).await.unwrap();
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let second = tokio::spawn({
            let path = path.clone();
            async move {
                lock(&path, &move |event| told.send(event).unwrap())
                    .await
                    .unwrap()
            }
        });
        assert_eq!(
            heard.recv().await,
            Some(Event::Waiting { lock: path.clone() })
        );
        assert!(!second.is_finished());
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), second)
            .await
            .unwrap()
            .unwrap();
    }
}
