//! A user's handler, as the process that other tests start.

use wsless_handlers::{
    Context, Decision, Error, Handshake, Message, Reply, serve, serve_authorizer,
};

#[tokio::test]
#[ignore = "not a test: the process that others start"]
async fn the_process_under_test() {
    let Ok(kind) = std::env::var("TEST_HANDLER") else {
        return;
    };
    match kind.as_str() {
        "authorizer" => serve_authorizer(authorize).await,
        _ => serve(handle).await,
    }
    .unwrap();
}

/// Does what the text says.
async fn handle(message: Message, context: Context) -> Result<Reply, Error> {
    if let Some(handshake) = message.handshake() {
        if let Some(room) = handshake.query("room") {
            context.registry().join(room).await?;
        }
        return Ok(match handshake.query("do") {
            Some("refuse") => Reply::refuse(401, "who are you"),
            Some("fail") => return Err("broken".into()),
            _ => Reply::accept(),
        });
    }
    if let Some(close) = message.close() {
        return Ok(Reply::to_room(
            "lobby",
            format!(
                "{} left: {:?} {}",
                context.connection_id(),
                close.code,
                close.reason
            ),
        ));
    }
    let (verb, object) = message
        .text()
        .split_once(' ')
        .unwrap_or((message.text(), ""));
    match verb {
        "fail" => Err("broken".into()),
        "panic" => panic!("told to"),
        "hang" => std::future::pending().await,
        "join" => {
            context.registry().join_as(object, "Ada").await?;
            Ok(Reply::to_sender("joined"))
        }
        "rooms" => Ok(Reply::to_sender(
            context.registry().rooms().await?.join(","),
        )),
        "tell" => Ok(Reply::to_sender("told")
            .and(Reply::to_room(object, "news"))
            .and(Reply::to_sender("again"))),
        "all" => Ok(Reply::to_all(object)),
        "keep" => Ok(Reply::to_room(object, "news").retained()),
        "last" => Ok(Reply::to_sender(
            context
                .registry()
                .retained(object)
                .await?
                .unwrap_or_else(|| "nothing".into()),
        )),
        "other" => Ok(Reply::to_connection(object, "psst")),
        "large" => Ok(Reply::to_sender("x".repeat(object.parse()?))),
        "none" => Ok(Reply::none()),
        "principal" => Ok(Reply::to_sender(context.principal().unwrap_or("nobody"))),
        _ => Ok(Reply::to_sender(message.text())),
    }
}

async fn authorize(request: Handshake, _context: Context) -> Result<Decision, Error> {
    match request.query("token") {
        Some("good") => Ok(Decision::allow("user-1").with("team", "blue")),
        Some("broken") => Err("the users' database is away".into()),
        _ => Ok(Decision::deny()),
    }
}
