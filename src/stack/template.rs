//! The mapping template that turns a WebSocket message into SQS's `SendMessage`, without a Lambda between.
//!
//! One line of SQS's query protocol. Everything is URL-encoded: without that, `&` cuts the body and `+` becomes a space
//! (aws-facts 2.2, 2.3; SLP and ASC samples). Only times are written bare: they're digits, and may be numbers to the
//! template language, while `urlEncode` takes a text. `$input.body` is the text as it was received; `$input.json('$')` would
//! rewrite it and fail on what isn't JSON. Who sent it comes from `$context`, never from the body.

use crate::manifest::Order;

/// The attributes that every message carries: their names and the values they get.
const ATTRIBUTES: [(&str, &str); 6] = [
    ("connectionId", "$util.urlEncode($context.connectionId)"),
    ("requestId", "$util.urlEncode($context.requestId)"),
    ("routeKey", "$util.urlEncode($context.routeKey)"),
    ("stage", "$util.urlEncode($context.stage)"),
    ("connectedAt", "$context.connectedAt"),
    ("requestTimeEpoch", "$context.requestTimeEpoch"),
];

/// The template for a queue of this order; with an authorizer, its principal goes along.
pub fn sqs_template(order: Order, has_authorizer: bool) -> String {
    let mut template = String::from("Action=SendMessage&MessageBody=$util.urlEncode($input.body)");
    for (index, (name, value)) in ATTRIBUTES.iter().enumerate() {
        template.push_str(&attribute(index + 1, name, value));
    }
    if order == Order::Connection {
        template.push_str(
            "&MessageGroupId=$util.urlEncode($context.connectionId)\
             &MessageDeduplicationId=$util.urlEncode($context.requestId)",
        );
    }
    if has_authorizer {
        // SQS refuses the whole message for an attribute that is empty [LS sqs].
        let principal = attribute(
            ATTRIBUTES.len() + 1,
            "principalId",
            "$util.urlEncode($context.authorizer.principalId)",
        );
        template.push_str(
            "#if($context.authorizer.principalId && $context.authorizer.principalId != \"\")",
        );
        template.push_str(&principal);
        template.push_str("#end");
    }
    template
}

fn attribute(number: usize, name: &str, value: &str) -> String {
    format!(
        "&MessageAttribute.{number}.Name={name}&MessageAttribute.{number}.Value.DataType=String\
         &MessageAttribute.{number}.Value.StringValue={value}"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    /// What API Gateway does with the template, as far as it uses the language, and what SQS reads out of the form.
    fn send(
        template: &str,
        body: &str,
        context: &BTreeMap<&str, String>,
    ) -> BTreeMap<String, String> {
        let principal = context
            .get("authorizer.principalId")
            .is_some_and(|principal| !principal.is_empty());
        let text = match template.split_once("#if(") {
            Some((head, rest)) => {
                let (_, inner) = rest.split_once(')').expect("a condition");
                let inner = inner.strip_suffix("#end").expect("an end");
                format!("{head}{}", if principal { inner } else { "" })
            }
            None => template.to_owned(),
        };
        text.split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').expect("a pair");
                let sent = match value
                    .strip_prefix("$util.urlEncode($")
                    .and_then(|rest| rest.strip_suffix(')'))
                {
                    Some("input.body") => utf8_percent_encode(body, NON_ALPHANUMERIC).to_string(),
                    Some(variable) => {
                        let value = &context[variable
                            .strip_prefix("context.")
                            .expect("a context variable")];
                        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
                    }
                    None if value == "$context.connectedAt" => context["connectedAt"].clone(),
                    None if value == "$context.requestTimeEpoch" => {
                        context["requestTimeEpoch"].clone()
                    }
                    None => {
                        assert!(!value.contains('$'), "an unencoded variable in {pair}");
                        value.to_owned()
                    }
                };
                let read = percent_decode_str(&sent.replace('+', " "))
                    .decode_utf8()
                    .expect("text")
                    .into_owned();
                (name.to_owned(), read)
            })
            .collect()
    }

    fn context(connection: &str) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("connectionId", connection.to_owned()),
            ("requestId", "EOoLtErFIAMEdVQ=".to_owned()),
            ("routeKey", "$default".to_owned()),
            ("stage", "dev".to_owned()),
            ("connectedAt", "1652722217711".to_owned()),
            ("requestTimeEpoch", "1652722227357".to_owned()),
            ("authorizer.principalId", "user+1".to_owned()),
        ])
    }

    proptest! {
        #[test]
        fn any_frame_arrives_as_it_was_sent(body in ".{0,200}", connection in "[A-Za-z0-9_=+/-]{1,30}") {
            for order in [Order::None, Order::Connection] {
                for authorizer in [false, true] {
                    let sent = send(&sqs_template(order, authorizer), &body, &context(&connection));
                    prop_assert_eq!(&sent["MessageBody"], &body);
                    prop_assert_eq!(&sent["MessageAttribute.1.Value.StringValue"], &connection);
                    prop_assert_eq!(&sent["MessageAttribute.5.Value.StringValue"], "1652722217711");
                    prop_assert_eq!(&sent["MessageAttribute.6.Value.StringValue"], "1652722227357");
                    prop_assert_eq!(sent.get("MessageGroupId"), (order == Order::Connection).then_some(&connection));
                    prop_assert_eq!(sent.contains_key("MessageAttribute.7.Value.StringValue"), authorizer);
                }
            }
        }
    }

    #[test]
    fn the_characters_that_break_naive_templates_arrive() {
        let body = format!(
            "& + % = # \" ' \\ \n \u{1f600} %41 {}",
            "x".repeat(128 * 1024 - 64)
        );
        let sent = send(
            &sqs_template(Order::None, false),
            &body,
            &context("gbgBnI-Y3QAYKEhwpA=="),
        );
        assert_eq!(sent["MessageBody"], body);
    }

    #[test]
    fn what_may_be_a_number_is_not_encoded_as_a_text() {
        let template = sqs_template(Order::None, true);
        assert!(!template.contains("urlEncode($context.connectedAt)"));
        assert!(!template.contains("urlEncode($context.requestTimeEpoch)"));
    }

    #[test]
    fn the_template_is_one_line() {
        assert!(!sqs_template(Order::Connection, true).contains(['\n', '\r']));
    }
}
