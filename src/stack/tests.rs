//! What a manifest becomes: laws that hold for every stack, and what each feature adds.

mod access;
mod gateway;
mod names;
mod resources;

use std::sync::Arc;

use serde_json::Value;

use super::{Code, Codes, builtins, stack};
use crate::{
    aws::Identity,
    diagnostic::SourceFile,
    engine::{scope::Scope, stack::Stack},
    manifest::{self, Manifest},
};

/// A manifest with every feature: both ways, both orders, an authorizer, an access log, a throttle, the registry.
const FULL: &str = r#"
[project]
name = "chat"
tags = { team = "realtime" }
[build]
architecture = "arm64"
[api]
allowed-origins = ["https://chat.example.com"]
throttle = { rate = 500, burst = 1000 }
authorizer = "auth"
access-log = true
[handlers.auth]
[handlers.plain]
environment = { GREETING = "hello" }
reserved-concurrency = 50
policy = [{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::my-bucket/*"] }]
[handlers.plain.queue]
batch-size = 100
batch-window = "5s"
max-receives = 7
max-concurrency = 20
[handlers.ordered]
timeout = "20s"
[handlers.ordered.queue]
order = "connection"
[handlers.both]
[handlers.answering]
[routes]
"$default" = { handler = "plain" }
say = { handler = "ordered" }
shout = { handler = "ordered" }
post = { handler = "both" }
read = { handler = "both", via = "direct" }
ping = { handler = "answering", via = "direct" }
pong = { handler = "answering", via = "direct" }
[alarms]
notify = ["arn:aws:sns:eu-west-1:123456789012:pager"]
"#;

/// The least that deploys: one direct route, no registry.
const LEAST: &str = r#"
[project]
name = "least"
[connections]
registry = false
[handlers.echo]
[routes]
ping = { handler = "echo", via = "direct" }
"#;

/// Handlers in place of the built-in ones.
const OWN_LIFECYCLE: &str = r#"
[project]
name = "own"
[api]
allowed-origins = ["https://chat.example.com"]
[handlers.connect]
[handlers.farewell]
[handlers.echo]
[routes]
"$connect" = { handler = "connect", via = "direct" }
"$disconnect" = { handler = "farewell", via = "direct" }
"$default" = { handler = "echo" }
"#;

const ALL: [&str; 3] = [FULL, LEAST, OWN_LIFECYCLE];

fn scope_of(manifest: &Manifest, stage: &str) -> Scope {
    Scope {
        project: manifest.project.name.clone(),
        stage: stage.to_owned(),
        identity: Identity {
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            region: "eu-west-1".to_owned(),
            arn: "arn:aws:iam::123456789012:user/me".to_owned(),
        },
    }
}

fn parsed(text: &str, stage: &str) -> Option<Manifest> {
    let file = Arc::new(SourceFile {
        path: "wsless.toml".to_owned(),
        text: text.to_owned(),
    });
    manifest::parse(&file, stage)
        .ok()
        .map(|parsed| parsed.manifest)
}

/// Code for each function; `salt` makes other code.
fn codes_of(manifest: &Manifest, salt: &str) -> Codes {
    let handlers = manifest.handlers.keys().map(manifest::HandlerName::as_str);
    handlers
        .chain(builtins(manifest))
        .map(|name| {
            let code = Code {
                sha256: format!("sha256-of-{name}{salt}"),
                package: format!("/packages/{name}.zip"),
            };
            (name.to_owned(), code)
        })
        .collect()
}

/// The stack of a good manifest's stage `dev`.
#[track_caller]
fn stack_of(text: &str) -> Stack {
    let manifest = parsed(text, "dev").unwrap_or_else(|| panic!("a good manifest:\n{text}"));
    stack(
        &manifest,
        &codes_of(&manifest, ""),
        &scope_of(&manifest, "dev"),
    )
    .expect("a stack")
}

/// `text` with one thing replaced, which must be in it.
#[track_caller]
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} isn't in\n{text}");
    text.replacen(from, to, 1)
}

/// The properties at `kind/name`.
#[track_caller]
fn at<'a>(stack: &'a Stack, address: &str) -> &'a Value {
    find(stack, address).unwrap_or_else(|| panic!("no {address} in {:#?}", addresses(stack)))
}

fn find<'a>(stack: &'a Stack, address: &str) -> Option<&'a Value> {
    stack
        .resources
        .iter()
        .find(|desired| desired.address.to_string() == address)
        .map(|desired| &desired.properties)
}

fn addresses(stack: &Stack) -> Vec<String> {
    stack
        .resources
        .iter()
        .map(|desired| desired.address.to_string())
        .collect()
}

/// The names and properties of all of a kind.
fn of_kind<'a>(stack: &'a Stack, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    stack
        .resources
        .iter()
        .filter(move |desired| desired.address.kind() == kind)
        .map(|desired| (desired.address.name(), &desired.properties))
}

/// What a resource needs, as `kind/name`.
#[track_caller]
fn needs(stack: &Stack, address: &str) -> Vec<String> {
    let desired = stack
        .resources
        .iter()
        .find(|desired| desired.address.to_string() == address);
    desired
        .unwrap_or_else(|| panic!("no {address}"))
        .needs()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A text, with `(kind/name attribute)` for what it refers to.
fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let pieces = value["$join"].as_array().expect("a text");
    pieces
        .iter()
        .map(|piece| match piece {
            Value::String(text) => text.clone(),
            other => format!(
                "({}/{} {})",
                other[0].as_str().expect("a kind"),
                other[1].as_str().expect("a name"),
                other[2].as_str().expect("an attribute")
            ),
        })
        .collect()
}

fn texts(values: &Value) -> Vec<String> {
    values
        .as_array()
        .expect("a list")
        .iter()
        .map(text)
        .collect()
}
