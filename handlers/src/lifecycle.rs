//! The opening and the closing of connections: what every handler of `$connect` and `$disconnect` needs done, the
//! built-in ones and users' own alike.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;
use crate::context::Context;
use crate::environment::Environment;
use crate::events::RequestContext;
use crate::log::Level;
use crate::message::{Close, Handshake};
use crate::metrics::Metrics;
use crate::registry::{Item, Store};
use crate::reply::Answer;

/// API Gateway closes a connection after two hours at the latest: what's longer is a clock's error.
const LONGEST: Duration = Duration::from_hours(2);

/// Whether a page of this origin may connect. API Gateway doesn't look at it, and a browser sends the user's cookies
/// from any page: without this check, foreign pages could speak in a user's name.
pub(crate) fn origin_allowed(environment: &Environment, handshake: &Handshake) -> bool {
    let Some(allowed) = &environment.origins else {
        return true;
    };
    // An origin is a scheme, a host and a port, and of these none is case-sensitive (RFC 6454 section 4).
    handshake
        .header("origin")
        .is_some_and(|origin| allowed.iter().any(|one| one.eq_ignore_ascii_case(origin)))
}

/// Writes the connection into the registry, before the handler sees it: it may want to join a room.
pub(crate) async fn register(store: &Store, context: &Context) -> Result<(), Error> {
    if matches!(store, Store::Off) {
        return Ok(());
    }
    store.put(Item::own(context.connection_id())).await?;
    Ok(())
}

/// The answer to the handshake. The registry forgets who was refused.
pub(crate) async fn answer(
    store: &Store,
    context: &Context,
    handshake: &Handshake,
    answer: Option<Answer>,
) -> Result<Value, Error> {
    match answer {
        Some(Answer::Refuse { status, body }) => {
            store.remove(context.connection_id()).await?;
            context.log(Level::Info, &format!("connection refused: {status}"));
            refused(status);
            Ok(json!({"statusCode": status, "body": body}))
        }
        accepted => {
            let chosen = match accepted {
                Some(Answer::Accept {
                    subprotocol: Some(name),
                }) => Some(name),
                _ => handshake
                    .subprotocols()
                    .first()
                    .map(|name| (*name).to_owned()),
            };
            context.log(Level::Info, "connection opened");
            Metrics::new().count("ConnectionsOpened", 1).emit();
            // A browser that offered subprotocols drops the connection unless one of them comes back.
            Ok(match chosen {
                Some(name) => {
                    json!({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": name}})
                }
                None => json!({"statusCode": 200}),
            })
        }
    }
}

/// The refusal of a foreign page. The client gets the body: it tells what API Gateway itself would.
pub(crate) fn refuse_origin(context: &Context, handshake: &Handshake) -> Value {
    let origin: String = handshake
        .header("origin")
        .unwrap_or("(none)")
        .chars()
        .take(200)
        .collect();
    context.log(
        Level::Warn,
        &format!("connection refused: origin {origin} isn't among allowed-origins"),
    );
    refused(403);
    json!({"statusCode": 403, "body": json!({"message": "Forbidden"}).to_string()})
}

fn refused(status: u16) {
    Metrics::new()
        .count("ConnectionsRefused", 1)
        .property("status", status)
        .emit();
}

/// Why a connection closed.
pub(crate) fn close_of(event: &RequestContext) -> Close {
    Close {
        code: event
            .disconnect_status_code
            .and_then(|code| u16::try_from(code).ok()),
        reason: event.disconnect_reason.clone(),
    }
}

/// Takes a closed connection out of the registry. Doing it twice does no harm.
pub(crate) async fn forget(
    store: &Store,
    context: &Context,
    event: &RequestContext,
    close: &Close,
) -> Result<(), Error> {
    let lasted = event
        .request_time_epoch
        .zip(event.connected_at)
        .map(|(end, start)| end.saturating_sub(start));
    let mut metrics = Metrics::new().count("ConnectionsClosed", 1);
    if let Some(ms) = lasted {
        metrics = metrics.duration("ConnectionDuration", Duration::from_millis(ms).min(LONGEST));
    }
    metrics
        .property("closeCode", close.code.map_or(Value::Null, Value::from))
        .emit();
    if let (Store::Off, Some(opened)) = (store, event.connected_at) {
        // Nobody else knows how many are open. No connection lasts longer than two hours: of those that opened since
        // then, the ones that this doesn't count are.
        Metrics::new()
            .count("ConnectionsClosedByOpening", 1)
            .at(opened)
            .emit();
    }
    let code = close
        .code
        .map_or_else(|| "no code".to_owned(), |code| code.to_string());
    context.log(Level::Info, &format!("connection closed: {code}"));
    store.remove(context.connection_id()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &str, origin: Option<&str>) -> bool {
        let environment = Environment::from_lookup(|name| {
            (name == "WSLESS_ALLOWED_ORIGINS" && !origins.is_empty()).then(|| origins.to_owned())
        })
        .unwrap();
        let headers: Vec<(&str, &str)> = origin.map(|o| ("Origin", o)).into_iter().collect();
        origin_allowed(&environment, &Handshake::for_tests(&headers, &[]))
    }

    #[test]
    fn an_origin_is_compared_whole_and_without_case() {
        let list = r#"["https://chat.example.com","http://localhost:3000"]"#;
        assert!(allowed(list, Some("https://chat.example.com")));
        assert!(allowed(list, Some("HTTPS://Chat.Example.com")));
        assert!(allowed(list, Some("http://localhost:3000")));
        for foreign in [
            "http://chat.example.com",
            "https://chat.example.com.evil.example",
            "https://evil.example/https://chat.example.com",
            "https://chat.example.com:8443",
            "http://localhost",
            "null",
            "",
        ] {
            assert!(!allowed(list, Some(foreign)), "{foreign}");
        }
        assert!(!allowed(list, None));
        assert!(!allowed("[]", Some("https://chat.example.com")));
    }

    #[test]
    fn without_a_list_every_origin_may_connect() {
        assert!(allowed("", Some("https://evil.example")));
        assert!(allowed("", None));
    }
}
