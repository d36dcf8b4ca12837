use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use super::*;

fn spec() -> Spec {
    Spec {
        routes: vec![("$disconnect", "ok", false), ("$default", "echo", true)],
        ..Spec::default()
    }
}

fn part(data: Vec<u8>, kind: Data, last: bool) -> Message {
    Message::Frame(Frame::message(data, OpCode::Data(kind), last))
}

/// How `$disconnect` was told of the end.
async fn told(world: &World) -> (i64, String) {
    let event = world.wait_for_events("ok", 1).await.remove(0);
    let context = &event["requestContext"];
    (
        context["disconnectStatusCode"].as_i64().unwrap_or(0),
        context["disconnectReason"]
            .as_str()
            .unwrap_or("")
            .to_owned(),
    )
}

#[tokio::test]
async fn a_frame_of_32_kb_passes_and_a_bigger_one_closes() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let whole = "x".repeat(32 * 1024);
    client.hears_nothing_until(&whole, &whole).await;
    client.send(&"x".repeat(32 * 1024 + 1)).await;
    assert_eq!(client.closed().await.0, 1009);
    assert_eq!(told(&world).await.0, 1009);
}

#[tokio::test]
async fn a_message_of_128_kb_in_fragments_passes_and_comes_back_in_fragments() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    let quarter = vec![b'y'; 32 * 1024];
    for (index, kind) in [Data::Text, Data::Continue, Data::Continue, Data::Continue]
        .into_iter()
        .enumerate()
    {
        client
            .0
            .send(part(quarter.clone(), kind, index == 3))
            .await
            .expect("sent");
    }
    assert_eq!(client.text().await.len(), 128 * 1024);
    for index in 0..5 {
        let kind = if index == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        if client
            .0
            .send(part(quarter.clone(), kind, index == 4))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test]
async fn a_huge_frame_is_refused_before_it_is_read_and_the_close_still_arrives() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let client = world.connect(&api).await;
    // The client writes on while the cloud has long said no.
    let (mut sink, mut stream) = client.0.split();
    let writing = tokio::spawn(async move {
        let _ = sink.send(Message::text("x".repeat(4 * 1024 * 1024))).await;
    });
    let closed = tokio::time::timeout(PATIENCE, async {
        while let Some(next) = stream.next().await {
            if let Ok(Message::Close(Some(frame))) = next {
                return Some(u16::from(frame.code));
            }
        }
        None
    })
    .await
    .expect("it ends");
    assert_eq!(closed, Some(1009));
    let _ = writing.await;
}

#[tokio::test]
async fn binary_is_not_supported() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    client
        .0
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .expect("sent");
    assert_eq!(client.closed().await.0, 1003);
    assert_eq!(
        told(&world).await,
        (1003, "Binary is not supported".to_owned())
    );
    assert!(world.events("echo").is_empty());
}

#[tokio::test]
async fn what_isnt_utf_8_closes() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    client
        .0
        .send(part(vec![b'a', 0xff], Data::Text, true))
        .await
        .expect("sent");
    assert_eq!(client.closed().await.0, 1007);
}

#[tokio::test]
async fn pings_are_answered() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    client
        .0
        .send(Message::Ping("p".into()))
        .await
        .expect("sent");
    assert_eq!(client.next().await, Message::Pong("p".into()));
    assert!(world.events("echo").is_empty());
}

#[tokio::test]
async fn a_close_without_a_code_and_a_line_that_breaks_are_told_apart() {
    let world = World::new().await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    client.0.close(None).await.expect("closed");
    assert_eq!(
        told(&world).await,
        (1005, "Client-side close frame status not set".to_owned())
    );
    let client = world.connect(&api).await;
    drop(client);
    let broken = world.wait_for_events("ok", 2).await.remove(1);
    assert_eq!(broken["requestContext"]["disconnectStatusCode"], 1006);
    wait_for(|| (world.region.sockets.count() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_connection_without_a_frame_is_closed_after_ten_minutes() {
    // Ten minutes are 60 ms.
    let world = World::with(Options {
        time_scale: 0.0001,
        ..Options::default()
    })
    .await;
    let api = world.api(spec()).await;
    let mut client = world.connect(&api).await;
    assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
    assert_eq!(told(&world).await, (1001, "Going away".to_owned()));
}

#[tokio::test]
async fn a_connection_ends_after_two_hours_whatever_it_does() {
    // Two hours are 720 ms, ten minutes 60.
    let world = World::with(Options {
        time_scale: 0.0001,
        ..Options::default()
    })
    .await;
    let api = world.api(spec()).await;
    let client = world.connect(&api).await;
    let (mut sink, mut stream) = client.0.split();
    let busy = tokio::spawn(async move {
        while sink.send(Message::Ping("p".into())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let code = tokio::time::timeout(PATIENCE, async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await
    .expect("it ends");
    assert_eq!(code, 1001);
    busy.abort();
}
