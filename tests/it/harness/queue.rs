//! A client's message as API Gateway's SQS integration would put it into a handler's queue.
//!
//! ministack has no such integration, so tests of the queued way begin here.

use aws_sdk_sqs::types::MessageAttributeValue;

use super::{Cloud, run};

/// What the integration's template would render.
#[derive(Debug, Clone)]
pub struct ClientMessage {
    /// The frame's text.
    pub body: String,
    /// The sender.
    pub connection_id: String,
    /// `$context.requestId`
    pub request_id: String,
    /// The route that was chosen.
    pub route_key: String,
    /// The API's stage.
    pub stage: String,
    /// `$context.connectedAt`, ms since 1970.
    pub connected_at: u64,
}

impl ClientMessage {
    /// A message of a connection on a route, with an id of its own.
    pub fn new(connection_id: &str, route_key: &str, stage: &str, body: &str) -> Self {
        Self {
            body: body.to_owned(),
            connection_id: connection_id.to_owned(),
            request_id: uuid::Uuid::new_v4().to_string(),
            route_key: route_key.to_owned(),
            stage: stage.to_owned(),
            connected_at: 1_645_556_857_902,
        }
    }
}

/// Puts it into the queue of this name; a FIFO queue gets group = connection and dedup id = request.
#[track_caller]
pub fn put_client_message(cloud: &Cloud, queue_name: &str, message: &ClientMessage) {
    let sqs = aws_sdk_sqs::Client::new(&cloud.sdk());
    let text = |value: &str| {
        MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .expect("an attribute has a type")
    };
    run(async {
        let found = sqs.get_queue_url().queue_name(queue_name).send().await?;
        // A name, not a file: SQS wants exactly this suffix.
        let is_fifo = queue_name.strip_suffix(".fifo").is_some();
        sqs.send_message()
            .queue_url(found.queue_url.unwrap_or_default())
            .message_body(&message.body)
            .message_attributes("connectionId", text(&message.connection_id))
            .message_attributes("requestId", text(&message.request_id))
            .message_attributes("routeKey", text(&message.route_key))
            .message_attributes("stage", text(&message.stage))
            .message_attributes("connectedAt", text(&message.connected_at.to_string()))
            .set_message_group_id(is_fifo.then(|| message.connection_id.clone()))
            .set_message_deduplication_id(is_fifo.then(|| message.request_id.clone()))
            .send()
            .await?;
        Ok::<_, aws_sdk_sqs::Error>(())
    })
    .unwrap_or_else(|error| panic!("a message into {queue_name}: {error:?}"));
}
