//! The lock on a stage: one deployment at a time.
//!
//! An object in the bucket that is created only if absent and changed only if unchanged, with an owner and an expiry that
//! its holder moves on. A holder that died is outlived; one that lives is robbed only by a machine whose clock is wrong by
//! more than [`CLOCK_SKEW`] and the rest of its time. A holder that couldn't renew in time begins nothing more: its
//! [`Lease`] is over.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, sleep};
use uuid::Uuid;

#[cfg(not(test))]
use Timestamp as Clock;

#[cfg(test)]
use self::tests::Clock;
use super::bucket::{Bucket, Condition, Written};
use crate::{aws::Error, diagnostic::Diagnostic};

#[cfg(test)]
mod tests;

/// The lock's name in the bucket.
const NAME: &str = "lock.json";
/// How long a lock holds without being renewed.
const LIFETIME: Duration = Duration::from_mins(3);
/// How often it's renewed.
const RENEWAL: Duration = Duration::from_mins(1);
/// How soon a renewal that failed is tried again.
const RENEWAL_RETRY: Duration = Duration::from_secs(5);
/// How far two machines' clocks may differ before an expired lock counts as dead.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// How often it's looked whether a lease is over, beside whenever there's news.
const LOOK: Duration = Duration::from_secs(1);

/// Who holds a lock, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The lock's own id, which `unlock` asks for.
    pub id: String,
    /// The AWS identity.
    pub identity: String,
    /// The machine's name.
    pub host: String,
    /// The CI run's address, if it's a CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What is being done.
    pub command: String,
    /// Since when.
    pub acquired_at: Timestamp,
    /// Until when, unless renewed.
    pub expires_at: Timestamp,
}

impl Holder {
    /// A holder that begins now.
    pub fn new(identity: &str, command: &str) -> Self {
        let now = Clock::now();
        Self {
            id: Uuid::new_v4().to_string(),
            identity: identity.to_owned(),
            host: host(),
            run: run_url(),
            command: command.to_owned(),
            acquired_at: now,
            expires_at: later(now, LIFETIME),
        }
    }

    fn is_dead(&self, now: Timestamp) -> bool {
        later(self.expires_at, CLOCK_SKEW) < now
    }
}

/// Why there's no lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it.
    #[error("the stage is locked by {} on {}, for `{}`, since {}", .holder.identity, .holder.host, .holder.command, .holder.acquired_at)]
    Held {
        /// Who.
        holder: Box<Holder>,
        /// Of which stage.
        stage: String,
    },
    /// Somebody else's is to be freed than the one that's held.
    #[error("the stage isn't locked by `{asked}`, but by `{}`", .holder.id)]
    AnotherId {
        /// The id that was asked for.
        asked: String,
        /// Who holds the lock.
        holder: Box<Holder>,
    },
    /// Others come and go too quickly to tell who holds it, or it was freed while it was held.
    #[error("the lock at {0} was freed or changed meanwhile")]
    Changed(String),
    /// It couldn't be renewed before it expired.
    #[error("the lock at {0} couldn't be renewed in time")]
    Expired(String),
    /// What stands there isn't a lock.
    #[error("what is at {0} isn't a lock")]
    Odd(String),
    /// The bucket ignores conditions, so it can't hold a lock.
    #[error("the bucket {0} doesn't honour conditional writes")]
    Unconditional(String),
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] Error),
}

impl LockError {
    /// The error as a diagnostic.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::Held { holder, stage } => {
                let mut diagnostic = Diagnostic::error("lock::held", self.to_string());
                if let Some(run) = &holder.run {
                    diagnostic = diagnostic.note(format!("its CI run is {run}"));
                }
                diagnostic
                    .note(format!("it expires at {} unless it's renewed", holder.expires_at))
                    .help(format!(
                        "wait for it; if it's dead for sure, run `wsless unlock {} --stage {stage}`",
                        holder.id
                    ))
            }
            Self::AnotherId { holder, .. } => Diagnostic::error("lock::another-id", self.to_string())
                .note(format!(
                    "it's held by {} on {}, for `{}`, since {}",
                    holder.identity, holder.host, holder.command, holder.acquired_at
                ))
                .help("somebody else may have begun meanwhile: free it only if that run is dead too"),
            Self::Changed(_) => Diagnostic::error("lock::changed", self.to_string())
                .note("somebody ran `wsless unlock`, or several runs want the stage at once")
                .help("run the command again: it goes on from what is there"),
            Self::Expired(_) => Diagnostic::error("lock::expired", self.to_string())
                .note("S3 didn't answer, or this machine slept; somebody else may have the lock by now")
                .help("run the command again: it goes on from what is there"),
            Self::Odd(_) => Diagnostic::error("lock::odd", self.to_string())
                .help("see whose it is; if nobody is deploying, delete the object and run the command again"),
            Self::Unconditional(_) => Diagnostic::error("lock::unconditional", self.to_string())
                .help("use an endpoint whose S3 supports If-None-Match: without it two deployments can't be kept apart"),
            Self::Aws(error) => {
                let diagnostic = error.diagnostic();
                match error.code() {
                    Some("BucketAlreadyExists") => diagnostic.help(
                        "bucket names are global and somebody else's account has this one: wsless can't keep its lock in \
                         this account and region; ask AWS support or deploy to another region",
                    ),
                    _ => diagnostic,
                }
            }
        }
    }
}

/// Until when a lock is held for sure, by this machine's clock.
#[derive(Debug)]
pub struct Lease {
    until_ms: AtomicI64,
}

impl Lease {
    /// Of what needs no lock.
    pub const fn unlimited() -> Self {
        Self {
            until_ms: AtomicI64::new(i64::MAX),
        }
    }

    fn new(until: Timestamp) -> Self {
        Self {
            until_ms: AtomicI64::new(until.as_millisecond()),
        }
    }

    fn extend(&self, until: Timestamp) {
        self.until_ms
            .store(until.as_millisecond(), Ordering::SeqCst);
    }

    fn end(&self) {
        self.until_ms.store(i64::MIN, Ordering::SeqCst);
    }

    /// Whether it's still held.
    pub fn holds(&self) -> bool {
        Clock::now().as_millisecond() < self.until_ms.load(Ordering::SeqCst)
    }

    /// Does the work, but begins and goes on with it only while the lock is held; `None` if it's no longer.
    ///
    /// It looks whenever the work goes on, since a machine that slept wakes up late, and every second.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll_fn(|context| {
            if !self.holds() {
                return Poll::Ready(None);
            }
            while ticks.poll_tick(context).is_ready() {}
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// A lock that's held. Dropping it doesn't free it: [`Lock::release`] does.
#[derive(Debug)]
pub struct Lock<'a> {
    bucket: Bucket<'a>,
    holder: Holder,
    etag: String,
    lease: Arc<Lease>,
    /// Whether a dead holder had it before: then its work may be half done.
    pub was_stolen: bool,
}

impl<'a> Lock<'a> {
    /// Takes the lock, making the bucket if need be.
    pub async fn acquire(bucket: Bucket<'a>, holder: Holder) -> Result<Lock<'a>, LockError> {
        let body = serde_json::to_vec(&holder).unwrap_or_default();
        let mut was_stolen = false;
        // Each round somebody else won or freed it: a few are plenty.
        for _ in 0..5 {
            let written = match bucket.put(NAME, body.clone(), Condition::Absent).await {
                Err(error) if error.code() == Some("NoSuchBucket") => {
                    bucket.ensure().await?;
                    continue;
                }
                other => other?,
            };
            if let Written::Yes(etag) = written {
                // An endpoint that ignores the condition would give everybody the lock. The same holder in other bytes,
                // so that a lost answer to this write isn't taken for that of the first.
                let again = [body.as_slice(), b"\n"].concat();
                if bucket.put(NAME, again, Condition::Absent).await? != Written::Outrun {
                    return Err(LockError::Unconditional(bucket.name()));
                }
                return Ok(Self::held(bucket, holder, etag, was_stolen));
            }
            let Some((present, etag)) = read(bucket).await? else {
                continue;
            };
            if !present.is_dead(Clock::now()) {
                return Err(held(bucket, present));
            }
            if let Written::Yes(etag) = bucket
                .put(NAME, body.clone(), Condition::Unchanged(&etag))
                .await?
            {
                return Ok(Self::held(bucket, holder, etag, true));
            }
            was_stolen = true;
        }
        match read(bucket).await? {
            Some((holder, _)) => Err(held(bucket, holder)),
            None => Err(LockError::Changed(bucket.place(NAME))),
        }
    }

    fn held(bucket: Bucket<'a>, holder: Holder, etag: String, was_stolen: bool) -> Self {
        Self {
            bucket,
            lease: Arc::new(Lease::new(holder.expires_at)),
            holder,
            etag,
            was_stolen,
        }
    }

    /// Until when it's held for sure.
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    /// Renews the lock again and again, and returns only when it's lost. The lease is over then.
    ///
    /// A renewal that fails is tried again until the lock would expire: a bad minute of S3's is no reason to stop.
    pub async fn keep(&mut self) -> LockError {
        let lease = self.lease();
        let lost = lease.guard(Box::pin(self.renew())).await;
        lease.end();
        lost.unwrap_or_else(|| LockError::Expired(self.bucket.place(NAME)))
    }

    async fn renew(&mut self) -> LockError {
        loop {
            let next = Holder {
                expires_at: later(Clock::now(), LIFETIME),
                ..self.holder.clone()
            };
            let body = serde_json::to_vec(&next).unwrap_or_default();
            let written = self
                .bucket
                .put(NAME, body, Condition::Unchanged(&self.etag))
                .await;
            match written {
                Ok(Written::Yes(etag)) => {
                    self.etag = etag;
                    self.lease.extend(next.expires_at);
                    self.holder = next;
                    sleep(RENEWAL).await;
                }
                Ok(Written::Outrun) => match read(self.bucket).await {
                    // An earlier renewal whose answer was lost.
                    Ok(Some((holder, etag))) if holder.id == self.holder.id => self.etag = etag,
                    Ok(Some((holder, _))) => return held(self.bucket, holder),
                    Ok(None) => return LockError::Changed(self.bucket.place(NAME)),
                    Err(error) => return error,
                },
                Err(error) => {
                    tracing::debug!(%error, "the lock's renewal is tried again");
                    sleep(RENEWAL_RETRY).await;
                }
            }
        }
    }

    /// Frees the lock, if it's still ours.
    pub async fn release(self) -> Result<(), LockError> {
        if self.bucket.delete(NAME, &self.etag).await? {
            return Ok(());
        }
        // A renewal that was under way when the work ended may have given it another ETag.
        match read(self.bucket).await? {
            Some((holder, etag)) if holder.id == self.holder.id => {
                self.bucket.delete(NAME, &etag).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Who holds the lock now, if anybody does, and the ETag that says so.
pub async fn read(bucket: Bucket<'_>) -> Result<Option<(Holder, String)>, LockError> {
    bucket
        .get(NAME)
        .await?
        .map(|object| {
            let holder = serde_json::from_slice(&object.body)
                .map_err(|_| LockError::Odd(bucket.place(NAME)))?;
            Ok((holder, object.etag))
        })
        .transpose()
}

/// Frees the lock with this id, whoever holds it. Says whether there was one.
pub async fn unlock(bucket: Bucket<'_>, id: &str) -> Result<bool, LockError> {
    let Some((holder, etag)) = read(bucket).await? else {
        return Ok(false);
    };
    if holder.id != id {
        return Err(LockError::AnotherId {
            asked: id.to_owned(),
            holder: Box::new(holder),
        });
    }
    Ok(bucket.delete(NAME, &etag).await?)
}

fn held(bucket: Bucket<'_>, holder: Holder) -> LockError {
    LockError::Held {
        holder: Box::new(holder),
        stage: bucket.stage().to_owned(),
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(time)
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map_or_else(
            || "an unnamed machine".to_owned(),
            |name| name.trim().to_owned(),
        )
}

/// The address of the CI run we're in, on the services that tell.
pub fn run_url() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (
        variable("GITHUB_SERVER_URL"),
        variable("GITHUB_REPOSITORY"),
        variable("GITHUB_RUN_ID"),
    ) {
        (Some(server), Some(repository), Some(run)) => {
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        }
        _ => variable("CI_JOB_URL").or_else(|| variable("BUILD_URL")),
    }
}
