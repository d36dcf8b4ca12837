//! wsless deploys serverless WebSocket systems on AWS from one manifest.
//!
//! Data goes one way: manifest -> stack -> engine -> report. ARCHITECTURE.md is the map.

pub mod aws;
pub mod build;
pub mod ci;
pub mod cli;
pub mod client;
pub mod dead_letters;
pub mod demo;
pub mod dev;
pub mod diagnostic;
pub mod engine;
pub mod local;
pub mod manifest;
pub mod observe;
pub mod plan_file;
pub mod policy;
pub mod project;
pub mod report;
pub mod resource;
pub mod stack;
pub mod template;
