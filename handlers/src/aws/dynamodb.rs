//! The registry's table in DynamoDB: partition key `connection`, sort key `room`, index `by-room`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::retry::Backoff;
use super::{Aws, CallError};
use crate::registry::{Item, OWN_ROOM, Retained};

/// BatchWriteItem's limit of one call.
const DELETES: usize = 25;
/// How often deletes are sent again that DynamoDB handed back.
const ATTEMPTS: u32 = 6;
/// Placeholders for all attribute names: `connection` and `name` are among DynamoDB's reserved words.
const NAMES: [(&str, &str); 4] = [
    ("#c", "connection"),
    ("#r", "room"),
    ("#e", "expires"),
    ("#n", "name"),
];

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    aws: Aws,
    name: String,
}

impl Table {
    pub fn new(aws: Aws, name: String) -> Self {
        Self { aws, name }
    }

    pub async fn put(&self, item: &Item) -> Result<(), CallError> {
        let mut attributes = key(&item.connection, &item.room);
        attributes.insert("expires".into(), number(item.expires));
        if let Some(name) = &item.name {
            attributes.insert("name".into(), json!({"S": name}));
        }
        self.call("PutItem", json!({"Item": attributes}))
            .await
            .map(drop)
    }

    /// Reads an item as it is now, not as it was a moment ago.
    pub async fn get(&self, connection: &str, room: &str) -> Result<Option<Item>, CallError> {
        let input = json!({"Key": key(connection, room), "ConsistentRead": true});
        let answer = self.call("GetItem", input).await?;
        Ok(answer.get("Item").and_then(item))
    }

    /// Writes a room's last text, unless there is one that was sent later: that isn't an error.
    pub async fn put_retained(&self, room: &str, retained: &Retained) -> Result<(), CallError> {
        let (connection, own) = Retained::key(room);
        let mut attributes = key(&connection, &own);
        attributes.insert("expires".into(), number(retained.expires));
        attributes.insert("sent".into(), number(retained.sent));
        attributes.insert("text".into(), json!({"S": retained.text}));
        let put = self.call(
            "PutItem",
            json!({
                "Item": attributes,
                "ConditionExpression": "attribute_not_exists(#s) OR #s <= :s",
                "ExpressionAttributeNames": {"#s": "sent"},
                "ExpressionAttributeValues": {":s": number(retained.sent)},
            }),
        );
        match put.await {
            Err(CallError::Refused { code, .. }) if code == "ConditionalCheckFailedException" => {
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// A room's last text, as it is now.
    pub async fn retained(&self, room: &str) -> Result<Option<Retained>, CallError> {
        let (connection, own) = Retained::key(room);
        let input = json!({"Key": key(&connection, &own), "ConsistentRead": true});
        let answer = self.call("GetItem", input).await?;
        Ok(answer.get("Item").and_then(retained))
    }

    pub async fn delete(&self, connection: &str, room: &str) -> Result<(), CallError> {
        self.call("DeleteItem", json!({"Key": key(connection, room)}))
            .await
            .map(drop)
    }

    /// All items of a connection, as they are now.
    pub async fn of_connection(&self, connection: &str) -> Result<Vec<Item>, CallError> {
        self.query(&json!({
            "ConsistentRead": true,
            "KeyConditionExpression": "#c = :key",
            "ExpressionAttributeValues": {":key": {"S": connection}},
        }))
        .await
    }

    /// All items of a room. The index is a moment behind the table.
    pub async fn of_room(&self, room: &str) -> Result<Vec<Item>, CallError> {
        self.query(&json!({
            "IndexName": "by-room",
            "KeyConditionExpression": "#r = :key",
            "ExpressionAttributeValues": {":key": {"S": room}},
        }))
        .await
    }

    /// Deletes the items, 25 a call. DynamoDB hands back what it has no capacity for.
    pub async fn delete_all(&self, items: &[Item]) -> Result<(), CallError> {
        for chunk in items.chunks(DELETES) {
            let deletes: Vec<Value> = chunk
                .iter()
                .map(|item| json!({"DeleteRequest": {"Key": key(&item.connection, &item.room)}}))
                .collect();
            let mut requests = json!({ &self.name: deletes });
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
            loop {
                let input = json!({ "RequestItems": requests });
                let mut answer = self
                    .aws
                    .json("dynamodb", "DynamoDB_20120810.BatchWriteItem", &input)
                    .await?;
                requests = answer
                    .get_mut("UnprocessedItems")
                    .map(Value::take)
                    .unwrap_or_default();
                if requests.as_object().is_none_or(Map::is_empty) {
                    break;
                }
                if backoff.attempts() + 1 >= ATTEMPTS {
                    return Err(CallError::Refused {
                        call: "DynamoDB_20120810.BatchWriteItem".into(),
                        status: 200,
                        code: "UnprocessedItems".into(),
                        message: "the table has no capacity left".into(),
                    });
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
        Ok(())
    }

    async fn query(&self, condition: &Value) -> Result<Vec<Item>, CallError> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut input = condition.clone();
            input["ProjectionExpression"] = "#c, #r, #e, #n".into();
            input["ExpressionAttributeNames"] = NAMES
                .iter()
                .map(|(k, v)| ((*k).to_owned(), json!(v)))
                .collect();
            if !start.is_null() {
                input["ExclusiveStartKey"] = start;
            }
            let mut answer = self.call("Query", input).await?;
            items.extend(
                answer
                    .get("Items")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(item),
            );
            start = answer
                .get_mut("LastEvaluatedKey")
                .map(Value::take)
                .unwrap_or_default();
            if start.is_null() {
                return Ok(items);
            }
        }
    }

    async fn call(&self, operation: &str, mut input: Value) -> Result<Value, CallError> {
        input["TableName"] = self.name.as_str().into();
        self.aws
            .json(
                "dynamodb",
                &format!("DynamoDB_20120810.{operation}"),
                &input,
            )
            .await
    }
}

fn key(connection: &str, room: &str) -> Map<String, Value> {
    [("connection", connection), ("room", room)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!({"S": value})))
        .collect()
}

fn number(value: u64) -> Value {
    json!({"N": value.to_string()})
}

/// An item of the table; `None` for one that isn't ours to read.
fn item(attributes: &Value) -> Option<Item> {
    let text = |name: &str| attributes.get(name)?.get("S")?.as_str().map(str::to_owned);
    let expires = attributes
        .get("expires")
        .and_then(|e| e.get("N")?.as_str()?.parse().ok());
    Some(Item {
        connection: text("connection")?,
        room: text("room").unwrap_or_else(|| OWN_ROOM.to_owned()),
        expires: expires.unwrap_or(u64::MAX),
        name: text("name"),
    })
}

/// A room's last text; `None` for an item that isn't one.
fn retained(attributes: &Value) -> Option<Retained> {
    let number = |name: &str| attributes.get(name)?.get("N")?.as_str()?.parse().ok();
    Some(Retained {
        text: attributes.get("text")?.get("S")?.as_str()?.to_owned(),
        sent: number("sent")?,
        expires: number("expires")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_without_an_expiry_is_still_a_connection() {
        let read = item(&json!({"connection": {"S": "a="}, "room": {"S": "*"}})).unwrap();
        assert_eq!(read.expires, u64::MAX);
        assert!(item(&json!({"room": {"S": "*"}})).is_none());
        assert!(item(&json!({"connection": {"N": "1"}})).is_none());
    }
}
