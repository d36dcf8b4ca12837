//! A chat with rooms. The binary, in `src/bin`, only serves [`chat`].

use serde::{Deserialize, Serialize};
use wsless_handlers::{Context, Error, Message, RegistryError, Reply};

const NAME_CHARS: usize = 32;
const TEXT_CHARS: usize = 2000;

/// What a client may ask.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Request {
    Join { room: String, name: String },
    Leave { room: String },
    Say { room: String, text: String },
    Who { room: String },
}

/// What a client is told.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    /// To who joins.
    Welcome { room: &'a str, name: &'a str },
    /// To the room.
    Joined { room: &'a str, name: &'a str },
    /// To the room.
    Said {
        room: &'a str,
        name: &'a str,
        text: &'a str,
    },
    /// To the room.
    Left { room: &'a str, name: &'a str },
    /// To who leaves.
    Goodbye { room: &'a str },
    /// To who asks.
    Members { room: &'a str, names: Vec<String> },
    /// To who sent something that can't be done.
    Error { message: &'a str },
}

/// Why a request isn't done.
enum Failure {
    /// The client's mistake: it's told.
    Refused(String),
    /// Not the client's: the message is tried again.
    Broken(Error),
}

/// Handles every route. A mistake of the client's is answered; only what may go well another time is an error.
pub async fn chat(message: Message, context: Context) -> Result<Reply, Error> {
    let result = match message.json::<Request>() {
        Ok(request) => answer(request, &context).await,
        Err(error) => Err(Failure::Refused(format!("not understood: {error}"))),
    };
    match result {
        Ok(reply) => Ok(reply),
        Err(Failure::Refused(message)) => {
            Ok(Reply::to_sender(json(&Event::Error { message: &message })))
        }
        Err(Failure::Broken(error)) => Err(error),
    }
}

async fn answer(request: Request, context: &Context) -> Result<Reply, Failure> {
    let registry = context.registry();
    match request {
        Request::Join { room, name } => {
            let name = name.trim();
            check("name", name, NAME_CHARS)?;
            registry.join_as(&room, name).await?;
            let welcome = Reply::to_sender(json(&Event::Welcome { room: &room, name }));
            Ok(welcome.and(Reply::to_room(
                &room,
                json(&Event::Joined { room: &room, name }),
            )))
        }
        Request::Leave { room } => {
            let name = name_in(context, &room).await?;
            registry.leave(&room).await?;
            let goodbye = Reply::to_sender(json(&Event::Goodbye { room: &room }));
            Ok(goodbye.and(Reply::to_room(
                &room,
                json(&Event::Left {
                    room: &room,
                    name: &name,
                }),
            )))
        }
        Request::Say { room, text } => {
            check("text", &text, TEXT_CHARS)?;
            let name = name_in(context, &room).await?;
            Ok(Reply::to_room(
                &room,
                json(&Event::Said {
                    room: &room,
                    name: &name,
                    text: &text,
                }),
            ))
        }
        Request::Who { room } => {
            let members = registry.members(&room).await?;
            let mut names: Vec<String> = members
                .into_iter()
                .filter_map(|member| member.name)
                .collect();
            names.sort();
            Ok(Reply::to_sender(json(&Event::Members {
                room: &room,
                names,
            })))
        }
    }
}

/// The name that the sender has in a room. Who isn't in it may not speak there.
async fn name_in(context: &Context, room: &str) -> Result<String, Failure> {
    let member = context.registry().membership(room).await?;
    let member = member.ok_or_else(|| Failure::Refused(format!("join {room:?} first")))?;
    Ok(member.name.unwrap_or_default())
}

fn check(what: &str, text: &str, most: usize) -> Result<(), Failure> {
    let chars = text.chars().count();
    if chars == 0 || chars > most {
        return Err(Failure::Refused(format!(
            "a {what} has 1 to {most} characters"
        )));
    }
    Ok(())
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            // Nobody is there to be told that the connection is closed, and trying again can't open it.
            RegistryError::InvalidRoom(_) | RegistryError::Closed => {
                Self::Refused(error.to_string())
            }
            other => Self::Broken(other.into()),
        }
    }
}

fn json(event: &Event<'_>) -> String {
    serde_json::to_string(event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(context: &Context, text: &str) -> Reply {
        chat(Message::new(text), context.clone())
            .await
            .expect("nothing here is worth another try")
    }

    #[tokio::test]
    async fn who_joins_is_welcomed_and_the_room_is_told() {
        let ada = Context::for_tests();
        let reply = send(&ada, r#"{"action":"join","room":"lobby","name":" Ada "}"#).await;
        assert_eq!(
            reply.sender_texts(),
            [r#"{"event":"welcome","room":"lobby","name":"Ada"}"#]
        );
        assert_eq!(
            reply.room_texts("lobby"),
            [r#"{"event":"joined","room":"lobby","name":"Ada"}"#]
        );
    }

    #[tokio::test]
    async fn what_is_said_goes_to_the_room_under_the_speakers_name() {
        let ada = Context::for_tests();
        send(&ada, r#"{"action":"join","room":"lobby","name":"Ada"}"#).await;
        let reply = send(
            &ada,
            r#"{"action":"say","room":"lobby","text":"hi","name":"Bob"}"#,
        )
        .await;
        assert!(reply.sender_texts().is_empty());
        assert_eq!(
            reply.room_texts("lobby"),
            [r#"{"event":"said","room":"lobby","name":"Ada","text":"hi"}"#]
        );
    }

    #[tokio::test]
    async fn who_is_not_in_a_room_can_not_speak_in_it() {
        let ada = Context::for_tests();
        let bob = ada.another_for_tests("bob");
        send(&ada, r#"{"action":"join","room":"lobby","name":"Ada"}"#).await;
        for text in [
            r#"{"action":"say","room":"lobby","text":"hi"}"#,
            r#"{"action":"leave","room":"lobby"}"#,
        ] {
            let reply = send(&bob, text).await;
            assert_eq!(
                reply.sender_texts(),
                [r#"{"event":"error","message":"join \"lobby\" first"}"#]
            );
            assert!(reply.room_texts("lobby").is_empty());
        }
    }

    #[tokio::test]
    async fn who_lists_the_names_of_those_in_the_room() {
        let ada = Context::for_tests();
        let bob = ada.another_for_tests("bob");
        send(&bob, r#"{"action":"join","room":"lobby","name":"Bob"}"#).await;
        send(&ada, r#"{"action":"join","room":"lobby","name":"Ada"}"#).await;
        let who = r#"{"action":"who","room":"lobby"}"#;
        let both = r#"{"event":"members","room":"lobby","names":["Ada","Bob"]}"#;
        assert_eq!(send(&ada, who).await.sender_texts(), [both]);
        let reply = send(&bob, r#"{"action":"leave","room":"lobby"}"#).await;
        assert_eq!(
            reply.sender_texts(),
            [r#"{"event":"goodbye","room":"lobby"}"#]
        );
        assert_eq!(
            reply.room_texts("lobby"),
            [r#"{"event":"left","room":"lobby","name":"Bob"}"#]
        );
        let one = r#"{"event":"members","room":"lobby","names":["Ada"]}"#;
        assert_eq!(send(&ada, who).await.sender_texts(), [one]);
    }

    #[tokio::test]
    async fn what_can_not_be_done_is_answered_with_an_error() {
        let ada = Context::for_tests();
        let long = "x".repeat(TEXT_CHARS + 1);
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"action":"dance"}"#,
            r#"{"action":"join","room":"lobby"}"#,
            r#"{"action":"join","room":"*","name":"Ada"}"#,
            r#"{"action":"join","room":"","name":"Ada"}"#,
            r#"{"action":"join","room":"lobby","name":" "}"#,
            r#"{"action":"say","room":7,"text":"hi"}"#,
            r#"{"action":"who","room":"*"}"#,
            &format!(r#"{{"action":"say","room":"lobby","text":"{long}"}}"#),
        ] {
            let reply = send(&ada, text).await;
            assert_eq!(reply.sender_texts().len(), 1, "{text}");
            assert!(
                reply.sender_texts()[0].starts_with(r#"{"event":"error","message":""#),
                "{text}"
            );
        }
    }
}
