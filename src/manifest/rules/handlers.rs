//! The rules of `[handlers]`.

use std::{collections::BTreeMap, time::Duration};

use super::{Rules, json_bytes, routes::Uses};
use crate::{
    diagnostic::Diagnostic,
    manifest::{
        code,
        keys::{MAX_DIRECT_SECONDS, MAX_ENVIRONMENT, MAX_FUNCTION_NAME, MAX_SMALL_BATCH},
        model::{Handler, HandlerName, Order, PolicyStatement, Queue},
        suggest,
        tree::{Entry, Node, Table},
    },
};

/// Below so many receives AWS warns that throttling alone fills the dead-letter queue (Lambda's guide to SQS).
const ADVISED_RECEIVES: i64 = 5;

impl<'a> Rules<'a> {
    pub(super) fn handlers(&mut self, uses: &Uses<'a>) -> BTreeMap<HandlerName, Handler> {
        let mut result = BTreeMap::new();
        let Some(handlers) = self.root.table("handlers") else {
            return result;
        };
        for (name, entry) in &handlers.entries {
            if !entry.bad_key {
                self.handler_name(name, entry);
            }
            let Some(table) = entry.node.table() else {
                continue;
            };
            self.environment_size(name, entry, table);
            self.direct_timeout(name, table, uses);
            self.handler_use(name, entry, table, uses);
            let queue = self.queue(name, table);
            let policy = self.policy(name, table);
            let handler = Handler {
                binary: table.text("binary").unwrap_or(name).to_owned(),
                memory_mib: table.count("memory").unwrap_or_default(),
                timeout: table.duration("timeout").unwrap_or_default(),
                environment: table.text_map("environment"),
                reserved_concurrency: table.count("reserved-concurrency"),
                policy,
                queue,
            };
            result.insert(HandlerName::checked(name), handler);
        }
        result
    }

    fn handler_name(&mut self, name: &str, entry: &Entry) {
        if let "connect" | "disconnect" = name {
            let key = format!("${name}");
            let route = self
                .root
                .table("routes")
                .and_then(|routes| routes.node(&key));
            let handler = route.map(|route| route.table().and_then(|route| route.node("handler")));
            let replaces = match handler {
                // What is poisoned may well be meant for it.
                Some(None) => true,
                Some(Some(node)) => node.text().is_none_or(|handler| handler == name),
                None => self.root.table("routes").is_none(),
            };
            if !replaces {
                let message =
                    format!("the name `{name}` belongs to the built-in handler of `{key}`");
                let found = Diagnostic::error(code::RESERVED, message)
                    .note("a handler of this name must be the one that replaces it")
                    .help(format!(
                        "add `\"{key}\" = {{ handler = \"{name}\", via = \"direct\" }}` to [routes] to replace it, or choose another name"
                    ));
                self.report(found, &entry.key_span, "");
            }
        }
        let (Some(project), Some(stage)) = (self.section("project").text("name"), self.stage)
        else {
            return;
        };
        let full = format!("{project}-{stage}-{name}");
        let length = full.chars().count();
        if length > MAX_FUNCTION_NAME {
            let over = length - MAX_FUNCTION_NAME;
            let over = suggest::counted(over, "character");
            let message = format!("the function's name `{full}` is {over} too long");
            let found = Diagnostic::error(code::NAME_TOO_LONG, message)
                .note(format!("Lambda and IAM take names of {MAX_FUNCTION_NAME} characters; project, stage and handler make one name"))
                .help(format!("shorten the handler's name by {over}; `binary` says which cargo binary it is"));
            self.report(found, &entry.key_span, "");
        }
    }

    fn environment_size(&mut self, name: &str, entry: &Entry, table: &Table) {
        let mut environment = table.text_map("environment");
        let api = self.section("api");
        let origins = api.has("allowed-origins") && self.answers_connect(name);
        if origins {
            // As the stack writes it.
            let origins = serde_json::Value::from(api.texts("allowed-origins")).to_string();
            environment.insert("WSLESS_ALLOWED_ORIGINS".to_owned(), origins);
        }
        let size = json_bytes(&environment);
        if size > MAX_ENVIRONMENT {
            let message = format!(
                "`environment` in [handlers.{name}] is too large: {size} bytes as JSON{}",
                if origins {
                    ", with `allowed-origins`"
                } else {
                    ""
                }
            );
            let found = Diagnostic::error(code::OUT_OF_RANGE, message)
                .note(format!("Lambda takes 4096 bytes of names and values, of which wsless needs 1024 for its own; {MAX_ENVIRONMENT} are yours"))
                .help("keep large values in a file of the package, in S3 or in Parameter Store");
            // At the handler's name, so that no value is shown.
            self.report(
                found,
                &entry.key_span,
                format!("{} bytes too many", size - MAX_ENVIRONMENT),
            );
        }
    }

    /// Whether the handler replaces the built-in one of `$connect`, and so is told the allowed origins.
    fn answers_connect(&self, name: &str) -> bool {
        let routes = self.root.table("routes");
        let route = routes.and_then(|routes| routes.table("$connect"));
        route.and_then(|route| route.text("handler")) == Some(name)
    }

    fn direct_timeout(&mut self, name: &str, table: &Table, uses: &Uses<'a>) {
        let (Some(timeout), Some(node)) = (table.duration("timeout"), table.node("timeout")) else {
            return;
        };
        let Some((first, rest)) = uses
            .direct
            .get(name)
            .and_then(|routes| routes.split_first())
        else {
            return;
        };
        if timeout.as_secs() > MAX_DIRECT_SECONDS {
            let message =
                format!("`timeout` in [handlers.{name}] is longer than a direct route waits");
            let label = match rest.len() {
                0 => "called directly here".to_owned(),
                more => format!("called directly here, and by {more} more"),
            };
            let found = Diagnostic::error(code::DIRECT_TIMEOUT, message)
                .at(self.file, node.span.clone(), format!("{} s", timeout.as_secs()))
                .at(self.file, first.key_span.clone(), label)
                .note("API Gateway waits 29 s for an integration; then the client gets an error while the handler runs on")
                .help(format!("write `timeout = \"{MAX_DIRECT_SECONDS}s\"` or less, or `via = \"queue\"`"));
            self.found.push(found);
        }
    }

    fn handler_use(&mut self, name: &str, entry: &Entry, table: &Table, uses: &Uses<'a>) {
        if !uses.is_used(name) {
            let found = Diagnostic::warning(
                code::UNUSED_HANDLER,
                format!("nothing calls the handler `{name}`"),
            )
            .note("no route and no authorizer names it; it's deployed all the same")
            .help(format!(
                "add a route, for example `{} = {{ handler = \"{name}\" }}` in [routes]",
                suggest::key(name)
            ));
            self.report(found, &entry.key_span, "");
        } else if let Some(queue) = table.entries.get("queue")
            && queue.node.given
            && !uses.queued.contains(name)
        {
            let found = Diagnostic::warning(
                code::UNUSED_QUEUE,
                format!("[handlers.{name}.queue] is about a queue that there isn't"),
            )
            .note("no route reaches the handler via \"queue\"")
            .help("remove the table, or give a route `via = \"queue\"`");
            self.report(found, &queue.key_span, "");
        }
    }

    fn policy(&mut self, name: &str, table: &Table) -> Vec<PolicyStatement> {
        let statements = table.node("policy").map(Node::items).unwrap_or_default();
        let mut result = Vec::new();
        for statement in statements.iter().filter_map(Node::table) {
            for key in ["actions", "resources"] {
                let items = statement.node(key).map(Node::items).unwrap_or_default();
                for item in items {
                    let text = item.text().unwrap_or_default();
                    if text == "*" || (key == "actions" && text.ends_with(":*")) {
                        let message = format!(
                            "`{text}` lets [handlers.{name}] do more than it's likely to need"
                        );
                        let found = Diagnostic::warning(code::WIDE_POLICY, message)
                            .note("whoever gets a handler to misbehave has all of its rights")
                            .help(format!("name the {key}"));
                        self.report(found, &item.span, "");
                    }
                }
            }
            result.push(PolicyStatement {
                actions: statement.texts("actions"),
                resources: statement.texts("resources"),
            });
        }
        result
    }

    fn queue(&mut self, name: &str, handler: &Table) -> Queue {
        static NONE: Table = Table {
            entries: BTreeMap::new(),
            misspelt: Vec::new(),
        };
        let queue = handler.table("queue").unwrap_or(&NONE);
        let order = match queue.text("order") {
            Some("connection") => Order::Connection,
            _ => Order::None,
        };
        let window = queue.duration("batch-window").unwrap_or_default();
        self.batches(name, queue);
        self.visibility(name, handler, queue);
        self.receives(name, queue);
        self.concurrency(name, handler, queue);
        let timeout = handler.duration("timeout").unwrap_or_default();
        Queue {
            order,
            batch_size: queue.count("batch-size").unwrap_or_default(),
            batch_window: window,
            visibility_timeout: queue
                .duration("visibility-timeout")
                .unwrap_or_else(|| advised_visibility(timeout, window)),
            max_receives: queue.count("max-receives").unwrap_or_default(),
            max_concurrency: queue.count("max-concurrency"),
            retention: queue.duration("retention").unwrap_or_default(),
        }
    }

    fn batches(&mut self, name: &str, queue: &Table) {
        let (Some(order), Some(size), Some(window)) = (
            queue.node("order"),
            queue.node("batch-size"),
            queue.node("batch-window"),
        ) else {
            return;
        };
        let large = queue
            .integer("batch-size")
            .is_some_and(|size| size > MAX_SMALL_BATCH);
        let gathers = queue
            .duration("batch-window")
            .map(|window| !window.is_zero());
        let conflict = |message: String| Diagnostic::error(code::CONFLICT, message);
        match order.text() {
            Some("connection") => {
                if large {
                    let found = conflict(format!(
                        "`batch-size` in [handlers.{name}.queue] is too large for an ordered queue"
                    ))
                    .at(self.file, size.span.clone(), "more than 10")
                    .at(self.file, order.span.clone(), "ordered here")
                    .note("Lambda takes at most 10 messages at once from a FIFO queue")
                    .help("write `batch-size = 10` or less, or `order = \"none\"`");
                    self.found.push(found);
                }
                if gathers == Some(true) {
                    let found = conflict(format!(
                        "[handlers.{name}.queue] has a batch window, and its order is by connection"
                    ))
                    .at(self.file, window.span.clone(), "a window here")
                    .at(self.file, order.span.clone(), "ordered here")
                    .note("Lambda has no batch window for FIFO queues")
                    .help("remove `batch-window`, or write `order = \"none\"`");
                    self.found.push(found);
                }
            }
            Some(_) if large && gathers == Some(false) => {
                let found = conflict(format!(
                    "`batch-size` in [handlers.{name}.queue] needs a batch window"
                ))
                .note("Lambda takes more than 10 messages at once only with a batch window")
                .help("add `batch-window = \"1s\"`, or write `batch-size = 10` or less");
                self.report(found, &size.span, "more than 10");
            }
            _ => {}
        }
    }

    fn visibility(&mut self, name: &str, handler: &Table, queue: &Table) {
        let (Some(visibility), Some(timeout)) = (
            queue.duration("visibility-timeout"),
            handler.duration("timeout"),
        ) else {
            return;
        };
        let (Some(here), Some(there)) = (queue.node("visibility-timeout"), handler.node("timeout"))
        else {
            return;
        };
        if visibility < timeout {
            let window = queue.duration("batch-window").unwrap_or_default();
            let advised = advised_visibility(timeout, window).as_secs();
            let mut found = Diagnostic::error(
                code::CONFLICT,
                format!("`visibility-timeout` in [handlers.{name}.queue] is shorter than the handler's timeout"),
            )
            .at(self.file, here.span.clone(), format!("{} s", visibility.as_secs()));
            if there.given {
                found = found.at(
                    self.file,
                    there.span.clone(),
                    format!("{} s", timeout.as_secs()),
                );
            }
            self.found.push(
                found
                    .note(format!("a message would come back while the handler, with its {} s, still works on it; Lambda refuses such a queue", timeout.as_secs()))
                    .help(format!("leave it out for {advised} s: six timeouts and the batch window, as AWS advises")),
            );
        }
    }

    fn receives(&mut self, name: &str, queue: &Table) {
        let (Some(receives), Some(node)) =
            (queue.integer("max-receives"), queue.node("max-receives"))
        else {
            return;
        };
        if receives < ADVISED_RECEIVES {
            let message =
                format!("`max-receives` in [handlers.{name}.queue] is below what AWS advises");
            let found = Diagnostic::warning(code::FEW_RECEIVES, message)
                .note("a throttled call counts as a receive, so a burst alone can send good messages to the dead-letter queue")
                .help(format!("write {ADVISED_RECEIVES} or more"));
            self.report(found, &node.span, "");
        }
    }

    fn concurrency(&mut self, name: &str, handler: &Table, queue: &Table) {
        let (Some(most), Some(reserved)) = (
            queue.integer("max-concurrency"),
            handler.integer("reserved-concurrency"),
        ) else {
            return;
        };
        let (Some(here), Some(there)) = (
            queue.node("max-concurrency"),
            handler.node("reserved-concurrency"),
        ) else {
            return;
        };
        if most > reserved {
            let message = format!(
                "[handlers.{name}.queue] may call the handler more often at once than it may run"
            );
            let found = Diagnostic::warning(code::THROTTLED_QUEUE, message)
                .at(self.file, here.span.clone(), format!("{most} calls"))
                .at(self.file, there.span.clone(), format!("{reserved} at once"))
                .note("the rest is throttled, and each throttled message counts as received")
                .help(format!(
                    "write `max-concurrency = {}` or less",
                    reserved.max(2)
                ));
            self.found.push(found);
        }
    }
}

/// Six timeouts and the batch window, as Lambda's guide to SQS advises.
fn advised_visibility(timeout: Duration, window: Duration) -> Duration {
    timeout.saturating_mul(6).saturating_add(window)
}
