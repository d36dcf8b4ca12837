//! What is made of a deployment before it serves: expressions and templates read, URIs taken apart, throttles and metrics
//! at hand. Made once for each revision of a stage; messages only look things up in it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{
    event::raw,
    meter::Meter,
    selection::{Selection, Source},
    template::Template,
    throttle::Bucket,
};
use crate::{
    ACCOUNT,
    cloud::Cloud,
    gateway::model::{Integration, IntegrationResponse, Live, Route, Stage},
};

/// The account's rate and burst [DG limits]: what an absent limit is on AWS.
pub(super) const ACCOUNT_RATE: f64 = 10_000.0;
pub(super) const ACCOUNT_BURST: f64 = 5_000.0;
/// The hard limit of an integration.
const LONGEST: u32 = 29_000;

/// A stage that serves.
#[derive(Debug)]
pub(super) struct Plan {
    pub live: Live,
    /// `{api}.execute-api.localhost:{port}`.
    pub domain: String,
    pub selection: Result<Selection, String>,
    pub routes: HashMap<String, Arc<RoutePlan>>,
    pub meter: Meter,
    /// `stageVariables` of events; nothing if there are none.
    pub stage_variables: Option<Box<RawValue>>,
}

/// A route that serves.
#[derive(Debug)]
pub(super) struct RoutePlan {
    pub route: Route,
    /// `arn:aws:execute-api:{region}:{account}:{api}/{stage}/{route}`.
    pub arn: String,
    /// It's answered: it has both a response and the expression that selects it.
    pub two_way: bool,
    pub throttle: Option<Bucket>,
    pub meter: Option<Meter>,
    /// Nothing if it has none: then nothing happens.
    pub integration: Option<IntegrationPlan>,
    /// Whether failures are logged, and whether all is.
    pub log: LogLevel,
}

/// `LoggingLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogLevel {
    Off,
    Error,
    Info,
}

/// An integration that serves.
#[derive(Debug)]
pub(super) struct IntegrationPlan {
    pub target: Target,
    pub credentials: Option<String>,
    pub timeout: Duration,
    /// Nothing, if there is none of a kind; a fault is said when a message meets it.
    pub templates: Vec<(String, Result<Template, String>)>,
    pub template_selection: Option<Result<Selection, String>>,
    pub passthrough: Passthrough,
    pub parameters: Vec<(Place, Result<Selection, String>)>,
    pub response_selection: Option<Result<Selection, String>>,
    pub responses: Vec<ResponsePlan>,
}

/// What an integration calls.
#[derive(Debug)]
pub(super) enum Target {
    /// `AWS_PROXY`: a function gets the event, and its answer is the answer.
    Proxy(String),
    /// `AWS` to a function: it gets what the template makes.
    Function(String),
    /// `AWS` to SQS.
    Queue {
        region: String,
        account: String,
        queue: String,
    },
    Mock,
    /// What can't be called, and why.
    Lacking(String),
}

/// What becomes of a body without a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passthrough {
    NoMatch,
    NoTemplates,
    Never,
}

/// Where a request parameter goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header(String),
    Query(String),
    Path(String),
    Unknown(String),
}

/// An integration response that serves.
#[derive(Debug)]
pub(super) struct ResponsePlan {
    pub key: ResponseKey,
    pub templates: Vec<(String, Result<Template, String>)>,
    pub template_selection: Option<Result<Selection, String>>,
}

/// Which answers it's for.
#[derive(Debug)]
pub(super) enum ResponseKey {
    Default,
    Exact(String),
    Pattern(regex_lite::Regex),
}

impl ResponseKey {
    fn parse(key: &str) -> Self {
        if key == "$default" {
            return Self::Default;
        }
        key.strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .and_then(|pattern| regex_lite::Regex::new(&format!("^(?:{pattern})$")).ok())
            .map_or_else(|| Self::Exact(key.to_owned()), Self::Pattern)
    }

    /// Whether it's for this one in particular.
    pub fn is_for(&self, key: &str) -> bool {
        match self {
            Self::Default => false,
            Self::Exact(exact) => exact == key,
            Self::Pattern(pattern) => pattern.is_match(key),
        }
    }
}

impl Plan {
    /// Makes it; throttles whose limits haven't changed go on as they were.
    pub fn new(cloud: &Cloud, region: &str, live: Live, before: Option<&Self>) -> Self {
        let stage = &live.stage;
        let variables = &stage.stage_variables;
        let routes = live
            .snapshot
            .routes
            .iter()
            .map(|(key, route)| {
                let before = before.and_then(|plan| plan.routes.get(key));
                let plan = RoutePlan::new(region, &live, route, before.map(AsRef::as_ref));
                (key.clone(), Arc::new(plan))
            })
            .collect();
        Self {
            domain: format!(
                "{}.execute-api.localhost:{}",
                live.api_id,
                cloud.address.port()
            ),
            selection: Selection::parse(&live.snapshot.route_selection_expression),
            routes,
            meter: Meter::stage(&live.api_id, &stage.stage_name),
            stage_variables: (!variables.is_empty()).then(|| raw(variables)),
            live,
        }
    }

    /// The route of a message: its own, or `$default`.
    pub fn route(&self, text: &str) -> Option<&Arc<RoutePlan>> {
        let selected = self.selection.as_ref().ok().and_then(|selection| {
            let key = selection.evaluate(&Source {
                stage_variable: &|name| self.stage_variable(name),
                ..Source::text(text)
            });
            self.routes.get(&key)
        });
        selected.or_else(|| self.routes.get("$default"))
    }

    pub fn stage_variable(&self, name: &str) -> Option<String> {
        self.live.stage.stage_variables.get(name).cloned()
    }
}

impl RoutePlan {
    fn new(region: &str, live: &Live, route: &Route, before: Option<&Self>) -> Self {
        let stage = &live.stage;
        let key = &route.route_key;
        let own = stage.route_settings.get(key);
        let default = &stage.default_route_settings;
        let detailed = own
            .and_then(|own| own.detailed_metrics_enabled)
            .or(default.detailed_metrics_enabled)
            .unwrap_or(false);
        let level = own
            .and_then(|own| own.logging_level.as_deref())
            .or(default.logging_level.as_deref());
        let integration = route
            .target
            .as_deref()
            .and_then(|target| target.strip_prefix("integrations/"))
            .map(|id| match live.snapshot.integrations.get(id) {
                Some(integration) => IntegrationPlan::new(integration, stage),
                None => IntegrationPlan::lacking(format!("there is no integration {id}")),
            });
        let answers = route.route_response_selection_expression.as_deref() == Some("$default");
        Self {
            arn: format!(
                "arn:aws:execute-api:{region}:{ACCOUNT}:{}/{}/{key}",
                live.api_id, stage.stage_name
            ),
            two_way: answers
                && route
                    .responses
                    .values()
                    .any(|response| response.route_response_key == "$default"),
            throttle: throttle(stage, key, before),
            meter: detailed.then(|| Meter::route(&live.api_id, &stage.stage_name, key)),
            integration,
            log: match level {
                Some("INFO") => LogLevel::Info,
                Some("ERROR") => LogLevel::Error,
                _ => LogLevel::Off,
            },
            route: route.clone(),
        }
    }

    /// Whether it may be used now.
    pub fn is_free(&self) -> bool {
        self.throttle.as_ref().is_none_or(Bucket::take)
    }
}

/// A route's own limits, else the stage's; if only one of the two is said, the other is the account's.
fn throttle(stage: &Stage, key: &str, before: Option<&RoutePlan>) -> Option<Bucket> {
    let own = stage.route_settings.get(key);
    let default = &stage.default_route_settings;
    let rate = own
        .and_then(|own| own.throttling_rate_limit)
        .or(default.throttling_rate_limit);
    let burst = own
        .and_then(|own| own.throttling_burst_limit)
        .or(default.throttling_burst_limit)
        .map(f64::from);
    if rate.is_none() && burst.is_none() {
        return None;
    }
    let rate = rate.unwrap_or(ACCOUNT_RATE);
    let burst = burst.unwrap_or(ACCOUNT_BURST);
    let bucket = Bucket::new(rate, burst);
    if let Some(before) = before.and_then(|before| before.throttle.as_ref())
        && before.is(rate, burst)
    {
        bucket.go_on_from(before);
    }
    Some(bucket)
}

impl IntegrationPlan {
    fn lacking(why: String) -> Self {
        Self {
            target: Target::Lacking(why),
            credentials: None,
            timeout: Duration::from_millis(LONGEST.into()),
            templates: Vec::new(),
            template_selection: None,
            passthrough: Passthrough::NoMatch,
            parameters: Vec::new(),
            response_selection: None,
            responses: Vec::new(),
        }
    }

    fn new(integration: &Integration, stage: &Stage) -> Self {
        let uri = integration
            .integration_uri
            .as_deref()
            .map(|uri| with_variables(uri, stage))
            .unwrap_or_default();
        let millis = match integration.timeout_in_millis {
            0 => LONGEST,
            millis => millis.min(LONGEST),
        };
        Self {
            target: target(&integration.integration_type, &uri),
            credentials: integration
                .credentials_arn
                .as_deref()
                .filter(|arn| !arn.is_empty())
                .map(|arn| with_variables(arn, stage)),
            timeout: Duration::from_millis(millis.into()),
            templates: templates(&integration.request_templates),
            template_selection: selection(integration.template_selection_expression.as_deref()),
            passthrough: match integration.passthrough_behavior.as_deref() {
                Some("NEVER") => Passthrough::Never,
                Some("WHEN_NO_TEMPLATES") => Passthrough::NoTemplates,
                _ => Passthrough::NoMatch,
            },
            parameters: integration
                .request_parameters
                .iter()
                .map(|(place, value)| (Place::parse(place), Selection::parse_parameter(value)))
                .collect(),
            response_selection: selection(
                integration
                    .integration_response_selection_expression
                    .as_deref(),
            ),
            responses: integration.responses.values().map(response).collect(),
        }
    }
}

fn response(response: &IntegrationResponse) -> ResponsePlan {
    ResponsePlan {
        key: ResponseKey::parse(&response.integration_response_key),
        templates: templates(&response.response_templates),
        template_selection: selection(response.template_selection_expression.as_deref()),
    }
}

fn templates(sources: &crate::gateway::model::Strings) -> Vec<(String, Result<Template, String>)> {
    sources
        .iter()
        .map(|(key, source)| {
            let template = Template::parse(source).map_err(|fault| fault.to_string());
            (key.clone(), template)
        })
        .collect()
}

fn selection(expression: Option<&str>) -> Option<Result<Selection, String>> {
    expression
        .filter(|expression| !expression.is_empty())
        .map(Selection::parse)
}

impl Place {
    fn parse(target: &str) -> Self {
        let name = |prefix: &str| target.strip_prefix(prefix).map(str::to_owned);
        if let Some(name) = name("integration.request.header.") {
            Self::Header(name)
        } else if let Some(name) = name("integration.request.querystring.") {
            Self::Query(name)
        } else if let Some(name) = name("integration.request.path.") {
            Self::Path(name)
        } else {
            Self::Unknown(target.to_owned())
        }
    }
}

/// `${stageVariables.name}` in a URI. What isn't set stays as it's written, and is then no URI.
pub(super) fn with_variables(uri: &str, stage: &Stage) -> String {
    let mut out = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        out.push_str(before);
        let value = after
            .split_once('}')
            .and_then(|(name, after)| Some((stage.stage_variables.get(name)?, after)));
        if let Some((value, after)) = value {
            out.push_str(value);
            rest = after;
        } else {
            out.push_str("${stageVariables.");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The function of `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations`.
pub(super) fn function_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(":lambda:path/2015-03-31/functions/")?;
    rest.strip_suffix("/invocations")
        .filter(|arn| arn.starts_with("arn:") && !arn.contains("${"))
}

fn target(kind: &str, uri: &str) -> Target {
    let function = function_of(uri).map(str::to_owned);
    match kind {
        "AWS_PROXY" => function.map_or_else(
            || Target::Lacking(format!("`{uri}` isn't a function's URI")),
            Target::Proxy,
        ),
        "MOCK" => Target::Mock,
        "AWS" => match (function, queue_of(uri)) {
            (Some(function), _) => Target::Function(function),
            (None, Some(queue)) => queue,
            _ => Target::Lacking(format!("this cloud's gateway can't call `{uri}`")),
        },
        other => Target::Lacking(format!("this cloud's gateway has no {other} integrations")),
    }
}

/// `arn:aws:apigateway:{region}:sqs:path/{account}/{queue}`.
fn queue_of(uri: &str) -> Option<Target> {
    let rest = uri.strip_prefix("arn:aws:apigateway:")?;
    let (region, rest) = rest.split_once(":sqs:path/")?;
    let (account, queue) = rest.trim_matches('/').split_once('/')?;
    Some(Target::Queue {
        region: region.to_owned(),
        account: account.to_owned(),
        queue: queue.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_says_what_is_called() {
        let arn = "arn:aws:lambda:eu-west-1:000000000000:function:f:live";
        let uri = format!(
            "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        );
        assert!(matches!(target("AWS_PROXY", &uri), Target::Proxy(f) if f == arn));
        assert!(matches!(target("AWS", &uri), Target::Function(f) if f == arn));
        assert!(matches!(target("AWS_PROXY", arn), Target::Lacking(_)));
        assert!(matches!(
            target("AWS", "arn:aws:apigateway:eu-west-1:sqs:path/000000000000/q.fifo"),
            Target::Queue { region, queue, .. } if region == "eu-west-1" && queue == "q.fifo"
        ));
        assert!(matches!(
            target("AWS", "arn:aws:apigateway:eu-west-1:sns:path//"),
            Target::Lacking(_)
        ));
        assert!(
            matches!(target("HTTP_PROXY", "http://localhost"), Target::Lacking(why) if why.contains("HTTP_PROXY"))
        );
    }

    #[test]
    fn stage_variables_are_put_into_uris() {
        let mut stage = Stage::default();
        stage
            .stage_variables
            .insert("alias".to_owned(), "live".to_owned());
        assert_eq!(
            with_variables("f:${stageVariables.alias}/x", &stage),
            "f:live/x"
        );
        assert_eq!(
            with_variables(
                "f:${stageVariables.no}/${stageVariables.alias}${stageVariables.",
                &stage
            ),
            "f:${stageVariables.no}/live${stageVariables."
        );
    }

    #[test]
    fn a_response_key_is_a_pattern_between_slashes() {
        assert!(ResponseKey::parse("/4\\d\\d/").is_for("404"));
        assert!(!ResponseKey::parse("/4\\d\\d/").is_for("1404"));
        assert!(ResponseKey::parse("200").is_for("200"));
        assert!(!ResponseKey::parse("$default").is_for("$default"));
        assert!(!ResponseKey::parse("/(/").is_for("("));
    }
}
