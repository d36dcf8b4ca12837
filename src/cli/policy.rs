//! `wsless policy`: the IAM policies that a pipeline needs for exactly this manifest.

use super::{Failure, Global, exit, work};
use crate::{
    aws::{ConnectError, Identity},
    policy::{self, Purpose, Subject},
    report::Report,
    resource,
};

/// Print the smallest IAM policy with which this manifest can be deployed
///
/// With --github, the trust policy of the role instead: who may take it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  wsless policy --stage prod > deploy.json\n  wsless policy --stage prod --read-only > plan.json\n  wsless policy --github me/chat --branch main > trust.json\n  wsless policy --account 123456789012 --region eu-west-1   without asking AWS"
)]
pub struct Policy {
    /// What `plan`, `status`, `metrics`, `logs` and `doctor` need, and nothing that changes anything
    #[arg(long)]
    read_only: bool,
    /// The account [default: that of the AWS credentials]
    #[arg(long, value_name = "DIGITS", value_parser = account)]
    account: Option<String>,
    /// The trust policy for GitHub's workflows of this repository
    #[arg(long, value_name = "OWNER/NAME", value_parser = repository, conflicts_with = "read_only")]
    github: Option<String>,
    /// With --github: a branch whose workflows may take the role; may be given several times
    #[arg(long, value_name = "NAME", requires = "github")]
    branch: Vec<String>,
    /// With --github: an environment of the repository; may be given several times
    #[arg(long, value_name = "NAME", requires = "github")]
    environment: Vec<String>,
    /// With --github: pull requests may take the role too; give it to a role that only reads
    #[arg(long, requires = "github")]
    pull_requests: bool,
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account is twelve digits".to_owned())
    }
}

fn repository(text: &str) -> Result<String, String> {
    let is_name = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match text.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => Ok(text.to_owned()),
        _ => Err("a repository is OWNER/NAME".to_owned()),
    }
}

impl Policy {
    pub(super) async fn run(&self, global: &Global, report: &Report) -> Result<u8, Failure> {
        let project = work::open(global, report)?;
        let scope = match &self.account {
            Some(account) => {
                let region = work::region(&project, global)
                    .or_else(|| std::env::var("AWS_REGION").ok())
                    .ok_or(ConnectError::NoRegion)?;
                project.scope(&Identity::of_account(account, &region))
            }
            None => work::connect(&project, global).await?.1,
        };
        let document = if let Some(repository) = &self.github {
            policy::github_trust(&scope, repository, &self.subjects())
        } else {
            let stack = project.stack(&project.unbuilt(), &scope)?;
            let purpose = if self.read_only {
                Purpose::Plan
            } else {
                Purpose::Deploy
            };
            policy::deployer(&stack, resource::ALL, &scope, purpose)
        };
        report.document("policy", &document);
        Ok(exit::DONE)
    }

    /// Without a word on it, the branch `main`.
    fn subjects(&self) -> Vec<Subject> {
        let branches = self.branch.iter().cloned().map(Subject::Branch);
        let environments = self.environment.iter().cloned().map(Subject::Environment);
        let pulls = self.pull_requests.then_some(Subject::PullRequest);
        let named: Vec<Subject> = branches.chain(environments).chain(pulls).collect();
        if named.is_empty() {
            vec![Subject::Branch("main".to_owned())]
        } else {
            named
        }
    }
}
