//! The workflow that a CI service runs: plan on pull requests, deploy on the branch, no stored keys.
//!
//! Pure: a text from a template that the program carries.

use minijinja::{Environment, context};

const GITHUB: &str = include_str!("ci/github.yml.j2");

/// What a workflow is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// The stage that is planned and deployed.
    pub stage: String,
    /// The branch whose pushes deploy.
    pub branch: String,
    /// The name of the role that deploys; with `-plan` after it, of the one that plans.
    pub role: String,
}

/// GitHub's workflow.
pub fn github(workflow: &Workflow) -> Result<String, minijinja::Error> {
    let install = concat!(
        "cargo install wsless --locked --version ",
        env!("CARGO_PKG_VERSION")
    );
    Environment::new().render_str(
        GITHUB,
        context! {
            stage => &workflow.stage,
            branch => &workflow.branch,
            role => &workflow.role,
            install => install,
        },
    )
}
