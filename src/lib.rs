//! wsless deploys serverless WebSocket systems on AWS from one manifest.
//!
//! Data goes one way: manifest -> stack -> engine -> report. ARCHITECTURE.md is the map.

pub mod build;
pub mod diagnostic;
pub mod manifest;
