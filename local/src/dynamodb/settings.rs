//! What clients ask of the service itself, and lists of what nobody can make here.

use serde_json::{Value, json};

use crate::call::Call;

/// Answers the question; nothing if the operation isn't one.
pub fn answer(call: &Call) -> Option<Value> {
    Some(match call.operation.as_str() {
        // Clients that look for endpoints go on with the one that they're told.
        "DescribeEndpoints" => json!({ "Endpoints": [{
            "Address": call.cloud.address.to_string(),
            "CachePeriodInMinutes": 1440,
        }] }),
        // An account's first quotas [DynamoDB developer guide, service quotas].
        "DescribeLimits" => json!({
            "AccountMaxReadCapacityUnits": 80_000,
            "AccountMaxWriteCapacityUnits": 80_000,
            "TableMaxReadCapacityUnits": 40_000,
            "TableMaxWriteCapacityUnits": 40_000,
        }),
        "ListBackups" => json!({ "BackupSummaries": [] }),
        "ListContributorInsights" => json!({ "ContributorInsightsSummaries": [] }),
        "ListExports" => json!({ "ExportSummaries": [] }),
        "ListGlobalTables" => json!({ "GlobalTables": [] }),
        "ListImports" => json!({ "ImportSummaryList": [] }),
        _ => return None,
    })
}
