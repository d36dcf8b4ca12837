//! Integration responses: what is made of the answer of an integration that is no proxy.

use super::{Answer, Failure, chosen, is_connect, render};
use crate::sockets::{
    exchange::Exchange,
    plan::{IntegrationPlan, ResponseKey},
};

/// What is made of it. `failure` says why the answer is a failure although its status doesn't.
///
/// A failure that no response is for in particular ends in the gateway's error frame: `$default` isn't for it
/// [inferred in aws-facts 2.3 from recorded denials].
pub(super) fn made(
    exchange: &Exchange,
    integration: &IntegrationPlan,
    status: u16,
    body: String,
    failure: Option<Failure>,
) -> Result<Answer, Failure> {
    let answer = Some((status, body.as_str()));
    let key = match &integration.response_selection {
        Some(Ok(selection)) => exchange.with_source(answer, |source| selection.evaluate(source)),
        Some(Err(why)) => return Err(Failure::Execution(why.clone())),
        None => status.to_string(),
    };
    let responses = &integration.responses;
    let own = responses.iter().find(|response| response.key.is_for(&key));
    let failure = failure.or_else(|| {
        (status >= 400).then(|| Failure::Integration(status, body.chars().take(512).collect()))
    });
    if let (None, Some(failure)) = (own, failure) {
        return Err(failure);
    }
    let response = own.or_else(|| {
        responses
            .iter()
            .find(|response| matches!(response.key, ResponseKey::Default))
    });
    let Some(response) = response else {
        return if is_connect(exchange) || !responses.is_empty() {
            Err(Failure::Execution(
                "No match for output mapping and no default output mapping configured".to_owned(),
            ))
        } else {
            Ok(Answer::Made {
                status,
                body,
                matched: false,
            })
        };
    };
    let template = chosen(
        exchange,
        &response.templates,
        response.template_selection.as_ref(),
        answer,
    )?;
    let body = match template {
        Some(template) if exchange.route.two_way || is_connect(exchange) => {
            render(exchange, template, &body)?
        }
        _ => body,
    };
    Ok(Answer::Made {
        status,
        body,
        matched: true,
    })
}
