//! Deploying to an embedded cloud in this very process, and watching a project: what `wsless dev` and `wsless demo` are
//! made of. Prints nothing.
//!
//! Nobody is asked anything: what is in that cloud is nobody's loss.

mod watch;

use std::time::{Duration, Instant};

pub use self::watch::{Watch, WatchError};
use crate::{
    aws::{Aws, ConnectError, Options},
    build::Artifacts,
    diagnostic::Diagnostic,
    engine::{
        apply::{Applied, Engine, Stop},
        plan::Plan,
        run::{About, RunError},
        scope::Scope,
        stack::Stack,
    },
    project::Project,
    resource,
};

/// What deploying, or taking away, came to.
#[derive(Debug)]
pub struct Deployed {
    /// What was to be done.
    pub plan: Plan,
    /// What was done.
    pub applied: Applied,
    /// What went wrong beside the steps.
    pub troubles: Vec<Diagnostic>,
    /// The region.
    pub region: String,
    /// Where clients connect; nothing without a stage.
    pub endpoint: Option<String>,
    /// How long it took, building not counted.
    pub elapsed: Duration,
}

impl Deployed {
    /// Whether everything is as it was meant.
    pub fn is_complete(&self) -> bool {
        self.applied.is_complete() && self.troubles.is_empty()
    }
}

/// The way to the cloud of this process.
#[derive(Debug)]
pub struct Target {
    aws: Aws,
}

impl Target {
    /// Connects to the cloud at `endpoint`.
    pub async fn connect(endpoint: &str, region: Option<&str>) -> Result<Self, ConnectError> {
        let options = Options {
            region: region.map(str::to_owned),
            profile: None,
            endpoint_url: Some(endpoint.to_owned()),
            local: true,
        };
        Ok(Self {
            aws: Aws::connect(&options).await?,
        })
    }

    /// The clients of that cloud.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Brings the cloud to what the project says. Asked to stop, it begins nothing more and frees the lock.
    pub async fn deploy(
        &self,
        project: &Project,
        artifacts: &Artifacts,
        stop: &Stop,
    ) -> Result<Deployed, Vec<Diagnostic>> {
        let scope = project.scope(self.aws.identity());
        let codes = project
            .codes(artifacts)
            .map_err(|error| vec![Diagnostic::error("io", error.to_string())])?;
        let stack = project.stack(&codes, &scope).map_err(|error| vec![error])?;
        let about = About {
            command: "deploy".to_owned(),
            commit: project.commit().await,
        };
        Box::pin(self.run(&scope, &stack, &about, stop)).await
    }

    /// Takes all of the project's stage away.
    pub async fn destroy(&self, project: &Project) -> Result<Deployed, Vec<Diagnostic>> {
        let scope = project.scope(self.aws.identity());
        let about = About {
            command: "destroy".to_owned(),
            commit: None,
        };
        let stop = Stop::default();
        Box::pin(self.run(&scope, &Stack::default(), &about, &stop)).await
    }

    async fn run(
        &self,
        scope: &Scope,
        stack: &Stack,
        about: &About,
        stop: &Stop,
    ) -> Result<Deployed, Vec<Diagnostic>> {
        let began = Instant::now();
        let engine = Engine {
            aws: &self.aws,
            scope,
            stack,
            types: resource::ALL,
            observer: &|_| (),
            stop,
            allow_data_loss: true,
        };
        let look = engine.look().await.map_err(|error| error.diagnostics())?;
        let deployed = |plan, applied: Applied, troubles| Deployed {
            plan,
            region: scope.identity.region.clone(),
            endpoint: crate::project::endpoint(&applied.attributes, &scope.stage),
            applied,
            troubles,
            elapsed: began.elapsed(),
        };
        if look.plan.is_empty() {
            let applied = Applied::before(&look.plan);
            return Ok(deployed(look.plan, applied, Vec::new()));
        }
        let (lock, again) = engine
            .lock(&look, about)
            .await
            .map_err(|error| match error {
                RunError::Lock(error) => vec![error.diagnostic()],
                RunError::Look(error) => error.diagnostics(),
            })?;
        let look = again.unwrap_or(look);
        let outcomes = Box::pin(engine.run(lock, &look, about)).await;
        Ok(deployed(look.plan, outcomes.applied, outcomes.troubles))
    }
}
