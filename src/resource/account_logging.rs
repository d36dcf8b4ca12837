//! The role with which API Gateway writes logs: one for the account and region, shared by every API in it.
//!
//! Access logs of a WebSocket API can't be turned on without it [STK rest_websocket_logs]. One that's there is left as
//! it is, whoever set it, and it's never taken away: other APIs of the account log with it. API Gateway wants the
//! managed policy, not a narrower one [STK]. Limit: one UpdateAccount in 20 s [DG limits].

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_apigateway::types::{Op, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Attributes, Context, Observed, Permission, Resource, parse};
use crate::{
    aws::{Aws, Class, Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, scope::Scope, survey::Survey},
};

/// The kind of [`AccountLoggings`].
pub const KIND: &str = "account-logging";

/// The address name of the account's one setting.
pub const NAME: &str = "api-gateway";

/// The role's path and name. It's the account's, not a stage's: it bears no stage's path or tags.
const PATH: &str = "/wsless/";
const ROLE: &str = "wsless-api-gateway-logs";
const POLICY: &str = "service-role/AmazonAPIGatewayPushToCloudWatchLogs";

const GET: Operation = Operation::read(Service::ApiGateway, "GetAccount");
const UPDATE: Operation = Operation::put(Service::ApiGateway, "UpdateAccount");
const CREATE_ROLE: Operation = Operation::create(Service::Iam, "CreateRole");
const ATTACH: Operation = Operation::put(Service::Iam, "AttachRolePolicy");

/// The setting's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLogging {
    /// The role that is made if the account has none set.
    pub role_arn: String,
}

impl AccountLogging {
    /// The setting for the scope's account.
    pub fn new(scope: &Scope) -> Self {
        let identity = &scope.identity;
        Self {
            role_arn: format!(
                "arn:{}:iam::{}:role{PATH}{ROLE}",
                identity.partition, identity.account
            ),
        }
    }
}

/// The account's logging role for API Gateway. Attribute: `role_arn`, the one that's set.
pub struct AccountLoggings;

#[async_trait]
impl Resource for AccountLoggings {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        let role = AccountLogging::new(scope).role_arn;
        vec![
            Permission::on(
                "apigateway",
                &["GET", "PATCH"],
                [scope.api_gateway_arn("/account")],
            ),
            // `GetRole` is the doctor's.
            Permission::on(
                "iam",
                &["AttachRolePolicy", "CreateRole", "GetRole"],
                [role.clone()],
            ),
            Permission::on("iam", &["PassRole"], [role]).when(
                "StringEquals",
                "iam:PassedToService",
                ["apigateway.amazonaws.com".to_owned()],
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        Ok(current(survey.aws)
            .await?
            .iter()
            .map(|role_arn| observe(role_arn))
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let logging: AccountLogging = parse(desired)?;
        make_role(context).await?;
        // Another stage's deployment, or a person, may have been quicker.
        if let Some(role_arn) = current(context.aws).await? {
            return Ok(observe(&role_arn).attributes);
        }
        let patch = PatchOperation::builder()
            .op(Op::Replace)
            .path("/cloudwatchRoleArn")
            .value(&logging.role_arn)
            .build();
        // `The role ARN does not have required permissions configured …` while IAM spreads the role [SLS].
        let new_role = Settle {
            fragment: "does not have required permissions",
            waits_for: "API Gateway to be able to use the new role",
            budget: Duration::from_secs(150),
        };
        context
            .settle(UPDATE, &[new_role], || {
                context
                    .aws
                    .apigateway
                    .update_account()
                    .patch_operations(patch.clone())
                    .send()
            })
            .await?;
        Ok(observe(&logging.role_arn).attributes)
    }

    /// There's nothing to change: a role that's set is never overwritten.
    async fn update(
        &self,
        _context: &Context<'_>,
        _observed: &Observed,
        _desired: &Value,
        _fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        Ok(Attributes::new())
    }

    /// Other APIs of the account log with it: it stays.
    async fn delete(&self, _context: &Context<'_>, _observed: &Observed) -> Result<(), Error> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// The role that's set, if one is.
async fn current(aws: &Aws) -> Result<Option<String>, Error> {
    let account = aws
        .call(GET, || aws.apigateway.get_account().send())
        .await?;
    Ok(account
        .cloudwatch_role_arn
        .filter(|role_arn| !role_arn.is_empty()))
}

/// Makes the role, if it isn't there, and gives it its policy.
async fn make_role(context: &Context<'_>) -> Result<(), Error> {
    let iam = &context.aws.iam;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string();
    let created = context
        .call(CREATE_ROLE, || {
            iam.create_role()
                .role_name(ROLE)
                .path(PATH)
                .assume_role_policy_document(&trust)
                .description("API Gateway writes logs with it, for every API of the account")
                .send()
        })
        .await;
    match created {
        Ok(_) => {}
        Err(error) if error.class() == Class::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let policy = format!(
        "arn:{}:iam::aws:policy/{POLICY}",
        context.aws.identity().partition
    );
    let new_role = Settle {
        fragment: "NoSuchEntity",
        waits_for: "the role to be visible",
        budget: Duration::from_mins(1),
    };
    context
        .settle(ATTACH, &[new_role], || {
            iam.attach_role_policy()
                .role_name(ROLE)
                .policy_arn(&policy)
                .send()
        })
        .await?;
    Ok(())
}

fn observe(role_arn: &str) -> Observed {
    let properties = AccountLogging {
        role_arn: role_arn.to_owned(),
    };
    Observed::new(Address::new(KIND, NAME), role_arn, &properties)
        .with("role_arn", role_arn)
        // Whichever role is set, it's as desired.
        .unreadable(&["role_arn"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::plan::differences, resource::to_value};

    #[test]
    fn any_role_that_is_set_is_as_desired() {
        let desired = AccountLogging {
            role_arn: "arn:aws:iam::1:role/wsless/wsless-api-gateway-logs".into(),
        };
        let observed = observe("arn:aws:iam::1:role/of-somebody");
        let fields = differences(&AccountLoggings, Some(&observed), &to_value(&desired));
        assert!(fields.is_empty());
        assert_eq!(
            observed.attribute("role_arn"),
            "arn:aws:iam::1:role/of-somebody"
        );
    }
}
