//! The environment of a function's process, as AWS sets it. Pure.

use std::path::Path;

use crate::{iam::Credentials, lambda::model::Version};

/// What a process's environment is made of besides its version.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// `127.0.0.1:4510`.
    pub address: std::net::SocketAddr,
    /// The process's id.
    pub id: &'a str,
    pub region: &'a str,
    pub log_stream: &'a str,
    pub credentials: &'a Credentials,
    /// A folder of its own.
    pub temporary: &'a Path,
}

/// The variables (Lambda's developer guide, "Defined runtime environment variables"). Custom runtimes get no
/// `AWS_EXECUTION_ENV`; the user's own variables come last, as nothing that AWS reserves is among them.
pub(super) fn variables(version: &Version, place: &Place<'_>) -> Vec<(String, String)> {
    let code = version.code.display();
    let mut all: Vec<(String, String)> = [
        ("_HANDLER", version.handler.clone()),
        ("LAMBDA_TASK_ROOT", code.to_string()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("AWS_REGION", place.region.to_owned()),
        ("AWS_DEFAULT_REGION", place.region.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", version.function.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", version.version.clone()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            version.memory_mib.to_string(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", version.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", place.log_stream.to_owned()),
        (
            "AWS_LAMBDA_RUNTIME_API",
            format!("{}/_runtime/{}", place.address, place.id),
        ),
        ("AWS_ACCESS_KEY_ID", place.credentials.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", place.credentials.secret.clone()),
        ("AWS_SESSION_TOKEN", place.credentials.token.clone()),
        // Not AWS's: how an SDK finds this cloud.
        ("AWS_ENDPOINT_URL", format!("http://{}", place.address)),
        ("TZ", ":UTC".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("LD_LIBRARY_PATH", format!("{code}:{code}/lib")),
        ("TMPDIR", place.temporary.display().to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all.extend(
        version
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    all
}
