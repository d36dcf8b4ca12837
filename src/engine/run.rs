//! A run: look, take the lock, look again if anybody was there meanwhile, apply, write the record, free the lock.

use std::collections::BTreeMap;

use futures::future::{Either, join, join_all, select};
use jiff::Timestamp;

use super::{
    address::Address,
    apply::{Applied, Engine},
    bucket::Bucket,
    drift,
    event::Outcome,
    lock::{Holder, Lease, Lock, LockError, run_url},
    plan::{Action, Foreign, Plan, of_kind, plan},
    record::{self, Record},
    resource::{Attributes, Context},
    survey::Survey,
};
use crate::{aws::Error, diagnostic::Diagnostic};

/// What one look at the cloud says.
#[derive(Clone, Debug)]
pub struct Look {
    /// What is to be done.
    pub plan: Plan,
    /// The last deployment, if there was one.
    pub last: Option<Record>,
    /// Which version of the record that is.
    record_version: String,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum LookError {
    /// AWS refused to tell.
    Aws(Vec<Error>),
    /// Resources bear our names and aren't ours.
    Foreign(Vec<Foreign>),
}

impl LookError {
    /// The errors as diagnostics.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Aws(errors) => errors.iter().map(Error::diagnostic).collect(),
            Self::Foreign(foreign) => foreign
                .iter()
                .map(|Foreign { address, id }| {
                    Diagnostic::error(
                        "engine::foreign",
                        format!("{address}: `{id}` is there and isn't this stage's"),
                    )
                    .note(
                        "it lacks the stage's tags, or belongs to the stage in another region; wsless never touches \
                         what isn't its own",
                    )
                    .help(
                        "rename the project or the stage (a stage lives in one region), or remove what is in the way",
                    )
                })
                .collect(),
        }
    }
}

impl From<Error> for LookError {
    fn from(error: Error) -> Self {
        Self::Aws(vec![error])
    }
}

/// What a run did.
#[derive(Debug)]
pub struct Outcomes {
    /// The steps.
    pub applied: Applied,
    /// What went wrong beside the steps: the lock was lost, the record couldn't be written.
    pub troubles: Vec<Diagnostic>,
    /// The deployment's number.
    pub number: u64,
}

/// What a run says of itself in the record.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `deploy`, `destroy`.
    pub command: String,
    /// The commit that is deployed.
    pub commit: Option<String>,
}

impl Engine<'_> {
    fn bucket(&self) -> Bucket<'_> {
        Bucket::new(self.aws, self.scope)
    }

    /// Looks at the cloud and plans. Changes nothing.
    pub async fn look(&self) -> Result<Look, LookError> {
        let survey = Survey::new(self.aws, self.scope, self.stack, self.types);
        let (observation, last) = join(survey.everything(), record::last(self.bucket())).await;
        let observation = observation.map_err(LookError::Aws)?;
        let (last, record_version) = last?;
        let mut plan = plan(self.stack, &observation, self.types).map_err(LookError::Foreign)?;
        if let Some(last) = &last {
            drift::mark(&mut plan, self.stack, last);
        }
        self.weigh(&mut plan).await?;
        Ok(Look {
            plan,
            last,
            record_version,
        })
    }

    /// Whether the last record tells of what is there. A run that was cut off after its last step wrote none.
    pub fn is_recorded(&self, look: &Look) -> bool {
        let Some(last) = look.last.as_ref().filter(|last| last.complete) else {
            return false;
        };
        let present = Applied::before(&look.plan).attributes;
        let is_as_recorded = |(address, attributes): (&Address, &Attributes)| {
            let recorded = last.resources.get(&address.to_string());
            // What an update changes tells one deployment from another: versions and snapshots.
            let telling = of_kind(self.types, address.kind())
                .map_or(&[][..], |resource| resource.changing_attributes());
            recorded.is_some_and(|recorded| {
                telling
                    .iter()
                    .all(|name| recorded.get(*name) == attributes.get(*name))
            })
        };
        last.resources.len() == present.len() && present.iter().all(is_as_recorded)
    }

    /// Counts what each deletion would lose.
    async fn weigh(&self, plan: &mut Plan) -> Result<(), Error> {
        let context = Context {
            aws: self.aws,
            scope: self.scope,
            notify: &|_| (),
            lease: &Lease::unlimited(),
        };
        let weighed = plan.changes.iter().map(|change| {
            let context = &context;
            async move {
                match (
                    of_kind(self.types, change.address.kind()),
                    &change.observed,
                    change.action,
                ) {
                    (Some(resource), Some(observed), Action::Delete | Action::Replace) => {
                        resource.data_at_risk(context, observed).await
                    }
                    _ => Ok(None),
                }
            }
        });
        let weights = join_all(weighed).await;
        for (change, weight) in plan.changes.iter_mut().zip(weights) {
            change.data_at_risk = weight?;
        }
        Ok(())
    }

    /// Takes the stage's lock.
    ///
    /// Also looks again if somebody else deployed, or died deploying, since `look`; then the new look is returned and is
    /// what counts.
    pub async fn lock(
        &self,
        look: &Look,
        about: &About,
    ) -> Result<(Lock<'_>, Option<Look>), RunError> {
        let holder = Holder::new(&self.scope.identity.arn, &about.command);
        let lock = Lock::acquire(self.bucket(), holder).await?;
        let again = async {
            let (_, version) = record::last(self.bucket()).await?;
            if version == look.record_version && !lock.was_stolen {
                return Ok(None);
            }
            self.look().await.map(Some)
        };
        match again.await {
            Ok(again) => Ok((lock, again)),
            Err(error) => {
                let _ = lock.release().await;
                Err(RunError::Look(error))
            }
        }
    }

    /// Applies a plan under the lock, writes the record and frees the lock.
    pub async fn run(&self, mut lock: Lock<'_>, look: &Look, about: &About) -> Outcomes {
        let started = Timestamp::now();
        let mut troubles = Vec::new();
        let applied = {
            let lease = lock.lease();
            let apply = std::pin::pin!(self.apply(&look.plan, &lease));
            let keep = std::pin::pin!(lock.keep());
            match select(apply, keep).await {
                Either::Left((applied, _)) => applied,
                Either::Right((lost, apply)) => {
                    // Somebody else may be at work from here on: nothing more is begun.
                    self.stop.request();
                    troubles.push(
                        lost.diagnostic()
                            .note("the lock was lost: no further step was begun"),
                    );
                    apply.await
                }
            }
        };
        let number = number_after(look.last.as_ref());
        let emptied = self.stack.resources.is_empty() && applied.is_complete();
        if troubles.is_empty() {
            let written = if emptied {
                self.bucket().remove_stage().await
            } else {
                let record = self.record(look.last.as_ref(), started, &applied, about);
                record::write(self.bucket(), &record).await
            };
            if let Err(error) = written {
                troubles.push(
                    error
                        .diagnostic()
                        .note("the deployment's record couldn't be written"),
                );
            }
            if !emptied && let Err(error) = lock.release().await {
                troubles.push(
                    error
                        .diagnostic()
                        .note("the lock couldn't be freed; it expires by itself"),
                );
            }
        }
        Outcomes {
            applied,
            troubles,
            number,
        }
    }

    /// Removes what the bucket holds of a stage of which nothing else is left, unless somebody is at work on it.
    pub async fn forget(&self, about: &About) -> Result<(), LockError> {
        let bucket = self.bucket();
        if !bucket.list("").await?.is_empty() {
            let holder = Holder::new(&self.scope.identity.arn, &about.command);
            let _lock = Lock::acquire(bucket, holder).await?;
            // The lock goes with the rest.
            bucket.remove_stage().await?;
            return Ok(());
        }
        Ok(bucket.remove_stage().await?)
    }

    fn record(
        &self,
        last: Option<&Record>,
        started_at: Timestamp,
        applied: &Applied,
        about: &About,
    ) -> Record {
        let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for step in applied
            .steps
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Done))
        {
            changes
                .entry(step.action.as_str().to_owned())
                .or_default()
                .push(step.address.to_string());
        }
        Record {
            schema: 1,
            number: number_after(last),
            command: about.command.clone(),
            complete: applied.is_complete(),
            started_at,
            seconds: started_at.until(Timestamp::now()).map_or(0.0, |span| {
                span.total(jiff::Unit::Second).unwrap_or_default()
            }),
            identity: self.scope.identity.arn.clone(),
            run: run_url(),
            commit: about.commit.clone(),
            wsless: env!("CARGO_PKG_VERSION").to_owned(),
            resources: applied
                .attributes
                .iter()
                .map(|(address, attributes)| (address.to_string(), attributes.clone()))
                .collect(),
            meant: drift::meant(self.stack, applied, self.types, last),
            changes,
        }
    }
}

fn number_after(last: Option<&Record>) -> u64 {
    last.map_or(0, |last| last.number) + 1
}

/// Why a run couldn't begin.
#[derive(Debug)]
pub enum RunError {
    /// The lock isn't to be had.
    Lock(LockError),
    /// The second look failed.
    Look(LookError),
}

impl From<LockError> for RunError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}
