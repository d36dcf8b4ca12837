//! The rules of `[routes]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::Rules;
use crate::{
    diagnostic::Diagnostic,
    manifest::{
        code,
        keys::MAX_ROUTES,
        model::{HandlerName, Route, RouteKey, Via},
        suggest,
        tree::{Entry, Table},
    },
};

/// The routes that there always are: wsless's own handlers serve those that the manifest doesn't name.
pub(super) const LIFECYCLE: [&str; 2] = ["$connect", "$disconnect"];

/// What the handlers are for.
#[derive(Default)]
pub(super) struct Uses<'a> {
    /// Handlers with a route via a queue.
    pub queued: BTreeSet<&'a str>,
    /// The routes that call a handler directly.
    pub direct: BTreeMap<&'a str, Vec<&'a Entry>>,
    /// Some route of each handler.
    first: BTreeMap<&'a str, &'a Entry>,
    /// The authorizer and where it's named.
    pub authorizer: Option<(&'a str, Range<usize>)>,
}

impl<'a> Uses<'a> {
    pub(super) fn first_route(&self, handler: &str) -> Option<&'a Entry> {
        self.first.get(handler).copied()
    }

    pub(super) fn is_used(&self, handler: &str) -> bool {
        self.first.contains_key(handler)
            || self
                .authorizer
                .as_ref()
                .is_some_and(|(name, _)| *name == handler)
    }
}

impl<'a> Rules<'a> {
    pub(super) fn routes(&mut self, uses: &mut Uses<'a>) -> BTreeMap<RouteKey, Route> {
        let mut result = BTreeMap::new();
        let Some(routes) = self.root.table("routes") else {
            return result;
        };
        self.route_count(routes);
        for (key, entry) in &routes.entries {
            let Some(route) = entry.node.table() else {
                continue;
            };
            let via = self.via(key, route);
            let whose = format!("the route {}", suggest::key(key));
            let Some(node) = route.node("handler") else {
                continue;
            };
            let Some(handler) = self.handler_named(node, &whose) else {
                continue;
            };
            uses.first.entry(handler).or_insert(entry);
            match via {
                Via::Queue => {
                    uses.queued.insert(handler);
                }
                Via::Direct => uses.direct.entry(handler).or_default().push(entry),
            }
            let handler = HandlerName::checked(handler);
            result.insert(RouteKey::checked(key), Route { handler, via });
        }
        result
    }

    fn route_count(&mut self, routes: &Table) {
        let span = self.section_span("routes", 0..0);
        if routes.entries.is_empty() && !self.root.misspelt.contains(&"routes") {
            let found = Diagnostic::error(code::MISSING, "[routes] names no route")
                .note("API Gateway deploys an API only with a route, and without one no message gets anywhere")
                .help("for example `\"$default\" = { handler = \"echo\" }`");
            self.report(found, &span, "");
            return;
        }
        let built_in = LIFECYCLE
            .iter()
            .filter(|key| !routes.entries.contains_key(**key));
        let count = routes.entries.len() + built_in.count();
        if count > MAX_ROUTES {
            let message = format!(
                "{count} routes, {} more than {MAX_ROUTES}",
                count - MAX_ROUTES
            );
            let found = Diagnostic::error(code::OUT_OF_RANGE, message)
                .note("API Gateway takes 300 routes an API; $connect and $disconnect are among them, named or not")
                .help("let one route take several actions and choose in its handler");
            self.report(found, &span, "");
        }
        if !routes.entries.contains_key("$default") {
            let found = Diagnostic::warning(code::NO_DEFAULT_ROUTE, "[routes] has no `$default`")
                .note("a message that matches no route, or isn't JSON, is answered with {\"message\": \"Forbidden\", ..} by API Gateway")
                .help("add `\"$default\" = { handler = .. }` to answer such messages yourself");
            self.report(found, &span, "");
        }
    }

    fn via(&mut self, key: &str, route: &Table) -> Via {
        let lifecycle = LIFECYCLE.contains(&key);
        match route.text("via") {
            Some("direct") => Via::Direct,
            Some(_) if lifecycle => {
                let why = if key == "$connect" {
                    "the handshake waits for the handler's answer, and a queue would let everybody in"
                } else {
                    "its event has no body, and SQS takes no message without one"
                };
                let found = Diagnostic::error(
                    code::QUEUED_LIFECYCLE,
                    format!("`{key}` can't go through a queue"),
                )
                .note(why)
                .help("write `via = \"direct\"`, or leave `via` out");
                if let Some(node) = route.node("via") {
                    self.report(found, &node.span, "");
                }
                Via::Direct
            }
            None if lifecycle => Via::Direct,
            _ => Via::Queue,
        }
    }
}
