//! Event source mappings: what takes messages from queues and runs functions with them.
