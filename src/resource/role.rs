//! IAM roles, each with one inline policy.
//!
//! A role's path and its tag `wsless:region` say whose it is: IAM is the same in all regions, so a stage that is deployed
//! in one has the names in all. A new role can't be assumed for some seconds: whoever uses it waits, not the role
//! [STK: CreateFunction succeeded 10.7 s after CreateRole]. Limits: a name of 64 characters, inline policies of 10,240
//! characters in all [IAM model].

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::types::Tag;
use futures::future::{try_join, try_join_all};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api, event_source_mapping,
    function, integration, parse, retag, stage, takes_away, to_value, touches, unless_gone,
};
use crate::{
    aws::{Aws, Class, Error, Operation, Service, Settle},
    engine::{
        address::Address, plan::FieldChange, properties::Text, scope::REGION_TAG, scope::Scope,
        survey::Survey,
    },
};

/// The kind of [`Roles`].
pub const KIND: &str = "role";

/// The name of the one inline policy.
const POLICY_NAME: &str = "wsless";

const LIST: Operation = Operation::read(Service::Iam, "ListRoles");
const GET: Operation = Operation::read(Service::Iam, "GetRole");
const LIST_TAGS: Operation = Operation::read(Service::Iam, "ListRoleTags");
const GET_POLICY: Operation = Operation::read(Service::Iam, "GetRolePolicy");
const LIST_POLICIES: Operation = Operation::read(Service::Iam, "ListRolePolicies");
const LIST_ATTACHED: Operation = Operation::read(Service::Iam, "ListAttachedRolePolicies");
const CREATE: Operation = Operation::create(Service::Iam, "CreateRole");
const UPDATE_TRUST: Operation = Operation::put(Service::Iam, "UpdateAssumeRolePolicy");
const PUT_POLICY: Operation = Operation::put(Service::Iam, "PutRolePolicy");
const DELETE_POLICY: Operation = Operation::put(Service::Iam, "DeleteRolePolicy");
const DETACH: Operation = Operation::put(Service::Iam, "DetachRolePolicy");
const TAG: Operation = Operation::put(Service::Iam, "TagRole");
const UNTAG: Operation = Operation::put(Service::Iam, "UntagRole");
const DELETE: Operation = Operation::put(Service::Iam, "DeleteRole");

/// A role's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its path, `/wsless/{project}/{stage}/`.
    pub path: String,
    /// The service that assumes it, such as `lambda.amazonaws.com`.
    ///
    /// Without a condition on the source: API Gateway v2 assumes integration roles without those keys, so that a
    /// condition would never hold [STK v2_integration_credentials].
    pub trusted_service: String,
    /// What it may do: the statements of its inline policy.
    pub policy: Vec<Statement>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A statement that allows something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// IAM actions, sorted.
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<Text>,
}

/// The stage's roles.
pub struct Roles;

#[async_trait]
impl Resource for Roles {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        let roles = format!(
            "arn:{}:iam::{}:role{}*",
            scope.identity.partition,
            scope.identity.account,
            scope.role_path()
        );
        vec![
            Permission::anywhere("iam", &["ListRoles"]),
            Permission::on(
                "iam",
                &[
                    "CreateRole",
                    "DeleteRole",
                    "DeleteRolePolicy",
                    "DetachRolePolicy",
                    "GetRole",
                    "GetRolePolicy",
                    "ListAttachedRolePolicies",
                    "ListRolePolicies",
                    "ListRoleTags",
                    "PutRolePolicy",
                    "TagRole",
                    "UntagRole",
                    "UpdateAssumeRolePolicy",
                ],
                [roles.clone()],
            ),
            Permission::on("iam", &["PassRole"], [roles]).when(
                "StringEquals",
                "iam:PassedToService",
                ["apigateway", "lambda"].map(|service| format!("{service}.amazonaws.com")),
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let (aws, scope) = (survey.aws, survey.scope);
        let path = scope.role_path();
        let mut roles = aws
            .pages(
                LIST,
                |marker| {
                    aws.iam
                        .list_roles()
                        .path_prefix(&path)
                        .set_marker(marker)
                        .send()
                },
                |page| (Some(page.roles), page.marker),
            )
            .await?;
        // A role's name is the account's, whatever its path: somebody else may have it, or the listing be late.
        let unlisted = survey
            .names(KIND)
            .map(|thing| scope.name(thing))
            .filter(|name| !roles.iter().any(|role| role.role_name() == name))
            .collect::<Vec<_>>();
        let found = try_join_all(unlisted.iter().map(|name| get(aws, name))).await?;
        roles.extend(found.into_iter().flatten());
        let observed = roles.iter().map(|role| async {
            let name = role.role_name();
            if role.path() != path {
                let address = Address::new(KIND, scope.thing(name).unwrap_or(name));
                let foreign = Observed::new(address, role.arn(), &Value::Null);
                return Ok(Some(foreign.owned_by(Owner::SomebodyElse)));
            }
            let tags = aws.call(LIST_TAGS, || {
                aws.iam.list_role_tags().role_name(name).send()
            });
            let policy = async {
                let answer = aws
                    .call(GET_POLICY, || {
                        aws.iam
                            .get_role_policy()
                            .role_name(name)
                            .policy_name(POLICY_NAME)
                            .send()
                    })
                    .await;
                match answer {
                    Ok(policy) => Ok(statements(&document(policy.policy_document()))),
                    Err(error) if error.is_not_found() => Ok(Vec::new()),
                    Err(error) => Err(error),
                }
            };
            // A role that went away since it was listed is none.
            let Some((tags, policy)) = unless_gone(try_join(tags, policy).await)? else {
                return Ok(None);
            };
            let trust = document(role.assume_role_policy_document().unwrap_or_default());
            let properties = Role {
                name: name.to_owned(),
                path: role.path().to_owned(),
                trusted_service: trusted_service(&trust),
                policy,
                tags: tags
                    .tags()
                    .iter()
                    .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                    .collect(),
            };
            let address = Address::new(KIND, scope.thing(name).unwrap_or(name));
            Ok(Some(match properties.tags.get(REGION_TAG) {
                Some(region) if *region != scope.identity.region => {
                    let id = format!("{} (of this stage in {region})", role.arn());
                    Observed::new(address, id, &properties).owned_by(Owner::SomebodyElse)
                }
                _ => Observed::new(address, role.arn(), &properties).with("arn", role.arn()),
            }))
        });
        Ok(try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let role: Role = parse(desired)?;
        let tags = tags(role.tags.clone());
        let created = context
            .call(CREATE, || {
                context
                    .aws
                    .iam
                    .create_role()
                    .role_name(&role.name)
                    .path(&role.path)
                    .assume_role_policy_document(trust_policy(&role).to_string())
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await?;
        put_policy(context, &role).await?;
        let arn = created
            .role()
            .map(aws_sdk_iam::types::Role::arn)
            .unwrap_or_default();
        Ok(Attributes::from([("arn".to_owned(), arn.to_owned())]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let role: Role = parse(desired)?;
        let iam = &context.aws.iam;
        if touches(fields, "trusted_service") {
            context
                .call(UPDATE_TRUST, || {
                    iam.update_assume_role_policy()
                        .role_name(&role.name)
                        .policy_document(trust_policy(&role).to_string())
                        .send()
                })
                .await?;
        }
        if touches(fields, "policy") {
            // What the old state needs stays until nobody uses it: see `tighten`.
            put_policy(
                context,
                &Role {
                    policy: union(&observed.properties, &role.policy),
                    ..role.clone()
                },
            )
            .await?;
        }
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &role.tags,
            |set| {
                iam.tag_role()
                    .role_name(&role.name)
                    .set_tags(Some(tags(set)))
                    .send()
            },
            |keys| {
                iam.untag_role()
                    .role_name(&role.name)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let iam = &context.aws.iam;
        let name = observed.properties["name"].as_str().unwrap_or_default();
        // DeleteRole refuses while any policy is left, whoever put it there [IAM model, DeleteConflict].
        let inline = context
            .call(LIST_POLICIES, || {
                iam.list_role_policies().role_name(name).send()
            })
            .await;
        let attached = context
            .call(LIST_ATTACHED, || {
                iam.list_attached_role_policies().role_name(name).send()
            })
            .await;
        let (inline, attached) = match (inline, attached) {
            (Ok(inline), Ok(attached)) => (inline, attached),
            (Err(error), _) | (_, Err(error)) if error.is_not_found() => return Ok(()),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        for policy in inline.policy_names() {
            context
                .remove(DELETE_POLICY, &[], || {
                    iam.delete_role_policy()
                        .role_name(name)
                        .policy_name(policy)
                        .send()
                })
                .await?;
        }
        for policy in attached.attached_policies() {
            let arn = policy.policy_arn().unwrap_or_default();
            context
                .remove(DETACH, &[], || {
                    iam.detach_role_policy()
                        .role_name(name)
                        .policy_arn(arn)
                        .send()
                })
                .await?;
        }
        let conflict = Settle {
            fragment: "DeleteConflict",
            waits_for: "the role's policies to be gone",
            budget: std::time::Duration::from_secs(30),
        };
        context
            .remove(DELETE, &[conflict], || {
                iam.delete_role().role_name(name).send()
            })
            .await
    }

    fn narrows(&self, fields: &[FieldChange]) -> bool {
        takes_away(fields, "policy")
    }

    async fn tighten(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
    ) -> Result<(), Error> {
        let role: Role = parse(desired)?;
        if union(&observed.properties, &role.policy) == role.policy {
            return Ok(());
        }
        put_policy(context, &role).await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        matches!(path, "name" | "path")
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[
            function::KIND,
            integration::KIND,
            event_source_mapping::KIND,
            stage::KIND,
            api::KIND,
        ]
    }
}

/// The role of this name; nothing if it isn't there, or isn't ours to see.
async fn get(aws: &Aws, name: &str) -> Result<Option<aws_sdk_iam::types::Role>, Error> {
    let answer = aws
        .call(GET, || aws.iam.get_role().role_name(name).send())
        .await;
    match answer {
        Ok(found) => Ok(found.role),
        Err(error) if matches!(error.class(), Class::NotFound | Class::AccessDenied) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The desired statements, and those that are there and aren't desired any more.
fn union(observed: &Value, desired: &[Statement]) -> Vec<Statement> {
    let present: Vec<Statement> =
        serde_json::from_value(observed["policy"].clone()).unwrap_or_default();
    let gone = present
        .into_iter()
        .filter(|statement| !desired.iter().any(|wanted| covers(wanted, statement)))
        // What isn't of our form is shown as text, which is no action.
        .filter(|statement| {
            !statement
                .actions
                .iter()
                .any(|action| action.starts_with('{'))
        });
    desired.iter().cloned().chain(gone).collect()
}

/// Whether `wide` allows everything that `narrow` does, as far as their words tell.
fn covers(wide: &Statement, narrow: &Statement) -> bool {
    let has = |action| wide.actions.contains(action);
    let reaches = |resource| wide.resources.contains(resource);
    narrow.actions.iter().all(has) && narrow.resources.iter().all(reaches)
}

async fn put_policy(context: &Context<'_>, role: &Role) -> Result<(), Error> {
    let iam = &context.aws.iam;
    if role.policy.is_empty() {
        return context
            .remove(DELETE_POLICY, &[], || {
                iam.delete_role_policy()
                    .role_name(&role.name)
                    .policy_name(POLICY_NAME)
                    .send()
            })
            .await;
    }
    let document = permission_policy(&role.policy).to_string();
    // A role that was just made may not be found yet [IAM eventual consistency].
    let settle = Settle {
        fragment: "NoSuchEntity",
        waits_for: "the role to be visible",
        budget: std::time::Duration::from_mins(1),
    };
    context
        .settle(PUT_POLICY, &[settle], || {
            iam.put_role_policy()
                .role_name(&role.name)
                .policy_name(POLICY_NAME)
                .policy_document(&document)
                .send()
        })
        .await?;
    Ok(())
}

/// The policy that lets `role.trusted_service` assume the role.
fn trust_policy(role: &Role) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": role.trusted_service },
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The policy document of `statements`.
pub fn permission_policy(statements: &[Statement]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|statement| json!({ "Effect": "Allow", "Action": statement.actions, "Resource": to_value(&statement.resources) }))
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// IAM gives policy documents URL-encoded, and may reorder them [TF]: they're compared as JSON.
fn document(encoded: &str) -> Value {
    let text = percent_decode_str(encoded).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The only principal of a trust policy of ours; what else stands there shows as a difference.
fn trusted_service(trust: &Value) -> String {
    match trust["Statement"].as_array().map(Vec::as_slice) {
        Some([statement]) if statement.get("Condition").is_none() => {
            match &statement["Principal"]["Service"] {
                Value::String(service) => service.clone(),
                Value::Array(services) if services.len() == 1 => {
                    services[0].as_str().unwrap_or_default().to_owned()
                }
                other => other.to_string(),
            }
        }
        _ => trust.to_string(),
    }
}

fn statements(policy: &Value) -> Vec<Statement> {
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(values) => values
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        }
    };
    policy["Statement"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|statement| {
            let mut actions = texts(&statement["Action"]);
            if statement["Effect"] != "Allow" || statement.get("Condition").is_some() {
                // Not one of ours: shown whole, so that it differs.
                actions = vec![statement.to_string()];
            }
            Statement {
                actions,
                resources: texts(&statement["Resource"])
                    .into_iter()
                    .map(Text::from)
                    .collect(),
            }
        })
        .collect()
}

fn tags(tags: impl IntoIterator<Item = (String, String)>) -> Vec<Tag> {
    // A tag with a key and a value is never refused.
    tags.into_iter()
        .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_back_as_it_was_written() {
        let policy = vec![Statement {
            actions: vec!["sqs:SendMessage".into()],
            resources: vec!["arn:aws:sqs:eu-west-1:1:q".into()],
        }];
        let encoded = percent_encoding::utf8_percent_encode(
            &permission_policy(&policy).to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        assert_eq!(statements(&document(&encoded)), policy);
    }

    #[test]
    fn what_the_old_state_needs_stays_until_it_is_out_of_use() {
        let statement = |resource: &str| Statement {
            actions: vec!["sqs:SendMessage".into()],
            resources: vec![resource.into()],
        };
        let observed = json!({ "policy": [statement("old"), statement("both")] });
        let desired = [statement("both"), statement("new")];
        assert_eq!(
            union(&observed, &desired),
            [statement("both"), statement("new"), statement("old")]
        );
        assert_eq!(union(&json!({ "policy": desired }), &desired), desired);
    }

    #[test]
    fn a_statement_that_grew_leaves_nothing_to_tighten() {
        let statement = |resources: &[&str]| Statement {
            actions: vec!["sqs:SendMessage".into()],
            resources: resources.iter().map(|arn| (*arn).into()).collect(),
        };
        let observed = json!({ "policy": [statement(&["echo"])] });
        let desired = [statement(&["echo", "ping"])];
        assert_eq!(union(&observed, &desired), desired);
    }

    #[test]
    fn a_condition_that_somebody_added_to_the_trust_shows() {
        let trust = json!({ "Statement": [{ "Principal": { "Service": "lambda.amazonaws.com" }, "Condition": {} }] });
        assert_ne!(trusted_service(&trust), "lambda.amazonaws.com");
    }
}
