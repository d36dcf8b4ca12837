//! Serving a handler: the two events that reach it, and where its replies go.

mod batch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Error;
use crate::aws::Aws;
use crate::aws::dynamodb::Table;
use crate::aws::http::Http;
use crate::aws::sqs::{Entry, Queue};
use crate::context::{Context, Inner};
use crate::environment::Environment;
use crate::events::{self, Event, RequestContext};
use crate::lifecycle;
use crate::log::{self, Field, Level};
use crate::message::{Handshake, Message};
use crate::metrics::{Metrics, since};
use crate::registry::Store;
use crate::reply::{Reply, Target};
use crate::results::{ResultMessage, To};
use crate::runtime::{self, Invocation};

type Answered = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send>>;
type Handler = Arc<dyn Fn(Message, Context) -> Answered + Send + Sync>;

/// Serves a handler until Lambda ends the process. It is given one message at a time, or several concurrently:
///
/// - On a queued route (`via = "queue"`) Lambda hands over a batch. Its messages are handled concurrently, or one
///   after the other where the queue is FIFO (`order = "connection"`). Replies go to the results queue. A message
///   whose handler fails, panics or takes too long is tried again without the others, and ends in the dead-letter
///   queue; of a FIFO queue's batch, those after it are tried again too.
/// - On a direct route (`via = "direct"`) the first text to the sender is the answer; everything else goes to the
///   results queue.
/// - On `$connect` the reply says whether the connection may open ([`Reply::accept`], [`Reply::refuse`]). The
///   allow-list of origins is checked and the registry written before the handler is called.
/// - On `$disconnect` the connection is forgotten after the handler was called, whatever it returned.
///
/// Returns only if Lambda's Runtime API can't be reached, or the environment can't be used.
pub async fn serve<F, Fut>(handler: F) -> Result<(), Error>
where
    F: Fn(Message, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
{
    // From here on the handler is a value: what follows is compiled once, not once a handler.
    serve_boxed(Arc::new(move |message, context| {
        Box::pin(handler(message, context))
    }))
    .await
}

async fn serve_boxed(handler: Handler) -> Result<(), Error> {
    let start = |http: Http| {
        let environment = Arc::new(Environment::read()?);
        let aws = Aws::new(http, Arc::clone(&environment));
        let store = Arc::new(store(&aws));
        Ok(Server {
            handler,
            environment,
            aws,
            store,
        })
    };
    runtime::run(start, |server: Server, invocation| async move {
        server.invoke(invocation).await
    })
    .await
}

/// The registry that the environment names.
pub(crate) fn store(aws: &Aws) -> Store {
    match &aws.environment().table {
        Some(table) => Store::DynamoDb(Table::new(aws.clone(), table.clone())),
        None => Store::Off,
    }
}

#[derive(Clone)]
struct Server {
    handler: Handler,
    environment: Arc<Environment>,
    aws: Aws,
    store: Arc<Store>,
}

impl Server {
    async fn invoke(&self, invocation: Invocation) -> Result<Vec<u8>, Error> {
        let event: Event = serde_json::from_slice(&invocation.event).map_err(|e| {
            let error = format!("not an event that a handler knows: {e}");
            log::write(Level::Error, &error, &[]);
            error
        })?;
        let answer = if let Some(records) = event.records {
            self.batch(&records, invocation.deadline).await?
        } else {
            self.websocket(event, invocation.deadline).await?
        };
        Ok(answer.to_string().into_bytes())
    }

    async fn websocket(&self, event: Event, deadline: Instant) -> Result<Value, Error> {
        let Some(request) = event.request_context else {
            let error = "neither an SQS batch nor a WebSocket event";
            log::write(Level::Error, error, &[]);
            return Err(error.into());
        };
        let context = context(
            &request,
            &self.environment,
            Arc::clone(&self.store),
            deadline,
        );
        let result = match request.event_type.as_str() {
            "CONNECT" => {
                let query = event.query_string_parameters.as_ref();
                let handshake = Handshake::new(event.headers.as_ref(), query, request.source_ip());
                self.connect(&context, handshake).await
            }
            "DISCONNECT" => self.disconnect(&context, &request).await,
            _ => self.direct(&context, event.body.unwrap_or_default()).await,
        };
        result.inspect_err(|error| context.log(Level::Error, &error.to_string()))
    }

    async fn connect(&self, context: &Context, handshake: Handshake) -> Result<Value, Error> {
        if !lifecycle::origin_allowed(&self.environment, &handshake) {
            return Ok(lifecycle::refuse_origin(context, &handshake));
        }
        lifecycle::register(&self.store, context).await?;
        let opened = self.open(context, &handshake).await;
        if opened.is_err() {
            // The handshake fails, so there will be no $disconnect to clean up.
            self.store.remove(context.connection_id()).await?;
        }
        opened
    }

    async fn open(&self, context: &Context, handshake: &Handshake) -> Result<Value, Error> {
        let reply = self
            .call(Message::connect(handshake.clone()), context)
            .await?;
        let (_, others) = split(reply.sends);
        self.send(context, context.request_id(), others).await?;
        lifecycle::answer(&self.store, context, handshake, reply.handshake).await
    }

    async fn disconnect(
        &self,
        context: &Context,
        request: &RequestContext,
    ) -> Result<Value, Error> {
        let close = lifecycle::close_of(request);
        let reply = self.call(Message::disconnect(close.clone()), context).await;
        lifecycle::forget(&self.store, context, request, &close).await?;
        let (_, others) = split(reply?.sends);
        self.send(context, context.request_id(), others).await?;
        Ok(json!({"statusCode": 200}))
    }

    async fn direct(&self, context: &Context, text: String) -> Result<Value, Error> {
        let answer = self.answer(context, text).await;
        let mut metrics = Metrics::new().count("DirectMessages", 1);
        if matches!(answer, Ok(Some(_))) {
            metrics = metrics.count("DirectAnswers", 1);
            if let Some(received) = context.received() {
                metrics = metrics.duration("MessageLatency", since(received));
            }
        }
        metrics.emit();
        Ok(match answer? {
            Some(body) => json!({"statusCode": 200, "body": body}),
            None => json!({"statusCode": 200}),
        })
    }

    /// The text that is sent back at once; everything else goes to the results queue.
    async fn answer(&self, context: &Context, text: String) -> Result<Option<String>, Error> {
        let began = Instant::now();
        let reply = self.call(Message::new(text), context).await?;
        handled(context, began, &reply, &[]);
        let (to_sender, others) = split(reply.sends);
        let mut to_sender = to_sender.into_iter();
        let body = to_sender.next();
        let own = To::Connection(context.connection_id().to_owned());
        let more = to_sender.map(|text| ResultMessage::new(own.clone(), text));
        if let Some(body) = &body {
            ResultMessage::new(own.clone(), body.as_str()).check_size()?;
        }
        self.send(context, context.request_id(), more.chain(others).collect())
            .await?;
        Ok(body)
    }

    async fn call(&self, message: Message, context: &Context) -> Result<Reply, Error> {
        guarded(context, (self.handler)(message, context.clone())).await
    }

    /// Sends messages through the results queue, all or an error. `key` is the same when the same message is handled
    /// again.
    async fn send(
        &self,
        context: &Context,
        key: &str,
        messages: Vec<ResultMessage>,
    ) -> Result<(), Error> {
        let entries = entries(context, key, messages)?;
        if entries.is_empty() {
            return Ok(());
        }
        for result in self.results()?.send(&entries).await {
            result.map_err(|reason| format!("the results queue: {reason}"))?;
        }
        Ok(())
    }

    fn results(&self) -> Result<Queue<'_>, Error> {
        let url = self
            .environment
            .results_queue
            .as_deref()
            .ok_or("WSLESS_RESULTS_QUEUE_URL isn't set")?;
        Ok(Queue::new(&self.aws, url))
    }
}

/// Runs a handler as a task of its own, so that its panic is its own failure, and ends it while there's still time to
/// tell Lambda: a function that Lambda ends takes its whole batch with it.
pub(crate) async fn guarded<T: Send + 'static>(
    context: &Context,
    future: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let margin = (context.remaining() / 5).min(Duration::from_secs(1));
    let mut task = tokio::spawn(context.clone().scope(future));
    let Ok(joined) = tokio::time::timeout_at(context.deadline() - margin, &mut task).await else {
        task.abort();
        return Err("the handler was not done in the function's time".into());
    };
    match joined {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(format!(
            "the handler panicked: {}",
            log::panic_words(&*error.into_panic())
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Says that a message was handled: without it nothing would tell that it came this far.
fn handled(context: &Context, began: Instant, reply: &Reply, more: &[Field<'_>]) {
    let mut fields = vec![
        ("tookMs", milliseconds(began.elapsed()).into()),
        ("replies", reply.sends.len().into()),
    ];
    fields.extend_from_slice(more);
    context.log_with(Level::Info, "handled", &fields);
}

/// A duration as log lines have it.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The context of a WebSocket event.
pub(crate) fn context(
    request: &RequestContext,
    environment: &Environment,
    store: Arc<Store>,
    deadline: Instant,
) -> Context {
    Context::new(Inner {
        connection_id: request.connection_id.clone(),
        request_id: request.request_id.clone(),
        route: request.route_key.clone(),
        stage: if request.stage.is_empty() {
            environment.stage.clone()
        } else {
            request.stage.clone()
        },
        connected_at: events::time(request.connected_at),
        received: request
            .request_time_epoch
            .filter(|_| request.event_type == "MESSAGE"),
        principal: request.principal(),
        deadline,
        store,
    })
}

/// The texts to the sender, and the messages to others.
fn split(sends: Vec<(Target, String)>) -> (Vec<String>, Vec<ResultMessage>) {
    let (mut sender, mut others) = (Vec::new(), Vec::new());
    for (target, text) in sends {
        match target {
            Target::Sender => sender.push(text),
            other => others.extend(other.message(text, None)),
        }
    }
    (sender, others)
}

/// The messages as entries for the results queue; an error if one of them is too large for any client.
fn entries(
    context: &Context,
    key: &str,
    messages: Vec<ResultMessage>,
) -> Result<Vec<Entry>, Error> {
    messages
        .into_iter()
        .enumerate()
        .map(|(i, mut message)| {
            message.check_size()?;
            message.request = Some(context.request_id().to_owned());
            message.route = Some(context.route().to_owned());
            message.received = context.received();
            Ok(message.entry(format!("{key}-{i}")))
        })
        .collect()
}
