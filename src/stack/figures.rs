//! What a stage is watched by: each figure once, for `status`, `metrics`, the dashboard and the alarms.
//!
//! A figure is a statistic of a CloudWatch metric, or of several whose sums are added. AWS's own metrics cost nothing but
//! their reading; those of the namespace `wsless` come from the handlers' library, as embedded metrics.

use std::collections::BTreeMap;

use super::{CONNECT_ROUTE, Codes, DISCONNECT_ROUTE, Draft, RESULTS, builtins};
use crate::{
    engine::{properties::Text, scope::Scope, stack::Builder},
    manifest::{HandlerName, Manifest, Order, Via},
};

/// The namespace of the handlers' library's metrics.
const OWN: &str = "wsless";
const API: &str = "AWS/ApiGateway";
const LAMBDA: &str = "AWS/Lambda";
const SQS: &str = "AWS/SQS";

/// One of CloudWatch's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Such as `AWS/Lambda`.
    pub namespace: &'static str,
    /// Such as `Errors`.
    pub name: &'static str,
    /// All of its dimensions.
    pub dimensions: BTreeMap<String, Text>,
}

/// What part of a stage a figure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Connections that open and close.
    Connections,
    /// Messages that come and go.
    Messages,
    /// What API Gateway couldn't do.
    Errors,
    /// A handler's function.
    Handler(String),
    /// A queue and its dead-letter queue.
    Queue(String),
}

/// What a figure's values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// CloudWatch's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// One figure of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What it's about.
    pub part: Part,
    /// Its name within the part, such as `errors`.
    pub key: &'static str,
    /// What it is, for people.
    pub label: &'static str,
    /// CloudWatch's name of the statistic, such as `Sum` or `p95`.
    pub statistic: &'static str,
    /// What its values are measured in.
    pub unit: Unit,
    /// What it's made from; the values of several are added.
    pub metrics: Vec<Metric>,
}

impl Figure {
    /// Its name in the stage, such as `messages-in` or `echo.errors`.
    pub fn name(&self) -> String {
        match &self.part {
            Part::Handler(of) | Part::Queue(of) => format!("{of}.{}", self.key),
            Part::Connections | Part::Messages | Part::Errors => self.key.to_owned(),
        }
    }

    /// Whether its values over a window add up to the window's.
    pub fn is_sum(&self) -> bool {
        self.statistic == "Sum"
    }
}

/// How many connections opened, and how many of them have closed, each counted when it opened. Their difference over the
/// two hours that a connection may last is how many are open. Where there's a registry, nobody counts the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// All that opened.
    pub opened: Metric,
    /// Those of them that have closed.
    pub closed: Metric,
}

/// What a stage is watched by, in the order in which it's shown.
pub fn figures(manifest: &Manifest, scope: &Scope, api_id: &Text) -> Vec<Figure> {
    let codes = Codes::new();
    let draft = Draft {
        manifest,
        codes: &codes,
        scope,
        builder: Builder::default(),
        tags: BTreeMap::new(),
    };
    draft.figures(api_id)
}

/// What tells how many connections are open where no registry does.
pub fn opened(scope: &Scope) -> Opened {
    Opened {
        opened: own(scope, "ConnectionsOpened"),
        closed: own(scope, "ConnectionsClosedByOpening"),
    }
}

fn own(scope: &Scope, name: &'static str) -> Metric {
    Metric {
        namespace: OWN,
        name,
        dimensions: BTreeMap::from([
            ("Project".to_owned(), scope.project.as_str().into()),
            ("Stage".to_owned(), scope.stage.as_str().into()),
        ]),
    }
}

/// A name that is none of a figure, a handler or a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// It.
    pub name: String,
    /// What may be meant.
    pub nearest: Option<String>,
}

/// Those shown where none is named: few enough to be looked at.
const USUAL: [&str; 8] = [
    "connections-opened",
    "connections-closed",
    "messages-in",
    "messages-out",
    "message-latency-p95",
    "client-errors",
    "integration-errors",
    "execution-errors",
];
/// A name that is less like what was written isn't suggested.
const LIKENESS: f64 = 0.6;

/// The figures of these names, each once. The name of a handler or a queue means all of its figures; no name the usual
/// ones.
pub fn choose(figures: &[Figure], names: &[String]) -> Result<Vec<Figure>, Unknown> {
    let usual = USUAL.map(str::to_owned);
    let names = if names.is_empty() { &usual[..] } else { names };
    let mut chosen: Vec<Figure> = Vec::new();
    for name in names {
        let is_of = |figure: &&Figure| {
            let of = match &figure.part {
                Part::Handler(of) | Part::Queue(of) => of == name,
                Part::Connections | Part::Messages | Part::Errors => false,
            };
            of || figure.name() == *name
        };
        let mut found = figures.iter().filter(is_of).peekable();
        if found.peek().is_none() {
            return Err(Unknown {
                nearest: nearest(figures, name),
                name: name.clone(),
            });
        }
        for figure in found {
            if !chosen.contains(figure) {
                chosen.push(figure.clone());
            }
        }
    }
    Ok(chosen)
}

fn nearest(figures: &[Figure], name: &str) -> Option<String> {
    let parts = figures.iter().filter_map(|figure| match &figure.part {
        Part::Handler(of) | Part::Queue(of) => Some(of.clone()),
        Part::Connections | Part::Messages | Part::Errors => None,
    });
    figures
        .iter()
        .map(Figure::name)
        .chain(parts)
        .map(|known| (strsim::jaro_winkler(&known, name), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

impl Draft<'_> {
    /// A metric of a stage's API. WebSocket metrics have these dimensions, not REST's ApiName [DG].
    pub(super) fn api_metric(&self, api_id: &Text, name: &'static str) -> Metric {
        Metric {
            namespace: API,
            name,
            dimensions: BTreeMap::from([
                ("ApiId".to_owned(), api_id.clone()),
                ("Stage".to_owned(), self.scope.stage.as_str().into()),
            ]),
        }
    }

    /// A metric of a function.
    pub(super) fn function_metric(&self, thing: &str, name: &'static str) -> Metric {
        Metric {
            namespace: LAMBDA,
            name,
            dimensions: BTreeMap::from([(
                "FunctionName".to_owned(),
                self.scope.name(thing).into(),
            )]),
        }
    }

    /// A metric of a queue.
    pub(super) fn queue_metric(&self, thing: &str, order: Order, name: &'static str) -> Metric {
        let queue = self.queue_name(thing, order);
        Metric {
            namespace: SQS,
            name,
            dimensions: BTreeMap::from([("QueueName".to_owned(), queue.into())]),
        }
    }

    /// What a dead-letter queue holds: not NumberOfMessagesSent, which doesn't count what SQS itself moves there [SQSG].
    pub(super) fn dead_letters_metric(&self, thing: &str, order: Order) -> Metric {
        self.queue_metric(
            &format!("{thing}-dlq"),
            order,
            "ApproximateNumberOfMessagesVisible",
        )
    }

    /// The queues and their orders: handlers' in the handlers' order, then the one that replies go through.
    pub(super) fn queues(&self) -> Vec<(String, Order)> {
        self.queued_handlers()
            .into_iter()
            .map(|name| {
                (
                    name.as_str().to_owned(),
                    self.manifest.handlers[name].queue.order,
                )
            })
            .chain([(RESULTS.to_owned(), self.results_order())])
            .collect()
    }

    pub(super) fn figures(&self, api_id: &Text) -> Vec<Figure> {
        let mut figures = self.connection_figures().to_vec();
        figures.extend(self.message_figures(api_id));
        figures.extend(self.error_figures(api_id));
        let handlers = self.manifest.handlers.keys().map(HandlerName::as_str);
        for thing in handlers.chain(builtins(self.manifest)) {
            figures.extend(self.handler_figures(thing));
        }
        for (thing, order) in self.queues() {
            figures.extend(self.queue_figures(&thing, order));
        }
        figures
    }

    fn connection_figures(&self) -> [Figure; 5] {
        let count = |key, label, name| {
            let metrics = vec![own(self.scope, name)];
            figure(Part::Connections, key, label, "Sum", Unit::Count, metrics)
        };
        let lasted = |key, label, statistic| {
            let metrics = vec![own(self.scope, "ConnectionDuration")];
            figure(
                Part::Connections,
                key,
                label,
                statistic,
                Unit::Milliseconds,
                metrics,
            )
        };
        [
            count("connections-opened", "opened", "ConnectionsOpened"),
            count("connections-closed", "closed", "ConnectionsClosed"),
            count("connections-refused", "refused", "ConnectionsRefused"),
            lasted("connection-duration-p50", "duration p50", "p50"),
            lasted("connection-duration-p95", "duration p95", "p95"),
        ]
    }

    /// API Gateway counts messages both ways together; SQS and the handlers tell them apart.
    fn message_figures(&self, api_id: &Text) -> Vec<Figure> {
        let scope = self.scope;
        let count =
            |key, label, metrics| figure(Part::Messages, key, label, "Sum", Unit::Count, metrics);
        let latency = |key, label, statistic| {
            let metrics = vec![own(scope, "MessageLatency")];
            figure(
                Part::Messages,
                key,
                label,
                statistic,
                Unit::Milliseconds,
                metrics,
            )
        };
        let is_direct = self.manifest.routes.iter().any(|(key, route)| {
            route.via == Via::Direct && ![CONNECT_ROUTE, DISCONNECT_ROUTE].contains(&key.as_str())
        });
        let mut came: Vec<Metric> = self
            .queues()
            .iter()
            .filter(|(thing, _)| thing != RESULTS)
            .map(|(thing, order)| self.queue_metric(thing, *order, "NumberOfMessagesSent"))
            .collect();
        let mut went = vec![own(scope, "PushSent")];
        if is_direct {
            came.push(own(scope, "DirectMessages"));
            went.push(own(scope, "DirectAnswers"));
        }
        vec![
            count("messages-in", "in", came),
            count("messages-out", "out", went),
            count(
                "messages",
                "both ways, by API Gateway",
                vec![self.api_metric(api_id, "MessageCount")],
            ),
            latency("message-latency-p50", "latency p50", "p50"),
            latency("message-latency-p95", "latency p95", "p95"),
            latency("message-latency-p99", "latency p99", "p99"),
            count("pushes-gone", "to nobody", vec![own(scope, "PushGone")]),
            count(
                "pushes-throttled",
                "throttled",
                vec![own(scope, "PushThrottled")],
            ),
            count(
                "pushes-dropped",
                "given up",
                vec![own(scope, "PushDropped")],
            ),
        ]
    }

    fn error_figures(&self, api_id: &Text) -> [Figure; 3] {
        let count = |key, label, name| {
            let metrics = vec![self.api_metric(api_id, name)];
            figure(Part::Errors, key, label, "Sum", Unit::Count, metrics)
        };
        [
            count("client-errors", "client", "ClientError"),
            count("integration-errors", "integration", "IntegrationError"),
            count("execution-errors", "execution", "ExecutionError"),
        ]
    }

    fn handler_figures(&self, thing: &str) -> [Figure; 6] {
        let part = || Part::Handler(thing.to_owned());
        let count = |key, label, name| {
            let metrics = vec![self.function_metric(thing, name)];
            figure(part(), key, label, "Sum", Unit::Count, metrics)
        };
        let took = |key, label, statistic| {
            let metrics = vec![self.function_metric(thing, "Duration")];
            figure(part(), key, label, statistic, Unit::Milliseconds, metrics)
        };
        [
            count("invocations", "invocations", "Invocations"),
            count("errors", "errors", "Errors"),
            count("throttles", "throttles", "Throttles"),
            took("duration-p50", "duration p50", "p50"),
            took("duration-p95", "duration p95", "p95"),
            took("duration-p99", "duration p99", "p99"),
        ]
    }

    fn queue_figures(&self, thing: &str, order: Order) -> [Figure; 3] {
        let most = |key, label, unit, metric| {
            let part = Part::Queue(thing.to_owned());
            figure(part, key, label, "Maximum", unit, vec![metric])
        };
        [
            most(
                "depth",
                "depth",
                Unit::Count,
                self.queue_metric(thing, order, "ApproximateNumberOfMessagesVisible"),
            ),
            most(
                "age",
                "oldest message",
                Unit::Seconds,
                self.queue_metric(thing, order, "ApproximateAgeOfOldestMessage"),
            ),
            most(
                "dead-letters",
                "dead letters",
                Unit::Count,
                self.dead_letters_metric(thing, order),
            ),
        ]
    }
}

fn figure(
    part: Part,
    key: &'static str,
    label: &'static str,
    statistic: &'static str,
    unit: Unit,
    metrics: Vec<Metric>,
) -> Figure {
    Figure {
        part,
        key,
        label,
        statistic,
        unit,
        metrics,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{diagnostic::SourceFile, manifest::parse};

    fn of(text: &str) -> Vec<Figure> {
        let file = std::sync::Arc::new(SourceFile {
            path: "wsless.toml".into(),
            text: text.into(),
        });
        let manifest = parse(&file, "dev").expect("a good manifest").manifest;
        let scope = Scope::example();
        figures(&manifest, &scope, &Text::from("a1b2"))
    }

    const CHAT: &str = r#"
        [project]
        name = "chat"
        [handlers.echo.queue]
        order = "connection"
        [handlers.pong]
        [routes]
        "$default" = { handler = "echo" }
        ping = { handler = "pong", via = "direct" }
    "#;

    fn named<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
        let found = figures.iter().find(|figure| figure.name() == name);
        found.unwrap_or_else(|| panic!("no figure {name}"))
    }

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        let figures = of(CHAT);
        let names: BTreeSet<String> = figures.iter().map(Figure::name).collect();
        assert_eq!(names.len(), figures.len());
        for name in [
            "messages-in",
            "pong.duration-p95",
            "results.age",
            "connect.errors",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn no_dimension_tells_one_connection_or_message_from_another() {
        let known = BTreeSet::from(["ApiId", "Stage", "FunctionName", "QueueName", "Project"]);
        for figure in of(CHAT) {
            for metric in &figure.metrics {
                let names: BTreeSet<&str> = metric.dimensions.keys().map(String::as_str).collect();
                assert!(names.is_subset(&known), "{}", figure.name());
            }
        }
    }

    #[test]
    fn what_comes_in_is_counted_where_it_goes() {
        let figures = of(CHAT);
        let came = &named(&figures, "messages-in").metrics;
        let shown: Vec<_> = came
            .iter()
            .map(|metric| {
                (
                    metric.namespace,
                    metric.name,
                    metric.dimensions.get("QueueName"),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "AWS/SQS",
                    "NumberOfMessagesSent",
                    Some(&Text::from("chat-dev-echo.fifo"))
                ),
                ("wsless", "DirectMessages", None),
            ]
        );
        let queued_only = CHAT.replace("ping = { handler = \"pong\", via = \"direct\" }", "");
        let figures = of(&queued_only.replace("[handlers.pong]", ""));
        assert_eq!(named(&figures, "messages-in").metrics.len(), 1);
        assert_eq!(named(&figures, "messages-out").metrics.len(), 1);
    }

    #[test]
    fn a_handlers_name_means_all_of_its_figures_and_a_wrong_one_is_told_with_the_nearest() {
        let figures = of(CHAT);
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&figures, &names)
        };
        let echo = named(&["echo", "echo.errors"]).expect("figures");
        // Six of its function, three of its queue.
        assert_eq!(echo.len(), 9);
        assert_eq!(named(&[]).expect("the usual ones").len(), USUAL.len());
        let unknown = |name: &str| named(&[name]).expect_err("no figure").nearest;
        assert_eq!(unknown("message-in").as_deref(), Some("messages-in"));
        assert_eq!(unknown("ecko").as_deref(), Some("echo"));
        assert_eq!(unknown("zzz"), None);
    }

    #[test]
    fn a_fifo_queues_dead_letters_are_in_a_fifo_queue() {
        let figures = of(CHAT);
        let metric = &named(&figures, "echo.dead-letters").metrics[0];
        assert_eq!(
            metric.dimensions.get("QueueName"),
            Some(&Text::from("chat-dev-echo-dlq.fifo"))
        );
    }
}
