//! Observing: every resource type is listed once, all at the same time; a type that needs another's listing awaits it.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use tokio::sync::OnceCell;

use super::{
    resource::{Observed, Resource},
    scope::Scope,
    stack::Stack,
};
use crate::aws::{Aws, Error};

type Listing = Result<Arc<[Observed]>, Error>;

/// One look at the cloud.
pub struct Survey<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// Whose stage is looked at.
    pub scope: &'a Scope,
    stack: &'a Stack,
    types: &'a [&'a dyn Resource],
    listings: BTreeMap<&'static str, OnceCell<Listing>>,
}

impl<'a> Survey<'a> {
    /// A look at what `scope` owns, with nothing listed yet.
    pub fn new(
        aws: &'a Aws,
        scope: &'a Scope,
        stack: &'a Stack,
        types: &'a [&'a dyn Resource],
    ) -> Self {
        Self {
            aws,
            scope,
            stack,
            types,
            listings: types
                .iter()
                .map(|kind| (kind.kind(), OnceCell::new()))
                .collect(),
        }
    }

    /// The resources of a kind; listed on first use.
    ///
    /// Types that need each other's listings must not do so in a circle.
    pub async fn of(&self, kind: &str) -> Listing {
        let found = self
            .types
            .iter()
            .find(|resource| resource.kind() == kind)
            .and_then(|resource| Some((resource, self.listings.get(kind)?)));
        let Some((resource, cell)) = found else {
            return Err(Error::internal(format!(
                "there is no resource type `{kind}`"
            )));
        };
        cell.get_or_init(|| async { resource.list(self).await.map(Into::into) })
            .await
            .clone()
    }

    /// The names of the stack's resources of this kind.
    pub fn names(&self, kind: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        let resources = self.stack.resources.iter();
        resources
            .filter(move |desired| desired.address.kind() == kind)
            .map(|desired| desired.address.name())
    }

    /// Whether the stack has a resource of this kind and name.
    pub fn wants(&self, kind: &str, name: &str) -> bool {
        self.stack
            .resources
            .iter()
            .any(|desired| desired.address.kind() == kind && desired.address.name() == name)
    }

    /// Everything the stage owns, or every reason why it can't be told.
    pub async fn everything(&self) -> Result<Observation, Vec<Error>> {
        let kinds = self.types.iter().filter(|resource| {
            !resource.is_shared()
                || self
                    .stack
                    .resources
                    .iter()
                    .any(|desired| desired.address.kind() == resource.kind())
        });
        let listings = join_all(kinds.map(|resource| self.of(resource.kind()))).await;
        let mut resources = Vec::new();
        let mut errors: Vec<Error> = Vec::new();
        for listing in listings {
            match listing {
                Ok(found) => resources.extend(found.iter().cloned()),
                // A listing that others wait for fails for all of them: once is enough.
                Err(error)
                    if errors
                        .iter()
                        .any(|known| known.to_string() == error.to_string()) => {}
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Observation { resources })
        } else {
            Err(errors)
        }
    }
}

/// What one look at the cloud found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// In no particular order.
    pub resources: Vec<Observed>,
}
