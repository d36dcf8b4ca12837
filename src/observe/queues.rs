//! What a stage's queues hold.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::scope::Scope,
};

const LIST: Operation = Operation::read(Service::Sqs, "ListQueues");
const READ: Operation = Operation::read(Service::Sqs, "GetQueueAttributes");

/// What one queue holds; SQS's counts are approximate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue's name without the stage's prefix, such as `echo` or `echo-dlq`.
    pub queue: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are being handled.
    pub in_flight: u64,
}

/// What the stage's queues hold, by name.
pub async fn queues(aws: &Aws, scope: &Scope) -> Result<Vec<QueueDepth>, Error> {
    let urls = aws
        .pages(
            LIST,
            |token| {
                aws.sqs
                    .list_queues()
                    .queue_name_prefix(scope.prefix())
                    .max_results(1000)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.queue_urls, page.next_token),
        )
        .await?;
    let mut depths =
        futures::future::try_join_all(urls.iter().map(|url| depth(aws, scope, url))).await?;
    depths.sort_by(|a, b| a.queue.cmp(&b.queue));
    Ok(depths)
}

async fn depth(aws: &Aws, scope: &Scope, url: &str) -> Result<QueueDepth, Error> {
    use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
    let found = aws
        .call(READ, || {
            aws.sqs
                .get_queue_attributes()
                .queue_url(url)
                .attribute_names(ApproximateNumberOfMessages)
                .attribute_names(ApproximateNumberOfMessagesNotVisible)
                .send()
        })
        .await?;
    let count = |name: &QueueAttributeName| {
        let value = found.attributes().and_then(|all| all.get(name));
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let name = url.rsplit('/').next().unwrap_or(url);
    Ok(QueueDepth {
        queue: scope.thing(name).unwrap_or(name).to_owned(),
        waiting: count(&ApproximateNumberOfMessages),
        in_flight: count(&ApproximateNumberOfMessagesNotVisible),
    })
}
