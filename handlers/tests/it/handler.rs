//! A user's handler, as the process that other tests start.

use wsless_handlers::{
    Context, Decision, Error, Handshake, Message, Publisher, Reply, serve, serve_authorizer,
};

#[tokio::test]
#[ignore = "not a test: the process that others start"]
async fn the_process_under_test() {
    let Ok(kind) = std::env::var("TEST_HANDLER") else {
        return;
    };
    match kind.as_str() {
        "authorizer" => serve_authorizer(authorize).await,
        "publisher" => publish().await,
        _ => serve(handle).await,
    }
    .unwrap();
}

/// No handler, but a back end that publishes, ends, and says `{"error":…}` if it failed.
async fn publish() -> Result<(), Error> {
    let queue = std::env::var("TEST_QUEUE").unwrap_or_default();
    let publisher = if queue.is_empty() {
        Publisher::from_env()
    } else {
        Publisher::to_queue(&queue).await
    };
    let reply = match std::env::var("TEST_REPLY").as_deref() {
        Ok("many") => (0..25)
            .map(|i| Reply::to_room("ACME", i.to_string()))
            .fold(Reply::none(), Reply::and),
        Ok("sender") => Reply::to_all("x").and(Reply::to_sender("x")),
        Ok("large") => Reply::to_all("x".repeat(128 * 1024 + 1)),
        _ => Reply::to_room("ACME", "101.25")
            .retained()
            .and(Reply::to_all("open")),
    };
    let outcome = match publisher {
        Ok(publisher) => publisher.publish(reply).await,
        Err(error) => Err(error),
    };
    let error = outcome.err().map(|error| error.to_string());
    // On a line of its own: the test runner's words end without one.
    println!(
        "\n{}",
        serde_json::json!({"published": error.is_none(), "error": error})
    );
    Ok(())
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
