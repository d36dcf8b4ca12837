//! Chat: rooms, the registry, and the order of one connection's messages.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::{BOUND, Session, System};
use crate::harness::{Cloud, Project, run, wait_for};

#[test]
fn a_room_hears_what_is_said_in_order_and_forgets_who_goes_on_ministack() {
    a_room_hears_what_is_said_in_order_and_forgets_who_goes(&Cloud::ministack());
}

#[test]
fn a_room_hears_what_is_said_in_order_and_forgets_who_goes_on_the_embedded_cloud() {
    a_room_hears_what_is_said_in_order_and_forgets_who_goes(&Cloud::embedded());
}

fn a_room_hears_what_is_said_in_order_and_forgets_who_goes(cloud: &Cloud) {
    let before = cloud.inventory();
    let project = Project::init("chat", cloud);
    let system = System {
        cloud,
        project: &project,
        name: "chat",
        stage: "dev",
    };
    let address = system.deploy();
    assert!(cloud.inventory().has("sqs queue chat-dev-results.fifo"));

    let mut ada = system.open(&address);
    let mut bob = system.open(&address);
    let mut eve = system.open(&address);
    assert_eq!(rooms_of(&system, &ada), ["*"]);

    join(&system, &mut ada, "Ada");
    join(&system, &mut bob, "Bob");
    assert_eq!(ada.client.receive_json(), event("joined", "Bob"));
    join(&system, &mut eve, "Eve");
    for session in [&mut ada, &mut bob] {
        assert_eq!(session.client.receive_json(), event("joined", "Eve"));
    }

    let texts: Vec<String> = (1..=12).map(|number| format!("line {number}")).collect();
    for text in &texts {
        say(&system, &mut ada, text);
    }
    for session in [&mut ada, &mut bob, &mut eve] {
        let heard: Vec<Value> = texts
            .iter()
            .map(|_| session.client.receive_json())
            .collect();
        let said: Vec<Value> = texts.iter().map(|text| said("Ada", text)).collect();
        assert_eq!(heard, said);
    }

    assert_eq!(who(&mut bob), ["Ada", "Bob", "Eve"]);
    request(&system, &mut bob, "leave", &json!({}));
    assert_eq!(
        bob.client.receive_json(),
        json!({"event": "goodbye", "room": "lobby"})
    );
    for session in [&mut ada, &mut eve] {
        assert_eq!(session.client.receive_json(), event("left", "Bob"));
    }
    assert_eq!(who(&mut bob), ["Ada", "Eve"]);
    assert_eq!(rooms_of(&system, &bob), ["*"]);

    let Session { client, id } = eve;
    client.close();
    wait_for("the registry to forget who closed", BOUND, || {
        rooms_of_id(&system, &id).is_empty().then_some(())
    });
    assert_eq!(who(&mut bob), ["Ada"]);
    say(&system, &mut ada, "anybody?");
    assert_eq!(ada.client.receive_json(), said("Ada", "anybody?"));

    // Ada's own item and her room, and Bob's own: the registry is data.
    let full = cloud.inventory();
    let mark = cloud.recorder.mark();
    let _ = system
        .wsless(["destroy", "--yes"])
        .exits(1)
        .warns("delete table/connections would lose 3 items")
        .warns("--allow-data-loss");
    cloud.recorder.mutations_since(mark).assert_none();
    cloud.inventory().assert_same_as(&full);
    system.deploy_without_a_change();
    let _ = system
        .wsless(["destroy", "--yes", "--allow-data-loss"])
        .succeeds();
    cloud.inventory().assert_same_as(&before);
}

/// Puts a client's request into the handler's queue, as API Gateway would.
#[track_caller]
fn request(system: &System<'_>, sender: &mut Session, action: &str, fields: &Value) {
    let mut body = json!({"action": action, "room": "lobby"});
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    system.send("chat.fifo", sender, action, &body.to_string());
}

#[track_caller]
pub fn say(system: &System<'_>, sender: &mut Session, text: &str) {
    request(system, sender, "say", &json!({ "text": text }));
}

/// Joins the lobby; who joins is welcomed, and told like everyone who's in.
#[track_caller]
pub fn join(system: &System<'_>, session: &mut Session, name: &str) {
    request(system, session, "join", &json!({ "name": name }));
    let mut told = [session.client.receive_json(), session.client.receive_json()];
    told.sort_by_key(|event| event["event"] == "joined");
    assert_eq!(told, [event("welcome", name), event("joined", name)]);
}

/// Who is in the lobby: the direct way, answered on the same connection.
#[track_caller]
pub fn who(session: &mut Session) -> Vec<String> {
    session
        .client
        .send_json(&json!({"action": "who", "room": "lobby"}));
    let answer = session.client.receive_json();
    assert_eq!(answer["event"], "members", "{answer}");
    let names = answer["names"].as_array().expect("names");
    names
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

fn event(event: &str, name: &str) -> Value {
    json!({"event": event, "room": "lobby", "name": name})
}

pub fn said(name: &str, text: &str) -> Value {
    json!({"event": "said", "room": "lobby", "name": name, "text": text})
}

#[track_caller]
fn rooms_of(system: &System<'_>, session: &Session) -> Vec<String> {
    rooms_of_id(system, &session.id)
}

/// The rooms that the registry has for a connection; its own item is in `*`.
#[track_caller]
fn rooms_of_id(system: &System<'_>, id: &str) -> Vec<String> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&system.cloud.sdk());
    let found = run(dynamodb
        .query()
        .table_name(system.thing("connections"))
        .key_condition_expression("#c = :c")
        .expression_attribute_names("#c", "connection")
        .expression_attribute_values(":c", AttributeValue::S(id.to_owned()))
        .send());
    found
        .expect("the registry's items")
        .items
        .unwrap_or_default()
        .iter()
        .map(|item| item["room"].as_s().expect("a room").clone())
        .collect()
}
