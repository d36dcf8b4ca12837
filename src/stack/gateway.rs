//! The WebSocket API: integrations (one a handler or queue, shared by its routes), routes, responses, the authorizer,
//! the deployment and the stage; and who may call whom.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{CONNECT_ROUTE, DISCONNECT_ROUTE, Draft, GATEWAY, builtin, template::sqs_template};
use crate::{
    engine::{address::Address, properties::Text},
    manifest::{Order, Via},
    resource::{
        account_logging::{self, AccountLogging},
        alias,
        api::{self, Api},
        authorizer::{self, Authorizer},
        deployment::{self, Deployment},
        event_source_mapping,
        function_policy::{self, FunctionPolicy},
        integration::{self, Integration, function_uri, queue_uri},
        integration_response::{self, IntegrationResponse},
        log_group::{self, ACCESS, LogGroup, access_group},
        queue,
        role::{self, Role},
        route::{self, Route},
        route_response::{self, RouteResponse},
        stage::{self, AccessLog, Stage, Throttle},
    },
};

/// The longest that API Gateway waits for an integration [apigatewayv2 model, TimeoutInMillis].
const TIMEOUT_MS: u32 = 29_000;
/// The key of the only route response there is, and the literal `$default` as a template selection expression.
const DEFAULT: &str = "$default";
/// A policy holds 20,480 bytes [LDG limits]: a function whose routes need more than this is opened to the whole stage.
const POLICY_BYTES: usize = 18_000;

/// A route as API Gateway has it.
struct Target {
    key: String,
    integration: Address,
    /// The function that the route calls itself.
    function: Option<String>,
    /// Whether what the function returns is sent to the client.
    answers: bool,
}

impl Draft<'_> {
    /// The API itself.
    pub(super) fn api(&mut self) {
        let api = Api {
            name: format!("{}-{}", self.scope.project, self.scope.stage),
            route_selection: self.manifest.api.route_selection.clone(),
            tags: self.tags.clone(),
        };
        self.builder.add(api::KIND, api::NAME, &api);
    }

    /// Everything under the API.
    pub(super) fn routes(&mut self) {
        let targets = self.targets();
        self.integrations(&targets);
        let authorizer = self.authorizer();
        for target in &targets {
            self.route(target, authorizer.as_ref());
        }
        let policies = self.function_policies(&targets, authorizer.as_ref());
        let deployment = self.deployment();
        self.stage(&deployment, policies);
    }

    fn targets(&self) -> Vec<Target> {
        let own = |key: &str, function: &str| Target {
            key: key.to_owned(),
            integration: Address::new(integration::KIND, &format!("function:{function}")),
            function: Some(function.to_owned()),
            answers: false,
        };
        let mut targets: Vec<Target> = self
            .manifest
            .routes
            .iter()
            .map(|(key, route)| match route.via {
                Via::Queue => Target {
                    key: key.as_str().to_owned(),
                    integration: Address::new(
                        integration::KIND,
                        &format!("queue:{}", route.handler),
                    ),
                    function: None,
                    answers: false,
                },
                Via::Direct => Target {
                    // The handshake's and the farewell's results aren't messages.
                    answers: ![CONNECT_ROUTE, DISCONNECT_ROUTE].contains(&key.as_str()),
                    ..own(key.as_str(), route.handler.as_str())
                },
            })
            .collect();
        for (key, function) in [
            (CONNECT_ROUTE, builtin::CONNECT),
            (DISCONNECT_ROUTE, builtin::DISCONNECT),
        ] {
            if !targets.iter().any(|target| target.key == key) {
                targets.push(own(key, function));
            }
        }
        targets.sort_by(|a, b| a.key.cmp(&b.key));
        targets
    }

    fn integrations(&mut self, targets: &[Target]) {
        let functions: BTreeSet<&String> = targets
            .iter()
            .filter_map(|target| target.function.as_ref())
            .collect();
        for thing in functions {
            let uri = function_uri(self.scope, thing);
            let integration = Integration {
                api_id: Self::api_id(),
                integration_type: "AWS_PROXY".to_owned(),
                uri,
                credentials_arn: None,
                passthrough: None,
                request_parameters: BTreeMap::new(),
                request_templates: BTreeMap::new(),
                template_selection: None,
                timeout_ms: TIMEOUT_MS,
                description: format!("Function {thing}"),
            };
            let name = format!("function:{thing}");
            let address = self.builder.add(integration::KIND, &name, &integration);
            let answers = targets
                .iter()
                .any(|target| target.answers && target.function.as_deref() == Some(thing));
            if answers {
                let response = IntegrationResponse {
                    api_id: Self::api_id(),
                    integration_id: Text::reference(&address, "id"),
                    key: DEFAULT.to_owned(),
                };
                self.builder
                    .add(integration_response::KIND, &name, &response);
            }
        }
        self.queue_integrations();
    }

    /// Integrations that send to queues without a Lambda between, and the role with which API Gateway does so.
    fn queue_integrations(&mut self) {
        let queued: Vec<(String, Order)> = self
            .queued_handlers()
            .into_iter()
            .map(|name| {
                (
                    name.as_str().to_owned(),
                    self.manifest.handlers[name].queue.order,
                )
            })
            .collect();
        if queued.is_empty() {
            return;
        }
        let role = Role {
            name: self.scope.name(GATEWAY),
            path: self.scope.role_path(),
            trusted_service: "apigateway.amazonaws.com".to_owned(),
            policy: vec![self.may_enqueue()],
            tags: self.role_tags(),
        };
        let role = self.builder.add(role::KIND, GATEWAY, &role);
        for (thing, order) in queued {
            let uri = queue_uri(self.scope, &self.queue_name(&thing, order));
            let template = sqs_template(order, self.manifest.api.authorizer.is_some());
            let integration = Integration {
                api_id: Self::api_id(),
                integration_type: "AWS".to_owned(),
                uri,
                credentials_arn: Some(self.scope.role_arn(GATEWAY)),
                passthrough: Some("NEVER".to_owned()),
                // The inner quotes mark a literal; without them API Gateway looks for a mapping expression.
                request_parameters: BTreeMap::from([(
                    "integration.request.header.Content-Type".to_owned(),
                    "'application/x-www-form-urlencoded'".to_owned(),
                )]),
                request_templates: BTreeMap::from([(DEFAULT.to_owned(), template)]),
                template_selection: Some("\\$default".to_owned()),
                timeout_ms: TIMEOUT_MS,
                description: format!("Queue of {thing}"),
            };
            let queue = Address::new(queue::KIND, &thing);
            self.builder.add_after(
                integration::KIND,
                &format!("queue:{thing}"),
                &integration,
                [role.clone(), queue],
            );
        }
    }

    /// The authorizer of `$connect`, and its function.
    fn authorizer(&mut self) -> Option<(Address, String)> {
        let authorizer = self.manifest.api.authorizer.as_ref()?;
        let thing = authorizer.handler.as_str();
        let properties = Authorizer {
            api_id: Self::api_id(),
            name: self.scope.name(thing),
            uri: function_uri(self.scope, thing),
            identity_sources: authorizer.identity_sources.clone(),
        };
        Some((
            self.builder.add(authorizer::KIND, thing, &properties),
            thing.to_owned(),
        ))
    }

    fn route(&mut self, target: &Target, authorizer: Option<&(Address, String)>) {
        // Anywhere but on $connect API Gateway refuses an authorizer.
        let authorizer = authorizer.filter(|_| target.key == CONNECT_ROUTE);
        let route = Route {
            api_id: Self::api_id(),
            key: target.key.clone(),
            target: Text::from("integrations/").then(Text::reference(&target.integration, "id")),
            authorization: if authorizer.is_some() {
                "CUSTOM"
            } else {
                "NONE"
            }
            .to_owned(),
            authorizer_id: authorizer.map(|(address, _)| Text::reference(address, "id")),
            // Sending a result back takes this and a route response [DG websocket-api-route-response].
            response_selection: target.answers.then(|| DEFAULT.to_owned()),
        };
        let address = self.builder.add(route::KIND, &target.key, &route);
        if target.answers {
            let response = RouteResponse {
                api_id: Self::api_id(),
                route_id: Text::reference(&address, "id"),
                key: DEFAULT.to_owned(),
            };
            self.builder
                .add(route_response::KIND, &target.key, &response);
        }
    }

    /// Lets API Gateway call each function for exactly the routes that lead to it.
    fn function_policies(
        &mut self,
        targets: &[Target],
        authorizer: Option<&(Address, String)>,
    ) -> Vec<Address> {
        let api = Text::from(self.scope.arn("execute-api", "")).then(Self::api_id());
        let mut sources: BTreeMap<&str, Vec<Text>> = BTreeMap::new();
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for target in targets {
            if let Some(function) = &target.function {
                let route = format!("/{}/{}", self.scope.stage, target.key);
                *sizes.entry(function).or_default() += self.statement_bytes(function, &route);
                sources
                    .entry(function)
                    .or_default()
                    .push(api.clone().then(route));
            }
        }
        for (function, source_arns) in &mut sources {
            if sizes[function] > POLICY_BYTES {
                *source_arns = vec![api.clone().then(format!("/{}/*", self.scope.stage))];
            }
        }
        if let Some((address, function)) = authorizer {
            let source = api
                .then("/authorizers/")
                .then(Text::reference(address, "id"));
            sources.entry(function).or_default().push(source);
        }
        sources
            .into_iter()
            .map(|(thing, source_arns)| {
                let policy = FunctionPolicy {
                    function_name: self.scope.name(thing),
                    source_arns,
                };
                self.builder.add_after(
                    function_policy::KIND,
                    thing,
                    &policy,
                    [Address::new(alias::KIND, thing)],
                )
            })
            .collect()
    }

    /// What a route's statement takes of a function's policy, at most.
    fn statement_bytes(&self, function: &str, route: &str) -> usize {
        // All but the ARNs and the API's id: the statement's id, effect, principal, action, condition.
        const REST: usize = 260;
        // Whatever AWS might escape counts as two escapes of six characters.
        let route: usize = route
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    1
                } else {
                    12
                }
            })
            .sum();
        let api = self.scope.arn("execute-api", "");
        REST + self.scope.function_arn(function).len() + api.len() + route
    }

    /// A snapshot of all that's under the API, with a hash of it, so that a change makes a new one necessary.
    fn deployment(&mut self) -> Address {
        let mut hash = Sha256::new();
        let mut parts = Vec::new();
        for desired in self.builder.resources() {
            if deployment::SNAPSHOT.contains(&desired.address.kind()) {
                hash.update(desired.address.to_string());
                hash.update(desired.properties.to_string());
                parts.push(desired.address.clone());
            }
        }
        hash.update(&self.manifest.api.route_selection);
        let mut configuration = format!("{:x}", hash.finalize());
        configuration.truncate(32);
        let deployment = Deployment {
            api_id: Self::api_id(),
            configuration,
        };
        self.builder
            .add_after(deployment::KIND, deployment::NAME, &deployment, parts)
    }

    /// The stage goes live last: when everything that it leads to is there.
    fn stage(&mut self, deployment: &Address, policies: Vec<Address>) {
        let mut after = policies;
        after.extend(
            self.builder
                .resources()
                .iter()
                .map(|desired| &desired.address)
                .filter(|address| {
                    [alias::KIND, event_source_mapping::KIND].contains(&address.kind())
                })
                .cloned(),
        );
        let access_log = self.access_log();
        if access_log.is_some() {
            after.push(Address::new(log_group::KIND, ACCESS));
            after.push(Address::new(account_logging::KIND, account_logging::NAME));
        }
        let stage = Stage {
            api_id: Self::api_id(),
            name: self.scope.stage.clone(),
            deployment_id: Text::reference(deployment, "id"),
            throttle: self
                .manifest
                .api
                .throttle
                .and_then(|throttle| Throttle::unless_account(throttle.rate, throttle.burst)),
            access_log,
            tags: self.tags.clone(),
        };
        let name = self.scope.stage.clone();
        self.builder.add_after(stage::KIND, &name, &stage, after);
    }

    /// The access log's group and format; both need the account's API Gateway logging role (aws-facts 1.9).
    fn access_log(&mut self) -> Option<AccessLog> {
        if !self.manifest.api.access_log {
            return None;
        }
        let name = access_group(self.scope);
        let group = LogGroup {
            name: name.clone(),
            retention_days: self.manifest.logs.retention_days,
            tags: self.tags.clone(),
        };
        self.builder.add(log_group::KIND, ACCESS, &group);
        let role = AccountLogging::new(self.scope);
        self.builder
            .add(account_logging::KIND, account_logging::NAME, &role);
        Some(AccessLog {
            destination_arn: self.scope.arn("logs", &format!("log-group:{name}")),
            format: access_log_format(),
        })
    }
}

/// One JSON object a line; must hold `$context.requestId` and at most 1,024 characters [apigatewayv2 model].
fn access_log_format() -> String {
    const FIELDS: [&str; 14] = [
        "requestId",
        "requestTimeEpoch",
        "eventType",
        "routeKey",
        "connectionId",
        "messageId",
        "status",
        "error.message",
        "error.responseType",
        "integration.status",
        "integration.latency",
        "integrationErrorMessage",
        "authorizer.error",
        "identity.sourceIp",
    ];
    let pairs: Vec<String> = FIELDS
        .iter()
        .map(|field| format!("\"{field}\":\"$context.{field}\""))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_log_format_fits_and_names_the_request() {
        let format = access_log_format();
        assert!(format.len() <= 1024, "{}", format.len());
        assert!(format.contains("$context.requestId"));
        assert!(!format.contains('\n'));
    }
}
