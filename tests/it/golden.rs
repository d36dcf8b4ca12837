//! What people read, as it was last agreed on: help, plans, diagnostics; and the exit codes that scripts rely on.
//!
//! `INSTA_UPDATE=always cargo nextest run --test it golden` writes the snapshots anew; read the difference before you
//! commit it.

mod commands;
mod manifests;
mod plans;

/// Asserts that a text is as it was last agreed on, in `golden/snapshots/NAME.snap`.
macro_rules! assert_golden {
    ($name:expr, $text:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($name, $text));
    }};
}
use assert_golden;
