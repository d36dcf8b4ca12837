//! The line to the Runtime API: one kept connection, one request at a time.
//!
//! Not the client that calls AWS: its pool, its resolver and its tasks cost a quick handler more than the handler itself.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Error;
use crate::aws::http::{Answer, chain, is_local};

/// A connection is given up after this long without an answer to its SYN.
const CONNECT: Duration = Duration::from_secs(3);

/// The Runtime API of one process.
#[derive(Debug)]
pub(super) struct Api {
    /// As the `Host` header names it.
    host: HeaderValue,
    /// Where to connect to.
    address: String,
    /// What the paths begin with.
    base: String,
    line: Option<Line>,
}

/// A connection, and the way into it.
#[derive(Debug)]
struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Gone once it has ended.
    connection: Option<Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>>,
}

impl Api {
    /// The one that `AWS_LAMBDA_RUNTIME_API` names: a host and a port. Emulators may put a path behind them.
    pub fn new(named: &str) -> Result<Self, Error> {
        let (host, base) = named.split_at(named.find('/').unwrap_or(named.len()));
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (host, "80"),
        };
        let name = if is_local(name) { "127.0.0.1" } else { name };
        Ok(Self {
            host: HeaderValue::from_str(host)?,
            address: format!("{name}:{port}"),
            base: format!("{}/2018-06-01/runtime", base.trim_end_matches('/')),
            line: None,
        })
    }

    /// Sends a request to a path below the API's, and reads the whole answer, however long that takes: Lambda freezes the
    /// process while it waits for work.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Answer, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, self.host.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(body))?;
        loop {
            let kept = self.line.take();
            let is_kept = kept.is_some();
            let mut line = match kept {
                Some(line) => line,
                None => self.connect().await?,
            };
            match line.exchange(request).await {
                Ok(answer) => {
                    self.line = Some(line);
                    return Ok(answer);
                }
                // The kept connection has ended meanwhile, and the request never left.
                Err(Failed::Before(back)) if is_kept => request = *back,
                Err(Failed::Before(_)) => return Err("the Runtime API hung up".into()),
                Err(Failed::Within(error)) => return Err(error),
            }
        }
    }

    async fn connect(&self) -> Result<Line, Error> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(&self.address));
        let stream = connecting
            .await
            .map_err(|_| format!("the Runtime API at {} doesn't answer", self.address))?
            .map_err(|e| format!("the Runtime API at {}: {e}", self.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Line {
            sender,
            connection: Some(Box::pin(connection)),
        })
    }
}

/// Why there's no answer.
enum Failed {
    /// The request wasn't sent: here it is.
    Before(Box<Request<Full<Bytes>>>),
    Within(Error),
}

impl Line {
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failed> {
        let sender = &mut self.sender;
        let exchange = async move {
            if sender.ready().await.is_err() {
                return Err(Failed::Before(Box::new(request)));
            }
            let answer = match sender.try_send_request(request).await {
                Ok(answer) => answer,
                Err(mut error) => {
                    return Err(match error.take_message() {
                        Some(back) => Failed::Before(Box::new(back)),
                        None => Failed::Within(chain(error.error()).into()),
                    });
                }
            };
            let (parts, body) = answer.into_parts();
            let body = body.collect().await;
            let body = body.map_err(|e| Failed::Within(chain(&e).into()))?;
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        carried(&mut self.connection, exchange).await
    }
}

/// Awaits what a connection carries, and carries it: a task of the connection's own would have to be woken each time.
async fn carried<C: Future, T>(
    connection: &mut Option<Pin<Box<C>>>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(running) = connection else {
            return Poll::Pending;
        };
        // What goes wrong with it is the work's error.
        if running.as_mut().poll(context).is_ready() {
            *connection = None;
        }
        work.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_api_is_where_lambda_and_emulators_say() {
        let at = |named| {
            let api = Api::new(named).unwrap();
            (api.address, api.base)
        };
        for (named, address, base) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", "/2018-06-01/runtime"),
            ("x.localhost:9001/", "127.0.0.1:9001", "/2018-06-01/runtime"),
            ("[::1]:9/p/q", "[::1]:9", "/p/q/2018-06-01/runtime"),
            ("runtime", "runtime:80", "/2018-06-01/runtime"),
        ] {
            assert_eq!(at(named), (address.to_owned(), base.to_owned()), "{named}");
        }
        assert!(Api::new("a\nb:1").is_err());
    }

    /// Answers the requests of each connection, one after the other, and closes it after so many.
    async fn server(listener: TcpListener, each: usize) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..each {
                let mut bytes = [0; 1024];
                let mut read = 0;
                while !bytes[..read].ends_with(b"\r\n\r\n") {
                    read += stream.read(&mut bytes[read..]).await.unwrap();
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = listener.local_addr().unwrap().to_string();
        let served = tokio::spawn(server(listener, 2));
        let mut api = Api::new(&named).unwrap();
        for _ in 0..6 {
            let asked = api.send(Method::GET, "/invocation/next", &[], Bytes::new());
            assert_eq!(asked.await.unwrap().body, "ok");
            // The connection's end is seen, if it has come.
            tokio::task::yield_now().await;
        }
        served.abort();
        let _ = served.await;
        let nobody = api.send(Method::GET, "/invocation/next", &[], Bytes::new());
        assert!(nobody.await.is_err());
    }
}
