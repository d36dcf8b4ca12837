//! What API Gateway refuses with.
//!
//! Texts marked [STK] are as AWS answered when they were recorded, those marked [field] as people met them. The others
//! say the same in like words.

use crate::{ACCOUNT, error::AwsError};

/// The request is wrong.
pub(super) fn bad(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "BadRequestException", message)
}

/// It clashes with what is there.
pub(super) fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ConflictException", message)
}

/// It isn't there.
pub(super) fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "NotFoundException", message)
}

/// There is no such API. The account is a part of the text [field: aws-sdk-js#2458, sst#5059].
pub(super) fn no_api(api_id: &str) -> AwsError {
    not_found(format!(
        "Invalid API identifier specified {ACCOUNT}:{api_id}"
    ))
}

/// There is no such thing in the API. `what` is as AWS writes it: `Authorizer`, `route` [STK].
pub(super) fn no_such(what: &str) -> AwsError {
    not_found(format!("Invalid {what} identifier specified"))
}

/// There are as many as there may be: a 429 whose code is a conflict's [field: sst#4522].
pub(super) fn full(things: &str) -> AwsError {
    AwsError::new(
        429,
        "ConflictException",
        format!(
            "Maximum number of {things} for this API has been reached. Please contact AWS if you need additional {things}."
        ),
    )
}

/// Calls come too fast [STK].
pub(super) fn too_fast() -> AwsError {
    AwsError::new(429, "TooManyRequestsException", "Too Many Requests")
}

/// A field of HTTP APIs [STK, for authorizers].
pub(super) fn http_only(field: &str) -> AwsError {
    bad(format!(
        "{field} cannot be set for WEBSOCKET protocol Apis."
    ))
}
