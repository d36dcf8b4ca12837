//! The door to AWS: clients, identity, one error type, one retry loop, rate limits.
//!
//! In: where the user wants to go (region, profile, endpoint). Out: [`Aws`], through which every call is made with
//! [`Aws::call`], so that no other module sees an SDK error or retries by itself. Knows no resource type.

mod error;
mod limit;
mod retry;

use std::{fmt, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::{app_name::AppName, sdk_config::RequestChecksumCalculation};

pub use self::{
    error::{Class, Error},
    retry::Settle,
};
use crate::diagnostic::Diagnostic;

/// The embedded cloud's region, where neither the manifest nor the environment names one.
const LOCAL_REGION: &str = "us-east-1";

/// The services that wsless calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the services'")]
pub enum Service {
    ApiGateway,
    ApiGatewayV2,
    CloudWatch,
    DynamoDb,
    Iam,
    Lambda,
    Logs,
    S3,
    Sqs,
    Sts,
}

impl Service {
    /// The prefix of the service's IAM actions.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiGateway | Self::ApiGatewayV2 => "apigateway",
            Self::CloudWatch => "cloudwatch",
            Self::DynamoDb => "dynamodb",
            Self::Iam => "iam",
            Self::Lambda => "lambda",
            Self::Logs => "logs",
            Self::S3 => "s3",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
        }
    }
}

/// What a call does, and so whether it may be repeated when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes something; twice is the same as once.
    Put,
    /// Makes something; twice makes two, or fails the second time.
    Create,
}

/// One of AWS's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Whose.
    pub service: Service,
    /// AWS's name of it.
    pub name: &'static str,
    /// What it does.
    pub effect: Effect,
}

impl Operation {
    /// An operation that changes nothing.
    pub const fn read(service: Service, name: &'static str) -> Self {
        Self {
            service,
            name,
            effect: Effect::Read,
        }
    }

    /// An operation that may be repeated.
    pub const fn put(service: Service, name: &'static str) -> Self {
        Self {
            service,
            name,
            effect: Effect::Put,
        }
    }

    /// An operation that mustn't be repeated blindly.
    pub const fn create(service: Service, name: &'static str) -> Self {
        Self {
            service,
            name,
            effect: Effect::Create,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.service.prefix(), self.name)
    }
}

/// Where the user wants to go; what is absent comes from the SDK's own configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--region`, or the manifest's.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// The endpoint is the embedded cloud's: it takes any credentials, and the user's own aren't sent to it.
    pub local: bool,
}

/// Who is calling, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The region's name.
    pub region: String,
    /// The ARN of the user or the role's session.
    pub arn: String,
}

impl Identity {
    /// An account's own, without asking AWS who is calling. The partition is told by the region's name.
    pub fn of_account(account: &str, region: &str) -> Self {
        let partition = match region {
            china if china.starts_with("cn-") => "aws-cn",
            government if government.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self {
            account: account.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            arn: format!("arn:{partition}:iam::{account}:root"),
        }
    }
}

/// The clients, and what they share.
#[derive(Debug)]
#[allow(
    missing_docs,
    reason = "each field is the client of the service it is named for"
)]
pub struct Aws {
    pub apigateway: aws_sdk_apigateway::Client,
    pub apigatewayv2: aws_sdk_apigatewayv2::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub iam: aws_sdk_iam::Client,
    pub lambda: aws_sdk_lambda::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    pub s3: aws_sdk_s3::Client,
    pub sqs: aws_sdk_sqs::Client,
    identity: Identity,
    credentials: Option<SharedCredentialsProvider>,
    has_own_endpoint: bool,
    /// None at an address of the user's own: AWS's rates aren't its, and what it throttles all the same is repeated.
    limits: Option<limit::Limits>,
    api_changes: tokio::sync::Mutex<()>,
}

/// Why there is no way to AWS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No region is configured.
    #[error("no AWS region is set")]
    NoRegion,
    /// What is configured can't be a region's name.
    #[error("`{0}` isn't an AWS region")]
    OddRegion(String),
    /// What is configured can't be an endpoint.
    #[error("`{0}` isn't an endpoint's address")]
    OddEndpoint(String),
    /// The configuration holds no credentials that can be used.
    #[error("no AWS credentials are to be had{}", .profile.as_ref().map(|name| format!(" from the profile `{name}`")).unwrap_or_default())]
    NoCredentials {
        /// The profile that was asked for.
        profile: Option<String>,
        /// Where they were looked for, and why there are none.
        cause: Error,
    },
    /// Nobody answers where AWS should be.
    #[error("{place} doesn't answer")]
    Unreachable {
        /// The endpoint.
        place: String,
        /// What happened.
        cause: Error,
    },
    /// The identity couldn't be read.
    #[error(transparent)]
    Identity(#[from] Error),
    /// The identity has no account in its ARN.
    #[error("STS answered with an identity that isn't one: `{0}`")]
    OddIdentity(String),
}

impl ConnectError {
    /// The error as a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::NoRegion => Diagnostic::error("aws::no-region", self.to_string()).help(
                "set `region` in [project], pass --region, or set AWS_REGION or a region in the AWS profile",
            ),
            Self::OddRegion(_) => Diagnostic::error("aws::region", self.to_string())
                .note("it's from --region, `region` in [project], AWS_REGION or the AWS profile, the first that is set")
                .help("write a region's name, such as `eu-west-1`"),
            Self::OddEndpoint(_) => Diagnostic::error("aws::endpoint", self.to_string())
                .note("it's from --endpoint-url, AWS_ENDPOINT_URL or the AWS profile, the first that is set")
                .help("write it with its scheme, such as `http://127.0.0.1:4566`, or leave it out to reach AWS itself"),
            Self::NoCredentials { profile, cause } => {
                let help = if profile.is_some() {
                    "run `aws configure list-profiles` for the profiles that are there, and `aws sso login` or \
                     `aws configure` to give one its credentials"
                } else {
                    "sign in (`aws sso login`, `aws configure`), name a profile with --profile, or set \
                     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                };
                Diagnostic::error("aws::no-credentials", self.to_string())
                    .note(cause.message())
                    .help(help)
            }
            Self::Unreachable { cause, .. } => {
                Diagnostic::error("aws::unreachable", self.to_string())
                    .note(cause.message())
                    .help(
                        "check the network, the region's name, and --endpoint-url or AWS_ENDPOINT_URL if one is set",
                    )
            }
            Self::Identity(error) => error.diagnostic(),
            Self::OddIdentity(_) => Diagnostic::error("aws::identity", self.to_string())
                .help("check --endpoint-url and AWS_ENDPOINT_URL"),
        }
    }
}

impl Aws {
    /// Loads the configuration, makes the clients and asks who is calling.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let profile = profile(options);
        let config = load(options, profile.as_deref()).await;
        let region = config
            .region()
            .map(ToString::to_string)
            .filter(|region| !region.is_empty())
            .ok_or(ConnectError::NoRegion)?;
        if !is_label(&region) {
            return Err(ConnectError::OddRegion(region));
        }
        let endpoint = config.endpoint_url().map(str::to_owned);
        if let Some(endpoint) = endpoint.as_ref().filter(|url| !is_endpoint(url)) {
            return Err(ConnectError::OddEndpoint(endpoint.clone()));
        }
        let mut aws = Self::with(
            &config,
            Identity {
                account: String::new(),
                partition: String::new(),
                region,
                arn: String::new(),
            },
        );
        // Nothing is uploaded in the first call: whoever is there answers at once.
        let sts = aws_sdk_sts::Client::from_conf(
            aws_sdk_sts::config::Builder::from(&config)
                .timeout_config(timeouts(Duration::from_secs(10)))
                .build(),
        );
        let caller = aws
            .call(Operation::read(Service::Sts, "GetCallerIdentity"), || {
                sts.get_caller_identity().send()
            })
            .await
            .map_err(|cause| match cause.class() {
                // With a code it's AWS that refuses them: then it's not that there are none.
                Class::Credentials if cause.code().is_none() => {
                    ConnectError::NoCredentials { profile, cause }
                }
                Class::Unreachable | Class::Ambiguous if cause.status().is_none() => {
                    ConnectError::Unreachable {
                        place: endpoint.unwrap_or_else(|| {
                            format!("AWS in the region `{}`", aws.identity.region)
                        }),
                        cause,
                    }
                }
                _ => cause.into(),
            })?;
        caller
            .arn()
            .unwrap_or_default()
            .clone_into(&mut aws.identity.arn);
        caller
            .account()
            .unwrap_or_default()
            .clone_into(&mut aws.identity.account);
        aws.identity.partition = aws
            .identity
            .arn
            .split(':')
            .nth(1)
            .filter(|partition| partition.starts_with("aws"))
            .ok_or_else(|| ConnectError::OddIdentity(aws.identity.arn.clone()))?
            .to_owned();
        if aws.identity.account.len() != 12
            || !aws
                .identity
                .account
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        {
            return Err(ConnectError::OddIdentity(aws.identity.arn.clone()));
        }
        Ok(aws)
    }

    fn with(config: &SdkConfig, identity: Identity) -> Self {
        let s3 = aws_sdk_s3::config::Builder::from(config)
            // An endpoint of one's own answers on one host name only.
            .force_path_style(config.endpoint_url().is_some())
            .build();
        Self {
            apigateway: aws_sdk_apigateway::Client::new(config),
            apigatewayv2: aws_sdk_apigatewayv2::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(config),
            identity,
            credentials: config.credentials_provider(),
            has_own_endpoint: config.endpoint_url().is_some(),
            limits: config.endpoint_url().is_none().then(limit::Limits::new),
            api_changes: tokio::sync::Mutex::new(()),
        }
    }

    /// Clients that nobody calls, for tests of what needs no cloud.
    #[cfg(test)]
    pub(crate) fn offline(identity: &Identity) -> Self {
        Self::through(http_client(), identity)
    }

    /// Clients whose calls go to `client`.
    #[cfg(test)]
    pub(crate) fn through(client: SharedHttpClient, identity: &Identity) -> Self {
        let credentials = Credentials::new("local", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(identity.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .http_client(client)
            .build();
        Self::with(&config, identity.clone())
    }

    /// Whether the services are at an address of the user's own, such as an emulator's.
    pub fn has_own_endpoint(&self) -> bool {
        self.has_own_endpoint
    }

    /// The caller's keys, for what the SDK doesn't sign: a handshake.
    pub async fn credentials(&self) -> Result<Credentials, ConnectError> {
        let none = |why: String| ConnectError::NoCredentials {
            profile: None,
            cause: Error::internal(why),
        };
        let provider = self.credentials.as_ref();
        let provider = provider.ok_or_else(|| none("none are configured".to_owned()))?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| none(error.to_string()))
    }

    /// Who is calling, and where.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The profile that must give the credentials, if one must.
///
/// As with the AWS CLI, `--profile` goes before keys in the environment, and those before `AWS_PROFILE`.
fn profile(options: &Options) -> Option<String> {
    if options.local {
        return None;
    }
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    options
        .profile
        .clone()
        .or_else(|| variable("AWS_PROFILE").filter(|_| variable("AWS_ACCESS_KEY_ID").is_none()))
}

/// Whether the text can be a part of a host's name, as regions are.
fn is_label(text: &str) -> bool {
    text.len() <= 63
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether the text is `http://host` or `https://host`, with or without more. The SDK takes minutes to refuse others.
fn is_endpoint(text: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !rest.contains(char::is_whitespace)
    })
}

/// The SDK's own configuration with what the user asked for laid over it.
async fn load(options: &Options, profile: Option<&str>) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::disabled())
        // Only where S3 demands one: what we write is small, and older S3 endpoints don't know the trailers.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // An upload of 50 MB over a slow line must pass.
        .timeout_config(timeouts(Duration::from_mins(2)));
    if let Ok(name) = AppName::new(concat!("wsless/", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if options.local {
        loader =
            loader.credentials_provider(Credentials::new("local", "test", None, None, "wsless"));
        if options.region.is_none() && std::env::var_os("AWS_REGION").is_none() {
            loader = loader.region(Region::from_static(LOCAL_REGION));
        }
    }
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    let config = loader.load().await;
    let Some(profile) = profile else {
        return config;
    };
    // The default chain would pass over a profile that isn't there and take whatever credentials come next.
    let provider = ProfileFileCredentialsProvider::builder()
        .profile_name(profile)
        .configure(
            &ProviderConfig::without_region()
                .with_region(config.region().cloned())
                .with_http_client(http_client()),
        )
        .build();
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

/// How long a connection and an answer may take.
fn timeouts(answer: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(answer)
        .build()
}

/// Without an HTTP client given to it the SDK compiles and panics at its first call: all clients get this one.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}
