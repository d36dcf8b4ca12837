//! One shape for every service's errors: AWS's own code, message and request id, and the class that decides what to do.
//!
//! Codes and messages per class: BC (botocore's service models), LS and STK (recorded answers), TF and CH (what other
//! deployers retry on), as aws-facts section 3 lists them.

use std::{error::Error as StdError, fmt, sync::Arc};

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

use super::Operation;
use crate::diagnostic::Diagnostic;

/// What an error means for whoever made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused because of a rate; the same call works later.
    Throttled,
    /// Refused because something else is under way on the same resource; the same call works later.
    Busy,
    /// The answer was lost or the service failed: the call may or may not have been applied.
    Ambiguous,
    /// What the call names isn't there.
    NotFound,
    /// What the call would make is there.
    AlreadyExists,
    /// The caller isn't allowed to.
    AccessDenied,
    /// The caller's credentials are missing, wrong or expired.
    Credentials,
    /// The machine's clock is so wrong that AWS takes no signature made by it.
    Clock,
    /// The endpoint can't be reached at all.
    Unreachable,
    /// AWS refused the call for what it says.
    Refused,
}

/// An AWS call that failed for good, or a mistake of ours on the way to one.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    /// Nothing if the mistake is ours.
    operation: Option<Operation>,
    class: Class,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    status: Option<u16>,
    waited: Option<String>,
    about: Option<String>,
}

impl Error {
    /// The error that the SDK returned for `operation`.
    pub fn from_sdk<E>(operation: Operation, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let service_error = error.as_service_error();
        let code = service_error
            .and_then(ProvideErrorMetadata::code)
            .map(|code| code.rsplit('#').next().unwrap_or(code).to_owned());
        let message = service_error
            .and_then(ProvideErrorMetadata::message)
            .map_or_else(|| causes(error), str::to_owned);
        let class = match error {
            SdkError::ServiceError(_) => classify(code.as_deref(), &message, status),
            SdkError::ConstructionFailure(_) => Class::Refused,
            // The identity's provider may also have taken too long.
            _ if message.contains("credential") || message.contains("identity resolver") => {
                Class::Credentials
            }
            // Nothing was sent yet; a connection that broke later is another matter.
            _ if never_connected(&message) => Class::Unreachable,
            _ => Class::Ambiguous,
        };
        let message = plain(&message);
        Self(Arc::new(Inner {
            operation: Some(operation),
            class,
            code,
            message: redact(message),
            request_id: error.request_id().map(str::to_owned),
            status,
            waited: None,
            about: None,
        }))
    }

    /// An error of our own about what AWS answered, such as a state that never came.
    pub fn unexpected(operation: Operation, message: impl Into<String>) -> Self {
        Self::ours(Some(operation), Class::Refused, None, message.into())
    }

    /// A refusal of `operation`, which AWS tells inside of the answer to another call.
    pub fn refused_within(operation: Operation, code: &str, message: &str) -> Self {
        // What isn't known is a denial, the one reason that AWS gives for leaving a part of an answer out.
        let class = classify(Some(code), message, Some(403));
        Self::ours(Some(operation), class, Some(code), message.to_owned())
    }

    /// A mistake in wsless, which no change of the project or the account mends.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::ours(None, Class::Refused, None, message.into())
    }

    fn ours(
        operation: Option<Operation>,
        class: Class,
        code: Option<&str>,
        message: String,
    ) -> Self {
        Self(Arc::new(Inner {
            operation,
            class,
            code: code.filter(|code| !code.is_empty()).map(str::to_owned),
            message,
            request_id: None,
            status: None,
            waited: None,
            about: None,
        }))
    }

    /// The same error, with what was waited for in vain before giving up.
    #[must_use]
    pub fn after_waiting(self, what: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            waited: Some(what.into()),
            ..(*self.0).clone()
        }))
    }

    /// The same error, with what the call was about, for services whose messages don't say.
    #[must_use]
    pub fn about(self, what: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            about: Some(what.into()),
            ..(*self.0).clone()
        }))
    }

    /// What the error means.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// Whether what the call names isn't there.
    pub fn is_not_found(&self) -> bool {
        self.0.class == Class::NotFound
    }

    /// AWS's error code, if AWS answered.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// AWS's message, or the causes of a failure before any answer.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed; none if the mistake is ours.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// AWS's request id.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Whether the message holds `fragment`, whatever its case.
    pub fn mentions(&self, fragment: &str) -> bool {
        self.0
            .message
            .to_lowercase()
            .contains(&fragment.to_lowercase())
    }

    /// The mend that is likely, if the error tells.
    pub fn likely_mend(&self) -> Option<String> {
        let inner = &self.0;
        match inner.class {
            Class::AccessDenied => Some(match denied_action(&inner.message) {
                Some((action, resource)) => format!(
                    "allow `{action}`{} for the identity that deploys, or deploy as one that may",
                    resource.map(|arn| format!(" on `{arn}`")).unwrap_or_default()
                ),
                None => format!(
                    "the identity that deploys needs permission for {}; a service control policy or a permissions \
                     boundary may also refuse it",
                    inner.operation?
                ),
            }),
            Class::Credentials => Some(credentials_mend(inner.code.as_deref()).into()),
            Class::Clock => Some(
                "set the machine's clock: AWS takes signatures that are at most some minutes old".into(),
            ),
            Class::Unreachable => Some(
                "check the network, the region, and `--endpoint-url` or AWS_ENDPOINT_URL if one is set".into(),
            ),
            Class::Throttled => {
                Some("other tools use up the account's request rate; run the command again later".into())
            }
            Class::Busy | Class::Ambiguous => {
                Some("run the command again: it goes on from what is there".into())
            }
            Class::AlreadyExists => Some(
                "something that isn't this stage's has that name: rename the project or the stage, or remove it".into(),
            ),
            Class::Refused if inner.code.is_none() && inner.status.is_some() => Some(
                "what answered isn't AWS, or doesn't know the operation: check `--endpoint-url`, AWS_ENDPOINT_URL and \
                 proxies"
                    .into(),
            ),
            Class::NotFound | Class::Refused => {
                refused_mend(inner.code.as_deref(), &inner.message).map(str::to_owned)
            }
        }
    }

    /// The error as a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        let inner = &self.0;
        let code = match inner.class {
            Class::Throttled => "aws::throttled",
            Class::Busy => "aws::busy",
            Class::Ambiguous => "aws::no-answer",
            Class::NotFound => "aws::not-found",
            Class::AlreadyExists => "aws::already-exists",
            Class::AccessDenied => "aws::access-denied",
            Class::Credentials => "aws::credentials",
            Class::Clock => "aws::clock",
            Class::Unreachable => "aws::unreachable",
            Class::Refused if inner.operation.is_none() => "aws::internal",
            Class::Refused => "aws::refused",
        };
        let mut diagnostic = Diagnostic::error(code, self.to_string());
        if inner.operation.is_none() {
            diagnostic = diagnostic.note("this is a mistake in wsless, not in your project");
        }
        if let Some(about) = &inner.about {
            diagnostic = diagnostic.note(format!("it's about {about}"));
        }
        if let Some(waited) = &inner.waited {
            diagnostic = diagnostic.note(format!("waited for {waited}"));
        }
        if let Some(id) = &inner.request_id {
            diagnostic = diagnostic.note(format!("AWS request id {id}"));
        }
        if let Some(mend) = self.likely_mend() {
            diagnostic = diagnostic.help(mend);
        }
        diagnostic
    }
}

/// `iam:CreateRole failed: AccessDenied: User … is not authorized …`
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(formatter, "{operation} failed: ")?;
        }
        match (&self.0.code, self.0.status) {
            (Some(code), _) => write!(formatter, "{code}: ")?,
            (None, Some(status)) => write!(formatter, "HTTP {status}: ")?,
            (None, None) => {}
        }
        formatter.write_str(&self.0.message)
    }
}

impl StdError for Error {}

/// Whether the SDK's error is about making the connection: hyper's and the SDK's own words for it.
fn never_connected(message: &str) -> bool {
    ["(Connect)", "dns error", "connect timeout"]
        .iter()
        .any(|words| message.contains(words))
}

fn classify(code: Option<&str>, message: &str, status: Option<u16>) -> Class {
    let says = |fragment: &str| message.contains(fragment);
    match code.unwrap_or_default() {
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "ThrottledException"
        | "ProvisionedThroughputExceededException" => Class::Throttled,
        "ConcurrentModification"
        | "ConcurrentModificationException"
        | "OperationAbortedException"
        | "ConditionalRequestConflict"
        | "OperationAborted" => Class::Busy,
        "ConflictException" if says("concurrent modification") => Class::Busy,
        "ResourceConflictException"
            if says("in progress") || says("cannot be performed at this time") =>
        {
            Class::Busy
        }
        "ResourceInUseException" if says("because it is in use") || says("is being") => Class::Busy,
        // S3 waited in vain for the rest of a request.
        "RequestTimeout" | "RequestTimeoutException" => Class::Ambiguous,
        "NotFoundException"
        | "ResourceNotFoundException"
        | "ResourceNotFound"
        | "NoSuchEntity"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "NotFound" => Class::NotFound,
        "EntityAlreadyExists"
        | "ResourceAlreadyExistsException"
        | "QueueAlreadyExists"
        | "QueueNameExists"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou" => Class::AlreadyExists,
        "ResourceConflictException" if says("already exist") => Class::AlreadyExists,
        "ResourceInUseException" | "ConflictException" if says("already exists") => {
            Class::AlreadyExists
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "ForbiddenException"
        | "AllAccessDisabled" => Class::AccessDenied,
        "RequestTimeTooSkewed" | "RequestExpired" => Class::Clock,
        // `Signature expired: T is now earlier than …`, `Signature not yet current: …`: the services' other way to say it.
        "SignatureDoesNotMatch" | "InvalidSignatureException"
            if says("Signature expired") || says("Signature not yet current") =>
        {
            Class::Clock
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "OptInRequired" => Class::Credentials,
        _ => match status {
            Some(429) => Class::Throttled,
            Some(500..) => Class::Ambiguous,
            // AWS names what isn't there with a code. Without one a proxy or a wrong endpoint answers, and taking that
            // for "gone" would make everything anew.
            Some(404) if code.is_some() => Class::NotFound,
            Some(403) => Class::AccessDenied,
            _ => Class::Refused,
        },
    }
}

/// The mends of credentials that are refused.
fn credentials_mend(code: Option<&str>) -> &'static str {
    match code {
        Some("ExpiredToken" | "ExpiredTokenException") => {
            "the credentials have expired: renew them (`aws sso login`, or whatever gave you AWS_SESSION_TOKEN), then run \
             the command again"
        }
        Some("SignatureDoesNotMatch" | "InvalidSignatureException") => {
            "the secret access key isn't that of the access key: check AWS_SECRET_ACCESS_KEY or the profile, and this \
             machine's clock"
        }
        Some("OptInRequired") => {
            "enable the region, or the service, for the account in the AWS console"
        }
        Some(
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "InvalidToken",
        ) => {
            "AWS doesn't know this access key: check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN or the profile, and that the \
             region is enabled for the account"
        }
        _ => {
            "sign in (`aws sso login`, `aws configure`), pick another `--profile`, or set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY; expired credentials must be renewed"
        }
    }
}

/// The mends of refusals that have a known cause.
fn refused_mend(code: Option<&str>, message: &str) -> Option<&'static str> {
    let says = |fragment: &str| message.contains(fragment);
    if says("cannot be assumed by Lambda") {
        return Some(
            "check that nothing rewrites the role's trust policy, then run the command again",
        );
    }
    if says("UnreservedConcurrentExecution") {
        return Some(
            "lower or remove `reserved-concurrency`, or ask AWS for a higher concurrency quota: an account keeps 100 \
             executions unreserved, and a new account may have only 10 in all",
        );
    }
    if says("CloudWatch Logs role ARN must be set") {
        return Some("set the account's API Gateway logging role, or set `access-log = false`");
    }
    if says("MemorySize") {
        return Some("lower the handler's `memory`: a new account may be capped at 3008 MiB");
    }
    match code {
        Some("QueueDeletedRecently" | "AWS.SimpleQueueService.QueueDeletedRecently") => {
            Some("SQS keeps a deleted queue's name for 60 seconds; run the command again then")
        }
        Some("LimitExceededException" | "LimitExceeded" | "ServiceQuotaExceededException") => Some(
            "a quota of the account is reached: raise it in Service Quotas, or remove what isn't used",
        ),
        Some("CodeStorageExceededException") => {
            Some("delete old Lambda function versions in this region")
        }
        _ => None,
    }
}

/// The action and the resource that an access-denied message names.
///
/// `User: A is not authorized to perform: B on resource: C because …` [STK].
fn denied_action(message: &str) -> Option<(&str, Option<&str>)> {
    // S3 puts the ARN in quotes; some services name none.
    fn word(text: &str) -> Option<&str> {
        let word = text.split_whitespace().next()?;
        Some(word.trim_matches(['"', ',', '.']))
    }
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let resource = rest
        .split_once("on resource: ")
        .and_then(|(_, rest)| word(rest));
    Some((word(rest)?, resource))
}

/// Lambda's messages about an environment echo its values: `… String measured: {…}` [LS], `Value '{…}' at
/// 'environment.variables' failed to satisfy constraint: …` [Lambda model].
fn redact(message: String) -> String {
    if let Some((head, _)) = message.split_once("String measured:") {
        return format!("{head}(the measured values aren't shown)");
    }
    // From the first value to the last mention: a value may itself hold a quote, or look like the text around it.
    match (message.find("Value '"), message.rfind("' at 'environment")) {
        (Some(start), Some(end)) if start < end => format!(
            "{}Value (not shown){}",
            &message[..start],
            &message[end + 1..]
        ),
        _ => message,
    }
}

/// A chain of causes without the links that only say which part of the SDK passed it on.
fn plain(message: &str) -> String {
    const PASSED_ON: &[&str] = &[
        "dispatch failure: ",
        "other: ",
        "io error: ",
        "timeout: ",
        "client error (Connect): ",
        "client error (SendRequest): ",
        "an error occurred while loading credentials: ",
        "the credential provider was not enabled: no credentials found in chain. ",
    ];
    let mut rest = message;
    while let Some(shorter) = PASSED_ON.iter().find_map(|link| rest.strip_prefix(link)) {
        rest = shorter;
    }
    rest.replace("the credential provider was not enabled: ", "")
        .replace("the credential provider was not enabled", "nothing is set")
}

fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !next.is_empty() && !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Service;

    const TEST: Operation = Operation::read(Service::Lambda, "ListTags");

    #[test]
    fn lambdas_in_progress_conflict_is_busy_and_its_twin_is_already_exists() {
        let class = |message| classify(Some("ResourceConflictException"), message, Some(409));
        assert_eq!(
            class(
                "The operation cannot be performed at this time. An update is in progress for resource: arn"
            ),
            Class::Busy
        );
        assert_eq!(
            class("Function already exist: chat-dev-echo"),
            Class::AlreadyExists
        );
        assert_eq!(class("something else"), Class::Refused);
    }

    #[test]
    fn a_connection_that_broke_may_have_carried_the_request() {
        assert!(never_connected(
            "dispatch failure: io error: client error (Connect): tcp connect error: Connection refused"
        ));
        assert!(!never_connected(
            "dispatch failure: io error: client error (SendRequest): connection error: Connection reset by peer"
        ));
    }

    #[test]
    fn an_unknown_code_is_judged_by_its_status() {
        assert_eq!(classify(None, "", Some(503)), Class::Ambiguous);
        assert_eq!(classify(Some("Odd"), "", Some(429)), Class::Throttled);
        assert_eq!(classify(Some("Odd"), "", Some(400)), Class::Refused);
    }

    #[test]
    fn a_wrong_clock_is_told_from_wrong_credentials() {
        let class = |code, message| classify(Some(code), message, Some(403));
        let late = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z";
        assert_eq!(class("RequestTimeTooSkewed", ""), Class::Clock);
        assert_eq!(class("RequestExpired", ""), Class::Clock);
        assert_eq!(class("InvalidSignatureException", late), Class::Clock);
        assert_eq!(class("SignatureDoesNotMatch", ""), Class::Credentials);
        assert_eq!(class("ExpiredToken", ""), Class::Credentials);
    }

    #[test]
    fn an_upload_that_s3_waited_for_in_vain_may_be_repeated() {
        assert_eq!(
            classify(Some("RequestTimeout"), "", Some(400)),
            Class::Ambiguous
        );
    }

    #[test]
    fn only_aws_can_say_that_something_is_gone() {
        assert_eq!(classify(Some("Odd"), "", Some(404)), Class::NotFound);
        assert_eq!(classify(None, "", Some(404)), Class::Refused);
        let answered = Error(Arc::new(Inner {
            operation: Some(TEST),
            class: Class::Refused,
            code: None,
            message: "<html>".to_owned(),
            request_id: None,
            status: Some(404),
            waited: None,
            about: None,
        }));
        assert!(answered.likely_mend().unwrap().contains("`--endpoint-url`"));
    }

    #[test]
    fn a_mistake_of_ours_is_not_said_to_be_a_calls() {
        let error = Error::internal("there is no resource type `x`");
        assert_eq!(error.to_string(), "there is no resource type `x`");
        assert_eq!(error.likely_mend(), None);
        let told = error.diagnostic();
        assert_eq!(told.code, "aws::internal");
        assert!(told.notes[0].contains("mistake in wsless"), "{told:?}");
    }

    #[test]
    fn a_denial_within_an_answer_names_its_own_action() {
        for code in ["AccessDeniedException", "SomethingNew", ""] {
            let error = Error::refused_within(TEST, code, "no");
            assert_eq!(error.class(), Class::AccessDenied);
            assert!(error.likely_mend().unwrap().contains("lambda:ListTags"));
        }
    }

    #[test]
    fn a_denial_names_the_action_and_the_resource() {
        let message = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: \
                       arn:aws:iam::1:role/r because no identity-based policy allows it";
        assert_eq!(
            denied_action(message),
            Some(("iam:PassRole", Some("arn:aws:iam::1:role/r")))
        );
        let message = "User: x is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::b/k\" because";
        assert_eq!(
            denied_action(message),
            Some(("s3:PutObject", Some("arn:aws:s3:::b/k")))
        );
        let message = "User: x is not authorized to perform: sqs:CreateQueue with an explicit deny";
        assert_eq!(denied_action(message), Some(("sqs:CreateQueue", None)));
    }

    #[test]
    fn environment_values_that_aws_echoes_are_not_repeated() {
        assert!(
            !redact("exceeded the 4KB limit. String measured: {SECRET=x}".into())
                .contains("SECRET")
        );
        let shown = redact(
            "1 validation error detected: Value '{SECRET=it's' at 'environment, x}' at 'environment.variables' failed \
             to satisfy constraint: Map keys must be names"
                .into(),
        );
        assert_eq!(
            shown,
            "1 validation error detected: Value (not shown) at 'environment.variables' failed to satisfy constraint: \
             Map keys must be names"
        );
        let other = "Value '99999' at 'memorySize' failed to satisfy constraint";
        assert_eq!(redact(other.into()), other);
    }
}
