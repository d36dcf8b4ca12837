//! The alias `live` of each function: what routes and queues call. It moves only when the new version is active.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api, event_source_mapping,
    function, function_policy, parse, stage,
};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Aliases`].
pub const KIND: &str = "alias";

/// The alias's name.
pub const LIVE: &str = "live";

const GET: Operation = Operation::read(Service::Lambda, "GetAlias");
const CREATE: Operation = Operation::create(Service::Lambda, "CreateAlias");
const UPDATE: Operation = Operation::put(Service::Lambda, "UpdateAlias");
const DELETE: Operation = Operation::put(Service::Lambda, "DeleteAlias");

/// An alias's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The function's name.
    pub function_name: String,
    /// The version it stands for.
    pub version: Text,
    /// Shares of other versions, by version; empty unless somebody shifts traffic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

/// The stage's aliases.
pub struct Aliases;

#[async_trait]
impl Resource for Aliases {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![Permission::on(
            "lambda",
            // It goes with its function: there is no call of its own.
            &["CreateAlias", "GetAlias", "UpdateAlias"],
            [scope.every_arn("lambda", "function:")],
        )]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let functions = survey.of(function::KIND).await?;
        let ours = functions
            .iter()
            .filter(|function| function.owner == Owner::Us);
        let aliases = ours.map(|function| async {
            let name = &function.id;
            let answer = aws
                .call(GET, || {
                    aws.lambda.get_alias().function_name(name).name(LIVE).send()
                })
                .await;
            let alias = match answer {
                Ok(alias) => alias,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            };
            let properties = Alias {
                function_name: name.clone(),
                version: alias.function_version().unwrap_or_default().into(),
                weights: alias
                    .routing_config()
                    .and_then(AliasRoutingConfiguration::additional_version_weights)
                    .into_iter()
                    .flatten()
                    .map(|(version, weight)| (version.clone(), *weight))
                    .collect(),
            };
            let arn = alias.alias_arn().unwrap_or_default();
            Ok(Some(
                Observed::new(
                    Address::new(KIND, function.address.name()),
                    arn,
                    &properties,
                )
                .with("arn", arn)
                .with("function", name),
            ))
        });
        Ok(try_join_all(aliases).await?.into_iter().flatten().collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let alias: Alias = parse(desired)?;
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .lambda
                    .create_alias()
                    .function_name(&alias.function_name)
                    .name(LIVE)
                    .function_version(alias.version.as_literal().unwrap_or_default())
                    .send()
            })
            .await?;
        Ok(Attributes::from([(
            "arn".to_owned(),
            created.alias_arn.unwrap_or_default(),
        )]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        _observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let alias: Alias = parse(desired)?;
        context
            .call(UPDATE, || {
                context
                    .aws
                    .lambda
                    .update_alias()
                    .function_name(&alias.function_name)
                    .name(LIVE)
                    .function_version(alias.version.as_literal().unwrap_or_default())
                    // Leaving the weights out would keep them; an empty map clears them [TF].
                    .routing_config(
                        AliasRoutingConfiguration::builder()
                            .set_additional_version_weights(Some(
                                alias.weights.clone().into_iter().collect(),
                            ))
                            .build(),
                    )
                    .send()
            })
            .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let name = observed.attribute("function");
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .lambda
                    .delete_alias()
                    .function_name(name)
                    .name(LIVE)
                    .send()
            })
            .await
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[
            api::KIND,
            stage::KIND,
            event_source_mapping::KIND,
            function_policy::KIND,
        ]
    }

    fn parent(&self) -> Option<&'static str> {
        Some(function::KIND)
    }
}
