//! What each role may do: its own ARNs only, and no `*` where AWS can name the resource.

use std::collections::BTreeMap;

use super::{Draft, RESULTS};
use crate::{
    engine::{properties::Text, scope::REGION_TAG},
    manifest::{HandlerName, Order},
    resource::{role::Statement, table::CONNECTIONS},
};

/// Inline policies of a role hold 10,240 characters in all [IAM model]; this leaves room for what's around the ARNs.
const QUEUE_ARNS_BYTES: usize = 9_500;

impl Draft<'_> {
    /// Write the function's own log; the group is made beforehand, so that it isn't made again after a destroy.
    pub(super) fn may_log(&self, thing: &str) -> Statement {
        let group = format!("log-group:/aws/lambda/{}:*", self.scope.name(thing));
        allow(
            &["logs:CreateLogStream", "logs:PutLogEvents"],
            [self.scope.arn("logs", &group)],
        )
    }

    /// Read a queue: what Lambda checks of the function's role when an event source mapping is made [LDG with-sqs].
    pub(super) fn may_consume(&self, thing: &str, order: Order) -> Statement {
        allow(
            &[
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            [self.queue_arn(thing, order)],
        )
    }

    /// Send replies.
    pub(super) fn may_reply(&self) -> Statement {
        allow(
            &["sqs:SendMessage"],
            [self.queue_arn(RESULTS, self.results_order())],
        )
    }

    /// Do these things with the registry table's items; queries go to its index too.
    pub(super) fn may_use_registry(&self, actions: &[&str]) -> Option<Statement> {
        self.manifest.connections.registry.then(|| {
            let table = self.table_arn();
            let mut resources = vec![table.clone()];
            if actions.contains(&"dynamodb:Query") {
                resources.push(format!("{table}/index/{}", super::handlers::ROOM_INDEX));
            }
            allow(actions, resources)
        })
    }

    /// Post to the stage's connections, and nothing else of @connections.
    pub(super) fn may_push(&self) -> Statement {
        let path = format!("/{}/POST/@connections/*", self.scope.stage);
        let resource = Text::from(self.scope.arn("execute-api", ""))
            .then(Self::api_id())
            .then(path);
        Statement {
            actions: vec!["execute-api:ManageConnections".to_owned()],
            resources: vec![resource],
        }
    }

    /// A role's tags name the region too: IAM is the same in all of them.
    pub(super) fn role_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(REGION_TAG.to_owned(), self.scope.identity.region.clone());
        tags
    }

    /// What the manifest adds for a handler.
    pub(super) fn user_policy(&self, handler: &HandlerName) -> impl Iterator<Item = Statement> {
        self.manifest.handlers[handler]
            .policy
            .iter()
            .map(|statement| allow(&statement.actions, statement.resources.clone()))
    }

    /// Send to each queue that a route leads to; to the stage's queues as a whole if their names don't fit in a policy.
    pub(super) fn may_enqueue(&self) -> Statement {
        let mut queues: Vec<String> = self
            .queued_handlers()
            .into_iter()
            .map(|name| self.queue_arn(name.as_str(), self.manifest.handlers[name].queue.order))
            .collect();
        if queues.iter().map(|arn| arn.len() + 3).sum::<usize>() > QUEUE_ARNS_BYTES {
            queues = vec![self.scope.arn("sqs", &format!("{}*", self.scope.prefix()))];
        }
        allow(&["sqs:SendMessage"], queues)
    }

    /// The environment variable that names the registry table.
    pub(super) fn table_name(&self) -> Option<String> {
        self.manifest
            .connections
            .registry
            .then(|| self.scope.name(CONNECTIONS))
    }
}

fn allow<A: AsRef<str>, R: Into<Text>>(
    actions: &[A],
    resources: impl IntoIterator<Item = R>,
) -> Statement {
    Statement {
        actions: actions
            .iter()
            .map(|action| action.as_ref().to_owned())
            .collect(),
        resources: resources.into_iter().map(Into::into).collect(),
    }
}
