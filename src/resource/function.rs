//! Lambda functions with their published versions and reserved concurrency.
//!
//! The order of things is AWS's: a new role can't be assumed at once; after a create or an update nothing may be changed
//! until the function is Active and its last update Successful; a version is published last, and is itself Pending for a
//! while [LDG functions-states; LS]. A version equal to the last one isn't made anew by PublishVersion.

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use aws_sdk_lambda::{
    operation::get_function::GetFunctionOutput,
    primitives::Blob,
    types::{
        Architecture, Environment, FunctionCode, FunctionConfiguration, LastUpdateStatus,
        PackageType, Runtime, State,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Attributes, Context, Observed, Owner, Permission, Resource, api, deployment,
    event_source_mapping, parse, retag, stage, touches, unless_gone,
};
use crate::{
    aws::{Aws, Error, Operation, Service, Settle},
    engine::{address::Address, plan::FieldChange, properties::Text, scope::Scope, survey::Survey},
};

/// The kind of [`Functions`].
pub const KIND: &str = "function";

/// Published versions that are kept, for rollback.
const VERSIONS_KEPT: usize = 10;
/// How long a function may take to become usable: what AWS's own waiter allows [Lambda model, 1 s x 300].
const READY_BUDGET: Duration = Duration::from_mins(5);

const LIST: Operation = Operation::read(Service::Lambda, "ListFunctions");
const GET: Operation = Operation::read(Service::Lambda, "GetFunction");
/// What a caller must be allowed for GetFunction to answer with tags; it's never called by itself.
const LIST_TAGS: Operation = Operation::read(Service::Lambda, "ListTags");
const LIST_VERSIONS: Operation = Operation::read(Service::Lambda, "ListVersionsByFunction");
const CREATE: Operation = Operation::create(Service::Lambda, "CreateFunction");
const UPDATE_CODE: Operation = Operation::put(Service::Lambda, "UpdateFunctionCode");
const UPDATE_CONFIGURATION: Operation =
    Operation::put(Service::Lambda, "UpdateFunctionConfiguration");
const PUT_CONCURRENCY: Operation = Operation::put(Service::Lambda, "PutFunctionConcurrency");
const DELETE_CONCURRENCY: Operation = Operation::put(Service::Lambda, "DeleteFunctionConcurrency");
const PUBLISH: Operation = Operation::put(Service::Lambda, "PublishVersion");
const TAG: Operation = Operation::put(Service::Lambda, "TagResource");
const UNTAG: Operation = Operation::put(Service::Lambda, "UntagResource");
const DELETE: Operation = Operation::put(Service::Lambda, "DeleteFunction");

/// A function's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name, at most 64 characters.
    pub name: String,
    /// What it is, for people; at most 256 characters.
    pub description: String,
    /// Its role's ARN.
    pub role_arn: Text,
    /// Base64 of the SHA-256 of its zip: Lambda's CodeSha256.
    pub code_sha256: String,
    /// Where the zip is on this machine; can't be read back.
    pub package: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// 128 to 10240.
    pub memory_mib: u32,
    /// 1 to 900.
    pub timeout_s: u32,
    /// Environment variables; those of the user are secret.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// Reserved concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<u32>,
    /// Whether what's there is published as a version.
    pub published: bool,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The stage's functions.
pub struct Functions;

#[async_trait]
impl Resource for Functions {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn permissions(&self, scope: &Scope) -> Vec<Permission> {
        vec![
            Permission::anywhere("lambda", &["ListFunctions"]),
            Permission::on(
                "lambda",
                &[
                    "CreateFunction",
                    "DeleteFunction",
                    "DeleteFunctionConcurrency",
                    "GetFunction",
                    "ListTags",
                    "ListVersionsByFunction",
                    "PublishVersion",
                    "PutFunctionConcurrency",
                    "TagResource",
                    "UntagResource",
                    "UpdateFunctionCode",
                    "UpdateFunctionConfiguration",
                ],
                [scope.every_arn("lambda", "function:")],
            ),
        ]
    }

    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error> {
        let (aws, scope) = (survey.aws, survey.scope);
        let functions = aws
            .pages(
                LIST,
                |marker| aws.lambda.list_functions().set_marker(marker).send(),
                |page| (page.functions, page.next_marker),
            )
            .await?;
        let observed = functions
            .iter()
            .filter_map(FunctionConfiguration::function_name)
            .filter(|name| scope.thing(name).is_some())
            .map(|name| async move { unless_gone(observe(survey, name).await) });
        Ok(try_join_all(observed)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error> {
        let function: Function = parse(desired)?;
        let zip = package(CREATE, &function).await?;
        let lambda = &context.aws.lambda;
        let created = context
            .settle(CREATE, &role_settles(), || {
                lambda
                    .create_function()
                    .function_name(&function.name)
                    .description(&function.description)
                    .role(text(&function.role_arn))
                    .package_type(PackageType::Zip)
                    .runtime(Runtime::Providedal2023)
                    // Required for zips, not used by a bootstrap [LDG].
                    .handler("bootstrap")
                    .architectures(Architecture::from(function.architecture.as_str()))
                    .code(FunctionCode::builder().zip_file(zip.clone()).build())
                    .memory_size(to_i32(function.memory_mib))
                    .timeout(to_i32(function.timeout_s))
                    .environment(environment(&function))
                    .set_tags(Some(function.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        ready(context, &function.name, None).await?;
        if let Some(concurrency) = function.reserved_concurrency {
            reserve(context, &function.name, Some(concurrency)).await?;
        }
        let version = publish(context, &function).await?;
        Ok(Attributes::from([
            ("arn".to_owned(), created.function_arn.unwrap_or_default()),
            ("version".to_owned(), version),
        ]))
    }

    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error> {
        let function: Function = parse(desired)?;
        let lambda = &context.aws.lambda;
        let arn = observed.attribute("arn");
        retag(
            context,
            [TAG, UNTAG],
            observed,
            &function.tags,
            |tags| {
                lambda
                    .tag_resource()
                    .resource(arn)
                    .set_tags(Some(tags))
                    .send()
            },
            |keys| {
                lambda
                    .untag_resource()
                    .resource(arn)
                    .set_tag_keys(Some(keys))
                    .send()
            },
        )
        .await?;
        let code = ["code_sha256", "architecture"]
            .iter()
            .any(|field| touches(fields, field));
        let configuration = [
            "description",
            "role_arn",
            "memory_mib",
            "timeout_s",
            "environment",
        ]
        .iter()
        .any(|field| touches(fields, field));
        if code {
            let zip = package(UPDATE_CODE, &function).await?;
            // An architecture is part of the code, not of the configuration [Lambda model].
            context
                .call(UPDATE_CODE, || {
                    lambda
                        .update_function_code()
                        .function_name(&function.name)
                        .architectures(Architecture::from(function.architecture.as_str()))
                        .zip_file(zip.clone())
                        .send()
                })
                .await?;
            ready(context, &function.name, None).await?;
        }
        if configuration {
            context
                .settle(UPDATE_CONFIGURATION, &role_settles(), || {
                    lambda
                        .update_function_configuration()
                        .function_name(&function.name)
                        .description(&function.description)
                        .role(text(&function.role_arn))
                        .memory_size(to_i32(function.memory_mib))
                        .timeout(to_i32(function.timeout_s))
                        // Replaces the whole map [LDG].
                        .environment(environment(&function))
                        .send()
                })
                .await?;
            ready(context, &function.name, None).await?;
        }
        if touches(fields, "reserved_concurrency") {
            reserve(context, &function.name, function.reserved_concurrency).await?;
        }
        if !(code || configuration || touches(fields, "published")) {
            return Ok(Attributes::from([(
                "version".to_owned(),
                observed.attribute("version").to_owned(),
            )]));
        }
        let version = publish(context, &function).await?;
        prune(context, &function.name, observed.attribute("versions")).await;
        Ok(Attributes::from([("version".to_owned(), version)]))
    }

    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error> {
        let lambda = &context.aws.lambda;
        let name = observed.properties["name"].as_str().unwrap_or_default();
        context
            .remove(DELETE, &[], || {
                lambda.delete_function().function_name(name).send()
            })
            .await
    }

    fn is_replaced_by(&self, path: &str) -> bool {
        path == "name"
    }

    fn changing_attributes(&self) -> &'static [&'static str] {
        &["version"]
    }

    fn deleted_after(&self) -> &'static [&'static str] {
        // DeleteFunction leaves event source mappings behind [LS/STK]; and nobody must call it any more.
        &[
            api::KIND,
            stage::KIND,
            deployment::KIND,
            event_source_mapping::KIND,
        ]
    }

    fn is_secret(&self, path: &str) -> bool {
        path.strip_prefix("environment.")
            .is_some_and(|name| !name.starts_with("WSLESS_"))
    }
}

/// The function as it is. Of somebody else's only as much is asked as says that it's somebody else's.
async fn observe(survey: &Survey<'_>, name: &str) -> Result<Observed, Error> {
    let (aws, scope) = (survey.aws, survey.scope);
    let function = aws
        .call(GET, || aws.lambda.get_function().function_name(name).send())
        .await?;
    let tags = tags(&function)?;
    let owner = Owner::by_tags(scope, &tags);
    let mut versions = match owner {
        Owner::Us => versions(aws, name).await?,
        Owner::SomebodyElse => Vec::new(),
    };
    let latest = function
        .configuration
        .unwrap_or_else(|| FunctionConfiguration::builder().build());
    versions.retain(|version| number(version).is_some());
    versions.sort_by_key(number);
    let newest = versions
        .last()
        .filter(|newest| is_published_as(&latest, newest));
    let properties = Function {
        name: name.to_owned(),
        description: latest.description().unwrap_or_default().to_owned(),
        role_arn: latest.role().unwrap_or_default().into(),
        code_sha256: latest.code_sha256().unwrap_or_default().to_owned(),
        package: String::new(),
        architecture: architecture(&latest),
        memory_mib: to_u32(latest.memory_size()),
        timeout_s: to_u32(latest.timeout()),
        environment: variables(&latest)
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        reserved_concurrency: function
            .concurrency
            .and_then(|concurrency| concurrency.reserved_concurrent_executions)
            .map(|executions| to_u32(Some(executions))),
        published: newest.is_some(),
        tags,
    };
    let numbers: Vec<String> = versions
        .iter()
        .filter_map(number)
        .map(|number| number.to_string())
        .collect();
    let thing = scope.thing(name).unwrap_or(name);
    let mut observed = Observed::new(Address::new(KIND, thing), name, &properties)
        .with("arn", latest.function_arn().unwrap_or_default())
        .with("versions", numbers.join(","))
        .owned_by(owner)
        .unreadable(&["package"]);
    if let Some(version) = newest.and_then(|version| version.version()) {
        observed = observed.with("version", version);
    }
    Ok(observed)
}

/// All versions, `$LATEST` among them.
async fn versions(aws: &Aws, name: &str) -> Result<Vec<FunctionConfiguration>, Error> {
    aws.pages(
        LIST_VERSIONS,
        |marker| {
            aws.lambda
                .list_versions_by_function()
                .function_name(name)
                .set_marker(marker)
                .send()
        },
        |page| (page.versions, page.next_marker),
    )
    .await
}

/// The function's tags.
///
/// GetFunction leaves them out for a caller that mayn't see them, and says so beside its answer [Lambda model]: whose the
/// function is can't be told then.
fn tags(function: &GetFunctionOutput) -> Result<BTreeMap<String, String>, Error> {
    match (function.tags(), function.tags_error()) {
        (None, Some(error)) => Err(Error::refused_within(
            LIST_TAGS,
            error.error_code(),
            error.message(),
        )),
        (tags, _) => Ok(tags.cloned().unwrap_or_default().into_iter().collect()),
    }
}

/// Waits until the function, or one of its versions, can be used and changed.
async fn ready(context: &Context<'_>, name: &str, version: Option<&str>) -> Result<(), Error> {
    let aws = context.aws;
    let what = match version {
        Some(version) => format!("version {version} of {name} to be active"),
        None => format!("{name} to be active"),
    };
    aws.wait(GET, &what, READY_BUDGET, || async {
        let settle = Settle {
            fragment: "ResourceNotFound",
            waits_for: "the function to be visible",
            budget: Duration::from_secs(30),
        };
        let function = context
            .settle(GET, &[settle], || {
                aws.lambda
                    .get_function()
                    .function_name(name)
                    .set_qualifier(version.map(str::to_owned))
                    .send()
            })
            .await?;
        let Some(configuration) = function.configuration else {
            return Ok(None);
        };
        let failed = |reason: Option<&str>| {
            Error::unexpected(
                GET,
                format!(
                    "{what}: AWS says it failed: {}",
                    reason.unwrap_or("without a reason")
                ),
            )
        };
        match (configuration.state(), configuration.last_update_status()) {
            (Some(State::Failed), _) => Err(failed(configuration.state_reason())),
            (_, Some(LastUpdateStatus::Failed)) => {
                Err(failed(configuration.last_update_status_reason()))
            }
            (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => Ok(None),
            _ => Ok(Some(())),
        }
    })
    .await
}

/// Publishes what's there, unless the newest version is just that, and returns the version's number.
async fn publish(context: &Context<'_>, function: &Function) -> Result<String, Error> {
    let lambda = &context.aws.lambda;
    let version = context
        .call(PUBLISH, || {
            lambda
                .publish_version()
                .function_name(&function.name)
                // Refused if somebody else's code came between.
                .code_sha256(&function.code_sha256)
                .send()
        })
        .await?
        .version
        .unwrap_or_default();
    ready(context, &function.name, Some(&version)).await?;
    Ok(version)
}

/// Deletes old versions. One that an alias uses stays, as does one that can't be deleted: that's no reason to fail.
async fn prune(context: &Context<'_>, name: &str, versions: &str) {
    let versions: Vec<&str> = versions
        .split(',')
        .filter(|version| !version.is_empty())
        .collect();
    // The version that was just published isn't among these.
    let surplus = (versions.len() + 1).saturating_sub(VERSIONS_KEPT);
    for version in versions.into_iter().take(surplus) {
        let lambda = &context.aws.lambda;
        let deleted = context
            .remove(DELETE, &[], || {
                lambda
                    .delete_function()
                    .function_name(name)
                    .qualifier(version)
                    .send()
            })
            .await;
        if let Err(error) = deleted {
            tracing::debug!(%error, version, "an old version stays");
        }
    }
}

async fn reserve(context: &Context<'_>, name: &str, concurrency: Option<u32>) -> Result<(), Error> {
    let lambda = &context.aws.lambda;
    match concurrency {
        Some(concurrency) => context
            .call(PUT_CONCURRENCY, || {
                lambda
                    .put_function_concurrency()
                    .function_name(name)
                    .reserved_concurrent_executions(to_i32(concurrency))
                    .send()
            })
            .await
            .map(|_| ()),
        None => {
            context
                .remove(DELETE_CONCURRENCY, &[], || {
                    lambda
                        .delete_function_concurrency()
                        .function_name(name)
                        .send()
                })
                .await
        }
    }
}

/// A fresh role can't be assumed for 10 s or more [STK]; both texts are AWS's.
fn role_settles() -> [Settle; 3] {
    let settle = |fragment| Settle {
        fragment,
        waits_for: "the new role to become assumable",
        budget: Duration::from_mins(2),
    };
    [
        settle("cannot be assumed by Lambda"),
        settle("does not have permissions"),
        settle("valid principal"),
    ]
}

/// The zip, if it's still the one that was planned.
async fn package(operation: Operation, function: &Function) -> Result<Blob, Error> {
    let path = Path::new(&function.package);
    let zip = tokio::fs::read(path).await.map_err(|error| {
        Error::unexpected(
            operation,
            format!("can't read the package {}: {error}", path.display()),
        )
    })?;
    if STANDARD.encode(Sha256::digest(&zip)) != function.code_sha256 {
        return Err(Error::unexpected(
            operation,
            format!(
                "the package {} changed after it was planned; deploy again",
                path.display()
            ),
        ));
    }
    Ok(Blob::new(zip))
}

fn environment(function: &Function) -> Environment {
    let variables = function
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    Environment::builder()
        .set_variables(Some(variables))
        .build()
}

fn variables(configuration: &FunctionConfiguration) -> impl Iterator<Item = (&str, &str)> {
    configuration
        .environment()
        .and_then(|environment| environment.variables())
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

fn architecture(configuration: &FunctionConfiguration) -> String {
    configuration
        .architectures()
        .first()
        .map_or("x86_64", Architecture::as_str)
        .to_owned()
}

/// Whether `version` is what `latest` says: nothing was changed since it was published.
fn is_published_as(latest: &FunctionConfiguration, version: &FunctionConfiguration) -> bool {
    let environment = |configuration| variables(configuration).collect::<BTreeMap<_, _>>();
    latest.code_sha256() == version.code_sha256()
        && latest.memory_size() == version.memory_size()
        && latest.timeout() == version.timeout()
        && latest.role() == version.role()
        && architecture(latest) == architecture(version)
        && environment(latest) == environment(version)
}

fn number(version: &FunctionConfiguration) -> Option<u64> {
    version.version()?.parse().ok()
}

fn text(text: &Text) -> String {
    text.as_literal().unwrap_or_default()
}

fn to_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn to_u32(value: Option<i32>) -> u32 {
    value
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::TagsError;

    use super::*;
    use crate::aws::Class;

    fn configuration(memory: i32, version: &str) -> FunctionConfiguration {
        FunctionConfiguration::builder()
            .memory_size(memory)
            .version(version)
            .code_sha256("x")
            .build()
    }

    #[test]
    fn a_version_made_before_the_last_change_is_not_what_is_there() {
        assert!(is_published_as(
            &configuration(128, "$LATEST"),
            &configuration(128, "3")
        ));
        assert!(!is_published_as(
            &configuration(256, "$LATEST"),
            &configuration(128, "3")
        ));
    }

    #[test]
    fn a_function_whose_tags_may_not_be_seen_is_not_taken_for_somebody_elses() {
        let hidden = GetFunctionOutput::builder()
            .tags_error(
                TagsError::builder()
                    .error_code("AccessDeniedException")
                    .message("not allowed")
                    .build()
                    .unwrap(),
            )
            .build();
        let error = tags(&hidden).unwrap_err();
        assert_eq!(error.class(), Class::AccessDenied);
        assert!(error.to_string().starts_with("lambda:ListTags failed"));
        assert!(
            tags(&GetFunctionOutput::builder().build())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn only_the_users_environment_is_secret() {
        assert!(Functions.is_secret("environment.API_TOKEN"));
        assert!(!Functions.is_secret("environment.WSLESS_STAGE"));
        assert!(!Functions.is_secret("memory_mib"));
    }

    #[test]
    fn latest_is_no_number() {
        assert_eq!(number(&configuration(1, "$LATEST")), None);
        assert_eq!(number(&configuration(1, "12")), Some(12));
    }
}
