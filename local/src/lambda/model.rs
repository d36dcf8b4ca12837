//! What the control plane keeps of functions, and what running one needs of it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    Lambda,
    arn::{self, LATEST, Shape},
    check::not_found,
};
use crate::{clock::Millis, error::Result};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let control = &self.control;
        let named = arn::parse(function, Shape::Namespaced).ok_or_else(|| {
            not_found(format!(
                "Function not found: {}:$LATEST",
                arn::function(&control.region, function)
            ))
        })?;
        arn::within(&named, &control.region)?;
        let arn = arn::function(&control.region, named.name);
        let missing = || {
            let qualifier = named.qualifier.unwrap_or(LATEST);
            not_found(format!("Function not found: {arn}:{qualifier}"))
        };
        let state = control.state.read();
        let held = state.functions.get(named.name).ok_or_else(missing)?;
        let release = match named.qualifier {
            Some(qualifier) if arn::is_alias(qualifier) => {
                let alias = held.aliases.get(qualifier).ok_or_else(missing)?;
                held.release_of_version(alias.chosen(rand::random()))
            }
            qualifier => held.release(qualifier),
        }
        .ok_or_else(missing)?;
        let version = held.invoked(release, Millis::now())?;
        Ok(Target {
            version,
            invoked_arn: match named.qualifier {
                Some(qualifier) => format!("{arn}:{qualifier}"),
                None => arn,
            },
            reserved_concurrency: held.reserved,
        })
    }

    /// The mappings that are to be polled now, and what changes when they do.
    pub fn mappings(&self) -> tokio::sync::watch::Receiver<Arc<Vec<Mapping>>> {
        self.control.polled.subscribe()
    }

    /// What the poller saw last, for `LastProcessingResult`.
    pub fn note_polled(&self, uuid: &str, result: &str) {
        let mut results = self.control.results.lock();
        match results.get_mut(uuid) {
            Some(last) if last == result => {}
            Some(last) => result.clone_into(last),
            // Only what is there has a result: the pollers may be late.
            None if self
                .control
                .polled
                .borrow()
                .iter()
                .any(|mapping| mapping.uuid == uuid) =>
            {
                results.insert(uuid.to_owned(), result.to_owned());
            }
            None => {}
        }
    }
}
