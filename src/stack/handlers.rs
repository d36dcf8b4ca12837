//! Functions and what belongs to each: role, log group, alias, queue with its dead-letter queue, event source mapping.

use std::{collections::BTreeMap, time::Duration};

use super::{CONNECT_ROUTE, DISCONNECT_ROUTE, Draft, Error, RESULTS, builtin};
use crate::{
    engine::{address::Address, properties::Text},
    manifest::{Handler, HandlerName, Order, Queue, Via},
    resource::{
        alias::{self, Alias},
        event_source_mapping::{self, EventSourceMapping},
        function::{self, Function},
        log_group::{self, LogGroup, function_group},
        queue::{self, DeadLetter},
        role::{self, Role, Statement},
        table::{self, CONNECTIONS, Index, Table},
    },
};

/// The registry's index by room.
pub const ROOM_INDEX: &str = "by-room";

/// The variable that names the registry's table to a function.
const TABLE_VARIABLE: &str = "WSLESS_CONNECTIONS_TABLE";

/// Dead letters are kept as long as SQS can: 14 days.
const DEAD_LETTER_RETENTION_S: u32 = 1_209_600;

/// What the handlers' library does with the registry; the first only where connections come and go.
const EVERY_REGISTRY_ACTION: [&str; 5] = [
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
];

/// What a function is made of, beyond its name.
struct Spec {
    description: String,
    memory_mib: u32,
    timeout: Duration,
    reserved_concurrency: Option<u32>,
    environment: BTreeMap<String, Text>,
    policy: Vec<Statement>,
}

impl Draft<'_> {
    /// The table of open connections and their rooms.
    pub(super) fn registry(&mut self) {
        if !self.manifest.connections.registry {
            return;
        }
        let table = Table {
            name: self.scope.name(CONNECTIONS),
            partition_key: "connection".to_owned(),
            sort_key: "room".to_owned(),
            index: Index {
                name: ROOM_INDEX.to_owned(),
                partition_key: "room".to_owned(),
                sort_key: "connection".to_owned(),
            },
            ttl_attribute: "expires".to_owned(),
            tags: self.tags.clone(),
        };
        self.builder.add(table::KIND, CONNECTIONS, &table);
    }

    /// The queue that replies go through, with its dead-letter queue.
    pub(super) fn results_queue(&mut self) {
        let settings = Queue {
            order: self.results_order(),
            batch_size: 10,
            batch_window: Duration::ZERO,
            visibility_timeout: push_timeout() * 6,
            max_receives: 5,
            max_concurrency: None,
            retention: Duration::from_hours(96),
        };
        self.queue(RESULTS, &settings);
    }

    /// A user's handler.
    pub(super) fn handler(&mut self, name: &HandlerName) -> Result<(), Error> {
        let thing = name.as_str();
        let handler: &Handler = &self.manifest.handlers[name];
        let mut policy = vec![self.may_log(thing)];
        let mut environment: BTreeMap<String, Text> = handler
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        if !self.is_authorizer(name) {
            policy.push(self.may_reply());
            policy.extend(self.may_use_registry(if self.is_lifecycle(name) {
                &EVERY_REGISTRY_ACTION
            } else {
                &EVERY_REGISTRY_ACTION[1..]
            }));
            environment.extend(self.reply_environment());
            if self
                .routed(name, Via::Direct)
                .any(|key| key.as_str() == CONNECT_ROUTE)
            {
                environment.extend(self.origins_environment());
            }
        }
        if self.is_queued(name) {
            policy.push(self.may_consume(thing, handler.queue.order));
        }
        policy.extend(self.user_policy(name));
        let spec = Spec {
            description: format!(
                "Handler {thing} of {} ({})",
                self.scope.project, self.scope.stage
            ),
            memory_mib: handler.memory_mib,
            timeout: handler.timeout,
            reserved_concurrency: handler.reserved_concurrency,
            environment,
            policy,
        };
        let queue = self
            .is_queued(name)
            .then(|| self.queue(thing, &handler.queue));
        self.function(thing, spec, queue.clone())?;
        if queue.is_some() {
            self.event_source_mapping(thing, thing, &handler.queue);
        }
        Ok(())
    }

    /// One of the handlers that wsless brings along.
    pub(super) fn builtin(&mut self, name: &'static str) -> Result<(), Error> {
        let mut policy = vec![self.may_log(name)];
        let mut environment = BTreeMap::new();
        environment.extend(self.registry_environment());
        let mut timeout = Duration::from_secs(10);
        match name {
            builtin::CONNECT => {
                // A refused connection's entry is taken back.
                policy.extend(self.may_use_registry(&[
                    "dynamodb:BatchWriteItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ]));
                environment.extend(self.origins_environment());
            }
            builtin::DISCONNECT => {
                policy
                    .extend(self.may_use_registry(&["dynamodb:BatchWriteItem", "dynamodb:Query"]));
            }
            _ => {
                timeout = push_timeout();
                policy.push(self.may_consume(RESULTS, self.results_order()));
                policy.push(self.may_reply());
                policy.push(self.may_push());
                // It puts only what is kept of rooms: their last texts.
                policy.extend(self.may_use_registry(&[
                    "dynamodb:BatchWriteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ]));
                environment.extend(self.reply_environment());
                let callback = Text::reference(&Self::api_address(), "callback_url")
                    .then(format!("/{}", self.scope.stage));
                environment.insert("WSLESS_CALLBACK_URL".to_owned(), callback);
            }
        }
        let spec = Spec {
            description: format!(
                "Built-in handler {name} of {} ({})",
                self.scope.project, self.scope.stage
            ),
            memory_mib: 256,
            timeout,
            reserved_concurrency: None,
            environment,
            policy,
        };
        self.function(name, spec, None)?;
        if name == builtin::PUSH {
            let settings = Queue {
                order: self.results_order(),
                batch_size: 10,
                batch_window: Duration::ZERO,
                visibility_timeout: Duration::ZERO,
                max_receives: 5,
                max_concurrency: None,
                retention: Duration::ZERO,
            };
            self.event_source_mapping(name, RESULTS, &settings);
        }
        Ok(())
    }

    /// What a handler needs to reply, and to know who is connected.
    fn reply_environment(&self) -> BTreeMap<String, Text> {
        let url = Text::reference(&Address::new(queue::KIND, RESULTS), "url");
        let mut environment = self.registry_environment();
        environment.insert("WSLESS_RESULTS_QUEUE_URL".to_owned(), url);
        environment
    }

    /// Which origins may connect, for whatever answers `$connect`.
    fn origins_environment(&self) -> Option<(String, Text)> {
        let origins = self.manifest.api.allowed_origins.clone()?;
        let origins = serde_json::Value::from(origins).to_string();
        Some(("WSLESS_ALLOWED_ORIGINS".to_owned(), origins.into()))
    }

    /// Whether the handler answers `$connect` or `$disconnect`, and so keeps the registry.
    fn is_lifecycle(&self, handler: &HandlerName) -> bool {
        self.routed(handler, Via::Direct)
            .any(|key| [CONNECT_ROUTE, DISCONNECT_ROUTE].contains(&key.as_str()))
    }

    fn registry_environment(&self) -> BTreeMap<String, Text> {
        self.table_name()
            .map(|table| (TABLE_VARIABLE.to_owned(), table.into()))
            .into_iter()
            .collect()
    }

    /// A function with its role, log group and alias.
    fn function(&mut self, thing: &str, spec: Spec, queue: Option<Address>) -> Result<(), Error> {
        let code = self
            .codes
            .get(thing)
            .ok_or_else(|| Error::NoCode(thing.to_owned()))?;
        let name = self.scope.name(thing);
        let role = Role {
            name: name.clone(),
            path: self.scope.role_path(),
            trusted_service: "lambda.amazonaws.com".to_owned(),
            policy: spec.policy,
            tags: self.role_tags(),
        };
        let role = self.builder.add(role::KIND, thing, &role);
        let log_group = LogGroup {
            name: function_group(self.scope, thing),
            retention_days: self.manifest.logs.retention_days,
            tags: self.tags.clone(),
        };
        let log_group = self.builder.add(log_group::KIND, thing, &log_group);
        let mut environment = spec.environment;
        environment.insert(
            "WSLESS_PROJECT".to_owned(),
            self.scope.project.as_str().into(),
        );
        environment.insert("WSLESS_STAGE".to_owned(), self.scope.stage.as_str().into());
        // By name, not by reference: nothing else makes the function wait until the table is there.
        let table = environment
            .contains_key(TABLE_VARIABLE)
            .then(|| Address::new(table::KIND, CONNECTIONS));
        let function = Function {
            name: name.clone(),
            description: spec.description,
            role_arn: Text::reference(&role, "arn"),
            code_sha256: code.sha256.clone(),
            package: code.package.clone(),
            architecture: self.manifest.build.architecture.as_str().to_owned(),
            memory_mib: spec.memory_mib,
            timeout_s: seconds(spec.timeout),
            environment,
            reserved_concurrency: spec.reserved_concurrency,
            published: true,
            tags: self.tags.clone(),
        };
        // The queue first: a function's timeout mustn't exceed its queue's visibility timeout, even for a moment.
        let function = self.builder.add_after(
            function::KIND,
            thing,
            &function,
            std::iter::once(log_group).chain(queue).chain(table),
        );
        let alias = Alias {
            function_name: name,
            version: Text::reference(&function, "version"),
            weights: BTreeMap::new(),
        };
        self.builder.add(alias::KIND, thing, &alias);
        Ok(())
    }

    /// A queue and its dead-letter queue; returns the queue's address.
    fn queue(&mut self, thing: &str, settings: &Queue) -> Address {
        let dead_letters = format!("{thing}-dlq");
        let fifo = || (settings.order == Order::Connection).then(queue::Fifo::high_throughput);
        let properties = queue::Queue {
            name: self.queue_name(&dead_letters, settings.order),
            visibility_timeout_s: seconds(settings.visibility_timeout),
            retention_s: DEAD_LETTER_RETENTION_S,
            dead_letter: None,
            fifo: fifo(),
            tags: self.tags.clone(),
        };
        let dead_letters = self.builder.add(queue::KIND, &dead_letters, &properties);
        let properties = queue::Queue {
            name: self.queue_name(thing, settings.order),
            visibility_timeout_s: seconds(settings.visibility_timeout),
            retention_s: seconds(settings.retention),
            dead_letter: Some(DeadLetter {
                queue_arn: Text::reference(&dead_letters, "arn"),
                max_receives: settings.max_receives,
            }),
            fifo: fifo(),
            tags: self.tags.clone(),
        };
        self.builder.add(queue::KIND, thing, &properties)
    }

    /// `source` is the queue's name among the things.
    fn event_source_mapping(&mut self, thing: &str, source: &str, settings: &Queue) {
        let alias = Address::new(alias::KIND, thing);
        let mapping = EventSourceMapping {
            function_arn: Text::reference(&alias, "arn"),
            // By name, not by reference: a queue that was lost is made again under the same ARN, and the mapping stays.
            queue_arn: self.queue_arn(source, settings.order).into(),
            batch_size: settings.batch_size,
            batch_window_s: seconds(settings.batch_window),
            max_concurrency: settings.max_concurrency,
            enabled: true,
            report_failures: true,
            tags: self.tags.clone(),
        };
        let queue = Address::new(queue::KIND, source);
        self.builder
            .add_after(event_source_mapping::KIND, thing, &mapping, [queue]);
    }
}

/// Long enough to reach a room of thousands; the rest is sent by the next call.
fn push_timeout() -> Duration {
    Duration::from_secs(30)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::SourceFile,
        engine::{scope::Scope, stack::Stack},
        manifest::parse,
        resource::alarm,
        stack::{Code, stack},
    };

    fn stack_of(text: &str) -> Stack {
        let file = std::sync::Arc::new(SourceFile {
            path: "wsless.toml".into(),
            text: text.into(),
        });
        let manifest = parse(&file, "dev").expect("a good manifest").manifest;
        let code = Code {
            sha256: "x".into(),
            package: "x.zip".into(),
        };
        let codes = ["echo", "auth", "connect", "disconnect", "push"]
            .map(|name| (name.to_owned(), code.clone()))
            .into();
        let scope = Scope::example();
        stack(&manifest, &codes, &scope).expect("a stack")
    }

    const CHAT: &str = r#"
        [project]
        name = "chat"
        [api]
        authorizer = "auth"
        [handlers.auth]
        [handlers.echo]
        [routes]
        "$default" = { handler = "echo" }
    "#;

    #[test]
    fn a_function_that_knows_the_registry_comes_after_its_table() {
        let table = Address::new(table::KIND, CONNECTIONS);
        let stack = stack_of(&format!("{CHAT}[connections]\nregistry = true"));
        let waits = |name: &str| {
            let function = stack.get(&Address::new(function::KIND, name));
            function.expect("a function").needs().contains(&table)
        };
        for name in ["echo", "connect", "disconnect", "push"] {
            assert!(waits(name), "{name}");
        }
        assert!(!waits("auth"));
        let without = stack_of(&format!("{CHAT}[connections]\nregistry = false"));
        assert!(without.get(&table).is_none());
    }

    #[test]
    fn throttled_handshakes_set_off_an_alarm_whoever_answers_them() {
        let alarm = |stack: &Stack, of: &str| {
            let name = format!("{of}-handler-throttles");
            let alarm = stack.get(&Address::new(alarm::KIND, &name));
            alarm.map(|alarm| alarm.properties["dimensions"]["FunctionName"].clone())
        };
        let built_in = stack_of(CHAT);
        assert_eq!(alarm(&built_in, "connect"), Some("chat-dev-connect".into()));
        let own = stack_of(&format!(
            "{CHAT}\"$connect\" = {{ handler = \"echo\", via = \"direct\" }}"
        ));
        assert_eq!(alarm(&own, "connect"), None);
        assert_eq!(alarm(&own, "echo"), Some("chat-dev-echo".into()));
    }
}
