//! What a connection costs, and how many messages there are in a second. Not run with the others: it's for whoever changes
//! the hot path (`cargo test -p wsless-local --release measures -- --ignored --nocapture`).

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn resident_kb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn measures_messages_a_second() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let mut one = world.connect(&api).await;
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let since = Instant::now();
        one.send(r#"{"action":"x"}"#).await;
        one.text().await;
        times.push(since.elapsed());
    }
    times.sort();
    println!(
        "one connection: p50 {:?}, p99 {:?}",
        times[1_000], times[1_980]
    );
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(world.connect(&api).await);
    }
    world.fake.events.lock().clear();
    let since = Instant::now();
    let each = 1_000;
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                for _ in 0..each {
                    client
                        .send(r#"{"action":"x","text":"some text that is sent"}"#)
                        .await;
                    client.text().await;
                }
            })
        })
        .collect();
    for one in running {
        one.await.expect("done");
    }
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "50 connections: {:.0} messages a second, clients and all",
        f64::from(50 * each) / seconds
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn measures_idle_connections() {
    let world = World::new().await;
    let api = world
        .api(Spec {
            routes: vec![("$default", "echo", true)],
            ..Spec::default()
        })
        .await;
    let address = world.running.cloud().address;
    let request = format!(
        "GET /_aws/execute-api/{api}/dev HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut held = Vec::new();
    let mut before = 0;
    for number in 0..4_200 {
        if number == 200 {
            world.fake.events.lock().clear();
            before = resident_kb();
        }
        let mut line = TcpStream::connect(address).await.expect("a line");
        line.write_all(request.as_bytes()).await.expect("written");
        let mut answer = [0; 12];
        line.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101");
        held.push(line);
    }
    world.fake.events.lock().clear();
    let after = resident_kb();
    println!(
        "an idle connection, both ends: {} bytes",
        (after - before) * 1024 / 4_000
    );
}

fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
    std::mem::size_of::<F>()
}

#[test]
fn a_connections_task_is_small() {
    let size = size(crate::sockets::serve::connection);
    assert!(size < 3 * 1024, "{size}");
}
