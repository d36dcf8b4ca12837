//! The operation's name of a recorded call, by the protocol that it's in.
//!
//! The tables hold what wsless uses, not all of AWS. They are for asking and for faults;
//! `python/model_check.py` finds operations by AWS's own models and doesn't read these.

use super::Call;

/// Method, path, operation. `{}` stands for one segment, `{+}` for all that is left.
const LAMBDA: &[(&str, &str, &str)] = &[
    ("POST", "/2015-03-31/functions", "CreateFunction"),
    ("GET", "/2015-03-31/functions", "ListFunctions"),
    ("GET", "/2015-03-31/functions/{}", "GetFunction"),
    ("DELETE", "/2015-03-31/functions/{}", "DeleteFunction"),
    (
        "GET",
        "/2015-03-31/functions/{}/configuration",
        "GetFunctionConfiguration",
    ),
    (
        "PUT",
        "/2015-03-31/functions/{}/configuration",
        "UpdateFunctionConfiguration",
    ),
    ("PUT", "/2015-03-31/functions/{}/code", "UpdateFunctionCode"),
    (
        "POST",
        "/2015-03-31/functions/{}/versions",
        "PublishVersion",
    ),
    (
        "GET",
        "/2015-03-31/functions/{}/versions",
        "ListVersionsByFunction",
    ),
    ("POST", "/2015-03-31/functions/{}/aliases", "CreateAlias"),
    ("GET", "/2015-03-31/functions/{}/aliases", "ListAliases"),
    ("GET", "/2015-03-31/functions/{}/aliases/{}", "GetAlias"),
    ("PUT", "/2015-03-31/functions/{}/aliases/{}", "UpdateAlias"),
    (
        "DELETE",
        "/2015-03-31/functions/{}/aliases/{}",
        "DeleteAlias",
    ),
    ("POST", "/2015-03-31/functions/{}/policy", "AddPermission"),
    ("GET", "/2015-03-31/functions/{}/policy", "GetPolicy"),
    (
        "DELETE",
        "/2015-03-31/functions/{}/policy/{}",
        "RemovePermission",
    ),
    ("POST", "/2015-03-31/functions/{}/invocations", "Invoke"),
    (
        "PUT",
        "/2017-10-31/functions/{}/concurrency",
        "PutFunctionConcurrency",
    ),
    (
        "DELETE",
        "/2017-10-31/functions/{}/concurrency",
        "DeleteFunctionConcurrency",
    ),
    (
        "GET",
        "/2019-09-30/functions/{}/concurrency",
        "GetFunctionConcurrency",
    ),
    (
        "POST",
        "/2015-03-31/event-source-mappings",
        "CreateEventSourceMapping",
    ),
    (
        "GET",
        "/2015-03-31/event-source-mappings",
        "ListEventSourceMappings",
    ),
    (
        "GET",
        "/2015-03-31/event-source-mappings/{}",
        "GetEventSourceMapping",
    ),
    (
        "PUT",
        "/2015-03-31/event-source-mappings/{}",
        "UpdateEventSourceMapping",
    ),
    (
        "DELETE",
        "/2015-03-31/event-source-mappings/{}",
        "DeleteEventSourceMapping",
    ),
    ("GET", "/2017-03-31/tags/{+}", "ListTags"),
    ("POST", "/2017-03-31/tags/{+}", "TagResource"),
    ("DELETE", "/2017-03-31/tags/{+}", "UntagResource"),
    ("GET", "/2016-08-19/account-settings", "GetAccountSettings"),
];

const API_GATEWAY: &[(&str, &str, &str)] = &[
    ("POST", "/v2/apis", "CreateApi"),
    ("GET", "/v2/apis", "GetApis"),
    ("GET", "/v2/apis/{}", "GetApi"),
    ("PATCH", "/v2/apis/{}", "UpdateApi"),
    ("DELETE", "/v2/apis/{}", "DeleteApi"),
    ("POST", "/v2/apis/{}/integrations", "CreateIntegration"),
    ("GET", "/v2/apis/{}/integrations", "GetIntegrations"),
    ("GET", "/v2/apis/{}/integrations/{}", "GetIntegration"),
    ("PATCH", "/v2/apis/{}/integrations/{}", "UpdateIntegration"),
    ("DELETE", "/v2/apis/{}/integrations/{}", "DeleteIntegration"),
    (
        "POST",
        "/v2/apis/{}/integrations/{}/integrationresponses",
        "CreateIntegrationResponse",
    ),
    (
        "GET",
        "/v2/apis/{}/integrations/{}/integrationresponses",
        "GetIntegrationResponses",
    ),
    (
        "GET",
        "/v2/apis/{}/integrations/{}/integrationresponses/{}",
        "GetIntegrationResponse",
    ),
    (
        "PATCH",
        "/v2/apis/{}/integrations/{}/integrationresponses/{}",
        "UpdateIntegrationResponse",
    ),
    (
        "DELETE",
        "/v2/apis/{}/integrations/{}/integrationresponses/{}",
        "DeleteIntegrationResponse",
    ),
    ("POST", "/v2/apis/{}/routes", "CreateRoute"),
    ("GET", "/v2/apis/{}/routes", "GetRoutes"),
    ("GET", "/v2/apis/{}/routes/{}", "GetRoute"),
    ("PATCH", "/v2/apis/{}/routes/{}", "UpdateRoute"),
    ("DELETE", "/v2/apis/{}/routes/{}", "DeleteRoute"),
    (
        "POST",
        "/v2/apis/{}/routes/{}/routeresponses",
        "CreateRouteResponse",
    ),
    (
        "GET",
        "/v2/apis/{}/routes/{}/routeresponses",
        "GetRouteResponses",
    ),
    (
        "GET",
        "/v2/apis/{}/routes/{}/routeresponses/{}",
        "GetRouteResponse",
    ),
    (
        "PATCH",
        "/v2/apis/{}/routes/{}/routeresponses/{}",
        "UpdateRouteResponse",
    ),
    (
        "DELETE",
        "/v2/apis/{}/routes/{}/routeresponses/{}",
        "DeleteRouteResponse",
    ),
    ("POST", "/v2/apis/{}/authorizers", "CreateAuthorizer"),
    ("GET", "/v2/apis/{}/authorizers", "GetAuthorizers"),
    ("GET", "/v2/apis/{}/authorizers/{}", "GetAuthorizer"),
    ("PATCH", "/v2/apis/{}/authorizers/{}", "UpdateAuthorizer"),
    ("DELETE", "/v2/apis/{}/authorizers/{}", "DeleteAuthorizer"),
    ("POST", "/v2/apis/{}/deployments", "CreateDeployment"),
    ("GET", "/v2/apis/{}/deployments", "GetDeployments"),
    ("GET", "/v2/apis/{}/deployments/{}", "GetDeployment"),
    ("DELETE", "/v2/apis/{}/deployments/{}", "DeleteDeployment"),
    ("POST", "/v2/apis/{}/stages", "CreateStage"),
    ("GET", "/v2/apis/{}/stages", "GetStages"),
    ("GET", "/v2/apis/{}/stages/{}", "GetStage"),
    ("PATCH", "/v2/apis/{}/stages/{}", "UpdateStage"),
    ("DELETE", "/v2/apis/{}/stages/{}", "DeleteStage"),
    (
        "DELETE",
        "/v2/apis/{}/stages/{}/accesslogsettings",
        "DeleteAccessLogSettings",
    ),
    (
        "DELETE",
        "/v2/apis/{}/stages/{}/routesettings/{}",
        "DeleteRouteSettings",
    ),
    ("GET", "/v2/tags/{+}", "GetTags"),
    ("POST", "/v2/tags/{+}", "TagResource"),
    ("DELETE", "/v2/tags/{+}", "UntagResource"),
    ("GET", "/account", "GetAccount"),
    ("PATCH", "/account", "UpdateAccount"),
];

/// S3's subresources: the key in the query and what it names.
const S3_PARTS: &[(&str, &str)] = &[
    ("versioning", "BucketVersioning"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("encryption", "BucketEncryption"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("policy", "BucketPolicy"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("location", "BucketLocation"),
];

/// Prefixes of operations that read. `AssumeRole` and the like change nothing that a deployment owns.
const READS: &[&str] = &[
    "Get",
    "List",
    "Describe",
    "Head",
    "BatchGet",
    "Query",
    "Scan",
    "Filter",
    "Simulate",
    "Lookup",
    "AssumeRole",
    "Test",
];

/// The name of what is called.
pub(super) fn operation(call: &Call) -> String {
    by_target(call)
        .or_else(|| by_rpc_path(call))
        .or_else(|| by_action(call))
        .or_else(|| by_table(call))
        .unwrap_or_else(|| format!("{} {}", call.method, call.path))
}

/// True if the operation can't change anything. Unnamed ones are judged by their method.
pub(super) fn only_reads(method: &str, operation: &str) -> bool {
    if operation.contains(' ') {
        return matches!(method, "GET" | "HEAD");
    }
    READS.iter().any(|prefix| operation.starts_with(prefix))
}

/// JSON protocols: `X-Amz-Target: AmazonSQS.SendMessage`.
fn by_target(call: &Call) -> Option<String> {
    let target = call.header("x-amz-target")?;
    Some(target.rsplit('.').next()?.to_owned())
}

/// CBOR: `/service/GraniteServiceVersion20100801/operation/PutMetricAlarm`.
fn by_rpc_path(call: &Call) -> Option<String> {
    let rest = call.path.strip_prefix("/service/")?;
    Some(rest.split_once("/operation/")?.1.to_owned())
}

/// The query protocol: a form with `Action=CreateRole`.
fn by_action(call: &Call) -> Option<String> {
    let form = call.header("content-type")?;
    if !form.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let text = call.text();
    let action = text
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="))?;
    Some(action.to_owned())
}

/// The REST protocols.
fn by_table(call: &Call) -> Option<String> {
    let table = match call.service.as_str() {
        "lambda" => LAMBDA,
        "apigateway" => API_GATEWAY,
        "s3" => return Some(s3(call)),
        _ => return None,
    };
    table
        .iter()
        .find(|(method, pattern, _)| *method == call.method && fits(pattern, &call.path))
        .map(|(_, _, operation)| (*operation).to_owned())
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.trim_matches('/').split('/');
    for wanted in pattern.trim_matches('/').split('/') {
        match (wanted, segments.next()) {
            ("{+}", Some(_)) => return true,
            ("{}", Some(found)) if !found.is_empty() => {}
            (_, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn s3(call: &Call) -> String {
    let keys: Vec<_> = call
        .query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .collect();
    let (bucket, key) = call.path[1..]
        .split_once('/')
        .unwrap_or((&call.path[1..], ""));
    let verb = match call.method.as_str() {
        "GET" => "Get",
        "HEAD" => "Head",
        "PUT" => "Put",
        "DELETE" => "Delete",
        _ => "Post",
    };
    if !key.is_empty() {
        let part = if keys.contains(&"tagging") {
            "Tagging"
        } else {
            ""
        };
        return format!("{verb}Object{part}");
    }
    if bucket.is_empty() {
        return "ListBuckets".to_owned();
    }
    if keys.contains(&"tagging") {
        return format!("{verb}BucketTagging");
    }
    if let Some((_, part)) = S3_PARTS.iter().find(|(part, _)| keys.contains(part)) {
        return format!("{verb}{part}");
    }
    match verb {
        "Post" if keys.contains(&"delete") => "DeleteObjects".to_owned(),
        "Get" if keys.contains(&"versions") => "ListObjectVersions".to_owned(),
        "Get" if keys.contains(&"list-type") => "ListObjectsV2".to_owned(),
        "Get" => "ListObjects".to_owned(),
        "Put" => "CreateBucket".to_owned(),
        _ => format!("{verb}Bucket"),
    }
}
