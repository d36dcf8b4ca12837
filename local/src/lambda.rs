//! Lambda: functions, versions, aliases, event source mappings, and the processes that run them.

mod aliases;
mod arn;
mod check;
mod code;
mod concurrency;
mod control;
mod extras;
mod functions;
mod invoking;
mod kept;
mod mappings;
pub mod model;
mod overview;
mod permissions;
mod policy;
pub mod poll;
mod rates;
pub mod run;
mod settings;
mod shape;
mod source;
mod state;
mod tags;
mod updates;
mod versions;

use std::{path::Path, time::Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use self::control::Control;
use crate::{
    call::{Answer, Call},
    cloud::Region,
    error::{AwsError, Result},
    iam::Permission,
    wire::rest::Route,
};

pub use self::{
    functions::zip,
    overview::{AliasView, FunctionView, MappingView},
    run::{invoke, runtime_api},
};

/// The service's state.
#[derive(Debug)]
pub struct Lambda {
    /// What is running.
    pub runner: run::Runner,
    control: Control,
}

impl Lambda {
    /// A region's Lambda: code is unpacked below one folder, and kept below the other, if there's one.
    pub fn new(region: &str, work: &Path, keep: Option<&Path>) -> Self {
        let folder = |root: &Path| root.join("code").join(region);
        Self {
            runner: run::Runner::default(),
            control: Control::new(region, folder(work), keep.map(folder)),
        }
    }

    /// What is to be kept.
    pub fn keep(&self) -> Value {
        self.control.keep()
    }

    /// Takes what was kept.
    pub fn restore(&self, kept: Value) -> Result<(), String> {
        self.control.restore(kept)
    }
}

/// What an invocation came to.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// The version that ran.
    pub version: String,
    /// What the function returned, or the error document.
    pub payload: Bytes,
    /// `Unhandled` if the function failed (an error it reported, a crash, a timeout).
    pub error: Option<String>,
    /// The end of its log, at most 4 KB.
    pub log_tail: String,
}

/// Whom a service invokes a function for: what the function's resource policy is asked about.
#[derive(Clone, Debug)]
pub struct Principal<'a> {
    /// `apigateway.amazonaws.com`.
    pub service: &'a str,
    /// `arn:aws:execute-api:{region}:{account}:{api}/{stage}/{route}`.
    pub source_arn: &'a str,
}

/// Whether the resource policy of the function, alias or version lets a service invoke it.
pub fn permits(region: &Region, function: &str, principal: &Principal<'_>) -> bool {
    let control = &region.lambda.control;
    let Some(named) = arn::parse(function, arn::Shape::Namespaced) else {
        return false;
    };
    if arn::within(&named, &control.region).is_err() {
        return false;
    }
    let state = control.state.read();
    state
        .functions
        .get(named.name)
        .and_then(|function| {
            // Each qualifier has a policy of its own; the function's doesn't count for its aliases.
            let key = named
                .qualifier
                .filter(|qualifier| *qualifier != arn::LATEST)
                .unwrap_or_default();
            function.policies.get(key)
        })
        .is_some_and(|policy| policy::allows(&policy.statements, principal))
}

/// What a call needs.
pub fn permission(call: &Call) -> Permission {
    let text = |name: &str| call.input.get(name).and_then(Value::as_str);
    let function = || {
        let named = arn::parse(text("FunctionName")?, arn::Shape::Namespaced)?;
        let arn = arn::function(&call.region.name, named.name);
        // What has a qualifier is a resource of its own for the operations that take one.
        Some(match named.qualifier.or_else(|| text("Qualifier")) {
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None => arn,
        })
    };
    let mapping = || {
        let uuid = text("UUID")?;
        Some(
            call.region
                .arn("lambda", &format!("event-source-mapping:{uuid}")),
        )
    };
    let resource = match call.operation.as_str() {
        "CreateEventSourceMapping" | "ListEventSourceMappings" => None,
        "TagResource" | "UntagResource" | "ListTags" => text("Resource").map(str::to_owned),
        _ => function().or_else(mapping),
    };
    let mut permission = Permission::of(call, resource.unwrap_or_else(|| "*".to_owned()));
    if call.operation == "Invoke" {
        "lambda:InvokeFunction".clone_into(&mut permission.action);
    }
    permission
}

/// The function that a call on an event source mapping is about: the condition key `lambda:FunctionArn` [SAR AWS Lambda].
pub fn function_arn(call: &Call) -> Option<String> {
    if !call.operation.ends_with("EventSourceMapping") {
        return None;
    }
    let text = |name: &str| call.input.get(name).and_then(Value::as_str);
    if let Some(name) = text("FunctionName") {
        let named = arn::parse(name, arn::Shape::Namespaced)?;
        return Some(arn::function(&call.region.name, named.name));
    }
    let state = call.region.lambda.control.state.read();
    let mapping = state.mappings.get(text("UUID")?)?;
    Some(mapping.function_arn.clone())
}

/// Does what is asked.
pub async fn call(call: &Call) -> Result<Answer> {
    if call.cloud.delays.are_real() {
        let rates = &call.region.lambda.control.rates;
        rates.lock().take(&call.operation, Instant::now())?;
    }
    match call.operation.as_str() {
        "AddPermission" => permissions::add(call),
        "CreateAlias" => aliases::create(call),
        "CreateEventSourceMapping" => mappings::create(call),
        "CreateFunction" => functions::create(call).await,
        "DeleteAlias" => aliases::delete(call),
        "DeleteEventSourceMapping" => mappings::delete(call),
        "DeleteFunction" => functions::delete(call),
        "DeleteFunctionConcurrency" => concurrency::delete(call),
        "DeleteFunctionEventInvokeConfig" => extras::delete_event_config(call),
        "GetAccountSettings" => Ok(concurrency::account(call)),
        "GetAlias" => aliases::get(call),
        "GetEventSourceMapping" => mappings::get(call),
        "GetFunction" => functions::get(call),
        // Functions have none, and can't be given one.
        "GetFunctionCodeSigningConfig" => extras::of_any(call, json!({})),
        "GetFunctionConcurrency" => concurrency::get(call),
        "GetFunctionConfiguration" => functions::configuration(call),
        "GetFunctionEventInvokeConfig" => extras::get_event_config(call),
        "GetFunctionRecursionConfig" => {
            extras::of_any(call, json!({ "RecursiveLoop": "Terminate" }))
        }
        "GetFunctionUrlConfig" => Err(check::not_found(
            "The resource you requested does not exist.",
        )),
        "GetPolicy" => permissions::get(call),
        "GetProvisionedConcurrencyConfig" => extras::provisioned(call),
        "GetRuntimeManagementConfig" => extras::runtime_management(call),
        "Invoke" => invoking::operation(call).await,
        "ListAliases" => aliases::list(call),
        "ListCodeSigningConfigs" => Ok(json!({ "CodeSigningConfigs": [] }).into()),
        "ListEventSourceMappings" => mappings::list(call),
        "ListFunctionEventInvokeConfigs" => extras::list_event_configs(call),
        "ListFunctionUrlConfigs" => extras::of_any(call, json!({ "FunctionUrlConfigs": [] })),
        "ListFunctions" => functions::list(call),
        // Layers can't be published here.
        "ListLayers" => Ok(json!({ "Layers": [] }).into()),
        "ListLayerVersions" => Ok(json!({ "LayerVersions": [] }).into()),
        "ListTags" => tags::list(call),
        "ListVersionsByFunction" => versions::list(call),
        "PublishVersion" => versions::publish(call),
        "PutFunctionConcurrency" => concurrency::put(call),
        "PutFunctionEventInvokeConfig" => extras::put_event_config(call, false),
        "RemovePermission" => permissions::remove(call),
        "TagResource" => tags::tag(call),
        "UntagResource" => tags::untag(call),
        "UpdateAlias" => aliases::update(call),
        "UpdateEventSourceMapping" => mappings::update(call),
        "UpdateFunctionCode" => updates::code(call).await,
        "UpdateFunctionConfiguration" => updates::configuration(call),
        "UpdateFunctionEventInvokeConfig" => extras::put_event_config(call, true),
        _ => Err(AwsError::unknown_operation("lambda", &call.operation)),
    }
}

/// The operations' places.
pub const ROUTES: &[Route] = &[
    Route::new(
        "POST",
        "/2015-03-31/functions/{FunctionName}/policy",
        "AddPermission",
    ),
    Route::new(
        "POST",
        "/2015-03-31/functions/{FunctionName}/aliases",
        "CreateAlias",
    ),
    Route::new(
        "POST",
        "/2015-03-31/event-source-mappings",
        "CreateEventSourceMapping",
    ),
    Route::new("POST", "/2015-03-31/functions", "CreateFunction"),
    Route::new(
        "DELETE",
        "/2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "DeleteAlias",
    ),
    Route::new(
        "DELETE",
        "/2015-03-31/event-source-mappings/{UUID}",
        "DeleteEventSourceMapping",
    ),
    Route::new(
        "DELETE",
        "/2015-03-31/functions/{FunctionName}",
        "DeleteFunction",
    ),
    Route::new(
        "DELETE",
        "/2017-10-31/functions/{FunctionName}/concurrency",
        "DeleteFunctionConcurrency",
    ),
    Route::new(
        "DELETE",
        "/2019-09-25/functions/{FunctionName}/event-invoke-config",
        "DeleteFunctionEventInvokeConfig",
    ),
    Route::new("GET", "/2016-08-19/account-settings", "GetAccountSettings"),
    Route::new(
        "GET",
        "/2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "GetAlias",
    ),
    Route::new(
        "GET",
        "/2015-03-31/event-source-mappings/{UUID}",
        "GetEventSourceMapping",
    ),
    Route::new("GET", "/2015-03-31/functions/{FunctionName}", "GetFunction"),
    Route::new(
        "GET",
        "/2020-06-30/functions/{FunctionName}/code-signing-config",
        "GetFunctionCodeSigningConfig",
    ),
    Route::new(
        "GET",
        "/2019-09-30/functions/{FunctionName}/concurrency",
        "GetFunctionConcurrency",
    ),
    Route::new(
        "GET",
        "/2015-03-31/functions/{FunctionName}/configuration",
        "GetFunctionConfiguration",
    ),
    Route::new(
        "GET",
        "/2019-09-25/functions/{FunctionName}/event-invoke-config",
        "GetFunctionEventInvokeConfig",
    ),
    Route::new(
        "GET",
        "/2024-08-31/functions/{FunctionName}/recursion-config",
        "GetFunctionRecursionConfig",
    ),
    Route::new(
        "GET",
        "/2021-10-31/functions/{FunctionName}/url",
        "GetFunctionUrlConfig",
    ),
    Route::new(
        "GET",
        "/2015-03-31/functions/{FunctionName}/policy",
        "GetPolicy",
    ),
    Route::new(
        "GET",
        "/2021-07-20/functions/{FunctionName}/runtime-management-config",
        "GetRuntimeManagementConfig",
    ),
    Route::new(
        "POST",
        "/2015-03-31/functions/{FunctionName}/invocations",
        "Invoke",
    ),
    Route::new(
        "GET",
        "/2015-03-31/functions/{FunctionName}/aliases",
        "ListAliases",
    ),
    Route::new(
        "GET",
        "/2015-03-31/event-source-mappings",
        "ListEventSourceMappings",
    ),
    Route::new("GET", "/2015-03-31/functions", "ListFunctions"),
    Route::new("GET", "/2018-10-31/layers", "ListLayers"),
    Route::new(
        "GET",
        "/2018-10-31/layers/{LayerName}/versions",
        "ListLayerVersions",
    ),
    Route::new(
        "GET",
        "/2020-04-22/code-signing-configs",
        "ListCodeSigningConfigs",
    ),
    Route::new(
        "GET",
        "/2021-10-31/functions/{FunctionName}/urls",
        "ListFunctionUrlConfigs",
    ),
    Route::new(
        "GET",
        "/2019-09-25/functions/{FunctionName}/event-invoke-config/list",
        "ListFunctionEventInvokeConfigs",
    ),
    // With `?List=ALL` it's ListProvisionedConcurrencyConfigs.
    Route::new(
        "GET",
        "/2019-09-30/functions/{FunctionName}/provisioned-concurrency",
        "GetProvisionedConcurrencyConfig",
    ),
    Route::new("GET", "/2017-03-31/tags/{Resource}", "ListTags"),
    Route::new(
        "GET",
        "/2015-03-31/functions/{FunctionName}/versions",
        "ListVersionsByFunction",
    ),
    Route::new(
        "POST",
        "/2015-03-31/functions/{FunctionName}/versions",
        "PublishVersion",
    ),
    Route::new(
        "PUT",
        "/2017-10-31/functions/{FunctionName}/concurrency",
        "PutFunctionConcurrency",
    ),
    Route::new(
        "PUT",
        "/2019-09-25/functions/{FunctionName}/event-invoke-config",
        "PutFunctionEventInvokeConfig",
    ),
    Route::new(
        "DELETE",
        "/2015-03-31/functions/{FunctionName}/policy/{StatementId}",
        "RemovePermission",
    ),
    Route::new("POST", "/2017-03-31/tags/{Resource}", "TagResource"),
    Route::new("DELETE", "/2017-03-31/tags/{Resource}", "UntagResource"),
    Route::new(
        "PUT",
        "/2015-03-31/functions/{FunctionName}/aliases/{Name}",
        "UpdateAlias",
    ),
    Route::new(
        "PUT",
        "/2015-03-31/event-source-mappings/{UUID}",
        "UpdateEventSourceMapping",
    ),
    Route::new(
        "PUT",
        "/2015-03-31/functions/{FunctionName}/code",
        "UpdateFunctionCode",
    ),
    Route::new(
        "PUT",
        "/2015-03-31/functions/{FunctionName}/configuration",
        "UpdateFunctionConfiguration",
    ),
    Route::new(
        "POST",
        "/2019-09-25/functions/{FunctionName}/event-invoke-config",
        "UpdateFunctionEventInvokeConfig",
    ),
];

#[cfg(test)]
pub(super) mod tests;
