//! What the embedded cloud shows in a real browser: its console, and the templates' pages before it.
//!
//! Debian's Chromium does what a person would; `python/browser/` says what, and looks at every view wide and narrow, light
//! and dark. The pictures are in `target/browser/`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::embedded::{BOUND, alone, line, told};
use crate::harness::{
    Client, Cloud, Project, Running, Venv, run, shared_dir, source_dir, wait_for,
};

const CHROMIUM: &str = "/usr/bin/chromium";

/// Plays one of the scripts in a browser.
#[track_caller]
fn play<'a>(script: &str, arguments: impl IntoIterator<Item = &'a str>) {
    assert!(
        Path::new(CHROMIUM).exists(),
        "{CHROMIUM} is needed to try the pages in a browser: `apt-get install -y chromium`"
    );
    let output = Command::new(Venv::browser().python())
        .arg(source_dir().join("python/browser").join(script))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {words}");
}

/// A folder for pictures.
fn pictures(of: &str) -> String {
    shared_dir("browser").join(of).display().to_string()
}

/// `wsless dev` of a template's project: the project, the running command, and where clients connect.
fn dev(template: &str, change: impl FnOnce(&Project)) -> (Project, Running, String) {
    let mut project = alone();
    let _ = project
        .wsless(["init", template, "--template", template])
        .succeeds();
    project.enter(template);
    project.build_apart();
    change(&project);
    let dev = project.start(["dev", "--port", "0", "--output", "json"]);
    let first = line(&dev, "the first deployment", |line| {
        line["command"] == "dev"
    });
    assert_eq!(first["complete"], true, "{first}");
    let address = first["endpoint"].as_str().expect("an address").to_owned();
    (project, dev, address)
}

/// The cloud's own address, for an address of an API in it.
fn cloud_of(address: &str) -> String {
    let rest = address.strip_prefix("ws://").expect("a ws:// address");
    let host = rest.split('/').next().expect("a host");
    format!("http://{host}")
}

fn end(dev: Running) {
    dev.interrupt();
    let _ = dev.wait().exits(0);
}

#[test]
fn a_day_with_the_console_and_a_chat_in_a_browser() {
    const MISTAKE: &str = "if text == \"boom\" { return Err(Failure::Broken(\"boom isn't for this room\".into())); }\n";
    const BEFORE: &str = "            check(\"text\", &text, TEXT_CHARS)?;\n";
    let (project, dev, address) = dev("chat", |project| {
        project.edit("src/lib.rs", BEFORE, &format!("{BEFORE}{MISTAKE}"));
        project.edit(
            "wsless.toml",
            "order = \"connection\"",
            "order = \"connection\"\nmax-receives = 1",
        );
    });
    let url = cloud_of(&address);

    let mut ada = Client::connect(&address);
    ada.send_json(&json!({"action": "join", "room": "lobby", "name": "Ada"}));
    for event in ["welcome", "joined"] {
        assert!(ada.receive().contains(event));
    }
    // A failed message is tried again when it's visible again, after a minute: nobody wants to wait for it.
    let sqs = aws_sdk_sqs::Client::new(&Cloud::sdk_at(&url));
    run(async {
        let found = sqs.get_queue_url().queue_name("chat-dev-chat.fifo");
        let found = found.send().await?.queue_url.unwrap_or_default();
        let set = sqs.set_queue_attributes().queue_url(found);
        let visibility = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
        set.attributes(visibility, "1").send().await?;
        Ok::<_, aws_sdk_sqs::Error>(())
    })
    .expect("the queue's visibility timeout is set");
    ada.send_json(&json!({"action": "say", "room": "lobby", "text": "boom"}));
    let letters = run(sqs
        .get_queue_url()
        .queue_name("chat-dev-chat-dlq.fifo")
        .send());
    let letters = letters.expect("the queue").queue_url.unwrap_or_default();
    wait_for("the message to be a dead letter", BOUND, || {
        let waiting = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
        let asked = sqs.get_queue_attributes().queue_url(&letters);
        let found = run(asked.attribute_names(waiting.clone()).send()).expect("a queue's counts");
        (found.attributes?.get(&waiting)? == "1").then_some(())
    });
    let folder = pictures("console");
    play("console.py", ["day", &url, &folder]);

    // The mended handler does what the first couldn't, and everybody who's still connected hears it.
    project.edit("src/lib.rs", MISTAKE, "");
    wait_for("the mended handler's deployment", BOUND, || {
        let lines = told(&dev);
        let mut rounds = lines.iter().filter(|line| line["command"] == "dev").skip(1);
        rounds
            .next()
            .map(|line| assert_eq!(line["complete"], true, "{line}"))
    });
    play("console.py", ["mend", &url, &folder]);
    let said = json!({"event": "said", "room": "lobby", "name": "Ada", "text": "boom"});
    while ada.receive_json() != said {}
    ada.close();

    let page = project.path("page.html").display().to_string();
    play("pages.py", ["chat", &page, &address, &pictures("pages")]);
    end(dev);
}

#[test]
fn prices_of_the_feed_are_drawn_in_a_browser() {
    let (mut project, dev, address) = dev("ticker", |_| {});
    let port = cloud_of(&address);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", port.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        project.set(name, value);
    }
    let feed = project.begin(
        "cargo",
        [
            "run",
            "--bin",
            "feed",
            "--target",
            &project.host(),
            "--",
            "--rate",
            "8",
        ],
    );
    wait_for("the feed", BOUND, || {
        feed.stdout().contains("The market is open").then_some(())
    });
    let page = project.path("page.html").display().to_string();
    play("pages.py", ["ticker", &page, &address, &pictures("pages")]);
    end(dev);
}
