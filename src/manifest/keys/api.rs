//! The keys of `[api]` and `[routes]`: how messages come in and where they go.

use super::MAX_ROUTES;
use crate::manifest::{
    code,
    declaration::{Absence, Integer, Key, Kind, List, Map, Refused, Text},
};
use Absence::{Empty, Optional, Required};

/// A reference to a handler. Whether it's there is a rule, so that a typo gets a suggestion.
const HANDLER: Text = Text::new("a handler's name", "^", 256, "a name under [handlers]");

pub(super) const API: Key = Key::new(
    "api",
    "The WebSocket API.",
    Kind::Table(API_KEYS),
    Empty,
    "{ access-log = true }",
);

const API_KEYS: &[Key] = &[
    Key::new(
        "route-selection",
        "API Gateway's route selection expression: where in a message its route's key stands.",
        Kind::Text(Text::new(
            "a route selection expression",
            r#"^(\$request\.body\.[A-Za-z0-9_.'"\[\]-]+|[^$\\]*\$\{request\.body\.[A-Za-z0-9_.'"\[\]-]+\}([^$\\]|\$\{request\.body\.[A-Za-z0-9_.'"\[\]-]+\})*)$"#,
            512,
            "API Gateway takes `$request.body.PATH`, or parts such as `${request.body.PATH}` put together",
        )),
        Absence::Text("$request.body.action"),
        "\"$request.body.action\"",
    ),
    Key::new(
        "allowed-origins",
        "The values of Origin that may connect, checked at $connect. Absent: any web page may connect.",
        Kind::List(List {
            item: &Kind::Text(ORIGIN),
            min: 1,
            max: 100,
            rule: "an empty list would let nobody in; without the key, anybody may connect",
        }),
        Optional,
        "[\"https://chat.example.com\"]",
    ),
    Key::new(
        "throttle",
        "The stage's throttle. Absent: the account's.",
        Kind::Table(&[
            Key::new(
                "rate",
                "Messages a second.",
                Kind::Integer(THROTTLE),
                Required,
                "500",
            ),
            Key::new(
                "burst",
                "Messages at once.",
                Kind::Integer(THROTTLE),
                Required,
                "1000",
            ),
        ]),
        Optional,
        "{ rate = 500, burst = 1000 }",
    ),
    Key::new(
        "authorizer",
        "The handler that authorizes $connect.",
        Kind::Short(
            &HANDLER,
            &[
                Key::new(
                    "handler",
                    "The handler that answers.",
                    Kind::Text(HANDLER),
                    Required,
                    "\"auth\"",
                ),
                Key::new(
                    "identity-sources",
                    "What a handshake must carry to be let through to the handler; without one of them it's refused with 401. Absent: `route.request.querystring.token`.",
                    Kind::List(List {
                        item: &Kind::Text(IDENTITY_SOURCE),
                        min: 1,
                        max: 10,
                        rule: "at least one source, or leave the key out for `route.request.querystring.token`",
                    }),
                    Optional,
                    "[\"route.request.querystring.token\"]",
                ),
            ],
        ),
        Optional,
        "\"auth\"",
    ),
    Key::new(
        "access-log",
        "Whether the stage writes an access log.",
        Kind::Boolean,
        Absence::Boolean(false),
        "true",
    ),
];

const THROTTLE: Integer = Integer {
    min: 1,
    max: i32::MAX as i64,
    unit: "",
    rule: "API Gateway takes 0 as a limit: every handshake and message would get 429; leave `throttle` out for the account's limits",
};

const ORIGIN: Text = Text::new(
    "an origin",
    r"^[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$",
    256,
    "`scheme://host` or `scheme://host:port` in lower case, as browsers send it",
)
.refusing(&[
    Refused {
        pattern: r"\*",
        except: &[],
        code: code::INVALID_VALUE,
        why: "origins are compared as they are: `*` isn't a wildcard",
        mend: "list each origin; leave `allowed-origins` out to let any web page connect",
    },
    Refused {
        pattern: "^[a-z][a-z0-9+.-]*://[^/]*/",
        except: &[],
        code: code::INVALID_VALUE,
        why: "an origin ends after host and port: browsers send neither a path nor a trailing `/`",
        mend: "write `scheme://host` or `scheme://host:port`",
    },
    Refused {
        pattern: "^(https://.*:443|http://.*:80)$",
        except: &[],
        code: code::INVALID_VALUE,
        why: "browsers leave out a scheme's own port, so this would never match",
        mend: "write it without the port",
    },
]);

const IDENTITY_SOURCE: Text = Text::new(
    "an identity source",
    r"^(route\.request\.(header|querystring)\.[A-Za-z0-9._-]+|context\.[A-Za-z0-9._]+|stageVariables\.[A-Za-z0-9_]+)$",
    256,
    "API Gateway takes `route.request.header.NAME`, `route.request.querystring.NAME`, `context.NAME`, `stageVariables.NAME`",
)
.refusing(&[Refused {
    pattern: r"^\$",
    except: &[],
    code: code::INVALID_VALUE,
    why: "`$request.` is how HTTP APIs write it; WebSocket APIs have `route.request.`",
    mend: "write `route.request.header.NAME` or `route.request.querystring.NAME`",
}]);

pub(super) const ROUTES: Key = Key::new(
    "routes",
    "Where a message goes, by its route's key.",
    Kind::Map(Map {
        name: Text::new(
            "a route's key",
            r"^[^\x00-\x1f\x7f]+$",
            128,
            "one to 128 characters, none of them a control character",
        )
        .refusing(&[Refused {
            pattern: r"^\$",
            except: &["$connect", "$disconnect", "$default"],
            code: code::RESERVED,
            why: "API Gateway keeps keys that begin with `$` for itself: there are `$connect`, `$disconnect` and `$default`",
            mend: "write one of these, or a key without `$`",
        }]),
        value: &Kind::Table(ROUTE_KEYS),
        count: 1..=MAX_ROUTES,
    }),
    Empty,
    "{ ping = { handler = \"echo\", via = \"direct\" } }",
);

const ROUTE_KEYS: &[Key] = &[
    Key::new(
        "handler",
        "The handler that gets the message.",
        Kind::Text(HANDLER),
        Required,
        "\"echo\"",
    ),
    Key::new(
        "via",
        "\"queue\": through SQS, and a reply is pushed later; \"direct\": what the handler returns is sent back, within 29 s. Absent: \"queue\"; of $connect and $disconnect, \"direct\".",
        Kind::Choice(&["queue", "direct"]),
        Optional,
        "\"direct\"",
    ),
];
