//! The built-in binaries and users' handlers as real processes, against a fake cloud: Lambda's Runtime API, SQS, DynamoDB
//! and @connections on one loopback port, with every signature recomputed.

mod cloud;
mod connections;
mod handler;
mod publisher;
mod push;
mod retained;
mod routes;
mod signature;
