//! The embedded clouds that run on this machine: how one makes itself known, and how a command finds it.
//!
//! Each leaves a note in the user's state folder while it runs. A note alone isn't believed: the endpoint must be on the
//! loopback address and answer with the id that the note names.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::diagnostic::Diagnostic;

/// Where `wsless local` listens unless told otherwise.
pub const PORT: u16 = 4510;
/// On loopback, whoever hasn't answered by then won't.
const ANSWER: Duration = Duration::from_secs(2);
/// An answer is a few words.
const MOST_READ: usize = 4096;

/// An embedded cloud that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearby {
    /// Where it listens: `http://127.0.0.1:4510`.
    pub endpoint: String,
    /// What it answers to who asks for it.
    pub id: String,
    /// Its process.
    pub pid: u32,
    /// The project that it runs, if it was started for one (`wsless dev`).
    pub project: Option<PathBuf>,
}

/// A cloud's note; dropped, it's taken back.
#[derive(Debug)]
pub struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes a cloud known.
pub fn announce(cloud: &Nearby) -> io::Result<Note> {
    let folder = folder().ok_or_else(|| io::Error::other("there is no home folder"))?;
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.json", cloud.id));
    std::fs::write(&path, serde_json::to_vec(cloud)?)?;
    Ok(Note(path))
}

/// The cloud that runs: the project's own before any other.
pub async fn find(project: Option<&Path>) -> Result<Nearby, Diagnostic> {
    let project = project.and_then(|dir| dir.canonicalize().ok());
    let mut found = Vec::new();
    for path in notes() {
        let Some(cloud) = read(&path) else { continue };
        if answers(&cloud).await {
            found.push(cloud);
        } else {
            // Its process was killed: nobody else takes the note back.
            let _ = std::fs::remove_file(&path);
        }
    }
    if let Some(own) = found
        .iter()
        .position(|cloud| cloud.project.is_some() && cloud.project == project)
    {
        return Ok(found.swap_remove(own));
    }
    // One that runs another project is that project's.
    found.retain(|cloud| cloud.project.is_none());
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(
            Diagnostic::error("local::none", "no embedded cloud runs on this machine").help(
                "start one in another terminal: `wsless local`, or `wsless dev` for this project",
            ),
        ),
        _ => {
            let error = Diagnostic::error(
                "local::several",
                "several embedded clouds run on this machine",
            )
            .note(
                found
                    .iter()
                    .map(|cloud| cloud.endpoint.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            );
            Err(error.help("name the one that is meant with --endpoint-url, or end the others"))
        }
    }
}

/// Where wsless remembers things about this user's work on this machine.
pub fn state_folder() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("wsless"))
}

fn folder() -> Option<PathBuf> {
    Some(state_folder()?.join("local"))
}

fn notes() -> Vec<PathBuf> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok());
    let mut paths: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Option<Nearby> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a cloud is where its note says.
async fn answers(cloud: &Nearby) -> bool {
    let address = cloud
        .endpoint
        .strip_prefix("http://")
        .and_then(|rest| rest.parse::<SocketAddr>().ok());
    match address {
        Some(address) if address.ip().is_loopback() => {
            tokio::time::timeout(ANSWER, id_at(address))
                .await
                .ok()
                .flatten()
                .as_ref()
                == Some(&cloud.id)
        }
        _ => false,
    }
}

/// The id of the cloud at an address.
async fn id_at(address: SocketAddr) -> Option<String> {
    #[derive(Deserialize)]
    struct Health {
        id: String,
    }
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let exchange = async {
        let request = Request::get("/_wsless/health")
            .header("host", address.to_string())
            .body(Empty::<Bytes>::new())
            .ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let body = Limited::new(answer.into_body(), MOST_READ)
            .collect()
            .await
            .ok()?
            .to_bytes();
        serde_json::from_slice::<Health>(&body).ok()
    };
    // It carries the exchange, and may end with it: then what it carried is still to be read.
    let carried = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        health = exchange => Some(health?.id),
        () = carried => None,
    }
}
