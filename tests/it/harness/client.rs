//! A WebSocket client, as a browser would be.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::header::{HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::run;

/// How long a client waits for what must come.
const BOUND: Duration = Duration::from_secs(20);

/// How to connect: headers and subprotocols.
#[derive(Debug, Clone, Default)]
pub struct Connect {
    headers: Vec<(String, String)>,
}

/// A handshake that the other side refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The response's body.
    pub body: String,
}

/// An open connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    subprotocol: Option<String>,
}

impl Connect {
    /// A plain handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From this origin.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// Offers subprotocols, `a, b`.
    #[must_use]
    pub fn subprotocols(self, offered: &str) -> Self {
        self.header("sec-websocket-protocol", offered)
    }

    /// Connects; panics if it's refused.
    #[track_caller]
    pub fn to(&self, url: &str) -> Client {
        match self.attempt(url) {
            Ok(client) => client,
            Err(refusal) => panic!("{url} refused the handshake: {refusal:?}"),
        }
    }

    /// Expects to be refused.
    #[track_caller]
    pub fn refused_by(&self, url: &str) -> Refusal {
        match self.attempt(url) {
            Ok(_) => panic!("{url} accepted the handshake"),
            Err(refusal) => refusal,
        }
    }

    /// Connects to `ws://{api}.execute-api.localhost:{port}/{stage}` (`http://` is taken for `ws://`, as emulators
    /// give it). The connection goes to 127.0.0.1, since `*.localhost` needn't resolve; the Host header stays.
    pub fn attempt(&self, url: &str) -> Result<Client, Refusal> {
        let (scheme, rest) = url.split_once("://").expect("a URL with a scheme");
        assert!(
            matches!(scheme, "ws" | "http"),
            "the tests' client speaks no TLS: {url}"
        );
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let port: u16 = host
            .rsplit_once(':')
            .map_or(80, |(_, port)| port.parse().expect("a port"));
        let mut request = format!("ws://{rest}")
            .into_client_request()
            .expect("a WebSocket URL");
        for (name, value) in &self.headers {
            request.headers_mut().append(
                name.parse::<HeaderName>().expect("a header's name"),
                HeaderValue::from_str(value).expect("a header's value"),
            );
        }
        let handshake = async {
            let stream = TcpStream::connect(("127.0.0.1", port))
                .await
                .expect("a TCP connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            tokio_tungstenite::client_async(request, stream).await
        };
        match within(&format!("the handshake of {url}"), handshake) {
            Ok((socket, response)) => {
                let subprotocol = response
                    .headers()
                    .get("sec-websocket-protocol")
                    .and_then(|value| value.to_str().ok())
                    .map(str::to_owned);
                Ok(Client {
                    socket,
                    subprotocol,
                })
            }
            Err(Error::Http(response)) => Err(Refusal {
                status: response.status().as_u16(),
                body: response
                    .body()
                    .as_deref()
                    .map(|body| String::from_utf8_lossy(body).into_owned())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("the handshake of {url}: {error}"),
        }
    }
}

impl Client {
    /// Connects with a plain handshake.
    #[track_caller]
    pub fn connect(url: &str) -> Self {
        Connect::new().to(url)
    }

    /// The subprotocol that the other side chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sends a text message.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        within(
            "a message to be sent",
            self.socket.send(Message::text(text)),
        )
        .expect("an open connection");
    }

    /// Sends a value as JSON.
    #[track_caller]
    pub fn send_json(&mut self, value: &serde_json::Value) {
        self.send(&value.to_string());
    }

    /// The next text message; panics if it doesn't come in 20 s or the connection closes.
    #[track_caller]
    pub fn receive(&mut self) -> String {
        self.receive_within(BOUND)
            .unwrap_or_else(|| panic!("no message in {BOUND:?}"))
    }

    /// The next text message as JSON.
    #[track_caller]
    pub fn receive_json(&mut self) -> serde_json::Value {
        let text = self.receive();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next text message, if one comes in this time; panics if the connection closes.
    #[track_caller]
    pub fn receive_within(&mut self, bound: Duration) -> Option<String> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return text.to_string(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("expected a text message, got {other:?}"),
                }
            }
        };
        run(async { tokio::time::timeout(bound, next).await }).ok()
    }

    /// Waits for the other side to close; gives the close code, or `None` if it sent none.
    #[track_caller]
    pub fn closed(&mut self) -> Option<u16> {
        let end = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        within("the connection to be closed", end)
    }

    /// Closes the connection in good order, and waits until the other side has done so too.
    #[track_caller]
    pub fn end(mut self) {
        within("the connection to close", self.socket.close(None)).expect("an open connection");
        let _ = self.closed();
    }

    /// Closes the connection in good order.
    #[track_caller]
    pub fn close(mut self) {
        within("the connection to close", self.socket.close(None)).expect("an open connection");
    }
}

#[track_caller]
fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    run(async { tokio::time::timeout(BOUND, future).await })
        .unwrap_or_else(|_| panic!("waited {BOUND:?} for {what}"))
}
