//! Policies: what a set of JSON documents allows. Pure.
