//! Event source mappings: Lambda takes messages from a queue and hands them to a function's alias.
//!
//! A mapping passes through states after each change, and refuses the next change until then; every wait here is for
//! its end. Limits: batches of 10,000 messages (FIFO 10), above 10 only with a window; a window of 300 s (FIFO none); a
//! concurrency of 2 to 1,000; the queue's visibility at least the function's timeout [Lambda model; LDG with-sqs].

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration as Mapping, FunctionResponseType, ScalingConfig,
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Replacement, Resource, api, deployment,
    parse, retag, stage, touches, unless_gone,
};
use crate::{
    aws::{Aws, Class, Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`EventSourceMappings`].
pub const KIND: &str = "event-source-mapping";

const LIST: Operation = Operation::read(Service::Lambda, "ListEventSourceMappings");
const GET: Operation = Operation::read(Service::Lambda, "GetEventSourceMapping");
const LIST_TAGS: Operation = Operation::read(Service::Lambda, "ListTags");
const CREATE: Operation = Operation::create(Service::Lambda, "CreateEventSourceMapping");
const UPDATE: Operation = Operation::put(Service::Lambda, "UpdateEventSourceMapping");
const TAG: Operation = Operation::put(Service::Lambda, "TagResource");
const UNTAG: Operation = Operation::put(Service::Lambda, "UntagResource");
const DELETE: Operation = Operation::put(Service::Lambda, "DeleteEventSourceMapping");

/// How long a mapping may be on its way from one state to the next [TF].
const PATIENCE: Duration = Duration::from_mins(10);

const DELETING: &str = "Deleting";

/// A mapping's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSourceMapping {
    /// The ARN of the function's alias.
    pub function_arn: Text,
    /// The queue's ARN.
    pub queue_arn: Text,
    /// Messages in a batch, at most.
    pub batch_size: u32,
    /// Seconds to wait for a fuller batch; 0 for FIFO queues.
    pub batch_window_s: u32,
    /// Batches at a time; nothing for as many as the function's concurrency gives.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_concurrency: Option<u32>,
    /// Whether it takes messages.
    pub enabled: bool,
    /// Whether the function says which messages of a batch failed, so that only they come again.
    pub report_failures: bool,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// The stage's event source mappings.
pub struct EventSourceMappings;

#[async_trait]
impl Resource for EventSourceMappings {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![
            Permission::anywhere("lambda", &["ListEventSourceMappings"]),
            // Mappings have no names: their function's is what can be told [SAR].
            Permission::anywhere(
                "lambda",
                &[
                    "CreateEventSourceMapping",
                    "DeleteEventSourceMapping",
                    "UpdateEventSourceMapping",
                ],
            )
            .when(
                "ArnLike",
                "lambda:FunctionArn",
                [scope.every_arn("lambda", "function:")],
            ),
            // Looked at until it's gone, when nothing says any more whose function's it was.
            Permission::on(
                "lambda",
                &[
                    "GetEventSourceMapping",
                    "ListTags",
                    "TagResource",
                    "UntagResource",
                ],
                [scope.arn("lambda", "event-source-mapping:*")],
            ),
        ]
    }

    /// Looks through the account's mappings: one outlives its function, and then only its ARN says whose it is.
    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let scope = survey.scope;
        let mut mappings = mappings(survey.aws, None).await?;
        // One on its way out is as good as gone: making another waits for its end.
        mappings.retain(|mapping| mapping.state() != Some(DELETING));
        // After a replacement that was cut off there are two at one address: the newer one is kept.
        mappings.sort_by_key(|mapping| {
            Reverse(
                mapping
                    .last_modified()
                    .map(|time| (time.secs(), time.subsec_nanos())),
            )
        });
        let observed = mappings.iter().filter_map(|mapping| {
            let address = address(scope, mapping.function_arn()?)?;
            Some(async move { unless_gone(observe(survey, address, mapping).await) })
        });
        Ok(try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let mapping: EventSourceMapping = parse(desired)?;
        let made = match make(context, &mapping).await {
            Err(error) if error.class() == Class::AlreadyExists => {
                let Some(leaving) = leaving(context.aws, &mapping).await? else {
                    return Err(error);
                };
                until_gone(context, &leaving).await?;
                make(context, &mapping).await
            }
            made => made,
        };
        let id = made?;
        until_settled(context, &id, mapping.enabled).await?;
        Ok(Attributes::from([("id".to_owned(), id)]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let mapping: EventSourceMapping = parse(desired)?;
        let lambda = &context.aws.lambda;
        let id = observed.id.as_str();
        let changed = |path: &str| touches(fields, path);
        let only_tags = fields
            .iter()
            .all(|field| touches(std::slice::from_ref(field), "tags"));
        if !only_tags {
            let numbers = Numbers::of(&mapping, UPDATE)?;
            context
                .settle(UPDATE, &SETTLES, || {
                    // What isn't sent stays as it is; nothing in a list or a structure clears it [Lambda model].
                    lambda
                        .update_event_source_mapping()
                        .uuid(id)
                        .set_function_name(
                            mapping
                                .function_arn
                                .as_literal()
                                .filter(|_| changed("function_arn")),
                        )
                        .set_batch_size(changed("batch_size").then_some(numbers.batch_size))
                        .set_maximum_batching_window_in_seconds(
                            changed("batch_window_s").then_some(numbers.batch_window),
                        )
                        .set_scaling_config(changed("max_concurrency").then(|| numbers.scaling()))
                        .set_function_response_types(
                            changed("report_failures").then(|| response_types(&mapping)),
                        )
                        .set_enabled(changed("enabled").then_some(mapping.enabled))
                        .send()
                })
                .await?;
            until_settled(context, id, mapping.enabled).await?;
        }
        let arn = arn(context.scope, id);
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &mapping.tags,
            |tags| {
                lambda
                    .tag_resource()
                    .resource(&arn)
                    .set_tags(Some(tags))
                    .send()
            },
            |keys| {
                lambda
                    .untag_resource()
                    .resource(&arn)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let id = observed.id.as_str();
        context
            .remove(DELETE, &[], || {
                context
                    .aws
                    .lambda
                    .delete_event_source_mapping()
                    .uuid(id)
                    .send()
            })
            .await?;
        until_gone(context, id).await
    }

    /// The queue is fixed. The function isn't, and moving in place leaves no moment without a mapping.
    fn is_replaced_by(&self, path: &str) -> bool {
        path == "queue_arn"
    }

    fn replacement(&self) -> Replacement {
        Replacement::CreateFirst
    }

    /// Nothing sends to the queue any more when nobody takes from it.
    fn deleted_after(&self) -> &'static [&'static str] {
        &[deployment::KIND, stage::KIND, api::KIND]
    }
}

/// What Lambda refuses until IAM and SQS have spread what was just made [LS snapshots; TF; CH].
const SETTLES: [Settle; 5] = [
    Settle {
        fragment: "does not have permissions to call",
        waits_for: "the function's role to be allowed to take from the queue",
        budget: Duration::from_mins(2),
    },
    Settle {
        fragment: "cannot be assumed by Lambda",
        waits_for: "the function's role to be assumable",
        budget: Duration::from_mins(2),
    },
    Settle {
        fragment: "NonExistentQueue",
        waits_for: "the queue to be visible to Lambda",
        budget: Duration::from_mins(1),
    },
    Settle {
        fragment: "Function does not exist",
        waits_for: "the function's alias to be visible",
        budget: Duration::from_mins(1),
    },
    // A queue's attributes take up to 60 s to spread; the pauses between attempts are up to 20 s.
    Settle {
        fragment: "is less than Function timeout",
        waits_for: "the queue's new visibility timeout to be known to Lambda",
        budget: Duration::from_secs(85),
    },
];

/// The numbers of a mapping as the SDK takes them.
struct Numbers {
    batch_size: i32,
    batch_window: i32,
    max_concurrency: Option<i32>,
}

impl Numbers {
    fn of(mapping: &EventSourceMapping, operation: Operation) -> Result<Self, Error> {
        let number = |number: u32| {
            i32::try_from(number).map_err(|error| Error::unexpected(operation, error.to_string()))
        };
        Ok(Self {
            batch_size: number(mapping.batch_size)?,
            batch_window: number(mapping.batch_window_s)?,
            max_concurrency: mapping.max_concurrency.map(number).transpose()?,
        })
    }

    fn scaling(&self) -> ScalingConfig {
        ScalingConfig::builder()
            .set_maximum_concurrency(self.max_concurrency)
            .build()
    }
}

fn response_types(mapping: &EventSourceMapping) -> Vec<FunctionResponseType> {
    mapping
        .report_failures
        .then_some(FunctionResponseType::ReportBatchItemFailures)
        .into_iter()
        .collect()
}

/// Makes the mapping and returns its id.
async fn make(context: &Context<'_>, mapping: &EventSourceMapping) -> Result<String, Error> {
    let numbers = Numbers::of(mapping, CREATE)?;
    let tags = mapping.tags.clone().into_iter().collect();
    let made = context
        .settle(CREATE, &SETTLES, || {
            context
                .aws
                .lambda
                .create_event_source_mapping()
                .set_function_name(mapping.function_arn.as_literal())
                .set_event_source_arn(mapping.queue_arn.as_literal())
                .batch_size(numbers.batch_size)
                // FIFO queues know no window, not even an empty one [LDG with-sqs].
                .set_maximum_batching_window_in_seconds(
                    Some(numbers.batch_window).filter(|window| *window > 0),
                )
                .set_scaling_config(numbers.max_concurrency.map(|_| numbers.scaling()))
                .set_function_response_types(Some(response_types(mapping)))
                .enabled(mapping.enabled)
                .set_tags(Some(Clone::clone(&tags)))
                .send()
        })
        .await?;
    made.uuid
        .ok_or_else(|| Error::unexpected(CREATE, "the answer has no UUID"))
}

/// All mappings of the account, or those of a queue.
async fn mappings(aws: &Aws, queue_arn: Option<&str>) -> Result<Vec<Mapping>, Error> {
    aws.pages(
        LIST,
        |marker| {
            aws.lambda
                .list_event_source_mappings()
                .set_event_source_arn(queue_arn.map(str::to_owned))
                .set_marker(marker)
                .send()
        },
        |page| (page.event_source_mappings, page.next_marker),
    )
    .await
}

/// The id of a mapping of the same queue and function that is being deleted.
async fn leaving(aws: &Aws, mapping: &EventSourceMapping) -> Result<Option<String>, Error> {
    let function = mapping.function_arn.as_literal();
    let of_queue = mappings(aws, mapping.queue_arn.as_literal().as_deref()).await?;
    Ok(of_queue
        .into_iter()
        .find(|found| {
            found.state() == Some(DELETING) && found.function_arn() == function.as_deref()
        })
        .and_then(|found| found.uuid))
}

async fn observe(
    survey: &Survey<'_>,
    address: Address,
    mapping: &Mapping,
) -> Result<Observed, Error> {
    let (aws, scope) = (survey.aws, survey.scope);
    let id = mapping.uuid().unwrap_or_default();
    let arn = arn(scope, id);
    let answer = aws
        .call(LIST_TAGS, || aws.lambda.list_tags().resource(&arn).send())
        .await?;
    let tags = answer.tags.unwrap_or_default().into_iter().collect();
    let properties = properties(mapping, tags);
    Ok(Observed::new(address, id, &properties)
        .with("id", id)
        .owned_by(Owner::by_tags(scope, &properties.tags)))
}

fn properties(mapping: &Mapping, tags: BTreeMap<String, String>) -> EventSourceMapping {
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    EventSourceMapping {
        function_arn: mapping.function_arn().unwrap_or_default().into(),
        queue_arn: mapping.event_source_arn().unwrap_or_default().into(),
        batch_size: number(mapping.batch_size()).unwrap_or_default(),
        batch_window_s: number(mapping.maximum_batching_window_in_seconds()).unwrap_or_default(),
        max_concurrency: number(
            mapping
                .scaling_config()
                .and_then(ScalingConfig::maximum_concurrency),
        ),
        enabled: !matches!(mapping.state(), Some("Disabled" | "Disabling")),
        report_failures: mapping
            .function_response_types()
            .contains(&FunctionResponseType::ReportBatchItemFailures),
        tags,
    }
}

/// Waits until the mapping takes messages, or takes none, as wanted.
async fn until_settled(context: &Context<'_>, id: &str, enabled: bool) -> Result<(), Error> {
    let wanted = if enabled { "Enabled" } else { "Disabled" };
    (context.notify)(if enabled {
        "the mapping to be enabled"
    } else {
        "the mapping to be disabled"
    });
    context
        .aws
        .wait(GET, "the end of the mapping's change", PATIENCE, || async {
            let answer = context
                .call(GET, || {
                    context
                        .aws
                        .lambda
                        .get_event_source_mapping()
                        .uuid(id)
                        .send()
                })
                .await;
            // One that was just made may not be found at first.
            let Some(mapping) = unless_gone(answer)? else {
                return Ok(None);
            };
            match mapping.state().unwrap_or_default() {
                state if state == wanted => Ok(Some(())),
                "Creating" | "Enabling" | "Disabling" | "Updating" => Ok(None),
                state => Err(Error::unexpected(
                    GET,
                    format!(
                        "the event source mapping {id} is `{state}`: {}",
                        mapping
                            .state_transition_reason()
                            .unwrap_or("Lambda gives no reason")
                    ),
                )),
            }
        })
        .await
}

async fn until_gone(context: &Context<'_>, id: &str) -> Result<(), Error> {
    (context.notify)("the mapping to be gone");
    context
        .aws
        .wait(GET, "the mapping's end", PATIENCE, || async {
            let answer = context
                .call(GET, || {
                    context
                        .aws
                        .lambda
                        .get_event_source_mapping()
                        .uuid(id)
                        .send()
                })
                .await;
            Ok(unless_gone(answer)?.is_none().then_some(()))
        })
        .await
}

/// The address of a mapping to the function with this ARN, whatever its qualifier.
fn address(scope: &Scope, function_arn: &str) -> Option<Address> {
    // arn:aws:lambda:{region}:{account}:function:{name}:{qualifier}
    let name = function_arn.split(':').nth(6)?;
    Some(Address::new(KIND, scope.thing(name)?))
}

fn arn(scope: &Scope, id: &str) -> String {
    scope.arn("lambda", &format!("event-source-mapping:{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_found_by_its_function_with_or_without_an_alias() {
        let scope = Scope::example();
        let arn = scope.function_arn("echo");
        let expected = Some(Address::new(KIND, "echo"));
        assert_eq!(address(&scope, &arn), expected);
        assert_eq!(address(&scope, &format!("{arn}:live")), expected);
    }

    #[test]
    fn a_mapping_of_another_stage_or_of_no_function_has_no_address() {
        let scope = Scope::example();
        let other = scope.arn("lambda", "function:chat-prod-echo:live");
        assert_eq!(address(&scope, &other), None);
        assert_eq!(address(&scope, "chat-dev-echo"), None);
        assert_eq!(address(&scope, ""), None);
    }

    #[test]
    fn a_mapping_on_its_way_to_enabled_counts_as_enabled() {
        let enabled = |state: &str| {
            properties(&Mapping::builder().state(state).build(), BTreeMap::new()).enabled
        };
        assert!(enabled("Creating") && enabled("Enabling") && enabled("Updating"));
        assert!(!enabled("Disabling") && !enabled("Disabled"));
    }

    #[test]
    fn no_concurrency_limit_reads_as_none() {
        let mapping = |scaling: Option<ScalingConfig>| {
            let mapping = Mapping::builder().set_scaling_config(scaling).build();
            properties(&mapping, BTreeMap::new()).max_concurrency
        };
        assert_eq!(mapping(None), None);
        assert_eq!(mapping(Some(ScalingConfig::builder().build())), None);
        let limit = ScalingConfig::builder().maximum_concurrency(20).build();
        assert_eq!(mapping(Some(limit)), Some(20));
    }

    #[test]
    fn another_queue_is_a_replacement_and_another_alias_is_not() {
        assert!(EventSourceMappings.is_replaced_by("queue_arn"));
        assert!(!EventSourceMappings.is_replaced_by("function_arn"));
    }
}
