//! A WebSocket client: what `connect`, `demo` and `doctor` talk to a deployed system with.
//!
//! In: a [`Handshake`], which says where and how to connect. Out: an open [`Client`], or a [`ClientError`] that says what
//! a refusal means on API Gateway. Prints nothing and knows no project.

mod expectation;
mod handshake;
mod script;
mod selection;
mod words;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

pub use self::{
    expectation::Expectation,
    handshake::{Handshake, Refusal, Signature},
    script::{Exchange, Missed, RoundTrip, Script, Step, run as play},
    selection::{NotSimple, Selection},
    words::meaning_of_close,
};
use crate::diagnostic::Diagnostic;

/// The largest frame that API Gateway takes; a longer message must come in several [DG-web websocket-limits].
const FRAME: usize = 32 * 1024;

/// An open connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    subprotocol: Option<String>,
}

/// What the other side sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text.
    Text(String),
    /// Bytes; API Gateway sends none by itself.
    Binary(Vec<u8>),
    /// It closed the connection.
    Closed(Closing),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The close code: 1005 if none was sent, 1006 if the line broke.
    pub code: u16,
    /// The other side's words; untrusted.
    pub reason: String,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// What was given is no address of a WebSocket API.
    #[error("`{0}` isn't a WebSocket address")]
    Address(String),
    /// A header can't be sent.
    #[error("the header `{0}` can't be sent")]
    Header(String),
    /// The handshake was answered with a status other than 101.
    #[error("the handshake was refused with {}", .0.status)]
    Refused(Refusal),
    /// The other side chose no subprotocol of those offered.
    #[error("the other side chose none of the subprotocols that were offered")]
    Subprotocol,
    /// The host can't be reached.
    #[error("{host} can't be reached: {error}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The network's words.
        error: std::io::Error,
    },
    /// There is no TLS to be had.
    #[error("TLS can't be used: {0}")]
    Tls(String),
    /// The request couldn't be signed.
    #[error("the handshake can't be signed: {0}")]
    Unsigned(String),
    /// The protocol, or the network.
    #[error(transparent)]
    Socket(#[from] tungstenite::Error),
    /// Nothing came.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silence(Duration),
    /// The other side closed the connection.
    #[error("the connection was closed: {} {}", .0.code, .0.reason)]
    Closed(Closing),
}

impl Client {
    /// Connects to `wss://…` or `ws://…`.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        Handshake::to(address).open().await
    }

    /// The subprotocol that the other side chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Sends a text, in several frames if it's longer than API Gateway takes in one.
    pub async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        if text.len() <= FRAME {
            return Ok(self.socket.send(Message::text(text)).await?);
        }
        let pieces = text.as_bytes().chunks(FRAME);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            let kind = if index == 0 {
                Data::Text
            } else {
                Data::Continue
            };
            let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), index == last);
            self.socket.send(Message::Frame(frame)).await?;
        }
        Ok(())
    }

    /// What comes next. Dropped before it's there, nothing is lost.
    pub async fn next(&mut self) -> Incoming {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Incoming::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Incoming::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    // The other half of the farewell; that the line is gone by then is no harm.
                    let _ = self.socket.close(None).await;
                    return Incoming::Closed(Closing { code, reason });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Incoming::Closed(Closing {
                        code: 1006,
                        reason: error.to_string(),
                    });
                }
                None => {
                    return Incoming::Closed(Closing {
                        code: 1006,
                        reason: String::new(),
                    });
                }
            }
        }
    }

    /// The next text that comes.
    pub async fn receive(&mut self, within: Duration) -> Result<String, ClientError> {
        let next = async {
            loop {
                match self.next().await {
                    Incoming::Text(text) => return Ok(text),
                    Incoming::Binary(_) => {}
                    Incoming::Closed(closing) => return Err(ClientError::Closed(closing)),
                }
            }
        };
        tokio::time::timeout(within, next)
            .await
            .unwrap_or(Err(ClientError::Silence(within)))
    }

    /// Closes the connection in order.
    pub async fn close(mut self) -> Result<(), ClientError> {
        Ok(self.socket.close(None).await?)
    }
}

impl ClientError {
    /// The error as a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        words::diagnostic(self)
    }
}
