//! What a manifest says, as types: parsed and checked, so nobody downstream checks again.

use std::{collections::BTreeMap, fmt, time::Duration};

/// A checked manifest, with one stage's overrides laid over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `[project]`.
    pub project: Project,
    /// `[build]`.
    pub build: BuildSettings,
    /// `[api]`.
    pub api: Api,
    /// `[connections]`.
    pub connections: Connections,
    /// `[handlers.NAME]`.
    pub handlers: BTreeMap<HandlerName, Handler>,
    /// `[routes]`.
    pub routes: BTreeMap<RouteKey, Route>,
    /// `[alarms]`.
    pub alarms: Alarms,
    /// `[dashboard]`.
    pub dashboard: Dashboard,
    /// `[logs]`.
    pub logs: Logs,
}

/// `[project]`: whose system this is.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// `[a-z][a-z0-9-]*`, at most 24 characters.
    pub name: String,
    /// The AWS region; absent, the AWS configuration's.
    pub region: Option<String>,
    /// Tags put on everything that takes tags.
    pub tags: BTreeMap<String, String>,
}

/// `[build]`: how the handlers are built.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildSettings {
    /// The processor the functions run on.
    pub architecture: Architecture,
    /// The cargo profile.
    pub profile: String,
}

/// The processor architectures of Lambda.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// `x86_64`.
    #[default]
    X86_64,
    /// `arm64` (Graviton).
    Arm64,
}

impl Architecture {
    /// This machine's, in AWS's words; on a processor that Lambda doesn't have, the default.
    pub fn of_this_machine() -> Self {
        if std::env::consts::ARCH == "aarch64" {
            Self::Arm64
        } else {
            Self::X86_64
        }
    }

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// `[api]`: the WebSocket API.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// API Gateway's route selection expression.
    pub route_selection: String,
    /// The values of `Origin` that may connect; absent, any.
    pub allowed_origins: Option<Vec<String>>,
    /// The stage's throttle; absent, the account's.
    pub throttle: Option<Throttle>,
    /// The handler that authorizes `$connect`.
    pub authorizer: Option<Authorizer>,
    /// Whether the stage writes an access log.
    pub access_log: bool,
}

/// The authorizer of `$connect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Authorizer {
    /// The handler that answers.
    pub handler: HandlerName,
    /// API Gateway's identity sources, such as `route.request.querystring.token`; a handshake without one of them is
    /// refused with 401 before the handler is asked.
    pub identity_sources: Vec<String>,
}

/// A stage's throttle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Messages a second.
    pub rate: u32,
    /// Messages at once.
    pub burst: u32,
}

/// `[connections]`: what is remembered of open connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connections {
    /// Whether there is a registry table, which broadcast and rooms need.
    pub registry: bool,
}

/// A handler's name: `[a-z][a-z0-9-]*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandlerName(String);

impl HandlerName {
    /// Takes a name that the parser has checked.
    pub(crate) fn checked(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A route's key: what the route selection expression must evaluate to, or one of `$connect`, `$disconnect`, `$default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey(String);

impl RouteKey {
    /// Takes a key that the parser has checked, or one of API Gateway's own.
    pub(crate) fn checked(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `[routes]`: where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The handler that gets it.
    pub handler: HandlerName,
    /// The way there.
    pub via: Via,
}

/// The way from a route to its handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Through an SQS queue; the reply is pushed later.
    #[default]
    Queue,
    /// By a synchronous call; the reply is the call's result.
    Direct,
}

/// `[handlers.NAME]`: one Lambda function.
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// The cargo binary; by default the handler's name.
    pub binary: String,
    /// 128 to 10240 MiB.
    pub memory_mib: u32,
    /// 1 to 900 s; at most 29 s where a route reaches it directly.
    pub timeout: Duration,
    /// The user's environment variables.
    pub environment: BTreeMap<String, String>,
    /// Reserved concurrency; absent, the account's pool.
    pub reserved_concurrency: Option<u32>,
    /// What the handler may do beyond what wsless gives it.
    pub policy: Vec<PolicyStatement>,
    /// How its queue behaves, if a route reaches it through one.
    pub queue: Queue,
}

/// One statement a user adds to a handler's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStatement {
    /// IAM actions, such as `s3:GetObject`.
    pub actions: Vec<String>,
    /// ARNs, or `*` where the user says so.
    pub resources: Vec<String>,
}

/// `[handlers.NAME.queue]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Whether one connection's messages keep their order.
    pub order: Order,
    /// Messages a call: 1 to 10, or to 10000 with a batch window on an unordered queue.
    pub batch_size: u32,
    /// How long a batch may gather: 0 to 300 s, unordered queues only.
    pub batch_window: Duration,
    /// How long a received message stays hidden; at least the handler's timeout.
    pub visibility_timeout: Duration,
    /// Receives before a message goes to the dead-letter queue: 1 to 1000.
    pub max_receives: u32,
    /// The most handlers at once on this queue: 2 to 1000; absent, unlimited.
    pub max_concurrency: Option<u32>,
    /// How long an unread message is kept: 60 s to 14 days.
    pub retention: Duration,
}

/// Which order a queue keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// None: a standard queue.
    #[default]
    None,
    /// One connection's messages in order: a FIFO queue grouped by connection.
    Connection,
}

/// `[alarms]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alarms {
    /// ARNs told when an alarm changes state to or from ALARM.
    pub notify: Vec<String>,
    /// Tunings by alarm name; what isn't named keeps its defaults.
    pub tuning: BTreeMap<AlarmName, AlarmTuning>,
}

/// The default alarms. Each is one kind; the per-handler ones exist once for each handler they fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmName {
    /// `dead-letters`: a handler's dead-letter queue isn't empty.
    DeadLetters,
    /// `message-age`: the oldest message of a handler's queue waits too long.
    MessageAge,
    /// `handler-errors`: a function fails.
    HandlerErrors,
    /// `handler-throttles`: a function is throttled.
    HandlerThrottles,
    /// `execution-errors`: API Gateway couldn't call an integration.
    ExecutionErrors,
    /// `integration-errors`: integrations answered with an error.
    IntegrationErrors,
    /// `connect-failures`: the function behind `$connect` fails, so nobody can connect.
    ConnectFailures,
}

impl AlarmName {
    /// All of them, in the order in which they're listed.
    pub const ALL: [Self; 7] = [
        Self::DeadLetters,
        Self::MessageAge,
        Self::HandlerErrors,
        Self::HandlerThrottles,
        Self::ExecutionErrors,
        Self::IntegrationErrors,
        Self::ConnectFailures,
    ];

    /// The name in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetters => "dead-letters",
            Self::MessageAge => "message-age",
            Self::HandlerErrors => "handler-errors",
            Self::HandlerThrottles => "handler-throttles",
            Self::ExecutionErrors => "execution-errors",
            Self::IntegrationErrors => "integration-errors",
            Self::ConnectFailures => "connect-failures",
        }
    }
}

/// What a manifest changes of one default alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlarmTuning {
    /// `NAME = false`: there is no such alarm.
    Off,
    /// `NAME = { threshold = 5, period = "1m", periods = 3 }`: what is absent keeps its default.
    Tuned {
        /// The value that the metric must exceed or reach.
        threshold: Option<f64>,
        /// The length of one period: 10, 20, 30 s or a multiple of 60 s.
        period: Option<Duration>,
        /// Periods in a row before the alarm goes off.
        periods: Option<u32>,
    },
}

/// `[dashboard]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dashboard {
    /// Whether there is one.
    pub enabled: bool,
}

/// `[logs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logs {
    /// How long log groups keep events; one of CloudWatch Logs' retentions.
    pub retention_days: u32,
}
