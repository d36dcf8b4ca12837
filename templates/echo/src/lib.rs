//! What the handlers do. Their binaries, in `src/bin`, only serve these functions.

use serde::{Deserialize, Serialize};
use wsless_handlers::{Context, Error, Message, Reply};

/// Sends a message back to where it came from.
pub async fn echo(message: Message, _context: Context) -> Result<Reply, Error> {
    Ok(Reply::to_sender(message.text()))
}

#[derive(Deserialize)]
struct Ping {
    id: Option<u64>,
}

#[derive(Serialize)]
struct Pong {
    pong: Option<u64>,
}

/// Answers `{"action":"ping","id":7}` with `{"pong":7}`. The id is the client's, to tell its pings apart.
pub async fn ping(message: Message, _context: Context) -> Result<Reply, Error> {
    let id = message.json::<Ping>().ok().and_then(|ping| ping.id);
    Ok(Reply::to_sender(serde_json::to_string(&Pong { pong: id })?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_comes_back_as_it_was() -> Result<(), Error> {
        let text = "not JSON: & + % \" \u{1f600}";
        let reply = echo(Message::new(text), Context::for_tests()).await?;
        assert_eq!(reply.sender_texts(), [text]);
        Ok(())
    }

    #[tokio::test]
    async fn a_ping_is_answered_with_its_id() -> Result<(), Error> {
        let ask = |text: &str| ping(Message::new(text), Context::for_tests());
        assert_eq!(
            ask(r#"{"action":"ping","id":7}"#).await?.sender_texts(),
            [r#"{"pong":7}"#]
        );
        for without in [
            r#"{"action":"ping"}"#,
            r#"{"action":"ping","id":"x"}"#,
            "ping",
        ] {
            assert_eq!(ask(without).await?.sender_texts(), [r#"{"pong":null}"#]);
        }
        Ok(())
    }
}
