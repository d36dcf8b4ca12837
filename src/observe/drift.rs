//! How a stage differs from its manifest, without a build: the code that runs is taken for what would be deployed.

use crate::{
    aws::Aws,
    diagnostic::Diagnostic,
    engine::{
        apply::{Engine, Stop},
        run::Look,
        scope::Scope,
        stack::Stack,
        survey::Survey,
    },
    manifest::Manifest,
    project,
    resource::{self, function},
    stack::{Code, Codes},
};

/// The stack that the manifest means, with the code that runs. A function that isn't there has none.
pub async fn stack_of(
    aws: &Aws,
    scope: &Scope,
    manifest: &Manifest,
) -> Result<Stack, Vec<Diagnostic>> {
    let nothing_desired = Stack::default();
    let survey = Survey::new(aws, scope, &nothing_desired, resource::ALL);
    let functions = survey
        .of(function::KIND)
        .await
        .map_err(|error| vec![error.diagnostic()])?;
    let live = |name: &str| Code {
        sha256: functions
            .iter()
            .find(|found| found.address.name() == name)
            .and_then(|found| found.properties["code_sha256"].as_str())
            .unwrap_or_default()
            .to_owned(),
        package: String::new(),
    };
    let codes: Codes = project::functions(manifest)
        .map(|name| (name.to_owned(), live(name)))
        .collect();
    project::stack(manifest, &codes, scope).map_err(|error| vec![error])
}

/// What deploying would change beside the code, and what the last deployment was.
pub async fn look(aws: &Aws, scope: &Scope, stack: &Stack) -> Result<Look, Vec<Diagnostic>> {
    let engine = Engine {
        aws,
        scope,
        stack,
        types: resource::ALL,
        observer: &|_| (),
        stop: &Stop::default(),
        allow_data_loss: false,
    };
    engine.look().await.map_err(|error| error.diagnostics())
}
