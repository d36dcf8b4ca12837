//! The codes of the manifest's diagnostics: stable names, safe to search for and to match on.

/// The file isn't TOML, or names one thing twice.
pub const SYNTAX: &str = "manifest::syntax";
/// The file is larger than any manifest should be.
pub const TOO_LARGE: &str = "manifest::too-large";
/// There are more errors than are told of.
pub const TOO_MANY: &str = "manifest::too-many";
/// A key that nothing reads.
pub const UNKNOWN_KEY: &str = "manifest::unknown-key";
/// A value of another type than its key takes.
pub const WRONG_TYPE: &str = "manifest::wrong-type";
/// A number, a duration, a length or a count outside its limits.
pub const OUT_OF_RANGE: &str = "manifest::out-of-range";
/// A text that isn't of the form its place asks for, or isn't among the choices.
pub const INVALID_VALUE: &str = "manifest::invalid-value";
/// A name that is AWS's, API Gateway's or wsless's own.
pub const RESERVED: &str = "manifest::reserved";
/// A key that must be there and isn't.
pub const MISSING: &str = "manifest::missing";
/// A reference to a handler that isn't declared.
pub const UNKNOWN_HANDLER: &str = "manifest::unknown-handler";
/// A name that gets too long for AWS once project and stage stand before it.
pub const NAME_TOO_LONG: &str = "manifest::name-too-long";
/// A handler on a direct route that may run longer than API Gateway waits.
pub const DIRECT_TIMEOUT: &str = "manifest::direct-timeout";
/// `$connect` or `$disconnect` through a queue.
pub const QUEUED_LIFECYCLE: &str = "manifest::queued-lifecycle";
/// A handler that is both the authorizer and a route's.
pub const AUTHORIZER_ROUTED: &str = "manifest::authorizer-routed";
/// Two settings that AWS doesn't take together.
pub const CONFLICT: &str = "manifest::conflict";

/// Warning: any web page may connect.
pub const ANY_ORIGIN: &str = "manifest::any-origin";
/// Warning: nothing calls a handler.
pub const UNUSED_HANDLER: &str = "manifest::unused-handler";
/// Warning: a handler's `queue` table is about a queue that there won't be.
pub const UNUSED_QUEUE: &str = "manifest::unused-queue";
/// Warning: messages that match no route are refused.
pub const NO_DEFAULT_ROUTE: &str = "manifest::no-default-route";
/// Warning: a policy statement allows all actions or all resources.
pub const WIDE_POLICY: &str = "manifest::wide-policy";
/// Warning: throttling alone can send good messages to the dead-letter queue.
pub const FEW_RECEIVES: &str = "manifest::few-receives";
/// Warning: a queue may call its handler more often at once than the handler may run.
pub const THROTTLED_QUEUE: &str = "manifest::throttled-queue";
