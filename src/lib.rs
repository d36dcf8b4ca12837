//! wsless deploys serverless WebSocket systems on AWS from one manifest.
//!
//! Data goes one way: manifest -> stack -> engine -> report. ARCHITECTURE.md is the map.

pub mod aws;
pub mod build;
pub mod cli;
pub mod client;
pub mod demo;
pub mod dev;
pub mod diagnostic;
pub mod engine;
pub mod local;
pub mod manifest;
pub mod observe;
pub mod project;
pub mod report;
pub mod resource;
pub mod stack;
pub mod template;
