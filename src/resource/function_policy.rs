//! Resource policies on the alias `live`: which routes and authorizers may call it.
//!
//! Alias and function have policies of their own; what calls the alias needs a statement there [LDG]. There is no way
//! to change a statement: the new one is added under a new id, and the old one goes when no live deployment uses it, so
//! that access never lapses.
//! All statements of a function are one resource, since parallel changes may lose statements [TF]. Statements whose id
//! isn't of our form are somebody else's and are left alone.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, alias::LIVE, api, function, parse,
    stage, takes_away,
};
use crate::{
    aws::{Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`FunctionPolicies`].
pub const KIND: &str = "function-policy";

/// What the ids of our statements begin with.
const SID_PREFIX: &str = "wsless-";

const GET: Operation = Operation::read(Service::Lambda, "GetPolicy");
const ADD: Operation = Operation::put(Service::Lambda, "AddPermission");
const REMOVE: Operation = Operation::put(Service::Lambda, "RemovePermission");

/// The policy of a function's alias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionPolicy {
    /// The function's name.
    pub function_name: String,
    /// The ARNs of the routes and authorizers that API Gateway may call it for, sorted.
    pub source_arns: Vec<Text>,
}

/// The policies of the stage's functions.
pub struct FunctionPolicies;

#[async_trait]
impl Resource for FunctionPolicies {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![Permission::on(
            "lambda",
            &["AddPermission", "GetPolicy", "RemovePermission"],
            [scope.every_arn("lambda", "function:")],
        )]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let functions = survey.of(function::KIND).await?;
        let ours = functions
            .iter()
            .filter(|function| function.owner == Owner::Us);
        let policies = ours.map(|function| async {
            let name = &function.id;
            let answer = aws
                .call(GET, || {
                    aws.lambda
                        .get_policy()
                        .function_name(name)
                        .qualifier(LIVE)
                        .send()
                })
                .await;
            let policy = match answer {
                Ok(policy) => policy.policy.unwrap_or_default(),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error),
            };
            let statements = statements(&policy);
            if statements.is_empty() {
                return Ok(None);
            }
            let properties = FunctionPolicy {
                function_name: name.clone(),
                source_arns: statements
                    .iter()
                    .map(|(_, source)| source.as_str().into())
                    .collect(),
            };
            let sids: Vec<&str> = statements.iter().map(|(sid, _)| sid.as_str()).collect();
            Ok(Some(
                Observed::new(
                    Address::new(KIND, function.address.name()),
                    name,
                    &properties,
                )
                .with("function", name)
                .with("sids", sids.join(",")),
            ))
        });
        Ok(try_join_all(policies)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        apply(context, desired, "").await
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        apply(context, desired, observed.attribute("sids")).await
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let name = observed.attribute("function");
        for sid in split(observed.attribute("sids")) {
            remove(context, name, sid).await?;
        }
        Ok(())
    }

    fn narrows(&self, fields: &[FieldChange]) -> bool {
        takes_away(fields, "source_arns")
    }

    async fn tighten(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
    ) -> Result<(), Error> {
        let policy: FunctionPolicy = parse(desired)?;
        let wanted: Vec<String> = policy
            .source_arns
            .iter()
            .filter_map(Text::as_literal)
            .map(|source| sid(&source))
            .collect();
        for old in split(observed.attribute("sids")) {
            if !wanted.iter().any(|sid| sid == old) {
                remove(context, &policy.function_name, old).await?;
            }
        }
        Ok(())
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[api::KIND, stage::KIND]
    }

    fn parent(&self) -> Option<&'static str> {
        Some(function::KIND)
    }
}

async fn apply(context: &Context<'_>, desired: &Value, present: &str) -> Result<Attributes, Error> {
    let policy: FunctionPolicy = parse(desired)?;
    let name = &policy.function_name;
    let lambda = &context.aws.lambda;
    let wanted: Vec<(String, String)> = policy
        .source_arns
        .iter()
        .filter_map(Text::as_literal)
        .map(|source| (sid(&source), source))
        .collect();
    let mut added = Vec::new();
    for (sid, source) in &wanted {
        if split(present).any(|present| present == sid) {
            continue;
        }
        let answer = context
            .call(ADD, || {
                lambda
                    .add_permission()
                    .function_name(name)
                    .qualifier(LIVE)
                    .statement_id(sid)
                    .action("lambda:InvokeFunction")
                    .principal("apigateway.amazonaws.com")
                    .source_arn(source)
                    .send()
            })
            .await;
        match answer {
            Ok(_) => added.push(sid.as_str()),
            // The id holds a hash of the statement: one that is there says the same.
            Err(error) if error.mentions("already exists") => {}
            Err(error) => return Err(error),
        }
    }
    if !added.is_empty() {
        // A new statement shows after a while [TF].
        context
            .aws
            .wait(
                GET,
                "the permission to show",
                Duration::from_mins(1),
                || async {
                    let answer = context
                        .call(GET, || {
                            lambda
                                .get_policy()
                                .function_name(name)
                                .qualifier(LIVE)
                                .send()
                        })
                        .await;
                    match answer {
                        Ok(policy) => {
                            let policy = policy.policy.unwrap_or_default();
                            Ok(added.iter().all(|sid| policy.contains(sid)).then_some(()))
                        }
                        Err(error) if error.is_not_found() => Ok(None),
                        Err(error) => Err(error),
                    }
                },
            )
            .await?;
    }
    Ok(Attributes::new())
}

async fn remove(context: &Context<'_>, function_name: &str, sid: &str) -> Result<(), Error> {
    let lambda = &context.aws.lambda;
    context
        .remove(REMOVE, &[], || {
            lambda
                .remove_permission()
                .function_name(function_name)
                .qualifier(LIVE)
                .statement_id(sid)
                .send()
        })
        .await
}

/// The statement's id: a hash of whom it lets in, within `[a-zA-Z0-9-_]{1,100}` [Lambda model].
fn sid(source_arn: &str) -> String {
    let hash = format!("{:x}", Sha256::digest(source_arn));
    format!("{SID_PREFIX}{}", &hash[..16])
}

/// Our statements' ids and source ARNs, sorted by ARN.
fn statements(policy: &str) -> Vec<(String, String)> {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut statements: Vec<(String, String)> = policy["Statement"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|statement| {
            let sid = statement["Sid"].as_str()?;
            let conditions = statement["Condition"].as_object()?;
            let source = conditions
                .iter()
                .filter(|(operator, _)| matches!(operator.as_str(), "ArnLike" | "ArnEquals"))
                .filter_map(|(_, keys)| keys.as_object())
                .flatten()
                .find(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"))
                .and_then(|(_, value)| value.as_str())?;
            sid.starts_with(SID_PREFIX)
                .then(|| (sid.to_owned(), source.to_owned()))
        })
        .collect();
    statements.sort_by(|a, b| a.1.cmp(&b.1));
    statements
}

fn split(sids: &str) -> impl Iterator<Item = &str> {
    sids.split(',').filter(|sid| !sid.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_others_are_left_alone() {
        let policy = r#"{"Statement":[
            {"Sid":"wsless-1","Condition":{"ArnLike":{"AWS:SourceArn":"arn:b"}}},
            {"Sid":"console-made","Condition":{"ArnLike":{"AWS:SourceArn":"arn:c"}}},
            {"Sid":"wsless-2","Condition":{"ArnLike":{"AWS:SourceArn":"arn:a"}}}]}"#;
        assert_eq!(
            statements(policy),
            [
                ("wsless-2".to_owned(), "arn:a".to_owned()),
                ("wsless-1".to_owned(), "arn:b".to_owned())
            ]
        );
    }

    #[test]
    fn a_statement_for_another_source_has_another_id() {
        assert_ne!(sid("arn:a"), sid("arn:b"));
        assert!(sid("arn:a").len() <= 100);
    }
}
