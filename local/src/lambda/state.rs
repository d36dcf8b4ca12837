//! What the control plane holds: functions with their versions, aliases and policies, and event source mappings.
//!
//! Plain values that can be kept. Times decide states when they're read; nothing here waits or does I/O.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    arn::{self, LATEST},
    check::conflict,
    code::Package,
    model::{Mapping, Version},
};
use crate::{
    clock::Millis,
    error::{AwsError, Result},
};

/// Everything of a region.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The functions, by name.
    pub(super) functions: BTreeMap<String, Function>,
    /// The event source mappings, by UUID.
    pub(super) mappings: BTreeMap<String, EventSource>,
}

/// A function.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    /// The reserved concurrency.
    pub(super) reserved: Option<u32>,
    /// What can be changed.
    pub(super) latest: Release,
    /// What invocations reach while an update of `latest` is under way.
    #[serde(skip)]
    pub(super) before: Option<Arc<Version>>,
    /// What was published, by number.
    pub(super) versions: BTreeMap<u64, Release>,
    /// The number of the last version; numbers don't come twice.
    pub(super) last_number: u64,
    /// What `latest` was when the last version was published.
    pub(super) published: Option<(u64, Settings)>,
    pub(super) aliases: BTreeMap<String, Alias>,
    /// The resource policies, by qualifier; the function's own is by the empty one.
    pub(super) policies: BTreeMap<String, Policy>,
    /// How asynchronous invocations are tried again, by qualifier.
    #[serde(default)]
    pub(super) event_configs: BTreeMap<String, EventConfig>,
}

/// One version's code and configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Release {
    /// The version's number; none: `$LATEST`.
    pub(super) number: Option<u64>,
    pub(super) settings: Settings,
    pub(super) modified: Millis,
    /// Whether it was just made; else it was updated.
    pub(super) is_new: bool,
    /// When it's active, or its update done.
    pub(super) ready_at: Millis,
    /// The revision until then, and from then on: becoming ready changes it.
    pub(super) revisions: (String, String),
    /// What tells processes started for it from those of other updates.
    pub(super) build: String,
    /// What runs; absent only between the two steps of a restore.
    #[serde(skip)]
    pub(super) live: Option<Live>,
}

/// What a version is run from.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) version: Arc<Version>,
    pub(super) package: Arc<Package>,
}

/// What a user says of a function, AWS's defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) role: String,
    pub(super) runtime: String,
    pub(super) handler: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mib: u32,
    /// None: none was ever given, and AWS doesn't answer it.
    pub(super) environment: Option<BTreeMap<String, String>>,
    pub(super) ephemeral_mib: u32,
    pub(super) tracing: String,
    pub(super) architecture: String,
    pub(super) snap_start: String,
    pub(super) logging: Logging,
    pub(super) dead_letter: Option<String>,
    pub(super) kms_key: Option<String>,
    /// Base64 of the zip's SHA-256.
    pub(super) code_sha256: String,
    pub(super) code_size: u64,
}

/// `LoggingConfig`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Logging {
    pub(super) format: String,
    pub(super) application_level: Option<String>,
    pub(super) system_level: Option<String>,
    pub(super) group: String,
}

/// An alias.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Alias {
    pub(super) name: String,
    /// The version's number, or `$LATEST`.
    pub(super) version: String,
    pub(super) description: String,
    /// The other version, and the part of the invocations that it gets.
    pub(super) other: Option<(String, f64)>,
    pub(super) revision: String,
}

/// A resource policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) statements: Vec<Value>,
    pub(super) revision: String,
}

/// How asynchronous invocations are tried again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct EventConfig {
    pub(super) retries: Option<u32>,
    pub(super) age_s: Option<u32>,
    pub(super) modified: Millis,
}

/// An event source mapping.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EventSource {
    pub(super) uuid: String,
    pub(super) queue_arn: String,
    /// With the qualifier if there's one.
    pub(super) function_arn: String,
    pub(super) is_enabled: bool,
    pub(super) batch_size: u32,
    pub(super) window_s: u32,
    pub(super) max_concurrency: Option<u32>,
    pub(super) reports_item_failures: bool,
    pub(super) filters: Vec<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) modified: Millis,
    pub(super) phase: Phase,
    /// When the phase is over.
    pub(super) settled_at: Millis,
}

/// What a mapping goes through until it's settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Creating,
    Updating,
    Enabling,
    Disabling,
    Deleting,
}

/// A new revision's id.
pub(super) fn revision() -> String {
    Uuid::new_v4().to_string()
}

impl Release {
    /// A version of settings and code.
    pub(super) fn new(
        function: &Named<'_>,
        number: Option<u64>,
        settings: Settings,
        package: Arc<Package>,
        made: Made,
    ) -> Self {
        let mut release = Self {
            number,
            settings,
            modified: made.at,
            is_new: made.is_new,
            ready_at: made.at.after(made.takes),
            revisions: (revision(), revision()),
            build: revision(),
            live: None,
        };
        release.enliven(function, package);
        release
    }

    /// Makes what runs of what is held.
    pub(super) fn enliven(&mut self, function: &Named<'_>, package: Arc<Package>) {
        let settings = &self.settings;
        let version = Version {
            function: function.name.to_owned(),
            version: self.version(),
            function_arn: arn::function(function.region, function.name),
            role: settings.role.clone(),
            runtime: settings.runtime.clone(),
            handler: settings.handler.clone(),
            environment: settings.environment.clone().unwrap_or_default(),
            memory_mib: settings.memory_mib,
            timeout: Duration::from_secs(settings.timeout_s.into()),
            code: package.path().to_owned(),
            code_sha256: settings.code_sha256.clone(),
            log_group: settings.logging.group.clone(),
            revision: self.build.clone(),
            ready_at: self.ready_at,
        };
        self.live = Some(Live {
            version: Arc::new(version),
            package,
        });
    }

    /// `$LATEST`, or the number.
    pub(super) fn version(&self) -> String {
        self.number
            .map_or_else(|| LATEST.to_owned(), |number| number.to_string())
    }

    /// Whether it's active, and its update done.
    pub(super) fn is_ready(&self, now: Millis) -> bool {
        self.ready_at <= now
    }

    /// The revision's id.
    pub(super) fn revision(&self, now: Millis) -> &str {
        if self.is_ready(now) {
            &self.revisions.1
        } else {
            &self.revisions.0
        }
    }
}

/// Whose version it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) region: &'a str,
    pub(super) name: &'a str,
}

/// When something was made or updated, and how long until that's so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) at: Millis,
    pub(super) takes: Duration,
    pub(super) is_new: bool,
}

impl Function {
    /// What a qualifier names: `$LATEST`, a number, or an alias (whose main version is meant).
    pub(super) fn release(&self, qualifier: Option<&str>) -> Option<&Release> {
        match qualifier {
            None | Some(LATEST) => Some(&self.latest),
            Some(version) if arn::number(version).is_some() => self.release_of_version(version),
            Some(alias) => self.release_of_version(&self.aliases.get(alias)?.version),
        }
    }

    /// What a version's name names, aliases aside.
    pub(super) fn release_of_version(&self, version: &str) -> Option<&Release> {
        match arn::number(version) {
            Some(number) => self.versions.get(&number),
            None => (version == LATEST).then_some(&self.latest),
        }
    }

    /// Refuses a change while another is under way.
    pub(super) fn must_be_ready(&self, region: &str, now: Millis) -> Result<()> {
        if self.latest.is_ready(now) {
            return Ok(());
        }
        let why = if self.latest.is_new {
            "The function is currently in the following state: Pending".to_owned()
        } else {
            format!(
                "An update is in progress for resource: {}",
                arn::function(region, &self.name)
            )
        };
        Err(conflict(format!(
            "The operation cannot be performed at this time. {why}"
        )))
    }

    /// Puts a new `$LATEST` in the place of the old one, which invocations still reach until the new one is ready.
    /// Returns the code that the old one had.
    pub(super) fn update(
        &mut self,
        region: &str,
        settings: Settings,
        package: Arc<Package>,
        made: Made,
    ) -> Option<Arc<Package>> {
        let named = Named {
            region,
            name: &self.name,
        };
        let release = Release::new(&named, None, settings, package, made);
        let old = std::mem::replace(&mut self.latest, release).live;
        self.before = old
            .as_ref()
            .map(|live| Arc::clone(&live.version))
            .filter(|_| !made.takes.is_zero());
        old.map(|live| live.package)
    }

    /// Publishes `$LATEST`: a new version, or the last one if nothing has changed since.
    pub(super) fn publish(
        &mut self,
        region: &str,
        description: Option<&str>,
        made: Made,
    ) -> Option<u64> {
        if let Some((number, settings)) = &self.published
            && *settings == self.latest.settings
            && self.versions.contains_key(number)
        {
            return Some(*number);
        }
        let package = Arc::clone(&self.latest.live.as_ref()?.package);
        let number = self.last_number.checked_add(1)?;
        let mut settings = self.latest.settings.clone();
        self.published = Some((number, settings.clone()));
        if let Some(description) = description {
            description.clone_into(&mut settings.description);
        }
        let named = Named {
            region,
            name: &self.name,
        };
        let release = Release::new(&named, Some(number), settings, package, made);
        self.versions.insert(number, release);
        self.last_number = number;
        // As recorded: publishing changes the revision of $LATEST as well.
        self.latest.revisions.1 = revision();
        Some(number)
    }

    /// What an invocation of a version runs: until an update is done, what was before.
    pub(super) fn invoked(&self, release: &Release, now: Millis) -> Result<Arc<Version>> {
        if release.is_ready(now) {
            return release
                .live
                .as_ref()
                .map(|live| Arc::clone(&live.version))
                .ok_or_else(|| AwsError::new(500, "ServiceException", "The code is gone"));
        }
        match &self.before {
            Some(before) if release.number.is_none() => Ok(Arc::clone(before)),
            _ => Err(conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: Pending",
            )),
        }
    }

    /// All of its versions, `$LATEST` first.
    pub(super) fn releases(&self) -> impl Iterator<Item = &Release> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }

    /// All of its versions, to be changed.
    pub(super) fn releases_mut(&mut self) -> impl Iterator<Item = &mut Release> {
        std::iter::once(&mut self.latest).chain(self.versions.values_mut())
    }
}

impl State {
    /// Concurrency that isn't reserved for a function.
    pub(super) fn unreserved(&self) -> u32 {
        let reserved: u32 = self
            .functions
            .values()
            .filter_map(|function| function.reserved)
            .fold(0, u32::saturating_add);
        super::concurrency::ACCOUNT_LIMIT.saturating_sub(reserved)
    }

    /// Whether what a function's ARN, with or without a qualifier, names is there.
    pub(super) fn has(&self, arn: &str) -> bool {
        arn::parse(arn, arn::Shape::Namespaced).is_some_and(|named| {
            self.functions
                .get(named.name)
                .is_some_and(|function| function.release(named.qualifier).is_some())
        })
    }

    /// A mapping, unless it's gone.
    pub(super) fn mapping(&self, uuid: &str, now: Millis) -> Option<&EventSource> {
        self.mappings
            .get(uuid)
            .filter(|mapping| !mapping.is_gone(now))
    }

    /// Lets go of the mappings that are gone.
    pub(super) fn forget_gone(&mut self, now: Millis) {
        self.mappings.retain(|_, mapping| !mapping.is_gone(now));
    }
}

impl Alias {
    /// Which version gets an invocation, by a number from 0 to below 1.
    pub(super) fn chosen(&self, at_random: f64) -> &str {
        match &self.other {
            Some((version, weight)) if at_random < *weight => version,
            _ => &self.version,
        }
    }
}

impl From<&EventSource> for Mapping {
    fn from(mapping: &EventSource) -> Self {
        Self {
            uuid: mapping.uuid.clone(),
            queue_arn: mapping.queue_arn.clone(),
            function_arn: mapping.function_arn.clone(),
            batch_size: usize::try_from(mapping.batch_size).unwrap_or(1),
            window: Duration::from_secs(mapping.window_s.into()),
            max_concurrency: mapping.max_concurrency,
            reports_item_failures: mapping.reports_item_failures,
            filters: mapping.filters.clone(),
        }
    }
}

impl EventSource {
    /// Whether its deletion is done.
    pub(super) fn is_gone(&self, now: Millis) -> bool {
        self.phase == Phase::Deleting && self.is_settled(now)
    }

    /// Whether nothing is under way.
    pub(super) fn is_settled(&self, now: Millis) -> bool {
        self.settled_at <= now
    }

    /// Whether messages are taken for it. A change of one that is enabled doesn't stop it.
    pub(super) fn is_polled(&self, now: Millis) -> bool {
        self.is_enabled
            && match self.phase {
                Phase::Creating | Phase::Enabling => self.is_settled(now),
                Phase::Updating => true,
                Phase::Disabling | Phase::Deleting => false,
            }
    }

    /// AWS's word for its state.
    pub(super) fn state(&self, now: Millis) -> &'static str {
        if self.is_settled(now) {
            return if self.is_enabled {
                "Enabled"
            } else {
                "Disabled"
            };
        }
        match self.phase {
            Phase::Creating => "Creating",
            Phase::Updating => "Updating",
            Phase::Enabling => "Enabling",
            Phase::Disabling => "Disabling",
            Phase::Deleting => "Deleting",
        }
    }
}
