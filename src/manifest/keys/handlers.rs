//! The keys of `[handlers]`.

use super::{DAY, MAX_ENVIRONMENT, NAME, NAME_RULE};
use crate::manifest::{
    code,
    declaration::{Absence, Duration, Integer, Key, Kind, List, Map, Refused, Text},
};
use Absence::{Empty, Optional, Required};

pub(super) const HANDLERS: Key = Key::new(
    "handlers",
    "The handlers: one Lambda function each.",
    Kind::Map(Map {
        name: Text::new("a handler's name", NAME, 60, NAME_RULE).refusing(&[
            Refused {
                pattern: "^(push|results|gateway)$",
                except: &[],
                code: code::RESERVED,
                why: "wsless itself makes resources of the names `push`, `results` and `gateway`",
                mend: "choose another name; `binary` says which cargo binary it is",
            },
            Refused {
                pattern: "-dlq$",
                except: &[],
                code: code::RESERVED,
                why: "a handler's dead-letter queue ends in `-dlq`, so the names could collide",
                mend: "choose a name that doesn't end in `-dlq`",
            },
        ]),
        value: &Kind::Table(HANDLER_KEYS),
        count: 0..=usize::MAX,
    }),
    Empty,
    "{ echo = { memory = 256 } }",
);

const HANDLER_KEYS: &[Key] = &[
    Key::new(
        "binary",
        "The cargo binary. Absent: the handler's name.",
        Kind::Text(Text::new(
            "a cargo binary's name",
            "^[A-Za-z0-9_][A-Za-z0-9_-]*$",
            128,
            "letters, digits, `_` and `-`, as cargo has it",
        )),
        Optional,
        "\"echo\"",
    ),
    Key::new(
        "memory",
        "Memory in MiB.",
        Kind::Integer(Integer {
            min: 128,
            max: 10_240,
            unit: "MiB",
            rule: "Lambda's limits for a function's memory",
        }),
        Absence::Integer(256),
        "256",
    ),
    Key::new(
        "timeout",
        "The longest that one call may run; at most 29 s where a route reaches the handler directly.",
        Kind::Duration(Duration {
            min: 1,
            max: 900,
            period: false,
            rule: "Lambda's limits for a function's timeout",
        }),
        Absence::Text("10s"),
        "\"10s\"",
    ),
    Key::new(
        "environment",
        "Environment variables; together at most 3 KiB as JSON.",
        Kind::Map(Map {
            name: VARIABLE,
            value: &Kind::Text(VARIABLE_VALUE),
            count: 0..=usize::MAX,
        }),
        Empty,
        "{ GREETING = \"hello\" }",
    ),
    Key::new(
        "reserved-concurrency",
        "The most calls at once, set aside for this handler. Absent: the account's pool.",
        Kind::Integer(Integer {
            min: 1,
            max: i32::MAX as i64,
            unit: "",
            rule: "Lambda takes 0 as off: every call would be throttled; leave the key out for the account's pool",
        }),
        Optional,
        "50",
    ),
    Key::new(
        "policy",
        "What the handler may do beyond what wsless allows it.",
        Kind::List(List {
            item: &Kind::Table(POLICY_KEYS),
            min: 0,
            max: 50,
            rule: "IAM takes 10,240 characters of a role's inline policies",
        }),
        Optional,
        "[{ actions = [\"s3:GetObject\"], resources = [\"arn:aws:s3:::my-bucket/*\"] }]",
    ),
    Key::new(
        "queue",
        "How the handler's queue behaves, if a route reaches it via \"queue\".",
        Kind::Table(QUEUE_KEYS),
        Empty,
        "{ order = \"connection\" }",
    ),
];

const VARIABLE: Text = Text::new(
    "an environment variable's name",
    "^[a-zA-Z][a-zA-Z0-9_]+$",
    256,
    "Lambda takes a letter, then letters, digits and `_`; two characters at least",
)
.refusing(&[
    Refused {
        pattern: "^(_HANDLER|_X_AMZN_TRACE_ID|AWS_LAMBDA_.*|AWS_REGION|AWS_DEFAULT_REGION|AWS_EXECUTION_ENV|AWS_ACCESS_KEY|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR)$",
        except: &[],
        code: code::RESERVED,
        why: "Lambda sets this variable itself and refuses it from others",
        mend: "choose another name",
    },
    Refused {
        pattern: "^WSLESS_",
        except: &[],
        code: code::RESERVED,
        why: "variables that begin with `WSLESS_` are how wsless tells a handler about its system",
        mend: "choose another name",
    },
]);

const VARIABLE_VALUE: Text = Text {
    secret: true,
    ..Text::new(
        "an environment variable's value",
        r"^[^\x00]*$",
        MAX_ENVIRONMENT,
        "any text without NUL; with its name and all others at most 3 KiB",
    )
};

const POLICY_KEYS: &[Key] = &[
    Key::new(
        "actions",
        "IAM actions.",
        Kind::List(List {
            item: &Kind::Text(Text::new(
                "an IAM action",
                r"^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$",
                256,
                "`service:Action`, such as `s3:GetObject`",
            )),
            min: 1,
            max: 200,
            rule: "a statement is about at least one action",
        }),
        Required,
        "[\"s3:GetObject\"]",
    ),
    Key::new(
        "resources",
        "The ARNs that the actions are allowed on.",
        Kind::List(List {
            item: &Kind::Text(Text::new(
                "a resource",
                r"^(\*|arn:[a-z0-9*-]+:[a-z0-9*-]+:[a-z0-9*?-]*:[0-9*?]*:.+)$",
                2048,
                "an ARN, such as `arn:aws:s3:::my-bucket/*`, or `*`",
            )),
            min: 1,
            max: 200,
            rule: "a statement is about at least one resource",
        }),
        Required,
        "[\"arn:aws:s3:::my-bucket/*\"]",
    ),
];

const QUEUE_KEYS: &[Key] = &[
    Key::new(
        "order",
        "\"connection\": one connection's messages in order, by a FIFO queue; \"none\": a standard queue.",
        Kind::Choice(&["none", "connection"]),
        Absence::Text("none"),
        "\"connection\"",
    ),
    Key::new(
        "batch-size",
        "The most messages a call: to 10, or to 10000 with a batch window on an unordered queue.",
        Kind::Integer(Integer {
            min: 1,
            max: 10_000,
            unit: "",
            rule: "Lambda's limits for SQS: 10 messages, or 10000 with a batch window on an unordered queue",
        }),
        Absence::Integer(10),
        "10",
    ),
    Key::new(
        "batch-window",
        "How long a batch may gather; unordered queues only.",
        Kind::Duration(Duration {
            min: 0,
            max: 300,
            period: false,
            rule: "Lambda's limits for a batch window",
        }),
        Absence::Integer(0),
        "\"5s\"",
    ),
    Key::new(
        "visibility-timeout",
        "How long a received message stays hidden; at least the handler's timeout. Absent: six timeouts and the batch window, as AWS advises.",
        Kind::Duration(Duration {
            min: 1,
            max: 43_200,
            period: false,
            rule: "SQS hides a message for at most 12 hours",
        }),
        Optional,
        "\"60s\"",
    ),
    Key::new(
        "max-receives",
        "Receives before a message goes to the dead-letter queue.",
        Kind::Integer(Integer {
            min: 1,
            max: 1000,
            unit: "",
            rule: "SQS's limits for a redrive policy",
        }),
        Absence::Integer(5),
        "5",
    ),
    Key::new(
        "max-concurrency",
        "The most calls at once from this queue. Absent: no limit but the account's.",
        Kind::Integer(Integer {
            min: 2,
            max: 1000,
            unit: "",
            rule: "Lambda's limits for a queue's concurrency",
        }),
        Optional,
        "100",
    ),
    Key::new(
        "retention",
        "How long an unread message is kept; the dead-letter queue keeps its for 14 days.",
        Kind::Duration(Duration {
            min: 60,
            max: 14 * DAY,
            period: false,
            rule: "SQS keeps a message for 60 s to 14 days",
        }),
        Absence::Text("4d"),
        "\"4d\"",
    ),
];
