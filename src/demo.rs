//! What `wsless demo` plays: for each template what a client sends and gets, and an edit that changes an answer.
//!
//! Data alone; `cli::demo` plays it.

use crate::template::Template;

/// One message, and what comes back.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// What the client sends.
    pub send: &'static str,
    /// The way it goes, for people.
    pub way: &'static str,
    /// What each frame that comes back must hold, in their order.
    pub expect: &'static [&'static str],
}

/// An edit of the project's code.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// What it's about, for people.
    pub what: &'static str,
    /// The file.
    pub file: &'static str,
    /// A text that's there once.
    pub from: &'static str,
    /// What takes its place.
    pub to: &'static str,
    /// What shows that it's live.
    pub then: Exchange,
}

/// What is played for a template.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// What the client does at first.
    pub exchanges: &'static [Exchange],
    /// What is changed while the client stays connected.
    pub edit: Edit,
}

const QUEUED: &str = "by the queue, its handler, the results queue and push";
const DIRECT: &str = "straight to its handler and back";

/// The script of a template.
pub fn script(template: Template) -> Script {
    match template {
        Template::Echo => Script {
            exchanges: &[
                Exchange {
                    send: "hello",
                    way: QUEUED,
                    expect: &["hello"],
                },
                Exchange {
                    send: r#"{"action":"ping","id":7}"#,
                    way: DIRECT,
                    expect: &[r#"{"pong":7}"#],
                },
            ],
            edit: Edit {
                what: "echo answers in capitals",
                file: "src/lib.rs",
                from: "Ok(Reply::to_sender(message.text()))",
                to: "Ok(Reply::to_sender(message.text().to_uppercase()))",
                then: Exchange {
                    send: "hello again",
                    way: QUEUED,
                    expect: &["HELLO AGAIN"],
                },
            },
        },
        Template::Chat => Script {
            exchanges: &[
                Exchange {
                    send: r#"{"action":"join","room":"lobby","name":"Ada"}"#,
                    way: QUEUED,
                    expect: &["welcome", "joined"],
                },
                Exchange {
                    send: r#"{"action":"say","room":"lobby","text":"hi"}"#,
                    way: QUEUED,
                    expect: &[r#""event":"said""#],
                },
                Exchange {
                    send: r#"{"action":"who","room":"lobby"}"#,
                    way: DIRECT,
                    expect: &[r#""names":["Ada"]"#],
                },
            ],
            edit: Edit {
                what: "what is said ends with a full stop",
                file: "src/lib.rs",
                from: "            let name = name_in(context, &room).await?;\n            Ok(Reply::to_room(\n                &room,\n                json(&Event::Said {\n                    room: &room,\n                    name: &name,\n                    text: &text,",
                to: "            let name = name_in(context, &room).await?;\n            Ok(Reply::to_room(\n                &room,\n                json(&Event::Said {\n                    room: &room,\n                    name: &name,\n                    text: &format!(\"{text}.\"),",
                then: Exchange {
                    send: r#"{"action":"say","room":"lobby","text":"still here"}"#,
                    way: QUEUED,
                    expect: &["still here."],
                },
            },
        },
        // Without the feed, which is a program of its own: prices come when it runs.
        Template::Ticker => Script {
            exchanges: &[
                Exchange {
                    send: r#"{"action":"symbols"}"#,
                    way: DIRECT,
                    expect: &[r#"{"symbol":"ACME","name":"Acme Tools"}"#],
                },
                Exchange {
                    send: r#"{"action":"subscribe","symbol":"ACME"}"#,
                    way: QUEUED,
                    expect: &[r#"{"event":"subscribed","symbol":"ACME"}"#],
                },
            ],
            edit: Edit {
                what: "a company has another name",
                file: "src/lib.rs",
                from: "name: \"Acme Tools\"",
                to: "name: \"Acme Tools and Daughters\"",
                then: Exchange {
                    send: r#"{"action":"symbols"}"#,
                    way: DIRECT,
                    expect: &["Acme Tools and Daughters"],
                },
            },
        },
    }
}
