//! A proxy between the binary and an emulator that records every AWS call, and can make one fail.
//!
//! It changes nothing: path, headers and body go on as they came, the Host header too, so signatures stay valid.
//! WebSockets and functions don't come through it; they know the emulator's own port.

mod call;
mod fault;
mod names;

pub use call::{Call, Calls};
pub use fault::Fault;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{run, wait_for};
use fault::Action;

/// The running proxy.
#[derive(Debug)]
pub struct Recorder {
    port: u16,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A moment in the record, to ask what came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(usize);

#[derive(Debug)]
struct Shared {
    upstream: u16,
    began: Instant,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Vec<Fault>>,
    /// How many more mutating calls may pass; `None`: all.
    allowance: Mutex<Option<Allowance>>,
    released: watch::Sender<u64>,
}

/// How far a run gets.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// So many mutating calls pass.
    mutations: usize,
    /// The last of them is done, but its answer is held.
    holds_the_last_answer: bool,
}

/// What becomes of a call before any rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Passes,
    /// It's done; whoever sent it doesn't hear so.
    AnswerIsHeld,
    IsHeld,
}

impl Recorder {
    /// Starts a proxy on a free port before the emulator at `upstream` on 127.0.0.1.
    pub fn start(upstream: u16) -> Self {
        let listener = run(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let shared = Arc::new(Shared {
            upstream,
            began: Instant::now(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            allowance: Mutex::default(),
            released: watch::Sender::new(0),
        });
        let accepting = super::RUNTIME.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// Its address, `http://127.0.0.1:{port}`: what clients take for AWS.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All calls so far, in the order of their arrival.
    pub fn calls(&self) -> Calls {
        self.calls_since(Mark(0))
    }

    /// Now, as a place in the record.
    pub fn mark(&self) -> Mark {
        Mark(self.shared.calls().len())
    }

    /// The calls that came after a mark.
    pub fn calls_since(&self, mark: Mark) -> Calls {
        Calls::new(self.shared.calls()[mark.0..].to_vec())
    }

    /// The calls after a mark that could change something. The lock and the record of a deployment are
    /// among them: `.except("s3")` leaves them out.
    pub fn mutations_since(&self, mark: Mark) -> Calls {
        self.calls_since(mark).mutations()
    }

    /// The next call of this operation is answered with an AWS error and doesn't reach the emulator.
    pub fn fail_next(&self, operation: &str, status: u16, code: &str, message: &str) {
        self.fault(Fault::on(operation).error(status, code, message));
    }

    /// Adds a rule. The first rule that fits a call decides.
    pub fn fault(&self, fault: Fault) {
        locked(&self.shared.faults).push(fault);
    }

    /// The rules that haven't come into effect as often as they should: empty when a test did what it meant.
    pub fn unused_faults(&self) -> Vec<String> {
        let faults = locked(&self.shared.faults);
        faults
            .iter()
            .filter(|fault| !fault.is_used_up())
            .map(Fault::to_string)
            .collect()
    }

    /// Lets `count` more mutating calls pass and holds every call after them, as if the network stood still.
    /// For tests that kill the binary in the middle of its work.
    pub fn hold_after_mutations(&self, count: usize) {
        *locked(&self.shared.allowance) = Some(Allowance {
            mutations: count,
            holds_the_last_answer: false,
        });
    }

    /// The same, and the answer to the last of those that pass is held too: it's done, and nobody hears of it.
    pub fn hold_from_the_answer_of_mutation(&self, number: usize) {
        *locked(&self.shared.allowance) = Some(Allowance {
            mutations: number,
            holds_the_last_answer: true,
        });
    }

    /// Waits until a call is held.
    pub fn wait_until_held(&self, bound: Duration) {
        wait_for("a call to be held", bound, || {
            self.shared
                .calls()
                .iter()
                .any(|call| call.held)
                .then_some(())
        });
    }

    /// Calls pass again. Those held meanwhile are dropped unsent: whoever sent them is to be dead by now.
    pub fn release(&self) {
        *locked(&self.shared.allowance) = None;
        for call in self.shared.calls().iter_mut() {
            call.held = false;
        }
        self.shared.released.send_modify(|turn| *turn += 1);
    }

    /// Writes every call as one line of JSON, which `python/model_check.py` reads.
    pub fn write_jsonl(&self, path: &Path) {
        let lines: String = self
            .shared
            .calls()
            .iter()
            .map(|call| call.to_json() + "\n")
            .collect();
        std::fs::write(path, lines).expect("a file of calls");
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
        if std::thread::panicking() {
            let calls = self.shared.calls();
            let from = calls.len().saturating_sub(25);
            eprintln!("--- the last of {} AWS calls:", calls.len());
            for call in &calls[from..] {
                eprintln!("{call}");
            }
            eprintln!("---");
        }
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        locked(&self.calls)
    }

    /// Whether the call may go on; counts it if it's a mutation.
    fn admit(&self, call: &Call) -> Admission {
        let mut allowance = locked(&self.allowance);
        let Some(allowance) = allowance.as_mut() else {
            return Admission::Passes;
        };
        if allowance.mutations == 0 {
            return Admission::IsHeld;
        }
        allowance.mutations -= usize::from(call.is_mutation());
        if allowance.mutations == 0 && allowance.holds_the_last_answer {
            Admission::AnswerIsHeld
        } else {
            Admission::Passes
        }
    }
}

/// A test that has panicked leaves data that is still worth showing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = hyper::service::service_fn(|request| answer(request, &shared));
            // An error is a client that went away, or a fault that closes the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut call = Call::new(&parts, &body, shared.began.elapsed());
    let mut released = shared.released.subscribe();
    let admission = shared.admit(&call);
    call.held = admission == Admission::IsHeld;
    let index = {
        let mut calls = shared.calls();
        calls.push(call.clone());
        calls.len() - 1
    };
    if call.held {
        let _ = released.changed().await;
        return Err(io::Error::other("held, then dropped"));
    }
    let action = locked(&shared.faults)
        .iter_mut()
        .find_map(|fault| fault.applies_to(&call));
    let response = match action {
        Some(Action::LoseRequest) => Err(io::Error::other("the request is lost")),
        Some(Action::LoseResponse) => {
            forward(parts, body, shared.upstream).await?;
            Err(io::Error::other("the response is lost"))
        }
        Some(Action::Answer(reply)) => Ok(reply.to_response(&call)),
        Some(Action::Delay(time)) => {
            tokio::time::sleep(time).await;
            forward(parts, body, shared.upstream).await
        }
        None => forward(parts, body, shared.upstream).await,
    };
    if admission == Admission::AnswerIsHeld {
        shared.calls()[index].held = true;
        let _ = released.changed().await;
        return Err(io::Error::other("done, and the answer dropped"));
    }
    let mut calls = shared.calls();
    calls[index].status = response.as_ref().ok().map(|found| found.status().as_u16());
    calls[index].ended = Some(shared.began.elapsed());
    response
}

async fn forward(
    parts: hyper::http::request::Parts,
    body: Bytes,
    upstream: u16,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let stream = TcpStream::connect(("127.0.0.1", upstream)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let send = async move {
        let request = Request::from_parts(parts, Full::new(body));
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::from_parts(parts, Full::new(body)))
    };
    // Both are driven here, so nothing of a call outlives it.
    let (_, response) = tokio::join!(connection, send);
    let mut response = response.map_err(io::Error::other)?;
    // How the body was framed is between the emulator and us.
    response.headers_mut().remove("transfer-encoding");
    response.headers_mut().remove("connection");
    Ok(response)
}
