//! What a client must bring to be let in.

use crate::{
    aws::{Aws, Error},
    engine::{scope::Scope, stack::Stack, survey::Survey},
    resource::{self, route},
};

/// Whether the stage's `$connect` wants a signature.
pub async fn is_signed(aws: &Aws, scope: &Scope) -> Result<bool, Error> {
    let nothing_desired = Stack::default();
    let survey = Survey::new(aws, scope, &nothing_desired, resource::ALL);
    let routes = survey.of(route::KIND).await?;
    Ok(routes.iter().any(|route| {
        route.address.name() == "$connect" && route.properties["authorization"] == "AWS_IAM"
    }))
}
