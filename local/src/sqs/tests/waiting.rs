//! Long polling and arrivals: nobody sleeps while there is something to receive.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::*;

/// Longer than anything here takes, however slow the machine.
const BOUND: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_long_poll_ends_with_the_message() {
    let caught = Arc::new(instant());
    let url = caught.queue("jobs", json!({})).await;
    let poll = {
        let (caught, url) = (Arc::clone(&caught), url.clone());
        tokio::spawn(async move {
            caught
                .get(
                    "ReceiveMessage",
                    json!({"QueueUrl": url, "WaitTimeSeconds": 20}),
                )
                .await
        })
    };
    tokio::task::yield_now().await;
    caught.send(&url, "x").await;
    let answer = tokio::time::timeout(BOUND, poll)
        .await
        .expect("in time")
        .expect("no panic");
    assert_eq!(answer["Messages"][0]["Body"], "x");
}

#[tokio::test]
async fn a_long_poll_waits_its_time_and_then_answers_nothing() {
    let caught = instant();
    let url = caught
        .queue("jobs", json!({"ReceiveMessageWaitTimeSeconds": "1"}))
        .await;
    let start = Instant::now();
    assert_eq!(
        caught.get("ReceiveMessage", json!({"QueueUrl": url})).await,
        json!({})
    );
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_long_poll_gets_what_becomes_due_or_comes_back() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20, "VisibilityTimeout": 1});
    caught
        .get(
            "SendMessage",
            json!({"QueueUrl": url, "MessageBody": "x", "DelaySeconds": 1}),
        )
        .await;
    for _ in 0..2 {
        let answer = tokio::time::timeout(BOUND, caught.get("ReceiveMessage", poll.clone()))
            .await
            .expect("in time");
        assert_eq!(answer["Messages"][0]["Body"], "x");
    }
}

#[tokio::test]
async fn a_waiter_is_woken_when_a_message_is_to_come_back_sooner_than_it_thought() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    caught.send(&url, "x").await;
    let region = caught.region();
    let queue = region.sqs.queue("jobs").expect("there");
    let received = queue.receive(&region, 1, Some(Duration::from_hours(1)));
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.arrival().await })
    };
    tokio::task::yield_now().await;
    queue.change_visibility(&received[0].receipt_handle, Duration::from_millis(5));
    tokio::time::timeout(Duration::from_secs(15), waiter)
        .await
        .expect("in time")
        .expect("no panic");
    assert_eq!(queue.receive(&region, 1, None).len(), 1);
}

#[tokio::test]
async fn a_waiter_is_woken_when_its_group_is_free() {
    let caught = instant();
    let url = caught
        .queue("jobs.fifo", json!({"ContentBasedDeduplication": "true"}))
        .await;
    for body in ["1", "2"] {
        caught
            .get(
                "SendMessage",
                json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": "g"}),
            )
            .await;
    }
    let region = caught.region();
    let queue = region.sqs.queue("jobs.fifo").expect("there");
    let received = queue.receive(&region, 1, None);
    let waiter = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.arrival().await })
    };
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished());
    queue.delete(&received[0].receipt_handle);
    tokio::time::timeout(Duration::from_secs(15), waiter)
        .await
        .expect("in time")
        .expect("no panic");
}

#[tokio::test]
async fn whoever_waits_at_a_deleted_queue_is_told() {
    let caught = Arc::new(instant());
    let url = caught.queue("jobs", json!({})).await;
    let queue = caught.region().sqs.queue("jobs").expect("there");
    let poll = {
        let (caught, url) = (Arc::clone(&caught), url.clone());
        tokio::spawn(async move {
            caught
                .ask(
                    "ReceiveMessage",
                    json!({"QueueUrl": url, "WaitTimeSeconds": 20}),
                )
                .await
        })
    };
    tokio::task::yield_now().await;
    caught.get("DeleteQueue", json!({"QueueUrl": url})).await;
    let error = tokio::time::timeout(BOUND, poll)
        .await
        .expect("in time")
        .expect("no panic")
        .expect_err("gone");
    assert_eq!(error.code, "QueueDoesNotExist");
    tokio::time::timeout(BOUND, queue.arrival())
        .await
        .expect("it resolves");
    assert!(queue.receive(&caught.region(), 1, None).is_empty());
}

/// Many senders, many waiters of which some give up at any time: each message is received exactly once, in bounded time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_among_many_waiters() {
    const SENDERS: usize = 4;
    const EACH: usize = 500;
    let caught = Arc::new(instant());
    for (name, groups) in [("jobs", 1), ("jobs.fifo", 7)] {
        let url = caught.queue(name, json!({})).await;
        let region = caught.region();
        let queue = region.sqs.queue(name).expect("there");
        let fifo = queue.is_fifo();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = JoinSet::new();
        for waiter in 0..16_u64 {
            let (region, queue, seen) =
                (Arc::clone(&region), Arc::clone(&queue), Arc::clone(&seen));
            waiters.spawn(async move {
                while seen.lock().len() < SENDERS * EACH {
                    if waiter % 4 == 0 {
                        // Gives up after it was woken, perhaps.
                        let pause = Duration::from_micros(waiter * 50);
                        let _ = tokio::time::timeout(pause, queue.arrival()).await;
                        continue;
                    }
                    if tokio::time::timeout(Duration::from_millis(200), queue.arrival())
                        .await
                        .is_err()
                    {
                        continue;
                    }
                    for received in queue.receive(&region, 3, None) {
                        seen.lock().push(received.body.to_string());
                        queue.delete(&received.receipt_handle);
                    }
                }
            });
        }
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let (caught, url) = (Arc::clone(&caught), url.clone());
            senders.spawn(async move {
                for number in 0..EACH {
                    let body = format!("{sender}-{number}");
                    let mut input = json!({"QueueUrl": url, "MessageBody": body});
                    if fifo {
                        input["MessageGroupId"] = format!("{}", number % groups).into();
                        input["MessageDeduplicationId"] = body.into();
                    }
                    caught.get("SendMessage", input).await;
                    if number % 16 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        tokio::time::timeout(BOUND, async {
            while senders.join_next().await.is_some() {}
            while waiters.join_next().await.is_some() {}
        })
        .await
        .expect("in time");
        let mut seen = std::mem::take(&mut *seen.lock());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), SENDERS * EACH);
        assert_eq!(queue.counts(Millis::now()), Counts::default());
    }
}

/// Only pushes wake them: were one lost, the waiter would sleep for seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_wakes_a_waiter_at_once() {
    let caught = instant();
    let url = caught.queue("jobs", json!({})).await;
    let region = caught.region();
    let queue = region.sqs.queue("jobs").expect("there");
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let poller = {
        let (region, queue) = (Arc::clone(&region), Arc::clone(&queue));
        tokio::spawn(async move {
            loop {
                queue.arrival().await;
                for received in queue.receive(&region, 1, None) {
                    queue.delete(&received.receipt_handle);
                    if told.send(()).await.is_err() {
                        return;
                    }
                }
            }
        })
    };
    for _ in 0..2000 {
        caught.send(&url, "x").await;
        // Less than the time after which a waiter looks by itself.
        let message = tokio::time::timeout(Duration::from_secs(15), heard.recv()).await;
        message.expect("in time").expect("a message");
    }
    poller.abort();
}
