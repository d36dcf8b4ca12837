//! A stock ticker: each symbol is a room, and its price is what the room is sent. The handler's binary, in `src/bin`, only
//! serves [`ticker`]; the other binary there, `feed`, makes prices up and publishes them.

pub mod market;

use serde::{Deserialize, Serialize};
use wsless_handlers::{Context, Error, Message, RegistryError, Reply};

/// A company whose shares are traded.
#[derive(Debug, PartialEq, Eq)]
pub struct Stock {
    /// The symbol, and the name of the room.
    pub symbol: &'static str,
    /// The company's name.
    pub name: &'static str,
    /// What a share costs at first.
    pub cents: u64,
}

/// All there are. None of them exists.
pub const STOCKS: [Stock; 6] = [
    Stock {
        symbol: "ACME",
        name: "Acme Tools",
        cents: 10_000,
    },
    Stock {
        symbol: "BREW",
        name: "Brewline Coffee",
        cents: 4_250,
    },
    Stock {
        symbol: "ORBT",
        name: "Orbital Freight",
        cents: 31_800,
    },
    Stock {
        symbol: "SOLR",
        name: "Solar Meadow",
        cents: 7_725,
    },
    Stock {
        symbol: "TIDE",
        name: "Tidewater Power",
        cents: 15_640,
    },
    Stock {
        symbol: "WOOL",
        name: "Highland Wool",
        cents: 1_890,
    },
];

/// The stock of this symbol, in capitals or not.
pub fn stock(symbol: &str) -> Option<&'static Stock> {
    let symbol = symbol.trim();
    STOCKS
        .iter()
        .find(|stock| stock.symbol.eq_ignore_ascii_case(symbol))
}

/// What a client may ask.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Request {
    Subscribe { symbol: String },
    Unsubscribe { symbol: String },
    Symbols,
}

/// What a client is told. Times are epoch milliseconds.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    /// To who subscribes.
    Subscribed { symbol: &'a str },
    /// To who unsubscribes.
    Unsubscribed { symbol: &'a str },
    /// To who asks.
    Symbols { symbols: Vec<Listed> },
    /// To who subscribed to the symbol, from the feed; the last one to who subscribes later.
    Price {
        symbol: &'a str,
        price: f64,
        /// The price when the market opened.
        open: f64,
        at: u64,
    },
    /// To all, from the feed.
    Market { open: bool, at: u64 },
    /// To who sent something that can't be done.
    Error { message: &'a str },
}

#[derive(Serialize)]
struct Listed {
    symbol: &'static str,
    name: &'static str,
}

/// A price, for those who subscribed to its symbol. It's kept for who subscribes later.
pub fn price(symbol: &str, cents: u64, open_cents: u64, at: u64) -> Reply {
    let text = json(&Event::Price {
        symbol,
        price: money(cents),
        open: money(open_cents),
        at,
    });
    Reply::to_room(symbol, text).retained()
}

/// The market's opening or closing, for all.
pub fn bell(open: bool, at: u64) -> Reply {
    Reply::to_all(json(&Event::Market { open, at }))
}

/// Why a request isn't done.
enum Failure {
    /// The client's mistake: it's told.
    Refused(String),
    /// Not the client's: the message is tried again.
    Broken(Error),
}

/// Handles every route. A mistake of the client's is answered; only what may go well another time is an error.
pub async fn ticker(message: Message, context: Context) -> Result<Reply, Error> {
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
        Request::Subscribe { symbol } => {
            let symbol = known(&symbol)?.symbol;
            // Join first, then read: a price that comes in between is sent to a member. The other way round it would
            // be missed.
            registry.join(symbol).await?;
            let last = registry.retained(symbol).await?;
            let subscribed = Reply::to_sender(json(&Event::Subscribed { symbol }));
            Ok(match last {
                Some(price) => subscribed.and(Reply::to_sender(price)),
                None => subscribed,
            })
        }
        Request::Unsubscribe { symbol } => {
            let symbol = known(&symbol)?.symbol;
            registry.leave(symbol).await?;
            Ok(Reply::to_sender(json(&Event::Unsubscribed { symbol })))
        }
        Request::Symbols => {
            let symbols = STOCKS
                .iter()
                .map(|stock| Listed {
                    symbol: stock.symbol,
                    name: stock.name,
                })
                .collect();
            Ok(Reply::to_sender(json(&Event::Symbols { symbols })))
        }
    }
}

fn known(symbol: &str) -> Result<&'static Stock, Failure> {
    stock(symbol).ok_or_else(|| {
        let symbol: String = symbol.chars().take(20).collect();
        Failure::Refused(format!("there is no symbol {symbol:?}"))
    })
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

/// Cents as clients are told them: 101.25. Exact enough up to ninety trillion.
#[allow(clippy::cast_precision_loss)]
fn money(cents: u64) -> f64 {
    cents as f64 / 100.0
}

fn json(event: &Event<'_>) -> String {
    serde_json::to_string(event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(context: &Context, text: &str) -> Reply {
        ticker(Message::new(text), context.clone())
            .await
            .expect("nothing here is worth another try")
    }

    const SUBSCRIBE: &str = r#"{"action":"subscribe","symbol":"ACME"}"#;
    const SUBSCRIBED: &str = r#"{"event":"subscribed","symbol":"ACME"}"#;

    #[tokio::test]
    async fn who_subscribes_is_in_the_symbols_room_until_it_unsubscribes() {
        let ada = Context::for_tests();
        assert_eq!(send(&ada, SUBSCRIBE).await.sender_texts(), [SUBSCRIBED]);
        assert_eq!(ada.registry().rooms().await.unwrap(), ["ACME"]);
        let reply = send(&ada, r#"{"action":"unsubscribe","symbol":"acme"}"#).await;
        assert_eq!(
            reply.sender_texts(),
            [r#"{"event":"unsubscribed","symbol":"ACME"}"#]
        );
        assert!(ada.registry().rooms().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_subscribes_late_gets_the_last_price_at_once() {
        let ada = Context::for_tests();
        let last = r#"{"event":"price","symbol":"ACME","price":101.25,"open":100.0,"at":7}"#;
        ada.retain_for_tests("ACME", last);
        assert_eq!(
            send(&ada, SUBSCRIBE).await.sender_texts(),
            [SUBSCRIBED, last]
        );
        let other = send(&ada, r#"{"action":"subscribe","symbol":"BREW"}"#).await;
        assert_eq!(other.sender_texts().len(), 1);
    }

    #[tokio::test]
    async fn symbols_are_listed_with_their_companies() {
        let reply = send(&Context::for_tests(), r#"{"action":"symbols"}"#).await;
        let text = reply.sender_texts()[0];
        assert!(text.starts_with(r#"{"event":"symbols","symbols":[{"symbol":"ACME","name":""#));
        for stock in &STOCKS {
            assert!(text.contains(stock.symbol) && text.contains(stock.name));
        }
    }

    #[test]
    fn a_price_goes_to_its_symbols_room_and_the_bell_to_all() {
        assert_eq!(
            price("ACME", 10_125, 10_000, 7).room_texts("ACME"),
            [r#"{"event":"price","symbol":"ACME","price":101.25,"open":100.0,"at":7}"#]
        );
        let all = Reply::to_all(r#"{"event":"market","open":true,"at":7}"#);
        assert_eq!(bell(true, 7), all);
    }

    #[tokio::test]
    async fn what_can_not_be_done_is_answered_with_an_error() {
        let ada = Context::for_tests();
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"action":"buy","symbol":"ACME"}"#,
            r#"{"action":"subscribe"}"#,
            r#"{"action":"subscribe","symbol":7}"#,
            r#"{"action":"subscribe","symbol":"NONE"}"#,
            r#"{"action":"unsubscribe","symbol":"*"}"#,
        ] {
            let reply = send(&ada, text).await;
            assert_eq!(reply.sender_texts().len(), 1, "{text}");
            assert!(
                reply.sender_texts()[0].starts_with(r#"{"event":"error","message":""#),
                "{text}"
            );
        }
        assert!(ada.registry().rooms().await.unwrap().is_empty());
    }
}
