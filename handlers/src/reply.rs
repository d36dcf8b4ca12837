//! What a handler answers.

use crate::results::{ResultMessage, To};

/// What a handler sends, and to whom: nothing, one text, or several.
///
/// ```
/// # use wsless_handlers::Reply;
/// let reply = Reply::to_sender("you joined").and(Reply::to_room("lobby", "ada joined"));
/// ```
///
/// On a direct route the first text to the sender is the route's answer; all others, and every text of a queued route,
/// go through the results queue and `push`. One text is at most 128 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    pub(crate) sends: Vec<(Target, String)>,
    pub(crate) handshake: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Sender,
    Other(To),
    /// A room, whose last text this is to be.
    Retained(String),
}

impl Target {
    /// A text for it as a message of the results queue. `sender` is `None` where nothing came from anyone.
    pub fn message(self, text: String, sender: Option<&str>) -> Option<ResultMessage> {
        Some(match self {
            Self::Sender => ResultMessage::new(To::Connection(sender?.to_owned()), text),
            Self::Other(to) => ResultMessage::new(to, text),
            Self::Retained(room) => ResultMessage::new(To::Room(room), text).retained(),
        })
    }

    fn is_room(&self, wanted: &str) -> bool {
        matches!(self, Self::Other(To::Room(room)) | Self::Retained(room) if room == wanted)
    }
}

/// The answer to `$connect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept { subprotocol: Option<String> },
    Refuse { status: u16, body: String },
}

impl Reply {
    /// Nothing is sent.
    pub fn none() -> Self {
        Self::default()
    }

    /// A text to the connection that the message came from.
    pub fn to_sender(text: impl Into<String>) -> Self {
        Self::send(Target::Sender, text.into())
    }

    /// A text to a connection.
    pub fn to_connection(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::send(Target::Other(To::Connection(id.into())), text.into())
    }

    /// A text to every connection that has joined the room. Needs the registry.
    pub fn to_room(room: impl Into<String>, text: impl Into<String>) -> Self {
        Self::send(Target::Other(To::Room(room.into())), text.into())
    }

    /// A text to every open connection. Needs the registry.
    pub fn to_all(text: impl Into<String>) -> Self {
        Self::send(Target::Other(To::All(true)), text.into())
    }

    /// The same, with the texts to rooms kept: who joins a room later can be given its last text, which
    /// [`Registry::retained`](crate::Registry::retained) reads. A room has one, for a day or until the next is kept.
    /// Other texts are as before.
    ///
    /// ```
    /// # use wsless_handlers::Reply;
    /// let price = Reply::to_room("ACME", r#"{"price":101.25}"#).retained();
    /// ```
    ///
    /// Each costs one write more to the table.
    #[must_use]
    pub fn retained(mut self) -> Self {
        for (target, _) in &mut self.sends {
            if let Target::Other(To::Room(room)) = target {
                *target = Target::Retained(std::mem::take(room));
            }
        }
        self
    }

    /// Both replies, this one's texts first. A refusal stays one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sends.extend(other.sends);
        // A refusal is never talked over.
        if !matches!(self.handshake, Some(Answer::Refuse { .. })) {
            self.handshake = other.handshake.or(self.handshake);
        }
        self
    }

    /// `$connect`: the connection may open. So does every reply that isn't [`Reply::refuse`]. The first subprotocol
    /// that the client offers is chosen.
    ///
    /// The socket opens only after this answer: texts to the sender are not sent from `$connect`, because they could
    /// arrive before it. Let the client speak first.
    pub fn accept() -> Self {
        Self {
            sends: Vec::new(),
            handshake: Some(Answer::Accept { subprotocol: None }),
        }
    }

    /// `$connect`: the connection may open, with this one of the subprotocols that the client offers.
    pub fn accept_subprotocol(name: impl Into<String>) -> Self {
        Self {
            sends: Vec::new(),
            handshake: Some(Answer::Accept {
                subprotocol: Some(name.into()),
            }),
        }
    }

    /// `$connect`: the connection is refused with this HTTP status (400 to 599; others become 403). The client gets
    /// the body as it is, so it should tell nothing internal.
    pub fn refuse(status: u16, body: impl Into<String>) -> Self {
        let status = if (400..600).contains(&status) {
            status
        } else {
            403
        };
        Self {
            sends: Vec::new(),
            handshake: Some(Answer::Refuse {
                status,
                body: body.into(),
            }),
        }
    }

    /// The texts to the sender, in their order: for tests of handlers.
    pub fn sender_texts(&self) -> Vec<&str> {
        self.texts(|target| *target == Target::Sender)
    }

    /// The texts to a room, in their order: for tests of handlers.
    pub fn room_texts(&self, room: &str) -> Vec<&str> {
        self.texts(|target| target.is_room(room))
    }

    fn texts(&self, wanted: impl Fn(&Target) -> bool) -> Vec<&str> {
        self.sends
            .iter()
            .filter(|(target, _)| wanted(target))
            .map(|(_, text)| text.as_str())
            .collect()
    }

    fn send(target: Target, text: String) -> Self {
        Self {
            sends: vec![(target, text)],
            handshake: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_add_up_in_order() {
        let reply = Reply::to_sender("a")
            .and(Reply::to_room("r", "b"))
            .and(Reply::to_sender("c"));
        assert_eq!(reply.sender_texts(), ["a", "c"]);
        assert_eq!(reply.room_texts("r"), ["b"]);
        assert_eq!(Reply::none().and(Reply::none()), Reply::none());
    }

    #[test]
    fn of_a_retained_reply_the_rooms_texts_are_kept() {
        let reply = Reply::to_room("r", "a")
            .and(Reply::to_sender("b"))
            .and(Reply::to_all("c"))
            .retained()
            .and(Reply::to_room("r", "d"));
        assert_eq!(reply.room_texts("r"), ["a", "d"]);
        let messages: Vec<_> = reply
            .sends
            .into_iter()
            .filter_map(|(target, text)| target.message(text, Some("ada")))
            .map(|message| (message.to, message.retained))
            .collect();
        assert_eq!(
            messages,
            [
                (To::Room("r".into()), true),
                (To::Connection("ada".into()), false),
                (To::All(true), false),
                (To::Room("r".into()), false),
            ]
        );
    }

    #[test]
    fn a_refusal_can_not_be_turned_into_an_opening_by_its_status() {
        assert_eq!(
            Reply::refuse(200, "").handshake,
            Some(Answer::Refuse {
                status: 403,
                body: String::new()
            })
        );
        let both = Reply::refuse(403, "").and(Reply::accept());
        assert!(
            matches!(both.handshake, Some(Answer::Refuse { .. })),
            "{both:?}"
        );
        assert_eq!(
            Reply::refuse(429, "later").handshake,
            Some(Answer::Refuse {
                status: 429,
                body: "later".into()
            })
        );
    }
}
