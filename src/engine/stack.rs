//! A stack: the resources that a stage is to have, with their edges.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::resource::to_value;
use super::{
    address::Address,
    properties::{Reference, references},
};

/// A resource that is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its logical name.
    pub address: Address,
    /// Its properties; texts in it may refer to other resources.
    pub properties: Value,
    /// Resources it needs without referring to them.
    pub after: BTreeSet<Address>,
}

impl Desired {
    /// The resources it needs, in no particular order.
    pub fn needs(&self) -> BTreeSet<Address> {
        references(&self.properties)
            .into_iter()
            .map(|Reference { address, .. }| address)
            .chain(self.after.iter().cloned())
            .collect()
    }
}

/// The resources that a stage is to have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    /// Each after everything it needs.
    pub resources: Vec<Desired>,
}

/// Why a list of resources isn't a stack: a mistake of ours, never of the user's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// Two resources have one address.
    #[error("two resources have the address {0}")]
    Twice(Address),
    /// Something needs what isn't in the stack.
    #[error("{0} needs {1}, which isn't in the stack")]
    Dangling(Address, Address),
    /// Resources need each other.
    #[error("{0} needs itself, by way of others")]
    Circle(Address),
}

impl Stack {
    /// Orders `resources` by need, else as they come.
    pub fn new(resources: Vec<Desired>) -> Result<Self, StackError> {
        let mut index = BTreeMap::new();
        for (position, desired) in resources.iter().enumerate() {
            if index.insert(desired.address.clone(), position).is_some() {
                return Err(StackError::Twice(desired.address.clone()));
            }
        }
        for desired in &resources {
            if let Some(missing) = desired
                .needs()
                .into_iter()
                .find(|need| !index.contains_key(need))
            {
                return Err(StackError::Dangling(desired.address.clone(), missing));
            }
        }
        let mut ordered = Vec::with_capacity(resources.len());
        let mut placed = BTreeSet::new();
        let mut rest = resources;
        while !rest.is_empty() {
            let (ready, waiting): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|desired| desired.needs().iter().all(|need| placed.contains(need)));
            if let (true, Some(stuck)) = (ready.is_empty(), waiting.first()) {
                return Err(StackError::Circle(stuck.address.clone()));
            }
            placed.extend(ready.iter().map(|desired| desired.address.clone()));
            ordered.extend(ready);
            rest = waiting;
        }
        Ok(Self { resources: ordered })
    }

    /// The resource at `address`.
    pub fn get(&self, address: &Address) -> Option<&Desired> {
        self.resources
            .iter()
            .find(|desired| desired.address == *address)
    }
}

/// Collects resources for a [`Stack`].
#[derive(Debug, Default)]
pub struct Builder {
    resources: Vec<Desired>,
}

impl Builder {
    /// Adds a resource and returns its address.
    pub fn add(&mut self, kind: &str, name: &str, properties: &impl Serialize) -> Address {
        self.add_after(kind, name, properties, [])
    }

    /// Adds a resource that needs others without referring to them.
    pub fn add_after(
        &mut self,
        kind: &str,
        name: &str,
        properties: &impl Serialize,
        after: impl IntoIterator<Item = Address>,
    ) -> Address {
        let address = Address::new(kind, name);
        self.resources.push(Desired {
            address: address.clone(),
            properties: to_value(properties),
            after: after.into_iter().collect(),
        });
        address
    }

    /// The resources so far.
    pub fn resources(&self) -> &[Desired] {
        &self.resources
    }

    /// The stack.
    pub fn build(self) -> Result<Stack, StackError> {
        Stack::new(self.resources)
    }
}
