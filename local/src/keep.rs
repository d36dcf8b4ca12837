//! `--keep DIR`: what the cloud holds, written to a folder and read from it again.
//!
//! Each service gives and takes its state as one JSON value (`keep`, `restore`); open connections and running processes
//! can't be kept, and DynamoDB keeps its tables in files of its own. All else is in `DIR/cloud.json`, which is replaced as a whole, so that it's either the old state or the
//! new one. `DIR/lock` is locked while a cloud uses the folder. A file that can't be read is never written over.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::cloud::{Cloud, Region, StartError};

/// How what is kept is laid out; another number is another cloud's.
const VERSION: u64 = 1;
const STATE: &str = "cloud.json";
const LOCK: &str = "lock";
/// How often it's written at most.
const PAUSE: Duration = Duration::from_secs(1);
/// Of the time, no more than one in so much goes into looking for changes, however much the cloud holds.
const SHARE: u32 = 20;

/// What a cloud knows of its folder.
#[derive(Debug, Default)]
pub struct Kept {
    held: Mutex<Option<Held>>,
}

/// A folder that is locked for this cloud.
#[derive(Debug)]
struct Held {
    file: PathBuf,
    /// Locked for as long as it's open.
    _lock: File,
    /// The hash of what is in the file.
    written: Option<[u8; 32]>,
}

/// Reads what was kept, and takes the folder for this cloud.
pub fn restore(cloud: &Arc<Cloud>) -> Result<(), StartError> {
    let Some(folder) = &cloud.options.keep else {
        return Ok(());
    };
    let unusable = |source| StartError::Folder {
        path: folder.clone(),
        source,
    };
    make(folder).map_err(unusable)?;
    let lock = take(folder)?;
    let file = folder.join(STATE);
    let written = match fs::read(&file) {
        Ok(bytes) => {
            let hash = hash(&bytes);
            read(cloud, &bytes).map_err(|reason| StartError::Kept {
                path: file.clone(),
                reason,
            })?;
            Some(hash)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(StartError::Folder { path: file, source }),
    };
    *cloud.kept.held.lock() = Some(Held {
        file,
        _lock: lock,
        written,
    });
    Ok(())
}

/// Makes the folder, for its owner only: it holds roles' secrets.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Locks the folder.
fn take(folder: &Path) -> Result<File, StartError> {
    let path = folder.join(LOCK);
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| StartError::Folder {
            path: path.clone(),
            source,
        })?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(StartError::Kept {
            path: folder.to_owned(),
            reason: "another cloud that runs uses it".to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(StartError::Folder { path, source }),
    }
}

/// Gives each service what was kept of it.
fn read(cloud: &Arc<Cloud>, bytes: &[u8]) -> Result<(), String> {
    let mut kept: Map<String, Value> = serde_json::from_slice(bytes)
        .map_err(|error| format!("it isn't what was written: {error}"))?;
    let version = kept.get("version").and_then(Value::as_u64);
    if version != Some(VERSION) {
        return Err("it's of another version of the embedded cloud".to_owned());
    }
    let of = |name: &str, kept: &mut Map<String, Value>| kept.remove(name).unwrap_or(Value::Null);
    let said = |name: &str, result: Result<(), String>| {
        result.map_err(|reason| format!("{name}: {reason}"))
    };
    give(of("iam", &mut kept), |value| {
        said("iam", cloud.iam.restore(value))
    })?;
    give(of("s3", &mut kept), |value| {
        said("s3", cloud.s3.restore(value))
    })?;
    let regions = match of("regions", &mut kept) {
        Value::Object(regions) => regions,
        Value::Null => Map::new(),
        _ => return Err("its regions can't be read".to_owned()),
    };
    for (name, state) in regions {
        let region = cloud.region(&name).map_err(|error| error.message)?;
        let Value::Object(mut state) = state else {
            return Err(format!("{name} can't be read"));
        };
        restore_region(&region, &mut state).map_err(|reason| format!("{name}: {reason}"))?;
    }
    Ok(())
}

fn restore_region(region: &Region, state: &mut Map<String, Value>) -> Result<(), String> {
    let mut service = |name: &str, restore: &dyn Fn(Value) -> Result<(), String>| {
        give(state.remove(name).unwrap_or(Value::Null), |value| {
            restore(value).map_err(|reason| format!("{name}: {reason}"))
        })
    };
    service("cloudwatch", &|value| region.cloudwatch.restore(value))?;
    service("gateway", &|value| region.gateway.restore(value))?;
    service("lambda", &|value| region.lambda.restore(value))?;
    service("logs", &|value| region.logs.restore(value))?;
    service("sockets", &|value| region.sockets.restore(value))?;
    service("sqs", &|value| region.sqs.restore(value))
}

/// A service that kept nothing gets nothing.
fn give(value: Value, restore: impl FnOnce(Value) -> Result<(), String>) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    restore(value)
}

/// Everything that is to be kept.
fn gathered(cloud: &Cloud) -> Value {
    let regions: Map<String, Value> = cloud
        .regions()
        .into_iter()
        .map(|region| {
            let state = json!({
                "cloudwatch": region.cloudwatch.keep(),
                "gateway": region.gateway.keep(),
                "lambda": region.lambda.keep(),
                "logs": region.logs.keep(),
                "sockets": region.sockets.keep(),
                "sqs": region.sqs.keep(),
            });
            (region.name.clone(), state)
        })
        .collect();
    json!({
        "version": VERSION,
        "iam": cloud.iam.keep(),
        "s3": cloud.s3.keep(),
        "regions": regions,
    })
}

/// Writes what changed every now and then, so that a killed cloud loses little.
pub fn keep_up(cloud: &Arc<Cloud>) {
    if cloud.options.keep.is_none() {
        return;
    }
    // Not to hold the cloud itself: what runs in it must not be what keeps it.
    let weak = Arc::downgrade(cloud);
    cloud.spawn(async move {
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let Some(cloud) = weak.upgrade() else {
                return;
            };
            let begun = Instant::now();
            let kept = tokio::task::spawn_blocking(move || keep(&cloud)).await;
            if let Ok(Err(error)) = kept {
                tracing::warn!(error = %complete(&error), "what changed isn't kept");
            }
            pause = PAUSE.max(begun.elapsed() * SHARE);
        }
    });
}

fn complete(error: &StartError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Writes everything, if anything changed since it was written.
pub fn keep(cloud: &Arc<Cloud>) -> Result<(), StartError> {
    let mut held = cloud.kept.held.lock();
    // What could not be read isn't held, and so it's never written over.
    let Some(held) = &mut *held else {
        return Ok(());
    };
    let bytes = serde_json::to_vec(&gathered(cloud)).map_err(|error| StartError::Kept {
        path: held.file.clone(),
        reason: error.to_string(),
    })?;
    let hash = hash(&bytes);
    if held.written == Some(hash) {
        return Ok(());
    }
    replace(&held.file, &bytes).map_err(|source| StartError::Folder {
        path: held.file.clone(),
        source,
    })?;
    held.written = Some(hash);
    Ok(())
}

/// Writes everything, and leaves the folder to others.
pub fn close(cloud: &Arc<Cloud>) -> Result<(), StartError> {
    let kept = keep(cloud);
    *cloud.kept.held.lock() = None;
    kept
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Writes a file beside, and puts it in the place of the old one once it's whole.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    // For its owner only, as temporary files are.
    let mut beside = tempfile::Builder::new()
        .prefix(".cloud-")
        .tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn options(folder: &Path) -> Options {
        Options {
            keep: Some(folder.to_owned()),
            ..Options::default()
        }
    }

    fn state(folder: &Path) -> Value {
        serde_json::from_slice(&fs::read(folder.join(STATE)).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_cloud_that_stops_keeps_its_regions() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("a/b");
        let running = crate::start(options(&folder)).await.unwrap();
        running.cloud().region("eu-west-1").unwrap();
        running.stop().await.unwrap();
        assert_eq!(state(&folder)["version"], VERSION);
        let running = crate::start(options(&folder)).await.unwrap();
        let regions: Vec<String> = running
            .cloud()
            .regions()
            .iter()
            .map(|region| region.name.clone())
            .collect();
        assert_eq!(regions, ["eu-west-1"]);
        running.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_changes_is_written_while_the_cloud_runs() {
        let folder = tempfile::tempdir().unwrap();
        let running = crate::start(options(folder.path())).await.unwrap();
        running.cloud().region("eu-west-1").unwrap();
        keep(running.cloud()).unwrap();
        let first = state(folder.path());
        assert!(first["regions"]["eu-west-1"].is_object());
        let written = fs::metadata(folder.path().join(STATE))
            .unwrap()
            .modified()
            .unwrap();
        keep(running.cloud()).unwrap();
        let again = fs::metadata(folder.path().join(STATE))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(written, again);
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != STATE && name != LOCK)
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_written_of_itself() {
        let folder = tempfile::tempdir().unwrap();
        let cloud = Cloud::for_test(options(folder.path()));
        restore(&cloud).unwrap();
        keep_up(&cloud);
        cloud.region("eu-west-1").unwrap();
        while !folder.path().join(STATE).exists() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(state(folder.path())["regions"]["eu-west-1"].is_object());
    }

    #[tokio::test]
    async fn two_clouds_do_not_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = crate::start(options(folder.path())).await.unwrap();
        let second = crate::start(options(folder.path())).await.unwrap_err();
        assert!(
            second
                .to_string()
                .contains("another cloud that runs uses it")
        );
        first.stop().await.unwrap();
        crate::start(options(folder.path())).await.unwrap();
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_said_and_left_as_it_is() {
        for broken in [
            &b""[..],
            b"{",
            b"[]",
            br#"{"version":2}"#,
            br#"{"version":1,"regions":[]}"#,
            br#"{"version":1,"regions":{"no region":{}}}"#,
            br#"{"version":1,"regions":{"eu-west-1":7}}"#,
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(STATE);
            fs::write(&file, broken).unwrap();
            let error = crate::start(options(folder.path())).await.unwrap_err();
            assert!(matches!(error, StartError::Kept { .. }), "{error}");
            assert_eq!(fs::read(&file).unwrap(), broken);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("kept");
        let running = crate::start(options(&folder)).await.unwrap();
        running.stop().await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(STATE)), 0o600);
    }
}
