//! SQS: standard and FIFO queues.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    call::{Answer, Call},
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
};

/// The service's state.
#[derive(Debug, Default)]
pub struct Sqs {}

impl Sqs {
    /// A queue, by name.
    pub fn queue(&self, name: &str) -> Option<Arc<Queue>> {
        let _ = name;
        None
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        Value::Null
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        let _ = kept;
        Ok(())
    }
}

/// One queue.
#[derive(Debug)]
pub struct Queue {}

/// A message that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its id.
    pub message_id: String,
    /// What deletes it.
    pub receipt_handle: String,
    /// Its body.
    pub body: Arc<str>,
    /// The body's MD5, hexadecimal.
    pub body_md5: String,
    /// The attributes' MD5 as SQS makes it; absent without attributes.
    pub attributes_md5: Option<String>,
    /// `SentTimestamp`, `ApproximateReceiveCount`, `MessageGroupId`…: all that SQS has of it.
    pub attributes: BTreeMap<String, String>,
    /// The sender's attributes: as in ReceiveMessage's answer, by name (`StringValue`, `BinaryValue`, `DataType`).
    pub message_attributes: Value,
}

impl Queue {
    /// Takes up to ten messages that are visible, and hides them for so long (`None`: the queue's own timeout). Doesn't wait.
    /// Messages that were received too often go to the dead-letter queue instead.
    pub fn receive(
        &self,
        region: &Region,
        most: usize,
        visibility: Option<Duration>,
    ) -> Vec<Received> {
        let _ = (region, most, visibility);
        Vec::new()
    }

    /// Resolves when there may be something to receive: at once if there is, else when a message comes or comes back.
    pub async fn arrival(&self) {
        std::future::pending::<()>().await;
    }

    /// Deletes a message that was received; nothing if the handle is stale.
    pub fn delete(&self, receipt_handle: &str) {
        let _ = receipt_handle;
    }

    /// Makes a received message visible again after this long.
    pub fn change_visibility(&self, receipt_handle: &str, after: Duration) {
        let _ = (receipt_handle, after);
    }

    /// How long a received message is hidden.
    pub fn visibility_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Whether it keeps order.
    pub fn is_fifo(&self) -> bool {
        false
    }
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    Permission::of(call, "*")
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    Err(AwsError::unknown_operation("sqs", &call.operation))
}
