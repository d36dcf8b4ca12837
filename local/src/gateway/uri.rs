//! The shapes of what integrations and authorizers call, and of the roles they do it with. Pure.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::refusal::bad;
use crate::error::{AwsError, Result};

/// What an integration's URI calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A function.
    Function,
    /// Another service.
    Service,
}

/// `arn:aws:apigateway:{region}:{service}:{path|action}/{what}`.
static URI: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^arn:aws[a-z-]*:apigateway:[a-z0-9-]+:([A-Za-z0-9.-]+):(path|action)/(.+)$").ok()
});

/// A function's ARN, with or without a qualifier; names may come from stage variables.
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = r"(?:[A-Za-z0-9_-]|\$\{stageVariables\.[A-Za-z0-9_]+\})+";
    let qualifier = r"(?:\$LATEST|(?:[A-Za-z0-9_-]|\$\{stageVariables\.[A-Za-z0-9_]+\})+)";
    Regex::new(&format!(
        r"^(?:arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{{12}}:function:{name}(?::{qualifier})?|\$\{{stageVariables\.[A-Za-z0-9_]+\}})$"
    ))
    .ok()
});

static ROLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7E]+$").ok());

/// What the URI of an AWS or AWS_PROXY integration calls. That it exists isn't checked, here as on AWS.
pub(super) fn target(uri: &str) -> Result<Target> {
    if !uri.starts_with("arn:") {
        return Err(bad("Invalid ARN specified in the request"));
    }
    let captures = URI.as_ref().and_then(|pattern| pattern.captures(uri));
    let part = |index| {
        captures
            .as_ref()
            .and_then(|captures| captures.get(index))
            .map_or("", |part| part.as_str())
    };
    match (part(1), part(2)) {
        ("", _) => Err(bad("AWS ARN for integration must contain path or action")),
        ("lambda", "path") if part(3).starts_with("2015-03-31/functions/") => {
            check_function(uri).map(|()| Target::Function)
        }
        _ => Ok(Target::Service),
    }
}

/// Refuses what isn't the URI of a function's invocations, with the text that people met [field].
pub(super) fn check_function(uri: &str) -> Result<()> {
    let function = uri
        .split_once(":lambda:path/2015-03-31/functions/")
        .filter(|(gateway, _)| gateway.starts_with("arn:aws") && gateway.contains(":apigateway:"))
        .and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    let is_one = function.is_some_and(|function| matches(&FUNCTION, function));
    if is_one { Ok(()) } else { Err(no_function()) }
}

/// Refuses what isn't a role's ARN. That it exists, and who may assume it, shows when it's used [STK].
pub(super) fn check_role(arn: &str) -> Result<()> {
    if matches(&ROLE, arn) {
        Ok(())
    } else {
        Err(bad("Invalid role ARN"))
    }
}

fn no_function() -> AwsError {
    bad("Invalid function ARN or invalid uri")
}

/// Whether a text is of a pattern.
pub(super) fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION_ARN: &str = "arn:aws:lambda:eu-west-1:000000000000:function:chat-dev-hello";

    fn invocations(function: &str) -> String {
        format!(
            "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{function}/invocations"
        )
    }

    #[test]
    fn a_function_may_be_qualified_and_named_by_a_stage_variable() {
        for function in [
            FUNCTION_ARN.to_owned(),
            format!("{FUNCTION_ARN}:live"),
            format!("{FUNCTION_ARN}:$LATEST"),
            format!("{FUNCTION_ARN}:${{stageVariables.alias}}"),
            "arn:aws:lambda:eu-west-1:000000000000:function:${stageVariables.function}".to_owned(),
        ] {
            let uri = invocations(&function);
            assert_eq!(target(&uri), Ok(Target::Function), "{uri}");
            assert_eq!(check_function(&uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn a_queue_is_a_service_and_no_function() {
        let uri = "arn:aws:apigateway:eu-west-1:sqs:path/000000000000/chat.fifo";
        assert_eq!(target(uri), Ok(Target::Service));
        assert_eq!(check_function(uri), Err(no_function()));
        let action = "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage";
        assert_eq!(target(action), Ok(Target::Service));
    }

    #[test]
    fn other_shapes_are_refused() {
        let message = |uri: &str| target(uri).map_err(|error| error.message);
        assert_eq!(
            message("https://example.com"),
            Err("Invalid ARN specified in the request".to_owned())
        );
        assert_eq!(
            message("arn:aws:sqs:eu-west-1:000000000000:chat"),
            Err("AWS ARN for integration must contain path or action".to_owned())
        );
        for function in [
            "",
            "hello",
            "arn:aws:lambda:eu-west-1:1:function:a",
            "$LATEST",
        ] {
            assert_eq!(target(&invocations(function)), Err(no_function()));
        }
        assert_eq!(check_function(FUNCTION_ARN), Err(no_function()));
    }

    #[test]
    fn a_role_has_an_account_and_a_name() {
        assert_eq!(
            check_role("arn:aws:iam::000000000000:role/wsless/a"),
            Ok(())
        );
        for arn in [
            "",
            "not-an-arn",
            "arn:aws:iam::*:user/*",
            "arn:aws:iam::000000000000:role/",
        ] {
            assert!(check_role(arn).is_err(), "{arn}");
        }
    }
}
