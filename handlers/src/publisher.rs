//! Sending to clients from outside Lambda, by way of the results queue.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::Error;
use crate::aws::http::Http;
use crate::aws::sqs::{Entry, Queue};
use crate::aws::{Aws, CallError};
use crate::environment::Environment;
use crate::reply::Reply;

/// What a name lacks whose queue keeps order.
const FIFO: &str = ".fifo";

/// Sends to a system's clients from anywhere: a server, a laptop, a function that isn't one of its handlers.
///
/// ```no_run
/// # async fn feed() -> Result<(), wsless_handlers::Error> {
/// use wsless_handlers::{Publisher, Reply};
///
/// let publisher = Publisher::to_queue("ticker-dev-results").await?;
/// publisher.publish(Reply::to_room("ACME", "101.25").retained()).await?;
/// # Ok(())
/// # }
/// ```
///
/// Credentials, region and endpoint come from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_SQS` or `AWS_ENDPOINT_URL`. It needs `sqs:SendMessage` on the
/// queue, and `sqs:GetQueueUrl` if it's given the queue's name.
///
/// It runs on a tokio runtime with time and I/O enabled, and is meant to be kept: it keeps its connections.
#[derive(Debug)]
pub struct Publisher {
    aws: Aws,
    url: String,
    /// Tells this publisher's messages from any other's, where a FIFO queue drops what it takes for a repetition.
    run: String,
    count: AtomicU64,
}

impl Publisher {
    /// To the queue whose URL is in `WSLESS_RESULTS_QUEUE_URL`.
    pub fn from_env() -> Result<Self, Error> {
        let environment = Environment::read()?;
        let url = environment
            .results_queue
            .clone()
            .ok_or("WSLESS_RESULTS_QUEUE_URL isn't set")?;
        Self::new(environment, url)
    }

    /// To the queue of this name or URL. A system's results queue is called `{project}-{stage}-results`; where it
    /// keeps order its name goes on with `.fifo`, which may be left out here.
    pub async fn to_queue(queue: &str) -> Result<Self, Error> {
        let mut environment = Environment::read()?;
        // The endpoint must be found by this queue, not by another that the environment happens to name.
        environment.results_queue = None;
        if queue.contains("://") {
            environment.results_queue = Some(queue.to_owned());
            return Self::new(environment, queue.to_owned());
        }
        let mut publisher = Self::new(environment, String::new())?;
        let found = match publisher.find(queue).await? {
            None if !queue.ends_with(FIFO) => publisher.find(&format!("{queue}{FIFO}")).await?,
            found => found,
        };
        publisher.url = found.ok_or_else(|| format!("there is no queue {queue}"))?;
        Ok(publisher)
    }

    /// Sends a reply's texts, in their order, ten a call. What SQS has no room for at the moment is tried again, four
    /// times within a few seconds.
    ///
    /// An error says that some may not have been sent: publishing the reply again may then bring others twice. A text
    /// to the sender is an error, since there is none, and nothing is sent then. So is a text of more than 128 KiB.
    pub async fn publish(&self, reply: Reply) -> Result<(), Error> {
        let entries = reply
            .sends
            .into_iter()
            .map(|(target, text)| {
                let message = target.message(text, None).ok_or(
                    "a publisher has no sender to reply to: name a connection, a room or all",
                )?;
                message.check_size()?;
                Ok(message.entry(self.key()))
            })
            .collect::<Result<Vec<Entry>, Error>>()?;
        let results = Queue::new(&self.aws, &self.url).send(&entries).await;
        let mut failures = results.into_iter().filter_map(Result::err);
        match failures.next() {
            None => Ok(()),
            Some(reason) => {
                let failed = failures.count() + 1;
                Err(format!("{failed} of {} not sent: {reason}", entries.len()).into())
            }
        }
    }

    /// The queue's URL.
    pub fn queue_url(&self) -> &str {
        &self.url
    }

    fn new(environment: Environment, url: String) -> Result<Self, Error> {
        let random = || RandomState::new().build_hasher().finish();
        Ok(Self {
            aws: Aws::new(Http::new()?, Arc::new(environment)),
            url,
            run: format!("{:016x}{:016x}", random(), random()),
            count: AtomicU64::new(0),
        })
    }

    fn key(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.run)
    }

    /// The URL of the queue of this name, if there is one. AWS's two protocols have a code each for one that isn't there.
    async fn find(&self, name: &str) -> Result<Option<String>, Error> {
        let input = json!({ "QueueName": name });
        match self.aws.json("sqs", "AmazonSQS.GetQueueUrl", &input).await {
            Ok(answer) => match answer.get("QueueUrl").and_then(Value::as_str) {
                Some(url) => Ok(Some(url.to_owned())),
                None => {
                    Err(format!("AmazonSQS.GetQueueUrl: no URL of {name} in the answer").into())
                }
            },
            Err(CallError::Refused { code, .. })
                if code.ends_with("QueueDoesNotExist") || code.ends_with("NonExistentQueue") =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
