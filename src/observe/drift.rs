//! How a stage differs from its manifest, or from its last deployment, without a build: for what would be deployed is taken
//! the code that runs, or the code that was deployed last.

use serde_json::Value;

use crate::{
    aws::Aws,
    diagnostic::Diagnostic,
    engine::{
        address::Address,
        apply::{Engine, Stop},
        bucket::Bucket,
        drift,
        plan::Plan,
        record::{self, Record},
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
    let live = |name: &str| {
        functions
            .iter()
            .find(|found| found.address.name() == name)
            .map(|found| &found.properties)
    };
    with_codes(scope, manifest, live)
}

/// The stack that the manifest means, with the code that each function's properties tell of.
fn with_codes<'a>(
    scope: &Scope,
    manifest: &Manifest,
    properties: impl Fn(&str) -> Option<&'a Value>,
) -> Result<Stack, Vec<Diagnostic>> {
    let code = |name: &str| Code {
        sha256: properties(name)
            .and_then(|properties| properties["code_sha256"].as_str())
            .unwrap_or_default()
            .to_owned(),
        package: String::new(),
    };
    let codes: Codes = project::functions(manifest)
        .map(|name| (name.to_owned(), code(name)))
        .collect();
    project::stack(manifest, &codes, scope).map_err(|error| vec![error])
}

/// What was changed outside since a stage's last deployment.
#[derive(Debug)]
pub struct Outside {
    /// What deploying would put back, and nothing else.
    pub plan: Plan,
    /// The last deployment.
    pub last: Record,
}

/// Finds what was changed outside; nothing if no deployment is recorded.
pub async fn outside(
    aws: &Aws,
    scope: &Scope,
    manifest: &Manifest,
) -> Result<Option<Outside>, Vec<Diagnostic>> {
    let (last, _) = record::last(Bucket::new(aws, scope))
        .await
        .map_err(|error| vec![error.diagnostic()])?;
    let Some(last) = last.filter(|last| !last.meant.is_empty()) else {
        return Ok(None);
    };
    let deployed = |name: &str| {
        let address = Address::new(function::KIND, name);
        last.meant.get(&address.to_string())
    };
    let stack = with_codes(scope, manifest, deployed)?;
    let plan = drift::only(&look(aws, scope, &stack).await?.plan);
    Ok(Some(Outside { plan, last }))
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
