//! What a user says of a function, held against AWS's rules: the members that creating and updating have in common. Pure.

use std::{collections::BTreeMap, sync::LazyLock};

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::{
    check::{Members, invalid},
    state::{Logging, Settings},
};
use crate::error::Result;

const ROLE: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
const HANDLER: &str = r"[^\s]+";
const LOG_GROUP: &str = r"[\.\-_/#A-Za-z0-9]+";
const RESOURCE: &str = r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()";
const VARIABLE: &str = r"[a-zA-Z]([a-zA-Z0-9_])+";

static ROLE_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(ROLE));
static HANDLER_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(HANDLER));
static LOG_GROUP_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(LOG_GROUP));
static RESOURCE_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(RESOURCE));
static VARIABLE_SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| whole(VARIABLE));

/// A pattern for the whole of a text.
pub(super) fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

/// The runtimes that functions can be made for, in the order in which AWS's refusal lists them.
const RUNTIMES: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// The runtimes that there were.
const OLD_RUNTIMES: [&str; 21] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet5.0",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

/// Variables that are Lambda's own (developer guide, configuration-envvars).
const RESERVED: [&str; 20] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
];

/// The most that the variables may take, as JSON.
const ENVIRONMENT: usize = 4096;
const MOST_MEMORY: i64 = 10_240;
const MOST_TIMEOUT: i64 = 900;

impl Settings {
    /// AWS's defaults of a function that has a role, a runtime and a handler.
    pub(super) fn defaults(function: &str) -> Self {
        Self {
            role: String::new(),
            runtime: String::new(),
            handler: String::new(),
            description: String::new(),
            timeout_s: 3,
            memory_mib: 128,
            environment: None,
            ephemeral_mib: 512,
            tracing: "PassThrough".to_owned(),
            architecture: "x86_64".to_owned(),
            snap_start: "None".to_owned(),
            logging: Logging {
                format: "Text".to_owned(),
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{function}"),
            },
            dead_letter: None,
            kms_key: None,
            code_sha256: String::new(),
            code_size: 0,
        }
    }

    /// Changes what the call says, and notes which of the model's constraints are broken.
    pub(super) fn read(&mut self, function: &str, members: &mut Members<'_>) -> Result<()> {
        if let Some(role) = members.text("Role")? {
            shape(members, "role", role, &ROLE_SHAPE, ROLE);
            role.clone_into(&mut self.role);
        }
        if let Some(handler) = members.text("Handler")? {
            members.length("handler", handler, 0, 128);
            shape(members, "handler", handler, &HANDLER_SHAPE, HANDLER);
            handler.clone_into(&mut self.handler);
        }
        if let Some(runtime) = members.text("Runtime")? {
            runtime.clone_into(&mut self.runtime);
        }
        if let Some(description) = members.text("Description")? {
            members.length("description", description, 0, 256);
            description.clone_into(&mut self.description);
        }
        if let Some(timeout) = members.number("Timeout")? {
            members.range("timeout", timeout, 1, MOST_TIMEOUT);
            self.timeout_s = u32::try_from(timeout).unwrap_or(0);
        }
        if let Some(memory) = members.number("MemorySize")? {
            // The model's own limit is that of managed instances, which have 32 GiB.
            members.range("memorySize", memory, 128, 32_768);
            self.memory_mib = u32::try_from(memory).unwrap_or(0);
        }
        if let Some(environment) = members.map("Environment")? {
            let inner = Members::new(environment);
            let variables = inner.text_map("Variables")?.unwrap_or_default();
            for (name, _) in &variables {
                if VARIABLE_SHAPE
                    .as_ref()
                    .is_some_and(|shape| !shape.is_match(name))
                {
                    members.violate(
                        "environment.variables",
                        name,
                        &format!("Map keys must satisfy constraint: [Member must satisfy regular expression pattern: {VARIABLE}]"),
                    );
                }
            }
            self.environment = Some(owned(&variables));
        }
        if let Some(storage) = members.map("EphemeralStorage")? {
            let size = Members::new(storage).number("Size")?.unwrap_or(0);
            members.range("ephemeralStorage.size", size, 512, MOST_MEMORY);
            self.ephemeral_mib = u32::try_from(size).unwrap_or(0);
        }
        if let Some(tracing) = members.map("TracingConfig")? {
            let mode = Members::new(tracing).text("Mode")?;
            if let Some(mode) = mode {
                members.one_of("tracingConfig.mode", mode, &["Active", "PassThrough"]);
                mode.clone_into(&mut self.tracing);
            }
        }
        if let Some(snap_start) = members.map("SnapStart")? {
            let on = Members::new(snap_start).text("ApplyOn")?;
            if let Some(on) = on {
                members.one_of("snapStart.applyOn", on, &["PublishedVersions", "None"]);
                on.clone_into(&mut self.snap_start);
            }
        }
        if let Some(logging) = members.map("LoggingConfig")? {
            self.read_logging(function, members, logging)?;
        }
        if let Some(letter) = members.map("DeadLetterConfig")? {
            let target = Members::new(letter).text("TargetArn")?.unwrap_or_default();
            shape(
                members,
                "deadLetterConfig.targetArn",
                target,
                &RESOURCE_SHAPE,
                RESOURCE,
            );
            self.dead_letter = Some(target.to_owned()).filter(|target| !target.is_empty());
        }
        if let Some(key) = members.text("KMSKeyArn")? {
            shape(members, "kMSKeyArn", key, &RESOURCE_SHAPE, RESOURCE);
            self.kms_key = Some(key.to_owned()).filter(|key| !key.is_empty());
        }
        Ok(())
    }

    fn read_logging(
        &mut self,
        function: &str,
        members: &mut Members<'_>,
        logging: &Map<String, Value>,
    ) -> Result<()> {
        let inner = Members::new(logging);
        if let Some(format) = inner.text("LogFormat")? {
            members.one_of("loggingConfig.logFormat", format, &["JSON", "Text"]);
            format.clone_into(&mut self.logging.format);
        }
        if let Some(group) = inner.text("LogGroup")? {
            members.length("loggingConfig.logGroup", group, 1, 512);
            shape(
                members,
                "loggingConfig.logGroup",
                group,
                &LOG_GROUP_SHAPE,
                LOG_GROUP,
            );
            group.clone_into(&mut self.logging.group);
        } else if self.logging.group.is_empty() {
            self.logging.group = format!("/aws/lambda/{function}");
        }
        let application = inner.text("ApplicationLogLevel")?;
        if let Some(level) = application {
            let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
            members.one_of("loggingConfig.applicationLogLevel", level, &levels);
        }
        let system = inner.text("SystemLogLevel")?;
        if let Some(level) = system {
            members.one_of(
                "loggingConfig.systemLogLevel",
                level,
                &["DEBUG", "INFO", "WARN"],
            );
        }
        if self.logging.format == "JSON" {
            let level = |given: Option<&str>, old: &mut Option<String>| {
                let level = given.map_or_else(
                    || old.take().unwrap_or_else(|| "INFO".to_owned()),
                    str::to_owned,
                );
                *old = Some(level);
            };
            level(application, &mut self.logging.application_level);
            level(system, &mut self.logging.system_level);
        } else {
            if application.or(system).is_some() {
                return Err(invalid(
                    "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON.",
                ));
            }
            self.logging.application_level = None;
            self.logging.system_level = None;
        }
        Ok(())
    }

    /// What AWS checks beyond its model's constraints.
    pub(super) fn check(&self, input: &Map<String, Value>) -> Result<()> {
        if self.runtime.is_empty() || self.handler.is_empty() {
            return Err(invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ));
        }
        let runtime = &self.runtime;
        if OLD_RUNTIMES.contains(&runtime.as_str()) {
            return Err(invalid(format!(
                "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
            )));
        }
        if !RUNTIMES.contains(&runtime.as_str()) {
            return Err(invalid(format!(
                "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a valid ARN",
                RUNTIMES.join(", ")
            )));
        }
        if i64::from(self.memory_mib) > MOST_MEMORY {
            return Err(invalid(format!(
                "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to {MOST_MEMORY}"
            )));
        }
        self.check_environment(input)?;
        absent(input)
    }

    fn check_environment(&self, input: &Map<String, Value>) -> Result<()> {
        let Some(environment) = &self.environment else {
            return Ok(());
        };
        let reserved: Vec<&str> = environment
            .keys()
            .map(String::as_str)
            .filter(|name| RESERVED.contains(name))
            .collect();
        if !reserved.is_empty() {
            return Err(invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
                reserved.join(", ")
            )));
        }
        // AWS measures, and echoes, what was sent, in the order it was sent in.
        let measured = input
            .get("Environment")
            .and_then(|environment| environment.get("Variables"))
            .map(Value::to_string)
            .unwrap_or_default();
        if measured.len() > ENVIRONMENT {
            return Err(invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
            )));
        }
        Ok(())
    }
}

/// What there is none of in this account: layers, networks, file systems, images.
fn absent(input: &Map<String, Value>) -> Result<()> {
    let members = Members::new(input);
    let layers = members.texts("Layers")?.unwrap_or_default();
    if layers.len() > 5 {
        return Err(invalid("Cannot reference more than 5 layers."));
    }
    if let Some(layer) = layers.first() {
        return Err(invalid(format!("Layer version {layer} does not exist.")));
    }
    if let Some(network) = members.map("VpcConfig")? {
        let network = Members::new(network);
        if let Some(subnet) = network
            .texts("SubnetIds")?
            .and_then(|ids| ids.first().copied())
        {
            return Err(invalid(format!(
                "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '{subnet}' does not exist"
            )));
        }
        if let Some(group) = network
            .texts("SecurityGroupIds")?
            .and_then(|ids| ids.first().copied())
        {
            return Err(invalid(format!(
                "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '{group}' does not exist"
            )));
        }
    }
    let has_files = matches!(
        members.value("FileSystemConfigs"),
        Some(Value::Array(systems)) if !systems.is_empty()
    );
    let has_image = members
        .text("PackageType")?
        .is_some_and(|package| package == "Image")
        || members.value("ImageConfig").is_some();
    for (is_asked, what) in [
        (has_files, "FileSystemConfigs"),
        (has_image, "PackageType Image"),
        (
            members.value("CodeSigningConfigArn").is_some(),
            "CodeSigningConfigArn",
        ),
        (
            members.value("CapacityProviderConfig").is_some(),
            "CapacityProviderConfig",
        ),
        (members.value("DurableConfig").is_some(), "DurableConfig"),
        (members.value("TenancyConfig").is_some(), "TenancyConfig"),
    ] {
        if is_asked {
            return Err(invalid(format!(
                "wsless's embedded cloud doesn't have functions with {what}"
            )));
        }
    }
    Ok(())
}

/// Reads `Architectures`: exactly one.
pub(super) fn architecture(members: &mut Members<'_>) -> Result<Option<String>> {
    let Some(architectures) = members.texts("Architectures")? else {
        return Ok(None);
    };
    let shown = format!("[{}]", architectures.join(", "));
    let [architecture] = architectures.as_slice() else {
        let bound = if architectures.is_empty() {
            "greater than or equal to 1"
        } else {
            "less than or equal to 1"
        };
        members.violate(
            "architectures",
            shown,
            &format!("Member must have length {bound}"),
        );
        return Ok(None);
    };
    if !["x86_64", "arm64"].contains(architecture) {
        members.violate(
            "architectures",
            shown,
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        );
    }
    Ok(Some((*architecture).to_owned()))
}

fn shape(
    members: &mut Members<'_>,
    field: &str,
    text: &str,
    pattern: &LazyLock<Option<Regex>>,
    shown: &str,
) {
    if let Some(pattern) = &**pattern {
        members.pattern(field, text, pattern, shown);
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
