//! The console: one page at `/`, and the few JSON calls that it lives on.
