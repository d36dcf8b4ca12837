//! Integrations: what a route's messages are handed to, and what is made of the answer.

mod function;
mod queue;
mod response;

use std::time::Duration;

use bytes::Bytes;

use super::{
    exchange::{Exchange, Kind},
    gate::Right,
    plan::{IntegrationPlan, Passthrough, Target},
    selection::Selection,
    template::{Given, Template},
};

pub(super) use self::function::ProxyAnswer;

/// What came of an integration.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There's no integration: nothing is called, and nothing comes back.
    Nothing,
    Answered(Answer),
    Failed(Failure),
}

/// An integration's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// A proxy's.
    Proxy(ProxyAnswer),
    /// Any other's, after its integration response; the status is the integration's.
    Made {
        status: u16,
        body: String,
        matched: bool,
    },
}

/// Why an integration gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It couldn't be called: a permission, a role, a template.
    Execution(String),
    /// It took too long.
    Timeout,
    /// It failed, or answered with 4xx or 5xx.
    Integration(u16, String),
    /// What it answered isn't what a proxy answers.
    Malformed(String),
}

impl Failure {
    /// Whether the gateway couldn't call it, rather than it failing.
    pub fn is_execution(&self) -> bool {
        matches!(self, Self::Execution(_) | Self::Malformed(_))
    }

    /// The handshake's status, if it's `$connect` that failed.
    pub fn status(&self) -> u16 {
        match self {
            Self::Execution(_) => 500,
            Self::Timeout => 504,
            Self::Integration(..) | Self::Malformed(_) => 502,
        }
    }

    pub fn why(&self) -> String {
        match self {
            Self::Execution(why) => format!("Execution failed due to configuration error: {why}"),
            Self::Timeout => "Execution failed due to a timeout error".to_owned(),
            Self::Integration(status, why) => {
                format!("The integration failed with status {status}: {why}")
            }
            Self::Malformed(why) => format!(
                "Execution failed due to configuration error: Malformed Lambda proxy response: {why}"
            ),
        }
    }
}

impl Answer {
    /// The integration's status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Proxy(_) => 200,
            Self::Made { status, .. } => *status,
        }
    }

    /// What is sent to a client that waits for it.
    pub fn into_frame(self) -> Bytes {
        match self {
            Self::Proxy(answer) => answer.into_body(),
            Self::Made { body, .. } => body.into(),
        }
    }
}

/// Calls it.
pub(super) async fn call(exchange: &Exchange, integration: &IntegrationPlan) -> Outcome {
    let called = match &integration.target {
        Target::Proxy(arn) => function::proxy(exchange, integration, arn).await,
        Target::Function(arn) => function::custom(exchange, integration, arn).await,
        Target::Queue {
            region,
            account,
            queue,
        } => {
            // One connection's messages go to queues in their order: a FIFO queue keeps what order it's given.
            let turn = exchange.connection.lane.lock().await;
            let called = queue::send(exchange, integration, region, account, queue).await;
            drop(turn);
            called
        }
        Target::Mock => mock(exchange, integration),
        Target::Lacking(why) => Err(Failure::Execution(why.clone())),
    };
    match called {
        Ok(answer) => Outcome::Answered(answer),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// Nothing is called: the template says the status.
fn mock(exchange: &Exchange, integration: &IntegrationPlan) -> Result<Answer, Failure> {
    let request = request_body(exchange, integration)?;
    let status = serde_json::from_str::<serde_json::Value>(&request)
        .ok()
        .and_then(|request| request.get("statusCode")?.as_u64())
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(200);
    response::made(exchange, integration, status, String::new(), None)
}

/// By what right a function is invoked: a role's, or its own policy's.
fn right<'a>(exchange: &'a Exchange, integration: &'a IntegrationPlan) -> Right<'a> {
    match &integration.credentials {
        Some(role) => Right::Role(role),
        None => Right::Policy(&exchange.route.arn),
    }
}

/// Waits for an answer, but no longer than the integration's timeout. What takes longer goes on, as on AWS.
async fn within<T: Send + 'static>(
    exchange: &Exchange,
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    let mut work = Box::pin(work);
    if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
        return Ok(done);
    }
    exchange.gate.cloud.spawn(async move {
        work.await;
    });
    Err(Failure::Timeout)
}

/// The body that a service gets: what the template makes, or the message itself.
fn request_body(exchange: &Exchange, integration: &IntegrationPlan) -> Result<String, Failure> {
    let template = chosen(
        exchange,
        &integration.templates,
        integration.template_selection.as_ref(),
        None,
    )?;
    let none = integration.templates.is_empty();
    match (template, integration.passthrough) {
        (Some(template), _) => render(exchange, template, exchange.body()),
        (None, Passthrough::NoMatch) => Ok(exchange.body().to_owned()),
        (None, Passthrough::NoTemplates) if none => Ok(exchange.body().to_owned()),
        (None, _) => Err(Failure::Execution(
            "Unsupported Media Type: no request template matches, and the message may not pass without one"
                .to_owned(),
        )),
    }
}

/// The template that an expression picks: its key's, else `$default`'s [DG selection-expressions, the table].
fn chosen<'a>(
    exchange: &Exchange,
    templates: &'a [(String, Result<Template, String>)],
    selection: Option<&Result<Selection, String>>,
    answer: Option<(u16, &str)>,
) -> Result<Option<&'a Template>, Failure> {
    let key = match selection {
        Some(Ok(selection)) => exchange.with_source(answer, |source| selection.evaluate(source)),
        Some(Err(why)) => return Err(Failure::Execution(why.clone())),
        None => "$default".to_owned(),
    };
    let of = |key: &str| templates.iter().find(|(there, _)| there == key);
    match of(&key).or_else(|| of("$default")) {
        Some((_, Ok(template))) => Ok(Some(template)),
        Some((key, Err(why))) => Err(Failure::Execution(format!("the template {key}: {why}"))),
        None => Ok(None),
    }
}

fn render(exchange: &Exchange, template: &Template, body: &str) -> Result<String, Failure> {
    template
        .render(Given {
            body,
            context: &|path| exchange.context(path),
            stage_variables: &|name| exchange.plan.stage_variable(name),
            parameters: &|name| exchange.parameter(name).or_else(|| exchange.header(name)),
        })
        .map_err(|fault| Failure::Execution(fault.to_string()))
}

/// Whether it's the handshake that waits.
fn is_connect(exchange: &Exchange) -> bool {
    matches!(exchange.kind, Kind::Connect(_))
}
