//! The DynamoDB table that registers connections: on demand, string keys, one index, a time to live.
//!
//! Keys and index are fixed here: a table that differs in them is deleted and made anew. Limits: a name of 255
//! characters; time to live is changed once an hour at most, and only when the table is active [DynamoDB model].

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::describe_table::DescribeTableOutput,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexDescription,
        KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType, Select,
        TableDescription, TableStatus, Tag, TimeToLiveDescription, TimeToLiveSpecification,
        TimeToLiveStatus,
    },
};
use futures::future::try_join;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api, event_source_mapping,
    function, parse, retag, stage, touches, unless_gone,
};
use crate::{
    aws::{Aws, Error, Operation, Service},
    engine::{address::Address, plan::FieldChange, scope::Scope, survey::Survey},
};

/// The kind of [`Tables`].
pub const KIND: &str = "table";

/// The one table that a stage may have.
///
/// ListTables knows no prefix, so that tables are looked for by name.
pub const CONNECTIONS: &str = "connections";

const GET: Operation = Operation::read(Service::DynamoDb, "DescribeTable");
const GET_TTL: Operation = Operation::read(Service::DynamoDb, "DescribeTimeToLive");
const LIST_TAGS: Operation = Operation::read(Service::DynamoDb, "ListTagsOfResource");
const COUNT: Operation = Operation::read(Service::DynamoDb, "Scan");
const CREATE: Operation = Operation::create(Service::DynamoDb, "CreateTable");
/// DynamoDB refuses a second identical call, so that a lost answer must be looked into.
const PUT_TTL: Operation = Operation::create(Service::DynamoDb, "UpdateTimeToLive");
const TAG: Operation = Operation::put(Service::DynamoDb, "TagResource");
const UNTAG: Operation = Operation::put(Service::DynamoDb, "UntagResource");
const DELETE: Operation = Operation::put(Service::DynamoDb, "DeleteTable");

/// How long a table may take to be made or to be gone; mostly it's some ten seconds.
const PATIENCE: Duration = Duration::from_mins(10);

/// Items beyond which nobody counts.
const MANY: i32 = 1000;

/// A table's properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The attribute that is its partition key.
    pub partition_key: String,
    /// The attribute that is its sort key.
    pub sort_key: String,
    /// Its one global secondary index, which holds all attributes.
    pub index: Index,
    /// The attribute that holds an item's end, in seconds since 1970.
    pub ttl_attribute: String,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub tags: BTreeMap<String, String>,
}

/// A global secondary index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The attribute that is its partition key.
    pub partition_key: String,
    /// The attribute that is its sort key.
    pub sort_key: String,
}

/// The stage's table.
pub struct Tables;

#[async_trait]
impl Resource for Tables {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![Permission::on(
            "dynamodb",
            &[
                "CreateTable",
                "DeleteTable",
                "DescribeTable",
                "DescribeTimeToLive",
                "ListTagsOfResource",
                "Scan",
                "TagResource",
                "UntagResource",
                "UpdateTimeToLive",
            ],
            [scope.every_arn("dynamodb", "table/")],
        )]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let name = survey.scope.name(CONNECTIONS);
        let Some(table) = describe(survey.aws, &name).await? else {
            return Ok(Vec::new());
        };
        // A table on its way out is as good as gone: making it anew waits for its end.
        if table.table_status() == Some(&TableStatus::Deleting) {
            return Ok(Vec::new());
        }
        let observed = unless_gone(observe(survey, &name, &table).await)?;
        Ok(observed.into_iter().collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let table: Table = parse(desired)?;
        let dynamodb = &context.aws.dynamodb;
        let key = key_schema(&table.partition_key, &table.sort_key)?;
        let attributes = attribute_definitions(&table)?;
        let index = GlobalSecondaryIndex::builder()
            .index_name(&table.index.name)
            .set_key_schema(Some(key_schema(
                &table.index.partition_key,
                &table.index.sort_key,
            )?))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::All)
                    .build(),
            )
            .build()
            .map_err(|error| Error::unexpected(CREATE, error.to_string()))?;
        let tags = tags(table.tags.clone());
        let created = context
            .call(CREATE, || {
                dynamodb
                    .create_table()
                    .table_name(&table.name)
                    .billing_mode(BillingMode::PayPerRequest)
                    .set_key_schema(Some(key.clone()))
                    .set_attribute_definitions(Some(attributes.clone()))
                    .global_secondary_indexes(index.clone())
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await?;
        until_active(context, &table.name).await?;
        set_ttl(context, &table).await?;
        let arn = created
            .table_description
            .and_then(|table| table.table_arn)
            .unwrap_or_else(|| arn(context.scope, &table.name));
        Ok(Attributes::from([("arn".to_owned(), arn)]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let table: Table = parse(desired)?;
        let dynamodb = &context.aws.dynamodb;
        // A run that was cut off may have left it in the making.
        until_active(context, &table.name).await?;
        if touches(fields, "ttl_attribute") {
            set_ttl(context, &table).await?;
        }
        let arn = observed.attribute("arn");
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &table.tags,
            |set| {
                dynamodb
                    .tag_resource()
                    .resource_arn(arn)
                    .set_tags(Some(tags(set)))
                    .send()
            },
            |keys| {
                dynamodb
                    .untag_resource()
                    .resource_arn(arn)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        Ok(Attributes::new())
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let name = observed.properties["name"].as_str().unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                context.aws.dynamodb.delete_table().table_name(name).send()
            })
            .await?;
        (context.notify)("the table to be gone");
        context
            .aws
            .wait(GET, "the table's end", PATIENCE, || async {
                Ok(describe(context.aws, name).await?.is_none().then_some(()))
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        matches!(path, "name" | "partition_key" | "sort_key")
            || path == "index"
            || path.starts_with("index.")
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        &[
            function::KIND,
            event_source_mapping::KIND,
            stage::KIND,
            api::KIND,
        ]
    }

    /// The items in the table: counted, since DynamoDB's own count is hours old [DynamoDB model].
    async fn data_at_risk(
        &self,
        context: &Context<'_>,
        observed: &Observed,
    ) -> Result<Option<String>, Error> {
        let name = observed.properties["name"].as_str().unwrap_or_default();
        let mut items = 0;
        let mut start = None;
        loop {
            let page = context
                .call(COUNT, || {
                    context
                        .aws
                        .dynamodb
                        .scan()
                        .table_name(name)
                        .select(Select::Count)
                        .limit(MANY)
                        .set_exclusive_start_key(Clone::clone(&start))
                        .send()
                })
                .await;
            let Some(page) = unless_gone(page)? else {
                return Ok(None);
            };
            items += page.count;
            start = page.last_evaluated_key;
            if start.is_none() || items >= MANY {
                return Ok(at_risk(items, start.is_some()));
            }
        }
    }
}

/// What would be lost with `items`, if `more` may follow.
fn at_risk(items: i32, more: bool) -> Option<String> {
    match items {
        0 => None,
        1 => Some("1 item".to_owned()),
        _ if more => Some(format!("{items} items or more")),
        _ => Some(format!("{items} items")),
    }
}

async fn describe(aws: &Aws, name: &str) -> Result<Option<TableDescription>, Error> {
    let answer = aws
        .call(GET, || {
            aws.dynamodb.describe_table().table_name(name).send()
        })
        .await;
    Ok(unless_gone(answer)?.and_then(|DescribeTableOutput { table, .. }| table))
}

async fn describe_ttl(aws: &Aws, name: &str) -> Result<Option<TimeToLiveDescription>, Error> {
    let answer = aws
        .call(GET_TTL, || {
            aws.dynamodb.describe_time_to_live().table_name(name).send()
        })
        .await?;
    Ok(answer.time_to_live_description)
}

async fn observe(
    survey: &Survey<'_>,
    name: &str,
    table: &TableDescription,
) -> Result<Observed, Error> {
    let aws = survey.aws;
    let arn = table
        .table_arn()
        .map_or_else(|| arn(survey.scope, name), str::to_owned);
    let (tags, ttl) = try_join(all_tags(aws, &arn), describe_ttl(aws, name)).await?;
    let (partition_key, sort_key) = keys(table.key_schema(), table.attribute_definitions());
    let properties = Table {
        name: name.to_owned(),
        partition_key,
        sort_key,
        index: index(table),
        ttl_attribute: ttl.map(ttl_attribute).unwrap_or_default(),
        tags,
    };
    Ok(
        Observed::new(Address::new(KIND, CONNECTIONS), &arn, &properties)
            .with("arn", arn)
            .owned_by(Owner::by_tags(survey.scope, &properties.tags)),
    )
}

async fn all_tags(aws: &Aws, arn: &str) -> Result<BTreeMap<String, String>, Error> {
    let tags = aws
        .pages(
            LIST_TAGS,
            |token| {
                aws.dynamodb
                    .list_tags_of_resource()
                    .resource_arn(arn)
                    .set_next_token(token)
                    .send()
            },
            |page| (page.tags, page.next_token),
        )
        .await?;
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn until_active(context: &Context<'_>, name: &str) -> Result<(), Error> {
    (context.notify)("the table to be active");
    context
        .aws
        .wait(GET, "an active table", PATIENCE, || async {
            // A table that was just made may not be found at first [DynamoDB model].
            let table = describe(context.aws, name).await?;
            let active = table.is_some_and(|table| {
                table.table_status() == Some(&TableStatus::Active)
                    && table.global_secondary_indexes().iter().all(|index| {
                        index
                            .index_status()
                            .is_none_or(|status| status.as_str() == "ACTIVE")
                    })
            });
            Ok(active.then_some(()))
        })
        .await
}

/// Makes the table's time to live what is desired, if it isn't: DynamoDB refuses what changes nothing.
async fn set_ttl(context: &Context<'_>, table: &Table) -> Result<(), Error> {
    let aws = context.aws;
    let set = async |attribute: &str, enabled| {
        let specification = TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(enabled)
            .build()
            .map_err(|error| Error::unexpected(PUT_TTL, error.to_string()))?;
        context
            .call(PUT_TTL, || {
                aws.dynamodb
                    .update_time_to_live()
                    .table_name(&table.name)
                    .time_to_live_specification(specification.clone())
                    .send()
            })
            .await
    };
    let current = async || -> Result<String, Error> {
        let ttl = describe_ttl(aws, &table.name).await?;
        Ok(ttl.map(ttl_attribute).unwrap_or_default())
    };
    let before = current().await?;
    if before == table.ttl_attribute {
        return Ok(());
    }
    if !before.is_empty() {
        set(&before, false).await?;
    }
    if table.ttl_attribute.is_empty() {
        return Ok(());
    }
    match set(&table.ttl_attribute, true).await {
        Ok(_) => Ok(()),
        // The answer was lost, or somebody else did it at the same time.
        Err(_) if current().await? == table.ttl_attribute => Ok(()),
        Err(error) => Err(error),
    }
}

/// The attribute that counts, or nothing if none does or soon none will.
fn ttl_attribute(ttl: TimeToLiveDescription) -> String {
    match ttl.time_to_live_status {
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) => {
            ttl.attribute_name.unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The table's index; of several the first by name that is made like ours.
fn index(table: &TableDescription) -> Index {
    let mut indexes: Vec<&GlobalSecondaryIndexDescription> =
        table.global_secondary_indexes().iter().collect();
    let holds_all = |index: &GlobalSecondaryIndexDescription| {
        index.projection().and_then(Projection::projection_type) == Some(&ProjectionType::All)
    };
    indexes.sort_by_key(|index| (!holds_all(index), index.index_name()));
    indexes
        .first()
        .map(|found| {
            let (partition_key, sort_key) = keys(found.key_schema(), table.attribute_definitions());
            let name = found.index_name().unwrap_or_default();
            Index {
                name: if holds_all(found) {
                    name.to_owned()
                } else {
                    format!("{name} (not all attributes)")
                },
                partition_key,
                sort_key,
            }
        })
        .unwrap_or_default()
}

/// The partition key and the sort key; one that isn't a string shows its type, so that it differs.
fn keys(schema: &[KeySchemaElement], attributes: &[AttributeDefinition]) -> (String, String) {
    let key = |wanted: &KeyType| {
        let name = schema
            .iter()
            .find(|element| element.key_type() == wanted)
            .map(KeySchemaElement::attribute_name)
            .unwrap_or_default();
        match attributes
            .iter()
            .find(|attribute| attribute.attribute_name() == name)
        {
            Some(attribute) if *attribute.attribute_type() != ScalarAttributeType::S => {
                format!("{name} ({})", attribute.attribute_type().as_str())
            }
            _ => name.to_owned(),
        }
    };
    (key(&KeyType::Hash), key(&KeyType::Range))
}

fn key_schema(partition_key: &str, sort_key: &str) -> Result<Vec<KeySchemaElement>, Error> {
    [(partition_key, KeyType::Hash), (sort_key, KeyType::Range)]
        .into_iter()
        .map(|(name, key_type)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(key_type)
                .build()
                .map_err(|error| Error::unexpected(CREATE, error.to_string()))
        })
        .collect()
}

/// Each attribute that is a key, once: DynamoDB refuses others and repetitions [DynamoDB model].
fn attribute_definitions(table: &Table) -> Result<Vec<AttributeDefinition>, Error> {
    let mut names = vec![
        &table.partition_key,
        &table.sort_key,
        &table.index.partition_key,
        &table.index.sort_key,
    ];
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(|error| Error::unexpected(CREATE, error.to_string()))
        })
        .collect()
}

fn tags(tags: impl IntoIterator<Item = (String, String)>) -> Vec<Tag> {
    // A tag with a key and a value is never refused.
    tags.into_iter()
        .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
        .collect()
}

fn arn(scope: &Scope, name: &str) -> String {
    scope.arn("dynamodb", &format!("table/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            name: "chat-dev-connections".into(),
            partition_key: "pk".into(),
            sort_key: "sk".into(),
            index: Index {
                name: "by-connection".into(),
                partition_key: "sk".into(),
                sort_key: "pk".into(),
            },
            ttl_attribute: "expires".into(),
            tags: BTreeMap::new(),
        }
    }

    fn described(projection: ProjectionType) -> TableDescription {
        let table = table();
        TableDescription::builder()
            .set_attribute_definitions(Some(attribute_definitions(&table).unwrap()))
            .global_secondary_indexes(
                GlobalSecondaryIndexDescription::builder()
                    .index_name(&table.index.name)
                    .set_key_schema(Some(
                        key_schema(&table.index.partition_key, &table.index.sort_key).unwrap(),
                    ))
                    .projection(Projection::builder().projection_type(projection).build())
                    .build(),
            )
            .build()
    }

    #[test]
    fn a_key_that_serves_twice_is_defined_once() {
        let attributes = attribute_definitions(&table()).unwrap();
        let names: Vec<&str> = attributes
            .iter()
            .map(AttributeDefinition::attribute_name)
            .collect();
        assert_eq!(names, ["pk", "sk"]);
    }

    #[test]
    fn an_index_reads_back_as_it_was_made() {
        assert_eq!(index(&described(ProjectionType::All)), table().index);
        assert_ne!(index(&described(ProjectionType::KeysOnly)), table().index);
        assert_eq!(
            index(&TableDescription::builder().build()),
            Index::default()
        );
    }

    #[test]
    fn a_number_for_a_key_differs() {
        let schema = key_schema("pk", "sk").unwrap();
        let number = AttributeDefinition::builder()
            .attribute_name("sk")
            .attribute_type(ScalarAttributeType::N)
            .build()
            .unwrap();
        assert_eq!(keys(&schema, &[number]), ("pk".into(), "sk (N)".into()));
    }

    #[test]
    fn a_time_to_live_that_is_being_turned_off_is_none() {
        let ttl = |status| {
            ttl_attribute(
                TimeToLiveDescription::builder()
                    .attribute_name("expires")
                    .time_to_live_status(status)
                    .build(),
            )
        };
        assert_eq!(ttl(TimeToLiveStatus::Enabling), "expires");
        assert_eq!(ttl(TimeToLiveStatus::Disabling), "");
    }

    #[test]
    fn an_index_change_is_a_replacement_and_a_tag_change_is_not() {
        assert!(Tables.is_replaced_by("index.sort_key"));
        assert!(!Tables.is_replaced_by("tags.team"));
        assert!(!Tables.is_replaced_by("ttl_attribute"));
    }

    #[test]
    fn nobody_counts_beyond_many() {
        assert_eq!(at_risk(0, false), None);
        assert_eq!(at_risk(1, false).as_deref(), Some("1 item"));
        assert_eq!(at_risk(1000, true).as_deref(), Some("1000 items or more"));
        assert_eq!(at_risk(1000, false).as_deref(), Some("1000 items"));
    }
}
