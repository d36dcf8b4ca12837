//! Measurements, not tests: `cargo test -p wsless-local speed -- --ignored --nocapture`, optimised.

use std::time::Instant;

use super::*;

const CYCLES: u32 = 200_000;

#[tokio::test]
#[ignore = "a measurement"]
async fn sending_receiving_and_deleting_takes_this_long() {
    for (name, filled) in [
        ("empty", 0),
        ("full", 1_000_000),
        ("empty.fifo", 0),
        ("full.fifo", 1_000_000),
    ] {
        let caught = instant();
        let url = caught.queue(name, json!({})).await;
        let region = caught.region();
        let queue = region.sqs.queue(name).expect("there");
        let rules = queue.settings().rules();
        let sender: Arc<str> = Arc::from(ACCOUNT);
        let send = |number: u32| {
            let mut input = json!({"MessageBody": "x".repeat(200)});
            if rules.fifo {
                input["MessageGroupId"] = (number % 10_000).to_string().into();
                input["MessageDeduplicationId"] = number.to_string().into();
            }
            let input = input.as_object().expect("an object");
            let sending = message::Sending::read(input, rules, false).expect("fine");
            queue
                .send(&region, Millis::now(), &sending, &sender)
                .expect("sent");
        };
        for number in 0..filled {
            send(number);
        }
        let start = Instant::now();
        for number in 0..CYCLES {
            send(filled + number);
            let received = queue.receive(&region, 1, None);
            queue.delete(&received[0].receipt_handle);
        }
        let took = start.elapsed();
        eprintln!("{name}, in process: {:?} a message", took / CYCLES);

        let start = Instant::now();
        for number in 0..CYCLES {
            let mut input = json!({"QueueUrl": url, "MessageBody": "x".repeat(200)});
            if rules.fifo {
                input["MessageGroupId"] = (number % 10_000).to_string().into();
                input["MessageDeduplicationId"] = format!("call-{number}").into();
            }
            caught.get("SendMessage", input).await;
            let taken = caught.get("ReceiveMessage", json!({"QueueUrl": url})).await;
            let handle = &taken["Messages"][0]["ReceiptHandle"];
            caught
                .get(
                    "DeleteMessage",
                    json!({"QueueUrl": url, "ReceiptHandle": handle}),
                )
                .await;
        }
        let took = start.elapsed();
        eprintln!("{name}, by calls: {:?} a message", took / CYCLES);
    }
}
