//! The one retry loop. The SDK's own is off, so that nothing is retried twice and no create is repeated blindly.
//!
//! A throttled or busy call is repeated for minutes; a call whose answer was lost only if repeating it is harmless;
//! anything else only where the caller names the error it expects to pass ([`Settle`]).

use std::{error::Error as StdError, future::Future, time::Duration};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep};

use super::{Aws, Class, Effect, Error, Operation, Service};

/// How long throttles and busy resources are borne: API Gateway's shared rate can be used up for minutes.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long failing or silent services are borne.
const OUTAGE: Duration = Duration::from_mins(1);

/// How long the first call, which asks who is calling, waits for anybody to answer at all.
const FIRST: Duration = Duration::from_secs(4);

/// An error that passes by itself: eventual consistency that a call has to sit out.
#[derive(Clone, Copy, Debug)]
pub struct Settle {
    /// A part of AWS's message or code.
    pub fragment: &'static str,
    /// What is waited for, for the report.
    pub waits_for: &'static str,
    /// How long at most.
    pub budget: Duration,
}

impl Settle {
    fn applies(&self, error: &Error) -> bool {
        error.mentions(self.fragment)
            || error
                .code()
                .is_some_and(|code| code.contains(self.fragment))
    }
}

impl Aws {
    /// Makes a call, with the rate limit and the retries that suit `operation`.
    pub async fn call<T, E, F>(
        &self,
        operation: Operation,
        send: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.settle(operation, &[], &|_| (), send).await
    }

    /// Makes a call, and sits out the errors in `settles` too, saying through `notify` what is waited for.
    pub async fn settle<T, E, F>(
        &self,
        operation: Operation,
        settles: &[Settle],
        notify: &(dyn Fn(&str) + Send + Sync),
        mut send: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let started = Instant::now();
        let mut delays = backoff();
        let mut waited_for = None;
        loop {
            let error = match self.attempt(operation, &mut send).await {
                Ok(value) => return Ok(value),
                Err(error) => Error::from_sdk(operation, &error),
            };
            let (waits_for, budget) = match error.class() {
                Class::Throttled => ("AWS's request rate", PATIENCE),
                Class::Busy => ("another change to the same resource", PATIENCE),
                // At first it's a mistake in the configuration; later, an outage that may end.
                Class::Ambiguous | Class::Unreachable if self.identity.account.is_empty() => {
                    ("an answer", FIRST)
                }
                Class::Ambiguous if operation.effect != Effect::Create => {
                    ("the service to answer", OUTAGE)
                }
                Class::Unreachable => ("the endpoint to be reachable", OUTAGE),
                _ => match settles.iter().find(|settle| settle.applies(&error)) {
                    Some(settle) => (settle.waits_for, settle.budget),
                    None => return Err(error),
                },
            };
            let delay = delays.next().unwrap_or(Duration::from_secs(10));
            if started.elapsed() + delay > budget {
                return Err(
                    error.after_waiting(format!("{waits_for}, {} s", started.elapsed().as_secs()))
                );
            }
            tracing::debug!(%operation, ?delay, code = error.code(), "waiting for {waits_for}");
            if waited_for != Some(waits_for) {
                notify(waits_for);
                waited_for = Some(waits_for);
            }
            sleep(delay).await;
        }
    }

    /// Makes a call for each page of a listing, and returns all items.
    ///
    /// `send` gets a page's token; `page` takes the items and the next page's token out of an answer.
    pub async fn pages<T, O, E, F>(
        &self,
        operation: Operation,
        mut send: impl FnMut(Option<String>) -> F,
        page: impl Fn(O) -> (Option<Vec<T>>, Option<String>),
    ) -> Result<Vec<T>, Error>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let mut items = Vec::new();
        let mut token = None;
        loop {
            let (more, next) = page(self.call(operation, || send(token.clone())).await?);
            items.extend(more.unwrap_or_default());
            token = next.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(items);
            }
        }
    }

    async fn attempt<T, E, F>(
        &self,
        operation: Operation,
        send: &mut impl FnMut() -> F,
    ) -> Result<T, SdkError<E, HttpResponse>>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        // API Gateway answers concurrent changes of one API with ConflictException [TF], and a deploy changes one API.
        let _turn =
            if operation.service == Service::ApiGatewayV2 && operation.effect != Effect::Read {
                Some(self.api_changes.lock().await)
            } else {
                None
            };
        if let Some(limits) = &self.limits {
            limits.acquire(operation).await;
        }
        tracing::debug!(%operation, "call");
        send().await
    }

    /// Asks `poll` again and again until it says `Some`, for at most `budget`.
    pub async fn wait<T, F>(
        &self,
        operation: Operation,
        waits_for: &str,
        budget: Duration,
        mut poll: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Option<T>, Error>>,
    {
        let started = Instant::now();
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(2))
            .with_factor(1.5)
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            if let Some(value) = poll().await? {
                return Ok(value);
            }
            let delay = delays.next().unwrap_or(Duration::from_secs(2));
            if started.elapsed() + delay > budget {
                return Err(Error::unexpected(
                    operation,
                    format!("{waits_for} didn't happen within {} s", budget.as_secs()),
                ));
            }
            sleep(delay).await;
        }
    }
}

fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Identity;

    #[tokio::test]
    async fn every_page_is_read_and_an_empty_token_ends_the_listing() {
        let aws = Aws::offline(&Identity {
            account: "123456789012".into(),
            partition: "aws".into(),
            region: "eu-west-1".into(),
            arn: String::new(),
        });
        let mut tokens = Vec::new();
        let send = |token: Option<String>| {
            let page = match token.as_deref() {
                None => (Some(vec![1, 2]), Some("a".to_owned())),
                Some("a") => (None, Some("b".to_owned())),
                _ => (Some(vec![3]), Some(String::new())),
            };
            tokens.push(token);
            async {
                Ok::<_, SdkError<aws_sdk_sqs::operation::list_queues::ListQueuesError, _>>(page)
            }
        };
        let operation = Operation::read(Service::Sqs, "ListQueues");
        let items = aws.pages(operation, send, |page| page).await.unwrap();
        assert_eq!(items, [1, 2, 3]);
        assert_eq!(tokens, [None, Some("a".to_owned()), Some("b".to_owned())]);
    }
}
