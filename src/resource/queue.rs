//! SQS queues, standard and FIFO.
//!
//! A queue's type is fixed: `.fifo` at the end of its name. Limits: a name of 80 characters with that; visibility 0 to
//! 43,200 s; retention 60 to 1,209,600 s; 1 to 1,000 receives before the dead-letter queue, which is of the same type
//! [SQS model]. A deleted queue's name is free again after 60 s.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use futures::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Attributes, Context, Observed, Owner, Permission, Replacement, Resource, api, deployment,
    event_source_mapping, function, integration, parse, retag, stage, touches, unless_gone,
};
use crate::{
    aws::{Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Queues`].
pub const KIND: &str = "queue";

/// What the names of FIFO queues end with.
pub const FIFO: &str = ".fifo";

const LIST: Operation = Operation::read(Service::Sqs, "ListQueues");
const GET: Operation = Operation::read(Service::Sqs, "GetQueueAttributes");
const LIST_TAGS: Operation = Operation::read(Service::Sqs, "ListQueueTags");
/// The same name with the same attributes answers the same queue, so the call may be repeated [SQS model].
const CREATE: Operation = Operation::put(Service::Sqs, "CreateQueue");
const SET: Operation = Operation::put(Service::Sqs, "SetQueueAttributes");
const TAG: Operation = Operation::put(Service::Sqs, "TagQueue");
const UNTAG: Operation = Operation::put(Service::Sqs, "UntagQueue");
const DELETE: Operation = Operation::put(Service::Sqs, "DeleteQueue");

/// Queues in an answer of ListQueues, which pages only if it's told how many [SQS model].
const PAGE: i32 = 1000;

/// A queue's properties.
///
/// Encryption isn't among them: SQS encrypts by itself, and shows it though nobody asked [SQSG].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Seconds that a received message stays hidden.
    pub visibility_timeout_s: u32,
    /// Seconds that a message is kept.
    pub retention_s: u32,
    /// Where messages go that can't be handled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_letter: Option<DeadLetter>,
    /// What only a FIFO queue has; every FIFO queue has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fifo: Option<Fifo>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// Where messages go that can't be handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The dead-letter queue's ARN.
    pub queue_arn: Text,
    /// How often a message is received before it goes there.
    pub max_receives: u32,
}

/// How a FIFO queue orders and deduplicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// `messageGroup` or `queue`.
    pub deduplication_scope: String,
    /// `perMessageGroupId` or `perQueue`.
    pub throughput_limit: String,
    /// Whether equal bodies are duplicates.
    pub content_based_deduplication: bool,
}

impl Fifo {
    /// High throughput: each message group has a limit of its own, and every message brings its deduplication id.
    pub fn high_throughput() -> Self {
        Self {
            deduplication_scope: "messageGroup".to_owned(),
            throughput_limit: "perMessageGroupId".to_owned(),
            content_based_deduplication: false,
        }
    }
}

/// The stage's queues.
pub struct Queues;

#[async_trait]
impl Resource for Queues {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![
            Permission::anywhere("sqs", &["ListQueues"]),
            Permission::on(
                "sqs",
                &[
                    "CreateQueue",
                    "DeleteQueue",
                    "GetQueueAttributes",
                    "ListQueueTags",
                    "SetQueueAttributes",
                    "TagQueue",
                    "UntagQueue",
                ],
                [scope.every_arn("sqs", "")],
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let aws = survey.aws;
        let prefix = survey.scope.prefix();
        let urls = aws
            .pages(
                LIST,
                |token| {
                    aws.sqs
                        .list_queues()
                        .queue_name_prefix(&prefix)
                        .max_results(PAGE)
                        .set_next_token(token)
                        .send()
                },
                |page| (page.queue_urls, page.next_token),
            )
            .await?;
        // A queue is listed for up to a minute after it was deleted, and then isn't found [SQS model].
        let observed = urls
            .iter()
            .filter_map(|url| Some((url, address(survey.scope, name_in(url))?)))
            .map(|(url, address)| async move { unless_gone(observe(survey, address, url).await) });
        let mut found: Vec<_> = try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect();
        // After a replacement that was cut off there are two queues at one address: the newer one is kept.
        found.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
        Ok(found.into_iter().map(|(_, queue)| queue).collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let queue: Queue = parse(desired)?;
        let sqs = &context.aws.sqs;
        let mut attributes = all_attributes(&queue);
        // A standard queue refuses FifoQueue=false, and CreateQueue an empty policy.
        if queue.fifo.is_some() {
            attributes.push((Name::FifoQueue, "true".to_owned()));
        }
        attributes.retain(|(_, value)| !value.is_empty());
        let attributes = attributes.into_iter().collect();
        let tags = queue.tags.clone().into_iter().collect();
        let settles = [
            Settle {
                fragment: "QueueDeletedRecently",
                waits_for: "SQS to free the deleted queue's name, which takes 60 seconds",
                // The pauses between attempts are up to 20 s, and one attempt must come after the 60.
                budget: Duration::from_secs(85),
            },
            DEAD_LETTER_MISSING,
        ];
        let created = context
            .settle(CREATE, &settles, || {
                sqs.create_queue()
                    .queue_name(&queue.name)
                    .set_attributes(Some(Clone::clone(&attributes)))
                    .set_tags(Some(Clone::clone(&tags)))
                    .send()
            })
            .await?;
        let url = created.queue_url.unwrap_or_default();
        let answer = context
            .settle(GET, &NOT_VISIBLE, || {
                sqs.get_queue_attributes()
                    .queue_url(&url)
                    .attribute_names(Name::QueueArn)
                    .send()
            })
            .await?;
        let arn = answer
            .attributes()
            .and_then(|attributes| attributes.get(&Name::QueueArn))
            .cloned()
            .unwrap_or_else(|| context.scope.arn("sqs", &queue.name));
        Ok(Attributes::from([
            ("arn".to_owned(), arn),
            ("url".to_owned(), url),
        ]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let queue: Queue = parse(desired)?;
        let sqs = &context.aws.sqs;
        let url = observed.attribute("url");
        let attributes = changed_attributes(&queue, fields);
        if !attributes.is_empty() {
            let attributes = attributes.into_iter().collect();
            let [json, query] = NOT_VISIBLE;
            context
                .settle(SET, &[DEAD_LETTER_MISSING, json, query], || {
                    sqs.set_queue_attributes()
                        .queue_url(url)
                        .set_attributes(Some(Clone::clone(&attributes)))
                        .send()
                })
                .await?;
        }
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &queue.tags,
            |tags| sqs.tag_queue().queue_url(url).set_tags(Some(tags)).send(),
            |keys| {
                sqs.untag_queue()
                    .queue_url(url)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let url = observed.attribute("url");
        context
            .remove(DELETE, &[], || {
                context.aws.sqs.delete_queue().queue_url(url).send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "name"
    }

    fn replacement(&self) -> Replacement {
        Replacement::CreateFirst
    }

    /// Whoever sends to it or takes from it goes first.
    ///
    /// A stage sends to what its deployment says, so that the new deployment must be live.
    fn deleted_after(&self) -> &'static [&'static str] {
        &[
            event_source_mapping::KIND,
            function::KIND,
            integration::KIND,
            deployment::KIND,
            stage::KIND,
            api::KIND,
        ]
    }

    /// The messages that are in the queue, as far as SQS knows: the counts lag by a minute [SQS model].
    async fn data_at_risk(
        &self,
        context: &Context<'_>,
        observed: &Observed,
    ) -> Result<Option<String>, Error> {
        let url = observed.attribute("url");
        let answer = context
            .call(GET, || {
                context
                    .aws
                    .sqs
                    .get_queue_attributes()
                    .queue_url(url)
                    .attribute_names(Name::ApproximateNumberOfMessages)
                    .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
                    .attribute_names(Name::ApproximateNumberOfMessagesDelayed)
                    .send()
            })
            .await;
        let messages: u64 = unless_gone(answer)?
            .and_then(|answer| answer.attributes)
            .unwrap_or_default()
            .values()
            .filter_map(|count| count.parse::<u64>().ok())
            .sum();
        Ok(match messages {
            0 => None,
            1 => Some("1 message".to_owned()),
            _ => Some(format!("{messages} messages")),
        })
    }
}

/// A queue that was just made isn't found everywhere for some 20 s [aws-facts 3.4]; one error, two protocols' names.
const NOT_VISIBLE: [Settle; 2] = {
    let settle = Settle {
        fragment: "QueueDoesNotExist",
        waits_for: "the queue to be visible",
        budget: Duration::from_mins(1),
    };
    [
        settle,
        Settle {
            fragment: "NonExistentQueue",
            ..settle
        },
    ]
};

/// The same for the queue that is named as dead-letter queue [LS snapshot, TF].
const DEAD_LETTER_MISSING: Settle = Settle {
    fragment: "Dead letter target does not exist",
    waits_for: "the dead-letter queue to be visible",
    budget: Duration::from_mins(1),
};

/// A queue, and when it was made, in seconds since 1970.
async fn observe(
    survey: &Survey<'_>,
    address: Address,
    url: &str,
) -> Result<(u64, Observed), Error> {
    let (aws, scope) = (survey.aws, survey.scope);
    let name = name_in(url);
    let attributes = aws.call(GET, || {
        aws.sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Name::All)
            .send()
    });
    let tags = aws.call(LIST_TAGS, || {
        aws.sqs.list_queue_tags().queue_url(url).send()
    });
    let (attributes, tags) = try_join(attributes, tags).await?;
    let attributes = attributes.attributes.unwrap_or_default();
    let text = |key: &Name| attributes.get(key).map(String::as_str);
    let seconds = |key: &Name| {
        text(key)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    };
    let properties = Queue {
        name: name.to_owned(),
        visibility_timeout_s: seconds(&Name::VisibilityTimeout),
        retention_s: seconds(&Name::MessageRetentionPeriod),
        dead_letter: text(&Name::RedrivePolicy).and_then(dead_letter),
        // Queues that were made before high throughput existed have no scope and no limit; theirs are these.
        fifo: name.ends_with(FIFO).then(|| Fifo {
            deduplication_scope: text(&Name::DeduplicationScope)
                .unwrap_or("queue")
                .to_owned(),
            throughput_limit: text(&Name::FifoThroughputLimit)
                .unwrap_or("perQueue")
                .to_owned(),
            content_based_deduplication: text(&Name::ContentBasedDeduplication) == Some("true"),
        }),
        tags: tags.tags.unwrap_or_default().into_iter().collect(),
    };
    let arn = text(&Name::QueueArn).map_or_else(|| scope.arn("sqs", name), str::to_owned);
    let made = text(&Name::CreatedTimestamp)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let observed = Observed::new(address, &arn, &properties)
        .with("arn", arn)
        .with("url", url)
        .owned_by(Owner::by_tags(scope, &properties.tags));
    Ok((made, observed))
}

/// What SQS is told of a queue; an empty redrive policy is none.
fn all_attributes(queue: &Queue) -> Vec<(Name, String)> {
    let mut attributes = vec![
        (
            Name::VisibilityTimeout,
            queue.visibility_timeout_s.to_string(),
        ),
        (Name::MessageRetentionPeriod, queue.retention_s.to_string()),
        (
            Name::RedrivePolicy,
            queue
                .dead_letter
                .as_ref()
                .map(redrive_policy)
                .unwrap_or_default(),
        ),
    ];
    // A standard queue refuses attributes that only FIFO queues have, whatever their values [LS snapshot].
    if let Some(fifo) = &queue.fifo {
        attributes.extend([
            (Name::DeduplicationScope, fifo.deduplication_scope.clone()),
            (Name::FifoThroughputLimit, fifo.throughput_limit.clone()),
            (
                Name::ContentBasedDeduplication,
                fifo.content_based_deduplication.to_string(),
            ),
        ]);
    }
    attributes
}

/// What SQS is told when `fields` have changed.
///
/// The throughput limit is only valid with its scope, so that what only FIFO queues have is told together.
fn changed_attributes(queue: &Queue, fields: &[FieldChange]) -> Vec<(Name, String)> {
    let mut attributes = all_attributes(queue);
    attributes.retain(|(name, _)| {
        touches(
            fields,
            match name {
                Name::VisibilityTimeout => "visibility_timeout_s",
                Name::MessageRetentionPeriod => "retention_s",
                Name::RedrivePolicy => "dead_letter",
                _ => "fifo",
            },
        )
    });
    attributes
}

fn redrive_policy(dead_letter: &DeadLetter) -> String {
    json!({
        "deadLetterTargetArn": dead_letter.queue_arn,
        "maxReceiveCount": dead_letter.max_receives,
    })
    .to_string()
}

/// Reads a redrive policy, whose count SQS echoes as it was sent, as a number or as a text [LS snapshot].
fn dead_letter(policy: &str) -> Option<DeadLetter> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = &policy["maxReceiveCount"];
    let max_receives = match count.as_str() {
        Some(text) => text.parse().ok()?,
        None => u32::try_from(count.as_u64()?).ok()?,
    };
    Some(DeadLetter {
        queue_arn: policy["deadLetterTargetArn"].as_str()?.into(),
        max_receives,
    })
}

/// The name in a queue's URL.
fn name_in(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// The address of the queue called `name`: a queue and its FIFO successor have one.
fn address(scope: &Scope, name: &str) -> Option<Address> {
    let thing = scope.thing(name)?;
    Some(Address::new(
        KIND,
        thing.strip_suffix(FIFO).unwrap_or(thing),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::plan::differences, resource::to_value};

    fn queue() -> Queue {
        Queue {
            name: "chat-dev-echo".into(),
            visibility_timeout_s: 60,
            retention_s: 345_600,
            dead_letter: Some(DeadLetter {
                queue_arn: "arn:aws:sqs:eu-west-1:123456789012:chat-dev-echo-dlq".into(),
                max_receives: 5,
            }),
            fifo: None,
            tags: BTreeMap::new(),
        }
    }

    fn fields(before: &Queue, after: &Queue) -> Vec<FieldChange> {
        let observed = Observed::new(Address::new(KIND, "echo"), "x", before);
        differences(&Queues, Some(&observed), &to_value(after))
    }

    #[test]
    fn a_redrive_policy_reads_back_as_it_was_written() {
        let wanted = queue().dead_letter.unwrap();
        assert_eq!(dead_letter(&redrive_policy(&wanted)), Some(wanted));
    }

    #[test]
    fn a_receive_count_may_be_a_text() {
        let read = |policy| dead_letter(policy).map(|dead_letter| dead_letter.max_receives);
        assert_eq!(
            read(r#"{"maxReceiveCount":"7","deadLetterTargetArn":"arn:x"}"#),
            Some(7)
        );
        assert_eq!(
            read(r#"{"deadLetterTargetArn":"arn:x","maxReceiveCount":7}"#),
            Some(7)
        );
        assert_eq!(read(""), None);
        assert_eq!(
            read(r#"{"maxReceiveCount":-1,"deadLetterTargetArn":"arn:x"}"#),
            None
        );
    }

    #[test]
    fn a_standard_queue_is_told_nothing_about_fifo() {
        let names: Vec<Name> = all_attributes(&queue())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                Name::VisibilityTimeout,
                Name::MessageRetentionPeriod,
                Name::RedrivePolicy
            ]
        );
    }

    #[test]
    fn only_what_changed_is_told() {
        let before = queue();
        let mut after = queue();
        after.visibility_timeout_s = 90;
        assert_eq!(
            changed_attributes(&after, &fields(&before, &after)),
            [(Name::VisibilityTimeout, "90".to_owned())]
        );
    }

    #[test]
    fn a_dropped_dead_letter_queue_is_told_as_an_empty_policy() {
        let before = queue();
        let mut after = queue();
        after.dead_letter = None;
        assert_eq!(
            changed_attributes(&after, &fields(&before, &after)),
            [(Name::RedrivePolicy, String::new())]
        );
    }

    #[test]
    fn a_fifo_queues_limit_is_told_with_its_scope() {
        let mut before = queue();
        before.fifo = Some(Fifo {
            throughput_limit: "perQueue".into(),
            ..Fifo::high_throughput()
        });
        let mut after = queue();
        after.fifo = Some(Fifo::high_throughput());
        let told = changed_attributes(&after, &fields(&before, &after));
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.contains(&(Name::DeduplicationScope, "messageGroup".to_owned())));
        assert!(told.contains(&(Name::FifoThroughputLimit, "perMessageGroupId".to_owned())));
    }

    #[test]
    fn a_queue_and_its_fifo_successor_have_one_address() {
        let scope = Scope::example();
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/chat-dev-echo.fifo";
        assert_eq!(
            address(&scope, name_in(url)),
            address(&scope, "chat-dev-echo")
        );
        assert_eq!(address(&scope, "chat-prod-echo"), None);
    }
}
