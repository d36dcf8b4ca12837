//! A stage's tree -> [`Manifest`]: the rules that are about more than one value.
//!
//! A poisoned value reads as its type's default here: the error that poisoned it is why the result isn't used.

mod handlers;
mod routes;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    code,
    keys::{MAX_ALARM_SECONDS, MAX_ORIGINS, MAX_TAGS, TAG_RULE},
    model::{
        AlarmName, AlarmTuning, Alarms, Api, Architecture, Authorizer, BuildSettings, Connections,
        Dashboard, HandlerName, Logs, Manifest, Project, Throttle,
    },
    suggest,
    tree::{Entry, Node, Table, Value},
};
use crate::diagnostic::{Diagnostic, SourceFile};
use routes::Uses;

/// The period that a default alarm has at least, in seconds.
const DEFAULT_PERIOD: u64 = 60;

/// Applies the rules to one stage.
pub(super) struct Rules<'a> {
    file: &'a Arc<SourceFile>,
    /// The stage's name, if it's a good one.
    stage: Option<&'a str>,
    /// The stage's tree, with its defaults.
    root: &'a Table,
    /// Errors and warnings.
    pub found: Vec<Diagnostic>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(file: &'a Arc<SourceFile>, stage: Option<&'a str>, root: &'a Table) -> Self {
        Self {
            file,
            stage,
            root,
            found: Vec::new(),
        }
    }

    /// Reads everything. Of use only if no error was found, here or before.
    pub(super) fn manifest(&mut self) -> Manifest {
        let mut uses = Uses::default();
        let routes = self.routes(&mut uses);
        let api = self.api(&mut uses);
        let handlers = self.handlers(&uses);
        Manifest {
            project: self.project(),
            build: self.build(),
            api,
            connections: Connections {
                registry: self
                    .section("connections")
                    .flag("registry")
                    .unwrap_or_default(),
            },
            handlers,
            routes,
            alarms: self.alarms(),
            dashboard: Dashboard {
                enabled: self
                    .section("dashboard")
                    .flag("enabled")
                    .unwrap_or_default(),
            },
            logs: Logs {
                retention_days: self
                    .section("logs")
                    .count("retention-days")
                    .unwrap_or_default(),
            },
        }
    }

    fn project(&mut self) -> Project {
        let project = self.section("project");
        if let Some(tags) = project.table("tags") {
            self.tags(tags);
        }
        Project {
            name: project.text("name").unwrap_or_default().to_owned(),
            region: project.text("region").map(String::from),
            tags: project.text_map("tags"),
        }
    }

    fn tags(&mut self, tags: &Table) {
        let count = tags.entries.len();
        if let Some(first) = tags.entries.values().nth(MAX_TAGS) {
            let message = format!("{count} tags in [project.tags], more than {MAX_TAGS}");
            let found = Diagnostic::error(code::OUT_OF_RANGE, message)
                .note("AWS takes 50 tags on most things; wsless and AWS's own tools add theirs");
            self.report(found, &first.key_span, "");
        }
        for (key, entry) in &tags.entries {
            let value = entry.node.text().unwrap_or_default();
            for (text, span) in [(key.as_str(), &entry.key_span), (value, &entry.node.span)] {
                let odd = text
                    .chars()
                    .find(|letter| !letter.is_ascii() && !letter.is_alphanumeric());
                if let Some(odd) = odd {
                    let odd = suggest::shown(&odd.to_string());
                    let message = format!("`{odd}` can't be in a tag in [project.tags]");
                    let found = Diagnostic::error(code::INVALID_VALUE, message).note(TAG_RULE);
                    self.report(found, span, "");
                }
            }
        }
    }

    fn build(&self) -> BuildSettings {
        let build = self.section("build");
        BuildSettings {
            architecture: match build.text("architecture") {
                Some("arm64") => Architecture::Arm64,
                _ => Architecture::X86_64,
            },
            profile: build.text("profile").unwrap_or_default().to_owned(),
        }
    }

    fn api(&mut self, uses: &mut Uses<'a>) -> Api {
        let api = self.section("api");
        if !api.has("allowed-origins") {
            let span = api.node("route-selection").map(|node| node.span.clone());
            let found = Diagnostic::warning(code::ANY_ORIGIN, "any web page may connect: [api] has no `allowed-origins`")
                .note("API Gateway doesn't check a handshake's Origin, so a page of anybody's can open a connection from a visitor's browser, with the visitor's cookies")
                .help("list who may, for example `allowed-origins = [\"https://chat.example.com\"]`");
            // Without [api] there's no line to show.
            let span = span.filter(|_| self.root.has("api"));
            match span {
                Some(span) => self.report(found, &self.section_span("api", span), ""),
                None => self.found.push(found),
            }
        }
        self.origins_size(api);
        Api {
            route_selection: api.text("route-selection").unwrap_or_default().to_owned(),
            allowed_origins: api
                .node("allowed-origins")
                .map(|_| api.texts("allowed-origins")),
            throttle: api.table("throttle").map(|throttle| Throttle {
                rate: throttle.count("rate").unwrap_or_default(),
                burst: throttle.count("burst").unwrap_or_default(),
            }),
            authorizer: self.authorizer(api, uses),
            access_log: api.flag("access-log").unwrap_or_default(),
        }
    }

    /// The origins reach the handler of `$connect` in a variable of its environment.
    fn origins_size(&mut self, api: &Table) {
        let Some(node) = api.node("allowed-origins") else {
            return;
        };
        let size = json_bytes(&api.texts("allowed-origins"));
        if size > MAX_ORIGINS {
            let message = format!("`allowed-origins` in [api] is too large: {size} bytes as JSON");
            let found = Diagnostic::error(code::OUT_OF_RANGE, message)
                .note(format!("the list goes into a Lambda function's environment, which holds 4096 bytes; {MAX_ORIGINS} are the list's"))
                .help("list fewer origins, or check `Origin` in an authorizer or in a handler of `$connect` of your own");
            let over = suggest::counted(size - MAX_ORIGINS, "byte");
            self.report(found, &node.span, format!("{over} too many"));
        }
    }

    fn authorizer(&mut self, api: &'a Table, uses: &mut Uses<'a>) -> Option<Authorizer> {
        let authorizer = api.table("authorizer")?;
        let node = authorizer.node("handler")?;
        let name = self.handler_named(node, "`authorizer` in [api]")?;
        uses.authorizer = Some((name, node.span.clone()));
        if let Some(routed) = uses.first_route(name) {
            let message =
                format!("the handler `{name}` is both the authorizer and a route's handler");
            let found = Diagnostic::error(code::AUTHORIZER_ROUTED, message)
                .at(self.file, node.span.clone(), "the authorizer here")
                .at(self.file, routed.key_span.clone(), "a route's handler here")
                .note("API Gateway sends an authorizer another event and waits for an IAM policy, not for a reply")
                .help("give the authorizer a handler of its own");
            self.found.push(found);
        }
        let sources = authorizer
            .node("identity-sources")
            .map(|_| authorizer.texts("identity-sources"));
        Some(Authorizer {
            handler: HandlerName::checked(name),
            identity_sources: sources
                .unwrap_or_else(|| vec!["route.request.querystring.token".to_owned()]),
        })
    }

    fn alarms(&mut self) -> Alarms {
        let alarms = self.section("alarms");
        self.notify(alarms);
        let mut tuning = BTreeMap::new();
        for name in AlarmName::ALL {
            let Some(node) = alarms.node(name.as_str()) else {
                continue;
            };
            match &node.value {
                Value::Boolean(false) => {
                    tuning.insert(name, AlarmTuning::Off);
                }
                Value::Table(table) => {
                    self.alarm_length(name, table);
                    tuning.insert(
                        name,
                        AlarmTuning::Tuned {
                            threshold: match table.node("threshold").map(|node| &node.value) {
                                Some(Value::Number(number)) => Some(*number),
                                _ => None,
                            },
                            period: table.duration("period"),
                            periods: table.count("periods"),
                        },
                    );
                }
                _ => {}
            }
        }
        Alarms {
            notify: alarms.texts("notify"),
            tuning,
        }
    }

    fn alarm_length(&mut self, name: AlarmName, table: &Table) {
        let period = match table.node("period").map(|node| &node.value) {
            Some(Value::Duration(period)) => period.as_secs(),
            None => DEFAULT_PERIOD,
            Some(_) => return,
        };
        let (Some(periods), Some(node)) = (table.count("periods"), table.node("periods")) else {
            return;
        };
        if period.saturating_mul(u64::from(periods)) > MAX_ALARM_SECONDS {
            let message = format!(
                "the alarm `{}` looks back over more than a day",
                name.as_str()
            );
            let most = MAX_ALARM_SECONDS / period.max(1);
            let found = Diagnostic::error(code::CONFLICT, message)
                .note("CloudWatch takes at most 86400 s of `period` times `periods`")
                .help(format!("of {period} s there can be {most} periods"));
            self.report(
                found,
                &node.span,
                format!("{periods} periods of {period} s"),
            );
        }
    }

    fn notify(&mut self, alarms: &Table) {
        let Some(region) = self.section("project").node("region") else {
            return;
        };
        let Some(wanted) = region.text() else {
            return;
        };
        for item in alarms.node("notify").map(Node::items).unwrap_or_default() {
            let Some(arn) = item.text() else { continue };
            let there = arn.split(':').nth(3).unwrap_or_default();
            if there != wanted {
                let message = format!(
                    "`notify` in [alarms] names something in {there}, and the project is in {wanted}"
                );
                let found = Diagnostic::error(code::CONFLICT, message)
                    .at(self.file, item.span.clone(), format!("in {there}"))
                    .at(self.file, region.span.clone(), "the project's region")
                    .note("CloudWatch tells only topics and functions of the alarm's own region")
                    .help(format!("name a topic in {wanted}"));
                self.found.push(found);
            }
        }
    }

    /// The handler that `node` names, if there's one; reports it otherwise.
    fn handler_named(&mut self, node: &'a Node, whose: &str) -> Option<&'a str> {
        let name = node.text()?;
        // Poisoned, or under another name by mistake: whether the handler is there can't be told.
        let handlers = self.root.table("handlers")?;
        if self.root.misspelt.contains(&"handlers") {
            return None;
        }
        if handlers.entries.contains_key(name) {
            return Some(name);
        }
        let shown = suggest::shown(name);
        let message = format!("{whose} names the handler `{shown}`, which isn't declared");
        let found = Diagnostic::error(code::UNKNOWN_HANDLER, message);
        let names = || handlers.entries.keys().map(String::as_str);
        let found = if handlers.entries.is_empty() {
            found.note("there are no handlers")
        } else if handlers.entries.len() > 12 {
            found
        } else {
            found.note(format!("the handlers are {}", suggest::listed(names())))
        };
        let found = found.help(match suggest::nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: [handlers.{}]", suggest::key(name)),
        });
        self.report(found, &node.span, "");
        None
    }

    /// A section; an empty one if it's poisoned.
    fn section(&self, name: &str) -> &'a Table {
        static EMPTY: Table = Table {
            entries: BTreeMap::new(),
            misspelt: Vec::new(),
        };
        self.root.table(name).unwrap_or(&EMPTY)
    }

    /// Where a section begins, or `otherwise`.
    fn section_span(&self, name: &str, otherwise: Range<usize>) -> Range<usize> {
        let entry = self.root.entries.get(name);
        entry.map_or(otherwise, |entry: &Entry| entry.key_span.clone())
    }

    fn report(&mut self, found: Diagnostic, span: &Range<usize>, label: impl Into<String>) {
        self.found.push(found.at(self.file, span.clone(), label));
    }
}

/// The bytes of a value as JSON.
fn json_bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}
