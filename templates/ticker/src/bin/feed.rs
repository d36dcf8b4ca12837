//! Makes prices up and publishes them to the system's clients. It's no handler: it runs on a laptop or on any server, as
//! a back end outside Lambda would.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handlers::market::{Market, Share};
use handlers::{STOCKS, Stock, bell, price, stock};
use tokio::time::{Instant, MissedTickBehavior, sleep};
use wsless_handlers::{Error, Publisher, Reply};

const HELP: &str = "\
Makes stock prices up and publishes them, until Ctrl-C.

Usage: cargo run --bin feed -- [OPTIONS]

  --stage STAGE      the system's stage [default: dev]
  --queue QUEUE      the results queue's name or URL [default: the stage's]
  --symbols A,B,...  what is traded [default: all]
  --rate NUMBER      prices a second, of all symbols together [default: 2]
  --session SECONDS  how long the market is open until it closes for a while; 0: always [default: 300]
  --seed NUMBER      the same seed makes the same prices [default: another each time]
  --count NUMBER     end after so many prices [default: never]
  --help             this

Credentials, region and endpoint come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL.";

/// Prices are published at most this often; a higher rate sends several at once.
const TICK: Duration = Duration::from_millis(250);
/// How long the market stays closed between two sessions.
const CLOSED: Duration = Duration::from_secs(10);
/// The longest pause after something couldn't be sent.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const RATES: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

#[derive(Debug, PartialEq)]
struct Options {
    queue: String,
    stocks: Vec<&'static Stock>,
    rate: f64,
    session: Option<Duration>,
    seed: Option<u64>,
    count: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|one| one == "--help" || one == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let options = match Options::read(&arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            std::process::exit(64);
        }
    };
    if let Err(error) = run(&options).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
    Ok(())
}

async fn run(options: &Options) -> Result<(), Error> {
    let publisher = Publisher::to_queue(&options.queue)
        .await
        .map_err(|error| format!("{}: {error}\nIs the system deployed, and are the credentials and the region in the environment its own? --help says more.", options.queue))?;
    let seed = options.seed.unwrap_or_else(now);
    let mut feed = Feed {
        publisher,
        market: Market::new(options.stocks.iter().copied(), seed),
        sent: 0,
        pause: Duration::ZERO,
    };
    let symbols: Vec<_> = options.stocks.iter().map(|stock| stock.symbol).collect();
    println!(
        "Prices of {} to {}, {} a second, seed {seed}. Ctrl-C ends it.",
        symbols.join(", "),
        feed.publisher.queue_url(),
        options.rate,
    );
    // Whatever is wrong with the queue or the rights to it shows here, and ends it. What goes wrong later is waited out.
    let opening = feed.opening();
    feed.publisher.publish(opening).await?;
    println!("The market is open.");
    tokio::select! {
        () = feed.play(options) => {}
        ended = tokio::signal::ctrl_c() => ended?,
    }
    feed.publisher.publish(bell(false, now())).await?;
    println!("\nThe market is closed. {} prices were sent.", feed.sent);
    Ok(())
}

struct Feed {
    publisher: Publisher,
    market: Market,
    sent: u64,
    /// How long nothing is sent after the last failure; zero after a success.
    pause: Duration,
}

impl Feed {
    /// The bell, and every price as it is: who waits for a symbol needn't wait for its first trade.
    fn opening(&mut self) -> Reply {
        self.market.open();
        let at = now();
        let prices = self.market.shares().iter().map(|share| told(share, at));
        prices.fold(bell(true, at), Reply::and)
    }

    /// One session after the other, until enough prices were sent.
    async fn play(&mut self, options: &Options) {
        loop {
            let end = options.session.map(|session| Instant::now() + session);
            if self.trade(options, end).await {
                return;
            }
            self.publish(bell(false, now())).await;
            println!("The market is closed for {} s.", CLOSED.as_secs());
            sleep(CLOSED).await;
            let opening = self.opening();
            self.publish(opening).await;
            println!("The market is open.");
        }
    }

    /// Trades until the session ends, and says whether enough prices were sent.
    async fn trade(&mut self, options: &Options, end: Option<Instant>) -> bool {
        let period = TICK.max(Duration::from_secs_f64(1.0 / options.rate));
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = 0.0;
        while end.is_none_or(|end| Instant::now() < end) {
            ticks.tick().await;
            due += options.rate * period.as_secs_f64();
            let mut shares = Vec::new();
            while due >= 1.0
                && options
                    .count
                    .is_none_or(|count| self.sent + length(&shares) < count)
            {
                due -= 1.0;
                shares.extend(self.market.trade());
            }
            let at = now();
            let prices = shares.iter().map(|share| told(share, at));
            if self.publish(prices.fold(Reply::none(), Reply::and)).await {
                self.sent += length(&shares);
                print(&shares);
            }
            if options.count.is_some_and(|count| self.sent >= count) {
                return true;
            }
        }
        false
    }

    /// Publishes, and says whether that went well. If it didn't it waits, longer each time: a price that's missed is
    /// followed by a newer one, so none is sent twice.
    async fn publish(&mut self, reply: Reply) -> bool {
        match self.publisher.publish(reply).await {
            Ok(()) => {
                self.pause = Duration::ZERO;
                true
            }
            Err(error) => {
                self.pause = (self.pause * 2).clamp(Duration::from_secs(1), LONGEST_PAUSE);
                eprintln!("{error}\nGoing on in {} s.", self.pause.as_secs());
                sleep(self.pause).await;
                false
            }
        }
    }
}

fn told(share: &Share, at: u64) -> Reply {
    price(share.symbol, share.cents, share.open_cents, at)
}

fn print(shares: &[Share]) {
    let texts: Vec<String> = shares
        .iter()
        .map(|share| {
            let (whole, cents) = (share.cents / 100, share.cents % 100);
            format!(
                "{} {whole}.{cents:02} ({:+.2}%)",
                share.symbol,
                share.change()
            )
        })
        .collect();
    if !texts.is_empty() {
        println!("{}", texts.join("  "));
    }
}

fn length(shares: &[Share]) -> u64 {
    u64::try_from(shares.len()).unwrap_or(u64::MAX)
}

/// Epoch milliseconds.
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut stage = "dev".to_owned();
        let mut queue = None;
        let mut options = Self {
            queue: String::new(),
            stocks: STOCKS.iter().collect(),
            rate: 2.0,
            session: Some(Duration::from_secs(300)),
            seed: None,
            count: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), arguments.next().cloned()),
            };
            let value = value.ok_or_else(|| format!("{name} needs a value"))?;
            match name {
                "--stage" => stage = value,
                "--queue" => queue = Some(value),
                "--symbols" => options.stocks = stocks(&value)?,
                "--rate" => options.rate = rate(&value)?,
                "--session" => {
                    let seconds = number(name, &value)?;
                    options.session = (seconds > 0).then(|| Duration::from_secs(seconds));
                }
                "--seed" => options.seed = Some(number(name, &value)?),
                "--count" => options.count = Some(number(name, &value)?),
                _ => return Err(format!("there is no option {name}")),
            }
        }
        // The package has the project's name. If they ever differ: --queue.
        options.queue =
            queue.unwrap_or_else(|| format!("{}-{stage}-results", env!("CARGO_PKG_NAME")));
        Ok(options)
    }
}

fn stocks(list: &str) -> Result<Vec<&'static Stock>, String> {
    let mut stocks: Vec<&'static Stock> = Vec::new();
    for symbol in list.split(',') {
        let found = stock(symbol).ok_or_else(|| {
            let all: Vec<_> = STOCKS.iter().map(|stock| stock.symbol).collect();
            format!(
                "there is no symbol {symbol:?}; there are {}",
                all.join(", ")
            )
        })?;
        if !stocks.contains(&found) {
            stocks.push(found);
        }
    }
    Ok(stocks)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| RATES.contains(rate));
    rate.ok_or_else(|| {
        format!(
            "--rate is a number from {} to {}",
            RATES.start(),
            RATES.end()
        )
    })
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{name} is a whole number, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::read(&arguments)
    }

    #[test]
    fn without_options_all_is_traded_in_the_projects_stage_dev() {
        let options = read("").unwrap();
        assert!(options.queue.ends_with("-dev-results"));
        assert_eq!(options.stocks.len(), STOCKS.len());
        assert_eq!(options.session, Some(Duration::from_secs(300)));
    }

    #[test]
    fn options_are_read_with_a_space_or_an_equals_sign() {
        let options =
            read("--stage prod --symbols=brew,ACME,acme --rate 0.5 --session 0 --seed 7 --count=3")
                .unwrap();
        assert!(options.queue.ends_with("-prod-results"));
        let symbols: Vec<_> = options.stocks.iter().map(|stock| stock.symbol).collect();
        assert_eq!(symbols, ["BREW", "ACME"]);
        assert!((options.rate - 0.5).abs() < f64::EPSILON);
        assert_eq!(
            (options.session, options.seed, options.count),
            (None, Some(7), Some(3))
        );
        assert_eq!(read("--queue q.fifo --stage x").unwrap().queue, "q.fifo");
    }

    #[test]
    fn what_is_not_an_option_is_refused_with_its_reason() {
        for (text, reason) in [
            ("--symbols NONE", "there are ACME"),
            ("--symbols=", "no symbol"),
            ("--rate 0", "from 0.01 to 1000"),
            ("--rate NaN", "from 0.01"),
            ("--seed -1", "whole number"),
            ("--speed 2", "no option --speed"),
            ("--stage", "needs a value"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
