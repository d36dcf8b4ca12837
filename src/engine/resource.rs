//! What the engine knows of resources: the trait that every type implements, and what passes between the two.
//!
//! The types themselves are in the module `resource`; nothing here knows any of them.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use super::{address::Address, lock::Lease, plan::FieldChange, scope::Scope, survey::Survey};
use crate::aws::{Aws, Effect, Error, Operation, Settle};

/// What references may ask of a resource: `arn`, `id`, `url` and the like.
pub type Attributes = BTreeMap<String, String>;

/// A resource as the cloud has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its address in the stack, found from its name.
    pub address: Address,
    /// AWS's name, id or ARN of it, for people.
    pub id: String,
    /// What references may ask of it.
    pub attributes: Attributes,
    /// Its properties, in the shape of the desired ones.
    pub properties: Value,
    /// Whose it is.
    pub owner: Owner,
    /// Top-level properties that can't be read back, so can't be compared.
    pub unreadable: Vec<&'static str>,
}

/// Whose a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This project's and stage's, by its tags or its path.
    Us,
    /// Somebody else's that bears a name of ours. It's never touched.
    SomebodyElse,
}

impl Owner {
    /// Whose a resource with these tags is.
    pub fn by_tags(scope: &Scope, tags: &BTreeMap<String, String>) -> Self {
        if scope.owns(tags) {
            Self::Us
        } else {
            Self::SomebodyElse
        }
    }
}

impl Observed {
    /// A resource of ours with the given properties, less the tags that AWS itself puts on it and lets nobody change.
    pub fn new(address: Address, id: impl Into<String>, properties: &impl Serialize) -> Self {
        let mut properties = to_value(properties);
        if let Some(tags) = properties.get_mut("tags").and_then(Value::as_object_mut) {
            tags.retain(|key, _| !key.starts_with("aws:"));
        }
        Self {
            address,
            id: id.into(),
            attributes: Attributes::new(),
            properties,
            owner: Owner::Us,
            unreadable: Vec::new(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(attribute.to_owned(), value.into());
        self
    }

    /// Says whose it is.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Names properties that can't be read back.
    #[must_use]
    pub fn unreadable(mut self, properties: &[&'static str]) -> Self {
        self.unreadable.extend_from_slice(properties);
        self
    }

    /// An attribute, or nothing.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A type's properties as the engine sees them.
pub fn to_value(properties: &impl Serialize) -> Value {
    serde_json::to_value(properties).unwrap_or_default()
}

/// What an identity is allowed: one statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// IAM's names of actions, such as `sqs:CreateQueue`.
    pub actions: Vec<String>,
    /// ARNs, with wildcards; `*` where AWS can't narrow an action down.
    pub resources: Vec<String>,
    /// On what it depends, if on anything.
    pub condition: Option<Condition>,
}

/// A condition of a policy's statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// Such as `StringEquals`.
    pub operator: &'static str,
    /// The condition key, such as `iam:PassedToService`.
    pub key: &'static str,
    /// One of these.
    pub values: Vec<String>,
}

impl Permission {
    /// A service's actions on resources: `on("sqs", &["CreateQueue"], [arn])`.
    pub fn on<R: Into<String>>(
        service: &str,
        actions: &[&str],
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Self {
            actions: actions
                .iter()
                .map(|action| format!("{service}:{action}"))
                .collect(),
            resources: resources.into_iter().map(Into::into).collect(),
            condition: None,
        }
    }

    /// A service's actions that AWS can't narrow down, such as most listings [SAR].
    pub fn anywhere(service: &str, actions: &[&str]) -> Self {
        Self::on(service, actions, ["*"])
    }

    /// Allows it only where a condition holds.
    #[must_use]
    pub fn when(
        mut self,
        operator: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = String>,
    ) -> Self {
        self.condition = Some(Condition {
            operator,
            key,
            values: values.into_iter().collect(),
        });
        self
    }
}

/// Which comes first when AWS can't change a resource in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The old one is deleted, then the new one is made under the same name.
    DeleteFirst,
    /// The new one is made under another name, whoever uses it moves over, then the old one is deleted.
    CreateFirst,
}

/// A resource type.
///
/// Every method may be repeated: a run that was cut off is finished by the next one.
#[async_trait]
pub trait Resource: Send + Sync {
    /// The first part of the addresses of this type's resources.
    fn kind(&self) -> &'static str;

    /// What the identity that deploys must be allowed for resources of this type: the calls that its methods make, but
    /// for what the [parent](Resource::parent)'s permissions cover.
    fn permissions(&self, _scope: &Scope) -> Vec<Permission> {
        Vec::new()
    }

    /// All resources of this type that bear this stage's names or tags.
    async fn list(&self, survey: &Survey<'_>) -> Result<Vec<Observed>, Error>;

    /// Makes the resource and waits until it can be used. `desired` has no references left.
    async fn create(&self, context: &Context<'_>, desired: &Value) -> Result<Attributes, Error>;

    /// Changes the resource in place. `fields` differ between `observed` and `desired`.
    ///
    /// Returns the attributes that are new or changed.
    async fn update(
        &self,
        context: &Context<'_>,
        observed: &Observed,
        desired: &Value,
        fields: &[FieldChange],
    ) -> Result<Attributes, Error>;

    /// Deletes the resource. That it's gone already is no error.
    async fn delete(&self, context: &Context<'_>, observed: &Observed) -> Result<(), Error>;

    /// Whether a change of the property at `path` can't be made in place.
    fn is_replaced_by(&self, _path: &str) -> bool {
        false
    }

    /// The order of a replacement.
    fn replacement(&self) -> Replacement {
        Replacement::DeleteFirst
    }

    /// Attributes that change when the resource is updated, so aren't known before.
    fn changing_attributes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether changing `fields` takes away what the old state still needs while it's in use. Then [`Resource::update`]
    /// only adds, and [`Resource::tighten`] takes away after everything in [`Resource::deleted_after`].
    fn narrows(&self, _fields: &[FieldChange]) -> bool {
        false
    }

    /// Takes away what [`Resource::update`] left for the old state.
    async fn tighten(
        &self,
        _context: &Context<'_>,
        _observed: &Observed,
        _desired: &Value,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// How long after a change of this type AWS may still act on what was there before.
    fn settling_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Kinds whose changes must be finished before a resource of this type is deleted.
    fn deleted_after(&self) -> &'static [&'static str] {
        &[]
    }

    /// Kinds whose deletions must be finished before a resource of this type is made or changed.
    fn follows_deletions_of(&self) -> &'static [&'static str] {
        &[]
    }

    /// Kinds whose changes make a new one of this necessary, since it is a snapshot of them.
    fn renewed_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// The kind whose deletion deletes resources of this type too.
    fn parent(&self) -> Option<&'static str> {
        None
    }

    /// Whether the account shares the resource: it's looked at only if desired, and never deleted.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether the value at `path` must not be shown.
    fn is_secret(&self, _path: &str) -> bool {
        false
    }

    /// What would be lost with the resource, such as `12 messages`.
    async fn data_at_risk(
        &self,
        _context: &Context<'_>,
        _observed: &Observed,
    ) -> Result<Option<String>, Error> {
        Ok(None)
    }
}

/// What a resource type has at hand while it changes the cloud.
pub struct Context<'a> {
    /// The clients.
    pub aws: &'a Aws,
    /// Whose stage it is.
    pub scope: &'a Scope,
    /// Says what is waited for.
    pub notify: &'a (dyn Fn(&str) + Send + Sync),
    /// While it holds, the cloud may be changed.
    pub lease: &'a Lease,
}

impl Context<'_> {
    /// Makes a call; see [`Aws::call`].
    pub async fn call<T, E, F>(
        &self,
        operation: Operation,
        send: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ErrorMetadata,
    {
        self.settle(operation, &[], send).await
    }

    /// Makes a call and sits out what `settles` names; see [`Aws::settle`]. Nothing is changed without the lock.
    pub async fn settle<T, E, F>(
        &self,
        operation: Operation,
        settles: &[Settle],
        send: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ErrorMetadata,
    {
        let call = Box::pin(self.aws.settle(operation, settles, self.notify, send));
        if operation.effect == Effect::Read {
            return call.await;
        }
        self.lease.guard(call).await.unwrap_or_else(|| {
            let words = "the stage's lock was lost: it wasn't begun, or its end not waited for";
            Err(Error::unexpected(operation, words))
        })
    }

    /// Deletes: like [`Context::settle`], and that it's gone already is fine.
    pub async fn remove<T, E, F>(
        &self,
        operation: Operation,
        settles: &[Settle],
        send: impl FnMut() -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ErrorMetadata,
    {
        match self.settle(operation, settles, send).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The SDK's error of an operation with error `E`.
pub type SdkError<E> = aws_smithy_runtime_api::client::result::SdkError<
    E,
    aws_smithy_runtime_api::client::orchestrator::HttpResponse,
>;

/// What every operation's error can tell.
pub trait ErrorMetadata:
    aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static
{
}

impl<E> ErrorMetadata for E where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static
{
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_that_aws_itself_puts_on_a_resource_are_not_seen() {
        let found = json!({
            "name": "x",
            "environment": { "aws:kept": "1" },
            "tags": { "team": "a", "aws:servicecatalog:productArn": "x" },
        });
        assert_eq!(
            Observed::new(Address::new("queue", "x"), "x", &found).properties,
            json!({ "name": "x", "environment": { "aws:kept": "1" }, "tags": { "team": "a" } })
        );
    }
}
