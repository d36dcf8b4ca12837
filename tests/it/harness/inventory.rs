//! Everything that is in a cloud, as lines to compare before and after.

use std::collections::BTreeSet;
use std::fmt;

use aws_config::SdkConfig;

use super::emulator::Kind;
use super::{Cloud, run};

type Lines = Result<Vec<String>, Box<dyn std::error::Error>>;

/// A sorted list, one line a thing: `lambda function chat-dev-echo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory(BTreeSet<String>);

impl Inventory {
    /// Lists every service that wsless uses. moto doesn't know some of the lists; they are left out there.
    pub(super) fn take(cloud: &Cloud) -> Self {
        let sdk = cloud.sdk();
        let lists = run(async {
            [
                ("iam", iam(&sdk).await),
                ("lambda", lambda(&sdk).await),
                ("sqs", sqs(&sdk).await),
                ("dynamodb", dynamodb(&sdk).await),
                ("apigateway", apigateway(&sdk).await),
                ("deployments", deployments(&sdk).await),
                ("logs", logs(&sdk).await),
                ("cloudwatch", cloudwatch(&sdk).await),
                ("s3", s3(&sdk).await),
            ]
        });
        let mut all = BTreeSet::new();
        for (service, lines) in lists {
            match lines {
                Ok(lines) => all.extend(lines),
                // moto 5.2.5 has neither GetDeployments nor CloudWatch's CBOR.
                Err(_)
                    if cloud.emulator.kind() == Kind::Moto
                        && matches!(service, "deployments" | "cloudwatch") => {}
                Err(error) => panic!("the inventory of {service}: {error:?}"),
            }
        }
        Self(all)
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True if this line is there.
    pub fn has(&self, line: &str) -> bool {
        self.0.contains(line)
    }

    /// What is here and wasn't before.
    pub fn added_since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }

    /// What was before and isn't here.
    pub fn gone_since(&self, before: &Self) -> Vec<String> {
        before.0.difference(&self.0).cloned().collect()
    }

    /// Panics with the difference unless both are the same.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self) {
        assert!(
            self == before,
            "the cloud isn't what it was\nmore: {:#?}\nless: {:#?}",
            self.added_since(before),
            self.gone_since(before)
        );
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

async fn iam(sdk: &SdkConfig) -> Lines {
    let iam = aws_sdk_iam::Client::new(sdk);
    let mut lines = Vec::new();
    let roles: Vec<_> = iam
        .list_roles()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    for role in roles {
        let name = role.role_name;
        lines.push(format!("iam role {}{name}", role.path));
        let inline = iam.list_role_policies().role_name(&name).send().await?;
        for policy in inline.policy_names {
            lines.push(format!("iam role {name} policy {policy}"));
        }
        let attached = iam
            .list_attached_role_policies()
            .role_name(&name)
            .send()
            .await?;
        for policy in attached.attached_policies.unwrap_or_default() {
            let arn = policy.policy_arn.unwrap_or_default();
            lines.push(format!("iam role {name} attached {arn}"));
        }
    }
    Ok(lines)
}

async fn lambda(sdk: &SdkConfig) -> Lines {
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let mut lines = Vec::new();
    let functions: Vec<_> = lambda
        .list_functions()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    for function in functions {
        let name = function.function_name.unwrap_or_default();
        lines.push(format!("lambda function {name}"));
        let versions = lambda
            .list_versions_by_function()
            .function_name(&name)
            .send()
            .await?;
        for version in versions.versions.unwrap_or_default() {
            let version = version.version.unwrap_or_default();
            lines.push(format!("lambda function {name} version {version}"));
        }
        let aliases = lambda.list_aliases().function_name(&name).send().await?;
        for alias in aliases.aliases.unwrap_or_default() {
            lines.push(format!(
                "lambda function {name} alias {} -> {}",
                alias.name.unwrap_or_default(),
                alias.function_version.unwrap_or_default()
            ));
        }
    }
    let mappings: Vec<_> = lambda
        .list_event_source_mappings()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    for mapping in mappings {
        lines.push(format!(
            "lambda mapping {} -> {}",
            mapping.event_source_arn.unwrap_or_default(),
            mapping.function_arn.unwrap_or_default()
        ));
    }
    Ok(lines)
}

async fn sqs(sdk: &SdkConfig) -> Lines {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let queues: Vec<_> = sqs
        .list_queues()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    let name = |url: &String| url.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(queues
        .iter()
        .map(|url| format!("sqs queue {}", name(url)))
        .collect())
}

async fn dynamodb(sdk: &SdkConfig) -> Lines {
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
    let tables: Vec<_> = dynamodb
        .list_tables()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    Ok(tables
        .iter()
        .map(|table| format!("dynamodb table {table}"))
        .collect())
}

/// Names are what people gave; ids of the emulators differ from run to run, but not within one.
async fn apigateway(sdk: &SdkConfig) -> Lines {
    let gateway = aws_sdk_apigatewayv2::Client::new(sdk);
    let mut lines = Vec::new();
    for api in gateway.get_apis().send().await?.items.unwrap_or_default() {
        let id = api.api_id.unwrap_or_default();
        let at = format!("apigateway api {id}");
        lines.push(format!("{at} {}", api.name.unwrap_or_default()));
        let integrations = gateway.get_integrations().api_id(&id).send().await?;
        for integration in integrations.items.unwrap_or_default() {
            let number = integration.integration_id.unwrap_or_default();
            let uri = integration.integration_uri.unwrap_or_default();
            lines.push(format!("{at} integration {number} {uri}"));
        }
        let routes = gateway.get_routes().api_id(&id).send().await?;
        for route in routes.items.unwrap_or_default() {
            lines.push(format!(
                "{at} route {} -> {}",
                route.route_key.unwrap_or_default(),
                route.target.unwrap_or_default()
            ));
        }
        let stages = gateway.get_stages().api_id(&id).send().await?;
        for stage in stages.items.unwrap_or_default() {
            let name = stage.stage_name.unwrap_or_default();
            lines.push(format!("{at} stage {name}"));
        }
    }
    Ok(lines)
}

/// Apart from the rest, since moto has no such list.
async fn deployments(sdk: &SdkConfig) -> Lines {
    let gateway = aws_sdk_apigatewayv2::Client::new(sdk);
    let mut lines = Vec::new();
    for api in gateway.get_apis().send().await?.items.unwrap_or_default() {
        let id = api.api_id.unwrap_or_default();
        let deployments = gateway.get_deployments().api_id(&id).send().await?;
        for deployment in deployments.items.unwrap_or_default() {
            let number = deployment.deployment_id.unwrap_or_default();
            lines.push(format!("apigateway api {id} deployment {number}"));
        }
        let authorizers = gateway.get_authorizers().api_id(&id).send().await?;
        for authorizer in authorizers.items.unwrap_or_default() {
            let name = authorizer.name.unwrap_or_default();
            lines.push(format!("apigateway api {id} authorizer {name}"));
        }
    }
    Ok(lines)
}

async fn logs(sdk: &SdkConfig) -> Lines {
    let logs = aws_sdk_cloudwatchlogs::Client::new(sdk);
    let groups: Vec<_> = logs
        .describe_log_groups()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    Ok(groups
        .into_iter()
        .map(|group| format!("logs group {}", group.log_group_name.unwrap_or_default()))
        .collect())
}

async fn cloudwatch(sdk: &SdkConfig) -> Lines {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(sdk);
    let pages: Vec<_> = cloudwatch
        .describe_alarms()
        .into_paginator()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    Ok(pages
        .into_iter()
        .flat_map(|page| page.metric_alarms.unwrap_or_default())
        .map(|alarm| format!("cloudwatch alarm {}", alarm.alarm_name.unwrap_or_default()))
        .collect())
}

async fn s3(sdk: &SdkConfig) -> Lines {
    let s3 = aws_sdk_s3::Client::new(sdk);
    let mut lines = Vec::new();
    for bucket in s3.list_buckets().send().await?.buckets.unwrap_or_default() {
        let name = bucket.name.unwrap_or_default();
        lines.push(format!("s3 bucket {name}"));
        let objects = s3.list_objects_v2().bucket(&name).send().await?;
        for object in objects.contents.unwrap_or_default() {
            let key = object.key.unwrap_or_default();
            lines.push(format!("s3 object {name}/{key}"));
        }
    }
    Ok(lines)
}
