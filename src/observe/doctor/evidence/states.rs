//! The states of resources, beyond the properties that a plan compares.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_apigatewayv2::types::RouteSettings;
use aws_sdk_lambda::types::FunctionConfiguration;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::note;
use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::{
        resource::{Observed, Owner},
        scope::Scope,
    },
    resource::{account_logging, alarm, alias, api, event_source_mapping, queue, table},
};

const GET_API: Operation = Operation::read(Service::ApiGatewayV2, "GetApi");
const GET_STAGE: Operation = Operation::read(Service::ApiGatewayV2, "GetStage");
const GET_FUNCTION: Operation = Operation::read(Service::Lambda, "GetFunction");
const GET_MAPPING: Operation = Operation::read(Service::Lambda, "GetEventSourceMapping");
const GET_ACCOUNT: Operation = Operation::read(Service::Lambda, "GetAccountSettings");
const GET_ROLE: Operation = Operation::read(Service::Iam, "GetRole");
const GET_QUEUE: Operation = Operation::read(Service::Sqs, "GetQueueAttributes");
const GET_TABLE: Operation = Operation::read(Service::DynamoDb, "DescribeTable");

/// The API and its stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiState {
    /// Its id; nothing if there is none.
    pub id: Option<String>,
    /// Whether its own address is switched off, so that only a custom domain answers.
    pub is_endpoint_disabled: bool,
    /// The newest deployment's trouble, in AWS's words.
    pub deployment_message: Option<String>,
    /// Settings by route; under the empty key the stage's own.
    pub routes: BTreeMap<String, RouteSetting>,
}

/// What is set for a route, or for all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RouteSetting {
    /// Requests a second.
    pub rate: Option<f64>,
    /// Requests at once.
    pub burst: Option<i32>,
    /// Whether whole messages are logged.
    pub traces_data: bool,
}

/// A function, as its alias has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionState {
    /// `Active`, `Pending`, `Inactive`, `Failed`.
    pub state: String,
    /// AWS's words for the state.
    pub reason: String,
    /// `Successful`, `InProgress`, `Failed`.
    pub last_update: String,
    /// AWS's words for the last update.
    pub update_reason: String,
    /// Whether it runs in a VPC.
    pub is_in_vpc: bool,
}

/// An event source mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappingState {
    /// Its id.
    pub id: String,
    /// Lambda's words for the last batch.
    pub last_result: String,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueState {
    /// Its URL.
    pub url: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that are being handled.
    pub in_flight: u64,
    /// Its own policy, if it has one; wsless gives it none.
    pub policy: Value,
    /// The customer's key that encrypts it, if one does.
    pub key: Option<String>,
}

/// The registry's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// `ACTIVE` or another.
    pub status: String,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmState {
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
    /// CloudWatch's words.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// The account, in the region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountState {
    /// How far AWS's clock is ahead of this machine's.
    pub clock: Option<SignedDuration>,
    /// How many calls Lambda handles at once, all functions together.
    pub concurrency: Option<i32>,
    /// The role that API Gateway writes logs with, where the stage wants a log and the account has one set.
    pub logging: Option<LoggingRole>,
}

/// The role that API Gateway writes logs with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoggingRole {
    /// Its ARN, as the account has it.
    pub arn: String,
    /// Who may assume it; nothing if there's no such role.
    pub trust: Option<Value>,
}

/// All states.
#[derive(Debug, Default)]
pub(super) struct States {
    pub api: ApiState,
    pub functions: BTreeMap<String, FunctionState>,
    pub mappings: BTreeMap<String, MappingState>,
    pub queues: BTreeMap<String, QueueState>,
    pub table: Option<TableState>,
    pub alarms: BTreeMap<String, AlarmState>,
    pub account: AccountState,
}

/// What is needed to look.
pub(super) struct Look<'a> {
    pub aws: &'a Aws,
    pub scope: &'a Scope,
    pub resources: &'a [Observed],
}

impl Look<'_> {
    /// All states, and why some can't be told.
    pub async fn everything(&self) -> (States, Vec<Error>) {
        let (api, functions, mappings, queues, table, alarms, account, logging) = futures::join!(
            self.api(),
            self.each(alias::KIND, |found| self.function(found)),
            self.each(event_source_mapping::KIND, |found| self.mapping(found)),
            self.each(queue::KIND, |found| self.queue(found)),
            self.table(),
            self.alarms(),
            self.account(),
            self.logging(),
        );
        let mut errors = Vec::new();
        let mut states = States {
            api: super::seen(api, &mut errors),
            table: super::seen(table, &mut errors),
            alarms: super::seen(alarms, &mut errors),
            account,
            ..States::default()
        };
        states.account.logging = super::seen(logging, &mut errors);
        states.functions = collected(functions, &mut errors);
        states.mappings = collected(mappings, &mut errors);
        states.queues = collected(queues, &mut errors);
        (states, errors)
    }

    /// The stage's own resources of a kind.
    fn ours(&self, kind: &'static str) -> impl Iterator<Item = &Observed> {
        let resources = self.resources.iter();
        resources.filter(move |found| found.address.kind() == kind && found.owner == Owner::Us)
    }

    async fn each<'s, T, F>(
        &'s self,
        kind: &'static str,
        look: impl Fn(&'s Observed) -> F,
    ) -> Vec<(String, Result<T, Error>)>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let looks = self.ours(kind).map(|found| {
            let looked = look(found);
            async move { (found.address.name().to_owned(), looked.await) }
        });
        join_all(looks).await
    }

    async fn api(&self) -> Result<ApiState, Error> {
        let Some(found) = self
            .ours(api::KIND)
            .find(|found| found.address.name() == api::NAME)
        else {
            return Ok(ApiState::default());
        };
        let client = &self.aws.apigatewayv2;
        let (id, stage) = (&found.id, &self.scope.stage);
        let (api, stage) = futures::join!(
            self.aws
                .call(GET_API, || client.get_api().api_id(id).send()),
            self.aws.call(GET_STAGE, || client
                .get_stage()
                .api_id(id)
                .stage_name(stage)
                .send()),
        );
        let mut state = ApiState {
            id: Some(id.clone()),
            is_endpoint_disabled: api?.disable_execute_api_endpoint() == Some(true),
            ..ApiState::default()
        };
        match stage {
            Ok(stage) => {
                state.deployment_message = stage.last_deployment_status_message;
                let all = stage.default_route_settings.as_ref();
                let one = stage.route_settings.iter().flatten();
                state.routes = all
                    .map(|settings| (String::new(), setting(settings)))
                    .into_iter()
                    .chain(one.map(|(key, settings)| (key.clone(), setting(settings))))
                    .collect();
            }
            // The plan tells that there is none.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        Ok(state)
    }

    async fn function(&self, found: &Observed) -> Result<FunctionState, Error> {
        let name = found.properties["function_name"]
            .as_str()
            .unwrap_or_default();
        let answer = self
            .aws
            .call(GET_FUNCTION, || {
                self.aws
                    .lambda
                    .get_function()
                    .function_name(name)
                    .qualifier(alias::LIVE)
                    .send()
            })
            .await?;
        let live = answer
            .configuration
            .unwrap_or_else(|| FunctionConfiguration::builder().build());
        Ok(FunctionState {
            state: live
                .state()
                .map(|state| state.as_str().to_owned())
                .unwrap_or_default(),
            reason: live.state_reason().unwrap_or_default().to_owned(),
            last_update: live
                .last_update_status()
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default(),
            update_reason: live
                .last_update_status_reason()
                .unwrap_or_default()
                .to_owned(),
            is_in_vpc: live
                .vpc_config()
                .is_some_and(|vpc| !vpc.subnet_ids().is_empty()),
        })
    }

    async fn mapping(&self, found: &Observed) -> Result<MappingState, Error> {
        let id = &found.id;
        let mapping = self
            .aws
            .call(GET_MAPPING, || {
                self.aws.lambda.get_event_source_mapping().uuid(id).send()
            })
            .await?;
        Ok(MappingState {
            id: id.clone(),
            last_result: mapping.last_processing_result.unwrap_or_default(),
        })
    }

    async fn queue(&self, found: &Observed) -> Result<QueueState, Error> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, KmsMasterKeyId,
            Policy,
        };
        let url = found.attribute("url");
        let answer = self
            .aws
            .call(GET_QUEUE, || {
                self.aws
                    .sqs
                    .get_queue_attributes()
                    .queue_url(url)
                    .attribute_names(QueueAttributeName::All)
                    .send()
            })
            .await?;
        let attributes = answer.attributes.unwrap_or_default();
        let text = |name| attributes.get(&name).map(String::as_str);
        let count = |name| text(name).and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok(QueueState {
            url: url.to_owned(),
            waiting: count(ApproximateNumberOfMessages),
            in_flight: count(ApproximateNumberOfMessagesNotVisible),
            policy: text(Policy)
                .and_then(|policy| serde_json::from_str(policy).ok())
                .unwrap_or_default(),
            key: text(KmsMasterKeyId).map(str::to_owned),
        })
    }

    async fn table(&self) -> Result<Option<TableState>, Error> {
        let Some(found) = self.ours(table::KIND).next() else {
            return Ok(None);
        };
        let name = found.properties["name"].as_str().unwrap_or_default();
        let answer = self
            .aws
            .call(GET_TABLE, || {
                self.aws.dynamodb.describe_table().table_name(name).send()
            })
            .await?;
        let status = answer.table.and_then(|table| table.table_status);
        Ok(Some(TableState {
            status: status
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default(),
        }))
    }

    async fn alarms(&self) -> Result<BTreeMap<String, AlarmState>, Error> {
        let alarms = alarm::described(self.aws, self.scope).await?;
        Ok(alarms
            .into_iter()
            .filter_map(|alarm| {
                let thing = self.scope.thing(alarm.alarm_name()?)?.to_owned();
                let state = AlarmState {
                    state: alarm.state_value()?.as_str().to_owned(),
                    reason: alarm.state_reason().unwrap_or_default().to_owned(),
                    since: alarm
                        .state_updated_timestamp()
                        .and_then(|at| Timestamp::from_second(at.secs()).ok()),
                };
                Some((thing, state))
            })
            .collect())
    }

    /// What Lambda allows the account, and what time AWS says it is.
    async fn account(&self) -> AccountState {
        let date = Date::default();
        let answer = self
            .aws
            .call(GET_ACCOUNT, || {
                self.aws
                    .lambda
                    .get_account_settings()
                    .customize()
                    .interceptor(date.clone())
                    .send()
            })
            .await;
        let now = Timestamp::now();
        // Who may not ask for the settings gets the time all the same.
        let limit = answer.ok().and_then(|settings| settings.account_limit);
        AccountState {
            clock: date.ahead_of(now),
            concurrency: limit.map(|limit| limit.concurrent_executions),
            logging: None,
        }
    }

    async fn logging(&self) -> Result<Option<LoggingRole>, Error> {
        let Some(found) = self.ours(account_logging::KIND).next() else {
            return Ok(None);
        };
        let arn = found.attribute("role_arn").to_owned();
        let name = arn.rsplit('/').next().unwrap_or_default();
        let answer = self
            .aws
            .call(GET_ROLE, || self.aws.iam.get_role().role_name(name).send())
            .await;
        let role = match answer {
            Ok(answer) => answer.role,
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        let trust = role.map(|role| {
            let document = role.assume_role_policy_document.unwrap_or_default();
            let text = percent_decode_str(&document).decode_utf8_lossy();
            serde_json::from_str(&text).unwrap_or_default()
        });
        Ok(Some(LoggingRole { arn, trust }))
    }
}

/// Remembers an answer's `Date`.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<String>>>);

impl Date {
    /// How far it's ahead of `now`. It says whole seconds, and took a while to come.
    fn ahead_of(&self, now: Timestamp) -> Option<SignedDuration> {
        let said = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        let said = jiff::fmt::rfc2822::parse(&said).ok()?.timestamp();
        let ahead = said.duration_since(now);
        let is_exact = ahead.abs() < SignedDuration::from_secs(2);
        Some(if is_exact {
            SignedDuration::ZERO
        } else {
            ahead
        })
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(str::to_owned);
        Ok(())
    }
}

fn setting(settings: &RouteSettings) -> RouteSetting {
    RouteSetting {
        rate: settings.throttling_rate_limit(),
        burst: settings.throttling_burst_limit(),
        traces_data: settings.data_trace_enabled() == Some(true),
    }
}

fn collected<T>(
    looked_up: Vec<(String, Result<T, Error>)>,
    errors: &mut Vec<Error>,
) -> BTreeMap<String, T> {
    let mut states = BTreeMap::new();
    for (name, state) in looked_up {
        match state {
            Ok(state) => {
                states.insert(name, state);
            }
            // Gone since it was listed.
            Err(error) if error.is_not_found() => {}
            Err(error) => note(error, errors),
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_from_an_answers_date() {
        let ahead = |said: &str, now: &str| {
            let date = Date(Arc::new(Mutex::new(Some(said.to_owned()))));
            date.ahead_of(now.parse().expect("a time"))
        };
        let said = "Mon, 23 Nov 2026 12:00:00 GMT";
        assert_eq!(
            ahead(said, "2026-11-23T12:00:01Z"),
            Some(SignedDuration::ZERO)
        );
        assert_eq!(
            ahead(said, "2026-11-23T11:50:00Z"),
            Some(SignedDuration::from_mins(10))
        );
        assert_eq!(
            ahead(said, "2026-11-23T12:10:00Z"),
            Some(SignedDuration::from_mins(-10))
        );
        assert_eq!(ahead("soon", "2026-11-23T12:00:00Z"), None);
    }
}
