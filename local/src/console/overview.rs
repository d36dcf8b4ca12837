//! All that is there, in sections, as the page shows it. Whoever follows is sent the sections that changed.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use serde_json::{Value, json};

use super::page;
use crate::{
    Fidelity,
    call::{Call, Payload, Service},
    cloud::{self, Cloud, Region},
    error::Result,
    iam::Caller,
};

/// So many connections of a region are shown, the oldest first.
const CONNECTIONS: usize = 200;
/// So many tables of a region are shown.
const TABLES: usize = 100;

/// Sections by name.
pub type Sections = BTreeMap<&'static str, Value>;

/// Everything at once.
pub async fn whole(cloud: &Arc<Cloud>) -> Value {
    let mut all = quick(cloud);
    all.insert("tables", tables(cloud).await);
    json!(all)
}

/// What is had without waiting: everything but the tables.
pub fn quick(cloud: &Cloud) -> Sections {
    let regions = cloud.regions();
    let mut sections = Sections::new();
    sections.insert("cloud", about(cloud));
    let mut put = |name, of: &dyn Fn(&Region) -> Vec<Value>| {
        let all: Vec<Value> = regions.iter().flat_map(|region| of(region)).collect();
        sections.insert(name, json!(all));
    };
    put("apis", &|region| placed(region, region.gateway.overview()));
    put("queues", &|region| placed(region, region.sqs.overview()));
    put("functions", &|region| {
        placed(region, region.lambda.function_views())
    });
    put("mappings", &|region| {
        placed(region, region.lambda.mapping_views())
    });
    put("connections", &|region| {
        placed(region, region.sockets.connections(CONNECTIONS))
    });
    put("alarms", &|region| {
        let alarms = region.cloudwatch.alarm_views().into_iter().map(|alarm| {
            json!({
                "name": alarm.name,
                "description": alarm.description,
                "state": alarm.state,
                "reason": alarm.reason,
                "since": alarm.since,
            })
        });
        placed(region, alarms.collect())
    });
    sections.insert(
        "open",
        regions
            .iter()
            .map(|region| region.sockets.count())
            .sum::<usize>()
            .into(),
    );
    sections.insert("roles", json!(cloud.iam.overview()));
    sections
}

fn about(cloud: &Cloud) -> Value {
    json!({
        "id": cloud.id,
        "version": env!("CARGO_PKG_VERSION"),
        "edition": page::edition(),
        "endpoint": cloud.endpoint(),
        "fidelity": match cloud.options.fidelity {
            Fidelity::Instant => "instant",
            Fidelity::Aws => "as slow as AWS",
        },
        "keeps": cloud.options.keep.is_some(),
    })
}

/// Each with the region that it's in.
fn placed<T: Serialize>(region: &Region, all: Vec<T>) -> Vec<Value> {
    all.into_iter()
        .map(|one| {
            let mut one = json!(one);
            if let Some(members) = one.as_object_mut() {
                members.insert("region".to_owned(), json!(region.name));
            }
            one
        })
        .collect()
}

/// The tables with how many items they have. It's asked for less often than the rest: the database has to be waited for.
pub async fn tables(cloud: &Arc<Cloud>) -> Value {
    let mut all = Vec::new();
    for region in cloud.regions() {
        if !region.dynamodb.is_used(cloud, &region.name) {
            continue;
        }
        let input = json!({ "Limit": TABLES });
        let Ok(listed) = ask(cloud, &region, Service::DynamoDb, "ListTables", input).await else {
            continue;
        };
        let names = listed.get("TableNames").and_then(Value::as_array);
        for name in names.into_iter().flatten() {
            let input = json!({ "TableName": name });
            // It may have gone meanwhile.
            if let Ok(table) = ask(cloud, &region, Service::DynamoDb, "DescribeTable", input).await
            {
                all.push(json!({
                    "region": region.name,
                    "name": name,
                    "status": table.pointer("/Table/TableStatus"),
                    "items": table.pointer("/Table/ItemCount"),
                    "keys": table.pointer("/Table/KeySchema"),
                }));
            }
        }
    }
    json!(all)
}

/// A call by the owner.
pub fn call(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    service: Service,
    operation: &str,
    input: Value,
) -> Call {
    let owner = Caller::Owner {
        access_key: "console".to_owned(),
    };
    Call::new(cloud, region, owner, service, operation, input)
}

/// Asks a service as the owner.
async fn ask(
    cloud: &Arc<Cloud>,
    region: &Arc<Region>,
    service: Service,
    operation: &str,
    input: Value,
) -> Result<Value> {
    let answer = cloud::perform(&call(cloud, region, service, operation, input)).await?;
    Ok(match answer.payload {
        Payload::Members(members) => members,
        Payload::Blob(_) | Payload::Stream(_) => Value::Null,
    })
}
