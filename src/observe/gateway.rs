//! Where a stage's API is.

use std::collections::BTreeMap;

use crate::{
    aws::{Aws, Error},
    engine::{scope::Scope, stack::Stack, survey::Survey},
    project,
    resource::{self, api, stage},
};

/// A stage's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its id.
    pub api_id: String,
    /// Where clients connect: `wss://…/{stage}`. Nothing while the API has no such stage.
    pub endpoint: Option<String>,
}

/// The stage's API, found by its tags as the engine finds it; nothing if there is none.
pub async fn gateway(aws: &Aws, scope: &Scope) -> Result<Option<Gateway>, Error> {
    let nothing_desired = Stack::default();
    let survey = Survey::new(aws, scope, &nothing_desired, resource::ALL);
    let apis = survey.of(api::KIND).await?;
    let Some(found) = apis.iter().find(|found| found.address.name() == api::NAME) else {
        return Ok(None);
    };
    let stages = survey.of(stage::KIND).await?;
    let attributes: BTreeMap<_, _> = [found]
        .into_iter()
        .chain(stages.iter())
        .map(|found| (found.address.clone(), found.attributes.clone()))
        .collect();
    Ok(Some(Gateway {
        api_id: found.id.clone(),
        endpoint: project::endpoint(&attributes, &scope.stage),
    }))
}
