//! Every key of a manifest: its type, its limits, its default, its doc. The one place where a key is added.
//!
//! Limits are AWS's where a rule names AWS; they're of the service models (botocore) and the developer guides.

mod api;
mod handlers;

use super::{
    code,
    declaration::{Absence, Duration, Integer, Key, Kind, List, Map, Refused, Text},
};
use Absence::{Empty, Optional, Required};
use api::{API, ROUTES};
use handlers::HANDLERS;

/// The most characters of a function's and of a role's name (Lambda CreateFunction, IAM CreateRole).
pub(super) const MAX_FUNCTION_NAME: usize = 64;
/// The routes and integrations of one API (API Gateway's quotas for WebSocket APIs).
pub(super) const MAX_ROUTES: usize = 300;
/// The user's tags; AWS takes 50, wsless and AWS's own tools need some.
pub(super) const MAX_TAGS: usize = 40;
/// Bytes of a function's environment as JSON (Lambda), less 1 KiB for wsless's own variables.
pub(super) const MAX_ENVIRONMENT: usize = 4096 - 1024;
/// Bytes of the allowed origins as JSON, of the 4,096 (Lambda) that the environment of `$connect`'s handler has.
pub(super) const MAX_ORIGINS: usize = 2048;
/// The longest that API Gateway waits for an integration, in seconds (CreateIntegration TimeoutInMillis).
pub(super) const MAX_DIRECT_SECONDS: u64 = 29;
/// The most messages that a FIFO queue, or a queue without a batch window, hands over at once.
pub(super) const MAX_SMALL_BATCH: i64 = 10;
/// CloudWatch's most seconds of all periods of an alarm together (PutMetricAlarm EvaluationPeriods).
pub(super) const MAX_ALARM_SECONDS: u64 = 86_400;

const DAY: u64 = 86_400;
pub(super) const NAME: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";
const NAME_RULE: &str =
    "lower-case letters, digits and `-`, beginning with a letter, not ending in `-`";

/// The name of a stage, in `[stages]` and on the command line.
pub(super) const STAGE_NAME: Text = Text::new("a stage's name", NAME, 20, NAME_RULE);

/// The project's name, in `[project]` and from `wsless init`.
pub(super) const PROJECT_NAME: Text = Text::new("a project's name", NAME, 24, NAME_RULE);

/// The whole file.
pub(super) const MANIFEST: &[Key] = &[
    Key::new(
        "project",
        "Whose system this is.",
        Kind::Table(PROJECT),
        Empty,
        "{ name = \"chat\" }",
    ),
    BUILD,
    API,
    CONNECTIONS,
    HANDLERS,
    ROUTES,
    ALARMS,
    DASHBOARD,
    LOGS,
    Key::new(
        "stages",
        "What differs in one stage, laid over the rest of the file key by key. Tables are merged; other values and arrays replace what they're laid over.",
        Kind::Map(Map {
            name: STAGE_NAME,
            value: &Kind::Table(STAGE),
            count: 0..=usize::MAX,
        }),
        Empty,
        "{ prod = { handlers.echo.memory = 512 } }",
    ),
];

/// `[stages.NAME]`: the file without `stages` and `project.name`.
pub(super) const STAGE: &[Key] = &[
    Key::new(
        "project",
        "Whose system this is.",
        Kind::Table(STAGE_PROJECT),
        Empty,
        "{ region = \"eu-west-1\" }",
    ),
    BUILD,
    API,
    CONNECTIONS,
    HANDLERS,
    ROUTES,
    ALARMS,
    DASHBOARD,
    LOGS,
];

const PROJECT: &[Key] = &[
    Key::new(
        "name",
        "The project's name; every AWS resource's name begins with it.",
        Kind::Text(PROJECT_NAME),
        Required,
        "\"chat\"",
    ),
    REGION,
    TAGS,
];

const STAGE_PROJECT: &[Key] = &[REGION, TAGS];

const REGION: Key = Key::new(
    "region",
    "The AWS region. Absent: the AWS configuration's.",
    Kind::Text(Text::new(
        "an AWS region",
        "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$",
        32,
        "a region's code, such as `eu-west-1`",
    )),
    Optional,
    "\"eu-west-1\"",
);

const TAGS: Key = Key::new(
    "tags",
    "Tags put on everything that takes tags.",
    Kind::Map(Map {
        name: Text::new("a tag's key", TAG_KEY, 128, TAG_RULE).refusing(&[
            Refused {
                pattern: "^[aA][wW][sS]:",
                except: &[],
                code: code::RESERVED,
                why: "AWS keeps tags that begin with `aws:` for itself",
                mend: "choose a key without that prefix",
            },
            Refused {
                pattern: "^wsless:",
                except: &[],
                code: code::RESERVED,
                why: "wsless finds what it owns by its `wsless:` tags",
                mend: "choose a key without that prefix",
            },
        ]),
        value: &Kind::Text(Text::new("a tag's value", TAG_VALUE, 256, TAG_RULE)),
        count: 0..=MAX_TAGS,
    }),
    Empty,
    "{ team = \"realtime\" }",
);

// Everything but ASCII's other characters; beyond ASCII a rule looks for letters and digits, which these patterns can't.
const TAG_KEY: &str = r"^[^\x00-\x1f!-*,;<>?\[-\^`{-\x7f]+$";
const TAG_VALUE: &str = r"^[^\x00-\x1f!-*,;<>?\[-\^`{-\x7f]*$";
pub(super) const TAG_RULE: &str =
    "letters, digits, spaces and `_ . : / = + - @`, which all of AWS's services take";

const BUILD: Key = Key::new(
    "build",
    "How the handlers are built.",
    Kind::Table(&[
        Key::new(
            "architecture",
            "The processor that the functions run on.",
            Kind::Choice(&["x86_64", "arm64"]),
            Absence::Text("x86_64"),
            "\"arm64\"",
        ),
        Key::new(
            "profile",
            "The cargo profile.",
            Kind::Text(Text::new(
                "a cargo profile",
                "^[A-Za-z_][A-Za-z0-9_-]*$",
                64,
                "letters, digits, `_` and `-`, as cargo has it",
            )),
            Absence::Text("release"),
            "\"release\"",
        ),
    ]),
    Empty,
    "{ architecture = \"arm64\" }",
);

const CONNECTIONS: Key = Key::new(
    "connections",
    "What is remembered of open connections.",
    Kind::Table(&[Key::new(
        "registry",
        "Whether there's a registry table, which broadcast and rooms need.",
        Kind::Boolean,
        Absence::Boolean(true),
        "true",
    )]),
    Empty,
    "{ registry = true }",
);

const ALARMS: Key = Key::new(
    "alarms",
    "Who is told, and how the default alarms differ: each can be tuned, or set to false.",
    Kind::Table(&[
        Key::new(
            "notify",
            "ARNs of SNS topics or Lambda functions that are told when an alarm changes state.",
            Kind::List(List {
                item: &Kind::Text(Text::new(
                    "the ARN of an SNS topic or a Lambda function",
                    "^arn:aws[a-z-]*:(sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+|lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_:$-]+)$",
                    512,
                    "such as `arn:aws:sns:eu-west-1:123456789012:pager`",
                )),
                min: 0,
                max: 5,
                rule: "CloudWatch takes at most five actions for each state of an alarm",
            }),
            Optional,
            "[\"arn:aws:sns:eu-west-1:123456789012:pager\"]",
        ),
        alarm("dead-letters", "A handler's dead-letter queue isn't empty."),
        alarm(
            "message-age",
            "The oldest message of a handler's queue waits too long.",
        ),
        alarm("handler-errors", "A function fails."),
        alarm("handler-throttles", "A function is throttled."),
        alarm(
            "execution-errors",
            "API Gateway couldn't call an integration.",
        ),
        alarm("integration-errors", "Integrations answered with an error."),
        alarm(
            "connect-failures",
            "The function behind $connect fails, so nobody can connect.",
        ),
    ]),
    Empty,
    "{ dead-letters = false }",
);

const fn alarm(name: &'static str, doc: &'static str) -> Key {
    Key::new(
        name,
        doc,
        Kind::Switch(ALARM_KEYS),
        Optional,
        "{ threshold = 5, period = \"1m\", periods = 3 }",
    )
}

const ALARM_KEYS: &[Key] = &[
    Key::new(
        "threshold",
        "The value that the metric must exceed or reach.",
        Kind::Number,
        Optional,
        "5",
    ),
    Key::new(
        "period",
        "The length of one period.",
        Kind::Duration(Duration {
            min: 10,
            max: MAX_ALARM_SECONDS,
            period: true,
            rule: "CloudWatch takes 10, 20 and 30 s and multiples of 60 s, up to a day",
        }),
        Optional,
        "\"1m\"",
    ),
    Key::new(
        "periods",
        "Periods in a row before the alarm goes off; all together at most a day.",
        Kind::Integer(Integer {
            min: 1,
            max: 8640,
            unit: "",
            rule: "CloudWatch looks back over a day at most",
        }),
        Optional,
        "3",
    ),
];

const DASHBOARD: Key = Key::new(
    "dashboard",
    "A CloudWatch dashboard with the stage's figures.",
    Kind::Table(&[Key::new(
        "enabled",
        "Whether there is one. An account's first three cost nothing, each further one $3 a month.",
        Kind::Boolean,
        Absence::Boolean(false),
        "true",
    )]),
    Empty,
    "{ enabled = true }",
);

const LOGS: Key = Key::new(
    "logs",
    "The log groups.",
    Kind::Table(&[Key::new(
        "retention-days",
        "How many days log groups keep events.",
        Kind::IntegerChoice(
            &[
                1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,
                2557, 2922, 3288, 3653,
            ],
            "CloudWatch Logs knows these retentions only",
        ),
        Absence::Integer(30),
        "30",
    )]),
    Empty,
    "{ retention-days = 30 }",
);
