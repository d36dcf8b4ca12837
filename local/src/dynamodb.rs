//! DynamoDB: dynoxide, an embedded library that has its behaviour, with this cloud's account, regions, permissions and delays.
//!
//! One database a region, opened at the first call: SQLite in memory, or a file where the cloud keeps what it holds.

mod settings;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use dynoxide::{Database, DynoxideError};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{
    ACCOUNT,
    call::{Answer, Call},
    clock::Millis,
    cloud::Cloud,
    error::{AwsError, Result},
    fidelity::Delay,
    iam::Permission,
};

/// How the library begins its ARNs, whatever the region.
const LIBRARY_ARN: &str = "arn:aws:dynamodb:dynoxide:000000000000:";
/// How often expired items are swept; on AWS it takes up to two days.
const SWEEP: Duration = Duration::from_mins(1);

/// The service's state.
#[derive(Default)]
pub struct DynamoDb {
    database: Mutex<Option<Database>>,
    /// From when on a table that was made is ACTIVE.
    creating: Mutex<BTreeMap<String, Millis>>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// The region's database, opened if it isn't yet.
    fn database(&self, cloud: &Arc<Cloud>, region: &str) -> Result<Database> {
        let mut database = self.database.lock();
        if let Some(database) = &*database {
            return Ok(database.clone());
        }
        let opened = match file(cloud, region) {
            None => Database::memory(),
            Some(path) => Database::new(&path.to_string_lossy()),
        }
        .map_err(|error| refusal(&error))?;
        let swept = opened.clone();
        cloud.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let database = swept.clone();
                let _ = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
            }
        });
        Ok(database.insert(opened).clone())
    }

    /// Whether a region may have tables: asking it for them opens its database.
    pub fn is_used(&self, cloud: &Cloud, region: &str) -> bool {
        self.database.lock().is_some() || file(cloud, region).is_some_and(|file| file.exists())
    }

    /// Whether a table isn't ACTIVE yet.
    fn is_creating(&self, table: &str) -> bool {
        let mut creating = self.creating.lock();
        match creating.get(table) {
            Some(ready_at) if *ready_at > Millis::now() => true,
            Some(_) => {
                creating.remove(table);
                false
            }
            None => false,
        }
    }
}

/// Where a region's tables are kept, if they are.
fn file(cloud: &Cloud, region: &str) -> Option<PathBuf> {
    Some(
        cloud
            .options
            .keep
            .as_ref()?
            .join(format!("dynamodb-{region}.sqlite")),
    )
}

/// What a call needs first of all; what further tables need is asked in [`call`].
pub fn permission(call: &Call) -> Permission {
    permissions(call).swap_remove(0)
}

/// What a call needs: never nothing.
fn permissions(call: &Call) -> Vec<Permission> {
    let input = &call.input;
    let of = |action: &str, table: &str| Permission {
        action: format!("dynamodb:{action}"),
        resource: arn(call, table),
    };
    let operation = call.operation.as_str();
    let mut needed = Vec::new();
    match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = input.get("RequestItems").and_then(Value::as_object);
            needed.extend(
                tables
                    .into_iter()
                    .flat_map(Map::keys)
                    .map(|table| of(operation, table)),
            );
        }
        // Each part needs what it would need alone.
        "TransactGetItems" | "TransactWriteItems" => {
            let parts = input.get("TransactItems").and_then(Value::as_array);
            for part in parts
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .flatten()
            {
                let action = match part.0.as_str() {
                    "ConditionCheck" => "ConditionCheckItem".to_owned(),
                    kind => format!("{kind}Item"),
                };
                needed.extend(
                    part.1
                        .as_object()
                        .map(|members| of(&action, text(members, "TableName"))),
                );
            }
        }
        "ListTables"
        | "DescribeLimits"
        | "DescribeEndpoints"
        | "ListBackups"
        | "ListContributorInsights"
        | "ListExports"
        | "ListGlobalTables"
        | "ListImports" => {
            needed.push(Permission::of(call, "*"));
        }
        "TagResource" | "UntagResource" | "ListTagsOfResource" => {
            needed.push(Permission::of(call, text(input, "ResourceArn")));
        }
        "Query" | "Scan" => {
            let index = text(input, "IndexName");
            let mut permission = of(operation, text(input, "TableName"));
            if !index.is_empty() {
                permission.resource.push_str("/index/");
                permission.resource.push_str(index);
            }
            needed.push(permission);
        }
        _ => needed.push(of(operation, text(input, "TableName"))),
    }
    if needed.is_empty() {
        needed.push(Permission::of(call, "*"));
    }
    needed
}

/// A table's ARN; tables may be named by it, too.
fn arn(call: &Call, table: &str) -> String {
    if table.starts_with("arn:") {
        table.to_owned()
    } else {
        call.region.arn("dynamodb", &format!("table/{table}"))
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    for permission in permissions(call).iter().skip(1) {
        call.cloud.iam.authorize(call, permission)?;
    }
    let service = &call.region.dynamodb;
    let table = text(&call.input, "TableName").to_owned();
    refuse_what_is_too_early(service, &call.operation, &table)?;
    if let Some(answer) = settings::answer(call) {
        return Ok(answer.into());
    }
    let database = service.database(&call.cloud, &call.region.name)?;
    let operation = call.operation.clone();
    let ours = format!("arn:aws:dynamodb:{}:{ACCOUNT}:", call.region.name);
    let input = Value::Object(call.input.clone())
        .to_string()
        .replace(&ours, LIBRARY_ARN);
    // SQLite waits for nobody: not on the threads that serve everybody else.
    let answer = tokio::task::spawn_blocking(move || {
        if operation == "UpdateTimeToLive" {
            refuse_the_same_time_to_live(&database, &input)?;
        }
        perform(&database, &operation, &input)
    })
    .await
    .map_err(|error| AwsError::new(500, "InternalServerError", error.to_string()))??
    .replace(LIBRARY_ARN, &ours);
    let mut answer: Value = serde_json::from_str(&answer)
        .map_err(|error| AwsError::new(500, "InternalServerError", error.to_string()))?;
    match call.operation.as_str() {
        "CreateTable" => {
            let delay = call.cloud.delays.of(Delay::Table);
            if !delay.is_zero() {
                service
                    .creating
                    .lock()
                    .insert(table, Millis::now().after(delay));
            }
        }
        "DescribeTable" if service.is_creating(&table) => {
            if let Some(status) = answer.pointer_mut("/Table/TableStatus") {
                *status = "CREATING".into();
            }
        }
        "DeleteTable" => {
            service.creating.lock().remove(&table);
        }
        _ => {}
    }
    Ok(answer.into())
}

/// A table that is being made can be described, and nothing else.
fn refuse_what_is_too_early(service: &DynamoDb, operation: &str, table: &str) -> Result<()> {
    if matches!(operation, "CreateTable" | "DescribeTable") || !service.is_creating(table) {
        return Ok(());
    }
    Err(match operation {
        "DeleteTable" | "UpdateTable" | "UpdateTimeToLive" => AwsError::new(
            400,
            "ResourceInUseException",
            format!(
                "Attempt to change a resource which is still in use: Table is being created: {table}"
            ),
        ),
        _ => AwsError::new(
            400,
            "ResourceNotFoundException",
            "Requested resource not found",
        ),
    })
}

/// Turning expiry on where it is on, or off where it is off, is refused, which the library does not do. That both emulators
/// accept it is listed as wrong [oracles 6]; the words are from memory.
fn refuse_the_same_time_to_live(database: &Database, input: &str) -> Result<()> {
    let Ok(input) = serde_json::from_str::<Value>(input) else {
        return Ok(());
    };
    let table = json!({"TableName": input["TableName"]}).to_string();
    // A table that isn't there is the operation's own matter.
    let Ok(now) = perform(database, "DescribeTimeToLive", &table) else {
        return Ok(());
    };
    let now: Value = serde_json::from_str(&now).unwrap_or_default();
    let now = &now["TimeToLiveDescription"];
    let wanted = &input["TimeToLiveSpecification"];
    let is_on = matches!(
        now["TimeToLiveStatus"].as_str(),
        Some("ENABLED" | "ENABLING")
    );
    let message = match (wanted["Enabled"].as_bool(), is_on) {
        (Some(true), true) if now["AttributeName"] == wanted["AttributeName"] => {
            "TimeToLive is already enabled".to_owned()
        }
        (Some(true), true) => format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {}",
            now["AttributeName"].as_str().unwrap_or_default()
        ),
        (Some(false), false) => "TimeToLive is already disabled".to_owned(),
        _ => return Ok(()),
    };
    Err(AwsError::new(400, "ValidationException", message))
}

/// One operation of the library: its request from JSON, its answer as JSON.
fn perform(database: &Database, operation: &str, input: &str) -> Result<String> {
    macro_rules! operations {
        ($($name:literal => $method:ident),+ $(,)?) => {
            match operation {
                $($name => {
                    let request = serde_json::from_str(input).map_err(|error| unread(operation, &error))?;
                    let answer = database.$method(request).map_err(|error| refusal(&error))?;
                    serde_json::to_string(&answer)
                        .map_err(|error| AwsError::new(500, "InternalServerError", error.to_string()))
                })+
                _ => Err(AwsError::unknown_operation("dynamodb", operation)),
            }
        };
    }
    operations! {
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetItem" => get_item,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TagResource" => tag_resource,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UntagResource" => untag_resource,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
}

/// A request that the library can't read, or won't. What it won't, it marks; serde adds the place in the text to that.
fn unread(operation: &str, error: &serde_json::Error) -> AwsError {
    let words = error.to_string();
    let placeless = |words: &str| {
        let end = words.rfind(" at line ").unwrap_or(words.len());
        words[..end].to_owned()
    };
    let (code, words) = match words.split_once(':') {
        Some(("VALIDATION", rest)) => ("ValidationException", placeless(rest)),
        Some(("VALIDATION_AS_READ", rest)) => ("ValidationException", rest.to_owned()),
        Some(("VALIDATION_REQUEST", rest)) => {
            let rest = placeless(rest);
            let wrapped = matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem");
            let envelope = if wrapped {
                "1 validation error detected: "
            } else {
                ""
            };
            ("ValidationException", format!("{envelope}{rest}"))
        }
        Some(("SERIALIZATION", rest)) => ("SerializationException", placeless(rest)),
        Some(("SERIALIZATION_AS_READ", rest)) => ("SerializationException", rest.to_owned()),
        _ => ("SerializationException", words),
    };
    AwsError::new(400, code, words)
}

/// The library's error as ours: code, words and further members are AWS's already.
fn refusal(error: &DynoxideError) -> AwsError {
    let kind = error.error_type();
    let code = kind.rsplit('#').next().unwrap_or(kind);
    let mut refusal = AwsError::new(
        error.status_code(),
        "InternalServerError",
        error.to_string(),
    );
    refusal.code = code.to_owned().into();
    if let Ok(Value::Object(members)) = serde_json::from_str(&error.to_json()) {
        for (name, value) in members {
            if !matches!(name.as_str(), "__type" | "message" | "Message") {
                refusal = refusal.member(&name, value);
            }
        }
    }
    refusal
}

#[cfg(test)]
mod tests;
