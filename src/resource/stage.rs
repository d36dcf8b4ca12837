//! The API's stage: which deployment clients reach, how fast, and what is logged of them.
//!
//! The stage's name is a part of the URL that clients connect to: letters, digits, `-`, `_`, at most 128 [DG]. Access
//! logs need the account's logging role ([`account_logging`](super::account_logging)). Limit: 10 stages an API.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{AccessLogSettings, RouteSettings, Stage as AwsStage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attributes, Context, Observed, Owner, Resource, api, api_gateway, parse, touches};
use crate::{
    aws::{Aws, Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, survey::Survey},
};

/// The kind of [`Stages`].
pub const KIND: &str = "stage";

const LIST: Operation = Operation::read(Service::ApiGatewayV2, "GetStages");
const CREATE: Operation = Operation::create(Service::ApiGatewayV2, "CreateStage");
const UPDATE: Operation = Operation::put(Service::ApiGatewayV2, "UpdateStage");
const STOP_LOGGING: Operation = Operation::put(Service::ApiGatewayV2, "DeleteAccessLogSettings");
const DELETE: Operation = Operation::put(Service::ApiGatewayV2, "DeleteStage");

/// What a new account's role and a new log group take to be seen: `CloudWatch Logs role ARN must be set in account
/// settings to enable logging`, `Cannot enable logging. LogDestination: … does not exist` [field; STK].
const LOGGING: [Settle; 2] = [
    Settle {
        fragment: "CloudWatch Logs role ARN must be set",
        waits_for: "the account's logging role to be in effect",
        budget: Duration::from_mins(1),
    },
    Settle {
        fragment: "Cannot enable logging",
        waits_for: "the access log to be visible",
        budget: Duration::from_mins(1),
    },
];

/// A stage's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The API's id.
    pub api_id: Text,
    /// Its name.
    pub name: String,
    /// The deployment that's live.
    pub deployment_id: Text,
    /// How much every route takes; without one, what the account takes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub throttle: Option<Throttle>,
    /// Where a line for each request goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access_log: Option<AccessLog>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// How much is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// Requests a second.
    pub rate: u32,
    /// Requests at once.
    pub burst: u32,
}

impl Throttle {
    /// What an account takes in most regions [DG limits]. A stage that says so isn't throttled by itself.
    pub const ACCOUNT: Self = Self {
        rate: 10_000,
        burst: 5_000,
    };

    /// The throttle to ask for, or none if it's the account's, so that desired and observed compare equal.
    pub fn unless_account(rate: u32, burst: u32) -> Option<Self> {
        Some(Self { rate, burst }).filter(|throttle| *throttle != Self::ACCOUNT)
    }
}

/// Where access logs go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    /// The log group's ARN, without `:*` at the end.
    pub destination_arn: String,
    /// A line of at most 1,024 characters with `$context.requestId` in it [BC].
    pub format: String,
}

/// The API's stages. Attributes: `name`, `id` (the same), `api_id`.
pub struct Stages;

#[async_trait]
impl Resource for Stages {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let Some(api_id) = &api_gateway::id(survey).await? else {
            return Ok(Vec::new());
        };
        let stages = all(survey.aws, api_id).await?;
        Ok(stages
            .iter()
            .map(|stage| {
                let observed = observe(api_id, stage);
                // In our API a stage of the desired name is ours even if its tags were taken off. One of another name
                // that somebody added stays.
                if survey.wants(KIND, observed.address.name()) {
                    observed
                } else {
                    let tags = api_gateway::sorted(stage.tags());
                    observed.owned_by(Owner::by_tags(survey.scope, &tags))
                }
            })
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let stage: Stage = parse(desired)?;
        let api_id = stage.api_id.to_string();
        let throttle = stage
            .throttle
            .map(|throttle| route_settings(CREATE, throttle))
            .transpose()?;
        context
            .settle(CREATE, &LOGGING, || {
                context
                    .aws
                    .apigatewayv2
                    .create_stage()
                    .api_id(&api_id)
                    .stage_name(&stage.name)
                    .deployment_id(stage.deployment_id.to_string())
                    .set_default_route_settings(throttle.clone())
                    .set_access_log_settings(stage.access_log.as_ref().map(log_settings))
                    .set_tags(api_gateway::unsorted(&stage.tags))
                    .send()
            })
            .await?;
        Ok(attributes(&api_id, &stage.name))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let stage: Stage = parse(desired)?;
        let (api_id, name) = api_gateway::ids(observed);
        let client = &context.aws.apigatewayv2;
        let throttle = if touches(fields, "throttle") {
            // What isn't sent is kept [TF#14742]: no throttle is the account's, said.
            let throttle = stage.throttle.unwrap_or(Throttle::ACCOUNT);
            Some(route_settings(UPDATE, throttle)?)
        } else {
            None
        };
        let log = stage
            .access_log
            .as_ref()
            .filter(|_| touches(fields, "access_log"))
            .map(log_settings);
        let deployment = touches(fields, "deployment_id").then(|| stage.deployment_id.to_string());
        if throttle.is_some() || log.is_some() || deployment.is_some() {
            context
                .settle(UPDATE, &LOGGING, || {
                    client
                        .update_stage()
                        .api_id(api_id)
                        .stage_name(name)
                        .set_deployment_id(deployment.clone())
                        .set_default_route_settings(throttle.clone())
                        .set_access_log_settings(log.clone())
                        .send()
                })
                .await?;
        }
        if touches(fields, "tags") {
            let path = format!("/apis/{api_id}/stages/{name}");
            api_gateway::retag(context, &path, observed, &stage.tags).await?;
        }
        if stage.access_log.is_none() && touches(fields, "access_log") {
            context
                .remove(STOP_LOGGING, &[], || {
                    client
                        .delete_access_log_settings()
                        .api_id(api_id)
                        .stage_name(name)
                        .send()
                })
                .await?;
        }
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let (api_id, name) = api_gateway::ids(observed);
        let client = &context.aws.apigatewayv2;
        context
            .remove(DELETE, &[], || {
                client.delete_stage().api_id(api_id).stage_name(name).send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "api_id"
    }

    fn settling_time(&self) -> Duration {
        // Old and new routes flap for 75 to 85 s after UpdateStage [STK websocket_lifecycle].
        Duration::from_mins(2)
    }

    fn parent(&self) -> Option<&'static str> {
        Some(api::KIND)
    }
}

/// The API's stages, whoever made them.
pub(super) async fn all(aws: &Aws, api_id: &str) -> Result<Vec<AwsStage>, Error> {
    api_gateway::pages(
        aws,
        LIST,
        |token| {
            aws.apigatewayv2
                .get_stages()
                .api_id(api_id)
                .set_next_token(token)
                .send()
        },
        |page| (page.items, page.next_token),
    )
    .await
}

/// The throttle for AWS. 0 would mean that nothing is let through, so it's never sent.
fn route_settings(operation: Operation, throttle: Throttle) -> Result<RouteSettings, Error> {
    let burst = i32::try_from(throttle.burst).unwrap_or(i32::MAX);
    if throttle.rate == 0 || burst == 0 {
        return Err(Error::unexpected(
            operation,
            "a throttle of 0 would refuse every client and message",
        ));
    }
    Ok(RouteSettings::builder()
        .throttling_rate_limit(throttle.rate.into())
        .throttling_burst_limit(burst)
        .build())
}

fn log_settings(log: &AccessLog) -> AccessLogSettings {
    AccessLogSettings::builder()
        .destination_arn(&log.destination_arn)
        .format(&log.format)
        .build()
}

fn attributes(api_id: &str, name: &str) -> Attributes {
    let mut attributes = api_gateway::attributes(api_id, name);
    attributes.insert("name".to_owned(), name.to_owned());
    attributes
}

fn observe(api_id: &str, stage: &AwsStage) -> Observed {
    let name = stage.stage_name().unwrap_or_default();
    let properties = Stage {
        api_id: api_id.into(),
        name: name.to_owned(),
        deployment_id: stage.deployment_id().unwrap_or_default().into(),
        throttle: stage.default_route_settings().and_then(throttle),
        access_log: stage.access_log_settings().and_then(access_log),
        tags: api_gateway::sorted(stage.tags()),
    };
    let mut observed = Observed::new(Address::new(KIND, name), name, &properties);
    observed.attributes = attributes(api_id, name);
    observed
}

/// A stage's own throttle. A limit that isn't set is the account's.
fn throttle(settings: &RouteSettings) -> Option<Throttle> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are small, and the cast saturates"
    )]
    let rate = settings
        .throttling_rate_limit()
        .map_or(Throttle::ACCOUNT.rate, |rate| rate.round() as u32);
    let burst = settings
        .throttling_burst_limit()
        .map_or(Throttle::ACCOUNT.burst, |burst| {
            u32::try_from(burst).unwrap_or_default()
        });
    Throttle::unless_account(rate, burst)
}

fn access_log(settings: &AccessLogSettings) -> Option<AccessLog> {
    let arn = api_gateway::text(settings.destination_arn())?;
    Some(AccessLog {
        destination_arn: arn.strip_suffix(":*").unwrap_or(&arn).to_owned(),
        format: settings.format().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::to_value;

    fn settings(rate: Option<f64>, burst: Option<i32>) -> RouteSettings {
        RouteSettings::builder()
            .set_throttling_rate_limit(rate)
            .set_throttling_burst_limit(burst)
            .build()
    }

    #[test]
    fn the_accounts_throttle_is_none_whether_said_or_not() {
        assert_eq!(throttle(&settings(None, None)), None);
        assert_eq!(throttle(&settings(Some(10_000.0), Some(5_000))), None);
        assert_eq!(Throttle::unless_account(10_000, 5_000), None);
        let half = Some(Throttle {
            rate: 500,
            burst: 5_000,
        });
        assert_eq!(throttle(&settings(Some(500.0), None)), half);
    }

    #[test]
    fn a_throttle_of_nothing_is_seen_but_never_sent() {
        let nothing = Throttle { rate: 0, burst: 0 };
        assert_eq!(throttle(&settings(Some(0.0), Some(0))), Some(nothing));
        assert!(route_settings(CREATE, nothing).is_err());
        let sent = route_settings(
            CREATE,
            Throttle {
                rate: 500,
                burst: 1000,
            },
        )
        .unwrap();
        assert_eq!(sent, settings(Some(500.0), Some(1000)));
    }

    #[test]
    fn a_stage_reads_back_as_it_was_desired() {
        let arn = "arn:aws:logs:eu-west-1:1:log-group:/wsless/chat/dev/access";
        let desired = Stage {
            api_id: "a1".into(),
            name: "dev".into(),
            deployment_id: "d1".into(),
            throttle: Throttle::unless_account(500, 1000),
            access_log: Some(AccessLog {
                destination_arn: arn.into(),
                format: "$context.requestId".into(),
            }),
            tags: BTreeMap::new(),
        };
        let answer = AwsStage::builder()
            .stage_name("dev")
            .deployment_id("d1")
            .default_route_settings(settings(Some(500.0), Some(1000)))
            .access_log_settings(
                AccessLogSettings::builder()
                    .destination_arn(format!("{arn}:*"))
                    .format("$context.requestId")
                    .build(),
            )
            .build();
        let observed = observe("a1", &answer);
        assert_eq!(observed.properties, to_value(&desired));
        assert_eq!(observed.attribute("name"), "dev");
    }

    #[test]
    fn a_stage_without_a_deployment_is_seen_to_have_none() {
        let observed = observe("a1", &AwsStage::builder().stage_name("dev").build());
        assert_eq!(observed.properties["deployment_id"], "");
        assert!(observed.properties.get("access_log").is_none());
    }
}
