//! What the resource types of a WebSocket API share: which API it is, paging, tags, attributes, waits.
//!
//! API Gateway's control plane takes 10 requests a second for the whole account and region [DG limits], so everything
//! is read with one listing a type and API, and only where the listing lacks something with more.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{Attributes, Context, ErrorMetadata, Observed, SdkError, api, unless_gone};
use crate::{
    aws::{Aws, Error, Operation, Service, Settle},
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
/// Of several (see [`api`]) only the one that is kept is looked into: the others are deleted whole, with all that's in
/// them.
pub(super) async fn id(survey: &Survey<'_>) -> Result<Option<String>, Error> {
    let apis = survey.of(api::KIND).await?;
    Ok(apis
        .iter()
        .find(|found| found.address.name() == api::NAME)
        .map(|found| found.id.clone()))
}

/// All items of a listing of what's in an API, as [`Aws::pages`] reads it; none if the API went away meanwhile.
pub(super) async fn pages<T, O, E, F>(
    aws: &Aws,
    operation: Operation,
    send: impl FnMut(Option<String>) -> F,
    page: impl Fn(O) -> (Option<Vec<T>>, Option<String>),
) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<O, SdkError<E>>>,
    E: ErrorMetadata,
{
    let items = unless_gone(aws.pages(operation, send, page).await)?;
    Ok(items.unwrap_or_default())
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
    super::retag(
        context,
        [TAG, UNTAG],
        observed,
        desired,
        |tags| {
            client
                .tag_resource()
                .resource_arn(&arn)
                .set_tags(Some(tags))
                .send()
        },
        |keys| {
            client
                .untag_resource()
                .resource_arn(&arn)
                .set_tag_keys(Some(keys))
                .send()
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::address::Address;

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
