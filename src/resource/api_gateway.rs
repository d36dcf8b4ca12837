//! What the resource types of a WebSocket API share: which API it is, paging, tags, attributes, waits.
//!
//! API Gateway's control plane takes 10 requests a second for the whole account and region [DG limits], so everything
//! is read with one listing a type and API, and only where the listing lacks something with more.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{Attributes, Context, Observed, api, tag_changes};
use crate::{
    aws::{Error, Operation, Service, Settle},
    engine::survey::Survey,
};

const TAG: Operation = Operation::put(Service::ApiGatewayV2, "TagResource");
const UNTAG: Operation = Operation::put(Service::ApiGatewayV2, "UntagResource");

/// A route that was deleted or changed is remembered for minutes by what it referred to [TF].
pub(super) const STILL_REFERENCED: Settle = Settle {
    fragment: "referenced",
    waits_for: "API Gateway to forget the routes that used it",
    budget: Duration::from_mins(3),
};

/// The id of the stage's API, if there is one.
///
/// Of several (a CreateApi whose answer was lost makes a second one) only the first is looked into: the others are
/// deleted whole, with all that's in them.
pub(super) async fn id(survey: &Survey<'_>) -> Result<Option<String>, Error> {
    let apis = survey.of(api::KIND).await?;
    Ok(apis.first().map(|api| api.id.clone()))
}

/// All items of a paged listing; `page` gets a page's token and returns its items and the next page's token.
///
/// There are none if what is looked into went away meanwhile.
pub(super) async fn pages<T, F>(mut page: impl FnMut(Option<String>) -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>), Error>>,
{
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let (more, next) = match page(token).await {
            Ok(page) => page,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        items.extend(more.unwrap_or_default());
        token = next.filter(|next| !next.is_empty());
        if token.is_none() {
            return Ok(items);
        }
    }
}

/// The attributes of what belongs to an API: its `id`, and the API's as `api_id` and, for the engine, as `api`.
pub(super) fn attributes(api_id: &str, id: &str) -> Attributes {
    Attributes::from([
        ("id".to_owned(), id.to_owned()),
        (api::KIND.to_owned(), api_id.to_owned()),
        ("api_id".to_owned(), api_id.to_owned()),
    ])
}

/// The id of the API that `observed` belongs to, and its own.
pub(super) fn ids(observed: &Observed) -> (&str, &str) {
    (observed.attribute("api_id"), observed.attribute("id"))
}

/// AWS's map as ours.
pub(super) fn sorted(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Our map as AWS's; an empty one isn't sent.
pub(super) fn unsorted(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then(|| map.clone().into_iter().collect())
}

/// A text, if it says anything.
pub(super) fn text(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What an update sends for an optional text. What isn't sent is kept, so what is to go is sent empty [TF].
pub(super) fn or_emptied(
    desired: Option<String>,
    observed: &Observed,
    field: &str,
) -> Option<String> {
    desired.or_else(|| observed.properties.get(field).map(|_| String::new()))
}

/// Brings the tags of the API or stage at `path` to `desired`.
///
/// Its ARN has no account in it [DG]: `arn:{partition}:apigateway:{region}::{path}`.
pub(super) async fn retag(
    context: &Context<'_>,
    path: &str,
    observed: &Observed,
    desired: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let identity = context.aws.identity();
    let arn = format!(
        "arn:{}:apigateway:{}::{path}",
        identity.partition, identity.region
    );
    let client = &context.aws.apigatewayv2;
    let (set, gone) = tag_changes(&observed.properties, desired);
    if !set.is_empty() {
        let set = unsorted(&set);
        context
            .call(TAG, || {
                client
                    .tag_resource()
                    .resource_arn(&arn)
                    .set_tags(set.clone())
                    .send()
            })
            .await?;
    }
    if !gone.is_empty() {
        context
            .call(UNTAG, || {
                client
                    .untag_resource()
                    .resource_arn(&arn)
                    .set_tag_keys(Some(gone.clone()))
                    .send()
            })
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::address::Address;

    #[tokio::test]
    async fn every_page_is_read_and_an_empty_token_ends_the_listing() {
        let mut tokens = Vec::new();
        let items = pages(|token| {
            tokens.push(token.clone());
            async move {
                Ok(match token.as_deref() {
                    None => (Some(vec![1, 2]), Some("a".to_owned())),
                    Some("a") => (None, Some("b".to_owned())),
                    _ => (Some(vec![3]), Some(String::new())),
                })
            }
        })
        .await
        .unwrap();
        assert_eq!(items, [1, 2, 3]);
        assert_eq!(tokens, [None, Some("a".to_owned()), Some("b".to_owned())]);
    }

    #[tokio::test]
    async fn an_error_that_does_not_say_that_the_api_is_gone_is_not_an_empty_listing() {
        let failed = pages::<(), _>(|_| async {
            let operation = Operation::read(Service::ApiGatewayV2, "GetRoutes");
            Err(Error::unexpected(operation, "an HTML page"))
        })
        .await;
        assert!(failed.is_err());
    }

    #[test]
    fn an_update_empties_only_what_is_there() {
        let with = |properties| Observed::new(Address::new("route", "x"), "id", &properties);
        let was = with(json!({ "selection": "$default" }));
        assert_eq!(or_emptied(None, &was, "selection").as_deref(), Some(""));
        assert_eq!(
            or_emptied(Some("a".into()), &was, "selection").as_deref(),
            Some("a")
        );
        assert_eq!(or_emptied(None, &with(json!({})), "selection"), None);
    }
}
