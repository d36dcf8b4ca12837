//! A WebSocket client: what the demo talks to a deployed system with.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

/// An open connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The protocol, or the network.
    #[error(transparent)]
    Socket(#[from] tungstenite::Error),
    /// Nothing came.
    #[error("no answer within {} s", .0.as_secs())]
    Silence(Duration),
    /// The other side closed the connection.
    #[error("the connection was closed{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Closed(Option<String>),
}

impl Client {
    /// Opens a connection to `ws://…`.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        // Large errors come in it: a box each for who only passes them on.
        let (socket, _) = Box::pin(connect_async(address)).await?;
        Ok(Self { socket })
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// The next text that comes.
    pub async fn receive(&mut self, within: Duration) -> Result<String, ClientError> {
        let next = async {
            loop {
                match self.socket.next().await {
                    None => return Err(ClientError::Closed(None)),
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map(|frame| format!("{} {}", frame.code, frame.reason));
                        return Err(ClientError::Closed(why));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
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
