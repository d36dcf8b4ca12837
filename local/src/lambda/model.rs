//! What the control plane keeps of functions, and what running one needs of it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use crate::{clock::Millis, error::Result, lambda::Lambda};

/// One version of a function, frozen; `$LATEST` is a new one after each update.
#[derive(Clone, Debug)]
pub struct Version {
    /// The function's name.
    pub function: String,
    /// `$LATEST`, or a number.
    pub version: String,
    /// The function's ARN, without a qualifier.
    pub function_arn: String,
    /// The ARN of the role it runs under.
    pub role: String,
    /// `provided.al2023`.
    pub runtime: String,
    /// What the runtime starts; `bootstrap` doesn't care.
    pub handler: String,
    /// The user's variables.
    pub environment: BTreeMap<String, String>,
    /// 128 to 10,240.
    pub memory_mib: u32,
    /// 1 to 900 s.
    pub timeout: Duration,
    /// Where the zip is unpacked to, read-only for the process; unpacked when the function is created.
    pub code: PathBuf,
    /// Base64 of the zip's SHA-256.
    pub code_sha256: String,
    /// Where its log goes.
    pub log_group: String,
    /// Differs between any two updates of a function: processes started for another revision aren't used.
    pub revision: String,
    /// When it's active, or its update done.
    pub ready_at: Millis,
}

/// Whom an invocation reaches.
#[derive(Clone, Debug)]
pub struct Target {
    /// The version that runs; chosen anew for each invocation where an alias splits its traffic.
    pub version: Arc<Version>,
    /// The ARN as it was invoked, with the qualifier if there was one.
    pub invoked_arn: String,
    /// The function's reserved concurrency, if any: 0 is off.
    pub reserved_concurrency: Option<u32>,
}

/// An event source mapping from a queue.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Its id.
    pub uuid: String,
    /// The queue's ARN.
    pub queue_arn: String,
    /// The function's ARN, with the qualifier if there's one.
    pub function_arn: String,
    /// Messages a batch.
    pub batch_size: usize,
    /// How long a batch is waited for.
    pub window: Duration,
    /// Invocations at once; none: the function's concurrency.
    pub max_concurrency: Option<u32>,
    /// ReportBatchItemFailures.
    pub reports_item_failures: bool,
    /// Event filters, as JSON patterns; what matches none is deleted.
    pub filters: Vec<String>,
}

impl Lambda {
    /// Whom a name or an ARN, with or without a qualifier, reaches. AWS's errors: not found, pending, failed.
    pub fn resolve(&self, function: &str) -> Result<Target> {
        let _ = function;
        Err(crate::error::AwsError::new(
            404,
            "ResourceNotFoundException",
            "Function not found",
        ))
    }

    /// The mappings that are to be polled now, and what changes when they do.
    pub fn mappings(&self) -> tokio::sync::watch::Receiver<Arc<Vec<Mapping>>> {
        tokio::sync::watch::channel(Arc::default()).1
    }

    /// What the poller saw last, for `LastProcessingResult`.
    pub fn note_polled(&self, uuid: &str, result: &str) {
        let _ = (uuid, result);
    }
}
