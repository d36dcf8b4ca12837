//! Ticker: prices that a program outside Lambda publishes by way of the results queue.

use serde_json::{Value, json};

use super::{Session, System, updates};
use crate::harness::{Cloud, Project};

#[test]
fn prices_reach_who_subscribed_and_the_last_of_them_who_comes_late_on_ministack() {
    prices_reach_who_subscribed_and_the_last_of_them_who_comes_late(&Cloud::ministack());
}

#[test]
fn prices_reach_who_subscribed_and_the_last_of_them_who_comes_late_on_the_embedded_cloud() {
    prices_reach_who_subscribed_and_the_last_of_them_who_comes_late(&Cloud::embedded());
}

fn prices_reach_who_subscribed_and_the_last_of_them_who_comes_late(cloud: &Cloud) {
    let before = cloud.inventory();
    let project = Project::init("ticker", cloud);
    let system = System {
        cloud,
        project: &project,
        name: "ticker",
        stage: "dev",
    };
    let planned = system.plan_of_creates();
    assert!(planned.contains_key("queue/results"), "{planned:#?}");
    let address = system.deploy();
    system.deploy_without_a_change();

    let mut ada = system.open(&address);
    assert_eq!(name_of(&mut ada, "ACME"), "Acme Tools");
    subscribe(&system, &mut ada, "acme");
    assert_eq!(ada.client.receive_json(), subscribed("ACME"));

    // What the feed printed is what was sent, and the market's closing comes after the last price.
    let traded = feed(&project, &["--symbols", "ACME,BREW", "--count", "12"]);
    let acme: Vec<&str> = traded
        .split_whitespace()
        .skip_while(|word| *word != "open.")
        .collect();
    let acme: Vec<f64> = acme
        .windows(2)
        .filter(|words| words[0] == "ACME")
        .map(|words| words[1].parse().expect("a price"))
        .collect();
    assert!(!acme.is_empty() && acme.len() < 12, "{traded}");
    let told: Vec<Value> = (0..acme.len() + 3)
        .map(|_| ada.client.receive_json())
        .collect();
    let of = |event: &'static str| told.iter().filter(move |one| one["event"] == event);
    assert!(
        of("price").all(|one| one["symbol"] == "ACME"),
        "prices of what nobody asked for: {told:#?}"
    );
    let prices: Vec<f64> = of("price")
        .filter_map(|one| one["price"].as_f64())
        .collect();
    assert_eq!(prices[1..], acme[..], "in the order they were made");
    let bells: Vec<bool> = of("market")
        .filter_map(|one| one["open"].as_bool())
        .collect();
    assert_eq!(bells, [true, false]);

    // Nobody publishes any more: it's kept.
    let last = of("price").next_back().expect("a price").clone();
    let mut bob = system.open(&address);
    subscribe(&system, &mut bob, "ACME");
    assert_eq!(bob.client.receive_json(), subscribed("ACME"));
    assert_eq!(bob.client.receive_json(), last);

    // Who unsubscribed hears the bells alone.
    system.send(
        "ticker.fifo",
        &mut ada,
        "unsubscribe",
        r#"{"action":"unsubscribe","symbol":"ACME"}"#,
    );
    assert_eq!(ada.client.receive_json()["event"], "unsubscribed");
    feed(&project, &["--symbols", "ACME", "--count", "2"]);
    for open in [true, false] {
        let bell = ada.client.receive_json();
        assert_eq!(
            (&bell["event"], &bell["open"]),
            (&json!("market"), &json!(open))
        );
    }

    project.edit(
        "src/lib.rs",
        "name: \"Acme Tools\"",
        "name: \"Acme & Daughters\"",
    );
    assert_eq!(system.plan(), updates(["alias/ticker", "function/ticker"]));
    system.deploy();
    assert_eq!(name_of(&mut ada, "ACME"), "Acme & Daughters");

    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);
}

/// Runs the feed as a back end outside Lambda would; gives what it printed.
#[track_caller]
fn feed(project: &Project, options: &[&str]) -> String {
    let host = project.host();
    // As the handlers are built, so that their dependencies are built once.
    let run = ["run", "--release", "--target", &host, "--bin", "feed", "--"];
    let pace = ["--rate", "40", "--seed", "7", "--session", "0"];
    let ran = project.run(
        "cargo",
        run.into_iter().chain(pace).chain(options.iter().copied()),
    );
    ran.succeeds().says("The market is closed.").stdout
}

#[track_caller]
fn subscribe(system: &System<'_>, session: &mut Session, symbol: &str) {
    let body = json!({"action": "subscribe", "symbol": symbol}).to_string();
    system.send("ticker.fifo", session, "subscribe", &body);
}

fn subscribed(symbol: &str) -> Value {
    json!({"event": "subscribed", "symbol": symbol})
}

/// What a company is called: the direct way.
#[track_caller]
fn name_of(session: &mut Session, symbol: &str) -> String {
    session.client.send_json(&json!({"action": "symbols"}));
    let answer = session.client.receive_json();
    let symbols = answer["symbols"].as_array().expect("symbols");
    let found = symbols.iter().find(|one| one["symbol"] == symbol);
    let name = found.expect("a listed symbol")["name"].as_str();
    name.expect("a name").to_owned()
}
