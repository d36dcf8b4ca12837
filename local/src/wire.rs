//! The wire: one loopback port, AWS's protocols in and out.
//!
//! In: HTTP/1.1 requests. Out: a [`Call`](crate::call::Call) for the service that is meant, and the service's answer in the
//! protocol that the caller speaks. What a request is (`place`, `protocol`, `rest`, `query`, `s3`), whether it may come in
//! (`guard`, `sigv4`, `rates`) and how an answer is dressed (`json`, `cbor`, `xml`) are decided purely; only this file,
//! `aws`, `body` and `data` await.
//!
//! No request makes it panic, and none takes more memory than its protocol allows.

pub mod rates;
pub mod rest;

mod aws;
pub(crate) mod body;
mod cbor;
mod data;
mod guard;
mod held;
mod json;
mod place;
mod protocol;
mod query;
mod s3;
pub(crate) mod sigv4;
#[cfg(test)]
pub(crate) mod tests;
mod xml;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use self::{held::Held, place::Place};
use crate::{cloud::Cloud, sockets::SentNames};

/// How many connections there may be at a time, open WebSockets among them.
const CONNECTIONS: usize = 20_000;
/// How long a new connection may take until its first request's head is there. It's scaled as AWS's own limits are, but no
/// shorter than what a busy machine needs.
const FIRST_HEAD: Duration = Duration::from_secs(30);
const FIRST_HEAD_LEAST: Duration = Duration::from_secs(2);
/// How long it may take to send another, or be idle between two requests. Longer than clients keep idle connections in
/// their pools (the SDKs' 90 s at most), so that they don't meet a connection that is just being closed.
const HEAD: Duration = Duration::from_mins(2);
/// The most that a request's head may be; presigned addresses and roles' tokens fit well.
const HEAD_BYTES: usize = 64 * 1024;
/// As much of a connection's beginning is looked at for a handshake: browsers' fit, cookies and all.
const PEEKED: usize = 8 * 1024;
/// How long to wait when no connection can be taken, as when there are no more file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// An answer's body: whole, or as it comes.
pub(crate) type Body = Either<Full<Bytes>, body::Stream>;

/// The connection is cut instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

/// Who is at the other end of a data plane connection; in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Accepts connections for as long as the cloud runs.
pub async fn serve(cloud: Arc<Cloud>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                cloud.spawn(connection(
                    Arc::clone(&cloud),
                    Held::new(stream, place),
                    peer,
                ));
            }
            Err(error) if is_the_connections(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// Whether only this one connection is lost.
fn is_the_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Serves one connection until it ends, or becomes a WebSocket. One that doesn't get as far as a request is ended soon.
async fn connection(cloud: Arc<Cloud>, stream: Held<TcpStream>, peer: SocketAddr) {
    let limit = cloud.delays.scaled(FIRST_HEAD).max(FIRST_HEAD_LEAST);
    let until = tokio::time::Instant::now() + limit;
    let Ok(Ok(names)) = tokio::time::timeout_at(until, names(&stream)).await else {
        return;
    };
    let heard = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&heard);
    let answering = service_fn(move |mut request: Request<Incoming>| {
        hears.store(true, Ordering::Relaxed);
        let cloud = Arc::clone(&cloud);
        if let Some(names) = &names {
            request.extensions_mut().insert(names.clone());
        }
        async move { answer(&cloud, peer, request).await }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answering)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let served = match tokio::time::timeout_at(until, &mut serving).await {
        Ok(served) => served,
        Err(_) if heard.load(Ordering::Relaxed) => serving.await,
        Err(_) => return,
    };
    if let Err(error) = served {
        // Clients go away as they like, and hyper has answered what it couldn't read.
        tracing::trace!(%error, "a connection ended");
    }
}

/// How the names of a handshake's headers are written: hyper forgets it, and events tell it, so that it's looked at before
/// hyper reads it.
async fn names(stream: &Held<TcpStream>) -> io::Result<Option<SentNames>> {
    // Until something is there, nothing is held for it.
    stream.readable().await?;
    let mut head = vec![0; PEEKED];
    let there = stream.peek(&mut head).await?;
    Ok(head.get(..there).and_then(SentNames::of_handshake))
}

/// Answers one request.
async fn answer(
    cloud: &Arc<Cloud>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let host = match guard::host(request.uri(), request.headers()) {
        Ok(host) => host,
        Err(refusal) => return Ok(plain(refusal.0, refusal.1)),
    };
    let place = place::of(
        host.name,
        request.method(),
        request.uri(),
        request.headers(),
    );
    let handshake = matches!(place, Place::Socket { .. }) && guard::is_handshake(&request);
    if !handshake
        && let Err(refusal) =
            guard::origin(request.method(), request.uri(), request.headers(), host)
    {
        return Ok(plain(refusal.0, refusal.1));
    }
    match place {
        Place::Runtime(path) => {
            let path = path.to_owned();
            data::runtime(cloud, &path, request).await
        }
        Place::Socket { api, stage, region } => {
            let target = data::Target::find(cloud, &api, &stage, region);
            Ok(data::socket(cloud, target, peer, request).await)
        }
        Place::Connections {
            api,
            stage,
            region,
            path,
        } => {
            let target = data::Target::find(cloud, &api, &stage, region);
            let path = path.to_owned();
            data::connections(cloud, target, &path, request).await
        }
        Place::Console => Ok(crate::console::answer(cloud, request).await),
        Place::Aws => aws::answer(cloud, request).await,
    }
}

/// A plain text answer, for what isn't AWS's to answer.
fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(format!("{text}\n")))));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
