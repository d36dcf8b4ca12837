//! Observe, plan, apply: brings the cloud to what a stack says.
//!
//! In: a [`stack::Stack`], the resource types, the clients. Out: a [`plan::Plan`] (a value, made without changing
//! anything) and, when it's applied, [`event::Event`]s and a [`apply::Applied`]. Knows the trait
//! [`resource::Resource`], never a resource type.

pub mod address;
pub mod apply;
pub mod bucket;
pub mod drift;
pub mod event;
pub mod lock;
pub mod plan;
pub mod properties;
pub mod record;
pub mod resource;
pub mod run;
pub mod scope;
pub mod stack;
pub mod survey;

#[cfg(test)]
mod tests;
